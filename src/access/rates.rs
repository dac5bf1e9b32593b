//! How much each user sends: token buckets by user (X1). They live in memory alone, since a room sleeps after ten idle
//! seconds, and by then every bucket is full.

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::limits::Limits;
use crate::protocol::refusal::{Code, Refusal};

/// A user who is past the rate for this long is thrown out, in milliseconds (X1).
pub const DISCONNECT_AFTER: Millis = 10_000;
/// A user is told at most this often of being past the rate, and has kept to it again after this long without a
/// message too many, in milliseconds.
const TELL_EVERY: Millis = 1_000;
/// A message counts once for each of these bytes that it has begun.
pub const MESSAGE_PART: usize = 16 * 1024;
/// Who is past the rate by this many messages or bytes, without a second's pause, is thrown out before [`DISCONNECT_AFTER`] is
/// over: what is refused takes time too.
const DISCONNECT_EXCESS_MESSAGES: usize = 10_000;
/// The same in bytes.
const DISCONNECT_EXCESS_BYTES: usize = 64 * 1024 * 1024;
/// A message, in the unit in which a rate is counted: so that a millisecond's share of one is a whole number.
const MESSAGE: i64 = 1_000;

/// So few rates are not worth looking through.
const SWEEP: usize = 16;

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateKey {
    /// A user, on however many connections.
    User(String),
    /// A connection that nobody has said anything about.
    Connection(ConnectionId),
}

/// What becomes of a message as far as the rate goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateDecision {
    /// It is within the rate.
    Allow,
    /// The rate limit is exceeded.
    Reject,
    /// The rate limit has been exceeded for too long: its connection is closed.
    Disconnect,
}

/// The refusal of a message that exceeds the rate.
pub fn rate_limit_exceeded(limits: &Limits) -> Refusal {
    let rate = limits.messages_per_second;
    Refusal::new(
        Code::LimitRate,
        format!("Rate limit exceeded: a user may send {rate} messages a second. Slow down and send this again."),
    )
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

/// The rates of all who send.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    by_sender: BTreeMap<RateKey, Rate>,
    /// Rates are looked through for those that can go when there are so many: twice as many as stayed the last time, so
    /// that a message has to do with two of them on average.
    sweep_at: usize,
}

impl Rates {
    /// A message of so many bytes came, or a request over HTTP.
    pub fn decide(&mut self, sender: &RateKey, bytes: usize, limits: &Limits, now: Millis) -> RateDecision {
        let per_ms = thousandths(limits.messages_per_second) / 1_000;
        let full = thousandths(limits.messages_burst);
        let gained = |rate: &Rate| (now - rate.at).max(0).saturating_mul(per_ms);
        let filled = |rate: &Rate| rate.level.saturating_add(gained(rate)).min(full);
        if !self.by_sender.contains_key(sender) {
            if self.by_sender.len() >= self.sweep_at {
                // Who has sent nothing for a while is as good as new.
                self.by_sender.retain(|_, rate| filled(rate) < full || rate.is_past(now));
                self.sweep_at = (2 * self.by_sender.len()).max(SWEEP);
            }
            self.by_sender.insert(sender.clone(), Rate { level: full, at: now, excess: None });
        }
        let Some(rate) = self.by_sender.get_mut(sender) else { return RateDecision::Allow };
        rate.level = filled(rate);
        rate.at = now;
        if !rate.is_past(now) {
            rate.excess = None;
        }
        // One that is longer than all that may be sent at once takes all of it.
        let cost = thousandths(bytes.div_ceil(MESSAGE_PART).max(1)).min(full);
        if rate.level >= cost {
            rate.level -= cost;
            return RateDecision::Allow;
        }
        let excess = rate.excess.get_or_insert(Excess { since: now, last: now, messages: 0, bytes: 0, told: None });
        excess.last = now;
        excess.messages += 1;
        excess.bytes = excess.bytes.saturating_add(bytes);
        let is_flood = excess.messages >= DISCONNECT_EXCESS_MESSAGES || excess.bytes >= DISCONNECT_EXCESS_BYTES;
        if is_flood || now - excess.since >= DISCONNECT_AFTER { RateDecision::Disconnect } else { RateDecision::Reject }
    }

    /// Whether a sender that exceeds the rate is told so this time, which is not done for each message.
    pub fn should_tell(&mut self, sender: &RateKey, now: Millis) -> bool {
        let excess = self.by_sender.get_mut(sender).and_then(|rate| rate.excess.as_mut());
        let due = excess.filter(|excess| excess.told.is_none_or(|told| now - told >= TELL_EVERY));
        due.map(|excess| excess.told = Some(now)).is_some()
    }
}

impl Rate {
    /// Whether the sender has been past the rate within the last second.
    fn is_past(&self, now: Millis) -> bool {
        self.excess.is_some_and(|excess| now - excess.last < TELL_EVERY)
    }
}

/// A number of messages in the unit in which a rate is counted.
fn thousandths(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX / MESSAGE).saturating_mul(MESSAGE)
}
