//! What a peer says, and what it reads of the answers, by dialect. Nothing else in the workloads of questions knows.

use crate::count::Count;
use crate::dialect::{Dialect, Event, Held, Unreadable, Write};
use crate::tldraw::{self, Reply};
use crate::wire;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::borrow::Cow;
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub struct Words {
    pub dialect: Dialect,
    name: String,
    /// The last number that a numbered client has used.
    seq: u64,
    /// By field. Rooms are filled from their first field on.
    held: Vec<Held>,
    /// The last frame that told the state. One that is word for word the same tells the same, and whoever asks for nothing
    /// else would read most of the time.
    state: Option<(Utf8Bytes, State)>,
}

/// What the server has told of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Fields of a whole state, or changes of what was missed.
    pub entries: usize,
    pub version: Version,
}

/// Where a state stands, for servers that can tell later what has changed since. Others leave it empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    number: Option<u64>,
    epoch: Option<String>,
}

#[derive(Debug, PartialEq)]
pub enum Heard {
    /// The answer to a question.
    State(State),
    /// All that this client has said up to this number is durable.
    Ack(u64),
    Fault(String),
    Other,
}

impl Words {
    pub fn new(dialect: Dialect, name: &str) -> Self {
        Self { dialect, name: name.to_owned(), seq: 0, held: Vec::new(), state: None }
    }

    /// All that is said at first by someone who comes to stay, the question for the state included.
    pub fn joining(&mut self) -> Vec<String> {
        match self.dialect {
            Dialect::Relay => vec![],
            Dialect::Plain | Dialect::Party => vec![self.user_joined(), self.question(None)],
            Dialect::Hello => vec![self.hello(None), self.user_joined()],
            Dialect::Tldraw => vec![self.question(None)],
        }
    }

    /// What is said at first by someone who was here before.
    pub fn resuming(&self, since: &Version) -> String {
        match self.dialect {
            Dialect::Hello => self.hello(Some(since)),
            Dialect::Relay | Dialect::Plain | Dialect::Party | Dialect::Tldraw => self.question(Some(since)),
        }
    }

    pub fn question(&self, since: Option<&Version>) -> String {
        let question = json!({ "type": "sync_request" });
        match self.dialect {
            Dialect::Plain | Dialect::Hello => since_then(question, since),
            // A server that cannot tell what has changed is not told what we know.
            Dialect::Relay | Dialect::Party => question.to_string(),
            Dialect::Tldraw => tldraw::connect(since.and_then(|since| since.number)),
        }
    }

    pub fn write(&mut self, write: &Write) -> String {
        if self.dialect == Dialect::Tldraw {
            self.seq += 1;
            let held = self.hold(write.field);
            return tldraw::push(self.seq, &self.name, write, held);
        }
        let selection = json!({
            "field": wire::field(write.field),
            "value": wire::value(write.writer, write.due, write.number),
            "userId": self.name,
            "timestamp": wire::timestamp(),
        });
        self.numbered(json!({ "type": "field_selected", "selection": selection }))
    }

    /// This client writes a field, and knows from now on what is in it. What was in it before?
    fn hold(&mut self, field: usize) -> Held {
        if field >= self.held.len() {
            self.held.resize(field + 1, Held::Nothing);
        }
        std::mem::replace(&mut self.held[field], Held::Own)
    }

    fn hello(&self, since: Option<&Version>) -> String {
        since_then(json!({ "type": "hello", "protocol": 1, "clientId": self.name }), since)
    }

    fn user_joined(&mut self) -> String {
        self.numbered(json!({ "type": "user_joined", "userId": self.name, "userName": self.name }))
    }

    fn numbered(&mut self, mut frame: Value) -> String {
        if self.dialect == Dialect::Hello {
            self.seq += 1;
            frame["seq"] = self.seq.into();
        }
        frame.to_string()
    }

    /// The ack that says that all is durable; 0 where there are no acks.
    pub fn awaited_ack(&self) -> u64 {
        self.seq
    }

