//! The messages of tldraw sync, protocol 8. A field is a record, a write is a push, and all that others pushed comes as
//! patches, gathered into frames. Of a frame only what the load program needs is read.
//!
//! Its server needs no pings: the contender never takes a silent client for gone, and the runtime would answer them.

use crate::count::Count;
use crate::dialect::{Event, Held, Unreadable, Write};
use crate::wire;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// What stands before a field's name in the id of its record.
const RECORD: &str = "field:";
/// The server did not take a push.
const DISCARDED: &str = "discard";

/// Asks what has changed since then, or for everything. It is the first that is said in a connection, and may be said
/// again at any time.
pub fn connect(since: Option<u64>) -> String {
    let since = since.map_or_else(|| "-1".to_owned(), |since| since.to_string());
    format!(
        r#"{{"type":"connect","connectRequestId":"c","lastServerClock":{since},"protocolVersion":8,"schema":{{"schemaVersion":2,"sequences":{{}}}}}}"#
    )
}

/// A push says what differs from what there was, as tldraw's own client does. The pushes of a connection count from 1.
pub fn push(clock: u64, user: impl Display, write: &Write, held: Held) -> String {
    let id = format!("{RECORD}{}", wire::field(write.field));
    let value = wire::value(write.writer, write.due, write.number);
    // Pushes of one millisecond have times of their own: that a member does not differ would be corrected by the server.
    let timestamp = wire::timestamp() + clock;
    let whose = || format!(r#""userId":["put","{user}"],"#);
    let change = match held {
        Held::Nothing => format!(
            r#""put",{{"id":"{id}","typeName":"field","value":"{value}","userId":"{user}","timestamp":{timestamp}}}"#
        ),
        Held::Own | Held::Others => format!(
            r#""patch",{{"value":["put","{value}"],{}"timestamp":["put",{timestamp}]}}"#,
            if held == Held::Others { whose() } else { String::new() }
        ),
    };
    format!(r#"{{"type":"push","clientClock":{clock},"diff":{{"{id}":[{change}]}}}}"#)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Vec<Entry<'a>>,
    /// All of them puts: the state, or what has changed.
    #[serde(default)]
    diff: Diff,
    server_clock: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    diff: Diff,
    server_clock: Option<u64>,
    client_clock: Option<u64>,
    action: Option<Action>,
}

pub fn read(text: &str, mut told: impl FnMut(Event)) -> Result<(), Unreadable> {
    let frame = serde_json::from_str::<Frame>(text).map_err(|_| Unreadable)?;
    match frame.kind.as_ref() {
        "data" => frame.data.iter().for_each(|entry| entry.read(&mut told)),
        "connect" => {
            told(Event::State { version: frame.server_clock });
            let change = |write| Event::Change { write, version: frame.server_clock, whole: true };
            frame.diff.0.into_iter().map(change).for_each(told);
        }
        _ => {}
    }
    Ok(())
}

impl Entry<'_> {
    fn read(&self, mut told: impl FnMut(Event)) {
        match (self.kind.as_ref(), self.server_clock, self.client_clock) {
            ("patch", version, _) => {
                let change = |&write| Event::Change { write, version, whole: false };
                self.diff.0.iter().map(change).for_each(told);
            }
            ("push_result", ..) if self.is_discarded() => told(Event::Refused(DISCARDED.to_owned())),
            ("push_result", Some(version), Some(number)) => told(Event::Ack { number, version }),
            _ => {}
        }
    }

    fn is_discarded(&self) -> bool {
        self.action.as_ref().is_some_and(|action| action.is_discarded)
    }
}

/// What a frame answers to someone who asks or waits for acks.
#[derive(Debug, PartialEq)]
pub enum Reply {
    State {
        entries: usize,
        version: Option<u64>,
    },
    /// All pushes up to this one are durable.
    Pushed(u64),
    Refused(&'static str),
    None,
}

/// As `Frame`, for those who only want to know how much there is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    data: Vec<Outcome>,
    #[serde(default)]
    diff: Count,
    server_clock: Option<u64>,
}

/// Patches have none of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    client_clock: Option<u64>,
    action: Option<Action>,
}

pub fn reply(text: &str) -> Result<Reply, Unreadable> {
    let frame = serde_json::from_str::<Summary>(text).map_err(|_| Unreadable)?;
    if frame.kind == "connect" {
        return Ok(Reply::State { entries: frame.diff.0, version: frame.server_clock });
    }
    if frame.data.iter().filter_map(|outcome| outcome.action.as_ref()).any(|action| action.is_discarded) {
        return Ok(Reply::Refused(DISCARDED));
    }
    let last = frame.data.iter().filter_map(|outcome| outcome.client_clock).next_back();
    Ok(last.map_or(Reply::None, Reply::Pushed))
}

