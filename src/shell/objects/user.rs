//! The Durable Object of a user. The door asks it whether a token was revoked, and tells it which rooms are entered, so
//! that it can notify them (A8).

use std::cell::RefCell;

use futures::future::join_all;
use wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{
    DurableObject, Env, Method, Request, RequestInit, Response, ResponseBuilder, Result, State, durable_object,
};

use crate::access::claims::Denial;
use crate::access::revocations::Revocation;
use crate::protocol::Millis;
use crate::sql::{Statement, StoreError};
use crate::store;
use crate::user::User;

use crate::shell::bindings::JsState;
use crate::shell::environment::{ROOMS, now};
use crate::shell::storage::Storage;
use crate::shell::url::{Query, url_of, url_to};

/// A user in workerd.
#[durable_object]
pub struct UserObject {
    env: Env,
    name: String,
    inner: RefCell<Inner>,
}

/// Borrowed for the synchronous part of an event only, never across an await.
struct Inner {
    storage: Storage,
    /// `None` until it is read.
    user: Option<User>,
    /// When the user's rooms were last asked in vain whether the user has left them.
    asked: Millis,
}

/// How many rooms are asked at a time whether the user has left them.
const ASKED_TOGETHER: usize = 50;
/// For how long rooms are not asked again after they were asked in vain, in milliseconds.
const ASK_AGAIN: Millis = 10_000;

impl Inner {
    /// Lets an event act on the user, and stores what comes of it.
    fn act<T>(&mut self, act: impl FnOnce(&mut User) -> (T, Vec<Statement>)) -> std::result::Result<T, StoreError> {
        let mut user = match self.user.take() {
            Some(user) => user,
            None => User::load(&mut self.storage)?,
        };
        let (done, statements) = act(&mut user);
        if !statements.is_empty() {
            // What could not be written is dropped, to be read again.
            self.storage.transaction(|storage| store::write(storage, &statements))?;
        }
        self.user = Some(user);
        Ok(done)
    }
}

