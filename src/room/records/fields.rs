//! Fields: what people have chosen, and tombstones of what was cleared.

pub mod conflict;
pub mod lenses;
pub mod messages;
pub mod record;
