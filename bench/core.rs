//! One scenario of `tests/costs`, so many times, for `npm run profile` to look at:
//! `cargo bench --bench profile -- herd 4000`. Says nothing about time by itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../tests/costs/heap.rs"]
#[allow(dead_code, reason = "only the tests count memory")]
mod heap;
#[path = "../tests/costs/meter.rs"]
mod meter;
#[path = "../tests/it/say.rs"]
#[allow(dead_code, reason = "the tests say more")]
mod say;
#[path = "../tests/costs/scenarios.rs"]
mod scenarios;
#[path = "../tests/costs/stage.rs"]
#[allow(dead_code, reason = "only the tests ask all of it")]
mod stage;

use scenarios::{SCENARIOS, Scenario};

fn main() {
    // `cargo bench` adds `--bench`.
    let words = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect::<Vec<_>>();
    let name = words.first().map_or("herd", String::as_str);
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        let known = SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
        eprintln!("There is no scenario {name:?}. There are: {known}.");
        std::process::exit(1);
    };
    let Scenario { each, times, prepare, act, .. } = scenario;
    let times = words.get(1).map_or(*times, |times| times.parse().expect("how often, as a number"));
    let mut stage = prepare();
    act(&mut stage, times);
    println!("{name}: {times} {each}s, {:?}", stage.meter.tally);
}
