//! Who may do what: the only table that says so (A4).

use crate::protocol::frames::ClientMessage;
use crate::protocol::frames::permission::PermissionMessage;
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::role::Role;

/// What a user without a token may do: everything except revoking tokens (A6).
pub const ANONYMOUS_ROLE: Role = Role::Moderator;

/// The lowest role that may read a room over HTTP, including its events.
pub const TO_READ: Role = Role::Viewer;
/// The lowest role that may write a field over HTTP.
pub const TO_WRITE: Role = Role::Editor;
/// The lowest role that may take another user off the record (J10).
pub const TO_REMOVE: Role = Role::Moderator;
/// The lowest role that may delete a room (H6).
pub const TO_DELETE: Role = Role::Moderator;
/// The lowest role that may revoke a user's tokens (A8).
pub const TO_REVOKE_TOKENS: Role = Role::Admin;

/// The lowest role that may send this message.
pub fn to_say(message: &ClientMessage) -> Role {
    match message {
        ClientMessage::Join(_)
        | ClientMessage::Hello(_)
        | ClientMessage::OtherProtocol
        | ClientMessage::Auth { .. }
        | ClientMessage::Sync { .. }
        // Itself, that is: [`TO_REMOVE`].
        | ClientMessage::Remove { .. }
        | ClientMessage::Presence { .. } => Role::Viewer,
        ClientMessage::Ready { .. }
        | ClientMessage::Change(_)
        | ClientMessage::Batch(_)
        | ClientMessage::Relay { .. }
        | ClientMessage::Permission(PermissionMessage::Request(_) | PermissionMessage::Cancel { .. }) => Role::Editor,
        ClientMessage::Kick { .. }
        | ClientMessage::Permission(PermissionMessage::Response(_) | PermissionMessage::Revoke { .. }) => {
            Role::Moderator
        }
    }
}

/// Whether a role is sufficient.
///
/// # Errors
/// It does not.
pub fn check(role: Role, least: Role) -> Result<(), Refusal> {
    if role >= least {
        return Ok(());
    }
    let message = format!("This requires the role {}; yours is {}.", least.as_str(), role.as_str());
    Err(Refusal::new(Code::Forbidden, message))
}
