//! The run loop, the same for workerd and for the tests: an event goes into the [`Room`], and the [`Turn`]s that come
//! out are carried out here and nowhere else, in one order: commit, attachments, frames, effects, closes, alarm. It
//! acts on the world through a [`Platform`]: the shell's has workerd's sockets and SQLite, the tests' has real SQLite
//! and sockets made of vectors.

pub mod contract;

use crate::access::pass::Admission;
use crate::access::prices::{self, Around, Cost, Price, Request};
use crate::access::rates::{Account, Caller, RateKey};
use crate::access::revocations::Revocation;
use crate::access::shares::Entry;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::frames;
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::write::RoomWrite;
use crate::room::Room;
use crate::room::audience::Audience;
use crate::room::connections::session::Attachment;
use crate::room::event::{Event, Pings};
use crate::room::gate::Gate;
use crate::room::records::Stored;
use crate::room::settings::Settings;
use crate::room::turn::{Completion, Effect, Turn, When, Write, Written};
use crate::sql::StoreError;

/// How long after an alarm has found a room unreadable to try again, in milliseconds: a day.
const RETRY_UNREADABLE: Millis = 86_400_000;

/// What a room can do to the world. Every call takes effect at once and in order, except [`Platform::start`]. What a
/// platform owes is in [`contract`], which runs against each of them.
pub trait Platform {
    /// Reads what storage holds.
    ///
    /// # Errors
    /// Storage cannot be read.
    fn load(&mut self) -> Result<Option<Stored>, StoreError>;
    /// Writes all or nothing.
    ///
    /// # Errors
    /// Nothing was written.
    fn commit(&mut self, writes: Vec<Write>) -> Result<(), StoreError>;
    /// Deletes everything that storage holds, including the alarm.
    fn erase(&mut self);
    /// What the open sockets remember.
    fn attachments(&mut self) -> Vec<Attachment>;
    /// What one open socket remembers.
    fn attachment(&mut self, connection: ConnectionId) -> Option<Attachment>;
    /// When each socket last pinged, for those that ever did. Called only after [`Platform::attachments`] has said,
    /// since the room woke, which sockets there are.
    fn pings(&self) -> Vec<(ConnectionId, Millis)>;
    /// When one socket last pinged, if it ever did.
    fn ping(&self, connection: ConnectionId) -> Option<Millis>;
    /// Gives a socket something to remember.
    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment);
    /// Sends a frame to every socket that [`Audience::includes`], by the standing of its attachment. A socket that
    /// cannot take it does not keep the others from getting it.
    fn send(&mut self, audience: Audience, text: &str);
    /// Starts something that takes time, and then calls [`Driver::complete`].
    fn start(&mut self, effect: Effect);
    /// Closes a connection and makes its socket forget whose it was, so that nothing more is heard from it.
    fn close(&mut self, connection: ConnectionId, code: CloseCode);
    /// Wakes the room at this time, replacing the time set before.
    fn set_alarm(&mut self, at: Millis);
    /// Calls [`Driver::flush`] at this time; `None`: cancels that.
    fn set_flush_timer(&mut self, at: Option<Millis>);
    /// Whether there are frames in the inbox.
    fn has_held(&self) -> bool;
    /// Empties the inbox: its frames, in the order in which they came. Called only after [`Platform::attachments`] has
    /// said, since the room woke, which sockets there are.
    fn take_held(&mut self) -> Vec<(ConnectionId, String)>;
    /// A new random epoch.
    fn new_epoch(&mut self) -> String;
    /// Writes to the operator's log.
    fn log(&mut self, message: &str);
}

/// One room, awake or asleep.
#[derive(Debug)]
pub struct Driver {
    settings: Settings,
    room: Option<Room>,
    /// The gate, kept here while the room sleeps.
    gate: Gate,
    /// When the flush timer rings, if it is set.
    timer: Option<Millis>,
    /// How many rows were read when the room was woken, until somebody has been charged for it.
    woken: usize,
}

impl Driver {
    /// A room that is asleep.
    pub fn new(settings: Settings) -> Self {
        Self { settings, room: None, gate: Gate::default(), timer: None, woken: 0 }
    }

