//! The room: a state machine that takes what happened and when, and says what it wants done.
//!
//! It knows no clock, no socket and no storage, and has two doors. [`Room::handle`] takes an [`Event`]: it changes
//! memory at once and decides nothing about sending. [`Room::poll`] returns [`Turn`]s: each is one commit with the
//! frames that depend on it. A driver handles an event, polls until there is no turn, and then sets the flush timer to
//! [`Room::timer`]. It carries out each turn before it polls for the next. Everything else that is public only looks.
//!
//! If a commit fails, the whole `Room` is dropped and restored from storage: memory is never patched.
//! [`Room::after_lost_commit`] says what is true all the same.

pub mod admission;
pub mod audience;
mod authentication;
mod charging;
pub mod comings;
pub mod connections;
pub mod deadlines;
mod dispatch;
pub mod effort;
pub mod event;
mod flushing;
pub mod gate;
pub mod http_writes;
pub mod life;
pub mod outbox;
pub mod pacing;
pub mod records;
pub mod relay;
pub mod replies;
pub mod reply;
pub mod settings;
pub mod state;
pub mod table;
pub mod turn;
pub mod unread;
pub mod views;
mod waking;

use crate::access::pass::Admission;
use crate::access::prices::{Around, Cost, Price, SENT_PART};
use crate::access::rates::{Caller, RateDecision, rate_limit_exceeded};
use crate::access::shares::Entry;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::decode::Frame;
use crate::protocol::frames;
use crate::protocol::frames::ClientMessage;
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::tag::Tag;
use crate::protocol::write::RoomWrite;

use connections::hello::hello;
use connections::leaving::{close, close_of_user, leave};
use connections::presence;
use connections::session::Attachment;
use connections::sessions::Sessions;
use deadlines::Deadlines;
use event::{Event, Pings};
use flushing::flush;
use gate::{Gate, Queued};
use life::Life;
use outbox::Outbox;
use pacing::{Flush, Pacing};
use records::{Records, Stored};
use settings::Settings;
use state::State;
use turn::{Closing, Completion, Outgoing, Turn};
use views::Since;

/// A room that is awake.
#[derive(Debug, Clone)]
pub struct Room {
    state: State,
    pacing: Pacing,
    deadlines: Deadlines,
    gate: Gate,
    /// A turn that was made while an event was handled, and precedes everything staged. No event makes two.
    sealed: Option<Turn>,
    /// What the operator should know, until the driver takes it.
    notes: Vec<String>,
}

impl Room {
    /// Wakes a room from what storage holds, or as a new one with this epoch, with the sockets that are open and what
    /// its gate remembers.
    pub fn restore(
        settings: Settings,
        stored: Option<Stored>,
        new_epoch: String,
        attachments: Vec<Attachment>,
        gate: Gate,
        now: Millis,
    ) -> Self {
        let (life, records, clock) = match stored {
            Some(Stored { meta, records }) => {
                let clock = meta.touched;
                (Life::restored(meta), records, clock)
            }
            None => (Life::new(new_epoch, settings.kind.version(), now), Records::default(), now),
        };
        let (version, time) = records.newest();
        let version = version.max(life.meta().floor);
        let mut state = State {
            settings,
            life,
            version,
            clock: clock.max(time),
            records,
            sessions: Sessions::default(),
            outbox: Outbox::default(),
            told: version,
        };
        attachments.into_iter().for_each(|attachment| waking::recall(&mut state, attachment));
        waking::recall_authors(&mut state);
        let notes = waking::bring_forward(&mut state, now);
        let (pacing, deadlines) = (Pacing::new(version), Deadlines::default());
        Self { state, pacing, deadlines, gate, sealed: None, notes }
    }

