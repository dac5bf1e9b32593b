//! Which object a request is for, and the way there, past the door.

use futures::StreamExt;
use worker::{Env, Request, Response, Result};

use crate::access::claims::TOKEN_ID_BYTES;
use crate::access::claims::{Claims, Denial};
use crate::access::pass::{Admission, Pass};
use crate::access::{revocations, roles};
use crate::protocol::Millis;
use crate::protocol::address::{Address, AddressError, Resource};
use crate::protocol::json;
use crate::protocol::limits::{BadVariable, ID_SEARCH_BYTES};
use crate::protocol::origin::Origins;
use crate::protocol::refusal::CloseCode;
use crate::protocol::since::with_plus;
use crate::protocol::write::Verb;
use crate::room::settings::Settings;

use super::door::{self, Door, Purpose};
use super::environment::{now, variable};
use super::events;
use super::http::{answer, close_at_once, denied, is_upgrade, preflight, problem, readable, with_header};
use super::kinds;
use super::to_room::{MAKES_A_ROOM, ToRoom};
use super::url::{Url, url_of, url_to};

/// A longer body is not read, in bytes: no message is that long, but its number may still be searched for (E2).
const BODY_BYTES: usize = 2 * ID_SEARCH_BYTES;

/// Serves a request.
pub async fn serve(mut request: Request, env: &Env) -> Result<Response> {
    let origins = Origins::parse(variable(env, "ALLOWED_ORIGINS").as_deref());
    let origin = request.headers().get("origin")?;
    let parties = variable(env, "PARTIES").filter(|parties| !parties.trim().is_empty());
    let mut parties = parties.unwrap_or_else(|| "collaboration".to_owned());
    let _ = kinds::with_all(|kinds| kinds.keys().for_each(|party| parties.extend([",", party])));
    let path = url_of(&request)?.pathname();
    let address = Address::parse(&path, &parties);
    let is_stream = matches!(&address, Ok(Address::Room { resource: Resource::Events, .. }))
        && is_method(&request, "GET")
        && !is_upgrade(&request)?;
    let visitor = Visitor { origins: &origins, origin: origin.as_deref() };
    let response = route(&mut request, env, address, &visitor).await?;
    let response = if is_stream { events::reopenable(response).await? } else { response };
    match &origins {
        Ok(origins) => readable(response, origins, origin.as_deref()),
        Err(_) => Ok(response),
    }
}

/// Whose page sends the request, and whose pages may.
struct Visitor<'a> {
    origins: &'a std::result::Result<Origins, BadVariable>,
    origin: Option<&'a str>,
}

type Addressed = std::result::Result<Address, AddressError>;

