//! Who hears a frame. This is the only rule: a platform keeps each socket's [`Standing`] and asks
//! [`Audience::includes`]; it decides nothing by itself.

use crate::protocol::connection::ConnectionId;

use super::connections::session::Attachment;

/// Who receives a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// This connection, whatever its standing.
    One(ConnectionId),
    /// All connections but this one, or all if what they hear came over HTTP.
    Others(Option<ConnectionId>),
    /// All plain connections, except the author of what they hear.
    Plain {
        /// The author, if it has a connection.
        but: Option<ConnectionId>,
    },
    /// All greeted connections.
    Greeted,
}

/// What a connection gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Only what is meant for it alone: its token is still to come (A9).
    Unauthenticated,
    /// Each change on its own (S8).
    Plain,
    /// Changes gathered in frames: it has said `hello` (Y6).
    Greeted,
}

impl Standing {
    /// The standing of a socket with this attachment.
    pub fn of(attachment: &Attachment) -> Self {
        match (attachment.is_unauthenticated, &attachment.client) {
            (true, _) => Self::Unauthenticated,
            (false, None) => Self::Plain,
            (false, Some(_)) => Self::Greeted,
        }
    }
}

impl Audience {
    /// Whether a connection of this standing receives the frame.
    pub fn includes(self, connection: ConnectionId, standing: Standing) -> bool {
        match self {
            Self::One(one) => one == connection,
            Self::Others(sender) => standing != Standing::Unauthenticated && sender != Some(connection),
            Self::Plain { but } => standing == Standing::Plain && but != Some(connection),
            Self::Greeted => standing == Standing::Greeted,
        }
    }
}
