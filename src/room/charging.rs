//! What is around a message when it comes, as far as it decides its price. The prices are in `access/prices.rs`.

use crate::access::prices::{self, Around, Cost, Request};
use crate::access::rates::RateKey;
use crate::protocol::connection::ConnectionId;
use crate::protocol::decode::Frame;
use crate::protocol::frames::ClientMessage;
use crate::protocol::refusal::Refusal;
use crate::protocol::role::Role;
use crate::protocol::write::RoomWrite;

use super::connections::session::Session;
use super::records::fields::messages::tombstones_left;
use super::state::State;

/// The sender that a connection's messages count for, and its role. `None` for a connection that is not in the room.
pub fn sender(state: &State, connection: ConnectionId) -> Option<(RateKey, Role)> {
    let session = state.sessions.get(connection)?;
    let user = session.identity().user().map(|user| RateKey::User(user.to_owned()));
    Some((user.unwrap_or(RateKey::Connection(connection)), session.role()))
}

/// What a frame of this many bytes costs, as the room stands.
pub fn cost_of_frame(state: &State, from: ConnectionId, frame: &Frame, bytes: usize) -> Cost {
    let session = state.sessions.get(from);
    let client = session.and_then(Session::client).filter(|_| frame.tag.number.is_some());
    let message = frame.message.as_ref();
    let around = Around {
        bytes,
        // For a plain client `to` is a member like any other.
        addressed: addressed(state, message).filter(|_| session.is_some_and(|session| session.client().is_some())),
        plain: state.sessions.plain_but(Some(from)),
        is_joined: session.is_some_and(|session| session.identity().joined().is_some()),
        is_staged: message.is_ok_and(flushes) && !state.changes_nothing(),
        ..of_writer(state, client, message)
    };
    prices::of_message(message, &around)
}

/// What a write over HTTP costs, beside being asked.
pub fn cost_of_write(state: &State, write: &RoomWrite) -> Cost {
    let (message, client) = (write.frame.message.as_ref(), write.client_id.as_deref());
    let around = Around {
        bytes: write.text.len(),
        addressed: addressed(state, message),
        plain: state.sessions.plain_but(None),
        is_recorded: write.frame.tag.number.is_some(),
        ..of_writer(state, client, message)
    };
    let (said, done) =
        (prices::of_message(message, &around), prices::of_request(Request::Write, &around_request(state, 0)));
    let (rows, frames) = (said.rows + done.rows, said.frames + done.frames);
    Cost { rows, frames, alarms: done.alarms, ..said }
}

/// What a request is charged for, beside what it says.
pub fn around_request(state: &State, bytes: usize) -> Around {
    Around {
        bytes,
        greeted: state.sessions.greeted(),
        is_staged: !state.changes_nothing(),
        is_new: !state.life.is_stored(),
        is_alone: state.sessions.len() == 1,
        ..Around::default()
    }
}

/// `client`: the one whose number the message has.
fn of_writer(state: &State, client: Option<&str>, message: Result<&ClientMessage, &Refusal>) -> Around {
    let (records, limits) = (&state.records, &state.settings.limits);
    let is_new = |client: &str| records.clients.get(client).is_none();
    let is_join = matches!(message, Ok(ClientMessage::Join(_)));
    Around {
        greeted: state.sessions.greeted(),
        is_recorded: client.is_some(),
        forgets_client: client.is_some_and(|client| records.clients.len() >= limits.clients && is_new(client)),
        is_full_of_people: is_join && records.people.len() >= limits.participants,
        tombstones_left: tombstones_left(state),
        ..Around::default()
    }
}

/// Whether a message is answered or passed on at once, so that staged changes have to go out before it.
fn flushes(message: &ClientMessage) -> bool {
    match message {
        ClientMessage::Sync { .. }
        | ClientMessage::Hello(_)
        | ClientMessage::Relay { .. }
        | ClientMessage::Kick { .. } => true,
        ClientMessage::Join(_)
        | ClientMessage::Ready { .. }
        | ClientMessage::Change(_)
        | ClientMessage::Batch(_)
        | ClientMessage::OtherProtocol
        | ClientMessage::Presence { .. }
        | ClientMessage::Auth { .. }
        | ClientMessage::Remove { .. }
        | ClientMessage::Permission(_) => false,
    }
}

/// How many connections a message is for, if it is for one user (P3).
fn addressed(state: &State, message: Result<&ClientMessage, &Refusal>) -> Option<usize> {
    match message {
        Ok(ClientMessage::Relay { to: Some(to), .. }) => Some(state.sessions.of_user(to).count()),
        Ok(_) | Err(_) => None,
    }
}
