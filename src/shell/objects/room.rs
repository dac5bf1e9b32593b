//! The Durable Object that is a room. Each callback reads the clock once and hands the event to the driver.

use std::cell::{OnceCell, RefCell, RefMut};
use std::rc::{Rc, Weak};

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use worker::{
    DurableObject, Env, Request, Response, ResponseBuilder, Result, State, WebSocket, WebSocketIncomingMessage,
    WebSocketPair, durable_object, worker_sys,
};

use crate::access::claims::Claims;
use crate::access::pass::Admission;
use crate::access::prices;
use crate::access::rates::{Caller, RateKey};
use crate::access::revocations::Revocation;
use crate::access::roles;
use crate::access::shares::{Entry, NetworkMark};
use crate::driver::Driver;
use crate::protocol::Millis;
use crate::protocol::json::{Extra, Json};
use crate::protocol::precondition::field_tag;
use crate::protocol::refusal::Refusal;
use crate::protocol::write::{HttpWrite, RoomWrite, Verb, WriteHeaders};
use crate::room::Room;
use crate::room::settings::{KEY_VARIABLES, Settings};
use crate::room::turn::{Completion, Effect, Written};
use crate::room::views::Since;

use crate::shell::bindings::{JsInbox, JsSocket, JsState};
use crate::shell::door::{self, Purpose};
use crate::shell::environment::{now, random_id, variable};
use crate::shell::http::{answer, problem, problem_with, status_of, tagged, upgraded, with_header};
use crate::shell::kinds;
use crate::shell::platform::{Workerd, answer_close};
use crate::shell::to_room::MAKES_A_ROOM;
use crate::shell::url::{Query, url_of};

thread_local! {
    /// The Worker's variables are the same for all rooms of an isolate, and reading them takes longer than reading a
    /// room.
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

/// A room in workerd.
#[durable_object]
#[derive(Clone)]
pub struct RoomObject {
    inner: Rc<RefCell<Inner>>,
    env: Env,
    /// `party/room`
    name: String,
    #[cfg(feature = "faults")]
    instance: String,
}

/// The room and its platform. Borrowed for the synchronous part of an event only, never across an await.
struct Inner {
    driver: Driver,
    platform: Workerd,
}

impl Inner {
    /// The flush timer rang.
    fn flush(&mut self) {
        self.platform.timer_rang();
        self.driver.flush(&mut self.platform, now());
        self.drop_overdue();
        for promise in std::mem::take(&mut self.platform.promises) {
            // No event waits for it.
            spawn_local(async move {
                if let Err(error) = JsFuture::from(promise).await {
                    worker::console_error!("storage: {error:?}");
                }
            });
        }
    }

    /// Lets an event act on the room, then tells the room about connections that broke meanwhile.
    fn event<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Workerd, Millis) -> T) -> T {
        let done = act(&mut self.driver, &mut self.platform, now());
        self.drop_overdue();
        done
    }

    fn drop_overdue(&mut self) {
        while let Some(connection) = self.platform.overdue.pop() {
            self.driver.disconnect(&mut self.platform, connection, false, now());
        }
    }
}

