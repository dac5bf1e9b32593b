//! The door: whether a token lets its bearer in. The same for a WebSocket, a request over HTTP, a stream of events, and
//! a frame with a token in it (A1 to A3, A8).

use std::cell::OnceCell;
use std::collections::BTreeSet;

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, Method, Request, RequestInit, Response, Result};

use crate::access::claim_rules::ClaimRules;
use crate::access::claims::TOKEN_BYTES;
use crate::access::claims::{Claims, Denial};
use crate::access::roles;
use crate::access::rules::{Enter, has_claim};
use crate::protocol::Millis;
use crate::protocol::limits::{BadVariable, Limits};
use crate::protocol::role::Role;
use crate::room::settings::KEY_VARIABLES;

use super::environment::{USERS, variable};
use super::kinds;
use super::url::url_to;

#[wasm_bindgen(module = "/src/shell/token.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = isConfigured)]
    fn is_configured(keys: Option<String>, url: Option<String>) -> Promise;
    #[wasm_bindgen]
    fn verify(
        token: &str,
        keys: Option<String>,
        url: Option<String>,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Promise;
}

/// Whom the operator admits (A6).
pub enum Door {
    /// Everyone.
    Open,
    /// Those with a token.
    Tokens,
    /// Nobody: nothing is set.
    NotConfigured,
    /// Nobody: the keys make no sense.
    Misconfigured,
}

impl Door {
    /// Reads the operator's variables.
    pub async fn of(env: &Env) -> Self {
        let [keys, url] = KEY_VARIABLES.map(|name| variable(env, name));
        if keys.is_some() || url.is_some() {
            let is_configured = JsFuture::from(is_configured(keys, url)).await.is_ok_and(|answer| answer.is_truthy());
            return if is_configured { Self::Tokens } else { Self::Misconfigured };
        }
        if variable(env, "ALLOW_ANONYMOUS").as_deref() == Some("true") { Self::Open } else { Self::NotConfigured }
    }
}

thread_local! {
    /// The Worker's variables are the same for all requests of an isolate, and reading them takes time.
    static CLAIM_RULES: OnceCell<std::result::Result<ClaimRules, BadVariable>> = const { OnceCell::new() };
}

/// Where claims are in a token, as the operator says.
///
/// # Errors
/// A variable has an invalid value.
pub fn claim_rules(env: &Env) -> std::result::Result<ClaimRules, BadVariable> {
    CLAIM_RULES.with(|rules| rules.get_or_init(|| ClaimRules::from_vars(|name| variable(env, name))).clone())
}

