//! The wire: limits, addresses, frames in, frames out, refusals. Knows nothing of rooms.
//!
//! There is a file for each family of frames, with what is read and what is sent: [`fields`], [`people`], [`presence`],
//! [`permission`], [`sync`]. They rest on [`json`] and `reader`; above them, [`message`] reads a whole frame, and
//! [`reply`] has every frame that the room sends.
//!
//! The rules named here (`F1`, `S2`, …) are those of PROTOCOL.md.

pub mod address;
pub mod connection;
pub mod feed;
pub mod fields;
pub mod json;
pub mod limits;
pub mod message;
pub mod origin;
pub mod people;
pub mod permission;
pub mod precondition;
pub mod presence;
mod reader;
pub mod refusal;
pub mod reply;
pub mod role;
pub mod since;
pub mod sync;
pub mod tag;
#[cfg(test)]
mod typescript;
pub mod write;

/// The version of the protocol, which a client states in its `hello` (Y4). The wire changes only together with it.
pub const PROTOCOL: u64 = 1;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
