//! What a room keeps, as SQL: the schema and its migrations, writes to statements, rows to a [`Stored`]. Runs
//! nothing; the host's SQLite and workerd's are told the same.
//!
//! One row a field, a participant, a client, an idempotency key, a permission request, a permission and the room
//! itself. Tables are `WITHOUT ROWID`, since the index behind a text key would be a second row to pay for. There is no log: what changed since a version is seen from the rows' versions.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::protocol::json::{Json, encode};
use crate::protocol::message::Extra;
use crate::room::Stored;
use crate::room::clients::{Client, KeyedWrite};
use crate::room::outcomes::Outcomes;
use crate::room::requests::state::{Asked, Grant, GrantKey, Pending, Request, RequestKey, Settled};
use crate::room::turn::{Field, Meta, Participant, Write};

/// A value in a row or a parameter of a statement. As JSON it is null, a number or a string.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// NULL.
    Null,
    /// An integer. Through workerd it passes as a JavaScript number, exact up to 2⁵³.
    Integer(i64),
    /// Text.
    Text(String),
}

/// Read by hand: the code that serde writes for such an enum keeps what it reads until it knows what it is.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfAny;

        impl Visitor<'_> for OfAny {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, an integer or text")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
                Ok(Value::Integer(integer))
            }

            fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Value, E> {
                i64::try_from(integer).map(Value::Integer).map_err(E::custom)
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }
        }

        deserializer.deserialize_any(OfAny)
    }
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

    /// Runs a statement that has no rows to return.
    ///
    /// # Errors
    /// What SQLite says.
    fn execute(&mut self, statement: &Statement) -> Result<(), StoreError> {
        self.run(statement).map(drop)
    }
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
    &[
        "CREATE TABLE permission_request (user_id TEXT NOT NULL, request_id TEXT NOT NULL, action TEXT NOT NULL, \
         detail TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, version INTEGER NOT NULL, \
         settled_at INTEGER, settlement TEXT, PRIMARY KEY (user_id, request_id)) WITHOUT ROWID",
        "CREATE TABLE permission (user_id TEXT NOT NULL, action TEXT NOT NULL, request_id TEXT NOT NULL, \
         granted_by TEXT NOT NULL, granted_at INTEGER NOT NULL, version INTEGER NOT NULL, ended_at INTEGER, \
         PRIMARY KEY (user_id, action)) WITHOUT ROWID",
    ],
    // The outcomes of clients are lines from here on, which older builds cannot read. Those of before are read as they are.
    &[],
];

