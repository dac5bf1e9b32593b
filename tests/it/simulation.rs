//! The room among its clients on a network that is slow and breaks, on a runtime that sleeps and dies: one seed makes
//! a run, and the same seed makes the same run. What must hold is looked at after each event.
//!
//! `cargo test --test it simulation` runs the kept seeds and then some thousand others. `SIMULATION_SEEDS` says how
//! many, `SIMULATION_FROM` from which on, and `SIMULATION_SECONDS=600` that it goes on for as long; `-- --nocapture`
//! shows how far it came.

mod acts;
mod client;
mod heal;
mod message;
mod mix;
mod oracle;
mod permissions;
mod random;
mod rows;
mod stage;
mod story;
mod witness;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use story::Story;

const USERS: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
const FIELDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const REQUESTS: [&str; 12] = ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "ra", "rb"];
const ACTIONS: [&str; 3] = ["edit", "read", "send"];
/// How many seeds are run when nobody says how many.
const SEEDS: u64 = 5_000;
/// Seeds that once found something, each with what it was.
const KEPT: &str = include_str!("simulation/seeds.txt");

/// Runs a seed. Returns how many steps it had.
fn run(seed: u64, is_told: bool, story: &mut Option<Story>) -> u64 {
    let story = story.insert(Story::new(seed, is_told));
    for _ in 0..story.mix.steps {
        story.take_step();
    }
    story.end();
    story.step
}

/// Runs a seed, and if it fails once more with its story.
fn check(seed: u64) -> u64 {
    if let Ok(steps) = catch_unwind(AssertUnwindSafe(|| run(seed, false, &mut None))) {
        return steps;
    }
    let mut story = None;
    let found = catch_unwind(AssertUnwindSafe(|| run(seed, true, &mut story))).expect_err("a seed makes one run");
    let reason = found.downcast_ref::<String>().map(String::as_str);
    let reason = reason.or(found.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
    let (step, told) = story.map(|story| (story.step, story.told.unwrap_or_default())).unwrap_or_default();
    let told = told.into_iter().collect::<Vec<_>>().join("\n");
    panic!(
        "{told}\n\nseed {seed}, step {step}: {reason}\n\
         again: SIMULATION_FROM={seed} SIMULATION_SEEDS=1 cargo test --test it simulation"
    );
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Runs seeds on all processors until there are no more, the time is over, or one fails.
fn run_all(seeds: impl Fn(u64) -> Option<u64> + Sync) -> (u64, u64) {
    let (next, steps, has_failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !has_failed.load(Ordering::Relaxed)
            && let Some(seed) = seeds(next.fetch_add(1, Ordering::Relaxed))
        {
            match catch_unwind(|| check(seed)) {
                Ok(some) => drop(steps.fetch_add(some, Ordering::Relaxed)),
                Err(found) => {
                    has_failed.store(true, Ordering::Relaxed);
                    std::panic::resume_unwind(found);
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers = (0..workers).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        for worker in workers {
            worker.join().unwrap_or_else(|found| std::panic::resume_unwind(found));
        }
    });
    (next.load(Ordering::Relaxed), steps.load(Ordering::Relaxed))
}

#[test]
fn seeds_that_once_found_something_find_nothing() {
    let kept = KEPT.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let kept = kept.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect::<Vec<u64>>();
    run_all(|at| kept.get(usize::try_from(at).unwrap()).copied());
}

#[test]
fn e1_to_e6_q1_to_q5_y3_y6_y7_s4_s6_s7_s9_p1_and_j4_hold_whatever_happens() {
    let from = variable("SIMULATION_FROM").unwrap_or(0);
    let time = variable("SIMULATION_SECONDS").map(Duration::from_secs);
    let count = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let start = Instant::now();
    let (seeds, steps) = run_all(|at| {
        let goes_on = time.map_or(at < count, |time| start.elapsed() < time);
        goes_on.then_some(from + at)
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{seeds} seeds, {steps} steps, {:.0} steps a second", steps as f64 / seconds);
}
