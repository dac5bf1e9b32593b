//! The room: a state machine that is told what happened and when, and answers with a [`Turn`].
//!
//! It knows no clock, no socket and no storage. Changes are applied to memory at once and *staged*; [`Room::flush`]
//! turns all that is staged into one commit with the frames that wait for it. If that commit fails the whole `Room`
//! is thrown away and restored from storage: memory is never patched.

mod change;
pub mod document;
pub mod people;
pub mod read;
pub mod session;
pub mod turn;

use std::collections::BTreeSet;

use crate::protocol::Millis;
use crate::protocol::limits::{BadVariable, Limits};
use crate::protocol::message::{Frame, MessageId};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::reply::{self, ServerMessage};

use change::{Conflict, Failure};
use document::Document;
use people::{People, Sessions};
use session::{Attachment, ConnectionId, Identity, Session};
use turn::{Audience, Closing, Field, Flush, Meta, Outgoing, Participant, Turn, Waiting, Write};

/// A connection that pinged before is taken for dead after this long without a sign, in milliseconds. Browsers
/// throttle the timers of hidden tabs to one a minute, so a page that pings every 25 s may be heard once a minute (J8).
pub const SILENCE: Millis = 150_000;

const DAY: Millis = 86_400_000;

/// What the operator sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much a room takes.
    pub limits: Limits,
    /// How long a room that nobody uses is kept, in milliseconds (X3).
    pub time_to_live: Millis,
}

impl Settings {
    /// Thirty days.
    pub const DEFAULT_TIME_TO_LIVE: Millis = 30 * DAY;

    /// The defaults with the operator's overrides: the limits' variables, and `ROOM_TTL_DAYS`.
    ///
    /// # Errors
    /// A variable that does not hold what its name asks for.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let time_to_live = match var("ROOM_TTL_DAYS") {
            None => Self::DEFAULT_TIME_TO_LIVE,
            Some(text) => {
                let days = text.trim().parse::<f64>().ok().filter(|days| *days > 0.0 && *days <= 36_500.0);
                let bad = BadVariable { name: "ROOM_TTL_DAYS", expected: "a number of days above 0 and up to 36500" };
                (days.ok_or(bad)? * DAY as f64).ceil() as Millis
            }
        };
        Ok(Self { limits: Limits::from_vars(var)?, time_to_live })
    }
}

/// What storage holds of a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The room's own row.
    pub meta: Meta,
    /// Fields and tombstones.
    pub fields: Vec<(String, Field)>,
    /// Everyone on record.
    pub participants: Vec<(String, Participant)>,
}

/// A room that is awake.
#[derive(Debug, Clone)]
pub struct Room {
    settings: Settings,
    meta: Meta,
    /// Whether storage holds `meta`.
    is_stored: bool,
    version: u64,
    /// The newest time that the room has used. Never goes back, whatever the server's clock does.
    clock: Millis,
    document: Document,
    people: People,
    sessions: Sessions,
    staged: Staged,
    last_flush: Option<Millis>,
    /// When silent connections must be looked for, as far as this waking knows.
    next_sweep: Option<Millis>,
}

/// What waits for the next flush.
#[derive(Debug, Clone, Default)]
struct Staged {
    meta: bool,
    fields: BTreeSet<String>,
    participants: BTreeSet<String>,
    attach: BTreeSet<ConnectionId>,
    waiting: Vec<Waiting>,
    outbox: Vec<Outgoing>,
}

impl Staged {
    fn is_empty(&self) -> bool {
        !self.meta
            && self.fields.is_empty()
            && self.participants.is_empty()
            && self.attach.is_empty()
            && self.waiting.is_empty()
            && self.outbox.is_empty()
    }
}