/// The schema that this build reads and writes.
pub fn schema_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// A statement that puts rows into a table, for some numbers of rows. A statement costs more than a row does, and the
/// runtime keeps each text prepared, so there are few texts.
type Upsert = [(usize, &'static str); 3];

/// The texts of an [`Upsert`], the one for the most rows first. A statement may have 100 parameters at most, by the
/// platform's limits, so rows of up to six columns come in sixteens.
macro_rules! upsert {
    ($head:literal, $row:literal) => {
        [
            (16, concat!($head, upsert!(@four upsert!(@four $row)))),
            (4, concat!($head, upsert!(@four $row))),
            (1, concat!($head, $row)),
        ]
    };
    (@four $rows:expr) => {
        concat!($rows, ", ", $rows, ", ", $rows, ", ", $rows)
    };
}

const FIELDS: Upsert = upsert!(
    "INSERT OR REPLACE INTO field (name, version, updated_at, user_id, client_id, selection) VALUES ",
    "(?, ?, ?, ?, ?, ?)"
);
const CLIENTS: Upsert =
    upsert!("INSERT OR REPLACE INTO client (client_id, user_id, last_seq, seen, outcomes) VALUES ", "(?, ?, ?, ?, ?)");

/// The statements that carry out a commit. No two writes of a commit are to one row, so their order does not matter but
/// for the tables, which come first. What changes most, fields and clients, is put into its table many rows at a time.
pub fn statements(commit: &[Write]) -> Vec<Statement> {
    let (mut statements, mut fields, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for write in commit {
        match write {
            Write::Field(name, field) => fields.push(field_row(name, field)),
            Write::Client(id, client) => clients.push(client_row(id, client)),
            Write::Create => statements.extend(migrate_from(0)),
            Write::Meta(meta) => statements.push(meta_statement(meta)),
            Write::ForgetField(name) => statements.push(delete("DELETE FROM field WHERE name = ?", &[name])),
            Write::Participant(user, participant) => statements.push(participant_statement(user, participant)),
            Write::ForgetParticipant(user) => {
                statements.push(delete("DELETE FROM participant WHERE user_id = ?", &[user]));
            }
            Write::ForgetClient(id) => statements.push(delete("DELETE FROM client WHERE client_id = ?", &[id])),
            Write::Key(user, name, write) => statements.push(key_statement(user, name, write)),
            Write::ForgetKey(user, name) => {
                let query = "DELETE FROM idempotency_key WHERE user_id = ? AND name = ?";
                statements.push(delete(query, &[user, name]));
            }
            Write::Request(key, request) => statements.push(request_statement(key, request)),
            Write::ForgetRequest(RequestKey { user_id, request_id }) => {
                let query = "DELETE FROM permission_request WHERE user_id = ? AND request_id = ?";
                statements.push(delete(query, &[user_id, request_id]));
            }
            Write::Grant(key, grant) => statements.push(grant_statement(key, grant)),
            Write::ForgetGrant(GrantKey { user_id, action }) => {
                statements.push(delete("DELETE FROM permission WHERE user_id = ? AND action = ?", &[user_id, action]));
            }
        }
    }
    statements.extend(in_rows(FIELDS, fields));
    statements.extend(in_rows(CLIENTS, clients));
    statements
}

/// As many rows at a time as there is a text for.
fn in_rows(upsert: Upsert, mut rows: Vec<Row>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (count, query) in upsert {
        while rows.len() >= count {
            let others = rows.split_off(count);
            statements.push((query, rows.into_iter().flatten().collect()));
            rows = others;
        }
    }
    statements
}

fn field_row(name: &str, field: &Field) -> Row {
    vec![
        Value::Text(name.to_owned()),
        version(field.version),
        Value::Integer(field.updated_at),
        Value::Text(field.user_id.clone()),
        text_or_null(field.client_id.as_ref()),
        field.selection.as_ref().map_or(Value::Null, |json| Value::Text(json.text().to_owned())),
    ]
}

fn client_row(id: &str, client: &Client) -> Row {
    vec![
        Value::Text(id.to_owned()),
        text_or_null(client.user_id.as_ref()),
        client.last_seq.map_or(Value::Null, version),
        Value::Integer(client.seen),
        Value::Text(client.outcomes.text().to_owned()),
    ]
}

fn meta_statement(meta: &Meta) -> Statement {
    let query = "INSERT OR REPLACE INTO room (one, schema, epoch, floor, touched) VALUES (1, ?, ?, ?, ?)";
    let values = vec![
        Value::Integer(schema_version()),
        Value::Text(meta.epoch.clone()),
        version(meta.floor),
        Value::Integer(meta.touched),
    ];
    (query, values)
}

fn key_statement(user: &str, name: &str, write: &KeyedWrite) -> Statement {
    let query = "INSERT OR REPLACE INTO idempotency_key (user_id, name, at, outcome) VALUES (?, ?, ?, ?)";
    let values = vec![
        Value::Text(user.to_owned()),
        Value::Text(name.to_owned()),
        Value::Integer(write.at),
        Value::Text(encode(&write.outcome)),
    ];
    (query, values)
}

fn delete(query: &'static str, key: &[&String]) -> Statement {
    (query, key.iter().map(|text| Value::Text((*text).clone())).collect())
}

fn participant_statement(user: &str, participant: &Participant) -> Statement {
    let query = "INSERT OR REPLACE INTO participant (user_id, name, is_ready, joined_at, last_seen, version, profile) \
         VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        Value::Text(user.to_owned()),
        Value::Text(participant.name.clone()),
        Value::Integer(i64::from(participant.is_ready)),
        Value::Integer(participant.joined_at),
        Value::Integer(participant.last_seen),
        version(participant.version),
        Value::Text(encode(&participant.profile)),
    ];
    (query, values)
}

fn request_statement(key: &RequestKey, request: &Request) -> Statement {
    let (asked, (settled_at, settlement)) = match request {
        Request::Pending(pending) => (&pending.asked, (Value::Null, Value::Null)),
        Request::Settled(settled) => {
            (&settled.asked, (Value::Integer(settled.at), Value::Text(encode(&settled.settlement))))
        }
    };
    let query = "INSERT OR REPLACE INTO permission_request (user_id, request_id, action, detail, created_at, \
         expires_at, version, settled_at, settlement) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        Value::Text(key.user_id.clone()),
        Value::Text(key.request_id.clone()),
        Value::Text(asked.action.clone()),
        asked.detail.as_ref().map_or(Value::Null, |detail| Value::Text(detail.text().to_owned())),
        Value::Integer(asked.created_at),
        Value::Integer(asked.expires_at),
        version(request.version()),
        settled_at,
        settlement,
    ];
    (query, values)
}

fn grant_statement(key: &GrantKey, grant: &Grant) -> Statement {
    let query = "INSERT OR REPLACE INTO permission (user_id, action, request_id, granted_by, granted_at, version, \
         ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        Value::Text(key.user_id.clone()),
        Value::Text(key.action.clone()),
        Value::Text(grant.request_id.clone()),
        Value::Text(grant.granted_by.clone()),
        Value::Integer(grant.granted_at),
        version(grant.version),
        grant.ended_at.map_or(Value::Null, Value::Integer),
    ];
    (query, values)
}

