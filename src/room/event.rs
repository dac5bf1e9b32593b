//! What can happen to a room.

use std::fmt;

use crate::access::pass::Admission;
use crate::access::revocations::Revocation;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::write::FieldWrite;

use super::turn::Completion;

/// When each connection last pinged, for those that ever did: the runtime answers pings without waking the room. A
/// function, since to look them up costs a call for each socket and most events have no use for them.
#[derive(Clone, Copy)]
pub struct Pings<'a>(pub &'a dyn Fn() -> Vec<(ConnectionId, Millis)>);

impl fmt::Debug for Pings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pings")
    }
}

/// What can happen to a room.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection opened.
    Connected {
        /// Its name.
        connection: ConnectionId,
        /// By what right.
        entry: Admission,
        /// When the alarm rings, if one is set.
        alarm: Option<Millis>,
    },
    /// A frame came.
    Frame {
        /// On which connection.
        from: ConnectionId,
        /// What it says; `None` for a binary one, which no rule has a use for (F1).
        text: Option<&'a str>,
        /// The newest pings.
        pings: Pings<'a>,
    },
    /// Frames that the platform held until the flush timer are about to come. They are flushed together, though a flush
    /// may be due before the last of them.
    Gathered,
    /// A connection is gone.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// The last sign of it beside messages: its last ping, or now when it said goodbye.
        heard: Option<Millis>,
    },
    /// What an effect set going is done.
    Completed {
        /// What, and with what outcome.
        completion: Completion,
        /// The newest pings.
        pings: Pings<'a>,
    },
    /// Somebody without a socket writes a field (H3). The answer is in the turn.
    Written(FieldWrite),
    /// Somebody without a socket will read: what the clock has brought about has to be stored first.
    Read {
        /// The newest pings.
        pings: Pings<'a>,
    },
    /// Tokens of a user were revoked (A8).
    TokensRevoked {
        /// The user.
        user: &'a str,
        /// Which of the user's tokens.
        revocations: &'a [Revocation],
    },
    /// A moderator ends this life of the room (H6).
    Deleted,
    /// The flush timer rang.
    Timer,
    /// The alarm rang, or is due. It may do so at any time.
    Alarm {
        /// The newest pings.
        pings: Pings<'a>,
    },
}
