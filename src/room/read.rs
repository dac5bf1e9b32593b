//! What the room answers to those who read: all of its state, or what changed since a version.

use crate::protocol::Millis;
use crate::protocol::json::encode;
use crate::protocol::reply::{
    ChangeView, ChangesPage, ChangesView, ParticipantView, PresenceView, RecordView, ServerMessage, StateView,
};

use super::turn::{Field, Participant};
use super::{Room, people};

/// What a reader over HTTP has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// All up to a version, of this life of the room or of the one that it names.
    Version(u64, Option<String>),
    /// All from before a time.
    Time(Millis),
}

impl Room {
    /// The frame with all of the state, and the body of `GET /state` (Y2, H1). `reset`: the reader must drop what it had.
    pub fn state(&self, reset: bool, now: Millis) -> String {
        let fields = self.document.iter();
        let selections = fields.filter_map(|(name, field)| Some((name.as_str(), field.selection.as_ref()?)));
        ServerMessage::SyncResponse(Box::new(StateView {
            version: self.version,
            epoch: &self.meta.epoch,
            time: now.max(self.clock),
            selections: selections.collect(),
            participants: self.participants(),
            presence: self.presence(),
            requests: [],
            permissions: [],
            reset: reset.then_some(true),
        }))
        .encode()
    }

    /// The frame that answers a reader who has version `since` of the life `epoch`, as far as it has something: just what
    /// changed since, or all of the state when that is not known any more (Y3, U8).
    pub(super) fn sync_answer(&self, since: Option<u64>, epoch: Option<&str>) -> String {
        match since {
            Some(since) if self.knows_since(since, epoch) => ServerMessage::Changes(Box::new(ChangesView {
                from: since,
                to: self.version,
                epoch: &self.meta.epoch,
                changes: self.changes(since),
                participants: Some(self.participants()),
                presence: Some(self.presence()),
                reset: None,
            }))
            .encode(),
            Some(_) => self.state(true, self.clock),
            None => self.state(epoch.is_some_and(|epoch| epoch != self.meta.epoch), self.clock),
        }
    }

    /// The body of `GET /changes` (H2): what changed since, or all of the state with `reset` when that is not known.
    pub fn changes_page(&self, since: &Since, now: Millis) -> String {
        let from = match since {
            Since::Version(version, epoch) => Some(*version).filter(|from| self.knows_since(*from, epoch.as_deref())),
            Since::Time(time) => self.version_before(*time),
        };
        let Some(from) = from else { return self.state(true, now) };
        encode(&ChangesPage {
            from,
            to: self.version,
            version: self.version,
            epoch: &self.meta.epoch,
            changes: self.changes(from),
            participants: self.participants(),
            time: now.max(self.clock),
        })
    }

    /// Whether all that changed after this version is still known.
    fn knows_since(&self, version: u64, epoch: Option<&str>) -> bool {
        epoch.is_none_or(|epoch| epoch == self.meta.epoch) && (self.meta.floor..=self.version).contains(&version)
    }

    /// A version after which everything comes that happened at this time or later. `None` if some of that is forgotten.
    ///
    /// Times never go back from one version to the next, so every field that changed before the time has a version
    /// below all that changed later. When a participant changed is not kept, so those changes may come once more.
    fn version_before(&self, time: Millis) -> Option<u64> {
        let before = self.document.iter().filter(|(_, field)| field.updated_at < time);
        let version = before.map(|(_, field)| field.version).max().unwrap_or(0);
        Some(version).filter(|version| *version >= self.meta.floor)
    }

    /// What changed after `since`, the oldest first, each thing as it stands now.
    fn changes(&self, since: u64) -> Vec<ChangeView<'_>> {
        let fields = self.document.iter().map(|(name, field)| ChangeView::of_field(name, field));
        let people = self.people.iter().map(|(user, person)| ChangeView::of_participant(user, person));
        let mut changes = fields.chain(people).filter(|change| change.version() > since).collect::<Vec<_>>();
        changes.sort_unstable_by_key(ChangeView::version);
        changes
    }

    fn presence(&self) -> Vec<PresenceView<'_>> {
        let shown = self.sessions.iter().filter_map(|(connection, session)| {
            let (connection_id, user_id) = (connection.to_string(), session.identity.user());
            Some(PresenceView { connection_id, user_id, data: Some(session.presence.as_ref()?) })
        });
        shown.collect()
    }

    fn participants(&self) -> Vec<ParticipantView<'_>> {
        let here = people::present(&self.sessions);
        let participants = self.people.iter().map(|(user, participant)| {
            let presence = here.get(user.as_str()).copied().unwrap_or_default();
            ParticipantView {
                id: user,
                name: &participant.name,
                is_ready: participant.is_ready,
                online: presence.connections > 0,
                connections: presence.connections,
                joined_at: participant.joined_at,
                last_seen: presence.heard.map_or(participant.last_seen, |heard| heard.max(participant.last_seen)),
                version: participant.version,
                profile: &participant.profile,
            }
        });
        participants.collect()
    }
}

impl<'a> ChangeView<'a> {
    /// How a field stands.
    pub(super) fn of_field(name: &'a str, field: &'a Field) -> Self {
        Self::Field {
            version: field.version,
            field: name,
            selection: field.selection.as_ref(),
            user_id: &field.user_id,
            updated_at: field.updated_at,
        }
    }

    /// How a participant stands.
    pub(super) fn of_participant(user: &'a str, person: &'a Participant) -> Self {
        let (name, is_ready, joined_at) = (person.name.as_str(), person.is_ready, person.joined_at);
        Self::Participant { version: person.version, participant: RecordView { id: user, name, is_ready, joined_at } }
    }
}
