//! What a room keeps, as SQL: the schema and its migrations, writes to statements, rows to a [`Stored`]. Runs
//! nothing; the host's SQLite and workerd's are told the same.
//!
//! One row a field, a participant, a client, an idempotency key and the room itself. Tables are `WITHOUT ROWID`, since the index behind a text key
//! would be a second row to pay for. There is no log: what changed since a version is seen from the rows' versions.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::protocol::json::{Json, encode};
use crate::protocol::message::Extra;
use crate::room::Stored;
use crate::room::clients::{Client, KeyedWrite};
use crate::room::turn::{Field, Meta, Participant, Write};

/// A value in a row or a parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// An integer. Through workerd it passes as a JavaScript number, exact up to 2⁵³.
    Integer(i64),
    /// Text.
    Text(String),
}

/// A statement and its parameters.
pub type Statement = (&'static str, Vec<Value>);

/// A row as read.
pub type Row = Vec<Value>;

/// Runs one statement at a time.
pub trait Sql {
    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// What SQLite says.
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError>;
}

/// Why storage cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// A newer build wrote this room. Refused rather than guessed at.
    NewerSchema {
        /// The schema version in storage.
        found: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// A row does not hold what its table promises.
    CorruptRow {
        /// The table.
        table: &'static str,
    },
    /// SQLite refused a statement.
    Sql(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerSchema { found, known } => {
                write!(f, "the room has schema {found}, this build knows {known}: deploy the newer build")
            }
            Self::CorruptRow { table } => write!(f, "a row of the table {table} cannot be read"),
            Self::Sql(message) => write!(f, "SQLite: {message}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Forward migrations. Entry `n` takes a room from schema `n` to `n + 1`. Entries are added and never changed.
const MIGRATIONS: &[&[&str]] = &[
    &[
        "CREATE TABLE room (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL, epoch TEXT NOT NULL, \
     floor INTEGER NOT NULL, touched INTEGER NOT NULL)",
        "CREATE TABLE field (name TEXT PRIMARY KEY, version INTEGER NOT NULL, updated_at INTEGER NOT NULL, \
     user_id TEXT NOT NULL, selection TEXT) WITHOUT ROWID",
        "CREATE TABLE participant (user_id TEXT PRIMARY KEY, name TEXT NOT NULL, is_ready INTEGER NOT NULL, \
     joined_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, version INTEGER NOT NULL, profile TEXT NOT NULL) \
     WITHOUT ROWID",
    ],
    &[
        "ALTER TABLE field ADD COLUMN client_id TEXT",
        "CREATE TABLE client (client_id TEXT PRIMARY KEY, user_id TEXT, last_seq INTEGER, seen INTEGER NOT NULL, \
         outcomes TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE idempotency_key (user_id TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, \
         outcome TEXT NOT NULL, PRIMARY KEY (user_id, name)) WITHOUT ROWID",
    ],
];

/// The schema that this build reads and writes.
pub fn schema_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The statements that carry out a write.
pub fn statements(write: &Write) -> Vec<Statement> {
    match write {
        Write::Create => migrate_from(0),
        Write::Meta(meta) => vec![(
            "INSERT OR REPLACE INTO room (one, schema, epoch, floor, touched) VALUES (1, ?, ?, ?, ?)",
            vec![
                Value::Integer(schema_version()),
                Value::Text(meta.epoch.clone()),
                version(meta.floor),
                Value::Integer(meta.touched),
            ],
        )],
        Write::Field(name, field) => vec![(
            "INSERT OR REPLACE INTO field (name, version, updated_at, user_id, client_id, selection) \
             VALUES (?, ?, ?, ?, ?, ?)",
            vec![
                Value::Text(name.clone()),
                version(field.version),
                Value::Integer(field.updated_at),
                Value::Text(field.user_id.clone()),
                text_or_null(field.client_id.as_ref()),
                field.selection.as_ref().map_or(Value::Null, |json| Value::Text(json.text().to_owned())),
            ],
        )],
        Write::ForgetField(name) => vec![("DELETE FROM field WHERE name = ?", vec![Value::Text(name.clone())])],
        Write::Participant(user, participant) => vec![(
            "INSERT OR REPLACE INTO participant (user_id, name, is_ready, joined_at, last_seen, version, profile) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            vec![
                Value::Text(user.clone()),
                Value::Text(participant.name.clone()),
                Value::Integer(i64::from(participant.is_ready)),
                Value::Integer(participant.joined_at),
                Value::Integer(participant.last_seen),
                version(participant.version),
                Value::Text(encode(&participant.profile)),
            ],
        )],
        Write::ForgetParticipant(user) => {
            vec![("DELETE FROM participant WHERE user_id = ?", vec![Value::Text(user.clone())])]
        }
        Write::Client(id, client) => vec![(
            "INSERT OR REPLACE INTO client (client_id, user_id, last_seq, seen, outcomes) VALUES (?, ?, ?, ?, ?)",
            vec![
                Value::Text(id.clone()),
                text_or_null(client.user_id.as_ref()),
                client.last_seq.map_or(Value::Null, version),
                Value::Integer(client.seen),
                Value::Text(encode(&client.outcomes)),
            ],
        )],
        Write::ForgetClient(id) => vec![("DELETE FROM client WHERE client_id = ?", vec![Value::Text(id.clone())])],
        Write::Key(user, name, write) => vec![(
            "INSERT OR REPLACE INTO idempotency_key (user_id, name, at, outcome) VALUES (?, ?, ?, ?)",
            vec![
                Value::Text(user.clone()),
                Value::Text(name.clone()),
                Value::Integer(write.at),
                Value::Text(encode(&write.outcome)),
            ],
        )],
        Write::ForgetKey(user, name) => vec![(
            "DELETE FROM idempotency_key WHERE user_id = ? AND name = ?",
            vec![Value::Text(user.clone()), Value::Text(name.clone())],
        )],
    }
}

/// Runs all statements of a commit. The caller has opened a transaction, and rolls it back on an error.
///
/// # Errors
/// The first statement that fails.
pub fn write(sql: &mut impl Sql, commit: &[Write]) -> Result<(), StoreError> {
    for statement in commit.iter().flat_map(statements) {
        sql.run(&statement)?;
    }
    Ok(())
}

/// Reads a room, migrating what an older build wrote. `None`: there is no room. Creates nothing.
///
/// # Errors
/// The room cannot be read; storage is as it was.
pub fn load(sql: &mut impl Sql) -> Result<Option<Stored>, StoreError> {
    let table = ("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'room'", Vec::new());
    if sql.run(&table)?.is_empty() {
        return Ok(None);
    }
    let schema = sql.run(&("SELECT schema FROM room", Vec::new()))?;
    let Some(schema) = schema.first() else { return Ok(None) };
    let found = Columns::of("room", schema).integer()?;
    let known = schema_version();
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for statement in migrate_from(found) {
        sql.run(&statement)?;
    }
    if found < known {
        sql.run(&("UPDATE room SET schema = ?", vec![Value::Integer(known)]))?;
    }
    let rows = sql.run(&("SELECT epoch, floor, touched FROM room", Vec::new()))?;
    let row = rows.first().ok_or(StoreError::CorruptRow { table: "room" })?;
    let mut columns = Columns::of("room", row);
    let meta = Meta { epoch: columns.text()?, floor: columns.version()?, touched: columns.integer()? };
    let mut all = |query| sql.run(&(query, Vec::new()));
    let fields = all("SELECT name, version, updated_at, user_id, client_id, selection FROM field")?;
    let people = all("SELECT user_id, name, is_ready, joined_at, last_seen, version, profile FROM participant")?;
    let clients = all("SELECT client_id, user_id, last_seq, seen, outcomes FROM client")?;
    let keys = all("SELECT user_id, name, at, outcome FROM idempotency_key")?;
    Ok(Some(Stored {
        meta,
        fields: fields.iter().map(field).collect::<Result<_, _>>()?,
        participants: people.iter().map(participant).collect::<Result<_, _>>()?,
        clients: clients.iter().map(client).collect::<Result<_, _>>()?,
        keys: keys.iter().map(key).collect::<Result<_, _>>()?,
    }))
}

fn migrate_from(schema: i64) -> Vec<Statement> {
    let done = usize::try_from(schema).unwrap_or(usize::MAX);
    MIGRATIONS.iter().skip(done).flat_map(|step| step.iter().map(|sql| (*sql, Vec::new()))).collect()
}

fn field(row: &Row) -> Result<(String, Field), StoreError> {
    let mut columns = Columns::of("field", row);
    let name = columns.text()?;
    let field = Field {
        version: columns.version()?,
        updated_at: columns.integer()?,
        user_id: columns.text()?,
        client_id: columns.text_or_null()?,
        selection: columns.json_or_null()?,
    };
    Ok((name, field))
}

fn participant(row: &Row) -> Result<(String, Participant), StoreError> {
    let mut columns = Columns::of("participant", row);
    let user = columns.text()?;
    let participant = Participant {
        name: columns.text()?,
        is_ready: columns.integer()? != 0,
        joined_at: columns.integer()?,
        last_seen: columns.integer()?,
        version: columns.version()?,
        profile: columns.extra()?,
    };
    Ok((user, participant))
}

fn client(row: &Row) -> Result<(String, Client), StoreError> {
    let mut columns = Columns::of("client", row);
    let id = columns.text()?;
    let client = Client {
        user_id: columns.text_or_null()?,
        last_seq: columns.version_or_null()?,
        seen: columns.integer()?,
        outcomes: columns.parsed()?,
    };
    Ok((id, client))
}

fn key(row: &Row) -> Result<((String, String), KeyedWrite), StoreError> {
    let mut columns = Columns::of("idempotency_key", row);
    let of = (columns.text()?, columns.text()?);
    Ok((of, KeyedWrite { at: columns.integer()?, outcome: columns.parsed()? }))
}

fn text_or_null(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.clone()))
}

fn version(version: u64) -> Value {
    Value::Integer(i64::try_from(version).unwrap_or(i64::MAX))
}

/// Takes the columns of a row one after the other.
struct Columns<'a> {
    table: &'static str,
    rest: std::slice::Iter<'a, Value>,
}

