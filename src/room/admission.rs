//! Whether another connection may come in.

use crate::access::claims::Denial;
use crate::access::pass::{Admission, Pass};
use crate::access::rates::RateKey;
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

/// Whose messages these are, for the rate. `None` for a connection that has no business here.
pub fn sender(sessions: &Sessions, connection: ConnectionId) -> Option<RateKey> {
    let session = sessions.get(connection)?;
    let user = session.identity.user().map(|user| RateKey::User(user.to_owned()));
    Some(user.unwrap_or(RateKey::Connection(connection)))
}

/// Takes a connection in.
pub fn enter(state: &mut State, connection: ConnectionId, user: Option<(String, Pass)>) {
    state.sessions.insert(connection, Session::new(user, state.clock));
    state.touch();
}
