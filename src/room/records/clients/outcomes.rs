//! The outcomes of a client's last messages, as one text: it is written to storage with every change of the client, and
//! encoding it anew each time would be most of the work of that change.
//!
//! One line for each message: its content mark, a sign for the kind of outcome, the outcome. `1z=2s` was done and made
//! version 100, `1z?5"price"` came too late for the field price, of which its writer had seen version 5, and
//! `1z!limit_value` was refused. Numbers are in base 36, so that 64 lines of the usual kind stay below the thousand
//! bytes beyond which SQLite gives a row pages of its own.

use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::json::encode;
use crate::protocol::refusal::{About, Code};

const BASE: u32 = 36;

/// What came of a message. What a field held then is not kept: a repeated message is told what it holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done {
        /// The version that it made, or the room's when it changed nothing.
        version: u64,
    },
    /// It came too late (S4).
    Conflict {
        /// The field.
        field: String,
        /// The version that the writer had seen.
        client_version: u64,
    },
    /// It was refused for its content.
    Refused(Refused),
}

/// What is kept of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// What it was about, if the code does not say all.
    pub about: Option<Box<About>>,
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self { code, about: None }
    }
}

/// An outcome as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "OutcomeRow", try_from = "Vec<Box<RawValue>>")]
pub struct RecordedOutcome {
    /// The content mark of the message.
    pub content_mark: u32,
    /// The decision.
    pub outcome: Outcome,
}

impl RecordedOutcome {
    /// The bytes of text in it.
    pub fn text_bytes(&self) -> usize {
        match &self.outcome {
            Outcome::Conflict { field, .. } => field.len(),
            Outcome::Refused(Refused { about: Some(about), .. }) => encode(about).len(),
            Outcome::Done { .. } | Outcome::Refused(_) => 0,
        }
    }
}

/// A recorded outcome as JSON: the form for idempotency keys, and for clients before schema 4.
#[derive(Serialize)]
#[serde(untagged)]
enum OutcomeRow {
    Done(u32, u64),
    Refused(u32, Code),
    RefusedAbout(u32, Code, Box<About>),
    Conflict(u32, String, u64),
}

impl From<RecordedOutcome> for OutcomeRow {
    fn from(RecordedOutcome { content_mark, outcome }: RecordedOutcome) -> Self {
        match outcome {
            Outcome::Done { version } => Self::Done(content_mark, version),
            Outcome::Refused(Refused { code, about: None }) => Self::Refused(content_mark, code),
            Outcome::Refused(Refused { code, about: Some(about) }) => Self::RefusedAbout(content_mark, code, about),
            Outcome::Conflict { field, client_version } => Self::Conflict(content_mark, field, client_version),
        }
    }
}

/// Parsed by hand: the code that serde generates for such an enum is a hundred times the size of this.
impl TryFrom<Vec<Box<RawValue>>> for RecordedOutcome {
    type Error = serde_json::Error;

    fn try_from(row: Vec<Box<RawValue>>) -> Result<Self, Self::Error> {
        let part = |at: usize| row.get(at).map_or("", |raw| raw.get());
        let outcome = match row.len() {
            3 if part(2).starts_with('{') => Outcome::Refused(Refused {
                code: serde_json::from_str(part(1))?,
                about: About::parse(part(2)).map(Box::new),
            }),
            3 => Outcome::Conflict {
                field: serde_json::from_str(part(1))?,
                client_version: serde_json::from_str(part(2))?,
            },
            _ if part(1).starts_with('"') => Outcome::Refused(serde_json::from_str::<Code>(part(1))?.into()),
            _ => Outcome::Done { version: serde_json::from_str(part(1))? },
        };
        Ok(Self { content_mark: serde_json::from_str(part(0))?, outcome })
    }
}

/// The recorded outcomes of a client's last messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Oldest first, each with its line end.
    lines: String,
    count: usize,
}

impl Outcomes {
    /// Reads what [`Outcomes::text`] wrote, in this build or an older one. `None`: no build wrote this.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('[') {
            let mut outcomes = Self::default();
            for outcome in serde_json::from_str::<Vec<RecordedOutcome>>(text).ok()? {
                outcomes.push(&outcome, usize::MAX, usize::MAX);
            }
            return Some(outcomes);
        }
        let is_whole = text.is_empty() || text.ends_with('\n');
        let outcomes = Self { lines: text.to_owned(), count: text.lines().count() };
        (is_whole && outcomes.lines.lines().all(|line| parse(line).is_some())).then_some(outcomes)
    }

    /// As stored.
    pub fn text(&self) -> &str {
        &self.lines
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = RecordedOutcome> {
        self.lines.lines().filter_map(parse)
    }

    /// The outcome of the message this many before the last one.
    pub fn back(&self, count: usize) -> Option<RecordedOutcome> {
        self.lines.lines().rev().nth(count).and_then(parse)
    }

    /// Adds the outcome of the next message, and forgets the oldest beyond `keep`, or beyond `bytes` of text.
    pub fn push(&mut self, outcome: &RecordedOutcome, keep: usize, bytes: usize) {
        push_number(&mut self.lines, u64::from(outcome.content_mark));
        match &outcome.outcome {
            Outcome::Done { version } => {
                self.lines.push('=');
                push_number(&mut self.lines, *version);
            }
            Outcome::Conflict { field, client_version } => {
                self.lines.push('?');
                push_number(&mut self.lines, *client_version);
                self.lines.push_str(&encode(field));
            }
            Outcome::Refused(Refused { code, about }) => {
                self.lines.push('!');
                self.lines.push_str(code.as_str());
                if let Some(about) = about {
                    self.lines.push_str(&encode(about));
                }
            }
        }
        self.lines.push('\n');
        self.count += 1;
        while self.count > keep || (self.lines.len() > bytes && self.count > 1) {
            let line = self.lines.find('\n').map_or(0, |end| end + 1);
            self.lines.drain(..line);
            self.count -= 1;
        }
    }
}

