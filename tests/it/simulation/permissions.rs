//! What the oracle knows of permissions: who asked for what, how that ended, and what was given.

use std::collections::BTreeMap;

use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::room::records::Stored;
use roomkeep::room::records::permissions::request::PermissionRequest;
use roomkeep::room::table::Record;
use serde_json::{Value, json};

use super::message::Content;
use super::oracle::{Change, Oracle, Rows, Verdict, What};
use super::{ACTIONS, REQUESTS, USERS};
use crate::say;
use crate::world::DAY;

/// A user, and the user's name for a request or what a permission is for.
pub type Key = (&'static str, &'static str);

/// What is said about permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    Ask { request: &'static str, action: &'static str, wait: Millis },
    Respond { author: &'static str, request: &'static str, answer: Answer },
    Cancel { request: &'static str },
    Revoke { user: &'static str, action: &'static str },
}

impl Saying {
    pub fn text(self) -> String {
        match self {
            Self::Ask { request, action, wait } => say::ask(request, action, &format!(r#","ttlMs":{wait}"#)),
            Self::Respond { author, request, answer: Answer::Deny } => say::deny(request, author),
            Self::Respond { author, request, answer } => say::allow(request, author, answer.words().1),
            Self::Cancel { request } => say::cancel(request),
            Self::Revoke { user, action } => say::revoke(action, user),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Deny,
    Once,
    Session,
}

impl Answer {
    /// The decision and the scope.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Deny => ("deny", "once"),
            Self::Once => ("allow", "once"),
            Self::Session => ("allow", "session"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Resolved { answer: Answer, by: &'static str },
    Cancelled,
    Expired,
}

impl Status {
    /// As it stands in a frame.
    pub fn json(self) -> Value {
        match self {
            Self::Pending => json!({"status": "pending"}),
            Self::Resolved { answer, by } => {
                let (decision, scope) = answer.words();
                json!({"status": "resolved", "decision": decision, "scope": scope, "resolvedBy": by})
            }
            Self::Cancelled => json!({"status": "cancelled"}),
            Self::Expired => json!({"status": "expired"}),
        }
    }
}

#[derive(Debug, Clone)]
pub struct RequestRow {
    pub action: &'static str,
    pub version: u64,
    pub expires_at: Millis,
    pub status: Status,
    /// When it was made or settled.
    pub at: Millis,
}

#[derive(Debug, Clone)]
pub struct GrantRow {
    pub request: &'static str,
    pub by: &'static str,
    pub version: u64,
    pub ended_at: Option<Millis>,
}

impl Oracle {
    /// Time has come to `clock`: the room must notice that before all else.
    pub fn time_is(&mut self, clock: Millis) {
        self.clock = clock;
        self.note_use();
        loop {
            let pending = self.rows.requests.iter().filter(|(_, row)| row.status == Status::Pending);
            let due = pending.filter(|(_, row)| row.expires_at <= clock).map(|(key, row)| (row.expires_at, *key)).min();
            let Some((_, key)) = due else { break };
            self.settle(None, key, Status::Expired);
        }
        self.forget_settled();
    }

    fn settle(&mut self, by: Option<ConnectionId>, key: Key, status: Status) {
        self.rows.version += 1;
        let row = self.rows.requests.get_mut(&key).unwrap();
        assert_eq!(row.status, Status::Pending, "Q2: a request is settled once");
        (row.version, row.status, row.at) = (self.rows.version, status, self.clock);
        let what = What::Request { key, action: row.action, status };
        self.history.push(Change { what, also: None, by, is_numbered: true });
    }

    fn forget_settled(&mut self) {
        loop {
            let requests = self.rows.requests.iter().filter(|(_, row)| row.status != Status::Pending);
            let requests = requests.map(|(key, row)| (row.version, row.at, *key, true));
            let grants =
                self.rows.grants.iter().filter_map(|(key, row)| Some((row.version, row.ended_at?, *key, false)));
            let past = requests.chain(grants).collect::<Vec<_>>();
            let Some((version, at, key, is_request)) = past.iter().min().copied() else { return };
            if at + DAY > self.clock && past.len() <= self.bounds.settled {
                return;
            }
            if is_request {
                self.rows.requests.remove(&key);
            } else {
                self.rows.grants.remove(&key);
            }
            self.rows.floor = self.rows.floor.max(version);
        }
    }

    /// Does what a message about permissions says.
    pub fn permission(&mut self, from: ConnectionId, saying: Saying) -> Verdict {
        let Some(user) = self.sessions[&from].user else { return Verdict::Refused("not_joined") };
        match saying {
            Saying::Ask { request, action, wait } => return self.ask(from, (user, request), action, wait),
            Saying::Respond { author, request, answer } => {
                if let Err(verdict) = self.pending((author, request)) {
                    return verdict;
                }
                self.settle(Some(from), (author, request), Status::Resolved { answer, by: user });
                if answer == Answer::Session {
                    let (version, key) = (self.rows.version, (author, self.rows.requests[&(author, request)].action));
                    self.rows.grants.insert(key, GrantRow { request, by: user, version, ended_at: None });
                    let also = Some(What::Grant { key, request, by: user, is_ended: false });
                    self.history.last_mut().unwrap().also = also;
                }
            }
            Saying::Cancel { request } => {
                if let Err(verdict) = self.pending((user, request)) {
                    return verdict;
                }
                self.settle(Some(from), (user, request), Status::Cancelled);
            }
            Saying::Revoke { user, action } => {
                let key = (user, action);
                if let Some(row) = self.rows.grants.get_mut(&key).filter(|row| row.ended_at.is_none()) {
                    self.rows.version += 1;
                    (row.version, row.ended_at) = (self.rows.version, Some(self.clock));
                    let what = What::Grant { key, request: row.request, by: row.by, is_ended: true };
                    self.history.push(Change { what, also: None, by: Some(from), is_numbered: true });
                }
            }
        }
        let version = self.rows.version;
        self.forget_settled();
        Verdict::Done(version)
    }

    fn ask(&mut self, from: ConnectionId, key: Key, action: &'static str, wait: Millis) -> Verdict {
        if let Some(known) = self.rows.requests.get(&key) {
            let is_same = known.action == action;
            return if is_same { Verdict::Before(self.rows.version) } else { Verdict::Refused("request_id_reused") };
        }
        let pending = self.rows.requests.iter().filter(|(_, row)| row.status == Status::Pending);
        if pending.clone().count() >= self.bounds.requests {
            // Of those who have the most, the first to expire goes for somebody who has less.
            let share = |user: &str| pending.clone().filter(|((of, _), _)| *of == user).count();
            let most = pending.clone().map(|((of, _), _)| share(of)).max().unwrap_or(0);
            if share(key.0) >= most {
                return Verdict::Refused("limit_requests");
            }
            let theirs = pending.clone().filter(|((of, _), _)| share(of) == most);
            let (_, first) = theirs.map(|(key, row)| (row.expires_at, *key)).min().unwrap();
            self.settle(None, first, Status::Expired);
            self.forget_settled();
        }
        self.rows.version += 1;
        let (version, at, status) = (self.rows.version, self.clock, Status::Pending);
        self.rows.requests.insert(key, RequestRow { action, version, expires_at: at + wait, status, at });
        let what = What::Request { key, action, status };
        self.history.push(Change { what, also: None, by: Some(from), is_numbered: true });
        Verdict::Done(version)
    }

    fn pending(&self, key: Key) -> Result<(), Verdict> {
        match self.rows.requests.get(&key).map(|row| row.status) {
            None => Err(Verdict::Refused("request_not_found")),
            Some(Status::Pending) => Ok(()),
            Some(_) => Err(Verdict::Before(self.rows.version)),
        }
    }

    /// The request that a message ends, or tries to.
    pub fn ended_by(&self, user: Option<&'static str>, content: &Content) -> Option<Key> {
        let Content::Permission(saying) = content else { return None };
        match *saying {
            Saying::Respond { author, request, .. } => Some((author, request)),
            Saying::Cancel { request } => Some((user?, request)),
            Saying::Ask { .. } | Saying::Revoke { .. } => None,
        }
    }

    /// What must be told of a request with an answer that nothing was done.
    pub fn on_record(&self, key: Key) -> Option<Value> {
        let status = self.rows.requests.get(&key).map(|row| row.status);
        status.filter(|status| *status != Status::Pending).map(Status::json)
    }
}

/// What of an object says where a request stands.
pub fn status_in(object: &Value) -> Value {
    let told = ["status", "decision", "scope", "resolvedBy"].into_iter().filter(|key| object.get(key).is_some());
    told.map(|key| (key.to_owned(), object[key].clone())).collect()
}

fn one_of(names: &[&'static str], name: &Value) -> &'static str {
    names.iter().find(|known| name == **known).unwrap_or_else(|| panic!("what is {name}?"))
}

/// The request that stands in a frame.
pub fn request_in(told: &Value) -> What {
    let key = (one_of(&USERS, &told["userId"]), one_of(&REQUESTS, &told["requestId"]));
    let answer = match (told["decision"].as_str(), told["scope"].as_str()) {
        (Some("deny"), _) => Answer::Deny,
        (_, Some("session")) => Answer::Session,
        _ => Answer::Once,
    };
    let status = match told["status"].as_str().unwrap() {
        "pending" => Status::Pending,
        "resolved" => Status::Resolved { answer, by: one_of(&USERS, &told["resolvedBy"]) },
        "cancelled" => Status::Cancelled,
        _ => Status::Expired,
    };
    assert_eq!(status_in(told), status.json(), "Y2: {told}");
    What::Request { key, action: one_of(&ACTIONS, &told["action"]), status }
}

/// The permission that stands in a frame.
pub fn grant_in(told: &Value, is_ended: bool) -> What {
    let key = (one_of(&USERS, &told["userId"]), one_of(&ACTIONS, &told["action"]));
    What::Grant {
        key,
        request: one_of(&REQUESTS, &told["requestId"]),
        by: one_of(&USERS, &told["grantedBy"]),
        is_ended,
    }
}

/// Requests and permissions with their versions, as pages and full answers have them.
pub type Held = BTreeMap<String, (u64, What)>;

/// All that a full answer tells of requests and permissions.
pub fn held_in(frame: &Value) -> Held {
    let list = |key: &str| frame[key].as_array().unwrap();
    let requests = list("requests").iter().map(|told| (told["version"].as_u64().unwrap(), request_in(told)));
    let grants = list("permissions").iter().map(|told| (told["version"].as_u64().unwrap(), grant_in(told, false)));
    requests.chain(grants).map(|(version, what)| (what.name(), (version, what))).collect()
}

/// The same by the rows.
pub fn held(rows: &Rows) -> Held {
    let requests = rows
        .requests
        .iter()
        .map(|(key, row)| (row.version, What::Request { key: *key, action: row.action, status: row.status }));
    let grants = rows.grants.iter().filter(|(_, row)| row.ended_at.is_none());
    let grants = grants
        .map(|(key, row)| (row.version, What::Grant { key: *key, request: row.request, by: row.by, is_ended: false }));
    requests.chain(grants).map(|(version, what)| (what.name(), (version, what))).collect()
}

/// Whether storage or memory holds these requests and permissions.
pub fn check(stored: &Stored, rows: &Rows, place: &str) {
    for (key, request) in stored.records.requests.iter() {
        let row = rows.requests.iter().find(|((user, name), _)| (*user, *name) == (&*key.user_id, &*key.request_id));
        let (_, row) = row.unwrap_or_else(|| panic!("Q5: {place} has {key:?}"));
        let status = match request {
            PermissionRequest::Pending(_) => Status::Pending.json(),
            PermissionRequest::Settled(settled) => serde_json::to_value(&settled.settlement).unwrap(),
        };
        let asked = request.asked();
        let found = (request.version(), asked.action.as_str(), asked.expires_at, request.newest_time(), status);
        let expected = (row.version, row.action, row.expires_at, row.at, row.status.json());
        assert_eq!(found, expected, "Q1, Q2, Q3: {key:?} in {place}");
    }
    assert_eq!(stored.records.requests.len(), rows.requests.len(), "Q5: requests in {place}");
    for (key, grant) in stored.records.grants.iter() {
        let row = rows.grants.iter().find(|((user, action), _)| (*user, *action) == (&*key.user_id, &*key.action));
        let (_, row) = row.unwrap_or_else(|| panic!("Q4: {place} has {key:?}"));
        let found = (grant.version, grant.request_id.as_str(), grant.granted_by.as_str(), grant.ended_at);
        assert_eq!(found, (row.version, row.request, row.by, row.ended_at), "Q4: {key:?} in {place}");
    }
    assert_eq!(stored.records.grants.len(), rows.grants.len(), "Q4: permissions in {place}");
}
