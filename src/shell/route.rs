//! The door: which room a request means, whether it may come in, and the way to the room's object.

use futures::StreamExt;
use wasm_bindgen::JsValue;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Result, Url};

use crate::protocol::address::{Address, AddressError, Resource};
use crate::protocol::limits::ID_SEARCH_BYTES;
use crate::protocol::refusal::CloseCode;
use crate::room::Settings;

use super::events;
use super::http::{answer, close_at_once, is_upgrade, preflight, problem};

/// The binding of the Durable Object, as wrangler.toml names it.
const ROOMS: &str = "ROOMS";
/// Headers of the client that the object reads. No other header reaches it, and the address that it sees is made
/// here, so nothing that a client sends can pass for something that the router says (U4).
const FORWARDED: [&str; 4] = ["upgrade", "sec-websocket-protocol", "if-none-match", "idempotency-key"];
/// What a `DELETE` may say in its address.
const DELETE_MEMBERS: [&str; 4] = ["userId", "baseVersion", "clientId", "seq"];
/// A body beyond this many bytes is not read: no message is that long, but its number may still be looked for (E2).
const BODY_BYTES: usize = 2 * ID_SEARCH_BYTES;

/// Answers a request.
pub async fn serve(mut request: Request, env: &Env) -> Result<Response> {
    let parties = variable(env, "PARTIES").filter(|parties| !parties.trim().is_empty());
    let parties = parties.unwrap_or_else(|| "collaboration".to_owned());
    let address = Address::parse(request.url()?.path(), &parties);
    match address {
        // Told to everyone, whoever may enter a room.
        Err(AddressError::NotFound) => refuse(&request, &AddressError::NotFound),
        Ok(Address::Health) if is_read(&request) => answer(200, "application/json", r#"{"status":"ok"}"#.to_owned()),
        Ok(Address::Health) => only_reads(),
        Ok(Address::Room { .. }) if is_method(&request, "OPTIONS") => preflight(),
        Ok(Address::Room { party, room, resource }) => match closed(env)? {
            Some(refusal) => Ok(refusal),
            None => enter(&mut request, env, &format!("{party}/{room}"), resource).await,
        },
        Err(error) => match closed(env)? {
            Some(refusal) => Ok(refusal),
            None => refuse(&request, &error),
        },
    }
}

/// Why nobody may enter any room of this Worker, if that is so: the operator has not said who may (A6), or has set a
/// variable that makes no sense.
fn closed(env: &Env) -> Result<Option<Response>> {
    if variable(env, "ALLOW_ANONYMOUS").as_deref() != Some("true") {
        let detail = "No access is configured. Set the variable ALLOW_ANONYMOUS to \"true\" to let everyone in.";
        return problem(503, "auth_not_configured", detail).map(Some);
    }
    if let Err(error) = Settings::from_vars(|name| variable(env, name)) {
        worker::console_error!("{error}");
        let detail = "The server is not set up properly. Its log says which variable.";
        return problem(503, "misconfigured", detail).map(Some);
    }
    Ok(None)
}

/// What an operator set, if anything.
pub fn variable(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string())
}

async fn enter(request: &mut Request, env: &Env, name: &str, resource: Resource) -> Result<Response> {
    let (is_upgrade, is_read) = (is_upgrade(request)?, is_read(request));
    let to_room = match (resource, is_upgrade) {
        (Resource::Room, true) if is_read => ToRoom::get(request, "connect")?,
        (Resource::Room, false) if is_read => {
            let detail = "Open a WebSocket here, or read /state or /changes below this address.";
            return problem(426, "upgrade_required", detail);
        }
        (Resource::State, false) if is_read => ToRoom::get(request, "state")?,
        (Resource::Changes, false) if is_read => match changes_query(&request.url()?) {
            Some(query) => ToRoom::get(request, &format!("changes?{query}"))?,
            None => {
                let detail = "`since` must be a version, an integer from 0, or an ISO 8601 time.";
                return problem(400, "bad_request", detail);
            }
        },
        (Resource::Events, false) if is_read => return events::serve(request, env, name).await,
        (Resource::Field(field), false) if is_method(request, "PUT") || is_method(request, "DELETE") => {
            match field_write(request, &field).await? {
                Ok(to_room) => to_room,
                Err(refusal) => return Ok(refusal),
            }
        }
        (Resource::Field(_), false) => return wrong_method("PUT, DELETE"),
        (Resource::State | Resource::Changes | Resource::Events | Resource::Field(_), true) => {
            return refuse(request, &AddressError::NotFound);
        }
        (Resource::Room | Resource::State | Resource::Changes | Resource::Events, _) => return only_reads(),
    };
    to_room.send(env, name).await
}

/// A request to a room's object.
pub struct ToRoom {
    path: String,
    headers: Headers,
    body: Option<String>,
}

