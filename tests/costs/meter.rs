//! A platform that counts what it is asked to do. Its storage is real SQLite; its sockets keep nothing but their
//! attachments and what one of them hears.

use std::collections::BTreeMap;

use roomkeep::driver::Platform;
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::refusal::CloseCode;
use roomkeep::room::audience::{Audience, Standing};
use roomkeep::room::connections::session::Attachment;
use roomkeep::room::records::Stored;
use roomkeep::room::turn::{Effect, Write};
use roomkeep::sql::{Row, Sql, Statement, StoreError, Value};
use roomkeep::store;
use rusqlite::types::ValueRef;

use crate::heap;

/// What the platform was asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames that left, one for each socket.
    pub frames: u64,
    /// Texts that were made for several sockets.
    pub broadcasts: u64,
    /// Bytes that left, for all sockets.
    pub bytes: u64,
    /// Rows that were written or deleted.
    pub rows: u64,
    /// Statements that were run to write them.
    pub statements: u64,
    /// Transactions.
    pub commits: u64,
    /// Attachments that were written.
    pub attachments: u64,
    /// Alarms that were set.
    pub alarms: u64,
    /// Flush timers that were set.
    pub timers: u64,
}

/// The other end of a connection.
#[derive(Default)]
struct Socket {
    /// As the runtime has it: text.
    attachment: Option<String>,
    standing: Option<Standing>,
}

/// The platform.
pub struct Meter {
    db: rusqlite::Connection,
    sockets: BTreeMap<ConnectionId, Socket>,
    pub alarm: Option<Millis>,
    pub timer: Option<Millis>,
    /// Frames that are held until the timer rings.
    pub held: Vec<(ConnectionId, String)>,
    pub tally: Tally,
    /// Whose frames are kept.
    pub watched: Option<ConnectionId>,
    pub heard: Vec<String>,
}

impl Meter {
    pub fn new() -> Self {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let (sockets, held, heard) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { db, sockets, alarm: None, timer: None, held, tally: Tally::default(), watched: None, heard }
    }

    /// A socket opens.
    pub fn open(&mut self, connection: ConnectionId) {
        self.sockets.insert(connection, Socket::default());
    }

    /// A socket is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
    }

    fn send_to(&mut self, audience: Audience, text: &str) {
        let is_meant = |connection: ConnectionId, socket: &Socket| {
            // One that has no attachment yet is not let in yet.
            audience.includes(connection, socket.standing.unwrap_or(Standing::Unauthenticated))
        };
        let meant = self.sockets.iter().filter(|(connection, socket)| is_meant(**connection, socket));
        let meant = meant.map(|(connection, _)| *connection).collect::<Vec<_>>();
        self.tally.broadcasts += u64::from(!matches!(audience, Audience::One(_)));
        self.tally.frames += meant.len() as u64;
        self.tally.bytes += (meant.len() * text.len()) as u64;
        if self.watched.is_some_and(|watched| meant.contains(&watched)) {
            self.heard.push(text.to_owned());
        }
    }
}

/// SQLite, which is no part of the room.
struct Outside<'a> {
    db: &'a rusqlite::Connection,
    statements: u64,
}

impl Sql for Outside<'_> {
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        self.statements += 1;
        let rows = heap::outside(|| run(self.db, statement))?;
        // In the runtime rows are made in the room's memory.
        let taken_over = rows.clone();
        heap::outside(|| drop(rows));
        Ok(taken_over)
    }
}

fn run(db: &rusqlite::Connection, (query, parameters): &Statement) -> Result<Vec<Row>, StoreError> {
    let sql = |error: rusqlite::Error| StoreError::Sql(error.to_string());
    let mut statement = db.prepare_cached(query).map_err(sql)?;
    let columns = statement.column_count();
    let parameters = parameters.iter().map(|value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(integer) => rusqlite::types::Value::Integer(*integer),
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
    });
    let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(sql)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        let values = (0..columns).map(|at| match row.get_ref(at).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Real(_) | ValueRef::Blob(_) => panic!("the room stores neither"),
        });
        found.push(values.collect());
    }
    Ok(found)
}

impl Platform for Meter {
    fn load(&mut self) -> Result<Option<Stored>, StoreError> {
        let mut sql = Outside { db: &self.db, statements: 0 };
        store::read(&mut sql).map_or_else(|| store::load(&mut sql), |stored| Ok(Some(stored)))
    }

    fn commit(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        heap::outside(|| self.db.execute_batch("BEGIN").unwrap());
        let rows = writes.iter().filter(|write| **write != Write::Create).count() as u64;
        let mut sql = Outside { db: &self.db, statements: 0 };
        let outcome = store::write(&mut sql, &store::statements(writes));
        let statements = sql.statements;
        heap::outside(|| {
            self.db.execute_batch("COMMIT").unwrap();
            self.tally.commits += 1;
            self.tally.statements += statements;
            self.tally.rows += rows;
        });
        outcome
    }

    fn erase(&mut self) {
        heap::outside(|| self.db = rusqlite::Connection::open_in_memory().unwrap());
        self.alarm = None;
    }

    fn attachments(&mut self) -> Vec<Attachment> {
        let texts = self.sockets.values().filter_map(|socket| socket.attachment.as_deref());
        texts.map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    fn attachment(&mut self, connection: ConnectionId) -> Option<Attachment> {
        let text = self.sockets.get(&connection)?.attachment.as_deref()?;
        Some(serde_json::from_str(text).unwrap())
    }

    fn pings(&self) -> Vec<(ConnectionId, Millis)> {
        Vec::new()
    }

    fn ping(&self, _: ConnectionId) -> Option<Millis> {
        None
    }

    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment) {
        heap::outside(|| {
            self.tally.attachments += 1;
            let Some(socket) = self.sockets.get_mut(&connection) else { return };
            socket.standing = Some(Standing::of(attachment));
            socket.attachment = Some(serde_json::to_string(attachment).unwrap());
        });
    }

    fn send(&mut self, audience: Audience, text: &str) {
        heap::outside(|| self.send_to(audience, text));
    }

    fn start(&mut self, effect: Effect) {
        panic!("nobody has a token here: {effect:?}");
    }

    fn close(&mut self, connection: ConnectionId, _: CloseCode) {
        heap::outside(|| self.forget(connection));
    }

    fn set_alarm(&mut self, at: Millis) {
        self.alarm = Some(at);
        self.tally.alarms += 1;
    }

    fn set_flush_timer(&mut self, at: Option<Millis>) {
        self.timer = at;
        self.tally.timers += u64::from(at.is_some());
    }

    fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    fn take_held(&mut self) -> Vec<(ConnectionId, String)> {
        std::mem::take(&mut self.held)
    }

    fn new_epoch(&mut self) -> String {
        "epoch".to_owned()
    }

    fn log(&mut self, message: &str) {
        panic!("nothing goes wrong here: {message}");
    }
}
