//! The run loop: every event becomes one call of the [`Room`], and the [`Turn`] that comes back is carried out here and
//! nowhere else, in one order: commit, attachments, frames, closes, alarm. The shell gives it workerd's sockets
//! and SQLite as a [`Platform`]; the tests give it real SQLite and sockets made of vectors.

use crate::protocol::Millis;
use crate::protocol::limits::Limits;
use crate::protocol::message::{ClientMessage, Frame, Hello};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::reply;
use crate::protocol::write::FieldWrite;
use crate::room::guard::{Guard, Pace, Sender};
use crate::room::request::Written;
use crate::room::session::{Attachment, ConnectionId, Entry, Pass};
use crate::room::turn::{Audience, Flush, Turn, When, Write};
use crate::room::{Room, Settings, Stored};
use crate::store::StoreError;
use crate::token::Denial;
use crate::user::Revocation;

/// How long after an alarm found a room unreadable to look again, in milliseconds: a day.
const RETRY_UNREADABLE: Millis = 86_400_000;

/// What a room can do to the world. Every call takes effect at once and in order.
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
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;
    /// Deletes all that storage holds, the alarm included.
    fn erase(&mut self);
    /// What the open sockets remember.
    fn attachments(&mut self) -> Vec<Attachment>;
    /// What one open socket remembers.
    fn attachment(&mut self, connection: ConnectionId) -> Option<Attachment>;
    /// When each socket last pinged, for those that ever did. Asked only after [`Platform::attachments`] has told, in
    /// this waking, which sockets there are.
    fn pings(&mut self) -> Vec<(ConnectionId, Millis)>;
    /// Gives a socket something to remember.
    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment);
    /// Sends a frame. A socket that cannot take it does not keep the others from getting it.
    fn send(&mut self, audience: Audience, text: &str);
    /// Has the token in a connection's frame checked for this room, and then calls [`Runner::verified`].
    fn verify(&mut self, connection: ConnectionId, token: &str);
    /// Closes a connection and has its socket forget whose it was, so that nothing more is heard of it.
    fn close(&mut self, connection: ConnectionId, code: CloseCode);
    /// Wakes the room at this time, instead of the time set before.
    fn set_alarm(&mut self, at: Millis);
    /// Calls [`Runner::flush`] at this time, or `None`: not any more.
    fn set_flush_timer(&mut self, at: Option<Millis>);
    /// Whether frames wait for the flush timer.
    fn has_waiting(&self) -> bool;
    /// The frames that have waited, in the order in which they came. Asked only after [`Platform::attachments`] has told,
    /// in this waking, which sockets there are.
    fn take_waiting(&mut self) -> Vec<(ConnectionId, String)>;
    /// A new random epoch.
    fn new_epoch(&mut self) -> String;
    /// Tells the operator.
    fn log(&mut self, message: &str);
}

/// A waiting client may send this many bytes behind its `hello` while the token is being checked.
const QUEUE_BYTES: usize = 256 * 1024;
/// What each frame counts there beside its text.
const QUEUE_ENTRY_BYTES: usize = 64;

/// One room and whether it is awake.
#[derive(Debug)]
pub struct Runner {
    settings: Settings,
    room: Option<Room>,
    timer: Option<Millis>,
    guard: Guard,
    checks: Vec<Check>,
}

/// A frame whose token is being checked.
#[derive(Debug)]
struct Check {
    connection: ConnectionId,
    frame: Frame,
    /// What came behind a `hello`, in order; `None` stands for a binary frame. Behind an `auth` nothing waits: the token
    /// before it still holds.
    queue: Option<Vec<Option<String>>>,
}

