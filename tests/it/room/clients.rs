//! Numbered messages: done once, answered as before, and whose they are (E1 to E6, S4, S9).

use roomkeep::protocol::write::Verb;
use roomkeep::room::records::clients::record::{CLIENTS_PART, OUTCOME_BYTES};
use roomkeep::room::turn::Written;

use super::*;
use crate::world::Site;

/// `ann` has said hello as the client `a` and joined; `bob` as `b`.
fn greeted() -> String {
    "0 ann connects\n0 ann hellos a\n0 ann joins\n0 bob connects\n0 bob hellos b\n0 bob joins".to_owned()
}

#[test]
fn e1_and_e3_a_numbered_message_is_stored_with_its_number_and_acked_after_its_change() {
    check(
        &greeted(),
        "1 ann @1 sets f 1\n2 ann @2 #x clears f\n3 ann @3 clears f\n4 ann @4 ready true",
        expect![[r#"
            1 ann @1 sets f 1
              write field f v3 at 1 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}
              write client a of ann at 1 seen 1 done:3
              writer ann @1
              attach ann: joined as ann, client a, heard 1
              to all greeted: {"type":"changes","from":2,"to":3,"epoch":"epoch1","changes":[{"kind":"field","version":3,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"userId":"ann","updatedAt":1}]}
              to ann: {"type":"ack","seq":1,"version":3}
            2 ann @2 #x clears f
              write field f v4 at 2 by ann: cleared
              write client a of ann at 2 seen 2 done:3 done:4
              writer ann #x @2
              attach ann: joined as ann, client a, heard 2
              to all greeted: {"type":"changes","from":3,"to":4,"epoch":"epoch1","changes":[{"kind":"field","version":4,"field":"f","selection":null,"userId":"ann","updatedAt":2}]}
              to ann: {"type":"ack","id":"x","seq":2,"version":4}
            3 ann @3 clears f
              write client a of ann at 3 seen 3 done:3 done:4 done:4
              writer ann @3
              attach ann: joined as ann, client a, heard 3
              to ann: {"type":"ack","seq":3,"version":4}
            4 ann @4 ready true
              write participant ann v5 "ANN" ready true joined 0 seen 0 {}
              write client a of ann at 4 seen 4 done:3 done:4 done:4 done:5
              writer ann @4
              attach ann: joined as ann, client a, heard 4
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"participant","version":5,"participant":{"id":"ann","name":"ANN","isReady":true,"joinedAt":0}}]}
              to ann: {"type":"ack","seq":4,"version":5}
        "#]],
    );
}

