//! The Durable Objects: those for rooms, and those for users across rooms.

mod room;
mod user;
