//! Permission requests and permissions: the one place that holds both (Q1 to Q5).

use crate::protocol::permission::PermissionMessage;
use crate::protocol::refusal::{Code, Refusal};

use super::Room;
use super::session::ConnectionId;

impl Room {
    /// Does what a message about permissions says. Returns the version that answers it.
    pub(super) fn permission(&mut self, _from: ConnectionId, _message: PermissionMessage) -> Result<u64, Refusal> {
        Err(Refusal::new(Code::RequestNotFound, "to be built"))
    }
}
