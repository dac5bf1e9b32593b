//! Every frame in one list: what clients send, what the room sends, and the bodies with entries of all kinds. Each family of
//! frames is a file of its own in `frames/`, with what is read and what is sent; the lines that make it part of the protocol
//! are all here. PROTOCOL.md gives the shapes.

pub mod fields;
pub mod people;
pub mod permission;
pub mod presence;
pub mod sync;

use serde::Serialize;

use super::Millis;
use super::json::{Json, encode};
use super::reader::Reader;
use super::refusal::{About, Code, Refusal};
use super::tag::{MessageId, Tag};

#[cfg(test)]
use fields::StoredSelection;
use fields::{ConflictView, FieldChange, FieldChanged, FieldCleared, FieldSelected};
use people::{Join, ParticipantChanged, ParticipantRemoved, ParticipantView, UserJoined, UserLeft, UserReady};
use permission::{
    GrantChanged, GrantRevoked, GrantView, PermissionMessage, RequestChanged, RequestMade, RequestResolved,
    RequestUnanswered, RequestView, ResolutionView, Settlement, Status,
};
use presence::PresenceView;
use sync::{Hello, WelcomeView};

/// Every message that a client can send.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// `user_joined`: who the person at this connection is (J1).
    Join(Join),
    /// `user_ready`: whether a participant is ready (J7).
    Ready {
        /// The participant.
        user_id: String,
        /// The new flag.
        is_ready: bool,
    },
    /// `field_selected` or `field_cleared`: sets or removes a field (S2, S5).
    Change(FieldChange),
    /// `batch`: all of these changes or none (S9).
    Batch(Vec<FieldChange>),
    /// `hello`: the client speaks the full protocol from here on (Y4).
    Hello(Hello),
    /// `hello` with a protocol other than this one.
    OtherProtocol,
    /// `presence`: what the person at this connection is looking at (P1).
    Presence {
        /// The page's own data, or `None` for `null`: no longer anything.
        data: Option<Json>,
        /// The user that the message names as its author, if any.
        user_id: Option<String>,
    },
    /// `sync_request`: asks for the room's state (Y1).
    Sync {
        /// The version that the client has, if any.
        since: Option<u64>,
        /// The life of the room that the client knows, if any (U8).
        epoch: Option<String>,
        /// The user that the message names as its author, if any.
        user_id: Option<String>,
    },
    /// `auth`: another token for this connection (A5).
    Auth {
        /// The token.
        token: String,
    },
    /// `kick`: closes the connections of a user (A4).
    Kick {
        /// The user.
        user_id: String,
    },
    /// `participant_removed`: takes a participant who left off the record (J10).
    Remove {
        /// The participant.
        user_id: String,
    },
    /// A permission is requested, granted or denied, withdrawn or revoked (Q1 to Q4).
    Permission(PermissionMessage),
    /// Any other type: relayed to the others unchanged (P2).
    Relay {
        /// The user that the message is for, if it says so. A plain client's is the page's own business (P3).
        to: Option<String>,
        /// The user that the message names as its author, if any.
        user_id: Option<String>,
    },
}

