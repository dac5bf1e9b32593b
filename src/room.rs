//! The room: a state machine that is told what happened and when, and answers with a [`Turn`].
//!
//! It knows no clock, no socket and no storage. Changes are applied to memory at once and *staged*; [`Room::flush`]
//! turns all that is staged into one commit with the frames that wait for it. If that commit fails the whole `Room`
//! is thrown away and restored from storage: memory is never patched.

pub mod access;
mod answer;
mod change;
pub mod clients;
pub mod document;
pub mod guard;
pub mod outcomes;
pub mod people;
pub mod read;
pub mod request;
pub mod requests;
pub mod session;
mod staged;
mod time;
pub mod turn;

use crate::protocol::Millis;
use crate::protocol::limits::{BadVariable, Limits};
use crate::protocol::message::{ClientMessage, Frame, Tag};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::reply::ServerMessage;
use crate::user::Revocation;

use answer::Answer;
use change::{Failure, Writer};
use clients::{Client, Clients, KeyedWrite, Keys};
use document::Document;
use guard::Sender;
use people::People;
use requests::state::{Grant, GrantKey, Request, RequestKey, Requests};
use session::{Access, Attachment, ConnectionId, Entry, Pass, Session, Sessions};
use staged::Staged;
use turn::{Audience, Closing, Field, Meta, Outgoing, Participant, Turn};

/// A connection that pinged before is taken for dead after this long without a sign, in milliseconds. Browsers
/// throttle the timers of hidden tabs to one a minute, so a page that pings every 25 s may be heard once a minute (J8).
pub const SILENCE: Millis = 150_000;

/// Connections whose token is still to come, in one room (A9).
pub const WAITING: usize = 50;

/// Streams of events that a user has of one room at a time. Each is held by the Worker, which takes every change in for
/// each of them. Browsers open no more connections to a host (over HTTP/1.1).
pub const STREAMS: usize = 6;

/// The variables with which an operator gives keys (A1).
pub const KEY_VARIABLES: [&str; 2] = ["AUTH_KEYS", "AUTH_JWKS_URL"];

const DAY: Millis = 86_400_000;

/// What the operator sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much a room takes.
    pub limits: Limits,
    /// How long a room that nobody uses is kept, in milliseconds (X3).
    pub time_to_live: Millis,
    /// How long a stream of events lasts, in milliseconds (H4).
    pub stream_life: Millis,
    /// Whether the server has keys, so that everyone needs a token (A1).
    pub requires_tokens: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            time_to_live: Self::DEFAULT_TIME_TO_LIVE,
            stream_life: Self::DEFAULT_STREAM_LIFE,
            requires_tokens: false,
        }
    }
}

impl Settings {
    /// Thirty days.
    pub const DEFAULT_TIME_TO_LIVE: Millis = 30 * DAY;
    /// Five minutes.
    pub const DEFAULT_STREAM_LIFE: Millis = 300_000;

    /// The defaults with the operator's overrides: the limits' variables, `ROOM_TTL_DAYS` and `EVENTS_MAX_SECONDS`.
    /// Keys are there if one of the variables for them is.
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
        let stream_life = match var("EVENTS_MAX_SECONDS") {
            None => Self::DEFAULT_STREAM_LIFE,
            Some(text) => {
                let seconds = text.trim().parse::<Millis>().ok().filter(|seconds| (1..=3_600).contains(seconds));
                let bad = BadVariable { name: "EVENTS_MAX_SECONDS", expected: "a whole number from 1 to 3600" };
                seconds.ok_or(bad)? * 1_000
            }
        };
        let requires_tokens = KEY_VARIABLES.into_iter().any(|name| var(name).is_some());
        Ok(Self { limits: Limits::from_vars(var)?, time_to_live, stream_life, requires_tokens })
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
    /// Clients that have numbered a message, by `clientId`.
    pub clients: Vec<(String, Client)>,
    /// What was asked with an idempotency key, by user and key.
    pub keys: Vec<((String, String), KeyedWrite)>,
    /// Permission requests, the settled among them.
    pub requests: Vec<(RequestKey, Request)>,
    /// Permissions, the ended among them.
    pub grants: Vec<(GrantKey, Grant)>,
}

