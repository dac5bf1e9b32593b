//! A page as it should be written: an outbox of numbered messages that is sent until each is answered, and a copy of
//! the room that it makes of nothing but what it receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use serde_json::Value;

use super::message::{Content, Message};
use super::oracle::What;
use super::permissions::{Held, held_in};
use super::witness::{changes, selections};

/// How a number was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The version, unless the answer was one for several numbers.
    Done(Option<u64>),
    Conflict,
    Refused(String),
    /// It was, and how is not known: the answer was lost with the runtime, or the room has forgotten it.
    Somehow,
}

/// What hearing a frame makes a page do.
#[derive(Debug)]
pub enum Do {
    Send(Message),
    /// Go, and come back.
    Reconnect,
}

#[derive(Debug)]
pub struct Tab {
    pub user: &'static str,
    /// Whether it says `hello`.
    pub is_greeting: bool,
    pub client: Rc<str>,
    pub link: Option<ConnectionId>,
    pub is_welcomed: bool,
    pub outbox: VecDeque<(u64, Content)>,
    pub next_seq: u64,
    /// The highest number that went out over this link.
    pub sent: u64,
    pub epoch: Option<String>,
    pub version: u64,
    pub has_state: bool,
    pub fields: BTreeMap<String, (u64, u64)>,
    pub people: BTreeMap<String, (String, bool)>,
    /// Permission requests and permissions.
    pub held: Held,
    pub answers: BTreeMap<u64, Answered>,
    /// Numbers that once met a failure of storage. If they were answered before, later ones may be done and acked
    /// meanwhile, so that such an ack does not tell how these were answered.
    pub failed: BTreeSet<u64>,
    /// All that it numbered.
    pub said: BTreeMap<u64, Content>,
    /// When it last heard an answer, or had nothing to wait for.
    pub heard: Millis,
    /// Whether it ever sent a number over HTTP, so that answers may overtake one another.
    pub is_elsewhere: bool,
    /// Whether it asked for what it missed.
    pub is_asking: bool,
    /// A write over HTTP with a key, to be repeated as it was, and when it was first made.
    pub keyed: Option<(String, Message, Millis)>,
}

impl Tab {
    pub fn new(user: &'static str, is_greeting: bool, client: Rc<str>) -> Self {
        Self {
            user,
            is_greeting,
            client,
            link: None,
            is_welcomed: false,
            outbox: VecDeque::new(),
            next_seq: 1,
            sent: 0,
            epoch: None,
            version: 0,
            has_state: false,
            fields: BTreeMap::new(),
            people: BTreeMap::new(),
            held: Held::new(),
            answers: BTreeMap::new(),
            failed: BTreeSet::new(),
            said: BTreeMap::new(),
            heard: 0,
            is_elsewhere: false,
            is_asking: false,
            keyed: None,
        }
    }

    pub fn hello(&self) -> Message {
        let since = self.has_state.then_some(self.version);
        Message::new(self.user, Content::Hello { client: self.client.clone(), since, epoch: self.epoch.clone() })
    }

    /// The highest number that is answered, and all below it.
    pub fn answered(&self) -> u64 {
        self.outbox.front().map_or(self.next_seq, |(seq, _)| *seq) - 1
    }

    /// A message of the outbox as it is sent.
    pub fn numbered(&self, seq: u64) -> Message {
        let (_, content) = self.outbox.iter().find(|(number, _)| *number == seq).unwrap();
        Message { seq: Some(seq), ..Message::new(self.user, content.clone()) }
    }

    /// What of the outbox has not gone out over this link.
    pub fn unsent(&mut self) -> Vec<Message> {
        let unsent = self.outbox.iter().map(|(seq, _)| *seq).filter(|seq| *seq > self.sent).collect::<Vec<_>>();
        self.sent = unsent.last().copied().unwrap_or(self.sent);
        unsent.into_iter().map(|seq| self.numbered(seq)).collect()
    }

    /// The link is gone.
    pub fn unlink(&mut self) {
        (self.link, self.is_welcomed, self.is_asking, self.sent) = (None, false, false, 0);
    }

    /// The room does not know this client any more: what it still had to say is given up, as a page would that shows
    /// it to its user as unsaved.
    pub fn renew(&mut self, client: Rc<str>) {
        (self.client, self.next_seq, self.sent) = (client, 1, 0);
        self.outbox.clear();
        self.answers.clear();
        self.said.clear();
        self.failed.clear();
    }

    /// Puts a message in the outbox.
    pub fn number(&mut self, content: Content, now: Millis) {
        if self.outbox.is_empty() {
            self.heard = now;
        }
        self.said.insert(self.next_seq, content.clone());
        self.outbox.push_back((self.next_seq, content));
        self.next_seq += 1;
    }

    /// A frame arrives. `is_torn`: frames before it may have been lost on the way.
    pub fn hears(&mut self, frame: &Value, is_torn: bool, now: Millis) -> Vec<Do> {
        match frame["type"].as_str().unwrap() {
            "welcome" => self.welcome(frame, now),
            "sync_response" => {
                self.fields = selections(frame);
                self.held = held_in(frame);
                self.take_people(frame);
                self.stand_at(frame, "version");
                Vec::new()
            }
            "changes" => self.take_changes(frame, is_torn),
            "ack" => self.ack(frame, is_torn, now),
            "conflict" => {
                if let Some(seq) = frame["seq"].as_u64() {
                    self.answer(seq, Answered::Conflict, now);
                }
                Vec::new()
            }
            "error" => self.error(frame, now),
            _ => Vec::new(),
        }
    }

    fn stand_at(&mut self, frame: &Value, key: &str) {
        self.version = frame[key].as_u64().unwrap();
        self.epoch = frame["epoch"].as_str().map(str::to_owned);
        (self.has_state, self.is_asking) = (true, false);
    }

