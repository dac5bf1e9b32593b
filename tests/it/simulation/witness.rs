//! Reads over the room's shoulder: each frame is judged as it leaves, by what is in storage at that moment, by what its
//! receiver was told before, and by what the oracle says that the answer must be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::refusal::CloseCode;
use roomkeep::room::audience::Audience;
use serde_json::Value;

use super::message::{Content, Message};
use super::oracle::{Expect, Oracle, Reply, Rows, Session, Verdict, What};
use super::permissions::{Status, grant_in, held, held_in, request_in, status_in};
use super::{FIELDS, USERS};

/// Presence may go out this often in a second (P1).
const PRESENCE_FRAMES: usize = 20;
/// The newest presence is out after this long (P1), and every change too.
const LATEST: Millis = 1_000;

/// What a connection was told. `None`: frames of it were lost when the runtime died, or it never asked.
#[derive(Debug, Default)]
pub struct Stream {
    /// The version that it has, if it has said `hello`.
    told: Option<u64>,
    /// The version of the last change that it heard of as a plain client.
    heard: Option<u64>,
    /// The room's version when it came. It is not owed what was made before, and may hear some of it.
    came_at: u64,
    online: Option<BTreeSet<String>>,
    presence: Option<BTreeMap<String, u64>>,
}

#[derive(Debug)]
pub struct Witness {
    pub oracle: Oracle,
    pub streams: BTreeMap<ConnectionId, Stream>,
    /// What happened in this event.
    pub event: Event,
    pub mono: Millis,
    pub clock: Millis,
    /// When presence went out in the last second.
    presence_times: VecDeque<Millis>,
    /// Connections whose presence changed and was not told, with when.
    pub news: BTreeMap<ConnectionId, Millis>,
    /// Users who left and of whom nobody has heard that yet, with the connections that must.
    pub unheard: BTreeMap<String, BTreeSet<ConnectionId>>,
    /// Since when changes wait.
    staged_since: Option<Millis>,
    /// Who said hello with the last message. A runtime that dies at that may have written down only that it came too
    /// late (E4).
    pub greeting: Option<Rc<str>>,
}

#[derive(Debug, Default)]
pub struct Event {
    pub has_committed: bool,
    pub has_failed: bool,
    pub has_lost_a_join: bool,
    pub closed: Vec<(ConnectionId, CloseCode)>,
    /// Whose presence was said to be gone before it was seen that they are.
    pub hushed: Vec<ConnectionId>,
}

impl Witness {
    pub fn new(oracle: Oracle) -> Self {
        Self {
            oracle,
            streams: BTreeMap::new(),
            event: Event::default(),
            mono: 0,
            clock: 0,
            presence_times: VecDeque::new(),
            greeting: None,
            news: BTreeMap::new(),
            unheard: BTreeMap::new(),
            staged_since: None,
        }
    }

    /// The room's memory is gone. `is_broken`: so are frames that were on their way out.
    pub fn forgets(&mut self, is_broken: bool) {
        self.presence_times.clear();
        self.unheard.clear();
        self.staged_since = None;
        if is_broken {
            self.oracle.awaiting.clear();
            self.oracle.fenced.clear();
            self.news.clear();
            self.streams.values_mut().for_each(|stream| *stream = Stream::default());
        }
    }

    /// A commit failed. What people show is told with it, whatever its pace. Whose joining was in it has the error, and
    /// is expected to join again; until then it may be that somebody left unnoticed, since the room took this one for the
    /// user's other tab.
    pub fn commit_fails(&mut self, attached: &BTreeMap<ConnectionId, Session>) {
        self.presence_times.clear();
        let version = self.oracle.durable.version;
        self.streams.values_mut().for_each(|stream| {
            stream.came_at = stream.came_at.min(version);
            stream.heard = stream.heard.map(|heard| heard.min(version));
        });
        let mut sessions = self.oracle.sessions.iter().filter(|(_, session)| session.is_joined);
        if sessions.any(|(of, _)| attached.get(of).is_some_and(|session| !session.is_joined)) {
            self.event.has_lost_a_join = true;
            self.unheard.clear();
            self.streams.values_mut().for_each(|stream| stream.online = None);
        }
    }

