//! What a token claims about its bearer (A1, A2), and why a token does not let its bearer in.
//!
//! The library that does the cryptography has already established that the token is genuine and currently valid; here
//! its claims are read.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::protocol::Millis;
use crate::protocol::json;
use crate::protocol::limits::{Limits, USER_ID_BYTES};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::role::Role;

use super::claim_rules::ClaimRules;
use super::pass::Pass;
use super::rules::Enter;

/// How far the clocks of the server and of the token's issuer may differ, in milliseconds (A1).
pub const CLOCK_SKEW: Millis = 30_000;
/// Longest token id, in bytes. It is kept with each socket.
pub const TOKEN_ID_BYTES: usize = 128;
/// Longest token, in bytes. Proxies accept headers of 8 KiB.
pub const TOKEN_BYTES: usize = 8 * 1024;

/// The latest expiry that a token may have, in milliseconds: the end of the year 9999.
const LATEST: Millis = 253_402_300_799_999;

/// What a token claims about its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's id: `sub`.
    pub user: String,
    /// What is kept of the token with a connection.
    pub pass: Pass,
    /// Patterns of `party/room`.
    rooms: Vec<String>,
}

/// Why a token does not let its bearer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// There is no token, or it is not genuine, or not currently valid.
    Unauthorized(String),
    /// It does not permit this.
    Forbidden(String),
    /// It was revoked (A8).
    Revoked,
    /// The room has reached its limit of connections, or the user the limit across all rooms.
    Full,
    /// Whether it is genuine, or revoked, cannot be determined at the moment.
    Unavailable,
    /// The server's keys make no sense.
    Misconfigured,
}

impl Denial {
    /// The stable code, for a problem (H5) and as a close reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Revoked => "revoked",
            Self::Full => "limit_connections",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// The code with which an open connection is closed (X2). `None` if trying again may help, which a failed upgrade
    /// conveys better (U7).
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Unauthorized(_) => Some(CloseCode::Unauthorized),
            Self::Forbidden(_) => Some(CloseCode::Forbidden),
            Self::Revoked => Some(CloseCode::Revoked),
            Self::Full | Self::Unavailable | Self::Misconfigured => None,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(detail) | Self::Forbidden(detail) => f.write_str(detail),
            Self::Revoked => f.write_str("The token was revoked."),
            Self::Full => f.write_str("The user is in as many rooms as one user may be in. Try again later."),
            Self::Unavailable => f.write_str("The token cannot be checked at the moment. Try again."),
            Self::Misconfigured => f.write_str("The server is misconfigured. Its log says what is wrong."),
        }
    }
}

impl std::error::Error for Denial {}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let code = match denial {
            Denial::Unauthorized(_) => Code::Unauthorized,
            Denial::Forbidden(_) => Code::Forbidden,
            Denial::Revoked => Code::Revoked,
            Denial::Full => Code::LimitConnections,
            Denial::Unavailable | Denial::Misconfigured => Code::Unavailable,
        };
        Self::new(code, denial.to_string())
    }
}

