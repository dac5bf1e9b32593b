//! What a room's work costs in rows, each of which is paid for.

use roomkeep::room::turn::Write;
use serde_json::json;

use super::assert_stored;
use crate::say;
use crate::world::Site;

/// `ann` has said hello as the client `a` in a room of so many connections, which has been quiet for a while.
fn room_of(connections: usize) -> Site {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", &hello("a"));
    site.say("ann", &say::join("ann"));
    for n in 1..connections {
        site.connect(&format!("w{n}"));
    }
    site.pass(1_000);
    site.take("ann");
    site.world.commits.clear();
    site
}

fn hello(client: &str) -> String {
    json!({"type": "hello", "protocol": 1, "clientId": client}).to_string()
}

fn rows(site: &Site) -> usize {
    site.world.commits.iter().map(Vec::len).sum()
}

/// `ann` makes 1,000 numbered changes of 10 fields without waiting for an answer.
fn flood(site: &mut Site) {
    for seq in 1..=1_000 {
        let set = say::set("ann", &format!("f{}", seq % 10), &seq.to_string());
        site.say_at_once("ann", &say::with_seq(seq, &set));
    }
    site.pass(20);
    assert!(site.take("ann").last().unwrap().contains(r#""seq":1000"#), "all of them are acked");
    assert_stored(site);
}

#[test]
fn y8_a_thousand_changes_of_ten_fields_cost_thirteen_rows_in_a_room_of_100() {
    let mut site = room_of(100);
    flood(&mut site);
    // The field and the client at the leading edge, then each field and the client once.
    assert_eq!(site.world.commits.iter().map(Vec::len).collect::<Vec<_>>(), [2, 11]);
}

#[test]
fn y8_a_thousand_changes_in_one_go_cost_no_more_in_a_room_of_three() {
    let mut site = room_of(3);
    flood(&mut site);
    assert_eq!(site.world.commits.iter().map(Vec::len).collect::<Vec<_>>(), [2, 11]);
}

#[test]
fn y8_what_waited_for_a_late_timer_is_told_at_once_and_not_half_of_it_a_pause_later() {
    let mut site = room_of(100);
    let set = |seq: u64| say::with_seq(seq, &say::set("ann", &format!("f{seq}"), "1"));
    site.say("ann", &set(1));
    site.pass(5);
    site.say_at_once("ann", &set(2));
    // The machine is busy, so the timer rings after a flush was due.
    site.now += 30;
    (3..=6).for_each(|seq| site.say_and_wait("ann", &set(seq)));
    site.come_round();
    assert_eq!(site.world.commits.iter().map(Vec::len).collect::<Vec<_>>(), [2, 6]);
    assert!(site.take("ann").last().unwrap().contains(r#""seq":6"#), "all of them are acked");
    site.pass(100);
    assert_eq!(site.world.timer, None, "the room may sleep");
    assert_stored(&site);
}

#[test]
fn y8_what_waited_when_the_memory_was_lost_is_done_by_the_room_that_wakes() {
    let mut site = room_of(3);
    site.say_and_wait("ann", &say::with_seq(1, &say::set("ann", "f", "1")));
    site.lose_memory();
    site.say("ann", &say::with_seq(2, &say::set("ann", "g", "2")));
    site.pass(100);
    let heard = site.take("ann").join("\n");
    assert!(heard.contains(r#""field":"f""#) && heard.contains(r#""field":"g""#), "{heard}");
    assert!(heard.contains(r#""seq":2"#), "{heard}");
    assert_stored(&site);
}

#[test]
fn y8_changes_that_come_one_by_one_cost_two_rows_each() {
    let mut site = room_of(3);
    for seq in 1..=100 {
        site.pass(1);
        site.say("ann", &say::with_seq(seq, &say::set("ann", "f", &seq.to_string())));
    }
    assert_eq!(rows(&site), 200);
    let tables = |commit: &Vec<Write>| {
        let table = |write: &Write| match write {
            Write::Put(table, _) => table.name,
            Write::Create | Write::Meta(_) | Write::Delete(..) => panic!("{write:?}"),
        };
        commit.iter().map(table).collect::<Vec<_>>()
    };
    assert!(site.world.commits.iter().all(|commit| tables(commit) == ["field", "client"]), "the field and the outbox");
}

#[test]
fn q5_each_step_of_a_permission_costs_a_row_for_each_thing_that_it_changes() {
    let mut site = room_of(3);
    site.say("w1", &say::join("w1"));
    site.pass(10);
    site.world.commits.clear();
    for (name, text) in [
        ("ann", say::ask("r1", "edit", "")),
        ("ann", say::ask("r1", "edit", "")),
        ("w1", say::allow("r1", "ann", "session")),
        ("w1", say::allow("r1", "ann", "once")),
        ("w1", say::revoke("edit", "ann")),
        ("w1", say::revoke("edit", "ann")),
        ("ann", say::ask("r2", "edit", "")),
        ("ann", say::cancel("r2")),
    ] {
        site.say(name, &text);
        site.pass(10);
    }
    assert_eq!(site.world.commits.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1, 1, 1]);
    assert_stored(&site);
}

#[test]
fn p1_presence_costs_no_row() {
    let mut site = room_of(100);
    site.say("w1", &hello("w"));
    for n in 0..1_000 {
        site.pass(1);
        site.say("ann", &json!({"type": "presence", "data": n}).to_string());
    }
    site.pass(1_000);
    assert_eq!(rows(&site), 0);
    let told = site.take("w1");
    assert!(told.last().unwrap().contains(r#""data":999"#), "the newest is out");
}