    /// The server's clock was put back or forth.
    pub fn clock_jumps(&mut self) {
        self.presence_times.clear();
    }

    /// A connection opens.
    pub fn comes(&mut self, of: ConnectionId) {
        let version = self.oracle.rows.version;
        self.oracle.sessions.insert(of, Session::default());
        self.streams.insert(of, Stream { heard: Some(version), came_at: version, ..Stream::default() });
    }

    /// A message reaches the room.
    pub fn hears(&mut self, from: ConnectionId, message: &Message) {
        let shown = |oracle: &Oracle| {
            let sessions = oracle.sessions.iter().filter(|(_, session)| session.presence.is_some());
            sessions.map(|(of, session)| (*of, session.presence)).collect::<BTreeMap<_, _>>()
        };
        let before = shown(&self.oracle);
        self.greeting = None;
        if let Content::Hello { client, .. } = &message.content {
            self.greeting = Some(client.clone());
        }
        self.oracle.receive(from, message);
        let after = shown(&self.oracle);
        for of in before.keys().chain(after.keys()).filter(|of| before.get(of) != after.get(of)) {
            self.news.entry(*of).or_insert(self.mono);
        }
    }

    /// A connection goes.
    pub fn leaves(&mut self, of: ConnectionId) {
        let is_shown = self.oracle.sessions.get(&of).is_some_and(|session| session.presence.is_some());
        if is_shown && !self.event.hushed.contains(&of) {
            self.news.entry(of).or_insert(self.mono);
        }
        self.oracle.leave(of);
    }

    /// A frame leaves for these connections.
    pub fn sent(&mut self, audience: Audience, to: &[ConnectionId], frame: &Value) {
        let kind = frame["type"].as_str().unwrap();
        for version in ["version", "to", "serverVersion"].map(|key| frame[key].as_u64()).into_iter().flatten() {
            let durable = self.oracle.durable.version;
            assert!(version <= durable, "S6: version {version} is shown while {durable} is stored: {frame}");
        }
        match (kind, audience) {
            ("changes", Audience::Greeted) => self.live_changes(to, frame),
            ("changes" | "sync_response", Audience::One(to)) => self.state(to, frame),
            ("welcome", Audience::One(to)) => self.welcome(to, frame),
            ("ack", Audience::One(to)) => self.ack(to, frame),
            ("conflict", Audience::One(to)) => self.conflict(to, frame),
            ("error", Audience::One(to)) => self.error(to, frame),
            (
                "field_selected"
                | "field_cleared"
                | "user_ready"
                | "permission_request"
                | "permission_response"
                | "permission_cancelled"
                | "permission_revoked",
                Audience::Plain { but },
            ) => self.plain_change(but, to, frame),
            ("user_joined" | "user_left", Audience::Others(_) | Audience::Plain { .. }) => {
                self.moved(kind == "user_joined", to, frame);
            }
            ("people", Audience::Greeted) => {
                for (list, has_joined) in [("joined", true), ("left", false)] {
                    for one in frame[list].as_array().unwrap() {
                        self.moved(has_joined, to, one);
                    }
                }
            }
            ("presence", Audience::Greeted) => self.presence(to, frame),
            ("wave", Audience::Others(_)) => {}
            _ => panic!("nobody should get this: {audience:?} {frame}"),
        }
    }

    fn live_changes(&mut self, to: &[ConnectionId], frame: &Value) {
        let (start, end) = (frame["from"].as_u64().unwrap(), frame["to"].as_u64().unwrap());
        assert!(start < end, "Y6: nothing changed: {frame}");
        assert_eq!(frame["epoch"].as_str(), self.oracle.epoch.as_deref(), "U8: {frame}");
        let (told, mut expected) = (changes(frame), self.oracle.coalesced(start, end));
        // Who gives way is not told, not even of what changed shortly before.
        let people = &self.oracle.durable.people;
        let is_crowded = people.len() > self.oracle.bounds.participants;
        expected.retain(|(_, what)| match what {
            What::Field { .. } | What::Request { .. } | What::Grant { .. } => true,
            What::Person { user, .. } => {
                let may_be_gone = !people.contains_key(user) || is_crowded && !self.oracle.is_here(user);
                !may_be_gone || told.iter().any(|(_, told)| told == what)
            }
        });
        assert_eq!(told, expected, "Y6: {frame}");
        for of in to {
            let stream = self.streams.entry(*of).or_default();
            assert!(
                stream.told.is_none_or(|told| told == start),
                "Y7: {} was told {:?}: {frame}",
                name(*of),
                stream.told
            );
            stream.told = Some(end);
        }
    }

