//! What clients do: write, write again, write over HTTP, ask, show, and come back.

use std::slice::from_ref;

use roomkeep::access::rates::{Caller, RateKey};
use roomkeep::protocol::Millis;
use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::precondition::Precondition;
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{RoomWrite, Verb};
use roomkeep::room::turn::Written;
use roomkeep::room::views::Since;
use serde_json::Value;

use super::client::Answered;
use super::message::{Base, Content, Message};
use super::oracle::{Reply, Verdict};
use super::permissions::{Answer, Saying, Status};
use super::story::{DISCONNECT_AFTER, Story};
use super::witness::{changes, name};
use super::{ACTIONS, FIELDS, REQUESTS, USERS};
use crate::world::DAY;

/// A number that no client reaches.
const FAR: u64 = 5_000;
/// How often a moving hand is shown.
const MOVES: usize = 40;
/// A key is good for a day; within this it is by any clock.
const KEY_IS_GOOD: Millis = 3_600_000;

impl Story {
    /// A client that is away comes back.
    pub fn connect(&mut self, at: usize) {
        if self.tabs[at].link.is_some() {
            return;
        }
        if self.tabs[at].is_greeting && self.tabs[at].next_seq == 0 {
            let client = self.client_name();
            self.tabs[at].renew(client);
        }
        let of = self.enter(true);
        let mono = self.mono;
        let tab = &mut self.tabs[at];
        (tab.link, tab.heard) = (Some(of), mono);
        let (user, hello) = (tab.user, tab.hello());
        self.note(|_| format!("{user} comes back as {}", name(of)));
        if self.tabs[at].is_greeting {
            self.send(of, hello);
            // Some do not wait for the welcome.
            if self.random.percent(20) {
                self.tabs[at].unsent().into_iter().for_each(|message| self.send(of, message));
            }
        } else if self.random.percent(70) {
            self.send(of, Message::new(user, Content::Sync { since: None, epoch: None }));
        }
        if self.random.percent(70) {
            let join = self.join();
            self.send(of, Message::new(user, join));
        }
    }

    fn join(&mut self) -> Content {
        Content::Join { name: self.random.weighted(&[(9, 0), (1, 1)]) }
    }

    /// A client does something, if only in vain.
    pub fn act(&mut self) {
        let at = self.random.index(self.tabs.len());
        if self.random.percent(self.mix.http) {
            return self.write_without_socket(at);
        }
        let Some(of) = self.tabs[at].link else {
            if self.random.percent(30) {
                self.connect(at);
            } else if self.tabs[at].is_greeting && self.tabs[at].next_seq > 0 && self.tabs[at].outbox.len() < 6 {
                self.number(at);
            }
            return;
        };
        if self.is_stuck(at) {
            return self.again(at);
        }
        if self.random.percent(self.mix.repeats) && self.tabs[at].is_welcomed {
            return self.repeat(at);
        }
        if self.tabs[at].is_greeting && self.random.percent(70) {
            if self.tabs[at].outbox.len() < 12 {
                self.number(at);
            }
            if self.tabs[at].is_welcomed && self.random.percent(85) {
                self.tabs[at].unsent().into_iter().for_each(|message| self.send(of, message));
            }
            return;
        }
        let content = self.content(at);
        // Who is not bound yet would be to the wrong user.
        let is_bound = self.stage.witness.oracle.sessions.get(&of).is_some_and(|session| session.user.is_some());
        let user =
            if is_bound && self.random.percent(4) { self.random.pick(&super::USERS) } else { self.tabs[at].user };
        let id = self.random.percent(50).then(|| self.fresh());
        self.send(of, Message { id, ..Message::new(user, content) });
        if self.random.percent(5) {
            self.ping(of);
        }
    }

    /// A client shows where it is, again and again, for half a second and more.
    pub fn move_about(&mut self) {
        let at = self.random.index(self.tabs.len());
        let (user, link) = (self.tabs[at].user, self.tabs[at].link.filter(|_| self.tabs[at].is_welcomed));
        let Some(of) = link else { return };
        for _ in 0..MOVES {
            let place = self.fresh();
            self.send(of, Message::new(user, Content::Presence(Some(place))));
            while self.stage.links.get(&of).is_some_and(|link| !link.up.is_empty()) {
                self.carry_up(of);
            }
            let time = self.random.between(1, 30);
            self.pass(Millis::try_from(time).unwrap());
        }
    }

    fn number(&mut self, at: usize) {
        let content = self.content_to_number(at);
        let now = self.mono;
        self.tabs[at].number(content, now);
    }

