//! The room's own name for a connection (U5).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A connection's name has 128 bits, 53 of which make a handle.
const HANDLE_SHIFT: u32 = 128 - 53;

/// A connection's random name, given by the room (U5). As text, 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ConnectionId(u128);

impl ConnectionId {
    /// The name made of these random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The first 53 bits of the name, which no two connections of a room share: a number that JavaScript represents
    /// exactly.
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
