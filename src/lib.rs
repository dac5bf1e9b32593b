//! Roomkeep: collaboration rooms at the edge that remember.
//!
//! A frame, a connection or an alarm reaches the Durable Object (`shell`). The [`runner`] wakes the [`room`] from
//! storage if it slept, makes one call, and carries out the [`Turn`](room::turn::Turn) that comes back: one commit
//! first, then frames, closes and the alarm. So nothing is shown to anyone before it is durable. What a frame may
//! say and how answers look is in [`protocol`]; how a room lies in SQLite is in [`store`].
//!
//! Read in this order: [`protocol`], [`room`], [`store`], [`runner`], `shell`. Only `shell` knows workerd, and only
//! there is the `worker` crate to be had.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic))]

pub mod access;
pub mod driver;
pub mod protocol;
pub mod room;
pub mod sql;
pub mod store;
pub mod user;

#[cfg(target_arch = "wasm32")]
mod shell;
