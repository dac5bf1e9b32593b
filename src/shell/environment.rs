//! What the runtime provides: the operator's variables, the names of the bindings, the clock, randomness.

use js_sys::Date;
use worker::Env;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;

/// The binding of the rooms' Durable Objects, as named in wrangler.toml.
pub const ROOMS: &str = "ROOMS";
/// The binding of the users' Durable Objects, as named in wrangler.toml.
pub const USERS: &str = "USERS";

/// The operator's variable of this name, if set.
pub fn variable(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string())
}

/// The server's clock. In workerd it stands still while an event is being handled.
pub fn now() -> Millis {
    Date::now() as Millis
}

/// 128 random bits.
pub fn random_id() -> ConnectionId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("workerd always has crypto.getRandomValues");
    ConnectionId::from_random(bytes)
}
