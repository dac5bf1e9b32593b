//! Our own bindings to workerd, where the `worker` crate has none, or one that panics when JavaScript throws.

use js_sys::{Array, Date, JsString, Promise};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectState`.
    pub type JsState;
    #[wasm_bindgen(method, getter)]
    pub fn storage(this: &JsState) -> JsStorage;
    #[wasm_bindgen(method, catch, js_name = acceptWebSocket)]
    pub fn accept_web_socket(this: &JsState, socket: &JsSocket) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = getWebSockets)]
    pub fn get_web_sockets(this: &JsState) -> Result<Vec<JsSocket>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getWebSocketAutoResponseTimestamp)]
    pub fn auto_response_timestamp(this: &JsState, socket: &JsSocket) -> Result<Option<Date>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setHibernatableWebSocketEventTimeout)]
    pub fn set_event_timeout(this: &JsState, milliseconds: f64) -> Result<(), JsValue>;

    /// `DurableObjectStorage`.
    #[derive(Clone)]
    pub type JsStorage;
    #[wasm_bindgen(method, getter)]
    pub fn sql(this: &JsStorage) -> JsSql;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(
        this: &JsStorage,
        run: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getAlarm)]
    pub fn get_alarm(this: &JsStorage) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub fn set_alarm(this: &JsStorage, at: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    pub fn delete_all(this: &JsStorage) -> Result<Promise, JsValue>;

    /// `SqlStorage`.
    #[derive(Clone)]
    pub type JsSql;
    #[wasm_bindgen(method, catch, variadic)]
    pub fn exec(this: &JsSql, query: &str, parameters: &Array) -> Result<JsCursor, JsValue>;

    /// `SqlStorageCursor`.
    pub type JsCursor;
    #[wasm_bindgen(method, catch)]
    pub fn raw(this: &JsCursor) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = Array, js_name = from)]
    pub fn array_from(iterable: &JsValue) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_name = setTimeout)]
    pub fn set_timeout(run: &JsValue, milliseconds: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub fn clear_timeout(timer: &JsValue);

    /// An array of frames that are held until the flush timer rings, each preceded by its socket's handle and a space.
    /// `inbox.mjs` adds to it while `isOpen` is set, and whatever happens to the room next takes them out first.
    #[derive(Clone)]
    #[wasm_bindgen(extends = Array)]
    pub type JsInbox;
    #[wasm_bindgen(method, setter)]
    pub fn set_is_open(this: &JsInbox, is_open: bool);

    /// A WebSocket. `send` takes a JavaScript string, so that a broadcast makes a single one.
    #[derive(Clone)]
    pub type JsSocket;
    #[wasm_bindgen(method, catch)]
    pub fn send(this: &JsSocket, text: &JsString) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn close(this: &JsSocket, code: Option<u16>, reason: Option<&str>) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    pub fn serialize_attachment(this: &JsSocket, value: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    pub fn deserialize_attachment(this: &JsSocket) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    pub fn buffered_amount(this: &JsSocket) -> Option<f64>;
    /// A property of our own: the connection's [`ConnectionId::handle`], on a socket that the room has seen since it
    /// woke. Reading it costs a tenth of reading the attachment.
    #[wasm_bindgen(method, getter, js_name = roomkeepHandle)]
    pub fn handle(this: &JsSocket) -> Option<f64>;
    #[wasm_bindgen(method, setter, js_name = roomkeepHandle)]
    pub fn set_handle(this: &JsSocket, handle: f64);
}

#[cfg(feature = "faults")]
impl JsSocket {
    /// Answers a test.
    pub fn say(&self, text: &str) {
        let _ = self.send(&JsString::from(text));
    }
}
