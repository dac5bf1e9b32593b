//! The room's frames as Server-Sent Events (H4; the HTML standard's `text/event-stream`).
//!
//! A feed belongs to one reader. It says `hello` to the room like any client, and turns the `changes` that arrive into
//! events. It asks again when one is missing, and skips what its reader already has. Its first event comes at once and
//! says where the reader is, if need be without a change.
//!
//! Some clients make a message of every empty line, whatever comes before it (`fetch-event-source`), or of every one
//! after the first `id` (`httpx-sse`). So nothing but an event ends with one: `retry` stands in the first event, and a
//! comment is a line of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::frames::fields::FieldChanged;
use super::frames::people::{ParticipantChanged, RecordView};
use super::frames::{ChangeView, ChangesView, LISTED, ServerMessage};
use super::json::{self, Json, encode};
use super::{Millis, PROTOCOL};

/// After how long a reader opens a stream again that has ended, in milliseconds.
const RETRY: Millis = 1_000;
/// A comment, which tells proxies that the stream is alive.
pub const KEEP_ALIVE: &str = ":\n";

/// How far a reader has got: the `id` of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The room's version.
    pub version: u64,
    /// The life of the room that the version belongs to (U8).
    pub epoch: String,
}

impl Position {
    /// Reads a `Last-Event-ID`.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, epoch) = text.split_once('-')?;
        let version = json::integer(version)?;
        Some(Self { version, epoch: epoch.to_owned() }).filter(|position| !position.epoch.is_empty())
    }
}

/// What to do about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it does not concern the reader.
    Nothing,
    /// Send this to the reader.
    Event(String),
    /// Send this to the room: something is missing.
    Ask(String),
    /// The room refused: send the reader this problem, and end.
    End(String),
}

/// One reader of a room's changes.
#[derive(Debug, Clone)]
pub struct Feed {
    /// What the reader has; `None` until the room's first reply to a reader that begins with the next change.
    at: Option<Position>,
    /// Whether the first event was sent.
    has_begun: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hello<'a> {
    r#type: &'static str,
    protocol: u64,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
}

/// The parts of the room's frames that matter here.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    from: Option<u64>,
    to: Option<u64>,
    version: Option<u64>,
    epoch: Option<String>,
    #[serde(borrow)]
    changes: Option<Vec<&'a RawValue>>,
    code: Option<String>,
}

/// When something that a full state lists last changed.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// The parts of a stored selection that are repeated beside it in a change.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stamp {
    version: u64,
    updated_at: Millis,
    user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: String,
    name: String,
    is_ready: bool,
    joined_at: Millis,
    version: u64,
}

impl Feed {
    /// A feed for a reader at this position, or for one that begins with the next change.
    pub fn new(last: Option<Position>) -> Self {
        Self { at: last, has_begun: false }
    }

