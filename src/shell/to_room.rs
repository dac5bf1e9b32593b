//! A request on its way to a room's object.

use wasm_bindgen::JsValue;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Result};

use crate::access::network;
use crate::access::pass::Admission;
use crate::protocol::json::encode;

use super::environment::ROOMS;
use super::http::problem;
use super::url::{Url, copy_of, url_to};

/// The client's headers that the object reads. No other header reaches it, and the address that it sees is made here,
/// so nothing that a client sends can pass for something from the router (U4).
const FORWARDED: [&str; 5] = ["upgrade", "sec-websocket-protocol", "if-match", "if-none-match", "idempotency-key"];

/// Where the platform says which address a request comes from. A client cannot set it.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";

/// How a room answers a write that would make it, unless [`ToRoom::send_by_maker`] sent it.
pub const MAKES_A_ROOM: u16 = 428;

/// A request to a room's object.
pub struct ToRoom {
    address: Url,
    headers: Headers,
    body: Option<String>,
}

impl ToRoom {
    /// A request for something, with those of the client's headers that the object reads.
    pub fn get(request: &Request, address: &Url) -> Result<Self> {
        let headers = Headers::new();
        for header in FORWARDED {
            if let Some(value) = request.headers().get(header)? {
                headers.set(header, &value)?;
            }
        }
        address.query().append("network", &network_of(request)?);
        Ok(Self { address: address.clone(), headers, body: None })
    }

    /// A request with a body.
    pub fn post(request: &Request, address: &Url, body: String) -> Result<Self> {
        Ok(Self { body: Some(body), ..Self::get(request, address)? })
    }

    /// A request that opens a WebSocket for the Worker itself, which serves a stream of events over it.
    pub fn stream(request: &Request) -> Result<Self> {
        let (address, headers) = (url_to("room", "connect")?, Headers::new());
        headers.set("upgrade", "websocket")?;
        address.query().append("network", &network_of(request)?);
        address.query().append("stream", "");
        Ok(Self { address, headers, body: None })
    }

    /// Sends it on behalf of its user, who may make the room by it.
    pub async fn send_by_maker(&self, env: &Env, name: &str, entry: &Admission) -> Result<Response> {
        let address = copy_of(&self.address)?;
        address.query().append("may-make", "");
        Self { address, headers: self.headers.clone(), body: self.body.clone() }.send(env, name, entry).await
    }

    /// Sends it on behalf of its user. If the room does not respond, the result is a 503.
    pub async fn send(&self, env: &Env, name: &str, entry: &Admission) -> Result<Response> {
        let address = copy_of(&self.address)?;
        address.query().append("entry", &encode(entry));
        let mut init = RequestInit::new();
        let method = if self.body.is_some() { Method::Post } else { Method::Get };
        init.with_method(method).with_headers(self.headers.clone());
        init.with_body(self.body.as_deref().map(JsValue::from_str));
        let forwarded = Request::new_with_init(&address.href(), &init)?;
        let stub = env.durable_object(ROOMS)?.get_by_name(name)?;
        match stub.fetch_with_request(forwarded).await {
            Ok(response) => Ok(response),
            Err(error) => {
                worker::console_error!("the room did not respond: {error}");
                problem(503, "unavailable", "The room did not respond. Try again.")
            }
        }
    }
}

fn network_of(request: &Request) -> Result<String> {
    Ok(network::of(&request.headers().get(CLIENT_ADDRESS)?.unwrap_or_default()))
}