/// Runs all statements of a commit. The caller has opened a transaction, and rolls it back on an error.
///
/// # Errors
/// The first statement that fails.
pub fn write(sql: &mut impl Sql, statements: &[Statement]) -> Result<(), StoreError> {
    statements.iter().try_for_each(|statement| sql.execute(statement))
}

/// Everything that a room keeps, in as few statements as the platform lets it be: a `UNION` may have five parts. What a
/// statement costs a room that wakes is more than what its rows do. The first column says of which table the others are.
const EVERYTHING: [&str; 2] = [
    "SELECT 0, schema, epoch, floor, touched, NULL, NULL, NULL, NULL, NULL FROM room \
     UNION ALL SELECT 1, name, version, updated_at, user_id, client_id, selection, NULL, NULL, NULL FROM field \
     UNION ALL SELECT 2, user_id, name, is_ready, joined_at, last_seen, version, profile, NULL, NULL FROM participant \
     UNION ALL SELECT 3, client_id, user_id, last_seq, seen, outcomes, NULL, NULL, NULL, NULL FROM client \
     UNION ALL SELECT 4, user_id, name, at, outcome, NULL, NULL, NULL, NULL, NULL FROM idempotency_key",
    "SELECT 5, user_id, request_id, action, detail, created_at, expires_at, version, settled_at, settlement \
     FROM permission_request \
     UNION ALL SELECT 6, user_id, action, request_id, granted_by, granted_at, version, ended_at, NULL, NULL \
     FROM permission",
];

fn everything(sql: &mut impl Sql) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for query in EVERYTHING {
        rows.extend(sql.run(&(query, Vec::new()))?);
    }
    Ok(rows)
}

/// Reads a room that has this build's schema. `None`: there is none, or it has another, or it cannot be read. Then
/// [`load`] does it or says why not.
pub fn read(sql: &mut impl Sql) -> Option<Stored> {
    let rows = everything(sql).ok()?;
    let is_current = |row: &Row| matches!(row.as_slice(), [Value::Integer(0), Value::Integer(schema), ..] if *schema == schema_version());
    rows.iter().any(is_current).then(|| stored(&rows).ok()).flatten()
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
    stored(&everything(sql)?).map(Some)
}

/// What the rows of [`EVERYTHING`] say.
fn stored(rows: &[Row]) -> Result<Stored, StoreError> {
    let mut of = <[Vec<&[Value]>; 7]>::default();
    for row in rows {
        let table = row.split_first().and_then(|(table, columns)| match table {
            Value::Integer(table) => Some((of.get_mut(usize::try_from(*table).ok()?)?, columns)),
            Value::Null | Value::Text(_) => None,
        });
        let (rows, columns) = table.ok_or(StoreError::CorruptRow { table: "room" })?;
        rows.push(columns);
    }
    let [rooms, fields, people, clients, keys, requests, grants] = of;
    let mut columns = Columns::of("room", rooms.first().ok_or(StoreError::CorruptRow { table: "room" })?);
    columns.integer()?;
    let meta = Meta { epoch: columns.text()?, floor: columns.version()?, touched: columns.integer()? };
    Ok(Stored {
        meta,
        fields: fields.into_iter().map(field).collect::<Result<_, _>>()?,
        participants: people.into_iter().map(participant).collect::<Result<_, _>>()?,
        clients: clients.into_iter().map(client).collect::<Result<_, _>>()?,
        keys: keys.into_iter().map(key).collect::<Result<_, _>>()?,
        requests: requests.into_iter().map(request).collect::<Result<_, _>>()?,
        grants: grants.into_iter().map(grant).collect::<Result<_, _>>()?,
    })
}