/// What became of a push: a word, or an object with what was made of it.
struct Action {
    is_discarded: bool,
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Acting;
        impl<'de> Visitor<'de> for Acting {
            type Value = Action;

            fn expecting(&self, formatter: &mut Formatter) -> fmt::Result {
                formatter.write_str("a word or an object")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Action, E> {
                Ok(Action { is_discarded: word == DISCARDED })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Action, A::Error> {
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Action { is_discarded: false })
            }
        }
        deserializer.deserialize_any(Acting)
    }
}

/// What the load program wrote of what is in a diff, which is an object of records' ids and what was done to them.
#[derive(Default)]
struct Diff(Vec<Write>);

impl<'de> Deserialize<'de> for Diff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Diff;

            fn expecting(&self, formatter: &mut Formatter) -> fmt::Result {
                formatter.write_str("an object of records")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Diff, A::Error> {
                let mut writes = Vec::new();
                while let Some((Text(id), Done(value))) = object.next_entry()? {
                    let field = id.strip_prefix(RECORD);
                    let write = field.zip(value.as_deref()).and_then(|(field, value)| wire::written(field, value));
                    writes.extend(write);
                }
                Ok(Diff(writes))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value that a record has got, as `["put",{...,"value":"v"}]` or `["patch",{"value":["put","v"]}]` tells it.
struct Done<'a>(Option<Cow<'a, str>>);

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Patch<'a> {
    #[serde(borrow)]
    value: Option<Put<'a>>,
}

/// What was appended to a value means nothing without the value, and the load program's values never begin with one
/// another. So anything but a put is an error.
#[derive(Deserialize)]
struct Put<'a>(PutWord, #[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PutWord {
    Put,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deed {
    Put,
    Patch,
    Remove,
}

