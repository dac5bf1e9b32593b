//! How much each user sends: token buckets by user (X1). They are kept in memory only, since a room sleeps after ten
//! idle seconds, and by then every bucket is full.

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::limits::Limits;
use crate::protocol::refusal::{Code, Refusal};

/// A user who exceeds the rate for this long is disconnected, in milliseconds (X1).
pub const DISCONNECT_AFTER: Millis = 10_000;
/// A user is told at most this often that the rate is exceeded, and counts as within it again after this long without a
/// rejected message, in milliseconds.
const TELL_EVERY: Millis = 1_000;
/// A message counts once for each part of this many bytes that it has begun.
pub const MESSAGE_PART: usize = 16 * 1024;
/// A user who exceeds the rate by this many messages or bytes, without a second's pause, is disconnected before
/// [`DISCONNECT_AFTER`] is over: rejecting messages takes time too.
const DISCONNECT_EXCESS_MESSAGES: usize = 10_000;
/// The same, in bytes.
const DISCONNECT_EXCESS_BYTES: usize = 64 * 1024 * 1024;
/// One message, in the unit in which rates are counted, so that a millisecond's share of one is a whole number.
const MESSAGE: i64 = 1_000;

/// Up to this many rates are not worth sweeping.
const SWEEP: usize = 16;

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateKey {
    /// A user, on however many connections.
    User(String),
    /// A network from which requests over HTTP come without a token (X4).
    Network(String),
    /// A connection whose user is not known.
    Connection(ConnectionId),
}

/// What the rate makes of a message.
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
    /// What may be sent at the moment, in thousandths of messages.
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

/// The rates of all senders.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    by_sender: BTreeMap<RateKey, Rate>,
    /// How many rates there may be before they are swept: twice as many as the last sweep left, so that a message costs
    /// looking at two of them on average.
    sweep_at: usize,
}

impl Rates {
    /// A message or an HTTP request of this many bytes came.
    pub fn decide(&mut self, sender: &RateKey, bytes: usize, limits: &Limits, now: Millis) -> RateDecision {
        let per_ms = thousandths(limits.messages_per_second) / 1_000;
        let full = thousandths(limits.messages_burst);
        let gained = |rate: &Rate| (now - rate.at).max(0).saturating_mul(per_ms);
        let filled = |rate: &Rate| rate.level.saturating_add(gained(rate)).min(full);
        if !self.by_sender.contains_key(sender) {
            if self.by_sender.len() >= self.sweep_at {
                // A sender with a full bucket is as good as a new one.
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
        // A message that is longer than the whole burst takes all of it.
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

    /// Whether a sender that exceeds the rate is told so this time; it is not told for every message.
    pub fn should_tell(&mut self, sender: &RateKey, now: Millis) -> bool {
        let excess = self.by_sender.get_mut(sender).and_then(|rate| rate.excess.as_mut());
        let due = excess.filter(|excess| excess.told.is_none_or(|told| now - told >= TELL_EVERY));
        due.map(|excess| excess.told = Some(now)).is_some()
    }
}

impl Rate {
    /// Whether the sender has exceeded the rate within the last second.
    fn is_past(&self, now: Millis) -> bool {
        self.excess.is_some_and(|excess| now - excess.last < TELL_EVERY)
    }
}

/// A number of messages, in the unit in which rates are counted.
fn thousandths(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX / MESSAGE).saturating_mul(MESSAGE)
}
