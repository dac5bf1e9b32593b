//! What the fuzz targets do with their inputs. Each checks that the room does not panic and that rules of PROTOCOL.md
//! hold, whatever the input is. `npm run fuzz` runs them.

pub mod feed;
pub mod frame;
pub mod http_write;
mod json;
pub mod room_name;
pub mod session;
pub mod token;

// The world that the tests give a room, of which the sessions here do not use all.
#[allow(dead_code)]
#[path = "../../tests/it/say.rs"]
mod say;
#[allow(dead_code)]
#[path = "../../tests/it/world.rs"]
mod world;
