//! What one client has received: each write of each other client once, or counted as lost.

use crate::dialect::{Dialect, Write};
use crate::feed::News;
use crate::report::{Times, times};
use crate::schedule::Schedule;
use crate::shared::Log;
use std::time::Duration;

pub struct Ledger {
    me: usize,
    dialect: Dialect,
    schedule: Schedule,
    /// By writer.
    seen: Vec<Seen>,
    /// How many other writers' last write was seen.
    finished: usize,
    gaps: u64,
    /// Where one writer's change can stand for another's, deliveries are counted after the run, from this.
    pub log: Option<Log>,
    /// The last own write that was acknowledged, and its version.
    pub acked: u64,
    acked_version: u64,
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
    pub last_delivery: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.coalesced += other.coalesced;
        self.repeated += other.repeated;
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
            gaps: 0,
            log: (schedule.is_shared() && dialect.coalesces()).then(|| Log::new(schedule.fields)),
            acked: 0,
            acked_version: 0,
            latency: times(),
            ack_latency: times(),
            tally: Tally::default(),
        }
    }

    /// Whether all own writes are acknowledged, where that is awaited.
    pub fn is_acked(&self) -> bool {
        !self.dialect.acks() || self.me >= self.schedule.writers || self.acked == self.schedule.writes
    }

    pub fn acked_version(&self) -> u64 {
        self.acked_version
    }

    /// Whether nothing more is to come: the last write of everyone else, and the ack of our own. Where a change stands
    /// for those of others, nobody's last write may be seen. Then it is the last version, which is known once all acks
    /// have come, that the frames must have reached.
    pub fn is_complete(&self, reached: Option<u64>, last: Option<u64>) -> bool {
        if self.log.is_some() {
            return self.is_acked() && last.is_some() && reached >= last;
        }
        let writes_here = self.me < self.schedule.writers;
        self.is_acked() && self.finished == self.schedule.writers - usize::from(writes_here)
    }

    pub fn take(&mut self, news: News, now: Duration) {
        match news {
            News::Change { write, .. } if write.writer >= self.seen.len() => {}
            News::Change { write, version, whole } => match &mut self.log {
                Some(log) => self.tally.repeated += u64::from(!log.change(write, version, whole, now)),
                None => self.deliver(write, now, whole || self.dialect.coalesces()),
            },
            News::Ack { number, version } => self.acknowledge(number, version, now),
            News::Gap { after, upto } => {
                self.gaps += 1;
                if let Some(log) = &mut self.log {
                    log.gap(after, upto);
                }
            }
            News::State => self.seen.iter_mut().for_each(|seen| seen.gaps = self.gaps),
        }
    }

    /// Takes one change, and with it the earlier ones of its writer if it can stand for them.
    fn deliver(&mut self, write: Write, now: Duration, coalesces: bool) {
        if write.writer == self.me {
            return;
        }
        let seen = &mut self.seen[write.writer];
        if write.number <= seen.number {
            self.tally.repeated += 1;
            return;
        }
        let covered = coalesces && seen.gaps == self.gaps;
        let first = if covered { seen.number + 1 } else { write.number };
        *seen = Seen { number: write.number, gaps: self.gaps };
        for number in first..write.number {
            self.latency.saturating_record(micros(self.schedule.due(write.writer, number), now));
        }
        self.latency.saturating_record(micros(write.due, now));
        self.tally.coalesced += write.number - first;
        self.tally.delivered += write.number - first + 1;
        self.tally.last_delivery = now;
        self.finished += usize::from(write.number == self.schedule.writes);
    }

    /// Counts one of all writes that the log tells of.
    pub fn settle(&mut self, due: Duration, at: Duration, coalesced: bool) {
        self.latency.saturating_record(micros(due, at));
        self.tally.delivered += 1;
        self.tally.coalesced += u64::from(coalesced);
        self.tally.last_delivery = self.tally.last_delivery.max(at);
    }

    fn acknowledge(&mut self, number: u64, version: u64, now: Duration) {
        let upto = number.min(self.schedule.writes);
        if upto <= self.acked {
            return;
        }
        for number in self.acked + 1..=upto {
            self.ack_latency.saturating_record(micros(self.schedule.due(self.me, number), now));
        }
        self.acked = upto;
        self.acked_version = version;
        if let Some(log) = &mut self.log {
            log.ack(upto, version);
        }
    }
}

