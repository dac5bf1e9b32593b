//! What waits for the next flush, when that is due, and how it becomes one commit and few frames.
//!
//! Plain clients get a frame for each change. Those that have said `hello` get one `changes` frame for all changes
//! since the last one, with each thing told once. Whatever must not overtake a change closes the frame first (F6), and
//! the answers to the changes in it follow right behind it (Y6).

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::Millis;
use crate::protocol::message::Tag;
use crate::protocol::reply::{self, ChangeView, ChangesView, PresenceView, ServerMessage};

use super::Room;
use super::change::Conflict;
use super::read::in_order;
use super::requests::state::{GrantKey, RequestKey};
use super::session::{ConnectionId, Session};
use super::turn::{Audience, Closing, Flush, Outgoing, Turn, Waiting, When, Write};

/// The least time between two frames of presence, in milliseconds: twenty a second (P1).
pub const PRESENCE_PAUSE: Millis = 50;

/// What waits for the next flush.
#[derive(Debug, Clone, Default)]
pub(super) struct Staged {
    pub meta: bool,
    pub fields: BTreeSet<String>,
    pub participants: BTreeSet<String>,
    pub clients: BTreeSet<String>,
    pub keys: BTreeSet<(String, String)>,
    pub requests: BTreeSet<RequestKey>,
    pub grants: BTreeSet<GrantKey>,
    pub attach: BTreeSet<ConnectionId>,
    pub waiting: Vec<Waiting>,
    pub outbox: Vec<Outgoing>,
    /// Answers to clients that said `hello`, which follow the `changes` that cover them.
    pub replies: Vec<Reply>,
    /// The last number of each such client that was done and is not answered by name: its `seq` and version (E3).
    pub acks: BTreeMap<ConnectionId, (u64, u64)>,
    /// Connections whose presence is news, with the user of those that are gone.
    pub presence: BTreeMap<ConnectionId, Option<String>>,
    /// Connections to close, with what they were once they had said who they are.
    pub close: Vec<(Closing, Option<Session>)>,
    /// Whether something reads or relays, which takes all that came before it along (F6).
    pub is_urgent: bool,
}

/// An answer that waits for the `changes` before it.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Frame(Outgoing),
    /// Told as things stand when it leaves, since its writer has heard of all changes up to then.
    Conflict {
        to: ConnectionId,
        tag: Tag,
        conflict: Conflict,
        is_duplicate: bool,
        /// What is told instead if the commit fails, where that is known.
        if_lost: Option<String>,
    },
}

impl Reply {
    fn is_to(&self, connection: ConnectionId) -> bool {
        match self {
            Self::Frame(frame) => frame.audience == Audience::One(connection),
            Self::Conflict { to, .. } => *to == connection,
        }
    }
}

/// Adds a name of which there is most often one already, and then needs no copy of it.
pub(super) fn note(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}

impl Staged {
    /// Drops what is for a connection that is gone: it hears no changes any more, so it gets no answers to them either.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.attach.remove(&connection);
        self.acks.remove(&connection);
        self.replies.retain(|reply| !reply.is_to(connection));
    }

    pub fn is_empty(&self) -> bool {
        self.changes_nothing() && self.attach.is_empty() && self.tells_nothing() && self.presence.is_empty()
    }

    /// Whether a flush would commit nothing.
    pub fn changes_nothing(&self) -> bool {
        !self.meta
            && self.fields.is_empty()
            && self.participants.is_empty()
            && self.clients.is_empty()
            && self.keys.is_empty()
            && self.requests.is_empty()
            && self.grants.is_empty()
    }

    fn tells_nothing(&self) -> bool {
        self.waiting.is_empty()
            && self.outbox.is_empty()
            && self.replies.is_empty()
            && self.acks.is_empty()
            && self.close.is_empty()
    }
}

impl Room {
    /// Whether changes wait for a flush.
    pub fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Whether the flush timer must go on: for what is staged, or to end the cool-down after a commit.
    pub fn needs_timer(&self) -> bool {
        self.has_staged() || self.is_cooling
    }

    /// Frames have waited for the flush timer and are about to be received. They are flushed together, though a flush may
    /// be due before the last of them.
    pub fn gather(&mut self) {
        self.is_cooling = true;
    }

