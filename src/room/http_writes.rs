//! Writing over HTTP: `PUT` and `DELETE` of a field (H3).

use crate::protocol::frames::ClientMessage;
use crate::protocol::frames::fields::FieldChange;
use crate::protocol::frames::fields::WrittenBody;
use crate::protocol::json::Extra;
use crate::protocol::json::{Json, encode};
use crate::protocol::precondition::{Precondition, field_tag};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::write::FieldWrite;

use super::records::{clients, fields, keys};
use super::reply::{Rejection, Reply, Writer};
use super::state::State;
use super::turn::Written;

/// Makes a change that came over HTTP. The response may be given once the commit is made.
pub fn write(state: &mut State, request: FieldWrite) -> Written {
    let FieldWrite { frame, client_id, key, precondition } = request;
    let change = match frame.message {
        Ok(ClientMessage::Change(change)) => Ok(change),
        Ok(_) => Err(Refusal::new(Code::BadMessage, "Only fields can be written over HTTP.")),
        Err(refusal) => Err(refusal),
    };
    let field = change.as_ref().map_or_else(|_| String::new(), |change| change.field().to_owned());
    let user = change.as_ref().ok().map(|change| change.user_id().to_owned());
    let writer = Writer { connection: None, client: client_id.clone() };
    // The number that stands for a key is not the caller's.
    let seq = frame.tag.number.filter(|_| key.is_none()).map(|number| number.seq);
    let act = |state: &mut State| make(state, &writer, change, &precondition);
    let reply = match (frame.tag.number, key, client_id, user) {
        (Some(number), Some(key), _, Some(user)) => keys::once::once(state, (user, key), number.content_mark, act),
        (Some(number), None, Some(client_id), user) => {
            clients::once::forget_if_away(state, &client_id);
            clients::once::once(state, &client_id, user.as_deref(), number, act)
        }
        // A request that names no user cannot be read, and is refused in the same way each time.
        (_, _, _, _) => act(state).into(),
    };
    written(state, &field, seq, reply)
}

fn make(
    state: &mut State,
    writer: &Writer,
    change: Result<FieldChange, Refusal>,
    precondition: &Precondition,
) -> Result<u64, Rejection> {
    let change = change?;
    if !precondition.holds(tag_of(state, change.field()).as_deref()) {
        let message =
            "The field does not hold what `If-Match` or `If-None-Match` requires. `current` is what it holds.";
        return Err(Refusal::new(Code::PreconditionFailed, message).into());
    }
    let user = change.user_id().to_owned();
    let version = fields::messages::change(state, writer, &[change])?;
    // The user may not be connected at all.
    state.records.people.note_last_seen(&user, state.clock);
    Ok(version)
}

/// The tag of a field that is set (H3).
fn tag_of(state: &State, field: &str) -> Option<String> {
    let field = state.records.fields.get(field).filter(|field| field.selection.is_some())?;
    Some(field_tag(state.life.epoch(), field.version))
}

fn written(state: &State, field: &str, seq: Option<u64>, reply: Reply) -> Written {
    let tag = tag_of(state, field);
    let duplicate = reply.is_duplicate.then_some(true);
    let mut members = Extra::new();
    members.extend(seq.map(|seq| ("seq".to_owned(), Json::of(&seq))));
    members.extend(duplicate.map(|duplicate| ("duplicate".to_owned(), Json::of(&duplicate))));
    match reply.result {
        Ok(version) | Err(Rejection::DoneBefore { version }) => {
            let selection = state.records.fields.get(field).and_then(|field| field.selection.as_ref());
            Written::Done { body: encode(&WrittenBody { version, selection, duplicate }), tag }
        }
        Err(Rejection::Conflict(conflict)) => {
            let view = conflict.view(&state.records.fields);
            members.insert("field".to_owned(), Json::of(&view.field));
            members.insert("clientVersion".to_owned(), Json::of(&view.client_version));
            members.insert("serverVersion".to_owned(), Json::of(&view.server_version));
            members.insert("current".to_owned(), Json::of(&view.current));
            let detail =
                "The field has changed since its writer last saw it. `current` is what it holds now.".to_owned();
            Written::Problem { code: "E_CONFLICT", detail, members, tag }
        }
        Err(Rejection::Refusal(refusal)) => {
            members.extend(refusal.expected.map(|seq| ("expected".to_owned(), Json::of(&seq))));
            if refusal.code == Code::PreconditionFailed {
                let current = state.records.fields.get(field).and_then(|field| field.selection.as_ref());
                members.insert("current".to_owned(), Json::of(&current));
            }
            Written::Problem { code: refusal.code.as_str(), detail: refusal.message, members, tag }
        }
    }
}
