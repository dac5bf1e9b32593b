//! Permission requests, their answers, and the permissions that come of them.

mod kept;

use roomkeep::room::table::ROW_CHARGE;

use super::*;

/// ann asks; bob and cid may answer. cid has said `hello`.
fn asked(by: &str) -> String {
    format!("{}0 cid hellos c\n1 {by} asks r1 edit", here(&["ann", "bob", "cid"]))
}

#[test]
fn q1_s1_s8_and_y5_a_request_is_kept_and_told_and_the_same_again_is_that_request() {
    check(
        &format!("{}0 cid hellos c", here(&["ann", "bob", "cid"])),
        r#"
        1 ann #1 asks r1 edit ,"detail":{"n":1.50},"ttlMs":1000
        2 ann #2 asks r1 edit ,"detail":{"n":1.50},"ttlMs":5
        3 ann asks r1 edit ,"detail":{"n":1.50}
        4 ann #4 asks r1 read ,"detail":{"n":1.50}
        5 ann #5 asks r1 edit
        6 bob #6 asks r1 read
        "#,
        expect![[r#"
            1 ann #1 asks r1 edit ,"detail":{"n":1.50},"ttlMs":1000
              write request r1 of ann v4 at 1: pending
              writer ann #1
              attach ann: joined as ann, heard 1
              to all plain but ann: {"type":"permission_request","requestId":"r1","userId":"ann","action":"edit","detail":{"n":1.50},"createdAt":1,"expiresAt":1001,"version":4}
              to ann: {"type":"ack","id":"1","version":4}
              to all greeted: {"type":"changes","from":3,"to":4,"epoch":"epoch1","changes":[{"kind":"request","version":4,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":{"n":1.50},"status":"pending","createdAt":1,"expiresAt":1001,"version":4}}]}
              alarm at 1001
            2 ann #2 asks r1 edit ,"detail":{"n":1.50},"ttlMs":5
              writer ann #2
              attach ann: joined as ann, heard 2
              to ann: {"type":"ack","id":"2","version":4,"duplicate":true}
            3 ann asks r1 edit ,"detail":{"n":1.50}
              writer ann
              attach ann: joined as ann, heard 3
            4 ann #4 asks r1 read ,"detail":{"n":1.50}
              attach ann: joined as ann, heard 4
              to ann, in any case: {"type":"error","code":"request_id_reused","message":"This `requestId` was already used for a different request. Use a new one for each request.","id":"4"}
            5 ann #5 asks r1 edit
              attach ann: joined as ann, heard 5
              to ann, in any case: {"type":"error","code":"request_id_reused","message":"This `requestId` was already used for a different request. Use a new one for each request.","id":"5"}
            6 bob #6 asks r1 read
              write request r1 of bob v5 at 6: pending
              writer bob #6
              attach bob: joined as bob, heard 6
              to all plain but bob: {"type":"permission_request","requestId":"r1","userId":"bob","action":"read","createdAt":6,"expiresAt":300006,"version":5}
              to bob: {"type":"ack","id":"6","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"bob","action":"read","detail":null,"status":"pending","createdAt":6,"expiresAt":300006,"version":5}}]}
        "#]],
    );
}

#[test]
fn q1_and_q2_who_has_not_said_who_it_is_neither_asks_nor_answers() {
    check(
        &format!("{}0 dan connects", here(&["ann"])),
        r#"
        1 ann asks r1 edit
        2 dan #2 asks r1 edit
        3 dan #3 allows r1 ann once
        4 dan #4 cancels r1
        5 dan sets f 1
        6 dan #6 asks r1 edit
        "#,
        expect![[r#"
            1 ann asks r1 edit
              write request r1 of ann v2 at 1: pending
              writer ann
              attach ann: joined as ann, heard 1
              to all plain but ann: {"type":"permission_request","requestId":"r1","userId":"ann","action":"edit","createdAt":1,"expiresAt":300001,"version":2}
            2 dan #2 asks r1 edit
              attach dan: unknown, heard 2
              to dan, in any case: {"type":"error","code":"not_joined","message":"The room does not know who you are. Send `user_joined` first.","id":"2"}
            3 dan #3 allows r1 ann once
              attach dan: unknown, heard 3
              to dan, in any case: {"type":"error","code":"not_joined","message":"The room does not know who you are. Send `user_joined` first.","id":"3"}
            4 dan #4 cancels r1
              attach dan: unknown, heard 4
              to dan, in any case: {"type":"error","code":"not_joined","message":"The room does not know who you are. Send `user_joined` first.","id":"4"}
            5 dan sets f 1
              write field f v3 at 5 by dan: {"field":"f","value":1,"userId":"dan","timestamp":null,"version":3,"updatedAt":5}
              writer dan
              attach dan: bound to dan, heard 5
              to all plain but dan: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"dan","timestamp":null,"version":3,"updatedAt":5},"version":3}
            6 dan #6 asks r1 edit
              write request r1 of dan v4 at 6: pending
              writer dan #6
              attach dan: bound to dan, heard 6
              to all plain but dan: {"type":"permission_request","requestId":"r1","userId":"dan","action":"edit","createdAt":6,"expiresAt":300006,"version":4}
              to dan: {"type":"ack","id":"6","version":4}
        "#]],
    );
}

#[test]
fn q2_of_two_moderators_the_first_answers_and_the_second_is_told_how() {
    check(
        &asked("ann"),
        "2 bob #2 denies r1 ann\n= cid #3 allows r1 ann session\n4 cid allows r1 ann session\n5 cid #5 allows r9 ann once\n6 cid #6 syncs",
        expect![[r#"
            2 bob #2 denies r1 ann
              write request r1 of ann v5 at 2: {"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob"}
              writer bob #2
              attach bob: joined as bob, heard 2
              to all plain but bob: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"deny","scope":"once","resolvedBy":"bob","version":5}
              to bob: {"type":"ack","id":"2","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5}}]}
            = cid #3 allows r1 ann session
              writer cid #3
              attach cid: joined as cid, client c, heard 2
              to cid: {"type":"ack","id":"3","version":5,"duplicate":true,"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob"}
            4 cid allows r1 ann session
              writer cid
              attach cid: joined as cid, client c, heard 4
            5 cid #5 allows r9 ann once
              attach cid: joined as cid, client c, heard 5
              to cid, in any case: {"type":"error","code":"request_not_found","message":"There is no such permission request.","id":"5"}
            6 cid #6 syncs
              writer cid #6
              attach cid: joined as cid, client c, heard 6
              to cid: {"type":"sync_response","version":5,"epoch":"epoch1","time":6,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":2,"version":2},{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":6,"version":3}],"presence":[],"requests":[{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5}],"permissions":[]}
              to cid: {"type":"ack","id":"6","version":5}
        "#]],
    );
}

#[test]
fn q2_and_q4_an_answer_for_the_session_is_one_step_and_leaves_a_permission() {
    check(
        &asked("ann"),
        r#"
        2 bob #2 {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"session","reason":"go on"}
        3 ann asks r2 edit
        4 cid allows r2 ann session
        5 cid #5 syncs
        6 bob #6 revokes edit ann
        7 bob #7 revokes edit ann
        8 bob #8 revokes read ann
        9 cid #9 syncs 5
        "#,
        expect![[r#"
            2 bob #2 {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"session","reason":"go on"}
              write request r1 of ann v5 at 2: {"status":"resolved","decision":"allow","scope":"session","reason":"go on","resolvedBy":"bob"}
              write permission edit of ann v5 by bob
              writer bob #2
              attach bob: joined as bob, heard 2
              to all plain but bob: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"session","reason":"go on","resolvedBy":"bob","version":5}
              to bob: {"type":"ack","id":"2","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"session","reason":"go on","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5}},{"kind":"grant","version":5,"grant":{"requestId":"r1","userId":"ann","action":"edit","grantedBy":"bob","grantedAt":2,"version":5}}]}
            3 ann asks r2 edit
              write request r2 of ann v6 at 3: pending
              writer ann
              attach ann: joined as ann, heard 3
              to all plain but ann: {"type":"permission_request","requestId":"r2","userId":"ann","action":"edit","createdAt":3,"expiresAt":300003,"version":6}
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"request","version":6,"request":{"requestId":"r2","userId":"ann","action":"edit","detail":null,"status":"pending","createdAt":3,"expiresAt":300003,"version":6}}]}
            4 cid allows r2 ann session
              write request r2 of ann v7 at 4: {"status":"resolved","decision":"allow","scope":"session","resolvedBy":"cid"}
              write permission edit of ann v7 by cid
              writer cid
              attach cid: joined as cid, client c, heard 4
              to all plain but cid: {"type":"permission_response","requestId":"r2","userId":"ann","decision":"allow","scope":"session","resolvedBy":"cid","version":7}
              to all greeted: {"type":"changes","from":6,"to":7,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r2","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"session","resolvedBy":"cid","createdAt":3,"expiresAt":300003,"version":7}},{"kind":"grant","version":7,"grant":{"requestId":"r2","userId":"ann","action":"edit","grantedBy":"cid","grantedAt":4,"version":7}}]}
            5 cid #5 syncs
              writer cid #5
              attach cid: joined as cid, client c, heard 5
              to cid: {"type":"sync_response","version":7,"epoch":"epoch1","time":5,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":2,"version":2},{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":5,"version":3}],"presence":[],"requests":[{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"session","reason":"go on","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5},{"requestId":"r2","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"session","resolvedBy":"cid","createdAt":3,"expiresAt":300003,"version":7}],"permissions":[{"requestId":"r2","userId":"ann","action":"edit","grantedBy":"cid","grantedAt":4,"version":7}]}
              to cid: {"type":"ack","id":"5","version":7}
            6 bob #6 revokes edit ann
              write permission edit of ann v8 by cid, ended at 6
              writer bob #6
              attach bob: joined as bob, heard 6
              to all plain but bob: {"type":"permission_revoked","action":"edit","userId":"ann","version":8}
              to bob: {"type":"ack","id":"6","version":8}
              to all greeted: {"type":"changes","from":7,"to":8,"epoch":"epoch1","changes":[{"kind":"grant","version":8,"grant":{"requestId":"r2","userId":"ann","action":"edit","grantedBy":"cid","grantedAt":4,"version":8},"ended":true}]}
            7 bob #7 revokes edit ann
              writer bob #7
              attach bob: joined as bob, heard 7
              to bob: {"type":"ack","id":"7","version":8}
            8 bob #8 revokes read ann
              writer bob #8
              attach bob: joined as bob, heard 8
              to bob: {"type":"ack","id":"8","version":8}
            9 cid #9 syncs 5
              writer cid #9
              attach cid: joined as cid, client c, heard 9
              to cid: {"type":"changes","from":5,"to":8,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r2","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"session","resolvedBy":"cid","createdAt":3,"expiresAt":300003,"version":7}},{"kind":"grant","version":8,"grant":{"requestId":"r2","userId":"ann","action":"edit","grantedBy":"cid","grantedAt":4,"version":8},"ended":true}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":8,"version":2},{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":9,"version":3}],"presence":[]}
              to cid: {"type":"ack","id":"9","version":8}
        "#]],
    );
}