impl Stored {
    fn of_new_room(epoch: String, now: Millis) -> Self {
        Self {
            meta: Meta { epoch, floor: 0, touched: now },
            fields: Vec::new(),
            participants: Vec::new(),
            clients: Vec::new(),
            keys: Vec::new(),
            requests: Vec::new(),
            grants: Vec::new(),
        }
    }
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
    clients: Clients,
    keys: Keys,
    requests: Requests,
    sessions: Sessions,
    staged: Staged,
    /// The version up to which those who have said `hello` were told, or will be by what is staged (Y7).
    told: u64,
    last_flush: Option<Millis>,
    /// The version as of the last flush, and whether that had several changes.
    flushed: u64,
    is_streaming: bool,
    /// Whether something was committed, or frames that had waited came in, and the flush timer has not rung since.
    is_cooling: bool,
    /// When presence was last told.
    last_presence: Option<Millis>,
    /// When the alarm rings, as far as this waking knows.
    armed: Option<Millis>,
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
        let stored = stored.unwrap_or_else(|| Stored::of_new_room(new_epoch, now));
        let mut room = Self {
            settings,
            version: stored.meta.floor,
            clock: if is_stored { stored.meta.touched } else { now },
            meta: stored.meta,
            is_stored,
            document: Document::default(),
            people: People::default(),
            clients: Clients::default(),
            keys: Keys::default(),
            requests: Requests::default(),
            sessions: Sessions::default(),
            staged: Staged::default(),
            told: 0,
            last_flush: None,
            flushed: 0,
            is_streaming: false,
            is_cooling: false,
            last_presence: None,
            armed: None,
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
        for (id, client) in stored.clients {
            room.clock = room.clock.max(client.seen);
            room.clients.put(id, client);
        }
        for (of, write) in stored.keys {
            room.clock = room.clock.max(write.at);
            room.keys.put(of, write);
        }
        for (key, request) in stored.requests {
            room.version = room.version.max(request.version());
            room.clock = room.clock.max(request.changed_at());
            room.requests.put_request(key, request);
        }
        for (key, grant) in stored.grants {
            room.version = room.version.max(grant.version);
            room.clock = room.clock.max(grant.changed_at());
            room.requests.put_grant(key, grant);
        }
        attachments.into_iter().for_each(|attachment| room.recall_session(attachment));
        room.told = room.version;
        room.flushed = room.version;
        room.recall_authors();
        room
    }

    /// A connection that was open while the room slept.
    fn recall_session(&mut self, attachment: Attachment) {
        self.clock = self.clock.max(attachment.heard);
        if attachment.is_waiting {
            return self.sessions.wait(attachment.connection, attachment.heard);
        }
        let (connection, mut session) = (attachment.connection, Session::from(attachment));
        if self.settings.requires_tokens && session.access.is_anonymous() {
            // It came before there were keys, and has to come again.
            session.access = Access::Pass(Pass::over());
        }
        self.sessions.insert(connection, session);
    }

    /// A change is a sign of its author. When the runtime died before the author left, it is the last one there is.
    fn recall_authors(&mut self) {
        let here = people::present(&self.sessions);
        let away = self.document.iter().filter(|(_, field)| !here.contains_key(field.user_id.as_str()));
        let signs = away.map(|(_, field)| (field.user_id.clone(), field.updated_at)).collect::<Vec<_>>();
        for (user, at) in signs {
            self.note_sign(user, at);
        }
    }

