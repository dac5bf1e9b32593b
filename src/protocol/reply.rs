//! What the room says. Each type is one frame's JSON; PROTOCOL.md gives the shapes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Millis;
use super::json::{Json, encode};
use super::limits::Limits;
use super::message::{Extra, MessageId, Selection, Tag};
use super::permission::{Resolution, Settlement, Status};
use super::refusal::Refusal;

/// A frame from the room.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ServerMessage<'a> {
    /// Someone came, or has a new name (J1).
    UserJoined {
        /// Who.
        user_id: &'a str,
        /// The name, for people.
        user_name: &'a str,
        /// When the user first joined in this life of the room.
        joined_at: Millis,
        /// Further members of the user's own message.
        #[serde(flatten)]
        profile: &'a Extra,
    },
    /// A participant's last connection is gone (J4).
    UserLeft {
        /// Who.
        user_id: &'a str,
        /// When the server last heard from the user.
        last_seen: Millis,
    },
    /// A participant is ready, or no longer (J7).
    UserReady {
        /// Who.
        user_id: &'a str,
        /// The new flag.
        is_ready: bool,
        /// The version that this change made.
        version: u64,
    },
    /// A field was set (S8).
    FieldSelected {
        /// The stored selection.
        selection: &'a Json,
        /// The version that this change made.
        version: u64,
    },
    /// A field was cleared (S8).
    FieldCleared {
        /// Which.
        field: &'a str,
        /// By whom.
        user_id: &'a str,
        /// The version that this change made.
        version: u64,
    },
    /// A permission is asked for (S8).
    PermissionRequest {
        /// The author's name for the request.
        request_id: &'a str,
        /// The author.
        user_id: &'a str,
        /// What it is for.
        action: &'a str,
        /// What else there is to know, in the page's own words.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a Json>,
        /// When it was made.
        created_at: Millis,
        /// From when on it cannot be answered any more.
        expires_at: Millis,
        /// The version that this change made.
        version: u64,
    },
    /// A request is answered (S8).
    PermissionResponse {
        /// The author's name for the request.
        request_id: &'a str,
        /// The author.
        user_id: &'a str,
        /// The answer.
        #[serde(flatten)]
        resolution: &'a Resolution,
        /// The version that this change made.
        version: u64,
    },
    /// A request has ended without an answer (S8).
    PermissionCancelled {
        /// The author's name for the request.
        request_id: &'a str,
        /// The author.
        user_id: &'a str,
        /// Present, and true, when nobody answered in time.
        #[serde(skip_serializing_if = "Option::is_none")]
        expired: Option<bool>,
        /// The version that this change made.
        version: u64,
    },
    /// A permission is taken back (S8).
    PermissionRevoked {
        /// What it was for.
        action: &'a str,
        /// Whose it was.
        user_id: &'a str,
        /// The version that this change made.
        version: u64,
    },
    /// All of the room's state (Y2).
    SyncResponse(Box<StateView<'a>>),
    /// What changed since the version that a client has (Y3, Y6).
    Changes(Box<ChangesView<'a>>),
    /// The answer to `hello` (Y4).
    Welcome(Box<WelcomeView<'a>>),
    /// What people are looking at, as far as that is new (P1).
    Presence {
        /// One entry a connection.
        presence: Vec<PresenceView<'a>>,
    },
    /// A write came too late: the field is not what its writer last saw (S4).
    Conflict {
        /// The message's `id`.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a MessageId>,
        /// The message's `seq`.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// `E_CONFLICT`.
        code: &'a str,
        /// What lost, and to what.
        #[serde(flatten)]
        conflict: ConflictView<'a>,
        /// Present, and true, when this was answered before.
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
    },
    /// A message was done (F3, E3).
    Ack {
        /// The message's `id`.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a MessageId>,
        /// The message's `seq`: it and all before it are answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// The version that the message made, or the room's when it changed nothing.
        version: u64,
        /// Present, and true, when this was answered before, or the request was settled before (Q2).
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
        /// What then is on record of the request.
        #[serde(flatten)]
        record: Option<StatusView<'a>>,
    },
    /// A message was not done (F4).
    Error {
        /// Stable, for programs.
        code: &'a str,
        /// For people.
        message: &'a str,
        /// The message's `id`.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a MessageId>,
        /// The message's `seq`.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// Present, and true, when the same message may succeed later.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<bool>,
        /// The `seq` that the room waits for, with the code `out_of_order`.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected: Option<u64>,
        /// Present, and true, when this was answered before.
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
    },
}

impl ServerMessage<'_> {
    /// The frame's text.
    pub fn encode(&self) -> String {
        encode(self)
    }
}

/// The frame that tells a client of a refusal. `is_duplicate`: the message was refused before.
pub fn error(refusal: &Refusal, tag: &Tag, is_duplicate: bool) -> String {
    ServerMessage::Error {
        code: refusal.code.as_str(),
        message: &refusal.message,
        id: tag.id.as_ref(),
        seq: tag.number.map(|number| number.seq),
        retry: refusal.may_pass.then_some(true),
        expected: refusal.expected,
        duplicate: is_duplicate.then_some(true),
    }
    .encode()
}

/// What a writer who came too late must know (S4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictView<'a> {
    /// The field.
    pub field: &'a str,
    /// The version that the writer last saw.
    pub client_version: u64,
    /// The field's version; 0 when it was never set.
    pub server_version: u64,
    /// The stored selection, or null when the field is not set.
    pub current: Option<&'a Json>,
}