    /// Whether a client has waited for an answer or a welcome for too long.
    pub fn is_stuck(&self, at: usize) -> bool {
        let tab = &self.tabs[at];
        let waits = tab.is_greeting && (!tab.is_welcomed || !tab.outbox.is_empty());
        waits && tab.link.is_some() && self.mono - tab.heard > DISCONNECT_AFTER
    }

    /// A client that waits for too long sends again, or comes anew.
    pub fn again(&mut self, at: usize) {
        let Some(of) = self.tabs[at].link else { return };
        if !self.tabs[at].is_welcomed || self.random.percent(30) {
            let said_goodbye = self.random.percent(50);
            return self.drop_link(at, said_goodbye);
        }
        let now = self.mono;
        let tab = &mut self.tabs[at];
        (tab.sent, tab.heard) = (tab.answered(), now);
        tab.unsent().into_iter().for_each(|message| self.send(of, message));
    }

    /// A client says again what it said, or gets its numbers wrong.
    fn repeat(&mut self, at: usize) {
        let of = self.tabs[at].link.unwrap();
        let (user, answered) = (self.tabs[at].user, self.tabs[at].answered());
        let said = self.tabs[at].said.iter().map(|(seq, content)| (*seq, content.clone())).collect::<Vec<_>>();
        match self.random.below(4) {
            0 => {
                let field = self.random.pick(&FIELDS);
                let wrong = Content::Set { field, value: self.fresh(), base: None };
                self.send(of, Message { seq: Some(FAR), ..Message::new(user, wrong) });
            }
            1 if answered > 0 => {
                let field = self.random.pick(&FIELDS);
                let seq = self.random.between(1, answered);
                let wrong = Content::Set { field, value: self.fresh(), base: None };
                self.send(of, Message { seq: Some(seq), ..Message::new(user, wrong) });
            }
            // What was sent before, once more and from a place that chance decides: all of it, in order.
            _ => {
                let sent = self.tabs[at].sent;
                let said = said.into_iter().filter(|(seq, _)| *seq <= sent).collect::<Vec<_>>();
                let from = self.random.index(said.len() + 1).max(said.len().saturating_sub(5));
                for (seq, content) in said.into_iter().skip(from) {
                    let id = self.random.percent(20).then(|| self.fresh());
                    self.send(of, Message { seq: Some(seq), id, ..Message::new(user, content) });
                }
            }
        }
    }

    fn content(&mut self, at: usize) -> Content {
        let sync = (3, Content::Sync { since: None, epoch: None });
        let resume = (3, Content::Sync { since: Some(self.version_or_so(at)), epoch: self.tabs[at].epoch.clone() });
        let shown = self.random.percent(80).then(|| self.fresh());
        let kinds = [(50, None), (20, Some(Content::Presence(shown))), (3, Some(Content::Relay))];
        let kinds = kinds.into_iter().chain([sync, resume].map(|(weight, content)| (weight, Some(content))));
        let kinds = kinds.collect::<Vec<_>>();
        let weights = kinds.iter().enumerate().map(|(at, (weight, _))| (*weight, at)).collect::<Vec<_>>();
        let chosen = kinds[self.random.weighted(&weights)].1.clone();
        chosen.unwrap_or_else(|| self.content_to_number(at))
    }

    fn version_or_so(&mut self, at: usize) -> u64 {
        let version = self.tabs[at].version;
        self.random.pick(&[version, version / 2, version + 3, 0])
    }

    fn content_to_number(&mut self, at: usize) -> Content {
        if self.random.percent(self.mix.permissions) {
            return self.about_permissions();
        }
        match self.random.below(100) {
            0..50 => self.set(at),
            50..68 => self.clear(at),
            68..80 => {
                let changes = 1 + self.random.index(4);
                let changes = (0..changes).map(|_| if self.random.percent(70) { self.set(at) } else { self.clear(at) });
                Content::Batch(changes.collect())
            }
            80..90 => Content::Ready(self.random.percent(50)),
            90..96 => self.join(),
            96..98 => Content::NoValue,
            _ => Content::TooLong,
        }
    }

    fn about_permissions(&mut self) -> Content {
        let (user, request) = (self.random.pick(&USERS), self.random.pick(&REQUESTS));
        let action = self.random.pick(&ACTIONS);
        let open = self.stage.witness.oracle.rows.requests.iter();
        let open = open.filter(|(_, row)| row.status == Status::Pending).map(|(key, _)| *key).collect::<Vec<_>>();
        let (author, asked) = if open.is_empty() { (user, request) } else { self.random.pick(&open) };
        Content::Permission(match self.random.below(100) {
            0..40 => {
                let wait = self.random.pick(&[5, 60, 2_000, 300_000, DAY]);
                Saying::Ask { request, action, wait }
            }
            40..75 => {
                let answer = self.random.pick(&[Answer::Deny, Answer::Once, Answer::Session, Answer::Session]);
                Saying::Respond { author, request: asked, answer }
            }
            75..88 => Saying::Cancel { request: asked },
            _ => Saying::Revoke { user, action },
        })
    }

