//! What time brings about: connections that fell silent, tokens that ended, requests that expired, clients and rooms
//! that nobody uses any more; and the one alarm for all of it.

use std::collections::BTreeSet;

use crate::protocol::Millis;
use crate::protocol::refusal::CloseCode;

use super::session::{ConnectionId, TOKEN_WAIT};
use super::turn::Turn;
use super::{Room, SILENCE};

impl Room {
    /// Whether the alarm should have run by now, and has somebody to look after.
    pub fn alarm_is_due(&self, now: Millis) -> bool {
        self.armed.is_some_and(|at| at <= now) && self.sessions.len() > 1
    }

    /// The alarm rang, or is due. Does all that is due by `now`, and may be called at any time.
    pub fn alarm(&mut self, pings: &[(ConnectionId, Millis)], now: Millis) -> Turn {
        self.begin(now);
        self.heard(pings);
        self.forget_unseen();
        if self.sessions.is_empty() && self.expires_at() <= now {
            return self.end_unused();
        }
        if !self.sessions.is_empty() {
            self.touch();
        }
        if self.sessions.len() > 1 {
            for connection in self.silent_since(now - SILENCE) {
                self.shut(connection, CloseCode::Silent);
            }
        }
        let mut turn = self.flush(now);
        self.arm_anew(&mut turn);
        turn
    }

    /// Ends a life of the room that nobody was there to see. Who had to go in this very moment goes, and who owes a token
    /// owes it to the next life, and not for longer than before.
    fn end_unused(&mut self) -> Turn {
        let close = std::mem::take(&mut self.staged.close).into_iter().map(|(closing, _)| closing).collect();
        let alarm = self.sessions.next_due().filter(|_| self.sessions.waiting() > 0);
        Turn { erase: true, close, alarm, ..Turn::default() }
    }

    /// What comes before everything else in an event: what the clock has brought about by itself.
    pub(super) fn begin(&mut self, now: Millis) {
        self.tick(now);
        let late = self.sessions.waiting_since(now - TOKEN_WAIT);
        for connection in late.into_iter().chain(self.sessions.expired(now)) {
            self.shut(connection, CloseCode::Unauthorized);
        }
    }

    /// It is later, and what time changes has changed.
    pub(super) fn tick(&mut self, now: Millis) {
        self.clock = self.clock.max(now);
        // A clock that was put back must not hold anything up until it has caught up.
        self.last_flush = self.last_flush.map(|last| last.min(now));
        self.last_presence = self.last_presence.map(|last| last.min(now));
        self.settle_due();
    }

    /// Has the room woken earlier, if something is due before the alarm. One that rings too early does no harm, and
    /// one that is set anew costs a write.
    pub(super) fn arm(&mut self, turn: &mut Turn) {
        let next = self.next_alarm();
        if next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed)) {
            self.arm_anew(turn);
        }
    }

    /// Has the room woken when something is due next.
    pub(super) fn arm_anew(&mut self, turn: &mut Turn) {
        turn.alarm = self.next_alarm();
        self.armed = turn.alarm;
    }

    /// When the room must be woken next, if ever: for the first of its deadlines.
    fn next_alarm(&self) -> Option<Millis> {
        let silent_or_unused = match self.sessions.len() {
            0 if !self.is_stored => None,
            0 | 1 => Some(self.expires_at()),
            _ => {
                let pinging = self.sessions.iter().filter(|(_, session)| session.pings);
                // Whoever should have been closed by now has pinged meanwhile, without the room.
                let due = pinging.map(|(_, session)| session.heard + SILENCE).filter(|at| *at > self.clock);
                Some(due.fold(self.clock + SILENCE, Millis::min))
            }
        };
        silent_or_unused.into_iter().chain(self.sessions.next_due()).chain(self.requests.next_due()).min()
    }

    /// Forgets clients that were away for too long, and idempotency keys that have served their time.
    fn forget_unseen(&mut self) {
        let here = self.sessions.iter().filter_map(|(_, session)| session.client()).collect::<BTreeSet<_>>();
        let away = self.clients.iter().map(|(id, _)| id).filter(|id| !here.contains(id.as_str()));
        for id in away.cloned().collect::<Vec<_>>() {
            if self.clients.forget_if_unseen(&id, self.clock) {
                self.staged.clients.insert(id);
            }
        }
        let surplus = self.clients.forget_beyond(self.settings.limits.clients, |id| here.contains(id));
        self.staged.clients.extend(surplus);
        self.forget_old_keys();
    }

    /// Notes that the room is in use, in storage too once the note there is a thirtieth of the time to live old.
    pub(super) fn touch(&mut self) {
        if !self.is_stored || self.clock - self.meta.touched >= self.settings.time_to_live / 30 {
            self.meta.touched = self.clock;
            self.staged.meta = true;
        }
    }

    /// When a room that nobody is connected to will have been unused for its time to live.
    fn expires_at(&self) -> Millis {
        let last_use = if self.sessions.is_empty() { self.last_use() } else { self.clock };
        last_use + self.settings.time_to_live
    }

    /// The last use that storage tells of.
    fn last_use(&self) -> Millis {
        let fields = self.document.iter().map(|(_, field)| field.updated_at);
        let people = self.people.iter().map(|(_, participant)| participant.last_seen);
        fields.chain(people).fold(self.meta.touched, Millis::max)
    }

    fn silent_since(&self, limit: Millis) -> Vec<ConnectionId> {
        let silent = self.sessions.iter().filter(|(_, session)| session.pings && session.heard <= limit);
        silent.map(|(connection, _)| connection).collect()
    }
}
