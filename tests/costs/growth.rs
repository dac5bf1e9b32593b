//! What an event costs in a small room and in one that is at its limits: rows and connections that are looked at, and
//! memory that is taken. What concerns one thing costs the same in both; what concerns all of them grows with them.

use roomkeep::protocol::Millis;
use roomkeep::room::effort;
use roomkeep::room::settings::Settings;

use crate::stage::{Stage, settings};
use crate::{heap, say};

/// How many of everything: connections, participants, fields, tombstones and clients, of each the most that fits.
#[derive(Clone, Copy)]
struct Size {
    connections: usize,
    others: usize,
}

const SMALL: Size = Size { connections: 10, others: 10 };
const LARGE: Size = Size { connections: 400, others: 1_000 };

/// How much was looked at, and how many allocations there were.
type Effort = (u64, u64);

/// How often something is done, so that what is done once for several is told from what is done each time.
const TIMES: usize = 6;

/// A room at its limits of clients, participants and tombstones, which are all `size`, with half its fields set.
fn full(size: Size) -> Stage {
    let mut settings: Settings = settings();
    let limits = &mut settings.limits;
    (limits.clients, limits.participants, limits.tombstones) =
        (size.others, size.others + size.connections, size.others);
    (limits.fields, limits.connections, limits.room_bytes) = (2 * size.others, 1_000, usize::MAX);
    let mut stage = Stage::with(settings);
    for n in 0..size.connections {
        stage.join(&format!("here{n}"));
    }
    stage.join("greedy");
    for n in 0..size.others + 10 {
        stage.say("greedy", &say::join_as("greedy", &format!("g{}", n % 2)));
        stage.say("greedy", &say::set("greedy", &format!("gone{n}"), "1"));
        stage.say("greedy", &say::clear("greedy", &format!("gone{n}")));
        stage.say("greedy", &say::set("greedy", &format!("set{}", n % size.others), "1"));
        stage.visit("guest", n);
        stage.pass(1);
    }
    stage.pass(1_000);
    stage
}

/// What something costs each time, once it has been done a few times before.
fn each(stage: &mut Stage, prepare: fn(&mut Stage, usize), act: fn(&mut Stage, usize)) -> Effort {
    let mut efforts = Vec::new();
    for n in 0..2 * TIMES {
        prepare(stage, n);
        let (looked, taken) = (effort::looked_at(), heap::taken());
        act(stage, n);
        stage.come_round();
        efforts.push((effort::looked_at() - looked, heap::taken().allocations - taken.allocations));
        stage.pass(Millis::from(500));
    }
    // What is counted when a quota is first full is counted once, and what is tidied now and then is not every time.
    let mut last = efforts.split_off(TIMES);
    last.sort_unstable();
    last[TIMES / 2]
}

fn nothing(_: &mut Stage, _: usize) {}

fn connect(stage: &mut Stage, name: &str) {
    stage.connect(name);
}

fn sleep(stage: &mut Stage, _: usize) {
    stage.sleep();
}

#[test]
fn x1_what_concerns_one_thing_costs_the_same_however_much_there_is() {
    type Do = fn(&mut Stage, usize);
    let cases: [(&str, Do, Do); 9] = [
        ("a change", nothing, |stage, n| stage.set("here1", n % 5, n)),
        (
            "clearing",
            |stage, n| stage.say("here1", &say::set("here1", &format!("set{}", n % 5), "1")),
            |stage, n| {
                stage.say("here1", &say::clear("here1", &format!("set{}", n % 5)));
            },
        ),
        (
            "a first write",
            |stage, n| stage.arrive(&format!("new{n}"), 1_000_000 + n),
            |stage, n| {
                stage.say(&format!("new{n}"), &say::with_seq(1, &say::set("guest", "f", "1")));
            },
        ),
        ("opening", nothing, |stage, n| connect(stage, &format!("open{n}"))),
        (
            "joining",
            |stage, n| connect(stage, &format!("join{n}")),
            |stage, n| {
                stage.say(&format!("join{n}"), &say::join(&format!("new-user-{n}")));
            },
        ),
        ("leaving", |stage, n| stage.join_plain(&format!("leave{n}")), |stage, n| stage.leave(&format!("leave{n}"))),
        (
            "a kick",
            |stage, n| stage.join_plain(&format!("victim-{n}")),
            |stage, n| {
                stage.say("here1", &format!(r#"{{"type":"kick","userId":"victim-{n}"}}"#));
            },
        ),
        ("presence", nothing, |stage, n| stage.say("here1", &format!(r#"{{"type":"presence","data":{n}}}"#))),
        ("a request", nothing, |stage, n| stage.say("here1", &say::ask(&format!("r{n}"), "a", ""))),
    ];
    let (mut small, mut large) = (full(SMALL), full(LARGE));
    for (what, prepare, act) in cases {
        let ((few, taken), (many, taken_by_many)) = (each(&mut small, prepare, act), each(&mut large, prepare, act));
        assert!(many <= few + 12, "{what} looks at {few} in a small room and at {many} in a large one");
        assert!(
            taken_by_many <= taken + 24,
            "{what} takes memory {taken} times in a small room, {taken_by_many} in a large one"
        );
    }
}

#[test]
fn y2_y3_and_x1_what_concerns_everything_grows_with_it_and_no_faster() {
    type Do = fn(&mut Stage, usize);
    let cases: [(&str, Do, Do); 3] = [
        ("reading", nothing, |stage, _| stage.say("here1", &say::sync())),
        ("resuming", nothing, |stage, _| stage.say("here1", r#"{"type":"sync_request","since":1}"#)),
        ("waking", sleep, |stage, n| stage.set("here1", n % 5, n)),
    ];
    let of = |size: Size| (4 * size.others + 3 * size.connections) as u64;
    let (mut small, mut large) = (full(SMALL), full(LARGE));
    for (what, prepare, act) in cases {
        let ((few, _), (many, _)) = (each(&mut small, prepare, act), each(&mut large, prepare, act));
        assert!(
            many <= 2 * of(LARGE),
            "{what} looks at {many} of {}, and at {few} of {} in a small room",
            of(LARGE),
            of(SMALL)
        );
    }
}

#[test]
fn x1_many_who_come_and_go_at_once_cost_as_much_each_as_one() {
    let mut stage = full(LARGE);
    let mut together = |count: usize| {
        for n in 0..count {
            stage.connect(&format!("new{n}"));
        }
        stage.pass(1_000);
        let looked = effort::looked_at();
        for n in 0..count {
            stage.say_at_once(&format!("new{n}"), &say::join(&format!("user{n}")));
        }
        for n in 0..count {
            stage.leave(&format!("new{n}"));
        }
        stage.pass(1_000);
        (effort::looked_at() - looked) / count as u64
    };
    let (few, many) = (together(10), together(300));
    assert!(many <= few + 12, "each looks at {few} of ten and at {many} of many");
}
