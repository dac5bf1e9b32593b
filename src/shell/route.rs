//! The door: which room a request means, whether it may come in, and the way to the room's object.

use worker::{Env, Headers, Method, Request, RequestInit, Response, Result, Url};

use crate::protocol::address::{Address, AddressError, Resource};
use crate::protocol::refusal::CloseCode;
use crate::room::Settings;

use super::http::{answer, close_at_once, is_upgrade, problem};

/// The binding of the Durable Object, as wrangler.toml names it.
const ROOMS: &str = "ROOMS";
/// Headers of the client that the object reads. No other header reaches it, and the address that it sees is made
/// here, so nothing that a client sends can pass for something that the router says (U4).
const FORWARDED: [&str; 3] = ["upgrade", "sec-websocket-protocol", "if-none-match"];

/// Answers a request.
pub async fn serve(request: Request, env: &Env) -> Result<Response> {
    let parties = variable(env, "PARTIES").filter(|parties| !parties.trim().is_empty());
    let parties = parties.unwrap_or_else(|| "collaboration".to_owned());
    let address = Address::parse(request.url()?.path(), &parties);
    match address {
        // Told to everyone, whoever may enter a room.
        Err(AddressError::NotFound) => refuse(&request, &AddressError::NotFound),
        Ok(Address::Health) if is_read(&request) => answer(200, "application/json", r#"{"status":"ok"}"#.to_owned()),
        Ok(Address::Health) => only_reads(),
        Ok(Address::Room { party, room, resource }) => match closed(env)? {
            Some(refusal) => Ok(refusal),
            None => enter(&request, env, &format!("{party}/{room}"), resource).await,
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

async fn enter(request: &Request, env: &Env, name: &str, resource: Resource) -> Result<Response> {
    let path = match (resource, is_upgrade(request)?, is_read(request)) {
        (Resource::Room, true, true) => "connect".to_owned(),
        (Resource::State, false, true) => "state".to_owned(),
        (Resource::Changes, false, true) => match changes_query(&request.url()?) {
            Some(query) => format!("changes?{query}"),
            None => {
                let detail = "`since` must be a version, an integer from 0, or an ISO 8601 time.";
                return problem(400, "bad_request", detail);
            }
        },
        (Resource::Room, false, true) => {
            return problem(
                426,
                "upgrade_required",
                "Open a WebSocket here, or read /state or /changes below this address.",
            );
        }
        (Resource::State | Resource::Changes, true, true) => return refuse(request, &AddressError::NotFound),
        (Resource::Room | Resource::State | Resource::Changes, _, false) => return only_reads(),
    };
    let headers = Headers::new();
    for header in FORWARDED {
        if let Some(value) = request.headers().get(header)? {
            headers.set(header, &value)?;
        }
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Get).with_headers(headers);
    let forwarded = Request::new_with_init(&format!("https://room/{path}"), &init)?;
    let stub = env.durable_object(ROOMS)?.get_by_name(name)?;
    match stub.fetch_with_request(forwarded).await {
        Ok(response) => Ok(response),
        Err(error) => {
            worker::console_error!("the room did not answer: {error}");
            problem(503, "unavailable", "The room did not answer. Try again.")
        }
    }
}

/// Whether the method is one that only reads. Asked of the request itself: the crate takes a method it does not know
/// for GET.
fn is_read(request: &Request) -> bool {
    matches!(request.inner().method().as_str(), "GET" | "HEAD")
}

fn only_reads() -> Result<Response> {
    let mut response = problem(405, "method_not_allowed", "Use GET here.")?;
    response.headers_mut().set("allow", "GET, HEAD")?;
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
