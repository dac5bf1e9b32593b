//! The messages of a page, which all dialects but those with a module of their own speak. Of a frame only what the load
//! program needs is read; the rest is skipped without being copied.

use crate::dialect::{Event, Unreadable, Write};
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A numbered client's joining is its first message, so its writes are one behind.
const JOIN_SEQ: u64 = 1;

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    selection: Option<Selection<'a>>,
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
    /// A whole state, by field.
    #[serde(borrow, default)]
    selections: HashMap<Cow<'a, str>, Selection<'a>>,
    from: Option<u64>,
    to: Option<u64>,
    version: Option<u64>,
    seq: Option<u64>,
    code: Option<String>,
}

/// Participants and cleared fields are changes without a selection.
#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    selection: Option<Selection<'a>>,
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Selection<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    version: Option<u64>,
}

impl Selection<'_> {
    fn event(&self, version: Option<u64>, whole: bool) -> Option<Event> {
        written(&self.field, &self.value).map(|write| Event::Change { write, version, whole })
    }
}

pub fn hello(client_id: &str) -> String {
    json!({ "type": "hello", "protocol": 1, "clientId": client_id }).to_string()
}

pub fn join(client: usize, is_numbered: bool) -> String {
    let user = format!("u{client}");
    let mut frame = json!({ "type": "user_joined", "userId": user, "userName": user });
    if is_numbered {
        frame["seq"] = JOIN_SEQ.into();
    }
    frame.to_string()
}

/// Formatted by hand, since a fast contender waits for its writer.
pub fn write(write: &Write, is_numbered: bool) -> String {
    let Write { writer, field, due, number } = write;
    let (field, value) = (self::field(*field), value(*writer, *due, *number));
    let timestamp = timestamp();
    let seq = if is_numbered { format!(r#","seq":{}"#, number + JOIN_SEQ) } else { String::new() };
    format!(
        r#"{{"type":"field_selected","selection":{{"field":"{field}","value":"{value}","userId":"u{writer}","timestamp":{timestamp}}}{seq}}}"#
    )
}

/// In milliseconds, as a page tells it.
pub fn timestamp() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

pub fn field(field: usize) -> String {
    format!("f{field}")
}

pub fn value(writer: usize, due: Duration, number: u64) -> String {
    format!("{writer}:{}:{number}", due.as_micros())
}

/// What was written there. None if the load program did not write this. Fields may be shared, so the value says whose
/// it is.
pub fn written(field: &str, value: &str) -> Option<Write> {
    let field = field.strip_prefix('f')?.parse().ok()?;
    let (writer, rest) = value.split_once(':')?;
    let (micros, number) = rest.split_once(':')?;
    let due = Duration::from_micros(micros.parse().ok()?);
    Some(Write { writer: writer.parse().ok()?, field, due, number: number.parse().ok()? })
}

pub fn read(text: &str, mut told: impl FnMut(Event)) -> Result<(), Unreadable> {
    let frame = serde_json::from_str::<Frame>(text).map_err(|_| Unreadable)?;
    match frame.kind.as_ref() {
        "field_selected" => {
            frame.selection.and_then(|selection| selection.event(frame.version, false)).into_iter().for_each(told);
        }
        "changes" => {
            told(Event::Step { from: frame.from, to: frame.to });
            let event = |change: &Change| change.selection.as_ref()?.event(change.version, false);
            frame.changes.iter().filter_map(event).for_each(told);
        }
        "ack" => {
            if let (Some(seq), Some(version)) = (frame.seq, frame.version) {
                told(Event::Ack { number: seq.saturating_sub(JOIN_SEQ), version });
            }
        }
        "sync_response" => {
            told(Event::State { version: frame.version });
            frame.selections.values().filter_map(|selection| selection.event(selection.version, true)).for_each(told);
        }
        "error" | "conflict" => told(Event::Refused(frame.code.unwrap_or_default())),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Event> {
        let mut events = Vec::new();
        read(text, |event| events.push(event)).unwrap();
        events
    }

    #[test]
    fn a_write_is_read_as_it_was_written() {
        let sent = Write { writer: 7, field: 2, due: Duration::from_micros(123_456), number: 9 };
        for is_numbered in [false, true] {
            let frame = write(&sent, is_numbered);
            assert_eq!(events(&frame), [Event::Change { write: sent, version: None, whole: false }]);
            let seq = serde_json::from_str::<serde_json::Value>(&frame).unwrap()["seq"].as_u64();
            assert_eq!(seq, is_numbered.then_some(10));
        }
    }

    #[test]
    fn what_others_wrote_is_no_event() {
        for (field, value) in [("price", "1:2:3"), ("f1", "45000"), ("f1", "1:2"), ("f1", "a:2:3")] {
            let selection = format!(r#"{{"field":"{field}","value":"{value}"}}"#);
            assert_eq!(events(&format!(r#"{{"type":"field_selected","selection":{selection}}}"#)), []);
        }
    }

    #[test]
    fn frames_are_read_without_what_is_not_needed() {
        let text = r#"{"type":"changes","from":3,"to":6,"epoch":"e","changes":[
            {"kind":"field","version":4,"field":"f1","selection":{"field":"f1","value":"0:10:1","userId":"u0",
            "timestamp":5,"version":4,"updatedAt":6},"userId":"u0","updatedAt":6},
            {"kind":"field","version":5,"field":"x","selection":null,"userId":"u1","updatedAt":6},
            {"kind":"participant","version":6,"participant":{"id":"u1","name":"u1"}}]}"#;
        let write = Write { writer: 0, field: 1, due: Duration::from_micros(10), number: 1 };
        let expected =
            [Event::Step { from: Some(3), to: Some(6) }, Event::Change { write, version: Some(4), whole: false }];
        assert_eq!(events(text), expected);
        let frame: Frame = serde_json::from_str(text).unwrap();
        assert!(matches!(frame.kind, Cow::Borrowed(_)));
    }

    #[test]
    fn a_whole_state_has_the_versions_of_its_fields() {
        let text = r#"{"type":"sync_response","version":8,"selections":{"f1":
            {"field":"f1","value":"0:10:1","userId":"u0","timestamp":5,"version":4,"updatedAt":6}},"participants":[]}"#;
        let write = Write { writer: 0, field: 1, due: Duration::from_micros(10), number: 1 };
        let expected = [Event::State { version: Some(8) }, Event::Change { write, version: Some(4), whole: true }];
        assert_eq!(events(text), expected);
    }

    #[test]
    fn acks_count_the_joining() {
        assert_eq!(events(r#"{"type":"ack","seq":1,"version":1}"#), [Event::Ack { number: 0, version: 1 }]);
        assert_eq!(events(r#"{"type":"ack","seq":4,"version":9}"#), [Event::Ack { number: 3, version: 9 }]);
        assert_eq!(events(r#"{"type":"error","code":"storage"}"#), [Event::Refused("storage".into())]);
        assert!(read("pong", |_| ()).is_err());
    }
}
