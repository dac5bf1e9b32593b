//! A world for a room to run in: real SQLite in memory, sockets that are lists of frames, a clock that the test
//! moves. It can fail, sleep and crash.

use std::collections::BTreeMap;

use roomkeep::access::claims::Denial;
use roomkeep::access::pass::{Admission, Credentials, Pass};
use roomkeep::access::rates::{Caller, RateKey};
use roomkeep::access::shares::Entry;
use roomkeep::driver::{Driver, Platform};
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::refusal::{CloseCode, Refusal};
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{HttpWrite, RoomWrite, Verb, WriteHeaders};
use roomkeep::room::audience::{Audience, Standing};
use roomkeep::room::connections::session::Attachment;
use roomkeep::room::records::Stored;
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use roomkeep::room::turn::{Completion, Effect, Write};
use roomkeep::sql::{Row, Sql, Statement, StoreError, Value};
use roomkeep::store;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;

use crate::say;

pub const DAY: Millis = 86_400_000;

/// The defaults of the protocol, for people who type fast.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.limits.messages_per_second = 1_000_000;
    settings.limits.messages_burst = 1_000_000;
    settings.limits.writes_per_second = 1_000_000;
    settings.limits.writes_burst = 1_000_000;
    settings
}

/// An empty database with the limits that the platform sets, as far as statements of ours could meet them.
pub fn database() -> rusqlite::Connection {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    ] {
        db.set_limit(limit, most).unwrap();
    }
    db
}

/// SQLite as the store sees it.
pub struct Sqlite<'a>(pub &'a rusqlite::Connection);

impl Sql for Sqlite<'_> {
    fn run(&mut self, (query, parameters): &Statement) -> Result<Vec<Row>, StoreError> {
        let sql = |error: rusqlite::Error| StoreError::Sql(error.to_string());
        let mut statement = self.0.prepare_cached(query).map_err(sql)?;
        let columns = statement.column_count();
        let parameters = parameters.iter().map(to_sqlite);
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(sql)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(sql)? {
            found.push((0..columns).map(|at| from_sqlite(row.get_ref(at).unwrap())).collect::<Result<_, _>>()?);
        }
        Ok(found)
    }
}

fn to_sqlite(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(integer) => rusqlite::types::Value::Integer(*integer),
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
    }
}

fn from_sqlite(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(integer) => Ok(Value::Integer(integer)),
        ValueRef::Text(text) => Ok(Value::Text(String::from_utf8(text.to_vec()).unwrap())),
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(StoreError::Sql("neither text nor an integer".to_owned())),
    }
}

/// SQLite with the nth statement failing.
struct Failing<'a> {
    sqlite: Sqlite<'a>,
    fail_at: &'a mut Option<usize>,
}