fn micros(due: Duration, now: Duration) -> u64 {
    now.saturating_sub(due).as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Feed;

    /// Three writers with ten writes each, one every 30 ms, seen by the one with number 0.
    struct Seat {
        feed: Feed,
        ledger: Ledger,
    }

    impl Seat {
        fn take(&mut self, text: &str, now: Duration) {
            let Self { feed, ledger } = self;
            feed.take(text, |news| ledger.take(news, now));
        }

        fn is_complete(&self) -> bool {
            self.ledger.is_complete(self.feed.to(), None)
        }
    }

    fn seat(dialect: Dialect) -> Seat {
        let schedule = Schedule { writers: 3, writes: 10, period: Duration::from_millis(30), fields: 3 };
        Seat { feed: Feed::new(dialect), ledger: Ledger::new(0, dialect, schedule) }
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn selection(seat: &Seat, writer: usize, number: u64) -> String {
        let due = seat.ledger.schedule.due(writer, number).as_micros();
        format!(r#"{{"field":"f{writer}","value":"{writer}:{due}:{number}","userId":"u{writer}","timestamp":1}}"#)
    }

    fn page(seat: &mut Seat, writer: usize, number: u64, now: u64) {
        let selection = selection(seat, writer, number);
        seat.take(&format!(r#"{{"type":"field_selected","selection":{selection},"version":9}}"#), at(now));
    }

    fn changes(seat: &mut Seat, (from, to): (u64, u64), writes: &[(usize, u64)], now: u64) {
        let changes = writes.iter().map(|(writer, number)| {
            let selection = selection(seat, *writer, *number);
            format!(r#"{{"kind":"field","version":{to},"field":"f{writer}","selection":{selection}}}"#)
        });
        let changes = changes.collect::<Vec<_>>().join(",");
        let frame = format!(r#"{{"type":"changes","from":{from},"to":{to},"epoch":"e","changes":[{changes}]}}"#);
        seat.take(&frame, at(now));
    }

    fn greet(seat: &mut Seat, version: u64) {
        seat.take(r#"{"type":"welcome","protocol":1,"connectionId":"c"}"#, at(0));
        seat.take(&format!(r#"{{"type":"sync_response","version":{version},"selections":{{}}}}"#), at(0));
    }

    #[test]
    fn latency_counts_from_when_a_write_was_due() {
        let mut seat = seat(Dialect::Relay);
        page(&mut seat, 1, 1, 15);
        page(&mut seat, 2, 1, 27);
        assert_eq!((seat.ledger.latency.min(), seat.ledger.latency.max()), (5_000, 7_003));
        assert_eq!((seat.ledger.tally.delivered, seat.ledger.tally.last_delivery), (2, at(27)));
    }

    #[test]
    fn a_page_gets_each_change_or_has_lost_it() {
        let mut seat = seat(Dialect::Plain);
        page(&mut seat, 1, 1, 15);
        page(&mut seat, 1, 4, 115);
        page(&mut seat, 1, 4, 116);
        assert_eq!((seat.ledger.tally.delivered, seat.ledger.tally.coalesced, seat.ledger.tally.repeated), (2, 0, 1));
        page(&mut seat, 1, 10, 300);
        assert!(!seat.is_complete());
        page(&mut seat, 2, 10, 300);
        assert!(seat.is_complete());
    }

    #[test]
    fn a_later_change_stands_for_earlier_ones_of_its_field() {
        let mut seat = seat(Dialect::Hello);
        greet(&mut seat, 5);
        assert!(seat.feed.to().is_some());
        changes(&mut seat, (5, 6), &[(1, 1)], 11);
        changes(&mut seat, (6, 10), &[(0, 1), (1, 4)], 101);
        assert_eq!((seat.ledger.tally.delivered, seat.ledger.tally.coalesced, seat.ledger.gaps), (4, 2, 0));
        // The first write was due at 10 ms and came at 11; the second, due at 40 ms, has waited the longest.
        assert_eq!((seat.ledger.latency.min() / 100, seat.ledger.latency.max() / 100), (10, 610));
        assert_eq!(seat.ledger.latency.len(), 4);
    }

    #[test]
    fn over_a_gap_nothing_is_coalesced() {
        let mut seat = seat(Dialect::Hello);
        greet(&mut seat, 0);
        changes(&mut seat, (0, 1), &[(1, 1)], 11);
        changes(&mut seat, (3, 4), &[(2, 1)], 21);
        assert_eq!(seat.ledger.gaps, 1);
        // What the gap swallowed of this writer is not known, so the second and third write count as lost.
        changes(&mut seat, (4, 5), &[(1, 4)], 101);
        assert_eq!((seat.ledger.tally.delivered, seat.ledger.gaps), (3, 1));
        changes(&mut seat, (5, 7), &[(1, 6)], 170);
        assert_eq!((seat.ledger.tally.delivered, seat.ledger.gaps), (5, 1));
    }

    #[test]
    fn a_whole_state_mends_a_gap() {
        let mut seat = seat(Dialect::Hello);
        greet(&mut seat, 0);
        changes(&mut seat, (3, 4), &[(2, 1)], 21);
        let third = selection(&seat, 1, 3);
        seat.take(&format!(r#"{{"type":"sync_response","version":8,"selections":{{"f1":{third}}}}}"#), at(80));
        assert_eq!((seat.ledger.tally.delivered, seat.feed.traffic.resyncs), (4, 1));
        changes(&mut seat, (8, 9), &[(1, 5)], 131);
        assert_eq!((seat.ledger.tally.delivered, seat.ledger.tally.coalesced, seat.ledger.gaps), (6, 3, 1));
    }

    #[test]
    fn acks_are_cumulative_and_count_the_joining() {
        let mut seat = seat(Dialect::Hello);
        greet(&mut seat, 0);
        seat.take(r#"{"type":"ack","seq":1,"version":1}"#, at(0));
        assert_eq!((seat.ledger.acked, seat.ledger.ack_latency.len()), (0, 0));
        seat.take(r#"{"type":"ack","seq":4,"version":9}"#, at(62));
        assert_eq!((seat.ledger.acked, seat.ledger.ack_latency.len()), (3, 3));
        assert_eq!(seat.ledger.ack_latency.min() / 100, 20);
        changes(&mut seat, (0, 90), &[(1, 10), (2, 10)], 400);
        assert!(!seat.is_complete());
        seat.take(r#"{"type":"ack","seq":11,"version":40}"#, at(300));
        assert!(seat.is_complete());
    }
}