impl Claims {
    /// Reads the claims of a token that is genuine and currently valid: its own JSON, and in it `expires`, its `exp` in
    /// milliseconds.
    ///
    /// # Errors
    /// A claim is missing or invalid (A1, A2).
    pub fn from_claims(claims: &str, rules: &ClaimRules, limits: &Limits) -> Result<Self, Denial> {
        let whole = claims;
        let claims = json::object(claims)
            .map_err(|error| Denial::Unauthorized(format!("The token's claims are not a JSON object: {error}.")))?;
        let members = claims.without_duplicate_keys().map_err(Denial::Unauthorized)?;
        let member = |name: &str| members.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null");
        let text = |name: &str, raw: Option<&str>, most: usize| {
            let text = raw.and_then(json::string).map(Cow::into_owned);
            let text = text.filter(|text| (1..=most).contains(&text.len()) && !text.chars().any(char::is_control));
            text.ok_or_else(|| Denial::Unauthorized(format!("The token's `{name}` must be 1 to {most} bytes of text.")))
        };
        let user = text("sub", member("sub"), limits.name_bytes.max(USER_ID_BYTES))?;
        let token_id = member("jti").map(|raw| text("jti", Some(raw), TOKEN_ID_BYTES)).transpose()?;
        if matches!(user.as_str(), "." | "..") {
            // In an address these are steps, not names, so nobody could revoke such a user's tokens (A8).
            return Err(Denial::Unauthorized("The token's `sub` must not be `.` or `..`.".to_owned()));
        }
        // Some providers have an empty one for users who never gave theirs.
        let name = rules.name.find(whole).map(RawValue::get).filter(|raw| *raw != "\"\"");
        let name = name.map(|raw| text("name", Some(raw), limits.user_name_bytes)).transpose()?;
        let expires = member("expires").and_then(|raw| raw.parse::<Millis>().ok());
        let expires = expires.filter(|at| (0..=LATEST).contains(at));
        let expires = expires.ok_or_else(|| Denial::Unauthorized("The token's `exp` is out of range.".to_owned()))?;
        let role = match rules.role.find(whole) {
            None => rules.default_role,
            Some(raw) => {
                json::string(raw.get()).and_then(|role| Role::ALL.into_iter().find(|known| role == known.as_str()))
            }
        };
        let role = role.ok_or_else(|| {
            Denial::Forbidden("The token's `role` must be viewer, editor, moderator or admin.".to_owned())
        })?;
        let rooms = match rules.rooms.find(whole) {
            None => rules.default_rooms.clone().unwrap_or_default(),
            Some(raw) => {
                let rooms = serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default();
                rooms.into_iter().filter_map(|raw| json::string(raw.get())).map(Cow::into_owned).collect()
            }
        };
        let expires = expires + CLOCK_SKEW;
        Ok(Self { user, pass: Pass { role, name, token_id, claims: Vec::new(), expires, is_stream: false }, rooms })
    }

    /// Whether the token is for this room, given as `party/room` (A2), whose kind lets in whom `enter` says (K5).
    ///
    /// # Errors
    /// It is not.
    pub fn check_room(&self, room: &str, enter: Enter) -> Result<(), Denial> {
        let name = room.split_once('/').map_or("", |(_, name)| name);
        if enter.by_name && name == self.user {
            return Ok(());
        }
        let fits = self.rooms.iter().any(|pattern| fits(pattern, room));
        if fits && (enter.by_rooms || self.pass.role == Role::Admin) {
            return Ok(());
        }
        Err(Denial::Forbidden(if fits {
            "Only the user that this room is named after may enter it.".to_owned()
        } else {
            "The token is not for this room: none of its `rooms` matches.".to_owned()
        }))
    }
}

