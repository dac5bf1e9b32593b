//! What the room takes from the heap. Memory is counted while the room is at work and not while its platform is: the
//! one is called [`within`], the other [`outside`]. The profile looks at the same two, by their names.

#![allow(unsafe_code, reason = "an allocator is unsafe by its very trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counters of one thread, so that tests beside each other do not count each other's.
struct Counters {
    is_within: Cell<bool>,
    allocations: Cell<u64>,
    bytes: Cell<u64>,
    live: Cell<i64>,
}

thread_local! {
    // Made when the program is built, so that to count allocates nothing.
    static COUNTERS: Counters = const {
        Counters { is_within: Cell::new(false), allocations: Cell::new(0), bytes: Cell::new(0), live: Cell::new(0) }
    };
}

/// What was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// How often, a growing in place or by moving included.
    pub allocations: u64,
    /// How much, each growing by what it added.
    pub bytes: u64,
}

/// The system's allocator, counting.
pub struct Counting;

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: what the caller promises is what is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note_freed(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// A block of this size, in place of one of another. A thread that is ending has no counters any more.
fn note(size: usize, before: usize) {
    let _ = COUNTERS.try_with(|counters| {
        counters.live.set(counters.live.get() + signed(size) - signed(before));
        if counters.is_within.get() {
            counters.allocations.set(counters.allocations.get() + 1);
            counters.bytes.set(counters.bytes.get() + size.saturating_sub(before) as u64);
        }
    });
}

fn note_freed(size: usize) {
    let _ = COUNTERS.try_with(|counters| counters.live.set(counters.live.get() - signed(size)));
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Runs a part of the room, counting. Never inlined, and never called within itself, since the profile switches at each
/// entry and each return.
#[inline(never)]
pub fn within<T>(part: impl FnOnce() -> T) -> T {
    switch(true, part)
}

/// Runs a part of the platform, not counting. Never inlined, for the same reason.
#[inline(never)]
pub fn outside<T>(part: impl FnOnce() -> T) -> T {
    switch(false, part)
}

fn switch<T>(is_within: bool, part: impl FnOnce() -> T) -> T {
    let before = COUNTERS.with(|counters| counters.is_within.replace(is_within));
    assert_ne!(before, is_within, "the room and its platform take turns");
    let outcome = part();
    COUNTERS.with(|counters| counters.is_within.set(before));
    outcome
}

/// What was taken within the room on this thread so far.
pub fn taken() -> Taken {
    COUNTERS.with(|counters| Taken { allocations: counters.allocations.get(), bytes: counters.bytes.get() })
}

/// The bytes that this thread has taken and not given back, wherever that was.
pub fn live() -> i64 {
    COUNTERS.with(|counters| counters.live.get())
}
