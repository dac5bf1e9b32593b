//! `frame`: text as it comes from a socket (F1 to F5, E2, X1), read by the room and by a second reader of JSON.

use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::feed::{Feed, Position, Step};
use roomkeep::protocol::frames::fields::{FieldChange, Selection, stored_selection};
use roomkeep::protocol::frames::people::{Join, UserJoined};
use roomkeep::protocol::frames::{ClientMessage, ServerMessage};
use roomkeep::protocol::limits::{Limits, MESSAGE_ID_CHARS, NESTING};
use roomkeep::protocol::refusal::{Code, Refusal};
use roomkeep::protocol::tag::MessageId;

use crate::json::{self, Document, Kind, Node};

/// What the server alone says (F5).
const RESERVED: [&str; 7] = ["welcome", "sync_response", "changes", "ack", "conflict", "error", "user_left"];
/// What is never passed on, whatever its form.
const KNOWN: [&str; 12] = [
    "user_joined",
    "user_ready",
    "field_selected",
    "field_cleared",
    "batch",
    "sync_request",
    "kick",
    "participant_removed",
    "permission_request",
    "permission_response",
    "permission_cancelled",
    "permission_revoked",
];

/// The input is a frame.
pub fn run(data: &[u8]) {
    // Bytes that are no UTF-8 the runtime has made U+FFFD.
    let text = String::from_utf8_lossy(data);
    for limits in [Limits::default(), tiny()] {
        check(&text, &limits);
    }
    if let Some(document) = json::read(&text) {
        layout_is_nothing(&text, &document);
    }
}

/// Limits that even short inputs can break.
pub fn tiny() -> Limits {
    Limits {
        message_bytes: 160,
        value_bytes: 12,
        name_bytes: 5,
        user_name_bytes: 4,
        presence_bytes: 6,
        detail_bytes: 6,
        batch: 2,
        ..Limits::default()
    }
}

fn check(text: &str, limits: &Limits) {
    let frame = Frame::decode(text, limits);
    assert_eq!(Frame::decode(text, limits), frame);
    let document = json::read(text);
    match (&frame.message, must_be_refused(text, document.as_ref(), limits)) {
        (Ok(message), Some(code)) => panic!("{message:?} must be refused with {code:?}"),
        (Err(refusal), Some(code)) => assert_eq!(refusal.code, code),
        (Err(_), None) => {}
        (Ok(message), None) => {
            let root = &document.as_ref().expect("what is no JSON must be refused").root;
            accepted(text, &frame, message, root, limits);
        }
    }
}

/// F1, F5 and X1, as far as they speak of all frames.
fn must_be_refused(text: &str, document: Option<&Document<'_>>, limits: &Limits) -> Option<Code> {
    if text.len() > limits.message_bytes {
        return Some(Code::LimitMessage);
    }
    let Some(document) = document.filter(|document| document.root.members().is_some()) else {
        return Some(Code::BadMessage);
    };
    if document.root.has_duplicate_keys() || document.has_lone_surrogate {
        return Some(Code::BadMessage);
    }
    if document.depth > NESTING {
        return Some(Code::LimitDepth);
    }
    match document.root.get("type").and_then(Node::string) {
        None => Some(Code::BadMessage),
        Some(kind) => RESERVED.contains(&kind).then_some(Code::ReservedType),
    }
}

fn accepted(text: &str, frame: &Frame, message: &ClientMessage, root: &Node<'_>, limits: &Limits) {
    let kind = root.get("type").and_then(Node::string).expect("a type");
    let is_relayed = matches!(message, ClientMessage::Relay { .. });
    assert_eq!(frame.tag.id, root.get("id").and_then(message_id), "F3");
    assert!(is_relayed || root.get("id").is_none() || frame.tag.id.is_some(), "F3: an id of another form");
    let seq = root.get("seq").filter(|_| !is_relayed).map(|node| node.integer().expect("E1: a plain number"));
    assert_eq!(frame.tag.number.map(|number| number.seq), seq);
    assert!(seq.is_none_or(|seq| (1..1 << 53).contains(&seq)), "E1");
    match message {
        ClientMessage::Relay { .. } => relayed(text, kind),
        ClientMessage::Join(join) => joined(join, limits),
        ClientMessage::Change(change) => changed(change, root, limits),
        ClientMessage::Batch(changes) => {
            assert!(changes.len() <= limits.batch, "S9");
            let Some(Kind::Array(nodes)) = root.get("changes").map(|node| &node.kind) else { panic!("a list") };
            assert_eq!(nodes.len(), changes.len());
            for (change, node) in changes.iter().zip(nodes) {
                assert!(node.get("id").is_none() && node.get("seq").is_none() && !node.has_duplicate_keys(), "S9");
                changed(change, node, limits);
            }
        }
        ClientMessage::Hello(hello) => {
            assert!(!hello.client_id.is_empty() && hello.client_id.len() <= limits.name_bytes, "X1");
            assert_eq!(root.get("protocol").and_then(Node::integer), Some(1), "Y4");
        }
        ClientMessage::Presence { data, .. } => {
            let raw = root.get("data").map(|node| node.raw).expect("a presence has data");
            assert_eq!(data.as_ref().map_or("null", |data| data.text()), raw);
            assert!(data.is_none() || raw.len() <= limits.presence_bytes, "P1");
        }
        ClientMessage::Ready { .. }
        | ClientMessage::OtherProtocol
        | ClientMessage::Sync { .. }
        | ClientMessage::Auth { .. }
        | ClientMessage::Kick { .. }
        | ClientMessage::Remove { .. }
        | ClientMessage::Permission(_) => {}
    }
}

