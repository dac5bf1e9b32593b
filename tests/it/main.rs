//! The tests of the core on the host: the room's turns, the wire's vectors, the store on real SQLite, writing over
//! HTTP, a room against a naive model of it, and the rules of the house.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod comings;
mod contract;
mod kinds;
mod model;
mod nulls;
mod over_http;
mod prices;
mod requests;
mod room;
mod say;
mod schemas;
mod shares;
mod simulation;
mod store;
mod tidy;
mod vectors;
mod world;
