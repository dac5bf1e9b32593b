//! Refusals: the stable codes of errors, and the codes with which connections are closed.

use serde::{Deserialize, Serialize};

use super::Millis;
use super::json::{self, Extra, Json};

/// The stable `code` of an `error` frame and of a problem over HTTP (F4, H5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "RefusalCode"))]
pub enum Code {
    /// The frame is not what its type requires.
    BadMessage,
    /// Only the server sends this type (F5).
    ReservedType,
    /// The role is insufficient (A4), or the user may not do this to their own request (Q2).
    Forbidden,
    /// The token does not let its bearer in (A1).
    Unauthorized,
    /// The message names a user other than the connection's (J2).
    IdentityMismatch,
    /// The user has never joined this room (J3).
    NotJoined,
    /// The participant is online, and stays on record (J10).
    ParticipantOnline,
    /// The token was revoked (A8).
    Revoked,
    /// There is no such permission request (Q2, Q3).
    RequestNotFound,
    /// The author has used the name for a different permission request (Q1).
    RequestIdReused,
    /// The field's schema does not permit the value (K3).
    InvalidValue,
    /// The kind of room has no such field (K2).
    UnknownField,
    /// A number was skipped (E2).
    OutOfOrder,
    /// The number was used for a different message (E2).
    SeqReused,
    /// The outcome of the number is no longer recorded (E4).
    OutcomeForgotten,
    /// The field or the room is not as `If-Match` or `If-None-Match` requires (H3, H7).
    PreconditionFailed,
    /// The `Idempotency-Key` was used for a different request (H3).
    IdempotencyKeyReused,
    /// The frame is too long.
    LimitMessage,
    /// The value is too long.
    LimitValue,
    /// A field name, an id or a user name is too long.
    LimitName,
    /// The frame is nested too deeply.
    LimitDepth,
    /// A batch has too many changes.
    LimitBatch,
    /// The data of a presence is too long.
    LimitPresence,
    /// The detail of a permission request, or the reason of a response, is too long.
    LimitDetail,
    /// The room has reached its limit of open permission requests.
    LimitRequests,
    /// The room has reached its limit of permissions in force.
    LimitPermissions,
    /// The rate limit is exceeded.
    LimitRate,
    /// The room has reached its limit of idempotency keys.
    LimitKeys,
    /// The room has reached its limit of fields.
    LimitFields,
    /// The room has reached its limit of participants, and all are online.
    LimitParticipants,
    /// The room has reached its limit of bytes.
    LimitRoom,
    /// The room has reached its limit of connections.
    LimitConnections,
    /// The storage rejected the change, or cannot be read.
    Storage,
    /// The token cannot be checked at the moment.
    Unavailable,
}

impl Code {
    /// The code as it appears in the frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::ReservedType => "reserved_type",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::IdentityMismatch => "identity_mismatch",
            Self::NotJoined => "not_joined",
            Self::ParticipantOnline => "participant_online",
            Self::Revoked => "revoked",
            Self::RequestNotFound => "request_not_found",
            Self::RequestIdReused => "request_id_reused",
            Self::InvalidValue => "invalid_value",
            Self::UnknownField => "unknown_field",
            Self::OutOfOrder => "out_of_order",
            Self::SeqReused => "seq_reused",
            Self::OutcomeForgotten => "outcome_forgotten",
            Self::PreconditionFailed => "precondition_failed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::LimitMessage => "limit_message",
            Self::LimitValue => "limit_value",
            Self::LimitName => "limit_name",
            Self::LimitDepth => "limit_depth",
            Self::LimitBatch => "limit_batch",
            Self::LimitPresence => "limit_presence",
            Self::LimitDetail => "limit_detail",
            Self::LimitRequests => "limit_requests",
            Self::LimitPermissions => "limit_permissions",
            Self::LimitRate => "limit_rate",
            Self::LimitKeys => "limit_keys",
            Self::LimitFields => "limit_fields",
            Self::LimitParticipants => "limit_participants",
            Self::LimitRoom => "limit_room",
            Self::LimitConnections => "limit_connections",
            Self::Storage => "storage",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether it is retryable: the same message may succeed later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Storage
            | Self::Unavailable
            | Self::Forbidden
            | Self::ParticipantOnline
            | Self::LimitConnections
            | Self::LimitKeys
            | Self::LimitRate
            | Self::OutOfOrder => true,
            Self::BadMessage
            | Self::ReservedType
            | Self::Unauthorized
            | Self::Revoked
            | Self::IdentityMismatch
            | Self::NotJoined
            | Self::RequestNotFound
            | Self::RequestIdReused
            | Self::InvalidValue
            | Self::UnknownField
            | Self::SeqReused
            | Self::OutcomeForgotten
            | Self::PreconditionFailed
            | Self::IdempotencyKeyReused
            | Self::LimitMessage
            | Self::LimitValue
            | Self::LimitName
            | Self::LimitDepth
            | Self::LimitBatch
            | Self::LimitPresence
            | Self::LimitDetail
            | Self::LimitRequests
            | Self::LimitPermissions
            | Self::LimitFields
            | Self::LimitParticipants
            | Self::LimitRoom => false,
        }
    }
}

