//! What the room wants done: plain data that the driver carries out, so that a test can look at a whole turn.

use crate::access::claims::Denial;
use crate::access::pass::Pass;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::json::Extra;
use crate::protocol::refusal::CloseCode;
use crate::protocol::tag::Tag;
use crate::sql::{Row, TableSql};

use super::audience::Audience;
use super::connections::session::Attachment;

/// What is to be done, in the order in which it is carried out. If the commit fails, no attachments are written, and
/// only those frames go out that are then true ([`When`]).
#[must_use]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// Written as a whole or not at all.
    pub commit: Vec<Write>,
    /// The writers of what is in the commit, who must be told if it fails.
    pub writers: Vec<PendingWriter>,
    /// What sockets must remember while the room sleeps.
    pub attach: Vec<(ConnectionId, Attachment)>,
    /// Frames, in order.
    pub outbox: Vec<Outgoing>,
    /// Effects to start. Each comes back as a [`Completion`].
    pub effects: Vec<Effect>,
    /// Whether the room's life has ended: everything it stored is deleted.
    pub erase: bool,
    /// Connections to close.
    pub close: Vec<Closing>,
    /// When the room must be woken, if that has changed.
    pub alarm: Option<Millis>,
    /// The response to a write over HTTP. It holds once the commit is made.
    pub written: Option<Written>,
}

/// One row to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Creates the tables of a room that has none.
    Create,
    /// The room's own row.
    Meta(Meta),
    /// Puts a row into a table, replacing the one with its key.
    Put(&'static TableSql, Row),
    /// Deletes the row with this key from a table.
    Delete(&'static TableSql, Row),
}

/// What the room keeps about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Which life of the room this is (U8).
    pub epoch: String,
    /// What was cleared or settled at or before this version may have been forgotten.
    pub floor: u64,
    /// When the room was last used. Written at most thirty times in the room's time to live, so it lags by up to a
    /// thirtieth of that.
    pub touched: Millis,
    /// The version of its kind; 0 for an open one (K6).
    pub kind: u64,
}

/// A writer whose change waits for its commit.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingWriter {
    /// Its connection.
    pub connection: ConnectionId,
    /// How it recognises the reply.
    pub tag: Tag,
}

/// A frame on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// To whom.
    pub audience: Audience,
    /// The frame.
    pub text: String,
    /// Whether it is true after the commit, or after its failure.
    pub when: When,
}

/// When a frame is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once the turn's commit is made.
    Committed,
    /// In any case: a refusal changed nothing, a connection that is gone is gone.
    Always,
    /// Only if the commit has failed, in place of what would have been sent.
    CommitFailed,
}

impl Outgoing {
    /// A frame that depends on its turn's commit.
    pub fn new(audience: Audience, text: String) -> Self {
        Self { audience, text, when: When::Committed }
    }

    /// A frame that is true whatever becomes of the commit.
    pub fn in_any_case(audience: Audience, text: String) -> Self {
        Self { audience, text, when: When::Always }
    }
}

/// Something that takes time outside the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Checks a token for this room.
    VerifyToken {
        /// The connection whose frame it came in.
        connection: ConnectionId,
        /// The token.
        token: String,
    },
}

/// The result of an [`Effect`].
#[derive(Debug)]
pub enum Completion {
    /// A token was checked.
    TokenVerified {
        /// The connection whose frame it came in.
        connection: ConnectionId,
        /// Whose it is, or why it does not count.
        outcome: Result<(String, Pass), Denial>,
    },
}

/// A connection to be closed by the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Which.
    pub connection: ConnectionId,
    /// The code (X2).
    pub code: CloseCode,
}

/// The response to a write over HTTP (H3).
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Done.
    Done {
        /// `{version, selection, duplicate?}`
        body: String,
        /// The tag of what the field holds now; `None` if it is not set.
        tag: Option<String>,
    },
    /// Not done: a problem with the members of a conflict (S4) or an error (F4).
    Problem {
        /// Stable, for programs.
        code: &'static str,
        /// For people.
        detail: String,
        /// Further members.
        members: Extra,
        /// The tag of what the field holds now; `None` if it is not set.
        tag: Option<String>,
    },
}
