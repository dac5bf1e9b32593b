//! workerd as the driver's [`Platform`].

use std::collections::BTreeMap;

use js_sys::{JsString, Promise};
use wasm_bindgen::prelude::*;

use crate::driver::Platform;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::json::encode;
use crate::protocol::refusal::CloseCode;
use crate::room::audience::{Audience, Standing};
use crate::room::connections::session::Attachment;
use crate::room::records::Stored;
use crate::room::turn::{Effect, Write};
use crate::room::unread::Unread;
use crate::sql::{Sql, StoreError};
use crate::store;

use super::bindings::{JsSocket, JsState, clear_timeout, set_timeout};
use super::environment::{now, random_id};
use super::inbox::Inbox;
use super::storage::Storage;

/// How long workerd waits for the handler of a socket's event before it lets the room sleep regardless. A handler takes
/// milliseconds; one that is stuck for this long has lost its WebAssembly instance to a panic.
const EVENT_TIMEOUT_MS: f64 = 10_000.0;

/// The socket of a connection.
struct Peer {
    socket: JsSocket,
    standing: Standing,
    unread: Unread,
}

/// A room's Durable Object: its storage, sockets and timer.
pub struct Workerd {
    state: JsState,
    storage: Storage,
    sockets: BTreeMap<ConnectionId, Peer>,
    /// Makes the object flush. One callback for all its timers, since making one costs more than setting a timer.
    flush: Closure<dyn FnMut()>,
    flush_timer: Option<JsValue>,
    inbox: Inbox,
    /// Promises from storage, which the event awaits once the room has done its part.
    pub promises: Vec<Promise>,
    /// Connections that were closed for reading too slowly, which the room has yet to be told.
    pub overdue: Vec<ConnectionId>,
    /// Effects, to be performed once the room has done its part.
    pub effects: Vec<Effect>,
    /// What the tests want the next commit to do.
    #[cfg(feature = "faults")]
    pub fail_commit: bool,
}

impl Workerd {
    /// Takes over an object's state. `flush` is what the flush timer calls.
    pub fn new(state: JsState, flush: impl FnMut() + 'static) -> Self {
        if let Err(error) = state.set_event_timeout(EVENT_TIMEOUT_MS) {
            worker::console_error!("the event timeout could not be set: {error:?}");
        }
        Self {
            storage: Storage::of(&state),
            state,
            sockets: BTreeMap::new(),
            flush: Closure::new(flush),
            flush_timer: None,
            inbox: Inbox::new(),
            promises: Vec::new(),
            overdue: Vec::new(),
            effects: Vec::new(),
            #[cfg(feature = "faults")]
            fail_commit: false,
        }
    }

    /// The timer has rung.
    pub fn timer_rang(&mut self) {
        self.flush_timer = None;
        self.inbox.open(false);
    }

    /// Where frames are held until the flush timer rings.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    fn with_handle(&self, handle: u64) -> Option<ConnectionId> {
        let (connection, _) = self.sockets.range(ConnectionId::first_with(handle)..).next()?;
        (connection.handle() == handle).then_some(*connection)
    }

    /// What the room stores.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Accepts a new socket, which will outlive the room's sleep.
    pub fn accept(&mut self, connection: ConnectionId, socket: JsSocket) -> Result<(), JsValue> {
        self.state.accept_web_socket(&socket)?;
        // It sees nothing until the room has admitted it.
        self.keep(connection, socket, Standing::Unauthenticated);
        Ok(())
    }

    /// The connection of the socket that an event came from, or `None` if the room has closed it. From then on it can
    /// be replied to, even if the room does not wake.
    pub fn recognise(&mut self, socket: &JsSocket) -> Option<ConnectionId> {
        let known = socket.handle().and_then(|handle| self.with_handle(handle as u64));
        known.or_else(|| {
            let attachment = attachment_of(socket)?;
            self.keep(attachment.connection, socket.clone(), Standing::of(&attachment));
            Some(attachment.connection)
        })
    }

    fn keep(&mut self, connection: ConnectionId, socket: JsSocket, standing: Standing) {
        // Below 2^53, where JavaScript numbers are exact.
        socket.set_handle(connection.handle() as f64);
        self.sockets.insert(connection, Peer { socket, standing, unread: Unread::default() });
    }

    /// Drops a socket that is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
    }

    fn send_to(&mut self, connection: ConnectionId, text: &JsString, bytes: usize, is_reply: bool) {
        let Some(Peer { socket, unread, .. }) = self.sockets.get_mut(&connection) else { return };
        if socket.buffered_amount().is_some_and(|unsent| unread.is_too_much(unsent as u64)) {
            self.overdue.push(connection);
            self.close(connection, CloseCode::SlowReader);
        } else {
            // A socket that breaks at this moment takes nothing more; its close event follows.
            let _ = socket.send(text);
            if is_reply {
                unread.replied(bytes);
            }
        }
    }
}

/// What a socket remembers, or `None` if the room has closed it.
fn attachment_of(socket: &JsSocket) -> Option<Attachment> {
    let text = socket.deserialize_attachment().ok()?.as_string()?;
    serde_json::from_str(&text).ok()
}

/// Answers a client's close with its own code (U9).
pub fn answer_close(socket: &JsSocket, code: u16) {
    // 1005, 1006 and 1015 mean that there was no code, and must not be sent.
    let sendable = !matches!(code, 1005 | 1006 | 1015);
    if !sendable || socket.close(Some(code), Some("")).is_err() {
        // A socket that is already closed needs no reply.
        let _ = socket.close(None, None);
    }
}

