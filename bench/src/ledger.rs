//! What one client has received: each write of each other client once, or counted as lost.

use crate::dialect::Dialect;
use crate::report::{Times, times};
use crate::schedule::Schedule;
use crate::wire::{Frame, Selection};
use std::collections::BTreeMap;
use std::time::Duration;

pub struct Ledger {
    me: usize,
    dialect: Dialect,
    schedule: Schedule,
    /// By writer.
    seen: Vec<Seen>,
    /// How many other writers' last write was seen.
    finished: usize,
    /// The version up to which the frames of a numbered client have come.
    to: Option<u64>,
    pub welcomed: bool,
    /// The last own write that was acknowledged.
    pub acked: u64,
    pub latency: Times,
    pub ack_latency: Times,
    pub tally: Tally,
}

#[derive(Clone, Default)]
struct Seen {
    number: u64,
    /// How many gaps there had been by then: over a gap nothing is coalesced, but lost.
    gaps: u64,
}

/// What is summed up over all clients.
#[derive(Default)]
pub struct Tally {
    pub delivered: u64,
    /// Of those delivered, the ones that a later change of the same field stood for.
    pub coalesced: u64,
    pub repeated: u64,
    pub frames: u64,
    pub bytes: u64,
    pub gaps: u64,
    pub resyncs: u64,
    pub unreadable: u64,
    pub errors: BTreeMap<String, u64>,
    pub last_delivery: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.coalesced += other.coalesced;
        self.repeated += other.repeated;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.gaps += other.gaps;
        self.resyncs += other.resyncs;
        self.unreadable += other.unreadable;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.last_delivery = self.last_delivery.max(other.last_delivery);
    }
}

impl Ledger {
    pub fn new(me: usize, dialect: Dialect, schedule: Schedule) -> Self {
        Self {
            me,
            dialect,
            schedule,
            seen: vec![Seen::default(); schedule.writers],
            finished: 0,
            to: None,
            welcomed: false,
            acked: 0,
            latency: times(),
            ack_latency: times(),
            tally: Tally::default(),
        }
    }

    /// Whether a numbered client knows where it stands.
    pub fn synced(&self) -> bool {
        self.welcomed && self.to.is_some()
    }

    /// Whether nothing more is to come: the last write of everyone else, and the ack of our own.
    pub fn is_complete(&self) -> bool {
        let writes_here = self.me < self.schedule.writers;
        let others = self.schedule.writers - usize::from(writes_here);
        self.finished == others && (!self.dialect.acks() || !writes_here || self.acked == self.schedule.writes)
    }

