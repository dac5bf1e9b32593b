//! Why the room says no: the stable codes of errors and the codes with which connections are closed.

use super::message::MessageId;

/// The stable `code` of an `error` frame and of a problem over HTTP (F4, H5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The frame is not what its type asks for.
    BadMessage,
    /// The type is one that the server alone sends (F5).
    ReservedType,
    /// The type belongs to the protocol and this release does not serve it.
    NotSupported,
    /// The message names another user than the connection's (J2).
    IdentityMismatch,
    /// The user has never joined this room (J3).
    NotJoined,
    /// The frame is too long.
    LimitMessage,
    /// The value is too long.
    LimitValue,
    /// A field name, an id or a user name is too long.
    LimitName,
    /// The frame is nested too deeply.
    LimitDepth,
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
}

impl Code {
    /// The code as it stands in the frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::ReservedType => "reserved_type",
            Self::NotSupported => "not_supported",
            Self::IdentityMismatch => "identity_mismatch",
            Self::NotJoined => "not_joined",
            Self::LimitMessage => "limit_message",
            Self::LimitValue => "limit_value",
            Self::LimitName => "limit_name",
            Self::LimitDepth => "limit_depth",
            Self::LimitFields => "limit_fields",
            Self::LimitParticipants => "limit_participants",
            Self::LimitRoom => "limit_room",
            Self::LimitConnections => "limit_connections",
            Self::Storage => "storage",
        }
    }

    /// Whether the same message may succeed when it is sent again later.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Storage | Self::LimitConnections => true,
            Self::BadMessage
            | Self::ReservedType
            | Self::NotSupported
            | Self::IdentityMismatch
            | Self::NotJoined
            | Self::LimitMessage
            | Self::LimitValue
            | Self::LimitName
            | Self::LimitDepth
            | Self::LimitFields
            | Self::LimitParticipants
            | Self::LimitRoom => false,
        }
    }
}

/// A message that was not done: its code, a sentence for people, and the `id` that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: Code,
    /// For people; says what to do.
    pub message: String,
    /// The `id` of the refused message, where it could be read.
    pub id: Option<MessageId>,
}

impl Refusal {
    /// A refusal that answers no particular `id` yet.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), id: None }
    }

    /// The same refusal as the answer to `id`.
    #[must_use]
    pub fn answering(self, id: Option<MessageId>) -> Self {
        Self { id, ..self }
    }
}

/// The code with which the room, or the door before it, closes a connection (X2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Misuse, a bad room name for one. Do not retry.
    Misuse = 4400,
    /// No such kind of room. Do not retry.
    UnknownParty = 4404,
    /// Silent for too long. Retry.
    Silent = 4408,
    /// The room's storage cannot be read. Retry later.
    Unavailable = 4500,
    /// Reads too slowly. Retry.
    SlowReader = 4508,
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The reason that goes with it, stable.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Misuse => "misuse",
            Self::UnknownParty => "unknown_party",
            Self::Silent => "silent",
            Self::Unavailable => "unavailable",
            Self::SlowReader => "slow_reader",
        }
    }
}