impl Runner {
    /// A room that is asleep.
    pub fn new(settings: Settings) -> Self {
        Self { settings, room: None, timer: None, guard: Guard::default(), checks: Vec::new() }
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
    /// The room is full or cannot be read, its user sends too much, or the token was revoked just now.
    pub fn admit(&mut self, platform: &mut impl Platform, entry: &Entry, now: Millis) -> Result<(), Refusal> {
        if let Entry::Pass { user, pass } = entry {
            if self.guard.is_revoked(user, pass, now) {
                return Err(Denial::Revoked.into());
            }
            self.check_pace(user, 0, now)?;
        }
        self.wake(platform, now)?.admit(entry)
    }

    /// A connection opened. `alarm` tells when the alarm rings, if one is set.
    pub fn connect(
        &mut self,
        platform: &mut impl Platform,
        connection: ConnectionId,
        entry: Entry,
        alarm: Option<Millis>,
        now: Millis,
    ) {
        match self.wake(platform, now) {
            Ok(room) => {
                let turn = room.connect(connection, entry, alarm, now);
                if self.carry_out(platform, turn, now).is_err() {
                    platform.close(connection, CloseCode::Unavailable);
                }
            }
            Err(_) => platform.close(connection, CloseCode::Unavailable),
        }
    }

    /// A text frame came; `None`: a binary one, which no rule has a use for (F1).
    pub fn receive(&mut self, platform: &mut impl Platform, from: ConnectionId, text: Option<&str>, now: Millis) {
        let check = self.checks.iter_mut().find(|check| check.connection == from);
        if let Some(queue) = check.and_then(|check| check.queue.as_mut()) {
            queue.push(text.map(str::to_owned));
            let size = |text: &Option<String>| QUEUE_ENTRY_BYTES + text.as_ref().map_or(0, String::len);
            if queue.iter().map(size).sum::<usize>() > QUEUE_BYTES {
                self.throw_out(platform, from, now);
            }
            return;
        }
        let Ok(room) = self.wake(platform, now) else {
            platform.close(from, CloseCode::Unavailable);
            return;
        };
        let limits = room.settings().limits.clone();
        let decode = || match text {
            Some(text) => Frame::decode(text, &limits),
            None => Frame::refused(Refusal::new(Code::BadMessage, "Frames are JSON text; this one was binary.")),
        };
        let (sender, is_waiting) = (room.sender(from), room.is_waiting(from));
        let is_here = sender.is_some() || is_waiting;
        if let Some(sender) = sender {
            match self.guard.pace(&sender, text.map_or(0, str::len), &limits, now) {
                Pace::Kept => {}
                Pace::Passed if self.guard.tells(&sender, now) => {
                    let text = reply::error(&too_fast(&limits), &decode().tag, false);
                    return platform.send(Audience::One(from), &text);
                }
                Pace::Passed => return,
                Pace::Exhausted => return self.throw_out(platform, from, now),
            }
        }
        let frame = decode();
        if self.settings.requires_tokens && is_here && self.check(platform, from, &frame, is_waiting) {
            return;
        }
        let Ok(room) = self.wake(platform, now) else { return };
        if frame.message.as_ref().is_ok_and(ClientMessage::needs_pings) {
            room.heard(&platform.pings());
        }
        let turn = room.receive(from, text.unwrap_or_default(), frame, now);
        let is_alarm_due = room.alarm_is_due(now);
        if self.carry_out(platform, turn, now).is_ok() && is_alarm_due {
            self.alarm(platform, now);
        }
    }

    /// Does what frames ask that have waited for the flush timer. It is called before all else that happens to the room.
    pub fn take_in(&mut self, platform: &mut impl Platform, now: Millis) {
        if !platform.has_waiting() {
            return;
        }
        if let Ok(room) = self.wake(platform, now) {
            room.gather();
        }
        for (from, text) in platform.take_waiting() {
            self.receive(platform, from, Some(&text), now);
        }
    }

    /// Has the token of a frame checked, if that decides what becomes of it. Returns whether it does.
    fn check(&mut self, platform: &mut impl Platform, from: ConnectionId, frame: &Frame, is_waiting: bool) -> bool {
        let (token, queue) = match &frame.message {
            Ok(ClientMessage::Hello(Hello { token: Some(token), .. })) if is_waiting => (token, Some(Vec::new())),
            Ok(ClientMessage::Auth { token }) if !is_waiting => (token, None),
            // Who was let in before it said `hello` was let in for another token.
            Ok(_) | Err(_) => return false,
        };
        if self.checks.iter().any(|check| check.connection == from) {
            let refusal = Refusal::new(Code::LimitRate, "Another token is being checked. Send this one again.");
            platform.send(Audience::One(from), &reply::error(&refusal, &frame.tag, false));
        } else {
            platform.verify(from, token);
            self.checks.push(Check { connection: from, frame: frame.clone(), queue });
        }
        true
    }

    /// The token in a connection's frame was checked: whose it is, or why it does not count.
    pub fn verified(
        &mut self,
        platform: &mut impl Platform,
        connection: ConnectionId,
        outcome: Result<(String, Pass), Denial>,
        now: Millis,
    ) {
        // It is gone where the connection is.
        let Some(at) = self.checks.iter().position(|check| check.connection == connection) else { return };
        let Check { frame, queue, .. } = self.checks.swap_remove(at);
        let outcome = match outcome {
            Ok((user, pass)) if self.guard.is_revoked(&user, &pass, now) => Err(Denial::Revoked),
            outcome => outcome,
        };
        let Ok(room) = self.wake(platform, now) else {
            platform.close(connection, CloseCode::Unavailable);
            return;
        };
        room.heard(&platform.pings());
        let turn = room.verified(connection, frame, outcome, now);
        // Whoever waits for the commit is told of its failure.
        let _ = self.carry_out(platform, turn, now);
        for text in queue.unwrap_or_default() {
            self.receive(platform, connection, text.as_deref(), now);
        }
        self.rest();
    }

    /// Tokens of a user were revoked (A8).
    ///
    /// # Errors
    /// The room cannot be read, so it has to be told again.
    pub fn revoke_tokens(
        &mut self,
        platform: &mut impl Platform,
        user: &str,
        revocations: &[Revocation],
        now: Millis,
    ) -> Result<(), Refusal> {
        self.guard.revoke(user, revocations, now);
        let turn = self.wake(platform, now)?.revoke_tokens(user, revocations, now);
        let outcome = self.carry_out(platform, turn, now);
        self.rest();
        outcome
    }

    /// Ends this life of the room (H6).
    ///
    /// # Errors
    /// The room cannot be read.
    pub fn delete(&mut self, platform: &mut impl Platform, now: Millis) -> Result<(), Refusal> {
        let turn = self.wake(platform, now)?.delete();
        self.checks.clear();
        self.carry_out(platform, turn, now)
    }

    /// Counts a request of a user over HTTP (X1), with a body of so many bytes.
    ///
    /// # Errors
    /// It is one too many for now.
    pub fn check_pace(&mut self, user: &str, bytes: usize, now: Millis) -> Result<(), Refusal> {
        match self.guard.pace(&Sender::User(user.to_owned()), bytes, &self.settings.limits, now) {
            Pace::Kept => Ok(()),
            Pace::Passed | Pace::Exhausted => Err(too_fast(&self.settings.limits)),
        }
    }

    fn throw_out(&mut self, platform: &mut impl Platform, connection: ConnectionId, now: Millis) {
        self.checks.retain(|check| check.connection != connection);
        if let Ok(room) = self.wake(platform, now) {
            let turn = room.throw_out(connection, CloseCode::Rate, now);
            let _ = self.carry_out(platform, turn, now);
        }
    }

    /// A connection is gone. `said_goodbye`: it sent a close frame, which is a sign of life; else it just broke off.
    pub fn disconnect(
        &mut self,
        platform: &mut impl Platform,
        connection: ConnectionId,
        said_goodbye: bool,
        now: Millis,
    ) {
        self.checks.retain(|check| check.connection != connection);
        let Ok(room) = self.wake(platform, now) else { return };
        let heard = if said_goodbye {
            Some(now)
        } else {
            platform.pings().into_iter().find(|(of, _)| *of == connection).map(|(_, at)| at)
        };
        let turn = room.disconnect(connection, heard, now);
        // A failed commit is told in the log. The others know that the user left; that is true in any case.
        let _ = self.carry_out(platform, turn, now);
        self.rest();
    }

    /// The alarm rang.
    pub fn alarm(&mut self, platform: &mut impl Platform, now: Millis) {
        let Ok(room) = self.wake(platform, now) else {
            // Nothing is due in a room that cannot be read, but it must not be forgotten once it can.
            platform.set_alarm(now + RETRY_UNREADABLE);
            return;
        };
        let turn = room.alarm(&platform.pings(), now);
        let _ = self.carry_out(platform, turn, now);
        self.rest();
    }

    /// The flush timer rang.
    pub fn flush(&mut self, platform: &mut impl Platform, now: Millis) {
        // First, while the timer still counts as set, so that none is set for what is flushed at once.
        self.take_in(platform, now);
        self.timer = None;
        if let Some(room) = self.room.as_mut() {
            let turn = room.timer(now);
            let _ = self.carry_out(platform, turn, now);
            self.rest();
        }
    }

    /// The room for a reader without a socket: awake, with the newest pings, and with all its changes stored, those of
    /// time among them.
    ///
    /// # Errors
    /// The room cannot be read, or changes that wait could not be stored.
    pub fn read(&mut self, platform: &mut impl Platform, now: Millis) -> Result<&Room, Refusal> {
        let room = self.wake(platform, now)?;
        room.look(&platform.pings(), now);
        if room.has_staged() {
            let turn = room.flush(now);
            self.carry_out(platform, turn, now)?;
        }
        self.wake(platform, now).map(|room| &*room)
    }

    /// Makes a change for somebody without a socket. The answer holds once this returns.
    ///
    /// # Errors
    /// The room cannot be read, or the change could not be stored.
    pub fn write(
        &mut self,
        platform: &mut impl Platform,
        request: FieldWrite,
        now: Millis,
    ) -> Result<Written, Refusal> {
        let room = self.wake(platform, now)?;
        let (written, turn) = room.write(request, now);
        let outcome = self.carry_out(platform, turn, now);
        self.rest();
        outcome.map(|()| written)
    }

    /// Carries out a turn. When the commit fails the room is dropped, to be read anew from storage at the next event,
    /// and everyone whose change was in it is told.
    fn carry_out(&mut self, platform: &mut impl Platform, turn: Turn, now: Millis) -> Result<(), Refusal> {
        let committed = if turn.commit.is_empty() { Ok(()) } else { platform.commit(&turn.commit) };
        let is_lost = committed.is_err();
        if let Err(error) = committed {
            platform.log(&format!("a commit failed: {error}"));
            // What the sockets remember of presence is not stored, so it is not lost with the commit.
            for (connection, wanted) in &turn.attach {
                if let Some(kept) = platform.attachment(*connection) {
                    let (presence, heard) = (wanted.presence.clone(), wanted.heard);
                    platform.attach(*connection, &Attachment { presence, heard, ..kept });
                }
            }
            let last_words = self.room.take().and_then(|room| room.last_words(now));
            last_words.iter().for_each(|frame| platform.send(frame.audience, &frame.text));
            for writer in &turn.waiting {
                let text = reply::error(&storage_refusal(), &writer.tag, false);
                platform.send(Audience::One(writer.connection), &text);
            }
        } else {
            for (connection, attachment) in &turn.attach {
                platform.attach(*connection, attachment);
            }
        }
        let untrue = if is_lost { When::Committed } else { When::Lost };
        for frame in turn.outbox.iter().filter(|frame| frame.when != untrue) {
            platform.send(frame.audience, &frame.text);
        }
        if turn.erase {
            self.room = None;
            platform.erase();
        }
        for closing in &turn.close {
            platform.close(closing.connection, closing.code);
        }
        if let Some(at) = turn.alarm {
            platform.set_alarm(at);
        }
        match turn.flush {
            Some(Flush::Now) => {
                let flush = self.room.as_mut().map(|room| room.flush(now)).unwrap_or_default();
                self.carry_out(platform, flush, now)?;
            }
            Some(Flush::At(at)) => self.set_timer(platform, Some(at)),
            None => {}
        }
        if self.room.as_ref().is_none_or(|room| !room.needs_timer()) {
            self.set_timer(platform, None);
        }
        if is_lost { Err(storage_refusal()) } else { Ok(()) }
    }

    /// A timer exists only while something waits: one that is set keeps the room from sleeping.
    fn set_timer(&mut self, platform: &mut impl Platform, at: Option<Millis>) {
        let is_set = match (at, self.timer) {
            // One that rings sooner is left: when it has rung, the room looks what is due.
            (Some(at), Some(set)) => set <= at,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_set {
            self.timer = at;
            platform.set_flush_timer(at);
        }
    }

    /// The room, read from storage if it is not awake.
    fn wake(&mut self, platform: &mut impl Platform, now: Millis) -> Result<&mut Room, Refusal> {
        let room = match self.room.take() {
            Some(room) => room,
            None => {
                let stored = platform.load().map_err(|error| {
                    platform.log(&format!("the room cannot be read: {error}"));
                    storage_refusal()
                })?;
                let epoch = platform.new_epoch();
                Room::restore(self.settings.clone(), stored, epoch, platform.attachments(), now)
            }
        };
        Ok(self.room.insert(room))
    }

    /// Lets go of the memory of a room that nobody is in.
    fn rest(&mut self) {
        if self.room.as_ref().is_some_and(Room::is_idle) {
            self.room = None;
        }
    }
}

fn too_fast(limits: &Limits) -> Refusal {
    let rate = limits.messages_per_second;
    Refusal::new(Code::LimitRate, format!("A user may send {rate} messages a second. Slow down, and send this again."))
}

fn storage_refusal() -> Refusal {
    Refusal::new(Code::Storage, "The room's storage did not take this. Nothing has changed; try again.")
}