impl ToRoom {
    /// Asks for something, with what of the client's headers the object reads.
    fn get(request: &Request, path: &str) -> Result<Self> {
        let headers = Headers::new();
        for header in FORWARDED {
            if let Some(value) = request.headers().get(header)? {
                headers.set(header, &value)?;
            }
        }
        Ok(Self { path: path.to_owned(), headers, body: None })
    }

    /// Opens a WebSocket for the Worker itself.
    pub fn connect() -> Result<Self> {
        let headers = Headers::new();
        headers.set("upgrade", "websocket")?;
        Ok(Self { path: "connect".to_owned(), headers, body: None })
    }

    /// Sends it. A room that does not answer is a 503.
    pub async fn send(self, env: &Env, name: &str) -> Result<Response> {
        let mut init = RequestInit::new();
        init.with_method(if self.body.is_some() { Method::Post } else { Method::Get }).with_headers(self.headers);
        init.with_body(self.body.map(|body| JsValue::from_str(&body)));
        let forwarded = Request::new_with_init(&format!("https://room/{}", self.path), &init)?;
        let stub = env.durable_object(ROOMS)?.get_by_name(name)?;
        match stub.fetch_with_request(forwarded).await {
            Ok(response) => Ok(response),
            Err(error) => {
                worker::console_error!("the room did not answer: {error}");
                problem(503, "unavailable", "The room did not answer. Try again.")
            }
        }
    }
}

/// A write of a field, as the room's object takes it, or the refusal of one that nobody can read.
async fn field_write(request: &mut Request, field: &str) -> Result<std::result::Result<ToRoom, Response>> {
    let verb = if is_method(request, "PUT") { "put" } else { "delete" };
    let mut to_room = Url::parse("https://room/write")?;
    {
        let url = request.url()?;
        let mut query = to_room.query_pairs_mut();
        query.append_pair("verb", verb).append_pair("field", field);
        // Of a PUT all members are in the body.
        let members = url.query_pairs().filter(|(key, _)| verb == "delete" && DELETE_MEMBERS.contains(&key.as_ref()));
        for (key, value) in members {
            query.append_pair(&key, &value);
        }
    }
    let path = format!("write?{}", to_room.query().unwrap_or_default());
    let Some(bytes) = body(request).await? else {
        let detail = format!("The body has more than {BODY_BYTES} bytes.");
        return problem(413, "limit_message", &detail).map(Err);
    };
    let Ok(body) = String::from_utf8(bytes) else {
        return problem(400, "bad_message", "The body is no UTF-8.").map(Err);
    };
    Ok(Ok(ToRoom { body: Some(body), ..ToRoom::get(request, &path)? }))
}

/// All of the body, or `None` if that is too much.
async fn body(request: &mut Request) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if request.inner().body().is_none() {
        return Ok(Some(bytes));
    }
    let mut stream = request.stream()?;
    while let Some(chunk) = stream.next().await {
        bytes.extend(chunk?);
        if bytes.len() > BODY_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

fn is_method(request: &Request, method: &str) -> bool {
    request.inner().method() == method
}

/// Whether the method is one that only reads. Asked of the request itself: the crate takes a method it does not know
/// for GET.
fn is_read(request: &Request) -> bool {
    matches!(request.inner().method().as_str(), "GET" | "HEAD")
}

fn only_reads() -> Result<Response> {
    wrong_method("GET, HEAD")
}

fn wrong_method(allowed: &str) -> Result<Response> {
    let mut response = problem(405, "method_not_allowed", &format!("Allowed here: {allowed}."))?;
    response.headers_mut().set("allow", allowed)?;
    Ok(response)
}

/// What of the query of `GET /changes` is for the room: a version with the epoch it belongs to, or a time.
fn changes_query(url: &Url) -> Option<String> {
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let since = parameter("since")?;
    let mut to_room = Url::parse("https://room/changes").ok()?;
    let mut query = to_room.query_pairs_mut();
    if since.bytes().all(|byte| byte.is_ascii_digit()) {
        query.append_pair("since", &since.parse::<u64>().ok()?.to_string());
        if let Some(epoch) = parameter("epoch") {
            query.append_pair("epoch", &epoch);
        }
    } else {
        // JavaScript takes many forms for a date; ISO 8601 begins with the year.
        let is_iso = since.len() >= 10 && since.bytes().take(4).all(|byte| byte.is_ascii_digit());
        let time = js_sys::Date::parse(Some(since.as_str()).filter(|_| is_iso)?);
        query.append_pair("time", &(Some(time).filter(|time| time.is_finite())? as i64).to_string());
    }
    drop(query);
    to_room.query().map(str::to_owned)
}

fn refuse(request: &Request, error: &AddressError) -> Result<Response> {
    let (status, close) = match error {
        AddressError::NotFound | AddressError::UnknownParty => (404, CloseCode::UnknownParty),
        AddressError::BadRoom(_) => (400, CloseCode::Misuse),
    };
    if is_upgrade(request)? {
        return close_at_once(request, close, error.code());
    }
    problem(status, error.code(), &error.to_string())
}