impl DurableObject for RoomObject {
    fn new(state: State, env: Env) -> Self {
        if let Ok(pair) = worker_sys::WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        // The door refuses everyone while a variable is invalid; a room that was open before continues with the
        // defaults, but admits nobody that it would not have.
        let settings = SETTINGS.with(|settings| {
            let read = || {
                Settings::from_vars(|name| variable(&env, name)).unwrap_or_else(|error| {
                    worker::console_error!("{error}");
                    let requires_tokens = KEY_VARIABLES.into_iter().any(|name| variable(&env, name).is_some());
                    Settings { requires_tokens, ..Settings::default() }
                })
            };
            settings.get_or_init(read).clone()
        });
        let name = state.id().name().unwrap_or_default();
        // Misread definitions close the door too; a room that was declared refuses to be open.
        let settings =
            kinds::with_all(|kinds| settings.clone().of_kind(kinds::party_of(&name), kinds)).unwrap_or(settings);
        let state = JsValue::from(state._inner()).unchecked_into::<JsState>();
        let inner = Rc::new_cyclic(|object: &Weak<RefCell<Inner>>| {
            let object = object.clone();
            let flush = move || {
                if let Some(inner) = object.upgrade() {
                    inner.borrow_mut().flush();
                }
            };
            RefCell::new(Inner { driver: Driver::new(settings), platform: Workerd::new(state, flush) })
        });
        Self {
            inner,
            env,
            name,
            #[cfg(feature = "faults")]
            instance: random_id().to_string(),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let url = url_of(&request)?;
        let (path, query) = (url.pathname(), url.query());
        if path == "/revoked" {
            return self.revoke(&query, &request.text().await?).await;
        }
        if path == "/here" {
            let is_here = self.is_here(&query.get("user").unwrap_or_default());
            return Ok(ResponseBuilder::new().with_status(if is_here { 204 } else { 404 }).empty());
        }
        let Some(entry) = query.get("entry").and_then(|entry| serde_json::from_str::<Admission>(&entry).ok()) else {
            return problem(500, "internal", "The server failed while handling this.");
        };
        let (key, role) = match &entry {
            Admission::Pass { user, pass } => (RateKey::User(user.clone()), pass.role),
            Admission::Anonymous | Admission::Unauthenticated => {
                (RateKey::Network(query.get("network").unwrap_or_default()), roles::ANONYMOUS_ROLE)
            }
        };
        let is_anonymous = matches!(entry, Admission::Anonymous | Admission::Unauthenticated);
        let caller = Caller { key, role };
        if path == "/connect" {
            // Admission counts those with a token, and their messages the others. A stream sends none.
            if is_anonymous
                && query.get("stream").is_some()
                && let Err(refusal) = self.room().driver.check_rate(&caller, prices::Request::Connect, 0, now())
            {
                return refused(&refusal);
            }
            let network = query.get("network").and_then(|network| NetworkMark::of(&network));
            return self.enter(&request, Entry { admission: entry, network }).await;
        }
        let body = request.text().await?;
        let what = match path.as_str() {
            "/write" => prices::Request::Write,
            "/delete" => prices::Request::Delete,
            _ => prices::Request::Read,
        };
        if let Err(refusal) = self.room().driver.check_rate(&caller, what, body.len(), now()) {
            return refused(&refusal);
        }
        match path.as_str() {
            "/write" => self.write(&request, (&entry, &caller), &query, &body).await,
            "/delete" => self.delete().await,
            "/field" => self.field(&request, &caller, &query.get("field").unwrap_or_default()),
            "/changes" => {
                let since = since(&query);
                self.read(&request, &caller, |room, now| room.changes_page(&since, now))
            }
            _ => self.read(&request, &caller, |room, now| room.state(false, now)),
        }
    }

    /// Never called: workerd's event goes to [`RoomObject::receive`]. The trait requires it nevertheless.
    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _was_clean: bool) -> Result<()> {
        let code = u16::try_from(code).unwrap_or(1006);
        answer_close(raw(&socket), code);
        self.disconnect(&socket, code != 1006).await
    }

