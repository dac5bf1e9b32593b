//! What a client has and what it lacks: `hello` and its reply, the full state, changes (Y1 to Y6).

use serde::Serialize;

use crate::protocol::limits::Limits;
use crate::protocol::reader::Reader;
use crate::protocol::refusal::Refusal;
#[cfg(test)]
use crate::protocol::role::Role;
#[cfg(test)]
use crate::protocol::tag::MessageId;
use crate::protocol::tag::{self, MadeFor};
use crate::protocol::{Millis, PROTOCOL};

/// `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The client's outbox, under a name of its own choice (E1).
    pub client_id: String,
    /// The version that the client has, if any.
    pub since: Option<u64>,
    /// The life of the room that the client knows, if any (U8).
    pub epoch: Option<String>,
    /// The token, if the client has not presented one before (A1).
    pub token: Option<String>,
    /// The version of the kind that the page was made for, if it says so (K6).
    pub made_for: MadeFor,
}

/// The body of `welcome` (Y4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WelcomeView<'a> {
    /// The protocol that the room speaks.
    pub protocol: u64,
    /// The room's name for this connection (U5).
    pub connection_id: String,
    /// The connection's user, once known.
    pub user_id: Option<&'a str>,
    /// What the user may do.
    #[cfg_attr(test, ts(as = "Role"))]
    pub role: &'a str,
    /// The room's version.
    pub version: u64,
    /// Which life of the room this is (U8).
    pub epoch: &'a str,
    /// The last number of this client that was answered; 0 for a new client, null for a forgotten one (E4).
    pub last_seq: Option<u64>,
    /// The server's time.
    pub time: Millis,
    /// The room's limits.
    pub limits: &'a Limits,
    /// Which kind of room it is.
    pub kind: KindView<'a>,
}

/// A kind of room, as `welcome` names it (K6).
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "RoomKind"))]
pub struct KindView<'a> {
    /// The name of the kind.
    pub party: &'a str,
    /// Its version; 0 for an open kind.
    pub version: u64,
}

/// Reads `hello`: `None` for a protocol other than this one.
pub(super) fn read_hello(reader: &Reader<'_>) -> Result<Option<Hello>, Refusal> {
    if reader.parsed::<u64>("protocol") != Some(PROTOCOL) {
        return Ok(None);
    }
    let (client_id, since, epoch) = (reader.id("clientId")?, reader.version("since")?, reader.optional_text("epoch")?);
    let token = reader.optional("token").map(|_| reader.token()).transpose()?;
    Ok(Some(Hello { client_id, since, epoch, token, made_for: tag::made_for(reader) }))
}

/// How a client arrives, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum ArrivalFrame {
    /// This client speaks the whole protocol (Y4). The first frame of a connection.
    Hello {
        /// The version of the protocol.
        #[ts(type = "typeof PROTOCOL")]
        protocol: u64,
        /// The client's outbox, by a random name of its own (E1).
        client_id: String,
        /// The version that the client has; just what changed after it is told.
        since: Option<u64>,
        /// The life of the room that the version belongs to (U8).
        epoch: Option<String>,
        /// By what right the client comes, where its address did not say so (A9).
        token: Option<String>,
        /// The version of the kind that the page was made for (K6).
        kind: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
    },
    /// Another token for this connection (A5).
    Auth {
        /// The token.
        token: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
    },
}

/// What a client asks for, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum SyncFrame {
    /// Asks for the room's state, or for what changed (Y1).
    SyncRequest {
        /// The version that the client has.
        since: Option<u64>,
        /// The life of the room that the version belongs to (U8).
        epoch: Option<String>,
        /// The user at this connection.
        user_id: Option<String>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
}