    fn welcome(&mut self, frame: &Value, now: Millis) -> Vec<Do> {
        self.heard = now;
        let last = frame["lastSeq"].as_u64();
        // A refusal may be heard before the ack of the number below it, so the highest answer counts.
        let highest = self.answers.keys().next_back().copied().unwrap_or(0);
        if last.is_none_or(|last| last < highest) {
            // The new name comes with the new connection, and knows of this life of the room alone.
            self.outbox.clear();
            self.has_state = false;
            self.epoch = frame["epoch"].as_str().map(str::to_owned);
            self.next_seq = 0;
            return vec![Do::Reconnect];
        }
        self.is_welcomed = true;
        self.unsent().into_iter().map(Do::Send).collect()
    }

    fn take_people(&mut self, frame: &Value) {
        let people = frame["participants"].as_array().unwrap().iter().map(|person| {
            let name = person["name"].as_str().unwrap().to_owned();
            (person["id"].as_str().unwrap().to_owned(), (name, person["isReady"].as_bool().unwrap()))
        });
        self.people = people.collect();
    }

    fn take_changes(&mut self, frame: &Value, is_torn: bool) -> Vec<Do> {
        let (from, to) = (frame["from"].as_u64().unwrap(), frame["to"].as_u64().unwrap());
        if self.epoch.as_deref() != frame["epoch"].as_str() || !self.has_state || from > self.version {
            assert!(is_torn || !self.is_welcomed, "Y7: a gap after {}: {frame}", self.version);
            return self.ask();
        }
        for (version, what) in changes(frame).into_iter().filter(|(version, _)| *version > self.version) {
            match what {
                What::Field { field, value: Some(value) } => {
                    self.fields.insert(field.to_owned(), (version, value));
                }
                What::Field { field, value: None } => drop(self.fields.remove(field)),
                What::Person { user, name, is_ready } => {
                    let name = super::message::user_name(user, name);
                    self.people.insert(user.to_owned(), (name, is_ready));
                }
                What::Grant { is_ended: true, .. } => drop(self.held.remove(&what.name())),
                What::Request { .. } | What::Grant { .. } => drop(self.held.insert(what.name(), (version, what))),
            }
        }
        if frame.get("participants").is_some() {
            self.take_people(frame);
        }
        if to > self.version || frame.get("participants").is_some() {
            self.stand_at(frame, "to");
        }
        Vec::new()
    }

    /// Asks for what it missed, once.
    pub fn ask(&mut self) -> Vec<Do> {
        if std::mem::replace(&mut self.is_asking, true) {
            return Vec::new();
        }
        let since = self.has_state.then_some(self.version);
        let sync = Content::Sync { since, epoch: self.epoch.clone().filter(|_| since.is_some()) };
        vec![Do::Send(Message::new(self.user, sync))]
    }

    fn ack(&mut self, frame: &Value, is_torn: bool, now: Millis) -> Vec<Do> {
        let Some(seq) = frame["seq"].as_u64() else { return Vec::new() };
        let version = frame["version"].as_u64().unwrap();
        if frame["duplicate"] != true && !is_torn {
            assert!(version <= self.version, "Y6: {frame} comes before its change: {}", self.version);
        }
        let before = self.outbox.iter().map(|(number, _)| *number).filter(|number| *number < seq).collect::<Vec<_>>();
        for number in before {
            let is_sure = !is_torn && !self.failed.contains(&number);
            self.answer(number, if is_sure { Answered::Done(None) } else { Answered::Somehow }, now);
        }
        self.answer(seq, Answered::Done(Some(version)), now);
        Vec::new()
    }

    /// A number is answered, perhaps once more.
    pub fn answer(&mut self, seq: u64, answer: Answered, now: Millis) {
        self.heard = now;
        self.outbox.retain(|(number, _)| *number != seq);
        match (self.answers.get_mut(&seq), answer) {
            (None, answer) => drop(self.answers.insert(seq, answer)),
            (Some(Answered::Done(_)), Answered::Done(None)) | (Some(_), Answered::Somehow) => {}
            (Some(known @ Answered::Done(None)), answer @ Answered::Done(_)) => *known = answer,
            (Some(known @ Answered::Somehow), answer) => *known = answer,
            (Some(known), answer) => assert_eq!(*known, answer, "E2: {seq} of {} has two outcomes", self.client),
        }
    }

    fn error(&mut self, frame: &Value, now: Millis) -> Vec<Do> {
        let (seq, code) = (frame["seq"].as_u64(), frame["code"].as_str().unwrap());
        if frame["retry"] == true {
            if !self.is_welcomed && self.is_greeting && code == "storage" {
                self.sent = 0;
                return vec![Do::Send(self.hello())];
            }
            if code == "storage" && seq.is_none() && self.is_asking {
                self.is_asking = false;
            }
            self.failed.extend(seq.filter(|_| code == "storage"));
            let again = frame["expected"].as_u64().or(seq);
            if let Some(again) = again.filter(|_| self.is_welcomed) {
                let answered = self.answered();
                let is_late = code == "storage" || self.is_elsewhere;
                assert!(again > answered || is_late, "E1: {frame}, and {answered} are answered");
                // What was sent since is sent again with it, at the next chance to do so.
                self.sent = self.sent.min(again - 1);
            }
        } else if let Some(seq) = seq.filter(|_| code != "seq_reused" && self.is_welcomed) {
            // Before the welcome it means that the room did not hear the `hello`, and nothing of the message.
            let refused = Answered::Refused(code.to_owned());
            self.answer(seq, if code == "outcome_forgotten" { Answered::Somehow } else { refused }, now);
        }
        Vec::new()
    }
}
