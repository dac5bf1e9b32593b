//! Fields: what people chose, and which of it was cleared.

pub mod conflict;
pub mod messages;
pub mod record;
