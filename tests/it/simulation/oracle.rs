//! What the room ought to hold and to answer: maps and plain ifs, which share nothing with the crate. Each message is
//! told to it when it reaches the room; what was not committed when the room loses its memory is undone here too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use serde_json::Value;

use super::message::{Content, Message};
use super::permissions::{GrantRow, Key, RequestRow, Status};

/// The few limits that a simulated room runs into.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub fields: usize,
    pub tombstones: usize,
    pub participants: usize,
    pub clients: usize,
    pub outcomes: usize,
    pub requests: usize,
    pub settled: usize,
    /// Whether the room is of a declared kind (K): what that refuses is in `refused_by_the_kind`.
    pub is_declared: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Done(u64),
    /// It was done before, by this or another message.
    Before(u64),
    Conflict {
        field: &'static str,
        seen: u64,
    },
    Refused(&'static str),
}

#[derive(Debug, Clone)]
pub struct FieldRow {
    pub version: u64,
    pub value: Option<u64>,
    pub user: &'static str,
    pub client: Option<Rc<str>>,
}

#[derive(Debug, Clone)]
pub struct PersonRow {
    pub name: u64,
    pub is_ready: bool,
    pub version: u64,
}

#[derive(Debug, Clone)]
pub struct ClientRow {
    pub owner: Option<&'static str>,
    /// `None` once it is forgotten.
    pub last: Option<u64>,
    pub seen: Millis,
    pub outcomes: VecDeque<(Rc<Content>, Verdict)>,
}

