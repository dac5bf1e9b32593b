//! Connections: what the room knows about each, and what people show on them.

pub mod hello;
pub mod leaving;
mod names;
pub mod presence;
pub mod session;
pub mod sessions;
