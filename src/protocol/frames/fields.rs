//! Fields: the messages that set and clear them, and the frames that report it (S2 to S9).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::Millis;
use crate::protocol::json::{self, Extra, Json};
use crate::protocol::reader::{Reader, bad, size_of_extra, within_value};
use crate::protocol::refusal::{Code, Refusal};
#[cfg(test)]
use crate::protocol::tag::MessageId;

/// A field is set or cleared.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldChange {
    /// `field_selected`.
    Select(Selection),
    /// `field_cleared`.
    Clear {
        /// The field.
        field: String,
        /// Who clears it.
        user_id: String,
        /// The field's version that the writer last saw (S4).
        base_version: Option<u64>,
        /// Whether that has to be the field's version even if the writer's own client has changed it since (V6).
        is_exact: bool,
    },
}

impl FieldChange {
    /// The field.
    pub fn field(&self) -> &str {
        match self {
            Self::Select(selection) => &selection.field,
            Self::Clear { field, .. } => field,
        }
    }

    /// Who changes it.
    pub fn user_id(&self) -> &str {
        match self {
            Self::Select(selection) => &selection.user_id,
            Self::Clear { user_id, .. } => user_id,
        }
    }

    /// The field's version that the writer last saw (S4).
    pub fn base_version(&self) -> Option<u64> {
        match self {
            Self::Select(selection) => selection.base_version,
            Self::Clear { base_version, .. } => *base_version,
        }
    }

    /// Whether the base version has to be the field's, whoever has changed it since (V6).
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Select(selection) => selection.is_exact,
            Self::Clear { is_exact, .. } => *is_exact,
        }
    }
}

/// The `selection` of a `field_selected`.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The field's name.
    pub field: String,
    /// Its new value.
    pub value: Json,
    /// Who chose it.
    pub user_id: String,
    /// The field's version that the writer last saw (S4).
    pub base_version: Option<u64>,
    /// Whether that has to be the field's version even if the writer's own client has changed it since (V6).
    pub is_exact: bool,
    /// The client's own time, a number; `None` when it gave none.
    pub timestamp: Option<Json>,
    /// Further members, kept and forwarded.
    pub extra: Extra,
}

/// What the writer of a conflicting change is told (S4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConflictView<'a> {
    /// The field.
    pub field: &'a str,
    /// The version that the writer last saw.
    pub client_version: u64,
    /// The field's version; 0 if it was never set.
    pub server_version: u64,
    /// The stored selection, or null when the field is not set.
    #[cfg_attr(test, ts(as = "Option<StoredSelection<'a>>"))]
    pub current: Option<&'a Json>,
}

/// The response body to a field written over HTTP (H3).
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "FieldWritten"))]
pub struct WrittenBody<'a> {
    /// The version that the write made, or the room's when it changed nothing.
    pub version: u64,
    /// The stored selection, or null when the field is not set.
    #[cfg_attr(test, ts(as = "Option<StoredSelection<'a>>"))]
    pub selection: Option<&'a Json>,
    /// Present, and true, if this was answered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub duplicate: Option<bool>,
}

/// The response body to several fields written over HTTP (H7).
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "FieldsWritten"))]
pub struct BatchWrittenBody<'a> {
    /// The version that the last change made, or the room's when nothing changed.
    pub version: u64,
    /// For each field that was named, the stored selection, or null when the field is not set.
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<&'a str, Option<StoredSelection<'a>>>"))]
    pub selections: BTreeMap<&'a str, Option<&'a Json>>,
    /// Present, and true, if this was answered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub duplicate: Option<bool>,
}

/// The stored form of a field's value (S2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(in crate::protocol) struct StoredSelection<'a> {
    /// The field's name.
    field: &'a str,
    /// Its value.
    value: &'a Json,
    /// Who chose it.
    user_id: &'a str,
    /// The client's own time; null when it gave none.
    #[cfg_attr(test, ts(type = "number | null"))]
    timestamp: &'a Option<Json>,
    /// The version that set it.
    version: u64,
    /// When the room accepted it.
    updated_at: Millis,
    /// Further members of the client's own selection.
    #[serde(flatten)]
    extra: &'a Extra,
}

/// What the room keeps and forwards of a selection that it accepted as change `version` at `updated_at`.
pub fn stored_selection(selection: &Selection, version: u64, updated_at: Millis) -> Json {
    Json::of(&StoredSelection {
        field: &selection.field,
        value: &selection.value,
        user_id: &selection.user_id,
        timestamp: &selection.timestamp,
        version,
        updated_at,
        extra: &selection.extra,
    })
}

/// How a lens is named as what made a change (K6).
pub const VIA_LENS: &str = "lens";

/// The body of the `field_selected` that others get (S8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FieldSelected<'a> {
    /// The stored selection.
    #[cfg_attr(test, ts(as = "StoredSelection<'a>"))]
    pub selection: &'a Json,
    /// The version that this change made.
    pub version: u64,
    /// What made the change, if its author did not: a lens (K6).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "\"lens\""))]
    pub via: Option<&'static str>,
}

/// The body of `field_cleared` (S8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FieldCleared<'a> {
    /// Which.
    pub field: &'a str,
    /// By whom.
    pub user_id: &'a str,
    /// The version that this change made.
    pub version: u64,
    /// What made the change, if its author did not: a lens (K6).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "\"lens\""))]
    pub via: Option<&'static str>,
}

