//! What the room knows of a connection, and what of that is kept with the socket while the room sleeps.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::protocol::Millis;
use crate::protocol::json::Json;
use crate::protocol::role::Role;

use super::access::ANONYMOUS_ROLE;

/// How long a connection may wait for the `hello` with its token, in milliseconds (A9).
pub const TOKEN_WAIT: Millis = 10_000;

/// A connection's name has 128 bits, of which 53 make a handle.
const HANDLE_SHIFT: u32 = 128 - 53;

/// A connection's random name, made by the room (U5). 32 hexadecimal digits in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ConnectionId(u128);

impl ConnectionId {
    /// The name that these random bytes make.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The first 53 bits of the name, which no two connections of a room share: a number that JavaScript holds exactly.
    pub fn handle(self) -> u64 {
        u64::try_from(self.0 >> HANDLE_SHIFT).unwrap_or(u64::MAX)
    }

    /// The first of all names with this [`ConnectionId::handle`].
    pub fn first_with(handle: u64) -> Self {
        Self(u128::from(handle) << HANDLE_SHIFT)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ConnectionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl From<ConnectionId> for String {
    fn from(id: ConnectionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ConnectionId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Nobody has said.
    Unknown,
    /// A user who wrote and has not joined (J3). Not counted as here.
    Bound(String),
    /// A user who joined.
    Joined(String),
}

impl Identity {
    /// The user, once known.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Unknown => None,
            Self::Bound(user) | Self::Joined(user) => Some(user),
        }
    }

    /// The user, if joined.
    pub fn joined(&self) -> Option<&str> {
        match self {
            Self::Joined(user) => Some(user),
            Self::Unknown | Self::Bound(_) => None,
        }
    }
}

/// By what right a connection is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The server asks nobody (A6).
    #[default]
    Anonymous,
    /// By a token.
    Pass(Pass),
}

impl Access {
    /// Whether nobody asked.
    pub fn is_anonymous(&self) -> bool {
        *self == Self::Anonymous
    }
}

/// What is kept of the token of a connection. Not the token: who finds this can do nothing with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// What its user may do.
    pub role: Role,
    /// The user's name, where the token says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The token's id, by which it can be revoked.
    pub token_id: String,
    /// Until when it holds, the clocks' skew included.
    pub expires: Millis,
    /// Whether it was for a stream of events (H4).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_stream: bool,
}

impl Pass {
    /// That of a connection that came without a token and may not stay.
    pub fn over() -> Self {
        Self { role: Role::Viewer, name: None, token_id: String::new(), expires: 0, is_stream: false }
    }
}

/// How a connection comes to the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Without a token, where the server asks for none (A6).
    Anonymous,
    /// With a token that was found good.
    Pass {
        /// The user.
        user: String,
        /// What is kept of the token.
        pass: Pass,
    },
    /// Its token is still to come, in its `hello` (A9).
    Waiting,
}

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who is there.
    pub identity: Identity,
    /// The `clientId` of its `hello`; `None` for a plain client (Y4).
    client: Option<String>,
    /// By what right it is here.
    pub access: Access,
    /// What it last said in a `presence` (P1).
    pub presence: Option<Json>,
    /// When the server last heard from it, pings included as far as they were looked up.
    pub heard: Millis,
    /// Whether it ever pinged; one that never did is not expected to (J8).
    pub pings: bool,
}

impl Session {
    /// A connection that has just opened. With a token, its user is the token's (A3).
    pub fn new(user: Option<(String, Pass)>, now: Millis) -> Self {
        let (identity, access) = match user {
            None => (Identity::Unknown, Access::Anonymous),
            Some((user, pass)) => (Identity::Bound(user), Access::Pass(pass)),
        };
        Self { identity, client: None, access, presence: None, heard: now, pings: false }
    }

    /// The `clientId` of its `hello`; `None` for a plain client.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// What is kept of its token.
    pub fn pass(&self) -> Option<&Pass> {
        match &self.access {
            Access::Anonymous => None,
            Access::Pass(pass) => Some(pass),
        }
    }

    /// What its user may do (A4).
    pub fn role(&self) -> Role {
        match &self.access {
            Access::Anonymous => ANONYMOUS_ROLE,
            Access::Pass(pass) => pass.role,
        }
    }

