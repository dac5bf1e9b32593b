//! What the room reads member by member, or puts together of parts, as the types that it has on the wire. Only their
//! shape is of use. `wire.rs` holds it to what the room takes and says.

#![allow(dead_code)]

use ts_rs::TS;

use crate::protocol::json::{Extra, Json};

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
    /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
    exact: Option<bool>,
    /// Whose outbox this is from (E1).
    client_id: Option<String>,
    /// The place in it. Not without `clientId`.
    seq: Option<u64>,
    /// The version of the kind of room that it was made for (K6).
    kind: Option<u64>,
    /// Further members, kept and forwarded.
    #[ts(flatten)]
    extra: Extra,
}

/// The body of `PATCH …/state` (H7).
#[derive(TS)]
#[ts(rename_all = "camelCase", optional_fields)]
pub struct StatePatch {
    /// Up to 100, all by one user.
    changes: Vec<PatchChange>,
    /// Who makes the changes that name nobody.
    user_id: Option<String>,
    /// Whose outbox this is from (E1).
    client_id: Option<String>,
    /// The place in it. Not without `clientId`.
    seq: Option<u64>,
    /// The version of the kind of room that it was made for (K6).
    kind: Option<u64>,
}

/// A change in `PATCH …/state`: that of a batch, whose author may be named beside it.
#[derive(TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum PatchChange {
    /// Sets a field (S2).
    FieldSelected {
        /// What it is set to.
        selection: PatchSelection,
        /// The field's version that the writer last saw before the batch (S4).
        base_version: Option<u64>,
        /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
        exact: Option<bool>,
    },
    /// Clears a field (S5).
    FieldCleared {
        /// The field.
        field: String,
        /// Who clears it, unless it is the one beside the changes.
        user_id: Option<String>,
        /// The field's version that the writer last saw before the batch (S4).
        base_version: Option<u64>,
        /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
        exact: Option<bool>,
    },
}

/// What a field is set to in `PATCH …/state`.
#[derive(TS)]
#[ts(rename_all = "camelCase", optional_fields)]
pub struct PatchSelection {
    /// The field.
    field: String,
    /// Its new value.
    value: Json,
    /// Who chose it, unless it is the one beside the changes.
    user_id: Option<String>,
    /// The client's own time. It decides nothing.
    #[ts(optional, type = "number | null")]
    timestamp: Option<f64>,
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
    /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
    exact: Option<bool>,
    /// Whose outbox this is from (E1).
    client_id: Option<String>,
    /// The place in it. Not without `clientId`.
    seq: Option<u64>,
    /// The version of the kind of room that it was made for (K6).
    kind: Option<u64>,
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
    /// Of a conflict or a refusal by the kind of room: the field.
    field: Option<String>,
    /// Of a value that does not fit: where in it, as a JSON Pointer (K3).
    path: Option<String>,
    /// Of a value that does not fit: the keyword of the schema that it breaks (K3).
    keyword: Option<String>,
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
    /// The user has made as many rooms over HTTP as one may in a day (A8).
    LimitRooms,
    /// The field is not set (H8).
    FieldNotSet,
    /// The address takes other methods.
    MethodNotAllowed,
    /// The address takes WebSockets.
    UpgradeRequired,
    /// The body is compressed (H3).
    UnsupportedEncoding,
    /// The operator has set neither keys nor that anybody may come in (A6).
    AuthNotConfigured,
    /// The page was made for an older version of the kind of room (K6).
    Outdated,
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