async fn route(request: &mut Request, env: &Env, address: Addressed, visitor: &Visitor<'_>) -> Result<Response> {
    let address = match address {
        // Told to everyone, whether or not they may enter a room.
        Err(AddressError::NotFound) => return refuse(request, &AddressError::NotFound),
        Ok(Address::Health) if is_read(request) => {
            return answer(200, "application/json", r#"{"status":"ok"}"#.to_owned());
        }
        Ok(Address::Health) => return only_reads(),
        Ok(_) if is_method(request, "OPTIONS") => return preflight(),
        address => address,
    };
    let door = Door::of(env).await;
    if let Some(refusal) = closed(env, &door, visitor.origins)? {
        return Ok(refusal);
    }
    match address {
        Ok(Address::Revocations { user }) => revoke(request, env, &door, &user).await,
        Ok(Address::Kind { party }) => kind(request, env, &door, &party).await,
        Ok(Address::Room { party, room, resource }) => {
            let is_admitted = visitor.origins.as_ref().is_ok_and(|origins| origins.admits(visitor.origin));
            if is_upgrade(request)? && !is_admitted {
                return close_at_once(request, CloseCode::Forbidden, "forbidden_origin");
            }
            // Pages of any origin can send it without a preflight.
            if is_method(request, "POST") && !is_admitted {
                return problem(403, "forbidden_origin", "Pages of this origin are not admitted.");
            }
            // On its way, the address for clearing the field `..` is turned into this one (RFC 3986, 5.2.4).
            if url_of(request)?.pathname().ends_with('/') && is_method(request, "DELETE") {
                return problem(400, "bad_request", "To delete a room, use its address without a trailing slash.");
            }
            enter(request, env, &door, &format!("{party}/{room}"), resource).await
        }
        Ok(Address::Health) => only_reads(),
        Err(error) => refuse(request, &error),
    }
}

/// Why nobody may enter any room of this Worker, if that is so: the operator has not said who may (A6), or has set a
/// variable to an invalid value.
fn closed(env: &Env, door: &Door, origins: &std::result::Result<Origins, BadVariable>) -> Result<Option<Response>> {
    let misconfigured = || {
        let detail = "The server is misconfigured. Its log says which variable is at fault.";
        problem(503, "misconfigured", detail).map(Some)
    };
    match door {
        Door::NotConfigured => {
            let detail = "No access is configured. Set AUTH_KEYS or AUTH_JWKS_URL to admit users with a token, or \
                          ALLOW_ANONYMOUS to \"true\" to admit everyone.";
            return problem(503, "auth_not_configured", detail).map(Some);
        }
        Door::Misconfigured => return misconfigured(),
        Door::Open | Door::Tokens => {}
    }
    let settings = Settings::from_vars(|name| variable(env, name)).map(drop);
    if let Err(error) = kinds::with_all(|_| ()) {
        worker::console_error!("the kinds of rooms cannot be read: {error}");
        return misconfigured();
    }
    let claims = door::claim_rules(env).map(drop);
    if let Err(error) = settings.and(claims).and_then(|()| origins.as_ref().map(drop).map_err(Clone::clone)) {
        worker::console_error!("{error}");
        return misconfigured();
    }
    Ok(None)
}

/// What is asked of a room.
enum Ask {
    Connect,
    State,
    Changes(Url),
    Events,
    Field(String),
    Write { verb: Verb, target: String },
    Delete,
}

impl Ask {
    /// Reads as much of the request as requires no token.
    fn of(request: &Request, resource: Resource) -> Result<std::result::Result<Self, Response>> {
        let (is_upgrade, is_read) = (is_upgrade(request)?, is_read(request));
        if let Some(verb) = verb(request, &resource).filter(|_| !is_upgrade) {
            let target = match resource {
                Resource::Field(target) | Resource::Participant(target) => target,
                Resource::Room | Resource::State | Resource::Changes | Resource::Events | Resource::Messages => {
                    String::new()
                }
            };
            return Ok(Ok(Self::Write { verb, target }));
        }
        let refusal = match (resource, is_upgrade) {
            (Resource::Room, true) if is_read => return Ok(Ok(Self::Connect)),
            (Resource::Room, false) if is_method(request, "DELETE") => return Ok(Ok(Self::Delete)),
            (Resource::Room, false) if is_read => {
                let detail = "Open a WebSocket here, or read /state or /changes under this address.";
                problem(426, "upgrade_required", detail)
            }
            (Resource::State, false) if is_read => return Ok(Ok(Self::State)),
            (Resource::Changes, false) if is_read => match changes_query(&url_of(request)?)? {
                Some(url) => return Ok(Ok(Self::Changes(url))),
                None => {
                    let detail = "`since` must be a version (an integer of 0 or more) or an ISO 8601 time.";
                    problem(400, "bad_request", detail)
                }
            },
            (Resource::Events, false) if is_method(request, "GET") => return Ok(Ok(Self::Events)),
            (Resource::Field(field), false) if is_read => return Ok(Ok(Self::Field(field))),
            (Resource::Room, _) => wrong_method("GET, HEAD, DELETE"),
            (_, true) => refuse(request, &AddressError::NotFound),
            (Resource::State, false) => wrong_method("GET, HEAD, PATCH, POST"),
            (Resource::Changes, false) => only_reads(),
            (Resource::Events, false) => wrong_method("GET"),
            (Resource::Field(_), false) => wrong_method("GET, HEAD, PUT, POST, DELETE"),
            (Resource::Messages, false) => wrong_method("POST"),
            (Resource::Participant(_), false) => wrong_method("DELETE"),
        };
        refusal.map(Err)
    }

    /// What it requires: to be admitted as a connection, or a role.
    fn wish<'a>(&self, room: &'a str) -> Purpose<'a> {
        match self {
            Self::Connect | Self::Events => Purpose::Enter(room),
            Self::State | Self::Changes(_) | Self::Field(_) => Purpose::Ask(room, roles::TO_READ),
            // The room knows whether it is the bearer who is to be removed.
            Self::Write { verb: Verb::Remove, .. } => Purpose::Ask(room, roles::TO_READ),
            // In rooms of a declared kind its rules say who may change fields (K4).
            Self::Write { verb: Verb::Put | Verb::Delete | Verb::Patch, .. } if kinds::of_room(room).is_some() => {
                Purpose::Ask(room, roles::TO_READ)
            }
            Self::Write { .. } => Purpose::Ask(room, roles::TO_WRITE),
            Self::Delete => Purpose::Ask(room, roles::TO_DELETE),
        }
    }
}

