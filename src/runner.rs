//! The run loop: every event becomes one call of the [`Room`], and the [`Turn`] that comes back is carried out here and
//! nowhere else, in one order: commit, attachments, frames, closes, alarm. The shell gives it workerd's sockets
//! and SQLite as a [`Platform`]; the tests give it real SQLite and sockets made of vectors.

use crate::protocol::Millis;
use crate::protocol::message::{ClientMessage, Frame};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::reply;
use crate::protocol::write::FieldWrite;
use crate::room::request::Written;
use crate::room::session::{Attachment, ConnectionId};
use crate::room::turn::{Audience, Flush, Turn, When, Write};
use crate::room::{Room, Settings, Stored};
use crate::store::StoreError;

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
    /// Closes a connection and has its socket forget whose it was, so that nothing more is heard of it.
    fn close(&mut self, connection: ConnectionId, code: CloseCode);
    /// Wakes the room at this time, instead of the time set before.
    fn set_alarm(&mut self, at: Millis);
    /// Calls [`Runner::flush`] at this time, or `None`: not any more.
    fn set_flush_timer(&mut self, at: Option<Millis>);
    /// A new random epoch.
    fn new_epoch(&mut self) -> String;
    /// Tells the operator.
    fn log(&mut self, message: &str);
}

/// One room and whether it is awake.
#[derive(Debug)]
pub struct Runner {
    settings: Settings,
    room: Option<Room>,
    timer: Option<Millis>,
}

impl Runner {
    /// A room that is asleep.
    pub fn new(settings: Settings) -> Self {
        Self { settings, room: None, timer: None }
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
    /// The room is full or cannot be read.
    pub fn admit(&mut self, platform: &mut impl Platform, now: Millis) -> Result<(), Refusal> {
        self.wake(platform, now)?.admit()
    }

    /// A connection opened. `armed` tells whether an alarm is set.
    pub fn connect(&mut self, platform: &mut impl Platform, connection: ConnectionId, armed: bool, now: Millis) {
        match self.wake(platform, now) {
            Ok(room) => {
                let turn = room.connect(connection, armed, now);
                if self.carry_out(platform, turn, now).is_err() {
                    platform.close(connection, CloseCode::Unavailable);
                }
            }
            Err(_) => platform.close(connection, CloseCode::Unavailable),
        }
    }

    /// A text frame came; `None`: a binary one, which no rule has a use for (F1).
    pub fn receive(&mut self, platform: &mut impl Platform, from: ConnectionId, text: Option<&str>, now: Millis) {
        let Ok(room) = self.wake(platform, now) else {
            platform.close(from, CloseCode::Unavailable);
            return;
        };
        let frame = match text {
            Some(text) => Frame::decode(text, &room.settings().limits),
            None => Frame::refused(Refusal::new(Code::BadMessage, "Frames are JSON text; this one was binary.")),
        };
        if frame.message.as_ref().is_ok_and(ClientMessage::needs_pings) {
            room.heard(&platform.pings());
        }
        let turn = room.receive(from, text.unwrap_or_default(), frame, now);
        let is_alarm_due = room.alarm_is_due(now);
        if self.carry_out(platform, turn, now).is_ok() && is_alarm_due {
            self.alarm(platform, now);
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
        room.heard(&platform.pings());
        if room.has_staged() || room.is_due(now) {
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
        for closing in &turn.close {
            platform.close(closing.connection, closing.code);
        }
        if let Some(at) = turn.alarm {
            platform.set_alarm(at);
        }
        if turn.erase {
            self.room = None;
            platform.erase();
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
        if self.timer != at {
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

fn storage_refusal() -> Refusal {
    Refusal::new(Code::Storage, "The room's storage did not take this. Nothing has changed; try again.")
}
