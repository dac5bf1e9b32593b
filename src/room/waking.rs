//! What a waking room makes of what the sockets remember.

use crate::access::pass::{Credentials, Pass};
use crate::protocol::Millis;
use crate::protocol::refusal::CloseCode;

use super::connections::leaving::close_all;
use super::connections::session::{Attachment, Session};
use super::records::Records;
use super::records::fields;
use super::records::fields::record::Field;
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

/// Brings a room forward that an older version of its kind has stored (K6): in the commit of whatever wakes it. Pages that
/// were made for that version and slept with it are closed. Returns what the operator should know.
pub fn bring_forward(state: &mut State, now: Millis) -> Vec<String> {
    let (stored, Some(kind)) = (state.life.meta().kind, state.settings.kind.declared.clone()) else {
        return Vec::new();
    };
    if !state.life.is_stored() || stored >= kind.version {
        return Vec::new();
    }
    state.clock = state.clock.max(now);
    let notes = fields::lenses::bring_forward(state, &kind, stored);
    state.life.brought_forward(kind.version);
    let is_outdated = |session: &Session| session.made_for().is_some_and(|version| kind.outdates(version));
    close_all(state, CloseCode::Outdated, is_outdated);
    state.outbox.flush_now = true;
    notes
}

/// A change is a sign of life from its author. If the runtime died before the author left, it is the last one there is.
pub fn recall_authors(state: &mut State) {
    let State { records: Records { fields, people, .. }, sessions, .. } = state;
    let online = sessions.online();
    // What a lens has changed says nothing about who chose it.
    let is_sign = |field: &Field| field.lens_from.is_none() && !online.contains_key(field.user_id.as_str());
    for (_, field) in fields.iter().filter(|(_, field)| is_sign(field)) {
        people.note_last_seen(&field.user_id, field.updated_at);
    }
}
