//! What one client of a fanout has got: each change once, or it is lost.

use super::window::Window;
use crate::dialect::{Dialect, Write};
use crate::feed::News;
use crate::report::{Times, times};
use std::time::Duration;

/// The only one who writes.
pub const WRITER: usize = 0;

pub struct Accounts {
    coalesces: bool,
    /// By field.
    seen: Vec<Seen>,
    gaps: u64,
    /// Of the measured time.
    pub frames: u64,
    pub bytes: u64,
    /// Changes that became complete with what this client read, in the measured time.
    pub changes: u64,
    pub delivered: u64,
    /// Of those delivered, the ones that a later change of the same field stood for.
    pub coalesced: u64,
    pub repeated: u64,
    /// The last write that was acknowledged.
    pub acked: u64,
    pub latency: Times,
    pub round_trip: Times,
    pub ack_latency: Times,
}

#[derive(Clone, Default)]
struct Seen {
    number: u64,
    /// How many gaps there had been by then: over a gap nothing is coalesced, but lost.
    gaps: u64,
}

/// The writes that a field has got: fields are written in turn.
pub fn field(number: u64, fields: usize) -> usize {
    ((number - 1) % fields as u64) as usize
}

impl Accounts {
    pub fn new(dialect: Dialect, fields: usize) -> Self {
        Self {
            coalesces: dialect.coalesces(),
            seen: vec![Seen::default(); fields],
            gaps: 0,
            frames: 0,
            bytes: 0,
            changes: 0,
            delivered: 0,
            coalesced: 0,
            repeated: 0,
            acked: 0,
            latency: times(),
            round_trip: times(),
            ack_latency: times(),
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.changes += other.changes;
        self.delivered += other.delivered;
        self.coalesced += other.coalesced;
        self.repeated += other.repeated;
        self.acked += other.acked;
        self.latency += &other.latency;
        self.round_trip += &other.round_trip;
        self.ack_latency += &other.ack_latency;
    }

    pub fn frame(&mut self, text: &str, now: Duration, window: &Window) {
        if window.measured.contains(&now) {
            self.frames += 1;
            self.bytes += text.len() as u64;
        }
    }

    /// What a receiver takes.
    pub fn receive(&mut self, news: News, now: Duration, window: &Window) {
        match news {
            News::Change { write, whole, .. } => self.deliver(write, whole || self.coalesces, now, window),
            News::Gap { .. } => self.gaps += 1,
            News::State => self.seen.iter_mut().for_each(|seen| seen.gaps = self.gaps),
            News::Ack { .. } => {}
        }
    }

    /// Takes one change, and with it the earlier ones of its field if it can stand for them.
    fn deliver(&mut self, write: Write, coalesces: bool, now: Duration, window: &Window) {
        let fields = self.seen.len();
        let ours = write.writer == WRITER && (1..=window.written()).contains(&write.number);
        if !ours || write.field != field(write.number, fields) {
            return;
        }
        let seen = &mut self.seen[write.field];
        if write.number <= seen.number {
            self.repeated += 1;
            return;
        }
        let next = if seen.number == 0 { write.field as u64 + 1 } else { seen.number + fields as u64 };
        let first = if coalesces && seen.gaps == self.gaps { next } else { write.number };
        *seen = Seen { number: write.number, gaps: self.gaps };
        for number in (first..=write.number).step_by(fields) {
            self.delivered += 1;
            self.coalesced += u64::from(number != write.number);
            let written = self.has(number, now, window);
            if window.measured.contains(&written) {
                self.latency.saturating_record(micros(written, now));
            }
        }
    }

    /// What the writer takes.
    pub fn confirm(&mut self, news: News, now: Duration, window: &Window) {
        let News::Ack { number, .. } = news else { return };
        let upto = number.min(window.written());
        for number in self.acked + 1..=upto {
            let written = self.has(number, now, window);
            if window.measured.contains(&written) {
                self.ack_latency.saturating_record(micros(written, now));
            }
        }
        self.acked = self.acked.max(upto);
    }

    /// Tells that this client has a change, and gives the time at which it was written.
    fn has(&mut self, number: u64, now: Duration, window: &Window) -> Duration {
        let progress = window.has(number);
        if progress.is_complete {
            self.changes += u64::from(window.measured.contains(&now));
            if window.measured.contains(&progress.written) {
                self.round_trip.saturating_record(micros(progress.written, now));
            }
        }
        progress.written
    }
}

fn micros(written: Duration, now: Duration) -> u64 {
    now.saturating_sub(written).as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const FIELDS: usize = 3;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Ten changes are under way, written at their number in milliseconds, and `shares` must tell of each. What happens
    /// from 3 ms on is measured.
    fn window(shares: usize) -> Window {
        let window = Window::new(Instant::now(), at(3)..at(1000), 10, shares, shares + 1);
        (1..=10).for_each(|number| window.open(number, at(number)));
        window
    }

    fn change(number: u64, whole: bool) -> News {
        let write = Write { writer: WRITER, field: field(number, FIELDS), due: at(number), number };
        News::Change { write, version: Some(number), whole }
    }

    fn take(accounts: &mut Accounts, window: &Window, now: u64, news: impl IntoIterator<Item = News>) {
        news.into_iter().for_each(|news| accounts.receive(news, at(now), window));
    }

    #[test]
    fn fields_are_written_in_turn() {
        assert_eq!([1, 2, 3, 4].map(|number| field(number, FIELDS)), [0, 1, 2, 0]);
    }

    #[test]
    fn a_change_is_complete_when_all_have_it_and_it_is_acknowledged() {
        let window = window(3);
        let mut receivers = [Dialect::Plain, Dialect::Plain].map(|dialect| Accounts::new(dialect, FIELDS));
        let mut writer = Accounts::new(Dialect::Hello, FIELDS);
        for receiver in &mut receivers {
            take(receiver, &window, 12, (1..=4).map(|number| change(number, false)));
        }
        assert!(!window.is_free(11));
        writer.confirm(News::Ack { number: 4, version: 9 }, at(14), &window);
        writer.confirm(News::Ack { number: 3, version: 8 }, at(15), &window);
        assert!(window.is_free(14) && !window.is_free(15));
        assert_eq!((writer.changes, writer.acked, receivers[0].changes), (4, 4, 0));
        // The first two were written before it was measured.
        assert_eq!((writer.round_trip.len(), writer.round_trip.min() / 100), (2, 100));
        assert_eq!((receivers[0].latency.len(), receivers[0].latency.max() / 100), (2, 90));
        assert_eq!((receivers[0].delivered, writer.ack_latency.len()), (4, 2));
    }

    #[test]
    fn a_later_change_stands_for_earlier_ones_of_its_field_alone() {
        let window = window(1);
        let mut accounts = Accounts::new(Dialect::Hello, FIELDS);
        take(&mut accounts, &window, 20, [change(7, false), change(8, false)]);
        // 1, 4, 7 and 2, 5, 8.
        assert_eq!((accounts.delivered, accounts.coalesced), (6, 4));
        assert!(window.is_free(1) && window.is_free(8) && !window.is_free(3) && !window.is_free(9));
        take(&mut accounts, &window, 21, [change(7, false), change(4, false)]);
        assert_eq!((accounts.delivered, accounts.repeated), (6, 2));
    }

    #[test]
    fn a_page_has_lost_what_it_did_not_get_by_itself() {
        let window = window(1);
        let mut accounts = Accounts::new(Dialect::Plain, FIELDS);
        take(&mut accounts, &window, 20, [change(7, false)]);
        assert_eq!((accounts.delivered, accounts.coalesced), (1, 0));
        assert!(window.is_under_way() && !window.is_free(11));
    }

    #[test]
    fn over_a_gap_nothing_is_coalesced_until_a_whole_state_mends_it() {
        let window = window(1);
        let mut accounts = Accounts::new(Dialect::Hello, FIELDS);
        let gap = || News::Gap { after: 1, upto: 2 };
        take(&mut accounts, &window, 20, [change(1, false), gap(), change(7, false)]);
        assert_eq!((accounts.delivered, accounts.coalesced), (2, 0));
        take(&mut accounts, &window, 20, [gap(), News::State, change(8, true), change(10, false)]);
        // 2, 5, 8 with the state, and 10.
        assert_eq!((accounts.delivered, accounts.coalesced), (6, 2));
    }

    #[test]
    fn what_was_not_written_is_no_delivery() {
        let window = window(1);
        let mut accounts = Accounts::new(Dialect::Relay, FIELDS);
        let write = Write { writer: WRITER, field: 0, due: at(1), number: 1 };
        for write in [
            Write { writer: 1, ..write },
            Write { field: 1, ..write },
            Write { field: 7, ..write },
            Write { number: 13, ..write },
            Write { number: 0, ..write },
        ] {
            take(&mut accounts, &window, 20, [News::Change { write, version: None, whole: false }]);
        }
        assert_eq!((accounts.delivered, accounts.repeated), (0, 0));
    }
}