/// F3.
fn message_id(node: &Node<'_>) -> Option<MessageId> {
    match &node.kind {
        // A zero with a sign is not written plainly.
        Kind::Number => node.raw.parse().ok().filter(|_| node.raw != "-0").map(MessageId::Number),
        Kind::String(Some(text)) if (1..=MESSAGE_ID_CHARS).contains(&text.chars().count()) => {
            Some(MessageId::Text(text.clone()))
        }
        Kind::Object(_) | Kind::Array(_) | Kind::String(_) | Kind::Word => None,
    }
}

/// What a page says to others is neither a message of the protocol nor taken by anyone for the room's own words.
fn relayed(text: &str, kind: &str) {
    assert!(!KNOWN.contains(&kind), "P2: `{kind}` belongs to the protocol");
    let mut feed = Feed::new(Some(Position { version: 0, epoch: "e".to_owned() }));
    assert_eq!((feed.take(text), feed.has_begun()), (Step::Nothing, false), "F5: {text}");
}

fn joined(join: &Join, limits: &Limits) {
    assert!(!join.user_id.is_empty() && join.user_id.len() <= limits.name_bytes.max(255), "X1");
    assert!(!join.user_name.is_empty() && join.user_name.len() <= limits.user_name_bytes, "X1");
    let (user_id, user_name, profile) = (join.user_id.as_str(), join.user_name.as_str(), &join.profile);
    let told = ServerMessage::UserJoined(UserJoined { user_id, user_name, joined_at: 1, profile }).encode();
    let told = json::read(&told).expect("what the room tells is JSON");
    assert!(!told.root.has_duplicate_keys(), "F1: what the room tells is a frame too");
    assert_eq!(told.root.get("userId").and_then(Node::string), Some(user_id));
}

fn changed(change: &FieldChange, node: &Node<'_>, limits: &Limits) {
    for name in [change.field(), change.user_id()] {
        assert!(!name.is_empty() && name.len() <= limits.name_bytes.max(255), "X1");
    }
    let (kind, base) = (node.get("type").and_then(Node::string), node.get("baseVersion").and_then(Node::integer));
    assert_eq!(change.base_version(), base);
    assert_eq!(change.is_exact(), node.get("exact").is_some_and(|node| node.raw == "true"));
    match change {
        FieldChange::Clear { .. } => assert_eq!(kind, Some("field_cleared")),
        FieldChange::Select(selection) => {
            assert_eq!(kind, Some("field_selected"));
            selected(selection, node.get("selection").expect("a selection"), limits);
        }
    }
}

fn selected(selection: &Selection, node: &Node<'_>, limits: &Limits) {
    assert!(!node.has_duplicate_keys(), "F1");
    assert_eq!(Some(selection.value.text()), node.get("value").map(|value| value.raw), "S2: digit for digit");
    assert!(selection.value.text().len() <= limits.value_bytes, "X1");
    let stored = stored_selection(selection, 7, 9);
    let stored = json::read(stored.text()).expect("what the room stores is JSON");
    assert!(!stored.root.has_duplicate_keys(), "F1: what the room stores is told as a frame");
    let of_room = ["version", "updatedAt", "timestamp"];
    for (key, value) in node.members().unwrap_or_default() {
        let key = key.as_deref().expect("what is taken has no half of a surrogate pair");
        let kept = stored.root.get(key).map(|value| (value.raw, value.string()));
        if !of_room.contains(&key) {
            // A name may have had other escapes.
            assert!(kept.is_some_and(|(raw, text)| raw == value.raw || text == value.string()), "S2: {key} is kept");
        }
    }
    assert_eq!(stored.root.get("version").and_then(Node::integer), Some(7), "S2");
}

/// White space between tokens changes neither what a frame says nor the mark of it (E2).
fn layout_is_nothing(text: &str, document: &Document<'_>) {
    // Such that no length plays a part.
    let most = usize::MAX;
    let limits = Limits { message_bytes: most, value_bytes: most, presence_bytes: most, detail_bytes: most, ..tiny() };
    let says = |text: &str| {
        let Frame { tag, message, .. } = Frame::decode(text, &limits);
        let said = message.map(|message| std::mem::discriminant(&message)).map_err(|Refusal { code, .. }| code);
        (tag, said)
    };
    let said = says(text);
    for space in ["", " ", "\n\t", "\r"] {
        assert_eq!(says(&document.tokens.join(space)), said, "E2: with {space:?} between its tokens");
    }
}
