//! What is done to the kinds of records: by each message from a connection in the room, with its reply, and by time.

use crate::access::roles;
use crate::protocol::connection::ConnectionId;
use crate::protocol::decode::Frame;
use crate::protocol::frames::ClientMessage;
use crate::protocol::refusal::Refusal;
use crate::protocol::tag::Tag;

use super::connections::{leaving, presence};
use super::records::{clients, fields, people, permissions};
use super::relay::relay;
use super::replies;
use super::reply::{Rejection, Reply, Writer};
use super::state::State;
use super::views;

/// Does a message, exactly once if it has a number, and stages the reply. `text` is the frame as received.
pub fn answer(state: &mut State, from: ConnectionId, text: &str, frame: Frame) {
    let Frame { tag, made_for, message } = frame;
    let Some(session) = state.sessions.get(from) else { return };
    let (client, user) = (session.client().map(str::to_owned), session.identity().user().map(str::to_owned));
    let (role, claims) = (session.role(), session.claims().to_vec());
    let said = message.as_ref().ok();
    // A presence that was accepted needs no reply.
    let is_silent = matches!(said, Some(ClientMessage::Presence { .. })) && tag.is_empty();
    let joins = match said {
        Some(ClientMessage::Join(join)) if tag.number.is_some() => Some(join.clone()),
        Some(_) | None => None,
    };
    // It concerns the connection and does not come from the outbox, so its number is ignored.
    let tag = if matches!(said, Some(ClientMessage::Auth { .. })) { Tag { number: None, ..tag } } else { tag };
    let request = said.and_then(|message| permissions::messages::ended_by(message, user.as_deref()));
    let author = user.or_else(|| said?.author().map(str::to_owned));
    let writer = Writer { connection: Some(from), client, role, claims, made_for };
    let act = |state: &mut State| apply(state, from, &writer, text, message?);
    let mut reply: Reply = match (tag.number, &writer.client) {
        (None, _) => act(state).into(),
        (Some(_), None) => Refusal::before_hello("seq").into(),
        (Some(number), Some(client)) => clients::once::once(state, client, author.as_deref(), number, act),
    };
    let joins = joins.filter(|_| reply.is_duplicate && reply.result.is_ok());
    if !is_silent || reply.result.is_err() {
        reply.request = request;
        replies::stage(state, from, &tag, reply);
    }
    if let Some(Err(refusal)) = joins.map(|join| people::messages::join_again(state, from, join)) {
        // The number is answered as before, and so is no part of this.
        replies::stage(state, from, &Tag::default(), refusal.into());
    }
}

/// Does what a message says. Returns the version to acknowledge it with.
fn apply(
    state: &mut State,
    from: ConnectionId,
    writer: &Writer,
    text: &str,
    message: ClientMessage,
) -> Result<u64, Rejection> {
    let role = writer.role;
    // In rooms of a declared kind its rules say who may change fields (K4).
    if !(state.settings.kind.declared.is_some() && message.is_of_fields()) {
        roles::check(role, roles::to_say(&message))?;
    }
    match message {
        ClientMessage::Join(join) => Ok(people::messages::join(state, from, join)?),
        ClientMessage::Ready { user_id, is_ready } => Ok(people::messages::ready(state, from, &user_id, is_ready)?),
        ClientMessage::Change(change) => fields::messages::change(state, writer, std::slice::from_ref(&change)),
        ClientMessage::Batch(changes) => fields::messages::change(state, writer, &changes),
        ClientMessage::Sync { since, epoch, user_id } => {
            state.check_author(from, user_id.as_deref())?;
            let answer = views::sync_answer(state, since, epoch.as_deref());
            state.tell(from, answer);
            Ok(state.version)
        }
        ClientMessage::Presence { data, user_id } => {
            state.check_author(from, user_id.as_deref())?;
            Ok(presence::show(state, from, data)?)
        }
        ClientMessage::Relay { user_id, to } => {
            state.check_author(from, user_id.as_deref())?;
            // A page that knows nothing of the protocol may have a use of its own for `to` (P3).
            let to = to.filter(|_| writer.client.is_some());
            relay(state, Some(from), to.as_deref(), text.to_owned());
            Ok(state.version)
        }
        ClientMessage::Kick { user_id } => Ok(leaving::kick(state, &user_id)),
        ClientMessage::Remove { user_id } => {
            let user = state.sessions.get(from).and_then(|session| session.identity().user().map(str::to_owned));
            Ok(people::messages::remove(state, Some(from), (user.as_deref(), role), &user_id)?)
        }
        ClientMessage::Permission(message) => permissions::messages::change(state, from, message),
        // These change the connection itself, and were handled before.
        ClientMessage::Hello(_) | ClientMessage::OtherProtocol | ClientMessage::Auth { .. } => Ok(state.version),
    }
}

/// Does what is due by now in the records of each kind.
pub fn expire(state: &mut State) {
    permissions::messages::settle_due(state);
    people::messages::leave_due(state);
}
