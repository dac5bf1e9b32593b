//! Tokens that count no more (A8), and those of them that an awake room was told of a moment ago.

use crate::protocol::Millis;

use super::pass::Pass;

/// How long a room remembers a revocation, in milliseconds: longer than a token that was checked just before it is on
/// its way to the room.
const REMEMBERED_FOR: Millis = 60_000;

/// A token, or all of a user's tokens, that count no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The token's id, or `None` for all of them.
    pub token_id: Option<String>,
    /// Until when.
    pub until: Millis,
}

impl Revocation {
    /// Whether a token is revoked by this.
    pub fn is_of(&self, token_id: &str, now: Millis) -> bool {
        self.until > now && self.token_id.as_deref().is_none_or(|id| id == token_id)
    }

    /// The revocations as a text for a room: a line for each, of a time and, where it is about one, the token.
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

/// What a room was told within the last minute. The user's own object knows all revocations; this catches tokens that
/// were checked before one and reach the room behind it.
#[derive(Debug, Clone, Default)]
pub struct RecentRevocations {
    /// When it came, whose tokens, which of them.
    revoked: Vec<(Millis, String, Revocation)>,
}

impl RecentRevocations {
    /// Tokens of a user were revoked.
    pub fn add(&mut self, user: &str, revocations: &[Revocation], now: Millis) {
        self.revoked.retain(|(at, of, _)| at + REMEMBERED_FOR > now && of != user);
        self.revoked.extend(revocations.iter().map(|revocation| (now, user.to_owned(), revocation.clone())));
    }

    /// Whether a token was revoked after it was checked.
    pub fn contain(&self, user: &str, pass: &Pass, now: Millis) -> bool {
        self.revoked.iter().any(|(_, of, revocation)| of == user && revocation.is_of(&pass.token_id, now))
    }
}
