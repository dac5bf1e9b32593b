//! A permission request and how it ends, a permission, and all of them with the room that they take.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::Millis;
use crate::protocol::json::Json;
use crate::protocol::limits::Limits;
use crate::protocol::permission::{Resolution, Settlement};

/// For how long it is told what became of a request or a permission, in milliseconds: a day (Q5).
pub const TOLD_FOR: Millis = 86_400_000;

/// What is settled takes at most this part of the bytes of a room, so that it does not crowd out what stands.
const SETTLED_PART: usize = 4;

/// A request by its author, whose own name it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The author.
    pub user_id: String,
    /// The author's name for it.
    pub request_id: String,
}

/// A permission by whose it is and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantKey {
    /// Whose it is.
    pub user_id: String,
    /// What it is for.
    pub action: String,
}

/// What was asked, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is for.
    pub action: String,
    /// What else there is to know, in the page's own words.
    pub detail: Option<Json>,
    /// When it was made.
    pub created_at: Millis,
    /// From when on it cannot be answered any more.
    pub expires_at: Millis,
}

/// A request that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What was asked.
    pub asked: Asked,
    /// The version that made it.
    pub version: u64,
}

/// What can happen to a request that waits. There is nothing that can happen to one that is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody answers it.
    Resolve(Resolution),
    /// Its author does not ask any more.
    Cancel,
    /// Its time is over.
    Expire,
}

/// A request of which it is known how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What was asked.
    pub asked: Asked,
    /// The version that settled it.
    pub version: u64,
    /// When that was.
    pub at: Millis,
    /// How.
    pub settlement: Settlement,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// It waits.
    Pending(Pending),
    /// It does not.
    Settled(Settled),
}

/// A permission that was given for more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The request that it answers.
    pub request_id: String,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: Millis,
    /// The version that gave or ended it.
    pub version: u64,
    /// When it was ended, if it was. It then stays for those who must be told.
    pub ended_at: Option<Millis>,
}

/// Something that is settled: nothing comes of it any more, but those who were away must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// A request.
    Request(RequestKey),
    /// A permission that was ended.
    Grant(GrantKey),
}

impl Pending {
    /// The request as it is after this.
    pub fn settle(self, event: Event, version: u64, at: Millis) -> Settled {
        let settlement = match event {
            Event::Resolve(resolution) => Settlement::Resolved(resolution),
            Event::Cancel => Settlement::Cancelled,
            Event::Expire => Settlement::Expired,
        };
        Settled { asked: self.asked, version, at, settlement }
    }
}

impl Request {
    /// What was asked.
    pub fn asked(&self) -> &Asked {
        match self {
            Self::Pending(pending) => &pending.asked,
            Self::Settled(settled) => &settled.asked,
        }
    }

    /// The version that made or settled it.
    pub fn version(&self) -> u64 {
        match self {
            Self::Pending(pending) => pending.version,
            Self::Settled(settled) => settled.version,
        }
    }

    /// When it was made or settled.
    pub fn changed_at(&self) -> Millis {
        match self {
            Self::Pending(pending) => pending.asked.created_at,
            Self::Settled(settled) => settled.at,
        }
    }
}

impl Grant {
    /// When it was given or ended.
    pub fn changed_at(&self) -> Millis {
        self.ended_at.unwrap_or(self.granted_at)
    }
}

/// All requests and permissions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests {
    requests: BTreeMap<RequestKey, Request>,
    grants: BTreeMap<GrantKey, Grant>,
    /// The requests that wait, by when they expire.
    deadlines: BTreeSet<(Millis, RequestKey)>,
    /// What is settled, the oldest first: by its version, and with when that was.
    past: BTreeMap<u64, (Millis, Past)>,
    bytes: usize,
    past_bytes: usize,
}

impl Requests {
    /// All requests, the settled among them.
    pub fn requests(&self) -> impl Iterator<Item = (&RequestKey, &Request)> {
        self.requests.iter()
    }

    /// All permissions, the ended among them.
    pub fn grants(&self) -> impl Iterator<Item = (&GrantKey, &Grant)> {
        self.grants.iter()
    }

    /// A request.
    pub fn request(&self, key: &RequestKey) -> Option<&Request> {
        self.requests.get(key)
    }

    /// A permission, perhaps one that was ended.
    pub fn grant(&self, key: &GrantKey) -> Option<&Grant> {
        self.grants.get(key)
    }

