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
/// A message counts once for each of these bytes that it has begun.
pub const MESSAGE_PART: usize = 16 * 1024;
/// Who is past the rate by this many messages or bytes, without a second's pause, is thrown out before [`PATIENCE`] is
/// over: what is refused takes time too.
const EXCESS: usize = 10_000;
/// The same in bytes.
const EXCESS_BYTES: usize = 64 * 1024 * 1024;
/// A message, in the unit in which a rate is counted: so that a millisecond's share of one is a whole number.
const MESSAGE: i64 = 1_000;

/// So few rates are not worth looking through.
const SWEEP: usize = 16;

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
    /// It is too much.
    Passed,
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
    messages: usize,
    bytes: usize,
    told: Option<Millis>,
}

/// What the door remembers.
#[derive(Debug, Default)]
pub struct Guard {
    rates: BTreeMap<Sender, Rate>,
    /// Rates are looked through for those that can go when there are so many: twice as many as stayed the last time, so
    /// that a message has to do with two of them on average.
    sweep_at: usize,
    revoked: Vec<(Millis, String, Revocation)>,
}

impl Guard {
    /// A message of so many bytes came, or a request over HTTP.
    pub fn pace(&mut self, sender: &Sender, bytes: usize, limits: &Limits, now: Millis) -> Pace {
        let per_ms = thousandths(limits.messages_per_second) / 1_000;
        let full = thousandths(limits.messages_burst);
        let gained = |rate: &Rate| (now - rate.at).max(0).saturating_mul(per_ms);
        let filled = |rate: &Rate| rate.level.saturating_add(gained(rate)).min(full);
        if !self.rates.contains_key(sender) {
            if self.rates.len() >= self.sweep_at {
                // Who has sent nothing for a while is as good as new.
                self.rates.retain(|_, rate| filled(rate) < full || rate.is_past(now));
                self.sweep_at = (2 * self.rates.len()).max(SWEEP);
            }
            self.rates.insert(sender.clone(), Rate { level: full, at: now, excess: None });
        }
        let Some(rate) = self.rates.get_mut(sender) else { return Pace::Kept };
        rate.level = filled(rate);
        rate.at = now;
        if !rate.is_past(now) {
            rate.excess = None;
        }
        // One that is longer than all that may be sent at once takes all of it.
        let cost = thousandths(bytes.div_ceil(MESSAGE_PART).max(1)).min(full);
        if rate.level >= cost {
            rate.level -= cost;
            return Pace::Kept;
        }
        let excess = rate.excess.get_or_insert(Excess { since: now, last: now, messages: 0, bytes: 0, told: None });
        excess.last = now;
        excess.messages += 1;
        excess.bytes = excess.bytes.saturating_add(bytes);
        let is_flood = excess.messages >= EXCESS || excess.bytes >= EXCESS_BYTES;
        if is_flood || now - excess.since >= PATIENCE { Pace::Exhausted } else { Pace::Passed }
    }

    /// Whether a sender that is past the rate is told so, which is not done for each message.
    pub fn tells(&mut self, sender: &Sender, now: Millis) -> bool {
        let excess = self.rates.get_mut(sender).and_then(|rate| rate.excess.as_mut());
        let due = excess.filter(|excess| excess.told.is_none_or(|told| now - told >= PAUSE));
        due.map(|excess| excess.told = Some(now)).is_some()
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
