//! Clients: senders that number their messages, and the outcome of each message, so that one that is sent again is not
//! done again (E1 to E4).

pub mod once;
pub mod outcomes;
pub mod record;