fn parse(line: &str) -> Option<RecordedOutcome> {
    let number = |text: &str| u64::from_str_radix(text, BASE).ok();
    let (content_mark, answer) = line.split_at_checked(line.find(['=', '?', '!'])?)?;
    let outcome = if let Some(version) = answer.strip_prefix('=') {
        Outcome::Done { version: number(version)? }
    } else if let Some(conflict) = answer.strip_prefix('?') {
        let (version, field) = conflict.split_at_checked(conflict.find('"')?)?;
        Outcome::Conflict { field: serde_json::from_str(field).ok()?, client_version: number(version)? }
    } else {
        let refusal = answer.strip_prefix('!')?;
        let (code, about) = refusal.split_at_checked(refusal.find('{').unwrap_or(refusal.len()))?;
        let code: Result<Code, Error> = Code::deserialize(code.into_deserializer());
        let about = if about.is_empty() { None } else { Some(Box::new(About::parse(about)?)) };
        Outcome::Refused(Refused { code: code.ok()?, about })
    };
    Some(RecordedOutcome { content_mark: u32::from_str_radix(content_mark, BASE).ok()?, outcome })
}

fn push_number(text: &mut String, number: u64) {
    if number >= u64::from(BASE) {
        push_number(text, number / u64::from(BASE));
    }
    let digit = u32::try_from(number % u64::from(BASE)).ok();
    text.extend(digit.and_then(|digit| char::from_digit(digit, BASE)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<RecordedOutcome> {
        let of = |content_mark, outcome| RecordedOutcome { content_mark, outcome };
        let conflict = |field: &str, client_version| Outcome::Conflict { field: field.to_owned(), client_version };
        let about = About { path: Some("/a\n{".to_owned()), keyword: Some("type".to_owned()), ..About::field("b=?!") };
        let invalid = Refused { code: Code::InvalidValue, about: Some(Box::new(about)) };
        vec![
            of(71, Outcome::Done { version: 100 }),
            of(u32::MAX, Outcome::Done { version: u64::MAX }),
            of(0, Outcome::Done { version: 0 }),
            of(5, conflict("a \"b\"\n=?!c", 36)),
            of(6, Outcome::Refused(Code::LimitValue.into())),
            of(7, Outcome::Refused(invalid)),
        ]
    }

    #[test]
    fn outcomes_are_read_as_they_were_written() {
        let mut outcomes = Outcomes::default();
        all().iter().for_each(|outcome| outcomes.push(outcome, 64, 4096));
        assert!(outcomes.text().starts_with("1z=2s\n1z141z3=3w5e11264sgsf\n0=0\n"), "{}", outcomes.text());
        assert_eq!(Outcomes::parse(outcomes.text()).as_ref(), Some(&outcomes));
        assert_eq!(outcomes.iter().collect::<Vec<_>>(), all());
        let backwards = (0..7).map(|back| outcomes.back(back)).collect::<Vec<_>>();
        assert_eq!(backwards, all().into_iter().rev().map(Some).chain([None]).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut outcomes = Outcomes::default();
        all().iter().for_each(|outcome| outcomes.push(outcome, 2, 4096));
        assert_eq!(outcomes.iter().collect::<Vec<_>>(), all()[4..]);
    }

    #[test]
    fn what_an_older_build_wrote_is_read() {
        let mut outcomes = Outcomes::default();
        all().iter().for_each(|outcome| outcomes.push(outcome, 64, 4096));
        assert_eq!(Outcomes::parse(&encode(&all())), Some(outcomes));
        assert_eq!(Outcomes::parse("[]"), Some(Outcomes::default()));
    }

    #[test]
    fn what_nobody_wrote_is_not_read() {
        for text in [
            "[",
            "{}",
            "[[1,\"no_code\"]]",
            "1=2",
            "=2\n",
            "1=\n",
            "1?5\n",
            "1!no_code\n",
            "1!limit_value{\n",
            "1!limit_value[]\n",
            "1+2\n",
            "\n",
            "é=1\n",
        ] {
            assert_eq!(Outcomes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_usual_64_lie_in_the_page_of_their_row() {
        let mut outcomes = Outcomes::default();
        let outcome = RecordedOutcome { content_mark: u32::MAX, outcome: Outcome::Done { version: 1_500_000 } };
        (0..64).for_each(|_| outcomes.push(&outcome, 64, 4096));
        assert!(outcomes.text().len() < 900, "{}", outcomes.text().len());
    }
}
