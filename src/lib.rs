//! Roomkeep: collaboration rooms at the edge that remember.
//!
//! A frame, a connection or an alarm reaches the Durable Object (`shell`). The [`driver`] wakes the [`room`] from
//! storage if it was asleep, hands it the event, and carries out each [`Turn`](room::turn::Turn) that comes out: one
//! commit first, then frames, closes and the alarm. So nothing is shown to anyone before it is durable. [`protocol`]
//! has the frames, [`access`] says who may do what, and [`store`] how a room is kept in SQLite.
//!
//! Read in this order: [`protocol`], [`access`], [`room`], [`store`], [`driver`], `shell`. Only `shell` knows workerd,
//! and only there is the `worker` crate available.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic))]

pub mod access;
pub mod driver;
pub mod kind;
pub mod protocol;
pub mod room;
pub mod sql;
pub mod store;
pub mod user;

#[cfg(target_arch = "wasm32")]
mod shell;
