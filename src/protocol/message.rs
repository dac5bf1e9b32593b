//! What clients say: a frame of text becomes a [`Frame`] or a [`Refusal`], in one pass, and nothing later in the
//! program looks at unchecked input.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, Json, Members};
use super::limits::{ID_SEARCH_BYTES, Limits, MESSAGE_ID_CHARS, NESTING};
use super::refusal::{Code, Refusal};

/// The `id` that a client gave its message, to be told the outcome (F3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum MessageId {
    /// An integer.
    Number(i64),
    /// A string of 1 to 64 characters.
    Text(String),
}

/// A message and the `id` that waits for its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Present when the client wants to be told the outcome.
    pub id: Option<MessageId>,
    /// The message itself.
    pub message: ClientMessage,
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
    /// `field_selected`: sets a field (S2).
    Select(Selection),
    /// `field_cleared`: removes a field (S5).
    Clear {
        /// The field.
        field: String,
        /// Who clears it.
        user_id: String,
        /// The field's version that the writer last saw (S4).
        base_version: Option<u64>,
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
            Self::Join(_) | Self::Ready { .. } | Self::Select(_) | Self::Clear { .. } => true,
            Self::Sync { .. } | Self::Relay { .. } => false,
        }
    }

    /// Whether the answer tells when people were last seen, for which the newest pings are needed.
    pub fn reads_people(&self) -> bool {
        matches!(self, Self::Sync { .. })
    }
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
    ///
    /// # Errors
    /// A refusal with the code that F1, F5 or X1 ask for, answering the frame's `id` where that could be read.
    pub fn decode(text: &str, limits: &Limits) -> Result<Self, Refusal> {
        if text.len() > limits.message_bytes {
            let message = format!("The message has {} bytes; this room takes {}.", text.len(), limits.message_bytes);
            return Err(Refusal::new(Code::LimitMessage, message).answering(id_of_oversized(text)));
        }
        let object = json::object(text).map_err(|error| bad(format!("The frame is no JSON object: {error}.")))?;
        let id = object.members.get("id").and_then(|raw| message_id(raw));
        Self::from_object(text, &object, id.clone(), limits).map_err(|refusal| refusal.answering(id))
    }

    fn from_object(
        text: &str,
        object: &json::Object<'_>,
        id: Option<MessageId>,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let members = object.without_doubles().map_err(bad)?;
        if json::has_lone_surrogate(text) {
            return Err(bad("A string holds half of a surrogate pair."));
        }
        if json::depth(text) > NESTING {
            return Err(Refusal::new(Code::LimitDepth, format!("The message is nested deeper than {NESTING} levels.")));
        }
        let reader = Reader { what: "message", members, limits };
        let kind = reader.text("type")?;
        let message = match kind.as_ref() {
            "user_joined" => join(&reader)?,
            "user_ready" => {
                ClientMessage::Ready { user_id: reader.id("userId")?, is_ready: reader.boolean("isReady")? }
            }
            "field_selected" => ClientMessage::Select(selection(&reader)?),
            "field_cleared" => ClientMessage::Clear {
                field: reader.id("field")?,
                user_id: reader.id("userId")?,
                base_version: reader.version("baseVersion")?,
            },
            "sync_request" => sync(&reader)?,
            "welcome" | "sync_response" | "changes" | "ack" | "conflict" | "error" | "user_left" => {
                return Err(Refusal::new(Code::ReservedType, format!("Only the server sends `{kind}`.")));
            }
            _ if is_for_a_later_release(&kind, &reader) => {
                return Err(Refusal::new(Code::NotSupported, format!("This server does not serve `{kind}` yet.")));
            }
            // Whatever a page sends beside the protocol is its own: an `id` of another form is no `id` of ours.
            _ => return Ok(Self { id, message: ClientMessage::Relay { user_id: reader.author() } }),
        };
        if members.contains_key("id") && id.is_none() {
            return Err(bad("`id` must be an integer or a string of 1 to 64 characters."));
        }
        Ok(Self { id, message })
    }
}

