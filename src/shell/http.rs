//! HTTP responses, and the one way of refusing a WebSocket that a page can read.

use serde::Serialize;
use worker::{Headers, Request, Response, ResponseBuilder, Result, WebSocketPair};

use crate::access::claims::Denial;
use crate::protocol::json::Extra;
use crate::protocol::json::encode;
use crate::protocol::origin::Origins;
use crate::protocol::refusal::CloseCode;

/// An RFC 9457 problem (H5).
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a Extra,
}

/// Responds with a problem. `code` is stable, `detail` is for people.
pub fn problem(status: u16, code: &str, detail: &str) -> Result<Response> {
    problem_with(status, code, detail, &Extra::new())
}

/// Responds with a problem that has further members.
pub fn problem_with(status: u16, code: &str, detail: &str, members: &Extra) -> Result<Response> {
    answer(status, "application/problem+json", problem_text(status, code, detail, members))
}

/// The body of a problem.
pub fn problem_text(status: u16, code: &str, detail: &str, members: &Extra) -> String {
    let title = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => "Error",
    };
    encode(&Problem { title, status, code, detail, members })
}

/// The status that goes with a code (H3, H5).
pub fn status_of(code: &str) -> u16 {
    match code {
        "E_CONFLICT" | "out_of_order" => 409,
        "unauthorized" => 401,
        "identity_mismatch" | "forbidden" | "revoked" | "kicked" => 403,
        "not_found" | "unknown_party" | "field_not_set" => 404,
        "participant_online" => 409,
        "outcome_forgotten" | "deleted" => 410,
        "precondition_failed" => 412,
        "unsupported_encoding" => 415,
        "seq_reused" | "idempotency_key_reused" | "invalid_value" | "unknown_field" => 422,
        "limit_message" | "limit_value" | "limit_name" | "limit_depth" | "limit_batch" => 413,
        "limit_fields" | "limit_room" => 507,
        "limit_rate" | "limit_rooms" => 429,
        "limit_keys"
        | "limit_connections"
        | "misconfigured"
        | "auth_not_configured"
        | "storage"
        | "unavailable"
        | "slow_reader" => 503,
        "internal" => 500,
        _ => 400,
    }
}

/// Responds with a body that no cache keeps.
pub fn answer(status: u16, content_type: &str, body: String) -> Result<Response> {
    let headers = headers(content_type)?;
    match status {
        // RFC 6750, section 3.
        401 => headers.set("www-authenticate", "Bearer")?,
        429 => headers.set("retry-after", "1")?,
        503 => headers.set("retry-after", "5")?,
        _ => {}
    }
    let response = ResponseBuilder::new().with_status(status).with_headers(headers);
    Ok(if body.is_empty() { response.empty() } else { response.fixed(body.into_bytes()) })
}

/// The response to a reader, with a tag, unless the reader has it already. Tags are compared weakly, as RFC 9110 requires of
/// If-None-Match: a leading W/ makes no difference.
pub fn tagged(request: &Request, tag: &str, shown: &str, body: impl FnOnce() -> String) -> Result<Response> {
    let known = request.headers().get("if-none-match")?.unwrap_or_default();
    let mut known = known.split(',').map(|known| known.trim().trim_start_matches("W/"));
    let is_known = known.any(|known| known == tag || known == "*");
    let response = if is_known {
        answer(304, "application/json", String::new())?
    } else {
        answer(200, "application/json", body())?
    };
    with_header(response, "etag", shown)
}

/// The headers of every response.
pub fn headers(content_type: &str) -> Result<Headers> {
    let headers = Headers::new();
    headers.set("content-type", content_type)?;
    headers.set("cache-control", "no-cache")?;
    headers.set("x-content-type-options", "nosniff")?;
    Ok(headers)
}

/// Allows a page of another origin to send what a simple request may not (Fetch, CORS preflight).
pub fn preflight() -> Result<Response> {
    let headers = Headers::new();
    headers.set("access-control-allow-methods", "GET, HEAD, PUT, PATCH, POST, DELETE")?;
    // The last five are what pages add without being asked to: tracing, and libraries' own.
    let allowed = "authorization, content-type, if-match, if-none-match, idempotency-key, last-event-id, traceparent, \
                   baggage, sentry-trace, cache-control, x-requested-with";
    headers.set("access-control-allow-headers", allowed)?;
    headers.set("access-control-max-age", "7200")?;
    Ok(ResponseBuilder::new().with_status(204).with_headers(headers).empty())
}

/// Allows pages to read the response, if they may (A7).
pub fn readable(response: Response, origins: &Origins, origin: Option<&str>) -> Result<Response> {
    if response.status_code() == 101 {
        return Ok(response);
    }
    // The headers of a response from an object are immutable.
    let headers = response.headers().clone();
    if let Some(allowed) = origins.allow(origin) {
        headers.set("access-control-allow-origin", allowed.origin)?;
        if allowed.with_credentials {
            headers.set("access-control-allow-credentials", "true")?;
        }
        headers.set("access-control-expose-headers", "etag, retry-after, www-authenticate")?;
    }
    if *origins != Origins::Any {
        headers.append("vary", "origin")?;
    }
    Ok(response.with_headers(headers))
}

/// A response with one more header.
pub fn with_header(mut response: Response, name: &str, value: &str) -> Result<Response> {
    response.headers_mut().set(name, value)?;
    Ok(response)
}

/// Refuses somebody whose token does not count, in a way that they can read (U7).
pub fn denied(request: &Request, denial: &Denial) -> Result<Response> {
    match denial.close_code() {
        Some(code) if is_upgrade(request)? => close_at_once(request, code, denial.code()),
        Some(_) | None => problem(status_of(denial.code()), denial.code(), &denial.to_string()),
    }
}

/// Whether the request is for a WebSocket.
pub fn is_upgrade(request: &Request) -> Result<bool> {
    let upgrade = request.headers().get("upgrade")?;
    Ok(upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")))
}

/// The response that opens a WebSocket. The first subprotocol that the client offered is selected (U6).
pub fn upgraded(request: &Request, pair: WebSocketPair) -> Result<Response> {
    let mut response = Response::from_websocket(pair.client)?;
    let offered = request.headers().get("sec-websocket-protocol")?.unwrap_or_default();
    if let Some(first) = offered.split(',').map(str::trim).find(|name| !name.is_empty()) {
        response.headers_mut().set("sec-websocket-protocol", first)?;
    }
    Ok(response)
}

/// Refuses a WebSocket for good: opens it and closes it with a code, since a browser hides the status of a failed
/// upgrade from the page (U7).
pub fn close_at_once(request: &Request, code: CloseCode, reason: &str) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    pair.server.close(Some(code.number()), Some(reason))?;
    upgraded(request, pair)
}