    async fn websocket_error(&self, socket: WebSocket, _error: worker::Error) -> Result<()> {
        answer_close(raw(&socket), 1006);
        self.disconnect(&socket, false).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.room().event(|driver, platform, now| driver.alarm(platform, now));
        self.settle().await?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl RoomObject {
    /// The inbox, where frames may be held until the flush timer rings instead of being handed to
    /// [`RoomObject::receive`] one by one: in a busy room they are quicker to read together. It is not a getter, since
    /// the glue starts a new instance after a trap only when it calls something.
    pub fn inbox(&self) -> JsInbox {
        self.inner.borrow().platform.inbox().array().clone()
    }

    /// A frame came; `text` is `None` for a binary one. Returns what the event must await, if anything. Most frames are
    /// finished when this returns, and a promise for each would cost as much as the room's own work.
    pub fn receive(&self, socket: &JsSocket, text: Option<String>) -> Option<Promise> {
        #[cfg(feature = "faults")]
        if let Some(answer) = text.as_deref().and_then(|text| self.fault(socket, text)) {
            socket.say(&answer);
            return None;
        }
        let mut inner = self.room();
        let connection = inner.platform.recognise(socket)?;
        inner.event(|driver, platform, now| driver.receive(platform, connection, text.as_deref(), now));
        let waits = !inner.platform.effects.is_empty() || !inner.platform.promises.is_empty();
        let object = self.clone();
        waits.then(|| {
            future_to_promise(async move {
                object.perform_effects().await;
                object.settle().await.map(|()| JsValue::UNDEFINED).map_err(JsValue::from)
            })
        })
    }
}

impl RoomObject {
    /// The room, after everything that came before.
    fn room(&self) -> RefMut<'_, Inner> {
        let mut inner = self.inner.borrow_mut();
        inner.event(Driver::drain_inbox);
        inner
    }

    async fn enter(&self, request: &Request, entry: Entry) -> Result<Response> {
        let alarm = self.room().platform.storage().get_alarm()?;
        let alarm = JsFuture::from(alarm).await?.as_f64().map(|at| at as Millis);
        let pair = WebSocketPair::new()?;
        let connection = random_id();
        {
            let mut inner = self.room();
            let Inner { driver, platform } = &mut *inner;
            if let Err(refusal) = driver.admit(platform, &entry, now()) {
                return refused(&refusal);
            }
            platform.accept(connection, raw(&pair.server).clone())?;
            inner.event(|driver, platform, now| driver.connect(platform, connection, entry, alarm, now));
        }
        self.settle().await?;
        upgraded(request, pair)
    }

    /// Performs the effects that turns asked for, and hands the room each completion. The event is not over until then,
    /// so the room does not fall asleep meanwhile.
    async fn perform_effects(&self) {
        loop {
            let effect = self.inner.borrow_mut().platform.effects.pop();
            let completion = match effect {
                Some(Effect::VerifyToken { connection, token }) => {
                    // The door checks it like any other.
                    let claims = door::check(&self.env, &token, Purpose::Enter(&self.name)).await;
                    let outcome = claims.map(|Claims { user, pass, .. }| (user, pass));
                    Completion::TokenVerified { connection, outcome }
                }
                None => return,
            };
            self.room().event(|driver, platform, now| driver.complete(platform, completion, now));
        }
    }

    /// Closes connections whose tokens were revoked (A8).
    async fn revoke(&self, query: &Query, body: &str) -> Result<Response> {
        let user = query.get("user").unwrap_or_default();
        let Some(revocations) = Revocation::from_lines(body) else {
            return problem(400, "bad_request", "These are not revocations.");
        };
        let told = self.room().event(|driver, platform, now| driver.revoke_tokens(platform, &user, &revocations, now));
        self.settle().await?;
        done(told)
    }

    /// Whether a user has a connection, or may have one: nobody knows yet whose an unauthenticated one is. The sockets say so,
    /// without waking the room.
    fn is_here(&self, user: &str) -> bool {
        self.inner
            .borrow()
            .platform
            .has_socket(|socket| socket.is_unauthenticated || socket.identity.user() == Some(user))
    }

    /// Ends this life of the room (H6). The response comes once nothing is stored any longer.
    async fn delete(&self) -> Result<Response> {
        let deleted = self.room().event(|driver, platform, now| driver.delete(platform, now));
        self.settle().await?;
        done(deleted)
    }

    /// Reads the room over HTTP. The tag covers what is versioned: who is online and the time are in the body and not
    /// in the tag (H1).
    fn read(&self, request: &Request, caller: &Caller, body: impl FnOnce(&Room, i64) -> String) -> Result<Response> {
        let mut inner = self.room();
        let Inner { driver, platform } = &mut *inner;
        let now = now();
        let room = match driver.read(platform, now) {
            Ok(room) => room,
            Err(refusal) => return refused(&refusal),
        };
        let tag = field_tag(room.epoch(), room.version());
        let mut length = 0;
        let response = tagged(request, &tag, &format!("W/{tag}"), || {
            let body = body(room, now);
            length = body.len();
            body
        });
        driver.charge_answer(caller, length, now);
        response
    }

    /// Reads a field over HTTP (H8).
    fn field(&self, request: &Request, caller: &Caller, name: &str) -> Result<Response> {
        let mut inner = self.room();
        let Inner { driver, platform } = &mut *inner;
        let now = now();
        let field = driver.read(platform, now).map(|room| room.field(name));
        let length = field.as_ref().ok().and_then(|field| field.as_ref().ok()).map_or(0, |(text, _)| text.len());
        driver.charge_answer(caller, length, now);
        match field {
            Ok(Ok((selection, tag))) => tagged(request, &tag, &tag, || selection),
            Ok(Err(version)) => {
                let members = Extra::from([("version".to_owned(), Json::of(&version))]);
                problem_with(
                    404,
                    "field_not_set",
                    "The field is not set. `version` is what cleared it, or 0.",
                    &members,
                )
            }
            Err(refusal) => refused(&refusal),
        }
    }

    /// Does what is asked over HTTP (H3, H7, H9, J10).
    async fn write(
        &self,
        request: &Request,
        (entry, caller): (&Admission, &Caller),
        query: &Query,
        body: &str,
    ) -> Result<Response> {
        let verb = query.get("verb").and_then(|name| Verb::ALL.into_iter().find(|verb| verb.as_str() == name));
        let Some(verb) = verb else { return problem(400, "bad_request", "There is nothing to be done.") };
        let may_make = query.get("may-make").is_some() || matches!(verb, Verb::Send | Verb::Remove);
        if let (Admission::Pass { .. }, false) = (entry, may_make)
            && self.room().event(|driver, platform, now| driver.is_new(platform, now))
        {
            // The door asks whether the user may make one more.
            return Ok(ResponseBuilder::new().with_status(MAKES_A_ROOM).empty());
        }
        let target = query.get("target").unwrap_or_default();
        let (user, role, claims) = match entry {
            Admission::Pass { user, pass } => (Some(user.as_str()), pass.role, pass.claims.as_slice()),
            Admission::Anonymous | Admission::Unauthenticated => (None, roles::ANONYMOUS_ROLE, &[][..]),
        };
        let members = verb.query_members().iter().filter_map(|name| Some(((*name).to_owned(), query.get(name)?)));
        let query = members.collect();
        let header = |name| request.headers().get(name);
        let (key, if_match, if_none_match) =
            (header("idempotency-key")?, header("if-match")?, header("if-none-match")?);
        let headers = WriteHeaders {
            key: key.as_deref(),
            if_match: if_match.as_deref(),
            if_none_match: if_none_match.as_deref(),
        };
        let written = self.room().event(|driver, platform, now| {
            let (target, query, is_declared) = (&target, &query, driver.settings().kind.declared.is_some());
            let write = HttpWrite { verb, target, user, role, claims, is_declared, body, query, headers };
            let write = RoomWrite::read(&write, &driver.settings().limits)?;
            driver.write(platform, caller, write, now)
        });
        self.settle().await?;
        let (response, tag) = match written {
            Ok(Written::Done { body, tag }) => (answer(200, "application/json", body)?, tag),
            Ok(Written::Problem { code, detail, members, tag }) => {
                (problem_with(status_of(code), code, &detail, &members)?, tag)
            }
            Err(refusal) => return refused(&refusal),
        };
        match tag {
            Some(tag) => with_header(response, "etag", &tag),
            None => Ok(response),
        }
    }

    async fn disconnect(&self, socket: &WebSocket, said_goodbye: bool) -> Result<()> {
        self.room().event(|driver, platform, now| {
            if let Some(connection) = platform.recognise(raw(socket)) {
                driver.disconnect(platform, connection, said_goodbye, now);
                platform.forget(connection);
            }
        });
        self.settle().await
    }

    /// Awaits the promises from storage, after the room has done its part.
    async fn settle(&self) -> Result<()> {
        let promises = std::mem::take(&mut self.inner.borrow_mut().platform.promises);
        for promise in promises {
            JsFuture::from(promise).await?;
        }
        Ok(())
    }

    /// Breaks the room as a test on this socket asks. Returns the reply.
    #[cfg(feature = "faults")]
    #[expect(clippy::panic, reason = "a panic is what the test wants to see")]
    fn fault(&self, socket: &JsSocket, text: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        #[serde(tag = "fault", rename_all = "snake_case")]
        enum Fault {
            Panic,
            FailCommit,
            Inspect,
            Contract,
        }
        let mut inner = self.room();
        match serde_json::from_str(text).ok()? {
            Fault::Panic => panic!("a test asked for it"),
            Fault::FailCommit => {
                inner.platform.fail_commit = true;
                Some(r#"{"type":"armed"}"#.to_owned())
            }
            Fault::Contract => {
                let asker = inner.platform.recognise(socket)?;
                inner.platform.check_contract(asker)
            }
            Fault::Inspect => Some(format!(r#"{{"type":"instance","instance":"{}"}}"#, self.instance)),
        }
    }
}

/// What the router asks on behalf of a reader of `/changes`.
fn since(query: &Query) -> Since {
    let number = |name: &str| query.get(name)?.parse().ok();
    match query.get("time").and_then(|time| time.parse().ok()) {
        Some(time) => Since::Time(time),
        None => Since::Version(number("since").unwrap_or(0), query.get("epoch")),
    }
}

fn raw(socket: &WebSocket) -> &JsSocket {
    socket.as_ref().unchecked_ref()
}

fn done(outcome: std::result::Result<(), Refusal>) -> Result<Response> {
    match outcome {
        Ok(()) => Ok(ResponseBuilder::new().with_status(204).empty()),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Result<Response> {
    let code = refusal.code.as_str();
    let response = problem(status_of(code), code, &refusal.message)?;
    match refusal.retry_after {
        Some(millis) => with_header(response, "retry-after", &millis.unsigned_abs().div_ceil(1_000).to_string()),
        None => Ok(response),
    }
}
