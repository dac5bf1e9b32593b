//! What waits for the next flush beside the rows: frames, replies, attachments, closings. Filled while messages are
//! handled, emptied into a turn.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::connection::ConnectionId;
use crate::protocol::message::Tag;

use super::audience::Audience;
use super::connections::session::Session;
use super::records::fields::conflict::Conflict;
use super::turn::{Closing, Effect, Outgoing, PendingWriter, Written};

/// What waits for the next flush.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    /// Frames, in the order in which they go out.
    pub frames: Vec<Outgoing>,
    /// Replies to greeted clients, which follow the `changes` that cover them (Y6).
    pub replies: Vec<StagedReply>,
    /// The last number of each such client that was done and is not answered by name: its `seq` and version (E3).
    pub acks: BTreeMap<ConnectionId, (u64, u64)>,
    /// Who must be told if the commit fails.
    pub writers: Vec<PendingWriter>,
    /// Connections whose attachments have to be written.
    pub attach: BTreeSet<ConnectionId>,
    /// A connection that has just opened. Its attachment is written without counting as something that waits.
    pub arrived: Option<ConnectionId>,
    /// Connections whose presence is news, with the user of those that are gone.
    pub presence: BTreeMap<ConnectionId, Option<String>>,
    /// Connections to close, each with its session, if it had one.
    pub close: Vec<(Closing, Option<Session>)>,
    /// What takes time outside.
    pub effects: Vec<Effect>,
    /// The answer to a write over HTTP.
    pub written: Option<Written>,
    /// Whether all of this goes out in this event: something reads or is relayed, and takes along what came before it (F6).
    pub flush_now: bool,
}

/// A reply that waits for the `changes` before it.
#[derive(Debug, Clone)]
pub enum StagedReply {
    /// A frame as it is.
    Frame(Outgoing),
    /// Told as things stand when it leaves, since its writer has heard of all changes up to then.
    Conflict {
        /// The writer's connection.
        to: ConnectionId,
        /// By what it knows the answer.
        tag: Tag,
        /// What came too late.
        conflict: Conflict,
        /// Whether it was answered before.
        is_duplicate: bool,
        /// What is told instead if the commit fails, where that is known.
        if_lost: Option<String>,
    },
}

impl StagedReply {
    fn is_to(&self, connection: ConnectionId) -> bool {
        match self {
            Self::Frame(frame) => frame.audience == Audience::One(connection),
            Self::Conflict { to, .. } => *to == connection,
        }
    }
}

impl Outbox {
    /// Drops what is for a connection that is gone: it hears no changes any more, so it gets no answers to them either.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.attach.remove(&connection);
        self.acks.remove(&connection);
        self.replies.retain(|reply| !reply.is_to(connection));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.attach.is_empty() && self.tells_nothing() && self.presence.is_empty()
    }

    /// Whether nothing waits but attachments and presence.
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
