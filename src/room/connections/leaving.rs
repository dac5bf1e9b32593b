//! How connections end: by themselves, or because the room closes them.

use crate::protocol::connection::ConnectionId;
use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::people::UserLeft;
use crate::protocol::refusal::CloseCode;
use crate::room::comings::Coming;
use crate::room::records::people::record::Participant;
use crate::room::state::State;
use crate::room::turn::Closing;

use super::session::Session;

/// Removes a connection, and tells the others if a participant left with it (J4).
pub fn leave(state: &mut State, connection: ConnectionId) {
    let Some(session) = state.sessions.remove(connection) else { return };
    state.outbox.forget(connection);
    if session.presence.is_some() {
        state.outbox.presence.insert(connection, session.identity.user().map(str::to_owned));
    }
    if let Some(client) = session.client() {
        state.records.clients.see(client, state.clock);
    }
    let Some(user) = session.identity.user() else { return };
    let Some(known) = state.records.people.get(user) else { return };
    let participant = Participant { last_seen: known.last_seen.max(session.heard), ..known.clone() };
    if session.identity.joined().is_some() && !state.sessions.is_online(user) {
        let text = ServerMessage::UserLeft(UserLeft { user_id: user, last_seen: participant.last_seen }).encode();
        state.tell_coming(connection, user, Coming::Left(participant.last_seen), text);
    }
    state.records.people.put(user.to_owned(), participant);
}

/// Closes a connection, which then leaves.
pub fn close(state: &mut State, connection: ConnectionId, code: CloseCode) {
    let session = state.sessions.get(connection).cloned();
    if session.is_some() || state.sessions.remove_unauthenticated(connection) {
        leave(state, connection);
        state.outbox.close.push((Closing { connection, code }, session));
    }
}

/// Closes the connections for which a condition holds.
pub fn close_all(state: &mut State, code: CloseCode, holds: impl Fn(&Session) -> bool) {
    for connection in state.sessions.which(holds) {
        close(state, connection, code);
    }
}

/// Closes all connections of a user (A4). Returns the version to acknowledge it with.
pub fn kick(state: &mut State, user_id: &str) -> u64 {
    // A moderator who kicks itself hears of its changes before the reply that covers them (Y6).
    state.close_segment();
    close_all(state, CloseCode::Kicked, |session| session.identity.user() == Some(user_id));
    state.version
}
