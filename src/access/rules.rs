//! Who may write a field of a declared kind, and who may enter its rooms (K4, K5).

use crate::protocol::json;
use crate::protocol::role::Role;

/// One of the conditions of which one is enough to write a field (K4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteRule {
    /// At least this role.
    Role(Role),
    /// A member of the token that is a value, or a list that holds it: `NAME=VALUE`.
    Claim(String),
    /// The first `*` of the field's pattern is the user's id.
    Own,
}

/// What a writer may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights<'a> {
    /// The writer's role.
    pub role: Role,
    /// Those claims of its token that a rule of the kind asks for, each as `NAME=VALUE`.
    pub claims: &'a [String],
}

/// What lets users into rooms of a kind (K5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enter {
    /// The patterns in the token's `rooms` (A2).
    pub by_rooms: bool,
    /// Being the user that the room is named after.
    pub by_name: bool,
}

impl Default for Enter {
    fn default() -> Self {
        Self { by_rooms: true, by_name: false }
    }
}

impl WriteRule {
    /// Reads a rule as a definition gives it. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(claim) = text.strip_prefix("claim:") {
            let is_whole = claim.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
            return is_whole.then(|| Self::Claim(claim.to_owned()));
        }
        if text == "own" {
            return Some(Self::Own);
        }
        Role::ALL.into_iter().find(|role| role.as_str() == text).map(Self::Role)
    }

    /// Whether it lets a writer write a field that may be its own.
    pub fn holds(&self, rights: &Rights<'_>, is_own: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Role(least) => rights.role >= *least,
            Self::Claim(claim) => rights.claims.contains(claim),
            Self::Own => is_own(),
        }
    }
}

/// Whether a token's claims, as JSON, have what `claim` (`NAME=VALUE`) asks for. A number, true or false is its JSON.
pub fn has_claim(claims: &str, claim: &str) -> bool {
    let Some((name, value)) = claim.split_once('=') else { return false };
    let Ok(object) = json::object(claims) else { return false };
    let Some(raw) = object.members.get(name).map(|raw| raw.get()) else { return false };
    let is_value =
        |raw: &str| json::string(raw).map_or(raw == value && !raw.starts_with(['[', '{']), |text| text == value);
    if raw.starts_with('[') {
        let list = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(raw).unwrap_or_default();
        return list.iter().any(|raw| is_value(raw.get()));
    }
    is_value(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k4_a_claim_is_a_value_or_a_list_that_holds_it() {
        let claims = r#"{"team":"sales","teams":["a","b",7],"level":3,"ok":true,"deep":{"a":"b"},"nested":[["x"]]}"#;
        for (claim, holds) in [
            ("team=sales", true),
            ("team=Sales", false),
            ("team=", false),
            ("teams=b", true),
            ("teams=7", true),
            ("teams=c", false),
            ("teams=[\"a\",\"b\",7]", false),
            ("level=3", true),
            ("ok=true", true),
            ("ok=false", false),
            ("deep={\"a\":\"b\"}", false),
            ("nested=[\"x\"]", false),
            ("none=null", false),
            ("team", false),
        ] {
            assert_eq!(has_claim(claims, claim), holds, "{claim}");
        }
        assert!(!has_claim("[]", "a=b"));
    }

    #[test]
    fn k4_what_is_no_rule_is_not_read() {
        for text in ["", "Editor", "owner", "claim:", "claim:=x", "claim:x=", "claim:x", "own "] {
            assert_eq!(WriteRule::parse(text), None, "{text}");
        }
        assert_eq!(WriteRule::parse("claim:a=b=c"), Some(WriteRule::Claim("a=b=c".to_owned())));
    }
}
