//! Which connections are whose, so that a question about one user or client need not look at everyone.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::protocol::connection::ConnectionId;

/// What a connection is found by.
#[derive(Debug, Clone, Copy, Hash)]
pub enum Name<'a> {
    /// Its user.
    User(&'a str),
    /// Its client.
    Client(&'a str),
}

/// The connections by hashes of their names. Names are not kept twice, so whoever finds a connection here has to see
/// whether the name is really its own.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeSet<(u64, ConnectionId)>);

impl Names {
    /// A connection has a name, or none yet.
    pub fn add(&mut self, name: Option<Name<'_>>, connection: ConnectionId) {
        self.0.extend(name.map(|name| (hash(name), connection)));
    }

    /// A connection has a name no longer.
    pub fn remove(&mut self, name: Option<Name<'_>>, connection: ConnectionId) {
        if let Some(name) = name {
            self.0.remove(&(hash(name), connection));
        }
    }

    /// The connections whose name has the same hash, in the order of their ids.
    pub fn of(&self, name: Name<'_>) -> impl Iterator<Item = ConnectionId> {
        let hash = hash(name);
        let from = (hash, ConnectionId::first_with(0));
        self.0.range(from..).take_while(move |(of, _)| *of == hash).map(|(_, connection)| *connection)
    }
}

fn hash(name: Name<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
