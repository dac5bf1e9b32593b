//! What clients say: a frame of text becomes a [`Frame`] or a [`Refusal`], in one pass, and nothing later in the
//! program looks at unchecked input.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::PROTOCOL;
use super::json::{self, Json};
use super::limits::{ID_SEARCH_BYTES, Limits, MESSAGE_ID_CHARS, NESTING};
use super::permission::{self, PermissionMessage};
use super::reader::{Reader, bad, size_of_extra, within_value};
use super::refusal::{Code, Refusal};

/// The `id` that a client gave its message, to be told the outcome (F3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum MessageId {
    /// An integer.
    Number(i64),
    /// A string of 1 to 64 characters.
    Text(String),
}

/// The number that a client gave its message, and a mark of what the message says (E1, E2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// 1 for the first message of a `clientId`, one more for each.
    pub seq: u64,
    /// Equal for messages that say the same.
    pub content: u32,
}

/// By what a client knows the answer to its message: what it gave of `id` and `seq`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tag {
    /// Any name, for any message (F3).
    pub id: Option<MessageId>,
    /// The place in the client's outbox (E1).
    pub number: Option<Number>,
}

impl Tag {
    /// Whether there is nothing to answer by.
    pub fn is_empty(&self) -> bool {
        self.id.is_none() && self.number.is_none()
    }
}

/// A frame as read: what it says, or why it says nothing, and how to answer it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What the answer must carry.
    pub tag: Tag,
    /// The message, or the refusal that F1, F5 or X1 ask for.
    pub message: Result<ClientMessage, Refusal>,
}

/// All that a client can say.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// `user_joined`: who the person at this connection is (J1).
    Join(Join),
    /// `user_ready`: whether a participant is ready (J7).
    Ready {
        /// The participant.
        user_id: String,
        /// The new flag.
        is_ready: bool,
    },
    /// `field_selected` or `field_cleared`: sets or removes a field (S2, S5).
    Change(FieldChange),
    /// `batch`: all of these changes or none (S9).
    Batch(Vec<FieldChange>),
    /// `hello`: the client speaks the whole protocol from here on (Y4).
    Hello(Hello),
    /// `hello` with another protocol than this one.
    OtherProtocol,
    /// `presence`: what the person at this connection is looking at (P1).
    Presence {
        /// The page's own words, or `None` for `null`: nothing to tell any more.
        data: Option<Json>,
        /// The user whom the message names as its author, if it names one.
        user_id: Option<String>,
    },
    /// `sync_request`: asks for the room's state (Y1).
    Sync {
        /// The version that the client has, if it has one.
        since: Option<u64>,
        /// The life of the room that the client knows, if it knows one (U8).
        epoch: Option<String>,
        /// The user whom the message names as its author, if it names one.
        user_id: Option<String>,
    },
    /// `auth`: another token for this connection (A5).
    Auth {
        /// The token.
        token: String,
    },
    /// `kick`: closes the connections of a user (A4).
    Kick {
        /// The user.
        user_id: String,
    },
    /// A permission is asked for, given, taken back (Q1 to Q4).
    Permission(PermissionMessage),
    /// Any other type: passed on to the others as it came (P2).
    Relay {
        /// The user whom the message names as its author, if it names one.
        user_id: Option<String>,
    },
}

impl ClientMessage {
    /// Whether the message may change the room, and so may wait for other changes to be flushed with it.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Join(_) | Self::Ready { .. } | Self::Change(_) | Self::Batch(_) | Self::Permission(_) => true,
            Self::Sync { .. }
            | Self::Relay { .. }
            | Self::Hello(_)
            | Self::OtherProtocol
            | Self::Presence { .. }
            | Self::Auth { .. }
            | Self::Kick { .. } => false,
        }
    }

    /// Whether the newest pings are needed: the answer tells when people were last seen, or an alarm is set.
    pub fn needs_pings(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::Hello(_) | Self::Permission(PermissionMessage::Request(_)))
    }

    /// The user whom the message names as its author.
    pub fn author(&self) -> Option<&str> {
        match self {
            Self::Join(join) => Some(&join.user_id),
            Self::Ready { user_id, .. } => Some(user_id),
            Self::Change(change) => Some(change.user_id()),
            Self::Batch(changes) => changes.first().map(FieldChange::user_id),
            Self::Sync { user_id, .. } | Self::Relay { user_id } | Self::Presence { user_id, .. } => user_id.as_deref(),
            // In these `userId` names the other party.
            Self::Permission(_) | Self::Kick { .. } => None,
            Self::Hello(_) | Self::OtherProtocol | Self::Auth { .. } => None,
        }
    }
}