/// Why a message was not done: a code, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: Code,
    /// A sentence for people that says what to do.
    pub message: String,
    /// Whether it is retryable: the same message may succeed later.
    pub is_retryable: bool,
    /// With [`Code::OutOfOrder`]: the next number.
    pub expected: Option<u64>,
    /// With [`Code::LimitRate`]: after how many milliseconds the same message will be within the rate.
    pub retry_after: Option<Millis>,
    /// What it is about, if its code does not say all.
    pub about: Option<Box<About>>,
}

/// What a refusal is about, as members of the reply. They are recorded with a numbered message's outcome, so that the
/// refusal is told again in full (K3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct About {
    /// The field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where in the value, as a JSON Pointer; empty for all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which keyword of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
}

impl About {
    /// Nothing in particular.
    pub const NOTHING: Self = Self { field: None, path: None, keyword: None };

    /// A field.
    pub fn field(name: &str) -> Self {
        Self { field: Some(name.to_owned()), ..Self::default() }
    }

    /// Reads what it is written as. `None`: it is not an object.
    pub fn parse(text: &str) -> Option<Self> {
        let object = json::object(text).ok()?;
        let member =
            |name| object.members.get(name).and_then(|raw| json::string(raw.get())).map(|text| text.into_owned());
        Some(Self { field: member("field"), path: member("path"), keyword: member("keyword") })
    }

    /// The same as members of a problem over HTTP (H5).
    pub fn members(&self) -> Extra {
        let Self { field, path, keyword } = self;
        let all = [("field", field), ("path", path), ("keyword", keyword)];
        all.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Json::of(text.as_ref()?)))).collect()
    }
}

impl Refusal {
    /// A refusal with this sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let is_retryable = code.is_retryable();
        Self { code, message: message.into(), is_retryable, expected: None, retry_after: None, about: None }
    }

    /// A final refusal of this, which trying again does not change.
    pub fn about(code: Code, message: impl Into<String>, about: About) -> Self {
        Self { is_retryable: false, about: Some(Box::new(about)), ..Self::new(code, message) }
    }

    /// The client must send `hello` first. The message may have followed a `hello` that failed, so it is retryable
    /// after one that succeeds.
    pub fn before_hello(what: &str) -> Self {
        let message = format!("Send `hello` before the first `{what}`.");
        Self { is_retryable: true, ..Self::new(Code::BadMessage, message) }
    }

    /// The `clientId` belongs to another user (E4).
    pub fn not_your_client() -> Self {
        Self::new(Code::IdentityMismatch, "This `clientId` belongs to another user. Generate a new random one.")
    }

    /// The client sent a number ahead of the next one (E2).
    pub fn out_of_order(expected: u64) -> Self {
        let message = format!("The next `seq` is {expected}. Send again from there.");
        Self { expected: Some(expected), ..Self::new(Code::OutOfOrder, message) }
    }
}

/// Why the room, or the door in front of it, closes a connection (X2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Misuse, such as a bad room name. Do not retry.
    Misuse,
    /// No token, or one that does not let its bearer in. Retry with another token.
    Unauthorized,
    /// The token is not for this room, or the origin is not allowed. Do not retry.
    Forbidden,
    /// The token was revoked (A8). Do not retry.
    Revoked,
    /// A moderator closed it (A4). Do not retry.
    Kicked,
    /// No such kind of room. Do not retry.
    UnknownParty,
    /// The room was deleted (H6). Do not retry.
    Deleted,
    /// A newer connection of the same client replaced it (E6). Do not retry.
    Replaced,
    /// The client speaks another protocol (Y4). Do not retry.
    Protocol,
    /// The page was made for an older version of the kind of room (K6). Do not retry.
    Outdated,
    /// Silent for too long. Retry.
    Silent,
    /// The rate limit was exceeded for too long (X1). Retry later.
    Rate,
    /// The room's storage cannot be read. Retry later.
    Unavailable,
    /// Reads too slowly. Retry.
    SlowReader,
    /// The room is full, and its user or network had the most of its connections (X1). Retry later.
    GaveWay,
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Misuse => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden | Self::Revoked | Self::Kicked => 4403,
            Self::UnknownParty => 4404,
            Self::Silent => 4408,
            Self::Deleted => 4409,
            Self::Replaced => 4410,
            Self::Protocol => 4426,
            Self::Outdated => 4427,
            Self::Rate => 4429,
            Self::Unavailable => 4500,
            Self::SlowReader => 4508,
            Self::GaveWay => 4503,
        }
    }

    /// The stable reason that goes with it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Misuse => "misuse",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Revoked => "revoked",
            Self::Kicked => "kicked",
            Self::UnknownParty => "unknown_party",
            Self::Silent => "silent",
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Protocol => "protocol",
            Self::Outdated => "outdated",
            Self::Rate => "limit_rate",
            Self::Unavailable => "unavailable",
            Self::SlowReader => "slow_reader",
            Self::GaveWay => "limit_connections",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_a_code_is_stored_by_the_name_it_has_on_the_wire() {
        for code in [Code::BadMessage, Code::SeqReused, Code::LimitRoom, Code::IdempotencyKeyReused] {
            assert_eq!(crate::protocol::json::encode(&code), format!("\"{}\"", code.as_str()));
        }
    }
}
