//! What can happen to a room.

use std::fmt;

use crate::access::revocations::Revocation;
use crate::access::shares::Entry;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::write::RoomWrite;

use super::turn::Completion;

/// When each connection last pinged, for those that ever did: the runtime answers pings without waking the room. This
/// is a function, since looking them up costs a call for each socket and most events have no use for them.
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
        /// The right by which it enters, and from where.
        entry: Entry,
        /// When the alarm rings, if one is set.
        alarm: Option<Millis>,
    },
    /// A frame came.
    Frame {
        /// On which connection.
        from: ConnectionId,
        /// Its text; `None` for a binary one, which no rule has a use for (F1).
        text: Option<&'a str>,
        /// The newest pings.
        pings: Pings<'a>,
    },
    /// The frames in the platform's inbox are about to come. They are flushed together, even if a flush falls due
    /// before the last of them.
    Gathered,
    /// A connection is gone.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// Its last sign of life other than messages: its last ping, or now if it said goodbye.
        heard: Option<Millis>,
    },
    /// An effect has completed.
    Completed {
        /// Which, and with what result.
        completion: Completion,
        /// The newest pings.
        pings: Pings<'a>,
    },
    /// A field is written over HTTP (H3). The response is in the turn.
    Written(Box<RoomWrite>),
    /// The room is about to be read over HTTP: what the clock has brought about has to be stored first.
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
    /// A moderator deletes the room (H6).
    Deleted,
    /// The flush timer rang.
    Timer,
    /// The alarm rang, or is due. This may happen at any time.
    Alarm {
        /// The newest pings.
        pings: Pings<'a>,
    },
}