    /// The operator's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The room, while it is awake.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Whether another connection may come in.
    ///
    /// # Errors
    /// The room is full or cannot be read, the rate limit is exceeded, or the token has just been revoked.
    pub fn admit(&mut self, platform: &mut impl Platform, entry: &Entry, now: Millis) -> Result<(), Refusal> {
        let Admission::Pass { user, pass } = &entry.admission else {
            return self.wake(platform, now)?.admit(entry, now);
        };
        let caller = Caller { key: RateKey::User(user.clone()), role: pass.role };
        self.check_rate(&caller, Request::Connect, 0, now)?;
        let room = self.wake(platform, now)?;
        room.admit(entry, now)?;
        let whole = prices::of_request(Request::Connect, &room.around_request()).price(caller.role);
        let charged = prices::of_request(Request::Connect, &Around::default()).price(caller.role);
        self.charge(&caller, whole.beyond(charged), now);
        self.charge_waking(&caller, now);
        Ok(())
    }

    /// Charges a caller for an HTTP request (X1, X4), with a body of this many bytes.
    ///
    /// # Errors
    /// The rate limit is exceeded.
    pub fn check_rate(&mut self, caller: &Caller, request: Request, bytes: usize, now: Millis) -> Result<(), Refusal> {
        // A write is charged for the rest when it is known what it says.
        let request = if request == Request::Write { Request::Read } else { request };
        let price = prices::of_request(request, &Around { bytes, ..Around::default() }).price(caller.role);
        self.account(caller, now).decide(price, bytes).check(&self.settings.limits)
    }

    /// Charges a caller for the length of a response, and for waking the room if that was necessary.
    pub fn charge_answer(&mut self, caller: &Caller, bytes: usize, now: Millis) {
        // The request has been charged for.
        self.charge(caller, Cost::of_answer(bytes).price(caller.role).beyond(Price { messages: 1, writes: 0 }), now);
        self.charge_waking(caller, now);
    }

    /// Charges a caller for the rows that were read if the room was just woken.
    fn charge_waking(&mut self, caller: &Caller, now: Millis) {
        let woken = std::mem::take(&mut self.woken);
        if woken > 0 {
            self.charge(caller, Cost::of_waking(woken).price(caller.role), now);
        }
    }

    fn charge(&mut self, caller: &Caller, price: Price, now: Millis) {
        if !price.is_nothing() {
            self.account(caller, now).charge(price);
        }
    }

