//! What the room's gate remembers and storage does not: how much each user sends, which tokens were revoked a moment
//! ago, and frames whose token is being checked. It outlives the rest of the memory, which is dropped when a commit
//! fails or nobody is there.

use std::collections::{BTreeMap, VecDeque};

use crate::access::rates::Rates;
use crate::access::revocations::RecentRevocations;
use crate::protocol::connection::ConnectionId;
use crate::protocol::decode::Frame;

/// How many bytes a connection may send after its `hello` while the token is being checked.
const QUEUE_BYTES: usize = 256 * 1024;
/// What each queued frame counts for beside its text.
const QUEUE_ENTRY_BYTES: usize = 64;

/// What the gate remembers.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// How much each user sends.
    pub rates: Rates,
    /// Which tokens were revoked.
    pub revocations: RecentRevocations,
    /// Frames whose token is being checked, by connection.
    checks: BTreeMap<ConnectionId, Check>,
    /// Frames that were queued behind a check that has finished.
    released: VecDeque<(ConnectionId, Option<String>)>,
}

/// A frame whose token is being checked.
#[derive(Debug, Clone)]
struct Check {
    frame: Frame,
    /// The frames queued behind a `hello`, in order; `None` stands for a binary one. Behind an `auth` nothing is
    /// queued: the previous token is still valid.
    queue: Option<Vec<Option<String>>>,
}

/// Whether a frame was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// Its connection has no queue.
    No,
    /// It waits until the token before it has been checked.
    Yes,
    /// The queue is full.
    Overflow,
}

impl Gate {
    /// Queues a frame behind its connection's `hello`, if the token of that is being checked.
    pub fn queue(&mut self, from: ConnectionId, text: Option<&str>) -> Queued {
        let Some(queue) = self.checks.get_mut(&from).and_then(|check| check.queue.as_mut()) else { return Queued::No };
        queue.push(text.map(str::to_owned));
        let size = |text: &Option<String>| QUEUE_ENTRY_BYTES + text.as_ref().map_or(0, String::len);
        if queue.iter().map(size).sum::<usize>() > QUEUE_BYTES { Queued::Overflow } else { Queued::Yes }
    }

    /// Whether a token of this connection is being checked.
    pub fn is_checking(&self, connection: ConnectionId) -> bool {
        self.checks.contains_key(&connection)
    }

    /// Keeps a frame until its token has been checked. `is_first`: nothing counts before that, so what follows is
    /// queued.
    pub fn check(&mut self, connection: ConnectionId, frame: Frame, is_first: bool) {
        self.checks.insert(connection, Check { frame, queue: is_first.then(Vec::new) });
    }

    /// A token was checked. Returns the frame that it came in, or `None` if its connection is gone. What was queued
    /// behind it is released.
    pub fn checked(&mut self, connection: ConnectionId) -> Option<Frame> {
        let Check { frame, queue } = self.checks.remove(&connection)?;
        self.released.extend(queue.unwrap_or_default().into_iter().map(|text| (connection, text)));
        Some(frame)
    }

    /// The next released frame, if any.
    pub fn take_released(&mut self) -> Option<(ConnectionId, Option<String>)> {
        self.released.pop_front()
    }

    /// A connection is gone, and everything kept about it.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.checks.remove(&connection);
        self.released.retain(|(of, _)| *of != connection);
    }

    /// All connections are gone.
    pub fn forget_all(&mut self) {
        self.checks.clear();
        self.released.clear();
    }
}
