//! The wire: limits, addresses, frames in, frames out, refusals. Knows nothing of rooms.
//!
//! [`frames`] has every frame in one list, and a file for each family of them, with what is read and what is sent. They rest
//! on [`json`] and `reader`; above them, [`decode`] reads a whole frame.
//!
//! The rules named here (`F1`, `S2`, …) are those of PROTOCOL.md.

pub mod address;
pub mod connection;
pub mod decode;
pub mod feed;
pub mod frames;
pub mod json;
pub mod limits;
pub mod origin;
pub mod precondition;
mod reader;
pub mod refusal;
pub mod role;
pub mod since;
pub mod tag;
#[cfg(test)]
mod typescript;
pub mod write;

/// The version of the protocol, which a client states in its `hello` (Y4). The wire changes only together with it.
pub const PROTOCOL: u64 = 1;

/// JavaScript, and so the storage of a Durable Object, represents whole numbers below this exactly. None from outside
/// that is kept or told reaches it.
pub const EXACT: i64 = 1 << 53;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
