//! How a client recognises the reply to its message: by the name and the number that it gave it (F3, E1).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json;
use super::limits::{ID_SEARCH_BYTES, MESSAGE_ID_CHARS};
use super::reader::Reader;

/// How a client recognises the reply to its message: by `id`, `seq` or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tag {
    /// Any name, for any message (F3).
    pub id: Option<MessageId>,
    /// The place in the client's outbox (E1).
    pub number: Option<Number>,
}

impl Tag {
    /// Whether it has neither.
    pub fn is_empty(&self) -> bool {
        self.id.is_none() && self.number.is_none()
    }
}

/// The `id` that a client gave its message, in order to learn what becomes of it (F3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum MessageId {
    /// An integer.
    Number(i64),
    /// A string of 1 to 64 characters.
    Text(String),
}

/// The number that a client gave its message, and the content mark of the message (E1, E2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// 1 for the first message of a `clientId`, and one more for each that follows.
    pub seq: u64,
    /// Equal for messages with the same content.
    pub content_mark: u32,
}

/// A member `kind` that is no version. In a room of an open kind it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoVersion;

/// The version of the kind that the content of a message was made for, if it says so (K6).
pub type MadeFor = Option<Result<u64, NoVersion>>;

/// Reads the member `kind`.
pub(super) fn made_for(reader: &Reader<'_>) -> MadeFor {
    reader.optional("kind").map(|raw| json::integer(raw.get()).ok_or(NoVersion))
}

/// What a message carries. `content` names the members that tell messages of a type apart, beside the usual ones.
pub(super) fn of(reader: &Reader<'_>, content: fn(&str) -> &'static [&'static str]) -> Tag {
    let member = |key: &str| reader.members.get(key);
    let number = |seq| Number { seq, content_mark: content_mark(reader, content) };
    Tag { id: member("id").and_then(message_id), number: member("seq").and_then(seq).map(number) }
}

/// What is read of a message that is too long to be parsed.
#[derive(Deserialize)]
struct Oversized<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seq: Option<&'a RawValue>,
}

/// The tag of a message that is too long to be parsed.
pub(super) fn of_oversized(text: &str) -> Tag {
    let readable = Some(text).filter(|text| text.len() <= ID_SEARCH_BYTES);
    let Some(found) = readable.and_then(|text| serde_json::from_str::<Oversized<'_>>(text).ok()) else {
        return Tag::default();
    };
    let number = found.seq.and_then(seq).map(|seq| Number { seq, content_mark: mark_of(text) });
    Tag { id: found.id.and_then(message_id), number }
}

/// The name in this JSON, if it is a valid one.
pub(super) fn message_id(raw: &RawValue) -> Option<MessageId> {
    let Some(text) = json::string(raw.get()) else {
        return serde_json::from_str(raw.get()).ok().map(MessageId::Number);
    };
    let is_short = (1..=MESSAGE_ID_CHARS).contains(&text.chars().count());
    is_short.then(|| MessageId::Text(text.into_owned()))
}

/// The number in this JSON, if it is a valid one: on the wire, one that JavaScript represents exactly.
pub(super) fn seq(raw: &RawValue) -> Option<u64> {
    json::integer(raw.get()).filter(|seq| *seq > 0)
}

/// The content mark of a message: a hash of its kind, field, value, base version and whether that is exact, however they
/// are laid out. Two
/// different messages share a mark once in four thousand million times; it detects a client's mistake (E2).
fn content_mark(reader: &Reader<'_>, content: fn(&str) -> &'static [&'static str]) -> u32 {
    let members = reader.members;
    let selection = reader.selection().and_then(|selection| selection.as_ref().ok());
    let member = |key: &str| {
        let selected = selection.and_then(|selection| selection.members.get(key));
        selected.or_else(|| members.get(key)).map_or("", |raw| raw.get())
    };
    let mut hash = Fnv::default();
    // A field is escaped differently in an address than in JSON.
    let field = json::string(member("field"));
    hash.json(&field.map_or(Cow::Borrowed(member("field")), |field| Cow::Owned(json::encode(&field))));
    for key in ["type", "value", "baseVersion", "isReady", "userName", "changes"] {
        hash.json(given(key, member(key)));
    }
    // Only where it says something, or what was marked before there was such a member would have another mark.
    if members.get("exact").is_some_and(|raw| raw.get() == "true") {
        hash.json("exact");
    }
    let kind = members.get("type").and_then(|raw| json::string(raw.get()));
    let others = kind.map_or(&[] as &[&str], |kind| content(&kind));
    others.iter().for_each(|key| hash.json(given(key, member(key))));
    hash.0
}

/// A hash of JSON, however it is laid out.
pub fn mark_of(json: &str) -> u32 {
    let mut hash = Fnv::default();
    hash.json(json);
    hash.0
}

/// What a member says: null in place of an optional one says nothing. (For `value` null is a value, and `detail` was
/// always marked as it came.)
fn given<'a>(key: &str, raw: &'a str) -> &'a str {
    let is_optional = matches!(key, "baseVersion" | "scope" | "ttlMs" | "reason");
    if is_optional && raw == "null" { "" } else { raw }
}

/// The 32-bit FNV-1a hash (RFC 9923). It is stored, so it must stay the same from one build to the next.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    /// Adds JSON without the white space between its tokens, followed by an end mark.
    fn json(&mut self, text: &str) {
        let is_space = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        for (byte, _) in json::bytes(text).filter(|(byte, in_string)| *in_string || !is_space(*byte)) {
            self.byte(byte);
        }
        self.byte(0);
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
}
