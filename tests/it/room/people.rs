//! Who is here, who was, and whose connection it is.

use super::*;

#[test]
fn j1_joining_is_recorded_and_announced_with_the_members_of_the_message() {
    check(
        "0 ann connects\n0 bob connects",
        r#"5 ann {"type":"user_joined","id":7,"userId":"ann","userName":"Ann","color":"red","joinedAt":99,"token":"t"}"#,
        expect![[r#"
            5 ann {"type":"user_joined","id":7,"userId":"ann","userName":"Ann","color":"red","joinedAt":99,"token":"t"}
              write participant ann v1 "Ann" ready false joined 5 seen 5 {"color": Json(RawValue("red"))}
              writer ann #7
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
              writer ann2 #1
              attach ann2: joined as ann, heard 5
              to ann2: {"type":"ack","id":"1","version":2}
            6 ann2 #2 joins
              writer ann2 #2
              attach ann2: joined as ann, heard 6
              to ann2: {"type":"ack","id":"2","version":2}
            7 ann #3 joins
              writer ann #3
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
              writer ann #1
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
              writer ann #1
              attach ann: joined as ann, heard 9
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":0}
              to ann: {"type":"ack","id":"1","version":3}
            10 bob syncs
              writer bob
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
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":1}
            2 ann {"type":"field_selected","id":2,"selection":{"field":"f","value":1,"userId":"bob"}}
              attach ann: joined as ann, heard 2
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":2}
            3 ann {"type":"field_cleared","id":3,"field":"f","userId":"bob"}
              attach ann: joined as ann, heard 3
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":3}
            4 ann {"type":"user_ready","id":4,"userId":"bob","isReady":true}
              attach ann: joined as ann, heard 4
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":4}
            5 ann {"type":"wave","id":5,"userId":"bob"}
              attach ann: joined as ann, heard 5
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":5}
            6 ann {"type":"wave","id":6,"selection":{"userId":"bob"}}
              attach ann: joined as ann, heard 6
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":6}
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
              writer ann
              attach ann: bound to ann, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":1,"updatedAt":1},"version":1}
            2 ann {"type":"field_cleared","id":2,"field":"f","userId":"bob"}
              attach ann: bound to ann, heard 2
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":2}
            3 ann syncs
              writer ann
              attach ann: bound to ann, heard 3
              to ann: {"type":"sync_response","version":1,"epoch":"epoch1","time":3,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":1,"updatedAt":1}},"participants":[],"presence":[],"requests":[],"permissions":[]}
            4 ann joins
              write participant ann v2 "ANN" ready false joined 4 seen 4 {}
              writer ann
              attach ann: joined as ann, heard 4
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":4}
            5 ann leaves
              write participant ann v2 "ANN" ready false joined 4 seen 5 {}
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":5}
              alarm at 30d+5
            6 bob clears g
              writer bob
              attach bob: bound to bob, heard 6
            7 bob {"type":"user_joined","id":7,"userId":"eve","userName":"Eve"}
              attach bob: bound to bob, heard 7
              to bob, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":7}
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
              to ann, in any case: {"type":"error","code":"not_joined","message":"Send `user_joined` before `user_ready`.","id":"1"}
            2 ann #2 joins
              write participant ann v1 "ANN" ready false joined 2 seen 2 {}
              writer ann #2
              attach ann: joined as ann, heard 2
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":2}
              to ann: {"type":"ack","id":"2","version":1}
            3 ann #3 ready true
              write participant ann v2 "ANN" ready true joined 2 seen 2 {}
              writer ann #3
              attach ann: joined as ann, heard 3
              to all plain but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":2}
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
              writer ann #1
              attach ann: bound to ann, heard 7
              to all plain but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":3}
              to ann: {"type":"ack","id":"1","version":3}
            8 ann {"type":"user_joined","id":2,"userId":"bob","userName":"Bob"}
              attach ann: bound to ann, heard 8
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user.","id":2}
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
              to all but ann2, in any case: {"type":"user_left","userId":"ann","lastSeen":5}
            7 dan leaves
              alarm at 30d+7
            8 bob leaves
              write participant bob v2 "BOB" ready false joined 0 seen 8 {}
              to all but bob, in any case: {"type":"user_left","userId":"bob","lastSeen":8}
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
              writer bob
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
              writer bob
              attach bob: joined as bob, heard 50
              to bob: {"type":"sync_response","version":2,"epoch":"epoch1","time":50,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":40,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":50,"version":2}],"presence":[],"requests":[],"permissions":[]}
            60 ann breaks
              write participant ann v1 "ANN" ready false joined 0 seen 40 {}
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":40}
              alarm at 30d+60
            70 bob syncs
              writer bob
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
              writer ann #1
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":"1","version":2}
            2 ann #2 ready true
              write participant ann v3 "ANN" ready true joined 0 seen 0 {}
              writer ann #2
              attach ann: joined as ann, heard 2
              to all plain but ann: {"type":"user_ready","userId":"ann","isReady":true,"version":3}
              to ann: {"type":"ack","id":"2","version":3}
            3 ann #3 ready true
              writer ann #3
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
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":10}
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
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":100}
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
              to all but bob, in any case: {"type":"user_left","userId":"bob","lastSeen":20}
              alarm at 30d+20
            999999 * alarm
              alarm at 30d+999999
            1000000 bob connects
              attach bob: unknown, heard 1000000
              alarm at 1150000
        "#]],
    );
}
