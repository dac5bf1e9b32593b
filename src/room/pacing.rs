//! When to flush (Y8). Changes that come close together share a commit and a frame.

use crate::protocol::Millis;

use super::state::State;

/// The least time between two frames of presence, in milliseconds: twenty a second (P1).
pub const PRESENCE_PAUSE: Millis = 50;

/// What determines when the next flush is due.
#[derive(Debug, Clone, Default)]
pub struct Pacing {
    last_flush: Option<Millis>,
    /// The version as of the last flush.
    flushed: u64,
    /// Whether the last flush had several changes.
    is_bursty: bool,
    /// Whether something was committed, or the inbox was taken in, and the flush timer has not rung since.
    is_cooling: bool,
    /// When presence was last sent.
    last_presence: Option<Millis>,
}

/// When a flush is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// In this event.
    Now,
    /// At this time, unless something flushes earlier.
    At(Millis),
}

impl Pacing {
    /// The pacing of a room that wakes at this version.
    pub fn new(version: u64) -> Self {
        Self { flushed: version, ..Self::default() }
    }

    /// When the next flush is due, or the flush timer must ring for another reason.
    pub fn next(&self, state: &State, now: Millis) -> Option<Flush> {
        let outbox = &state.outbox;
        let pause = self.last_flush.map_or(now, |last| last + pause(state.sessions.len(), self.is_bursty));
        let at = |due: Millis| if due <= now { Flush::Now } else { Flush::At(due) };
        let changes_nothing = state.changes_nothing();
        if outbox.flush_now || (changes_nothing && !outbox.tells_nothing()) {
            // Reads and relays flush everything that came before them. If nothing is committed, there is nothing to
            // gather.
            Some(Flush::Now)
        } else if !changes_nothing {
            Some(if self.is_cooling { Flush::At(pause.max(now)) } else { at(pause) })
        } else if !outbox.is_empty() {
            Some(at(self.last_presence.map_or(now, |last| last + PRESENCE_PAUSE).max(pause)))
        } else {
            self.is_cooling.then_some(Flush::At(now))
        }
    }

    /// Everything staged has been flushed, as of this version.
    pub fn flushed(&mut self, version: u64, now: Millis) {
        self.last_flush = Some(now);
        self.is_bursty = version > self.flushed + 1;
        self.flushed = version;
    }

    /// Something was committed, or the inbox is about to be taken in: what comes next is gathered until the flush timer
    /// rings.
    ///
    /// A client that sends without waiting for replies has sent more by now. It is gathered until the runtime comes
    /// round to the timer, which takes no time when there is nothing else to do. However long the pause is, a flush can
    /// take longer on a busy machine: without this, every message would then be flushed alone.
    pub fn gather(&mut self) {
        self.is_cooling = true;
    }

    /// The flush timer rang.
    pub fn timer_rang(&mut self) {
        self.is_cooling = false;
    }

    /// A clock that was set back must not hold anything up until it has caught up.
    pub fn tick(&mut self, now: Millis) {
        self.last_flush = self.last_flush.map(|last| last.min(now));
        self.last_presence = self.last_presence.map(|last| last.min(now));
    }

    /// Whether presence may be sent: its last frame is long enough ago. If so, it counts as sent.
    pub fn tells_presence(&mut self, now: Millis) -> bool {
        let is_due = self.last_presence.is_none_or(|last| last + PRESENCE_PAUSE <= now);
        if is_due {
            self.last_presence = Some(now);
        }
        is_due
    }
}

/// How long to gather changes between two flushes, in milliseconds, so that sending takes a bounded share of the
/// processor: about 0.16 ms for each connection, at most 250 (Y8). A client that has sent several changes at once sends
/// more as soon as those are answered, so in that case it is at least 1: otherwise the first of them would be flushed
/// alone.
fn pause(connections: usize, is_bursty: bool) -> Millis {
    let pause = Millis::try_from(connections).unwrap_or(Millis::MAX).saturating_mul(16).saturating_div(100).min(250);
    pause.max(Millis::from(is_bursty))
}
