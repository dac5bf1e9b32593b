//! What a user may do, lowest role first (A2, A4).

use serde::{Deserialize, Serialize};

/// The role of a user. Each may do everything that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Role {
    /// Watches.
    Viewer,
    /// Takes part.
    Editor,
    /// Moderates a room.
    Moderator,
    /// Administers users.
    Admin,
}

impl Role {
    /// All of them, the lowest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Moderator, Self::Admin];

    /// The role as it appears in a token and in `welcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}