    /// Takes what the operator should know of a room that has just woken.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Something happened. None of what follows from it is shown or stored until [`Room::poll`] says so.
    pub fn handle(&mut self, event: Event<'_>, now: Millis) {
        debug_assert!(self.sealed.is_none(), "poll until there is no turn before the next event");
        match event {
            Event::Connected { connection, entry, alarm } => self.connected(connection, entry, alarm, now),
            Event::Frame { from, text, pings } => self.frame(from, text, pings, now),
            Event::Gathered => self.pacing.gather(),
            Event::Disconnected { connection, heard } => self.disconnected(connection, heard, now),
            Event::Completed { completion, pings } => self.completed(completion, pings, now),
            Event::Written(request) => self.written(*request, now),
            Event::Read { pings } => {
                self.begin(now);
                self.heard(&pings.0());
                self.state.outbox.flush_now = self.state.has_staged();
            }
            Event::TokensRevoked { user, revocations } => {
                self.gate.revocations.add(user, revocations, now);
                self.begin(now);
                close_of_user(&mut self.state, user, CloseCode::Revoked, |session| {
                    session.pass().is_some_and(|pass| {
                        revocations.iter().any(|revocation| revocation.is_of(pass.token_id.as_deref(), now))
                    })
                });
                self.state.outbox.flush_now = true;
            }
            Event::Deleted => self.deleted(),
            Event::Timer => {
                self.pacing.timer_rang();
                self.tick(now);
            }
            Event::Alarm { pings } => self.alarm(pings, now),
        }
    }

    /// What to do next, or `None` if nothing is due: then poll again at [`Room::timer`], or when something has
    /// happened.
    pub fn poll(&mut self, now: Millis) -> Option<Turn> {
        if self.sealed.is_some() {
            return self.sealed.take();
        }
        let is_due = self.pacing.next(&self.state, now) == Some(Flush::Now);
        let turn = is_due.then(|| flush(&mut self.state, &mut self.pacing, now));
        match (turn, self.deadlines.arm(&self.state)) {
            (Some(turn), alarm) => Some(Turn { alarm, ..turn }),
            (None, Some(at)) => Some(Turn { alarm: Some(at), ..Turn::default() }),
            (None, None) => None,
        }
    }

    /// When to poll again even if nothing has happened by then: a flush is due, or the cool-down after a commit ends.
    /// The timer for it exists only while something waits, so it never keeps a room awake.
    pub fn timer(&self, now: Millis) -> Option<Millis> {
        self.pacing.next(&self.state, now).map(|flush| match flush {
            Flush::Now => now,
            Flush::At(at) => at,
        })
    }

    /// Takes the gate out of a room that is going to sleep, to be kept until it wakes.
    pub fn into_gate(self) -> Gate {
        self.gate
    }

    /// Charges a caller for what a write over HTTP says.
    ///
    /// # Errors
    /// The rate limit is exceeded.
    pub fn charge_write(&mut self, caller: &Caller, write: &RoomWrite, now: Millis) -> Result<(), Refusal> {
        let limits = &self.state.settings.limits;
        let price = charging::cost_of_write(&self.state, write).price(caller.role);
        // The body has been charged for.
        let reading = Cost::of_reading(write.text.len()).price(caller.role);
        self.gate.rates.account(caller.key.clone(), limits, now).decide_rest(price, reading, 0).check(limits)
    }

    /// What is around a request, as far as it decides what the request costs.
    pub fn around_request(&self) -> Around {
        charging::around_request(&self.state, 0)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        let State { records, settings, .. } = &self.state;
        records.sizes(&settings.limits).iter().map(|size| size.rows).sum()
    }

    /// The gate, for what is decided outside the room: how many requests a user makes over HTTP.
    pub fn gate_mut(&mut self) -> &mut Gate {
        &mut self.gate
    }

    /// What is true even though the commit has failed and this memory is dropped: presence that was not sent yet, since
    /// it is not stored. And the gate, for the room that is restored in its place.
    pub fn after_lost_commit(mut self) -> (Option<Outgoing>, Gate) {
        // A connection that was to be closed after the commit stays open, and so does its presence.
        for (closing, session) in std::mem::take(&mut self.state.outbox.close) {
            if let Some(session) = session {
                self.state.sessions.insert(closing.connection, session);
            }
        }
        let has_news = !self.state.outbox.presence.is_empty();
        (has_news.then(|| presence::take_news(&mut self.state)).flatten(), self.gate)
    }
}

/// Looking in.
impl Room {
    /// The operator's settings.
    pub fn settings(&self) -> &Settings {
        &self.state.settings
    }

