//! What people are looking at (P1).

use serde::Serialize;

use crate::protocol::json::Json;
use crate::protocol::reader::Reader;
use crate::protocol::refusal::{Code, Refusal};
#[cfg(test)]
use crate::protocol::tag::MessageId;

/// What the person at a connection is looking at (P1).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "PresenceEntry"))]
pub struct PresenceView<'a> {
    /// The connection.
    pub connection_id: String,
    /// The connection's user, once known.
    pub user_id: Option<&'a str>,
    /// The page's own data; null if there is no longer any.
    #[cfg_attr(test, ts(as = "Json"))]
    pub data: Option<&'a Json>,
}

/// Reads the `data` of `presence`: `None` for `null`.
pub(super) fn read_data(reader: &Reader<'_>) -> Result<Option<Json>, Refusal> {
    let data = Some(reader.raw("data")?).filter(|raw| raw.get() != "null").map(Json::from);
    let (size, limit) = (data.as_ref().map_or(0, |data| data.text().len()), reader.limits.presence_bytes);
    if size > limit {
        let message = format!("`data` is {size} bytes long; the limit is {limit}.");
        return Err(Refusal::new(Code::LimitPresence, message));
    }
    Ok(data)
}

/// What is sent about presence, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum PresenceFrame {
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
}