fn migrate_from(schema: i64) -> Vec<Statement> {
    let done = usize::try_from(schema).unwrap_or(usize::MAX);
    MIGRATIONS.iter().skip(done).flat_map(|step| step.iter().map(|sql| (*sql, Vec::new()))).collect()
}

fn field(row: &[Value]) -> Result<(String, Field), StoreError> {
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

fn participant(row: &[Value]) -> Result<(String, Participant), StoreError> {
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

fn client(row: &[Value]) -> Result<(String, Client), StoreError> {
    let mut columns = Columns::of("client", row);
    let id = columns.text()?;
    let client = Client {
        user_id: columns.text_or_null()?,
        last_seq: columns.version_or_null()?,
        seen: columns.integer()?,
        outcomes: columns.outcomes()?,
    };
    Ok((id, client))
}

fn key(row: &[Value]) -> Result<((String, String), KeyedWrite), StoreError> {
    let mut columns = Columns::of("idempotency_key", row);
    let of = (columns.text()?, columns.text()?);
    Ok((of, KeyedWrite { at: columns.integer()?, outcome: columns.parsed()? }))
}

fn request(row: &[Value]) -> Result<(RequestKey, Request), StoreError> {
    let mut columns = Columns::of("permission_request", row);
    let key = RequestKey { user_id: columns.text()?, request_id: columns.text()? };
    let asked = Asked {
        action: columns.text()?,
        detail: columns.json_or_null()?,
        created_at: columns.integer()?,
        expires_at: columns.integer()?,
    };
    let version = columns.version()?;
    let request = match columns.integer_or_null()? {
        None => Request::Pending(Pending { asked, version }),
        Some(at) => Request::Settled(Settled { asked, version, at, settlement: columns.parsed()? }),
    };
    Ok((key, request))
}

fn grant(row: &[Value]) -> Result<(GrantKey, Grant), StoreError> {
    let mut columns = Columns::of("permission", row);
    let key = GrantKey { user_id: columns.text()?, action: columns.text()? };
    let grant = Grant {
        request_id: columns.text()?,
        granted_by: columns.text()?,
        granted_at: columns.integer()?,
        version: columns.version()?,
        ended_at: columns.integer_or_null()?,
    };
    Ok((key, grant))
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
    fn of(table: &'static str, row: &'a [Value]) -> Self {
        Self { table, rest: row.iter() }
    }

    fn corrupt(&self) -> StoreError {
        StoreError::CorruptRow { table: self.table }
    }

    fn next(&mut self) -> Result<&'a Value, StoreError> {
        self.rest.next().ok_or_else(|| self.corrupt())
    }

    fn integer(&mut self) -> Result<i64, StoreError> {
        self.integer_or_null()?.ok_or_else(|| self.corrupt())
    }

    fn integer_or_null(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Integer(integer) => Ok(Some(*integer)),
            Value::Text(_) => Err(self.corrupt()),
        }
    }

    fn version(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.integer()?).ok().ok_or_else(|| self.corrupt())
    }

    fn version_or_null(&mut self) -> Result<Option<u64>, StoreError> {
        let version = self.integer_or_null()?.map(u64::try_from).transpose();
        version.ok().ok_or_else(|| self.corrupt())
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

    fn outcomes(&mut self) -> Result<Outcomes, StoreError> {
        Outcomes::parse(&self.text()?).ok_or_else(|| self.corrupt())
    }

    fn extra(&mut self) -> Result<Extra, StoreError> {
        let text = self.text()?;
        let object = crate::protocol::json::object(&text).ok().ok_or_else(|| self.corrupt())?;
        Ok(object.members.iter().map(|(key, raw)| (key.to_owned(), Json::from(raw))).collect())
    }
}