    fn take(&mut self, of: ConnectionId, is_it: impl Fn(&Expect) -> bool) -> Option<Expect> {
        self.take_with_place(of, is_it).map(|(_, expect)| expect)
    }

    fn take_with_place(&mut self, of: ConnectionId, is_it: impl Fn(&Expect) -> bool) -> Option<(usize, Expect)> {
        let expects = self.oracle.awaiting.get_mut(&of)?;
        let at = expects.iter().position(is_it)?;
        Some((at, expects.remove(at)))
    }

    fn state(&mut self, to: ConnectionId, frame: &Value) {
        let expect = self.take(to, |expect| matches!(expect, Expect::State { .. }));
        let Some(Expect::State { since, epoch }) = expect else { panic!("Y1: {} did not ask: {frame}", name(to)) };
        let known = self.check_state(since, epoch.as_deref(), frame);
        let is_greeted = self.oracle.sessions.get(&to).is_some_and(|session| session.client.is_some());
        let stream = self.streams.entry(to).or_default();
        assert!(stream.told.is_none_or(|told| told == known), "Y7: {} was told {:?}: {frame}", name(to), stream.told);
        stream.told = is_greeted.then_some(known);
        let online = frame["participants"].as_array().unwrap().iter().filter(|person| person["online"] == true);
        stream.online = Some(online.map(|person| person["id"].as_str().unwrap().to_owned()).collect());
        let shown = frame["presence"].as_array().unwrap().iter();
        let shown = shown.map(|one| (one["connectionId"].as_str().unwrap().to_owned(), one["data"].as_u64().unwrap()));
        let shown = shown.collect::<BTreeMap<_, _>>();
        let truth = self.oracle.sessions.iter();
        let truth = truth.filter_map(|(of, session)| Some((of.to_string(), session.presence?)));
        assert_eq!(shown, truth.collect::<BTreeMap<_, _>>(), "P1: {frame}");
        stream.presence = Some(shown);
    }

    /// Whether this is what a reader must be told who has `since` of the life `epoch` (Y2, Y3, U8). Returns the version.
    pub fn check_state(&self, since: Option<u64>, epoch: Option<&str>, frame: &Value) -> u64 {
        let (oracle, rows) = (&self.oracle, &self.oracle.durable);
        if oracle.epoch.is_some() {
            assert_eq!(frame["epoch"].as_str(), oracle.epoch.as_deref(), "U8: {frame}");
        }
        let is_this_life = epoch.is_none_or(|epoch| Some(epoch) == oracle.epoch.as_deref());
        let known = since.filter(|since| is_this_life && (rows.floor..=rows.version).contains(since));
        self.check_people(frame);
        if let Some(known) = known {
            assert_eq!(frame["from"].as_u64(), Some(known), "Y3: {frame}");
            assert_eq!(frame["to"].as_u64(), Some(rows.version), "Y3: {frame}");
            let mut expected = oracle.coalesced(known, rows.version);
            expected.retain(|(_, what)| match what {
                What::Field { .. } | What::Request { .. } | What::Grant { .. } => true,
                What::Person { user, .. } => rows.people.contains_key(user),
            });
            assert_eq!(changes(frame), expected, "Y3: {frame}");
        } else {
            let is_reset = since.is_some() || !is_this_life;
            assert_eq!(frame["reset"] == true, is_reset, "Y3: {since:?} of {epoch:?}: {frame}");
            assert_eq!(frame["version"].as_u64(), Some(rows.version), "Y2: {frame}");
            assert_eq!(selections(frame), set_fields(rows), "Y2: {frame}");
            assert_eq!(held_in(frame), held(rows), "Y2: {frame}");
        }
        rows.version
    }