    /// Whether storage has the room, or will have it after the latest commit.
    pub fn is_stored(&self) -> bool {
        self.state.life.is_stored() || !self.state.changes_nothing()
    }

    /// The room's version (S1).
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// Which life of the room this is (U8).
    pub fn epoch(&self) -> &str {
        self.state.life.epoch()
    }

    /// The room's own time, which never goes back.
    pub fn time(&self, now: Millis) -> Millis {
        views::time(&self.state, now)
    }

    /// The body of `GET /state` (H1).
    pub fn state(&self, reset: bool, now: Millis) -> String {
        views::state(&self.state, reset, now)
    }

    /// The body of `GET /fields/{field}` and the tag of the field (H8).
    ///
    /// # Errors
    /// It is not set: the version that cleared it, or 0.
    pub fn field(&self, name: &str) -> Result<(String, String), u64> {
        views::field(&self.state, name)
    }

    /// The body of `GET /changes` (H2).
    pub fn changes_page(&self, since: &Since, now: Millis) -> String {
        views::changes_page(&self.state, since, now)
    }

    /// Whether changes wait for a flush.
    pub fn has_staged(&self) -> bool {
        self.state.has_staged()
    }

    /// Whether nobody is connected and nothing is staged, so that memory holds nothing that storage does not.
    pub fn is_idle(&self) -> bool {
        let sessions = &self.state.sessions;
        sessions.is_empty() && sessions.unauthenticated() == 0 && !self.state.has_staged()
    }

    /// Whether the alarm should have rung by now, and would have somebody to check.
    pub fn alarm_is_overdue(&self, now: Millis) -> bool {
        self.deadlines.is_overdue(&self.state, now)
    }

    /// Whether another connection may come in.
    ///
    /// # Errors
    /// Its token has just been revoked, or the room has reached its limit of connections (A8, X1, A9).
    pub fn admit(&self, entry: &Entry, now: Millis) -> Result<(), Refusal> {
        admission::admit(&self.state, &self.gate, entry, now)
    }

    /// What a frame on this connection would cost now (X1).
    pub fn cost_of(&self, from: ConnectionId, text: &str) -> Cost {
        let frame = Frame::decode(text, &self.state.settings.limits);
        charging::cost_of_frame(&self.state, from, &frame, text.len())
    }

    /// What a write over HTTP would cost now, beside being asked.
    pub fn cost_of_write(&self, write: &RoomWrite) -> Cost {
        charging::cost_of_write(&self.state, write)
    }

    /// What storage must hold when nothing is staged. For tests of exactly that.
    pub fn stored(&self) -> Option<Stored> {
        let State { life, records, .. } = &self.state;
        life.is_stored().then(|| Stored { meta: life.meta().clone(), records: records.clone() })
    }
}

/// What events do.
impl Room {
    /// What comes before everything else in an event: what the clock has brought about by itself.
    fn begin(&mut self, now: Millis) {
        self.advance(now);
        Deadlines::at_event(&mut self.state, now);
    }

    /// Advances the clock, and does what time brings about.
    fn tick(&mut self, now: Millis) {
        self.advance(now);
        Deadlines::at_flush(&mut self.state, now);
    }

    fn advance(&mut self, now: Millis) {
        self.state.clock = self.state.clock.max(now);
        self.pacing.tick(now);
    }

    /// Notes pings.
    fn heard(&mut self, pings: &[(ConnectionId, Millis)]) {
        for (connection, at) in pings {
            if let Some(session) = self.state.sessions.get_mut(*connection) {
                session.pings = true;
                session.heard = session.heard.max(*at);
            }
        }
    }

    fn connected(&mut self, connection: ConnectionId, entry: Entry, alarm: Option<Millis>, now: Millis) {
        self.begin(now);
        self.deadlines.is_armed(alarm);
        let Entry { admission, network } = entry;
        match admission {
            Admission::Anonymous => admission::enter(&mut self.state, connection, None, network),
            Admission::Pass { user, pass } => {
                admission::enter(&mut self.state, connection, Some((user, pass)), network);
            }
            Admission::Unauthenticated => {
                admission::wait_for_token(&mut self.state, &self.gate, connection, network);
            }
        }
        self.state.outbox.arrived = Some(connection);
        self.state.outbox.flush_now = true;
        self.deadlines.arm_if_earlier();
    }

