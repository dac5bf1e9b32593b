//! Permissions: who asked for one, how that ended, and which are in force (Q1 to Q5).

pub mod grant;
pub mod messages;
pub mod request;
pub mod settled;
