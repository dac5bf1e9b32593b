//! Clients: outboxes that number their messages, and how each message was answered, so that one that is sent again is
//! not done again (E1 to E4).

pub mod once;
pub mod outcomes;
pub mod record;
