//! People: who is on record.

pub mod messages;
pub mod record;
