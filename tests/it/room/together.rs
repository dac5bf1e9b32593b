//! What clients that said `hello` hear of each other: one frame for many changes, and presence (Y6 to Y8, P1).

use super::*;

/// `ann` and `bob` have said hello and joined; `pat` is a plain client.
fn mixed() -> String {
    "0 ann connects\n0 ann hellos a\n0 ann joins\n0 bob connects\n0 bob hellos b\n0 bob joins\n0 pat connects\n0 pat joins".to_owned()
}

#[test]
fn y6_and_s8_hello_clients_get_one_frame_for_all_and_plain_ones_one_for_each() {
    let setup = format!("{}\n{}\n100 ann @1 sets f 0", mixed(), crowd(97));
    check(
        &setup,
        "101 ann @2 sets f 1\n102 bob sets g 2\n103 pat sets f 3\n104 ann @3 clears g\n105 ann @4 #x sets h 4\n105 bob @1 ^0 sets f 9\n116 * flush",
        expect![[r#"
            101 ann @2 sets f 1
              flush at 116
            102 bob sets g 2
              flush at 116
            103 pat sets f 3
              flush at 116
            104 ann @3 clears g
              flush at 116
            105 ann @4 #x sets h 4
              flush at 116
            105 bob @1 ^0 sets f 9
              flush at 116
            116 * flush
              write field f v7 at 103 by pat: {"field":"f","value":3,"userId":"pat","timestamp":null,"version":7,"updatedAt":103}
              write field g v8 at 104 by ann: cleared
              write field h v9 at 105 by ann: {"field":"h","value":4,"userId":"ann","timestamp":null,"version":9,"updatedAt":105}
              write client a of ann at 4 seen 105 done:4 done:5 done:8 done:9
              write client b of bob at 1 seen 105 conflict:f:0
              writer ann @2
              writer bob
              writer pat
              writer ann @3
              writer ann #x @4
              writer bob @1
              attach ann: joined as ann, client a, heard 105
              attach bob: joined as bob, client b, heard 105
              attach pat: joined as pat, heard 103
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":101},"version":5}
              to all plain but bob: {"type":"field_selected","selection":{"field":"g","value":2,"userId":"bob","timestamp":null,"version":6,"updatedAt":102},"version":6}
              to all plain but pat: {"type":"field_selected","selection":{"field":"f","value":3,"userId":"pat","timestamp":null,"version":7,"updatedAt":103},"version":7}
              to all plain but ann: {"type":"field_cleared","field":"g","userId":"ann","version":8}
              to all plain but ann: {"type":"field_selected","selection":{"field":"h","value":4,"userId":"ann","timestamp":null,"version":9,"updatedAt":105},"version":9}
              to all greeted: {"type":"changes","from":4,"to":9,"epoch":"epoch1","changes":[{"kind":"field","version":7,"field":"f","selection":{"field":"f","value":3,"userId":"pat","timestamp":null,"version":7,"updatedAt":103},"userId":"pat","updatedAt":103},{"kind":"field","version":8,"field":"g","selection":null,"userId":"ann","updatedAt":104},{"kind":"field","version":9,"field":"h","selection":{"field":"h","value":4,"userId":"ann","timestamp":null,"version":9,"updatedAt":105},"userId":"ann","updatedAt":105}]}
              to ann: {"type":"ack","id":"x","seq":4,"version":9}
              to bob: {"type":"conflict","seq":1,"code":"E_CONFLICT","field":"f","clientVersion":0,"serverVersion":7,"current":{"field":"f","value":3,"userId":"pat","timestamp":null,"version":7,"updatedAt":103}}
        "#]],
    );
}

#[test]
fn y7_frames_join_up_around_answers_and_what_is_relayed() {
    let setup = format!("{}\n{}\n100 ann @1 sets f 0", mixed(), crowd(97));
    check(
        &setup,
        "101 ann sets f 1\n102 bob syncs\n117 ann sets f 2\n118 ann sets f 3\n119 bob {\"type\":\"wave\"}\n120 pat sets f 4\n121 cid connects\n122 ann sets f 5\n122 cid hellos c",
        expect![[r#"
            101 ann sets f 1
              flush at 116
            102 bob syncs
              write field f v5 at 101 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":101}
              writer ann
              writer bob
              attach ann: joined as ann, client a, heard 101
              attach bob: joined as bob, client b, heard 102
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":101},"version":5}
              to all greeted: {"type":"changes","from":4,"to":5,"epoch":"epoch1","changes":[{"kind":"field","version":5,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":101},"userId":"ann","updatedAt":101}]}
              to bob: {"type":"sync_response","version":5,"epoch":"epoch1","time":102,"selections":{"f":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":5,"updatedAt":101}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":101,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":102,"version":2},{"id":"pat","name":"PAT","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":3}],"presence":[],"requests":[],"permissions":[]}
            117 ann sets f 2
              flush at 118
            118 ann sets f 3
              write field f v7 at 118 by ann: {"field":"f","value":3,"userId":"ann","timestamp":null,"version":7,"updatedAt":118}
              writer ann
              writer ann
              attach ann: joined as ann, client a, heard 118
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":6,"updatedAt":117},"version":6}
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":3,"userId":"ann","timestamp":null,"version":7,"updatedAt":118},"version":7}
              to all greeted: {"type":"changes","from":5,"to":7,"epoch":"epoch1","changes":[{"kind":"field","version":7,"field":"f","selection":{"field":"f","value":3,"userId":"ann","timestamp":null,"version":7,"updatedAt":118},"userId":"ann","updatedAt":118}]}
            119 bob {"type":"wave"}
              writer bob
              attach bob: joined as bob, client b, heard 119
              to all but bob: {"type":"wave"}
            120 pat sets f 4
              flush at 135
            121 cid connects
              write field f v8 at 120 by pat: {"field":"f","value":4,"userId":"pat","timestamp":null,"version":8,"updatedAt":120}
              writer pat
              attach pat: joined as pat, heard 120
              attach cid: unknown, heard 121
              to all plain but pat: {"type":"field_selected","selection":{"field":"f","value":4,"userId":"pat","timestamp":null,"version":8,"updatedAt":120},"version":8}
              to all greeted: {"type":"changes","from":7,"to":8,"epoch":"epoch1","changes":[{"kind":"field","version":8,"field":"f","selection":{"field":"f","value":4,"userId":"pat","timestamp":null,"version":8,"updatedAt":120},"userId":"pat","updatedAt":120}]}
            122 ann sets f 5
              flush at 137
            122 cid hellos c
              write field f v9 at 122 by ann: {"field":"f","value":5,"userId":"ann","timestamp":null,"version":9,"updatedAt":122}
              writer ann
              writer cid
              attach ann: joined as ann, client a, heard 122
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":9,"updatedAt":122},"version":9}
              to all greeted: {"type":"changes","from":8,"to":9,"epoch":"epoch1","changes":[{"kind":"field","version":9,"field":"f","selection":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":9,"updatedAt":122},"userId":"ann","updatedAt":122}]}
              writer cid
              attach cid: unknown, client c, heard 122
              to cid: {"type":"welcome","protocol":1,"connectionId":"6369640*26","userId":null,"role":"moderator","version":9,"epoch":"epoch1","lastSeq":0,"time":122,"limits":{…},"kind":{"party":"","version":0}}
              to cid: {"type":"sync_response","version":9,"epoch":"epoch1","time":122,"selections":{"f":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":9,"updatedAt":122}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":122,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":119,"version":2},{"id":"pat","name":"PAT","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":120,"version":3}],"presence":[],"requests":[],"permissions":[]}
        "#]],
    );
}

#[test]
fn y6_a_tombstone_is_told_before_it_is_forgotten() {
    let mut few = settings();
    few.limits.tombstones = 1;
    let setup =
        format!("{}\n{}\n0 ann sets a 1\n20 ann sets b 1\n40 ann sets c 1\n100 ann sets f 0", mixed(), crowd(97));
    check_with(
        few,
        &setup,
        "101 ann clears a\n102 ann clears b\n103 ann clears c\n116 * flush",
        expect![[r#"
            101 ann clears a
              flush at 116
            102 ann clears b
              flush at 116
            103 ann clears c
              flush at 116
            116 * flush
              write room epoch1 floor 9 touched 0
              write no field a
              write no field b
              write field c v10 at 103 by ann: cleared
              writer ann
              writer ann
              writer ann
              attach ann: joined as ann, client a, heard 103
              to all plain but ann: {"type":"field_cleared","field":"a","userId":"ann","version":8}
              to all plain but ann: {"type":"field_cleared","field":"b","userId":"ann","version":9}
              to all greeted: {"type":"changes","from":7,"to":9,"epoch":"epoch1","changes":[{"kind":"field","version":8,"field":"a","selection":null,"userId":"ann","updatedAt":101},{"kind":"field","version":9,"field":"b","selection":null,"userId":"ann","updatedAt":102}]}
              to all plain but ann: {"type":"field_cleared","field":"c","userId":"ann","version":10}
              to all greeted: {"type":"changes","from":9,"to":10,"epoch":"epoch1","changes":[{"kind":"field","version":10,"field":"c","selection":null,"userId":"ann","updatedAt":103}]}
        "#]],
    );
}

#[test]
fn p1_presence_is_told_to_hello_clients_twenty_times_a_second() {
    check(
        &mixed(),
        r#"100 ann shows {"x":1}
        110 ann shows {"x":2}
        120 bob shows [3]
        130 ann shows {"x":4}
        150 * flush
        160 pat shows 5
        170 ann shows null
        180 cid connects
        180 cid hellos c
        190 bob leaves
        200 * flush
        300 ann #p shows 6"#,
        expect![[r#"
            100 ann shows {"x":1}
              attach ann: joined as ann, client a, shows {"x":1}, heard 100
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":{"x":1}}]}
            110 ann shows {"x":2}
              flush at 150
            120 bob shows [3]
              flush at 150
            130 ann shows {"x":4}
              flush at 150
            150 * flush
              attach ann: joined as ann, client a, shows {"x":4}, heard 130
              attach bob: joined as bob, client b, shows [3], heard 120
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":{"x":4}},{"connectionId":"626f620*26","userId":"bob","data":[3]}]}
            160 pat shows 5
              attach pat: joined as pat, heard 160
              to pat, in any case: {"type":"error","code":"bad_message","message":"Send `hello` before the first `presence`.","retry":true}
            170 ann shows null
              flush at 200
            180 cid connects
              attach ann: joined as ann, client a, heard 170
              attach cid: unknown, heard 180
              flush at 200
            180 cid hellos c
              writer cid
              attach cid: unknown, client c, heard 180
              to cid: {"type":"welcome","protocol":1,"connectionId":"6369640*26","userId":null,"role":"moderator","version":3,"epoch":"epoch1","lastSeq":0,"time":180,"limits":{…},"kind":{"party":"","version":0}}
              to cid: {"type":"sync_response","version":3,"epoch":"epoch1","time":180,"selections":{},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":170,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":120,"version":2},{"id":"pat","name":"PAT","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":160,"version":3}],"presence":[{"connectionId":"626f620*26","userId":"bob","data":[3]}],"requests":[],"permissions":[]}
              flush at 200
            190 bob leaves
              write participant bob v2 "BOB" ready false joined 0 seen 190 {}
              to all but bob, in any case: {"type":"user_left","userId":"bob","lastSeen":190}
              flush at 200
            200 * flush
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":null},{"connectionId":"626f620*26","userId":"bob","data":null}]}
            300 ann #p shows 6
              writer ann #p
              attach ann: joined as ann, client a, shows 6, heard 300
              to ann: {"type":"ack","id":"p","version":3}
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":6}]}
        "#]],
    );
}

#[test]
fn p1_presence_of_somebody_unknown_is_told_again_once_it_is_known_whose_it_is() {
    check(
        "0 ann connects\n0 ann hellos a\n0 bob connects\n0 bob hellos b",
        "100 ann shows 1\n200 ann joins\n300 ann shows 2\n310 * flush",
        expect![[r#"
            100 ann shows 1
              attach ann: unknown, client a, shows 1, heard 100
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":null,"data":1}]}
            200 ann joins
              write participant ann v1 "ANN" ready false joined 200 seen 200 {}
              writer ann
              attach ann: joined as ann, client a, shows 1, heard 200
              to all greeted: {"type":"changes","from":0,"to":1,"epoch":"epoch1","changes":[{"kind":"participant","version":1,"participant":{"id":"ann","name":"ANN","isReady":false,"joinedAt":200}}]}
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":200}
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":1}]}
            300 ann shows 2
              attach ann: joined as ann, client a, shows 2, heard 300
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":2}]}
            310 * flush
        "#]],
    );
}

#[test]
fn p1_a_presence_beyond_its_limit_is_refused() {
    let long = format!("\"{}\"", "x".repeat(4095));
    check(
        &mixed(),
        &format!("1 ann shows {long}\n2 ann #i shows {long}"),
        expect![[r#"
            1 ann shows "x*4095"
              attach ann: joined as ann, client a, heard 1
              to ann, in any case: {"type":"error","code":"limit_presence","message":"`data` is 4097 bytes long; the limit is 4096."}
            2 ann #i shows "x*4095"
              attach ann: joined as ann, client a, heard 2
              to ann, in any case: {"type":"error","code":"limit_presence","message":"`data` is 4097 bytes long; the limit is 4096.","id":"i"}
        "#]],
    );
}

#[test]
fn p1_a_clock_that_is_put_back_does_not_hold_presence_up() {
    check(
        &mixed(),
        "5000 ann shows 1\n1000 ann shows 2\n1050 * flush",
        expect![[r#"
            5000 ann shows 1
              attach ann: joined as ann, client a, shows 1, heard 5000
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":1}]}
            1000 ann shows 2
              flush at 1050
            1050 * flush
              attach ann: joined as ann, client a, shows 2, heard 5000
              to all greeted, in any case: {"type":"presence","presence":[{"connectionId":"616e6e0*26","userId":"ann","data":2}]}
        "#]],
    );
}

#[test]
fn y8_what_comes_in_the_same_moment_as_a_commit_is_gathered_in_a_small_room_too() {
    check(
        &mixed(),
        "1 ann @1 sets f 1\n= ann @2 sets f 2\n= ann @3 sets g 3\n= bob @1 sets f 4\n1 * flush\n= ann @4 sets f 5\n= bob syncs\n1 * flush\n= ann @5 sets f 6",
        expect![[r#"
            1 ann @1 sets f 1
              write field f v4 at 1 by ann: {"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":1}
              write client a of ann at 1 seen 1 done:4
              writer ann @1
              attach ann: joined as ann, client a, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":1},"version":4}
              to all greeted: {"type":"changes","from":3,"to":4,"epoch":"epoch1","changes":[{"kind":"field","version":4,"field":"f","selection":{"field":"f","value":1,"userId":"ann","timestamp":null,"version":4,"updatedAt":1},"userId":"ann","updatedAt":1}]}
              to ann: {"type":"ack","seq":1,"version":4}
            = ann @2 sets f 2
            = ann @3 sets g 3
            = bob @1 sets f 4
            1 * flush
              write field f v7 at 1 by bob: {"field":"f","value":4,"userId":"bob","timestamp":null,"version":7,"updatedAt":1}
              write field g v6 at 1 by ann: {"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":1}
              write client a of ann at 3 seen 1 done:4 done:5 done:6
              write client b of bob at 1 seen 1 done:7
              writer ann @2
              writer ann @3
              writer bob @1
              attach ann: joined as ann, client a, heard 1
              attach bob: joined as bob, client b, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":2,"userId":"ann","timestamp":null,"version":5,"updatedAt":1},"version":5}
              to all plain but ann: {"type":"field_selected","selection":{"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":1},"version":6}
              to all plain but bob: {"type":"field_selected","selection":{"field":"f","value":4,"userId":"bob","timestamp":null,"version":7,"updatedAt":1},"version":7}
              to all greeted: {"type":"changes","from":4,"to":7,"epoch":"epoch1","changes":[{"kind":"field","version":6,"field":"g","selection":{"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":1},"userId":"ann","updatedAt":1},{"kind":"field","version":7,"field":"f","selection":{"field":"f","value":4,"userId":"bob","timestamp":null,"version":7,"updatedAt":1},"userId":"bob","updatedAt":1}]}
              to ann: {"type":"ack","seq":3,"version":6}
              to bob: {"type":"ack","seq":1,"version":7}
            = ann @4 sets f 5
              flush at 2
            = bob syncs
              write field f v8 at 1 by ann: {"field":"f","value":5,"userId":"ann","timestamp":null,"version":8,"updatedAt":1}
              write client a of ann at 4 seen 1 done:4 done:5 done:6 done:8
              writer ann @4
              writer bob
              attach ann: joined as ann, client a, heard 1
              attach bob: joined as bob, client b, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":8,"updatedAt":1},"version":8}
              to all greeted: {"type":"changes","from":7,"to":8,"epoch":"epoch1","changes":[{"kind":"field","version":8,"field":"f","selection":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":8,"updatedAt":1},"userId":"ann","updatedAt":1}]}
              to ann: {"type":"ack","seq":4,"version":8}
              to bob: {"type":"sync_response","version":8,"epoch":"epoch1","time":1,"selections":{"f":{"field":"f","value":5,"userId":"ann","timestamp":null,"version":8,"updatedAt":1},"g":{"field":"g","value":3,"userId":"ann","timestamp":null,"version":6,"updatedAt":1}},"participants":[{"id":"ann","name":"ANN","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1,"version":1},{"id":"bob","name":"BOB","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":1,"version":2},{"id":"pat","name":"PAT","isReady":false,"online":true,"connections":1,"joinedAt":0,"lastSeen":0,"version":3}],"presence":[],"requests":[],"permissions":[]}
            1 * flush
            = ann @5 sets f 6
              write field f v9 at 1 by ann: {"field":"f","value":6,"userId":"ann","timestamp":null,"version":9,"updatedAt":1}
              write client a of ann at 5 seen 1 done:4 done:5 done:6 done:8 done:9
              writer ann @5
              attach ann: joined as ann, client a, heard 1
              to all plain but ann: {"type":"field_selected","selection":{"field":"f","value":6,"userId":"ann","timestamp":null,"version":9,"updatedAt":1},"version":9}
              to all greeted: {"type":"changes","from":8,"to":9,"epoch":"epoch1","changes":[{"kind":"field","version":9,"field":"f","selection":{"field":"f","value":6,"userId":"ann","timestamp":null,"version":9,"updatedAt":1},"userId":"ann","updatedAt":1}]}
              to ann: {"type":"ack","seq":5,"version":9}
        "#]],
    );
}
