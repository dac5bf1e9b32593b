//! How connections end: by themselves, or because the room closes them.

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::refusal::CloseCode;
use crate::room::audience::Audience;
use crate::room::comings::Coming;
use crate::room::records::people;
use crate::room::records::people::record::Participant;
use crate::room::state::State;
use crate::room::turn::{Closing, Outgoing, When};

use super::session::Session;

/// Removes a connection, and tells the others if a participant left with it (J4): after `delay` milliseconds, unless the
/// participant is back by then. If there are no others, there is nobody to wait for.
pub fn leave(state: &mut State, connection: ConnectionId, delay: Millis) {
    let Some(session) = state.sessions.remove(connection) else { return };
    state.outbox.forget(connection);
    if session.presence.is_some() {
        state.outbox.presence.insert(connection, session.identity().user().map(str::to_owned));
    }
    if let Some(client) = session.client() {
        state.records.clients.see(client, state.clock);
    }
    let Some(user) = session.identity().user() else { return };
    let Some(known) = state.records.people.get(user) else { return };
    let mut participant = Participant { last_seen: known.last_seen.max(session.heard), ..known.clone() };
    if session.identity().joined().is_some() && !state.sessions.is_online(user) {
        let waits = delay > 0 && !state.sessions.is_empty();
        participant.leaves_at = waits.then_some(state.clock + delay);
        let text = people::messages::left(user, participant.last_seen);
        if waits {
            // If that it waits cannot be stored, nobody would be told later.
            let (audience, when) = (Audience::Others(Some(connection)), When::CommitFailed);
            state.outbox.frames.push(Outgoing { audience, text, when });
        } else {
            state.tell_coming(Some(connection), user, Coming::Left(participant.last_seen), text);
        }
    }
    state.records.people.put(user.to_owned(), participant);
}

/// Closes a connection, which then leaves at once: it is not a page that is being loaded again.
pub fn close(state: &mut State, connection: ConnectionId, code: CloseCode) {
    let session = state.sessions.get(connection).cloned();
    if session.is_some() || state.sessions.remove_unauthenticated(connection).is_some() {
        leave(state, connection, 0);
        state.outbox.close.push((Closing { connection, code }, session));
    }
}

/// Closes the connections for which a condition holds.
pub fn close_all(state: &mut State, code: CloseCode, holds: impl Fn(&Session) -> bool) {
    for connection in state.sessions.which(holds) {
        close(state, connection, code);
    }
}

/// Closes the connections of a user for which a condition holds.
pub fn close_of_user(state: &mut State, user: &str, code: CloseCode, holds: impl Fn(&Session) -> bool) {
    let theirs = state.sessions.of_user(user).filter(|(_, session)| holds(session));
    for connection in theirs.map(|(connection, _)| connection).collect::<Vec<_>>() {
        close(state, connection, code);
    }
}

/// Closes all connections of a user (A4). Returns the version to acknowledge it with.
pub fn kick(state: &mut State, user_id: &str) -> u64 {
    // A moderator who kicks itself hears of its changes before the reply that covers them (Y6).
    state.close_segment();
    close_of_user(state, user_id, CloseCode::Kicked, |_| true);
    state.version
}
