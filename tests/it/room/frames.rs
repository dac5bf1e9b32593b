//! What frames do, in which order they leave, and what is passed on.

use super::*;

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
              writer ann #1
              writer bob #2
              writer ann #3
              attach ann: joined as ann, heard 111
              attach bob: joined as bob, heard 112
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
              to ann: {"type":"ack","id":"1","version":4}
              to all plain but bob: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":5,"updatedAt":110},"version":5}
              to bob: {"type":"ack","id":"2","version":5}
              to all plain but ann: {"type":"field_selected","selection":{"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":111},"version":6}
              to ann: {"type":"ack","id":"3","version":6}
              to bob, in any case: {"type":"error","code":"bad_message","message":"The frame is not a JSON object: key must be a string at line 1 column 2."}
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
              writer ann #1
              writer bob
              attach ann: joined as ann, heard 101
              attach bob: joined as bob, heard 102
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
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
              writer ann #1
              writer ann
              attach ann: joined as ann, heard 102
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
              to ann: {"type":"ack","id":"1","version":4}
              to all but ann: {"type":"wave"}
        "#]],
    );
    check(
        &setup,
        "101 ann #1 sets f 1\n102 ann breaks\n115 * flush",
        expect![[r#"
            101 ann #1 sets f 1
              flush at 116
            102 ann breaks
              flush at 115
            115 * flush
              write field f v4 at 101 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101}
              write participant ann v1 "ANN" ready false joined 0 seen 101 {}
              writer ann #1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
              to ann: {"type":"ack","id":"1","version":4}
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":101}
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
              writer ann #1
              attach ann: joined as ann, heard 101
              attach eve: unknown, heard 102
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":101},"version":4}
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
              writer ann
              attach ann: joined as ann, heard 16
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":16},"version":3}
        "#]],
    );
    check(
        &format!("{}{}", here(&["ann", "bob"]), crowd(4)),
        "0 ann sets f 1",
        expect![[r#"
            0 ann sets f 1
              write field f v3 at 0 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":0}
              writer ann
              attach ann: joined as ann, heard 0
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":0},"version":3}
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
              writer ann #w1
              attach ann: joined as ann, heard 5
              to all but ann: {"type":"wave",  "n": 1.0, "id":"w1", "userId":"ann"}
              to ann: {"type":"ack","id":"w1","version":2}
            6 ann {"type":"wave","id":{"not":"ours"},"userId":17}
              writer ann
              attach ann: joined as ann, heard 6
              to all but ann: {"type":"wave","id":{"not":"ours"},"userId":17}
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
              writer ann #-9007199254740991
              attach ann: joined as ann, heard 1
              to all plain but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":3}
              to ann: {"type":"ack","id":-9007199254740991,"version":3}
            2 ann {"type":"user_ready","userId":"ann","isReady":1,"id":"x"}
              attach ann: joined as ann, heard 2
              to ann, in any case: {"type":"error","code":"bad_message","message":"`isReady` in the message must be true or false.","id":"x"}
            3 ann {"type":"user_ready","userId":"ann","isReady":false}
              write participant ann v4 "ANN" ready false joined 0 seen 0 {}
              writer ann
              attach ann: joined as ann, heard 3
              to all plain but ann: {"type":"user_ready","userId":"ann","isReady":false,"version":4}
            4 ann {"type":"user_ready","userId":"ann","isReady":1}
              attach ann: joined as ann, heard 4
              to ann, in any case: {"type":"error","code":"bad_message","message":"`isReady` in the message must be true or false."}
        "#]],
    );
}