impl<'de> Deserialize<'de> for Done<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Done<'de>;

            fn expecting(&self, formatter: &mut Formatter) -> fmt::Result {
                formatter.write_str("a list of what was done, and to what")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Done<'de>, A::Error> {
                let value = match list.next_element()? {
                    Some(Deed::Put) => list.next_element::<Record>()?.map(|record| record.value),
                    Some(Deed::Patch) => list
                        .next_element::<Patch>()?
                        .and_then(|patch| patch.value)
                        .map(|Put(PutWord::Put, value)| value),
                    Some(Deed::Remove) | None => None,
                };
                Ok(Done(value))
            }
        }
        deserializer.deserialize_seq(Reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    const WRITE: Write = Write { writer: 3, field: 7, due: Duration::from_micros(20), number: 2 };

    fn events(text: &str) -> Vec<Event> {
        let mut events = Vec::new();
        read(text, |event| events.push(event)).unwrap();
        events
    }

    fn change(write: Write, version: u64, whole: bool) -> Event {
        Event::Change { write, version: Some(version), whole }
    }

    fn pushed(held: Held) -> Value {
        let mut frame = serde_json::from_str::<Value>(&push(2, "u3", &WRITE, held)).unwrap();
        assert_eq!((&frame["type"], &frame["clientClock"]), (&json!("push"), &json!(2)));
        frame["diff"]["field:f7"].take()
    }

    #[test]
    fn a_push_says_what_differs() {
        let put = pushed(Held::Nothing);
        let timestamp = put[1]["timestamp"].as_u64().unwrap();
        let record = json!({
            "id": "field:f7", "typeName": "field", "value": "3:20:2", "userId": "u3", "timestamp": timestamp
        });
        assert_eq!(put, json!(["put", record]));
        let members = |patch: &Value| patch[1].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        let own = pushed(Held::Own);
        assert_eq!((&own[0], members(&own).as_str()), (&json!("patch"), "timestamp value"));
        assert_eq!(own[1]["value"], json!(["put", "3:20:2"]));
        let others = pushed(Held::Others);
        assert_eq!((&others[0], members(&others).as_str()), (&json!("patch"), "timestamp userId value"));
        assert_eq!(others[1]["userId"], json!(["put", "u3"]));
    }

    #[test]
    fn who_connects_asks_for_everything_or_for_what_was_missed() {
        let asked = |since| serde_json::from_str::<Value>(&connect(since)).unwrap()["lastServerClock"].take();
        assert_eq!((asked(None), asked(Some(0)), asked(Some(5))), (json!(-1), json!(0), json!(5)));
    }

    #[test]
    fn one_frame_has_patches_and_results_in_their_order() {
        let text = r#"{"type":"data","data":[
            {"type":"patch","diff":{"field:f7":["put",{"id":"field:f7","typeName":"field","value":"3:10:1",
            "userId":"u3","timestamp":1}]},"serverClock":1},
            {"type":"push_result","clientClock":1,"serverClock":2,"action":"commit"},
            {"type":"patch","diff":{"field:f7":["patch",{"value":["put","3:20:2"],"timestamp":["put",2]}]},"serverClock":3},
            {"type":"push_result","clientClock":2,"serverClock":4,"action":{"rebaseWithDiff":{"field:f0":
            ["patch",{"value":["put","0:30:1"],"userId":["put","u1"]}]}}},
            {"type":"push_result","clientClock":3,"serverClock":4,"action":"discard"}]}"#;
        let first = Write { due: Duration::from_micros(10), number: 1, ..WRITE };
        let expected = [
            change(first, 1, false),
            Event::Ack { number: 1, version: 2 },
            change(WRITE, 3, false),
            Event::Ack { number: 2, version: 4 },
            Event::Refused("discard".to_owned()),
        ];
        assert_eq!(events(text), expected);
        assert_eq!(reply(text).unwrap(), Reply::Refused("discard"));
    }

    #[test]
    fn a_state_is_read_or_only_counted() {
        let text = r#"{"type":"connect","connectRequestId":"c","hydrationType":"wipe_all","protocolVersion":8,
            "schema":{"schemaVersion":2,"sequences":{}},"serverClock":6,"diff":{"field:f7":["put",{"id":"field:f7",
            "typeName":"field","value":"3:20:2","userId":"u3","timestamp":5}],"field:price":["put",{"id":"field:price",
            "typeName":"field","value":"4\"5","userId":"x","timestamp":5}]},"isReadonly":false,"objectAccess":"write"}"#;
        assert_eq!(events(text), [Event::State { version: Some(6) }, change(WRITE, 6, true)]);
        assert_eq!(reply(text).unwrap(), Reply::State { entries: 2, version: Some(6) });
        let empty = r#"{"type":"connect","serverClock":7,"diff":{}}"#;
        assert_eq!(events(empty), [Event::State { version: Some(7) }]);
        assert_eq!(reply(empty).unwrap(), Reply::State { entries: 0, version: Some(7) });
    }

    #[test]
    fn the_last_result_of_a_frame_counts() {
        let text = r#"{"type":"data","data":[
            {"type":"push_result","clientClock":4,"serverClock":5,"action":"commit"},
            {"type":"push_result","clientClock":5,"serverClock":6,"action":{"rebaseWithDiff":{}}},
            {"type":"patch","diff":{"field:f0":["patch",{"value":["put","0:30:3"]}]},"serverClock":7}]}"#;
        assert_eq!(reply(text).unwrap(), Reply::Pushed(5));
        let patch = r#"{"type":"data","data":[{"type":"patch","diff":{"field:f0":["remove"]},"serverClock":4}]}"#;
        assert_eq!((reply(patch).unwrap(), events(patch)), (Reply::None, vec![]));
        assert_eq!((reply(r#"{"type":"pong"}"#).unwrap(), events(r#"{"type":"pong"}"#)), (Reply::None, vec![]));
    }

    #[test]
    fn what_cannot_be_understood_is_unreadable() {
        let patch = |change: &str| {
            format!(r#"{{"type":"data","data":[{{"type":"patch","diff":{{"field:f0":{change}}},"serverClock":4}}]}}"#)
        };
        assert_eq!(events(&patch(r#"["patch",{"timestamp":["put",2]}]"#)), []);
        for change in [r#"["patch",{"value":["append","7",5]}]"#, r#"["rename",{}]"#, r#"["put",{"value":7}]"#] {
            assert!(read(&patch(change), |event| panic!("{event:?}")).is_err(), "{change}");
        }
        assert!(read("pong", |_| ()).is_err() && reply("pong").is_err());
    }

    #[test]
    fn texts_are_not_copied() {
        let frame = r#"{"type":"data","data":[{"type":"patch"}]}"#;
        let frame: Frame = serde_json::from_str(frame).unwrap();
        assert!(matches!((&frame.kind, &frame.data[0].kind), (Cow::Borrowed(_), Cow::Borrowed(_))));
        for text in [r#"["put",{"value":"3:20:2"}]"#, r#"["patch",{"value":["put","3:20:2"]}]"#] {
            assert!(matches!(serde_json::from_str(text), Ok(Done(Some(Cow::Borrowed("3:20:2"))))), "{text}");
        }
    }
}