    /// Tells the writes in a frame that came by itself.
    pub fn writes(&mut self, text: &str, mut told: impl FnMut(Write)) -> Heard {
        let mut heard = Heard::Other;
        let held = &mut self.held;
        let read = self.dialect.read(text, |event| match event {
            Event::Change { write, whole: false, .. } => {
                if let Some(held) = held.get_mut(write.field) {
                    *held = Held::Others;
                }
                told(write);
            }
            Event::Refused(code) => heard = Heard::Fault(code),
            Event::Change { .. } | Event::Step { .. } | Event::State { .. } | Event::Ack { .. } => {}
        });
        match read {
            Ok(()) => heard,
            Err(Unreadable) => Heard::Fault("unreadable".to_owned()),
        }
    }

    pub fn heard(&mut self, text: &Utf8Bytes) -> Heard {
        if let Some((known, state)) = &self.state
            && known == text
        {
            return Heard::State(state.clone());
        }
        let heard = self.read(text);
        if let Heard::State(state) = &heard {
            self.state = Some((text.clone(), state.clone()));
        }
        heard
    }

    fn read(&mut self, text: &str) -> Heard {
        if self.dialect == Dialect::Tldraw {
            return self.replied(text);
        }
        // `ping` and `pong` are no JSON, and nothing that a peer waits for.
        let Ok(frame) = serde_json::from_str::<Frame>(text) else { return Heard::Other };
        match frame.kind.as_ref() {
            "sync_response" => Heard::State(frame.state(frame.selections.0, frame.version)),
            // Changes that came by themselves do not tell who is here.
            "changes" if frame.participants.is_some() => Heard::State(frame.state(frame.changes.0, frame.to)),
            "ack" => frame.seq.map_or(Heard::Other, Heard::Ack),
            "error" | "conflict" => Heard::Fault(frame.code.unwrap_or_default()),
            _ => Heard::Other,
        }
    }

    fn replied(&mut self, text: &str) -> Heard {
        match tldraw::reply(text) {
            Ok(Reply::State { entries, version: number }) => {
                if entries > self.held.len() {
                    self.held.resize(entries, Held::Others);
                }
                Heard::State(State { entries, version: Version { number, epoch: None } })
            }
            Ok(Reply::Pushed(clock)) => Heard::Ack(clock),
            Ok(Reply::Refused(code)) => Heard::Fault(code.to_owned()),
            Ok(Reply::None) => Heard::Other,
            Err(Unreadable) => Heard::Fault("unreadable".to_owned()),
        }
    }
}

fn since_then(mut frame: Value, since: Option<&Version>) -> String {
    if let Some(Version { number: Some(number), epoch }) = since {
        frame["since"] = (*number).into();
        frame["epoch"] = epoch.as_deref().into();
    }
    frame.to_string()
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    selections: Count,
    #[serde(default)]
    changes: Count,
    participants: Option<IgnoredAny>,
    version: Option<u64>,
    to: Option<u64>,
    epoch: Option<String>,
    seq: Option<u64>,
    code: Option<String>,
}

