//! Permissions: the messages that request, grant, deny, withdraw and revoke them, and the frames that report it (Q1 to
//! Q4).

use serde::{Deserialize, Serialize};

use crate::protocol::Millis;
use crate::protocol::json::Json;
use crate::protocol::reader::{Reader, bad};
use crate::protocol::refusal::{Code, Refusal};
#[cfg(test)]
use crate::protocol::tag::MessageId;

/// The default time to live of a request, in milliseconds: five minutes (Q3).
pub const DEFAULT_WAIT: Millis = 300_000;
/// The longest time to live of a request, in milliseconds: a day (Q3).
pub const LONGEST_WAIT: Millis = 86_400_000;

/// The members that distinguish one such message from another (E2).
pub(super) const CONTENT: [&str; 8] =
    ["requestId", "action", "decision", "scope", "ttlMs", "detail", "reason", "userId"];

/// A message about permissions.
#[derive(Debug, Clone, PartialEq)]
pub enum PermissionMessage {
    /// `permission_request`: somebody asks for a permission (Q1).
    Request(NewRequest),
    /// `permission_response`: somebody else allows or denies it (Q2).
    Response(Response),
    /// `permission_cancelled`: its author withdraws the request (Q3).
    Cancel {
        /// The author's name for the request.
        request_id: String,
    },
    /// `permission_revoked`: a permission is revoked (Q4).
    Revoke {
        /// Whose permission it is.
        user_id: String,
        /// What it is for.
        action: String,
    },
}

/// A request for a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// The author's own name for it.
    pub request_id: String,
    /// What it is for.
    pub action: String,
    /// Details, in the page's own form.
    pub detail: Option<Json>,
    /// How long it stays open, in milliseconds.
    pub time_to_live: Millis,
}

/// A response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Who asked.
    pub author: String,
    /// The author's name for the request.
    pub request_id: String,
    /// The decision.
    pub decision: Decision,
    /// How far it goes.
    pub scope: Scope,
    /// Why, for people.
    pub reason: Option<String>,
}

/// The decision on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Decision {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

/// How far an allowance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Scope {
    /// For this once: nothing remains of it.
    Once,
    /// Until it is revoked.
    Session,
}

/// How a request was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Resolution {
    /// The decision.
    pub decision: Decision,
    /// How far it goes.
    pub scope: Scope,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who responded.
    pub resolved_by: String,
}

/// How a request ended. It is stored in this form, so its names must not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case", try_from = "SettlementRow")]
pub enum Settlement {
    /// It was answered.
    Resolved(Resolution),
    /// Its author withdrew it.
    Cancelled,
    /// Nobody responded in time.
    Expired,
}

/// A settlement as stored. The code that serde generates to read a tagged enum is many times the size of this.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettlementRow {
    status: Status,
    decision: Option<Decision>,
    scope: Option<Scope>,
    reason: Option<String>,
    resolved_by: Option<String>,
}

/// The status of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "RequestStatus"))]
pub enum Status {
    /// It waits.
    Pending,
    /// It was answered.
    Resolved,
    /// Its author withdrew it.
    Cancelled,
    /// Nobody responded in time.
    Expired,
}

impl TryFrom<SettlementRow> for Settlement {
    type Error = &'static str;

    fn try_from(row: SettlementRow) -> Result<Self, Self::Error> {
        match (row.status, row.decision, row.scope, row.resolved_by) {
            (Status::Resolved, Some(decision), Some(scope), Some(resolved_by)) => {
                Ok(Self::Resolved(Resolution { decision, scope, reason: row.reason, resolved_by }))
            }
            (Status::Resolved, _, _, _) => Err("an answer lacks a part"),
            (Status::Pending, _, _, _) => Err("a request that waits has not ended"),
            (Status::Cancelled, _, _, _) => Ok(Self::Cancelled),
            (Status::Expired, _, _, _) => Ok(Self::Expired),
        }
    }
}

impl Settlement {
    /// The status of a request that ended like this.
    pub fn status(&self) -> Status {
        match self {
            Self::Resolved(_) => Status::Resolved,
            Self::Cancelled => Status::Cancelled,
            Self::Expired => Status::Expired,
        }
    }

    /// The resolution, if there was one.
    pub fn resolution(&self) -> Option<&Resolution> {
        match self {
            Self::Resolved(resolution) => Some(resolution),
            Self::Cancelled | Self::Expired => None,
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
    /// Details, in the page's own form; null if there are none.
    #[cfg_attr(test, ts(as = "Json"))]
    pub detail: Option<&'a Json>,
    /// Its status.
    pub status: Status,
    /// How it was resolved, if it was.
    #[serde(flatten)]
    pub resolution: ResolutionView<'a>,
    /// When it was made.
    pub created_at: Millis,
    /// From when on no response reaches it.
    pub expires_at: Millis,
    /// The version that made or settled it.
    pub version: u64,
}

/// How a permission request was resolved; empty if it was not.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ResolutionView<'a> {
    /// The decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// How far it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// Who responded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<&'a str>,
}

impl<'a> ResolutionView<'a> {
    /// That of a request that ended like this.
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
    /// Who granted it.
    pub granted_by: &'a str,
    /// When.
    pub granted_at: Millis,
    /// The version that granted or ended it.
    pub version: u64,
}

/// The body of the `permission_request` that others get (S8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct RequestMade<'a> {
    /// The author's name for the request.
    pub request_id: &'a str,
    /// The author.
    pub user_id: &'a str,
    /// What it is for.
    pub action: &'a str,
    /// Details, in the page's own form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a Json>,
    /// When it was made.
    pub created_at: Millis,
    /// From when on no response reaches it.
    pub expires_at: Millis,
    /// The version that this change made.
    pub version: u64,
}