/// The body of `welcome` (Y4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WelcomeView<'a> {
    /// The protocol that the room speaks.
    pub protocol: u64,
    /// The room's name for this connection (U5).
    pub connection_id: String,
    /// The connection's user, once known.
    pub user_id: Option<&'a str>,
    /// What the user may do.
    pub role: &'a str,
    /// The room's version.
    pub version: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// The last number of this client that was answered; 0 for a new client, null for a forgotten one (E4).
    pub last_seq: Option<u64>,
    /// The server's time.
    pub time: Millis,
    /// What the room takes.
    pub limits: &'a Limits,
}

/// What the person at a connection is looking at (P1).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceView<'a> {
    /// The connection.
    pub connection_id: String,
    /// Its user, once known.
    pub user_id: Option<&'a str>,
    /// The page's own words; null when there is nothing to tell any more.
    pub data: Option<&'a Json>,
}

/// The body of a `sync_response`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateView<'a> {
    /// The room's version.
    pub version: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// The server's time.
    pub time: Millis,
    /// The stored selections by field.
    pub selections: BTreeMap<&'a str, &'a Json>,
    /// Everyone on record.
    pub participants: Vec<ParticipantView<'a>>,
    /// What people are looking at.
    pub presence: Vec<PresenceView<'a>>,
    /// The permission requests, the settled too.
    pub requests: Vec<RequestView<'a>>,
    /// The permissions that stand.
    pub permissions: Vec<GrantView<'a>>,
    /// Present, and true, when the client must drop what it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<bool>,
}

/// The body of `changes` (Y3, Y6).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesView<'a> {
    /// The version that the client has.
    pub from: u64,
    /// The version that it has with these changes.
    pub to: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// What changed, the oldest first.
    pub changes: Vec<ChangeView<'a>>,
    /// Everyone on record, for a client that comes back. Not in a live frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Vec<ParticipantView<'a>>>,
    /// What people are looking at, for a client that comes back. Not in a live frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Vec<PresenceView<'a>>>,
    /// Present, and true, when a reader of events must drop what it had (H4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<bool>,
}

/// The body of `GET /changes` (H2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesPage<'a> {
    /// The version after which the changes come.
    pub from: u64,
    /// The room's version.
    pub to: u64,
    /// The same, as other answers call it.
    pub version: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// What changed, the oldest first.
    pub changes: Vec<ChangeView<'a>>,
    /// Everyone on record.
    pub participants: Vec<ParticipantView<'a>>,
    /// The server's time.
    pub time: Millis,
}

