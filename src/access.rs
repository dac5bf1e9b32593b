//! Who may enter and do what: claims, passes, roles, rates and revocations.
//!
//! Knows the wire, but no rooms. Every rule about who may do something is in [`roles`] and nowhere else.

pub mod claim_rules;
pub mod claims;
pub mod pass;
pub mod rates;
pub mod revocations;
pub mod roles;
pub mod shares;
