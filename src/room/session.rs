//! What the room knows of a connection, and what of that is kept with the socket while the room sleeps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::protocol::Millis;

/// A connection's random name, made by the room (U5). 32 hexadecimal digits in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ConnectionId(u128);

impl ConnectionId {
    /// The name that these random bytes make.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
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

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who is there.
    pub identity: Identity,
    /// When the server last heard from it, pings included as far as they were looked up.
    pub heard: Millis,
    /// Whether it ever pinged; one that never did is not expected to (J8).
    pub pings: bool,
}

/// What stays with the socket while the room sleeps. The runtime takes 16,384 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The connection's name.
    pub connection: ConnectionId,
    /// Who is there.
    pub identity: Identity,
    /// When the last message came.
    pub heard: Millis,
}
