//! The declared kinds of rooms (K1), which `kinds.mjs` has from the build, and their schemas, which it checks.

use std::cell::OnceCell;
use std::sync::Arc;

use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Request, Response, Result};

use crate::kind::{self, Kind, Kinds, Misfit, Schema};

use super::http::tagged;

#[wasm_bindgen(module = "/src/shell/kinds.mjs")]
extern "C" {
    fn definitions() -> String;
    #[wasm_bindgen(js_name = misfit)]
    fn misfit_of(party: &str, pattern: &str, value: &str) -> Option<String>;
}

/// What `GET /kinds/{party}` says of a kind that is not declared (K7).
const OPEN: &str = r#"{"version":0,"others":"any"}"#;

thread_local! {
    static KINDS: OnceCell<std::result::Result<Kinds, String>> = const { OnceCell::new() };
}

/// Looks at all declared kinds.
///
/// # Errors
/// They are not what the build has checked; the text says where.
pub fn with_all<T>(look: impl FnOnce(&Kinds) -> T) -> std::result::Result<T, String> {
    KINDS.with(|kinds| {
        kinds.get_or_init(|| kind::read::kinds(&definitions(), misfit)).as_ref().map(look).map_err(Clone::clone)
    })
}

/// The kind of the rooms of a party; `None` for an open one.
pub fn of(party: &str) -> Option<Arc<Kind>> {
    with_all(|kinds| kinds.get(party).cloned()).ok().flatten()
}

/// The kind of a room, given as `party/room`.
pub fn of_room(room: &str) -> Option<Arc<Kind>> {
    of(party_of(room))
}

/// The party of a room, given as `party/room`.
pub fn party_of(room: &str) -> &str {
    room.split_once('/').map_or(room, |(party, _)| party)
}

/// The response to `GET /kinds/{party}` (K7).
pub fn definition(request: &Request, party: &str) -> Result<Response> {
    let kind = of(party);
    let text = kind.as_ref().map_or(OPEN, |kind| kind.definition.text());
    let tag = format!("\"{:08x}\"", crate::protocol::tag::mark_of(text));
    tagged(request, &tag, &tag, || text.to_owned())
}

/// The answer is a keyword, a space and a JSON Pointer.
fn misfit(schema: &Schema, value: &str) -> Option<Misfit> {
    let misfit = misfit_of(&schema.party, &schema.pattern, value)?;
    let (keyword, path) = misfit.split_once(' ').unwrap_or((&misfit, ""));
    Some(Misfit { keyword: keyword.to_owned(), path: path.to_owned() })
}
