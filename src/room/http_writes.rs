//! Writing over HTTP: fields, one or several (H3, H7), messages (H9), and participants who left (J10).

use std::collections::BTreeMap;

use crate::protocol::frames::ClientMessage;
use crate::protocol::frames::fields::{BatchWrittenBody, FieldChange, WrittenBody};
use crate::protocol::json::{Extra, Json, encode};
use crate::protocol::precondition::{Precondition, field_tag};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::write::{RoomWrite, Verb};

use super::records::fields::record::Field;
use super::records::{clients, fields, keys, people};
use super::relay::relay;
use super::reply::{Rejection, Reply, Writer};
use super::state::State;
use super::turn::Written;

/// What the response shows.
enum Shown {
    /// A field.
    Field(String),
    /// Several fields of the room.
    Fields(Vec<String>),
    /// Only the version.
    Version,
}

/// Does what came over HTTP. The response may be given once the commit is made.
pub fn write(state: &mut State, mut request: RoomWrite) -> Written {
    if request.verb == Verb::Send {
        return send(state, request);
    }
    let shown = Shown::of(state, &request);
    let (role, claims) = (request.role, std::mem::take(&mut request.claims));
    let (client, made_for) = (request.client_id.clone(), request.frame.made_for);
    let writer = Writer { connection: None, client, role, claims, made_for };
    let (tag, key, client_id) = (request.frame.tag.clone(), request.key.take(), request.client_id.take());
    // The number that stands for a key is not the caller's.
    let seq = tag.number.filter(|_| key.is_none()).map(|number| number.seq);
    let author = request.author.clone();
    let act = |state: &mut State| make(state, &writer, request, &shown);
    let reply = match (tag.number, key, client_id, author) {
        (Some(number), Some(key), _, Some(user)) => keys::once::once(state, (user, key), number.content_mark, act),
        (Some(number), None, Some(client_id), user) => {
            clients::once::forget_if_away(state, &client_id);
            clients::once::once(state, &client_id, user.as_deref(), number, act)
        }
        // A request that names no user cannot be read, and is refused in the same way each time.
        (_, _, _, _) => act(state).into(),
    };
    written(state, &shown, seq, reply)
}

fn make(state: &mut State, writer: &Writer, request: RoomWrite, shown: &Shown) -> Result<u64, Rejection> {
    let RoomWrite { frame, author, role, precondition, .. } = request;
    let message = frame.message?;
    check(state, &precondition, shown)?;
    let version = match message {
        ClientMessage::Change(change) => fields::messages::change(state, writer, &[change])?,
        ClientMessage::Batch(changes) => fields::messages::change(state, writer, &changes)?,
        ClientMessage::Remove { user_id } => {
            people::messages::remove(state, None, (author.as_deref(), role), &user_id)?
        }
        ClientMessage::Join(_)
        | ClientMessage::Ready { .. }
        | ClientMessage::Hello(_)
        | ClientMessage::OtherProtocol
        | ClientMessage::Presence { .. }
        | ClientMessage::Sync { .. }
        | ClientMessage::Auth { .. }
        | ClientMessage::Kick { .. }
        | ClientMessage::Permission(_)
        | ClientMessage::Relay { .. } => {
            return Err(Refusal::new(Code::BadMessage, "This cannot be done over HTTP.").into());
        }
    };
    if let Some(user) = author {
        // The user may not be connected at all.
        state.records.people.note_last_seen(&user, state.clock);
    }
    Ok(version)
}

fn check(state: &State, precondition: &Precondition, shown: &Shown) -> Result<(), Refusal> {
    if precondition.holds(shown.tag(state).as_deref()) {
        return Ok(());
    }
    let message = match shown {
        Shown::Field(_) => {
            "The field does not hold what `If-Match` or `If-None-Match` requires. `current` is what it holds."
        }
        Shown::Fields(_) | Shown::Version => {
            "The room is not in the state that `If-Match` or `If-None-Match` requires. Read it again."
        }
    };
    Err(Refusal::new(Code::PreconditionFailed, message))
}