    /// Whether the first event was sent, and every change from then on is.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The first frame to the room.
    pub fn hello(&self, client_id: &str) -> String {
        let since = self.at.as_ref().map(|at| at.version);
        let epoch = self.at.as_ref().map(|at| at.epoch.as_str());
        encode(&Hello { r#type: "hello", protocol: PROTOCOL, client_id, since, epoch })
    }

    /// Takes a frame from the room.
    pub fn take(&mut self, frame: &str) -> Step {
        if let Some((from, to)) = live_changes(frame) {
            return self.changes(frame, from, to, false);
        }
        let Ok(told) = serde_json::from_str::<Told<'_>>(frame) else { return Step::Nothing };
        match (told.r#type.as_ref(), told.from, told.to, told.version, told.epoch) {
            ("changes", Some(from), Some(to), _, Some(epoch)) => {
                let is_empty = told.changes.is_none_or(|changes| changes.is_empty());
                self.changes(frame, from, Position { version: to, epoch }, is_empty)
            }
            ("sync_response", _, _, Some(version), Some(epoch)) => self.full(frame, Position { version, epoch }),
            ("error", _, _, _, _) => Step::End(told.code.unwrap_or_default()),
            _ => Step::Nothing,
        }
    }

    fn changes(&mut self, frame: &str, from: u64, to: Position, is_empty: bool) -> Step {
        match &self.at {
            // Before the room's first reply, nothing is known to be missing.
            None => return Step::Nothing,
            // A reader that has missed nothing is told just that, first.
            Some(at) if *at == to && !self.has_begun => {}
            Some(at) if at.epoch == to.epoch && to.version <= at.version => return Step::Nothing,
            Some(at) if at.epoch != to.epoch || from > at.version => {
                let (since, epoch) = (at.version, Json::of(&at.epoch));
                return Step::Ask(format!(r#"{{"type":"sync_request","since":{since},"epoch":{}}}"#, epoch.text()));
            }
            Some(_) => {}
        }
        if is_empty && self.has_begun {
            self.at = Some(to);
            return Step::Nothing;
        }
        self.event(to, frame)
    }

    /// A full state: where a new reader begins, or everything for a reader whose position the room no longer knows.
    fn full(&mut self, frame: &str, to: Position) -> Step {
        let changes = match &self.at {
            None => Some(no_changes(&to)),
            Some(_) => all_as_changes(frame, &to),
        };
        match changes {
            Some(changes) => self.event(to, &changes),
            None => Step::End("internal".to_owned()),
        }
    }

    /// Moves the reader on by an event. The first one also says when to open the stream again.
    fn event(&mut self, to: Position, data: &str) -> Step {
        let retry = if self.has_begun { String::new() } else { format!("retry: {RETRY}\n") };
        let event = retry + &event(&to, data);
        self.has_begun = true;
        self.at = Some(to);
        Step::Event(event)
    }
}

/// The `from` and `to` of a `changes` frame, read from its beginning as the room writes it, so that the rest need not
/// be read: long frames reach every stream. No relayed frame begins in this way (F5).
fn live_changes(frame: &str) -> Option<(u64, Position)> {
    let rest = frame.strip_prefix(r#"{"type":"changes","from":"#)?;
    let (from, rest) = rest.split_once(r#","to":"#)?;
    let (to, rest) = rest.split_once(r#","epoch":""#)?;
    let (epoch, rest) = rest.split_once(r#"","changes":[{"#)?;
    let is_plain = !rest.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let to = Position { version: to.parse().ok()?, epoch: epoch.to_owned() };
    is_plain.then_some((from.parse().ok()?, to))
}

/// Where a new reader begins, so that it knows where to resume even if the stream ends before the first change.
fn no_changes(at: &Position) -> String {
    let (version, epoch) = (at.version, &at.epoch);
    let nothing = ChangesView {
        from: version,
        to: version,
        epoch,
        changes: Vec::new(),
        participants: None,
        presence: None,
        reset: None,
    };
    ServerMessage::Changes(Box::new(nothing)).encode()
}

/// A full state as changes since version 0, for a reader that discards what it had.
fn all_as_changes(frame: &str, to: &Position) -> Option<String> {
    let object = json::object(frame).ok()?;
    let member = |name: &str| object.members.get(name).map(RawValue::get);
    let selections = serde_json::from_str::<BTreeMap<Cow<'_, str>, Json>>(member("selections")?).ok()?;
    let stamps = selections.values().map(|selection| serde_json::from_str::<Stamp>(selection.text()));
    let stamps = stamps.collect::<Result<Vec<_>, _>>().ok()?;
    let fields = selections.iter().zip(&stamps).map(|((field, selection), Stamp { version, user_id, updated_at })| {
        let (version, updated_at) = (*version, *updated_at);
        ChangeView::Field(FieldChanged { version, field, selection: Some(selection), user_id, updated_at, via: None })
    });
    let participants = serde_json::from_str::<Vec<Person>>(member("participants")?).ok()?;
    let people = participants.iter().map(|person| {
        let Person { id, name, is_ready, joined_at, version } = person;
        let participant = RecordView { id, name, is_ready: *is_ready, joined_at: *joined_at };
        ChangeView::Participant(ParticipantChanged { version: *version, participant })
    });
    let mut changes = fields.chain(people).collect::<Vec<_>>();
    for (name, change) in LISTED {
        for listed in member(name).map_or(Ok(Vec::new()), serde_json::from_str::<Vec<Json>>).ok()? {
            let of = serde_json::from_str::<Versioned>(listed.text()).ok()?;
            changes.push(change(of.version, listed));
        }
    }
    changes.sort_by_key(ChangeView::version);
    let view = ChangesView {
        from: 0,
        to: to.version,
        epoch: &to.epoch,
        changes,
        participants: None,
        presence: None,
        reset: Some(true),
    };
    Some(ServerMessage::Changes(Box::new(view)).encode())
}

/// An event as text. JSON may span several lines; each is then a `data:` of its own.
fn event(position: &Position, data: &str) -> String {
    let mut text = format!("id: {}-{}\n", position.version, position.epoch);
    for line in data.split(['\n', '\r']) {
        text.extend(["data: ", line, "\n"]);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: u64) -> Option<Position> {
        Some(Position { version, epoch: "e".to_owned() })
    }

    fn changes(from: u64, to: u64, entries: &str) -> String {
        format!(r#"{{"type":"changes","from":{from},"to":{to},"epoch":"e","changes":[{entries}]}}"#)
    }

    #[test]
    fn h4_an_id_is_a_version_and_its_epoch() {
        assert_eq!(Position::parse("12-e-f"), Some(Position { version: 12, epoch: "e-f".to_owned() }));
        for rubbish in ["", "12", "12-", "-e", "+1-e", "x-e", "99999999999999999999-e"] {
            assert_eq!(Position::parse(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn h4_a_new_reader_is_told_where_it_is_and_then_of_the_next_change() {
        let mut feed = Feed::new(None);
        assert_eq!(feed.hello("c"), r#"{"type":"hello","protocol":1,"clientId":"c"}"#);
        assert_eq!(feed.take(r#"{"type":"welcome","version":3,"epoch":"e"}"#), Step::Nothing);
        let full = r#"{"type":"sync_response","version":3,"epoch":"e","selections":{},"participants":[]}"#;
        assert!(!feed.has_begun());
        let first = r#"{"type":"changes","from":3,"to":3,"epoch":"e","changes":[]}"#;
        assert_eq!(feed.take(full), Step::Event(format!("retry: 1000\nid: 3-e\ndata: {first}\n\n")));
        assert!(feed.has_begun());
        let frame = changes(3, 4, "[\n1]");
        let lines = frame.replace('\n', "\ndata: ");
        assert_eq!(feed.take(&frame), Step::Event(format!("id: 4-e\ndata: {lines}\n\n")));
        assert_eq!(feed.take(&frame), Step::Nothing, "what the reader has it is not told again");
        assert_eq!(feed.take(r#"{"type":"user_left","userId":"ann","lastSeen":1}"#), Step::Nothing);
    }

    #[test]
    fn h4_a_reader_that_comes_back_is_told_what_it_missed() {
        let mut feed = Feed::new(at(3));
        assert_eq!(feed.hello("c"), r#"{"type":"hello","protocol":1,"clientId":"c","since":3,"epoch":"e"}"#);
        let first = changes(3, 5, "1,2");
        assert_eq!(feed.take(&first), Step::Event(format!("retry: 1000\nid: 5-e\ndata: {first}\n\n")));
        assert_eq!(feed.take(&changes(5, 5, "")), Step::Nothing);
        let ask = r#"{"type":"sync_request","since":5,"epoch":"e"}"#;
        assert_eq!(feed.take(&changes(6, 7, "1")), Step::Ask(ask.to_owned()), "a gap");
        assert!(matches!(feed.take(&changes(5, 7, "1")), Step::Event(_)));
        let refusal = r#"{"type":"error","code":"storage","message":"m"}"#;
        assert_eq!(feed.take(refusal), Step::End("storage".to_owned()));
    }

    #[test]
    fn h4_a_reader_that_has_missed_nothing_is_told_so_once() {
        let mut feed = Feed::new(at(3));
        let nothing = changes(3, 3, "");
        assert_eq!(feed.take(&nothing), Step::Event(format!("retry: 1000\nid: 3-e\ndata: {nothing}\n\n")));
        assert_eq!(feed.take(&nothing), Step::Nothing);
        let next = changes(3, 4, "{}");
        assert_eq!(feed.take(&next), Step::Event(format!("id: 4-e\ndata: {next}\n\n")));
    }

    #[test]
    fn h4_who_was_away_for_too_long_is_told_all_as_changes() {
        let mut feed = Feed::new(at(3));
        let full = r#"{"type":"sync_response","version":9,"epoch":"new","time":1,"reset":true,"selections":{
            "b":{"field":"b","value":1.10,"userId":"ann","timestamp":null,"version":8,"updatedAt":5},
            "a":{"field":"a","value":2,"userId":"bob","timestamp":null,"version":9,"updatedAt":6}},
            "participants":[{"id":"ann","name":"Ann","isReady":false,"joinedAt":2,"version":1}],"presence":[],
            "requests":[{"requestId":"r","status":"resolved","version":7}],"permissions":[{"requestId":"r","version":7}]}"#;
        let Step::Event(event) = feed.take(full) else { panic!("an event") };
        let expected = concat!(
            r#"{"type":"changes","from":0,"to":9,"epoch":"new","changes":["#,
            r#"{"kind":"participant","version":1,"participant":{"id":"ann","name":"Ann","isReady":false,"joinedAt":2}},"#,
            r#"{"kind":"request","version":7,"request":{"requestId":"r","status":"resolved","version":7}},"#,
            r#"{"kind":"grant","version":7,"grant":{"requestId":"r","version":7}},"#,
            r#"{"kind":"field","version":8,"field":"b","selection":"#,
            r#"{"field":"b","value":1.10,"userId":"ann","timestamp":null,"version":8,"updatedAt":5},"userId":"ann","updatedAt":5},"#,
            r#"{"kind":"field","version":9,"field":"a","selection":"#,
            r#"{"field":"a","value":2,"userId":"bob","timestamp":null,"version":9,"updatedAt":6},"userId":"bob","updatedAt":6}"#,
            r#"],"reset":true}"#
        );
        assert_eq!(event, format!("retry: 1000\nid: 9-new\ndata: {expected}\n\n"));
    }
}
