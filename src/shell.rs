//! What runs in workerd: the Worker that every request reaches first (`route`), who may come in (`door`), the Durable
//! Object that is a room (`object`), the one that knows of a user's revoked tokens (`user`), the stream of events that
//! the Worker makes of a room's changes (`events`), and the bindings to workerd that the `worker` crate lacks
//! (`platform`).

mod door;
mod events;
mod http;
mod object;
mod platform;
mod route;
mod url;
mod user;

use worker::{Context, Env, Request, Response, Result, event};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    route::serve(request, &env).await
}
