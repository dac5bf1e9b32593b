//! Whether another connection may come in, and who goes for it.

use crate::access::claims::Denial;
use crate::access::pass::{Admission, Pass};
use crate::access::shares::{Entry, Holder, NetworkMark};
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::refusal::{CloseCode, Code, Refusal};

use super::connections::leaving::close;
use super::connections::session::Session;
use super::connections::sessions::TOKEN_WAIT;
use super::gate::Gate;
use super::state::State;

/// The most unauthenticated connections in a room (A9).
pub const UNAUTHENTICATED: usize = 50;

/// The most event streams that a user may have from one room at a time. The Worker serves each of them and processes
/// every change for each. Browsers open no more connections to a host over HTTP/1.1.
pub const STREAMS: usize = 6;

/// Whether another connection may come in. If the room is full, one of somebody's who has more of them gives way to it
/// when it does.
///
/// # Errors
/// Its token has just been revoked, or the room has reached its limit of connections and nobody has more of them (A8,
/// X1, A9).
pub fn admit(state: &State, gate: &Gate, entry: &Entry, now: Millis) -> Result<(), Refusal> {
    let full = |limit: usize, what: &str| {
        Err(Refusal::new(
            Code::LimitConnections,
            format!("The room has {limit} {what}, which is the limit. Try again later."),
        ))
    };
    let (sessions, holder) = (&state.sessions, Holder::of(entry));
    match &entry.admission {
        Admission::Unauthenticated => {
            let is_full = sessions.unauthenticated() >= UNAUTHENTICATED;
            if is_full && !sessions.unauthenticated_shares().is_behind(&holder) {
                return full(UNAUTHENTICATED, "unauthenticated connections");
            }
            return Ok(());
        }
        Admission::Pass { user, pass } if gate.revocations.contain(user, pass, now) => {
            return Err(Denial::Revoked.into());
        }
        Admission::Pass { user, pass: Pass { is_stream: true, .. } } => {
            let is_stream = |session: &Session| session.pass().is_some_and(|pass| pass.is_stream);
            if sessions.of_user(user).filter(|(_, session)| is_stream(session)).count() >= STREAMS {
                return full(STREAMS, "event streams for this user");
            }
        }
        Admission::Pass { .. } | Admission::Anonymous => {}
    }
    let limit = state.settings.limits.connections;
    if sessions.len() >= limit && !sessions.is_behind(&holder) { full(limit, "connections") } else { Ok(()) }
}

/// Admits a connection. If the room is full, one gives way to it.
pub fn enter(state: &mut State, connection: ConnectionId, user: Option<(String, Pass)>, network: Option<NetworkMark>) {
    if state.sessions.len() >= state.settings.limits.connections
        && let Some(other) = state.sessions.gives_way()
    {
        close(state, other, CloseCode::GaveWay);
    }
    state.sessions.insert(connection, Session::new(user, network, state.clock));
    state.touch();
}

/// Takes in a connection whose token is still to come. If there are too many of these, one gives way to it: rather one
/// that has sent no token yet than one whose token is being checked.
pub fn wait_for_token(state: &mut State, gate: &Gate, connection: ConnectionId, network: Option<NetworkMark>) {
    if state.sessions.unauthenticated() >= UNAUTHENTICATED {
        let checking = |of: &ConnectionId| if gate.is_checking(*of) { state.clock + TOKEN_WAIT } else { Millis::MIN };
        if let Some(other) = state.sessions.unauthenticated_shares().gives_way(Millis::MAX, checking) {
            close(state, other, CloseCode::GaveWay);
        }
    }
    state.sessions.insert_unauthenticated(connection, network, state.clock);
}
