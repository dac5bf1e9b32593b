//! What the room says. Each type is one frame's JSON; PROTOCOL.md gives the shapes.

use serde::Serialize;

use super::Millis;
use super::json::{Json, encode};
use super::limits::Limits;
use super::message::{Extra, MessageId, Selection, Tag};
use super::permission::{Decision, Resolution, Scope, Settlement, Status};
use super::refusal::Refusal;
#[cfg(test)]
use super::role::Role;

/// A frame from the room. One of any other type is a page's own message, passed on as it came (P2); so is a `presence`
/// without a list of it (F5).
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ServerFrame", optional_fields))]
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
        #[cfg_attr(test, ts(as = "StoredSelection<'a>"))]
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
    /// All of the room's state (Y2); the body of `GET /state` too (H1).
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
        #[cfg_attr(test, ts(type = "\"E_CONFLICT\""))]
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
        /// Where the request stands that was settled before (Q2).
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
        /// And how it was answered, if it was.
        #[serde(flatten)]
        resolution: ResolutionView<'a>,
    },
    /// A message was not done (F4).
    Error {
        /// Stable, for programs.
        #[cfg_attr(test, ts(type = "RefusalCode | \"internal\""))]
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

/// The frame that tells a client that its message was done. `record`: how the request ended that it was about, if that
/// is to be told.
pub fn ack(
    id: Option<&MessageId>,
    seq: Option<u64>,
    version: u64,
    duplicate: Option<bool>,
    record: Option<&Settlement>,
) -> String {
    let status = record.map(Settlement::status);
    let resolution = record.map(ResolutionView::of).unwrap_or_default();
    ServerMessage::Ack { id, seq, version, duplicate, status, resolution }.encode()
}

/// What a writer who came too late must know (S4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConflictView<'a> {
    /// The field.
    pub field: &'a str,
    /// The version that the writer last saw.
    pub client_version: u64,
    /// The field's version; 0 when it was never set.
    pub server_version: u64,
    /// The stored selection, or null when the field is not set.
    #[cfg_attr(test, ts(as = "Option<StoredSelection<'a>>"))]
    pub current: Option<&'a Json>,
}

/// The body of `welcome` (Y4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WelcomeView<'a> {
    /// The protocol that the room speaks.
    pub protocol: u64,
    /// The room's name for this connection (U5).
    pub connection_id: String,
    /// The connection's user, once known.
    pub user_id: Option<&'a str>,
    /// What the user may do.
    #[cfg_attr(test, ts(as = "Role"))]
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
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "PresenceEntry"))]
pub struct PresenceView<'a> {
    /// The connection.
    pub connection_id: String,
    /// Its user, once known.
    pub user_id: Option<&'a str>,
    /// The page's own words; null when there is nothing to tell any more.
    #[cfg_attr(test, ts(as = "Json"))]
    pub data: Option<&'a Json>,
}

/// The body of a `sync_response`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct StateView<'a> {
    /// The room's version.
    pub version: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// The server's time.
    pub time: Millis,
    /// The stored selections by field.
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<&'a str, StoredSelection<'a>>"))]
    pub selections: &'a Json,
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
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
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

/// The body of `GET /changes`, as long as what changed is known; else that of `GET /state` answers (H2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
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

/// The body that answers a field written over HTTP (H3).
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "FieldWritten"))]
pub struct WrittenBody<'a> {
    /// The version that the write made, or the room's when it changed nothing.
    pub version: u64,
    /// The stored selection, or null when the field is not set.
    #[cfg_attr(test, ts(as = "Option<StoredSelection<'a>>"))]
    pub selection: Option<&'a Json>,
    /// Present, and true, when this was answered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub duplicate: Option<bool>,
}

/// How something stands after its last change (Y5).
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "Change"))]
pub enum ChangeView<'a> {
    /// A field was set or cleared.
    Field {
        /// The change's version.
        version: u64,
        /// The field.
        field: &'a str,
        /// The stored selection, or null when it was cleared.
        #[cfg_attr(test, ts(as = "Option<StoredSelection<'a>>"))]
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
        /// How it stands.
        #[cfg_attr(test, ts(as = "RequestView<'static>"))]
        request: Json,
    },
    /// A permission was given or ended.
    Grant {
        /// The change's version.
        version: u64,
        /// How it stands, or stood last.
        #[cfg_attr(test, ts(as = "GrantView<'static>"))]
        grant: Json,
        /// Present, and true, when it was ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
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
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "PermissionRequest"))]
pub struct RequestView<'a> {
    /// The author's name for it.
    pub request_id: &'a str,
    /// The author.
    pub user_id: &'a str,
    /// What it is for.
    pub action: &'a str,
    /// What else there is to know, in the page's own words; null when there is nothing.
    #[cfg_attr(test, ts(as = "Json"))]
    pub detail: Option<&'a Json>,
    /// Where it stands.
    pub status: Status,
    /// How it was answered, if it was.
    #[serde(flatten)]
    pub resolution: ResolutionView<'a>,
    /// When it was made.
    pub created_at: Millis,
    /// From when on it cannot be answered any more.
    pub expires_at: Millis,
    /// The version that made or settled it.
    pub version: u64,
}

/// How a permission request was answered; nothing of it when it was not.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ResolutionView<'a> {
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// How far it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<&'a str>,
}

impl<'a> ResolutionView<'a> {
    /// Of a request that ended like this.
    pub fn of(settlement: &'a Settlement) -> Self {
        settlement.resolution().map_or_else(Self::default, |resolution| Self {
            decision: Some(resolution.decision),
            scope: Some(resolution.scope),
            reason: resolution.reason.as_deref(),
            resolved_by: Some(&resolution.resolved_by),
        })
    }
}

/// A permission (Y2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "Permission"))]
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
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ParticipantRecord"))]
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
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "WireParticipant"))]
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
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct StoredSelection<'a> {
    /// The field's name.
    field: &'a str,
    /// Its value.
    value: &'a Json,
    /// Who chose it.
    user_id: &'a str,
    /// The client's own time; null when it gave none.
    #[cfg_attr(test, ts(type = "number | null"))]
    timestamp: &'a Option<Json>,
    /// The version that set it.
    version: u64,
    /// When the room took it in.
    updated_at: Millis,
    /// Further members of the client's own selection.
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