/// What the bearer of a token wants to do.
pub enum Purpose<'a> {
    /// Open a connection to a room, given as `party/room`.
    Enter(&'a str),
    /// Ask a room for something that requires a role.
    Ask(&'a str, Role),
    /// Ask the Worker for something that anyone may know whose token counts.
    Look,
    /// Revoke tokens.
    RevokeTokens,
}

/// Checks a token: that it is genuine and currently valid, that it permits this, and that it has not been revoked.
///
/// # Errors
/// It does not count, or that cannot be determined.
pub async fn check(env: &Env, token: &str, wish: Purpose<'_>) -> std::result::Result<Claims, Denial> {
    if token.len() > TOKEN_BYTES {
        return Err(Denial::Unauthorized(format!("The token is longer than {TOKEN_BYTES} bytes.")));
    }
    let [keys, url] = KEY_VARIABLES.map(|name| variable(env, name));
    let (issuer, audience) = (variable(env, "AUTH_ISSUER"), variable(env, "AUTH_AUDIENCE"));
    let verified = JsFuture::from(verify(token, keys, url, issuer, audience)).await;
    let verified = verified.map(|verified| Array::from(&verified)).unwrap_or_default();
    let text = verified.get(1).as_string().unwrap_or_default();
    let claims = match verified.get(0).as_string().as_deref() {
        Some("claims") => text,
        Some("unauthorized") => return Err(Denial::Unauthorized(text)),
        _ => return Err(Denial::Unavailable),
    };
    let limits = Limits::from_vars(|name| variable(env, name)).unwrap_or_default();
    let rules = claim_rules(env).map_err(|error| {
        worker::console_error!("{error}");
        Denial::Misconfigured
    })?;
    let mut grant = Claims::from_claims(&claims, &rules, &limits)?;
    let (room, least) = match wish {
        Purpose::Enter(room) => (Some(room), Role::Viewer),
        Purpose::Ask(room, least) => (Some(room), least),
        Purpose::Look => (None, Role::Viewer),
        Purpose::RevokeTokens => (None, roles::TO_REVOKE_TOKENS),
    };
    if let Some(room) = room {
        let kind = kinds::of_room(room);
        grant.check_room(room, kind.as_ref().map_or_else(Enter::default, |kind| kind.enter))?;
        let asked = kind.iter().flat_map(|kind| kind.claims()).collect::<BTreeSet<_>>();
        grant.pass.claims = asked.into_iter().filter(|claim| has_claim(&claims, claim)).map(str::to_owned).collect();
    }
    roles::check(grant.pass.role, least).map_err(|refusal| Denial::Forbidden(refusal.message))?;
    let entered = match wish {
        Purpose::Enter(room) => Some(room),
        Purpose::Ask(..) | Purpose::Look | Purpose::RevokeTokens => None,
    };
    match ask_user(env, &grant, entered).await.map(|answer| answer.status_code()) {
        Ok(204) => Ok(grant),
        Ok(403) => Err(Denial::Revoked),
        Ok(429) => Err(Denial::Full),
        Ok(status) => {
            worker::console_error!("a user's object responded with {status}");
            Err(Denial::Unavailable)
        }
        Err(error) => {
            worker::console_error!("a user's object did not respond: {error}");
            Err(Denial::Unavailable)
        }
    }
}

/// Asks whether the token was revoked, and says which room it opens.
async fn ask_user(env: &Env, grant: &Claims, entered: Option<&str>) -> Result<Response> {
    let url = url_to("user", "check")?;
    if let Some(token_id) = &grant.pass.token_id {
        url.query().append("token", token_id);
    }
    if let Some(room) = entered {
        url.query().append("room", room);
        url.query().append("until", &grant.pass.expires.to_string());
    }
    env.durable_object(USERS)?.get_by_name(&grant.user)?.fetch_with_str(&url.href()).await
}

/// Whether a user may make this room over HTTP, which then counts (A8).
///
/// # Errors
/// That cannot be found out.
pub async fn may_make(env: &Env, user: &str, room: &str) -> Result<bool> {
    let url = url_to("user", "make")?;
    url.query().append("room", room);
    let answer = env.durable_object(USERS)?.get_by_name(user)?.fetch_with_str(&url.href()).await?;
    Ok(answer.status_code() == 204)
}

/// Revokes one or all of a user's tokens until a time.
///
/// # Errors
/// It was not done, or not completely.
pub async fn revoke(env: &Env, user: &str, token_id: Option<&str>, until: Millis) -> Result<Response> {
    let url = url_to("user", "revoke")?;
    url.query().append("user", user);
    url.query().append("until", &until.to_string());
    if let Some(token_id) = token_id {
        url.query().append("token", token_id);
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post);
    let request = Request::new_with_init(&url.href(), &init)?;
    env.durable_object(USERS)?.get_by_name(user)?.fetch_with_request(request).await
}

/// The token in the header or the query of a request (A1).
///
/// # Errors
/// The request has no address.
pub fn token_of(request: &Request) -> Result<Option<String>> {
    let header = request.headers().get("authorization")?.unwrap_or_default();
    let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = bearer {
        return Ok(Some(token.trim().to_owned()));
    }
    Ok(super::url::url_of(request)?.query().get("token").filter(|token| !token.is_empty()))
}