/// How something stands after its last change (Y5).
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ChangeView<'a> {
    /// A field was set or cleared.
    Field {
        /// The change's version.
        version: u64,
        /// The field.
        field: &'a str,
        /// The stored selection, or null when it was cleared.
        selection: Option<&'a Json>,
        /// Who made the change.
        user_id: &'a str,
        /// When.
        updated_at: Millis,
    },
    /// A participant was recorded, renamed, or became ready or not.
    Participant {
        /// The change's version.
        version: u64,
        /// The participant.
        participant: RecordView<'a>,
    },
    /// A permission request was made or settled.
    Request {
        /// The change's version.
        version: u64,
        /// A [`RequestView`].
        request: Json,
    },
    /// A permission was given or ended.
    Grant {
        /// The change's version.
        version: u64,
        /// A [`GrantView`].
        grant: Json,
        /// Present, and true, when it was ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        ended: Option<bool>,
    },
}

impl ChangeView<'_> {
    /// The change's version.
    pub fn version(&self) -> u64 {
        match self {
            Self::Field { version, .. }
            | Self::Participant { version, .. }
            | Self::Request { version, .. }
            | Self::Grant { version, .. } => *version,
        }
    }
}

/// A permission request (Y2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestView<'a> {
    /// The author's name for it.
    pub request_id: &'a str,
    /// The author.
    pub user_id: &'a str,
    /// What it is for.
    pub action: &'a str,
    /// What else there is to know, in the page's own words.
    pub detail: Option<&'a Json>,
    /// Where it stands.
    #[serde(flatten)]
    pub status: StatusView<'a>,
    /// When it was made.
    pub created_at: Millis,
    /// From when on it cannot be answered any more.
    pub expires_at: Millis,
    /// The version that made or settled it.
    pub version: u64,
}

/// Where a permission request stands, and how it was answered if it was.
#[derive(Debug, Serialize)]
pub struct StatusView<'a> {
    status: Status,
    #[serde(flatten)]
    resolution: Option<&'a Resolution>,
}

impl<'a> StatusView<'a> {
    /// Of a request that waits.
    pub const PENDING: Self = Self { status: Status::Pending, resolution: None };

    /// Of a request that ended like this.
    pub fn of(settlement: &'a Settlement) -> Self {
        let status = match settlement {
            Settlement::Resolved(_) => Status::Resolved,
            Settlement::Cancelled => Status::Cancelled,
            Settlement::Expired => Status::Expired,
        };
        Self { status, resolution: settlement.resolution() }
    }
}

/// A permission (Y2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantView<'a> {
    /// The request that it answers.
    pub request_id: &'a str,
    /// Whose it is.
    pub user_id: &'a str,
    /// What it is for.
    pub action: &'a str,
    /// Who gave it.
    pub granted_by: &'a str,
    /// When.
    pub granted_at: Millis,
    /// The version that gave or ended it.
    pub version: u64,
}

/// What of a participant is versioned (Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The user's name.
    pub name: &'a str,
    /// What the user last said of it.
    pub is_ready: bool,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
}

/// A participant (J5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantView<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The user's name.
    pub name: &'a str,
    /// What the user last said of it.
    pub is_ready: bool,
    /// Whether a joined connection of the user is open.
    pub online: bool,
    /// How many are.
    pub connections: usize,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
    /// When the server last heard from the user.
    pub last_seen: Millis,
    /// The version of the last change to this participant.
    pub version: u64,
    /// Further members of the user's own message.
    #[serde(flatten)]
    pub profile: &'a Extra,
}

/// The stored form of a field's value (S2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredSelection<'a> {
    field: &'a str,
    value: &'a Json,
    user_id: &'a str,
    timestamp: &'a Option<Json>,
    version: u64,
    updated_at: Millis,
    #[serde(flatten)]
    extra: &'a Extra,
}

/// What the room keeps and forwards of a selection that it took as change `version` at `updated_at`.
pub fn stored_selection(selection: &Selection, version: u64, updated_at: Millis) -> Json {
    Json::of(&StoredSelection {
        field: &selection.field,
        value: &selection.value,
        user_id: &selection.user_id,
        timestamp: &selection.timestamp,
        version,
        updated_at,
        extra: &selection.extra,
    })
}
