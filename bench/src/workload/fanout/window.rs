//! The changes that are under way. All clients share it, so it is made of atomics: a lock for each of some hundred
//! thousand frames a second would measure the load program.

use futures_util::task::AtomicWaker;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub struct Window {
    pub start: Instant,
    /// From the start.
    pub measured: Range<Duration>,
    /// How many must tell of a change before it is complete: all receivers, and the ack where there is one.
    shares: usize,
    /// Change n is in slot n modulo their number, so it goes out when the change that many before it is complete.
    slots: Box<[Slot]>,
    written: AtomicU64,
    completed: AtomicU64,
    stopped: AtomicBool,
    broken: AtomicBool,
    /// By client. The first is the writer's.
    wakers: Box<[AtomicWaker]>,
}

#[derive(Default)]
struct Slot {
    /// How many have not told of the change yet.
    missing: AtomicUsize,
    /// When it was written, in microseconds from the start.
    written: AtomicU64,
}

/// What becomes known when somebody tells of a change.
pub struct Progress {
    pub written: Duration,
    pub is_complete: bool,
}

impl Window {
    pub fn new(start: Instant, measured: Range<Duration>, outstanding: u64, shares: usize, clients: usize) -> Self {
        Self {
            start,
            measured,
            shares,
            slots: (0..outstanding).map(|_| Slot::default()).collect(),
            written: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            wakers: (0..clients).map(|_| AtomicWaker::new()).collect(),
        }
    }

    fn slot(&self, number: u64) -> &Slot {
        &self.slots[(number % self.slots.len() as u64) as usize]
    }

    /// Zero until the start.
    pub fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    /// Whether the writer may write this one, which is the one after its last.
    pub fn is_free(&self, number: u64) -> bool {
        self.slot(number).missing.load(Ordering::Acquire) == 0
    }

    /// Before it is sent.
    pub fn open(&self, number: u64, now: Duration) {
        let slot = self.slot(number);
        slot.written.store(now.as_micros() as u64, Ordering::Release);
        slot.missing.store(self.shares, Ordering::Release);
        self.written.store(number, Ordering::Release);
    }

    /// The last one that was written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Somebody has a change. Each tells of each change once, or a change would count as complete that is not.
    pub fn has(&self, number: u64) -> Progress {
        let slot = self.slot(number);
        // The slot is not used anew as long as we have not told.
        let written = Duration::from_micros(slot.written.load(Ordering::Acquire));
        let is_complete = slot.missing.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_complete {
            self.completed.fetch_add(1, Ordering::AcqRel);
            self.wakers[0].wake();
        }
        Progress { written, is_complete }
    }

    pub fn is_under_way(&self) -> bool {
        self.completed.load(Ordering::Acquire) < self.written()
    }

    /// The connection of one that must tell has ended.
    pub fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake_all();
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub fn waker(&self, client: usize) -> &AtomicWaker {
        &self.wakers[client]
    }

    pub fn wake_all(&self) {
        self.wakers.iter().for_each(AtomicWaker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_goes_out_when_the_oldest_is_complete() {
        let measured = Duration::ZERO..Duration::from_secs(1);
        let window = Window::new(Instant::now(), measured, 2, 2, 3);
        for number in [1, 2] {
            assert!(window.is_free(number));
            window.open(number, Duration::from_micros(number));
        }
        assert!(!window.is_free(3) && window.is_under_way());
        assert!(!window.has(2).is_complete && window.has(2).is_complete);
        assert!(!window.is_free(3) && window.is_free(4));
        assert!(!window.has(1).is_complete);
        let progress = window.has(1);
        assert!(progress.is_complete && progress.written == Duration::from_micros(1));
        assert!(window.is_free(3) && !window.is_under_way());
    }
}
