//! Counting deliveries where several write the same field and one change stands for those before it, whoever wrote
//! them. Such a write may reach nobody by itself, so its receivers cannot count it as they read.
//!
//! What is known for sure: each change has a version, and versions grow in the order in which the room took the changes
//! in. Each writer's acks name the version of its last write that is done, and each change that anyone is shown names
//! its own. Both say by which version a write was in, for their own write and for the earlier ones of its writer. A
//! receiver has a write once it was shown a change of that field with this version or a later one. That is never too
//! early and counts nothing that is not in what was shown. What lies in a gap between frames, or may, is lost, unless
//! it was shown by itself or is in a whole state.

use crate::client::Client;
use crate::dialect::Write;
use crate::schedule::Schedule;
use std::time::Duration;

/// What one client was shown, and what its acks told.
pub struct Log {
    /// By field, in the order of their versions.
    shown: Vec<Vec<Shown>>,
    gaps: Vec<Gap>,
    acks: Vec<Known>,
}

struct Shown {
    version: u64,
    writer: usize,
    number: u64,
    /// Whether it came with a whole state, which mends gaps.
    whole: bool,
    at: Duration,
}

/// What changed after one version up to another was not told.
struct Gap {
    after: u64,
    upto: u64,
}

/// A writer's write was in by this version.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Eq, Ord)]
struct Known {
    number: u64,
    version: u64,
}

impl Log {
    pub fn new(fields: usize) -> Self {
        Self { shown: (0..fields).map(|_| Vec::new()).collect(), gaps: Vec::new(), acks: Vec::new() }
    }

    /// False if this was told before, or does not say what it stands for.
    pub fn change(&mut self, write: Write, version: Option<u64>, whole: bool, at: Duration) -> bool {
        let Some((shown, version)) = self.shown.get_mut(write.field).zip(version) else { return false };
        if shown.last().is_some_and(|last| version <= last.version) {
            return false;
        }
        shown.push(Shown { version, writer: write.writer, number: write.number, whole, at });
        true
    }

    pub fn gap(&mut self, after: u64, upto: u64) {
        self.gaps.push(Gap { after, upto });
    }

    pub fn ack(&mut self, number: u64, version: u64) {
        self.acks.push(Known { number, version });
    }

    /// Whether something may be missing of what changed after one version up to another.
    fn misses(&self, after: u64, upto: u64) -> bool {
        self.gaps.iter().any(|gap| gap.after < upto && after < gap.upto)
    }

    /// Calls `delivered` with number, time, and whether another change stood for it, for each write that a writer has
    /// done and that this log has.
    fn settle(
        &self,
        (writer, written): (usize, u64),
        field: usize,
        known: &[Known],
        mut delivered: impl FnMut(u64, Duration, bool),
    ) {
        let mut shown = self.shown[field].as_slice();
        let (mut known, mut before) = (known.iter().peekable(), 0);
        for number in 1..=written {
            while let Some(passed) = known.next_if(|known| known.number < number) {
                before = passed.version;
            }
            let Some(by) = known.peek() else { return };
            let later = shown.partition_point(|shown| shown.version < by.version);
            shown = &shown[later..];
            let is_itself = |shown: &Shown| shown.writer == writer && shown.number == number;
            let has = |shown: &&Shown| shown.whole || is_itself(shown) || !self.misses(before, shown.version);
            if let Some(shown) = shown.iter().find(has) {
                delivered(number, shown.at, !is_itself(shown));
            }
        }
    }
}

/// For each writer, by which version its writes were in: numbers grow, and versions with them.
fn known<'a>(logs: impl Iterator<Item = (usize, &'a Log)>, writers: usize) -> Vec<Vec<Known>> {
    let mut known = vec![Vec::new(); writers];
    for (client, log) in logs {
        if let Some(known) = known.get_mut(client) {
            known.extend(&log.acks);
        }
        for shown in log.shown.iter().flatten() {
            known[shown.writer].push(Known { number: shown.number, version: shown.version });
        }
    }
    for known in &mut known {
        known.sort_unstable();
        known.dedup_by_key(|known| known.number);
        // Later writes have later versions, so what is said of them holds for the earlier ones too.
        let mut least = u64::MAX;
        for known in known.iter_mut().rev() {
            least = least.min(known.version);
            known.version = least;
        }
    }
    known
}