impl ClientMessage {
    /// Whether the message may change the room, and so may be gathered with other changes.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Join(_)
            | Self::Ready { .. }
            | Self::Change(_)
            | Self::Batch(_)
            | Self::Remove { .. }
            | Self::Permission(_) => true,
            Self::Sync { .. }
            | Self::Relay { .. }
            | Self::Hello(_)
            | Self::OtherProtocol
            | Self::Presence { .. }
            | Self::Auth { .. }
            | Self::Kick { .. } => false,
        }
    }

    /// Whether it sets or clears fields.
    pub fn is_of_fields(&self) -> bool {
        matches!(self, Self::Change(_) | Self::Batch(_))
    }

    /// Whether the newest pings are needed: the reply says when people were last seen, or an alarm is set.
    pub fn needs_pings(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::Hello(_) | Self::Permission(PermissionMessage::Request(_)))
    }

    /// The user that the message names as its author.
    pub fn author(&self) -> Option<&str> {
        match self {
            Self::Join(join) => Some(&join.user_id),
            Self::Ready { user_id, .. } => Some(user_id),
            Self::Change(change) => Some(change.user_id()),
            Self::Batch(changes) => changes.first().map(FieldChange::user_id),
            Self::Sync { user_id, .. } | Self::Relay { user_id, .. } | Self::Presence { user_id, .. } => {
                user_id.as_deref()
            }
            // In these, `userId` names the other party.
            Self::Permission(_) | Self::Kick { .. } | Self::Remove { .. } => None,
            Self::Hello(_) | Self::OtherProtocol | Self::Auth { .. } => None,
        }
    }

    /// Whether the message is the page's own.
    pub fn is_relayed(&self) -> bool {
        matches!(self, Self::Relay { .. })
    }

    /// The members that tell messages of this type apart, beside those of fields and people (E2). Stored outcomes depend on
    /// them, so they must stay the same from one build to the next.
    pub(super) fn content(kind: &str) -> &'static [&'static str] {
        match kind {
            _ if kind.starts_with("permission_") => &permission::CONTENT,
            "participant_removed" => &["userId"],
            _ => &[],
        }
    }

    /// Reads a message.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Refusal> {
        let (kind, members) = (reader.text("type")?, reader.members);
        let message = match kind.as_ref() {
            "user_joined" => Self::Join(people::read(reader)?),
            "user_ready" => Self::Ready { user_id: reader.user_id("userId")?, is_ready: reader.boolean("isReady")? },
            "field_selected" | "field_cleared" => Self::Change(fields::read(&kind, reader)?),
            "batch" => Self::Batch(fields::read_batch(reader)?),
            "sync_request" => Self::Sync {
                since: reader.version("since")?,
                epoch: reader.optional_text("epoch")?,
                user_id: reader.parsed("userId"),
            },
            "hello" if reader.is_integer("protocol") => {
                sync::read_hello(reader)?.map_or(Self::OtherProtocol, Self::Hello)
            }
            "presence" if members.contains_key("data") => {
                Self::Presence { data: presence::read_data(reader)?, user_id: reader.parsed("userId") }
            }
            "welcome" | "sync_response" | "changes" | "ack" | "conflict" | "error" | "user_left" => {
                return Err(Refusal::new(Code::ReservedType, format!("Only the server may send `{kind}`.")));
            }
            "auth" if reader.parsed::<String>("token").is_some() => Self::Auth { token: reader.token()? },
            "kick" => Self::Kick { user_id: reader.user_id("userId")? },
            "participant_removed" => Self::Remove { user_id: reader.user_id("userId")? },
            "permission_request" | "permission_response" | "permission_cancelled" | "permission_revoked" => {
                Self::Permission(permission::read(&kind, reader)?)
            }
            // A page must not mistake another page's message for the room's own presence frame.
            "presence" if members.contains_key("presence") => {
                return Err(Refusal::new(Code::ReservedType, "Only the server may send `presence` with a list."));
            }
            "people" if members.contains_key("joined") || members.contains_key("left") => {
                return Err(Refusal::new(Code::ReservedType, "Only the server may send `people` with these lists."));
            }
            _ => Self::Relay { to: reader.parsed("to"), user_id: reader.author()? },
        };
        Ok(message)
    }
}

