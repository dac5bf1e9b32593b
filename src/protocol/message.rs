//! What clients send: a text frame becomes a [`Frame`] or a [`Refusal`] in one pass, and nothing later in the program
//! looks at unchecked input. Each family of messages is read in a file of its own; they meet here.

use super::json::{self, Json};
use super::limits::{Limits, NESTING};
use super::permission::{self, PermissionMessage};
use super::reader::{Reader, bad};
use super::refusal::{Code, Refusal};
use super::{fields, people, presence, sync, tag};

pub use super::fields::{FieldChange, Selection};
pub use super::json::Extra;
pub use super::people::Join;
pub use super::sync::Hello;
pub use super::tag::{MessageId, Number, Tag};

/// A decoded frame: its message, or why it was refused, and how to reply to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What the reply must carry.
    pub tag: Tag,
    /// The message, or the refusal that F1, F5 or X1 requires.
    pub message: Result<ClientMessage, Refusal>,
}

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
    /// A permission is requested, granted or denied, withdrawn or revoked (Q1 to Q4).
    Permission(PermissionMessage),
    /// Any other type: relayed to the others unchanged (P2).
    Relay {
        /// The user that the message names as its author, if any.
        user_id: Option<String>,
    },
}

impl ClientMessage {
    /// Whether the message may change the room, and so may be gathered with other changes.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Join(_) | Self::Ready { .. } | Self::Change(_) | Self::Batch(_) | Self::Permission(_) => true,
            Self::Sync { .. }
            | Self::Relay { .. }
            | Self::Hello(_)
            | Self::OtherProtocol
            | Self::Presence { .. }
            | Self::Auth { .. }
            | Self::Kick { .. } => false,
        }
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
            Self::Sync { user_id, .. } | Self::Relay { user_id } | Self::Presence { user_id, .. } => user_id.as_deref(),
            // In these, `userId` names the other party.
            Self::Permission(_) | Self::Kick { .. } => None,
            Self::Hello(_) | Self::OtherProtocol | Self::Auth { .. } => None,
        }
    }
}

impl Frame {
    /// Reads one text frame.
    pub fn decode(text: &str, limits: &Limits) -> Self {
        if text.len() > limits.message_bytes {
            let message = format!("The message is {} bytes long; the limit is {}.", text.len(), limits.message_bytes);
            return Self { tag: tag::of_oversized(text), message: Err(Refusal::new(Code::LimitMessage, message)) };
        }
        match json::object(text) {
            Err(error) => Self::refused(bad(format!("The frame is not a JSON object: {error}."))),
            Ok(object) => {
                let reader = Reader::of("message", &object.members, limits);
                let message = object.without_duplicate_keys().map_err(bad).and_then(|_| message(text, &reader));
                // What a page sends beside the protocol is its own business, including any `seq`.
                let is_relayed = matches!(message, Ok(ClientMessage::Relay { .. }));
                let tag = tag::of(&reader);
                let tag = if is_relayed { Tag { number: None, ..tag } } else { tag };
                Self { tag, message }
            }
        }
    }

    /// A frame that could not be read at all.
    pub fn refused(refusal: Refusal) -> Self {
        Self { tag: Tag::default(), message: Err(refusal) }
    }
}

fn message(text: &str, reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let members = reader.members;
    let glance = json::Glance::at(text);
    if glance.has_escapes && json::has_lone_surrogate(text) {
        return Err(bad("A string contains an unpaired surrogate."));
    }
    if glance.brackets > NESTING && json::depth(text) > NESTING {
        return Err(Refusal::new(Code::LimitDepth, format!("The message is nested deeper than {NESTING} levels.")));
    }
    let kind = reader.text("type")?;
    let message = match kind.as_ref() {
        "user_joined" => ClientMessage::Join(people::read(reader)?),
        "user_ready" => {
            ClientMessage::Ready { user_id: reader.user_id("userId")?, is_ready: reader.boolean("isReady")? }
        }
        "field_selected" | "field_cleared" => ClientMessage::Change(fields::read(&kind, reader)?),
        "batch" => ClientMessage::Batch(fields::read_batch(reader)?),
        "sync_request" => ClientMessage::Sync {
            since: reader.version("since")?,
            epoch: reader.optional_text("epoch")?,
            user_id: reader.parsed("userId"),
        },
        "hello" if reader.is_integer("protocol") => {
            sync::read_hello(reader)?.map_or(ClientMessage::OtherProtocol, ClientMessage::Hello)
        }
        "presence" if members.contains_key("data") => {
            ClientMessage::Presence { data: presence::read_data(reader)?, user_id: reader.parsed("userId") }
        }
        "welcome" | "sync_response" | "changes" | "ack" | "conflict" | "error" | "user_left" => {
            return Err(Refusal::new(Code::ReservedType, format!("Only the server may send `{kind}`.")));
        }
        "auth" if reader.parsed::<String>("token").is_some() => ClientMessage::Auth { token: reader.token()? },
        "kick" => ClientMessage::Kick { user_id: reader.user_id("userId")? },
        "permission_request" | "permission_response" | "permission_cancelled" | "permission_revoked" => {
            ClientMessage::Permission(permission::read(&kind, reader)?)
        }
        // A page must not mistake another page's message for the room's own presence frame.
        "presence" if members.contains_key("presence") => {
            return Err(Refusal::new(Code::ReservedType, "Only the server may send `presence` with a list."));
        }
        // So is an `id` of another form.
        _ => return Ok(ClientMessage::Relay { user_id: reader.author()? }),
    };
    if reader.optional("id").is_some_and(|raw| tag::message_id(raw).is_none()) {
        return Err(bad("`id` must be an integer or a string of 1 to 64 characters."));
    }
    if reader.optional("seq").is_some_and(|raw| tag::seq(raw).is_none()) {
        return Err(bad("`seq` must be an integer from 1 to 9007199254740991, without a fraction or an exponent."));
    }
    Ok(message)
}