impl Failing<'_> {
    fn step(&mut self) -> Result<(), StoreError> {
        match self.fail_at {
            Some(0) => {
                *self.fail_at = None;
                Err(StoreError::Sql("the test's disk is full".to_owned()))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Sql for Failing<'_> {
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        self.step()?;
        self.sqlite.run(statement)
    }
}

/// A client's end of a connection, and what the runtime keeps with it.
#[derive(Debug, Default)]
pub struct Socket {
    /// All frames that it got.
    pub received: Vec<String>,
    /// How many of them were looked at.
    read: usize,
    pub attachment: Option<Attachment>,
    pub pinged: Option<Millis>,
}

impl Socket {
    /// Lets go of the frames, which have been looked at.
    pub fn clear(&mut self) {
        self.received.clear();
        self.read = 0;
    }
}

/// What the room's platform is to it.
pub struct World {
    pub db: rusqlite::Connection,
    /// The open sockets.
    pub sockets: BTreeMap<ConnectionId, Socket>,
    /// Those that the room closed, and with which code.
    pub closed: BTreeMap<ConnectionId, (CloseCode, Socket)>,
    pub alarm: Option<Millis>,
    /// How often the alarm was set.
    pub alarms: usize,
    pub timer: Option<Millis>,
    /// How many statements of commits still succeed before one fails; the `COMMIT` counts as one.
    pub fail_at: Option<usize>,
    /// How many statements of a load still succeed before one fails.
    pub fail_load_at: Option<usize>,
    /// How many commits failed.
    pub failures: usize,
    /// All that was committed.
    pub commits: Vec<Vec<Write>>,
    pub log: Vec<String>,
    /// Frames that are held until the flush timer rings.
    pub held: Vec<(ConnectionId, String)>,
    /// Tokens that are being checked.
    pub tokens: Vec<(ConnectionId, String)>,
    epochs: usize,
    /// Whether this waking of the room has listed its sockets; before that it cannot tell when they pinged.
    is_listed: bool,
}

impl World {
    pub fn new() -> Self {
        Self {
            db: database(),
            sockets: BTreeMap::new(),
            closed: BTreeMap::new(),
            alarm: None,
            alarms: 0,
            timer: None,
            fail_at: None,
            fail_load_at: None,
            failures: 0,
            commits: Vec::new(),
            log: Vec::new(),
            held: Vec::new(),
            tokens: Vec::new(),
            epochs: 0,
            is_listed: false,
        }
    }

    /// Who of those that are connected is meant.
    pub fn reached(&self, audience: Audience) -> Vec<ConnectionId> {
        let meant = self.sockets.iter().filter(|(connection, socket)| {
            // One that has no attachment yet is not let in yet.
            let standing = socket.attachment.as_ref().map_or(Standing::Unauthenticated, Standing::of);
            audience.includes(**connection, standing)
        });
        meant.map(|(connection, _)| *connection).collect()
    }

    /// The runtime lets go of the room's memory.
    pub fn lose_memory(&mut self) {
        self.timer = None;
        self.is_listed = false;
    }

    /// All rows of all tables, as text.
    pub fn dump(&self) -> Vec<String> {
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let mut dump = Vec::new();
        for table in Sqlite(&self.db).run(&(names, Vec::new())).unwrap() {
            let Value::Text(table) = &table[0] else { panic!("a table without a name") };
            let mut statement = self.db.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values = (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap()));
                dump.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
            }
        }
        dump
    }
}

impl Platform for World {
    fn load(&mut self) -> Result<Option<Stored>, StoreError> {
        self.db.execute_batch("BEGIN").unwrap();
        let outcome = store::load(&mut Failing { sqlite: Sqlite(&self.db), fail_at: &mut self.fail_load_at });
        self.db.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        // The quick way, which the shell tries first, finds the same or nothing.
        if let Ok(stored) = &outcome {
            assert_eq!(&store::read(&mut Sqlite(&self.db)), stored);
        }
        outcome
    }

    fn commit(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.db.execute_batch("BEGIN").unwrap();
        let mut sql = Failing { sqlite: Sqlite(&self.db), fail_at: &mut self.fail_at };
        let outcome = store::write(&mut sql, &store::statements(writes.clone())).and_then(|()| sql.step());
        self.db.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        match &outcome {
            Ok(()) => self.commits.push(writes),
            Err(_) => self.failures += 1,
        }
        outcome
    }

    fn erase(&mut self) {
        self.db = database();
        self.alarm = None;
    }

    fn attachments(&mut self) -> Vec<Attachment> {
        self.is_listed = true;
        self.sockets.values().filter_map(|socket| socket.attachment.clone()).collect()
    }

    fn attachment(&mut self, connection: ConnectionId) -> Option<Attachment> {
        self.sockets.get(&connection)?.attachment.clone()
    }

    fn pings(&self) -> Vec<(ConnectionId, Millis)> {
        assert!(self.is_listed, "the platform knows no sockets before it has listed them");
        self.sockets.iter().filter_map(|(connection, socket)| Some((*connection, socket.pinged?))).collect()
    }