impl<'a> Columns<'a> {
    fn of(table: &'static str, row: &'a Row) -> Self {
        Self { table, rest: row.iter() }
    }

    fn corrupt(&self) -> StoreError {
        StoreError::CorruptRow { table: self.table }
    }

    fn next(&mut self) -> Result<&'a Value, StoreError> {
        self.rest.next().ok_or_else(|| self.corrupt())
    }

    fn integer(&mut self) -> Result<i64, StoreError> {
        match self.next()? {
            Value::Integer(integer) => Ok(*integer),
            Value::Null | Value::Text(_) => Err(self.corrupt()),
        }
    }

    fn version(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.integer()?).ok().ok_or_else(|| self.corrupt())
    }

    fn version_or_null(&mut self) -> Result<Option<u64>, StoreError> {
        match self.rest.as_slice().first() {
            Some(Value::Null) => self.next().map(|_| None),
            Some(Value::Integer(_) | Value::Text(_)) | None => self.version().map(Some),
        }
    }

    fn text(&mut self) -> Result<String, StoreError> {
        self.text_or_null()?.ok_or_else(|| self.corrupt())
    }

    fn text_or_null(&mut self) -> Result<Option<String>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Integer(_) => Err(self.corrupt()),
        }
    }

    fn json_or_null(&mut self) -> Result<Option<Json>, StoreError> {
        let json = self.text_or_null()?.map(Json::parse).transpose();
        json.ok().ok_or_else(|| self.corrupt())
    }

    fn parsed<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let text = self.text()?;
        serde_json::from_str(&text).ok().ok_or_else(|| self.corrupt())
    }

    fn extra(&mut self) -> Result<Extra, StoreError> {
        let text = self.text()?;
        let object = crate::protocol::json::object(&text).ok().ok_or_else(|| self.corrupt())?;
        Ok(object.members.into_iter().map(|(key, raw)| (key.into_owned(), Json::from(raw))).collect())
    }
}
