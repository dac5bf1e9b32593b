//! What runs in workerd: the Worker that every request reaches first (`route`), the Durable Object that is a room
//! (`object`), the stream of events that the Worker makes of a room's changes
//! (`events`), and the bindings to workerd that the `worker` crate lacks (`platform`).

mod events;
mod http;
mod object;
mod platform;
mod route;
mod url;

use worker::{Context, Env, Request, Response, Result, event};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    route::serve(request, &env).await
}
