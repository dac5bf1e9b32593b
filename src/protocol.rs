//! The wire: limits, addresses, frames in, frames out, refusals. Knows nothing of rooms.
//!
//! A file for each family of frames has what is read and what is said of it: [`fields`], [`people`], [`presence`],
//! [`permission`], [`sync`]. They rest on [`json`] and `reader`; above them [`message`] reads a whole frame, and
//! [`reply`] has all that the room says.
//!
//! The rules it speaks of (`F1`, `S2`, …) are those of PROTOCOL.md.

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
pub mod presence;
mod reader;
pub mod refusal;
pub mod reply;
pub mod role;
pub mod sync;
pub mod tag;
#[cfg(test)]
mod typescript;
pub mod write;

/// The version of the protocol, which a client gives in its `hello` (Y4). What is on the wire changes only with it.
pub const PROTOCOL: u64 = 1;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