    pub fn take(&mut self, text: &str, now: Duration) {
        self.tally.frames += 1;
        self.tally.bytes += text.len() as u64;
        let Ok(frame) = serde_json::from_str::<Frame>(text) else {
            self.tally.unreadable += 1;
            return;
        };
        match frame.kind.as_ref() {
            "field_selected" => {
                if let Some(selection) = &frame.selection {
                    self.deliver(selection, now, self.dialect.coalesces());
                }
            }
            "changes" => {
                self.advance(frame.from, frame.to);
                for selection in frame.changes.iter().filter_map(|change| change.selection.as_ref()) {
                    self.deliver(selection, now, self.dialect.coalesces());
                }
            }
            "ack" => self.acknowledge(frame.seq.unwrap_or_default(), now),
            "welcome" => self.welcomed = true,
            "sync_response" => {
                self.tally.resyncs += u64::from(self.to.is_some());
                self.to = frame.version;
                // A whole state stands for all that led to it, whatever was missed before.
                self.seen.iter_mut().for_each(|seen| seen.gaps = self.tally.gaps);
                for selection in frame.selections.values() {
                    self.deliver(selection, now, true);
                }
            }
            "error" | "conflict" => {
                *self.tally.errors.entry(frame.code.unwrap_or_default()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Each frame of changes must begin where the one before it ended.
    fn advance(&mut self, from: Option<u64>, to: Option<u64>) {
        self.tally.gaps += u64::from(from.is_none() || from != self.to);
        self.to = to;
    }

    /// Takes one change, and with it the earlier ones of its field if it can stand for them.
    fn deliver(&mut self, selection: &Selection, now: Duration, coalesces: bool) {
        let Some(write) = selection.write().filter(|write| write.writer < self.seen.len()) else { return };
        if write.writer == self.me {
            return;
        }
        let seen = &mut self.seen[write.writer];
        if write.number <= seen.number {
            self.tally.repeated += 1;
            return;
        }
        let covered = coalesces && seen.gaps == self.tally.gaps;
        let first = if covered { seen.number + 1 } else { write.number };
        *seen = Seen { number: write.number, gaps: self.tally.gaps };
        for number in first..write.number {
            self.latency.saturating_record(micros(self.schedule.due(write.writer, number), now));
        }
        self.latency.saturating_record(micros(write.due, now));
        self.tally.coalesced += write.number - first;
        self.tally.delivered += write.number - first + 1;
        self.tally.last_delivery = now;
        self.finished += usize::from(write.number == self.schedule.writes);
    }

    fn acknowledge(&mut self, seq: u64, now: Duration) {
        let upto = Dialect::acked(seq).min(self.schedule.writes);
        for number in self.acked + 1..=upto {
            self.ack_latency.saturating_record(micros(self.schedule.due(self.me, number), now));
        }
        self.acked = self.acked.max(upto);
    }
}

fn micros(due: Duration, now: Duration) -> u64 {
    now.saturating_sub(due).as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three writers with ten writes each, one every 30 ms, seen by the one with number 0.
    fn ledger(dialect: Dialect) -> Ledger {
        let schedule = Schedule { writers: 3, writes: 10, period: Duration::from_millis(30) };
        Ledger::new(0, dialect, schedule)
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn selection(ledger: &Ledger, writer: usize, number: u64) -> String {
        let due = ledger.schedule.due(writer, number).as_micros();
        format!(r#"{{"field":"f{writer}","value":"{due}:{number}","userId":"u{writer}","timestamp":1}}"#)
    }

    fn page(ledger: &mut Ledger, writer: usize, number: u64, now: u64) {
        let selection = selection(ledger, writer, number);
        ledger.take(&format!(r#"{{"type":"field_selected","selection":{selection},"version":9}}"#), at(now));
    }

    fn changes(ledger: &mut Ledger, (from, to): (u64, u64), writes: &[(usize, u64)], now: u64) {
        let changes = writes.iter().map(|(writer, number)| {
            let selection = selection(ledger, *writer, *number);
            format!(r#"{{"kind":"field","version":{to},"field":"f{writer}","selection":{selection}}}"#)
        });
        let changes = changes.collect::<Vec<_>>().join(",");
        let frame = format!(r#"{{"type":"changes","from":{from},"to":{to},"epoch":"e","changes":[{changes}]}}"#);
        ledger.take(&frame, at(now));
    }

    fn greet(ledger: &mut Ledger, version: u64) {
        ledger.take(r#"{"type":"welcome","protocol":1,"connectionId":"c"}"#, at(0));
        ledger.take(&format!(r#"{{"type":"sync_response","version":{version},"selections":{{}}}}"#), at(0));
    }

    #[test]
    fn latency_counts_from_when_a_write_was_due() {
        let mut ledger = ledger(Dialect::Relay);
        page(&mut ledger, 1, 1, 15);
        page(&mut ledger, 2, 1, 27);
        assert_eq!((ledger.latency.min(), ledger.latency.max()), (5_000, 7_003));
        assert_eq!((ledger.tally.delivered, ledger.tally.last_delivery), (2, at(27)));
    }

    #[test]
    fn a_page_gets_each_change_or_has_lost_it() {
        let mut ledger = ledger(Dialect::Plain);
        page(&mut ledger, 1, 1, 15);
        page(&mut ledger, 1, 4, 115);
        page(&mut ledger, 1, 4, 116);
        assert_eq!((ledger.tally.delivered, ledger.tally.coalesced, ledger.tally.repeated), (2, 0, 1));
        page(&mut ledger, 1, 10, 300);
        assert!(!ledger.is_complete());
        page(&mut ledger, 2, 10, 300);
        assert!(ledger.is_complete());
    }

    #[test]
    fn a_later_change_stands_for_earlier_ones_of_its_field() {
        let mut ledger = ledger(Dialect::Hello);
        greet(&mut ledger, 5);
        assert!(ledger.synced());
        changes(&mut ledger, (5, 6), &[(1, 1)], 11);
        changes(&mut ledger, (6, 10), &[(0, 1), (1, 4)], 101);
        assert_eq!((ledger.tally.delivered, ledger.tally.coalesced, ledger.tally.gaps), (4, 2, 0));
        // The first write was due at 10 ms and came at 11; the second, due at 40 ms, has waited the longest.
        assert_eq!((ledger.latency.min() / 100, ledger.latency.max() / 100), (10, 610));
        assert_eq!(ledger.latency.len(), 4);
    }

    #[test]
    fn over_a_gap_nothing_is_coalesced() {
        let mut ledger = ledger(Dialect::Hello);
        greet(&mut ledger, 0);
        changes(&mut ledger, (0, 1), &[(1, 1)], 11);
        changes(&mut ledger, (3, 4), &[(2, 1)], 21);
        assert_eq!(ledger.tally.gaps, 1);
        // What the gap swallowed of this writer is not known, so the second and third write count as lost.
        changes(&mut ledger, (4, 5), &[(1, 4)], 101);
        assert_eq!((ledger.tally.delivered, ledger.tally.gaps), (3, 1));
        changes(&mut ledger, (5, 7), &[(1, 6)], 170);
        assert_eq!((ledger.tally.delivered, ledger.tally.gaps), (5, 1));
    }

    #[test]
    fn a_whole_state_mends_a_gap() {
        let mut ledger = ledger(Dialect::Hello);
        greet(&mut ledger, 0);
        changes(&mut ledger, (3, 4), &[(2, 1)], 21);
        let third = selection(&ledger, 1, 3);
        ledger.take(&format!(r#"{{"type":"sync_response","version":8,"selections":{{"f1":{third}}}}}"#), at(80));
        assert_eq!((ledger.tally.delivered, ledger.tally.resyncs), (4, 1));
        changes(&mut ledger, (8, 9), &[(1, 5)], 131);
        assert_eq!((ledger.tally.delivered, ledger.tally.coalesced, ledger.tally.gaps), (6, 3, 1));
    }

    #[test]
    fn acks_are_cumulative_and_count_the_joining() {
        let mut ledger = ledger(Dialect::Hello);
        greet(&mut ledger, 0);
        ledger.take(r#"{"type":"ack","seq":1,"version":1}"#, at(0));
        assert_eq!((ledger.acked, ledger.ack_latency.len()), (0, 0));
        ledger.take(r#"{"type":"ack","seq":4,"version":9}"#, at(62));
        assert_eq!((ledger.acked, ledger.ack_latency.len()), (3, 3));
        assert_eq!(ledger.ack_latency.min() / 100, 20);
        changes(&mut ledger, (0, 90), &[(1, 10), (2, 10)], 400);
        assert!(!ledger.is_complete());
        ledger.take(r#"{"type":"ack","seq":11,"version":40}"#, at(300));
        assert!(ledger.is_complete());
    }

    #[test]
    fn what_goes_wrong_is_counted() {
        let mut ledger = ledger(Dialect::Hello);
        greet(&mut ledger, 0);
        greet(&mut ledger, 0);
        ledger.take(r#"{"type":"error","code":"storage","message":"a \"quoted\" word","retry":true}"#, at(1));
        ledger.take("pong", at(1));
        ledger.take(r#"{"type":"user_joined","userId":"u1"}"#, at(1));
        assert_eq!((ledger.tally.resyncs, ledger.tally.unreadable, ledger.tally.frames), (1, 1, 7));
        assert_eq!(ledger.tally.errors, BTreeMap::from([("storage".to_owned(), 1)]));
    }
}
