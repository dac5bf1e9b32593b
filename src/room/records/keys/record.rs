//! An idempotency key and its row.

use std::collections::BTreeSet;

use crate::access::shares::SharesOnDemand;
use crate::protocol::Millis;
use crate::protocol::json::encode;
use crate::protocol::limits::Limits;
use crate::protocol::refusal::{Code, Refusal};
use crate::room::records::clients::outcomes::{Outcome, RecordedOutcome};
use crate::room::table::{Index, ROW_CHARGE, Record, Table};
use crate::sql::{Columns, Creation, Row, StoreError, TableSql, Value, table};

/// How long an idempotency key is remembered, in milliseconds: a day (H3).
pub const KEY_LIFE: Millis = 86_400_000;
/// Keys take one part in this many of a room's bytes, so that they do not crowd out the rest.
pub const KEYS_PART: usize = 4;

/// A user and the key.
pub type IdempotencyKey = (String, String);

/// The recorded outcome of a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedOutcome {
    /// When it was made.
    pub at: Millis,
    /// What came of it.
    pub recorded: RecordedOutcome,
}

impl Record for KeyedOutcome {
    type Key = IdempotencyKey;
    type Index = KeyIndex;
    const TABLE: &'static TableSql = &table!("idempotency_key", ["user_id", "name"], ["at", "outcome"]);
    const CHARGE: usize = ROW_CHARGE;
    const CREATION: Creation = Creation {
        schema: 2,
        create: "CREATE TABLE idempotency_key (user_id TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, \
            outcome TEXT NOT NULL, PRIMARY KEY (user_id, name)) WITHOUT ROWID",
    };

    fn row((user, name): IdempotencyKey, write: &Self) -> Row {
        let recorded = encode(&write.recorded);
        vec![Value::Text(user), Value::Text(name), Value::Integer(write.at), Value::Text(recorded)]
    }

    fn key_row((user, name): IdempotencyKey) -> Row {
        vec![Value::Text(user), Value::Text(name)]
    }

    fn read(columns: &mut Columns<'_>) -> Result<(IdempotencyKey, Self), StoreError> {
        let of = (columns.text()?, columns.text()?);
        Ok((of, Self { at: columns.integer()?, recorded: columns.parsed()? }))
    }

    fn most(limits: &Limits) -> usize {
        limits.idempotency_keys
    }

    fn text_bytes((user, name): &IdempotencyKey, write: &Self) -> usize {
        user.len() + name.len() + write.recorded.text_bytes()
    }

    fn version(&self) -> u64 {
        0
    }

    fn newest_time(&self) -> Millis {
        self.at
    }
}

impl Table<KeyedOutcome> {
    /// The outcome of the request with this key, or `None` if the key is new.
    ///
    /// # Errors
    /// The key was used for a different request.
    pub fn answered(&self, of: &IdempotencyKey, content_mark: u32, now: Millis) -> Result<Option<&Outcome>, Refusal> {
        match self.get(of).filter(|write| write.at + KEY_LIFE > now) {
            None => Ok(None),
            Some(write) if write.recorded.content_mark == content_mark => Ok(Some(&write.recorded.outcome)),
            Some(_) => {
                let message =
                    "This Idempotency-Key was already used for a different request. Use a new key for each request.";
                Err(Refusal::new(Code::IdempotencyKeyReused, message))
            }
        }
    }

    /// Whether no other key can be remembered: there are too many, or they take too many bytes.
    pub fn is_full(&self, limits: &Limits) -> bool {
        self.len() >= limits.idempotency_keys || self.bytes() >= limits.room_bytes / KEYS_PART
    }

    /// Forgets those whose day is over.
    pub fn forget_old(&mut self, now: Millis) {
        while let Some((_, of)) = self.index().by_age.first().filter(|(at, _)| at + KEY_LIFE <= now) {
            let of = of.clone();
            self.remove(&of);
        }
    }

    /// Whether somebody else has more keys than this user.
    pub fn is_behind(&self, user: &String) -> bool {
        let all = || self.iter().map(|(of, write)| (of.0.clone(), of.clone(), write.at));
        self.index().shares.get(all).is_behind(user)
    }

    /// Forgets the oldest key of the user who has the most of them.
    pub fn make_way(&mut self) {
        let (rows, index) = self.with_index();
        let all = || rows.iter().map(|(of, write)| (of.0.clone(), of.clone(), write.at));
        let oldest = index.shares.get_mut(all).and_then(|shares| shares.gives_way(Millis::MAX, |_| Millis::MIN));
        if let Some(of) = oldest {
            self.remove(&of);
        }
    }
}

/// What is kept beside the keys.
#[derive(Debug, Clone, Default)]
pub struct KeyIndex {
    /// The oldest first.
    by_age: BTreeSet<(Millis, IdempotencyKey)>,
    /// Whose they are, as soon as there are too many.
    shares: SharesOnDemand<String, IdempotencyKey>,
}

impl Index<KeyedOutcome> for KeyIndex {
    fn added(&mut self, of: &IdempotencyKey, write: &KeyedOutcome) {
        self.by_age.insert((write.at, of.clone()));
        if let Some(shares) = self.shares.counted() {
            shares.insert(of.0.clone(), of.clone(), write.at);
        }
    }

    fn removed(&mut self, of: &IdempotencyKey, write: &KeyedOutcome) {
        self.by_age.remove(&(write.at, of.clone()));
        if let Some(shares) = self.shares.counted() {
            shares.remove(&of.0, of);
        }
    }
}
