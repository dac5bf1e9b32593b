//! A room in its world against a naive model of it, told the same random events. The model is maps and plain ifs, and
//! shares nothing with the crate.

mod resume;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use roomkeep::protocol::Millis;
use roomkeep::room::turn::Write;
use serde_json::{Value, json};

use crate::say;
use crate::store::assert_stored;
use crate::world::{DAY, Site, settings};

const NAMES: [&str; 5] = ["ann", "ann2", "bob", "bob2", "cid"];
const USERS: [&str; 3] = ["ann", "bob", "cid"];
const FIELDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const FIELD_LIMIT: usize = 3;
const TOMBSTONE_LIMIT: usize = 2;
/// Longer than a crowded room waits before it flushes.
const PAUSE: Millis = 20;
/// In an expected frame: anything.
const ANY: &str = "*";

#[derive(Debug, Clone)]
enum Event {
    Connect(usize),
    Leave { who: usize, said_goodbye: bool },
    Say { who: usize, user: usize, has_id: bool, what: Message },
    Sleep,
    Pass(Millis),
    FailCommit { at: usize },
}

#[derive(Debug, Clone)]
enum Message {
    Join { name: usize },
    Set { field: usize, value: i64, base: Base },
    Clear { field: usize, base: Base },
    Ready(bool),
    Sync,
    Relay,
    Nonsense,
}

/// Which version of the field the writer says it saw.
#[derive(Debug, Clone, Copy)]
enum Base {
    Unsaid,
    Right,
    Wrong,
}

fn base() -> impl Strategy<Value = Base> {
    prop_oneof![4 => Just(Base::Unsaid), 2 => Just(Base::Right), 1 => Just(Base::Wrong)]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        3 => prop_oneof![5 => Just(0), 1 => Just(1)].prop_map(|name| Message::Join { name }),
        5 => (0..FIELDS.len(), 0..100_i64, base())
            .prop_map(|(field, value, base)| Message::Set { field, value, base }),
        3 => (0..FIELDS.len(), base()).prop_map(|(field, base)| Message::Clear { field, base }),
        2 => any::<bool>().prop_map(Message::Ready),
        2 => Just(Message::Sync),
        1 => Just(Message::Relay),
        1 => Just(Message::Nonsense),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..NAMES.len();
    // Most connections speak for their own user.
    let user = prop_oneof![9 => Just(None), 1 => (0..USERS.len()).prop_map(Some)];
    prop_oneof![
        4 => who.clone().prop_map(Event::Connect),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, said_goodbye)| Event::Leave { who, said_goodbye }),
        20 => (who, user, any::<bool>(), message()).prop_map(|(who, user, has_id, what)| {
            let own = USERS.iter().position(|user| *user == say::user(NAMES[who])).unwrap();
            Event::Say { who, user: user.unwrap_or(own), has_id, what }
        }),
        2 => Just(Event::Sleep),
        4 => prop_oneof![20 => 1..50_i64, 5 => Just(151_000), 1 => Just(2 * DAY)].prop_map(Event::Pass),
        2 => (0..4_usize).prop_map(|at| Event::FailCommit { at }),
    ]
}

#[derive(Debug, Clone, Default)]
struct Connection {
    user: Option<String>,
    is_joined: bool,
    heard: Millis,
}

#[derive(Debug, Clone)]
struct Person {
    name: String,
    is_ready: bool,
    joined_at: Millis,
    seen: Millis,
    version: u64,
}

/// What would be in storage, and what sockets would remember.
#[derive(Debug, Clone, Default)]
struct State {
    version: u64,
    /// The stored selections.
    fields: BTreeMap<String, Value>,
    /// The cleared fields that are remembered with their versions, the oldest first.
    cleared: Vec<(String, u64)>,
    people: BTreeMap<String, Person>,
    connections: BTreeMap<String, Connection>,
}

impl State {
    fn version_of(&self, field: &str) -> u64 {
        let set = self.fields.get(field).map(|selection| selection["version"].as_u64().unwrap());
        let cleared = self.cleared.iter().find(|(name, _)| name == field).map(|(_, version)| *version);
        set.or(cleared).unwrap_or(0)
    }

