//! What each message changes. On an error nothing has changed: every check stands before the first assignment.

use std::collections::BTreeSet;

use crate::protocol::json::Json;
use crate::protocol::message::{ClientMessage, FieldChange, Join, Selection};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::reply::{ServerMessage, stored_selection};
use crate::protocol::role::Role;

use super::session::{ConnectionId, Identity, Session};
use super::turn::{Audience, Field, Outgoing, Participant};
use super::{Room, access, people, staged};

/// Why a message was not done.
pub(super) enum Failure {
    /// It may not be done, or cannot.
    Refusal(Refusal),
    /// It comes too late.
    Conflict(Conflict),
    /// What it asks for was done before, by this or another message (Q1, Q2).
    DoneBefore {
        /// The room's version.
        version: u64,
    },
}

/// What a batch that cannot be done as a whole goes back to.
struct Checkpoint {
    version: u64,
    /// How many frames were staged.
    frames: usize,
    fields: Vec<SavedField>,
}

struct SavedField {
    name: String,
    field: Option<Field>,
    is_staged: bool,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// A write whose author had not seen what the field holds (S4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub field: String,
    pub client_version: u64,
}

/// Where a message comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Writer {
    /// The connection, or `None` over HTTP.
    pub connection: Option<ConnectionId>,
    /// The `clientId`, if it has one.
    pub client: Option<String>,
}

impl Room {
    /// Does what a message says. Returns the version that answers it.
    pub(super) fn apply(
        &mut self,
        from: ConnectionId,
        writer: &Writer,
        text: &str,
        message: ClientMessage,
    ) -> Result<u64, Failure> {
        let role = self.sessions.get(from).map_or(Role::Viewer, Session::role);
        access::check(role, access::to_say(&message))?;
        match message {
            ClientMessage::Join(join) => Ok(self.join(from, join)?),
            ClientMessage::Ready { user_id, is_ready } => Ok(self.ready(from, &user_id, is_ready)?),
            ClientMessage::Change(change) => self.change(writer, std::slice::from_ref(&change)),
            ClientMessage::Batch(changes) => self.change(writer, &changes),
            ClientMessage::Sync { since, epoch, user_id } => {
                self.check_author(from, user_id.as_deref())?;
                self.tell(from, self.sync_answer(since, epoch.as_deref()));
                Ok(self.version)
            }
            ClientMessage::Presence { data, user_id } => {
                self.check_author(from, user_id.as_deref())?;
                Ok(self.show(from, data)?)
            }
            ClientMessage::Relay { user_id } => {
                self.check_author(from, user_id.as_deref())?;
                self.close_segment();
                self.staged.outbox.push(Outgoing::new(Audience::Others(from), text.to_owned()));
                self.staged.is_urgent = true;
                Ok(self.version)
            }
            ClientMessage::Kick { user_id } => Ok(self.kick(&user_id)),
            ClientMessage::Permission(message) => self.permission(from, message),
            // These change what the connection is and are done before it comes to what the room holds.
            ClientMessage::Hello(_) | ClientMessage::OtherProtocol | ClientMessage::Auth { .. } => Ok(self.version),
        }
    }

    /// Keeps what a person is looking at, for those who have said `hello` as well (P1).
    fn show(&mut self, from: ConnectionId, data: Option<Json>) -> Result<u64, Refusal> {
        match self.sessions.get_mut(from) {
            Some(session) if session.client().is_some() => {
                session.presence = data;
                self.staged.presence.insert(from, None);
                Ok(self.version)
            }
            Some(_) | None => Err(Refusal::before_hello("presence")),
        }
    }

    /// Closes all connections of a user (A4).
    fn kick(&mut self, user_id: &str) -> u64 {
        // Who sends itself away hears of its changes before the answer to that, which covers them (Y6).
        self.close_segment();
        let theirs = self.sessions.iter().filter(|(_, session)| session.identity.user() == Some(user_id));
        for connection in theirs.map(|(connection, _)| connection).collect::<Vec<_>>() {
            self.shut(connection, CloseCode::Kicked);
        }
        self.version
    }