/// Relays a message of a back end's own (H9).
fn send(state: &mut State, request: RoomWrite) -> Written {
    let refusal = match request.frame.message {
        Ok(ClientMessage::Relay { to, .. }) => {
            let sent = relay(state, None, to.as_deref(), request.text);
            let body = encode(&BTreeMap::from([("sent", sent)]));
            return Written::Done { body, tag: None };
        }
        Ok(_) => {
            let message = "This type belongs to the protocol. Only messages of a type of your own are relayed.";
            Refusal::new(Code::BadMessage, message)
        }
        Err(refusal) => refusal,
    };
    Written::Problem { code: refusal.code.as_str(), detail: refusal.message, members: Extra::new(), tag: None }
}

impl Shown {
    fn of(state: &State, request: &RoomWrite) -> Self {
        let kind = &state.settings.kind;
        let older = kind.declared.as_ref().zip(kind.older(request.frame.made_for).unwrap_or_default());
        // What an older page calls otherwise has its new name in the response (K6).
        let name = |change: &FieldChange| {
            let now = older.and_then(|(kind, version)| kind.name_since(version, change.field()));
            now.unwrap_or_else(|| change.field().to_owned())
        };
        match &request.frame.message {
            Ok(ClientMessage::Change(change)) => Self::Field(name(change)),
            Ok(ClientMessage::Batch(changes)) => Self::Fields(changes.iter().map(name).collect()),
            Ok(_) => Self::Version,
            Err(_) if request.verb == Verb::Patch => Self::Fields(Vec::new()),
            Err(_) => Self::Field(String::new()),
        }
    }

    /// The tag of what it is (H3, H7).
    fn tag(&self, state: &State) -> Option<String> {
        let version = match self {
            Self::Field(name) => set(state, name)?.version,
            Self::Fields(_) if state.life.is_stored() || state.records.is_dirty() => state.version,
            Self::Fields(_) | Self::Version => return None,
        };
        Some(field_tag(state.life.epoch(), version))
    }
}

/// A field that is set.
fn set<'a>(state: &'a State, name: &str) -> Option<&'a Field> {
    state.records.fields.get(name).filter(|field| field.selection.is_some())
}

fn selection<'a>(state: &'a State, name: &str) -> Option<&'a Json> {
    set(state, name)?.selection.as_ref()
}

fn written(state: &State, shown: &Shown, seq: Option<u64>, reply: Reply) -> Written {
    let tag = shown.tag(state);
    // That of the whole room leaves out who is online (H1).
    let tag = if let Shown::Fields(_) = shown { tag.map(|tag| format!("W/{tag}")) } else { tag };
    let duplicate = reply.is_duplicate.then_some(true);
    let mut members = Extra::new();
    members.extend(seq.map(|seq| ("seq".to_owned(), Json::of(&seq))));
    members.extend(duplicate.map(|duplicate| ("duplicate".to_owned(), Json::of(&duplicate))));
    match reply.result {
        Ok(version) | Err(Rejection::DoneBefore { version }) => {
            let body = match shown {
                Shown::Field(name) => encode(&WrittenBody { version, selection: selection(state, name), duplicate }),
                Shown::Fields(names) => {
                    let selections = names.iter().map(|name| (name.as_str(), selection(state, name))).collect();
                    encode(&BatchWrittenBody { version, selections, duplicate })
                }
                Shown::Version => {
                    members.remove("seq");
                    members.insert("version".to_owned(), Json::of(&version));
                    encode(&members)
                }
            };
            Written::Done { body, tag }
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
            members.extend(refusal.about.iter().flat_map(|about| about.members()));
            if let (Code::PreconditionFailed, Shown::Field(name)) = (refusal.code, shown) {
                members.insert("current".to_owned(), Json::of(&selection(state, name)));
            }
            Written::Problem { code: refusal.code.as_str(), detail: refusal.message, members, tag }
        }
    }
}
