//! How much each user sends, and how much it makes the room write: token buckets by user (X1). They are kept in memory
//! only. A room sleeps after ten idle seconds, and by then every bucket is as good as full: what may be taken at once is
//! what ten seconds bring.
//!
//! Something that costs more than a whole burst needs a full bucket and leaves a debt, so that on average nobody takes
//! more than the rate.

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::limits::Limits;
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::role::Role;

use super::prices::Price;

/// A user who exceeds the rate for this long is disconnected, in milliseconds (X1).
pub const DISCONNECT_AFTER: Millis = 10_000;
/// A user is told at most this often that the rate is exceeded, and counts as within it again after this long without a
/// rejected message, in milliseconds.
const TELL_EVERY: Millis = 1_000;
/// A user who exceeds the rate by this many messages or bytes, without a second's pause, is disconnected before
/// [`DISCONNECT_AFTER`] is over: rejecting messages takes time too.
const DISCONNECT_EXCESS_MESSAGES: usize = 10_000;
/// The same, in bytes.
const DISCONNECT_EXCESS_BYTES: usize = 64 * 1024 * 1024;
/// One message or write, in the unit in which rates are counted, so that a millisecond's share of one is a whole number.
const ONE: i64 = 1_000;

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

/// Whoever asks for something over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who pays for it.
    pub key: RateKey,
    /// What the caller may do.
    pub role: Role,
}

/// What the rate makes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateDecision {
    /// It is within the rate.
    Allow,
    /// The rate limit is exceeded.
    Reject {
        /// After how many milliseconds the same message would be within it. At least a second: by then the sender no
        /// longer counts as exceeding the rate.
        retry_after: Millis,
    },
    /// The rate limit has been exceeded for too long: its connection is closed.
    Disconnect,
}

impl RateDecision {
    /// The decision as a refusal, for those who are not disconnected.
    ///
    /// # Errors
    /// The rate limit is exceeded.
    pub fn check(self, limits: &Limits) -> Result<(), Refusal> {
        match self {
            Self::Allow => Ok(()),
            Self::Reject { retry_after } => Err(rate_limit_exceeded(limits, retry_after)),
            Self::Disconnect => Err(rate_limit_exceeded(limits, DISCONNECT_AFTER)),
        }
    }
}

/// The refusal of a message that exceeds the rate.
pub fn rate_limit_exceeded(limits: &Limits, retry_after: Millis) -> Refusal {
    let Limits { messages_per_second, writes_per_second, .. } = limits;
    let message = format!(
        "Rate limit exceeded: a user may send {messages_per_second} messages and make {writes_per_second} writes a \
         second. Slow down and send this again."
    );
    Refusal { retry_after: Some(retry_after), ..Refusal::new(Code::LimitRate, message) }
}

/// A token bucket: what may be taken at the moment, in thousandths. Below zero it is a debt.
#[derive(Debug, Clone, Copy)]
struct Bucket(i64);

/// How a bucket is filled.
#[derive(Debug, Clone, Copy)]
struct Filling {
    per_second: usize,
    full: i64,
}

impl Filling {
    fn new(per_second: usize, burst: usize) -> Self {
        Self { per_second, full: thousandths(burst) }
    }

    /// So many a second are as many thousandths a millisecond.
    fn gained(self, millis: Millis) -> i64 {
        millis.max(0).saturating_mul(i64::try_from(self.per_second).unwrap_or(i64::MAX))
    }
}

impl Bucket {
    fn filled(self, filling: Filling, millis: Millis) -> i64 {
        self.0.saturating_add(filling.gained(millis)).min(filling.full)
    }

    /// How much is missing for something of this price, so much of which has been charged.
    fn missing(self, price: usize, charged: usize, filling: Filling) -> i64 {
        // A debt holds up only what costs more.
        if price <= charged {
            return 0;
        }
        (thousandths(price).min(filling.full) - thousandths(charged) - self.0).max(0)
    }

    fn take(&mut self, price: usize) {
        self.0 = self.0.saturating_sub(thousandths(price));
    }
}