/// The body of the `permission_response` that others get (S8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RequestResolved<'a> {
    /// The author's name for the request.
    pub request_id: &'a str,
    /// The author.
    pub user_id: &'a str,
    /// The decision.
    #[serde(flatten)]
    pub resolution: &'a Resolution,
    /// The version that this change made.
    pub version: u64,
}

/// The body of `permission_cancelled` (S8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct RequestUnanswered<'a> {
    /// The author's name for the request.
    pub request_id: &'a str,
    /// The author.
    pub user_id: &'a str,
    /// Present, and true, if nobody responded in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<bool>,
    /// The version that this change made.
    pub version: u64,
}

/// The body of `permission_revoked` (S8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GrantRevoked<'a> {
    /// What it was for.
    pub action: &'a str,
    /// Whose it was.
    pub user_id: &'a str,
    /// The version that this change made.
    pub version: u64,
}

/// A change of the kind `request` (Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RequestChanged {
    /// The change's version.
    pub version: u64,
    /// Its state.
    #[cfg_attr(test, ts(as = "RequestView<'static>"))]
    pub request: Json,
}

/// A change of the kind `grant` (Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GrantChanged {
    /// The change's version.
    pub version: u64,
    /// Its state, or its last one.
    #[cfg_attr(test, ts(as = "GrantView<'static>"))]
    pub grant: Json,
    /// Present, and true, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ended: Option<bool>,
}

/// Reads a message of one of the four kinds.
pub(super) fn read(kind: &str, reader: &Reader<'_>) -> Result<PermissionMessage, Refusal> {
    match kind {
        "permission_request" => request(reader).map(PermissionMessage::Request),
        "permission_response" => response(reader).map(PermissionMessage::Response),
        "permission_cancelled" => Ok(PermissionMessage::Cancel { request_id: reader.id("requestId")? }),
        _ => Ok(PermissionMessage::Revoke { user_id: reader.user_id("userId")?, action: reader.id("action")? }),
    }
}

fn request(reader: &Reader<'_>) -> Result<NewRequest, Refusal> {
    let (request_id, action) = (reader.id("requestId")?, reader.id("action")?);
    let detail = reader.optional("detail").map(Json::from);
    within("detail", detail.as_ref().map_or(0, |detail| detail.text().len()), reader)?;
    let time_to_live = match reader.optional("ttlMs") {
        None => DEFAULT_WAIT,
        Some(_) => {
            let wait = reader.parsed("ttlMs").filter(|wait| (1..=LONGEST_WAIT).contains(wait));
            wait.ok_or_else(|| bad(format!("`ttlMs` must be an integer from 1 to {LONGEST_WAIT}.")))?
        }
    };
    Ok(NewRequest { request_id, action, detail, time_to_live })
}

fn response(reader: &Reader<'_>) -> Result<Response, Refusal> {
    let (request_id, author) = (reader.id("requestId")?, reader.user_id("userId")?);
    let decision = match reader.text("decision")?.as_ref() {
        "allow" => Decision::Allow,
        "deny" => Decision::Deny,
        _ => return Err(bad("`decision` must be \"allow\" or \"deny\".")),
    };
    let scope = match reader.optional_text("scope")?.as_deref() {
        Some("once") => Scope::Once,
        Some("session") => Scope::Session,
        // A denial concerns the one request, whatever its scope would have been.
        None if decision == Decision::Deny => Scope::Once,
        Some(_) | None => return Err(bad("`scope` must be \"once\" or \"session\".")),
    };
    let reason = reader.optional_text("reason")?;
    within("reason", reason.as_ref().map_or(0, String::len), reader)?;
    Ok(Response { author, request_id, decision, scope, reason })
}

fn within(key: &str, size: usize, reader: &Reader<'_>) -> Result<(), Refusal> {
    let limit = reader.limits.detail_bytes;
    if size <= limit {
        return Ok(());
    }
    Err(Refusal::new(Code::LimitDetail, format!("`{key}` is {size} bytes long; the limit is {limit}.")))
}

/// What is sent about permissions, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum PermissionFrame {
    /// Asks for a permission (Q1).
    PermissionRequest {
        /// A name of the author's own choice, a new one for each request.
        request_id: String,
        /// What it is for.
        action: String,
        /// Details, in the page's own form.
        detail: Option<Json>,
        /// How long it waits for an answer, in milliseconds: up to a day, and five minutes when left out.
        ttl_ms: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Answers somebody else's request (Q2).
    PermissionResponse {
        /// The author's name for the request.
        request_id: String,
        /// The author.
        user_id: String,
        /// The decision.
        decision: Decision,
        /// How far it goes.
        scope: Scope,
        /// Why, for people.
        reason: Option<String>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Takes the author's own request back (Q3).
    PermissionCancelled {
        /// The author's name for the request.
        request_id: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Takes a permission back (Q4).
    PermissionRevoked {
        /// Whose it is.
        user_id: String,
        /// What it is for.
        action: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
}
