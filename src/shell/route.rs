//! The door: which room a request means, whether it may come in, and the way to the room's object.

use futures::StreamExt;
use wasm_bindgen::JsValue;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Result};

use crate::protocol::address::{Address, AddressError, Resource};
use crate::protocol::limits::ID_SEARCH_BYTES;
use crate::protocol::refusal::CloseCode;
use crate::protocol::write::QUERY_MEMBERS;
use crate::room::Settings;

use super::events;
use super::http::{answer, close_at_once, is_upgrade, preflight, problem};
use super::url::{Url, url_of, url_to_room};

/// The binding of the Durable Object, as wrangler.toml names it.
const ROOMS: &str = "ROOMS";
/// Headers of the client that the object reads. No other header reaches it, and the address that it sees is made
/// here, so nothing that a client sends can pass for something that the router says (U4).
const FORWARDED: [&str; 4] = ["upgrade", "sec-websocket-protocol", "if-none-match", "idempotency-key"];
/// A body beyond this many bytes is not read: no message is that long, but its number may still be looked for (E2).
const BODY_BYTES: usize = 2 * ID_SEARCH_BYTES;

/// Answers a request.
pub async fn serve(mut request: Request, env: &Env) -> Result<Response> {
    let parties = variable(env, "PARTIES").filter(|parties| !parties.trim().is_empty());
    let parties = parties.unwrap_or_else(|| "collaboration".to_owned());
    let address = Address::parse(&url_of(&request)?.pathname(), &parties);
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
        (Resource::Room, true) if is_read => ToRoom::get(request, &url_to_room("connect")?)?,
        (Resource::Room, false) if is_read => {
            let detail = "Open a WebSocket here, or read /state or /changes below this address.";
            return problem(426, "upgrade_required", detail);
        }
        (Resource::State, false) if is_read => ToRoom::get(request, &url_to_room("state")?)?,
        (Resource::Changes, false) if is_read => match changes_query(&url_of(request)?)? {
            Some(url) => ToRoom::get(request, &url)?,
            None => {
                let detail = "`since` must be a version, an integer from 0, or an ISO 8601 time.";
                return problem(400, "bad_request", detail);
            }
        },
        (Resource::Events, false) if is_method(request, "GET") => return events::serve(request, env, name).await,
        (Resource::Events, false) => return wrong_method("GET"),
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
        (Resource::Room | Resource::State | Resource::Changes, _) => return only_reads(),
    };
    to_room.send(env, name).await
}

/// A request to a room's object.
pub struct ToRoom {
    address: String,
    headers: Headers,
    body: Option<String>,
}

impl ToRoom {
    /// Asks for something, with what of the client's headers the object reads.
    fn get(request: &Request, url: &Url) -> Result<Self> {
        let headers = Headers::new();
        for header in FORWARDED {
            if let Some(value) = request.headers().get(header)? {
                headers.set(header, &value)?;
            }
        }
        Ok(Self { address: url.href(), headers, body: None })
    }

    /// Opens a WebSocket for the Worker itself.
    pub fn connect() -> Result<Self> {
        let headers = Headers::new();
        headers.set("upgrade", "websocket")?;
        Ok(Self { address: url_to_room("connect")?.href(), headers, body: None })
    }

    /// Sends it. A room that does not answer is a 503.
    pub async fn send(self, env: &Env, name: &str) -> Result<Response> {
        let mut init = RequestInit::new();
        init.with_method(if self.body.is_some() { Method::Post } else { Method::Get }).with_headers(self.headers);
        init.with_body(self.body.map(|body| JsValue::from_str(&body)));
        let forwarded = Request::new_with_init(&self.address, &init)?;
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
    let to_room = url_to_room("write")?;
    to_room.query().append("verb", verb);
    to_room.query().append("field", field);
    // Of a PUT all members are in the body.
    let from_client = url_of(request)?.query();
    for member in QUERY_MEMBERS.into_iter().filter(|_| verb == "delete") {
        if let Some(value) = from_client.get(member) {
            to_room.query().append(member, &value);
        }
    }
    let Some(bytes) = body(request).await? else {
        let detail = format!("The body has more than {BODY_BYTES} bytes.");
        return problem(413, "limit_message", &detail).map(Err);
    };
    let Ok(body) = String::from_utf8(bytes) else {
        return problem(400, "bad_message", "The body is no UTF-8.").map(Err);
    };
    Ok(Ok(ToRoom { body: Some(body), ..ToRoom::get(request, &to_room)? }))
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

/// What of the query of `GET /changes` is for the room: a version with the epoch it belongs to, or a time. `None` when
/// it is neither.
fn changes_query(url: &Url) -> Result<Option<Url>> {
    let (to_room, query) = (url_to_room("changes")?, url.query());
    let Some(since) = query.get("since") else { return Ok(None) };
    if !since.is_empty() && since.bytes().all(|byte| byte.is_ascii_digit()) {
        let Ok(version) = since.parse::<u64>() else { return Ok(None) };
        to_room.query().append("since", &version.to_string());
        if let Some(epoch) = query.get("epoch") {
            to_room.query().append("epoch", &epoch);
        }
        return Ok(Some(to_room));
    }
    // JavaScript takes many forms for a date; ISO 8601 begins with the year.
    let is_iso = since.len() >= 10 && since.bytes().take(4).all(|byte| byte.is_ascii_digit());
    let time = if is_iso { js_sys::Date::parse(&since) } else { f64::NAN };
    to_room.query().append("time", &(time as i64).to_string());
    Ok(Some(to_room).filter(|_| time.is_finite()))
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
