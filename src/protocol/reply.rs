//! Every frame that the room sends. The parts shared with responses over HTTP are in the file of their family;
//! PROTOCOL.md gives the shapes.

use serde::Serialize;

use super::Millis;
#[cfg(test)]
use super::fields::StoredSelection;
use super::json::{Extra, Json, encode};
use super::permission::{Resolution, Settlement, Status};
use super::refusal::Refusal;
use super::tag::{MessageId, Tag};

pub use super::fields::{ConflictView, WrittenBody, stored_selection};
pub use super::people::{ParticipantView, RecordView};
pub use super::permission::{GrantView, RequestView, ResolutionView};
pub use super::presence::PresenceView;
pub use super::sync::{ChangeView, ChangesPage, ChangesView, StateView, WelcomeView};

/// A frame from the room. One of any other type is a page's own message, relayed unchanged (P2); so is a `presence`
/// without a list (F5).
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ServerFrame", optional_fields))]
pub enum ServerMessage<'a> {
    /// Someone joined, or has a new name (J1).
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
    /// A participant is ready, or no longer is (J7).
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
    /// A permission is requested (S8).
    PermissionRequest {
        /// The author's name for the request.
        request_id: &'a str,
        /// The author.
        user_id: &'a str,
        /// What it is for.
        action: &'a str,
        /// Details, in the page's own form.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a Json>,
        /// When it was made.
        created_at: Millis,
        /// From when on no response reaches it.
        expires_at: Millis,
        /// The version that this change made.
        version: u64,
    },
    /// A request is resolved (S8).
    PermissionResponse {
        /// The author's name for the request.
        request_id: &'a str,
        /// The author.
        user_id: &'a str,
        /// The decision.
        #[serde(flatten)]
        resolution: &'a Resolution,
        /// The version that this change made.
        version: u64,
    },
    /// A request has ended without a response (S8).
    PermissionCancelled {
        /// The author's name for the request.
        request_id: &'a str,
        /// The author.
        user_id: &'a str,
        /// Present, and true, if nobody responded in time.
        #[serde(skip_serializing_if = "Option::is_none")]
        expired: Option<bool>,
        /// The version that this change made.
        version: u64,
    },
    /// A permission is revoked (S8).
    PermissionRevoked {
        /// What it was for.
        action: &'a str,
        /// Whose it was.
        user_id: &'a str,
        /// The version that this change made.
        version: u64,
    },
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
