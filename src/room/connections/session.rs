//! A connection: who is there, by what right, and which part of that stays with its socket while the room sleeps.

use serde::{Deserialize, Serialize};

use crate::access::pass::{Credentials, Pass};
use crate::access::roles::ANONYMOUS_ROLE;
use crate::access::shares::{Holder, NetworkMark};
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::json::Json;
use crate::protocol::role::Role;

/// What the room knows about an open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    identity: Identity,
    /// The `clientId` of its `hello`; `None` for a plain client (Y4).
    client: Option<String>,
    /// The version of the kind of room that its page was made for, if its `hello` said so (K6).
    made_for: Option<u64>,
    /// The right by which it is here.
    pub access: Credentials,
    /// The network that it comes from, if that is known.
    network: Option<NetworkMark>,
    /// What it last sent in a `presence` (P1).
    pub presence: Option<Json>,
    /// When the server last heard from it, including pings as far as they were looked up.
    pub heard: Millis,
    /// Whether it has ever pinged; one that has not is not expected to (J8).
    pub pings: bool,
}

impl Session {
    /// A connection that has just opened. With a token, its user is the token's (A3).
    pub fn new(user: Option<(String, Pass)>, network: Option<NetworkMark>, now: Millis) -> Self {
        let (identity, access) = match user {
            None => (Identity::Unknown, Credentials::Anonymous),
            Some((user, pass)) => (Identity::Bound(user), Credentials::Pass(pass)),
        };
        Self { identity, client: None, made_for: None, access, network, presence: None, heard: now, pings: false }
    }

    /// Who is there. [`super::sessions::Sessions::identify`] says so.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its user has become known.
    pub(super) fn identify(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Whose part of the room's connections it is.
    pub fn holder(&self) -> Holder {
        match (&self.access, self.identity.user()) {
            (Credentials::Pass(_), Some(user)) => Holder::User(user.to_owned()),
            (Credentials::Pass(_) | Credentials::Anonymous, _) => Holder::at(self.network),
        }
    }

    /// The `clientId` of its `hello`; `None` for a plain client.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// It has said `hello` as this client. [`super::sessions::Sessions::greet`] keeps count.
    pub(super) fn greet(&mut self, client: String, made_for: Option<u64>) {
        (self.client, self.made_for) = (Some(client), made_for);
    }

    /// The version of the kind of room that its page was made for, if its `hello` said so (K6).
    pub fn made_for(&self) -> Option<u64> {
        self.made_for
    }

    /// What is kept of its token.
    pub fn pass(&self) -> Option<&Pass> {
        match &self.access {
            Credentials::Anonymous => None,
            Credentials::Pass(pass) => Some(pass),
        }
    }

    /// Those of its token's claims that a rule of the kind asks for (K4).
    pub fn claims(&self) -> &[String] {
        self.pass().map_or(&[], |pass| &pass.claims)
    }

    /// What its user may do (A4).
    pub fn role(&self) -> Role {
        match &self.access {
            Credentials::Anonymous => ANONYMOUS_ROLE,
            Credentials::Pass(pass) => pass.role,
        }
    }

    /// What must stay with the socket while the room sleeps.
    pub fn attachment(&self, connection: ConnectionId) -> Attachment {
        Attachment {
            connection,
            identity: self.identity.clone(),
            client: self.client.clone(),
            made_for: self.made_for,
            access: self.access.clone(),
            presence: self.presence.clone(),
            heard: self.heard,
            network: self.network,
            is_unauthenticated: false,
        }
    }
}

impl From<Attachment> for Session {
    fn from(attachment: Attachment) -> Self {
        let Attachment { identity, client, made_for, access, presence, heard, network, .. } = attachment;
        Self { identity, client, made_for, access, network, presence, heard, pings: false }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Not known yet.
    Unknown,
    /// A user who has written but not joined (J3). Not counted as online.
    Bound(String),
    /// A user who has joined.
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

/// What stays with the socket while the room sleeps. The runtime allows at most 16,384 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The connection's name.
    pub connection: ConnectionId,
    /// Who is there.
    pub identity: Identity,
    /// The `clientId` of its `hello`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The version of the kind of room that its page was made for (K6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<u64>,
    /// The right by which it is here.
    #[serde(default, skip_serializing_if = "Credentials::is_anonymous")]
    pub access: Credentials,
    /// What it last sent in a `presence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Json>,
    /// When the last message came.
    pub heard: Millis,
    /// The network that it comes from, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkMark>,
    /// Whether it is unauthenticated (A9).
    #[serde(default, rename = "is_waiting", skip_serializing_if = "std::ops::Not::not")]
    pub is_unauthenticated: bool,
}

impl Attachment {
    /// The attachment of an unauthenticated connection.
    pub fn unauthenticated(connection: ConnectionId, network: Option<NetworkMark>, since: Millis) -> Self {
        Self { is_unauthenticated: true, ..Session::new(None, network, since).attachment(connection) }
    }
}