#[test]
fn q4_an_answer_for_once_leaves_no_permission() {
    check(
        &asked("ann"),
        "2 bob #2 allows r1 ann once\n3 bob #3 syncs",
        expect![[r#"
            2 bob #2 allows r1 ann once
              write request r1 of ann v5 at 2: {"status":"resolved","decision":"allow","scope":"once","resolvedBy":"bob"}
              writer bob #2
              attach bob: joined as bob, heard 2
              to all plain but bob: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"once","resolvedBy":"bob","version":5}
              to bob: {"type":"ack","id":"2","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5}}]}
            3 bob #3 syncs
              writer bob #3
              attach bob: joined as bob, heard 3
              to bob: {"type":"sync_response","version":5,"epoch":"epoch1","time":3,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":2},{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":3}],"presence":[],"requests":[{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5}],"permissions":[]}
              to bob: {"type":"ack","id":"3","version":5}
        "#]],
    );
}

#[test]
fn q2_without_tokens_one_may_answer_ones_own_request() {
    check(
        &asked("ann"),
        "2 ann #2 allows r1 ann once",
        expect![[r#"
            2 ann #2 allows r1 ann once
              write request r1 of ann v5 at 2: {"status":"resolved","decision":"allow","scope":"once","resolvedBy":"ann"}
              writer ann #2
              attach ann: joined as ann, heard 2
              to all plain but ann: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"once","resolvedBy":"ann","version":5}
              to ann: {"type":"ack","id":"2","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"ann","createdAt":1,"expiresAt":300001,"version":5}}]}
        "#]],
    );
}

#[test]
fn q3_and_q2_who_comes_first_cancels_or_answers() {
    check(
        &format!("{}\n1 ann asks r2 edit", asked("ann")),
        "2 ann #2 cancels r1\n= bob #3 allows r1 ann session\n4 bob #4 denies r2 ann\n= ann #5 cancels r2\n6 ann #6 cancels r9\n7 bob #7 cancels r1",
        expect![[r#"
            2 ann #2 cancels r1
              write request r1 of ann v6 at 2: {"status":"cancelled"}
              writer ann #2
              attach ann: joined as ann, heard 2
              to all plain but ann: {"type":"permission_cancelled","requestId":"r1","userId":"ann","version":6}
              to ann: {"type":"ack","id":"2","version":6}
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"request","version":6,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"cancelled","createdAt":1,"expiresAt":300001,"version":6}}]}
            = bob #3 allows r1 ann session
              writer bob #3
              attach bob: joined as bob, heard 2
              to bob: {"type":"ack","id":"3","version":6,"duplicate":true,"status":"cancelled"}
            4 bob #4 denies r2 ann
              write request r2 of ann v7 at 4: {"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob"}
              writer bob #4
              attach bob: joined as bob, heard 4
              to all plain but bob: {"type":"permission_response","requestId":"r2","userId":"ann","decision":"deny","scope":"once","resolvedBy":"bob","version":7}
              to bob: {"type":"ack","id":"4","version":7}
              to all greeted: {"type":"changes","from":6,"to":7,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r2","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":7}}]}
            = ann #5 cancels r2
              writer ann #5
              attach ann: joined as ann, heard 4
              to ann: {"type":"ack","id":"5","version":7,"duplicate":true,"status":"resolved","decision":"deny","scope":"once","resolvedBy":"bob"}
            6 ann #6 cancels r9
              attach ann: joined as ann, heard 6
              to ann, in any case: {"type":"error","code":"request_not_found","message":"There is no such permission request.","id":"6"}
            7 bob #7 cancels r1
              attach bob: joined as bob, heard 7
              to bob, in any case: {"type":"error","code":"request_not_found","message":"There is no such permission request.","id":"7"}
        "#]],
    );
}

#[test]
fn q3_a_request_expires_at_its_time_whoever_comes_then() {
    check(
        &format!("{}\n1 bob asks r0 read ,\"ttlMs\":50", asked("ann")),
        &format!("51 cid #1 allows r0 bob once\n{} bob #2 allows r1 ann once", 5 * 60_000),
        expect![[r#"
            51 cid #1 allows r0 bob once
              write request r0 of bob v6 at 51: {"status":"expired"}
              writer cid #1
              attach cid: joined as cid, client c, heard 51
              to all plain: {"type":"permission_cancelled","requestId":"r0","userId":"bob","expired":true,"version":6}
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"request","version":6,"request":{"requestId":"r0","userId":"bob","action":"read","detail":null,"status":"expired","createdAt":1,"expiresAt":51,"version":6}}]}
              to cid: {"type":"ack","id":"1","version":6,"duplicate":true,"status":"expired"}
            300000 bob #2 allows r1 ann once
              write request r1 of ann v7 at 300000: {"status":"resolved","decision":"allow","scope":"once","resolvedBy":"bob"}
              writer bob #2
              attach bob: joined as bob, heard 300000
              to all plain but bob: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"once","resolvedBy":"bob","version":7}
              to bob: {"type":"ack","id":"2","version":7}
              to all greeted: {"type":"changes","from":6,"to":7,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":7}}]}
        "#]],
    );
}