    fn check_people(&self, frame: &Value) {
        let people = frame["participants"].as_array().unwrap();
        assert_eq!(people.len(), self.oracle.durable.people.len(), "J5: {frame}");
        for person in people {
            let id = person["id"].as_str().unwrap();
            let row = &self.oracle.durable.people[id];
            let here = self.oracle.sessions.values().filter(|session| session.is_joined && session.user == Some(id));
            let here = u64::try_from(here.count()).unwrap();
            let user_name = super::message::user_name(id, row.name);
            assert_eq!(person["name"].as_str(), Some(user_name.as_str()), "J5: {frame}");
            assert_eq!(person["isReady"].as_bool(), Some(row.is_ready), "J5: {frame}");
            assert_eq!(person["version"].as_u64(), Some(row.version), "J5: {frame}");
            assert_eq!(person["connections"].as_u64(), Some(here), "J5: {id} in {frame}");
            assert_eq!(person["online"].as_bool(), Some(here > 0), "J5: {id} in {frame}");
        }
    }

    fn welcome(&mut self, to: ConnectionId, frame: &Value) {
        let expect = self.take(to, |expect| matches!(expect, Expect::Welcome { .. }));
        let Some(Expect::Welcome { last, client }) = expect else { panic!("Y4: no welcome: {frame}") };
        assert_eq!(frame["version"].as_u64(), Some(self.oracle.durable.version), "Y4: {frame}");
        let told = frame["lastSeq"].as_u64();
        if told.is_none() && last.is_some() && self.is_long_unseen(&client) {
            self.forget_client(&client);
        } else {
            assert_eq!(told, last, "E4, U8: {client} in {frame}");
        }
    }

    /// Whether the client may have been away for the 30 days of E4, by any reading of the clock.
    pub fn is_long_unseen(&self, client: &str) -> bool {
        let noted = self.oracle.rows.clients.get(client).map(|row| row.seen);
        let seen = noted.map(|noted| self.oracle.here.get(client).map_or(noted, |here| noted.max(*here)));
        seen.is_some_and(|seen| self.clock - seen >= 30 * crate::world::DAY)
    }

    pub fn forget_client(&mut self, client: &str) {
        for rows in [&mut self.oracle.rows, &mut self.oracle.durable] {
            if let Some(row) = rows.clients.get_mut(client) {
                row.last = None;
                row.outcomes.clear();
            }
        }
    }

    fn ack(&mut self, to: ConnectionId, frame: &Value) {
        let (seq, id) = (frame["seq"].as_u64(), frame["id"].as_u64());
        let is_duplicate = frame["duplicate"] == true;
        let version = frame["version"].as_u64().unwrap();
        let is_it = |reply: &Reply| {
            (reply.seq, reply.id, reply.is_duplicate, reply.is_lost) == (seq, id, is_duplicate, false)
                && reply.verdict == Verdict::Done(version)
        };
        let expect = self.take_with_place(to, |expect| matches!(expect, Expect::Reply(reply) if is_it(reply)));
        let awaiting = self.oracle.awaiting.entry(to).or_default();
        assert!(expect.is_some(), "E2, E3, F3: {} is not owed {frame}, but {awaiting:?}", name(to));
        let Some((place, Expect::Reply(reply))) = expect else { return };
        let record = reply.record.unwrap_or_else(|| serde_json::json!({}));
        assert_eq!(status_in(frame), record, "Q2: {frame}");
        let Some(seq) = seq.filter(|_| !is_duplicate || reply.is_news) else { return };
        if let Some(told) = self.streams[&to].told {
            assert!(version <= told, "Y6: {} was told {told} before {frame}", name(to));
        }
        // It stands for all that came before it, which must have been no conflicts and no refusals.
        let mut at = 0;
        awaiting.retain(|expect| {
            at += 1;
            let Expect::Reply(reply) = expect else { return true };
            let is_older = at <= place && reply.seq.is_some_and(|older| older < seq) && !reply.is_lost;
            if !is_older || reply.is_duplicate {
                return true;
            }
            let is_done = matches!(reply.verdict, Verdict::Done(_));
            assert!(is_done, "E3: {} hears {frame} before {reply:?}", name(to));
            reply.id.is_some()
        });
    }