    /// Notes that a user on record was heard of without a connection.
    fn note_sign(&mut self, user: String, at: Millis) {
        if let Some(person) = self.people.get(&user).filter(|person| person.last_seen < at) {
            let person = Participant { last_seen: at, ..person.clone() };
            self.people.put(user.clone(), person);
            self.staged.participants.insert(user);
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
        self.sessions.is_empty() && self.sessions.waiting() == 0 && self.staged.is_empty()
    }

    /// Whether another connection may come in.
    ///
    /// # Errors
    /// The room has all the connections it takes (X1, A9).
    pub fn admit(&self, entry: &Entry) -> Result<(), Refusal> {
        let full = |limit: usize, what: &str| {
            Err(Refusal::new(Code::LimitConnections, format!("{limit} {what}: it takes no more. Try again later.")))
        };
        if *entry == Entry::Waiting {
            let is_full = self.sessions.waiting() >= WAITING;
            return if is_full { full(WAITING, "connections to this room owe a token") } else { Ok(()) };
        }
        if let Entry::Pass { user, pass: Pass { is_stream: true, .. } } = entry {
            let streams = self.sessions.iter().filter(|(_, session)| session.pass().is_some_and(|pass| pass.is_stream));
            let theirs = streams.filter(|(_, session)| session.identity.user() == Some(user));
            if theirs.count() >= STREAMS {
                return full(STREAMS, "streams of this room are its user's");
            }
        }
        let limit = self.settings.limits.connections;
        if self.sessions.len() >= limit { full(limit, "connections are in the room") } else { Ok(()) }
    }

    /// A connection opened. `alarm` tells when the alarm rings, if one is set.
    pub fn connect(&mut self, connection: ConnectionId, entry: Entry, alarm: Option<Millis>, now: Millis) -> Turn {
        self.begin(now);
        self.armed = alarm;
        let user = match entry {
            Entry::Anonymous => None,
            Entry::Pass { user, pass } => Some((user, pass)),
            Entry::Waiting => {
                self.sessions.wait(connection, self.clock);
                let attach = vec![(connection, Attachment::waiting(connection, self.clock))];
                let mut turn = Turn { attach, ..self.flush(now) };
                self.arm(&mut turn);
                return turn;
            }
        };
        self.enter(connection, user);
        let mut turn = self.flush(now);
        let attachment = self.sessions.get(connection).map(|session| session.attachment(connection));
        turn.attach.extend(attachment.map(|attachment| (connection, attachment)));
        self.arm(&mut turn);
        turn
    }

    /// Takes a connection in.
    fn enter(&mut self, connection: ConnectionId, user: Option<(String, Pass)>) {
        self.sessions.insert(connection, Session::new(user, self.clock));
        self.touch();
    }

    /// A frame came. `text` is the frame as it came, `frame` what it says.
    pub fn receive(&mut self, from: ConnectionId, text: &str, frame: Frame, now: Millis) -> Turn {
        self.begin(now);
        let clock = self.clock;
        let due = self.requests.next_due();
        let Some(session) = self.sessions.get_mut(from) else {
            // One that has not said who it is has no business here (A9).
            if self.sessions.is_waiting(from) {
                let is_other_protocol = frame.message == Ok(ClientMessage::OtherProtocol);
                self.shut(from, if is_other_protocol { CloseCode::Protocol } else { CloseCode::Unauthorized });
            }
            // Time may have changed something all the same.
            return self.flush(now);
        };
        session.heard = clock;
        let (client, user) = (session.client().map(str::to_owned), session.identity.user().map(str::to_owned));
        self.staged.attach.insert(from);
        self.touch();
        let Frame { tag, message } = frame;
        let message = match message {
            // It is about the connection and not from the outbox, so a number on it counts for nothing.
            Ok(ClientMessage::Hello(hello)) => return self.hello(from, hello, Tag { number: None, ..tag }, now),
            Ok(ClientMessage::Auth { .. }) => {
                // With keys, it comes back once the token is checked. Without, there is nothing to renew.
                self.answer(from, &Tag { number: None, ..tag }, Ok(self.version).into());
                return Turn { flush: self.next_flush(now), ..Turn::default() };
            }
            Ok(ClientMessage::OtherProtocol) => {
                self.shut(from, CloseCode::Protocol);
                return self.flush(now);
            }
            Ok(message) => Ok(message),
            Err(refusal) => Err(Failure::Refusal(refusal)),
        };
        let is_silent = matches!(message, Ok(ClientMessage::Presence { .. })) && tag.is_empty();
        let joins = match &message {
            Ok(ClientMessage::Join(join)) => Some(join.user_id.clone()),
            Ok(_) | Err(_) => None,
        };
        let request = message.as_ref().ok().and_then(|message| requests::ended_by(message, user.as_deref()));
        let author = user.or_else(|| message.as_ref().ok()?.author().map(str::to_owned));
        let writer = Writer { connection: Some(from), client };
        let mut answer: Answer = match (tag.number, &writer.client) {
            (None, _) => message.and_then(|message| self.apply(from, &writer, text, message)).into(),
            (Some(_), None) => Err(Failure::Refusal(Refusal::before_hello("seq"))).into(),
            (Some(number), Some(client)) => self.once(client, author.as_deref(), number, |room| {
                message.and_then(|message| room.apply(from, &writer, text, message))
            }),
        };
        if let (Some(user_id), true, true) = (joins, answer.is_duplicate, answer.outcome.is_ok()) {
            self.join_again(from, user_id);
        }
        // A presence that is kept is no news to its sender.
        if !is_silent || answer.outcome.is_err() {
            answer.request = request;
            self.answer(from, &tag, answer);
        }
        let mut turn = Turn { flush: self.next_flush(now), ..Turn::default() };
        if self.requests.next_due().is_some_and(|at| due.is_none_or(|due| at < due)) {
            self.arm(&mut turn);
        }
        turn
    }

    /// A connection is gone. `heard` is the last sign of it beside messages: its last ping, or now when it said goodbye.
    pub fn disconnect(&mut self, connection: ConnectionId, heard: Option<Millis>, now: Millis) -> Turn {
        if self.sessions.get(connection).is_none() {
            self.sessions.stop_waiting(connection);
            return Turn::default();
        }
        self.begin(now);
        if let Some(heard) = heard {
            self.heard(&[(connection, heard)]);
        }
        self.leave(connection);
        if self.sessions.is_empty() {
            self.touch();
        }
        let mut turn = self.flush(now);
        if self.sessions.len() == 1 {
            // Who is alone is not looked after.
            self.arm_anew(&mut turn);
        }
        turn
    }

    /// Closes a connection that cannot be borne any longer.
    pub fn throw_out(&mut self, connection: ConnectionId, code: CloseCode, now: Millis) -> Turn {
        self.begin(now);
        self.shut(connection, code);
        self.flush(now)
    }

    /// Closes the connections whose tokens were revoked (A8).
    pub fn revoke_tokens(&mut self, user: &str, revocations: &[Revocation], now: Millis) -> Turn {
        self.begin(now);
        let is_revoked = |session: &Session| {
            let pass = session.pass().filter(|_| session.identity.user() == Some(user));
            pass.is_some_and(|pass| revocations.iter().any(|revocation| revocation.is_of(&pass.token_id, now)))
        };
        let theirs = self.sessions.iter().filter(|(_, session)| is_revoked(session));
        for connection in theirs.map(|(connection, _)| connection).collect::<Vec<_>>() {
            self.shut(connection, CloseCode::Revoked);
        }
        self.flush(now)
    }

    /// Ends this life of the room (H6).
    pub fn delete(&mut self) -> Turn {
        let all = self.sessions.all();
        let close = all.into_iter().map(|connection| Closing { connection, code: CloseCode::Deleted });
        Turn { close: close.collect(), erase: true, ..Turn::default() }
    }

    /// Whose messages these are, for the rate. `None` for a connection that has no business here.
    pub fn sender(&self, connection: ConnectionId) -> Option<Sender> {
        let session = self.sessions.get(connection)?;
        let user = session.identity.user().map(|user| Sender::User(user.to_owned()));
        Some(user.unwrap_or(Sender::Connection(connection)))
    }

    /// Whether a connection's token is still to come (A9).
    pub fn is_waiting(&self, connection: ConnectionId) -> bool {
        self.sessions.is_waiting(connection)
    }

    /// Somebody without a socket will read: what the clock has brought about is staged.
    pub fn look(&mut self, pings: &[(ConnectionId, Millis)], now: Millis) {
        self.begin(now);
        self.heard(pings);
    }

    /// Pings, which the runtime answers without waking the room, as pairs of connection and time.
    pub fn heard(&mut self, pings: &[(ConnectionId, Millis)]) {
        for (connection, at) in pings {
            if let Some(session) = self.sessions.get_mut(*connection) {
                session.pings = true;
                session.heard = session.heard.max(*at);
            }
        }
    }

    /// What storage must hold when nothing is staged. For tests of just that.
    pub fn stored(&self) -> Option<Stored> {
        self.is_stored.then(|| Stored {
            meta: self.meta.clone(),
            fields: self.document.iter().map(|(name, field)| (name.clone(), field.clone())).collect(),
            participants: self.people.iter().map(|(user, person)| (user.clone(), person.clone())).collect(),
            clients: self.clients.iter().map(|(id, client)| (id.clone(), client.clone())).collect(),
            keys: self.keys.iter().map(|(of, write)| (of.clone(), write.clone())).collect(),
            requests: self.requests.requests().map(|(key, request)| (key.clone(), request.clone())).collect(),
            grants: self.requests.grants().map(|(key, grant)| (key.clone(), grant.clone())).collect(),
        })
    }

    /// Takes a connection off the list and tells the others if a participant left with it (J4).
    fn leave(&mut self, connection: ConnectionId) {
        let Some(session) = self.sessions.remove(connection) else { return };
        self.staged.forget(connection);
        if session.presence.is_some() {
            self.staged.presence.insert(connection, session.identity.user().map(str::to_owned));
        }
        if session.client().is_some_and(|client| self.clients.see(client, self.clock)) {
            self.staged.clients.extend(session.client().map(str::to_owned));
        }
        let Some(user) = session.identity.user() else { return };
        let Some(known) = self.people.get(user) else { return };
        let participant = Participant { last_seen: known.last_seen.max(session.heard), ..known.clone() };
        if session.identity.joined().is_some() && !people::is_here(&self.sessions, user) {
            let text = ServerMessage::UserLeft { user_id: user, last_seen: participant.last_seen }.encode();
            self.close_segment();
            self.staged.outbox.push(Outgoing::in_any_case(Audience::Others(connection), text));
        }
        self.people.put(user.to_owned(), participant);
        self.staged.participants.insert(user.to_owned());
    }
}