    /// How many requests wait.
    pub fn pending(&self) -> usize {
        self.deadlines.len()
    }

    /// What all this takes, in bytes of text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first of the requests that wait expires.
    pub fn next_due(&self) -> Option<Millis> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The first of the requests whose time is over by `now`.
    pub fn first_due(&self, now: Millis) -> Option<RequestKey> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
    }

    /// Whether something is to be forgotten: its day is over, or there is too much of it.
    pub fn has_surplus(&self, limits: &Limits, now: Millis) -> bool {
        let is_over = self.past.first_key_value().is_some_and(|(_, (at, _))| at + TOLD_FOR <= now);
        is_over || self.past.len() > limits.settled || self.past_bytes > limits.room_bytes / SETTLED_PART
    }

    /// Forgets the oldest of what is settled. Returns what it was, and its version.
    pub fn forget_oldest(&mut self) -> Option<(u64, Past)> {
        let (version, past) = self.past.first_key_value().map(|(version, (_, past))| (*version, past.clone()))?;
        match &past {
            Past::Request(key) => drop(self.remove_request(key)),
            Past::Grant(key) => self.remove_grant(key),
        }
        Some((version, past))
    }

    /// Lets something happen to a request. To one that is settled nothing does.
    pub fn settle(&mut self, key: &RequestKey, event: Event, version: u64, at: Millis) {
        let request = match self.remove_request(key) {
            Some(Request::Pending(pending)) => Request::Settled(pending.settle(event, version, at)),
            Some(Request::Settled(settled)) => Request::Settled(settled),
            None => return,
        };
        self.put_request(key.clone(), request);
    }

    /// Puts a request in its place.
    pub fn put_request(&mut self, key: RequestKey, request: Request) {
        self.remove_request(&key);
        let size = size_of_request(&key, &request);
        self.bytes += size;
        match &request {
            Request::Pending(pending) => drop(self.deadlines.insert((pending.asked.expires_at, key.clone()))),
            Request::Settled(settled) => {
                self.past_bytes += size;
                self.past.insert(settled.version, (settled.at, Past::Request(key.clone())));
            }
        }
        self.requests.insert(key, request);
    }

    /// Puts a permission in its place.
    pub fn put_grant(&mut self, key: GrantKey, grant: Grant) {
        self.remove_grant(&key);
        let size = size_of_grant(&key, &grant);
        self.bytes += size;
        if let Some(at) = grant.ended_at {
            self.past_bytes += size;
            self.past.insert(grant.version, (at, Past::Grant(key.clone())));
        }
        self.grants.insert(key, grant);
    }

    fn remove_request(&mut self, key: &RequestKey) -> Option<Request> {
        let (key, request) = self.requests.remove_entry(key)?;
        let size = size_of_request(&key, &request);
        self.bytes -= size;
        match &request {
            Request::Pending(pending) => drop(self.deadlines.remove(&(pending.asked.expires_at, key))),
            Request::Settled(settled) => {
                self.past_bytes -= size;
                self.past.remove(&settled.version);
            }
        }
        Some(request)
    }

    fn remove_grant(&mut self, key: &GrantKey) {
        let Some(grant) = self.grants.remove(key) else { return };
        let size = size_of_grant(key, &grant);
        self.bytes -= size;
        if grant.ended_at.is_some() {
            self.past_bytes -= size;
            self.past.remove(&grant.version);
        }
    }
}

/// What a request takes, in bytes of text.
pub fn size_of_request(key: &RequestKey, request: &Request) -> usize {
    let asked = request.asked();
    let detail = asked.detail.as_ref().map_or(0, |detail| detail.text().len());
    let resolution = match request {
        Request::Pending(_) => None,
        Request::Settled(settled) => settled.settlement.resolution(),
    };
    key.user_id.len() + key.request_id.len() + asked.action.len() + detail + resolution.map_or(0, size_of_resolution)
}

/// What an answer adds to its request, in bytes of text.
pub fn size_of_resolution(resolution: &Resolution) -> usize {
    resolution.resolved_by.len() + resolution.reason.as_ref().map_or(0, String::len)
}

/// What a permission takes, in bytes of text.
pub fn size_of_grant(key: &GrantKey, grant: &Grant) -> usize {
    key.user_id.len() + key.action.len() + grant.request_id.len() + grant.granted_by.len()
}