    /// The flush timer rang.
    pub fn timer(&mut self, now: Millis) -> Turn {
        self.is_cooling = false;
        self.tick(now);
        match self.next_flush(now) {
            // It rang to end the cool-down.
            Some(Flush::At(at)) => Turn { flush: Some(Flush::At(at)), ..Turn::default() },
            Some(Flush::Now) | None => self.flush(now),
        }
    }

    /// Turns all that is staged into one commit and the frames that wait for it. Presence may stay behind: it has a
    /// pace of its own.
    pub fn flush(&mut self, now: Millis) -> Turn {
        self.tick(now);
        if self.has_staged() {
            self.last_flush = Some(now);
            self.is_streaming = self.version > self.flushed + 1;
            self.flushed = self.version;
        }
        self.close_segment();
        self.tell_presence(now);
        let commit = self.commit();
        // Whoever sends without waiting for answers has sent more by now. It is gathered until the runtime comes round
        // to the timer, which takes no time when there is nothing else to do. However long the pause is, a busy machine
        // can take longer over a flush: without this, every message would then be flushed by itself.
        self.is_cooling |= !commit.is_empty();
        let presence = std::mem::take(&mut self.staged.presence);
        let staged = std::mem::replace(&mut self.staged, Staged { presence, ..Staged::default() });
        let sessions = &self.sessions;
        let attach = staged.attach.into_iter();
        Turn {
            commit,
            waiting: staged.waiting,
            attach: attach.filter_map(|of| Some((of, sessions.get(of)?.attachment(of)))).collect(),
            outbox: staged.outbox,
            close: staged.close.into_iter().map(|(closing, _)| closing).collect(),
            flush: self.next_flush(now),
            ..Turn::default()
        }
    }

    /// When what is staged must be flushed.
    pub(super) fn next_flush(&self, now: Millis) -> Option<Flush> {
        let staged = &self.staged;
        let pause = self.last_flush.map_or(now, |last| last + pause(self.sessions.len(), self.is_streaming));
        let at = |due: Millis| if due <= now { Flush::Now } else { Flush::At(due) };
        let presence = self.last_presence.map_or(now, |last| last + PRESENCE_PAUSE).max(pause);
        if staged.is_urgent || (staged.changes_nothing() && !staged.tells_nothing()) {
            // What reads or relays takes all that came before it along. Where nothing is committed there is nothing
            // to gather.
            Some(Flush::Now)
        } else if !staged.changes_nothing() {
            Some(if self.is_cooling { Flush::At(pause.max(now)) } else { at(pause) })
        } else if !staged.is_empty() {
            Some(at(presence))
        } else {
            self.is_cooling.then_some(Flush::At(now))
        }
    }

    /// Ends the `changes` frame that is being gathered: what is staged from here on comes after it.
    pub(super) fn close_segment(&mut self) {
        let from = std::mem::replace(&mut self.told, self.version);
        if self.version > from && self.sessions.greeted() > 0 {
            let text = self.live_changes(from);
            self.staged.outbox.push(Outgoing::new(Audience::Greeted, text));
        }
        for reply in std::mem::take(&mut self.staged.replies) {
            match reply {
                Reply::Frame(frame) => self.staged.outbox.push(frame),
                Reply::Conflict { to, tag, conflict, is_duplicate, if_lost } => {
                    let (audience, text) = (Audience::One(to), self.conflict_frame(&tag, &conflict, is_duplicate));
                    let fallback = if_lost.map(|text| Outgoing { audience, text, when: When::Lost });
                    self.staged.outbox.push(Outgoing::new(audience, text));
                    self.staged.outbox.extend(fallback);
                }
            }
        }
        for (to, (seq, version)) in std::mem::take(&mut self.staged.acks) {
            let text = reply::ack(None, Some(seq), version, None, None);
            self.staged.outbox.push(Outgoing::new(Audience::One(to), text));
        }
    }

    /// What changed after `from`, all of which is staged.
    fn live_changes(&self, from: u64) -> String {
        let fields = self.staged.fields.iter().filter_map(|name| Some((name, self.document.get(name)?)));
        let fields = fields.map(|(name, field)| ChangeView::of_field(name, field));
        let people = self.staged.participants.iter().filter_map(|user| Some((user, self.people.get(user)?)));
        let people = people.map(|(user, person)| ChangeView::of_participant(user, person));
        let requests = self.staged.requests.iter().filter_map(|key| Some((key, self.requests.request(key)?)));
        let requests = requests.map(|(key, request)| ChangeView::of_request(key, request));
        let grants = self.staged.grants.iter().filter_map(|key| Some((key, self.requests.grant(key)?)));
        let grants = grants.map(|(key, grant)| ChangeView::of_grant(key, grant));
        let changes = in_order(from, fields.chain(people).chain(requests).chain(grants));
        let (to, epoch) = (self.version, self.meta.epoch.as_str());
        let view = ChangesView { from, to, epoch, changes, participants: None, presence: None, reset: None };
        ServerMessage::Changes(Box::new(view)).encode()
    }