    /// Makes all of these changes or none (S9).
    pub(super) fn change(&mut self, from: &Writer, changes: &[FieldChange]) -> Result<u64, Failure> {
        let Some(user_id) = changes.first().map(FieldChange::user_id) else { return Ok(self.version) };
        self.check_user(from, user_id)?;
        if changes.iter().any(|change| change.user_id() != user_id) {
            return Err(Refusal::new(Code::IdentityMismatch, "The changes of a batch are one user's.").into());
        }
        // A writer cannot know the versions that its own batch makes, so all bases are of before it.
        for change in changes {
            self.check_base(from, change)?;
        }
        let before = self.checkpoint(changes);
        for change in changes {
            let done = match change {
                FieldChange::Select(selection) => self.select(from, selection),
                FieldChange::Clear { field, user_id, .. } => self.clear(from, field, user_id),
            };
            if let Err(refusal) = done {
                self.go_back(before);
                return Err(refusal.into());
            }
        }
        let version = self.version;
        while self.document.tombstones() > self.settings.limits.tombstones {
            self.forget_oldest_tombstone();
        }
        if let Some(connection) = from.connection {
            self.bind(connection, user_id.to_owned());
        }
        Ok(version)
    }

    /// What these changes may change.
    fn checkpoint(&self, changes: &[FieldChange]) -> Checkpoint {
        // A single change fails before it does anything.
        let several = if changes.len() > 1 { changes } else { &[] };
        let names = several.iter().map(FieldChange::field).collect::<BTreeSet<_>>();
        let fields = names.into_iter().map(|name| SavedField {
            name: name.to_owned(),
            field: self.document.get(name).cloned(),
            is_staged: self.staged.fields.contains(name),
        });
        Checkpoint { version: self.version, frames: self.staged.outbox.len(), fields: fields.collect() }
    }

    fn go_back(&mut self, to: Checkpoint) {
        self.version = to.version;
        self.staged.outbox.truncate(to.frames);
        for SavedField { name, field, is_staged } in to.fields {
            if !is_staged {
                self.staged.fields.remove(&name);
            }
            match field {
                Some(field) => self.document.put(name, field),
                None => drop(self.document.remove(&name)),
            }
        }
    }

    fn join(&mut self, from: ConnectionId, join: Join) -> Result<u64, Refusal> {
        self.check_identity(from, &join.user_id)?;
        let certified = self.sessions.get(from).and_then(Session::pass).and_then(|pass| pass.name.clone());
        // Who the user is, is the token's to say (A3).
        let join = Join { user_name: certified.unwrap_or(join.user_name), ..join };
        let known = self.people.get(&join.user_id);
        let was_here = people::is_here(&self.sessions, &join.user_id);
        let is_news = known.is_none_or(|known| known.name != join.user_name);
        let is_announced = is_news || !was_here;
        let version = self.version + u64::from(is_news);
        let participant = Participant {
            name: join.user_name,
            is_ready: known.is_some_and(|known| known.is_ready),
            joined_at: known.map_or(self.clock, |known| known.joined_at),
            // Written down when someone comes, so that a crash does not leave the time of the last visit.
            last_seen: known.filter(|_| was_here).map_or(self.clock, |known| known.last_seen),
            version: if is_news { version } else { known.map_or(version, |known| known.version) },
            // What is on record is what the others were told. A second tab is not told, so it changes nothing.
            profile: known.filter(|_| !is_announced).map_or(join.profile, |known| known.profile.clone()),
        };
        let gives_way = self.room_for_participant(&join.user_id)?;
        let freed = gives_way.as_ref().map_or(0, |user| self.people.bytes_of(user));
        let others = self.document.bytes() + self.requests.bytes();
        self.check_bytes(others + self.people.bytes_with(&join.user_id, &participant) - freed)?;

        let announced = is_announced.then(|| {
            let announcement = ServerMessage::UserJoined {
                user_id: &join.user_id,
                user_name: &participant.name,
                joined_at: participant.joined_at,
                profile: &participant.profile,
            };
            announcement.encode()
        });
        if let Some(user) = gives_way {
            self.people.remove(&user);
            self.staged.participants.insert(user);
        }
        if self.people.get(&join.user_id) != Some(&participant) {
            self.people.put(join.user_id.clone(), participant);
            self.staged.participants.insert(join.user_id.clone());
        }
        self.version = version;
        self.identify(from, Identity::Joined(join.user_id));
        if let Some(text) = announced {
            self.close_segment();
            self.staged.outbox.push(Outgoing::new(Audience::Others(from), text));
        }
        Ok(version)
    }