    fn base_version(&self, field: &str, base: Base) -> Option<u64> {
        match base {
            Base::Unsaid => None,
            Base::Right => Some(self.version_of(field)),
            Base::Wrong => Some(self.version_of(field) + 1),
        }
    }
}

/// Who hears a frame, of those that are connected when it is told.
#[derive(Debug, Clone)]
enum To {
    One(String),
    AllBut(String),
}

#[derive(Debug, Clone)]
struct Told {
    to: To,
    frame: Value,
    is_true_anyway: bool,
}

#[derive(Default)]
struct Model {
    now: Millis,
    state: State,
    /// As it was at the last flush.
    flushed: State,
    /// When a user was last heard of, whether or not that outlived a failed commit.
    heard: BTreeMap<String, Millis>,
    /// What waits for a flush.
    frames: Vec<Told>,
    writers: Vec<(String, Option<String>)>,
}

impl Model {
    fn tell_others(&mut self, from: &str, frame: Value) {
        self.frames.push(Told { to: To::AllBut(from.to_owned()), frame, is_true_anyway: false });
    }

    fn tell_one(&mut self, to: &str, frame: Value) {
        self.frames.push(Told { to: To::One(to.to_owned()), frame, is_true_anyway: false });
    }

    fn is_here(&self, user: &str) -> bool {
        self.state.connections.values().any(|c| c.is_joined && c.user.as_deref() == Some(user))
    }

    fn say(&mut self, from: &str, user: &str, id: Option<String>, what: &Message, text: &str) {
        self.state.connections.get_mut(from).unwrap().heard = self.now;
        match self.done(from, user, what, text) {
            Ok(()) => {
                if let Some(id) = &id {
                    self.tell_one(from, json!({"type": "ack", "id": id, "version": self.state.version}));
                }
                self.writers.push((from.to_owned(), id));
            }
            Err("E_CONFLICT") => {
                let frame = self.conflict(what, id.as_deref());
                self.tell_one(from, frame);
                self.writers.push((from.to_owned(), id));
            }
            Err(code) => {
                let id = id.filter(|_| !matches!(what, Message::Nonsense));
                self.frames.push(Told { to: To::One(from.to_owned()), frame: error(code, id), is_true_anyway: true });
            }
        }
        if let Some(user) = &self.state.connections[from].user {
            self.heard.insert(user.clone(), self.now);
        }
    }

    fn conflict(&self, what: &Message, id: Option<&str>) -> Value {
        let (Message::Set { field, base, .. } | Message::Clear { field, base }) = what else { unreachable!() };
        let field = FIELDS[*field];
        let mut frame = json!({"type": "conflict", "code": "E_CONFLICT", "field": field,
            "clientVersion": self.state.base_version(field, *base), "serverVersion": self.state.version_of(field),
            "current": self.state.fields.get(field)});
        if let Some(id) = id {
            frame["id"] = json!(id);
        }
        frame
    }

