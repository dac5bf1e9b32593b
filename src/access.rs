//! Who may enter and do what: claims, passes, roles, rates and revocations.
//!
//! Knows the wire, but no rooms. Every rule about who may do something is in [`roles`] and nowhere
//! else, and what it costs in [`prices`].

pub mod claim_rules;
pub mod claims;
pub mod network;
pub mod pass;
pub mod prices;
pub mod rates;
pub mod revocations;
pub mod roles;
pub mod rules;
pub mod shares;
