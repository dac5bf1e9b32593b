//! What a client has and what it lacks: `hello` and its reply, the full state, changes (Y1 to Y6).

use serde::Serialize;

#[cfg(test)]
use super::fields::StoredSelection;
use super::json::Json;
use super::limits::Limits;
use super::people::{ParticipantView, RecordView};
use super::permission::{GrantView, RequestView};
use super::presence::PresenceView;
use super::reader::Reader;
use super::refusal::Refusal;
#[cfg(test)]
use super::role::Role;
use super::{Millis, PROTOCOL};

/// `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The client's outbox, under a name of its own choice (E1).
    pub client_id: String,
    /// The version that the client has, if any.
    pub since: Option<u64>,
    /// The life of the room that the client knows, if any (U8).
    pub epoch: Option<String>,
    /// The token, if the client has not presented one before (A1).
    pub token: Option<String>,
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
    /// The room's limits.
    pub limits: &'a Limits,
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
    /// A participant was recorded, renamed, or changed its ready flag.
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
        /// Its state.
        #[cfg_attr(test, ts(as = "RequestView<'static>"))]
        request: Json,
    },
    /// A permission was granted or ended.
    Grant {
        /// The change's version.
        version: u64,
        /// Its state, or its last one.
        #[cfg_attr(test, ts(as = "GrantView<'static>"))]
        grant: Json,
        /// Present, and true, if it has ended.
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

/// Reads `hello`: `None` for a protocol other than this one.
pub(super) fn read_hello(reader: &Reader<'_>) -> Result<Option<Hello>, Refusal> {
    if reader.parsed::<u64>("protocol") != Some(PROTOCOL) {
        return Ok(None);
    }
    let (client_id, since, epoch) = (reader.id("clientId")?, reader.version("since")?, reader.optional_text("epoch")?);
    let token = reader.optional("token").map(|_| reader.token()).transpose()?;
    Ok(Some(Hello { client_id, since, epoch, token }))
}
