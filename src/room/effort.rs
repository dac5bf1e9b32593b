//! How many rows and connections were looked at one by one: a test holds that this does not grow with what a room has.
//! Counted only in builds with debug assertions.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static LOOKED_AT: Cell<u64> = const { Cell::new(0) };
}

/// One was looked at.
pub fn look() {
    #[cfg(debug_assertions)]
    LOOKED_AT.with(|count| count.set(count.get() + 1));
}

/// How many were looked at on this thread so far.
#[cfg(debug_assertions)]
pub fn looked_at() -> u64 {
    LOOKED_AT.with(Cell::get)
}
