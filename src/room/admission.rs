//! Whether another connection may come in.

use crate::access::claims::Denial;
use crate::access::pass::{Entry, Pass};
use crate::access::rates::Sender;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::refusal::{Code, Refusal};

use super::connections::session::Session;
use super::connections::sessions::Sessions;
use super::gate::Gate;
use super::state::State;

/// Connections whose token is still to come, in one room (A9).
pub const UNAUTHENTICATED: usize = 50;

/// Streams of events that a user has of one room at a time. Each is held by the Worker, which takes every change in for
/// each of them. Browsers open no more connections to a host (over HTTP/1.1).
pub const STREAMS: usize = 6;

/// Whether another connection may come in.
///
/// # Errors
/// Its token was revoked just now, or the room has all the connections it takes (A8, X1, A9).
pub fn admit(state: &State, gate: &Gate, entry: &Entry, now: Millis) -> Result<(), Refusal> {
    let full = |limit: usize, what: &str| {
        Err(Refusal::new(Code::LimitConnections, format!("{limit} {what}: it takes no more. Try again later.")))
    };
    let sessions = &state.sessions;
    match entry {
        Entry::Unauthenticated if sessions.unauthenticated() >= UNAUTHENTICATED => {
            return full(UNAUTHENTICATED, "connections to this room owe a token");
        }
        Entry::Unauthenticated => return Ok(()),
        Entry::Pass { user, pass } if gate.revocations.contain(user, pass, now) => {
            return Err(Denial::Revoked.into());
        }
        Entry::Pass { user, pass: Pass { is_stream: true, .. } } => {
            let is_theirs = |session: &Session| {
                session.pass().is_some_and(|pass| pass.is_stream) && session.identity.user() == Some(user)
            };
            if sessions.iter().filter(|(_, session)| is_theirs(session)).count() >= STREAMS {
                return full(STREAMS, "streams of this room are its user's");
            }
        }
        Entry::Pass { .. } | Entry::Anonymous => {}
    }
    let limit = state.settings.limits.connections;
    if sessions.len() >= limit { full(limit, "connections are in the room") } else { Ok(()) }
}

/// Whose messages these are, for the rate. `None` for a connection that has no business here.
pub fn sender(sessions: &Sessions, connection: ConnectionId) -> Option<Sender> {
    let session = sessions.get(connection)?;
    let user = session.identity.user().map(|user| Sender::User(user.to_owned()));
    Some(user.unwrap_or(Sender::Connection(connection)))
}

/// Takes a connection in.
pub fn enter(state: &mut State, connection: ConnectionId, user: Option<(String, Pass)>) {
    state.sessions.insert(connection, Session::new(user, state.clock));
    state.touch();
}
