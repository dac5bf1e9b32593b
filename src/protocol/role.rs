//! What a user may do, from the least to the most (A2, A4).

use serde::{Deserialize, Serialize};

/// The role of a user. Each may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Role {
    /// Looks on.
    Viewer,
    /// Takes part.
    Editor,
    /// Keeps order in a room.
    Moderator,
    /// Keeps order among users.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Moderator, Self::Admin];

    /// The role as it stands in a token and in `welcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}
