//! What people are looking at (P1).

use serde::Serialize;

use super::json::Json;
use super::reader::Reader;
use super::refusal::{Code, Refusal};

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