/// What a sender may still send.
#[derive(Debug, Clone)]
struct Rate {
    messages: Bucket,
    writes: Bucket,
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

/// What one sender may send, as of now.
#[derive(Debug)]
pub struct Account<'a> {
    rate: &'a mut Rate,
    messages: Filling,
    writes: Filling,
}

impl Rates {
    /// The account of a sender from whom something has just come.
    pub fn account(&mut self, sender: RateKey, limits: &Limits, now: Millis) -> Account<'_> {
        let messages = Filling::new(limits.messages_per_second, limits.messages_burst);
        let writes = Filling::new(limits.writes_per_second, limits.writes_burst);
        if self.by_sender.len() >= self.sweep_at.max(SWEEP) && !self.by_sender.contains_key(&sender) {
            // A sender with full buckets is as good as a new one.
            self.by_sender.retain(|_, rate| {
                let is_full = |bucket: Bucket, filling: Filling| bucket.filled(filling, now - rate.at) >= filling.full;
                !is_full(rate.messages, messages) || !is_full(rate.writes, writes) || rate.is_past(now)
            });
            self.sweep_at = 2 * self.by_sender.len();
        }
        let full = Rate { messages: Bucket(messages.full), writes: Bucket(writes.full), at: now, excess: None };
        let rate = self.by_sender.entry(sender).or_insert(full);
        let elapsed = now - rate.at;
        rate.messages = Bucket(rate.messages.filled(messages, elapsed));
        rate.writes = Bucket(rate.writes.filled(writes, elapsed));
        rate.at = now;
        if !rate.is_past(now) {
            rate.excess = None;
        }
        Account { rate, messages, writes }
    }
}

impl Account<'_> {
    /// Takes the price of something of this many bytes, if there is enough.
    pub fn decide(&mut self, price: Price, bytes: usize) -> RateDecision {
        self.decide_rest(price, Price::default(), bytes)
    }

    /// The same for what is left of a price, so much of which has been charged.
    pub fn decide_rest(&mut self, price: Price, charged: Price, bytes: usize) -> RateDecision {
        let rate = &mut *self.rate;
        let wait = |missing: i64, filling: Filling| match missing {
            0 => 0,
            _ => missing.div_euclid(filling.gained(1).max(1)).saturating_add(1),
        };
        let messages = rate.messages.missing(price.messages, charged.messages, self.messages);
        let writes = rate.writes.missing(price.writes, charged.writes, self.writes);
        let wait = wait(messages, self.messages).max(wait(writes, self.writes));
        if wait == 0 {
            self.charge(price.beyond(charged));
            return RateDecision::Allow;
        }
        let now = rate.at;
        let excess = rate.excess.get_or_insert(Excess { since: now, last: now, messages: 0, bytes: 0, told: None });
        excess.last = now;
        excess.messages += 1;
        excess.bytes = excess.bytes.saturating_add(bytes);
        let is_flood = excess.messages >= DISCONNECT_EXCESS_MESSAGES || excess.bytes >= DISCONNECT_EXCESS_BYTES;
        if is_flood || now - excess.since >= DISCONNECT_AFTER {
            RateDecision::Disconnect
        } else {
            RateDecision::Reject { retry_after: wait.max(TELL_EVERY) }
        }
    }

    /// Takes the price of something that is done already, such as the reply to a reader. It may leave a debt.
    pub fn charge(&mut self, price: Price) {
        self.rate.messages.take(price.messages);
        self.rate.writes.take(price.writes);
    }

    /// Whether a sender that exceeds the rate is told so this time; it is not told for every message.
    pub fn should_tell(&mut self) -> bool {
        let now = self.rate.at;
        let due = self.rate.excess.as_mut().filter(|excess| excess.told.is_none_or(|told| now - told >= TELL_EVERY));
        due.map(|excess| excess.told = Some(now)).is_some()
    }
}

impl Rate {
    /// Whether the sender has exceeded the rate within the last second.
    fn is_past(&self, now: Millis) -> bool {
        self.excess.is_some_and(|excess| now - excess.last < TELL_EVERY)
    }
}

/// A number of messages or writes, in the unit in which rates are counted.
fn thousandths(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / ONE).saturating_mul(ONE)
}
