//! The wire: limits, addresses, frames in, frames out, refusals. Knows nothing of rooms.
//!
//! The rules it speaks of (`F1`, `S2`, …) are those of PROTOCOL.md.

pub mod address;
pub mod connection;
pub mod feed;
pub mod json;
pub mod limits;
pub mod message;
pub mod origin;
pub mod permission;
mod reader;
pub mod refusal;
pub mod reply;
pub mod role;
#[cfg(test)]
mod typescript;
pub mod write;

/// The version of the protocol, which a client gives in its `hello` (Y4). What is on the wire changes only with it.
pub const PROTOCOL: u64 = 1;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
