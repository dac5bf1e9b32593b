//! Rules of the protocol as tables: what happens to a room, and the whole turns that come of it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use roomkeep::protocol::Millis;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::message::Frame;
use roomkeep::room::read::Since;
use roomkeep::room::session::{ConnectionId, Identity};
use roomkeep::room::turn::{Audience, Flush, Turn, Write};
use roomkeep::room::{Room, Settings};

use crate::say;
use crate::world::{DAY, settings};

/// Runs `setup` and then `script` on a new room, and compares the turns of `script`.
///
/// A line is a time, a connection (or `*` for the room's own events), and what happens:
/// `connects`, `leaves`, `breaks`, `pings`, `joins [name]`, `sets field json`, `clears field`, `ready bool`, `syncs`, a
/// frame in JSON, or `*`'s `alarm` and `flush`. A message's `id` stands before it as `#id`.
fn check(setup: &str, script: &str, expected: Expect) {
    check_with(settings(), setup, script, expected);
}

fn check_with(settings: Settings, setup: &str, script: &str, expected: Expect) {
    let mut told = String::new();
    let mut room = Room::restore(settings, None, "epoch1".to_owned(), Vec::new(), 0);
    run(&mut room, setup, &mut told);
    told.clear();
    run(&mut room, script, &mut told);
    expected.assert_eq(&told);
}

/// The defaults with other limits.
fn limited(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = settings();
    change(&mut settings.limits);
    settings
}

fn run(room: &mut Room, script: &str, told: &mut String) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (now, event) = line.split_once(' ').unwrap();
        let now = now.parse::<Millis>().unwrap();
        let mut turns = vec![step(room, event, now)];
        if turns[0].flush == Some(Flush::Now) {
            turns.push(room.flush(now));
        }
        writeln!(told, "{}", short(line)).unwrap();
        turns.iter().for_each(|turn| tell(turn, told));
    }
}

fn step(room: &mut Room, event: &str, now: Millis) -> Turn {
    let (who, what) = event.split_once(' ').unwrap();
    if who == "*" {
        return if what == "alarm" { room.alarm(&[], now) } else { room.flush(now) };
    }
    let (id, what) = match what.strip_prefix('#').and_then(|what| what.split_once(' ')) {
        Some((id, what)) => (Some(id), what),
        None => (None, what),
    };
    let (connection, user) = (say::connection(who), say::user(who));
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let text = match verb {
        "connects" => return room.connect(connection, false, now),
        "leaves" => return room.disconnect(connection, Some(now), now),
        "breaks" => return room.disconnect(connection, None, now),
        "pings" => {
            room.heard(&[(connection, now)]);
            return Turn::default();
        }
        "joins" if rest.is_empty() => say::join(user),
        "joins" => say::join_as(user, rest),
        "sets" => say::set(user, rest.split_once(' ').unwrap().0, rest.split_once(' ').unwrap().1),
        "clears" => say::clear(user, rest),
        "ready" => say::ready(user, rest == "true"),
        "syncs" => say::sync(),
        _ => what.to_owned(),
    };
    let text = id.map_or(text.clone(), |id| say::with_id(id, &text));
    let frame = Frame::decode(&text, &room.settings().limits);
    room.receive(connection, &text, frame, now)
}

fn tell(turn: &Turn, told: &mut String) {
    for write in &turn.commit {
        writeln!(told, "  write {}", short(&row(write))).unwrap();
    }
    for (_, attachment) in &turn.attach {
        let identity = match &attachment.identity {
            Identity::Unknown => "unknown".to_owned(),
            Identity::Bound(user) => format!("bound to {user}"),
            Identity::Joined(user) => format!("joined as {user}"),
        };
        writeln!(told, "  attach {}: {identity}, heard {}", name(attachment.connection), attachment.heard).unwrap();
    }
    for frame in &turn.outbox {
        let audience = match frame.audience {
            Audience::One(one) => name(one),
            Audience::Others(sender) => format!("all but {}", name(sender)),
            Audience::Everyone => "all".to_owned(),
        };
        writeln!(told, "  to {audience}: {}", short(&frame.text)).unwrap();
    }
    for closing in &turn.close {
        writeln!(told, "  close {}: {}", name(closing.connection), closing.code.number()).unwrap();
    }
    if let Some(at) = turn.alarm {
        writeln!(told, "  alarm at {}", time(at)).unwrap();
    }
    if let Some(Flush::At(at)) = turn.flush {
        writeln!(told, "  flush at {}", time(at)).unwrap();
    }
    if turn.erase {
        writeln!(told, "  erase").unwrap();
    }
}

fn row(write: &Write) -> String {
    match write {
        Write::Create => "tables".to_owned(),
        Write::Meta(meta) => format!("room {} floor {} touched {}", meta.epoch, meta.floor, time(meta.touched)),
        Write::Field(name, field) => {
            let value = field.selection.as_ref().map_or("cleared", |selection| selection.text());
            format!("field {name} v{} at {} by {}: {value}", field.version, field.updated_at, field.user_id)
        }
        Write::ForgetField(name) => format!("no field {name}"),
        Write::Participant(user, person) => format!(
            "participant {user} v{} {:?} ready {} joined {} seen {} {:?}",
            person.version, person.name, person.is_ready, person.joined_at, person.last_seen, person.profile
        ),
        Write::ForgetParticipant(user) => format!("no participant {user}"),
    }
}

fn name(connection: ConnectionId) -> String {
    say::name(connection)
}

/// Long stretches as days and the rest.
fn time(at: Millis) -> String {
    if at < DAY { at.to_string() } else { format!("{}d+{}", at / DAY, at % DAY) }
}

/// A text with its long runs of one character cut out.
fn short(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(first).len();
        let count = run / first.len_utf8();
        if count > 8 {
            write!(out, "{first}*{count}").unwrap()
        } else {
            out.push_str(&rest[..run])
        }
        rest = &rest[run..];
    }
    out
}

/// Lines that connect these and have them join.
fn here(names: &[&str]) -> String {
    names.iter().map(|name| format!("0 {name} connects\n0 {name} joins\n")).collect()
}

/// Lines of `count` connections that only watch.
fn crowd(count: usize) -> String {
    (0..count).map(|n| format!("0 w{n} connects\n")).collect()
}