    fn done(&mut self, from: &str, user: &str, what: &Message, text: &str) -> Result<(), &'static str> {
        if matches!(what, Message::Nonsense) {
            return Err("bad_message");
        }
        let owner = self.state.connections[from].user.clone();
        if !matches!(what, Message::Sync) && owner.is_some_and(|owner| owner != user) {
            return Err("identity_mismatch");
        }
        match what {
            Message::Join { name } => self.join(from, user, &user_name(user, *name)),
            Message::Set { base: Base::Wrong, .. } | Message::Clear { base: Base::Wrong, .. } => {
                return Err("E_CONFLICT");
            }
            Message::Set { field, value, .. } => {
                let field = FIELDS[*field];
                if !self.state.fields.contains_key(field) && self.state.fields.len() == FIELD_LIMIT {
                    return Err("limit_fields");
                }
                self.state.version += 1;
                let version = self.state.version;
                let selection = json!({"field": field, "value": value, "userId": user, "timestamp": null,
                    "version": version, "updatedAt": self.now});
                self.state.fields.insert(field.to_owned(), selection.clone());
                self.state.cleared.retain(|(name, _)| name != field);
                let frame = json!({"type": "field_selected", "selection": selection, "version": version});
                self.tell_others(from, frame);
            }
            Message::Clear { field, .. } => {
                let field = FIELDS[*field];
                if self.state.fields.remove(field).is_some() {
                    self.state.version += 1;
                    let version = self.state.version;
                    self.state.cleared.push((field.to_owned(), version));
                    if self.state.cleared.len() > TOMBSTONE_LIMIT {
                        self.state.cleared.remove(0);
                    }
                    let frame = json!({"type": "field_cleared", "field": field, "userId": user, "version": version});
                    self.tell_others(from, frame);
                }
            }
            Message::Ready(is_ready) => {
                let Some(person) = self.state.people.get_mut(user) else { return Err("not_joined") };
                if person.is_ready != *is_ready {
                    self.state.version += 1;
                    person.is_ready = *is_ready;
                    person.version = self.state.version;
                    let frame = json!({"type": "user_ready", "userId": user, "isReady": is_ready,
                        "version": self.state.version});
                    self.tell_others(from, frame);
                }
            }
            Message::Sync => {
                let frame = self.sync_response();
                self.tell_one(from, frame);
            }
            Message::Relay => self.tell_others(from, serde_json::from_str(text).unwrap()),
            Message::Nonsense => {}
        }
        if !matches!(what, Message::Sync | Message::Relay) {
            self.state.connections.get_mut(from).unwrap().user = Some(user.to_owned());
        }
        Ok(())
    }

    fn join(&mut self, from: &str, user: &str, name: &str) {
        let was_here = self.is_here(user);
        let is_news = self.state.people.get(user).is_none_or(|person| person.name != name);
        if is_news {
            self.state.version += 1;
        }
        let new = Person { name: String::new(), is_ready: false, joined_at: self.now, seen: self.now, version: 0 };
        let person = self.state.people.entry(user.to_owned()).or_insert(new);
        if is_news {
            person.name = name.to_owned();
            person.version = self.state.version;
        }
        if !was_here {
            person.seen = self.now;
        }
        let joined_at = person.joined_at;
        if is_news || !was_here {
            let frame = json!({"type": "user_joined", "userId": user, "userName": name, "joinedAt": joined_at});
            self.tell_others(from, frame);
        }
        self.state.connections.get_mut(from).unwrap().is_joined = true;
    }

    fn leave(&mut self, name: &str, said_goodbye: bool) {
        let gone = self.state.connections.remove(name).unwrap();
        let Some(user) = gone.user else { return };
        if said_goodbye {
            self.heard.insert(user.clone(), self.now);
        }
        let seen = if said_goodbye { self.now } else { gone.heard };
        let Some(person) = self.state.people.get_mut(&user) else { return };
        person.seen = person.seen.max(seen);
        let seen = person.seen;
        if gone.is_joined && !self.is_here(&user) {
            let frame = json!({"type": "user_left", "userId": user, "lastSeen": self.between(seen, &user)});
            self.frames.push(Told { to: To::AllBut(name.to_owned()), frame, is_true_anyway: true });
        }
    }

    /// What the server heard of a user in a commit that failed may be forgotten or not.
    fn between(&self, from: Millis, user: &str) -> Value {
        json!({"from": from, "to": self.heard.get(user).copied().unwrap_or(from).max(from)})
    }

    fn sync_response(&self) -> Value {
        let people = self.state.people.iter().map(|(user, person)| {
            let theirs = self.state.connections.values().filter(|c| c.user.as_ref() == Some(user));
            let heard = theirs.clone().map(|c| c.heard).max().unwrap_or(0);
            let count = theirs.filter(|c| c.is_joined).count();
            json!({"id": user, "name": person.name, "isReady": person.is_ready, "online": count > 0,
                "connections": count, "joinedAt": person.joined_at, "version": person.version,
                "lastSeen": self.between(person.seen.max(heard), user)})
        });
        json!({"type": "sync_response", "version": self.state.version, "epoch": ANY, "time": self.now,
            "selections": self.state.fields, "participants": people.collect::<Vec<_>>(),
            "presence": [], "requests": [], "permissions": []})
    }

    /// A flush: what waited is told and lasts, or was in vain.
    fn flushed(&mut self, has_failed: bool) -> Vec<Told> {
        let frames = std::mem::take(&mut self.frames);
        let writers = std::mem::take(&mut self.writers);
        if !has_failed {
            self.flushed = self.state.clone();
            return frames;
        }
        let open = self.state.connections.keys().cloned().collect::<BTreeSet<_>>();
        self.state = self.flushed.clone();
        self.state.connections.retain(|name, _| open.contains(name));
        let errors = writers.into_iter().map(|(to, id)| Told {
            to: To::One(to),
            frame: {
                let mut frame = error("storage", id);
                frame["retry"] = json!(true);
                frame
            },
            is_true_anyway: true,
        });
        errors.chain(frames.into_iter().filter(|frame| frame.is_true_anyway)).collect()
    }
}