impl Workerd {
    /// Whether there is an open socket whose attachment is so. Leaves everything as it is.
    pub fn has_socket(&self, is_so: impl Fn(&Attachment) -> bool) -> bool {
        let sockets = self.state.get_web_sockets().unwrap_or_default();
        sockets.iter().filter_map(attachment_of).any(|attachment| is_so(&attachment))
    }
}

impl Platform for Workerd {
    fn load(&mut self) -> Result<Option<Stored>, StoreError> {
        match store::read(&mut self.storage) {
            Some(stored) => Ok(Some(stored)),
            // A migration happens as a whole or not at all.
            None => self.storage.transaction(store::load),
        }
    }

    fn commit(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        #[cfg_attr(not(feature = "faults"), expect(unused_mut, reason = "only tests add to it"))]
        let mut statements = store::statements(writes);
        #[cfg(feature = "faults")]
        if std::mem::take(&mut self.fail_commit) {
            statements.push(("INSERT INTO no_such_table VALUES (1)", Vec::new()));
        }
        match statements.as_slice() {
            // A single statement is atomic by itself. A transaction around it costs as much again.
            [statement] => self.storage.execute(statement),
            statements => self.storage.transaction(|storage| store::write(storage, statements)),
        }
    }

    fn erase(&mut self) {
        match self.storage.delete_all() {
            Ok(promise) => self.promises.push(promise),
            Err(error) => worker::console_error!("storage could not be deleted: {error:?}"),
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

    fn pings(&self) -> Vec<(ConnectionId, Millis)> {
        self.sockets.keys().filter_map(|connection| Some((*connection, self.ping(*connection)?))).collect()
    }

    fn ping(&self, connection: ConnectionId) -> Option<Millis> {
        let at = self.state.auto_response_timestamp(&self.sockets.get(&connection)?.socket).ok().flatten()?;
        Some(at.get_time() as Millis)
    }

    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment) {
        let Some(peer) = self.sockets.get_mut(&connection) else { return };
        peer.standing = Standing::of(attachment);
        if let Err(error) = peer.socket.serialize_attachment(&JsValue::from_str(&encode(attachment))) {
            worker::console_error!("a socket's attachment could not be written: {error:?}");
        }
    }

    fn send(&mut self, audience: Audience, text: &str) {
        let (bytes, text) = (text.len(), JsString::from(text));
        if let Audience::One(connection) = audience {
            return self.send_to(connection, &text, bytes, true);
        }
        let meant = self.sockets.iter().filter(|(connection, peer)| audience.includes(**connection, peer.standing));
        for connection in meant.map(|(connection, _)| *connection).collect::<Vec<_>>() {
            self.send_to(connection, &text, bytes, false);
        }
    }

    fn start(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if let Some(Peer { socket, .. }) = self.sockets.remove(&connection) {
            // Without an attachment it belongs to nobody, and whatever it still sends is dropped (F7).
            let _ = socket.serialize_attachment(&JsValue::NULL);
            let _ = socket.close(Some(code.number()), Some(code.reason()));
        }
    }

    fn set_alarm(&mut self, at: Millis) {
        match self.storage.set_alarm(at) {
            Ok(promise) => self.promises.push(promise),
            Err(error) => worker::console_error!("the alarm could not be set: {error:?}"),
        }
    }

    fn set_flush_timer(&mut self, at: Option<Millis>) {
        if let Some(timer) = self.flush_timer.take() {
            clear_timeout(&timer);
        }
        self.inbox.open(at.is_some());
        self.flush_timer = at.map(|at| set_timeout(self.flush.as_ref(), (at - now()).max(0) as f64));
    }

    fn has_held(&self) -> bool {
        self.inbox.has_frames()
    }

    fn take_held(&mut self) -> Vec<(ConnectionId, String)> {
        // The room may have closed a connection meanwhile.
        let read = |(handle, text)| Some((self.with_handle(handle)?, text));
        self.inbox.take().into_iter().filter_map(read).collect()
    }

    fn new_epoch(&mut self) -> String {
        random_id().to_string()
    }

    fn log(&mut self, message: &str) {
        worker::console_error!("{message}");
    }
}

#[cfg(feature = "faults")]
impl Workerd {
    /// Holds this platform to the contract with its three sockets, the first of which asked for it. Returns the report
    /// as JSON; before that, each socket is sent its own name.
    pub fn check_contract(&mut self, asker: ConnectionId) -> Option<String> {
        let others = self.attachments().into_iter().map(|attachment| attachment.connection);
        let [second, third] = others.filter(|of| *of != asker).collect::<Vec<_>>().try_into().ok()?;
        let connections = [asker, second, third];
        for connection in connections {
            self.send(Audience::One(connection), &format!(r#"{{"type":"you","connection":"{connection}"}}"#));
        }
        let crate::driver::contract::Report { failures, expected } = crate::driver::contract::run(self, connections);
        let (failures, expected) = (encode(&failures), encode(&expected));
        Some(format!(r#"{{"type":"report","failures":{failures},"expected":{expected}}}"#))
    }
}

#[cfg(feature = "faults")]
impl crate::driver::contract::Subject for Workerd {
    fn fail_next_commit(&mut self) {
        self.fail_commit = true;
    }
}