    fn conflict(&mut self, to: ConnectionId, frame: &Value) {
        let (seq, id) = (frame["seq"].as_u64(), frame["id"].as_u64());
        let is_it = |reply: &Reply| {
            (reply.seq, reply.id, reply.is_duplicate, reply.is_lost) == (seq, id, frame["duplicate"] == true, false)
                && matches!(&reply.verdict, Verdict::Conflict { field, seen }
                    if frame["field"] == *field && frame["clientVersion"].as_u64() == Some(*seen))
        };
        let expect = self.take(to, |expect| matches!(expect, Expect::Reply(reply) if is_it(reply)));
        let awaiting = self.oracle.awaiting.get(&to);
        assert!(expect.is_some(), "S4, E2: {} is not owed {frame}, but {awaiting:?}", name(to));
        self.check_conflict(frame, self.streams.get(&to).and_then(|stream| stream.told));
    }

    /// Whether a conflict tells what the field holds at the version `at`, up to which its reader has heard, or at some
    /// version if that is not known.
    pub fn check_conflict(&self, frame: &Value, at: Option<u64>) {
        let field = frame["field"].as_str().unwrap();
        let (version, value) = (frame["serverVersion"].as_u64().unwrap(), frame["current"]["value"].as_u64());
        let is_it = |change: &What| matches!(change, What::Field { field: of, .. } if *of == field);
        if version > 0 {
            let What::Field { value: held, .. } = self.oracle.change(version).what else { panic!("S4: {frame}") };
            assert!(is_it(&self.oracle.change(version).what) && held == value, "S4: {frame}");
        } else {
            assert_eq!(value, None, "S4: {frame}");
        }
        let later = at.and_then(|at| (version + 1..=at).rev().find(|later| is_it(&self.oracle.change(*later).what)));
        let is_forgotten = |later: u64| {
            let What::Field { value, .. } = self.oracle.change(later).what else { return false };
            version == 0 && value.is_none() && later <= self.oracle.rows.floor
        };
        assert!(later.is_none_or(is_forgotten), "S4: there is version {later:?}: {frame}");
    }

    fn error(&mut self, to: ConnectionId, frame: &Value) {
        let (seq, id, code) = (frame["seq"].as_u64(), frame["id"].as_u64(), frame["code"].as_str().unwrap());
        let is_lost = code == "storage";
        assert!(!is_lost || self.event.has_failed, "S7: nothing failed: {frame}");
        let is_it = |reply: &Reply| {
            (reply.seq, reply.id, reply.is_lost) == (seq, id, is_lost)
                && (is_lost
                    || matches!(reply.verdict, Verdict::Refused(said) if said == code)
                        && reply.is_duplicate == (frame["duplicate"] == true))
        };
        let expect = self.take(to, |expect| matches!(expect, Expect::Reply(reply) if is_it(reply)));
        let awaiting = self.oracle.awaiting.get(&to);
        let Some(Expect::Reply(reply)) = expect else {
            panic!("F3, E2: {} is not owed {frame}, but {awaiting:?}", name(to))
        };
        assert_eq!(frame["expected"].as_u64(), reply.expected.filter(|_| !is_lost), "E2: {frame}");
        let is_before_hello = code == "bad_message" && frame["message"].as_str().unwrap().contains("Send `hello`");
        let is_retryable = is_lost || reply.expected.is_some() || code == "limit_keys" || is_before_hello;
        assert_eq!(frame["retry"] == true, is_retryable, "E2: {frame}");
    }

