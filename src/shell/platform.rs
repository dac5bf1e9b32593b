//! Workerd as the runner's [`Platform`], through bindings of our own where the `worker` crate has none, or has one
//! that panics where JavaScript throws.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Weak;

use js_sys::{Array, Date, JSON, JsString, Promise};
use wasm_bindgen::prelude::*;

use crate::driver::Platform;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::json::encode;
use crate::protocol::limits::UNSENT_BYTES;
use crate::protocol::refusal::CloseCode;
use crate::room::audience::Audience;
use crate::room::connections::session::Attachment;
use crate::room::records::Stored;
use crate::room::turn::Write;
use crate::sql::{Row, Sql, Statement, StoreError};
use crate::store;

use super::object::Inner;

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectState`.
    pub type JsState;
    #[wasm_bindgen(method, getter)]
    fn storage(this: &JsState) -> JsStorage;
    #[wasm_bindgen(method, catch, js_name = acceptWebSocket)]
    fn accept_web_socket(this: &JsState, socket: &JsSocket) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = getWebSockets)]
    fn get_web_sockets(this: &JsState) -> Result<Vec<JsSocket>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getWebSocketAutoResponseTimestamp)]
    fn auto_response_timestamp(this: &JsState, socket: &JsSocket) -> Result<Option<Date>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setHibernatableWebSocketEventTimeout)]
    fn set_event_timeout(this: &JsState, milliseconds: f64) -> Result<(), JsValue>;

    /// `DurableObjectStorage`.
    #[derive(Clone)]
    type JsStorage;
    #[wasm_bindgen(method, getter)]
    fn sql(this: &JsStorage) -> JsSql;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &JsStorage,
        run: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getAlarm)]
    fn get_alarm(this: &JsStorage) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &JsStorage, at: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn delete_all(this: &JsStorage) -> Result<Promise, JsValue>;

    /// `SqlStorage`.
    #[derive(Clone)]
    type JsSql;
    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &JsSql, query: &str, parameters: &Array) -> Result<JsCursor, JsValue>;

    /// `SqlStorageCursor`.
    type JsCursor;
    #[wasm_bindgen(method, catch)]
    fn raw(this: &JsCursor) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = Array, js_name = from)]
    fn array_from(iterable: &JsValue) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(run: &JsValue, milliseconds: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);

    /// An array of frames that wait for the flush timer, each behind its socket's handle and a space. `entry.mjs` adds to
    /// it while `waits` is set, and whatever happens to the room next takes them out first.
    #[derive(Clone)]
    #[wasm_bindgen(extends = Array)]
    pub type JsQueue;
    #[wasm_bindgen(method, setter)]
    fn set_waits(this: &JsQueue, waits: bool);

    /// A WebSocket. `send` takes a JavaScript string, so that a broadcast makes one for all.
    #[derive(Clone)]
    pub type JsSocket;
    #[wasm_bindgen(method, catch)]
    fn send(this: &JsSocket, text: &JsString) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &JsSocket, code: Option<u16>, reason: Option<&str>) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    fn serialize_attachment(this: &JsSocket, value: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    fn deserialize_attachment(this: &JsSocket) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    fn buffered_amount(this: &JsSocket) -> Option<f64>;
    /// A property of our own: the connection's [`ConnectionId::handle`], on a socket that the room has seen since it
    /// woke. To read it costs a tenth of reading the attachment.
    #[wasm_bindgen(method, getter, js_name = roomkeepHandle)]
    fn handle(this: &JsSocket) -> Option<f64>;
    #[wasm_bindgen(method, setter, js_name = roomkeepHandle)]
    fn set_handle(this: &JsSocket, handle: f64);
}

/// How long workerd waits for a handler of a socket's event before it lets the room sleep all the same. A handler takes
/// milliseconds; one that is stuck for this long has lost its WebAssembly instance to a panic.
const EVENT_TIMEOUT_MS: f64 = 10_000.0;

/// What no JSON holds. A frame that holds it all the same does not wait.
const QUEUE_SEPARATOR: &str = "\0";

const YEAR: Millis = 365 * 86_400_000;

/// The other end of a connection.
struct Peer {
    socket: JsSocket,
    standing: Standing,
}

/// What a connection gets to see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing: its token is still to come (A9).
    Waiting,
    /// Each change by itself.
    Plain,
    /// What those who have said `hello` see.
    Greeted,
}

impl Standing {
    fn of(attachment: &Attachment) -> Self {
        match (attachment.is_waiting, &attachment.client) {
            (true, _) => Self::Waiting,
            (false, None) => Self::Plain,
            (false, Some(_)) => Self::Greeted,
        }
    }
}

/// What a Durable Object keeps.
pub struct Storage {
    storage: JsStorage,
    sql: JsSql,
}

/// A room's Durable Object: its storage, sockets and timer.
pub struct Workerd {
    state: JsState,
    storage: Storage,
    sockets: BTreeMap<ConnectionId, Peer>,
    /// Has the object flush. One for all its timers, since to make it costs more than to set one.
    flush: Closure<dyn FnMut()>,
    flush_timer: Option<JsValue>,
    queue: JsQueue,
    /// Promises of the storage, for the event to wait on when the room has done its part.
    pub promises: Vec<Promise>,
    /// Connections that were closed for reading too slowly, and that the room must be told of.
    pub overdue: Vec<ConnectionId>,
    /// Tokens that are to be checked when the room has done its part.
    pub tokens: Vec<(ConnectionId, String)>,
    /// What the tests have told the next commit to do.
    #[cfg(feature = "faults")]
    pub fail_commit: bool,
}

impl Workerd {
    /// Takes over an object's state. `object` is whom the flush timer calls.
    pub fn new(state: JsState, object: Weak<RefCell<Inner>>) -> Self {
        if let Err(error) = state.set_event_timeout(EVENT_TIMEOUT_MS) {
            worker::console_error!("no event timeout: {error:?}");
        }
        Self {
            storage: Storage::of(&state),
            state,
            sockets: BTreeMap::new(),
            flush: Closure::new(move || {
                if let Some(inner) = object.upgrade() {
                    inner.borrow_mut().flush();
                }
            }),
            flush_timer: None,
            queue: Array::new().unchecked_into(),
            promises: Vec::new(),
            overdue: Vec::new(),
            tokens: Vec::new(),
            #[cfg(feature = "faults")]
            fail_commit: false,
        }
    }

    /// The timer that was set has rung.
    pub fn timer_rang(&mut self) {
        self.flush_timer = None;
        self.queue.set_waits(false);
    }

    /// Where frames wait for the flush timer.
    pub fn queue(&self) -> &JsQueue {
        &self.queue
    }

    fn with_handle(&self, handle: u64) -> Option<ConnectionId> {
        let (connection, _) = self.sockets.range(ConnectionId::first_with(handle)..).next()?;
        (connection.handle() == handle).then_some(*connection)
    }

    /// What the room keeps.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Takes a new socket on, such that it outlives the room's sleep.
    pub fn accept(&mut self, connection: ConnectionId, socket: JsSocket) -> Result<(), JsValue> {
        self.state.accept_web_socket(&socket)?;
        // Until the room has let it in it sees nothing.
        self.keep(connection, socket, Standing::Waiting);
        Ok(())
    }

    /// The connection of the socket that an event came from, or `None` when the room has closed it. It can be answered
    /// from then on, although the room may not wake.
    pub fn recognise(&mut self, socket: &JsSocket) -> Option<ConnectionId> {
        let known = socket.handle().and_then(|handle| self.with_handle(handle as u64));
        known.or_else(|| {
            let attachment = attachment_of(socket)?;
            self.keep(attachment.connection, socket.clone(), Standing::of(&attachment));
            Some(attachment.connection)
        })
    }

    fn keep(&mut self, connection: ConnectionId, socket: JsSocket, standing: Standing) {
        // Below 2^53, where a JavaScript number is exact.
        socket.set_handle(connection.handle() as f64);
        self.sockets.insert(connection, Peer { socket, standing });
    }

    /// Lets go of a socket that is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
    }

    fn send_to(&mut self, connection: ConnectionId, text: &JsString) {
        let Some(Peer { socket, .. }) = self.sockets.get(&connection) else { return };
        if socket.buffered_amount().is_some_and(|bytes| bytes > f64::from(UNSENT_BYTES)) {
            self.overdue.push(connection);
            self.close(connection, CloseCode::SlowReader);
        } else {
            // A socket that breaks in this moment takes nothing any more; its close event follows.
            let _ = socket.send(text);
        }
    }
}

impl Storage {
    /// What an object of this state keeps.
    pub fn of(state: &JsState) -> Self {
        let storage = state.storage();
        Self { sql: storage.sql(), storage }
    }

    /// A promise of whether an alarm is set: its time or null.
    ///
    /// # Errors
    /// Storage cannot be read.
    pub fn get_alarm(&self) -> Result<Promise, JsValue> {
        self.storage.get_alarm()
    }

    /// Wakes the object at this time, instead of the time set before, or in a year if that comes first: the runtime
    /// takes no time after 2189. Whoever is woken too early sets the next alarm.
    ///
    /// # Errors
    /// Storage does not take it.
    pub fn set_alarm(&self, at: Millis) -> Result<Promise, JsValue> {
        self.storage.set_alarm(at.min(now() + YEAR) as f64)
    }

    /// Deletes all, the alarm included.
    ///
    /// # Errors
    /// Storage does not take it.
    pub fn delete_all(&self) -> Result<Promise, JsValue> {
        self.storage.delete_all()
    }

    fn exec(&self, (query, parameters): &Statement) -> Result<JsCursor, JsValue> {
        self.sql.exec(query, JSON::parse(&encode(parameters))?.unchecked_ref())
    }

    /// Does all of this or nothing.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn transaction<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let storage = self.storage.clone();
        let (mut act, mut outcome) = (Some(act), None);
        let transaction = storage.transaction_sync(&mut || {
            outcome = act.take().map(|act| act(self));
            // Throwing is how a transaction is rolled back.
            if matches!(outcome, Some(Ok(_))) { Ok(JsValue::UNDEFINED) } else { Err(JsValue::from_str("rolled back")) }
        });
        match outcome {
            Some(Ok(done)) => transaction.map(|_| done).map_err(|error| sql_error(&error)),
            Some(Err(error)) => Err(error),
            None => Err(StoreError::Sql("the transaction did not begin".to_owned())),
        }
    }
}

#[cfg(feature = "faults")]
impl JsSocket {
    /// Answers a test.
    pub fn say(&self, text: &str) {
        let _ = self.send(&JsString::from(text));
    }
}

/// What a socket remembers, or `None` when the room has closed it.
fn attachment_of(socket: &JsSocket) -> Option<Attachment> {
    let text = socket.deserialize_attachment().ok()?.as_string()?;
    serde_json::from_str(&text).ok()
}

/// Answers a client's close with its own code (U9).
pub fn answer_close(socket: &JsSocket, code: u16) {
    // 1005, 1006 and 1015 mean that there was no code, and may not be sent.
    let sendable = !matches!(code, 1005 | 1006 | 1015);
    if !sendable || socket.close(Some(code), Some("")).is_err() {
        // A socket that is closed already needs no answer.
        let _ = socket.close(None, None);
    }
}

/// What goes to storage and comes from it passes as one text: to take each value over by itself, text by text, costs
/// several times what SQLite does with it.
impl Sql for Storage {
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let rows = self.exec(statement).and_then(|cursor| cursor.raw()).and_then(|rows| array_from(&rows));
        let rows = rows.and_then(|rows| JSON::stringify(&rows)).map_err(|error| sql_error(&error))?;
        serde_json::from_str(&String::from(rows))
            .map_err(|error| StoreError::Sql(format!("rows are not read: {error}")))
    }

    fn execute(&mut self, statement: &Statement) -> Result<(), StoreError> {
        self.exec(statement).map(drop).map_err(|error| sql_error(&error))
    }
}

fn sql_error(error: &JsValue) -> StoreError {
    StoreError::Sql(format!("{error:?}"))
}

impl Platform for Workerd {
    fn load(&mut self) -> Result<Option<Stored>, StoreError> {
        match store::read(&mut self.storage) {
            Some(stored) => Ok(Some(stored)),
            // A migration happens as a whole or not at all.
            None => self.storage.transaction(store::load),
        }
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        #[cfg_attr(not(feature = "faults"), expect(unused_mut, reason = "only tests add to it"))]
        let mut statements = store::statements(writes);
        #[cfg(feature = "faults")]
        if std::mem::take(&mut self.fail_commit) {
            statements.push(("INSERT INTO no_such_table VALUES (1)", Vec::new()));
        }
        match statements.as_slice() {
            // By itself a statement is done as a whole or not at all. A transaction around it costs as much again.
            [statement] => self.storage.execute(statement),
            statements => self.storage.transaction(|storage| store::write(storage, statements)),
        }
    }

    fn erase(&mut self) {
        match self.storage.delete_all() {
            Ok(promise) => self.promises.push(promise),
            Err(error) => worker::console_error!("storage was not deleted: {error:?}"),
        }
    }

    fn attachments(&mut self) -> Vec<Attachment> {
        let sockets = self.state.get_web_sockets().unwrap_or_default();
        let known = sockets.into_iter().filter_map(|socket| Some((attachment_of(&socket)?, socket)));
        let known = known.collect::<Vec<_>>();
        self.sockets.clear();
        for (attachment, socket) in &known {
            self.keep(attachment.connection, socket.clone(), Standing::of(attachment));
        }
        known.into_iter().map(|(attachment, _)| attachment).collect()
    }

    fn attachment(&mut self, connection: ConnectionId) -> Option<Attachment> {
        attachment_of(&self.sockets.get(&connection)?.socket)
    }

    fn pings(&mut self) -> Vec<(ConnectionId, Millis)> {
        let ping = |peer: &Peer| self.state.auto_response_timestamp(&peer.socket).ok().flatten();
        let pings = self.sockets.iter().filter_map(|(connection, peer)| Some((*connection, ping(peer)?)));
        pings.map(|(connection, at)| (connection, at.get_time() as Millis)).collect()
    }

    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment) {
        let Some(peer) = self.sockets.get_mut(&connection) else { return };
        peer.standing = Standing::of(attachment);
        if let Err(error) = peer.socket.serialize_attachment(&JsValue::from_str(&encode(attachment))) {
            worker::console_error!("a socket's attachment was not kept: {error:?}");
        }
    }

    fn send(&mut self, audience: Audience, text: &str) {
        let text = JsString::from(text);
        let is_meant = |connection: ConnectionId, peer: &Peer| match audience {
            Audience::One(one) => one == connection,
            Audience::Others(sender) => peer.standing != Standing::Waiting && sender != connection,
            Audience::Plain { but } => peer.standing == Standing::Plain && but != Some(connection),
            Audience::Greeted => peer.standing == Standing::Greeted,
        };
        if let Audience::One(connection) = audience {
            return self.send_to(connection, &text);
        }
        let meant = self.sockets.iter().filter(|(connection, peer)| is_meant(**connection, peer));
        for connection in meant.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            self.send_to(connection, &text);
        }
    }

    fn verify(&mut self, connection: ConnectionId, token: &str) {
        self.tokens.push((connection, token.to_owned()));
    }

    fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if let Some(Peer { socket, .. }) = self.sockets.remove(&connection) {
            // Without an attachment it is nobody's, and what it still sends is dropped (F7).
            let _ = socket.serialize_attachment(&JsValue::NULL);
            let _ = socket.close(Some(code.number()), Some(code.reason()));
        }
    }

    fn set_alarm(&mut self, at: Millis) {
        match self.storage.set_alarm(at) {
            Ok(promise) => self.promises.push(promise),
            Err(error) => worker::console_error!("no alarm was set: {error:?}"),
        }
    }

    fn set_flush_timer(&mut self, at: Option<Millis>) {
        if let Some(timer) = self.flush_timer.take() {
            clear_timeout(&timer);
        }
        self.queue.set_waits(at.is_some());
        self.flush_timer = at.map(|at| set_timeout(self.flush.as_ref(), (at - now()).max(0) as f64));
    }

    fn has_waiting(&self) -> bool {
        self.queue.length() > 0
    }

    fn take_waiting(&mut self) -> Vec<(ConnectionId, String)> {
        // As one text: to hand each of them over costs as much as to read it.
        let frames = String::from(self.queue.join(QUEUE_SEPARATOR));
        self.queue.set_length(0);
        let read = |frame: &str| {
            let (handle, text) = frame.split_once(' ')?;
            // The room may have closed it meanwhile.
            Some((self.with_handle(handle.parse().ok()?)?, text.to_owned()))
        };
        frames.split(QUEUE_SEPARATOR).filter_map(read).collect()
    }

    fn new_epoch(&mut self) -> String {
        random_id().to_string()
    }

    fn log(&mut self, message: &str) {
        worker::console_error!("{message}");
    }
}

/// The server's clock. In workerd it stands still while an event is being handled.
pub fn now() -> Millis {
    Date::now() as Millis
}

/// 128 random bits.
pub fn random_id() -> ConnectionId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("workerd always has crypto.getRandomValues");
    ConnectionId::from_random(bytes)
}