/// Counts all deliveries of a run that is over.
pub fn settle(clients: &mut [Client], schedule: &Schedule) {
    let logs = clients.iter().filter_map(|client| Some((client.me, client.ledger.log.as_ref()?)));
    let known = known(logs, schedule.writers);
    let written = clients.iter().filter(|client| client.me < schedule.writers);
    let written = written.map(|client| (client.me, client.written)).collect::<Vec<_>>();
    for client in clients {
        let Some(log) = client.ledger.log.take() else { continue };
        for &(writer, written) in written.iter().filter(|(writer, _)| *writer != client.me) {
            log.settle((writer, written), schedule.field(writer), &known[writer], |number, at, coalesced| {
                client.ledger.settle(schedule.due(writer, number), at, coalesced);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: usize = 0;

    /// What one client was shown of a field: version, writer, number, whether in a whole state; the time is the version.
    fn log(shown: &[(u64, usize, u64, bool)]) -> Log {
        let mut log = Log::new(1);
        for &(version, writer, number, whole) in shown {
            let write = Write { writer, field: FIELD, due: Duration::ZERO, number };
            assert!(log.change(write, Some(version), whole, Duration::from_millis(version)));
        }
        log
    }

    /// Number, time and whether coalesced of what a log has of a writer.
    fn delivered(log: &Log, writer: usize, written: u64, known: &[Known]) -> Vec<(u64, u64, bool)> {
        let mut delivered = Vec::new();
        log.settle((writer, written), FIELD, known, |number, at, coalesced| {
            delivered.push((number, at.as_millis() as u64, coalesced));
        });
        delivered
    }

    #[test]
    fn a_change_stands_for_those_that_were_in_before_it() {
        // Writer 2's first write is version 3 and its second version 5, and both are shown to nobody.
        let mut writer = log(&[(2, 1, 1, false), (4, 1, 2, false), (7, 1, 3, false)]);
        writer.ack(1, 3);
        writer.ack(2, 5);
        let receiver = log(&[(2, 1, 1, false), (4, 1, 2, false), (7, 1, 3, false)]);
        let known = known([(1, &receiver), (2, &writer)].into_iter(), 3);
        assert_eq!(delivered(&receiver, 2, 2, &known[2]), [(1, 4, true), (2, 7, true)]);
        assert_eq!(delivered(&receiver, 1, 3, &known[1]), [(1, 2, false), (2, 4, false), (3, 7, false)]);
    }

    #[test]
    fn what_was_never_acknowledged_or_shown_is_not_delivered() {
        let mut writer = log(&[]);
        writer.ack(1, 3);
        let receiver = log(&[(2, 0, 1, false), (9, 0, 2, false)]);
        let known = known([(0, &receiver), (1, &writer)].into_iter(), 2);
        assert_eq!(delivered(&receiver, 1, 5, &known[1]), [(1, 9, true)]);
        // A change that is shown is as good as an ack, for those before it too.
        assert_eq!(delivered(&receiver, 0, 3, &known[0]), [(1, 2, false), (2, 9, false)]);
    }

    #[test]
    fn a_receiver_that_was_shown_nothing_later_has_lost_it() {
        let mut writer = log(&[]);
        writer.ack(2, 6);
        let receiver = log(&[(4, 0, 1, false)]);
        let known = known([(0, &receiver), (1, &writer)].into_iter(), 2);
        assert_eq!(delivered(&receiver, 1, 2, &known[1]), []);
    }

    #[test]
    fn an_ack_for_several_is_an_upper_bound_that_others_may_lower() {
        let mut writer = log(&[]);
        writer.ack(3, 8);
        let receiver = log(&[(4, 0, 1, false), (8, 1, 3, false)]);
        let other = log(&[(5, 1, 2, false)]);
        let known = known([(0, &receiver), (1, &writer), (2, &other)].into_iter(), 2);
        assert_eq!(known[1], [Known { number: 2, version: 5 }, Known { number: 3, version: 8 }]);
        assert_eq!(delivered(&receiver, 1, 3, &known[1]), [(1, 8, true), (2, 8, true), (3, 8, false)]);
    }

    #[test]
    fn what_may_lie_in_a_gap_is_lost_unless_a_whole_state_has_it() {
        let mut writer = log(&[]);
        for (number, version) in [(1, 2), (2, 5), (3, 8)] {
            writer.ack(number, version);
        }
        let shown = [(3, 0, 1, false), (7, 0, 2, false), (9, 0, 3, false)];
        let mut receiver = log(&shown);
        receiver.gap(3, 6);
        let known = known([(0, &receiver), (1, &writer)].into_iter(), 2);
        // The second is in the gap, and of the third it is only known that it came after the second.
        assert_eq!(delivered(&receiver, 1, 3, &known[1]), [(1, 3, true)]);
        let mut mended = log(&[shown[0], shown[1], (9, 0, 3, true)]);
        mended.gap(3, 6);
        assert_eq!(delivered(&mended, 1, 3, &known[1]), [(1, 3, true), (2, 9, true), (3, 9, true)]);
        let mut itself = log(&[shown[0], (8, 1, 3, false)]);
        itself.gap(3, 6);
        assert_eq!(delivered(&itself, 1, 3, &known[1]), [(1, 3, true), (3, 8, false)]);
    }

    #[test]
    fn what_was_told_before_is_no_news() {
        let mut log = log(&[(4, 1, 1, false)]);
        let write = Write { writer: 1, field: FIELD, due: Duration::ZERO, number: 1 };
        assert!(!log.change(write, Some(4), true, Duration::ZERO));
        assert!(!log.change(write, None, false, Duration::ZERO));
        assert!(!log.change(Write { field: 9, ..write }, Some(5), false, Duration::ZERO));
    }
}