#[test]
fn e2_a_number_that_was_answered_is_not_done_again() {
    let setup = format!("{}\n1 ann @1 ^0 sets f 1\n2 bob @1 sets f 2\n3 ann @2 ^9 sets g 1", greeted());
    check(
        &setup,
        "4 ann @1 ^0 sets f 1\n5 ann @2 #y ^9 sets g 1\n6 ann @1 ^0 sets f 3\n7 ann @4 sets f 4\n8 bob syncs",
        expect![[r#"
            4 ann @1 ^0 sets f 1
              attach ann: joined as ann, client a, heard 4
              to ann, in any case: {"type":"ack","seq":1,"version":3,"duplicate":true}
            5 ann @2 #y ^9 sets g 1
              attach ann: joined as ann, client a, heard 5
              to ann: {"type":"conflict","id":"y","seq":2,"code":"E_CONFLICT","field":"g","clientVersion":9,"serverVersion":0,"current":null,"duplicate":true}
              to ann, if the commit fails: {"type":"conflict","id":"y","seq":2,"code":"E_CONFLICT","field":"g","clientVersion":9,"serverVersion":0,"current":null,"duplicate":true}
            6 ann @1 ^0 sets f 3
              writer ann @1
              attach ann: joined as ann, client a, heard 6
              to ann: {"type":"error","code":"seq_reused","message":"The `seq` 1 was already used for a different message. Give every message its own number.","seq":1}
            7 ann @4 sets f 4
              writer ann @4
              attach ann: joined as ann, client a, heard 7
              to ann: {"type":"error","code":"out_of_order","message":"The next `seq` is 3. Send again from there.","seq":4,"retry":true,"expected":3}
            8 bob syncs
              writer bob
              attach bob: joined as bob, client b, heard 8
              to bob: {"type":"sync_response","version":4,"epoch":"epoch1","time":8,"selections":{"f":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":4,"updatedAt":2}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":7,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":8,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn e2_refusals_that_lie_in_the_content_are_recorded() {
    let bad = r#"{"type":"field_selected","seq":1,"selection":{"field":"","value":1,"userId":"ann"}}"#;
    let good = "sets f 1";
    check(
        &greeted(),
        &format!(
            "1 ann {bad}\n2 ann {bad}\n3 ann @1 {good}\n4 ann @2 {good}\n5 ann @3 sets f {:?}",
            "x".repeat(40_000)
        ),
        expect![[r#"
            1 ann {"type":"field_selected","seq":1,"selection":{"field":"","value":1,"userId":"ann"}}
              write client a of ann at 1 seen 1 bad_message
              writer ann @1
              attach ann: joined as ann, client a, heard 1
              to ann: {"type":"error","code":"bad_message","message":"`field` in the selection must not be empty.","seq":1}
            2 ann {"type":"field_selected","seq":1,"selection":{"field":"","value":1,"userId":"ann"}}
              attach ann: joined as ann, client a, heard 2
              to ann, in any case: {"type":"error","code":"bad_message","message":"This message was refused before, and the refusal is final. Send a different message under the next `seq`.","seq":1,"duplicate":true}
            3 ann @1 sets f 1
              writer ann @1
              attach ann: joined as ann, client a, heard 3
              to ann: {"type":"error","code":"seq_reused","message":"The `seq` 1 was already used for a different message. Give every message its own number.","seq":1}
            4 ann @2 sets f 1
              write field f v3 at 4 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":4}
              write client a of ann at 2 seen 4 bad_message done:3
              writer ann @2
              attach ann: joined as ann, client a, heard 4
              to all greeted: {"type":"changes","from":2,"to":3,"epoch":"epoch1","changes":[{"kind":"field","version":3,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":4},"userId":"ann","updatedAt":4}]}
              to ann: {"type":"ack","seq":2,"version":3}
            5 ann @3 sets f "x*40000"
              write client a of ann at 3 seen 5 bad_message done:3 limit_value
              writer ann @3
              attach ann: joined as ann, client a, heard 5
              to ann: {"type":"error","code":"limit_value","message":"The value and the members beside it are 40002 bytes long; the limit is 32768.","seq":3}
        "#]],
    );
}

#[test]
fn e2_the_same_in_another_layout_is_the_same() {
    let spaced = r#"{ "seq": 1, "type": "field_selected", "selection": { "userId": "ann", "value": {"a": [1, "x y"]}, "field": "f" } }"#;
    check(
        &greeted(),
        &format!(
            r#"1 ann @1 sets f {{"a":[1,"x y"]}}
        2 ann {spaced}
        3 ann @1 sets f {{"a":[1,"xy"]}}"#
        ),
        expect![[r#"
            1 ann @1 sets f {"a":[1,"x y"]}
              write field f v3 at 1 by ann: {"field":"f","value":{"a":[1,"x y"]},"userId":"ann","timestamp":null,"version":3,"updatedAt":1}
              write client a of ann at 1 seen 1 done:3
              writer ann @1
              attach ann: joined as ann, client a, heard 1
              to all greeted: {"type":"changes","from":2,"to":3,"epoch":"epoch1","changes":[{"kind":"field","version":3,"field":"f","selection":{"field":"f","value":{"a":[1,"x y"]},"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"userId":"ann","updatedAt":1}]}
              to ann: {"type":"ack","seq":1,"version":3}
            2 ann { "seq": 1, "type": "field_selected", "selection": { "userId": "ann", "value": {"a": [1, "x y"]}, "field": "f" } }
              attach ann: joined as ann, client a, heard 2
              to ann, in any case: {"type":"ack","seq":1,"version":3,"duplicate":true}
            3 ann @1 sets f {"a":[1,"xy"]}
              writer ann @1
              attach ann: joined as ann, client a, heard 3
              to ann: {"type":"error","code":"seq_reused","message":"The `seq` 1 was already used for a different message. Give every message its own number.","seq":1}
        "#]],
    );
}

#[test]
fn e4_only_so_many_answers_are_kept() {
    let mut few = settings();
    few.limits.outcomes = 2;
    let setup = format!("{}\n1 ann @1 sets f 1\n1 ann @2 sets f 2\n1 ann @3 sets f 3", greeted());
    check_with(
        few,
        &setup,
        "2 ann @1 sets f 1\n2 ann @2 sets f 2\n2 ann @4 sets f 4",
        expect![[r#"
            2 ann @1 sets f 1
              writer ann @1
              attach ann: joined as ann, client a, heard 2
              to ann: {"type":"error","code":"outcome_forgotten","message":"The outcome of `seq` 1 is no longer recorded. Use a new `clientId`.","seq":1}
            2 ann @2 sets f 2
              attach ann: joined as ann, client a, heard 2
              to ann, in any case: {"type":"ack","seq":2,"version":4,"duplicate":true}
            2 ann @4 sets f 4
              write field f v6 at 2 by ann: {"field":"f","value":4,"userId":"ann","timestamp":null,"version":6,"updatedAt":2}
              write client a of ann at 4 seen 2 done:5 done:6
              writer ann @4
              attach ann: joined as ann, client a, heard 2
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"field","version":6,"field":"f","selection":{"field":"f","value":4,"userId":"ann","timestamp":null,"version":6,"updatedAt":2},"userId":"ann","updatedAt":2}]}
              to ann: {"type":"ack","seq":4,"version":6}
        "#]],
    );
}

#[test]
fn e4_a_client_belongs_to_the_user_who_first_numbered_with_it() {
    let setup = format!("{}\n1 ann @1 sets f 1\n1 ann leaves\n1 eve connects", greeted());
    check(
        &setup,
        "2 eve joins\n3 eve hellos a\n4 eve2 connects\n5 eve2 hellos a\n6 eve2 @2 sets f 2",
        expect![[r#"
            2 eve joins
              write participant eve v4 "EVE" ready false joined 2 seen 2 {}
              writer eve
              attach eve: joined as eve, heard 2
              to all greeted: {"type":"changes","from":3,"to":4,"epoch":"epoch1","changes":[{"kind":"participant","version":4,"participant":{"id":"eve","name":"EVE","isReady":false,"joinedAt":2}}]}
              to all but eve: {"type":"user_joined","userId":"eve","userName":"EVE","joinedAt":2}
            3 eve hellos a
              attach eve: joined as eve, heard 3
              to eve, in any case: {"type":"error","code":"identity_mismatch","message":"This `clientId` belongs to another user. Generate a new random one."}
            4 eve2 connects
              attach eve2: unknown, heard 4
            5 eve2 hellos a
              writer eve2
              attach eve2: unknown, client a, heard 5
              to eve2: {"type":"welcome","protocol":1,"connectionId":"657665320*24","userId":null,"role":"moderator","version":4,"epoch":"epoch1","lastSeq":1,"time":5,"limits":{…},"kind":{"party":"","version":0}}
              to eve2: {"type":"sync_response","version":4,"epoch":"epoch1","time":5,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2},{"id":"eve","name":"EVE","isReady":false,"online":true,"connections":1,"joinedAt":2,"lastSeen":3,"version":4}],"presence":[],"requests":[],"permissions":[]}
            6 eve2 @2 sets f 2
              writer eve2 @2
              attach eve2: unknown, client a, heard 6
              to eve2: {"type":"error","code":"identity_mismatch","message":"This `clientId` belongs to another user. Generate a new random one.","seq":2}
        "#]],
    );
}

#[test]
fn e4_a_client_that_was_away_for_30_days_is_forgotten_and_told_so() {
    let setup = format!("{}\n1 ann @1 sets f 1\n1 ann leaves", greeted());
    // When it was last seen is noted once a day.
    let (before, after) = (31 * DAY, 31 * DAY + 2);
    check(
        &setup,
        &format!("{before} ann connects\n{before} ann hellos a 3\n{before} ann leaves"),
        expect![[r#"
            2678400000 ann connects
              write room epoch1 floor 0 touched 31d+0
              attach ann: unknown, heard 2678400000
            2678400000 ann hellos a 3
              write client a of ann at 1 seen 31d+0 done:3
              writer ann
              attach ann: unknown, client a, heard 2678400000
              to ann: {"type":"welcome","protocol":1,"connectionId":"616e6e0*26","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":1,"time":2678400000,"limits":{…},"kind":{"party":"","version":0}}
              to ann: {"type":"changes","from":3,"to":3,"epoch":"epoch1","changes":[],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2}],"presence":[]}
            2678400000 ann leaves
              alarm at 61d+0
        "#]],
    );
    check(
        &setup,
        &format!(
            "{after} ann connects\n{after} ann hellos a 3\n{after} ann @2 sets f 2\n{after} ann2 connects\n{after} ann2 hellos new"
        ),
        expect![[r#"
            2678400002 ann connects
              write room epoch1 floor 0 touched 31d+2
              attach ann: unknown, heard 2678400002
            2678400002 ann hellos a 3
              write client a of ann at forgotten seen 1 
              writer ann
              attach ann: unknown, client a, heard 2678400002
              to ann: {"type":"welcome","protocol":1,"connectionId":"616e6e0*26","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":null,"time":2678400002,"limits":{…},"kind":{"party":"","version":0}}
              to ann: {"type":"changes","from":3,"to":3,"epoch":"epoch1","changes":[],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2}],"presence":[]}
            2678400002 ann @2 sets f 2
              writer ann @2
              attach ann: unknown, client a, heard 2678400002
              to ann: {"type":"error","code":"outcome_forgotten","message":"The room no longer knows this client. Use a new `clientId` and number from 1.","seq":2}
            2678400002 ann2 connects
              attach ann2: unknown, heard 2678400002
            2678400002 ann2 hellos new
              writer ann2
              attach ann2: unknown, client new, heard 2678400002
              to ann2: {"type":"welcome","protocol":1,"connectionId":"616e6e320*24","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":0,"time":2678400002,"limits":{…},"kind":{"party":"","version":0}}
              to ann2: {"type":"sync_response","version":3,"epoch":"epoch1","time":2678400002,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn e4_and_x1_the_client_that_was_away_the_longest_gives_way() {
    let mut few = settings();
    few.limits.clients = 2;
    let setup = "0 ann connects\n0 ann hellos a\n0 ann @1 sets f 1\n1 bob connects\n1 bob hellos b\n1 bob @1 sets f 2\n2 bob leaves";
    check_with(
        few,
        setup,
        "3 cid connects\n3 cid hellos c\n3 cid @1 sets f 3\n4 bob connects\n4 bob hellos b",
        expect![[r#"
            3 cid connects
              attach cid: unknown, heard 3
              alarm at 150003
            3 cid hellos c
              writer cid
              attach cid: unknown, client c, heard 3
              to cid: {"type":"welcome","protocol":1,"connectionId":"6369640*26","userId":null,"role":"moderator","version":2,"epoch":"epoch1","lastSeq":0,"time":3,"limits":{…},"kind":{"party":"","version":0}}
              to cid: {"type":"sync_response","version":2,"epoch":"epoch1","time":3,"selections":{"f":{"field":"f","value":2,"userId":"bob","timestamp":null,"version":2,"updatedAt":1}},"participants":[],"presence":[],"requests":[],"permissions":[]}
            3 cid @1 sets f 3
              write field f v3 at 3 by cid: {"field":"f","value":3,"userId":"cid","timestamp":null,"version":3,"updatedAt":3}
              write client b of bob at forgotten seen 1 
              write client c of cid at 1 seen 3 done:3
              writer cid @1
              attach cid: bound to cid, client c, heard 3
              to all greeted: {"type":"changes","from":2,"to":3,"epoch":"epoch1","changes":[{"kind":"field","version":3,"field":"f","selection":{"field":"f","value":3,"userId":"cid","timestamp":null,"version":3,"updatedAt":3},"userId":"cid","updatedAt":3}]}
              to cid: {"type":"ack","seq":1,"version":3}
            4 bob connects
              attach bob: unknown, heard 4
            4 bob hellos b
              writer bob
              attach bob: unknown, client b, heard 4
              to bob: {"type":"welcome","protocol":1,"connectionId":"626f620*26","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":null,"time":4,"limits":{…},"kind":{"party":"","version":0}}
              to bob: {"type":"sync_response","version":3,"epoch":"epoch1","time":4,"selections":{"f":{"field":"f","value":3,"userId":"cid","timestamp":null,"version":3,"updatedAt":3}},"participants":[],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn e6_a_newer_connection_closes_the_older_ones_of_its_client() {
    let setup = format!("{}\n1 ann2 connects", greeted());
    check(
        &setup,
        "2 ann2 hellos a\n3 ann @1 sets f 1\n4 ann2 @1 sets f 2",
        expect![[r#"
            2 ann2 hellos a
              write participant ann v1 "ANN" ready false joined 0 seen 0 {}
              writer ann2
              attach ann2: joined as ann, client a, heard 2
              to ann2: {"type":"welcome","protocol":1,"connectionId":"616e6e320*24","userId":"ann","role":"moderator","version":2,"epoch":"epoch1","lastSeq":0,"time":2,"limits":{…},"kind":{"party":"","version":0}}
              to ann2: {"type":"sync_response","version":2,"epoch":"epoch1","time":2,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":2,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2}],"presence":[],"requests":[],"permissions":[]}
              close ann: 4410
            3 ann @1 sets f 1
            4 ann2 @1 sets f 2
              write field f v3 at 4 by ann: {"field":"f","value":2,"userId":"ann","timestamp":null,"version":3,"updatedAt":4}
              write client a of ann at 1 seen 4 done:3
              writer ann2 @1
              attach ann2: joined as ann, client a, heard 4
              to all greeted: {"type":"changes","from":2,"to":3,"epoch":"epoch1","changes":[{"kind":"field","version":3,"field":"f","selection":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":3,"updatedAt":4},"userId":"ann","updatedAt":4}]}
              to ann2: {"type":"ack","seq":1,"version":3}
        "#]],
    );
}

#[test]
fn s4_a_second_edit_of_the_same_client_is_no_conflict() {
    let setup = format!("{}\n1 ann @1 ^0 sets f 1", greeted());
    check(
        &setup,
        "2 ann @2 ^0 sets f 2\n3 bob @1 ^3 sets f 3\n4 ann @3 ^0 clears f\n5 ann @4 ^3 sets f 5",
        expect![[r#"
            2 ann @2 ^0 sets f 2
              write field f v4 at 2 by ann: {"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2}
              write client a of ann at 2 seen 2 done:3 done:4
              writer ann @2
              attach ann: joined as ann, client a, heard 2
              to all greeted: {"type":"changes","from":3,"to":4,"epoch":"epoch1","changes":[{"kind":"field","version":4,"field":"f","selection":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2},"userId":"ann","updatedAt":2}]}
              to ann: {"type":"ack","seq":2,"version":4}
            3 bob @1 ^3 sets f 3
              write client b of bob at 1 seen 3 conflict:f:3
              writer bob @1
              attach bob: joined as bob, client b, heard 3
              to bob: {"type":"conflict","seq":1,"code":"E_CONFLICT","field":"f","clientVersion":3,"serverVersion":4,"current":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":4,"updatedAt":2}}
            4 ann @3 ^0 clears f
              write field f v5 at 4 by ann: cleared
              write client a of ann at 3 seen 4 done:3 done:4 done:5
              writer ann @3
              attach ann: joined as ann, client a, heard 4
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"field","version":5,"field":"f","selection":null,"userId":"ann","updatedAt":4}]}
              to ann: {"type":"ack","seq":3,"version":5}
            5 ann @4 ^3 sets f 5
              write field f v6 at 5 by ann: {"field":"f","value":5,"userId":"ann","timestamp":null,"version":6,"updatedAt":5}
              write client a of ann at 4 seen 5 done:3 done:4 done:5 done:6
              writer ann @4
              attach ann: joined as ann, client a, heard 5
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"field","version":6,"field":"f","selection":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":6,"updatedAt":5},"userId":"ann","updatedAt":5}]}
              to ann: {"type":"ack","seq":4,"version":6}
        "#]],
    );
}

#[test]
fn v6_an_exact_base_version_is_a_conflict_with_the_writers_own_client_too() {
    let setup = format!("{}\n1 ann @1 ^0 sets f 1", greeted());
    check(
        &setup,
        r#"2 ann {"type":"field_selected","selection":{"field":"f","value":2,"userId":"ann"},"baseVersion":0,"exact":true,"seq":2}
        3 ann {"type":"field_cleared","field":"f","userId":"ann","baseVersion":0,"exact":true,"seq":3}
        4 ann {"type":"batch","changes":[{"type":"field_selected","selection":{"field":"g","value":1,"userId":"ann"}},{"type":"field_cleared","field":"f","userId":"ann","baseVersion":0,"exact":true}],"seq":4}
        5 ann {"type":"field_selected","selection":{"field":"f","value":5,"userId":"ann"},"baseVersion":0,"exact":false,"seq":5}
        6 ann {"type":"field_selected","selection":{"field":"f","value":6,"userId":"ann"},"baseVersion":4,"exact":true,"seq":6}
        7 ann {"type":"field_selected","selection":{"field":"f","value":6,"userId":"ann"},"baseVersion":4,"seq":6}
        8 ann {"type":"field_selected","selection":{"field":"f","value":8,"userId":"ann"},"exact":true,"seq":7}"#,
        expect![[r#"
            2 ann {"type":"field_selected","selection":{"field":"f","value":2,"userId":"ann"},"baseVersion":0,"exact":true,"seq":2}
              write client a of ann at 2 seen 2 done:3 conflict:f:0
              writer ann @2
              attach ann: joined as ann, client a, heard 2
              to ann: {"type":"conflict","seq":2,"code":"E_CONFLICT","field":"f","clientVersion":0,"serverVersion":3,"current":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}}
            3 ann {"type":"field_cleared","field":"f","userId":"ann","baseVersion":0,"exact":true,"seq":3}
              write client a of ann at 3 seen 3 done:3 conflict:f:0 conflict:f:0
              writer ann @3
              attach ann: joined as ann, client a, heard 3
              to ann: {"type":"conflict","seq":3,"code":"E_CONFLICT","field":"f","clientVersion":0,"serverVersion":3,"current":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}}
            4 ann {"type":"batch","changes":[{"type":"field_selected","selection":{"field":"g","value":1,"userId":"ann"}},{"type":"field_cleared","field":"f","userId":"ann","baseVersion":0,"exact":true}],"seq":4}
              write client a of ann at 4 seen 4 done:3 conflict:f:0 conflict:f:0 conflict:f:0
              writer ann @4
              attach ann: joined as ann, client a, heard 4
              to ann: {"type":"conflict","seq":4,"code":"E_CONFLICT","field":"f","clientVersion":0,"serverVersion":3,"current":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}}
            5 ann {"type":"field_selected","selection":{"field":"f","value":5,"userId":"ann"},"baseVersion":0,"exact":false,"seq":5}
              write field f v4 at 5 by ann: {"field":"f","value":5,"userId":"ann","timestamp":null,"version":4,"updatedAt":5}
              write client a of ann at 5 seen 5 done:3 conflict:f:0 conflict:f:0 conflict:f:0 done:4
              writer ann @5
              attach ann: joined as ann, client a, heard 5
              to all greeted: {"type":"changes","from":3,"to":4,"epoch":"epoch1","changes":[{"kind":"field","version":4,"field":"f","selection":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":4,"updatedAt":5},"userId":"ann","updatedAt":5}]}
              to ann: {"type":"ack","seq":5,"version":4}
            6 ann {"type":"field_selected","selection":{"field":"f","value":6,"userId":"ann"},"baseVersion":4,"exact":true,"seq":6}
              write field f v5 at 6 by ann: {"field":"f","value":6,"userId":"ann","timestamp":null,"version":5,"updatedAt":6}
              write client a of ann at 6 seen 6 done:3 conflict:f:0 conflict:f:0 conflict:f:0 done:4 done:5
              writer ann @6
              attach ann: joined as ann, client a, heard 6
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"field","version":5,"field":"f","selection":{"field":"f","value":6,"userId":"ann","timestamp":null,"version":5,"updatedAt":6},"userId":"ann","updatedAt":6}]}
              to ann: {"type":"ack","seq":6,"version":5}
            7 ann {"type":"field_selected","selection":{"field":"f","value":6,"userId":"ann"},"baseVersion":4,"seq":6}
              writer ann @6
              attach ann: joined as ann, client a, heard 7
              to ann: {"type":"error","code":"seq_reused","message":"The `seq` 6 was already used for a different message. Give every message its own number.","seq":6}
            8 ann {"type":"field_selected","selection":{"field":"f","value":8,"userId":"ann"},"exact":true,"seq":7}
              write field f v6 at 8 by ann: {"field":"f","value":8,"userId":"ann","timestamp":null,"version":6,"updatedAt":8}
              write client a of ann at 7 seen 8 done:3 conflict:f:0 conflict:f:0 conflict:f:0 done:4 done:5 done:6
              writer ann @7
              attach ann: joined as ann, client a, heard 8
              to all greeted: {"type":"changes","from":5,"to":6,"epoch":"epoch1","changes":[{"kind":"field","version":6,"field":"f","selection":{"field":"f","value":8,"userId":"ann","timestamp":null,"version":6,"updatedAt":8},"userId":"ann","updatedAt":8}]}
              to ann: {"type":"ack","seq":7,"version":6}
        "#]],
    );
}

#[test]
fn s9_a_batch_is_done_as_a_whole_or_not_at_all() {
    let mut few = settings();
    few.limits.fields = 2;
    let batch = |seq: u64, changes: &str| format!(r#"ann {{"type":"batch","seq":{seq},"changes":[{changes}]}}"#);
    let set = |field: &str, base: &str| {
        format!(r#"{{"type":"field_selected"{base},"selection":{{"field":"{field}","value":1,"userId":"ann"}}}}"#)
    };
    let clear = r#"{"type":"field_cleared","field":"f","userId":"ann"}"#;
    let all = [set("f", ""), set("g", r#","baseVersion":0"#), clear.to_owned(), set("f", "")].join(",");
    let too_many = [clear.to_owned(), set("h", ""), set("i", "")].join(",");
    let conflict = [set("f", ""), set("g", r#","baseVersion":1"#)].join(",");
    check_with(
        few,
        &greeted(),
        &format!(
            "1 {}\n2 {}\n2 bob sets g 2\n3 {}\n3 bob syncs 5\n4 {}",
            batch(1, &all),
            batch(2, &too_many),
            batch(3, &conflict),
            batch(4, "")
        ),
        expect![[r#"
            1 ann {"type":"batch","seq":1,"changes":[{"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann"}},{"type":"field_selected","baseVersion":0,"selection":{"field":"g","value":1,"userId":"ann"}},{"type":"field_cleared","field":"f","userId":"ann"},{"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann"}}]}
              write field f v6 at 1 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":1}
              write field g v4 at 1 by ann: {"field":"g","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":1}
              write client a of ann at 1 seen 1 done:6
              writer ann @1
              attach ann: joined as ann, client a, heard 1
              to all greeted: {"type":"changes","from":2,"to":6,"epoch":"epoch1","changes":[{"kind":"field","version":4,"field":"g","selection":{"field":"g","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":1},"userId":"ann","updatedAt":1},{"kind":"field","version":6,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":1},"userId":"ann","updatedAt":1}]}
              to ann: {"type":"ack","seq":1,"version":6}
            2 ann {"type":"batch","seq":2,"changes":[{"type":"field_cleared","field":"f","userId":"ann"},{"type":"field_selected","selection":{"field":"h","value":1,"userId":"ann"}},{"type":"field_selected","selection":{"field":"i","value":1,"userId":"ann"}}]}
              write client a of ann at 2 seen 2 done:6 limit_fields
              writer ann @2
              attach ann: joined as ann, client a, heard 2
              to ann: {"type":"error","code":"limit_fields","message":"The room is full: it has 2 fields, which is the limit. Clear one first.","seq":2}
            2 bob sets g 2
              write field g v7 at 2 by bob: {"field":"g","value":2,"userId":"bob","timestamp":null,"version":7,"updatedAt":2}
              writer bob
              attach bob: joined as bob, client b, heard 2
              to all greeted: {"type":"changes","from":6,"to":7,"epoch":"epoch1","changes":[{"kind":"field","version":7,"field":"g","selection":{"field":"g","value":2,"userId":"bob","timestamp":null,"version":7,"updatedAt":2},"userId":"bob","updatedAt":2}]}
            3 ann {"type":"batch","seq":3,"changes":[{"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann"}},{"type":"field_selected","baseVersion":1,"selection":{"field":"g","value":1,"userId":"ann"}}]}
              write client a of ann at 3 seen 3 done:6 limit_fields conflict:g:1
              writer ann @3
              attach ann: joined as ann, client a, heard 3
              to ann: {"type":"conflict","seq":3,"code":"E_CONFLICT","field":"g","clientVersion":1,"serverVersion":7,"current":{"field":"g","value":2,"userId":"bob","timestamp":null,"version":7,"updatedAt":2}}
            3 bob syncs 5
              writer bob
              attach bob: joined as bob, client b, heard 3
              to bob: {"type":"changes","from":5,"to":7,"epoch":"epoch1","changes":[{"kind":"field","version":6,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":6,"updatedAt":1},"userId":"ann","updatedAt":1},{"kind":"field","version":7,"field":"g","selection":{"field":"g","value":2,"userId":"bob","timestamp":null,"version":7,"updatedAt":2},"userId":"bob","updatedAt":2}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":3,"version":2}],"presence":[]}
            4 ann {"type":"batch","seq":4,"changes":[]}
              write client a of ann at 4 seen 4 done:6 limit_fields conflict:g:1 done:7
              writer ann @4
              attach ann: joined as ann, client a, heard 4
              to ann: {"type":"ack","seq":4,"version":7}
        "#]],
    );
}

#[test]
fn y4_welcome_tells_where_the_client_stands() {
    let setup = format!("{}\n1 ann @1 sets f 1\n1 ann leaves\n2 ann connects", greeted());
    check(
        &setup,
        r#"3 ann #h hellos a 2
        4 ann hellos a
        5 cid connects
        5 cid {"type":"hello","protocol":1,"clientId":"c","since":1,"epoch":"other"}
        6 dan connects
        6 dan {"type":"hello","protocol":2,"clientId":"d"}
        7 eve connects
        7 eve @1 sets f 1"#,
        expect![[r#"
            3 ann #h hellos a 2
              writer ann #h
              attach ann: unknown, client a, heard 3
              to ann: {"type":"welcome","protocol":1,"connectionId":"616e6e0*26","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":1,"time":3,"limits":{…},"kind":{"party":"","version":0}}
              to ann: {"type":"changes","from":2,"to":3,"epoch":"epoch1","changes":[{"kind":"field","version":3,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1},"userId":"ann","updatedAt":1}],"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2}],"presence":[]}
              to ann: {"type":"ack","id":"h","version":3}
            4 ann hellos a
              attach ann: unknown, client a, heard 4
              to ann, in any case: {"type":"error","code":"bad_message","message":"This connection has already sent `hello`."}
            5 cid connects
              attach cid: unknown, heard 5
            5 cid {"type":"hello","protocol":1,"clientId":"c","since":1,"epoch":"other"}
              writer cid
              attach cid: unknown, client c, heard 5
              to cid: {"type":"welcome","protocol":1,"connectionId":"6369640*26","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":null,"time":5,"limits":{…},"kind":{"party":"","version":0}}
              to cid: {"type":"sync_response","version":3,"epoch":"epoch1","time":5,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":3,"updatedAt":1}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":false,"connections":0,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":2}],"presence":[],"requests":[],"permissions":[],"reset":true}
            6 dan connects
              attach dan: unknown, heard 6
            6 dan {"type":"hello","protocol":2,"clientId":"d"}
              close dan: 4426
            7 eve connects
              attach eve: unknown, heard 7
            7 eve @1 sets f 1
              writer eve @1
              attach eve: unknown, heard 7
              to eve: {"type":"error","code":"bad_message","message":"Send `hello` before the first `seq`.","seq":1,"retry":true}
        "#]],
    );
}

#[test]
fn e4_e5_a_user_who_takes_all_the_clients_pushes_out_its_own_and_nobody_elses() {
    let mut few = settings();
    few.limits.clients = 3;
    let mut site = Site::with(few);
    site.connect("bob");
    site.say("bob", r#"{"type":"hello","protocol":1,"clientId":"b"}"#);
    let change = say::with_seq(1, &say::set("bob", "f", "1"));
    site.say("bob", &change);
    site.leave("bob");
    for n in 0..8 {
        site.connect("ann");
        site.say("ann", &format!(r#"{{"type":"hello","protocol":1,"clientId":"a{n}"}}"#));
        site.say("ann", &say::with_seq(1, &say::set("ann", "f", &format!("{}", n + 10))));
        site.pass(1_000);
        site.leave("ann");
    }
    // Bob never heard of his change and sends it again: it is not done over what ann wrote since.
    site.connect("bob");
    site.say("bob", r#"{"type":"hello","protocol":1,"clientId":"b"}"#);
    site.pass(1_000);
    site.take("bob");
    let answer = site.ask("bob", &change);
    assert!(answer.contains(r#""duplicate":true"#), "{answer}");
    assert_eq!(site.sync("bob")["selections"]["f"]["value"], 17);
    let clients = site.driver.room().unwrap().stored().unwrap().records.clients;
    assert_eq!(clients.iter().filter(|(_, client)| client.last_seq.is_some()).count(), 3);
    assert_eq!(clients.iter().filter(|(_, client)| client.last_seq.is_none()).count(), 3);
}

#[test]
fn e4_outcomes_take_a_bounded_space_whatever_fields_are_called() {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    // Each of these characters takes six bytes in JSON.
    let name = "\\u0001".repeat(128);
    let selection = format!(r#"{{"field":"{name}","value":1,"userId":"ann"}}"#);
    for seq in 1..=64 {
        site.say("ann", &format!(r#"{{"type":"field_selected","baseVersion":7,"selection":{selection},"seq":{seq}}}"#));
    }
    site.pass(1_000);
    let clients = site.driver.room().unwrap().stored().unwrap().records.clients;
    let client = clients.get("a").unwrap();
    assert_eq!((client.last_seq, client.outcomes.iter().count()), (Some(64), 5));
    assert!(client.outcomes.text().len() <= OUTCOME_BYTES);
}

#[test]
fn x1_and_e4_what_is_remembered_of_messages_is_counted_and_takes_a_part_of_the_room() {
    let mut site = Site::new();
    let limits = settings().limits;
    // A name of control characters is six times as long in JSON.
    let name = "\\u0001".repeat(128);
    for n in 0..600 {
        let (connection, client) = (format!("c{n}"), format!("client{n}"));
        site.connect(&connection);
        site.say(&connection, &format!(r#"{{"type":"hello","protocol":1,"clientId":"{client}"}}"#));
        for seq in 1..=64 {
            let change = say::set("ann", &name, "1");
            let late = format!(r#"{},"baseVersion":7}}"#, change.strip_suffix('}').unwrap());
            site.say_at_once(&connection, &say::with_seq(seq, &late));
        }
        site.leave(&connection);
    }
    site.pass(1_000);
    let clients = &site.driver.read(&mut site.world, site.now).unwrap().stored().unwrap().records.clients;
    assert_eq!(clients.len(), 600);
    let alive = clients.iter().map(|(id, client)| id.len() + client.outcomes.text().len()).sum::<usize>();
    assert!(clients.bytes() >= alive, "{} bytes are counted of {alive}", clients.bytes());
    let most = limits.room_bytes / CLIENTS_PART + 600 * 1_024;
    assert!(clients.bytes() <= most, "{} bytes", clients.bytes());
}

#[test]
fn x1_and_h3_idempotency_keys_take_a_part_of_the_room() {
    let mut small = settings();
    small.limits.room_bytes = 40_000;
    let mut site = Site::with(small);
    let put = |site: &mut Site, n: usize| {
        let key = format!("{n}{}", "k".repeat(200));
        site.write(Verb::Put, "f", r#"{"userId":"ann","value":1}"#, Some(&key)).unwrap()
    };
    let refused = (0..100).find(|n| matches!(put(&mut site, *n), Written::Problem { code: "limit_keys", .. }));
    assert!(refused.is_some_and(|n| (30..50).contains(&n)), "{refused:?}");
    // Until their day is over.
    site.pass(DAY + 1);
    assert!(matches!(put(&mut site, 100), Written::Done { .. }));
}