impl Room {
    /// Wakes a room: from what storage holds, or as a new one with this epoch, and with the sockets that are open.
    pub fn restore(
        settings: Settings,
        stored: Option<Stored>,
        new_epoch: String,
        attachments: Vec<Attachment>,
        now: Millis,
    ) -> Self {
        let is_stored = stored.is_some();
        let stored = stored.unwrap_or_else(|| Stored {
            meta: Meta { epoch: new_epoch, floor: 0, touched: now },
            fields: Vec::new(),
            participants: Vec::new(),
        });
        let mut room = Self {
            settings,
            version: stored.meta.floor,
            clock: if is_stored { stored.meta.touched } else { now },
            meta: stored.meta,
            is_stored,
            document: Document::default(),
            people: People::default(),
            sessions: Sessions::new(),
            staged: Staged::default(),
            last_flush: None,
            next_sweep: None,
        };
        for (user, participant) in stored.participants {
            room.version = room.version.max(participant.version);
            room.clock = room.clock.max(participant.last_seen);
            room.people.put(user, participant);
        }
        for (name, field) in stored.fields {
            room.version = room.version.max(field.version);
            room.clock = room.clock.max(field.updated_at);
            room.document.put(name, field);
        }
        for attachment in attachments {
            let session = Session { identity: attachment.identity, heard: attachment.heard, pings: false };
            room.clock = room.clock.max(session.heard);
            room.sessions.insert(attachment.connection, session);
        }
        room.recall_authors();
        room
    }

    /// A change is a sign of its author. When the runtime died before the author left, it is the last one there is.
    fn recall_authors(&mut self) {
        let here = people::present(&self.sessions);
        let away = self.document.iter().filter(|(_, field)| !here.contains_key(field.user_id.as_str()));
        let signs = away.map(|(_, field)| (field.user_id.clone(), field.updated_at)).collect::<Vec<_>>();
        for (user, at) in signs {
            if let Some(author) = self.people.get(&user).filter(|author| author.last_seen < at) {
                let author = Participant { last_seen: at, ..author.clone() };
                self.people.put(user.clone(), author);
                self.staged.participants.insert(user);
            }
        }
    }

    /// The operator's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The room's version (S1).
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Which life of the room this is (U8).
    pub fn epoch(&self) -> &str {
        &self.meta.epoch
    }

