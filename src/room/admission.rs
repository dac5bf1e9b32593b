//! Whether another connection may come in.

use crate::access::claims::Denial;
use crate::access::pass::{Admission, Pass};
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::refusal::{Code, Refusal};

use super::connections::session::Session;
use super::gate::Gate;
use super::state::State;

/// The most unauthenticated connections in a room (A9).
pub const UNAUTHENTICATED: usize = 50;

/// The most event streams that a user may have from one room at a time. The Worker serves each of them and processes
/// every change for each. Browsers open no more connections to a host over HTTP/1.1.
pub const STREAMS: usize = 6;

/// Whether another connection may come in.
///
/// # Errors
/// Its token has just been revoked, or the room has reached its limit of connections (A8, X1, A9).
pub fn admit(state: &State, gate: &Gate, entry: &Admission, now: Millis) -> Result<(), Refusal> {
    let full = |limit: usize, what: &str| {
        Err(Refusal::new(
            Code::LimitConnections,
            format!("The room has {limit} {what}, which is the limit. Try again later."),
        ))
    };
    let sessions = &state.sessions;
    match entry {
        Admission::Unauthenticated if sessions.unauthenticated() >= UNAUTHENTICATED => {
            return full(UNAUTHENTICATED, "unauthenticated connections");
        }
        Admission::Unauthenticated => return Ok(()),
        Admission::Pass { user, pass } if gate.revocations.contain(user, pass, now) => {
            return Err(Denial::Revoked.into());
        }
        Admission::Pass { user, pass: Pass { is_stream: true, .. } } => {
            let is_theirs = |session: &Session| {
                session.pass().is_some_and(|pass| pass.is_stream) && session.identity.user() == Some(user)
            };
            if sessions.iter().filter(|(_, session)| is_theirs(session)).count() >= STREAMS {
                return full(STREAMS, "event streams for this user");
            }
        }
        Admission::Pass { .. } | Admission::Anonymous => {}
    }
    let limit = state.settings.limits.connections;
    if sessions.len() >= limit { full(limit, "connections") } else { Ok(()) }
}

/// Admits a connection.
pub fn enter(state: &mut State, connection: ConnectionId, user: Option<(String, Pass)>) {
    state.sessions.insert(connection, Session::new(user, state.clock));
    state.touch();
}
