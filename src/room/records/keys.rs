//! Idempotency keys: an outbox of one message over HTTP, remembered for a day (H3).

pub mod once;
pub mod record;