impl DurableObject for UserObject {
    fn new(state: State, env: Env) -> Self {
        let name = state.id().name().unwrap_or_default();
        let state = JsValue::from(state._inner()).unchecked_into::<JsState>();
        Self { env, name, inner: RefCell::new(Inner { storage: Storage::of(&state), user: None, asked: 0 }) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let url = url_of(&request)?;
        match url.pathname().as_str() {
            "/check" => self.check(&url.query()).await,
            "/make" => {
                let (query, now) = (url.query(), now());
                let made = self.act(|user| user.make(&query.get("room").unwrap_or_default(), now))?;
                self.arm(None).await?;
                status(if made.is_ok() { 204 } else { 429 })
            }
            _ => self.revoke(&url.query()).await,
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.tell().await?;
        status(204)
    }
}

impl UserObject {
    async fn check(&self, query: &Query) -> Result<Response> {
        let now = now();
        let (token_id, room) = (query.get("token"), query.get("room"));
        let until = query.get("until").and_then(|until| until.parse().ok()).unwrap_or(now);
        let enter = || {
            self.act(|user| match (user.check(token_id.as_deref(), now), &room) {
                (Err(denial), _) => (Err(denial), Vec::new()),
                (Ok(()), None) => (Ok(false), Vec::new()),
                (Ok(()), Some(room)) => {
                    let (entered, statements) = user.enter(room, until, now);
                    (entered.map(|()| !statements.is_empty()), statements)
                }
            })
        };
        let mut checked = enter()?;
        if checked == Err(Denial::Full) && self.find_left().await? {
            checked = enter()?;
        }
        match checked {
            Ok(has_written) => {
                if has_written {
                    self.arm(None).await?;
                }
                status(204)
            }
            Err(Denial::Revoked) => status(403),
            Err(_) => status(429),
        }
    }

    /// Asks the rooms that the user is known to have entered, until one says that the user has left. A room does not report
    /// it by itself: that would be a request for each connection that ends, and this is seldom needed.
    async fn find_left(&self) -> Result<bool> {
        if now() - self.inner.borrow().asked < ASK_AGAIN {
            return Ok(false);
        }
        let stays = self.act(|user| (user.stays(), Vec::new()))?;
        for rooms in stays.chunks(ASKED_TOGETHER) {
            let answers = join_all(rooms.iter().map(|room| self.has_left(room))).await;
            let left = rooms.iter().zip(answers).filter(|(_, has_left)| *has_left).map(|(room, _)| room);
            let left = left.collect::<Vec<_>>();
            if !left.is_empty() {
                self.act(|user| (left.iter().for_each(|room| user.has_left(room)), Vec::new()))?;
                return Ok(true);
            }
        }
        self.inner.borrow_mut().asked = now();
        Ok(false)
    }

    /// Whether the user has no connection to a room. If that cannot be found out, the user may have one.
    async fn has_left(&self, room: &str) -> bool {
        let answer = async {
            let url = url_to("room", "here")?;
            url.query().append("user", &self.name);
            self.env.durable_object(ROOMS)?.get_by_name(room)?.fetch_with_str(&url.href()).await
        };
        answer.await.is_ok_and(|answer: Response| answer.status_code() == 404)
    }

    async fn revoke(&self, query: &Query) -> Result<Response> {
        let until = query.get("until").and_then(|until| until.parse().ok()).unwrap_or_default();
        let revocation = Revocation { token_id: query.get("token"), until };
        self.act(|user| ((), user.revoke(revocation)))?;
        // If anything goes wrong from here on, the alarm continues.
        self.arm(Some(now() + crate::user::TELL_AGAIN)).await?;
        self.tell().await?;
        status(204)
    }

    /// Notifies the rooms that do not know of the revocations yet, and forgets what is past.
    async fn tell(&self) -> Result<()> {
        self.tell_some().await?;
        while self.act(|user| (user.has_untried(), Vec::new()))? {
            self.tell_some().await?;
        }
        let now = now();
        let (is_empty, due) = self.act(|user| ((user.is_empty(), user.next_due(now)), Vec::new()))?;
        if is_empty {
            let deleted = self.inner.borrow().storage.delete_all()?;
            JsFuture::from(deleted).await?;
        }
        self.arm(due).await
    }

    async fn tell_some(&self) -> Result<()> {
        let now = now();
        let ((untold, generation), revocations) =
            self.act(|user| ((user.untold(), user.revocations(now)), user.forget(now)))?;
        let body = Revocation::to_lines(&revocations);
        let tried = join_all(untold.into_iter().map(|room| self.tell_room(room, &body))).await;
        for (room, has_heard) in tried {
            self.act(|user| ((), user.tried(&room, has_heard, generation)))?;
        }
        Ok(())
    }

    /// Notifies a room. Returns its name and whether it has heard; otherwise it has to be notified again.
    async fn tell_room(&self, room: String, revocations: &str) -> (String, bool) {
        let answer = async {
            let url = url_to("room", "revoked")?;
            url.query().append("user", &self.name);
            let mut init = RequestInit::new();
            init.with_method(Method::Post).with_body(Some(JsValue::from_str(revocations)));
            let request = Request::new_with_init(&url.href(), &init)?;
            self.env.durable_object(ROOMS)?.get_by_name(&room)?.fetch_with_request(request).await
        };
        match answer.await {
            Ok(answer) if answer.status_code() == 204 => (room, true),
            Ok(answer) => {
                worker::console_error!(
                    "a room that was notified of a revocation responded with {}",
                    answer.status_code()
                );
                (room, false)
            }
            Err(error) => {
                worker::console_error!("a room could not be notified of a revocation: {error}");
                (room, false)
            }
        }
    }

    /// Sets the alarm to this time, or, if none is set yet, to when something can be forgotten.
    async fn arm(&self, at: Option<Millis>) -> Result<()> {
        let at = match at {
            Some(at) => at,
            None => {
                let alarm = self.inner.borrow().storage.get_alarm()?;
                let is_armed = JsFuture::from(alarm).await?.as_f64().is_some();
                match self.act(|user| (user.next_due(now()), Vec::new()))? {
                    Some(at) if !is_armed => at,
                    Some(_) | None => return Ok(()),
                }
            }
        };
        let set = self.inner.borrow().storage.set_alarm(at)?;
        JsFuture::from(set).await?;
        Ok(())
    }

    fn act<T>(&self, act: impl FnOnce(&mut User) -> (T, Vec<Statement>)) -> Result<T> {
        self.inner.borrow_mut().act(act).map_err(|error| {
            worker::console_error!("a user's storage: {error}");
            worker::Error::RustError(error.to_string())
        })
    }
}

fn status(status: u16) -> Result<Response> {
    Ok(ResponseBuilder::new().with_status(status).empty())
}
