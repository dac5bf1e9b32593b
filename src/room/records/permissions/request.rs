//! A permission request as a state machine in types: a pending one can be settled, a settled one has no method for
//! that. And its row.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::shares::SharesOnDemand;
use crate::protocol::Millis;
use crate::protocol::frames::permission::{
    RequestChanged, RequestView, Resolution, ResolutionView, Settlement, Status,
};
use crate::protocol::frames::{ChangeView, StateView};
use crate::protocol::json::{Json, encode};
use crate::protocol::limits::Limits;
use crate::room::table::{Index, ROW_CHARGE, Record, Table};
use crate::sql::{Columns, Creation, Row, StoreError, TableSql, Value, table};

/// The key of a request: its author, and the author's name for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The author.
    pub user_id: String,
    /// The author's name for it.
    pub request_id: String,
}

/// What was asked, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is for.
    pub action: String,
    /// Details, in the page's own form.
    pub detail: Option<Json>,
    /// When it was made.
    pub created_at: Millis,
    /// From when on no response reaches it.
    pub expires_at: Millis,
}

/// A request that waits for a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What was asked.
    pub asked: Asked,
    /// The version that made it.
    pub version: u64,
}

/// What can happen to a pending request. Nothing can happen to a settled one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestEvent {
    /// Somebody responds.
    Resolve(Resolution),
    /// Its author withdraws it.
    Cancel,
    /// It expires.
    Expire,
}

/// A request that has ended.
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

/// A permission request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionRequest {
    /// It waits.
    Pending(Pending),
    /// It does not.
    Settled(Settled),
}

impl Pending {
    /// The request after this has happened to it.
    pub fn settle(self, event: RequestEvent, version: u64, at: Millis) -> Settled {
        let settlement = match event {
            RequestEvent::Resolve(resolution) => Settlement::Resolved(resolution),
            RequestEvent::Cancel => Settlement::Cancelled,
            RequestEvent::Expire => Settlement::Expired,
        };
        Settled { asked: self.asked, version, at, settlement }
    }
}

impl PermissionRequest {
    /// What was asked.
    pub fn asked(&self) -> &Asked {
        match self {
            Self::Pending(pending) => &pending.asked,
            Self::Settled(settled) => &settled.asked,
        }
    }

    /// How it ended, if it has.
    pub fn settlement(&self) -> Option<&Settlement> {
        match self {
            Self::Pending(_) => None,
            Self::Settled(settled) => Some(&settled.settlement),
        }
    }

    /// As readers get it (Y2).
    pub fn view<'a>(key: &'a RequestKey, request: &'a Self) -> RequestView<'a> {
        let asked = request.asked();
        let settlement = request.settlement();
        RequestView {
            request_id: &key.request_id,
            user_id: &key.user_id,
            action: &asked.action,
            detail: asked.detail.as_ref(),
            status: settlement.map_or(Status::Pending, Settlement::status),
            resolution: settlement.map_or_else(ResolutionView::default, ResolutionView::of),
            created_at: asked.created_at,
            expires_at: asked.expires_at,
            version: request.version(),
        }
    }
}

impl Record for PermissionRequest {
    type Key = RequestKey;
    type Index = RequestIndex;
    const TABLE: &'static TableSql = &table!(
        "permission_request",
        ["user_id", "request_id"],
        ["action", "detail", "created_at", "expires_at", "version", "settled_at", "settlement"]
    );
    const CHARGE: usize = ROW_CHARGE;
    const CREATION: Creation = Creation {
        schema: 3,
        create: "CREATE TABLE permission_request (user_id TEXT NOT NULL, request_id TEXT NOT NULL, action TEXT NOT NULL, \
            detail TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, version INTEGER NOT NULL, \
            settled_at INTEGER, settlement TEXT, PRIMARY KEY (user_id, request_id)) WITHOUT ROWID",
    };

    fn row(key: RequestKey, request: &Self) -> Row {
        let (settled_at, settlement) = match request {
            Self::Pending(_) => (Value::Null, Value::Null),
            Self::Settled(settled) => (Value::Integer(settled.at), Value::Text(encode(&settled.settlement))),
        };
        let asked = request.asked();
        vec![
            Value::Text(key.user_id),
            Value::Text(key.request_id),
            Value::text(&asked.action),
            Value::text_or_null(asked.detail.as_ref().map(Json::text)),
            Value::Integer(asked.created_at),
            Value::Integer(asked.expires_at),
            Value::version(request.version()),
            settled_at,
            settlement,
        ]
    }

    fn key_row(key: RequestKey) -> Row {
        vec![Value::Text(key.user_id), Value::Text(key.request_id)]
    }

    fn read(columns: &mut Columns<'_>) -> Result<(RequestKey, Self), StoreError> {
        let key = RequestKey { user_id: columns.text()?, request_id: columns.text()? };
        let asked = Asked {
            action: columns.text()?,
            detail: columns.json_or_null()?,
            created_at: columns.integer()?,
            expires_at: columns.integer()?,
        };
        let version = columns.version()?;
        let request = match columns.integer_or_null()? {
            None => Self::Pending(Pending { asked, version }),
            Some(at) => Self::Settled(Settled { asked, version, at, settlement: columns.parsed()? }),
        };
        Ok((key, request))
    }

    /// Those that are pending, and those that are settled.
    fn most(limits: &Limits) -> usize {
        limits.requests + limits.settled
    }

    fn text_bytes(key: &RequestKey, request: &Self) -> usize {
        let asked = request.asked();
        let detail = asked.detail.as_ref().map_or(0, |detail| detail.text().len());
        let resolution = request.settlement().and_then(Settlement::resolution).map_or(0, size_of_resolution);
        key.user_id.len() + key.request_id.len() + asked.action.len() + detail + resolution
    }

    fn version(&self) -> u64 {
        match self {
            Self::Pending(pending) => pending.version,
            Self::Settled(settled) => settled.version,
        }
    }

    fn newest_time(&self) -> Millis {
        match self {
            Self::Pending(pending) => pending.asked.created_at,
            Self::Settled(settled) => settled.at,
        }
    }

    fn changed_at(&self) -> Option<Millis> {
        Some(self.newest_time())
    }

    fn next_due(index: &RequestIndex) -> Option<Millis> {
        index.deadlines.first().map(|(at, _)| *at)
    }

    fn change<'a>(key: &'a RequestKey, request: &'a Self) -> Option<ChangeView<'a>> {
        let view = Json::of(&Self::view(key, request));
        Some(ChangeView::Request(RequestChanged { version: request.version(), request: view }))
    }

    fn list<'a>(table: &'a Table<Self>, view: &mut StateView<'a>) {
        view.requests = table.iter().map(|(key, request)| Self::view(key, request)).collect();
    }
}

