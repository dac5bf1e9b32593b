//! Replies to messages: acks, conflicts and errors (F3, F4, E3).

use crate::protocol::connection::ConnectionId;
use crate::protocol::frames;
use crate::protocol::tag::Tag;

use super::audience::Audience;
use super::outbox::StagedReply;
use super::records::fields::conflict::Conflict;
use super::records::permissions::request::{PermissionRequest, RequestKey};
use super::reply::{Rejection, Reply};
use super::state::State;
use super::turn::{Outgoing, PendingWriter, When};

/// Stages the reply to a message. It waits for the commit and is lost with it, unless it is true in any case: refusing
/// a message without a number changed nothing, and a repeated reply is already on record.
pub fn stage(state: &mut State, to: ConnectionId, tag: &Tag, reply: Reply) {
    let Reply { result, is_duplicate, request } = reply;
    let client = state.sessions.get(to).and_then(|session| session.client());
    let is_greeted = client.is_some();
    let is_on_record = is_duplicate && client.is_some_and(|client| !state.records.clients.is_dirty_at(client));
    let (seq, duplicate) = (tag.number.map(|number| number.seq), is_duplicate.then_some(true));
    let mut is_sure = is_on_record;
    let text = match result {
        Ok(version) if tag.id.is_some() || is_duplicate => {
            if seq.is_some() && !is_duplicate {
                // This ack covers all before it.
                state.outbox.acks.remove(&to);
            }
            let request = request.filter(|_| is_duplicate);
            is_sure &= request.as_ref().is_none_or(|request| !state.records.requests.is_dirty_at(request));
            Some(ack(state, tag, version, duplicate, request.as_ref()))
        }
        Ok(version) => {
            state.outbox.acks.extend(seq.map(|seq| (to, (seq, version))));
            None
        }
        Err(Rejection::DoneBefore { version }) if !tag.is_empty() => {
            if seq.is_some() {
                state.outbox.acks.remove(&to);
            }
            Some(ack(state, tag, version, Some(true), request.as_ref()))
        }
        Err(Rejection::DoneBefore { .. }) => None,
        Err(Rejection::Refusal(refusal)) => {
            is_sure |= tag.number.is_none();
            Some(frames::error(&refusal, tag, is_duplicate))
        }
        Err(Rejection::Conflict(conflict)) => {
            // It shows the field, whose current value may itself not be stored yet.
            is_sure &= !state.records.fields.is_dirty_at(conflict.field.as_str());
            conflict_text(state, to, tag, conflict, is_duplicate, is_sure)
        }
    };
    let when = if is_sure { When::Always } else { When::Committed };
    if is_greeted {
        state.outbox.replies.extend(text.map(|text| StagedReply::Frame { to, text, when }));
    } else {
        state.outbox.frames.extend(text.map(|text| Outgoing { audience: Audience::One(to), text, when }));
    }
    if !is_sure {
        state.outbox.writers.push(PendingWriter { connection: to, tag: tag.clone() });
    }
}

/// Stages a reply that is true whatever becomes of the commit.
pub fn in_any_case(state: &mut State, to: ConnectionId, text: String) {
    state.outbox.replies.push(StagedReply::Frame { to, text, when: When::Always });
}

/// The text of a conflict for a plain client. That for a greeted one is written when it is sent, after the changes that
/// it must know by then.
fn conflict_text(
    state: &mut State,
    to: ConnectionId,
    tag: &Tag,
    conflict: Conflict,
    is_duplicate: bool,
    is_sure: bool,
) -> Option<String> {
    let text = conflict.frame(&state.records.fields, tag, is_duplicate);
    if state.sessions.get(to).is_none_or(|session| session.client().is_none()) {
        return Some(text);
    }
    let (tag, if_lost) = (tag.clone(), is_sure.then_some(text));
    state.outbox.replies.push(StagedReply::Conflict { to, tag, conflict, is_duplicate, if_lost });
    None
}

fn ack(state: &State, tag: &Tag, version: u64, duplicate: Option<bool>, request: Option<&RequestKey>) -> String {
    let record = request.and_then(|request| state.records.requests.get(request));
    let settlement = record.and_then(PermissionRequest::settlement);
    frames::ack(tag.id.as_ref(), tag.number.map(|number| number.seq), version, duplicate, settlement)
}