#[test]
fn s6_a_change_is_written_in_the_turn_that_shows_it() {
    check(
        &here(&["ann", "bob"]),
        r#"5 ann #1 sets color "red""#,
        expect![[r#"
        5 ann #1 sets color "red"
          write field color v3 at 5 by ann: {"field":"color","value":"red","userId":"ann","timestamp":null,"version":3,"updatedAt":5}
          attach ann: joined as ann, heard 5
          to all but ann: {"type":"field_selected","selection":{"field":"color","value":"red","userId":"ann","timestamp":null,"version":3,"updatedAt":5},"version":3}
          to ann: {"type":"ack","id":"1","version":3}
    "#]],
    );
}

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
fn j1_joining_is_recorded_and_announced_with_the_members_of_the_message() {
    check(
        "0 ann connects\n0 bob connects",
        r#"5 ann {"type":"user_joined","id":7,"userId":"ann","userName":"Ann","color":"red","joinedAt":99,"token":"t"}"#,
        expect![[r#"
            5 ann {"type":"user_joined","id":7,"userId":"ann","userName":"Ann","color":"red","joinedAt":99,"token":"t"}
              write participant ann v1 "Ann" ready false joined 5 seen 5 {"color": Json(RawValue("red"))}
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"user_joined","userId":"ann","userName":"Ann","joinedAt":5,"color":"red"}
              to ann: {"type":"ack","id":7,"version":1}
        "#]],
    );
}

#[test]
fn j1_a_second_tab_and_a_second_joining_are_silent() {
    check(
        &format!("{}3 ann2 connects", here(&["ann", "bob"])),
        "5 ann2 #1 joins\n6 ann2 #2 joins\n7 ann #3 joins",
        expect![[r#"
            5 ann2 #1 joins
              attach ann2: joined as ann, heard 5
              to ann2: {"type":"ack","id":"1","version":2}
            6 ann2 #2 joins
              attach ann2: joined as ann, heard 6
              to ann2: {"type":"ack","id":"2","version":2}
            7 ann #3 joins
              attach ann: joined as ann, heard 7
              to ann: {"type":"ack","id":"3","version":2}
        "#]],
    );
}

#[test]
fn j1_a_new_name_is_announced_and_counted() {
    check(
        &here(&["ann", "bob"]),
        "5 ann #1 joins Annie",
        expect![[r#"
        5 ann #1 joins Annie
          write participant ann v3 "Annie" ready false joined 0 seen 0 {}
          attach ann: joined as ann, heard 5
          to all but ann: {"type":"user_joined","userId":"ann","userName":"Annie","joinedAt":0}
          to ann: {"type":"ack","id":"1","version":3}
    "#]],
    );
}

#[test]
fn j1_who_comes_back_is_announced_and_not_counted() {
    check(
        &format!("{}3 ann ready true\n5 ann leaves\n8 ann connects", here(&["ann", "bob"])),
        "9 ann #1 joins\n10 bob syncs",
        expect![[r#"
            9 ann #1 joins
              write participant ann v3 "ANN" ready true joined 0 seen 9 {}
              attach ann: joined as ann, heard 9
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":0}
              to ann: {"type":"ack","id":"1","version":3}
            10 bob syncs
              attach bob: joined as bob, heard 10
              to bob: {"type":"sync_response","version":3,"epoch":"epoch1","time":10,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":true,"online":true,"connections":1,"joinedAt":0,"lastSeen":9,"version":3},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":10,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn j2_a_connection_belongs_to_one_user() {
    check(
        &here(&["ann", "bob"]),
        r#"
        1 ann {"type":"user_joined","id":1,"userId":"bob","userName":"Bob"}
        2 ann {"type":"field_selected","id":2,"selection":{"field":"f","value":1,"userId":"bob"}}
        3 ann {"type":"field_cleared","id":3,"field":"f","userId":"bob"}
        4 ann {"type":"user_ready","id":4,"userId":"bob","isReady":true}
        5 ann {"type":"wave","id":5,"userId":"bob"}
        6 ann {"type":"wave","id":6,"selection":{"userId":"bob"}}
        "#,
        expect![[r#"
            1 ann {"type":"user_joined","id":1,"userId":"bob","userName":"Bob"}
              attach ann: joined as ann, heard 1
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":1}
            2 ann {"type":"field_selected","id":2,"selection":{"field":"f","value":1,"userId":"bob"}}
              attach ann: joined as ann, heard 2
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":2}
            3 ann {"type":"field_cleared","id":3,"field":"f","userId":"bob"}
              attach ann: joined as ann, heard 3
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":3}
            4 ann {"type":"user_ready","id":4,"userId":"bob","isReady":true}
              attach ann: joined as ann, heard 4
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":4}
            5 ann {"type":"wave","id":5,"userId":"bob"}
              attach ann: joined as ann, heard 5
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":5}
            6 ann {"type":"wave","id":6,"selection":{"userId":"bob"}}
              attach ann: joined as ann, heard 6
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":6}
        "#]],
    );
}

#[test]
fn j3_a_first_write_binds_the_connection_and_records_nobody() {
    check(
        "0 ann connects\n0 bob connects",
        r#"
        1 ann sets f 1
        2 ann {"type":"field_cleared","id":2,"field":"f","userId":"bob"}
        3 ann syncs
        4 ann joins
        5 ann leaves
        6 bob clears g
        7 bob {"type":"user_joined","id":7,"userId":"eve","userName":"Eve"}
        "#,
        expect![[r#"
            1 ann sets f 1
              write field f v1 at 1 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":1,"updatedAt":1}
              attach ann: bound to ann, heard 1
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":1,"updatedAt":1},"version":1}
            2 ann {"type":"field_cleared","id":2,"field":"f","userId":"bob"}
              attach ann: bound to ann, heard 2
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":2}
            3 ann syncs
              attach ann: bound to ann, heard 3
              to ann: {"type":"sync_response","version":1,"epoch":"epoch1","time":3,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":1,"updatedAt":1}},"participants":[],"presence":[],"requests":[],"permissions":[]}
            4 ann joins
              write participant ann v2 "ANN" ready false joined 4 seen 4 {}
              attach ann: joined as ann, heard 4
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":4}
            5 ann leaves
              write participant ann v2 "ANN" ready false joined 4 seen 5 {}
              to all but ann: {"type":"user_left","userId":"ann","lastSeen":5}
              alarm at 30d+5
            6 bob clears g
              attach bob: bound to bob, heard 6
            7 bob {"type":"user_joined","id":7,"userId":"eve","userName":"Eve"}
              attach bob: bound to bob, heard 7
              to bob: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":7}
        "#]],
    );
}

#[test]
fn j3_ready_before_joined_is_refused() {
    check(
        "0 ann connects\n0 bob connects",
        "1 ann #1 ready true\n2 ann #2 joins\n3 ann #3 ready true",
        expect![[r#"
        1 ann #1 ready true
          attach ann: unknown, heard 1
          to ann: {"type":"error","code":"not_joined","message":"Send `user_joined` before `user_ready`.","id":"1"}
        2 ann #2 joins
          write participant ann v1 "ANN" ready false joined 2 seen 2 {}
          attach ann: joined as ann, heard 2
          to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":2}
          to ann: {"type":"ack","id":"2","version":1}
        3 ann #3 ready true
          write participant ann v2 "ANN" ready true joined 2 seen 2 {}
          attach ann: joined as ann, heard 3
          to all but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":2}
          to ann: {"type":"ack","id":"3","version":2}
    "#]],
    );
}

#[test]
fn j3_a_known_user_may_be_ready_before_joining_again_and_is_bound_by_it() {
    check(
        &format!("{}5 ann leaves\n6 ann connects", here(&["ann", "bob"])),
        r#"
        7 ann #1 ready true
        8 ann {"type":"user_joined","id":2,"userId":"bob","userName":"Bob"}
        "#,
        expect![[r#"
            7 ann #1 ready true
              write participant ann v3 "ANN" ready true joined 0 seen 5 {}
              attach ann: bound to ann, heard 7
              to all but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":3}
              to ann: {"type":"ack","id":"1","version":3}
            8 ann {"type":"user_joined","id":2,"userId":"bob","userName":"Bob"}
              attach ann: bound to ann, heard 8
              to ann: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a connection for each user.","id":2}
        "#]],
    );
}

#[test]
fn j4_the_last_connection_of_a_participant_tells_the_others() {
    check(
        &format!("{}0 ann2 connects\n0 ann2 joins\n0 dan connects", here(&["ann", "bob"])),
        "5 ann leaves\n6 ann2 breaks\n7 dan leaves\n8 bob leaves",
        expect![[r#"
            5 ann leaves
              write participant ann v1 "ANN" ready false joined 0 seen 5 {}
            6 ann2 breaks
              write participant ann v1 "ANN" ready false joined 0 seen 5 {}
              to all but ann2: {"type":"user_left","userId":"ann","lastSeen":5}
            7 dan leaves
              alarm at 30d+7
            8 bob leaves
              write participant bob v2 "BOB" ready false joined 0 seen 8 {}
              to all but bob: {"type":"user_left","userId":"bob","lastSeen":8}
        "#]],
    );
}

#[test]
fn j5_participants_stay_on_record() {
    check(
        &format!("{}3 ann ready true\n5 ann leaves\n6 bob2 connects\n7 bob2 joins", here(&["ann", "bob"])),
        "9 bob syncs",
        expect![[r#"
            9 bob syncs
              attach bob: joined as bob, heard 9
              to bob: {"type":"sync_response","version":3,"epoch":"epoch1","time":9,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":true,"online":false,"connections":0,"joinedAt":0,"lastSeen":5,"version":3},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":2,"joinedAt":0,"lastSeen":9,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn j6_joined_at_is_the_first_joining_and_last_seen_the_last_sign() {
    check(
        &format!("{}20 ann breaks\n30 ann connects\n31 ann joins\n40 ann pings\n", here(&["ann", "bob"])),
        "50 bob syncs\n60 ann breaks\n70 bob syncs",
        expect![[r#"
            50 bob syncs
              attach bob: joined as bob, heard 50
              to bob: {"type":"sync_response","version":2,"epoch":"epoch1","time":50,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":40,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":50,"version":2}],"presence":[],"requests":[],"permissions":[]}
            60 ann breaks
              write participant ann v1 "ANN" ready false joined 0 seen 40 {}
              to all but ann: {"type":"user_left","userId":"ann","lastSeen":40}
              alarm at 30d+60
            70 bob syncs
              attach bob: joined as bob, heard 70
              to bob: {"type":"sync_response","version":2,"epoch":"epoch1","time":70,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":40,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":70,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn j7_ready_is_stored_and_sent_to_others_when_it_is_news() {
    check(
        &here(&["ann", "bob"]),
        "1 ann #1 ready false\n2 ann #2 ready true\n3 ann #3 ready true",
        expect![[r#"
        1 ann #1 ready false
          attach ann: joined as ann, heard 1
          to ann: {"type":"ack","id":"1","version":2}
        2 ann #2 ready true
          write participant ann v3 "ANN" ready true joined 0 seen 0 {}
          attach ann: joined as ann, heard 2
          to all but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":3}
          to ann: {"type":"ack","id":"2","version":3}
        3 ann #3 ready true
          attach ann: joined as ann, heard 3
          to ann: {"type":"ack","id":"3","version":3}
    "#]],
    );
}

#[test]
fn j8_only_connections_that_pinged_before_are_closed_for_silence() {
    check(
        &format!("{}10 ann pings", here(&["ann", "bob", "cid"])),
        "150009 * alarm\n150010 * alarm\n150011 ann syncs\n300010 * alarm",
        expect![[r#"
            150009 * alarm
              alarm at 150010
            150010 * alarm
              write participant ann v1 "ANN" ready false joined 0 seen 10 {}
              to all but ann: {"type":"user_left","userId":"ann","lastSeen":10}
              close ann: 4408
              alarm at 300010
            150011 ann syncs
            300010 * alarm
              alarm at 450010
        "#]],
    );
}

#[test]
fn j8_a_message_is_a_sign_of_life_too() {
    check(
        &format!("{}10 ann pings\n100 ann syncs", here(&["ann", "bob"])),
        "150000 * alarm\n150099 * alarm\n150100 * alarm",
        expect![[r#"
            150000 * alarm
              alarm at 150100
            150099 * alarm
              alarm at 150100
            150100 * alarm
              write participant ann v1 "ANN" ready false joined 0 seen 100 {}
              to all but ann: {"type":"user_left","userId":"ann","lastSeen":100}
              close ann: 4408
              alarm at 30d+150100
        "#]],
    );
}

#[test]
fn j8_a_room_with_fewer_than_two_connections_looks_for_no_silence() {
    check(
        &format!("{}10 ann pings", here(&["ann", "bob"])),
        "20 bob leaves\n999999 * alarm\n1000000 bob connects",
        expect![[r#"
            20 bob leaves
              write participant bob v2 "BOB" ready false joined 0 seen 20 {}
              to all but bob: {"type":"user_left","userId":"bob","lastSeen":20}
              alarm at 30d+20
            999999 * alarm
              alarm at 30d+999999
            1000000 bob connects
              attach bob: unknown, heard 1000000
              alarm at 1150000
        "#]],
    );
}

#[test]
fn f7_a_connection_that_the_room_does_not_know_is_not_heard() {
    check(
        &format!("{}10 ann pings\n150010 * alarm", here(&["ann", "bob"])),
        "150011 ann #1 sets f 1\n150012 ann nonsense\n150013 eve syncs",
        expect![[r#"
            150011 ann #1 sets f 1
            150012 ann nonsense
            150013 eve syncs
        "#]],
    );
}

#[test]
fn s1_what_changes_nothing_is_acked_and_not_counted() {
    check(
        &here(&["ann", "bob"]),
        "1 ann #1 clears f\n2 ann #2 sets f 1\n3 ann #3 clears f\n4 ann #4 clears f\n5 ann #5 joins\n6 ann #6 sets f 1\n7 ann #7 sets f 1",
        expect![[r#"
            1 ann #1 clears f
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 sets f 1
              write field f v3 at 2 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2}
              attach ann: joined as ann, heard 2
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2},"version":3}
              to ann: {"type":"ack","id":"2","version":3}
            3 ann #3 clears f
              write field f v4 at 3 by ann: cleared
              attach ann: joined as ann, heard 3
              to all but ann: {"type":"field_cleared","field":"f","userId":"ann","version":4}
              to ann: {"type":"ack","id":"3","version":4}
            4 ann #4 clears f
              attach ann: joined as ann, heard 4
              to ann: {"type":"ack","id":"4","version":4}
            5 ann #5 joins
              attach ann: joined as ann, heard 5
              to ann: {"type":"ack","id":"5","version":4}
            6 ann #6 sets f 1
              write field f v5 at 6 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":6}
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":6},"version":5}
              to ann: {"type":"ack","id":"6","version":5}
            7 ann #7 sets f 1
              write field f v6 at 7 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":7}
              attach ann: joined as ann, heard 7
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":7},"version":6}
              to ann: {"type":"ack","id":"7","version":6}
        "#]],
    );
}

#[test]
fn s2_the_room_adds_its_own_members_and_keeps_those_it_does_not_know() {
    check(
        &here(&["ann", "bob"]),
        r#"
        5 ann {"type":"field_selected","seq":3,"selection":{"zeta":[1, 2],"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":900,"updatedAt":900,"__proto__":{}}}
        6 bob {"type":"field_selected","selection":{"field":"f","value":null,"userId":"bob","timestamp":null}}
        "#,
        expect![[r#"
            5 ann {"type":"field_selected","seq":3,"selection":{"zeta":[1, 2],"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":900,"updatedAt":900,"__proto__":{}}}
              write field f v3 at 5 by ann: {"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":3,"updatedAt":5,"__proto__":{},"zeta":[1, 2]}
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":3,"updatedAt":5,"__proto__":{},"zeta":[1, 2]},"version":3}
            6 bob {"type":"field_selected","selection":{"field":"f","value":null,"userId":"bob","timestamp":null}}
              write field f v4 at 6 by bob: {"field":"f","value":null,"userId":"bob","timestamp":null,"version":4,"updatedAt":6}
              attach bob: joined as bob, heard 6
              to all but bob: {"type":"field_selected","selection":{"field":"f","value":null,"userId":"bob","timestamp":null,"version":4,"updatedAt":6},"version":4}
        "#]],
    );
}

#[test]
fn s2_updated_at_never_decreases_when_the_clock_goes_back() {
    check(
        &format!("{}1000 ann sets f 1\n900 bob sets f 2\n900 bob syncs", here(&["ann", "bob"])),
        "900 ann syncs",
        expect![[r#"
            900 ann syncs
              attach ann: joined as ann, heard 1000
              to ann: {"type":"sync_response","version":4,"epoch":"epoch1","time":1000,"selections":{"f":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":1000}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1000,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1000,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn s3_the_order_of_arrival_decides() {
    check(
        &here(&["ann", "bob"]),
        r#"
        5 ann {"type":"field_selected","selection":{"field":"f","value":"late","userId":"ann","timestamp":9e15}}
        6 bob {"type":"field_selected","selection":{"field":"f","value":"early","userId":"bob","timestamp":0}}
        7 ann syncs
        "#,
        expect![[r#"
            5 ann {"type":"field_selected","selection":{"field":"f","value":"late","userId":"ann","timestamp":9e15}}
              write field f v3 at 5 by ann: {"field":"f","value":"late","userId":"ann","timestamp":9e15,"version":3,"updatedAt":5}
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":"late","userId":"ann","timestamp":9e15,"version":3,"updatedAt":5},"version":3}
            6 bob {"type":"field_selected","selection":{"field":"f","value":"early","userId":"bob","timestamp":0}}
              write field f v4 at 6 by bob: {"field":"f","value":"early","userId":"bob","timestamp":0,"version":4,"updatedAt":6}
              attach bob: joined as bob, heard 6
              to all but bob: {"type":"field_selected","selection":{"field":"f","value":"early","userId":"bob","timestamp":0,"version":4,"updatedAt":6},"version":4}
            7 ann syncs
              attach ann: joined as ann, heard 7
              to ann: {"type":"sync_response","version":4,"epoch":"epoch1","time":7,"selections":{"f":{"field":"f","value":"early","userId":"bob","timestamp":0,"version":4,"updatedAt":6}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":7,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn s5_clearing_leaves_a_tombstone() {
    check(
        &format!("{}1 ann sets f 1", here(&["ann", "bob"])),
        "5 bob #1 clears f\n6 bob syncs",
        expect![[r#"
        5 bob #1 clears f
          write field f v4 at 5 by bob: cleared
          attach bob: joined as bob, heard 5
          to all but bob: {"type":"field_cleared","field":"f","userId":"bob","version":4}
          to bob: {"type":"ack","id":"1","version":4}
        6 bob syncs
          attach bob: joined as bob, heard 6
          to bob: {"type":"sync_response","version":4,"epoch":"epoch1","time":6,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":2}],"presence":[],"requests":[],"permissions":[]}
    "#]],
    );
}

#[test]
fn s8_others_get_every_change_with_its_version_and_the_author_none() {
    check(
        &here(&["ann", "bob"]),
        "1 ann sets f 1\n2 ann sets f 2\n3 ann clears f\n4 ann ready true",
        expect![[r#"
        1 ann sets f 1
          write field f v3 at 1 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}
          attach ann: joined as ann, heard 1
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"version":3}
        2 ann sets f 2
          write field f v4 at 2 by ann: {"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2}
          attach ann: joined as ann, heard 2
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2},"version":4}
        3 ann clears f
          write field f v5 at 3 by ann: cleared
          attach ann: joined as ann, heard 3
          to all but ann: {"type":"field_cleared","field":"f","userId":"ann","version":5}
        4 ann ready true
          write participant ann v6 "ANN" ready true joined 0 seen 0 {}
          attach ann: joined as ann, heard 4
          to all but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":6}
    "#]],
    );
}

#[test]
fn f6_a_crowded_room_gathers_changes_and_keeps_their_order() {
    let crowd = crowd(98);
    check(
        &format!("{}{crowd}100 ann sets f 0", here(&["ann", "bob"])),
        "101 ann #1 sets f 1\n110 bob #2 sets f 2\n111 ann #3 sets g 3\n112 bob nonsense\n116 * flush",
        expect![[r#"
            101 ann #1 sets f 1
              flush at 116
            110 bob #2 sets f 2
              flush at 116
            111 ann #3 sets g 3
              flush at 116
            112 bob nonsense
              flush at 116
            116 * flush
              write field f v5 at 110 by bob: {"field":"f","value":2,"userId":"bob","timestamp":null,"version":5,"updatedAt":110}
              write field g v6 at 111 by ann: {"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":111}
              attach ann: joined as ann, heard 111
              attach bob: joined as bob, heard 112
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
              to ann: {"type":"ack","id":"1","version":4}
              to all but bob: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":5,"updatedAt":110},"version":5}
              to bob: {"type":"ack","id":"2","version":5}
              to all but ann: {"type":"field_selected","selection":{"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":111},"version":6}
              to ann: {"type":"ack","id":"3","version":6}
              to bob: {"type":"error","code":"bad_message","message":"The frame is no JSON object: expected ident at line 1 column 2."}
        "#]],
    );
}

#[test]
fn f6_a_read_and_a_relay_take_what_waits_along() {
    let setup = format!("{}{}100 ann sets f 0", here(&["ann", "bob"]), crowd(98));
    check(
        &setup,
        "101 ann #1 sets f 1\n102 bob syncs",
        expect![[r#"
        101 ann #1 sets f 1
          flush at 116
        102 bob syncs
          write field f v4 at 101 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101}
          attach ann: joined as ann, heard 101
          attach bob: joined as bob, heard 102
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
          to ann: {"type":"ack","id":"1","version":4}
          to bob: {"type":"sync_response","version":4,"epoch":"epoch1","time":102,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":101,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":102,"version":2}],"presence":[],"requests":[],"permissions":[]}
    "#]],
    );
    check(
        &setup,
        "101 ann #1 sets f 1\n102 ann {\"type\":\"wave\"}",
        expect![[r#"
        101 ann #1 sets f 1
          flush at 116
        102 ann {"type":"wave"}
          write field f v4 at 101 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101}
          attach ann: joined as ann, heard 102
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
          to ann: {"type":"ack","id":"1","version":4}
          to all but ann: {"type":"wave"}
    "#]],
    );
    check(
        &setup,
        "101 ann #1 sets f 1\n102 ann breaks",
        expect![[r#"
            101 ann #1 sets f 1
              flush at 116
            102 ann breaks
              write field f v4 at 101 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101}
              write participant ann v1 "ANN" ready false joined 0 seen 101 {}
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
              to ann: {"type":"ack","id":"1","version":4}
              to all but ann: {"type":"user_left","userId":"ann","lastSeen":101}
        "#]],
    );
    check(
        &setup,
        "101 ann #1 sets f 1\n102 eve connects",
        expect![[r#"
        101 ann #1 sets f 1
          flush at 116
        102 eve connects
          write field f v4 at 101 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101}
          attach ann: joined as ann, heard 101
          attach eve: unknown, heard 102
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
          to ann: {"type":"ack","id":"1","version":4}
    "#]],
    );
}

#[test]
fn f6_and_y8_a_quiet_or_small_room_does_not_wait() {
    check(
        &format!("{}{}", here(&["ann", "bob"]), crowd(98)),
        "16 ann sets f 1",
        expect![[r#"
        16 ann sets f 1
          write field f v3 at 16 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":16}
          attach ann: joined as ann, heard 16
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":16},"version":3}
    "#]],
    );
    check(
        &format!("{}{}", here(&["ann", "bob"]), crowd(4)),
        "0 ann sets f 1",
        expect![[r#"
        0 ann sets f 1
          write field f v3 at 0 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":0}
          attach ann: joined as ann, heard 0
          to all but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":0},"version":3}
    "#]],
    );
    check(
        &format!("{}{}", here(&["ann", "bob"]), crowd(498)),
        "9 ann sets f 1\n10 ann sets f 1",
        expect![[r#"
        9 ann sets f 1
          flush at 80
        10 ann sets f 1
          flush at 80
    "#]],
    );
}

#[test]
fn p2_another_type_is_passed_on_as_it_came() {
    check(
        &here(&["ann", "bob"]),
        r#"
        5 ann {"type":"wave",  "n": 1.0, "id":"w1", "userId":"ann"}
        6 ann {"type":"wave","id":{"not":"ours"},"userId":17}
        "#,
        expect![[r#"
            5 ann {"type":"wave",  "n": 1.0, "id":"w1", "userId":"ann"}
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"wave",  "n": 1.0, "id":"w1", "userId":"ann"}
              to ann: {"type":"ack","id":"w1","version":2}
            6 ann {"type":"wave","id":{"not":"ours"},"userId":17}
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"wave","id":{"not":"ours"},"userId":17}
        "#]],
    );
}

#[test]
fn y1_and_y2_a_sync_request_is_answered_to_its_sender_alone() {
    check(
        &format!("{}1 ann sets f 1\n2 ann sets g 2\n3 ann clears g", here(&["ann", "bob"])),
        "5 bob #1 syncs\n6 bob {\"type\":\"sync_request\",\"since\":3,\"epoch\":\"epoch1\"}",
        expect![[r#"
            5 bob #1 syncs
              attach bob: joined as bob, heard 5
              to bob: {"type":"sync_response","version":5,"epoch":"epoch1","time":5,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":2}],"presence":[],"requests":[],"permissions":[]}
              to bob: {"type":"ack","id":"1","version":5}
            6 bob {"type":"sync_request","since":3,"epoch":"epoch1"}
              attach bob: joined as bob, heard 6
              to bob: {"type":"changes","from":3,"to":5,"epoch":"epoch1","changes":[{"kind":"field","version":5,"field":"g","selection":null,"userId":"ann","updatedAt":3}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":2}],"presence":[]}
        "#]],
    );
}

#[test]
fn f3_each_id_gets_one_answer_and_without_an_id_only_failures_do() {
    check(
        &here(&["ann", "bob"]),
        r#"
        1 ann {"type":"user_ready","userId":"ann","isReady":true,"id":-9007199254740991}
        2 ann {"type":"user_ready","userId":"ann","isReady":1,"id":"x"}
        3 ann {"type":"user_ready","userId":"ann","isReady":false}
        4 ann {"type":"user_ready","userId":"ann","isReady":1}
        "#,
        expect![[r#"
            1 ann {"type":"user_ready","userId":"ann","isReady":true,"id":-9007199254740991}
              write participant ann v3 "ANN" ready true joined 0 seen 0 {}
              attach ann: joined as ann, heard 1
              to all but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":3}
              to ann: {"type":"ack","id":-9007199254740991,"version":3}
            2 ann {"type":"user_ready","userId":"ann","isReady":1,"id":"x"}
              attach ann: joined as ann, heard 2
              to ann: {"type":"error","code":"bad_message","message":"`isReady` of the message must be true or false.","id":"x"}
            3 ann {"type":"user_ready","userId":"ann","isReady":false}
              write participant ann v4 "ANN" ready false joined 0 seen 0 {}
              attach ann: joined as ann, heard 3
              to all but ann: {"type":"user_ready","userId":"ann","isReady":false,"version":4}
            4 ann {"type":"user_ready","userId":"ann","isReady":1}
              attach ann: joined as ann, heard 4
              to ann: {"type":"error","code":"bad_message","message":"`isReady` of the message must be true or false."}
        "#]],
    );
}

#[test]
fn u8_the_state_carries_the_epoch_of_the_rooms_life() {
    check(
        "0 ann connects",
        "1 ann syncs",
        expect![[r#"
        1 ann syncs
          attach ann: unknown, heard 1
          to ann: {"type":"sync_response","version":0,"epoch":"epoch1","time":1,"selections":{},"participants":[],"presence":[],"requests":[],"permissions":[]}
    "#]],
    );
}

#[test]
fn u8_a_client_that_knows_another_life_is_told_to_drop_what_it_has() {
    for (members, is_reset) in [
        (r#""epoch":"epoch1""#, false),
        (r#""epoch":"epoch0""#, true),
        (r#""since":0"#, false),
        (r#""since":0,"epoch":"epoch1""#, false),
        (r#""since":0,"epoch":"epoch0""#, true),
    ] {
        let mut room = Room::restore(settings(), None, "epoch1".to_owned(), Vec::new(), 0);
        let mut told = String::new();
        run(&mut room, &format!("0 ann connects\n1 ann {{\"type\":\"sync_request\",{members}}}"), &mut told);
        assert_eq!(told.contains(r#""reset":true"#), is_reset, "{members}");
    }
}

#[test]
fn y3_and_y5_who_has_a_version_gets_just_what_changed_since() {
    check(
        &format!(
            "{}0 ann sets f 1\n1 ann sets g 1\n2 bob ready true\n3 bob clears f\n4 ann sets g 2",
            here(&["ann", "bob"])
        ),
        r#"5 bob {"type":"sync_request","since":4,"epoch":"epoch1"}
        6 bob {"type":"sync_request","since":7,"id":1}"#,
        expect![[r#"
            5 bob {"type":"sync_request","since":4,"epoch":"epoch1"}
              attach bob: joined as bob, heard 5
              to bob: {"type":"changes","from":4,"to":7,"epoch":"epoch1","changes":[{"kind":"participant","version":5,"participant":{"id":"bob","name":"BOB","isReady":true,"joinedAt":0}},{"kind":"field","version":6,"field":"f","selection":null,"userId":"bob","updatedAt":3},{"kind":"field","version":7,"field":"g","selection":{"field":"g","value":2,"userId":"ann","timestamp":null,"version":7,"updatedAt":4},"userId":"ann","updatedAt":4}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":4,"version":1},{"id":"bob","name":"BOB","isReady":true,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":5}],"presence":[]}
            6 bob {"type":"sync_request","since":7,"id":1}
              attach bob: joined as bob, heard 6
              to bob: {"type":"changes","from":7,"to":7,"epoch":"epoch1","changes":[],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":4,"version":1},{"id":"bob","name":"BOB","isReady":true,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":5}],"presence":[]}
              to bob: {"type":"ack","id":1,"version":7}
        "#]],
    );
}

#[test]
fn y3_what_is_not_known_any_more_is_answered_in_full() {
    let setup = limited(|limits| limits.tombstones = 1);
    let mut room = Room::restore(setup, None, "epoch1".to_owned(), Vec::new(), 0);
    let script = format!("{}1 ann sets f 1\n1 ann sets g 1\n1 ann clears f\n1 ann clears g", here(&["ann"]));
    run(&mut room, &script, &mut String::new());
    // Version 4 cleared `f`, whose tombstone gave way to that of `g` at version 5.
    for (since, is_reset) in [(0, true), (3, true), (4, false), (5, false), (6, true)] {
        let mut told = String::new();
        run(&mut room, &format!("2 ann {{\"type\":\"sync_request\",\"since\":{since}}}"), &mut told);
        assert_eq!(
            (told.contains(r#""reset":true"#), told.contains(r#""type":"changes""#)),
            (is_reset, !is_reset),
            "{since}"
        );
    }
}

#[test]
fn h2_a_reader_gets_what_changed_since_a_version_or_a_time() {
    let mut room = Room::restore(limited(|limits| limits.tombstones = 1), None, "epoch1".to_owned(), Vec::new(), 0);
    run(&mut room, &format!("{}10 ann sets f 1\n20 ann sets g 1\n30 ann clears f", here(&["ann"])), &mut String::new());
    let page = |room: &Room, since: Since| {
        let page = serde_json::from_str::<serde_json::Value>(&room.changes_page(&since, 40)).unwrap();
        let versions =
            page["changes"].as_array().map(|all| all.iter().map(|c| c["version"].as_u64().unwrap()).collect());
        versions.unwrap_or_else(|| vec![u64::from(page["reset"] == true) + 100])
    };
    let version = |version| Since::Version(version, None);
    assert_eq!(page(&room, version(0)), [1, 3, 4]);
    assert_eq!(page(&room, version(3)), [4]);
    assert_eq!(page(&room, version(4)), [0; 0]);
    assert_eq!(page(&room, version(5)), [101]);
    assert_eq!(page(&room, Since::Version(3, Some("epoch1".to_owned()))), [4]);
    assert_eq!(page(&room, Since::Version(3, Some("epoch0".to_owned()))), [101]);
    for (time, expected) in [(-5, vec![1, 3, 4]), (20, vec![1, 3, 4]), (21, vec![4]), (30, vec![4]), (31, vec![])] {
        assert_eq!(page(&room, Since::Time(time)), expected, "{time}");
    }
    // The tombstone of `f` is forgotten for that of `g`: from before version 4 there is no telling any more.
    run(&mut room, "40 ann clears g", &mut String::new());
    assert_eq!((page(&room, Since::Time(30)), page(&room, Since::Time(41))), (vec![101], vec![]));
    expect![[r#"{"from":4,"to":5,"version":5,"epoch":"epoch1","changes":[{"kind":"field","version":5,"field":"g","selection":null,"userId":"ann","updatedAt":40}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":40,"version":1}],"time":50}"#]].assert_eq(&room.changes_page(&version(4), 50));
}

#[test]
fn s4_a_write_that_names_another_version_than_the_fields_is_a_conflict() {
    check(
        &format!("{}0 ann sets f 1", here(&["ann", "bob"])),
        r#"1 bob {"type":"field_selected","baseVersion":2,"selection":{"field":"f","value":2,"userId":"bob"},"id":1}
        2 bob {"type":"field_selected","baseVersion":3,"selection":{"field":"f","value":2,"userId":"bob"},"id":2}
        3 ann {"type":"field_cleared","baseVersion":3,"field":"f","userId":"ann"}
        4 ann {"type":"field_cleared","baseVersion":4,"field":"f","userId":"ann","id":4}
        5 bob {"type":"field_selected","baseVersion":4,"selection":{"field":"f","value":3,"userId":"bob"},"id":5}
        6 bob {"type":"field_selected","baseVersion":1,"selection":{"field":"g","value":3,"userId":"bob"},"id":6}
        7 bob {"type":"field_selected","baseVersion":0,"selection":{"field":"g","value":3,"userId":"bob"},"id":7}"#,
        expect![[r#"
            1 bob {"type":"field_selected","baseVersion":2,"selection":{"field":"f","value":2,"userId":"bob"},"id":1}
              attach bob: joined as bob, heard 1
              to bob: {"type":"conflict","id":1,"code":"E_CONFLICT","field":"f","clientVersion":2,"serverVersion":3,"current":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":0}}
            2 bob {"type":"field_selected","baseVersion":3,"selection":{"field":"f","value":2,"userId":"bob"},"id":2}
              write field f v4 at 2 by bob: {"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2}
              attach bob: joined as bob, heard 2
              to all but bob: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2},"version":4}
              to bob: {"type":"ack","id":2,"version":4}
            3 ann {"type":"field_cleared","baseVersion":3,"field":"f","userId":"ann"}
              attach ann: joined as ann, heard 3
              to ann: {"type":"conflict","code":"E_CONFLICT","field":"f","clientVersion":3,"serverVersion":4,"current":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2}}
            4 ann {"type":"field_cleared","baseVersion":4,"field":"f","userId":"ann","id":4}
              write field f v5 at 4 by ann: cleared
              attach ann: joined as ann, heard 4
              to all but ann: {"type":"field_cleared","field":"f","userId":"ann","version":5}
              to ann: {"type":"ack","id":4,"version":5}
            5 bob {"type":"field_selected","baseVersion":4,"selection":{"field":"f","value":3,"userId":"bob"},"id":5}
              attach bob: joined as bob, heard 5
              to bob: {"type":"conflict","id":5,"code":"E_CONFLICT","field":"f","clientVersion":4,"serverVersion":5,"current":null}
            6 bob {"type":"field_selected","baseVersion":1,"selection":{"field":"g","value":3,"userId":"bob"},"id":6}
              attach bob: joined as bob, heard 6
              to bob: {"type":"conflict","id":6,"code":"E_CONFLICT","field":"g","clientVersion":1,"serverVersion":0,"current":null}
            7 bob {"type":"field_selected","baseVersion":0,"selection":{"field":"g","value":3,"userId":"bob"},"id":7}
              write field g v6 at 7 by bob: {"field":"g","value":3,"userId":"bob","timestamp":null,"version":6,"updatedAt":7}
              attach bob: joined as bob, heard 7
              to all but bob: {"type":"field_selected","selection":{"field":"g","value":3,"userId":"bob","timestamp":null,"version":6,"updatedAt":7},"version":6}
              to bob: {"type":"ack","id":7,"version":6}
        "#]],
    );
}

#[test]
fn h1_the_state_is_the_body_of_a_sync_response() {
    let mut room = Room::restore(settings(), None, "epoch1".to_owned(), Vec::new(), 0);
    run(&mut room, &format!("{}5 ann sets f 1", here(&["ann"])), &mut String::new());
    expect![[r#"{"type":"sync_response","version":2,"epoch":"epoch1","time":9,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":2,"updatedAt":5}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":1}],"presence":[],"requests":[],"permissions":[]}"#]].assert_eq(&room.state(false, 9));
}

#[test]
fn x1_the_limits_are_those_of_the_protocol() {
    expect![[r#"
        Limits {
            message_bytes: 65536,
            value_bytes: 32768,
            name_bytes: 128,
            user_name_bytes: 256,
            fields: 1000,
            participants: 1000,
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
              attach ann: joined as ann, heard 1
              to all but ann: {"type":"field_selected","selection":{"field":"x*128","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"version":3}
              to ann: {"type":"ack","id":"1","version":3}
            2 ann #2 sets x*129 1
              attach ann: joined as ann, heard 2
              to ann: {"type":"error","code":"limit_name","message":"`field` has 129 bytes; this room takes 128.","id":"2"}
            3 ann #3 sets ä*65 1
              attach ann: joined as ann, heard 3
              to ann: {"type":"error","code":"limit_name","message":"`field` has 130 bytes; this room takes 128.","id":"3"}
            4 ann #4 sets f "x*32766"
              write field f v4 at 4 by ann: {"field":"f","value":"x*32766","userId":"ann","timestamp":null,"version":4,"updatedAt":4}
              attach ann: joined as ann, heard 4
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":"x*32766","userId":"ann","timestamp":null,"version":4,"updatedAt":4},"version":4}
              to ann: {"type":"ack","id":"4","version":4}
            5 ann #5 sets f "x*32767"
              attach ann: joined as ann, heard 5
              to ann: {"type":"error","code":"limit_value","message":"The value and what stands beside it have 32769 bytes; this room takes 32768.","id":"5"}
            6 ann #6 joins x*256
              write participant ann v5 "x*256" ready false joined 0 seen 0 {}
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"user_joined","userId":"ann","userName":"x*256","joinedAt":0}
              to ann: {"type":"ack","id":"6","version":5}
            7 ann #7 joins x*257
              attach ann: joined as ann, heard 7
              to ann: {"type":"error","code":"limit_name","message":"`userName` has 257 bytes; this room takes 256.","id":"7"}
            8 ann {"type":"wave","x":"x*65514"}
              attach ann: joined as ann, heard 8
              to all but ann: {"type":"wave","x":"x*65514"}
            9 ann {"type":"wave","x":"x*65515"}
              attach ann: joined as ann, heard 9
              to ann: {"type":"error","code":"limit_message","message":"The message has 65537 bytes; this room takes 65536."}
            10 ann {"id":10,"type":"wave","x":"x*65536"}
              attach ann: joined as ann, heard 10
              to ann: {"type":"error","code":"limit_message","message":"The message has 65566 bytes; this room takes 65536.","id":10}
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
              attach ann: joined as ann, heard 1
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":"12345","userId":"ann","timestamp":null,"version":2,"updatedAt":1,"a":10},"version":2}
              to ann: {"type":"ack","id":1,"version":2}
            2 ann {"type":"field_selected","id":2,"selection":{"field":"f","value":"12345","userId":"ann","a":100}}
              attach ann: joined as ann, heard 2
              to ann: {"type":"error","code":"limit_value","message":"The value and what stands beside it have 11 bytes; this room takes 10.","id":2}
            3 ann {"type":"user_joined","id":3,"userId":"ann","userName":"Ann","color":"red"}
              write participant ann v3 "Ann" ready false joined 0 seen 0 {"color": Json(RawValue("red"))}
              attach ann: joined as ann, heard 3
              to all but ann: {"type":"user_joined","userId":"ann","userName":"Ann","joinedAt":0,"color":"red"}
              to ann: {"type":"ack","id":3,"version":3}
            4 ann {"type":"user_joined","id":4,"userId":"ann","userName":"Ann","color":"pink"}
              attach ann: joined as ann, heard 4
              to ann: {"type":"error","code":"limit_value","message":"The value and what stands beside it have 11 bytes; this room takes 10.","id":4}
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
              attach ann: joined as ann, heard 1
              to all but ann: {"type":"field_selected","selection":{"field":"a","value":1,"userId":"ann","timestamp":null,"version":2,"updatedAt":1},"version":2}
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 sets b 1
              write field b v3 at 2 by ann: {"field":"b","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2}
              attach ann: joined as ann, heard 2
              to all but ann: {"type":"field_selected","selection":{"field":"b","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2},"version":3}
              to ann: {"type":"ack","id":"2","version":3}
            3 ann #3 sets c 1
              attach ann: joined as ann, heard 3
              to ann: {"type":"error","code":"limit_fields","message":"The room has 2 fields, all it takes. Clear one first.","id":"3"}
            4 ann #4 sets a 2
              write field a v4 at 4 by ann: {"field":"a","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":4}
              attach ann: joined as ann, heard 4
              to all but ann: {"type":"field_selected","selection":{"field":"a","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":4},"version":4}
              to ann: {"type":"ack","id":"4","version":4}
            5 ann #5 clears a
              write field a v5 at 5 by ann: cleared
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"field_cleared","field":"a","userId":"ann","version":5}
              to ann: {"type":"ack","id":"5","version":5}
            6 ann #6 sets c 1
              write field c v6 at 6 by ann: {"field":"c","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":6}
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"field_selected","selection":{"field":"c","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":6},"version":6}
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
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"field_cleared","field":"c","userId":"ann","version":7}
            6 ann sets b 1
              write field b v8 at 6 by ann: {"field":"b","value":1,"userId":"ann","timestamp":null,"version":8,"updatedAt":6}
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"field_selected","selection":{"field":"b","value":1,"userId":"ann","timestamp":null,"version":8,"updatedAt":6},"version":8}
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
              attach dan: joined as dan, heard 8
              to all but dan: {"type":"user_joined","userId":"dan","userName":"DAN","joinedAt":8}
              to dan: {"type":"ack","id":"1","version":4}
            9 eve #2 joins
              write no participant ann
              write participant eve v5 "EVE" ready false joined 9 seen 9 {}
              attach eve: joined as eve, heard 9
              to all but eve: {"type":"user_joined","userId":"eve","userName":"EVE","joinedAt":9}
              to eve: {"type":"ack","id":"2","version":5}
            10 fay #3 joins
              attach fay: unknown, heard 10
              to fay: {"type":"error","code":"limit_participants","message":"The room has 3 participants, all online.","id":"3"}
            11 cid syncs
              attach cid: joined as cid, heard 11
              to cid: {"type":"sync_response","version":5,"epoch":"epoch1","time":11,"selections":{},"participants":[{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":11,"version":3},{"id":"dan","name":"DAN","isReady":false,"online":true,"connections":1,"joinedAt":8,"lastSeen":8,"version":4},{"id":"eve","name":"EVE","isReady":false,"online":true,"connections":1,"joinedAt":9,"lastSeen":9,"version":5}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn x1_a_room_keeps_so_many_bytes() {
    // ann and ANN are 6 bytes; the field is its name, its author and the stored selection.
    let stored = r#"{"field":"f","value":11,"userId":"ann","timestamp":null,"version":2,"updatedAt":1}"#;
    check_with(
        limited(|limits| limits.room_bytes = 6 + 4 + stored.len()),
        &here(&["ann"]),
        "1 ann #1 sets f 11\n2 ann #2 sets f 111\n3 ann #3 joins ANNE\n4 ann #4 sets g 1\n5 ann #5 clears f\n6 ann #6 joins ANNE",
        expect![[r#"
            1 ann #1 sets f 11
              write field f v2 at 1 by ann: {"field":"f","value":11,"userId":"ann","timestamp":null,"version":2,"updatedAt":1}
              attach ann: joined as ann, heard 1
              to all but ann: {"type":"field_selected","selection":{"field":"f","value":11,"userId":"ann","timestamp":null,"version":2,"updatedAt":1},"version":2}
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 sets f 111
              attach ann: joined as ann, heard 2
              to ann: {"type":"error","code":"limit_room","message":"The room would keep 93 bytes; it takes 92. Clear a field first.","id":"2"}
            3 ann #3 joins ANNE
              attach ann: joined as ann, heard 3
              to ann: {"type":"error","code":"limit_room","message":"The room would keep 93 bytes; it takes 92. Clear a field first.","id":"3"}
            4 ann #4 sets g 1
              attach ann: joined as ann, heard 4
              to ann: {"type":"error","code":"limit_room","message":"The room would keep 177 bytes; it takes 92. Clear a field first.","id":"4"}
            5 ann #5 clears f
              write field f v3 at 5 by ann: cleared
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"field_cleared","field":"f","userId":"ann","version":3}
              to ann: {"type":"ack","id":"5","version":3}
            6 ann #6 joins ANNE
              write participant ann v4 "ANNE" ready false joined 0 seen 0 {}
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANNE","joinedAt":0}
              to ann: {"type":"ack","id":"6","version":4}
        "#]],
    );
}

#[test]
fn x1_a_room_takes_so_many_connections() {
    let mut room = Room::restore(limited(|limits| limits.connections = 2), None, "e".to_owned(), Vec::new(), 0);
    run(&mut room, "0 ann connects", &mut String::new());
    assert_eq!(room.admit(), Ok(()));
    run(&mut room, "0 bob connects", &mut String::new());
    expect![[
        r#"Err(Refusal { code: LimitConnections, message: "The room has 2 connections, all it takes.", id: None })"#
    ]]
    .assert_eq(&format!("{:?}", room.admit()));
    run(&mut room, "0 ann leaves", &mut String::new());
    assert_eq!(room.admit(), Ok(()));
}

#[test]
fn x2_a_connection_found_dead_is_told_to_retry() {
    check(
        &format!("{}0 ann pings", here(&["ann", "bob"])),
        "150000 * alarm",
        expect![[r#"
            150000 * alarm
              write participant ann v1 "ANN" ready false joined 0 seen 0 {}
              to all but ann: {"type":"user_left","userId":"ann","lastSeen":0}
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
    assert_eq!(Settings::from_vars(|_| None), Ok(settings()));
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
        [format!("{} * alarm", day(30, 0)), format!("{} * alarm", day(30, 4)), format!("{} * alarm", day(30, 5))];
    check(
        &format!("{}5 ann leaves", here(&["ann"])),
        &script.join("\n"),
        expect![[r#"
        2592000000 * alarm
          alarm at 30d+5
        2592000004 * alarm
          alarm at 30d+5
        2592000005 * alarm
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
