//! The Durable Objects: those that are rooms, and those that know of a user across rooms.

mod room;
mod user;