fn error(code: &str, id: Option<String>) -> Value {
    let mut frame = json!({"type": "error", "code": code, "message": ANY});
    if let Some(id) = id {
        frame["id"] = json!(id);
    }
    frame
}

fn user_name(user: &str, name: usize) -> String {
    format!("{user} {name}")
}

/// Whether a frame is as expected, where an expected value may be anything, or a number in a range.
fn is_like(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(any), _) if any == ANY => true,
        (Value::Object(range), Value::Number(got)) if range.contains_key("from") => {
            let got = got.as_i64().unwrap();
            (range["from"].as_i64().unwrap()..=range["to"].as_i64().unwrap()).contains(&got)
        }
        (Value::Object(expected), Value::Object(got)) => {
            expected.len() == got.len()
                && expected.iter().all(|(key, value)| got.get(key).is_some_and(|got| is_like(value, got)))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| is_like(expected, got))
        }
        _ => expected == got,
    }
}

/// The room and its model, side by side.
struct Both {
    site: Site,
    model: Model,
    expected: BTreeMap<String, Vec<Value>>,
    failures: usize,
    commits: usize,
    ids: usize,
}

impl Both {
    /// `watchers` make the room gather changes, and hear the same as one that is watched.
    fn new(watchers: usize) -> Self {
        let mut settings = settings();
        settings.limits.fields = FIELD_LIMIT;
        settings.limits.tombstones = TOMBSTONE_LIMIT;
        let (site, model) = (Site::with(settings), Model::default());
        let mut both = Self { site, model, expected: BTreeMap::new(), failures: 0, commits: 0, ids: 0 };
        both.model.now = both.site.now;
        both.connect("w");
        for n in 1..watchers {
            both.site.connect(&format!("w{n}"));
        }
        both
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Connect(who) if !self.is_open(NAMES[*who]) => self.connect(NAMES[*who]),
            Event::Leave { who, said_goodbye } if self.is_open(NAMES[*who]) => {
                let name = NAMES[*who];
                self.model.leave(name, *said_goodbye);
                if *said_goodbye {
                    self.site.leave(name)
                } else {
                    self.site.break_off(name)
                }
                self.expected.remove(name);
                self.settle();
            }
            Event::Say { who, user, has_id, what } if self.is_open(NAMES[*who]) => {
                self.ids += 1;
                let id = has_id.then(|| self.ids.to_string());
                let text = text(USERS[*user], what, &self.model.state);
                let text = id.as_ref().map_or(text.clone(), |id| say::with_id(id, &text));
                self.model.say(NAMES[*who], USERS[*user], id, what, &text);
                self.site.say(NAMES[*who], &text);
                self.settle();
            }
            Event::Connect(_) | Event::Leave { .. } | Event::Say { .. } => {}
            Event::Sleep => {
                self.pass(PAUSE);
                self.site.sleep();
            }
            Event::Pass(time) => {
                self.pass((*time).min(PAUSE));
                if *time > PAUSE {
                    self.pass(PAUSE);
                    self.pass(*time - PAUSE);
                }
            }
            Event::FailCommit { at } => self.site.world.fail_at = Some(*at),
        }
    }

    fn is_open(&self, name: &str) -> bool {
        self.model.state.connections.contains_key(name)
    }

    fn connect(&mut self, name: &str) {
        let connection = Connection { heard: self.site.now, ..Connection::default() };
        self.model.state.connections.insert(name.to_owned(), connection);
        self.expected.insert(name.to_owned(), Vec::new());
        self.site.connect(name);
        if !self.site.world.sockets.contains_key(&say::connection(name)) {
            self.model.state.connections.remove(name);
            self.expected.remove(name);
        }
        self.settle();
    }

    fn pass(&mut self, time: Millis) {
        self.site.pass(time);
        self.model.now = self.site.now;
        self.settle();
    }

    /// Compares what everyone heard, if the room has told all by now.
    fn settle(&mut self) {
        let has_failed = self.site.world.failures > self.failures;
        self.failures = self.site.world.failures;
        let is_waiting = self.site.driver.room().is_some_and(|room| room.has_staged());
        assert!(!(has_failed && is_waiting));
        if !is_waiting {
            for told in self.model.flushed(has_failed) {
                for (name, expected) in &mut self.expected {
                    if match &told.to {
                        To::One(one) => one == name,
                        To::AllBut(sender) => sender != name,
                    } {
                        expected.push(told.frame.clone());
                    }
                }
            }
            if self.site.driver.room().is_some() {
                assert_stored(&self.site);
            }
        }
        for (name, expected) in &mut self.expected {
            let got = self.site.take(name).iter().map(|f| serde_json::from_str(f).unwrap()).collect::<Vec<Value>>();
            let expected = std::mem::take(expected);
            let is_same = got.len() == expected.len() && got.iter().zip(&expected).all(|(got, e)| is_like(e, got));
            assert!(is_same, "{name} got {got:#?}, expected {expected:#?}");
        }
        for commit in &self.site.world.commits[self.commits..] {
            assert_rows_are_distinct(commit);
        }
        self.commits = self.site.world.commits.len();
    }
}