async fn enter(request: &mut Request, env: &Env, door: &Door, room: &str, resource: Resource) -> Result<Response> {
    let ask = match Ask::of(request, resource)? {
        Ok(ask) => ask,
        Err(refusal) => return Ok(refusal),
    };
    let entry = match (door, door::token_of(request)?) {
        (Door::Tokens, Some(token)) => match door::check(env, &token, ask.wish(room)).await {
            Ok(Claims { user, pass, .. }) => {
                let is_stream = matches!(ask, Ask::Events);
                Admission::Pass { user, pass: Pass { is_stream, ..pass } }
            }
            Err(denial) => return denied(request, &denial),
        },
        (Door::Tokens, None) if matches!(ask, Ask::Connect) => Admission::Unauthenticated,
        (Door::Tokens, None) => return denied(request, &no_token()),
        (Door::Open | Door::NotConfigured | Door::Misconfigured, _) => Admission::Anonymous,
    };
    let to_room = match ask {
        Ask::Connect => ToRoom::get(request, &url_to("room", "connect")?)?,
        Ask::State => ToRoom::get(request, &url_to("room", "state")?)?,
        Ask::Changes(url) => ToRoom::get(request, &url)?,
        Ask::Events => return events::serve(request, env, room, &entry).await,
        Ask::Field(field) => {
            let url = url_to("room", "field")?;
            url.query().append("field", &field);
            ToRoom::get(request, &url)?
        }
        Ask::Write { verb, target } => match write(request, verb, &target).await? {
            Ok(to_room) => to_room,
            Err(refusal) => return Ok(refusal),
        },
        Ask::Delete => ToRoom::get(request, &url_to("room", "delete")?)?,
    };
    let mut response = to_room.send(env, room, &entry).await?;
    if let (MAKES_A_ROOM, Admission::Pass { user, .. }) = (response.status_code(), &entry) {
        let may_make = door::may_make(env, user, room).await.inspect_err(|error| {
            worker::console_error!("a user's object did not respond: {error}");
        });
        let Ok(may_make) = may_make else { return denied(request, &Denial::Unavailable) };
        if !may_make {
            let detail = "The user has made as many rooms over HTTP today as one user may. Try again later.";
            return problem(429, "limit_rooms", detail);
        }
        response = to_room.send_by_maker(env, room, &entry).await?;
    }
    if response.status_code() == 403 && is_upgrade(request)? {
        // Revoked at this moment, which is final (U7).
        return denied(request, &Denial::Revoked);
    }
    Ok(response)
}

fn no_token() -> Denial {
    Denial::Unauthorized(
        "This server requires a token: `Authorization: Bearer …`, or `?token=` in the address.".to_owned(),
    )
}

/// `GET /kinds/{party}` (K7).
async fn kind(request: &Request, env: &Env, door: &Door, party: &str) -> Result<Response> {
    if !is_read(request) {
        return only_reads();
    }
    if let Door::Tokens = door {
        let checked = match door::token_of(request)? {
            Some(token) => door::check(env, &token, Purpose::Look).await.map(drop),
            None => Err(no_token()),
        };
        if let Err(denial) = checked {
            return denied(request, &denial);
        }
    }
    kinds::definition(request, party)
}

/// `POST /users/{sub}/revocations` (A8).
async fn revoke(request: &mut Request, env: &Env, door: &Door, user: &str) -> Result<Response> {
    if !is_method(request, "POST") {
        return wrong_method("POST");
    }
    match (door, door::token_of(request)?) {
        (Door::Tokens, Some(token)) => {
            if let Err(denial) = door::check(env, &token, Purpose::RevokeTokens).await {
                return denied(request, &denial);
            }
        }
        (Door::Tokens, None) => return denied(request, &no_token()),
        (Door::Open | Door::NotConfigured | Door::Misconfigured, _) => {
            let refusal = roles::check(roles::ANONYMOUS_ROLE, roles::TO_REVOKE_TOKENS);
            let detail = refusal.map_or_else(|refusal| refusal.message, |()| String::new());
            return denied(request, &Denial::Forbidden(detail));
        }
    }
    let bytes = match body(request).await? {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(refusal),
    };
    let Some((jti, until)) = std::str::from_utf8(&bytes).ok().and_then(revocation) else {
        let detail = "The body must be {\"jti\"?, \"until\"}: the id of one token, and a time in the future in milliseconds, below 2^53.";
        return problem(400, "bad_request", detail);
    };
    match door::revoke(env, user, jti.as_deref(), until).await.map(|answer| answer.status_code()) {
        Ok(204) => answer(204, "application/json", String::new()),
        Ok(_) | Err(_) => {
            worker::console_error!("a revocation was carried out only in part");
            problem(503, "unavailable", "Not every room could be notified. Send this again.")
        }
    }
}

