//! Everything that falls due by itself, in one table: when it is due, and what happens then.
//!
//! Deadlines are judged by the clock, not by the alarm: those of `Deadline::AT_EVENTS` at the start of every event,
//! the others when the alarm rings, since they have to look at pings or at everyone. So an alarm that rings late delays
//! nothing visible, and one that rings early does no harm. The object has one alarm, and setting it is a billed row.

use crate::protocol::Millis;
use crate::protocol::refusal::CloseCode;

use super::connections::leaving::{close, close_all};
use super::connections::sessions::TOKEN_WAIT;
use super::dispatch;
use super::life;
use super::records::clients;
use super::state::State;

/// A connection that has pinged counts as dead after this long without a sign of life, in milliseconds. Browsers
/// throttle the timers of hidden tabs to one a minute, so a page that pings every 25 s may be heard only once a minute
/// (J8).
pub const SILENCE: Millis = 150_000;

/// A kind of thing that falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// A connection's token expires, or an unauthenticated connection's time is up (A5, A9).
    Token,
    /// A record's time is up: a permission request has expired, or what is settled has been reported for a day (Q3,
    /// Q5).
    Record,
    /// A client or an idempotency key has not been used for too long (E4, H3). This wakes no room.
    Client,
    /// A connection has been silent (J8).
    Silence,
    /// Nobody has used the room for its time to live (X3). [`Deadlines::is_unused`] says so; the room ends it.
    Unused,
}

impl Deadline {
    /// Those that every event judges first, in this order.
    const AT_EVENTS: [Self; 2] = [Self::Record, Self::Token];
    /// Those that the alarm judges.
    const AT_ALARMS: [Self; 2] = [Self::Client, Self::Silence];
    /// Those that wake a room.
    const WAKING: [Self; 4] = [Self::Silence, Self::Unused, Self::Token, Self::Record];

    /// When the first of its kind falls due, if the room must be awake then.
    fn next(self, state: &State) -> Option<Millis> {
        match self {
            Self::Token => state.sessions.next_due(),
            Self::Record => state.records.next_due(),
            Self::Client => None,
            Self::Silence if state.sessions.len() > 1 => {
                let pinging = state.sessions.iter().filter(|(_, session)| session.pings);
                // A connection that should have been closed by now has pinged meanwhile, without waking the room.
                let due = pinging.map(|(_, session)| session.heard + SILENCE).filter(|at| *at > state.clock);
                Some(due.fold(state.clock + SILENCE, Millis::min))
            }
            Self::Silence => None,
            Self::Unused => match state.sessions.len() {
                0 if !state.life.is_stored() => None,
                0 | 1 => Some(unused_at(state)),
                _ => None,
            },
        }
    }

    /// Does what is due by now.
    fn expire(self, state: &mut State, now: Millis) {
        match self {
            Self::Token => {
                let late = state.sessions.unauthenticated_since(now - TOKEN_WAIT);
                for connection in late.into_iter().chain(state.sessions.expired(now)) {
                    close(state, connection, CloseCode::Unauthorized);
                }
            }
            Self::Record => dispatch::expire(state),
            Self::Client => {
                clients::once::forget_unseen(state);
                state.records.keys.forget_old(state.clock);
            }
            Self::Silence if state.sessions.len() > 1 => {
                let limit = now - SILENCE;
                close_all(state, CloseCode::Silent, |session| session.pings && session.heard <= limit);
            }
            // A lone connection is not checked for silence.
            Self::Silence => {}
            Self::Unused => {}
        }
    }
}

/// Whether and how the alarm is to be set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Arming {
    /// It stays.
    #[default]
    Keep,
    /// It is moved if something falls due before it rings.
    IfEarlier,
    /// It is set anew.
    Anew,
}

/// The room's alarm, as far as it is known since the room woke.
#[derive(Debug, Clone, Default)]
pub struct Deadlines {
    /// When it rings.
    armed: Option<Millis>,
    arming: Arming,
}

impl Deadlines {
    /// Judges what every event judges first.
    pub fn at_event(state: &mut State, now: Millis) {
        Deadline::AT_EVENTS.into_iter().for_each(|deadline| deadline.expire(state, now));
    }

    /// Judges what changes the room while it is being flushed.
    pub fn at_flush(state: &mut State, now: Millis) {
        Deadline::Record.expire(state, now);
    }

    /// Judges what the alarm judges.
    pub fn at_alarm(state: &mut State, now: Millis) {
        Deadline::AT_ALARMS.into_iter().for_each(|deadline| deadline.expire(state, now));
    }

    /// Whether nobody is connected, and nobody has been for the time to live (X3).
    pub fn is_unused(state: &State, now: Millis) -> bool {
        state.sessions.is_empty() && unused_at(state) <= now
    }

    /// Notes when the alarm rings, or that it is not set.
    pub fn is_armed(&mut self, at: Option<Millis>) {
        self.armed = at;
    }

    /// Whether the alarm should have rung by now, and would have somebody to check.
    pub fn is_overdue(&self, state: &State, now: Millis) -> bool {
        self.armed.is_some_and(|at| at <= now) && state.sessions.len() > 1
    }

    /// Moves the alarm forward if something is due before it. An alarm that rings too early does no harm; setting one
    /// costs a write.
    pub fn arm_if_earlier(&mut self) {
        if self.arming == Arming::Keep {
            self.arming = Arming::IfEarlier;
        }
    }

    /// Sets the alarm for whatever is due next.
    pub fn arm_anew(&mut self) {
        self.arming = Arming::Anew;
    }

    /// The time to set the alarm to, if it has to be set now.
    pub fn arm(&mut self, state: &State) -> Option<Millis> {
        let arming = std::mem::take(&mut self.arming);
        if arming == Arming::Keep {
            return None;
        }
        // With three connections the alarm was already set with the silence of two in mind, and then it rings no later
        // than the third can have been silent for too long. So those who come together do not each look at everyone.
        let may_be_silent = arming == Arming::Anew
            || state.sessions.len() <= 2
            || self.armed.is_none_or(|armed| armed > state.clock + SILENCE);
        let is_known = |deadline: &Deadline| *deadline == Deadline::Silence && !may_be_silent;
        let deadlines = Deadline::WAKING.into_iter().filter(|deadline| !is_known(deadline));
        let next = deadlines.filter_map(|deadline| deadline.next(state)).min();
        let is_earlier = next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed));
        if arming == Arming::IfEarlier && !is_earlier {
            return None;
        }
        self.armed = next;
        next
    }
}

/// When a room that nobody is connected to will have been unused for its time to live, for certain: it may have been in
/// use until the next note of it was due.
fn unused_at(state: &State) -> Millis {
    let time_to_live = state.settings.time_to_live;
    let last_use = if state.sessions.is_empty() {
        let noted = state.life.meta().touched + life::lag(time_to_live);
        state.records.used_at().map_or(noted, |at| at.max(noted))
    } else {
        state.clock
    };
    last_use + time_to_live
}
