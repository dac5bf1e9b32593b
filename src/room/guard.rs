//! What the door of a room remembers while the room is awake: how much each user sends (X1), and which tokens were
//! revoked a moment ago (A8).

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::limits::Limits;
use crate::user::Revocation;

use super::session::{ConnectionId, Pass};

/// A user who is past the rate for this long is thrown out, in milliseconds (X1).
pub const PATIENCE: Millis = 10_000;
/// A user is told at most this often of being past the rate, and has kept to it again after this long without a
/// message too many, in milliseconds.
const PAUSE: Millis = 1_000;
/// How long a revocation is remembered here, in milliseconds: longer than a token that was checked just before is on
/// its way to the room.
const MEMORY: Millis = 60_000;
/// A message, in the unit in which a rate is counted: so that a millisecond's share of one is a whole number.
const MESSAGE: i64 = 1_000;

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// A user, on however many connections.
    User(String),
    /// A connection that nobody has said anything about.
    Connection(ConnectionId),
}

/// What becomes of a message as far as the rate goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It is within the rate.
    Kept,
    /// It is too much. `is_told`: its sender is told so, which is not done for each.
    Passed {
        /// Whether the sender is told.
        is_told: bool,
    },
    /// It was too much for too long.
    Exhausted,
}

/// A token bucket.
#[derive(Debug, Clone)]
struct Rate {
    /// What may be sent now, in thousandths of messages.
    level: i64,
    at: Millis,
    excess: Option<Excess>,
}

/// Messages beyond the rate.
#[derive(Debug, Clone, Copy)]
struct Excess {
    since: Millis,
    last: Millis,
    told: Millis,
}

/// What the door remembers.
#[derive(Debug, Default)]
pub struct Guard {
    rates: BTreeMap<Sender, Rate>,
    revoked: Vec<(Millis, String, Revocation)>,
}

impl Guard {
    /// A message came, or a request over HTTP.
    pub fn pace(&mut self, sender: Sender, limits: &Limits, now: Millis) -> Pace {
        let per_ms = thousandths(limits.messages_per_second) / 1_000;
        let full = thousandths(limits.messages_burst);
        let gained = |rate: &Rate| (now - rate.at).max(0).saturating_mul(per_ms);
        let filled = |rate: &Rate| rate.level.saturating_add(gained(rate)).min(full);
        if !self.rates.contains_key(&sender) {
            // Who has sent nothing for a while is as good as new.
            self.rates.retain(|_, rate| filled(rate) < full || rate.is_past(now));
        }
        let rate = self.rates.entry(sender).or_insert(Rate { level: full, at: now, excess: None });
        rate.level = filled(rate);
        rate.at = now;
        if !rate.is_past(now) {
            rate.excess = None;
        }
        if rate.level >= MESSAGE {
            rate.level -= MESSAGE;
            return Pace::Kept;
        }
        let excess = rate.excess.get_or_insert(Excess { since: now, last: now, told: now - PAUSE });
        excess.last = now;
        if now - excess.since >= PATIENCE {
            return Pace::Exhausted;
        }
        let is_told = now - excess.told >= PAUSE;
        if is_told {
            excess.told = now;
        }
        Pace::Passed { is_told }
    }

    /// Tokens of a user were revoked.
    pub fn revoke(&mut self, user: &str, revocations: &[Revocation], now: Millis) {
        self.revoked.retain(|(at, of, _)| at + MEMORY > now && of != user);
        self.revoked.extend(revocations.iter().map(|revocation| (now, user.to_owned(), revocation.clone())));
    }

    /// Whether a token was revoked after it was checked.
    pub fn is_revoked(&self, user: &str, pass: &Pass, now: Millis) -> bool {
        self.revoked.iter().any(|(_, of, revocation)| of == user && revocation.is_of(&pass.token_id, now))
    }
}

impl Rate {
    /// Whether the sender has been past the rate within the last second.
    fn is_past(&self, now: Millis) -> bool {
        self.excess.is_some_and(|excess| now - excess.last < PAUSE)
    }
}

/// A number of messages in the unit in which a rate is counted.
fn thousandths(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX / MESSAGE).saturating_mul(MESSAGE)
}