impl Frame<'_> {
    fn state(&self, entries: usize, number: Option<u64>) -> State {
        State { entries, version: Version { number, epoch: self.epoch.clone() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const WRITE: Write = Write { writer: 2, field: 3, due: Duration::from_micros(7), number: 9 };

    fn version(number: u64, epoch: &str) -> Version {
        Version { number: Some(number), epoch: Some(epoch.to_owned()) }
    }

    fn said(frame: &str) -> Value {
        serde_json::from_str(frame).unwrap()
    }

    #[test]
    fn only_numbered_clients_number_what_they_change() {
        let mut words = Words::new(Dialect::Hello, "u1");
        let joining = words.joining();
        assert_eq!(said(&joining[0]), json!({ "type": "hello", "protocol": 1, "clientId": "u1" }));
        assert_eq!(said(&joining[1])["seq"], 1);
        assert_eq!(said(&words.write(&WRITE))["seq"], 2);
        assert_eq!(words.awaited_ack(), 2);
        let mut words = Words::new(Dialect::Plain, "u1");
        let joining = words.joining();
        assert_eq!(said(&joining[0]), json!({ "type": "user_joined", "userId": "u1", "userName": "u1" }));
        assert_eq!(said(&joining[1]), json!({ "type": "sync_request" }));
        assert!(said(&words.write(&WRITE)).get("seq").is_none());
        assert_eq!(words.awaited_ack(), 0);
    }

    #[test]
    fn what_is_known_is_told_to_those_who_can_use_it() {
        let since = version(7, "e");
        let asked = |dialect| said(&Words::new(dialect, "u1").resuming(&since));
        assert_eq!(asked(Dialect::Plain), json!({ "type": "sync_request", "since": 7, "epoch": "e" }));
        assert_eq!(asked(Dialect::Party), json!({ "type": "sync_request" }));
        let hello = json!({ "type": "hello", "protocol": 1, "clientId": "u1", "since": 7, "epoch": "e" });
        assert_eq!(asked(Dialect::Hello), hello);
    }

    #[test]
    fn entries_are_counted_in_lists_and_objects() {
        let mut words = Words::new(Dialect::Plain, "u1");
        let answer = r#"{"type":"sync_response","version":7,"epoch":"e","participants":[],
            "selections":{"f0":{"field":"f0","value":[1,2,{"a":"b\"c"}]},"f1":{}}}"#;
        for _ in 0..2 {
            let heard = words.heard(&answer.into());
            assert_eq!(heard, Heard::State(State { entries: 2, version: version(7, "e") }));
        }
        let heard = words.heard(&r#"{"type":"sync_response","participants":[],"selections":[{"field":"f0"}]}"#.into());
        assert_eq!(heard, Heard::State(State { entries: 1, version: Version::default() }));
    }

    #[test]
    fn an_answer_is_told_from_changes_that_come_by_themselves() {
        let mut words = Words::new(Dialect::Hello, "u1");
        let answer = r#"{"type":"changes","from":3,"to":5,"epoch":"e","changes":[{},{}],"participants":[]}"#;
        assert_eq!(words.heard(&answer.into()), Heard::State(State { entries: 2, version: version(5, "e") }));
        assert_eq!(
            words.heard(&r#"{"type":"changes","from":3,"to":5,"epoch":"e","changes":[{}]}"#.into()),
            Heard::Other
        );
        assert_eq!(words.heard(&r#"{"type":"ack","seq":4,"version":9}"#.into()), Heard::Ack(4));
        assert_eq!(
            words.heard(&r#"{"type":"error","code":"storage","message":""}"#.into()),
            Heard::Fault("storage".into())
        );
        assert_eq!(words.heard(&"pong".into()), Heard::Other);
    }

    #[test]
    fn tldraw_is_told_what_differs_from_what_a_client_has_seen() {
        let mut words = Words::new(Dialect::Tldraw, "u1");
        assert_eq!(said(&words.joining()[0])["lastServerClock"], -1);
        assert_eq!(said(&words.resuming(&version(7, "e")))["lastServerClock"], 7);
        let state = r#"{"type":"connect","serverClock":6,"diff":{"field:f0":[],"field:f1":[]}}"#;
        let version = Version { number: Some(6), epoch: None };
        assert_eq!(words.heard(&state.into()), Heard::State(State { entries: 2, version }));
        let pushed = |words: &mut Words, field| {
            let frame = said(&words.write(&Write { field, ..WRITE }));
            let change = &frame["diff"][format!("field:f{field}")];
            (change[0].as_str().unwrap().to_owned(), change[1].get("userId").is_some())
        };
        assert_eq!(pushed(&mut words, 0), ("patch".to_owned(), true));
        assert_eq!(pushed(&mut words, 0), ("patch".to_owned(), false));
        assert_eq!(pushed(&mut words, 2), ("put".to_owned(), true));
        assert_eq!(pushed(&mut words, 2), ("patch".to_owned(), false));
        let patch = r#"{"type":"data","data":[{"type":"push_result","clientClock":4,"serverClock":9,"action":"commit"},
            {"type":"patch","diff":{"field:f2":["patch",{"value":["put","2:7:9"]}]},"serverClock":10}]}"#;
        let mut read = Vec::new();
        assert_eq!(words.writes(patch, |write| read.push(write.number)), Heard::Other);
        assert_eq!((read, pushed(&mut words, 2)), (vec![9], ("patch".to_owned(), true)));
        assert_eq!((words.heard(&patch.into()), words.awaited_ack()), (Heard::Ack(4), 5));
    }

    #[test]
    fn a_write_is_read_as_it_was_written() {
        for dialect in [Dialect::Relay, Dialect::Party, Dialect::Plain, Dialect::Hello] {
            let mut words = Words::new(dialect, "u1");
            let frame = words.write(&WRITE);
            let mut read = Vec::new();
            assert_eq!(words.writes(&frame, |write| read.push(write)), Heard::Other);
            assert_eq!(read, [WRITE]);
        }
    }
}
