//! What the protocol needs of JSON beyond serde_json: members of an object as raw text, and refusing duplicate keys and
//! malformed strings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::EXACT;

const INFALLIBLE: &str = "writing to memory cannot fail, and no message has a map whose keys are not strings";

/// Up to this many keys are quicker to compare pairwise than to sort.
const FEW: usize = 16;

/// Any JSON.
///
/// Kept as the text in which it arrived, so that no number loses a digit on its way through the room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(type = "null | boolean | number | string | Json[] | { [key: string]: Json }"))]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes text for JSON.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The message as JSON, for use inside another one.
    pub fn of<T: Serialize>(message: &T) -> Self {
        Self(serde_json::value::to_raw_value(message).expect(INFALLIBLE))
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

/// Members that the protocol does not know, by key.
pub type Extra = BTreeMap<String, Json>;

impl Eq for Json {}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// The members of an object, each with its JSON as written. An object in a frame has a handful, so a linear search is
/// the quickest.
#[derive(Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// A member's JSON.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.iter().find(|(name, _)| *name == key).map(|(_, raw)| raw)
    }

    /// Whether there is such a member.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, raw)| (key.as_ref(), *raw))
    }

    /// Removes those with a duplicate key, and returns the first such key.
    fn drop_duplicate_keys(&mut self) -> Option<String> {
        if self.0.len() <= FEW && !self.has_duplicate_keys() {
            return None;
        }
        let mut keys = self.iter().map(|(key, _)| key).collect::<Vec<_>>();
        keys.sort_unstable();
        let doubled =
            keys.windows(2).filter(|pair| pair.first() == pair.last()).filter_map(|pair| pair.first().copied());
        let doubled = doubled.map(str::to_owned).collect::<BTreeSet<_>>();
        if !doubled.is_empty() {
            self.0.retain(|(key, _)| !doubled.contains(key.as_ref()));
        }
        doubled.into_iter().next()
    }

    /// Compares each pair.
    fn has_duplicate_keys(&self) -> bool {
        let mut rest = self.0.as_slice();
        while let [(first, _), others @ ..] = rest {
            if others.iter().any(|(key, _)| key == first) {
                return true;
            }
            rest = others;
        }
        false
    }
}

/// An object taken apart, one level deep.
pub struct Object<'a> {
    /// Its members, without those that have a duplicate key.
    pub members: Members<'a>,
    doubled: Option<String>,
}

impl<'a> Object<'a> {
    /// The members of an object without duplicate keys.
    ///
    /// # Errors
    /// A sentence that names a duplicate key.
    pub fn without_duplicate_keys(&self) -> Result<&Members<'a>, String> {
        match &self.doubled {
            None => Ok(&self.members),
            Some(key) => Err(format!("Duplicate key `{key}`.")),
        }
    }
}

/// Takes an object apart, one level deep.
///
/// # Errors
/// The text is not a JSON object.
pub fn object(text: &str) -> Result<Object<'_>, serde_json::Error> {
    serde_json::from_str(text)
}

/// The string that a piece of JSON represents, or `None` if it is something else.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // Most strings contain no escapes.
    if let Some(inner) = inner.filter(|inner| inner.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')) {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// The integer of 0 or more that a piece of JSON or of a query is, if JavaScript represents it exactly. Whatever number is
/// stored is read here first: storage hands numbers over as JavaScript has them, and a larger one could not be read again.
pub fn integer(raw: &str) -> Option<u64> {
    let is_number = raw.bytes().all(|byte| byte.is_ascii_digit());
    raw.parse().ok().filter(|number| is_number && *number < EXACT.unsigned_abs())
}

/// Writes a message as JSON.
pub fn encode<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect(INFALLIBLE)
}

/// Whether an escape in valid JSON is an unpaired surrogate, which UTF-8 cannot represent.
pub fn has_lone_surrogate(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at..).unwrap_or_default();
        let unit = utf16_unit(escape);
        let length = match unit {
            Some(0xD800..=0xDBFF) => match escape.get(6..).and_then(utf16_unit) {
                Some(0xDC00..=0xDFFF) => 12,
                _ => return true,
            },
            Some(0xDC00..=0xDFFF) => return true,
            Some(_) => 6,
            None => 2,
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    false
}

/// The number in a `\u` escape at the start of `escape`.
fn utf16_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The bytes of valid JSON, each with whether it is inside a string, quotes included.
pub fn bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().map(move |byte| {
        let was_in_string = in_string;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        (byte, was_in_string || in_string)
    })
}

/// What a quick scan of JSON shows: most messages have no escapes and few brackets, and need nothing more.
pub struct Glance {
    /// Whether there is a backslash.
    pub has_escapes: bool,
    /// How many arrays and objects begin, plus any opening brackets in strings.
    pub brackets: usize,
}

impl Glance {
    /// Scans all bytes once.
    pub fn at(text: &str) -> Self {
        text.bytes().fold(Self { has_escapes: false, brackets: 0 }, |glance, byte| Self {
            has_escapes: glance.has_escapes | (byte == b'\\'),
            brackets: glance.brackets + usize::from(matches!(byte, b'{' | b'[')),
        })
    }
}

/// The nesting depth of valid JSON.
pub fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    for (byte, in_string) in bytes(text) {
        match byte {
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.0.push((key, value));
                }
                let doubled = members.drop_duplicate_keys();
                Ok(Object { members, doubled })
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A string, borrowed from the input if it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Borrow).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_half_surrogates_are_found_wherever_they_hide() {
        for whole in [r#""a""#, r#""\ud83d\ude00""#, r#""\\ud800""#, r#""\u00e4\\\n""#, r#""\uD83D\uDE00\u0041""#] {
            assert!(!has_lone_surrogate(whole), "{whole}");
        }
        for half in
            [r#""\ud800""#, r#""\udc00""#, r#""\ud800x""#, r#""\ud800\ud800""#, r#""\\\ud83d""#, r#""\uDBFF\n""#]
        {
            assert!(has_lone_surrogate(half), "{half}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (text, expected) in [("1", 0), ("{}", 1), (r#"{"a":[1,[2]],"b":[]}"#, 3), (r#"["[[\"[[",{"]":0}]"#, 2)] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }
}