#[test]
fn q3_requests_that_are_over_together_expire_in_the_order_of_their_times() {
    check(
        &here(&["ann", "bob"]),
        "1 ann asks r1 edit ,\"ttlMs\":30\n2 ann asks r2 edit ,\"ttlMs\":10\n3 ann asks r3 edit ,\"ttlMs\":20\n100 ann {\"type\":\"wave\"}",
        expect![[r#"
            1 ann asks r1 edit ,"ttlMs":30
              write request r1 of ann v3 at 1: pending
              writer ann
              attach ann: joined as ann, heard 1
              to all plain but ann: {"type":"permission_request","requestId":"r1","userId":"ann","action":"edit","createdAt":1,"expiresAt":31,"version":3}
              alarm at 31
            2 ann asks r2 edit ,"ttlMs":10
              write request r2 of ann v4 at 2: pending
              writer ann
              attach ann: joined as ann, heard 2
              to all plain but ann: {"type":"permission_request","requestId":"r2","userId":"ann","action":"edit","createdAt":2,"expiresAt":12,"version":4}
              alarm at 12
            3 ann asks r3 edit ,"ttlMs":20
              write request r3 of ann v5 at 3: pending
              writer ann
              attach ann: joined as ann, heard 3
              to all plain but ann: {"type":"permission_request","requestId":"r3","userId":"ann","action":"edit","createdAt":3,"expiresAt":23,"version":5}
            100 ann {"type":"wave"}
              write request r1 of ann v8 at 100: {"status":"expired"}
              write request r2 of ann v6 at 100: {"status":"expired"}
              write request r3 of ann v7 at 100: {"status":"expired"}
              writer ann
              attach ann: joined as ann, heard 100
              to all plain: {"type":"permission_cancelled","requestId":"r2","userId":"ann","expired":true,"version":6}
              to all plain: {"type":"permission_cancelled","requestId":"r3","userId":"ann","expired":true,"version":7}
              to all plain: {"type":"permission_cancelled","requestId":"r1","userId":"ann","expired":true,"version":8}
              to all but ann: {"type":"wave"}
        "#]],
    );
}

#[test]
fn q3_the_alarm_is_set_for_what_is_due_first_and_not_for_each_message() {
    check(
        "0 ann connects\n0 ann joins",
        r#"
        1 ann asks r1 edit ,"ttlMs":1000
        2 ann asks r2 edit ,"ttlMs":2000
        3 ann asks r3 edit ,"ttlMs":500
        4 ann sets f 1
        5 ann leaves
        503 * alarm
        504 bob connects
        505 cid connects
        506 bob leaves
        2500 * alarm
        "#,
        expect![[r#"
            1 ann asks r1 edit ,"ttlMs":1000
              write request r1 of ann v2 at 1: pending
              writer ann
              attach ann: joined as ann, heard 1
              alarm at 1001
            2 ann asks r2 edit ,"ttlMs":2000
              write request r2 of ann v3 at 2: pending
              writer ann
              attach ann: joined as ann, heard 2
            3 ann asks r3 edit ,"ttlMs":500
              write request r3 of ann v4 at 3: pending
              writer ann
              attach ann: joined as ann, heard 3
              alarm at 503
            4 ann sets f 1
              write field f v5 at 4 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":4}
              writer ann
              attach ann: joined as ann, heard 4
            5 ann leaves
              write participant ann v1 "ANN" ready false joined 0 seen 5 {}
              to all but ann, in any case: {"type":"user_left","userId":"ann","lastSeen":5}
            503 * alarm
              write request r3 of ann v6 at 503: {"status":"expired"}
              alarm at 1001
            504 bob connects
              attach bob: unknown, heard 504
            505 cid connects
              attach cid: unknown, heard 505
            506 bob leaves
              alarm at 1001
            2500 * alarm
              write request r1 of ann v7 at 2500: {"status":"expired"}
              write request r2 of ann v8 at 2500: {"status":"expired"}
              to all plain: {"type":"permission_cancelled","requestId":"r1","userId":"ann","expired":true,"version":7}
              to all plain: {"type":"permission_cancelled","requestId":"r2","userId":"ann","expired":true,"version":8}
              alarm at 30d+2500
        "#]],
    );
}

#[test]
fn q5_and_y3_what_is_settled_is_told_for_a_day_and_then_the_floor_rises() {
    check(
        &format!("{}\n2 bob allows r1 ann session\n3 ann asks r2 read", asked("ann")),
        &format!("4 ann cancels r2\n{0} * alarm\n{0} cid syncs 5\n{1} * alarm\n{1} cid syncs 5", DAY + 2, DAY + 4),
        expect![[r#"
            4 ann cancels r2
              write request r2 of ann v7 at 4: {"status":"cancelled"}
              writer ann
              attach ann: joined as ann, heard 4
              to all plain but ann: {"type":"permission_cancelled","requestId":"r2","userId":"ann","version":7}
              to all greeted: {"type":"changes","from":6,"to":7,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r2","userId":"ann","action":"read","detail":null,"status":"cancelled","createdAt":3,"expiresAt":300003,"version":7}}]}
            86400002 * alarm
              write room epoch1 floor 5 touched 1d+2
              write no request r1 of ann
              alarm at 1d+150002
            86400002 cid syncs 5
              writer cid
              attach cid: joined as cid, client c, heard 86400002
              to cid: {"type":"changes","from":5,"to":7,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r2","userId":"ann","action":"read","detail":null,"status":"cancelled","createdAt":3,"expiresAt":300003,"version":7}}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":4,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":2,"version":2},{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":86400002,"version":3}],"presence":[]}
            86400004 * alarm
              write room epoch1 floor 7 touched 1d+2
              write no request r2 of ann
              alarm at 1d+150004
            86400004 cid syncs 5
              writer cid
              attach cid: joined as cid, client c, heard 86400004
              to cid: {"type":"sync_response","version":7,"epoch":"epoch1","time":86400004,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":4,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":2,"version":2},{"id":"cid","name":"CID","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":86400004,"version":3}],"presence":[],"requests":[],"permissions":[{"requestId":"r1","userId":"ann","action":"edit","grantedBy":"bob","grantedAt":2,"version":5}],"reset":true}
        "#]],
    );
}

#[test]
fn x1_of_what_is_settled_the_oldest_is_forgotten() {
    check_with(
        limited(|limits| limits.settled = 1),
        &asked("ann"),
        "2 bob allows r1 ann session\n3 bob #3 revokes edit ann\n4 bob #4 allows r1 ann once",
        expect![[r#"
            2 bob allows r1 ann session
              write request r1 of ann v5 at 2: {"status":"resolved","decision":"allow","scope":"session","resolvedBy":"bob"}
              write permission edit of ann v5 by bob
              writer bob
              attach bob: joined as bob, heard 2
              to all plain but bob: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"session","resolvedBy":"bob","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"session","resolvedBy":"bob","createdAt":1,"expiresAt":300001,"version":5}},{"kind":"grant","version":5,"grant":{"requestId":"r1","userId":"ann","action":"edit","grantedBy":"bob","grantedAt":2,"version":5}}]}
            3 bob #3 revokes edit ann
              write room epoch1 floor 5 touched 0
              write no request r1 of ann
              write permission edit of ann v6 by bob, ended at 3
              writer bob #3
              attach bob: joined as bob, heard 3
              to all plain but bob: {"type":"permission_revoked","action":"edit","userId":"ann","version":6}
              to bob: {"type":"ack","id":"3","version":6}
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"grant","version":6,"grant":{"requestId":"r1","userId":"ann","action":"edit","grantedBy":"bob","grantedAt":2,"version":6},"ended":true}]}
            4 bob #4 allows r1 ann once
              attach bob: joined as bob, heard 4
              to bob, in any case: {"type":"error","code":"request_not_found","message":"There is no such permission request.","id":"4"}
        "#]],
    );
}

#[test]
fn x1_a_room_takes_so_many_open_requests_and_bytes_of_them() {
    check_with(
        limited(|limits| (limits.requests, limits.detail_bytes) = (2, 10)),
        &here(&["ann"]),
        r#"
        1 ann #1 asks r1 edit ,"detail":"12345678"
        2 ann #2 asks r2 edit ,"detail":"123456789"
        3 ann #3 asks r2 edit
        4 ann #4 asks r3 edit
        5 ann #5 cancels r1
        6 ann #6 asks r3 edit
        7 ann #7 {"type":"permission_response","requestId":"r3","userId":"ann","decision":"deny","reason":"12345678901"}
        "#,
        expect![[r#"
            1 ann #1 asks r1 edit ,"detail":"12345678"
              write request r1 of ann v2 at 1: pending
              writer ann #1
              attach ann: joined as ann, heard 1
              to ann: {"type":"ack","id":"1","version":2}
              alarm at 300001
            2 ann #2 asks r2 edit ,"detail":"123456789"
              attach ann: joined as ann, heard 2
              to ann, in any case: {"type":"error","code":"limit_detail","message":"`detail` is 11 bytes long; the limit is 10.","id":"2"}
            3 ann #3 asks r2 edit
              write request r2 of ann v3 at 3: pending
              writer ann #3
              attach ann: joined as ann, heard 3
              to ann: {"type":"ack","id":"3","version":3}
            4 ann #4 asks r3 edit
              attach ann: joined as ann, heard 4
              to ann, in any case: {"type":"error","code":"limit_requests","message":"The room has 2 open permission requests, which is the limit. Wait until some are settled.","id":"4"}
            5 ann #5 cancels r1
              write request r1 of ann v4 at 5: {"status":"cancelled"}
              writer ann #5
              attach ann: joined as ann, heard 5
              to ann: {"type":"ack","id":"5","version":4}
            6 ann #6 asks r3 edit
              write request r3 of ann v5 at 6: pending
              writer ann #6
              attach ann: joined as ann, heard 6
              to ann: {"type":"ack","id":"6","version":5}
            7 ann #7 {"type":"permission_response","requestId":"r3","userId":"ann","decision":"deny","reason":"12345678901"}
              attach ann: joined as ann, heard 7
              to ann, in any case: {"type":"error","code":"limit_detail","message":"`reason` is 11 bytes long; the limit is 10.","id":"7"}
        "#]],
    );
    // Each row counts for something by itself. ann and ANN are 6 bytes, the request 9 and its answer 3.
    check_with(
        limited(|limits| limits.room_bytes = 2 * ROW_CHARGE + 6 + 9 + 3),
        &here(&["ann"]),
        "1 ann #1 asks r1 edit ,\"detail\":1234\n2 ann #2 asks r1 edit\n3 ann #3 allows r1 ann session\n4 ann #4 denies r1 ann\n5 ann #5 sets f 1",
        expect![[r#"
            1 ann #1 asks r1 edit ,"detail":1234
              attach ann: joined as ann, heard 1
              to ann, in any case: {"type":"error","code":"limit_room","message":"The room would hold 115 bytes; the limit is 114. Clear a field first.","id":"1"}
            2 ann #2 asks r1 edit
              write request r1 of ann v2 at 2: pending
              writer ann #2
              attach ann: joined as ann, heard 2
              to ann: {"type":"ack","id":"2","version":2}
              alarm at 300002
            3 ann #3 allows r1 ann session
              attach ann: joined as ann, heard 3
              to ann, in any case: {"type":"error","code":"limit_room","message":"The room would hold 174 bytes; the limit is 114. Clear a field first.","id":"3"}
            4 ann #4 denies r1 ann
              write room epoch1 floor 3 touched 0
              write no request r1 of ann
              writer ann #4
              attach ann: joined as ann, heard 4
              to ann: {"type":"ack","id":"4","version":3}
            5 ann #5 sets f 1
              attach ann: joined as ann, heard 5
              to ann, in any case: {"type":"error","code":"limit_room","message":"The room would hold 187 bytes; the limit is 114. Clear a field first.","id":"5"}
        "#]],
    );
}

#[test]
fn e2_and_q2_a_numbered_answer_that_is_sent_again_is_told_with_what_is_on_record() {
    check(
        &asked("ann"),
        r#"
        2 cid @1 allows r1 ann once
        3 cid @1 allows r1 ann once
        4 cid @1 denies r1 ann
        5 bob #5 denies r1 ann
        6 cid @2 denies r1 ann
        7 cid @2 denies r1 ann
        8 cid @3 sets f 1
        = cid @4 denies r1 ann
        = cid @5 asks r1 edit ,"detail":1
        = cid @6 asks r1 edit ,"detail":1
        = * flush
        9 cid @6 asks r1 edit ,"detail":2
        "#,
        expect![[r#"
            2 cid @1 allows r1 ann once
              write client c of cid at 1 seen 2 done:5
              write request r1 of ann v5 at 2: {"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid"}
              writer cid @1
              attach cid: joined as cid, client c, heard 2
              to all plain but cid: {"type":"permission_response","requestId":"r1","userId":"ann","decision":"allow","scope":"once","resolvedBy":"cid","version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"request","version":5,"request":{"requestId":"r1","userId":"ann","action":"edit","detail":null,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid","createdAt":1,"expiresAt":300001,"version":5}}]}
              to cid: {"type":"ack","seq":1,"version":5}
            3 cid @1 allows r1 ann once
              attach cid: joined as cid, client c, heard 3
              to cid, in any case: {"type":"ack","seq":1,"version":5,"duplicate":true,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid"}
            4 cid @1 denies r1 ann
              writer cid @1
              attach cid: joined as cid, client c, heard 4
              to cid: {"type":"error","code":"seq_reused","message":"The `seq` 1 was already used for a different message. Give every message its own number.","seq":1}
            5 bob #5 denies r1 ann
              writer bob #5
              attach bob: joined as bob, heard 5
              to bob: {"type":"ack","id":"5","version":5,"duplicate":true,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid"}
            6 cid @2 denies r1 ann
              write client c of cid at 2 seen 6 done:5 done:5
              writer cid @2
              attach cid: joined as cid, client c, heard 6
              to cid: {"type":"ack","seq":2,"version":5,"duplicate":true,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid"}
            7 cid @2 denies r1 ann
              attach cid: joined as cid, client c, heard 7
              to cid, in any case: {"type":"ack","seq":2,"version":5,"duplicate":true,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid"}
            8 cid @3 sets f 1
              write field f v6 at 8 by cid: {"field":"f","value":1,"userId":"cid","timestamp":null,"version":6,"updatedAt":8}
              write client c of cid at 3 seen 8 done:5 done:5 done:6
              writer cid @3
              attach cid: joined as cid, client c, heard 8
              to all plain but cid: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"cid","timestamp":null,"version":6,"updatedAt":8},"version":6}
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"field","version":6,"field":"f","selection":{"field":"f","value":1,"userId":"cid","timestamp":null,"version":6,"updatedAt":8},"userId":"cid","updatedAt":8}]}
              to cid: {"type":"ack","seq":3,"version":6}
            = cid @4 denies r1 ann
            = cid @5 asks r1 edit ,"detail":1
            = cid @6 asks r1 edit ,"detail":1
            = * flush
              write client c of cid at 6 seen 8 done:5 done:5 done:6 done:6 done:7 done:7
              write request r1 of cid v7 at 8: pending
              writer cid @4
              writer cid @5
              writer cid @6
              attach cid: joined as cid, client c, heard 8
              to all plain but cid: {"type":"permission_request","requestId":"r1","userId":"cid","action":"edit","detail":1,"createdAt":8,"expiresAt":300008,"version":7}
              to all greeted: {"type":"changes","from":6,"to":7,"epoch":"epoch1","changes":[{"kind":"request","version":7,"request":{"requestId":"r1","userId":"cid","action":"edit","detail":1,"status":"pending","createdAt":8,"expiresAt":300008,"version":7}}]}
              to cid: {"type":"ack","seq":4,"version":6,"duplicate":true,"status":"resolved","decision":"allow","scope":"once","resolvedBy":"cid"}
              to cid: {"type":"ack","seq":6,"version":7,"duplicate":true}
            9 cid @6 asks r1 edit ,"detail":2
              writer cid @6
              attach cid: joined as cid, client c, heard 9
              to cid: {"type":"error","code":"seq_reused","message":"The `seq` 6 was already used for a different message. Give every message its own number.","seq":6}
        "#]],
    );
}

#[test]
fn h2_a_time_is_also_told_by_requests() {
    let mut room = new_room(settings(), "e");
    let script = format!("{}\n2 bob sets f 1\n3 bob allows r1 ann session\n5 bob sets g 1", asked("ann"));
    run(&mut room, &script, &mut String::new());
    let from = |time| serde_json::from_str::<serde_json::Value>(&room.changes_page(&Since::Time(time), 9)).unwrap();
    let from = |time| from(time)["from"].as_u64().unwrap();
    assert_eq!([from(0), from(2), from(3), from(4), from(6)], [0, 0, 5, 6, 7]);
}