    /// What shall stay with the socket of this name.
    pub fn attachment(&self, connection: ConnectionId) -> Attachment {
        Attachment {
            connection,
            identity: self.identity.clone(),
            client: self.client.clone(),
            access: self.access.clone(),
            presence: self.presence.clone(),
            heard: self.heard,
            is_waiting: false,
        }
    }
}

impl From<Attachment> for Session {
    fn from(attachment: Attachment) -> Self {
        let Attachment { connection: _, identity, client, access, presence, heard, is_waiting: _ } = attachment;
        Self { identity, client, access, presence, heard, pings: false }
    }
}

/// The open connections.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    by_id: BTreeMap<ConnectionId, Session>,
    greeted: usize,
    /// No token expires before this.
    next_expiry: Option<Millis>,
    /// Connections whose token is still to come, with when they opened. They are in no count but their own, and see
    /// nothing (A9).
    waiting: Vec<(ConnectionId, Millis)>,
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

    /// How many of the plain ones are not this one.
    pub fn plain_but(&self, connection: Option<ConnectionId>) -> usize {
        let one = connection.and_then(|connection| self.get(connection));
        let is_plain = one.is_some_and(|session| session.client.is_none());
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

    /// A connection, to be changed.
    pub fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        self.by_id.get_mut(&connection)
    }

    /// Adds a connection.
    pub fn insert(&mut self, connection: ConnectionId, session: Session) {
        self.next_expiry = self.next_expiry.into_iter().chain(session.pass().map(|pass| pass.expires)).min();
        self.greeted += usize::from(session.client.is_some());
        self.by_id.insert(connection, session);
    }

    /// A connection has said `hello`.
    pub fn greet(&mut self, connection: ConnectionId, client: String) {
        if let Some(session) = self.by_id.get_mut(&connection) {
            self.greeted += usize::from(session.client.is_none());
            session.client = Some(client);
        }
    }

    /// A connection has another token.
    pub fn renew(&mut self, connection: ConnectionId, pass: Pass) {
        if let Some(mut session) = self.remove(connection) {
            session.access = Access::Pass(pass);
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

    /// Adds a connection whose token is still to come, and which opened at this time.
    pub fn wait(&mut self, connection: ConnectionId, since: Millis) {
        self.waiting.push((connection, since));
    }

    /// Whether a connection's token is still to come.
    pub fn is_waiting(&self, connection: ConnectionId) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == connection)
    }

    /// How many there are whose token is still to come.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A connection waits no more. Returns whether it did.
    pub fn stop_waiting(&mut self, connection: ConnectionId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| *waiting != connection);
        self.waiting.len() < before
    }

    /// The connections that have waited since this time or longer.
    pub fn waiting_since(&self, time: Millis) -> Vec<ConnectionId> {
        self.waiting.iter().filter(|(_, since)| *since <= time).map(|(connection, _)| *connection).collect()
    }

    /// Every connection, whatever it waits for.
    pub fn all(&self) -> Vec<ConnectionId> {
        self.by_id.keys().chain(self.waiting.iter().map(|(waiting, _)| waiting)).copied().collect()
    }

    /// When the next connection may have to be closed for its token.
    pub fn next_due(&self) -> Option<Millis> {
        let waited = self.waiting.iter().map(|(_, since)| since + TOKEN_WAIT);
        waited.chain(self.next_expiry).min()
    }

    /// Takes a connection off the list.
    pub fn remove(&mut self, connection: ConnectionId) -> Option<Session> {
        let session = self.by_id.remove(&connection)?;
        self.greeted -= usize::from(session.client.is_some());
        Some(session)
    }
}

/// What stays with the socket while the room sleeps. The runtime takes 16,384 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The connection's name.
    pub connection: ConnectionId,
    /// Who is there.
    pub identity: Identity,
    /// The `clientId` of its `hello`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// By what right it is here.
    #[serde(default, skip_serializing_if = "Access::is_anonymous")]
    pub access: Access,
    /// What it last said in a `presence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Json>,
    /// When the last message came.
    pub heard: Millis,
    /// Whether its token is still to come (A9).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_waiting: bool,
}

impl Attachment {
    /// What stays with the socket of a connection whose token is still to come.
    pub fn waiting(connection: ConnectionId, since: Millis) -> Self {
        Self { is_waiting: true, ..Session::new(None, since).attachment(connection) }
    }
}
