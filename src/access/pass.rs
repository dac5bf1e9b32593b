//! The right by which a connection is in a room.

use serde::{Deserialize, Serialize};

use crate::protocol::Millis;
use crate::protocol::role::Role;

/// The right by which a connection is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// The server requires no tokens (A6).
    #[default]
    Anonymous,
    /// By a token.
    Pass(Pass),
}

impl Credentials {
    /// Whether no token was required.
    pub fn is_anonymous(&self) -> bool {
        *self == Self::Anonymous
    }
}

/// What is kept of a connection's token. It is not the token: a pass lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// What its user may do.
    pub role: Role,
    /// The user's name, if the token has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The token's id, by which it can be revoked. One without can be revoked only together with all of its user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Those of its claims that a rule of the room's kind asks for, each as `NAME=VALUE` (K4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// When it expires, clock skew included.
    pub expires: Millis,
    /// Whether it was for a stream of events (H4).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_stream: bool,
}

impl Pass {
    /// The pass of a connection that came without a token and may not stay.
    pub fn over() -> Self {
        Self { role: Role::Viewer, name: None, token_id: None, claims: Vec::new(), expires: 0, is_stream: false }
    }
}

/// How a connection enters the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Without a token, when the server requires none (A6).
    Anonymous,
    /// With a token that was accepted.
    Pass {
        /// The user.
        user: String,
        /// What is kept of the token.
        pass: Pass,
    },
    /// Without the required token, which is still to come in its `hello` (A9).
    #[serde(rename = "waiting")]
    Unauthenticated,
}
