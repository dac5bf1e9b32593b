//! What the room reads member by member, or puts together of parts, as the types that it has on the wire. Only their
//! shape is of use. `wire.rs` holds it to what the room takes and says.

#![allow(dead_code)]

use ts_rs::TS;

use crate::protocol::json::{Extra, Json};
use crate::protocol::permission::{Decision, Scope};
use crate::protocol::tag::MessageId;

/// What a client sends. Any other `type` is a page's own message: it is passed on to others as it is (P2).
#[derive(TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum ClientFrame {
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
    /// Who the person at this connection is (J1).
    UserJoined {
        /// The user's id.
        user_id: String,
        /// The user's name, for people.
        user_name: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
        /// Further members, kept with the participant.
        #[ts(flatten)]
        profile: Extra,
    },
    /// Whether a participant is ready (J7).
    UserReady {
        /// The participant.
        user_id: String,
        /// The new flag.
        is_ready: bool,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Sets a field (S2).
    FieldSelected {
        /// What it is set to.
        selection: NewSelection,
        /// The field's version that the writer last saw, 0 for one never set (S4). Left out, the last write wins.
        base_version: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Clears a field (S5).
    FieldCleared {
        /// The field.
        field: String,
        /// Who clears it.
        user_id: String,
        /// The field's version that the writer last saw (S4). Left out, the last write wins.
        base_version: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// All of these changes or none (S9).
    Batch {
        /// Up to 100, all by one user.
        changes: Vec<BatchChange>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
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
    /// What the person at this connection is looking at (P1).
    Presence {
        /// The page's own words, or null for nothing.
        data: Json,
        /// The user at this connection.
        user_id: Option<String>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Asks for a permission (Q1).
    PermissionRequest {
        /// A name of the author's own choice, a new one for each request.
        request_id: String,
        /// What it is for.
        action: String,
        /// Details, in the page's own form.
        detail: Option<Json>,
        /// How long it waits for an answer, in milliseconds: up to a day, and five minutes when left out.
        ttl_ms: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Answers somebody else's request (Q2).
    PermissionResponse {
        /// The author's name for the request.
        request_id: String,
        /// The author.
        user_id: String,
        /// The decision.
        decision: Decision,
        /// How far it goes.
        scope: Scope,
        /// Why, for people.
        reason: Option<String>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Takes the author's own request back (Q3).
    PermissionCancelled {
        /// The author's name for the request.
        request_id: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Takes a permission back (Q4).
    PermissionRevoked {
        /// Whose it is.
        user_id: String,
        /// What it is for.
        action: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Closes all connections of a user (A4).
    Kick {
        /// The user.
        user_id: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
}

/// A change in a `batch`, without a name and a number of its own.
#[derive(TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum BatchChange {
    /// Sets a field (S2).
    FieldSelected {
        /// What it is set to.
        selection: NewSelection,
        /// The field's version that the writer last saw before the batch (S4).
        base_version: Option<u64>,
    },
    /// Clears a field (S5).
    FieldCleared {
        /// The field.
        field: String,
        /// Who clears it.
        user_id: String,
        /// The field's version that the writer last saw before the batch (S4).
        base_version: Option<u64>,
    },
}

/// What a field is set to (S2).
#[derive(TS)]
#[ts(rename_all = "camelCase")]
pub struct NewSelection {
    /// The field.
    field: String,
    /// Its new value.
    value: Json,
    /// Who chose it.
    user_id: String,
    /// The client's own time. It decides nothing.
    #[ts(optional, type = "number | null")]
    timestamp: Option<f64>,
    /// Further members, kept and forwarded.
    #[ts(flatten)]
    extra: Extra,
}

/// The body of `PUT …/fields/{field}` (H3).
#[derive(TS)]
#[ts(rename_all = "camelCase", optional_fields)]
pub struct FieldPut {
    /// The field's new value.
    value: Json,
    /// Who chose it.
    user_id: String,
    /// The client's own time. It decides nothing.
    #[ts(optional, type = "number | null")]
    timestamp: Option<f64>,
    /// The field's version that the writer last saw (S4). Left out, the last write wins.
    base_version: Option<u64>,
    /// Whose outbox this is from (E1).
    client_id: Option<String>,
    /// The place in it. Not without `clientId`.
    seq: Option<u64>,
    /// Further members, kept and forwarded.
    #[ts(flatten)]
    extra: Extra,
}

/// The body, or the query, of `DELETE …/fields/{field}` (H3).
#[derive(TS)]
#[ts(rename_all = "camelCase", optional_fields)]
pub struct FieldDelete {
    /// Who clears the field.
    user_id: String,
    /// The field's version that the writer last saw (S4). Left out, the last write wins.
    base_version: Option<u64>,
    /// Whose outbox this is from (E1).
    client_id: Option<String>,
    /// The place in it. Not without `clientId`.
    seq: Option<u64>,
}

/// An error over HTTP: `application/problem+json` (H5).
#[derive(TS)]
#[ts(rename_all = "camelCase", optional_fields)]
pub struct Problem {
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// Stable, for programs.
    #[ts(type = "RefusalCode | OtherCode")]
    code: String,
    /// For people.
    detail: String,
    /// The message's `seq`.
    seq: Option<u64>,
    /// With the code `out_of_order`: the next `seq`.
    expected: Option<u64>,
    /// Present, and true, if this was answered before.
    duplicate: Option<bool>,
    /// Of a conflict: the field.
    field: Option<String>,
    /// Of a conflict: the version that the writer last saw.
    client_version: Option<u64>,
    /// Of a conflict: the field's version; 0 when it was never set.
    server_version: Option<u64>,
    /// Of a conflict: the stored selection, or null when the field is not set.
    #[ts(optional, type = "StoredSelection | null")]
    current: Option<Json>,
}

/// The codes that stand beside `RefusalCode` in problems and as the reasons of closes.
#[derive(TS)]
#[ts(rename_all = "snake_case")]
pub enum OtherCode {
    /// Somebody was quicker (S4).
    #[ts(rename = "E_CONFLICT")]
    Conflict,
    /// A fault of the server's. What was acknowledged is kept.
    Internal,
    /// The room's name breaks the rule (U2).
    BadRoom,
    /// No such kind of room (U3).
    UnknownParty,
    /// Nothing is served there (H5).
    NotFound,
    /// The address takes other methods.
    MethodNotAllowed,
    /// The address takes WebSockets.
    UpgradeRequired,
    /// The body is compressed (H3).
    UnsupportedEncoding,
    /// The operator has set neither keys nor that anybody may come in (A6).
    AuthNotConfigured,
    /// A variable of the operator's makes no sense.
    Misconfigured,
    /// A moderator closed the connection (A4).
    Kicked,
    /// The room was deleted (H6).
    Deleted,
    /// A page of this origin may not come in (A7).
    ForbiddenOrigin,
    /// The reader was too slow (X1).
    SlowReader,
    /// The query or a header is not what the address asks for.
    BadRequest,
}