    fn disconnected(&mut self, connection: ConnectionId, heard: Option<Millis>, now: Millis) {
        self.gate.forget(connection);
        if self.state.sessions.get(connection).is_none() {
            self.state.sessions.remove_unauthenticated(connection);
            return;
        }
        self.begin(now);
        if let Some(heard) = heard {
            self.heard(&[(connection, heard)]);
        }
        let (due, delay) = (self.state.records.next_due(), self.state.settings.leave_delay);
        leave(&mut self.state, connection, delay);
        if self.state.sessions.is_empty() {
            self.state.touch();
            // Nobody is left to be told, or to wait for.
            self.state.outbox.flush_now = true;
        }
        self.wake_for_records(due);
        if self.state.sessions.len() == 1 {
            // A lone connection is not checked for silence.
            self.deadlines.arm_anew();
        }
    }

    fn frame(&mut self, from: ConnectionId, text: Option<&str>, pings: Pings<'_>, now: Millis) {
        match self.gate.queue(from, text) {
            Queued::No => {}
            Queued::Yes => return,
            Queued::Overflow => return self.disconnect_for_rate(from, now),
        }
        let Some(frame) = self.read(from, text, now) else { return };
        if self.state.settings.requires_tokens && authentication::needs_check(&self.state, from, &frame) {
            self.advance(now);
            return authentication::check(&mut self.state, &mut self.gate, from, frame);
        }
        if frame.message.as_ref().is_ok_and(ClientMessage::needs_pings) {
            self.heard(&pings.0());
        }
        self.receive(from, text.unwrap_or_default(), frame, now);
        self.charge_answer(from, now);
    }

    /// Reads a frame and charges its sender for it: first for the reading, and then for what it says. `None`: that is
    /// more than the sender may do now.
    fn read(&mut self, from: ConnectionId, text: Option<&str>, now: Millis) -> Option<Frame> {
        let (limits, bytes) = (&self.state.settings.limits, text.map_or(0, str::len));
        let decode = || match text {
            Some(text) => Frame::decode(text, limits),
            None => Frame::refused(Refusal::new(Code::BadMessage, "Frames must be JSON text; this one was binary.")),
        };
        let Some((sender, role)) = charging::sender(&self.state, from) else { return Some(decode()) };
        let mut account = self.gate.rates.account(sender, limits, now);
        let reading = Cost::of_reading(bytes).price(role);
        let mut decision = account.decide(reading, bytes);
        let mut frame = (decision == RateDecision::Allow).then(decode);
        if let Some(frame) = &frame {
            let price = charging::cost_of_frame(&self.state, from, frame, bytes).price(role);
            decision = account.decide_rest(price, reading, bytes);
        }
        match decision {
            RateDecision::Allow => return frame,
            RateDecision::Reject { retry_after } if account.should_tell() => {
                let tag = frame.take().unwrap_or_else(decode).tag;
                let text = frames::error(&rate_limit_exceeded(limits, retry_after), &tag, false);
                replies::in_any_case(&mut self.state, from, text);
            }
            RateDecision::Reject { .. } => {}
            RateDecision::Disconnect => self.disconnect_for_rate(from, now),
        }
        None
    }

    /// Charges a reader for the length of the reply.
    fn charge_answer(&mut self, from: ConnectionId, now: Millis) {
        let bytes = std::mem::take(&mut self.state.outbox.answered);
        // The message that asked has been charged for.
        let charge = |role| Cost::of_answer(bytes).price(role).beyond(Price { messages: 1, writes: 0 });
        if bytes > SENT_PART
            && let Some((sender, role)) = charging::sender(&self.state, from)
        {
            self.gate.rates.account(sender, &self.state.settings.limits, now).charge(charge(role));
        }
    }

    /// Disconnects a client that has exceeded a limit.
    fn disconnect_for_rate(&mut self, connection: ConnectionId, now: Millis) {
        self.gate.forget(connection);
        self.begin(now);
        close(&mut self.state, connection, CloseCode::Rate);
        self.state.outbox.flush_now = true;
    }

