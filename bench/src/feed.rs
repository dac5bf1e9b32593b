//! What comes in on one connection: counted, checked for gaps, and handed on to whoever keeps the accounts.

use crate::dialect::{Dialect, Event, Write};
use crate::recent;
use std::collections::BTreeMap;

pub struct Feed {
    dialect: Dialect,
    /// The version up to which the frames have come, where a dialect tells that.
    to: Option<u64>,
    pub traffic: Traffic,
}

/// What is summed up over all clients, whatever they account for.
#[derive(Default)]
pub struct Traffic {
    pub frames: u64,
    pub bytes: u64,
    pub gaps: u64,
    pub resyncs: u64,
    pub unreadable: u64,
    pub errors: BTreeMap<String, u64>,
}

/// What concerns the accounts.
#[derive(Debug, PartialEq)]
pub enum News {
    Change {
        write: Write,
        version: Option<u64>,
        whole: bool,
    },
    Ack {
        number: u64,
        version: u64,
    },
    /// What changed after one version up to another was not told.
    Gap {
        after: u64,
        upto: u64,
    },
    /// A whole state follows, which stands for all that led to it, whatever was missed before.
    State,
}

impl Traffic {
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.gaps += other.gaps;
        self.resyncs += other.resyncs;
        self.unreadable += other.unreadable;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
    }
}

impl Feed {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, to: None, traffic: Traffic::default() }
    }

    /// The version up to which the frames have come. None until a client that is told versions knows where it stands.
    pub fn to(&self) -> Option<u64> {
        self.to
    }

    pub fn take(&mut self, text: &str, mut told: impl FnMut(News)) {
        let Self { dialect, to: stand, traffic } = self;
        traffic.frames += 1;
        traffic.bytes += text.len() as u64;
        let read = recent::read(*dialect, text, |event| match event {
            Event::Step { from, to } => {
                // Each frame of changes must begin where the one before it ended.
                if from.is_none() || from != *stand {
                    traffic.gaps += 1;
                    told(News::Gap { after: stand.unwrap_or(0), upto: from.or(to).unwrap_or(u64::MAX) });
                }
                *stand = to;
            }
            Event::State { version } => {
                traffic.resyncs += u64::from(stand.is_some());
                *stand = version;
                told(News::State);
            }
            Event::Change { write, version, whole } => told(News::Change { write, version, whole }),
            Event::Ack { number, version } => told(News::Ack { number, version }),
            Event::Refused(code) => *traffic.errors.entry(code).or_default() += 1,
        });
        traffic.unreadable += u64::from(read.is_err());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_do_not_join_up_are_gaps() {
        let mut feed = Feed::new(Dialect::Hello);
        let mut news = Vec::new();
        for frame in [
            r#"{"type":"sync_response","version":5,"selections":{}}"#,
            r#"{"type":"changes","from":5,"to":7,"changes":[]}"#,
            r#"{"type":"changes","from":9,"to":10,"changes":[]}"#,
            r#"{"type":"changes","to":12,"changes":[]}"#,
            r#"{"type":"sync_response","version":15,"selections":{}}"#,
            r#"{"type":"changes","from":15,"to":16,"changes":[]}"#,
        ] {
            feed.take(frame, |item| news.push(item));
        }
        let gaps = [News::Gap { after: 7, upto: 9 }, News::Gap { after: 10, upto: 12 }];
        let [first, second] = gaps;
        assert_eq!(news, [News::State, first, second, News::State]);
        assert_eq!((feed.to(), feed.traffic.gaps, feed.traffic.resyncs), (Some(16), 2, 1));
    }

    #[test]
    fn what_goes_wrong_is_counted() {
        let mut feed = Feed::new(Dialect::Hello);
        for frame in [
            r#"{"type":"error","code":"storage","message":"a \"quoted\" word","retry":true}"#,
            "pong",
            r#"{"type":"user_joined","userId":"u1"}"#,
        ] {
            feed.take(frame, |news| panic!("{news:?}"));
        }
        assert_eq!((feed.traffic.unreadable, feed.traffic.frames), (1, 3));
        assert_eq!(feed.traffic.errors, BTreeMap::from([("storage".to_owned(), 1)]));
    }
}
