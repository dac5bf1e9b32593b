//! What runs in workerd: the Worker that every request reaches first (`route`), who may come in (`door`), the way from
//! there to a room (`to_room`), the stream of events that the Worker makes of a room's changes (`events`), the Durable
//! Objects that are rooms and that know of a user's revoked tokens (`objects`).
//!
//! Below them a room's object as the runner sees it (`platform`), what it keeps (`storage`), the frames that wait for it
//! (`inbox`), answers over HTTP (`http`), and the bindings to workerd that the `worker` crate lacks (`bindings`, `url`).

mod bindings;
mod door;
mod environment;
mod events;
mod http;
mod inbox;
mod objects;
mod platform;
mod route;
mod storage;
mod to_room;
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