    fn field(&mut self) -> &'static str {
        FIELDS[self.random.index(self.mix.fields)]
    }

    fn set(&mut self, at: usize) -> Content {
        let field = self.field();
        Content::Set { field, value: self.fresh(), base: self.base(at, field) }
    }

    fn clear(&mut self, at: usize) -> Content {
        let field = self.field();
        Content::Clear { field, base: self.base(at, field) }
    }

    fn base(&mut self, at: usize, field: &str) -> Option<Base> {
        if !self.random.percent(self.mix.based) {
            return None;
        }
        let known = self.tabs[at].fields.get(field).map_or(0, |(version, _)| *version);
        let version = self.random.weighted(&[(8, known), (1, 0), (1, known + 1)]);
        // Not drawn, so that what the recorded seeds draw stays what it was.
        Some(Base { version, is_exact: version % 3 == 1 })
    }

    /// Somebody writes over HTTP: a client whose socket is gone or slow, a caller with a key, or one without.
    fn write_without_socket(&mut self, at: usize) {
        let first = self.tabs[at].outbox.front().cloned();
        let is_field = first
            .as_ref()
            .is_some_and(|(_, c)| matches!(c, Content::Set { .. } | Content::Clear { .. } | Content::Batch(_)));
        let client = self.tabs[at].client.clone();
        let user = self.tabs[at].user;
        // Whether the room still knows a client that is away for a month is for its clock to say.
        let mut here = self.stage.witness.oracle.sessions.values().filter_map(|session| session.client.as_ref());
        let is_known = here.any(|here| *here == client) || !self.stage.witness.is_long_unseen(&client);
        if is_field && is_known {
            let (seq, _) = first.unwrap();
            let message = self.tabs[at].numbered(seq);
            self.tabs[at].is_elsewhere = true;
            let Some((reply, is_duplicate)) = self.write(&message, true, at, None) else { return };
            if self.random.percent(75) && reply != Verdict::Refused("outcome_forgotten") {
                self.note(|_| format!("{client} hears of {seq}: {reply:?}, {is_duplicate}"));
                let now = self.mono;
                let is_retryable = matches!(reply, Verdict::Refused("out_of_order"));
                // A write over HTTP names no life of the room, so it may be the first of another.
                let (life, known) = (&self.stage.witness.oracle.epoch, &self.tabs[at].epoch);
                let is_other_life = known.is_some() && known != life;
                if !is_retryable {
                    let answer = if is_other_life { Answered::Somehow } else { answered(&reply) };
                    self.tabs[at].answer(seq, answer, now);
                }
            }
            return;
        }
        let content = match self.random.below(100) {
            0..45 => self.set(at),
            45..75 => self.clear(at),
            _ => Content::Batch(vec![self.set(at), self.clear(at), self.set(at)]),
        };
        let clock = self.stage.witness.clock;
        let keyed = self.tabs[at].keyed.clone().filter(|(.., made)| clock - made < KEY_IS_GOOD);
        match keyed.filter(|_| self.random.percent(60)) {
            Some((key, message, _)) => {
                let message = if self.random.percent(15) { Message { content, ..message } } else { message };
                self.write(&message, false, at, Some(key));
            }
            None => {
                let key = self.random.percent(50).then(|| format!("key{}", self.fresh()));
                let seq = key.as_ref().map(|_| 1);
                let message = Message { seq, ..Message::new(user, content) };
                let made = self.write(&message, false, at, key.clone());
                let now = self.now();
                self.tabs[at].keyed = key.filter(|_| made.is_some()).map(|key| (key, message, now));
            }
        }
    }

    /// Returns how the room answered, unless it could not.
    fn write(&mut self, message: &Message, is_client: bool, at: usize, key: Option<String>) -> Option<(Verdict, bool)> {
        self.note(|_| format!("over HTTP, client {is_client}, key {key:?}: {}", message.text()));
        let client = is_client.then(|| self.tabs[at].client.clone());
        let limits = self.settings.limits.clone();
        let (reply, written, is_lost) = self.event(|driver, stage, now| {
            stage.notice_time(driver, now);
            let reply = stage.witness.oracle.write(message, client.as_ref(), key.as_ref());
            let frame = Frame::decode(&message.text(), &limits);
            let request = RoomWrite {
                verb: if let Content::Batch(_) = message.content { Verb::Patch } else { Verb::Put },
                author: frame.message.as_ref().ok().and_then(|said| said.author()).map(str::to_owned),
                frame,
                text: String::new(),
                role: Role::Moderator,
                claims: Vec::new(),
                client_id: client.as_deref().map(str::to_owned),
                key: key.clone(),
                precondition: Precondition::default(),
            };
            let caller = Caller { key: RateKey::User(message.user.to_owned()), role: Role::Moderator };
            let written = driver.write(stage, &caller, request, now);
            assert_eq!(written.is_err() && !stage.is_dead, stage.witness.event.has_failed, "S7: {written:?}");
            if let (Ok(written), false) = (&written, stage.is_dead) {
                check_written(&reply, written, stage, message);
            }
            (reply, written, stage.is_dead)
        });
        (written.is_ok() && !is_lost).then_some((reply.verdict, reply.is_duplicate))
    }

    /// Somebody reads over HTTP.
    pub fn read(&mut self) {
        let at = self.random.index(self.tabs.len());
        let (since, epoch) = (self.version_or_so(at), self.tabs[at].epoch.clone());
        self.note(|_| format!("over HTTP: since {since} of {epoch:?}"));
        self.event(|driver, stage, now| {
            stage.notice_time(driver, now);
            let Ok(room) = driver.read(stage, now) else {
                assert!(stage.witness.event.has_failed || stage.is_dead, "H2: not to be read");
                return;
            };
            if stage.is_dead {
                return;
            }
            let page = room.changes_page(&Since::Version(since, epoch.clone()), now);
            let state = room.state(false, now);
            stage.witness.check_state(None, None, &serde_json::from_str::<Value>(&state).unwrap());
            let page = serde_json::from_str::<Value>(&page).unwrap();
            if page.get("changes").is_some() || stage.witness.oracle.epoch.is_some() {
                stage.witness.check_state(Some(since), epoch.as_deref(), &page);
            }
            if page.get("changes").is_some() {
                assert!(changes(&page).is_sorted_by_key(|(version, _)| *version), "Y5: {page}");
            }
        });
    }
}