/// A frame from the room. One of any other type is a page's own message, relayed unchanged (P2); so is a `presence`
/// without a list (F5).
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ServerFrame", optional_fields))]
pub enum ServerMessage<'a> {
    /// Someone joined, or has a new name (J1).
    UserJoined(UserJoined<'a>),
    /// A participant's last connection is gone (J4).
    UserLeft(UserLeft<'a>),
    /// Several people came and went (J9).
    People {
        /// Those who joined, or have a new name.
        joined: Vec<UserJoined<'a>>,
        /// Those whose last connection is gone.
        left: Vec<UserLeft<'a>>,
    },
    /// A participant is ready, or no longer is (J7).
    UserReady(UserReady<'a>),
    /// A participant who left was taken off the record (J10).
    ParticipantRemoved(ParticipantRemoved<'a>),
    /// A field was set (S8).
    FieldSelected(FieldSelected<'a>),
    /// A field was cleared (S8).
    FieldCleared(FieldCleared<'a>),
    /// A permission is requested (S8).
    PermissionRequest(RequestMade<'a>),
    /// A request is resolved (S8).
    PermissionResponse(RequestResolved<'a>),
    /// A request has ended without a response (S8).
    PermissionCancelled(RequestUnanswered<'a>),
    /// A permission is revoked (S8).
    PermissionRevoked(GrantRevoked<'a>),
    /// The room's full state (Y2); also the body of `GET /state` (H1).
    SyncResponse(Box<StateView<'a>>),
    /// What changed since the version that a client has (Y3, Y6).
    Changes(Box<ChangesView<'a>>),
    /// The reply to `hello` (Y4).
    Welcome(Box<WelcomeView<'a>>),
    /// What people are looking at, as far as it is new (P1).
    Presence {
        /// One entry per connection.
        presence: Vec<PresenceView<'a>>,
    },
    /// A write came too late: the field has changed since its writer last saw it (S4).
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
        /// What lost, and what to.
        #[serde(flatten)]
        conflict: ConflictView<'a>,
        /// Present, and true, if this was answered before.
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
    },
    /// A message was done (F3, E3).
    Ack {
        /// The message's `id`.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a MessageId>,
        /// The message's `seq`: it and all before it have been answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// The version that the message made, or the room's when it changed nothing.
        version: u64,
        /// Present, and true, if this was answered before, or the request was already settled (Q2).
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
        /// The status of a request that was already settled (Q2).
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
        /// How it was resolved, if it was.
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
        /// Present, and true, if retryable: the same message may succeed later.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<bool>,
        /// With the code `out_of_order`: the next `seq`.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected: Option<u64>,
        /// With the code `limit_rate`: after how many milliseconds to send the same message again.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<Millis>,
        /// What it is about, if the code does not say all (K3).
        #[serde(flatten)]
        about: &'a About,
        /// Present, and true, if this was answered before.
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

/// The frame that tells a client of a refusal. `is_duplicate`: the message had been refused before.
pub fn error(refusal: &Refusal, tag: &Tag, is_duplicate: bool) -> String {
    ServerMessage::Error {
        code: refusal.code.as_str(),
        message: &refusal.message,
        id: tag.id.as_ref(),
        seq: tag.number.map(|number| number.seq),
        retry: refusal.is_retryable.then_some(true),
        expected: refusal.expected,
        retry_after_ms: refusal.retry_after,
        about: refusal.about.as_deref().unwrap_or(&About::NOTHING),
        duplicate: is_duplicate.then_some(true),
    }
    .encode()
}

/// The frame that tells a client that its message was done. `record`: how the permission request it was about had
/// ended, if that is to be reported.
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
    /// The permission requests, including settled ones.
    pub requests: Vec<RequestView<'a>>,
    /// The permissions in force.
    pub permissions: Vec<GrantView<'a>>,
    /// Present, and true, if the client must discard what it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<bool>,
}

/// The name of a list, and what makes a change of a version and an entry.
type Listed = (&'static str, fn(u64, Json) -> ChangeView<'static>);

/// The lists in a full state whose entries also appear in `changes`, each with its version: the name of the list, and the
/// change that an entry of it becomes (H4).
pub const LISTED: [Listed; 2] = [
    ("requests", |version, request| ChangeView::Request(RequestChanged { version, request })),
    ("permissions", |version, grant| ChangeView::Grant(GrantChanged { version, grant, ended: None })),
];

impl<'a> StateView<'a> {
    /// A state with nothing but fields.
    pub fn new(version: u64, epoch: &'a str, time: Millis, selections: &'a Json) -> Self {
        Self {
            version,
            epoch,
            time,
            selections,
            participants: Vec::new(),
            presence: Vec::new(),
            requests: Vec::new(),
            permissions: Vec::new(),
            reset: None,
        }
    }
}

/// The body of `changes` (Y3, Y6).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ChangesView<'a> {
    /// The version that the client has.
    pub from: u64,
    /// The version that it has after these changes.
    pub to: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// What changed, the oldest first.
    pub changes: Vec<ChangeView<'a>>,
    /// Everyone on record, for a client that resumes. Not in a live frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Vec<ParticipantView<'a>>>,
    /// What people are looking at, for a client that resumes. Not in a live frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Vec<PresenceView<'a>>>,
    /// Present, and true, if a reader of events must discard what it had (H4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<bool>,
}

/// The state of something after its last change (Y5).
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "Change"))]
pub enum ChangeView<'a> {
    /// A field was set or cleared.
    Field(FieldChanged<'a>),
    /// A participant was recorded, renamed, or changed its ready flag.
    Participant(ParticipantChanged<'a>),
    /// A participant was taken off the record (J10).
    ParticipantRemoved(ParticipantRemoved<'a>),
    /// A permission request was made or settled.
    Request(RequestChanged),
    /// A permission was granted or ended.
    Grant(GrantChanged),
}

impl ChangeView<'_> {
    /// The change's version.
    pub fn version(&self) -> u64 {
        match self {
            Self::Field(change) => change.version,
            Self::Participant(change) => change.version,
            Self::ParticipantRemoved(change) => change.version,
            Self::Request(change) => change.version,
            Self::Grant(change) => change.version,
        }
    }
}

/// The body of `GET /changes`, if what changed is still known; otherwise the reply is that of `GET /state` (H2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChangesPage<'a> {
    /// The version that the changes follow.
    pub from: u64,
    /// The room's version.
    pub to: u64,
    /// The same, under the name that other responses use.
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

/// What a client sends. Any other `type` is a page's own message: it is passed on to others as it is (P2).
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(untagged)]
pub enum ClientFrame {
    /// How it arrives.
    Arrival(sync::ArrivalFrame),
    /// About its user.
    People(people::PeopleFrame),
    /// About fields.
    Fields(fields::FieldFrame),
    /// What it asks for.
    Sync(sync::SyncFrame),
    /// About presence.
    Presence(presence::PresenceFrame),
    /// About permissions.
    Permissions(permission::PermissionFrame),
    /// About other users.
    Moderation(people::ModerationFrame),
}
