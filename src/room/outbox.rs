//! What waits for the next flush beside the rows: frames, replies, attachments, closes. Filled while events are
//! handled, emptied into a turn.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::connection::ConnectionId;
use crate::protocol::tag::Tag;

use super::comings::Comings;
use super::connections::session::Session;
use super::records::fields::conflict::Conflict;
use super::turn::{Closing, Effect, Outgoing, PendingWriter, When, Written};

/// What waits for the next flush.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    /// Frames, in the order in which they go out.
    pub frames: Vec<Outgoing>,
    /// Comings and goings in this segment, as far as greeted clients have to be told (J9).
    pub comings: Comings,
    /// Replies to greeted clients, which follow the `changes` that cover them (Y6).
    pub replies: Vec<StagedReply>,
    /// For each such client, the last number that was done and gets no ack of its own: its `seq` and version (E3).
    pub acks: BTreeMap<ConnectionId, (u64, u64)>,
    /// Participants who were removed since greeted clients were last told, each with the version of that (J10). No
    /// record says so any more.
    pub removed: Vec<(String, u64)>,
    /// Who must be told if the commit fails.
    pub writers: Vec<PendingWriter>,
    /// Connections whose attachments have to be written.
    pub attach: BTreeSet<ConnectionId>,
    /// A connection that has just opened. Its attachment is written, but does not count as something that waits.
    pub arrived: Option<ConnectionId>,
    /// Connections whose presence is new, with the user of those that are gone.
    pub presence: BTreeMap<ConnectionId, Option<String>>,
    /// Connections to close, each with its session, if it had one.
    pub close: Vec<(Closing, Option<Session>)>,
    /// Effects to start.
    pub effects: Vec<Effect>,
    /// The response to a write over HTTP.
    pub written: Option<Written>,
    /// The bytes of answers to readers that were made in this event.
    pub answered: usize,
    /// Whether all of this goes out in this event: something reads or is relayed, and flushes what came before it (F6).
    pub flush_now: bool,
}

/// A reply that follows the `changes` before it.
#[derive(Debug, Clone)]
pub enum StagedReply {
    /// A finished frame.
    Frame {
        /// The connection that it is for.
        to: ConnectionId,
        /// The frame.
        text: String,
        /// Whether it is true after the commit, or in any case.
        when: When,
    },
    /// A conflict, written when it is sent: its writer has by then heard of all changes up to it.
    Conflict {
        /// The writer's connection.
        to: ConnectionId,
        /// How it recognises the reply.
        tag: Tag,
        /// What came too late.
        conflict: Conflict,
        /// Whether it was answered before.
        is_duplicate: bool,
        /// What is sent instead if the commit fails, if that is known.
        if_lost: Option<String>,
    },
}

impl StagedReply {
    /// Whose it is.
    pub fn to(&self) -> ConnectionId {
        match self {
            Self::Frame { to, .. } | Self::Conflict { to, .. } => *to,
        }
    }
}

impl Outbox {
    /// Drops what is meant for a connection that is gone. Replies to it are dropped when their turn comes, so that many
    /// who go together do not each look at the replies to all.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.attach.remove(&connection);
        self.acks.remove(&connection);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.attach.is_empty() && self.tells_nothing() && self.presence.is_empty()
    }

    /// Whether nothing waits except attachments and presence.
    pub fn tells_nothing(&self) -> bool {
        self.writers.is_empty()
            && self.frames.is_empty()
            && self.replies.is_empty()
            && self.acks.is_empty()
            && self.close.is_empty()
            && self.effects.is_empty()
            && self.written.is_none()
    }
}
