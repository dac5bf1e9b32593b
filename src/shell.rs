//! What runs in workerd: the Worker that every request reaches first (`route`), who may enter (`door`), the way from
//! there to a room (`to_room`), the event streams that the Worker makes of a room's changes (`events`), and the Durable
//! Objects for rooms and for users' revoked tokens (`objects`).
//!
//! Below them are a room's object as the driver sees it (`platform`), what it stores (`storage`), the frames held for
//! it (`inbox`), HTTP responses (`http`), and bindings to workerd that the `worker` crate lacks (`bindings`, `url`).

mod bindings;
mod door;
mod environment;
mod events;
mod http;
mod inbox;
mod kinds;
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
