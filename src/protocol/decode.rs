//! How a frame is read: a text frame becomes a [`Frame`] or a [`Refusal`] in one pass, and nothing later in the program
//! looks at unchecked input. What each type of message holds is in [`ClientMessage`].

use super::frames::ClientMessage;
use super::json;
use super::limits::{Limits, NESTING};
use super::reader::{Reader, bad};
use super::refusal::{Code, Refusal};
use super::tag::{self, MadeFor, Tag};

/// A decoded frame: its message, or why it was refused, and how to reply to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// What the reply must carry.
    pub tag: Tag,
    /// The version of the kind that its content was made for, if it says so (K6).
    pub made_for: MadeFor,
    /// The message, or the refusal that F1, F5 or X1 requires.
    pub message: Result<ClientMessage, Refusal>,
}

impl Frame {
    /// Reads one text frame.
    pub fn decode(text: &str, limits: &Limits) -> Self {
        if text.len() > limits.message_bytes {
            let message = format!("The message is {} bytes long; the limit is {}.", text.len(), limits.message_bytes);
            let refusal = Refusal::new(Code::LimitMessage, message);
            return Self { tag: tag::of_oversized(text), ..Self::refused(refusal) };
        }
        match json::object(text) {
            Err(error) => Self::refused(bad(format!("The frame is not a JSON object: {error}."))),
            Ok(object) => {
                let reader = Reader::of("message", &object.members, limits);
                let message = object.without_duplicate_keys().map_err(bad).and_then(|_| message(text, &reader));
                let tag = tag::of(&reader, ClientMessage::content);
                // What a page sends beside the protocol is its own business, including any `seq`.
                let is_relayed = message.as_ref().is_ok_and(ClientMessage::is_relayed);
                let tag = if is_relayed { Tag { number: None, ..tag } } else { tag };
                let made_for = if is_relayed { None } else { tag::made_for(&reader) };
                Self { tag, made_for, message }
            }
        }
    }

    /// A frame that could not be read at all.
    pub fn refused(refusal: Refusal) -> Self {
        Self { tag: Tag::default(), made_for: None, message: Err(refusal) }
    }
}

fn message(text: &str, reader: &Reader<'_>) -> Result<ClientMessage, Refusal> {
    let glance = json::Glance::at(text);
    if glance.has_escapes && json::has_lone_surrogate(text) {
        return Err(bad("A string contains an unpaired surrogate."));
    }
    if glance.brackets > NESTING && json::depth(text) > NESTING {
        return Err(Refusal::new(Code::LimitDepth, format!("The message is nested deeper than {NESTING} levels.")));
    }
    let message = ClientMessage::read(reader)?;
    // An `id` of another form is the page's own business too.
    if message.is_relayed() {
        return Ok(message);
    }
    if reader.optional("id").is_some_and(|raw| tag::message_id(raw).is_none()) {
        return Err(bad("`id` must be an integer or a string of 1 to 64 characters."));
    }
    if reader.optional("seq").is_some_and(|raw| tag::seq(raw).is_none()) {
        return Err(bad("`seq` must be an integer from 1 to 9007199254740991, without a fraction or an exponent."));
    }
    Ok(message)
}
