//! What a waking room makes of what the sockets remember.

use crate::access::pass::{Credentials, Pass};

use super::connections::session::{Attachment, Session};
use super::records::Records;
use super::state::State;

/// A connection that was open while the room slept.
pub fn recall(state: &mut State, attachment: Attachment) {
    state.clock = state.clock.max(attachment.heard);
    if attachment.is_unauthenticated {
        let Attachment { connection, network, heard, .. } = attachment;
        return state.sessions.insert_unauthenticated(connection, network, heard);
    }
    let (connection, mut session) = (attachment.connection, Session::from(attachment));
    if state.settings.requires_tokens && session.access.is_anonymous() {
        // It connected before there were keys, and has to connect again.
        session.access = Credentials::Pass(Pass::over());
    }
    state.sessions.insert(connection, session);
}

/// A change is a sign of life from its author. If the runtime died before the author left, it is the last one there is.
pub fn recall_authors(state: &mut State) {
    let State { records: Records { fields, people, .. }, sessions, .. } = state;
    let online = sessions.online();
    for (_, field) in fields.iter().filter(|(_, field)| !online.contains_key(field.user_id.as_str())) {
        people.note_last_seen(&field.user_id, field.updated_at);
    }
}