    fn account(&mut self, caller: &Caller, now: Millis) -> Account<'_> {
        let gate = self.room.as_mut().map_or(&mut self.gate, Room::gate_mut);
        gate.rates.account(caller.key.clone(), &self.settings.limits, now)
    }

    /// A connection opened. `alarm`: when the alarm rings, if one is set.
    pub fn connect(
        &mut self,
        platform: &mut impl Platform,
        connection: ConnectionId,
        entry: Entry,
        alarm: Option<Millis>,
        now: Millis,
    ) {
        let connected = Event::Connected { connection, entry, alarm };
        if self.event(platform, connected, now).is_err() {
            platform.close(connection, CloseCode::Unavailable);
        }
    }

    /// A text frame came; `None`: a binary one.
    pub fn receive(&mut self, platform: &mut impl Platform, from: ConnectionId, text: Option<&str>, now: Millis) {
        let Ok(room) = self.wake(platform, now) else {
            platform.close(from, CloseCode::Unavailable);
            return;
        };
        room.handle(Event::Frame { from, text, pings: Pings(&|| platform.pings()) }, now);
        // If the commit fails, the pending writers are told.
        let done = self.run(platform, now);
        if done.is_ok() && self.room.as_ref().is_some_and(|room| room.alarm_is_overdue(now)) {
            self.alarm(platform, now);
        }
    }

    /// Takes in the platform's inbox. Called before anything else happens to the room.
    pub fn drain_inbox(&mut self, platform: &mut impl Platform, now: Millis) {
        if !platform.has_held() {
            return;
        }
        if let Ok(room) = self.wake(platform, now) {
            room.handle(Event::Gathered, now);
        }
        for (from, text) in platform.take_held() {
            self.receive(platform, from, Some(&text), now);
        }
    }

    /// An effect has completed.
    pub fn complete(&mut self, platform: &mut impl Platform, completion: Completion, now: Millis) {
        let Completion::TokenVerified { connection, .. } = &completion;
        let connection = *connection;
        let Ok(room) = self.wake(platform, now) else {
            self.gate.forget(connection);
            platform.close(connection, CloseCode::Unavailable);
            return;
        };
        room.handle(Event::Completed { completion, pings: Pings(&|| platform.pings()) }, now);
        // If the commit fails, the pending writers are told.
        let _ = self.run(platform, now);
        while let Some((from, text)) = self.gate().take_released() {
            self.receive(platform, from, text.as_deref(), now);
        }
        self.rest();
    }

    /// Tokens of a user were revoked (A8).
    ///
    /// # Errors
    /// The room cannot be read, so it has to be notified again.
    pub fn revoke_tokens(
        &mut self,
        platform: &mut impl Platform,
        user: &str,
        revocations: &[Revocation],
        now: Millis,
    ) -> Result<(), Refusal> {
        let told = self.event(platform, Event::TokensRevoked { user, revocations }, now);
        self.rest();
        told.map(drop)
    }

    /// Ends this life of the room (H6).
    ///
    /// # Errors
    /// The room cannot be read.
    pub fn delete(&mut self, platform: &mut impl Platform, now: Millis) -> Result<(), Refusal> {
        self.event(platform, Event::Deleted, now).map(drop)
    }

    /// A connection is gone. `said_goodbye`: it sent a close frame, which is a sign of life; otherwise it broke off.
    pub fn disconnect(
        &mut self,
        platform: &mut impl Platform,
        connection: ConnectionId,
        said_goodbye: bool,
        now: Millis,
    ) {
        if self.wake(platform, now).is_err() {
            return self.gate.forget(connection);
        }
        let heard = if said_goodbye { Some(now) } else { platform.ping(connection) };
        // A failed commit is logged. The others know that the user left; that is true in any case.
        let _ = self.event(platform, Event::Disconnected { connection, heard }, now);
        self.rest();
    }

    /// The alarm rang.
    pub fn alarm(&mut self, platform: &mut impl Platform, now: Millis) {
        let Ok(room) = self.wake(platform, now) else {
            // Nothing can be done in a room that cannot be read, but it must not be forgotten once it can be.
            platform.set_alarm(now + RETRY_UNREADABLE);
            return;
        };
        room.handle(Event::Alarm { pings: Pings(&|| platform.pings()) }, now);
        let _ = self.run(platform, now);
        self.rest();
    }

    /// The flush timer rang.
    pub fn flush(&mut self, platform: &mut impl Platform, now: Millis) {
        // First, while the timer still counts as set, so that no new one is set for what is flushed at once.
        self.drain_inbox(platform, now);
        self.timer = None;
        if let Some(room) = &mut self.room {
            room.handle(Event::Timer, now);
            let _ = self.run(platform, now);
            self.rest();
        }
    }

    /// The room for a reader over HTTP: awake, with the newest pings, and with all changes stored, including those that
    /// time has brought about.
    ///
    /// # Errors
    /// The room cannot be read, or staged changes could not be stored.
    pub fn read(&mut self, platform: &mut impl Platform, now: Millis) -> Result<&Room, Refusal> {
        self.wake(platform, now)?.handle(Event::Read { pings: Pings(&|| platform.pings()) }, now);
        self.run(platform, now)?;
        self.wake(platform, now).map(|room| &*room)
    }

    /// Whether the room is not stored, so that a change would make it. One that cannot be read is not known to be new.
    pub fn is_new(&mut self, platform: &mut impl Platform, now: Millis) -> bool {
        let is_new = self.wake(platform, now).is_ok_and(|room| !room.is_stored());
        self.rest();
        is_new
    }

    /// Makes a change that came over HTTP. The response holds once this returns.
    ///
    /// # Errors
    /// The room cannot be read, the rate limit is exceeded, or the change could not be stored.
    pub fn write(
        &mut self,
        platform: &mut impl Platform,
        caller: &Caller,
        request: RoomWrite,
        now: Millis,
    ) -> Result<Written, Refusal> {
        let charged = self.wake(platform, now)?.charge_write(caller, &request, now);
        if charged.is_err() {
            self.rest();
        }
        charged?;
        let written = self.event(platform, Event::Written(Box::new(request)), now);
        self.charge_waking(caller, now);
        self.rest();
        written?.ok_or_else(storage_refusal)
    }

    /// Hands the room an event and does everything that follows from it.
    fn event(
        &mut self,
        platform: &mut impl Platform,
        event: Event<'_>,
        now: Millis,
    ) -> Result<Option<Written>, Refusal> {
        self.wake(platform, now)?.handle(event, now);
        self.run(platform, now)
    }

    /// Carries out turns until there is none, and then sets the flush timer. Returns the response to a write over HTTP.
    fn run(&mut self, platform: &mut impl Platform, now: Millis) -> Result<Option<Written>, Refusal> {
        let mut outcome = Ok(None);
        while let Some(mut turn) = self.room.as_mut().and_then(|room| room.poll(now)) {
            let written = turn.written.take();
            outcome = self.carry_out(platform, turn).map(|()| written.or(outcome.ok().flatten()));
            if outcome.is_err() {
                break;
            }
        }
        let timer = self.room.as_ref().and_then(|room| room.timer(now));
        self.set_timer(platform, timer);
        outcome
    }

    /// Carries out a turn. If the commit fails, the room is dropped, to be restored from storage at the next event, and
    /// everyone whose change was in it is told.
    fn carry_out(&mut self, platform: &mut impl Platform, turn: Turn) -> Result<(), Refusal> {
        let Turn { commit, writers, attach, outbox, effects, erase, close, alarm, written: _ } = turn;
        let committed = if commit.is_empty() { Ok(()) } else { platform.commit(commit) };
        let is_lost = committed.is_err();
        if let Err(error) = committed {
            platform.log(&format!("a commit failed: {error}"));
            // Presence is kept with the sockets and not stored, so it is not lost with the commit.
            for (connection, wanted) in attach {
                if let Some(kept) = platform.attachment(connection) {
                    let Attachment { presence, heard, .. } = wanted;
                    platform.attach(connection, &Attachment { presence, heard, ..kept });
                }
            }
            if let Some(room) = self.room.take() {
                let (after_lost_commit, gate) = room.after_lost_commit();
                self.gate = gate;
                after_lost_commit.iter().for_each(|frame| platform.send(frame.audience, &frame.text));
            }
            for writer in &writers {
                let text = frames::error(&storage_refusal(), &writer.tag, false);
                platform.send(Audience::One(writer.connection), &text);
            }
        } else {
            for (connection, attachment) in &attach {
                platform.attach(*connection, attachment);
            }
        }
        let untrue = if is_lost { When::Committed } else { When::CommitFailed };
        for frame in outbox.iter().filter(|frame| frame.when != untrue) {
            platform.send(frame.audience, &frame.text);
        }
        effects.into_iter().for_each(|effect| platform.start(effect));
        if erase {
            self.sleep();
            platform.erase();
        }
        for closing in &close {
            platform.close(closing.connection, closing.code);
        }
        if let Some(at) = alarm {
            platform.set_alarm(at);
        }
        if is_lost { Err(storage_refusal()) } else { Ok(()) }
    }

    /// A timer exists only while something waits, since it keeps the room from sleeping.
    fn set_timer(&mut self, platform: &mut impl Platform, at: Option<Millis>) {
        let is_set = match (at, self.timer) {
            // One that rings sooner is left alone: when it has rung, the room checks what is due.
            (Some(at), Some(set)) => set <= at,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_set {
            self.timer = at;
            platform.set_flush_timer(at);
        }
    }

    /// What the gate remembers, whether the room is awake or not.
    fn gate(&mut self) -> &mut Gate {
        self.room.as_mut().map_or(&mut self.gate, Room::gate_mut)
    }

    /// The room, read from storage if it is not awake.
    fn wake(&mut self, platform: &mut impl Platform, now: Millis) -> Result<&mut Room, Refusal> {
        let room = match self.room.take() {
            Some(room) => room,
            None => {
                let stored = platform.load().map_err(|error| {
                    platform.log(&format!("the room could not be read: {error}"));
                    storage_refusal()
                })?;
                let (kind, known) =
                    (stored.as_ref().map_or(0, |stored| stored.meta.kind), self.settings.kind.version());
                if kind > known {
                    platform.log(&format!(
                        "the room was stored by version {kind} of its kind; this Worker knows version {known}"
                    ));
                    return Err(storage_refusal());
                }
                let epoch = platform.new_epoch();
                let gate = std::mem::take(&mut self.gate);
                let mut room = Room::restore(self.settings.clone(), stored, epoch, platform.attachments(), gate, now);
                room.take_notes().iter().for_each(|note| platform.log(note));
                self.woken = room.rows();
                room
            }
        };
        Ok(self.room.insert(room))
    }

    /// Drops the memory of a room that nobody is in.
    fn rest(&mut self) {
        if self.room.as_ref().is_some_and(Room::is_idle) {
            self.sleep();
        }
    }

    fn sleep(&mut self) {
        if let Some(room) = self.room.take() {
            self.gate = room.into_gate();
        }
    }
}

fn storage_refusal() -> Refusal {
    Refusal::new(Code::Storage, "The room's storage failed. Nothing has changed; try again.")
}
