//! `feed`: what the Worker makes of a room's frames for a reader of events (H4), whatever the frames are.

use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::feed::{Feed, Position, Step};
use roomkeep::protocol::frames::ClientMessage;
use roomkeep::protocol::limits::Limits;

use crate::json;

/// The input is a `Last-Event-ID`, which may be empty, and frames, with NULs between them.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    // A header's value has no line breaks.
    let last = parts.next().unwrap_or_default().lines().next().unwrap_or_default();
    let last = Position::parse(last);
    if let Some(position) = &last {
        assert_eq!(Position::parse(&format!("{}-{}", position.version, position.epoch)).as_ref(), Some(position));
    }
    let mut feed = Feed::new(last.clone());
    hello(&feed, last.as_ref());
    let mut at = last;
    for frame in parts {
        if json::read(frame).is_none_or(|document| document.root.has_duplicate_keys()) {
            // The room sends no such frame. It must do no harm all the same.
            drop(Feed::new(at.clone()).take(frame));
            continue;
        }
        let had_begun = feed.has_begun();
        let step = feed.take(frame);
        assert!(!had_begun || feed.has_begun());
        match step {
            Step::Nothing => {}
            // The stream ends, and nothing more is taken.
            Step::End(_) => return,
            Step::Ask(text) => at = Some(ask(&text, at.as_ref())),
            Step::Event(text) => {
                // The epoch is of the room's own making, hexadecimal digits.
                if !has_odd_epoch(frame) {
                    at = Some(event(&text, frame, at.as_ref()));
                }
            }
        }
        if has_odd_epoch(frame) {
            return;
        }
        at = match (at, json::read(frame)) {
            // A reader that began without a place has one from the first full answer on.
            (None, Some(document)) => document.root.get("epoch").and_then(json::Node::string).and_then(|epoch| {
                let is_full = document.root.get("type").and_then(json::Node::string) == Some("sync_response");
                let version = document.root.get("version").and_then(json::Node::integer).filter(|_| is_full)?;
                Some(Position { version, epoch: epoch.to_owned() })
            }),
            (at, _) => at,
        };
    }
}

fn has_odd_epoch(frame: &str) -> bool {
    let document = json::read(frame);
    let epoch = document.as_ref().and_then(|document| document.root.get("epoch")).and_then(json::Node::string);
    epoch.is_some_and(|epoch| epoch.is_empty() || epoch.contains(['\n', '\r']))
}

/// The first frame is a `hello` that says what the reader has.
fn hello(feed: &Feed, last: Option<&Position>) {
    match Frame::decode(&feed.hello("c"), &unlimited()).message {
        Ok(ClientMessage::Hello(hello)) => {
            assert_eq!(hello.client_id, "c");
            assert_eq!(hello.since, last.map(|last| last.version));
            assert_eq!(hello.epoch.as_deref(), last.map(|last| last.epoch.as_str()));
        }
        other => panic!("the room does not take the feed's hello: {other:?}"),
    }
}

/// What the feed asks is a question that the room understands, about the place that the reader has. That may be further
/// on than its last event, since what told of no change was no event.
fn ask(text: &str, at: Option<&Position>) -> Position {
    let at = at.expect("a reader without a place misses nothing");
    match Frame::decode(text, &unlimited()).message {
        Ok(ClientMessage::Sync { since, epoch, user_id: None }) => {
            let (version, epoch) = (since.expect("a version"), epoch.expect("an epoch"));
            assert!(epoch == at.epoch && version >= at.version, "H4: what the reader has it is not told again");
            Position { version, epoch }
        }
        other => panic!("the room does not take what the feed asks: {other:?}"),
    }
}

/// An event is one event when it is read as the HTML standard says, its data is JSON, and it brings its reader on.
fn event(text: &str, frame: &str, before: Option<&Position>) -> Position {
    let is_first = text.starts_with("retry: ");
    let body = text.strip_suffix("\n\n").expect("an event ends with an empty line");
    assert!(!body.contains("\n\n") && !body.contains('\r'), "one event: {text:?}");
    let (mut id, mut data) = (None, Vec::new());
    // Only the first event says when to come back.
    for line in body.strip_prefix("retry: 1000\n").unwrap_or(body).split('\n') {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field of an event: {line:?}"));
        match name {
            "id" => assert_eq!(id.replace(value), None),
            "data" => data.push(value),
            other => panic!("a field of another name: {other}"),
        }
    }
    let position = id.and_then(Position::parse).expect("the id is a position");
    let data = data.join("\n");
    let document = json::read(&data).expect("the data is JSON");
    assert_eq!(document.root.get("type").and_then(json::Node::string), Some("changes"));
    assert_eq!(document.root.get("to").and_then(json::Node::integer), Some(position.version));
    let is_reset = document.root.get("reset").is_some_and(|reset| reset.raw == "true");
    let read = json::read(frame).expect("what became an event is JSON");
    if read.root.get("type").and_then(json::Node::string) == Some("changes") {
        assert_eq!(read.tokens, document.tokens, "changes are told as they came");
        let before = before.expect("before the room's first answer nothing is told");
        let is_on = position.version > before.version || (is_first && position == *before);
        assert!(position.epoch == before.epoch && is_on, "an event brings its reader on");
    } else if before.is_none() {
        assert_eq!(document.root.get("changes").map(|changes| changes.raw), Some("[]"), "a new reader begins here");
    } else {
        assert!(is_reset, "all there is replaces what was there");
    }
    position
}

fn unlimited() -> Limits {
    Limits { message_bytes: usize::MAX, name_bytes: usize::MAX, ..Limits::default() }
}
