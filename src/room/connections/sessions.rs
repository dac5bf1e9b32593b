//! All open connections of a room, with their counts and deadlines.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::pass::{Credentials, Pass};
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;

use super::session::Session;

/// How long a connection may stay unauthenticated, in milliseconds (A9).
pub const TOKEN_WAIT: Millis = 10_000;

/// The open connections.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    by_id: BTreeMap<ConnectionId, Session>,
    greeted: usize,
    /// No token expires before this.
    next_expiry: Option<Millis>,
    /// Unauthenticated connections, with when they opened. They are in no count but their own, and see nothing (A9).
    unauthenticated: Vec<(ConnectionId, Millis)>,
}

impl Sessions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many have said `hello`.
    pub fn greeted(&self) -> usize {
        self.greeted
    }

    /// How many plain ones there are other than this one.
    pub fn plain_but(&self, connection: Option<ConnectionId>) -> usize {
        let one = connection.and_then(|connection| self.get(connection));
        let is_plain = one.is_some_and(|session| session.client().is_none());
        self.len() - self.greeted - usize::from(is_plain)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Session)> {
        self.by_id.iter().map(|(connection, session)| (*connection, session))
    }

    /// A connection.
    pub fn get(&self, connection: ConnectionId) -> Option<&Session> {
        self.by_id.get(&connection)
    }

    /// A connection, mutably.
    pub fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        self.by_id.get_mut(&connection)
    }

    /// Adds a connection.
    pub fn insert(&mut self, connection: ConnectionId, session: Session) {
        self.next_expiry = self.next_expiry.into_iter().chain(session.pass().map(|pass| pass.expires)).min();
        self.greeted += usize::from(session.client().is_some());
        self.by_id.insert(connection, session);
    }

    /// A connection has said `hello`.
    pub fn greet(&mut self, connection: ConnectionId, client: String) {
        if let Some(session) = self.by_id.get_mut(&connection) {
            self.greeted += usize::from(session.client().is_none());
            session.greet(client);
        }
    }

    /// A connection has presented another token.
    pub fn renew(&mut self, connection: ConnectionId, pass: Pass) {
        if let Some(mut session) = self.remove(connection) {
            session.access = Credentials::Pass(pass);
            self.insert(connection, session);
        }
    }

    /// The connections whose token has expired.
    pub fn expired(&mut self, now: Millis) -> Vec<ConnectionId> {
        if self.next_expiry.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let expiry = |session: &Session| session.pass().map(|pass| pass.expires);
        self.next_expiry = self.by_id.values().filter_map(expiry).filter(|at| *at > now).min();
        let expired = self.iter().filter(|(_, session)| expiry(session).is_some_and(|at| at <= now));
        expired.map(|(connection, _)| connection).collect()
    }

    /// Adds an unauthenticated connection that opened at this time.
    pub fn insert_unauthenticated(&mut self, connection: ConnectionId, since: Millis) {
        self.unauthenticated.push((connection, since));
    }

    /// Whether a connection is unauthenticated.
    pub fn is_unauthenticated(&self, connection: ConnectionId) -> bool {
        self.unauthenticated.iter().any(|(of, _)| *of == connection)
    }

    /// How many unauthenticated connections there are.
    pub fn unauthenticated(&self) -> usize {
        self.unauthenticated.len()
    }

    /// Removes an unauthenticated connection. Returns whether there was one.
    pub fn remove_unauthenticated(&mut self, connection: ConnectionId) -> bool {
        let before = self.unauthenticated.len();
        self.unauthenticated.retain(|(of, _)| *of != connection);
        self.unauthenticated.len() < before
    }

    /// The connections that have been unauthenticated since this time or longer.
    pub fn unauthenticated_since(&self, time: Millis) -> Vec<ConnectionId> {
        self.unauthenticated.iter().filter(|(_, since)| *since <= time).map(|(connection, _)| *connection).collect()
    }

    /// Every connection, authenticated or not.
    pub fn all(&self) -> Vec<ConnectionId> {
        self.by_id.keys().chain(self.unauthenticated.iter().map(|(connection, _)| connection)).copied().collect()
    }

    /// When the next connection may have to be closed for its token: one that expires, or one that has not come.
    pub fn next_due(&self) -> Option<Millis> {
        let owed = self.unauthenticated.iter().map(|(_, since)| since + TOKEN_WAIT);
        owed.chain(self.next_expiry).min()
    }

    /// The joined connections of users: how many are open, and when the server last heard from any of the user's.
    pub fn online(&self) -> BTreeMap<&str, Online> {
        let mut online = BTreeMap::<&str, Online>::new();
        for session in self.by_id.values() {
            if let Some(user) = session.identity.user() {
                let of = online.entry(user).or_default();
                of.connections += usize::from(session.identity.joined().is_some());
                of.heard = of.heard.max(Some(session.heard));
            }
        }
        online
    }

    /// Whether a joined connection of the user is open.
    pub fn is_online(&self, user: &str) -> bool {
        self.by_id.values().any(|session| session.identity.joined() == Some(user))
    }

    /// Whether this client has said `hello` on an open connection.
    pub fn has_client(&self, client_id: &str) -> bool {
        self.by_id.values().any(|session| session.client() == Some(client_id))
    }

    /// The clients that are connected.
    pub fn clients(&self) -> BTreeSet<&str> {
        self.by_id.values().filter_map(Session::client).collect()
    }

    /// The connections of this client.
    pub fn of_client(&self, client_id: &str) -> Vec<ConnectionId> {
        self.which(|session| session.client() == Some(client_id))
    }

    /// The connections for which something holds.
    pub fn which(&self, holds: impl Fn(&Session) -> bool) -> Vec<ConnectionId> {
        self.iter().filter(|(_, session)| holds(session)).map(|(connection, _)| connection).collect()
    }

    /// Removes a connection.
    pub fn remove(&mut self, connection: ConnectionId) -> Option<Session> {
        let session = self.by_id.remove(&connection)?;
        self.greeted -= usize::from(session.client().is_some());
        Some(session)
    }
}

/// What the open connections show about a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Online {
    /// How many joined connections are open.
    pub connections: usize,
    /// When the server last heard from any of the user's connections.
    pub heard: Option<Millis>,
}