/// What a settlement adds to its request, in bytes of text.
pub fn size_of_resolution(resolution: &Resolution) -> usize {
    resolution.resolved_by.len() + resolution.reason.as_ref().map_or(0, String::len)
}

/// What is kept beside the requests.
#[derive(Debug, Clone, Default)]
pub struct RequestIndex {
    /// The pending ones, by when they expire.
    deadlines: BTreeSet<(Millis, RequestKey)>,
    /// The settled ones, oldest first: by version, with the time.
    settled: BTreeMap<u64, (Millis, RequestKey)>,
    settled_bytes: usize,
    /// Whose the pending ones are, as soon as there are too many. The first to expire is the first to go.
    shares: SharesOnDemand<String, RequestKey>,
}

impl Index<PermissionRequest> for RequestIndex {
    fn added(&mut self, key: &RequestKey, request: &PermissionRequest) {
        match request {
            PermissionRequest::Pending(pending) => {
                self.deadlines.insert((pending.asked.expires_at, key.clone()));
                if let Some(shares) = self.shares.counted() {
                    shares.insert(key.user_id.clone(), key.clone(), pending.asked.expires_at);
                }
            }
            PermissionRequest::Settled(settled) => {
                self.settled_bytes += PermissionRequest::bytes(key, request);
                self.settled.insert(settled.version, (settled.at, key.clone()));
            }
        }
    }

    fn removed(&mut self, key: &RequestKey, request: &PermissionRequest) {
        match request {
            PermissionRequest::Pending(pending) => {
                self.deadlines.remove(&(pending.asked.expires_at, key.clone()));
                if let Some(shares) = self.shares.counted() {
                    shares.remove(&key.user_id, key);
                }
            }
            PermissionRequest::Settled(settled) => {
                self.settled_bytes -= PermissionRequest::bytes(key, request);
                self.settled.remove(&settled.version);
            }
        }
    }
}

impl RequestIndex {
    /// How many requests are pending.
    pub fn pending(&self) -> usize {
        self.deadlines.len()
    }

    /// The first of the requests that have expired by `now`.
    pub fn first_due(&self, now: Millis) -> Option<RequestKey> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
    }

    /// How many are settled, and their bytes of text.
    pub fn settled(&self) -> (usize, usize) {
        (self.settled.len(), self.settled_bytes)
    }

    /// The oldest settled one: its version, the time, and its key.
    pub fn oldest_settled(&self) -> Option<(u64, Millis, &RequestKey)> {
        self.settled.first_key_value().map(|(version, (at, key))| (*version, *at, key))
    }
}

impl Table<PermissionRequest> {
    /// The pending request that has to go so that this user can make one: of the user who has the most of them, if that
    /// is more than this one has, the first to expire.
    pub fn gives_way(&mut self, user: &String) -> Option<RequestKey> {
        let (_, index) = self.with_index();
        let RequestIndex { deadlines, shares, .. } = index;
        let all = || deadlines.iter().map(|(at, key)| (key.user_id.clone(), key.clone(), *at));
        shares.get_mut(all).filter(|shares| shares.is_behind(user))?.gives_way(Millis::MAX, |_| Millis::MIN)
    }

    /// Lets something happen to a request. Nothing happens to a settled one.
    pub fn settle(&mut self, key: &RequestKey, event: RequestEvent, version: u64, at: Millis) {
        if let Some(PermissionRequest::Pending(pending)) = self.get(key) {
            let settled = pending.clone().settle(event, version, at);
            self.put(key.clone(), PermissionRequest::Settled(settled));
        }
    }
}
