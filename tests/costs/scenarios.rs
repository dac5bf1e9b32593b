//! What a room is counted at.

use crate::say;
use crate::stage::Stage;

/// Something that happens to a room again and again.
pub struct Scenario {
    pub name: &'static str,
    /// What is done each time.
    pub each: &'static str,
    /// How often it is done where it is counted.
    pub times: usize,
    /// Makes the room. What that costs is not counted.
    pub prepare: fn() -> Stage,
    /// Does it so many times, until the room is quiet again.
    pub act: fn(&mut Stage, usize),
}

/// How many people are in the herd, or listen.
const MANY: usize = 100;
/// How many change fields without an answer to the first.
const OUTSTANDING: u64 = 256;
/// Long enough for every timer to ring.
const QUIET: i64 = 1_000;

/// All that is counted.
pub static SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "herd",
        each: "change",
        times: 4_000,
        prepare: gather,
        act: |stage, times| herd(stage, times, MANY),
    },
    Scenario {
        name: "herd-shared",
        each: "change",
        times: 4_000,
        prepare: gather,
        act: |stage, times| herd(stage, times, 5),
    },
    Scenario { name: "fan-out-plain", each: "change", times: 1_000, prepare: plain_listeners, act: write_steadily },
    Scenario { name: "fan-out-hello", each: "change", times: 4_096, prepare: listeners, act: write_ahead },
    Scenario { name: "lone", each: "change", times: 1_000, prepare: lone, act: write_steadily },
    Scenario { name: "quick", each: "change", times: 1_000, prepare: lone, act: write_at_once },
    Scenario { name: "sync-10", each: "answer", times: 10, prepare: || furnished(10), act: sync },
    Scenario { name: "sync-100", each: "answer", times: 10, prepare: || furnished(100), act: sync },
    Scenario { name: "sync-1000", each: "answer", times: 10, prepare: || furnished(1_000), act: sync },
    Scenario { name: "resume", each: "answer", times: 10, prepare: || furnished(1_000), act: resume },
    Scenario { name: "wake", each: "answer", times: 10, prepare: || furnished(20), act: wake },
    Scenario { name: "presence", each: "move", times: 800, prepare: people, act: move_about },
];

/// A hundred people who said `hello`.
fn gather() -> Stage {
    let mut stage = Stage::new();
    (0..MANY).for_each(|person| stage.join(&format!("user{person}")));
    stage.pass(QUIET);
    stage
}

/// Each of a hundred people writes 20 times a second, evenly spread, to their own field or to one of a few.
fn herd(stage: &mut Stage, times: usize, fields: usize) {
    let start = stage.now;
    for at in 0..times {
        // 2,000 changes a second are two in a millisecond.
        stage.go_to(start + i64::try_from(at / 2).unwrap());
        let person = at % MANY;
        stage.set(&format!("user{person}"), person % fields, at);
    }
    stage.pass(QUIET);
}

/// A writer and a hundred listeners who never said `hello`.
fn plain_listeners() -> Stage {
    let mut stage = Stage::new();
    stage.join_plain("writer");
    (0..MANY).for_each(|listener| stage.join_plain(&format!("user{listener}")));
    stage.pass(QUIET);
    stage
}

/// A thousand changes a second, which leaves time for each answer.
fn write_steadily(stage: &mut Stage, times: usize) {
    for at in 0..times {
        stage.set("writer", at % 20, at);
        stage.pass(1);
    }
    stage.pass(QUIET);
}

/// A writer and a hundred listeners who said `hello`.
fn listeners() -> Stage {
    let mut stage = gather();
    stage.join("writer");
    stage.pass(QUIET);
    stage
}

/// The writer sends as long as fewer than 256 changes are without an answer, and then waits for one.
fn write_ahead(stage: &mut Stage, times: usize) {
    stage.meter.watched = Some(say::connection("writer"));
    let (mut sent, mut answered) = (0, stage.number("writer"));
    while sent < times || answered < stage.number("writer") {
        while sent < times && stage.number("writer") - answered < OUTSTANDING {
            stage.set_at_once("writer", sent % 20, sent);
            sent += 1;
        }
        if stage.meter.heard.is_empty() {
            let timer = stage.meter.timer.expect("what was not answered waits for the timer");
            stage.go_to(timer.max(stage.now));
        }
        let acks = stage.meter.heard.drain(..).filter_map(|frame| ack(&frame));
        answered = acks.fold(answered, u64::max);
    }
    stage.meter.watched = None;
    stage.pass(QUIET);
}

/// The number that a frame acknowledges, if it does that.
fn ack(frame: &str) -> Option<u64> {
    let frame = serde_json::from_str::<serde_json::Value>(frame).unwrap();
    frame["seq"].as_u64().filter(|_| frame["type"] == "ack")
}

/// Somebody by themselves, who said `hello`.
fn lone() -> Stage {
    let mut stage = Stage::new();
    stage.join("writer");
    stage.pass(QUIET);
    stage
}

/// Sends all in one go, to ten fields.
fn write_at_once(stage: &mut Stage, times: usize) {
    (0..times).for_each(|at| stage.set_at_once("writer", at % 10, at));
    stage.pass(QUIET);
}

/// A room of so many fields and three people, two of whom are plain.
pub fn furnished(fields: usize) -> Stage {
    let mut stage = Stage::new();
    stage.join_plain("reader");
    stage.join_plain("other");
    stage.join("writer");
    (0..fields).for_each(|field| stage.set_at_once("writer", field, field));
    stage.pass(QUIET);
    stage
}

/// Asks for everything.
fn sync(stage: &mut Stage, times: usize) {
    for _ in 0..times {
        stage.say("reader", &say::sync());
        stage.pass(1);
    }
}

/// A client comes back that knows all but the last ten changes.
fn resume(stage: &mut Stage, times: usize) {
    let since = stage.version() - 10;
    for at in 0..times {
        let name = format!("back{at}");
        stage.connect(&name);
        let hello = format!(r#"{{"type":"hello","protocol":1,"clientId":"{name}","since":{since},"epoch":"epoch"}}"#);
        stage.say(&name, &hello);
        stage.pass(1);
    }
}

/// The room sleeps, and somebody asks for everything.
fn wake(stage: &mut Stage, times: usize) {
    for _ in 0..times {
        stage.pass(QUIET);
        stage.sleep();
        stage.say("reader", &say::sync());
    }
}

/// Twenty people who said `hello`.
fn people() -> Stage {
    let mut stage = Stage::new();
    (0..20).for_each(|person| stage.join(&format!("user{person}")));
    stage.pass(QUIET);
    stage
}

/// Each of twenty people moves a cursor 20 times a second, evenly spread.
fn move_about(stage: &mut Stage, times: usize) {
    let start = stage.now;
    for at in 0..times {
        // 400 moves a second are two in five milliseconds.
        stage.go_to(start + i64::try_from(at * 5 / 2).unwrap());
        let cursor = format!(r#"{{"type":"presence","data":{{"field":"field-{}","x":{at},"y":{at}}}}}"#, at % 7);
        stage.say(&format!("user{}", at % 20), &cursor);
    }
    stage.pass(QUIET);
}