    fn plain_change(&mut self, but: Option<ConnectionId>, to: &[ConnectionId], frame: &Value) {
        let version = frame["version"].as_u64().unwrap();
        let change = self.oracle.change(version);
        let is_same = match &change.what {
            What::Field { field, value: Some(value) } => {
                let selection = &frame["selection"];
                selection["field"] == *field && selection["value"] == *value && selection["version"] == version
            }
            What::Field { field, value: None } => frame["type"] == "field_cleared" && frame["field"] == *field,
            What::Person { user, is_ready, .. } => frame["userId"] == *user && frame["isReady"] == *is_ready,
            What::Request { key: (user, request), action, status } => {
                let kind = match status {
                    Status::Pending => frame["action"] == *action && frame["type"] == "permission_request",
                    Status::Resolved { .. } => {
                        let mut told = status_in(frame);
                        told["status"] = "resolved".into();
                        frame["type"] == "permission_response" && told == status.json()
                    }
                    Status::Cancelled => frame["type"] == "permission_cancelled" && frame.get("expired").is_none(),
                    Status::Expired => frame["type"] == "permission_cancelled" && frame["expired"] == true,
                };
                kind && frame["userId"] == *user && frame["requestId"] == *request
            }
            What::Grant { key: (user, action), .. } => {
                frame["type"] == "permission_revoked" && frame["userId"] == *user && frame["action"] == *action
            }
        };
        assert!(is_same && change.by == but, "S8: {change:?} as {frame}");
        for of in to {
            let stream = self.streams.entry(*of).or_default();
            if version <= stream.came_at {
                continue;
            }
            let missed = stream.heard.map_or(version..version, |heard| heard + 1..version).find(|missed| {
                let change = self.oracle.change(*missed);
                change.is_numbered && change.by != Some(*of)
            });
            assert_eq!(missed, None, "S8: {} hears {frame}", name(*of));
            assert!(stream.heard.is_none_or(|heard| heard < version), "S8, F6: {} hears {frame}", name(*of));
            stream.heard = Some(version);
        }
    }

    fn moved(&mut self, has_joined: bool, to: &[ConnectionId], frame: &Value) {
        let user = frame["userId"].as_str().unwrap();
        if !has_joined {
            self.unheard.remove(user);
        }
        for of in to {
            let Some(online) = self.streams.entry(*of).or_default().online.as_mut() else { continue };
            if has_joined {
                online.insert(user.to_owned());
            } else {
                online.remove(user);
            }
        }
    }

    fn presence(&mut self, to: &[ConnectionId], frame: &Value) {
        let now = self.mono;
        if !self.event.has_failed {
            self.presence_times.push_back(now);
        }
        self.presence_times.retain(|at| now - at < 1_000);
        assert!(self.presence_times.len() <= PRESENCE_FRAMES, "P1: too often: {:?}", self.presence_times);
        for one in frame["presence"].as_array().unwrap() {
            let of = one["connectionId"].as_str().unwrap();
            let connection = of.parse::<ConnectionId>().unwrap();
            let session = self.oracle.sessions.get(&connection);
            let data = session.and_then(|session| session.presence);
            if one["data"].is_null() && data.is_some() {
                self.event.hushed.push(connection);
            } else if one["data"].is_u64() && self.oracle.fenced.contains_key(&connection) {
                // What came before the `hello` in this event is told before it.
                continue;
            } else {
                assert_eq!(one["data"].as_u64(), data, "P1: {frame}");
            }
            let data = one["data"].as_u64();
            self.news.remove(&connection);
            for receiver in to {
                let Some(view) = self.streams.entry(*receiver).or_default().presence.as_mut() else { continue };
                match data {
                    Some(data) => drop(view.insert(of.to_owned(), data)),
                    None => drop(view.remove(of)),
                }
            }
        }
    }

    /// Nothing may be owed to anyone once the room has nothing left to flush, or a change be kept for long.
    pub fn after(&mut self, is_settled: bool) {
        let sessions = &self.oracle.sessions;
        self.oracle.awaiting.retain(|of, _| sessions.contains_key(of));
        let wrong = self.event.hushed.iter().find(|of| sessions.contains_key(of));
        assert!(wrong.is_none(), "P1: {:?} is still here", wrong.map(|of| name(*of)));
        if is_settled || self.event.has_failed {
            self.oracle.said();
            if self.event.has_failed {
                // Without a name for the message, the error may have been for one that was done before and told nobody.
                let is_named = |expect: &Expect| !matches!(expect, Expect::Reply(Reply { seq: None, id: None, .. }));
                self.oracle.awaiting.values_mut().for_each(|expects| expects.retain(is_named));
            }
            self.oracle.awaiting.retain(|_, expects| !expects.is_empty());
            let awaiting = &self.oracle.awaiting;
            assert!(awaiting.is_empty(), "F3, E3, S7: nobody answers {awaiting:?}");
            let Self { unheard, oracle, .. } = self;
            let is_owed = |of: &ConnectionId| oracle.sessions.contains_key(of);
            unheard.retain(|user, owed| !oracle.is_here(user) && owed.iter().any(is_owed));
            assert!(unheard.is_empty(), "J4: nobody hears who left: {unheard:?}");
        }
        let is_staged = self.oracle.rows.version > self.oracle.durable.version;
        self.staged_since = self.staged_since.filter(|_| is_staged).or(is_staged.then_some(self.mono));
        let waited = self.staged_since.map_or(0, |since| self.mono - since);
        assert!(waited <= LATEST, "Y8: a change waits for {waited} ms");
        let greeted = self.oracle.sessions.iter().filter(|(_, session)| session.client.is_some());
        let greeted = greeted.map(|(of, _)| *of).collect::<Vec<_>>();
        self.news.retain(|of, _| greeted.iter().any(|other| other != of));
        let late = self.news.iter().find(|(_, since)| self.mono - **since > LATEST);
        assert!(late.is_none(), "P1: nobody is told of the presence of {:?}", late.map(|(of, _)| name(*of)));
    }