fn text(user: &str, what: &Message, state: &State) -> String {
    let based = |text: String, field: &str, base: &Base| {
        let mut frame = serde_json::from_str::<Value>(&text).unwrap();
        if let Some(version) = state.base_version(field, *base) {
            frame["baseVersion"] = json!(version);
        }
        frame.to_string()
    };
    match what {
        Message::Join { name } => say::join_as(user, &user_name(user, *name)),
        Message::Set { field, value, base } => {
            based(say::set(user, FIELDS[*field], &value.to_string()), FIELDS[*field], base)
        }
        Message::Clear { field, base } => based(say::clear(user, FIELDS[*field]), FIELDS[*field], base),
        Message::Ready(is_ready) => say::ready(user, *is_ready),
        Message::Sync => say::sync(),
        Message::Relay => json!({"type": "wave", "userId": user}).to_string(),
        Message::Nonsense => "{nonsense".to_owned(),
    }
}

/// However many changes a flush carries, it writes each thing once.
fn assert_rows_are_distinct(commit: &[Write]) {
    let rows = commit.iter().map(|write| match write {
        Write::Create => "tables".to_owned(),
        Write::Meta(_) => "room".to_owned(),
        Write::Put(table, row) => format!("{} {:?}", table.name, &row[..table.key]),
        Write::Delete(table, key) => format!("{} {key:?}", table.name),
    });
    assert_eq!(rows.collect::<BTreeSet<_>>().len(), commit.len(), "{commit:?}");
}

fn config() -> ProptestConfig {
    // The default of 256 cases is proptest's own, and `PROPTEST_CASES` overrides it.
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/it/proptest-regressions/model.txt"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_room_does_as_its_model(
        watchers in prop_oneof![Just(1_usize), Just(98)],
        events in prop::collection::vec(event(), 1..60),
    ) {
        let mut both = Both::new(watchers);
        for event in &events {
            both.step(event);
        }
        // At the end somebody looks at it all, from memory and from storage.
        both.step(&Event::Pass(PAUSE));
        for event in [Event::Sleep, Event::Connect(4)] {
            both.site.world.fail_at = None;
            both.step(&Event::Say { who: 4, user: 2, has_id: true, what: Message::Sync });
            both.step(&event);
        }
        both.step(&Event::Say { who: 4, user: 2, has_id: true, what: Message::Sync });
    }
}
