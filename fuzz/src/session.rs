//! `session`: whole sessions of a room on real SQLite, and what must be true after every step of them.

mod grammar;
mod listener;

use std::collections::{BTreeMap, BTreeSet};

use roomkeep::driver::Driver;
use roomkeep::kind::{self, Kinds, Misfit, Schema};
use roomkeep::protocol::Millis;
use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::frames::ClientMessage;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::tag::Tag;
use roomkeep::protocol::write::Verb;
use roomkeep::room::Room;
use roomkeep::room::event::{Event, Pings};
use roomkeep::room::gate::Gate;
use roomkeep::room::records::Stored;
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use roomkeep::room::views::Since;
use roomkeep::store;

use crate::json;
use crate::say;
use crate::world::{DAY, Site, Sqlite};

use grammar::{Bytes, Scene};
use listener::{Durable, Listener};

/// Connections at one time.
const SLOTS: usize = 5;
/// More steps than this tell nothing new and take long.
const STEPS: usize = 80;

/// What a declared kind keeps is what it says (K2, K3).
fn check_kind(stored: &Stored) {
    let set = stored.records.fields.iter().filter_map(|(name, field)| Some((name, field.selection.as_ref()?)));
    for (name, selection) in set {
        assert!(matches!(name.as_str(), "f" | "g"), "K2: there is no field {name}");
        let selection = serde_json::from_str::<serde_json::Value>(selection.text()).expect("S2: a selection is JSON");
        assert!(name != "f" || selection["value"].is_string(), "K3: {selection}");
    }
}

/// The input is read from the front: which limits the room has, and then steps, each a byte that says what happens and
/// as many as that takes.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let how = bytes.below(4);
    let settings = if how % 2 == 1 { narrow() } else { Settings::default() };
    let settings = if how >= 2 { settings.of_kind("trade", &kinds()) } else { settings };
    let mut session = Session::new(settings);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        session.step(&mut bytes);
        session.check();
    }
    session.end();
}