    /// Whether all who were told of people and presence have it right.
    pub fn check_views(&self) {
        let sessions = &self.oracle.sessions;
        let here = sessions.values().filter(|session| session.is_joined).filter_map(|session| session.user);
        let here = here.map(str::to_owned).collect::<BTreeSet<_>>();
        let shown = sessions.iter().filter_map(|(of, session)| Some((of.to_string(), session.presence?)));
        let shown = shown.collect::<BTreeMap<_, _>>();
        for (of, session) in sessions {
            let Some(stream) = self.streams.get(of) else { continue };
            if let Some(online) = &stream.online {
                let but = |user: &&String| session.user != Some(user.as_str());
                let (seen, truth) = (online.iter().filter(but), here.iter().filter(but));
                assert!(seen.eq(truth), "J1, J4: {} sees {online:?} instead of {here:?}", name(*of));
            }
            if let (Some(seen), true) = (&stream.presence, session.client.is_some() && self.news.is_empty()) {
                let own = of.to_string();
                let but = |(of, _): &(&String, &u64)| **of != own;
                let is_right = seen.iter().filter(but).eq(shown.iter().filter(but));
                assert!(is_right, "P1: {} sees {seen:?} instead of {shown:?}", name(*of));
            }
        }
    }
}

/// The changes of a frame, which must stand in the order of their versions.
pub fn changes(frame: &Value) -> Vec<(u64, What)> {
    let changes = frame["changes"].as_array().unwrap().iter().map(|change| {
        let what = if change["kind"] == "field" {
            let value = change["selection"]["value"].as_u64();
            What::Field { field: one_of(&FIELDS, &change["field"]), value }
        } else if change["kind"] == "request" {
            request_in(&change["request"])
        } else if change["kind"] == "grant" {
            grant_in(&change["grant"], change["ended"] == true)
        } else {
            let person = &change["participant"];
            let user = one_of(&USERS, &person["id"]);
            let name = person["name"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
            What::Person { user, name, is_ready: person["isReady"].as_bool().unwrap() }
        };
        (change["version"].as_u64().unwrap(), what)
    });
    changes.collect()
}

fn one_of(names: &[&'static str], name: &Value) -> &'static str {
    names.iter().find(|known| name == **known).unwrap_or_else(|| panic!("who is {name}?"))
}

/// The fields of a full answer with their versions and values.
pub fn selections(frame: &Value) -> BTreeMap<String, (u64, u64)> {
    let selections = frame["selections"].as_object().unwrap().iter();
    let number = |selection: &Value, key: &str| selection[key].as_u64().unwrap();
    selections.map(|(field, s)| (field.clone(), (number(s, "version"), number(s, "value")))).collect()
}

/// The fields that have a value.
pub fn set_fields(rows: &Rows) -> BTreeMap<String, (u64, u64)> {
    let set = rows.fields.iter().filter_map(|(field, row)| Some(((*field).to_owned(), (row.version, row.value?))));
    set.collect()
}

/// The name of a connection, for people.
pub fn name(of: ConnectionId) -> String {
    crate::say::name(of)
}

/// The same text, shared.
pub fn shared(text: &str) -> Rc<str> {
    Rc::from(text)
}
