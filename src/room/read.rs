//! What the room answers to those who read: all of its state, or what changed since a version.

use crate::protocol::Millis;
use crate::protocol::json::{Json, encode};
use crate::protocol::permission::Status;
use crate::protocol::reply::{
    ChangeView, ChangesPage, ChangesView, GrantView, ParticipantView, PresenceView, RecordView, RequestView,
    ResolutionView, ServerMessage, StateView,
};

use super::requests::state::{Grant, GrantKey, Request, RequestKey};
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
        ServerMessage::SyncResponse(Box::new(StateView {
            version: self.version,
            epoch: &self.meta.epoch,
            time: self.time(now),
            selections: self.document.selections(),
            participants: self.participants(),
            presence: self.presence(),
            requests: self.requests.requests().map(|(key, request)| RequestView::of(key, request)).collect(),
            permissions: self.permissions(),
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
            time: self.time(now),
        })
    }

    /// The room's own time, which never goes back.
    pub fn time(&self, now: Millis) -> Millis {
        now.max(self.clock)
    }

    /// Whether all that changed after this version is still known.
    fn knows_since(&self, version: u64, epoch: Option<&str>) -> bool {
        epoch.is_none_or(|epoch| epoch == self.meta.epoch) && (self.meta.floor..=self.version).contains(&version)
    }

    /// A version after which everything comes that happened at this time or later. `None` if some of that is forgotten.
    ///
    /// Times never go back from one version to the next, so everything that changed before the time has a version
    /// below all that changed later. When a participant changed is not kept, so those changes may come once more.
    fn version_before(&self, time: Millis) -> Option<u64> {
        let fields = self.document.iter().map(|(_, field)| (field.updated_at, field.version));
        let requests = self.requests.requests().map(|(_, request)| (request.changed_at(), request.version()));
        let grants = self.requests.grants().map(|(_, grant)| (grant.changed_at(), grant.version));
        let before = fields.chain(requests).chain(grants).filter(|(at, _)| *at < time);
        let version = before.map(|(_, version)| version).max().unwrap_or(0);
        Some(version).filter(|version| *version >= self.meta.floor)
    }

    /// What changed after `since`, the oldest first, each thing as it stands now.
    fn changes(&self, since: u64) -> Vec<ChangeView<'_>> {
        let fields = self.document.iter().map(|(name, field)| ChangeView::of_field(name, field));
        let people = self.people.iter().map(|(user, person)| ChangeView::of_participant(user, person));
        let requests = self.requests.requests().map(|(key, request)| ChangeView::of_request(key, request));
        let grants = self.requests.grants().map(|(key, grant)| ChangeView::of_grant(key, grant));
        in_order(since, fields.chain(people).chain(requests).chain(grants))
    }

    /// Those that stand.
    fn permissions(&self) -> Vec<GrantView<'_>> {
        let standing = self.requests.grants().filter(|(_, grant)| grant.ended_at.is_none());
        standing.map(|(key, grant)| GrantView::of(key, grant)).collect()
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

/// What of this is newer than `since`, the oldest first.
pub(super) fn in_order<'a>(since: u64, changes: impl Iterator<Item = ChangeView<'a>>) -> Vec<ChangeView<'a>> {
    let mut changes = changes.filter(|change| change.version() > since).collect::<Vec<_>>();
    // A request and the permission that answers it have one version, and keep their order.
    changes.sort_by_key(ChangeView::version);
    changes
}

impl<'a> RequestView<'a> {
    fn of(key: &'a RequestKey, request: &'a Request) -> Self {
        let asked = request.asked();
        let (status, resolution) = match request {
            Request::Pending(_) => (Status::Pending, ResolutionView::default()),
            Request::Settled(settled) => (settled.settlement.status(), ResolutionView::of(&settled.settlement)),
        };
        Self {
            request_id: &key.request_id,
            user_id: &key.user_id,
            action: &asked.action,
            detail: asked.detail.as_ref(),
            status,
            resolution,
            created_at: asked.created_at,
            expires_at: asked.expires_at,
            version: request.version(),
        }
    }
}

impl<'a> GrantView<'a> {
    fn of(key: &'a GrantKey, grant: &'a Grant) -> Self {
        Self {
            request_id: &grant.request_id,
            user_id: &key.user_id,
            action: &key.action,
            granted_by: &grant.granted_by,
            granted_at: grant.granted_at,
            version: grant.version,
        }
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

    /// How a permission request stands.
    pub(super) fn of_request(key: &RequestKey, request: &Request) -> Self {
        Self::Request { version: request.version(), request: Json::of(&RequestView::of(key, request)) }
    }

    /// How a permission stands.
    pub(super) fn of_grant(key: &GrantKey, grant: &Grant) -> Self {
        let ended = grant.ended_at.map(|_| true);
        Self::Grant { version: grant.version, grant: Json::of(&GrantView::of(key, grant)), ended }
    }
}
