//! What each message changes. On an error nothing has changed: every check stands before the first assignment.

use crate::protocol::json::Json;
use crate::protocol::message::{ClientMessage, Join, Selection};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::reply::{ServerMessage, stored_selection};

use super::session::{ConnectionId, Identity};
use super::turn::{Audience, Field, Outgoing, Participant};
use super::{Room, people};

/// Why a message was not done.
pub(super) enum Failure {
    /// It may not be done, or cannot.
    Refusal(Refusal),
    /// It comes too late.
    Conflict(Conflict),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// A write whose author had not seen what the field holds (S4).
pub(super) struct Conflict {
    pub field: String,
    pub client_version: u64,
    pub server_version: u64,
}

impl Room {
    /// Does what a message says. Returns the version that answers it.
    pub(super) fn apply(&mut self, from: ConnectionId, text: &str, message: ClientMessage) -> Result<u64, Failure> {
        match message {
            ClientMessage::Join(join) => Ok(self.join(from, join)?),
            ClientMessage::Ready { user_id, is_ready } => Ok(self.ready(from, &user_id, is_ready)?),
            ClientMessage::Select(selection) => self.select(from, &selection),
            ClientMessage::Clear { field, user_id, base_version } => self.clear(from, field, user_id, base_version),
            ClientMessage::Sync { since, epoch, user_id } => {
                user_id.map_or(Ok(()), |user_id| self.check_identity(from, &user_id))?;
                let state = self.answer(since, epoch.as_deref());
                self.stage_to(from, state);
                Ok(self.version)
            }
            ClientMessage::Relay { user_id } => {
                user_id.map_or(Ok(()), |user_id| self.check_identity(from, &user_id))?;
                self.staged.outbox.push(Outgoing::new(Audience::Others(from), text.to_owned()));
                Ok(self.version)
            }
        }
    }

    fn join(&mut self, from: ConnectionId, join: Join) -> Result<u64, Refusal> {
        self.check_identity(from, &join.user_id)?;
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
        self.check_bytes(self.document.bytes() + self.people.bytes_with(&join.user_id, &participant) - freed)?;

        if is_announced {
            let announcement = ServerMessage::UserJoined {
                user_id: &join.user_id,
                user_name: &participant.name,
                joined_at: participant.joined_at,
                profile: &participant.profile,
            };
            self.staged.outbox.push(Outgoing::new(Audience::Others(from), announcement.encode()));
        }
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
        Ok(version)
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
            let text = ServerMessage::UserReady { user_id, is_ready, version: self.version }.encode();
            self.staged.outbox.push(Outgoing::new(Audience::Others(from), text));
        }
        self.bind(from, user_id.to_owned());
        Ok(self.version)
    }

    fn select(&mut self, from: ConnectionId, selection: &Selection) -> Result<u64, Failure> {
        self.check_identity(from, &selection.user_id)?;
        self.check_base(&selection.field, selection.base_version)?;
        let limit = self.settings.limits.fields;
        if !self.document.is_set(&selection.field) && self.document.set_count() >= limit {
            let message = format!("The room has {limit} fields, all it takes. Clear one first.");
            return Err(Refusal::new(Code::LimitFields, message).into());
        }
        let version = self.version + 1;
        let stored = stored_selection(selection, version, self.clock);
        let text = ServerMessage::FieldSelected { selection: &stored, version }.encode();
        self.put_field(selection.field.clone(), selection.user_id.clone(), Some(stored))?;
        self.staged.outbox.push(Outgoing::new(Audience::Others(from), text));
        self.bind(from, selection.user_id.clone());
        Ok(version)
    }

    fn clear(
        &mut self,
        from: ConnectionId,
        name: String,
        user_id: String,
        base_version: Option<u64>,
    ) -> Result<u64, Failure> {
        self.check_identity(from, &user_id)?;
        self.check_base(&name, base_version)?;
        if self.document.is_set(&name) {
            let version = self.version + 1;
            let text = ServerMessage::FieldCleared { field: &name, user_id: &user_id, version }.encode();
            self.put_field(name, user_id.clone(), None)?;
            self.staged.outbox.push(Outgoing::new(Audience::Others(from), text));
            if self.document.tombstones() > self.settings.limits.tombstones {
                self.forget_oldest_tombstone();
            }
        }
        self.bind(from, user_id);
        Ok(self.version)
    }

    /// Makes the next version: `name` now holds `selection`, or a tombstone.
    fn put_field(&mut self, name: String, user_id: String, selection: Option<Json>) -> Result<(), Refusal> {
        let is_smaller = selection.is_none();
        let field = Field { version: self.version + 1, updated_at: self.clock, user_id, selection };
        if !is_smaller {
            self.check_bytes(self.people.bytes() + self.document.bytes_with(&name, &field))?;
        }
        self.version += 1;
        self.document.put(name.clone(), field);
        self.staged.fields.insert(name);
        Ok(())
    }

    fn forget_oldest_tombstone(&mut self) {
        if let Some((name, version)) = self.document.forget_oldest_tombstone() {
            self.meta.floor = self.meta.floor.max(version);
            self.staged.fields.insert(name);
            self.staged.meta = true;
        }
    }

    /// A writer that says which version of the field it saw writes only if that is still the field's (S4).
    fn check_base(&self, field: &str, base_version: Option<u64>) -> Result<(), Failure> {
        let server_version = self.document.get(field).map_or(0, |field| field.version);
        match base_version {
            Some(client_version) if client_version != server_version => {
                Err(Failure::Conflict(Conflict { field: field.to_owned(), client_version, server_version }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A connection belongs to one user (J2).
    fn check_identity(&self, from: ConnectionId, user_id: &str) -> Result<(), Refusal> {
        match self.sessions.get(&from).and_then(|session| session.identity.user()) {
            Some(user) if user != user_id => Err(Refusal::new(
                Code::IdentityMismatch,
                "This connection belongs to another user. Open a connection for each user.",
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn check_bytes(&self, bytes: usize) -> Result<(), Refusal> {
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
        if self.sessions.get(&from).is_some_and(|session| session.identity == Identity::Unknown) {
            self.identify(from, Identity::Bound(user_id));
        }
    }

    fn identify(&mut self, from: ConnectionId, identity: Identity) {
        if let Some(session) = self.sessions.get_mut(&from) {
            session.identity = identity;
        }
    }
}
