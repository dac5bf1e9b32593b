//! Answers over HTTP, and the one way of refusing a WebSocket that a page can read.

use serde::Serialize;
use worker::{Headers, Request, Response, ResponseBuilder, Result, WebSocketPair};

use crate::protocol::json::encode;
use crate::protocol::refusal::CloseCode;

/// An RFC 9457 problem (H5).
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

/// Answers with a problem. `code` is stable, `detail` for people.
pub fn problem(status: u16, code: &str, detail: &str) -> Result<Response> {
    let title = match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        426 => "Upgrade Required",
        503 => "Service Unavailable",
        _ => "Error",
    };
    let body = encode(&Problem { title, status, code, detail });
    answer(status, "application/problem+json", body)
}

/// Answers with a body that any page may read and no cache keeps.
pub fn answer(status: u16, content_type: &str, body: String) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", content_type)?;
    headers.set("cache-control", "no-cache")?;
    headers.set("access-control-allow-origin", "*")?;
    headers.set("x-content-type-options", "nosniff")?;
    if status == 503 {
        headers.set("retry-after", "5")?;
    }
    Ok(ResponseBuilder::new().with_status(status).with_headers(headers).fixed(body.into_bytes()))
}

/// Whether the request asks for a WebSocket.
pub fn is_upgrade(request: &Request) -> Result<bool> {
    let upgrade = request.headers().get("upgrade")?;
    Ok(upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")))
}

/// The answer that opens a WebSocket. The first subprotocol that the client offered is chosen (U6).
pub fn upgraded(request: &Request, pair: WebSocketPair) -> Result<Response> {
    let mut response = Response::from_websocket(pair.client)?;
    let offered = request.headers().get("sec-websocket-protocol")?.unwrap_or_default();
    if let Some(first) = offered.split(',').map(str::trim).find(|name| !name.is_empty()) {
        response.headers_mut().set("sec-websocket-protocol", first)?;
    }
    Ok(response)
}

/// Refuses a WebSocket for good: opens it and closes it with a code, since a browser shows no page the status of an
/// upgrade that failed (U7).
pub fn close_at_once(request: &Request, code: CloseCode, reason: &str) -> Result<Response> {
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    pair.server.close(Some(code.number()), Some(reason))?;
    upgraded(request, pair)
}
