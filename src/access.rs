//! Who may come in and do what: what tokens say, what is kept of them, roles and rules, rates and revocations.
//!
//! Knows the wire and no room. A rule that says who may do something stands in [`roles`] and nowhere else.

pub mod claims;
pub mod pass;
pub mod rates;
pub mod revocations;
pub mod roles;
