//! Long frames that were read lately. A server tells many clients the same, and a frame that is word for word one that
//! another client of this thread was told holds the same events: it is compared, which takes a hundredth of reading it.

use crate::dialect::{Dialect, Event, Unreadable};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Shorter frames are read as quickly as they are looked up.
const LONG: usize = 1 << 10;
/// Clients of a thread that are behind one another by more frames than this read them by themselves.
const KEPT: usize = 16;

thread_local! {
    static RECENT: RefCell<Recent> = const { RefCell::new(Recent(VecDeque::new())) };
}

struct Recent(VecDeque<Frame>);

struct Frame {
    dialect: Dialect,
    text: Box<str>,
    events: Vec<Event>,
}

/// Tells what is in a frame.
pub fn read(dialect: Dialect, text: &str, told: impl FnMut(Event)) -> Result<(), Unreadable> {
    if text.len() < LONG {
        return dialect.read(text, told);
    }
    RECENT.with_borrow_mut(|recent| recent.events(dialect, text).map(|events| events.iter().cloned().for_each(told)))
}

impl Recent {
    fn events(&mut self, dialect: Dialect, text: &str) -> Result<&[Event], Unreadable> {
        let known = self.0.iter().rposition(|frame| frame.dialect == dialect && *frame.text == *text);
        let at = if let Some(at) = known {
            at
        } else {
            let mut events = Vec::new();
            dialect.read(text, |event| events.push(event))?;
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            self.0.push_back(Frame { dialect, text: text.into(), events });
            self.0.len() - 1
        };
        Ok(&self.0[at].events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;
    use std::time::Duration;

    fn frame(to: u64) -> String {
        let value = wire::value(0, Duration::from_micros(10), to);
        let change = format!(r#"{{"version":{to},"selection":{{"field":"f1","value":"{value}"}}}}"#);
        format!(r#"{{"type":"changes","from":3,"to":{to},"changes":[{}]}}"#, [change.as_str(); 20].join(","))
    }

    fn events(text: &str) -> Vec<Event> {
        let mut events = Vec::new();
        read(Dialect::Hello, text, |event| events.push(event)).unwrap();
        events
    }

    #[test]
    fn a_frame_is_told_as_if_it_were_read_each_time() {
        for to in (0..40).chain(0..40) {
            let text = frame(to);
            assert!(text.len() > LONG);
            let mut read = Vec::new();
            Dialect::Hello.read(&text, |event| read.push(event)).unwrap();
            assert_eq!(events(&text), read);
            assert_eq!(events(&text), read);
            assert_eq!(read.len(), 21);
        }
        RECENT.with_borrow(|recent| assert_eq!(recent.0.len(), KEPT));
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        let text = format!("{}x", frame(1));
        for _ in 0..2 {
            assert!(read(Dialect::Hello, &text, |event| panic!("{event:?}")).is_err());
        }
        RECENT.with_borrow(|recent| assert!(recent.0.is_empty()));
    }
}