/// What storage holds, or will once all is flushed.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub version: u64,
    pub floor: u64,
    pub fields: BTreeMap<&'static str, FieldRow>,
    pub people: BTreeMap<&'static str, PersonRow>,
    pub clients: BTreeMap<Rc<str>, ClientRow>,
    pub keys: BTreeMap<(&'static str, String), (Content, Verdict)>,
    pub requests: BTreeMap<Key, RequestRow>,
    pub grants: BTreeMap<Key, GrantRow>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    pub user: Option<&'static str>,
    pub is_joined: bool,
    pub client: Option<Rc<str>>,
    pub presence: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Field { field: &'static str, value: Option<u64> },
    Person { user: &'static str, name: u64, is_ready: bool },
    Request { key: Key, action: &'static str, status: Status },
    Grant { key: Key, request: &'static str, by: &'static str, is_ended: bool },
}

/// One step of the version.
#[derive(Debug, Clone)]
pub struct Change {
    pub what: What,
    /// The permission that an answer gives is part of the same step.
    pub also: Option<What>,
    pub by: Option<ConnectionId>,
    /// Whether plain clients hear of it by a frame with its version.
    pub is_numbered: bool,
}

/// An answer that a connection must get before the room has nothing left to flush.
#[derive(Debug, Clone)]
pub enum Expect {
    Reply(Reply),
    Welcome { last: Option<u64>, client: Rc<str> },
    State { since: Option<u64>, epoch: Option<String> },
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub seq: Option<u64>,
    pub id: Option<u64>,
    pub verdict: Verdict,
    /// With `out_of_order`.
    pub expected: Option<u64>,
    pub is_duplicate: bool,
    /// Whether its number is a new one all the same, so that the answer stands for all before it.
    pub is_news: bool,
    /// What is told with it of a permission request.
    pub record: Option<Value>,
    /// Whether it is true whatever becomes of the commit.
    pub is_sure: bool,
    /// Whether its commit failed, so that `storage` is the answer.
    pub is_lost: bool,
}

impl Reply {
    /// Whether success needs no word.
    pub fn is_silent(&self) -> bool {
        self.seq.is_none() && self.id.is_none() && matches!(self.verdict, Verdict::Done(_))
    }
}

#[derive(Debug)]
pub struct Oracle {
    pub bounds: Bounds,
    pub epoch: Option<String>,
    pub rows: Rows,
    pub durable: Rows,
    pub history: Vec<Change>,
    /// The room's own time.
    pub clock: Millis,
    pub sessions: BTreeMap<ConnectionId, Session>,
    pub awaiting: BTreeMap<ConnectionId, Vec<Expect>>,
    /// Connections that a `hello` in this event must close, and what they showed.
    pub fenced: BTreeMap<ConnectionId, Option<u64>>,
    /// Clients of which the room does not know the name any more, with whom nothing is exactly once.
    pub dropped: BTreeSet<Rc<str>>,
    /// Whether a participant gave way to another, of which nobody is told but who asks.
    pub has_given_way: bool,
    /// When each client was last here, by the room's time. After a crash only the room's own note is left.
    pub here: BTreeMap<Rc<str>, Millis>,
    /// When somebody last was in the room or wrote to it. After a crash that is not known.
    pub used: Option<Millis>,
    /// Which version made each value the field's.
    applied: BTreeMap<u64, u64>,
}

impl Oracle {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            epoch: None,
            rows: Rows::default(),
            durable: Rows::default(),
            history: Vec::new(),
            clock: 0,
            sessions: BTreeMap::new(),
            awaiting: BTreeMap::new(),
            fenced: BTreeMap::new(),
            dropped: BTreeSet::new(),
            has_given_way: false,
            here: BTreeMap::new(),
            used: None,
            applied: BTreeMap::new(),
        }
    }

    /// All that was staged is in storage.
    pub fn committed(&mut self) {
        self.durable = self.rows.clone();
        self.said();
    }

    /// Whoever waits for nothing but a failure has waited long enough.
    pub fn said(&mut self) {
        for expects in self.awaiting.values_mut() {
            expects.retain(|expect| !matches!(expect, Expect::Reply(reply) if reply.is_silent()));
        }
    }

    /// What was staged is gone, and the room's memory with it.
    pub fn lost(&mut self, attachments: BTreeMap<ConnectionId, Session>) {
        self.rows = self.durable.clone();
        let version = self.durable.version;
        self.history.truncate(usize::try_from(version).unwrap());
        self.applied.retain(|_, at| *at <= version);
        if self.sessions.keys().any(|of| !attachments.contains_key(of)) {
            self.used = None;
        }
        self.sessions = attachments;
        // Of whoever has gone, in this very event or before, counts what was stored (E4).
        let Self { here, sessions, .. } = self;
        here.retain(|client, _| sessions.values().any(|session| session.client.as_ref() == Some(client)));
    }

    /// Notes who is here: those who are have been so until this moment.
    pub fn note_use(&mut self) {
        if !self.sessions.is_empty() {
            self.used = Some(self.clock);
        }
        for client in self.sessions.values().filter_map(|session| session.client.clone()) {
            self.here.insert(client, self.clock);
        }
    }

    /// A commit failed: that somebody was here until it left is lost if it was to be stored with that, and is then known from
    /// the time that was stored before (E4).
    pub fn forget_who_left(&mut self) {
        let Self { here, sessions, .. } = self;
        here.retain(|client, _| sessions.values().any(|session| session.client.as_ref() == Some(client)));
    }

    /// A commit failed: everyone whose change was in it must hear so.
    pub fn refuse(&mut self) {
        for expects in self.awaiting.values_mut() {
            let told = std::mem::take(expects).into_iter().filter_map(|expect| match expect {
                Expect::Reply(reply) => {
                    let is_true_anyway = reply.seq.is_none() && matches!(reply.verdict, Verdict::Refused(_));
                    Some(Reply { is_lost: !is_true_anyway && !reply.is_sure, ..reply })
                }
                Expect::Welcome { .. } => Some(Reply { is_lost: true, ..reply(None, None, Verdict::Done(0)) }),
                Expect::State { .. } => None,
            });
            *expects = told.map(Expect::Reply).collect();
        }
    }

    /// The room's life is over.
    pub fn ended(&mut self) {
        *self = Self::new(self.bounds);
    }

    pub fn is_here(&self, user: &str) -> bool {
        self.sessions.values().any(|session| session.is_joined && session.user == Some(user))
    }

    fn expect(&mut self, of: ConnectionId, expect: Expect) {
        self.awaiting.entry(of).or_default().push(expect);
    }

    /// A message reaches the room.
    pub fn receive(&mut self, from: ConnectionId, message: &Message) {
        let Some(session) = self.sessions.get(&from).cloned() else { return };
        if let Content::Hello { client, since, epoch } = &message.content {
            return self.hello(from, &session, client, *since, epoch.as_deref());
        }
        let (seq, id) = (message.seq, message.id);
        let author = session.user.or(message.author());
        let reply = match (seq, &session.client) {
            (None, _) => self.reply_to(from, message, None, session.client.as_ref()),
            (Some(_), None) => reply(seq, id, Verdict::Refused("bad_message")),
            (Some(number), Some(client)) => {
                let known = self.answered(client, author, number, &message.content);
                let request = self.ended_by(session.user, &message.content);
                let known = known.map(|known| {
                    let is_told = known.is_duplicate && matches!(known.verdict, Verdict::Done(_));
                    let record = request.filter(|_| is_told).and_then(|request| self.on_record(request));
                    let is_sure = self.is_sure(client, &known, request.filter(|_| is_told));
                    Reply { seq, id, is_sure, record, ..known }
                });
                let is_done = |known: &Reply| known.is_duplicate && matches!(known.verdict, Verdict::Done(_));
                let again = if known.as_ref().is_some_and(is_done) {
                    self.join_again(from, &message.content, message.user)
                } else {
                    None
                };
                if let Some(refused) = again {
                    self.expect(from, Expect::Reply(reply(None, None, refused)));
                }
                known.unwrap_or_else(|| {
                    let reply = self.reply_to(from, message, Some(number), Some(client));
                    self.record(client, author, &message.content, &reply.verdict);
                    reply
                })
            }
        };
        if matches!(message.content, Content::Sync { .. }) {
            let Content::Sync { since, epoch } = message.content.clone() else { unreachable!() };
            self.expect(from, Expect::State { since, epoch });
        }
        let is_presence = matches!(message.content, Content::Presence(_));
        if !(is_presence && reply.is_silent()) {
            self.expect(from, Expect::Reply(reply));
        }
    }

    fn reply_to(
        &mut self,
        from: ConnectionId,
        message: &Message,
        number: Option<u64>,
        client: Option<&Rc<str>>,
    ) -> Reply {
        let request = self.ended_by(self.sessions[&from].user, &message.content);
        let verdict = self.apply(Some(from), number, client, message);
        let Verdict::Before(version) = verdict else { return reply(message.seq, message.id, verdict) };
        let record = request.and_then(|request| self.on_record(request));
        let done = reply(message.seq, message.id, Verdict::Done(version));
        Reply { is_duplicate: true, is_news: true, record, ..done }
    }

    /// A write without a socket. `None` where only the clock decides.
    pub fn write(&mut self, message: &Message, client: Option<&Rc<str>>, key: Option<&String>) -> Reply {
        let author = Some(message.user);
        match (client, message.seq, key) {
            (Some(client), Some(number), _) => {
                self.answered(client, author, number, &message.content).unwrap_or_else(|| {
                    let verdict = self.apply(None, Some(number), Some(client), message);
                    self.record(client, author, &message.content, &verdict);
                    reply(None, None, verdict)
                })
            }
            (None, Some(_), Some(key)) => {
                let of = (message.user, key.clone());
                if let Some((content, verdict)) = self.rows.keys.get(&of) {
                    let is_same = *content == message.content;
                    let verdict = if is_same { verdict.clone() } else { Verdict::Refused("idempotency_key_reused") };
                    return Reply { is_duplicate: is_same, ..reply(None, None, verdict) };
                }
                let verdict = self.apply(None, None, None, message);
                self.rows.keys.insert(of, (message.content.clone(), verdict.clone()));
                reply(None, None, verdict)
            }
            (client, _, _) => reply(None, None, self.apply(None, None, client, message)),
        }
    }

    fn hello(
        &mut self,
        from: ConnectionId,
        session: &Session,
        client: &Rc<str>,
        since: Option<u64>,
        epoch: Option<&str>,
    ) {
        let known = self.rows.clients.get(client);
        let owner = known.and_then(|known| known.owner);
        let refused = if session.client.is_some() {
            Some("bad_message")
        } else if owner.is_some() && session.user.is_some() && owner != session.user {
            Some("identity_mismatch")
        } else {
            None
        };
        if let Some(code) = refused {
            return self.expect(from, Expect::Reply(reply(None, None, Verdict::Refused(code))));
        }
        let is_other_life = epoch.is_some() && epoch != self.epoch.as_deref();
        let last = match known {
            Some(known) => known.last,
            None if is_other_life => None,
            None => Some(0),
        };
        let older =
            self.sessions.iter().filter(|(of, session)| **of != from && session.client.as_ref() == Some(client));
        self.fenced = older.map(|(of, session)| (*of, session.presence)).collect();
        // The newer connection stands in for the older ones.
        for older in self.fenced.keys() {
            let older = self.sessions[older].clone();
            let session = self.sessions.get_mut(&from).unwrap();
            if older.is_joined || session.user.is_none() {
                (session.user, session.is_joined) = (older.user, older.is_joined);
            }
        }
        for older in self.fenced.keys().copied().collect::<Vec<_>>() {
            self.leave(older);
        }
        self.sessions.get_mut(&from).unwrap().client = Some(client.clone());
        self.expect(from, Expect::Welcome { last, client: client.clone() });
        self.expect(from, Expect::State { since, epoch: epoch.map(str::to_owned) });
    }

    pub fn leave(&mut self, connection: ConnectionId) {
        self.sessions.remove(&connection);
    }

    /// What a number was answered, or why it is not taken. `None`: it is the next one.
    fn answered(
        &self,
        client: &Rc<str>,
        author: Option<&'static str>,
        number: u64,
        content: &Content,
    ) -> Option<Reply> {
        let known = self.rows.clients.get(client);
        let owner = known.and_then(|known| known.owner);
        if owner.is_some() && author.is_some() && owner != author {
            return Some(reply(None, None, Verdict::Refused("identity_mismatch")));
        }
        let Some(last) = known.map_or(Some(0), |known| known.last) else {
            return Some(reply(None, None, Verdict::Refused("outcome_forgotten")));
        };
        if number == last + 1 {
            return None;
        }
        if number > last {
            let refusal = reply(None, None, Verdict::Refused("out_of_order"));
            return Some(Reply { expected: Some(last + 1), ..refusal });
        }
        let back = usize::try_from(last - number).unwrap();
        let outcome = known.and_then(|known| known.outcomes.iter().rev().nth(back));
        Some(match outcome {
            None => reply(None, None, Verdict::Refused("outcome_forgotten")),
            Some((said, _)) if **said != *content => reply(None, None, Verdict::Refused("seq_reused")),
            Some((_, verdict)) => Reply { is_duplicate: true, ..reply(None, None, verdict.clone()) },
        })
    }

    /// Whether an answer that is told again is in storage, and what it shows too.
    fn is_sure(&self, client: &Rc<str>, reply: &Reply, request: Option<Key>) -> bool {
        let last = |rows: &Rows| rows.clients.get(client).map(|row| row.last);
        let version = |rows: &Rows, field: &str| rows.fields.get(field).map(|row| row.version);
        let is_shown = match &reply.verdict {
            Verdict::Conflict { field, .. } => version(&self.rows, field) == version(&self.durable, field),
            Verdict::Done(_) | Verdict::Before(_) | Verdict::Refused(_) => {
                let version = |rows: &Rows| rows.requests.get(&request?).map(|row| row.version);
                version(&self.rows) == version(&self.durable)
            }
        };
        reply.is_duplicate && last(&self.rows) == last(&self.durable) && is_shown
    }

    /// A joining that was answered before is not recorded again unless its record has given way, but the connection has
    /// joined. `None`, or why it has not.
    fn join_again(&mut self, from: ConnectionId, content: &Content, user: &'static str) -> Option<Verdict> {
        let Content::Join { name } = content else { return None };
        if self.sessions[&from].user.is_some_and(|own| own != user) {
            return Some(Verdict::Refused("identity_mismatch"));
        }
        let name = self.rows.people.get(user).map_or(*name, |known| known.name);
        let joined = self.join(from, user, name);
        Some(joined).filter(|joined| matches!(joined, Verdict::Refused(_)))
    }

    fn record(&mut self, client: &Rc<str>, author: Option<&'static str>, content: &Content, verdict: &Verdict) {
        let fresh = || ClientRow { owner: None, last: Some(0), seen: 0, outcomes: VecDeque::new() };
        let row = self.rows.clients.entry(client.clone()).or_insert_with(fresh);
        row.owner = row.owner.or(author);
        row.last = row.last.map(|last| last + 1);
        row.outcomes.push_back((Rc::new(content.clone()), verdict.clone()));
        if row.outcomes.len() > self.bounds.outcomes {
            row.outcomes.pop_front();
        }
    }

    /// Does what a message says. `number` is its place in the outbox of `client`, if it has one.
    fn apply(
        &mut self,
        from: Option<ConnectionId>,
        number: Option<u64>,
        client: Option<&Rc<str>>,
        message: &Message,
    ) -> Verdict {
        let user = message.user;
        let owner = from.and_then(|from| self.sessions[&from].user);
        let is_named = message.author().is_some();
        if is_named && owner.is_some_and(|owner| owner != user) {
            return Verdict::Refused("identity_mismatch");
        }
        let is_change = matches!(message.content, Content::Set { .. } | Content::Clear { .. } | Content::Batch(_));
        let owner = client.and_then(|client| self.rows.clients.get(client)).and_then(|row| row.owner);
        if is_change && owner.is_some_and(|owner| owner != user) {
            return Verdict::Refused("identity_mismatch");
        }
        let done = match &message.content {
            Content::NoValue => Err(Verdict::Refused("bad_message")),
            Content::TooLong => Err(Verdict::Refused("limit_value")),
            Content::Hello { .. } | Content::Sync { .. } | Content::Relay => return Verdict::Done(self.rows.version),
            Content::Permission(saying) => return self.permission(from.unwrap(), *saying),
            Content::Presence(data) => {
                let session = self.sessions.get_mut(&from.unwrap()).unwrap();
                if session.client.is_none() {
                    return Verdict::Refused("bad_message");
                }
                session.presence = *data;
                return Verdict::Done(self.rows.version);
            }
            Content::Set { .. } | Content::Clear { .. } => {
                self.changes(from, number.is_some(), client, user, std::slice::from_ref(&message.content))
            }
            Content::Batch(changes) => self.changes(from, number.is_some(), client, user, changes),
            Content::Ready(is_ready) => self.ready(from, user, *is_ready),
            Content::Join { name } => return self.join(from.unwrap(), user, *name),
        };
        match done {
            Ok(version) => {
                if let Some(session) = from.and_then(|from| self.sessions.get_mut(&from)) {
                    session.user = Some(user);
                }
                Verdict::Done(version)
            }
            Err(verdict) => verdict,
        }
    }

    fn changes(
        &mut self,
        from: Option<ConnectionId>,
        is_numbered: bool,
        client: Option<&Rc<str>>,
        user: &'static str,
        changes: &[Content],
    ) -> Result<u64, Verdict> {
        for change in changes {
            let (Content::Set { field, base, .. } | Content::Clear { field, base }) = change else { unreachable!() };
            let row = self.rows.fields.get(field);
            let is_own = client.is_some() && row.is_some_and(|row| row.client.as_ref() == client);
            let Some(base) = base else { continue };
            let is_excused = is_own && !base.is_exact;
            if !is_excused && row.map_or(0, |row| row.version) != base.version {
                return Err(Verdict::Conflict { field, seen: base.version });
            }
        }
        if self.bounds.is_declared {
            changes.iter().find_map(refused_by_the_kind).map_or(Ok(()), |code| Err(Verdict::Refused(code)))?;
        }
        let mut trial = (self.rows.version, self.rows.fields.clone(), Vec::new());
        for change in changes {
            let (Content::Set { field, .. } | Content::Clear { field, .. }) = change else { unreachable!() };
            let value = if let Content::Set { value, .. } = change { Some(*value) } else { None };
            let (version, fields, made) = &mut trial;
            let is_set = fields.get(field).is_some_and(|row| row.value.is_some());
            match value {
                None if !is_set => continue,
                Some(_) if !is_set => {
                    let set = fields.values().filter(|row| row.value.is_some()).count();
                    if set >= self.bounds.fields {
                        return Err(Verdict::Refused("limit_fields"));
                    }
                }
                None | Some(_) => {}
            }
            *version += 1;
            fields.insert(field, FieldRow { version: *version, value, user, client: client.cloned() });
            made.push(Change { what: What::Field { field, value }, also: None, by: from, is_numbered: true });
            if let Some(value) = value {
                let is_excused = client.is_some_and(|client| self.dropped.contains(client)) && is_numbered;
                let before = self.applied.insert(value, *version);
                assert!(before.is_none() || is_excused, "E2: the value {value} was set twice: {before:?}, {version}");
            }
        }
        let (version, fields, made) = trial;
        self.rows.version = version;
        self.rows.fields = fields;
        self.history.extend(made);
        self.prune();
        Ok(version)
    }

    fn prune(&mut self) {
        loop {
            let tombstones = self.rows.fields.iter().filter(|(_, row)| row.value.is_none());
            if tombstones.clone().count() <= self.bounds.tombstones {
                return;
            }
            let (field, version) = tombstones.map(|(field, row)| (*field, row.version)).min_by_key(|t| t.1).unwrap();
            self.rows.fields.remove(field);
            self.rows.floor = self.rows.floor.max(version);
        }
    }

    fn ready(&mut self, from: Option<ConnectionId>, user: &'static str, is_ready: bool) -> Result<u64, Verdict> {
        let Some(person) = self.rows.people.get_mut(user) else { return Err(Verdict::Refused("not_joined")) };
        if person.is_ready != is_ready {
            self.rows.version += 1;
            person.is_ready = is_ready;
            person.version = self.rows.version;
            let what = What::Person { user, name: person.name, is_ready };
            self.history.push(Change { what, also: None, by: from, is_numbered: true });
        }
        Ok(self.rows.version)
    }

    fn join(&mut self, from: ConnectionId, user: &'static str, name: u64) -> Verdict {
        let known = self.rows.people.get(user);
        if known.is_none() && self.rows.people.len() >= self.bounds.participants {
            // Who gives way is seen from the room afterwards, and checked there.
            if self.rows.people.keys().all(|user| self.is_here(user)) {
                return Verdict::Refused("limit_participants");
            }
        }
        if known.is_none_or(|known| known.name != name) {
            let is_ready = known.is_some_and(|known| known.is_ready);
            self.rows.version += 1;
            self.rows.people.insert(user, PersonRow { name, is_ready, version: self.rows.version });
            let what = What::Person { user, name, is_ready };
            self.history.push(Change { what, also: None, by: Some(from), is_numbered: false });
        }
        let session = self.sessions.get_mut(&from).unwrap();
        (session.user, session.is_joined) = (Some(user), true);
        Verdict::Done(self.rows.version)
    }

    /// What changed in these versions, each thing as it was last, by version. `from` is not among them.
    pub fn coalesced(&self, from: u64, to: u64) -> Vec<(u64, What)> {
        let mut last = BTreeMap::<String, (u64, What)>::new();
        for version in from + 1..=to {
            let change = self.change(version);
            for what in [Some(&change.what), change.also.as_ref()].into_iter().flatten() {
                last.insert(what.name(), (version, what.clone()));
            }
        }
        let mut changes = last.into_values().collect::<Vec<_>>();
        changes.sort_by_key(|(version, what)| (*version, matches!(what, What::Grant { .. })));
        changes
    }

    pub fn change(&self, version: u64) -> &Change {
        &self.history[usize::try_from(version - 1).unwrap()]
    }
}

impl What {
    /// Fields have names of one letter, users of three.
    pub fn name(&self) -> String {
        match self {
            Self::Field { field, .. } => (*field).to_owned(),
            Self::Person { user, .. } => (*user).to_owned(),
            Self::Request { key: (user, request), .. } => format!("request {user} {request}"),
            Self::Grant { key: (user, action), .. } => format!("permission {user} {action}"),
        }
    }
}

fn reply(seq: Option<u64>, id: Option<u64>, verdict: Verdict) -> Reply {
    Reply {
        seq,
        id,
        verdict,
        expected: None,
        is_duplicate: false,
        is_news: false,
        record: None,
        is_sure: false,
        is_lost: false,
    }
}

/// What the declared kind of the simulation says of a change (K2 to K4).
fn refused_by_the_kind(change: &Content) -> Option<&'static str> {
    let (Content::Set { field, .. } | Content::Clear { field, .. }) = change else { unreachable!() };
    let value = if let Content::Set { value, .. } = change { Some(*value) } else { None };
    match (*field, value) {
        ("g", _) => Some("forbidden"),
        ("h", _) => Some("unknown_field"),
        ("e", Some(value)) if value % 2 == 1 => Some("invalid_value"),
        (_, _) => None,
    }
}
