//! Fields, versions, conflicts, and what readers are told.

use super::*;

#[test]
fn s6_a_change_is_written_in_the_turn_that_shows_it() {
    check(
        &here(&["ann", "bob"]),
        r#"5 ann #1 sets color "red""#,
        expect![[r#"
            5 ann #1 sets color "red"
              write field color v3 at 5 by ann: {"field":"color","value":"red","userId":"ann","timestamp":null,"version":3,"updatedAt":5}
              writer ann #1
              attach ann: joined as ann, heard 5
              to all plain but ann: {"type":"field_selected","selection":{"field":"color","value":"red","userId":"ann","timestamp":null,"version":3,"updatedAt":5},"version":3}
              to ann: {"type":"ack","id":"1","version":3}
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
              writer ann #1
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 sets f 1
              write field f v3 at 2 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2}
              writer ann #2
              attach ann: joined as ann, heard 2
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":2},"version":3}
              to ann: {"type":"ack","id":"2","version":3}
            3 ann #3 clears f
              write field f v4 at 3 by ann: cleared
              writer ann #3
              attach ann: joined as ann, heard 3
              to all plain but ann: {"type":"field_cleared","field":"f","userId":"ann","version":4}
              to ann: {"type":"ack","id":"3","version":4}
            4 ann #4 clears f
              writer ann #4
              attach ann: joined as ann, heard 4
              to ann: {"type":"ack","id":"4","version":4}
            5 ann #5 joins
              writer ann #5
              attach ann: joined as ann, heard 5
              to ann: {"type":"ack","id":"5","version":4}
            6 ann #6 sets f 1
              write field f v5 at 6 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":6}
              writer ann #6
              attach ann: joined as ann, heard 6
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":6},"version":5}
              to ann: {"type":"ack","id":"6","version":5}
            7 ann #7 sets f 1
              write field f v6 at 7 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":7}
              writer ann #7
              attach ann: joined as ann, heard 7
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":7},"version":6}
              to ann: {"type":"ack","id":"7","version":6}
        "#]],
    );
}

#[test]
fn s2_the_room_adds_its_own_members_and_keeps_those_it_does_not_know() {
    check(
        &here(&["ann", "bob"]),
        r#"
        5 ann {"type":"field_selected","selection":{"zeta":[1, 2],"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":900,"updatedAt":900,"__proto__":{}}}
        6 bob {"type":"field_selected","selection":{"field":"f","value":null,"userId":"bob","timestamp":null}}
        "#,
        expect![[r#"
            5 ann {"type":"field_selected","selection":{"zeta":[1, 2],"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":900,"updatedAt":900,"__proto__":{}}}
              write field f v3 at 5 by ann: {"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":3,"updatedAt":5,"__proto__":{},"zeta":[1, 2]}
              writer ann
              attach ann: joined as ann, heard 5
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":{"n":1e400,"m":1.10},"userId":"ann","timestamp":-1.5e3,"version":3,"updatedAt":5,"__proto__":{},"zeta":[1, 2]},"version":3}
            6 bob {"type":"field_selected","selection":{"field":"f","value":null,"userId":"bob","timestamp":null}}
              write field f v4 at 6 by bob: {"field":"f","value":null,"userId":"bob","timestamp":null,"version":4,"updatedAt":6}
              writer bob
              attach bob: joined as bob, heard 6
              to all plain but bob: {"type":"field_selected","selection":{"field":"f","value":null,"userId":"bob","timestamp":null,"version":4,"updatedAt":6},"version":4}
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
              writer ann
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
              writer ann
              attach ann: joined as ann, heard 5
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":"late","userId":"ann","timestamp":9e15,"version":3,"updatedAt":5},"version":3}
            6 bob {"type":"field_selected","selection":{"field":"f","value":"early","userId":"bob","timestamp":0}}
              write field f v4 at 6 by bob: {"field":"f","value":"early","userId":"bob","timestamp":0,"version":4,"updatedAt":6}
              writer bob
              attach bob: joined as bob, heard 6
              to all plain but bob: {"type":"field_selected","selection":{"field":"f","value":"early","userId":"bob","timestamp":0,"version":4,"updatedAt":6},"version":4}
            7 ann syncs
              writer ann
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
              writer bob #1
              attach bob: joined as bob, heard 5
              to all plain but bob: {"type":"field_cleared","field":"f","userId":"bob","version":4}
              to bob: {"type":"ack","id":"1","version":4}
            6 bob syncs
              writer bob
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
              writer ann
              attach ann: joined as ann, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"version":3}
            2 ann sets f 2
              write field f v4 at 2 by ann: {"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2}
              writer ann
              attach ann: joined as ann, heard 2
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2},"version":4}
            3 ann clears f
              write field f v5 at 3 by ann: cleared
              writer ann
              attach ann: joined as ann, heard 3
              to all plain but ann: {"type":"field_cleared","field":"f","userId":"ann","version":5}
            4 ann ready true
              write participant ann v6 "ANN" ready true joined 0 seen 0 {}
              writer ann
              attach ann: joined as ann, heard 4
              to all plain but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":6}
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
              writer bob #1
              attach bob: joined as bob, heard 5
              to bob: {"type":"sync_response","version":5,"epoch":"epoch1","time":5,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":2}],"presence":[],"requests":[],"permissions":[]}
              to bob: {"type":"ack","id":"1","version":5}
            6 bob {"type":"sync_request","since":3,"epoch":"epoch1"}
              writer bob
              attach bob: joined as bob, heard 6
              to bob: {"type":"changes","from":3,"to":5,"epoch":"epoch1","changes":[{"kind":"field","version":5,"field":"g","selection":null,"userId":"ann","updatedAt":3}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":2}],"presence":[]}
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
              writer ann
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
        let mut room = new_room(settings(), "epoch1");
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
              writer bob
              attach bob: joined as bob, heard 5
              to bob: {"type":"changes","from":4,"to":7,"epoch":"epoch1","changes":[{"kind":"participant","version":5,"participant":{"id":"bob","name":"BOB","isReady":true,"joinedAt":0}},{"kind":"field","version":6,"field":"f","selection":null,"userId":"bob","updatedAt":3},{"kind":"field","version":7,"field":"g","selection":{"field":"g","value":2,"userId":"ann","timestamp":null,"version":7,"updatedAt":4},"userId":"ann","updatedAt":4}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":4,"version":1},{"id":"bob","name":"BOB","isReady":true,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":5}],"presence":[]}
            6 bob {"type":"sync_request","since":7,"id":1}
              writer bob #1
              attach bob: joined as bob, heard 6
              to bob: {"type":"changes","from":7,"to":7,"epoch":"epoch1","changes":[],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":4,"version":1},{"id":"bob","name":"BOB","isReady":true,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":5}],"presence":[]}
              to bob: {"type":"ack","id":1,"version":7}
        "#]],
    );
}

#[test]
fn y3_what_is_not_known_any_more_is_answered_in_full() {
    let setup = limited(|limits| limits.tombstones = 1);
    let mut room = new_room(setup, "epoch1");
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
    let mut room = new_room(limited(|limits| limits.tombstones = 1), "epoch1");
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
              writer bob #1
              attach bob: joined as bob, heard 1
              to bob: {"type":"conflict","id":1,"code":"E_CONFLICT","field":"f","clientVersion":2,"serverVersion":3,"current":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":0}}
            2 bob {"type":"field_selected","baseVersion":3,"selection":{"field":"f","value":2,"userId":"bob"},"id":2}
              write field f v4 at 2 by bob: {"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2}
              writer bob #2
              attach bob: joined as bob, heard 2
              to all plain but bob: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2},"version":4}
              to bob: {"type":"ack","id":2,"version":4}
            3 ann {"type":"field_cleared","baseVersion":3,"field":"f","userId":"ann"}
              writer ann
              attach ann: joined as ann, heard 3
              to ann: {"type":"conflict","code":"E_CONFLICT","field":"f","clientVersion":3,"serverVersion":4,"current":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2}}
            4 ann {"type":"field_cleared","baseVersion":4,"field":"f","userId":"ann","id":4}
              write field f v5 at 4 by ann: cleared
              writer ann #4
              attach ann: joined as ann, heard 4
              to all plain but ann: {"type":"field_cleared","field":"f","userId":"ann","version":5}
              to ann: {"type":"ack","id":4,"version":5}
            5 bob {"type":"field_selected","baseVersion":4,"selection":{"field":"f","value":3,"userId":"bob"},"id":5}
              writer bob #5
              attach bob: joined as bob, heard 5
              to bob: {"type":"conflict","id":5,"code":"E_CONFLICT","field":"f","clientVersion":4,"serverVersion":5,"current":null}
            6 bob {"type":"field_selected","baseVersion":1,"selection":{"field":"g","value":3,"userId":"bob"},"id":6}
              writer bob #6
              attach bob: joined as bob, heard 6
              to bob: {"type":"conflict","id":6,"code":"E_CONFLICT","field":"g","clientVersion":1,"serverVersion":0,"current":null}
            7 bob {"type":"field_selected","baseVersion":0,"selection":{"field":"g","value":3,"userId":"bob"},"id":7}
              write field g v6 at 7 by bob: {"field":"g","value":3,"userId":"bob","timestamp":null,"version":6,"updatedAt":7}
              writer bob #7
              attach bob: joined as bob, heard 7
              to all plain but bob: {"type":"field_selected","selection":{"field":"g","value":3,"userId":"bob","timestamp":null,"version":6,"updatedAt":7},"version":6}
              to bob: {"type":"ack","id":7,"version":6}
        "#]],
    );
}

#[test]
fn h1_the_state_is_the_body_of_a_sync_response() {
    let mut room = new_room(settings(), "epoch1");
    run(&mut room, &format!("{}5 ann sets f 1", here(&["ann"])), &mut String::new());
    expect![[r#"{"type":"sync_response","version":2,"epoch":"epoch1","time":9,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":2,"updatedAt":5}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":1}],"presence":[],"requests":[],"permissions":[]}"#]].assert_eq(&room.state(false, 9));
}
