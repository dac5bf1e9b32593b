//! Why the room says no: the stable codes of errors and the codes with which connections are closed.

use serde::{Deserialize, Serialize};

/// The stable `code` of an `error` frame and of a problem over HTTP (F4, H5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "RefusalCode"))]
pub enum Code {
    /// The frame is not what its type asks for.
    BadMessage,
    /// The type is one that the server alone sends (F5).
    ReservedType,
    /// The role does not reach (A4), or it is nobody's own to do (Q2).
    Forbidden,
    /// The token is none that lets its bearer in (A1).
    Unauthorized,
    /// The message names another user than the connection's (J2).
    IdentityMismatch,
    /// The user has never joined this room (J3).
    NotJoined,
    /// The token was revoked (A8).
    Revoked,
    /// No such permission request is known (Q2, Q3).
    RequestNotFound,
    /// The author used the name for another permission request before (Q1).
    RequestIdReused,
    /// The number leaves some out (E2).
    OutOfOrder,
    /// The number was used for something else before (E2).
    SeqReused,
    /// The number was answered so long ago that nobody knows how (E4).
    OutcomeForgotten,
    /// The `Idempotency-Key` was used for something else before (H3).
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
    /// The detail of a permission request, or the reason of its answer, is too long.
    LimitDetail,
    /// The room has all the open permission requests it takes.
    LimitRequests,
    /// The user sends more than the room takes in that time.
    LimitRate,
    /// The room remembers all the idempotency keys it takes.
    LimitKeys,
    /// The room has all the fields it takes.
    LimitFields,
    /// The room has all the participants it takes, and all are online.
    LimitParticipants,
    /// The room keeps all the bytes it takes.
    LimitRoom,
    /// The room has all the connections it takes.
    LimitConnections,
    /// The storage did not take the change, or cannot be read.
    Storage,
    /// The token cannot be checked at the moment.
    Unavailable,
}

impl Code {
    /// The code as it stands in the frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::ReservedType => "reserved_type",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::IdentityMismatch => "identity_mismatch",
            Self::NotJoined => "not_joined",
            Self::Revoked => "revoked",
            Self::RequestNotFound => "request_not_found",
            Self::RequestIdReused => "request_id_reused",
            Self::OutOfOrder => "out_of_order",
            Self::SeqReused => "seq_reused",
            Self::OutcomeForgotten => "outcome_forgotten",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::LimitMessage => "limit_message",
            Self::LimitValue => "limit_value",
            Self::LimitName => "limit_name",
            Self::LimitDepth => "limit_depth",
            Self::LimitBatch => "limit_batch",
            Self::LimitPresence => "limit_presence",
            Self::LimitDetail => "limit_detail",
            Self::LimitRequests => "limit_requests",
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

    /// Whether the same message may succeed when it is sent again later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Storage
            | Self::Unavailable
            | Self::Forbidden
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
            | Self::SeqReused
            | Self::OutcomeForgotten
            | Self::IdempotencyKeyReused
            | Self::LimitMessage
            | Self::LimitValue
            | Self::LimitName
            | Self::LimitDepth
            | Self::LimitBatch
            | Self::LimitPresence
            | Self::LimitDetail
            | Self::LimitRequests
            | Self::LimitFields
            | Self::LimitParticipants
            | Self::LimitRoom => false,
        }
    }
}

/// A message that was not done: its code and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: Code,
    /// For people; says what to do.
    pub message: String,
    /// Whether the same message may succeed when it is sent again later.
    pub is_retryable: bool,
    /// With [`Code::OutOfOrder`]: the number that the room waits for.
    pub expected: Option<u64>,
}

impl Refusal {
    /// A refusal with a sentence of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_retryable: code.is_retryable(), expected: None }
    }

    /// The client must say `hello` first. What it says before may follow a `hello` that failed, so it may be sent again
    /// after one that does not.
    pub fn before_hello(what: &str) -> Self {
        let message = format!("Send `hello` before the first `{what}`.");
        Self { is_retryable: true, ..Self::new(Code::BadMessage, message) }
    }

    /// The `clientId` is another user's (E4).
    pub fn not_your_client() -> Self {
        Self::new(Code::IdentityMismatch, "This `clientId` belongs to another user. Generate a new random one.")
    }

    /// The client sent a number before the one that is next (E2).
    pub fn out_of_order(expected: u64) -> Self {
        let message = format!("The next `seq` is {expected}. Send again from there.");
        Self { expected: Some(expected), ..Self::new(Code::OutOfOrder, message) }
    }
}

/// Why the room, or the door before it, closes a connection (X2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Misuse, a bad room name for one. Do not retry.
    Misuse,
    /// No token, or none that lets its bearer in. Retry with another token.
    Unauthorized,
    /// The token is not for this room, or its origin is none that may come. Do not retry.
    Forbidden,
    /// The token was revoked (A8). Do not retry.
    Revoked,
    /// A moderator has closed it (A4). Do not retry.
    Kicked,
    /// No such kind of room. Do not retry.
    UnknownParty,
    /// The room was deleted (H6). Do not retry.
    Deleted,
    /// A newer connection of the same client took its place (E6). Do not retry.
    Replaced,
    /// The client speaks another protocol (Y4). Do not retry.
    Protocol,
    /// Silent for too long. Retry.
    Silent,
    /// Sent too much for too long (X1). Retry later.
    Rate,
    /// The room's storage cannot be read. Retry later.
    Unavailable,
    /// Reads too slowly. Retry.
    SlowReader,
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
            Self::Rate => 4429,
            Self::Unavailable => 4500,
            Self::SlowReader => 4508,
        }
    }

    /// The reason that goes with it, stable.
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
            Self::Rate => "limit_rate",
            Self::Unavailable => "unavailable",
            Self::SlowReader => "slow_reader",
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
