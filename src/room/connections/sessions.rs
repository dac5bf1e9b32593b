//! All open connections of a room, with their counts and deadlines.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::pass::{Credentials, Pass};
use crate::access::shares::{Holder, NetworkMark, Shares, SharesOnDemand};
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::room::effort;

use super::names::{Name, Names};
use super::session::{Identity, Session};

/// How long a connection may stay unauthenticated, in milliseconds (A9).
pub const TOKEN_WAIT: Millis = 10_000;

/// Up to this many connections are quicker looked at one by one than found by their names.
const FEW: usize = 8;

/// The open connections.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    by_id: BTreeMap<ConnectionId, Session>,
    /// Which of them are whose, once there are more than a [`FEW`].
    names: Option<Names>,
    greeted: usize,
    /// When tokens expire, the first of them first.
    expiries: BTreeSet<(Millis, ConnectionId)>,
    /// Who has how many.
    shares: SharesOnDemand<Holder, ConnectionId>,
    /// They are in no count but their own, and see nothing (A9).
    unauthenticated: Vec<Unauthenticated>,
}

/// A connection whose token is still to come.
#[derive(Debug, Clone, Copy)]
struct Unauthenticated {
    connection: ConnectionId,
    /// The network that it comes from, if that is known.
    network: Option<NetworkMark>,
    /// When it opened.
    since: Millis,
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
        self.by_id.iter().inspect(|_| effort::look()).map(|(connection, session)| (*connection, session))
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
        self.expiries.extend(session.pass().map(|pass| (pass.expires, connection)));
        self.greeted += usize::from(session.client().is_some());
        if let Some(names) = &mut self.names {
            names.add(session.identity().user().map(Name::User), connection);
            names.add(session.client().map(Name::Client), connection);
        }
        if let Some(shares) = self.shares.counted() {
            shares.insert(session.holder(), connection, session.heard);
        }
        self.by_id.insert(connection, session);
        if self.names.is_none() && self.by_id.len() > FEW {
            let mut names = Names::default();
            for (connection, session) in self.iter() {
                names.add(session.identity().user().map(Name::User), connection);
                names.add(session.client().map(Name::Client), connection);
            }
            self.names = Some(names);
        }
    }

    /// Removes a connection.
    pub fn remove(&mut self, connection: ConnectionId) -> Option<Session> {
        let session = self.by_id.remove(&connection)?;
        if let Some(pass) = session.pass() {
            self.expiries.remove(&(pass.expires, connection));
        }
        self.greeted -= usize::from(session.client().is_some());
        if let Some(names) = &mut self.names {
            names.remove(session.identity().user().map(Name::User), connection);
            names.remove(session.client().map(Name::Client), connection);
        }
        if let Some(shares) = self.shares.counted() {
            shares.remove(&session.holder(), &connection);
        }
        Some(session)
    }

    /// A connection has said `hello`.
    pub fn greet(&mut self, connection: ConnectionId, client: String, made_for: Option<u64>) {
        if let Some(session) = self.by_id.get_mut(&connection) {
            self.greeted += usize::from(session.client().is_none());
            if let Some(names) = &mut self.names {
                names.remove(session.client().map(Name::Client), connection);
                names.add(Some(Name::Client(&client)), connection);
            }
            session.greet(client, made_for);
        }
    }

    /// A connection's user has become known.
    pub fn identify(&mut self, connection: ConnectionId, identity: Identity) {
        if let Some(session) = self.by_id.get_mut(&connection) {
            let (before, after) = (session.identity().user(), identity.user());
            if let Some(names) = self.names.as_mut().filter(|_| before != after) {
                names.remove(before.map(Name::User), connection);
                names.add(after.map(Name::User), connection);
            }
            session.identify(identity);
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
    pub fn expired(&self, now: Millis) -> Vec<ConnectionId> {
        self.expiries.iter().take_while(|(at, _)| *at <= now).map(|(_, connection)| *connection).collect()
    }

    /// Adds an unauthenticated connection that opened at this time.
    pub fn insert_unauthenticated(&mut self, connection: ConnectionId, network: Option<NetworkMark>, since: Millis) {
        self.unauthenticated.push(Unauthenticated { connection, network, since });
    }

    /// Whether a connection is open, authenticated or not.
    pub fn is_open(&self, connection: ConnectionId) -> bool {
        self.by_id.contains_key(&connection) || self.is_unauthenticated(connection)
    }

    /// Whether a connection is unauthenticated.
    pub fn is_unauthenticated(&self, connection: ConnectionId) -> bool {
        self.unauthenticated.iter().any(|one| one.connection == connection)
    }

    /// The network of an unauthenticated connection, if that is known.
    pub fn network_of_unauthenticated(&self, connection: ConnectionId) -> Option<NetworkMark> {
        self.unauthenticated.iter().find(|one| one.connection == connection)?.network
    }

    /// How many unauthenticated connections there are.
    pub fn unauthenticated(&self) -> usize {
        self.unauthenticated.len()
    }

    /// Removes an unauthenticated connection. Returns whether there was one, and its network if that is known.
    pub fn remove_unauthenticated(&mut self, connection: ConnectionId) -> Option<Option<NetworkMark>> {
        let at = self.unauthenticated.iter().position(|one| one.connection == connection)?;
        Some(self.unauthenticated.remove(at).network)
    }

    /// The connections that have been unauthenticated since this time or longer.
    pub fn unauthenticated_since(&self, time: Millis) -> Vec<ConnectionId> {
        self.unauthenticated.iter().filter(|one| one.since <= time).map(|one| one.connection).collect()
    }

    /// Who has how many of the unauthenticated connections. There are few enough to count them each time.
    pub fn unauthenticated_shares(&self) -> Shares<Holder, ConnectionId> {
        self.unauthenticated.iter().map(|one| (Holder::at(one.network), one.connection, one.since)).collect()
    }

    /// Whether somebody else has more connections.
    pub fn is_behind(&self, holder: &Holder) -> bool {
        self.shares.get(|| held(&self.by_id)).is_behind(holder)
    }

    /// The connection that has to go when there are too many.
    pub fn gives_way(&mut self) -> Option<ConnectionId> {
        let by_id = &self.by_id;
        let heard = |of: &ConnectionId| by_id.get(of).map_or(0, |session| session.heard);
        self.shares.get_mut(|| held(by_id))?.gives_way(Millis::MAX, heard)
    }

    /// Every connection, authenticated or not.
    pub fn all(&self) -> Vec<ConnectionId> {
        self.by_id.keys().copied().chain(self.unauthenticated.iter().map(|one| one.connection)).collect()
    }

    /// When the next connection may have to be closed for its token: one that expires, or one that has not come.
    pub fn next_due(&self) -> Option<Millis> {
        let owed = self.unauthenticated.iter().map(|one| one.since + TOKEN_WAIT);
        owed.chain(self.expiries.first().map(|(at, _)| *at)).min()
    }

    /// The joined connections of users: how many are open, and when the server last heard from any of the user's.
    pub fn online(&self) -> BTreeMap<&str, Online> {
        let mut online = BTreeMap::<&str, Online>::new();
        for (_, session) in self.iter() {
            if let Some(user) = session.identity().user() {
                let of = online.entry(user).or_default();
                of.connections += usize::from(session.identity().joined().is_some());
                of.heard = of.heard.max(Some(session.heard));
            }
        }
        online
    }

    /// Whether a joined connection of the user is open.
    pub fn is_online(&self, user: &str) -> bool {
        self.of_user(user).any(|(_, session)| session.identity().joined() == Some(user))
    }

    /// Whether this client has said `hello` on an open connection.
    pub fn has_client(&self, client_id: &str) -> bool {
        self.of_client(client_id).next().is_some()
    }

    /// The clients that are connected.
    pub fn clients(&self) -> BTreeSet<&str> {
        self.iter().filter_map(|(_, session)| session.client()).collect()
    }

    /// The connections of this client.
    pub fn of_client<'a>(&'a self, client_id: &'a str) -> impl Iterator<Item = (ConnectionId, &'a Session)> {
        self.named(Name::Client(client_id)).filter(move |(_, session)| session.client() == Some(client_id))
    }

    /// The connections of this user, joined or not.
    pub fn of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = (ConnectionId, &'a Session)> {
        self.named(Name::User(user)).filter(move |(_, session)| session.identity().user() == Some(user))
    }

    /// The connections that may have this name, and few others.
    fn named(&self, name: Name<'_>) -> impl Iterator<Item = (ConnectionId, &Session)> {
        let found = self.names.as_ref().map(|names| names.of(name)).into_iter().flatten();
        let found = found.inspect(|_| effort::look());
        let found = found.filter_map(|connection| Some((connection, self.by_id.get(&connection)?)));
        let all = self.names.is_none().then(|| self.iter()).into_iter().flatten();
        found.chain(all)
    }

    /// The connections for which something holds.
    pub fn which(&self, holds: impl Fn(&Session) -> bool) -> Vec<ConnectionId> {
        self.iter().filter(|(_, session)| holds(session)).map(|(connection, _)| connection).collect()
    }
}

fn held(by_id: &BTreeMap<ConnectionId, Session>) -> impl Iterator<Item = (Holder, ConnectionId, Millis)> {
    by_id.iter().inspect(|_| effort::look()).map(|(connection, session)| (session.holder(), *connection, session.heard))
}

/// What the open connections show about a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Online {
    /// How many joined connections are open.
    pub connections: usize,
    /// When the server last heard from any of the user's connections.
    pub heard: Option<Millis>,
}
