//! What a client has and what it lacks: `hello` and its answer, all of the state, what changed (Y1 to Y6).

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
    /// The client's outbox, by a name of its own choice (E1).
    pub client_id: String,
    /// The version that the client has, if it has one.
    pub since: Option<u64>,
    /// The life of the room that the client knows, if it knows one (U8).
    pub epoch: Option<String>,
    /// By what right the client comes, where it did not say so before (A1).
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
    /// What the room takes.
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

/// Reads `hello`: `None` for another protocol than this one.
pub(super) fn read_hello(reader: &Reader<'_>) -> Result<Option<Hello>, Refusal> {
    if reader.parsed::<u64>("protocol") != Some(PROTOCOL) {
        return Ok(None);
    }
    let (client_id, since, epoch) = (reader.id("clientId")?, reader.version("since")?, reader.optional_text("epoch")?);
    let token = reader.members.contains_key("token").then(|| reader.token()).transpose()?;
    Ok(Some(Hello { client_id, since, epoch, token }))
}