    fn ping(&self, connection: ConnectionId) -> Option<Millis> {
        assert!(self.is_listed, "the platform knows no sockets before it has listed them");
        self.sockets.get(&connection)?.pinged
    }

    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            // By way of text, as in the runtime.
            let text = serde_json::to_string(attachment).unwrap();
            socket.attachment = Some(serde_json::from_str(&text).unwrap());
        }
    }

    fn send(&mut self, audience: Audience, text: &str) {
        for connection in self.reached(audience) {
            self.sockets.get_mut(&connection).unwrap().received.push(text.to_owned());
        }
    }

    fn start(&mut self, effect: Effect) {
        let Effect::VerifyToken { connection, token } = effect;
        self.tokens.push((connection, token));
    }

    fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if let Some(socket) = self.sockets.remove(&connection) {
            self.closed.insert(connection, (code, socket));
        }
    }

    fn set_alarm(&mut self, at: Millis) {
        self.alarms += 1;
        self.alarm = Some(at);
    }

    fn set_flush_timer(&mut self, at: Option<Millis>) {
        self.timer = at;
    }

    fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    fn take_held(&mut self) -> Vec<(ConnectionId, String)> {
        assert!(self.is_listed, "whose the frames are is not known");
        std::mem::take(&mut self.held)
    }

    fn new_epoch(&mut self) -> String {
        self.epochs += 1;
        format!("epoch{}", self.epochs)
    }

    fn log(&mut self, message: &str) {
        self.log.push(message.to_owned());
    }
}

/// A room in its world.
pub struct Site {
    pub world: World,
    pub driver: Driver,
    pub now: Millis,
    settings: Settings,
}

