//! Revoked tokens (A8), and the recent revocations that an awake room remembers.

use crate::protocol::{EXACT, Millis};

use super::pass::Pass;

/// How long a room remembers a revocation, in milliseconds: longer than a token that was checked just before takes to
/// reach the room.
const REMEMBERED_FOR: Millis = 60_000;

/// One token, or all tokens of a user, declared void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The token's id, or `None` for all of them.
    pub token_id: Option<String>,
    /// Until when.
    pub until: Millis,
}

impl Revocation {
    /// Whether this revokes a token.
    pub fn is_of(&self, token_id: Option<&str>, now: Millis) -> bool {
        self.until > now && (self.token_id.is_none() || self.token_id.as_deref() == token_id)
    }

    /// The revocations as text for a room: one line each, with a time and, if it concerns only one, the token's id.
    pub fn to_lines(revocations: &[Self]) -> String {
        let line = |Self { token_id, until }: &Self| format!("{until} {}\n", token_id.as_deref().unwrap_or_default());
        revocations.iter().map(line).collect()
    }

    /// Reads what [`Revocation::to_lines`] wrote. `None` for anything else.
    pub fn from_lines(text: &str) -> Option<Vec<Self>> {
        let line = |line: &str| {
            let (until, id) = line.split_once(' ')?;
            Some(Self { token_id: Some(id.to_owned()).filter(|id| !id.is_empty()), until: until.parse().ok()? })
        };
        text.split_terminator('\n').map(line).collect()
    }
}

/// Until when tokens are to be revoked, as JSON: a time in the future that storage can hold. `None` for anything else.
pub fn until(raw: &str, now: Millis) -> Option<Millis> {
    raw.parse().ok().filter(|until| (now + 1..EXACT).contains(until))
}

/// The revocations that reached a room within the last minute. The user's own object knows all of them; this catches
/// tokens that were checked before a revocation and reach the room after it.
#[derive(Debug, Clone, Default)]
pub struct RecentRevocations {
    /// When each came, the user, and the revocation.
    revoked: Vec<(Millis, String, Revocation)>,
}

impl RecentRevocations {
    /// Tokens of a user were revoked.
    pub fn add(&mut self, user: &str, revocations: &[Revocation], now: Millis) {
        self.revoked.retain(|(at, of, _)| at + REMEMBERED_FOR > now && of != user);
        self.revoked.extend(revocations.iter().map(|revocation| (now, user.to_owned(), revocation.clone())));
    }

    /// Whether a token has been revoked since it was checked.
    pub fn contain(&self, user: &str, pass: &Pass, now: Millis) -> bool {
        self.revoked.iter().any(|(_, of, revocation)| of == user && revocation.is_of(pass.token_id.as_deref(), now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a8_a_revocation_ends_at_a_time_that_storage_can_hold() {
        assert_eq!(until("1001", 1_000), Some(1_001));
        assert_eq!(until("9007199254740991", 1_000), Some(EXACT - 1));
        for bad in ["1000", "-1", "9007199254740992", "9223372036854775807", "9223372036854775808", "1e6", "x", ""] {
            assert_eq!(until(bad, 1_000), None, "{bad}");
        }
    }
}