/// A kind that takes texts into `f`, anything into `g`, and nothing else; `old` was `g` once. [`check_kind`] holds
/// what is stored to it.
fn kinds() -> Kinds {
    let fields = r#"{"f":{"schema":{"type":"string"}},"g":{}}"#;
    let lens = r#"{"to":2,"rename":{"old":"g"},"drop":["a/*"],"map":{"f":{"1":"one"}}}"#;
    let kinds = format!(r#"{{"trade":{{"version":2,"fields":{fields},"lenses":[{lens}]}}}}"#);
    kind::read::kinds(&kinds, is_text).expect("the definition is one")
}

fn is_text(_: &Schema, value: &str) -> Option<Misfit> {
    let misfit = || Misfit { keyword: "type".to_owned(), path: String::new() };
    (!value.starts_with('"')).then(misfit)
}

/// A room that is soon full.
fn narrow() -> Settings {
    let limits = Limits {
        value_bytes: 100,
        presence_bytes: 40,
        batch: 3,
        fields: 2,
        participants: 2,
        requests: 2,
        detail_bytes: 20,
        settled: 2,
        clients: 2,
        outcomes: 2,
        idempotency_keys: 2,
        tombstones: 1,
        room_bytes: 400,
        connections: 4,
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

struct Session {
    site: Site,
    settings: Settings,
    slots: [Option<Listener>; SLOTS],
    /// How many connections there were.
    count: usize,
    /// All that was said.
    said: BTreeSet<String>,
    /// What storage held after the step before.
    stored: Option<Stored>,
    version: u64,
    mark: Mark,
}

/// The same as long as storage is: how many commits there were, and how many rows were written since it was erased.
type Mark = (usize, u64);

impl Session {
    fn new(settings: Settings) -> Self {
        let site = Site::with(settings.clone());
        Self {
            site,
            settings,
            slots: Default::default(),
            count: 0,
            said: BTreeSet::new(),
            stored: None,
            version: 0,
            mark: (0, 0),
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.below(16) {
            0..=6 => {
                let slot = bytes.below(SLOTS);
                let text = grammar::message(bytes, &self.scene(slot));
                self.say(slot, &text, bytes.flag());
            }
            7 => {
                let slot = bytes.below(SLOTS);
                let text = bytes.text();
                self.say(slot, &text, bytes.flag());
            }
            8 => self.connect(bytes.below(SLOTS)),
            9 => self.disconnect(bytes.below(SLOTS), bytes.flag()),
            10 => self.pass(bytes),
            11 => match bytes.below(3) {
                0 => self.site.driver.alarm(&mut self.site.world, self.site.now),
                1 => self.site.come_round(),
                // A flush timer that rings early.
                _ => {
                    self.site.world.timer = None;
                    self.site.driver.flush(&mut self.site.world, self.site.now);
                }
            },
            12 => self.lose_memory(bytes.below(4)),
            13 => match bytes.below(4) {
                0 => self.site.world.fail_load_at = Some(bytes.below(8)),
                _ => self.site.world.fail_at = Some(bytes.below(8)),
            },
            14 => self.write(bytes),
            _ => match bytes.below(3) {
                0 => self.read(bytes),
                _ => {
                    if let Some(listener) = &self.slots[bytes.below(SLOTS)] {
                        self.site.ping(&listener.name);
                    }
                }
            },
        }
    }

    /// What a message can refer to.
    fn scene(&self, slot: usize) -> Scene {
        let room = self.site.driver.room();
        let listener = self.slots[slot].as_ref();
        Scene {
            user: slot,
            version: room.map_or(0, Room::version),
            epoch: room.map_or("", Room::epoch).to_owned(),
            next_seq: listener.map_or(1, |listener| listener.next_seq),
            id: self.said.len(),
        }
    }

    fn say(&mut self, slot: usize, text: &str, at_once: bool) {
        let Some(listener) = &mut self.slots[slot] else { return };
        let frame = Frame::decode(text, &self.settings.limits);
        listener.expect(&frame.tag);
        if let Ok(ClientMessage::Hello(hello)) = frame.message {
            listener.greet(hello.client_id);
        }
        self.said.insert(text.to_owned());
        let name = listener.name.clone();
        if at_once {
            self.site.say_at_once(&name, text);
        } else {
            self.site.say(&name, text);
        }
    }

    fn connect(&mut self, slot: usize) {
        if self.slots[slot].is_some() {
            return;
        }
        self.count += 1;
        let name = format!("s{}", self.count);
        self.site.connect(&name);
        let connection = say::connection(&name);
        let is_known = self.site.world.sockets.contains_key(&connection);
        if is_known {
            self.slots[slot] = Some(Listener::new(name));
        }
    }

    fn disconnect(&mut self, slot: usize, said_goodbye: bool) {
        let Some(listener) = self.slots[slot].take() else { return };
        if said_goodbye {
            self.site.leave(&listener.name);
        } else {
            self.site.break_off(&listener.name);
        }
    }

    fn pass(&mut self, bytes: &mut Bytes<'_>) {
        let time: Millis = bytes.one_of(&[1, 10, 50, 160, 1_000, 30_000, 150_001, 600_000, DAY, 31 * DAY, -5_000]);
        if time <= 600_000 && time > 0 {
            self.site.pass(time);
            return;
        }
        // The clock was put, or the alarm rings late. A flush timer is a delay and knows no clock.
        self.site.now += time;
        self.site.world.timer = self.site.world.timer.map(|at| at + time.min(0));
        self.site.come_round();
        if self.site.world.alarm.is_some_and(|at| at <= self.site.now) {
            self.site.world.alarm = None;
            self.site.driver.alarm(&mut self.site.world, self.site.now);
        }
    }

    /// The runtime lets go of the room: asleep, by a trap of the wasm, or with all its connections.
    fn lose_memory(&mut self, how: usize) {
        match how {
            0 | 1 => {
                self.site.come_round();
                if self.site.world.timer.is_none() {
                    self.site.sleep();
                }
            }
            2 => {
                self.site.world.lose_memory();
                self.site.driver = Driver::new(self.settings.clone());
                self.slots.iter_mut().flatten().for_each(Listener::miss);
            }
            _ => {
                self.site.crash();
                self.slots = Default::default();
            }
        }
    }

    fn write(&mut self, bytes: &mut Bytes<'_>) {
        let verb = if bytes.flag() { Verb::Put } else { Verb::Delete };
        let scene = self.scene(bytes.below(SLOTS));
        let (field, body, key) = grammar::write(bytes, &scene);
        if let Ok(Written::Done { body, .. }) = self.site.write(verb, field, &body, key) {
            let body = json::read(&body).expect("H3: an answer is JSON");
            let version = body.root.get("version").and_then(json::Node::integer).expect("H3: a version");
            assert!(version <= self.durable().0.version, "S6: version {version} was shown and is not stored");
        }
    }

    fn read(&mut self, bytes: &mut Bytes<'_>) {
        let scene = self.scene(0);
        let (now, durable) = (self.site.now, self.durable().0.version);
        let Ok(room) = self.site.driver.read(&mut self.site.world, now) else { return };
        let since = match bytes.below(4) {
            0 => Since::Time(now - bytes.one_of(&[0, 1, 1_000, DAY])),
            at => Since::Version(scene.version.saturating_sub(at as u64 - 1), bytes.flag().then_some(scene.epoch)),
        };
        for text in [room.state(false, now), room.changes_page(&since, now)] {
            let document = json::read(&text).expect("H1, H2: a body is JSON");
            assert!(document.root.get("version").and_then(json::Node::integer).is_some_and(|shown| shown >= durable));
        }
    }

    /// What storage holds, and a room that is restored from it.
    fn durable(&self) -> (Durable, Option<Stored>, Room) {
        let world = &self.site.world;
        let stored = if self.mark() == self.mark {
            self.stored.clone()
        } else {
            store::load(&mut Sqlite(&world.db)).expect("storage can be read")
        };
        let attachments = world.sockets.values().filter_map(|socket| socket.attachment.clone()).collect();
        let (settings, epoch) = (self.settings.clone(), "unstored".to_owned());
        let room = Room::restore(settings, stored.clone(), epoch, attachments, Gate::default(), self.site.now);
        let last_seqs = stored.iter().flat_map(|stored| stored.records.clients.iter());
        let last_seqs = last_seqs.map(|(id, client)| (id.clone(), client.last_seq)).collect::<BTreeMap<_, _>>();
        (Durable { version: room.version(), last_seqs }, stored, room)
    }

    fn mark(&self) -> Mark {
        (self.site.world.commits.len(), self.site.world.db.total_changes())
    }

    /// What is true after every step.
    fn check(&mut self) {
        let (durable, stored, restored) = self.durable();
        if let (Some(before), Some(after)) = (&self.stored, &stored) {
            assert_eq!(before.meta.epoch, after.meta.epoch, "U8: a life ends with all that was stored");
        }
        assert!(stored.is_none() || self.version <= durable.version, "S2: versions never go back");
        if self.settings.kind.declared.is_some() {
            stored.iter().for_each(check_kind);
        }
        self.hear(&durable);
        if let Some(room) = self.site.driver.room().filter(|room| !room.has_staged()) {
            assert_eq!(room.stored(), stored, "S7: memory is what is stored");
            if stored.is_some() {
                self.compare(room, restored);
            }
        }
        (self.version, self.stored, self.mark) = (durable.version, stored, self.mark());
    }

    /// A room that wakes shows what it showed.
    fn compare(&self, running: &Room, mut restored: Room) {
        let pings = self.site.world.sockets.iter();
        let pings = pings.filter_map(|(connection, socket)| Some((*connection, socket.pinged?))).collect::<Vec<_>>();
        let mut running = running.clone();
        for room in [&mut running, &mut restored] {
            room.handle(Event::Read { pings: Pings(&|| pings.clone()) }, self.site.now);
        }
        assert_eq!(state(&running), state(&restored), "a room that sleeps forgets nothing");
    }

    fn hear(&mut self, durable: &Durable) {
        for slot in &mut self.slots {
            let Some(listener) = slot else { continue };
            let connection = say::connection(&listener.name);
            let world = &self.site.world;
            let is_open = world.sockets.contains_key(&connection);
            if is_open || world.closed.contains_key(&connection) {
                for frame in self.site.take(&listener.name) {
                    listener.hear(&frame, durable, &self.said);
                }
            }
            if !is_open {
                *slot = None;
            }
        }
    }

    /// Once nothing fails any more and all timers have rung, everyone has heard all there is.
    fn end(mut self) {
        (self.site.world.fail_at, self.site.world.fail_load_at) = (None, None);
        self.site.pass(1_000);
        self.check();
        if let Ok(room) = self.site.driver.read(&mut self.site.world, self.site.now) {
            let state = room.state(false, self.site.now);
            self.slots.iter().flatten().for_each(|listener| listener.has_heard_all(&state));
        }
    }
}

/// What a room shows, but for the time.
fn state(room: &Room) -> String {
    let text = room.state(false, 0);
    let (before, time) = text.split_once(r#""time":"#).expect("Y2: a time");
    format!("{before}{}", time.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// By what an answer is known.
fn id_of(tag: &Tag) -> Option<String> {
    tag.id.as_ref().map(|id| serde_json::to_string(id).expect("an id is JSON"))
}