/// A field that is set or cleared.
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
}

/// `hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The client's outbox, by a name of its own choice (E1).
    pub client_id: String,
    /// The version that the client has, if it has one.
    pub since: Option<u64>,
    /// The life of the room that the client knows, if it knows one (U8).
    pub epoch: Option<String>,
    /// By what right the client comes, where it did not say so before (A1).
    pub token: Option<String>,
}

/// `user_joined`.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The user's id.
    pub user_id: String,
    /// The user's name, for people.
    pub user_name: String,
    /// Further members of the message, kept with the participant.
    pub profile: Extra,
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
    /// The client's own time, a number; `None` when it gave none.
    pub timestamp: Option<Json>,
    /// Further members, kept and forwarded.
    pub extra: Extra,
}

/// Members that the protocol does not know, by key.
pub type Extra = BTreeMap<String, Json>;

impl Frame {
    /// Reads one text frame.
    pub fn decode(text: &str, limits: &Limits) -> Self {
        if text.len() > limits.message_bytes {
            let message = format!("The message has {} bytes; this room takes {}.", text.len(), limits.message_bytes);
            return Self { tag: tag_of_oversized(text), message: Err(Refusal::new(Code::LimitMessage, message)) };
        }
        match json::object(text) {
            Err(error) => Self::refused(bad(format!("The frame is no JSON object: {error}."))),
            Ok(object) => {
                let reader = Reader::of("message", &object.members, limits);
                let message = object.without_doubles().map_err(bad).and_then(|_| message(text, &reader));
                // What a page sends beside the protocol is its own: there a `seq` is none of ours.
                let is_relayed = matches!(message, Ok(ClientMessage::Relay { .. }));
                let tag = if is_relayed { Tag { number: None, ..tag(&reader) } } else { tag(&reader) };
                Self { tag, message }
            }
        }
    }

    /// A frame of which nothing could be read.
    pub fn refused(refusal: Refusal) -> Self {
        Self { tag: Tag::default(), message: Err(refusal) }
    }
}

fn message(text: &str, reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let members = reader.members;
    let glance = json::Glance::at(text);
    if glance.has_escapes && json::has_lone_surrogate(text) {
        return Err(bad("A string holds half of a surrogate pair."));
    }
    if glance.brackets > NESTING && json::depth(text) > NESTING {
        return Err(Refusal::new(Code::LimitDepth, format!("The message is nested deeper than {NESTING} levels.")));
    }
    let kind = reader.text("type")?;
    let message = match kind.as_ref() {
        "user_joined" => join(reader)?,
        "user_ready" => ClientMessage::Ready { user_id: reader.id("userId")?, is_ready: reader.boolean("isReady")? },
        "field_selected" | "field_cleared" => ClientMessage::Change(field_change(&kind, reader)?),
        "batch" => batch(reader)?,
        "sync_request" => sync(reader)?,
        "hello" if reader.is_integer("protocol") => hello(reader)?,
        "presence" if members.contains_key("data") => presence(reader)?,
        "welcome" | "sync_response" | "changes" | "ack" | "conflict" | "error" | "user_left" => {
            return Err(Refusal::new(Code::ReservedType, format!("Only the server sends `{kind}`.")));
        }
        "auth" if reader.parsed::<String>("token").is_some() => ClientMessage::Auth { token: reader.token()? },
        "kick" => ClientMessage::Kick { user_id: reader.id("userId")? },
        "permission_request" | "permission_response" | "permission_cancelled" | "permission_revoked" => {
            ClientMessage::Permission(permission::read(&kind, reader)?)
        }
        // No page may take another one's words for the room's own news of presence.
        "presence" if members.contains_key("presence") => {
            return Err(Refusal::new(Code::ReservedType, "Only the server sends `presence` with a list of it."));
        }
        // An `id` of another form is the page's own business too.
        _ => return Ok(ClientMessage::Relay { user_id: reader.author()? }),
    };
    if members.get("id").is_some_and(|raw| message_id(raw).is_none()) {
        return Err(bad("`id` must be an integer or a string of 1 to 64 characters."));
    }
    if members.get("seq").is_some_and(|raw| seq(raw).is_none()) {
        return Err(bad("`seq` must be an integer from 1 to 9007199254740991, written plainly."));
    }
    Ok(message)
}

