//! Where the operator's identity provider puts what a token claims, and what counts when it says nothing (A2).

use serde_json::value::RawValue;

use crate::protocol::json;
use crate::protocol::limits::BadVariable;
use crate::protocol::role::Role;

/// Where in a token the claims are that differ from one provider to the next, and what stands for a missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRules {
    /// Where the role is. `AUTH_CLAIM_ROLE`.
    pub role: Pointer,
    /// Where the rooms are. `AUTH_CLAIM_ROOMS`.
    pub rooms: Pointer,
    /// Where the user's name is. `AUTH_CLAIM_NAME`.
    pub name: Pointer,
    /// The role of a token without one. `AUTH_DEFAULT_ROLE`.
    pub default_role: Option<Role>,
    /// The rooms of a token without any. `AUTH_DEFAULT_ROOMS`.
    pub default_rooms: Option<Vec<String>>,
}

/// A place in JSON: a JSON Pointer (RFC 6901), taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Default for ClaimRules {
    fn default() -> Self {
        Self {
            role: Pointer::to("role"),
            rooms: Pointer::to("rooms"),
            name: Pointer::to("name"),
            default_role: None,
            default_rooms: None,
        }
    }
}

impl ClaimRules {
    /// The defaults with the operator's overrides. A variable that is empty counts as unset.
    ///
    /// # Errors
    /// A variable has an invalid value.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let mut rules = Self::default();
        let var = |name: &str| var(name).filter(|text| !text.trim().is_empty());
        for (name, pointer) in [
            ("AUTH_CLAIM_ROLE", &mut rules.role),
            ("AUTH_CLAIM_ROOMS", &mut rules.rooms),
            ("AUTH_CLAIM_NAME", &mut rules.name),
        ] {
            if let Some(text) = var(name) {
                let bad = BadVariable { name, expected: "a JSON Pointer, such as /app_metadata/role" };
                *pointer = Pointer::parse(text.trim()).ok_or(bad)?;
            }
        }
        if let Some(text) = var("AUTH_DEFAULT_ROLE") {
            let expected = "viewer, editor, moderator or admin";
            let role = Role::ALL.into_iter().find(|role| role.as_str() == text.trim());
            rules.default_role = Some(role.ok_or(BadVariable { name: "AUTH_DEFAULT_ROLE", expected })?);
        }
        if let Some(text) = var("AUTH_DEFAULT_ROOMS") {
            let rooms = text.split(',').map(|room| room.trim().to_owned()).collect::<Vec<_>>();
            let expected = "rooms such as collaboration/lobby or collaboration/*, separated by commas";
            if rooms
                .iter()
                .any(|room| room.split_once('/').is_none_or(|(party, name)| party.is_empty() || name.is_empty()))
            {
                return Err(BadVariable { name: "AUTH_DEFAULT_ROOMS", expected });
            }
            rules.default_rooms = Some(rooms);
        }
        Ok(rules)
    }
}

impl Pointer {
    fn to(member: &str) -> Self {
        Self(vec![member.to_owned()])
    }

    /// Reads a pointer to something inside the whole. `None` for anything else.
    fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?.split('/').map(unescaped);
        steps.collect::<Option<Vec<_>>>().map(Self)
    }

    /// What it points to. `None` if there is nothing, or null.
    pub fn find<'a>(&self, claims: &'a str) -> Option<&'a RawValue> {
        let mut steps = self.0.iter();
        let mut found = member(claims, steps.next()?)?;
        for step in steps {
            found = member(found.get(), step)?;
        }
        Some(found).filter(|raw| raw.get() != "null")
    }
}

/// The member of an object, or the element of a list.
fn member<'a>(raw: &'a str, step: &str) -> Option<&'a RawValue> {
    if raw.starts_with('[') {
        let is_index = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
        let index = step.parse::<usize>().ok().filter(|_| is_index)?;
        return serde_json::from_str::<Vec<&RawValue>>(raw).ok()?.get(index).copied();
    }
    json::object(raw).ok()?.members.get(step)
}

/// `~1` is a slash and `~0` a tilde.
fn unescaped(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (char, rest) = match part.split_at_checked(1)? {
            ("0", rest) => ('~', rest),
            ("1", rest) => ('/', rest),
            _ => return None,
        };
        text.push(char);
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pointer: &str, claims: &str) -> Option<String> {
        Pointer::parse(pointer).unwrap().find(claims).map(|raw| raw.get().to_owned())
    }

    #[test]
    fn a2_a_pointer_names_a_claim_however_deep_it_lies() {
        let claims = r#"{"role":"a","":"b","https://x.example/role":"c","m~n":"d","app":{"roles":["e",{"f":"g"}],"0":"h"},
            "none":null,"twice":{"x":1,"x":2},"text":"abc"}"#;
        for (pointer, expected) in [
            ("/role", Some(r#""a""#)),
            ("/", Some(r#""b""#)),
            ("/https:~1~1x.example~1role", Some(r#""c""#)),
            ("/m~0n", Some(r#""d""#)),
            ("/app/roles/0", Some(r#""e""#)),
            ("/app/roles/1/f", Some(r#""g""#)),
            ("/app/0", Some(r#""h""#)),
            ("/app/roles", Some(r#"["e",{"f":"g"}]"#)),
            ("/app/roles/00", None),
            ("/app/roles/2", None),
            ("/app/roles/-", None),
            ("/app/roles/+1", None),
            ("/app/roles/99999999999999999999", None),
            ("/none", None),
            ("/none/x", None),
            ("/absent", None),
            ("/twice/x", None),
            ("/text/0", None),
            ("/Role", None),
        ] {
            assert_eq!(found(pointer, claims).as_deref(), expected, "{pointer}");
        }
        for rubbish in ["role", "#/role", "$.role", "/a~", "/a~2", "/~/b"] {
            assert_eq!(Pointer::parse(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn a2_variables_that_make_no_sense_are_named() {
        let with = |name: &'static str, value: &'static str| {
            ClaimRules::from_vars(move |asked| (asked == name).then(|| value.to_owned())).map_err(|error| error.name)
        };
        for name in
            ["AUTH_CLAIM_ROLE", "AUTH_CLAIM_ROOMS", "AUTH_CLAIM_NAME", "AUTH_DEFAULT_ROLE", "AUTH_DEFAULT_ROOMS"]
        {
            assert_eq!(with(name, " "), Ok(ClaimRules::default()));
            assert_eq!(with(name, "nonsense"), Err(name));
        }
        for rooms in ["collaboration", "/x", "collaboration/", "collaboration/*,", "*"] {
            assert_eq!(with("AUTH_DEFAULT_ROOMS", rooms), Err("AUTH_DEFAULT_ROOMS"), "{rooms}");
        }
        assert_eq!(with("AUTH_DEFAULT_ROLE", "Editor"), Err("AUTH_DEFAULT_ROLE"));
        let rooms = with("AUTH_DEFAULT_ROOMS", "collaboration/a, chat/*").unwrap().default_rooms;
        assert_eq!(rooms, Some(vec!["collaboration/a".to_owned(), "chat/*".to_owned()]));
        assert_eq!(with("AUTH_DEFAULT_ROLE", "viewer").unwrap().default_role, Some(Role::Viewer));
    }
}
