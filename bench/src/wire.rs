//! What the load program reads of a frame. The rest is skipped without being copied.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Deserialize)]
pub struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub selection: Option<Selection<'a>>,
    #[serde(borrow, default)]
    pub changes: Vec<Change<'a>>,
    /// A whole state, by field.
    #[serde(borrow, default)]
    pub selections: HashMap<Cow<'a, str>, Selection<'a>>,
    pub from: Option<u64>,
    pub to: Option<u64>,
    pub version: Option<u64>,
    pub seq: Option<u64>,
    pub code: Option<String>,
}

/// Participants and cleared fields are changes without a selection.
#[derive(Deserialize)]
pub struct Change<'a> {
    #[serde(borrow)]
    pub selection: Option<Selection<'a>>,
}

#[derive(Deserialize)]
pub struct Selection<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

/// One write, as its field and value tell it.
#[derive(Debug, PartialEq)]
pub struct Write {
    pub writer: usize,
    /// When it was due.
    pub due: Duration,
    pub number: u64,
}

impl Selection<'_> {
    /// None if the load program did not write this.
    pub fn write(&self) -> Option<Write> {
        let writer = self.field.strip_prefix('f')?.parse().ok()?;
        let (micros, number) = self.value.split_once(':')?;
        Some(Write { writer, due: Duration::from_micros(micros.parse().ok()?), number: number.parse().ok()? })
    }
}

pub fn field(writer: usize) -> String {
    format!("f{writer}")
}

pub fn value(due: Duration, number: u64) -> String {
    format!("{}:{number}", due.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_read_as_it_was_written() {
        let write = Write { writer: 7, due: Duration::from_micros(123_456), number: 9 };
        let selection = Selection { field: field(7).into(), value: value(write.due, 9).into() };
        assert_eq!(selection.write(), Some(write));
        assert_eq!(Selection { field: "price".into(), value: "1:2".into() }.write(), None);
        assert_eq!(Selection { field: "f1".into(), value: "45000".into() }.write(), None);
    }

    #[test]
    fn frames_are_read_without_what_is_not_needed() {
        let frame: Frame = serde_json::from_str(
            r#"{"type":"changes","from":3,"to":6,"epoch":"e","changes":[
                {"kind":"field","version":4,"field":"f1","selection":{"field":"f1","value":"10:1","userId":"u1",
                "timestamp":5,"version":4,"updatedAt":6},"userId":"u1","updatedAt":6},
                {"kind":"field","version":5,"field":"x","selection":null,"userId":"u1","updatedAt":6},
                {"kind":"participant","version":6,"participant":{"id":"u1","name":"u1"}}]}"#,
        )
        .unwrap();
        assert_eq!((frame.kind.as_ref(), frame.from, frame.to), ("changes", Some(3), Some(6)));
        let writes = frame.changes.iter().filter_map(|change| change.selection.as_ref()?.write()).collect::<Vec<_>>();
        assert_eq!(writes, [Write { writer: 1, due: Duration::from_micros(10), number: 1 }]);
        assert!(matches!(frame.kind, Cow::Borrowed(_)));
    }
}