    /// A joining that was answered on another connection. What it recorded stands, but this connection has joined too.
    pub(super) fn join_again(&mut self, from: ConnectionId, user_id: String) {
        let Some(known) = self.people.get(&user_id) else { return };
        let (user_name, profile) = (known.name.clone(), known.profile.clone());
        // Another user's connection stays that user's.
        let _ = self.join(from, Join { user_id, user_name, profile });
    }

    fn ready(&mut self, from: ConnectionId, user_id: &str, is_ready: bool) -> Result<u64, Refusal> {
        self.check_identity(from, user_id)?;
        let Some(known) = self.people.get(user_id) else {
            return Err(Refusal::new(Code::NotJoined, "Send `user_joined` before `user_ready`."));
        };
        if known.is_ready != is_ready {
            self.version += 1;
            let participant = Participant { is_ready, version: self.version, ..known.clone() };
            self.people.put(user_id.to_owned(), participant);
            self.staged.participants.insert(user_id.to_owned());
            let frame = || ServerMessage::UserReady { user_id, is_ready, version: self.version }.encode();
            let text = self.is_heard_by_plain(Some(from)).then(frame);
            self.tell_plain(Some(from), text);
        }
        self.bind(from, user_id.to_owned());
        Ok(self.version)
    }

    fn select(&mut self, from: &Writer, selection: &Selection) -> Result<(), Refusal> {
        let limit = self.settings.limits.fields;
        if !self.document.is_set(&selection.field) && self.document.set_count() >= limit {
            let message = format!("The room has {limit} fields, all it takes. Clear one first.");
            return Err(Refusal::new(Code::LimitFields, message));
        }
        let version = self.version + 1;
        let stored = stored_selection(selection, version, self.clock);
        let frame = || ServerMessage::FieldSelected { selection: &stored, version }.encode();
        let text = self.is_heard_by_plain(from.connection).then(frame);
        self.put_field(from, &selection.field, &selection.user_id, Some(stored))?;
        self.tell_plain(from.connection, text);
        Ok(())
    }

    fn clear(&mut self, from: &Writer, name: &str, user_id: &str) -> Result<(), Refusal> {
        if self.document.is_set(name) {
            self.put_field(from, name, user_id, None)?;
            let frame = || ServerMessage::FieldCleared { field: name, user_id, version: self.version }.encode();
            let text = self.is_heard_by_plain(from.connection).then(frame);
            self.tell_plain(from.connection, text);
        }
        Ok(())
    }

    /// Makes the next version: `name` now holds `selection`, or a tombstone.
    fn put_field(&mut self, from: &Writer, name: &str, user_id: &str, selection: Option<Json>) -> Result<(), Refusal> {
        let is_smaller = selection.is_none();
        let field = Field {
            version: self.version + 1,
            updated_at: self.clock,
            user_id: user_id.to_owned(),
            client_id: from.client.clone(),
            selection,
        };
        if !is_smaller {
            let others = self.people.bytes() + self.requests.bytes();
            self.check_bytes(others + self.document.bytes_with(name, &field))?;
        }
        self.version += 1;
        self.document.put(name.to_owned(), field);
        staged::note(&mut self.staged.fields, name);
        Ok(())
    }

