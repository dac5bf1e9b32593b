//! `http_write`: what is asked of a room over HTTP (H3, H7, H9, J10), and the frames that would say the same.

use std::collections::BTreeMap;

use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::frames::ClientMessage;
use roomkeep::protocol::frames::fields::FieldChange;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::refusal::{Code, Refusal};
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{HttpWrite, RoomWrite, Verb, WriteHeaders};

use crate::json::{self, Node};

/// The input has four parts with line breaks between them: the verb and the target (`PUT price`, else it is a `DELETE`),
/// the `Idempotency-Key` or nothing, the query (`userId=ann&seq=1`), and the body.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(4, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (line, key, query, body) = (part(), part(), part(), part());
    let (verb, target) = match line.split_once(' ') {
        Some(("PUT", field)) => (Verb::Put, field),
        Some(("PATCH", _)) => (Verb::Patch, ""),
        Some(("SEND", _)) => (Verb::Send, ""),
        Some(("REMOVE", user)) => (Verb::Remove, user),
        Some((_, field)) => (Verb::Delete, field),
        None => (Verb::Delete, line),
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(name, _)| verb.query_members().contains(name));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>();
    let headers = WriteHeaders { key: Some(key).filter(|key| !key.is_empty()), ..WriteHeaders::default() };
    for (user, role) in [(None, Role::Moderator), (Some("ann"), Role::Editor)] {
        let request =
            HttpWrite { verb, target, user, role, claims: &[], is_declared: false, body, query: &query, headers };
        for limits in [Limits::default(), crate::frame::tiny()] {
            check(&request, &limits);
        }
    }
}

fn check(request: &HttpWrite<'_>, limits: &Limits) {
    let read = RoomWrite::read(request, limits);
    assert_eq!(RoomWrite::read(request, limits), read);
    if let (Some(user), Ok(RoomWrite { author: Some(author), .. })) = (request.user, &read) {
        assert_eq!(user, author, "J2: a token writes for its own user");
    }
    match (request.verb, read) {
        (Verb::Put | Verb::Delete, read) => check_field(request, limits, read),
        (Verb::Patch, Ok(write)) => check_batch(request, &write, limits),
        (Verb::Send, Ok(write)) => {
            assert_eq!(write.text, request.body, "P2: byte for byte");
            assert_eq!(write.frame, Frame::decode(request.body, limits));
        }
        (Verb::Remove, Ok(write)) => {
            if let Ok(message) = &write.frame.message {
                assert_eq!(*message, ClientMessage::Remove { user_id: request.target.to_owned() });
            }
        }
        (_, Err(refusal)) => {
            assert!(matches!(refusal.code, Code::BadMessage | Code::LimitName | Code::IdentityMismatch), "{refusal:?}")
        }
    }
}

/// What can be read is a batch, and the one that the body has as it stands, if that is complete.
fn check_batch(request: &HttpWrite<'_>, write: &RoomWrite, limits: &Limits) {
    let Ok(message) = &write.frame.message else { return };
    let ClientMessage::Batch(changes) = message else { panic!("a batch: {message:?}") };
    assert!(changes.len() <= limits.batch);
    let body = json::read(request.body).expect("what was read is JSON");
    let Some(raw) = body.root.get("changes") else { panic!("a batch has changes") };
    let text = format!(r#"{{"type":"batch","changes":{}}}"#, raw.raw);
    let said = Frame::decode(&text, &Limits { message_bytes: usize::MAX, ..limits.clone() });
    if let Ok(said) = said.message {
        assert_eq!(said, *message, "H7: the author is filled in only where there is none");
    }
}

fn check_field(request: &HttpWrite<'_>, limits: &Limits, read: Result<RoomWrite, Refusal>) {
    let body = json::read(request.body).filter(|body| body.root.members().is_some());
    let is_bodiless = request.body.trim().is_empty() && request.verb == Verb::Delete;
    let write = match read {
        Ok(write) => write,
        Err(refusal) => {
            let codes = [Code::BadMessage, Code::LimitName, Code::IdentityMismatch];
            assert!(codes.contains(&refusal.code), "{refusal:?}");
            return;
        }
    };
    assert!(
        is_bodiless || body.as_ref().is_some_and(|body| !body.root.has_duplicate_keys()),
        "H3: a body that is no object"
    );
    assert!(write.frame.tag.id.is_none(), "HTTP has its own answers");
    if let Some(client) = &write.client_id {
        assert!(!client.is_empty() && client.len() <= limits.name_bytes);
    }
    let seq = write.frame.tag.number.map(|number| number.seq);
    match &write.key {
        Some(key) => assert!((1..=256).contains(&key.len()) && key.is_ascii() && seq.is_none_or(|seq| seq == 1)),
        None => assert!(seq.is_none() || write.client_id.is_some(), "E1: a number is of an outbox"),
    }
    if let Ok(message) = &write.frame.message {
        let ClientMessage::Change(change) = message else { panic!("only fields are written over HTTP: {message:?}") };
        assert_eq!(change.field(), request.target);
        let is_put = matches!(change, FieldChange::Select(_));
        assert_eq!(is_put, request.verb == Verb::Put);
        if let Some(body) = body.filter(|_| is_put && write.key.is_none() && request.user.is_none()) {
            says_the_same(&write.frame, change, &body.root, limits);
        }
    }
}

/// An outbox can go over from HTTP to a socket and back, so that the mark of a message is the same on both ways.
fn says_the_same(frame: &Frame, change: &FieldChange, body: &Node<'_>, limits: &Limits) {
    let member = |key: &str| body.get(key).map_or(String::new(), |node| format!(r#","{key}":{}"#, node.raw));
    let encoded = |text: &str| serde_json::to_string(text).expect("a string");
    let mut selection = format!(r#""field" : {}"#, encoded(change.field()));
    for (key, node) in body.members().unwrap_or_default() {
        let key = key.as_deref().expect("what is taken has no half of a surrogate pair");
        if !["field", "type", "id", "baseVersion", "exact", "seq", "clientId"].contains(&key) {
            selection.push_str(&format!(", {}: {}", encoded(key), node.raw));
        }
    }
    let (base, exact, seq) = (member("baseVersion"), member("exact"), member("seq"));
    let text = format!(r#" {{"selection":{{{selection}}}, "type" : "field_selected"{base}{exact}{seq}}}"#);
    let said = Frame::decode(&text, &Limits { message_bytes: usize::MAX, ..limits.clone() });
    assert_eq!(said.tag, frame.tag, "{text}");
    let Ok(ClientMessage::Change(said)) = said.message else { panic!("a frame that says the same: {text}") };
    let says = |change: &FieldChange| (change.user_id().to_owned(), change.base_version(), change.is_exact());
    assert_eq!(says(&said), says(change));
}