/// Types that the protocol has and this release does not serve. They are kept from being relayed from the first
/// release on, so that no page comes to lean on that (F5).
fn is_for_a_later_release(kind: &str, reader: &Reader<'_>) -> bool {
    match kind {
        "hello" => reader.parsed::<i64>("protocol").is_some(),
        "presence" => reader.members.contains_key("data"),
        "auth" => reader.parsed::<String>("token").is_some(),
        "batch"
        | "permission_request"
        | "permission_response"
        | "permission_cancelled"
        | "permission_revoked"
        | "kick" => true,
        _ => false,
    }
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

fn selection(frame: &Reader<'_>) -> Result<Selection, Refusal> {
    let object = json::object(frame.raw("selection")?.get())
        .map_err(|error| bad(format!("`selection` is no JSON object: {error}.")))?;
    let members = object.without_doubles().map_err(bad)?;
    let reader = Reader { what: "selection", members, limits: frame.limits };
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
        Some(raw) if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Some(Json::from(*raw)),
        Some(_) => return Err(bad("`timestamp` of the selection must be a number.")),
    };
    let extra = reader.extra(&["field", "value", "userId", "timestamp", "version", "updatedAt"]);
    within_value(value.text().len() + size_of_extra(&extra), frame.limits)?;
    let base_version = frame.version("baseVersion")?;
    Ok(Selection { field, value, user_id, base_version, timestamp, extra })
}

fn sync(reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let since = reader.version("since")?;
    let epoch = reader.members.contains_key("epoch").then(|| reader.text("epoch")).transpose()?;
    Ok(ClientMessage::Sync { since, epoch: epoch.map(Cow::into_owned), user_id: reader.parsed("userId") })
}

fn message_id(raw: &RawValue) -> Option<MessageId> {
    serde_json::from_str(raw.get()).ok().filter(|id| match id {
        MessageId::Number(_) => true,
        MessageId::Text(text) => (1..=MESSAGE_ID_CHARS).contains(&text.chars().count()),
    })
}

fn id_of_oversized(text: &str) -> Option<MessageId> {
    let object = json::object(Some(text).filter(|text| text.len() <= ID_SEARCH_BYTES)?).ok()?;
    object.members.get("id").and_then(|raw| message_id(raw))
}

fn size_of_extra(extra: &Extra) -> usize {
    extra.iter().map(|(key, value)| key.len() + value.text().len()).sum()
}

fn within_value(size: usize, limits: &Limits) -> Result<(), Refusal> {
    if size <= limits.value_bytes {
        return Ok(());
    }
    let message =
        format!("The value and what stands beside it have {size} bytes; this room takes {}.", limits.value_bytes);
    Err(Refusal::new(Code::LimitValue, message))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadMessage, message)
}

/// Takes checked members out of an object of the frame.
struct Reader<'a> {
    what: &'static str,
    members: &'a Members<'a>,
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    fn raw(&self, key: &str) -> Result<&'a RawValue, Refusal> {
        self.members.get(key).copied().ok_or_else(|| bad(format!("`{key}` is missing from the {}.", self.what)))
    }

    fn parsed<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        self.members.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    fn text(&self, key: &str) -> Result<Cow<'a, str>, Refusal> {
        let raw = self.raw(key)?;
        json::string(raw.get()).ok_or_else(|| bad(format!("`{key}` of the {} must be a string.", self.what)))
    }

    fn version(&self, key: &str) -> Result<Option<u64>, Refusal> {
        let Some(raw) = self.members.get(key) else { return Ok(None) };
        let version = serde_json::from_str(raw.get()).ok();
        version.map(Some).ok_or_else(|| bad(format!("`{key}` must be a version, an integer from 0.")))
    }

    fn boolean(&self, key: &str) -> Result<bool, Refusal> {
        match self.raw(key)?.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(bad(format!("`{key}` of the {} must be true or false.", self.what))),
        }
    }

    /// A field name or the id of a user: a string that is not empty and not too long.
    fn id(&self, key: &str) -> Result<String, Refusal> {
        let text = self.text(key)?;
        if text.is_empty() {
            return Err(bad(format!("`{key}` of the {} must not be empty.", self.what)));
        }
        self.within(key, text.len(), self.limits.name_bytes)?;
        Ok(text.into_owned())
    }

    fn within(&self, key: &str, size: usize, limit: usize) -> Result<(), Refusal> {
        if size <= limit {
            return Ok(());
        }
        Err(Refusal::new(Code::LimitName, format!("`{key}` has {size} bytes; this room takes {limit}.")))
    }

    fn extra(&self, known: &[&str]) -> Extra {
        self.members
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_ref()))
            .map(|(key, raw)| (key.to_string(), Json::from(*raw)))
            .collect()
    }

    /// The user whom a message beside the protocol gives as its author.
    fn author(&self) -> Option<String> {
        self.parsed("userId").or_else(|| {
            let selection = json::object(self.members.get("selection")?.get()).ok()?;
            serde_json::from_str(selection.members.get("userId")?.get()).ok()
        })
    }
}
