//! What a room costs, counted and not timed: frames, rows and commits, which are what the platform charges for and what
//! clients wait for, and what is taken from the heap, which is most of what the core itself can waste. Counts are the
//! same on every machine, so any change of them is a change of the code.
//!
//! The counts are kept in `platform.txt`, `heap.txt` and `live.txt`. Who changes them on purpose writes them anew with
//! `UPDATE_EXPECT=1 cargo test --test costs` and says why in the commit.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod growth;
mod heap;
mod meter;
#[path = "../it/say.rs"]
#[allow(dead_code, reason = "the other tests say more")]
mod say;
mod scenarios;
mod stage;
mod table;

use std::sync::LazyLock;

use expect_test::expect_file;

use heap::Taken;
use meter::Tally;
use scenarios::{SCENARIOS, Scenario, furnished};
use table::table;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// What an awake room of 20 fields and three people may hold, in bytes. Measured with pointers of 64 bits, so in
/// WebAssembly, where they have 32, it holds less.
const AWAKE_BYTES: i64 = 32 * 1024;
/// What may stay when nobody is there: how much each user sent just now, in one node of a map.
const EMPTY_BYTES: i64 = 2 * 1024;

/// What a scenario cost.
struct Cost {
    scenario: &'static Scenario,
    tally: Tally,
    taken: Taken,
}

impl Cost {
    fn of(scenario: &'static Scenario) -> Self {
        let mut stage = (scenario.prepare)();
        stage.meter.tally = Tally::default();
        let before = heap::taken();
        (scenario.act)(&mut stage, scenario.times);
        let after = heap::taken();
        let taken = Taken { allocations: after.allocations - before.allocations, bytes: after.bytes - before.bytes };
        Self { scenario, tally: stage.meter.tally, taken }
    }

    /// So much for each time, to hundredths.
    fn each(&self, count: u64) -> String {
        format!("{:.2}", count as f64 / self.scenario.times as f64)
    }

    fn title(&self) -> [String; 3] {
        let Scenario { name, times, each, .. } = self.scenario;
        [(*name).to_owned(), times.to_string(), format!("{each}s")]
    }
}

/// The scenarios are run once for all tests.
static COSTS: LazyLock<Vec<Cost>> = LazyLock::new(|| SCENARIOS.iter().map(Cost::of).collect());

#[test]
fn what_the_platform_is_asked_to_do_is_what_is_expected() {
    let head =
        "scenario times  frames each broadcasts bytes each rows each statements commits attachments alarms timers";
    let rows = COSTS.iter().map(|cost| {
        let Tally { frames, broadcasts, bytes, rows, statements, commits, attachments, alarms, timers } = cost.tally;
        let (frames, bytes, rows) = (
            [frames.to_string(), cost.each(frames)],
            [bytes.to_string(), cost.each(bytes)],
            [rows.to_string(), cost.each(rows)],
        );
        let others = [statements, commits, attachments, alarms, timers].map(|count| count.to_string());
        [&cost.title()[..], &frames, &[broadcasts.to_string()], &bytes, &rows, &others].concat()
    });
    let told = table(head, rows);
    println!("{told}");
    expect_file!["platform.txt"].assert_eq(&told);
}

#[test]
fn what_is_taken_from_the_heap_is_what_is_expected() {
    let rows = COSTS.iter().map(|cost| {
        let taken = [cost.each(cost.taken.allocations), cost.each(cost.taken.bytes)];
        [&cost.title()[..], &taken].concat()
    });
    let told = table("scenario times  allocations/each bytes/each", rows);
    println!("{told}");
    expect_file!["heap.txt"].assert_eq(&told);
}

#[test]
fn an_awake_room_is_small_and_one_that_everybody_left_holds_next_to_nothing() {
    let mut stage = furnished(20);
    // So that all that is kept of a client's answers is there.
    for at in 0..200 {
        stage.set("writer", at % 20, at);
        stage.pass(100);
    }
    let awake = stage.sleep();
    // The room is read anew, which must not make it larger.
    stage.say("reader", &say::sync());
    stage.pass(100);
    let woken = stage.sleep();
    stage.say("reader", &say::sync());
    for name in ["reader", "other", "writer"] {
        stage.leave(name);
    }
    assert!(!stage.is_awake());
    let left = stage.sleep();
    let rows = [("awake", awake), ("woken", woken), ("left", left)];
    let told = table("room live", rows.iter().map(|(room, bytes)| vec![(*room).to_owned(), bytes.to_string()]));
    println!("{told}");
    expect_file!["live.txt"].assert_eq(&told);
    assert!(awake > 0 && awake < AWAKE_BYTES, "an awake room holds {awake} bytes");
    assert!(woken > 0 && woken < AWAKE_BYTES, "a room that woke holds {woken} bytes");
    assert!((0..EMPTY_BYTES).contains(&left), "a room that nobody is in holds {left} bytes");
}