fn join(reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let user_id = reader.id("userId")?;
    let user_name = reader.text("userName")?;
    if user_name.is_empty() {
        return Err(bad("`userName` must not be empty."));
    }
    reader.within("userName", user_name.len(), reader.limits.user_name_bytes)?;
    // Names that a participant has of its own, or that belong to the message, are no part of the profile.
    let profile = reader.extra(&[
        "type",
        "id",
        "seq",
        "clientId",
        "userId",
        "userName",
        "token",
        "name",
        "isReady",
        "online",
        "connections",
        "joinedAt",
        "lastSeen",
        "version",
    ]);
    within_value(size_of_extra(&profile), reader.limits)?;
    Ok(ClientMessage::Join(Join { user_id, user_name: user_name.into_owned(), profile }))
}

fn field_change(kind: &str, reader: &Reader<'_>) -> Result<FieldChange, Refusal> {
    if kind == "field_selected" {
        return selection(reader).map(FieldChange::Select);
    }
    Ok(FieldChange::Clear {
        field: reader.id("field")?,
        user_id: reader.id("userId")?,
        base_version: reader.version("baseVersion")?,
    })
}

fn batch(reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let raw = reader.raw("changes")?;
    let changes = serde_json::from_str::<Vec<&RawValue>>(raw.get());
    let changes = changes.map_err(|error| bad(format!("`changes` must be an array: {error}.")))?;
    if changes.len() > reader.limits.batch {
        let message = format!("The batch has {} changes; a room takes {} at once.", changes.len(), reader.limits.batch);
        return Err(Refusal::new(Code::LimitBatch, message));
    }
    let changes = changes.iter().map(|raw| {
        let object = json::object(raw.get());
        let object = object.map_err(|error| bad(format!("A change of the batch is no JSON object: {error}.")))?;
        let reader = Reader::of("change", object.without_doubles().map_err(bad)?, reader.limits);
        if reader.members.contains_key("id") || reader.members.contains_key("seq") {
            return Err(bad("`id` and `seq` belong to the batch and not to a change in it."));
        }
        match reader.text("type")?.as_ref() {
            kind @ ("field_selected" | "field_cleared") => field_change(kind, &reader),
            kind => Err(bad(format!("A batch is of `field_selected` and `field_cleared`, not of `{kind}`."))),
        }
    });
    changes.collect::<Result<_, _>>().map(ClientMessage::Batch)
}

fn hello(reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    if reader.parsed::<u64>("protocol") != Some(PROTOCOL) {
        return Ok(ClientMessage::OtherProtocol);
    }
    let (client_id, since, epoch) = (reader.id("clientId")?, reader.version("since")?, reader.optional_text("epoch")?);
    let token = reader.members.contains_key("token").then(|| reader.token()).transpose()?;
    Ok(ClientMessage::Hello(Hello { client_id, since, epoch, token }))
}

fn presence(reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let data = Some(reader.raw("data")?).filter(|raw| raw.get() != "null").map(Json::from);
    let (size, limit) = (data.as_ref().map_or(0, |data| data.text().len()), reader.limits.presence_bytes);
    if size > limit {
        let message = format!("`data` has {size} bytes; this room takes {limit}.");
        return Err(Refusal::new(Code::LimitPresence, message));
    }
    Ok(ClientMessage::Presence { data, user_id: reader.parsed("userId") })
}

