//! What one person in a room has received: each write of each other person once, or not at all.

use std::time::Duration;

/// Whose turn a write is, and to which field it goes. The writes of a room count from 1.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    pub people: usize,
    pub fields: usize,
    /// How many writes there are in the room.
    pub writes: u64,
}

impl Turns {
    pub fn writer(&self, number: u64) -> usize {
        ((number - 1) % self.people as u64) as usize
    }

    pub fn field(&self, number: u64) -> usize {
        ((number - 1) % self.fields as u64) as usize
    }
}

pub struct Ledger {
    turns: Turns,
    me: usize,
    coalesces: bool,
    /// By number; the first is of no write.
    seen: Vec<bool>,
    /// How many are to come.
    awaited: u64,
    /// The number of each write that came, and when. A histogram for each of thousands of people would be too large.
    pub arrivals: Vec<(u64, Duration)>,
    pub delivered: u64,
    pub coalesced: u64,
    pub repeated: u64,
}

impl Ledger {
    pub fn new(turns: Turns, me: usize, coalesces: bool) -> Self {
        Self {
            turns,
            me,
            coalesces,
            seen: vec![false; turns.writes as usize + 1],
            awaited: (1..=turns.writes).filter(|number| turns.writer(*number) != me).count() as u64,
            arrivals: Vec::new(),
            delivered: 0,
            coalesced: 0,
            repeated: 0,
        }
    }

    pub fn is_complete(&self) -> bool {
        self.delivered == self.awaited
    }

    /// Takes one change, and with it the earlier ones of its field if it can stand for them.
    pub fn take(&mut self, number: u64, now: Duration) {
        // The room was filled with writes that have no number, and a numbered client is told its own.
        if number == 0 || number > self.turns.writes || self.turns.writer(number) == self.me {
            return self.cover(number, now);
        }
        if self.seen[number as usize] {
            self.repeated += 1;
            return;
        }
        self.deliver(number, now);
        self.cover(number, now);
    }

    fn deliver(&mut self, number: u64, now: Duration) {
        self.seen[number as usize] = true;
        self.delivered += 1;
        self.arrivals.push((number, now));
    }

    /// The earlier writes to the field of this one that did not come.
    fn cover(&mut self, number: u64, now: Duration) {
        if !self.coalesces || number > self.turns.writes {
            return;
        }
        let mut earlier = number;
        while let Some(before) = earlier.checked_sub(self.turns.fields as u64).filter(|before| *before > 0) {
            earlier = before;
            if self.turns.writer(earlier) != self.me && !self.seen[earlier as usize] {
                self.deliver(earlier, now);
                self.coalesced += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Person 0 of three, with two fields and ten writes, of which 1, 4, 7 and 10 are its own.
    fn ledger(coalesces: bool) -> Ledger {
        Ledger::new(Turns { people: 3, fields: 2, writes: 10 }, 0, coalesces)
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn all_but_the_own_writes_are_awaited() {
        let mut ledger = ledger(false);
        for number in 1..=9 {
            assert!(!ledger.is_complete());
            ledger.take(number, at(number));
        }
        assert!(ledger.is_complete());
        assert_eq!((ledger.delivered, ledger.repeated, ledger.coalesced), (6, 0, 0));
        assert_eq!(ledger.arrivals[0], (2, at(2)));
    }

    #[test]
    fn what_comes_again_or_was_no_write_of_the_run_does_not_count() {
        let mut ledger = ledger(false);
        for number in [0, 2, 2, 11, 5] {
            ledger.take(number, at(1));
        }
        assert_eq!((ledger.delivered, ledger.repeated), (2, 1));
    }

    #[test]
    fn a_later_change_stands_for_earlier_ones_of_its_field() {
        let mut ledger = ledger(true);
        ledger.take(2, at(1));
        // Field 1 had 2, 4 (our own), 6 and 8.
        ledger.take(8, at(9));
        assert_eq!((ledger.delivered, ledger.coalesced), (3, 1));
        assert_eq!(ledger.arrivals, [(2, at(1)), (8, at(9)), (6, at(9))]);
        // Field 0 had 3, 5 and our own 7, which tells as much.
        ledger.take(7, at(9));
        assert_eq!((ledger.delivered, ledger.coalesced), (5, 3));
    }

    #[test]
    fn without_coalescing_what_was_passed_over_is_lost() {
        let mut ledger = ledger(false);
        ledger.take(8, at(9));
        assert_eq!((ledger.delivered, ledger.coalesced), (1, 0));
    }
}
