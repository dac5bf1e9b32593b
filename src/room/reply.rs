//! What becomes of a message: the version to acknowledge it with, or why it was not done.

use crate::access::rules::Rights;
use crate::protocol::connection::ConnectionId;
use crate::protocol::refusal::Refusal;
use crate::protocol::role::Role;
use crate::protocol::tag::MadeFor;

use super::records::clients::outcomes::{Outcome, Refused};
use super::records::fields::conflict::Conflict;
use super::records::permissions::request::RequestKey;

/// Where a message comes from.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The connection, or `None` over HTTP.
    pub connection: Option<ConnectionId>,
    /// The `clientId`, if it has one.
    pub client: Option<String>,
    /// What its user may do.
    pub role: Role,
    /// Those claims of its token that a rule of the kind asks for (K4).
    pub claims: Vec<String>,
    /// The version of the kind that the message was made for, if it says so (K6).
    pub made_for: MadeFor,
}

impl Writer {
    /// What it may refer to.
    pub fn rights(&self) -> Rights<'_> {
        Rights { role: self.role, claims: &self.claims }
    }
}

/// Why a message was not done.
#[derive(Debug)]
pub enum Rejection {
    /// It must not be done, or cannot.
    Refusal(Refusal),
    /// It came too late.
    Conflict(Conflict),
    /// What it asks for has already been done, by this or another message (Q1, Q2).
    DoneBefore {
        /// The room's version.
        version: u64,
    },
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// What becomes of a message.
#[derive(Debug)]
pub struct Reply {
    /// The version to acknowledge it with, or why it was not done.
    pub result: Result<u64, Rejection>,
    /// Whether it was answered before, so that nothing was done now.
    pub is_duplicate: bool,
    /// The permission request that it settles. If nothing was done, the reply carries what is on record about it (Q2).
    pub request: Option<RequestKey>,
}

impl From<Result<u64, Rejection>> for Reply {
    fn from(result: Result<u64, Rejection>) -> Self {
        Self { result, is_duplicate: false, request: None }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::from(Err(Rejection::Refusal(refusal)))
    }
}

impl Reply {
    /// The recorded outcome, repeated.
    pub fn again(outcome: &Outcome) -> Self {
        let result = match outcome {
            Outcome::Done { version } => Ok(*version),
            Outcome::Conflict { field, client_version } => {
                Err(Rejection::Conflict(Conflict { field: field.clone(), client_version: *client_version }))
            }
            Outcome::Refused(refused) => Err(Rejection::Refusal(refused_before(refused))),
        };
        Self { result, is_duplicate: true, request: None }
    }
}

fn refused_before(Refused { code, about }: &Refused) -> Refusal {
    let message =
        "This message was refused before, and the refusal is final. Send a different message under the next `seq`.";
    Refusal { is_retryable: false, about: about.clone(), ..Refusal::new(*code, message) }
}

/// What is recorded of a result; `None` for a retryable refusal, which is not recorded (E2).
pub fn outcome_of(result: &Result<u64, Rejection>) -> Option<Outcome> {
    match result {
        Ok(version) | Err(Rejection::DoneBefore { version }) => Some(Outcome::Done { version: *version }),
        Err(Rejection::Conflict(Conflict { field, client_version })) => {
            Some(Outcome::Conflict { field: field.clone(), client_version: *client_version })
        }
        Err(Rejection::Refusal(refusal)) if refusal.is_retryable => None,
        Err(Rejection::Refusal(Refusal { code, about, .. })) => {
            Some(Outcome::Refused(Refused { code: *code, about: about.clone() }))
        }
    }
}