fn answered(verdict: &Verdict) -> Answered {
    match verdict {
        Verdict::Done(version) | Verdict::Before(version) => Answered::Done(Some(*version)),
        Verdict::Conflict { .. } => Answered::Conflict,
        Verdict::Refused(code) => Answered::Refused((*code).to_owned()),
    }
}

fn field_of(content: &Content) -> Option<&'static str> {
    if let Content::Set { field, .. } | Content::Clear { field, .. } = content { Some(*field) } else { None }
}

fn check_written(reply: &Reply, written: &Written, stage: &super::stage::Stage, message: &Message) {
    let changes =
        if let Content::Batch(changes) = &message.content { changes.as_slice() } else { from_ref(&message.content) };
    let fields = changes.iter().filter_map(field_of).collect::<Vec<_>>();
    match written {
        Written::Done { body, .. } => {
            let body = serde_json::from_str::<Value>(body).unwrap();
            let version = body["version"].as_u64().unwrap();
            assert_eq!(reply.verdict, Verdict::Done(version), "H3: {body}");
            assert_eq!(reply.is_duplicate, body["duplicate"] == true, "H3: {body}");
            let durable = &stage.witness.oracle.durable;
            assert!(version <= durable.version, "S6: {body} is told while {} is stored", durable.version);
            for field in fields {
                let value = durable.fields.get(field).and_then(|row| row.value);
                let shown = if let Content::Batch(_) = message.content {
                    &body["selections"][field]
                } else {
                    &body["selection"]
                };
                assert_eq!(shown["value"].as_u64(), value, "H3, H7: {body}");
            }
        }
        Written::Problem { code, members, .. } => {
            let mut body = serde_json::to_value(members).unwrap();
            if let [field] = fields.as_slice() {
                body["field"] = serde_json::json!(field);
            }
            assert_eq!(reply.is_duplicate, body["duplicate"] == true, "H3: {body}");
            match &reply.verdict {
                Verdict::Conflict { seen, .. } => {
                    assert_eq!((*code, body["clientVersion"].as_u64()), ("E_CONFLICT", Some(*seen)), "H3: {body}");
                    stage.witness.check_conflict(&body, Some(stage.witness.oracle.durable.version));
                }
                Verdict::Refused(expected) => {
                    assert_eq!(code, expected, "H3: {body}");
                    assert_eq!(body["expected"].as_u64(), reply.expected, "H3: {body}");
                }
                Verdict::Done(version) | Verdict::Before(version) => panic!("H3: {code} instead of {version}: {body}"),
            }
        }
    }
}
