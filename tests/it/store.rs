//! A room on real SQLite: what it keeps through sleep, crash, failure and the end of its life.

mod clients;
mod cost;
mod migration;
mod signs;
mod users;

use std::collections::BTreeMap;

use roomkeep::access::pass::Admission;
use roomkeep::driver::Platform;
use roomkeep::protocol::write::Verb;
use roomkeep::room::records::Stored;
use roomkeep::room::records::people::record::Participant;
use roomkeep::room::settings::Settings;
use roomkeep::room::table::{ROW_CHARGE, Record};
use roomkeep::room::turn::Write;
use roomkeep::sql;
use roomkeep::sql::StoreError;
use roomkeep::store;
use serde_json::{Value, json};

use crate::say;
use crate::world::{DAY, Site, Sqlite, settings};

/// A room with two joined users.
fn site() -> Site {
    crowded(0)
}

/// The same, and `watchers` who only listen.
fn crowded(watchers: usize) -> Site {
    let mut site = Site::new();
    for name in ["ann", "bob"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    for n in 0..watchers {
        site.connect(&format!("w{n}"));
    }
    site.pass(1_000);
    site.world.sockets.keys().map(|id| say::name(*id)).collect::<Vec<_>>().iter().for_each(|name| {
        site.take(name);
    });
    site
}

fn load(site: &Site) -> Result<Option<Stored>, StoreError> {
    store::load(&mut Sqlite(&site.world.db))
}

/// Nothing is staged, and storage holds all that the room keeps.
#[track_caller]
pub fn assert_stored(site: &Site) {
    let room = site.driver.room().expect("the room is awake");
    assert!(!room.has_staged());
    let (mut kept, stored) = (room.stored(), load(site).unwrap());
    // A room that woke takes a change for a sign of its author, so it may know a later one than the author's own row.
    if let Some(kept) = &mut kept {
        for user in kept.records.people.iter().map(|(user, _)| user.clone()).collect::<Vec<_>>() {
            let row = stored.as_ref().and_then(|stored| stored.records.people.get(&user));
            let stored = row.expect("a row for each participant").last_seen;
            kept.records.people.edit(&user, |person| {
                assert!(person.last_seen >= stored);
                person.last_seen = stored;
            });
        }
    }
    assert_eq!(kept, stored);
}

fn parsed(frames: &[String]) -> Vec<Value> {
    frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect()
}

#[test]
fn a_fresh_storage_holds_no_room_and_reading_it_creates_none() {
    let mut site = Site::new();
    assert_eq!(load(&site), Ok(None));
    let room = site.driver.read(&mut site.world, 5).unwrap();
    let (state, version) = (room.state(false, 5), room.version());
    assert_eq!(version, 0, "{state}");
    site.say("nobody", &say::sync());
    assert_eq!(site.world.dump(), Vec::<String>::new());
    assert_eq!(site.world.alarm, None);
}

#[test]
fn a_room_notes_the_schema_that_wrote_it() {
    let site = site();
    let schema: i64 = site.world.db.query_row("SELECT schema FROM room", [], |row| row.get(0)).unwrap();
    assert_eq!(schema, store::schema_version());
    let before = site.world.dump();
    load(&site).unwrap();
    assert_eq!(site.world.dump(), before, "reading the current schema migrates nothing");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let mut site = site();
    site.world.db.execute_batch("UPDATE room SET schema = 99; ALTER TABLE field ADD COLUMN new TEXT").unwrap();
    let before = site.world.dump();
    let known = store::schema_version();
    assert_eq!(load(&site), Err(StoreError::NewerSchema { found: 99, known }));
    site.sleep();
    site.say("ann", &say::set("ann", "f", "1"));
    assert_eq!(site.world.closed.len(), 1);
    site.connect("cid");
    assert!(!site.world.sockets.contains_key(&say::connection("cid")));
    assert_eq!(site.world.dump(), before);
}

#[test]
fn a_row_that_cannot_be_read_is_refused_until_it_is_mended() {
    for (harm, mend, table) in [
        ("UPDATE field SET selection = '{'", "UPDATE field SET selection = '1'", "field"),
        ("UPDATE field SET version = -1", "UPDATE field SET version = 3", "field"),
        ("UPDATE field SET version = 'x'", "UPDATE field SET version = 3", "field"),
        ("UPDATE participant SET profile = '[]'", "UPDATE participant SET profile = '{}'", "participant"),
        ("UPDATE room SET floor = 'x'", "UPDATE room SET floor = 0", "room"),
        ("UPDATE client SET outcomes = '['", "UPDATE client SET outcomes = '[]'", "client"),
        ("UPDATE client SET outcomes = '{}'", "UPDATE client SET outcomes = '[]'", "client"),
        ("UPDATE client SET outcomes = '[[1,\"no_code\"]]'", "UPDATE client SET outcomes = '[]'", "client"),
        ("UPDATE client SET last_seq = -1", "UPDATE client SET last_seq = 1", "client"),
        ("UPDATE client SET last_seq = 'x'", "UPDATE client SET last_seq = NULL", "client"),
        ("UPDATE client SET seen = 'x'", "UPDATE client SET seen = 1", "client"),
        (
            "UPDATE idempotency_key SET outcome = '[]'",
            "UPDATE idempotency_key SET outcome = '[1,2]'",
            "idempotency_key",
        ),
        ("UPDATE idempotency_key SET outcome = 'null'", "DELETE FROM idempotency_key", "idempotency_key"),
        ("UPDATE idempotency_key SET at = 'x'", "UPDATE idempotency_key SET at = 1", "idempotency_key"),
        (
            "UPDATE permission_request SET settlement = '{\"status\":\"lost\"}'",
            "UPDATE permission_request SET settlement = '{\"status\":\"expired\"}'",
            "permission_request",
        ),
        (
            "UPDATE permission_request SET settlement = NULL",
            "UPDATE permission_request SET settled_at = NULL",
            "permission_request",
        ),
        (
            "UPDATE permission_request SET detail = '{'",
            "UPDATE permission_request SET detail = '{}'",
            "permission_request",
        ),
        ("UPDATE permission SET ended_at = 'x'", "UPDATE permission SET ended_at = NULL", "permission"),
    ] {
        let mut site = site();
        site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
        site.say("ann", &say::with_seq(1, &say::set("ann", "f", "1")));
        site.write(Verb::Delete, "nothing", r#"{"userId":"ann"}"#, Some("key")).unwrap();
        site.say("ann", &say::ask("r", "edit", ""));
        site.say("bob", &say::allow("r", "ann", "session"));
        site.come_round();
        site.world.db.execute_batch(harm).unwrap();
        site.sleep();
        assert_eq!(load(&site), Err(StoreError::CorruptRow { table }), "{harm}");
        let refusal = site.driver.admit(&mut site.world, &Admission::Anonymous.into(), site.now).unwrap_err();
        assert!(refusal.code.is_retryable(), "{harm}");
        site.world.db.execute_batch(mend).unwrap();
        assert_eq!(site.sync("bob")["version"], 5, "{harm}");
    }
}

#[test]
fn memory_and_storage_agree_after_every_event() {
    let mut site = Site::new();
    for name in ["ann", "bob", "ann2"] {
        site.connect(name);
        assert_stored(&site);
        site.say(name, &say::join(say::user(name)));
        assert_stored(&site);
    }
    let mut joined = serde_json::from_str::<Value>(&say::join_as("ann", "Annie")).unwrap();
    joined["colors"] = json!({"a": [1, null, "\u{1f600}"]});
    for text in [
        say::set("ann", "f", "1e400"),
        say::set("ann", "g", "null"),
        say::set("ann", "f", "[1,  2]"),
        say::clear("ann", "g"),
        say::clear("ann", "nothing"),
        say::ready("ann", true),
        joined.to_string(),
        say::sync(),
        "nonsense".to_owned(),
        r#"{"type":"wave"}"#.to_owned(),
    ] {
        site.pass(10);
        site.say("ann", &text);
        assert_stored(&site);
    }
    for name in ["ann", "ann2"] {
        site.pass(10);
        site.leave(name);
        assert_stored(&site);
    }
    site.pass(3 * DAY);
    assert_stored(&site);
}

#[test]
fn a_commit_has_one_row_for_each_thing_that_changed() {
    let mut site = crowded(98);
    site.say("ann", &say::ready("ann", true));
    for value in 0..50 {
        site.say("ann", &say::set("ann", "f", &value.to_string()));
        site.say("bob", &say::set("bob", "g", &value.to_string()));
        site.say("bob", &say::ready("bob", value % 2 == 0));
    }
    site.say("bob", &say::clear("bob", "g"));
    site.pass(20);
    let rows = site.world.commits.last().unwrap().iter().map(|write| {
        let Write::Put(table, row) = write else { panic!("{write:?}") };
        let sql::Value::Text(key) = &row[0] else { panic!("{row:?}") };
        format!("{} {key}", table.name)
    });
    assert_eq!(rows.collect::<Vec<_>>(), ["field f", "field g", "participant bob"]);
    assert_stored(&site);
}

#[test]
fn s7_a_change_that_fails_at_any_statement_leaves_no_trace() {
    // Three changes of two writers in one commit of three statements, the last position being the COMMIT itself.
    for fail_at in 0..=3 {
        let mut site = crowded(98);
        site.say("ann", &say::set("ann", "f", "0"));
        let before = site.world.dump();
        for name in ["ann", "bob", "w0"] {
            site.take(name);
        }
        site.say("ann", &say::with_id("a1", &say::set("ann", "f", "1")));
        site.say("bob", &say::with_id("b1", &say::ready("bob", true)));
        site.say("bob", &say::clear("bob", "f"));
        site.say("ann", &say::with_id("a2", &say::set("ann", "g", "1")));
        site.world.fail_at = Some(fail_at);
        site.pass(20);
        assert_eq!((site.world.failures, site.world.dump()), (1, before), "{fail_at}");

        for (name, ids) in [("ann", vec![json!("a1"), json!("a2")]), ("bob", vec![json!("b1"), Value::Null])] {
            let told = parsed(&site.take(name));
            assert_eq!(told.len(), ids.len(), "{fail_at}: {told:?}");
            for (told, id) in told.iter().zip(&ids) {
                assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!("storage")), "{fail_at}");
                assert_eq!((&told["retry"], &told["id"]), (&json!(true), id), "{fail_at}");
            }
        }
        assert_eq!(site.take("w0"), Vec::<String>::new(), "{fail_at}");

        let answer = site.ask("ann", &say::with_id("a3", &say::set("ann", "f", "3")));
        assert_eq!(answer, r#"{"type":"ack","id":"a3","version":4}"#, "{fail_at}");
        assert_stored(&site);
    }
}

#[test]
fn s7_a_joining_that_fails_leaves_the_connection_as_it_was() {
    let mut site = site();
    site.connect("cid");
    site.world.fail_at = Some(0);
    let answer = site.ask("cid", &say::with_id("1", &say::join("cid")));
    assert!(answer.contains(r#""code":"storage""#), "{answer}");
    assert_eq!(site.take("bob"), Vec::<String>::new());
    // Nobody's any more, so that another user may take it.
    let answer = site.ask("cid", &say::with_id("2", &say::join("dan")));
    assert_eq!(answer, r#"{"type":"ack","id":"2","version":3}"#);
    site.leave("cid");
    assert!(site.take("bob").last().unwrap().contains("user_left"));
}

#[test]
fn s7_a_room_that_cannot_be_created_refuses_the_connection() {
    for fail_at in 0..=4 {
        let mut site = Site::new();
        site.world.fail_at = Some(fail_at);
        site.connect("ann");
        let (code, _) = &site.world.closed[&say::connection("ann")];
        assert_eq!(code.number(), 4500);
        assert_eq!(site.world.dump(), Vec::<String>::new());
        site.connect("ann2");
        assert_eq!(site.sync("ann2")["version"], 0);
    }
}

#[test]
fn j4_and_s7_a_leaving_is_told_although_its_commit_failed() {
    let mut site = crowded(98);
    site.say("ann", &say::set("ann", "f", "0"));
    site.say("bob", &say::with_id("b1", &say::set("bob", "f", "1")));
    ["bob", "w0"].into_iter().for_each(|name| drop(site.take(name)));
    site.world.fail_at = Some(0);
    site.leave("ann");
    // It is gathered with what else happens.
    site.pass(100);
    let told = parsed(&site.take("w0"));
    assert_eq!((told.len(), &told[0]["type"], &told[0]["userId"]), (1, &json!("user_left"), &json!("ann")));
    let told = parsed(&site.take("bob"));
    assert_eq!((&told[0]["code"], &told[0]["id"]), (&json!("storage"), &json!("b1")));
    assert_eq!((told.len(), &told[1]["type"]), (2, &json!("user_left")));
    assert_eq!(site.sync("bob")["participants"][0]["online"], false);
}

#[test]
fn a_reading_of_the_state_stores_first_what_waits() {
    let mut site = crowded(98);
    site.say("ann", &say::set("ann", "f", "0"));
    site.say("ann", &say::set("ann", "f", "1"));
    let room = site.driver.read(&mut site.world, site.now).unwrap();
    let (state, version) = (room.state(false, site.now), room.version());
    assert!(state.contains(r#""value":1"#), "{state}");
    assert_eq!((version, load(&site).unwrap().unwrap().records.fields.get("f").unwrap().version), (4, 4));
    site.say("ann", &say::set("ann", "f", "2"));
    site.world.fail_at = Some(0);
    site.driver.read(&mut site.world, site.now).unwrap_err();
    let room = site.driver.read(&mut site.world, site.now).unwrap();
    assert!(room.state(false, site.now).contains(r#""value":1"#));
}

/// Tells the same story with and without sleep between its events. Returns all that everyone heard.
fn story(sleep_after: impl Fn(usize) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut site = Site::new();
    let names = ["ann", "bob", "ann2", "cid"];
    let mut step = 0;
    let mut events = |act: &dyn Fn(&mut Site)| {
        site.pass(1_000);
        act(&mut site);
        if sleep_after(step) {
            site.sleep();
        }
        step += 1;
    };
    for name in names {
        events(&|site| site.connect(name));
    }
    for name in ["ann", "bob", "ann2"] {
        events(&|site| site.say(name, &say::with_id("j", &say::join(say::user(name)))));
    }
    for (name, text) in [
        ("ann", say::set("ann", "f", "1.50")),
        ("cid", say::set("cid", "g", "2")),
        ("bob", say::clear("bob", "f")),
        ("cid", say::with_id("not", &say::set("ann", "g", "3"))),
        ("ann", say::ready("ann", true)),
        ("ann2", say::with_id("none", &say::ready("ann", true))),
        ("bob", r#"{"type":"wave"}"#.to_owned()),
        ("bob", say::sync()),
    ] {
        events(&|site| site.say(name, &text));
    }
    events(&|site| site.ping("ann2"));
    events(&|site| site.leave("ann"));
    events(&|site| site.say("bob", &say::sync()));
    events(&|site| site.break_off("ann2"));
    events(&|site| site.say("bob", &say::sync()));
    events(&|site| site.say("bob", &say::set("bob", "h", "4")));
    let heard = ["bob", "cid"].map(|name| (name.to_owned(), site.take(name)));
    heard.into_iter().collect()
}

#[test]
fn sleeping_at_any_time_changes_no_answer() {
    let awake = story(|_| false);
    assert_eq!(story(|_| true), awake);
    for at in 0..21 {
        assert_eq!(story(|step| step == at), awake, "asleep after event {at}");
    }
}

#[test]
fn s6_a_crash_keeps_all_that_anyone_saw() {
    let mut site = crowded(98);
    site.say("ann", &say::with_id("1", &say::set("ann", "f", "1")));
    site.say("ann", &say::with_id("2", &say::set("ann", "f", "2")));
    let acks = site.take("ann");
    assert_eq!(acks.len(), 1, "the second change waits, unseen: {acks:?}");
    site.crash();
    site.connect("bob");
    let state = site.sync("bob");
    assert_eq!((&state["version"], &state["selections"]["f"]["value"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&state["participants"][0]["online"], &state["participants"][0]["joinedAt"]),
        (&json!(false), &json!(1_000))
    );
    assert_eq!(state["participants"][0]["lastSeen"], 2_000, "a change is a sign of its author");
}

#[test]
fn x3_and_u8_an_unused_room_is_erased_and_its_next_life_is_another() {
    let mut site = site();
    site.say("ann", &say::set("ann", "f", "1"));
    let epoch = site.sync("ann")["epoch"].clone();
    site.leave("ann");
    site.leave("bob");
    assert!(site.driver.room().is_none(), "an empty room costs no memory");
    site.pass(30 * DAY);
    assert_ne!(site.world.dump(), Vec::<String>::new(), "never early");
    site.pass(DAY);
    assert_eq!((site.world.dump(), site.world.alarm), (Vec::new(), None), "at most a thirtieth late");
    site.connect("ann");
    let state = site.sync("ann");
    assert_ne!(state["epoch"], epoch);
    assert_eq!((&state["version"], &state["selections"], &state["participants"]), (&json!(0), &json!({}), &json!([])));
}

#[test]
fn x3_a_room_that_somebody_is_in_does_not_expire() {
    let mut site = Site::with(Settings { time_to_live: DAY, ..settings() });
    site.connect("ann");
    site.connect("bob");
    let epoch = site.sync("ann")["epoch"].clone();
    site.pass(5 * DAY);
    site.leave("bob");
    site.pass(5 * DAY);
    assert_eq!(site.sync("ann")["epoch"], epoch);
}

#[test]
fn x3_what_counts_after_a_crash_is_the_last_time_that_somebody_was_there() {
    let mut site = Site::with(Settings { time_to_live: 30 * DAY, ..settings() });
    site.connect("ann");
    site.connect("bob");
    site.pass(5 * DAY);
    site.crash();
    // The room's note of its last use may lag by a thirtieth of its time to live.
    site.pass(30 * DAY - 1);
    assert_ne!(site.world.dump(), Vec::<String>::new());
    site.pass(DAY + 1);
    assert_eq!((site.world.dump(), site.world.alarm), (Vec::new(), None));
}

#[test]
fn f1_a_binary_frame_is_refused_and_f7_one_after_the_rooms_close_is_dropped() {
    let mut site = site();
    site.driver.receive(&mut site.world, say::connection("ann"), None, site.now);
    let told = parsed(&site.take("ann"));
    assert_eq!((told.len(), &told[0]["code"]), (1, &json!("bad_message")));
    assert_eq!(site.take("bob"), Vec::<String>::new());
    site.ping("ann");
    site.pass(150_001);
    let before = site.world.dump();
    site.say("ann", &say::with_id("1", &say::set("ann", "f", "1")));
    assert_eq!(site.world.dump(), before);
}

#[test]
fn x1_a_connection_too_many_is_refused_before_it_opens() {
    let mut settings = settings();
    settings.limits.connections = 2;
    let mut site = Site::with(settings);
    ["ann", "bob", "cid"].into_iter().for_each(|name| site.connect(name));
    assert_eq!(site.world.sockets.len(), 2);
    let refusal = site.driver.admit(&mut site.world, &Admission::Anonymous.into(), site.now).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.code.is_retryable()), ("limit_connections", true));
    site.leave("ann");
    site.connect("cid");
    assert_eq!(site.world.sockets.len(), 2);
}

#[test]
fn a_commit_is_all_or_nothing_in_this_world_too() {
    let mut site = site();
    let before = site.world.dump();
    site.world.fail_at = Some(1);
    let writes =
        ["f", "g"].map(|name| Write::Delete(Participant::TABLE, vec![sql::Value::Text(name.to_owned())])).to_vec();
    site.world.commit(writes.clone()).unwrap_err();
    assert_eq!(site.world.dump(), before);
    site.world.commit(writes).unwrap();
}

#[test]
fn f6_a_clock_that_goes_back_holds_nothing_up() {
    let mut site = site();
    site.now -= 1_500;
    let answer = site.ask("ann", &say::with_id("1", &say::set("ann", "f", "1")));
    assert!(answer.contains("ack"), "{answer}");
}

#[test]
fn f3_and_s7_a_refusal_is_told_although_the_commit_before_it_failed() {
    let mut site = crowded(98);
    site.say("ann", &say::set("ann", "f", "0"));
    ["ann", "bob"].into_iter().for_each(|name| drop(site.take(name)));
    site.say("ann", &say::set("ann", "f", "1"));
    site.say("bob", &say::with_id("b1", r#"{"type":"welcome"}"#));
    site.world.fail_at = Some(0);
    site.pass(20);
    let told = parsed(&site.take("bob"));
    assert_eq!((told.len(), &told[0]["code"], &told[0]["id"]), (1, &json!("reserved_type"), &json!("b1")));
    assert_eq!(parsed(&site.take("ann"))[0]["code"], "storage");
}

#[test]
fn x3_messages_are_use_too() {
    let mut site = Site::with(Settings { time_to_live: 30 * DAY, ..settings() });
    site.connect("ann");
    for _ in 0..29 {
        site.pass(DAY);
        site.sync("ann");
    }
    site.crash();
    site.pass(28 * DAY);
    assert_ne!(site.world.dump(), Vec::<String>::new());
}

#[test]
fn x3_a_room_that_cannot_be_read_is_looked_at_again() {
    let mut site = site();
    site.world.db.execute("UPDATE room SET schema = 99", []).unwrap();
    site.leave("ann");
    site.leave("bob");
    site.sleep();
    site.pass(31 * DAY);
    assert_ne!(site.world.dump(), Vec::<String>::new());
    assert!(site.world.alarm.is_some_and(|at| at > site.now && at <= site.now + DAY));
    site.world.db.execute("UPDATE room SET schema = ?", [store::schema_version()]).unwrap();
    site.pass(2 * DAY);
    assert_eq!((site.world.dump(), site.world.alarm), (Vec::new(), None));
}

#[test]
fn x1_who_gives_way_makes_room_in_bytes_too() {
    let mut limits = settings().limits;
    (limits.participants, limits.room_bytes) = (1, ROW_CHARGE + 10);
    let mut site = Site::with(Settings { limits, ..settings() });
    site.connect("ann");
    site.say("ann", &say::join_as("ann", "Annabel"));
    site.leave("ann");
    site.connect("bob");
    let answer = site.ask("bob", &say::with_id("1", &say::join_as("bob", "Bobbino")));
    assert!(answer.contains("ack"), "{answer}");
}

#[test]
fn j1_the_profile_on_record_is_what_the_others_were_told() {
    let mut site = site();
    let join = |color: &str| format!(r#"{{"type":"user_joined","userId":"ann","userName":"ann"{color}}}"#);
    let color = |site: &mut Site| site.sync("bob")["participants"][0]["color"].clone();
    site.leave("ann");
    site.connect("ann2");
    site.say("ann2", &join(r#","color":"red""#));
    assert!(site.take("bob").last().unwrap().contains("red"));
    assert_eq!(color(&mut site), "red");
    // A second tab is not told, and neither erases nor changes anything.
    site.connect("ann3");
    for other in ["", r#","color":"blue""#] {
        site.say("ann3", &join(other));
        assert_eq!(color(&mut site), "red");
    }
    site.leave("ann3");
    site.leave("ann2");
    site.connect("ann4");
    site.say("ann4", &join(r#","color":"black""#));
    assert!(site.take("bob").last().unwrap().contains("black"));
    assert_eq!(color(&mut site), "black");
}
