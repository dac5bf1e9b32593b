//! When each write is due. It is fixed before the first write, so a slow server cannot slow its own load down.

use std::time::Duration;

/// Writers take turns evenly: each writes once in a period, and their phases divide the period into equal parts.
/// All times count from the start of the workload, and the writes of each writer count from 1.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub writers: usize,
    /// How many writes each writer does.
    pub writes: u64,
    pub period: Duration,
    /// They are shared by the writers in turn; with as many as writers each has its own.
    pub fields: usize,
}

impl Schedule {
    /// Each writer has a field of its own.
    pub fn steady(writers: usize, rate: f64, length: Duration) -> Self {
        let writes = (rate * length.as_secs_f64()).round() as u64;
        Self { writers, writes, period: Duration::from_secs_f64(1.0 / rate), fields: writers }
    }

    /// With so many fields for all writers together.
    pub fn sharing(self, fields: usize) -> Self {
        Self { fields, ..self }
    }

    pub fn is_shared(&self) -> bool {
        self.fields < self.writers
    }

    pub fn field(&self, writer: usize) -> usize {
        writer % self.fields
    }

    pub fn due(&self, writer: usize, number: u64) -> Duration {
        let period = self.period.as_nanos() as u64;
        Duration::from_nanos(period * (number - 1) + period * writer as u64 / self.writers as u64)
    }

    /// When the last write of all is due.
    pub fn end(&self) -> Duration {
        self.due(self.writers - 1, self.writes)
    }

    /// All writes in the order in which they are due: the time and the writer.
    pub fn turns(self) -> impl Iterator<Item = (Duration, usize)> {
        let numbers = 1..=self.writes;
        numbers.flat_map(move |number| (0..self.writers).map(move |writer| (self.due(writer, number), writer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_take_turns_evenly() {
        let schedule = Schedule::steady(4, 10.0, Duration::from_millis(200));
        let turns = schedule.turns().map(|(due, writer)| (due.as_millis(), writer)).collect::<Vec<_>>();
        assert_eq!(turns, [(0, 0), (25, 1), (50, 2), (75, 3), (100, 0), (125, 1), (150, 2), (175, 3)]);
        assert_eq!(schedule.end().as_millis(), 175);
    }

    #[test]
    fn fields_are_shared_in_turn() {
        let own = Schedule::steady(4, 10.0, Duration::from_secs(1));
        assert_eq!((own.is_shared(), [0, 3].map(|writer| own.field(writer))), (false, [0, 3]));
        let shared = own.sharing(3);
        assert_eq!((shared.is_shared(), [0, 2, 3].map(|writer| shared.field(writer))), (true, [0, 2, 0]));
    }
}
