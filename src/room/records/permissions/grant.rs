//! A permission and its row.

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::frames::permission::{GrantChanged, GrantView};
use crate::protocol::frames::{ChangeView, StateView};
use crate::protocol::json::Json;
use crate::protocol::limits::Limits;
use crate::room::table::{Index, ROW_CHARGE, Record, Table};
use crate::sql::{Columns, Creation, Row, StoreError, TableSql, Value, table};

/// The key of a permission: whose it is, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantKey {
    /// Whose it is.
    pub user_id: String,
    /// What it is for.
    pub action: String,
}

/// A permission for the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The request that it answers.
    pub request_id: String,
    /// Who granted it.
    pub granted_by: String,
    /// When.
    pub granted_at: Millis,
    /// The version that granted or ended it.
    pub version: u64,
    /// When it ended, if it has. It is then kept for those who must be told.
    pub ended_at: Option<Millis>,
}

impl Grant {
    /// As readers get it (Y2).
    pub fn view<'a>(key: &'a GrantKey, grant: &'a Self) -> GrantView<'a> {
        GrantView {
            request_id: &grant.request_id,
            user_id: &key.user_id,
            action: &key.action,
            granted_by: &grant.granted_by,
            granted_at: grant.granted_at,
            version: grant.version,
        }
    }
}

impl Record for Grant {
    type Key = GrantKey;
    type Index = GrantIndex;
    const TABLE: &'static TableSql =
        &table!("permission", ["user_id", "action"], ["request_id", "granted_by", "granted_at", "version", "ended_at"]);
    const CHARGE: usize = ROW_CHARGE;
    const CREATION: Creation = Creation {
        schema: 3,
        create: "CREATE TABLE permission (user_id TEXT NOT NULL, action TEXT NOT NULL, request_id TEXT NOT NULL, \
            granted_by TEXT NOT NULL, granted_at INTEGER NOT NULL, version INTEGER NOT NULL, ended_at INTEGER, \
            PRIMARY KEY (user_id, action)) WITHOUT ROWID",
    };

    fn row(key: GrantKey, grant: &Self) -> Row {
        vec![
            Value::Text(key.user_id),
            Value::Text(key.action),
            Value::text(&grant.request_id),
            Value::text(&grant.granted_by),
            Value::Integer(grant.granted_at),
            Value::version(grant.version),
            grant.ended_at.map_or(Value::Null, Value::Integer),
        ]
    }

    fn key_row(key: GrantKey) -> Row {
        vec![Value::Text(key.user_id), Value::Text(key.action)]
    }

    fn read(columns: &mut Columns<'_>) -> Result<(GrantKey, Self), StoreError> {
        let key = GrantKey { user_id: columns.text()?, action: columns.text()? };
        let grant = Self {
            request_id: columns.text()?,
            granted_by: columns.text()?,
            granted_at: columns.integer()?,
            version: columns.version()?,
            ended_at: columns.integer_or_null()?,
        };
        Ok((key, grant))
    }

    /// Those in force, and those that have ended.
    fn most(limits: &Limits) -> usize {
        limits.permissions + limits.settled
    }

    fn text_bytes(key: &GrantKey, grant: &Self) -> usize {
        key.user_id.len() + key.action.len() + grant.request_id.len() + grant.granted_by.len()
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn newest_time(&self) -> Millis {
        self.ended_at.unwrap_or(self.granted_at)
    }

    fn changed_at(&self) -> Option<Millis> {
        Some(self.newest_time())
    }

    fn change<'a>(key: &'a GrantKey, grant: &'a Self) -> Option<ChangeView<'a>> {
        let ended = grant.ended_at.map(|_| true);
        Some(ChangeView::Grant(GrantChanged {
            version: grant.version,
            grant: Json::of(&Self::view(key, grant)),
            ended,
        }))
    }

    fn list<'a>(table: &'a Table<Self>, view: &mut StateView<'a>) {
        view.permissions = table.standing().map(|(key, grant)| Self::view(key, grant)).collect();
    }
}

/// What is kept beside the permissions.
#[derive(Debug, Clone, Default)]
pub struct GrantIndex {
    /// Those that have ended, oldest first: by version, with the time.
    ended: BTreeMap<u64, (Millis, GrantKey)>,
    ended_bytes: usize,
}

impl Index<Grant> for GrantIndex {
    fn added(&mut self, key: &GrantKey, grant: &Grant) {
        if let Some(at) = grant.ended_at {
            self.ended_bytes += Grant::bytes(key, grant);
            self.ended.insert(grant.version, (at, key.clone()));
        }
    }

    fn removed(&mut self, key: &GrantKey, grant: &Grant) {
        if grant.ended_at.is_some() {
            self.ended_bytes -= Grant::bytes(key, grant);
            self.ended.remove(&grant.version);
        }
    }
}

impl GrantIndex {
    /// How many have ended, and their bytes of text.
    pub fn ended(&self) -> (usize, usize) {
        (self.ended.len(), self.ended_bytes)
    }

    /// The oldest that has ended: its version, the time, and its key.
    pub fn oldest_ended(&self) -> Option<(u64, Millis, &GrantKey)> {
        self.ended.first_key_value().map(|(version, (at, key))| (*version, *at, key))
    }
}

impl Table<Grant> {
    /// How many are in force.
    pub fn standing_count(&self) -> usize {
        self.len() - self.index().ended.len()
    }

    /// Whether this one is in force.
    pub fn is_standing(&self, key: &GrantKey) -> bool {
        self.get(key).is_some_and(|grant| grant.ended_at.is_none())
    }

    /// Those in force.
    pub fn standing(&self) -> impl Iterator<Item = (&GrantKey, &Grant)> {
        self.iter().filter(|(_, grant)| grant.ended_at.is_none())
    }
}
