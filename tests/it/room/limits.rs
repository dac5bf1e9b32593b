//! Limits, silence and expiry.

use roomkeep::access::pass::Admission;
use roomkeep::driver::Driver;
use roomkeep::protocol::write::Verb;
use roomkeep::room::table::ROW_CHARGE;

use super::*;
use crate::world::Site;

#[test]
fn x3_a_room_is_stored_and_wound_up_by_its_first_connection() {
    check(
        "",
        "7 ann connects\n8 bob connects\n9 cid connects",
        expect![[r#"
        7 ann connects
          write tables
          write room epoch1 floor 0 touched 7
          attach ann: unknown, heard 7
          alarm at 30d+7
        8 bob connects
          attach bob: unknown, heard 8
          alarm at 150008
        9 cid connects
          attach cid: unknown, heard 9
    "#]],
    );
}

#[test]
fn x1_the_limits_are_those_of_the_protocol() {
    expect![[r#"
        Limits {
            message_bytes: 65536,
            value_bytes: 32768,
            name_bytes: 128,
            user_name_bytes: 256,
            presence_bytes: 4096,
            batch: 100,
            fields: 1000,
            participants: 1000,
            requests: 200,
            permissions: 1000,
            detail_bytes: 4096,
            settled: 1000,
            messages_per_second: 100,
            messages_burst: 200,
            writes_per_second: 100,
            writes_burst: 1000,
            clients: 2000,
            outcomes: 64,
            idempotency_keys: 4000,
            tombstones: 1000,
            room_bytes: 4194304,
            connections: 500,
        }"#]]
    .assert_eq(&format!("{:#?}", Limits::default()));
}

#[test]
fn x1_a_message_a_value_and_names_at_their_limits_and_one_past() {
    let long = |count: usize| "x".repeat(count);
    let script = [
        format!("1 ann #1 sets {} 1", long(128)),
        format!("2 ann #2 sets {} 1", long(129)),
        format!("3 ann #3 sets {} 1", "ä".repeat(65)),
        format!("4 ann #4 sets f \"{}\"", long(32 * 1024 - 2)),
        format!("5 ann #5 sets f \"{}\"", long(32 * 1024 - 1)),
        format!("6 ann #6 joins {}", long(256)),
        format!("7 ann #7 joins {}", long(257)),
        format!("8 ann {{\"type\":\"wave\",\"x\":\"{}\"}}", long(64 * 1024 - 22)),
        format!("9 ann {{\"type\":\"wave\",\"x\":\"{}\"}}", long(64 * 1024 - 21)),
        format!("10 ann {{\"id\":10,\"type\":\"wave\",\"x\":\"{}\"}}", long(64 * 1024)),
    ];
    check(
        &here(&["ann", "bob"]),
        &script.join("\n"),
        expect![[r#"
            1 ann #1 sets x*128 1
              write field x*128 v3 at 1 by ann: {"field":"x*128","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}
              writer ann #1
              attach ann: joined as ann, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"x*128","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"version":3}
              to ann: {"type":"ack","id":"1","version":3}
            2 ann #2 sets x*129 1
              attach ann: joined as ann, heard 2
              to ann, in any case: {"type":"error","code":"limit_name","message":"`field` is 129 bytes long; the limit is 128.","id":"2"}
            3 ann #3 sets ä*65 1
              attach ann: joined as ann, heard 3
              to ann, in any case: {"type":"error","code":"limit_name","message":"`field` is 130 bytes long; the limit is 128.","id":"3"}
            4 ann #4 sets f "x*32766"
              write field f v4 at 4 by ann: {"field":"f","value":"x*32766","userId":"ann","timestamp":null,"version":4,"updatedAt":4}
              writer ann #4
              attach ann: joined as ann, heard 4
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":"x*32766","userId":"ann","timestamp":null,"version":4,"updatedAt":4},"version":4}
              to ann: {"type":"ack","id":"4","version":4}
            5 ann #5 sets f "x*32767"
              attach ann: joined as ann, heard 5
              to ann, in any case: {"type":"error","code":"limit_value","message":"The value and the members beside it are 32769 bytes long; the limit is 32768.","id":"5"}
            6 ann #6 joins x*256
              write participant ann v5 "x*256" ready false joined 0 seen 0 {}
              writer ann #6
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"user_joined","userId":"ann","userName":"x*256","joinedAt":0}
              to ann: {"type":"ack","id":"6","version":5}
            7 ann #7 joins x*257
              attach ann: joined as ann, heard 7
              to ann, in any case: {"type":"error","code":"limit_name","message":"`userName` is 257 bytes long; the limit is 256.","id":"7"}
            8 ann {"type":"wave","x":"x*65514"}
              writer ann
              attach ann: joined as ann, heard 8
              to all but ann: {"type":"wave","x":"x*65514"}
            9 ann {"type":"wave","x":"x*65515"}
              attach ann: joined as ann, heard 9
              to ann, in any case: {"type":"error","code":"limit_message","message":"The message is 65537 bytes long; the limit is 65536."}
            10 ann {"id":10,"type":"wave","x":"x*65536"}
              attach ann: joined as ann, heard 10
              to ann, in any case: {"type":"error","code":"limit_message","message":"The message is 65566 bytes long; the limit is 65536.","id":10}
        "#]],
    );
}

#[test]
fn x1_extra_members_count_as_part_of_the_value() {
    let settings = limited(|limits| limits.value_bytes = 10);
    check_with(
        settings,
        &here(&["ann"]),
        r#"
        1 ann {"type":"field_selected","id":1,"selection":{"field":"f","value":"12345","userId":"ann","a":10}}
        2 ann {"type":"field_selected","id":2,"selection":{"field":"f","value":"12345","userId":"ann","a":100}}
        3 ann {"type":"user_joined","id":3,"userId":"ann","userName":"Ann","color":"red"}
        4 ann {"type":"user_joined","id":4,"userId":"ann","userName":"Ann","color":"pink"}
        "#,
        expect![[r#"
            1 ann {"type":"field_selected","id":1,"selection":{"field":"f","value":"12345","userId":"ann","a":10}}
              write field f v2 at 1 by ann: {"field":"f","value":"12345","userId":"ann","timestamp":null,"version":2,"updatedAt":1,"a":10}
              writer ann #1
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":1,"version":2}
            2 ann {"type":"field_selected","id":2,"selection":{"field":"f","value":"12345","userId":"ann","a":100}}
              attach ann: joined as ann, heard 2
              to ann, in any case: {"type":"error","code":"limit_value","message":"The value and the members beside it are 11 bytes long; the limit is 10.","id":2}
            3 ann {"type":"user_joined","id":3,"userId":"ann","userName":"Ann","color":"red"}
              write participant ann v3 "Ann" ready false joined 0 seen 0 {"color": Json(RawValue("red"))}
              writer ann #3
              attach ann: joined as ann, heard 3
              to all but ann: {"type":"user_joined","userId":"ann","userName":"Ann","joinedAt":0,"color":"red"}
              to ann: {"type":"ack","id":3,"version":3}
            4 ann {"type":"user_joined","id":4,"userId":"ann","userName":"Ann","color":"pink"}
              attach ann: joined as ann, heard 4
              to ann, in any case: {"type":"error","code":"limit_value","message":"The value and the members beside it are 11 bytes long; the limit is 10.","id":4}
        "#]],
    );
}

#[test]
fn x1_a_room_takes_so_many_fields() {
    check_with(
        limited(|limits| limits.fields = 2),
        &here(&["ann"]),
        "1 ann #1 sets a 1\n2 ann #2 sets b 1\n3 ann #3 sets c 1\n4 ann #4 sets a 2\n5 ann #5 clears a\n6 ann #6 sets c 1",
        expect![[r#"
            1 ann #1 sets a 1
              write field a v2 at 1 by ann: {"field":"a","value":1,"userId":"ann","timestamp":null,"version":2,"updatedAt":1}
              writer ann #1
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 sets b 1
              write field b v3 at 2 by ann: {"field":"b","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2}
              writer ann #2
              attach ann: joined as ann, heard 2
              to ann: {"type":"ack","id":"2","version":3}
            3 ann #3 sets c 1
              attach ann: joined as ann, heard 3
              to ann, in any case: {"type":"error","code":"limit_fields","message":"The room is full: it has 2 fields, which is the limit. Clear one first.","id":"3"}
            4 ann #4 sets a 2
              write field a v4 at 4 by ann: {"field":"a","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":4}
              writer ann #4
              attach ann: joined as ann, heard 4
              to ann: {"type":"ack","id":"4","version":4}
            5 ann #5 clears a
              write field a v5 at 5 by ann: cleared
              writer ann #5
              attach ann: joined as ann, heard 5
              to ann: {"type":"ack","id":"5","version":5}
            6 ann #6 sets c 1
              write field c v6 at 6 by ann: {"field":"c","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":6}
              writer ann #6
              attach ann: joined as ann, heard 6
              to ann: {"type":"ack","id":"6","version":6}
        "#]],
    );
}

#[test]
fn x1_the_oldest_tombstone_is_forgotten_and_the_floor_rises() {
    check_with(
        limited(|limits| limits.tombstones = 2),
        &format!("{}1 ann sets a 1\n1 ann sets b 1\n1 ann sets c 1\n2 ann clears b\n3 ann clears a", here(&["ann"])),
        "5 ann clears c\n6 ann sets b 1",
        expect![[r#"
            5 ann clears c
              write room epoch1 floor 5 touched 0
              write no field b
              write field c v7 at 5 by ann: cleared
              writer ann
              attach ann: joined as ann, heard 5
            6 ann sets b 1
              write field b v8 at 6 by ann: {"field":"b","value":1,"userId":"ann","timestamp":null,"version":8,"updatedAt":6}
              writer ann
              attach ann: joined as ann, heard 6
        "#]],
    );
}

#[test]
fn x1_the_longest_offline_gives_way_and_nobody_who_is_here() {
    check_with(
        limited(|limits| limits.participants = 3),
        &format!(
            "{}5 bob leaves\n6 ann leaves\n7 dan connects\n7 eve connects\n7 fay connects",
            here(&["ann", "bob", "cid"])
        ),
        "8 dan #1 joins\n9 eve #2 joins\n10 fay #3 joins\n11 cid syncs",
        expect![[r#"
            8 dan #1 joins
              write no participant bob
              write participant dan v4 "DAN" ready false joined 8 seen 8 {}
              writer dan #1
              attach dan: joined as dan, heard 8
              to all but dan: {"type":"user_joined","userId":"dan","userName":"DAN","joinedAt":8}
              to dan: {"type":"ack","id":"1","version":4}
            9 eve #2 joins
              write no participant ann
              write participant eve v5 "EVE" ready false joined 9 seen 9 {}
              writer eve #2
              attach eve: joined as eve, heard 9
              to all but eve: {"type":"user_joined","userId":"eve","userName":"EVE","joinedAt":9}
              to eve: {"type":"ack","id":"2","version":5}
            10 fay #3 joins
              attach fay: unknown, heard 10
              to fay, in any case: {"type":"error","code":"limit_participants","message":"The room is full: all of its 3 participants are online. Try again once someone has left.","id":"3"}
            11 cid syncs
              writer cid
              attach cid: joined as cid, heard 11
              to cid: {"type":"sync_response","version":5,"epoch":"epoch1","time":11,"selections":{},"participants":[{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":11,"version":3},{"id":"dan","name":"DAN","isReady":false,"online":true,"connections":1,"joinedAt":8,"lastSeen":8,"version":4},{"id":"eve","name":"EVE","isReady":false,"online":true,"connections":1,"joinedAt":9,"lastSeen":9,"version":5}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn x1_a_room_keeps_so_many_bytes() {
    // Each row counts for something by itself. ann and ANN are 6 bytes; the field is its name, its author and the stored
    // selection.
    let stored = r#"{"field":"f","value":11,"userId":"ann","timestamp":null,"version":2,"updatedAt":1}"#;
    check_with(
        limited(|limits| limits.room_bytes = 2 * ROW_CHARGE + 6 + 4 + stored.len()),
        &here(&["ann"]),
        "1 ann #1 sets f 11\n2 ann #2 sets f 111\n3 ann #3 joins ANNE\n4 ann #4 sets g 1\n5 ann #5 clears f\n6 ann #6 joins ANNE",
        expect![[r#"
            1 ann #1 sets f 11
              write field f v2 at 1 by ann: {"field":"f","value":11,"userId":"ann","timestamp":null,"version":2,"updatedAt":1}
              writer ann #1
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 sets f 111
              attach ann: joined as ann, heard 2
              to ann, in any case: {"type":"error","code":"limit_room","message":"The room would hold 189 bytes; the limit is 188. Clear a field first.","id":"2"}
            3 ann #3 joins ANNE
              attach ann: joined as ann, heard 3
              to ann, in any case: {"type":"error","code":"limit_room","message":"The room would hold 189 bytes; the limit is 188. Clear a field first.","id":"3"}
            4 ann #4 sets g 1
              attach ann: joined as ann, heard 4
              to ann, in any case: {"type":"error","code":"limit_room","message":"The room would hold 321 bytes; the limit is 188. Clear a field first.","id":"4"}
            5 ann #5 clears f
              write field f v3 at 5 by ann: cleared
              writer ann #5
              attach ann: joined as ann, heard 5
              to ann: {"type":"ack","id":"5","version":3}
            6 ann #6 joins ANNE
              write participant ann v4 "ANNE" ready false joined 0 seen 0 {}
              writer ann #6
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANNE","joinedAt":0}
              to ann: {"type":"ack","id":"6","version":4}
        "#]],
    );
}

#[test]
fn x1_a_room_takes_so_many_connections() {
    let mut room = new_room(limited(|limits| limits.connections = 2), "e");
    run(&mut room, "0 ann connects", &mut String::new());
    assert_eq!(room.admit(&Admission::Anonymous.into(), 0), Ok(()));
    run(&mut room, "0 bob connects", &mut String::new());
    expect![[r#"Err(Refusal { code: LimitConnections, message: "The room has 2 connections, which is the limit. Try again later.", is_retryable: true, expected: None, retry_after: None, about: None })"#]]
    .assert_eq(&format!("{:?}", room.admit(&Admission::Anonymous.into(), 0)));
    run(&mut room, "0 ann leaves", &mut String::new());
    assert_eq!(room.admit(&Admission::Anonymous.into(), 0), Ok(()));
}

#[test]
fn x2_a_connection_found_dead_is_told_to_retry() {
    check(
        &format!("{}0 ann pings", here(&["ann", "bob"])),
        "150000 * alarm",
        expect![[r#"
            150000 * alarm
              write participant ann v1 "ANN" ready false joined 0 seen 0 {}
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":0}
              close ann: 4408
              alarm at 30d+150000
        "#]],
    );
}

#[test]
fn x3_the_time_to_live_is_a_variable_in_days() {
    let set = |days: &str| {
        let days = days.to_owned();
        Settings::from_vars(move |name| (name == "ROOM_TTL_DAYS").then(|| days.clone()))
    };
    assert_eq!(Settings::from_vars(|_| None), Ok(Settings::default()));
    assert_eq!(set(" 0.5 ").unwrap().time_to_live, DAY / 2);
    assert_eq!(set("36500").unwrap().time_to_live, 36_500 * DAY);
    for rubbish in ["", "0", "-1", "36501", "NaN", "inf", "a month"] {
        assert_eq!(set(rubbish).unwrap_err().name, "ROOM_TTL_DAYS", "{rubbish:?}");
    }
}

#[test]
fn x3_a_room_expires_when_nobody_used_it_for_its_time_to_live() {
    let day = |days: Millis, rest: Millis| days * DAY + rest;
    let script =
        [format!("{} * alarm", day(30, 0)), format!("{} * alarm", day(31, -1)), format!("{} * alarm", day(31, 0))];
    check(
        &format!("{}5 ann leaves", here(&["ann"])),
        &script.join("\n"),
        expect![[r#"
            2592000000 * alarm
              alarm at 31d+0
            2678399999 * alarm
              alarm at 31d+0
            2678400000 * alarm
              erase
        "#]],
    );
}

#[test]
fn x3_a_room_in_use_notes_it_at_most_thirty_times_in_its_time_to_live() {
    let alarm = |at: Millis| format!("{at} * alarm\n");
    check(
        &here(&["ann"]),
        &[alarm(DAY - 1), alarm(DAY), alarm(DAY + 1), alarm(2 * DAY)].concat(),
        expect![[r#"
        86399999 * alarm
          alarm at 30d+86399999
        86400000 * alarm
          write room epoch1 floor 0 touched 1d+0
          alarm at 31d+0
        86400001 * alarm
          alarm at 31d+1
        172800000 * alarm
          write room epoch1 floor 0 touched 2d+0
          alarm at 32d+0
    "#]],
    );
}

#[test]
fn x1_what_does_not_grow_a_full_room_is_never_refused() {
    let mut site = Site::with(settings());
    site.connect("ann");
    site.say("ann", &say::join("ann"));
    site.say("ann", &say::set("ann", "f", "\"a long value\""));
    site.leave("ann");
    // The operator lowers the limit below what the room holds.
    let mut lowered = settings();
    lowered.limits.room_bytes = 10;
    site.driver = Driver::new(lowered);
    site.world.lose_memory();
    site.connect("ann");
    assert!(site.ask("ann", &say::with_id("1", &say::join("ann"))).contains(r#""type":"ack""#), "a rejoining");
    assert!(site.ask("ann", &say::with_id("2", &say::set("ann", "f", "\"short\""))).contains(r#""type":"ack""#));
    assert!(site.ask("ann", &say::with_id("3", &say::set("ann", "f", "\"longer again\""))).contains("limit_room"));
    assert!(site.ask("ann", &say::with_id("4", &say::clear("ann", "f"))).contains(r#""type":"ack""#));
}

#[test]
fn x1_y8_clearing_at_the_limit_of_tombstones_is_gathered_like_any_change() {
    let frames_and_rows = |limit: usize| {
        let mut few = settings();
        few.limits.tombstones = limit;
        let mut site = Site::with(few);
        site.connect("ann");
        site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
        for n in 0..60 {
            site.say("ann", &say::set("ann", &format!("f{n}"), "1"));
        }
        for n in 0..20 {
            site.say("ann", &say::clear("ann", &format!("f{n}")));
        }
        site.pass(1_000);
        site.take("ann");
        site.world.commits.clear();
        for n in 20..40 {
            site.say_at_once("ann", &say::clear("ann", &format!("f{n}")));
        }
        site.pass(1_000);
        let rows = site.world.commits.iter().map(Vec::len).sum::<usize>();
        (site.take("ann").len(), rows)
    };
    let ((below, rows_below), (at, rows_at)) = (frames_and_rows(1_000), frames_and_rows(20));
    assert_eq!((below, at), (2, 2), "the first by itself, and all the others together");
    // One more for each tombstone that is forgotten, and the room's own row for each commit.
    assert_eq!((rows_below, rows_at), (20, 42));
}

#[test]
fn x1_a_room_has_so_many_permissions_in_force() {
    let mut few = settings();
    few.limits.permissions = 1;
    let mut site = Site::with(few);
    for name in ["ann", "bob"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    for request in ["r1", "r2", "r3"] {
        let action = if request == "r3" { "r1" } else { request };
        site.say("ann", &say::ask(request, action, ""));
    }
    let mut answer = |request: &str| site.ask("bob", &say::with_id(request, &say::allow(request, "ann", "session")));
    assert!(answer("r1").contains(r#""type":"ack""#));
    assert!(answer("r2").contains("limit_permissions"));
    assert!(answer("r3").contains(r#""type":"ack""#), "one in the place of another is no more");
    site.say("bob", &say::revoke("r1", "ann"));
    let answer = site.ask("bob", &say::with_id("r2", &say::allow("r2", "ann", "session")));
    assert!(answer.contains(r#""type":"ack""#), "{answer}");
}

#[test]
fn x1_every_row_counts_for_something_beside_its_text() {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.say("ann", &say::with_seq(1, &say::join("ann")));
    for n in 0..10 {
        site.say("ann", &say::set("ann", &format!("f{n}"), "1"));
        site.say("ann", &say::ask(&format!("r{n}"), "e", ""));
        site.say("ann", &say::allow(&format!("r{n}"), "ann", "session"));
        site.write(Verb::Put, "g", r#"{"userId":"ann","value":1}"#, Some(&format!("k{n}"))).unwrap();
    }
    site.pass(1_000);
    let records = site.driver.room().unwrap().stored().unwrap().records;
    for size in records.sizes(&settings().limits) {
        assert!(size.rows > 0, "{} has no row", size.table);
        assert!(size.charge > 0 && size.bytes > size.rows * size.charge, "{size:?}");
        assert!(size.most > 0 && size.most <= 5_000, "{size:?}");
    }
    assert_eq!(records.bytes(), records.sizes(&settings().limits).iter().map(|size| size.bytes).sum::<usize>());
}

#[test]
fn x1_clearing_fills_a_room_and_refuses_nobody_who_is_on_record() {
    let mut small = settings();
    small.limits.room_bytes = 4_000;
    let mut site = Site::with(small);
    for name in ["ann", "bob"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    let ack = |answer: String| answer.contains(r#""type":"ack""#);
    // A page with a long name for itself clears what others with short ones have set.
    let mut n = 0;
    while ack(site.ask("ann", &say::with_id("i", &say::set("ann", &format!("f{n}"), "1")))) {
        n += 1;
    }
    assert!(n > 10, "{n}");
    site.say("bob", r#"{"type":"hello","protocol":1,"clientId":"a-client-with-quite-a-long-name-for-itself"}"#);
    for n in 0..n {
        let seq = n + 1;
        site.say("bob", &say::with_id("i", &say::with_seq(seq, &say::clear("bob", &format!("f{n}")))));
        site.pass(100);
        assert!(site.take("bob").iter().any(|frame| frame.contains(r#""type":"ack""#)), "clearing is never refused");
    }
    site.leave("bob");
    site.connect("bob2");
    assert!(ack(site.ask("bob2", &say::with_id("i", &say::join("bob")))), "who is on record comes back");
}