/// Whether a pattern matches a `party/room`. A `*` at its end stands for the rest, if it comes after the `/`; `\*` is
/// the last character of a name.
fn fits(pattern: &str, room: &str) -> bool {
    if let Some(start) = pattern.strip_suffix("\\*").filter(|start| start.contains('/')) {
        return room.strip_suffix('*') == Some(start);
    }
    match pattern.strip_suffix('*') {
        Some(start) if start.contains('/') => room.starts_with(start),
        Some(_) | None => pattern == room,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn claims(claims: &str) -> Result<Claims, &'static str> {
        claims_by(&ClaimRules::default(), claims)
    }

    fn claims_by(rules: &ClaimRules, claims: &str) -> Result<Claims, &'static str> {
        Claims::from_claims(claims, rules, &Limits::default()).map_err(|denial| denial.code())
    }

    fn rules(vars: &[(&str, &str)]) -> ClaimRules {
        let var = |asked: &str| vars.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        ClaimRules::from_vars(var).unwrap()
    }

    const GOOD: &str =
        r#"{"sub":"ann","jti":"t","expires":5000,"role":"editor","rooms":["collaboration/a:*","chat/b"]}"#;

    #[test]
    fn a2_the_claims_say_who_and_what_and_where() {
        let token_id = Some("t".to_owned());
        let pass =
            Pass { role: Role::Editor, name: None, token_id, claims: Vec::new(), expires: 35_000, is_stream: false };
        let good = claims(GOOD).unwrap();
        assert_eq!((good.user.as_str(), &good.pass), ("ann", &pass));
        for (room, is_admitted) in [
            ("collaboration/a:1", true),
            ("collaboration/a:", true),
            ("collaboration/a", false),
            ("collaboration/b", false),
            ("chat/b", true),
            ("chat/b2", false),
            ("Chat/b", false),
        ] {
            assert_eq!(good.check_room(room, Enter::default()).is_ok(), is_admitted, "{room}");
        }
    }

    #[test]
    fn k5_a_kind_says_whether_a_room_is_open_to_the_user_that_it_is_named_after() {
        let (rooms, owner, both) = ((true, false), (false, true), (true, true));
        let admin = GOOD.replace("editor", "admin");
        for (claim, room, enter, is_admitted) in [
            (GOOD, "collaboration/a:1", rooms, true),
            (GOOD, "collaboration/ann", rooms, false),
            (GOOD, "collaboration/a:1", owner, false),
            (GOOD, "collaboration/ann", owner, true),
            (GOOD, "collaboration/ann2", owner, false),
            (GOOD, "collaboration/a:1", both, true),
            (GOOD, "other/ann", both, true),
            (GOOD, "collaboration/bob", both, false),
            (admin.as_str(), "collaboration/a:1", owner, true),
            (admin.as_str(), "collaboration/bob", owner, false),
        ] {
            let enter = Enter { by_rooms: enter.0, by_name: enter.1 };
            assert_eq!(claims(claim).unwrap().check_room(room, enter).is_ok(), is_admitted, "{claim} {room} {enter:?}");
        }
    }

    #[test]
    fn a2_a_star_is_one_at_the_end_and_after_the_slash() {
        for (pattern, room, is_fit) in [
            ("collaboration/*", "collaboration/x", true),
            ("collaboration/*", "collaborations/x", false),
            ("*", "collaboration/x", false),
            ("coll*", "collaboration/x", false),
            ("*/x", "collaboration/x", false),
            ("collaboration/a*b", "collaboration/axb", false),
            ("collaboration/a*b*", "collaboration/axbx", false),
            ("collaboration/", "collaboration/x", false),
            ("", "collaboration/x", false),
            (r"collaboration/a\*", "collaboration/a*", true),
            (r"collaboration/a\*", "collaboration/ab", false),
            (r"collaboration/a\*", r"collaboration/a\*", false),
            (r"collaboration/a\*", r"collaboration/a\b", false),
            (r"collaboration/\*", "collaboration/*", true),
            (r"collaboration/\*", "collaboration/x", false),
            (r"collaboration/a\\*", r"collaboration/a\*", true),
            (r"collaboration/a\\*", r"collaboration/a*", false),
            (r"collaboration/a\*b", r"collaboration/a\*b", true),
            (r"\*", "collaboration/x", false),
        ] {
            assert_eq!(fits(pattern, room), is_fit, "{pattern} {room}");
        }
    }

    #[test]
    fn a1_and_a2_claims_that_make_no_sense() {
        let with = |name: &str, value: &str| {
            let mut changed = serde_json::from_str::<Value>(GOOD).unwrap();
            changed[name] = serde_json::from_str(value).unwrap();
            claims(&changed.to_string())
        };
        let (long, longer) = (format!("\"{}\"", "x".repeat(129)), format!("\"{}\"", "x".repeat(256)));
        for (name, value) in [
            ("sub", "1"),
            ("sub", "\"\""),
            ("sub", "null"),
            ("sub", "\".\""),
            ("sub", "\"..\""),
            ("sub", longer.as_str()),
            ("sub", "\"a\\u0000\""),
            ("jti", "7"),
            ("jti", "\"\""),
            ("jti", long.as_str()),
            ("name", "1"),
            ("name", "[]"),
            ("expires", "\"5\""),
            ("expires", "null"),
            ("expires", "-1"),
            ("expires", "1.5"),
            ("expires", "253402300800000"),
        ] {
            assert_eq!(with(name, value).err(), Some("unauthorized"), "{name} {value}");
        }
        for value in ["null", "\"owner\"", "\"Editor\"", "[\"editor\"]", "7"] {
            assert_eq!(with("role", value).err(), Some("forbidden"), "{value}");
        }
        for value in ["null", "\"collaboration/*\"", "{}", "[]", "[7]", "[[\"collaboration/*\"]]"] {
            let denial = with("rooms", value)
                .unwrap()
                .check_room("collaboration/a:1", Enter::default())
                .map_err(|denial| denial.code());
            assert_eq!(denial, Err("forbidden"), "{value}");
        }
        for rubbish in ["", "null", "[]", "7", "\"x\"", "{"] {
            assert_eq!(claims(rubbish).err(), Some("unauthorized"), "{rubbish}");
        }
        for nameless in ["null", "\"\""] {
            assert_eq!(with("name", nameless).unwrap().pass.name, None);
        }
        assert_eq!(with("jti", "null").unwrap().pass.token_id, None);
        assert_eq!(with("sub", &longer.replacen('x', "", 1)).unwrap().user.len(), 255);
    }

    #[test]
    fn a2_claims_are_where_the_variables_say() {
        let rules = rules(&[
            ("AUTH_CLAIM_ROLE", "/app_metadata/roles/0"),
            ("AUTH_CLAIM_ROOMS", "/https:~1~1x.example~1rooms"),
            ("AUTH_CLAIM_NAME", "/profile/nickname"),
        ]);
        let found = claims_by(
            &rules,
            r#"{"sub":"ann","expires":5000,"role":"admin","rooms":["*/*"],"name":"No","profile":{"nickname":"Ann"},
                "app_metadata":{"roles":["editor"]},"https://x.example/rooms":["collaboration/r"]}"#,
        );
        let found = found.unwrap();
        assert_eq!((found.pass.role, found.pass.name.as_deref()), (Role::Editor, Some("Ann")));
        assert!(
            found.check_room("collaboration/r", Enter::default()).is_ok()
                && found.check_room("collaboration/s", Enter::default()).is_err()
        );
        assert_eq!(claims_by(&rules, GOOD).err(), Some("forbidden"), "what stands elsewhere does not count");
    }

    #[test]
    fn a2_defaults_are_for_what_is_missing_and_not_for_what_is_wrong() {
        let rules = rules(&[("AUTH_DEFAULT_ROLE", "viewer"), ("AUTH_DEFAULT_ROOMS", "collaboration/lobby,chat/*")]);
        let bare = claims_by(&rules, r#"{"sub":"ann","expires":5000,"role":null}"#).unwrap();
        assert_eq!((bare.pass.role, bare.pass.token_id.as_deref()), (Role::Viewer, None));
        for (room, is_admitted) in [("collaboration/lobby", true), ("chat/x", true), ("collaboration/x", false)] {
            assert_eq!(bare.check_room(room, Enter::default()).is_ok(), is_admitted, "{room}");
        }
        let full = claims_by(&rules, GOOD).unwrap();
        assert_eq!((full.pass.role, full.check_room("chat/x", Enter::default()).is_err()), (Role::Editor, true));
        for role in ["\"owner\"", "\"\"", "7", "[]"] {
            let claims = claims_by(&rules, &format!(r#"{{"sub":"ann","expires":5000,"role":{role}}}"#));
            assert_eq!(claims.err(), Some("forbidden"), "{role}");
        }
        for rooms in ["[]", "7", "\"chat/*\""] {
            let claims = claims_by(&rules, &format!(r#"{{"sub":"ann","expires":5000,"rooms":{rooms}}}"#)).unwrap();
            assert!(claims.check_room("chat/x", Enter::default()).is_err(), "{rooms}");
        }
    }
}
