//! What the runtime has for everyone: the operator's variables, the names of the bindings, the clock, randomness.

use js_sys::Date;
use worker::Env;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;

/// The binding of the Durable Objects that are rooms, as wrangler.toml names it.
pub const ROOMS: &str = "ROOMS";
/// The binding of the objects that know of users across rooms, as wrangler.toml names it.
pub const USERS: &str = "USERS";

/// What an operator set, if anything.
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