/// A change of the kind `field` (Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FieldChanged<'a> {
    /// The change's version.
    pub version: u64,
    /// The field.
    pub field: &'a str,
    /// The stored selection, or null when it was cleared.
    #[cfg_attr(test, ts(as = "Option<StoredSelection<'a>>"))]
    pub selection: Option<&'a Json>,
    /// Who made the change.
    pub user_id: &'a str,
    /// When.
    pub updated_at: Millis,
    /// What made the change, if its author did not: a lens (K6).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "\"lens\""))]
    pub via: Option<&'static str>,
}

/// Reads `field_selected` or `field_cleared`.
pub(super) fn read(kind: &str, reader: &Reader<'_>) -> Result<FieldChange, Refusal> {
    if kind == "field_selected" {
        return selection(reader).map(FieldChange::Select);
    }
    Ok(FieldChange::Clear {
        field: reader.id("field")?,
        user_id: reader.user_id("userId")?,
        base_version: reader.version("baseVersion")?,
        is_exact: reader.flag("exact")?,
    })
}

/// Reads `batch`.
pub(super) fn read_batch(reader: &Reader<'_>) -> Result<Vec<FieldChange>, Refusal> {
    let raw = reader.raw("changes")?;
    let changes = serde_json::from_str::<Vec<&RawValue>>(raw.get());
    let changes = changes.map_err(|error| bad(format!("`changes` must be an array: {error}.")))?;
    if changes.len() > reader.limits.batch {
        let message = format!("The batch has {} changes; the limit is {}.", changes.len(), reader.limits.batch);
        return Err(Refusal::new(Code::LimitBatch, message));
    }
    let changes = changes.iter().map(|raw| {
        let object = json::object(raw.get());
        let object = object.map_err(|error| bad(format!("A change in the batch is not a JSON object: {error}.")))?;
        let reader = Reader::of("change", object.without_duplicate_keys().map_err(bad)?, reader.limits);
        if reader.optional("id").is_some() || reader.optional("seq").is_some() {
            return Err(bad("`id` and `seq` belong on the batch, not on a change in it."));
        }
        match reader.text("type")?.as_ref() {
            kind @ ("field_selected" | "field_cleared") => read(kind, &reader),
            kind => Err(bad(format!("A batch may contain `field_selected` and `field_cleared`, but not `{kind}`."))),
        }
    });
    changes.collect()
}

fn selection(frame: &Reader<'_>) -> Result<Selection, Refusal> {
    let object = frame.selection().ok_or_else(|| frame.missing("selection"))?;
    let object = object.as_ref().map_err(|error| bad(format!("`selection` is not a JSON object: {error}.")))?;
    let members = object.without_duplicate_keys().map_err(bad)?;
    let reader = Reader::of("selection", members, frame.limits);
    let field = reader.id("field")?;
    let value = Json::from(reader.raw("value")?);
    let user_id = reader.user_id("userId")?;
    if frame.parsed::<String>("userId").is_some_and(|other| other != user_id) {
        let message = "`userId` of the message differs from that of its selection.";
        return Err(Refusal::new(Code::IdentityMismatch, message));
    }
    let timestamp = match reader.optional("timestamp") {
        None => None,
        Some(raw) if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Some(Json::from(raw)),
        Some(_) => return Err(bad("`timestamp` in the selection must be a number.")),
    };
    let extra = reader.extra(&["field", "value", "userId", "timestamp", "version", "updatedAt"]);
    within_value(value.text().len() + size_of_extra(&extra), frame.limits)?;
    let base_version = frame.version("baseVersion")?;
    let is_exact = frame.flag("exact")?;
    Ok(Selection { field, value, user_id, base_version, is_exact, timestamp, extra })
}

/// What is sent about fields, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum FieldFrame {
    /// Sets a field (S2).
    FieldSelected {
        /// What it is set to.
        selection: NewSelection,
        /// The field's version that the writer last saw, 0 for one never set (S4). Left out, the last write wins.
        base_version: Option<u64>,
        /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
        exact: Option<bool>,
        /// The version of the kind of room that it was made for (K6).
        kind: Option<u64>,
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
        /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
        exact: Option<bool>,
        /// The version of the kind of room that it was made for (K6).
        kind: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// All of these changes or none (S9).
    Batch {
        /// Up to 100, all by one user.
        changes: Vec<BatchChange>,
        /// The version of the kind of room that it was made for (K6).
        kind: Option<u64>,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
}

/// A change in a `batch`, without a name and a number of its own.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum BatchChange {
    /// Sets a field (S2).
    FieldSelected {
        /// What it is set to.
        selection: NewSelection,
        /// The field's version that the writer last saw before the batch (S4).
        base_version: Option<u64>,
        /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
        exact: Option<bool>,
    },
    /// Clears a field (S5).
    FieldCleared {
        /// The field.
        field: String,
        /// Who clears it.
        user_id: String,
        /// The field's version that the writer last saw before the batch (S4).
        base_version: Option<u64>,
        /// Whether it is a conflict even if the writer's own client has changed the field since (V6).
        exact: Option<bool>,
    },
}

/// What a field is set to (S2).
#[cfg(test)]
#[expect(dead_code, reason = "only its shape is of use")]
#[derive(ts_rs::TS)]
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