    /// Whether there is a plain client beside the author, who must hear of each change by itself (S8).
    pub(super) fn is_heard_by_plain(&self, author: Option<ConnectionId>) -> bool {
        self.sessions.plain_but(author) > 0
    }

    pub(super) fn tell_plain(&mut self, but: Option<ConnectionId>, text: Option<String>) {
        self.staged.outbox.extend(text.map(|text| Outgoing::new(Audience::Plain { but }, text)));
    }

    fn forget_oldest_tombstone(&mut self) {
        // That the field was cleared must be told while it is known.
        self.close_segment();
        if let Some((name, version)) = self.document.forget_oldest_tombstone() {
            self.meta.floor = self.meta.floor.max(version);
            self.staged.fields.insert(name);
            self.staged.meta = true;
        }
    }

    /// A writer that says which version of the field it saw writes only if that is still the field's, or if the newer
    /// one is its own (S4).
    fn check_base(&self, from: &Writer, change: &FieldChange) -> Result<(), Failure> {
        let (name, field) = (change.field(), self.document.get(change.field()));
        let Some(client_version) = change.base_version() else { return Ok(()) };
        let is_own = from.client.is_some() && field.is_some_and(|field| field.client_id == from.client);
        if is_own || field.map_or(0, |field| field.version) == client_version {
            return Ok(());
        }
        Err(Failure::Conflict(Conflict { field: name.to_owned(), client_version }))
    }

    fn check_author(&self, from: ConnectionId, user_id: Option<&str>) -> Result<(), Refusal> {
        user_id.map_or(Ok(()), |user_id| self.check_identity(from, user_id))
    }

    /// The writer is who it says, and its `clientId` is nobody else's (J2, E4).
    fn check_user(&self, from: &Writer, user_id: &str) -> Result<(), Refusal> {
        from.client.as_ref().map_or(Ok(()), |client| self.clients.check_owner(client, Some(user_id)))?;
        from.connection.map_or(Ok(()), |connection| self.check_identity(connection, user_id))
    }

    /// A connection belongs to one user (J2).
    pub(super) fn check_identity(&self, from: ConnectionId, user_id: &str) -> Result<(), Refusal> {
        match self.sessions.get(from).and_then(|session| session.identity.user()) {
            Some(user) if user != user_id => Err(Refusal::new(
                Code::IdentityMismatch,
                "This connection belongs to another user. Open a connection for each user.",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// What the room keeps, in bytes of text.
    pub(super) fn bytes(&self) -> usize {
        self.document.bytes() + self.people.bytes() + self.requests.bytes()
    }

    pub(super) fn check_bytes(&self, bytes: usize) -> Result<(), Refusal> {
        let limit = self.settings.limits.room_bytes;
        if bytes <= limit {
            return Ok(());
        }
        let message = format!("The room would keep {bytes} bytes; it takes {limit}. Clear a field first.");
        Err(Refusal::new(Code::LimitRoom, message))
    }

    /// Who must give way so that this user can be recorded.
    fn room_for_participant(&self, user_id: &str) -> Result<Option<String>, Refusal> {
        let limit = self.settings.limits.participants;
        if self.people.get(user_id).is_some() || self.people.count() < limit {
            return Ok(None);
        }
        self.people.longest_offline(&self.sessions).map(Some).ok_or_else(|| {
            Refusal::new(Code::LimitParticipants, format!("The room has {limit} participants, all online."))
        })
    }

    /// The first write of a connection says whose it is (J3).
    fn bind(&mut self, from: ConnectionId, user_id: String) {
        if self.sessions.get(from).is_some_and(|session| session.identity == Identity::Unknown) {
            self.identify(from, Identity::Bound(user_id));
        }
    }

    fn identify(&mut self, from: ConnectionId, identity: Identity) {
        if let Some(session) = self.sessions.get_mut(from) {
            // Whoever was told of the presence does not know yet whose it is.
            if session.presence.is_some() && session.identity.user() != identity.user() {
                self.staged.presence.insert(from, None);
            }
            session.identity = identity;
        }
    }
}