    /// Does what a frame says.
    fn receive(&mut self, from: ConnectionId, text: &str, frame: Frame, now: Millis) {
        self.begin(now);
        let state = &mut self.state;
        let due = state.records.next_due();
        let Some(session) = state.sessions.get_mut(from) else {
            // An unauthenticated connection may send nothing else (A9).
            if state.sessions.is_unauthenticated(from) {
                let is_other_protocol = frame.message == Ok(ClientMessage::OtherProtocol);
                close(state, from, if is_other_protocol { CloseCode::Protocol } else { CloseCode::Unauthorized });
            }
            // Time may have changed something nevertheless.
            state.outbox.flush_now = true;
            return;
        };
        session.heard = state.clock;
        state.outbox.attach.insert(from);
        state.touch();
        match frame.message {
            // It concerns the connection and does not come from the outbox, so its number is ignored.
            Ok(ClientMessage::Hello(said)) => {
                self.sealed = hello(state, &mut self.pacing, from, said, Tag { number: None, ..frame.tag }, now);
            }
            Ok(ClientMessage::OtherProtocol) => {
                close(state, from, CloseCode::Protocol);
                state.outbox.flush_now = true;
            }
            message => dispatch::answer(state, from, text, Frame { message, ..frame }),
        }
        self.wake_for_records(due);
    }

    /// Has the room woken for a record that falls due before any did until now.
    fn wake_for_records(&mut self, due: Option<Millis>) {
        let next = self.state.records.next_due();
        if next.is_some_and(|at| due.is_none_or(|due| at < due)) {
            self.deadlines.arm_if_earlier();
        }
    }

    fn completed(&mut self, completion: Completion, pings: Pings<'_>, now: Millis) {
        let Completion::TokenVerified { connection, outcome } = completion;
        // If the connection is gone, so is its check.
        let Some(frame) = self.gate.checked(connection) else { return };
        self.heard(&pings.0());
        self.begin(now);
        let Self { state, pacing, gate, .. } = self;
        self.sealed = authentication::verified(state, pacing, gate, connection, frame, outcome, now);
        self.deadlines.arm_if_earlier();
        self.charge_answer(connection, now);
    }

    fn written(&mut self, request: RoomWrite, now: Millis) {
        self.begin(now);
        let state = &mut self.state;
        let is_new = !state.life.is_stored();
        let written = http_writes::write(state, request);
        state.outbox.written = Some(written);
        // A refusal that is not recorded creates no room.
        if !is_new || !state.changes_nothing() {
            state.touch();
        }
        state.outbox.flush_now = true;
        if is_new && !state.changes_nothing() {
            self.deadlines.arm_if_earlier();
        }
    }

    /// Ends this life of the room (H6).
    fn deleted(&mut self) {
        let all = self.state.sessions.all();
        let close = all.into_iter().map(|connection| Closing { connection, code: CloseCode::Deleted });
        self.gate.forget_all();
        self.sealed = Some(Turn { close: close.collect(), erase: true, ..Turn::default() });
    }

    fn alarm(&mut self, pings: Pings<'_>, now: Millis) {
        self.begin(now);
        self.heard(&pings.0());
        let state = &mut self.state;
        if Deadlines::is_unused(state, now) {
            return self.end_unused();
        }
        if !state.sessions.is_empty() {
            state.touch();
        }
        Deadlines::at_alarm(state, now);
        state.outbox.flush_now = true;
        self.deadlines.arm_anew();
    }

    /// Ends a life of the room with nobody in it. Connections that were to be closed at this very moment are closed,
    /// and unauthenticated ones stay for the next life, with the deadline they had.
    fn end_unused(&mut self) {
        let close = std::mem::take(&mut self.state.outbox.close).into_iter().map(|(closing, _)| closing).collect();
        let sessions = &self.state.sessions;
        let alarm = sessions.next_due().filter(|_| sessions.unauthenticated() > 0);
        self.sealed = Some(Turn { erase: true, close, alarm, ..Turn::default() });
    }
}
