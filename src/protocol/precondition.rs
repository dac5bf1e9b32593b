//! What a write over HTTP requires the field to hold: `If-Match` and `If-None-Match` (H3; RFC 9110, section 13.1).

use super::reader::bad;
use super::refusal::Refusal;

/// The tag of a field that is set: the room's life, and the version that set the field.
pub fn field_tag(epoch: &str, version: u64) -> String {
    format!("\"{epoch}-{version}\"")
}

/// What a request requires the field to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// What a header names: the tags with their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever the field holds, as long as it is set.
    Any,
    Listed(Vec<String>),
}

impl Precondition {
    /// Reads the two headers.
    ///
    /// # Errors
    /// One of them is not a list of tags.
    pub fn read(if_match: Option<&str>, if_none_match: Option<&str>) -> Result<Self, Refusal> {
        let read = |name: &str, header: Option<&str>| match header {
            None => Ok(None),
            Some(text) => Tags::parse(text).map(Some).ok_or_else(|| {
                bad(format!("`{name}` must be `*` or a list of tags in quotes, as in the `ETag` of a response."))
            }),
        };
        Ok(Self { if_match: read("If-Match", if_match)?, if_none_match: read("If-None-Match", if_none_match)? })
    }

    /// Whether it holds for a field with this tag, or for one that is not set.
    pub fn holds(&self, tag: Option<&str>) -> bool {
        self.if_match.as_ref().is_none_or(|tags| tags.contain(tag))
            && !self.if_none_match.as_ref().is_some_and(|tags| tags.contain(tag))
    }
}

impl Tags {
    fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            // A proxy that compresses a response weakens its tag. A field's tag says as much with `W/` as without.
            let (tag, after) = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
            let is_tag = tag.chars().all(|char| char > ' ' && char != '\u{7f}');
            tags.push(Some(format!("\"{tag}\"")).filter(|_| is_tag)?);
            let after = after.trim_start_matches([' ', '\t']);
            rest = after.trim_start_matches([' ', '\t', ',']);
            if !rest.is_empty() && !after.starts_with(',') {
                return None;
            }
        }
        Some(Self::Listed(tags)).filter(|tags| *tags != Self::Listed(Vec::new()))
    }

    fn contain(&self, tag: Option<&str>) -> bool {
        match (self, tag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Listed(tags), Some(tag)) => tags.iter().any(|listed| listed == tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h3_a_precondition_names_what_the_field_must_hold() {
        let tag = field_tag("e", 5);
        for (if_match, if_none_match, when_set, when_not_set) in [
            (None, None, true, true),
            (Some("*"), None, true, false),
            (Some(r#""e-5""#), None, true, false),
            (Some(r#"W/"e-5""#), None, true, false),
            (Some(r#""e-4", "e-5""#), None, true, false),
            (Some(r#","x,y" ,, W/"e-5","#), None, true, false),
            (Some(r#""e-4""#), None, false, false),
            (Some(r#""E-5""#), None, false, false),
            (None, Some("*"), false, true),
            (None, Some(r#""e-5""#), false, true),
            (None, Some(r#""e-4""#), true, true),
            (Some("*"), Some(r#""e-5""#), false, false),
        ] {
            let precondition = Precondition::read(if_match, if_none_match).unwrap();
            let held = (precondition.holds(Some(&tag)), precondition.holds(None));
            assert_eq!(held, (when_set, when_not_set), "{if_match:?} {if_none_match:?}");
        }
        for rubbish in
            ["", ",", "e-5", "\"e-5", "e-5\"", "**", "*, \"a\"", "\"a\" \"b\"", "w/\"a\"", "\"a b\"", "\"\u{1}\""]
        {
            assert!(Precondition::read(Some(rubbish), None).is_err(), "{rubbish}");
            assert!(Precondition::read(None, Some(rubbish)).is_err(), "{rubbish}");
        }
    }
}