    /// Tells what is new of people's presence, if the last such frame is long enough ago.
    fn tell_presence(&mut self, now: Millis) {
        if self.last_presence.is_some_and(|last| last + PRESENCE_PAUSE > now) || self.staged.presence.is_empty() {
            return;
        }
        self.last_presence = Some(now);
        let news = std::mem::take(&mut self.staged.presence);
        let is_only = |(of, session): (ConnectionId, &Session)| {
            session.client().is_none() || news.contains_key(&of) && news.len() == 1
        };
        if self.sessions.iter().all(is_only) {
            // Nobody else is there to be told.
            return;
        }
        let entries = news.iter().map(|(connection, gone)| {
            let session = self.sessions.get(*connection);
            PresenceView {
                connection_id: connection.to_string(),
                user_id: session.map_or(gone.as_deref(), |session| session.identity.user()),
                data: session.and_then(|session| session.presence.as_ref()),
            }
        });
        let text = ServerMessage::Presence { presence: entries.collect() }.encode();
        // Presence is not stored, so it is true whatever becomes of the commit.
        self.staged.outbox.push(Outgoing::in_any_case(Audience::Greeted, text));
    }

    /// What is true although the commit has failed with which this memory goes: presence that was not told yet, since
    /// it is not stored.
    pub fn last_words(mut self, now: Millis) -> Option<Outgoing> {
        // A connection that was to be closed after the commit stays, and goes on showing what it shows.
        for (closing, session) in std::mem::take(&mut self.staged.close) {
            if let Some(session) = session {
                self.sessions.insert(closing.connection, session);
            }
        }
        self.staged.outbox.clear();
        self.last_presence = None;
        self.tell_presence(now);
        self.staged.outbox.pop()
    }

    /// One row for each thing that changed.
    fn commit(&mut self) -> Vec<Write> {
        let staged = &self.staged;
        let mut commit = Vec::new();
        if staged.meta {
            if !self.is_stored {
                commit.push(Write::Create);
                self.is_stored = true;
            }
            commit.push(Write::Meta(self.meta.clone()));
        }
        commit.extend(staged.fields.iter().map(|name| match self.document.get(name) {
            Some(field) => Write::Field(name.clone(), field.clone()),
            None => Write::ForgetField(name.clone()),
        }));
        commit.extend(staged.participants.iter().map(|user| match self.people.get(user) {
            Some(participant) => Write::Participant(user.clone(), participant.clone()),
            None => Write::ForgetParticipant(user.clone()),
        }));
        commit.extend(staged.clients.iter().map(|id| match self.clients.get(id) {
            Some(client) => Write::Client(id.clone(), client.clone()),
            None => Write::ForgetClient(id.clone()),
        }));
        commit.extend(staged.keys.iter().map(|of| match self.keys.get(of) {
            Some(write) => Write::Key(of.0.clone(), of.1.clone(), write.clone()),
            None => Write::ForgetKey(of.0.clone(), of.1.clone()),
        }));
        commit.extend(staged.requests.iter().map(|key| match self.requests.request(key) {
            Some(request) => Write::Request(key.clone(), request.clone()),
            None => Write::ForgetRequest(key.clone()),
        }));
        commit.extend(staged.grants.iter().map(|key| match self.requests.grant(key) {
            Some(grant) => Write::Grant(key.clone(), grant.clone()),
            None => Write::ForgetGrant(key.clone()),
        }));
        commit
    }
}

/// How long to gather changes between two flushes, in milliseconds, so that sending takes a bounded share of the
/// processor: about 0.16 ms for each connection, at most 250 (Y8). Whoever had sent several changes at once sends more as
/// soon as those are answered, so there it is 1 at least: else the first of them would be flushed by itself.
fn pause(connections: usize, is_streaming: bool) -> Millis {
    let pause = Millis::try_from(connections).unwrap_or(Millis::MAX).saturating_mul(16).saturating_div(100).min(250);
    pause.max(Millis::from(is_streaming))
}
