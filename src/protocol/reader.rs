//! Reading checked members of an object in a frame.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, Extra, Json, Members, Object};
use super::limits::{Limits, USER_ID_BYTES};
use super::refusal::{Code, Refusal};

/// An object in a frame, whose members are each read as what they must be.
pub(super) struct Reader<'a> {
    pub what: &'static str,
    pub members: &'a Members<'a>,
    pub limits: &'a Limits,
    /// The member `selection`, parsed once, since several callers need it.
    selection: OnceCell<Option<Result<Object<'a>, serde_json::Error>>>,
}

impl<'a> Reader<'a> {
    pub fn of(what: &'static str, members: &'a Members<'a>, limits: &'a Limits) -> Self {
        Self { what, members, limits, selection: OnceCell::new() }
    }

    /// The member `selection` as an object, if there is one.
    pub fn selection(&self) -> Option<&Result<Object<'a>, serde_json::Error>> {
        let read = || self.members.get("selection").map(|raw| json::object(raw.get()));
        self.selection.get_or_init(read).as_ref()
    }

    pub fn raw(&self, key: &str) -> Result<&'a RawValue, Refusal> {
        self.members.get(key).ok_or_else(|| self.missing(key))
    }

    /// An optional member: null means that there is none, since many languages write it so (F1).
    pub fn optional(&self, key: &str) -> Option<&'a RawValue> {
        present(self.members, key)
    }

    pub fn missing(&self, key: &str) -> Refusal {
        bad(format!("`{key}` is missing from the {}.", self.what))
    }

    pub fn parsed<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        self.members.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    pub fn text(&self, key: &str) -> Result<Cow<'a, str>, Refusal> {
        let raw = self.raw(key)?;
        json::string(raw.get()).ok_or_else(|| bad(format!("`{key}` in the {} must be a string.", self.what)))
    }

    pub fn optional_text(&self, key: &str) -> Result<Option<String>, Refusal> {
        self.optional(key).map(|_| self.text(key).map(Cow::into_owned)).transpose()
    }

    /// Whether the member is an integer, of whatever size.
    pub fn is_integer(&self, key: &str) -> bool {
        let digits = self.members.get(key).map(|raw| raw.get().trim_start_matches('-'));
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    }

    pub fn version(&self, key: &str) -> Result<Option<u64>, Refusal> {
        let Some(raw) = self.optional(key) else { return Ok(None) };
        let version = json::integer(raw.get());
        version.map(Some).ok_or_else(|| bad(format!("`{key}` must be a version: an integer from 0 to 2^53 - 1.")))
    }

    /// A member that is false when it is omitted.
    pub fn flag(&self, key: &str) -> Result<bool, Refusal> {
        self.optional(key).map_or(Ok(false), |_| self.boolean(key))
    }

    pub fn boolean(&self, key: &str) -> Result<bool, Refusal> {
        match self.raw(key)?.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(bad(format!("`{key}` in the {} must be true or false.", self.what))),
        }
    }

    /// A token as it came. Whether it is valid is for others to say.
    pub fn token(&self) -> Result<String, Refusal> {
        self.text("token").map(Cow::into_owned)
    }

    /// The id of a user. An identity provider's may be longer than other names (A1).
    pub fn user_id(&self, key: &str) -> Result<String, Refusal> {
        self.name(key, self.limits.name_bytes.max(USER_ID_BYTES))
    }

    /// A field name or the id of something other than a user.
    pub fn id(&self, key: &str) -> Result<String, Refusal> {
        self.name(key, self.limits.name_bytes)
    }

    /// A string that is not empty and not too long.
    fn name(&self, key: &str, limit: usize) -> Result<String, Refusal> {
        let text = self.text(key)?;
        if text.is_empty() {
            return Err(bad(format!("`{key}` in the {} must not be empty.", self.what)));
        }
        self.within(key, text.len(), limit)?;
        Ok(text.into_owned())
    }

    pub fn within(&self, key: &str, size: usize, limit: usize) -> Result<(), Refusal> {
        if size <= limit {
            return Ok(());
        }
        Err(Refusal::new(Code::LimitName, format!("`{key}` is {size} bytes long; the limit is {limit}.")))
    }

    pub fn extra(&self, known: &[&str]) -> Extra {
        self.members
            .iter()
            .filter(|(key, _)| !known.contains(key))
            .map(|(key, raw)| (key.to_owned(), Json::from(raw)))
            .collect()
    }

    /// The author that a relayed message names, at its top level or in a `selection`.
    pub fn author(&self) -> Result<Option<String>, Refusal> {
        let author = self.parsed::<String>("userId");
        let Some(Ok(selection)) = self.selection() else { return Ok(author) };
        let selected = selection.without_duplicate_keys().map_err(bad)?.get("userId");
        let selected = selected.and_then(|raw| json::string(raw.get())).map(Cow::into_owned);
        match (author, selected) {
            (Some(author), Some(selected)) if author != selected => {
                let message = "`userId` of the message differs from that of its selection.";
                Err(Refusal::new(Code::IdentityMismatch, message))
            }
            (author, selected) => Ok(author.or(selected)),
        }
    }
}

/// A member that is there and not null.
pub(super) fn present<'a>(members: &Members<'a>, key: &str) -> Option<&'a RawValue> {
    members.get(key).filter(|raw| raw.get() != "null")
}

pub(super) fn size_of_extra(extra: &Extra) -> usize {
    extra.iter().map(|(key, value)| key.len() + value.text().len()).sum()
}

pub(super) fn within_value(size: usize, limits: &Limits) -> Result<(), Refusal> {
    if size <= limits.value_bytes {
        return Ok(());
    }
    let message =
        format!("The value and the members beside it are {size} bytes long; the limit is {}.", limits.value_bytes);
    Err(Refusal::new(Code::LimitValue, message))
}

pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadMessage, message)
}