fn selection(frame: &Reader<'_>) -> Result<Selection, Refusal> {
    let object = frame.selection().ok_or_else(|| frame.missing("selection"))?;
    let object = object.as_ref().map_err(|error| bad(format!("`selection` is no JSON object: {error}.")))?;
    let members = object.without_doubles().map_err(bad)?;
    let reader = Reader::of("selection", members, frame.limits);
    let field = reader.id("field")?;
    let value = Json::from(reader.raw("value")?);
    let user_id = reader.id("userId")?;
    if frame.parsed::<String>("userId").is_some_and(|other| other != user_id) {
        let message = "`userId` of the message is another than that of its selection.";
        return Err(Refusal::new(Code::IdentityMismatch, message));
    }
    let timestamp = match members.get("timestamp") {
        None => None,
        Some(raw) if raw.get() == "null" => None,
        Some(raw) if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Some(Json::from(raw)),
        Some(_) => return Err(bad("`timestamp` of the selection must be a number.")),
    };
    let extra = reader.extra(&["field", "value", "userId", "timestamp", "version", "updatedAt"]);
    within_value(value.text().len() + size_of_extra(&extra), frame.limits)?;
    let base_version = frame.version("baseVersion")?;
    Ok(Selection { field, value, user_id, base_version, timestamp, extra })
}

fn sync(reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let since = reader.version("since")?;
    Ok(ClientMessage::Sync { since, epoch: reader.optional_text("epoch")?, user_id: reader.parsed("userId") })
}

fn message_id(raw: &RawValue) -> Option<MessageId> {
    let Some(text) = json::string(raw.get()) else {
        return serde_json::from_str(raw.get()).ok().map(MessageId::Number);
    };
    let is_short = (1..=MESSAGE_ID_CHARS).contains(&text.chars().count());
    is_short.then(|| MessageId::Text(text.into_owned()))
}

/// A number on the wire is one that JavaScript holds exactly.
fn seq(raw: &RawValue) -> Option<u64> {
    raw.get().parse().ok().filter(|seq| (1..1 << 53).contains(seq))
}

fn tag(reader: &Reader<'_>) -> Tag {
    let member = |key: &str| reader.members.get(key);
    let number = |seq| Number { seq, content: content(reader) };
    Tag { id: member("id").and_then(message_id), number: member("seq").and_then(seq).map(number) }
}

/// What is read of a message that is too long to be taken apart.
#[derive(Deserialize)]
struct Oversized<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    seq: Option<&'a RawValue>,
}

fn tag_of_oversized(text: &str) -> Tag {
    let readable = Some(text).filter(|text| text.len() <= ID_SEARCH_BYTES);
    let Some(found) = readable.and_then(|text| serde_json::from_str::<Oversized<'_>>(text).ok()) else {
        return Tag::default();
    };
    let number = found.seq.and_then(seq).map(|seq| {
        let mut hash = Fnv::default();
        hash.json(text);
        Number { seq, content: hash.0 }
    });
    Tag { id: found.id.and_then(message_id), number }
}

/// A mark of what a message says: its kind, field, value and base version, in whatever layout they are written. Two
/// that say something else have the same mark once in four thousand million times; it finds a client's mistake (E2).
fn content(reader: &Reader<'_>) -> u32 {
    let members = reader.members;
    let selection = reader.selection().and_then(|selection| selection.as_ref().ok());
    let member = |key: &str| {
        let selected = selection.and_then(|selection| selection.members.get(key));
        selected.or_else(|| members.get(key)).map_or("", |raw| raw.get())
    };
    let mut hash = Fnv::default();
    // In an address the field has other escapes than in JSON.
    let field = json::string(member("field"));
    hash.json(&field.map_or(Cow::Borrowed(member("field")), |field| Cow::Owned(json::encode(&field))));
    for key in ["type", "value", "baseVersion", "isReady", "userName", "changes"] {
        hash.json(member(key));
    }
    let kind = members.get("type").and_then(|raw| json::string(raw.get()));
    if kind.is_some_and(|kind| kind.starts_with("permission_")) {
        permission::CONTENT.into_iter().for_each(|key| hash.json(member(key)));
    }
    hash.0
}

/// The hash FNV-1a of 32 bits (RFC 9923). Kept in storage, so it must stay the same from one build to the next.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    /// Takes JSON in without the white space between its tokens, and a mark of its end.
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