impl Site {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        Self { world: World::new(), driver: Driver::new(settings.clone()), now: 1_000, settings }
    }

    /// Lets time pass. Timers and alarms ring on their way.
    pub fn pass(&mut self, time: Millis) {
        let end = self.now + time;
        loop {
            let timer = self.world.timer.filter(|at| *at <= end);
            let alarm = self.world.alarm.filter(|at| *at <= end);
            let Some(next) = timer.into_iter().chain(alarm).min() else { break };
            self.now = self.now.max(next);
            if timer == Some(next) {
                self.world.timer = None;
                self.driver.flush(&mut self.world, self.now);
            } else {
                self.world.alarm = None;
                self.driver.alarm(&mut self.world, self.now);
            }
        }
        self.now = end;
    }

    /// The runtime comes round to timers that are due.
    pub fn come_round(&mut self) {
        while self.world.timer.is_some_and(|at| at <= self.now) {
            self.world.timer = None;
            self.driver.flush(&mut self.world, self.now);
        }
    }

    /// Opens a connection unless the room refuses it.
    pub fn connect(&mut self, name: &str) {
        // Whom it refuses has no socket.
        let _ = self.enter(name, Admission::Anonymous);
    }

    /// Opens a connection in some way.
    pub fn enter(&mut self, name: &str, entry: impl Into<Entry>) -> Result<(), Refusal> {
        self.come_round();
        let entry = entry.into();
        let connection = say::connection(name);
        self.driver.admit(&mut self.world, &entry, self.now)?;
        self.world.sockets.insert(connection, Socket::default());
        let alarm = self.world.alarm;
        self.driver.connect(&mut self.world, connection, entry, alarm, self.now);
        Ok(())
    }

    /// The check of the token that this connection sent last comes to an end.
    pub fn verified(&mut self, name: &str, outcome: Result<(String, Pass), Denial>) {
        self.come_round();
        let connection = say::connection(name);
        self.world.tokens.retain(|(of, _)| *of != connection);
        let completion = Completion::TokenVerified { connection, outcome };
        self.driver.complete(&mut self.world, completion, self.now);
    }

    pub fn say(&mut self, name: &str, text: &str) {
        self.come_round();
        self.say_at_once(name, text);
    }

    /// Says something that waits for the flush timer.
    pub fn say_and_wait(&mut self, name: &str, text: &str) {
        self.world.held.push((say::connection(name), text.to_owned()));
    }

    /// Says something in the same moment as what came before.
    pub fn say_at_once(&mut self, name: &str, text: &str) {
        self.driver.drain_inbox(&mut self.world, self.now);
        self.driver.receive(&mut self.world, say::connection(name), Some(text), self.now);
    }

    /// Writes a field over HTTP. `body` is JSON.
    pub fn write(&mut self, verb: Verb, field: &str, body: &str, key: Option<&str>) -> Result<Written, Refusal> {
        self.write_with(verb, field, body, WriteHeaders { key, ..WriteHeaders::default() })
    }

    /// Writes a field over HTTP with these headers. `body` is JSON.
    pub fn write_with(
        &mut self,
        verb: Verb,
        field: &str,
        body: &str,
        headers: WriteHeaders<'_>,
    ) -> Result<Written, Refusal> {
        self.write_as(None, verb, field, body, headers)
    }

    /// Does something over HTTP, as the user of a token with a role.
    pub fn write_as(
        &mut self,
        bearer: Option<(&str, Role)>,
        verb: Verb,
        target: &str,
        body: &str,
        headers: WriteHeaders<'_>,
    ) -> Result<Written, Refusal> {
        self.come_round();
        let query = BTreeMap::new();
        let is_declared = self.settings.kind.declared.is_some();
        let (user, role) = bearer.map_or((None, Role::Moderator), |(user, role)| (Some(user), role));
        let request = HttpWrite { verb, target, user, role, claims: &[], is_declared, body, query: &query, headers };
        let request = RoomWrite::read(&request, &self.settings.limits)?;
        // Every author comes from elsewhere.
        let author = request.author.clone();
        let key = author.map_or_else(|| RateKey::Network("203.0.113.1".to_owned()), RateKey::User);
        self.driver.write(&mut self.world, &Caller { key, role }, request, self.now)
    }

    /// The runtime answers a ping without the room.
    pub fn ping(&mut self, name: &str) {
        if let Some(socket) = self.world.sockets.get_mut(&say::connection(name)) {
            socket.pinged = Some(self.now);
        }
    }

    /// A page is closed.
    pub fn leave(&mut self, name: &str) {
        self.go(name, true);
    }

    /// A page is closed in the same moment as what came before.
    pub fn leave_at_once(&mut self, name: &str) {
        self.end(name, true);
    }

    /// A connection breaks off without a word.
    pub fn break_off(&mut self, name: &str) {
        self.go(name, false);
    }

    fn go(&mut self, name: &str, said_goodbye: bool) {
        self.come_round();
        self.end(name, said_goodbye);
    }

    fn end(&mut self, name: &str, said_goodbye: bool) {
        let connection = say::connection(name);
        self.driver.disconnect(&mut self.world, connection, said_goodbye, self.now);
        self.world.sockets.remove(&connection);
    }

    /// The runtime lets go of the room's memory, as it does with any room that is quiet and has no timer.
    pub fn sleep(&mut self) {
        self.come_round();
        assert_eq!(self.world.timer, None, "a room with a timer does not sleep");
        self.lose_memory();
    }

    /// The runtime dies, and all connections with it.
    pub fn crash(&mut self) {
        self.world.sockets.clear();
        self.lose_memory();
    }

    /// The room's memory is gone, as after a panic, and its connections are not.
    pub fn lose_memory(&mut self) {
        self.world.lose_memory();
        self.driver = Driver::new(self.settings.clone());
    }

    /// The operator deploys other settings, and the room wakes with them.
    pub fn change_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.lose_memory();
    }

    /// From here on a connection is here by a token with this role.
    pub fn give_pass(&mut self, name: &str, role: Role) {
        self.sleep();
        let attachment =
            self.world.sockets.get_mut(&say::connection(name)).and_then(|socket| socket.attachment.as_mut());
        let pass = Pass {
            role,
            name: None,
            token_id: Some(name.to_owned()),
            claims: Vec::new(),
            expires: self.now + 365 * DAY,
            is_stream: false,
        };
        attachment.unwrap().access = Credentials::Pass(pass);
    }

    /// The frames that a connection got since the last look.
    pub fn take(&mut self, name: &str) -> Vec<String> {
        let connection = say::connection(name);
        let open = self.world.sockets.get_mut(&connection);
        let socket = open.or_else(|| self.world.closed.get_mut(&connection).map(|(_, socket)| socket));
        let socket = socket.expect("no such connection");
        let new = socket.received[socket.read..].to_vec();
        socket.read = socket.received.len();
        new
    }

    /// The one frame that a connection got for saying this.
    pub fn ask(&mut self, name: &str, text: &str) -> String {
        self.take(name);
        self.say(name, text);
        let answers = self.take(name);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.into_iter().next().unwrap()
    }

    /// The room's whole state as this connection is told it.
    pub fn sync(&mut self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.ask(name, &say::sync())).unwrap()
    }
}