/// An admin's revocation of a user's tokens: one or all, and until when. `None` if it is not valid now.
fn revocation(body: &str) -> Option<(Option<String>, Millis)> {
    let body = json::object(body).ok()?;
    let members = body.without_duplicate_keys().ok()?;
    let until = revocations::until(members.get("until")?.get(), now())?;
    let jti = match members.get("jti").map(|raw| raw.get()) {
        None | Some("null") => None,
        Some(raw) => {
            let id = json::string(raw)?.into_owned();
            let is_one = (1..=TOKEN_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
            Some(Some(id).filter(|_| is_one)?)
        }
    };
    Some((jti, until))
}

/// What a request writes. A `POST` does what a `PUT` or a `PATCH` does, for those that can send nothing else: a page that is
/// being closed has `sendBeacon` (H10).
fn verb(request: &Request, resource: &Resource) -> Option<Verb> {
    match (resource, request.inner().method().as_str()) {
        (Resource::Field(_), "PUT" | "POST") => Some(Verb::Put),
        (Resource::Field(_), "DELETE") => Some(Verb::Delete),
        (Resource::State, "PATCH" | "POST") => Some(Verb::Patch),
        (Resource::Messages, "POST") => Some(Verb::Send),
        (Resource::Participant(_), "DELETE") => Some(Verb::Remove),
        (_, _) => None,
    }
}

/// A write, as the room's object takes it, or the refusal of one that cannot be read.
async fn write(request: &mut Request, verb: Verb, target: &str) -> Result<std::result::Result<ToRoom, Response>> {
    let to_room = url_to("room", "write")?;
    to_room.query().append("verb", verb.as_str());
    to_room.query().append("target", target);
    let from_client = url_of(request)?.query();
    for member in verb.query_members() {
        if let Some(value) = from_client.get(member) {
            to_room.query().append(member, &value);
        }
    }
    let bytes = match body(request).await? {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Ok(body) = String::from_utf8(bytes) else {
        return problem(400, "bad_message", "The body is not UTF-8.").map(Err);
    };
    Ok(Ok(ToRoom::post(request, &to_room, body)?))
}

/// The whole body, or the refusal of one that is too long or compressed.
async fn body(request: &mut Request) -> Result<std::result::Result<Vec<u8>, Response>> {
    let mut bytes = Vec::new();
    if request.inner().body().is_none() {
        return Ok(Ok(bytes));
    }
    let coding = request.headers().get("content-encoding")?.unwrap_or_default();
    if !coding.trim().is_empty() && !coding.trim().eq_ignore_ascii_case("identity") {
        let response =
            problem(415, "unsupported_encoding", "The body is compressed. Send it without Content-Encoding.")?;
        // RFC 9110, section 15.5.16.
        return with_header(response, "accept-encoding", "identity").map(Err);
    }
    let mut stream = request.stream()?;
    while let Some(chunk) = stream.next().await {
        bytes.extend(chunk?);
        if bytes.len() > BODY_BYTES {
            let detail = format!("The body is longer than {BODY_BYTES} bytes.");
            return problem(413, "limit_message", &detail).map(Err);
        }
    }
    Ok(Ok(bytes))
}

fn is_method(request: &Request, method: &str) -> bool {
    request.inner().method() == method
}

/// Whether the method only reads. Asked of the request itself: the crate takes a method that it does not know for GET.
fn is_read(request: &Request) -> bool {
    matches!(request.inner().method().as_str(), "GET" | "HEAD")
}

fn only_reads() -> Result<Response> {
    wrong_method("GET, HEAD")
}

fn wrong_method(allowed: &str) -> Result<Response> {
    let response = problem(405, "method_not_allowed", &format!("Allowed methods: {allowed}."))?;
    with_header(response, "allow", allowed)
}

/// The query of `GET /changes` for the room: a version with the epoch it belongs to, or a time. `None` if it is
/// neither.
fn changes_query(url: &Url) -> Result<Option<Url>> {
    let (to_room, query) = (url_to("room", "changes")?, url.query());
    let Some(since) = query.get("since") else { return Ok(None) };
    if !since.is_empty() && since.bytes().all(|byte| byte.is_ascii_digit()) {
        let Some(version) = json::integer(&since) else { return Ok(None) };
        to_room.query().append("since", &version.to_string());
        if let Some(epoch) = query.get("epoch") {
            to_room.query().append("epoch", &epoch);
        }
        return Ok(Some(to_room));
    }
    // JavaScript accepts many forms of dates; ISO 8601 begins with the year.
    let is_iso = since.len() >= 10 && since.bytes().take(4).all(|byte| byte.is_ascii_digit());
    let time = if is_iso { js_sys::Date::parse(&with_plus(&since)) } else { f64::NAN };
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
