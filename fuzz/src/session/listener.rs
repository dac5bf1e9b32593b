//! One client's end of a connection: what it was told, and whether that fits together.

use std::collections::{BTreeMap, BTreeSet};

use roomkeep::protocol::tag::Tag;

use crate::json::{self, Kind, Node};

/// What the room says of its own accord or in answer. Anything else is another client's word.
const OF_ROOM: [&str; 16] = [
    "people",
    "user_joined",
    "user_left",
    "user_ready",
    "field_selected",
    "field_cleared",
    "welcome",
    "sync_response",
    "changes",
    "ack",
    "conflict",
    "error",
    "permission_request",
    "permission_response",
    "permission_cancelled",
    "permission_revoked",
];

/// What is stored.
pub struct Durable {
    pub version: u64,
    /// The last number of each client that was answered, `None` once it is forgotten.
    pub last_seqs: BTreeMap<String, Option<u64>>,
}

/// A client.
pub struct Listener {
    pub name: String,
    /// The number that its next message should have.
    pub next_seq: u64,
    /// How many messages had this `id`, and how many answers.
    ids: BTreeMap<String, (usize, usize)>,
    /// Whether answers may be missing, because the room lost its memory with its sockets open.
    has_missed: bool,
    /// After `hello`: the version up to which it was told.
    told: Option<u64>,
    /// The `clientId` of its `hello`.
    client: Option<String>,
    /// The fields as it was told them, as JSON, once it was told all of them.
    fields: Option<BTreeMap<String, String>>,
}

impl Listener {
    pub fn new(name: String) -> Self {
        let ids = BTreeMap::new();
        Self { name, next_seq: 1, ids, has_missed: false, told: None, client: None, fields: None }
    }

    /// It says something that is answered by this.
    pub fn expect(&mut self, tag: &Tag) {
        if let Some(id) = super::id_of(tag) {
            self.ids.entry(id).or_default().0 += 1;
        }
        if let Some(number) = tag.number {
            self.next_seq = self.next_seq.max(number.seq.saturating_add(1));
        }
    }

    /// It says `hello`, which counts if it is not welcome yet.
    pub fn greet(&mut self, client: String) {
        if self.told.is_none() {
            self.client = Some(client);
        }
    }

    /// The room lost what it had not stored yet.
    pub fn miss(&mut self) {
        self.has_missed = true;
    }

    /// A frame came.
    pub fn hear(&mut self, text: &str, durable: &Durable, said: &BTreeSet<String>) {
        let document = json::read(text).unwrap_or_else(|| panic!("F1: what is sent is no JSON: {text}"));
        let frame = &document.root;
        assert!(!frame.has_duplicate_keys(), "F1: {text}");
        let kind = frame.get("type").and_then(Node::string).unwrap_or_else(|| panic!("F1: no type: {text}"));
        let is_relayed = !OF_ROOM.contains(&kind) && frame.get("presence").is_none();
        if is_relayed {
            assert!(said.contains(text), "P2: nobody said {text}");
            return;
        }
        for key in ["version", "to", "serverVersion"] {
            let shown = frame.get(key).and_then(Node::integer).unwrap_or(0);
            assert!(shown <= durable.version, "S6: {shown} was shown, {} is stored: {text}", durable.version);
        }
        match kind {
            "welcome" => self.welcome(frame),
            "sync_response" => self.sync(frame),
            "changes" => self.changes(frame),
            "ack" | "conflict" | "error" => self.answer(kind, frame, durable),
            _ => {}
        }
    }

    fn welcome(&mut self, frame: &Node<'_>) {
        assert_eq!(self.told, None, "Y4: hello is said once");
        self.told = frame.get("version").and_then(Node::integer);
        assert!(self.told.is_some(), "Y4");
        if let Some(last) = frame.get("lastSeq").and_then(Node::integer) {
            self.next_seq = last + 1;
        }
    }

    fn sync(&mut self, frame: &Node<'_>) {
        if self.told.is_none() {
            return;
        }
        assert_eq!(frame.get("version").and_then(Node::integer), self.told, "Y7: a sync counts as one of the row");
        self.fields = Some(selections(frame));
    }

    fn changes(&mut self, frame: &Node<'_>) {
        let version = |key: &str| frame.get(key).and_then(Node::integer).expect("Y3: a version");
        let (from, to) = (version("from"), version("to"));
        let Some(Kind::Array(entries)) = frame.get("changes").map(|node| &node.kind) else { panic!("Y5: a list") };
        let is_answer = frame.get("participants").is_some();
        if is_answer {
            assert!(self.told.is_none_or(|told| told == to), "Y7: told up to {:?}, answered {to}", self.told);
        } else {
            assert_eq!(self.told, Some(from), "Y7: from {from} to {to}");
            assert!(to > from && !entries.is_empty(), "Y6: a frame of no changes");
            self.told = Some(to);
        }
        let mut last = from;
        for entry in entries {
            let version = entry.get("version").and_then(Node::integer).expect("Y5: a version");
            assert!(last < version && version <= to, "Y5: the oldest first: {}", frame.raw);
            last = version;
            if let (Some(fields), Some(field)) = (&mut self.fields, entry.get("field").and_then(Node::string)) {
                match entry.get("selection").filter(|selection| selection.raw != "null") {
                    Some(selection) => drop(fields.insert(field.to_owned(), selection.raw.to_owned())),
                    None => drop(fields.remove(field)),
                }
            }
        }
    }

    fn answer(&mut self, kind: &str, frame: &Node<'_>, durable: &Durable) {
        if let Some(id) = frame.get("id") {
            let (asked, answered) = self.ids.entry(id.raw.to_owned()).or_default();
            *answered += 1;
            assert!(answered <= asked, "F3: {asked} were asked: {}", frame.raw);
        }
        if kind == "ack" {
            let version = frame.get("version").and_then(Node::integer).expect("E3: a version");
            assert!(self.told.is_none_or(|told| version <= told), "Y6: told {:?}: {}", self.told, frame.raw);
            let last = self.client.as_ref().and_then(|client| durable.last_seqs.get(client)).copied().flatten();
            let is_answered = |seq: u64| last.is_none_or(|last| seq <= last);
            assert!(frame.get("seq").and_then(Node::integer).is_none_or(is_answered), "E1: {last:?}: {}", frame.raw);
        }
    }

    /// Nothing is under way any more.
    pub fn has_heard_all(&self, state: &str) {
        if !self.has_missed {
            for (id, (asked, answered)) in &self.ids {
                assert_eq!(asked, answered, "F3: {} has messages without an answer with the id {id}", self.name);
            }
        }
        if let Some(fields) = &self.fields {
            let state = json::read(state).expect("a state is JSON");
            assert_eq!(*fields, selections(&state.root), "Y7: {} has missed something", self.name);
        }
    }
}

fn selections(frame: &Node<'_>) -> BTreeMap<String, String> {
    let members = frame.get("selections").and_then(Node::members).expect("Y2: selections");
    let text = |key: &Option<String>| key.clone().expect("a field is text");
    members.iter().map(|(key, selection)| (text(key), selection.raw.to_owned())).collect()
}