    /// Whether nobody is connected and nothing waits, so that memory holds nothing that storage does not.
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.staged.is_empty()
    }

    /// Whether changes wait for a flush.
    pub fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Whether another connection may come in.
    ///
    /// # Errors
    /// The room has all the connections it takes (X1).
    pub fn admit(&self) -> Result<(), Refusal> {
        let limit = self.settings.limits.connections;
        if self.sessions.len() < limit {
            return Ok(());
        }
        Err(Refusal::new(Code::LimitConnections, format!("The room has {limit} connections, all it takes.")))
    }

    /// A connection opened. `armed` tells whether an alarm is set.
    pub fn connect(&mut self, connection: ConnectionId, armed: bool, now: Millis) -> Turn {
        self.tick(now);
        let session = Session { identity: Identity::Unknown, heard: self.clock, pings: false };
        self.sessions.insert(connection, session);
        self.touch();
        let mut turn = self.flush(now);
        turn.attach.extend(self.attachment(connection));
        turn.alarm = match self.sessions.len() {
            1 if armed => None,
            1 => Some(self.expires_at()),
            // From the second on there is somebody to be told of a connection that died.
            2 => Some(self.sweep_at(self.clock + SILENCE)),
            _ => None,
        };
        turn
    }

    /// A frame came. `text` is the frame as it came, `frame` what it says.
    pub fn receive(&mut self, from: ConnectionId, text: &str, frame: Result<Frame, Refusal>, now: Millis) -> Turn {
        self.tick(now);
        let clock = self.clock;
        let Some(session) = self.sessions.get_mut(&from) else {
            return Turn::default();
        };
        session.heard = clock;
        self.staged.attach.insert(from);
        self.touch();
        let mut is_change = true;
        match frame {
            Err(refusal) => self.stage_refusal(from, &refusal),
            Ok(Frame { id, message }) => {
                is_change = message.is_change();
                match self.apply(from, text, message) {
                    Ok(version) => self.stage_ack(from, id, version),
                    Err(Failure::Conflict(conflict)) => self.stage_conflict(from, id, &conflict),
                    Err(Failure::Refusal(refusal)) => self.stage_refusal(from, &refusal.answering(id)),
                }
            }
        }
        // What reads or relays takes all that came before it along, so that nothing overtakes a change (F6).
        let due = self.last_flush.map_or(now, |last| last.min(now) + pause(self.sessions.len()));
        let is_urgent = due <= now || !is_change || self.staged.changes_nothing();
        Turn { flush: Some(if is_urgent { Flush::Now } else { Flush::At(due) }), ..Turn::default() }
    }

    /// Turns all that is staged into one commit and the frames that wait for it.
    pub fn flush(&mut self, now: Millis) -> Turn {
        self.last_flush = Some(now);
        let staged = std::mem::take(&mut self.staged);
        let mut commit = Vec::new();
        if staged.meta {
            if !self.is_stored {
                commit.push(Write::Create);
                self.is_stored = true;
            }
            commit.push(Write::Meta(self.meta.clone()));
        }
        commit.extend(staged.fields.into_iter().map(|name| match self.document.get(&name) {
            Some(field) => Write::Field(name, field.clone()),
            None => Write::ForgetField(name),
        }));
        commit.extend(staged.participants.into_iter().map(|user| match self.people.get(&user) {
            Some(participant) => Write::Participant(user, participant.clone()),
            None => Write::ForgetParticipant(user),
        }));
        Turn {
            commit,
            waiting: staged.waiting,
            attach: staged.attach.into_iter().filter_map(|connection| self.attachment(connection)).collect(),
            outbox: staged.outbox,
            ..Turn::default()
        }
    }

    /// A connection is gone. `heard` is the last sign of it beside messages: its last ping, or now when it said goodbye.
    pub fn disconnect(&mut self, connection: ConnectionId, heard: Option<Millis>, now: Millis) -> Turn {
        if !self.sessions.contains_key(&connection) {
            return Turn::default();
        }
        self.tick(now);
        if let Some(heard) = heard {
            self.heard(&[(connection, heard)]);
        }
        self.leave(connection);
        if self.sessions.is_empty() {
            self.touch();
        }
        let mut turn = self.flush(now);
        turn.alarm = (self.sessions.len() == 1).then(|| self.expires_at());
        turn
    }

    /// Pings, which the runtime answers without waking the room, as pairs of connection and time.
    pub fn heard(&mut self, pings: &[(ConnectionId, Millis)]) {
        for (connection, at) in pings {
            if let Some(session) = self.sessions.get_mut(connection) {
                session.pings = true;
                session.heard = session.heard.max(*at);
            }
        }
    }

    /// Whether the time to look for silent connections has passed although the alarm has not run.
    pub fn sweep_is_due(&self, now: Millis) -> bool {
        self.next_sweep.is_some_and(|at| at <= now) && self.sessions.len() > 1
    }

    /// The alarm rang, or is due. Does all that is due by `now`, and may be called at any time.
    pub fn alarm(&mut self, pings: &[(ConnectionId, Millis)], now: Millis) -> Turn {
        self.tick(now);
        self.heard(pings);
        if self.sessions.is_empty() {
            if self.expires_at() <= now {
                return Turn { erase: true, ..Turn::default() };
            }
            let alarm = self.is_stored.then(|| self.expires_at());
            return Turn { alarm, ..self.flush(now) };
        }
        self.touch();
        let silent = if self.sessions.len() > 1 { self.silent_since(now - SILENCE) } else { Vec::new() };
        for connection in &silent {
            self.leave(*connection);
        }
        let mut turn = self.flush(now);
        turn.close = silent.into_iter().map(|connection| Closing { connection, code: CloseCode::Silent }).collect();
        let next = if self.sessions.len() > 1 {
            let due = self.sessions.values().filter(|session| session.pings).map(|session| session.heard + SILENCE);
            let next = due.fold(now + SILENCE, Millis::min);
            self.sweep_at(next)
        } else {
            self.expires_at()
        };
        turn.alarm = Some(next);
        turn
    }

    /// What storage must hold when nothing is staged. For tests of just that.
    pub fn stored(&self) -> Option<Stored> {
        self.is_stored.then(|| Stored {
            meta: self.meta.clone(),
            fields: self.document.iter().map(|(name, field)| (name.clone(), field.clone())).collect(),
            participants: self.people.iter().map(|(user, person)| (user.clone(), person.clone())).collect(),
        })
    }

    /// Takes a connection off the list and tells the others if a participant left with it (J4).
    fn leave(&mut self, connection: ConnectionId) {
        let Some(session) = self.sessions.remove(&connection) else { return };
        self.staged.attach.remove(&connection);
        let Some(user) = session.identity.user() else { return };
        let Some(known) = self.people.get(user) else { return };
        let participant = Participant { last_seen: known.last_seen.max(session.heard), ..known.clone() };
        if session.identity.joined().is_some() && !people::is_here(&self.sessions, user) {
            let text = ServerMessage::UserLeft { user_id: user, last_seen: participant.last_seen }.encode();
            self.staged.outbox.push(Outgoing { audience: Audience::Others(connection), text, even_if_lost: true });
        }
        self.people.put(user.to_owned(), participant);
        self.staged.participants.insert(user.to_owned());
    }

    fn attachment(&self, connection: ConnectionId) -> Option<(ConnectionId, Attachment)> {
        let session = self.sessions.get(&connection)?;
        let identity = session.identity.clone();
        Some((connection, Attachment { connection, identity, heard: session.heard }))
    }

    fn stage_to(&mut self, to: ConnectionId, text: String) {
        self.staged.outbox.push(Outgoing::new(Audience::One(to), text));
    }

    /// A refusal changed nothing, so it stands whatever becomes of the changes that it waits behind.
    fn stage_refusal(&mut self, to: ConnectionId, refusal: &Refusal) {
        let text = reply::error(refusal);
        self.staged.outbox.push(Outgoing { audience: Audience::One(to), text, even_if_lost: true });
    }

    fn stage_ack(&mut self, to: ConnectionId, id: Option<MessageId>, version: u64) {
        if let Some(id) = &id {
            self.stage_to(to, ServerMessage::Ack { id, version }.encode());
        }
        self.staged.waiting.push(Waiting { connection: to, id });
    }

    /// A conflict shows what may be staged itself, so it waits for that to be durable.
    fn stage_conflict(&mut self, to: ConnectionId, id: Option<MessageId>, conflict: &Conflict) {
        let current = self.document.get(&conflict.field).and_then(|field| field.selection.as_ref());
        let frame = ServerMessage::Conflict {
            id: id.as_ref(),
            code: "E_CONFLICT",
            field: &conflict.field,
            client_version: conflict.client_version,
            server_version: conflict.server_version,
            current,
        };
        let text = frame.encode();
        self.stage_to(to, text);
        self.staged.waiting.push(Waiting { connection: to, id });
    }

    fn tick(&mut self, now: Millis) {
        self.clock = self.clock.max(now);
    }

    /// Notes that the room is in use, in storage too once the note there is a thirtieth of the time to live old.
    fn touch(&mut self) {
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

    fn sweep_at(&mut self, at: Millis) -> Millis {
        self.next_sweep = Some(at);
        at
    }

    fn silent_since(&self, limit: Millis) -> Vec<ConnectionId> {
        let silent = self.sessions.iter().filter(|(_, session)| session.pings && session.heard <= limit);
        silent.map(|(connection, _)| *connection).collect()
    }
}

impl Staged {
    /// Whether a flush would send and attach, and commit nothing: then there is nothing to wait for.
    fn changes_nothing(&self) -> bool {
        !self.meta && self.fields.is_empty() && self.participants.is_empty()
    }
}

/// How long to gather changes between two flushes, in milliseconds, so that sending takes a bounded share of the
/// processor: about 0.16 ms for each connection, at most 250 (Y8).
fn pause(connections: usize) -> Millis {
    Millis::try_from(connections).unwrap_or(Millis::MAX).saturating_mul(16).saturating_div(100).min(250)
}
