//! Who may do what, for how long, and how much of it.

use roomkeep::access::claim_rules::ClaimRules;
use roomkeep::access::claims::{Claims, Denial};
use roomkeep::access::pass::Pass;
use roomkeep::access::revocations::Revocation;
use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::refusal::{CloseCode, Code};
use roomkeep::protocol::role::Role;
use roomkeep::room::admission::UNAUTHENTICATED;
use roomkeep::room::connections::sessions::TOKEN_WAIT;
use roomkeep::room::settings::Settings;
use serde_json::Value;

use super::*;
use crate::world::{DAY, Site};

/// One message of each type that a client can send (`{me}` is its own user), and of none.
const MESSAGES: [(&str, &str); 17] = [
    ("hello", r#"{"type":"hello","protocol":1,"clientId":"c"}"#),
    ("auth", r#"{"type":"auth","token":"t"}"#),
    ("user_joined", r#"{"type":"user_joined","userId":"ann","userName":"Ann"}"#),
    ("sync_request", r#"{"type":"sync_request"}"#),
    ("presence", r#"{"type":"presence","data":1}"#),
    ("user_ready", r#"{"type":"user_ready","userId":"ann","isReady":true}"#),
    ("field_selected", r#"{"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann"}}"#),
    ("field_cleared", r#"{"type":"field_cleared","field":"f","userId":"ann"}"#),
    ("batch", r#"{"type":"batch","changes":[{"type":"field_cleared","field":"f","userId":"ann"}]}"#),
    ("any other", r#"{"type":"cursor_moved","x":1}"#),
    ("permission_request", r#"{"type":"permission_request","requestId":"r","action":"a"}"#),
    ("permission_cancelled", r#"{"type":"permission_cancelled","requestId":"r"}"#),
    (
        "permission_response",
        r#"{"type":"permission_response","requestId":"r","userId":"bob","decision":"allow","scope":"once"}"#,
    ),
    ("permission_revoked", r#"{"type":"permission_revoked","userId":"bob","action":"a"}"#),
    ("kick", r#"{"type":"kick","userId":"bob"}"#),
    ("binary", ""),
    ("welcome", r#"{"type":"welcome"}"#),
];

/// A site that asks for tokens.
pub fn guarded() -> Site {
    Site::with(Settings { requires_tokens: true, ..settings() })
}

fn pass(role: Role, expires: Millis) -> Pass {
    Pass { role, name: None, token_id: Some("t".to_owned()), claims: Vec::new(), expires, is_stream: false }
}

pub fn codes(frames: &[String]) -> Vec<String> {
    let frames = frames.iter().map(|frame| serde_json::from_str::<Value>(frame).unwrap());
    frames.filter_map(|frame| Some(frame["code"].as_str()?.to_owned())).collect()
}

pub fn close_of(site: &Site, name: &str) -> Option<CloseCode> {
    site.world.closed.get(&say::connection(name)).map(|(code, _)| *code)
}

fn hello(client: &str, token: &str) -> String {
    format!(r#"{{"type":"hello","protocol":1,"clientId":"{client}","token":"{token}"}}"#)
}

#[test]
fn a4_and_f5_each_role_may_say_what_the_table_says() {
    let mut table = format!("{:22}{}\n", "", Role::ALL.map(|role| format!("{:10}", role.as_str())).concat());
    for (kind, text) in MESSAGES {
        let cells = Role::ALL.map(|role| {
            let mut site = guarded();
            site.enter("ann", say::pass("ann", role.as_str())).unwrap();
            if kind == "presence" {
                site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"c"}"#);
            }
            site.say("ann", &say::join("ann"));
            site.take("ann");
            match kind {
                "binary" => site.driver.receive(&mut site.world, say::connection("ann"), None, site.now),
                _ => site.say("ann", text),
            }
            site.come_round();
            match codes(&site.take("ann")).first().map(String::as_str) {
                None | Some("request_not_found") => "yes",
                Some("forbidden") => "-",
                Some("bad_message") => "bad",
                Some("reserved_type") => "reserved",
                Some(code) => panic!("{kind}: {code}"),
            }
        });
        writeln!(table, "{kind:22}{}", cells.map(|cell| format!("{cell:10}")).concat()).unwrap();
    }
    println!("{table}");
    expect![[r#"
                              viewer    editor    moderator admin     
        hello                 yes       yes       yes       yes       
        auth                  yes       yes       yes       yes       
        user_joined           yes       yes       yes       yes       
        sync_request          yes       yes       yes       yes       
        presence              yes       yes       yes       yes       
        user_ready            -         yes       yes       yes       
        field_selected        -         yes       yes       yes       
        field_cleared         -         yes       yes       yes       
        batch                 -         yes       yes       yes       
        any other             -         yes       yes       yes       
        permission_request    -         yes       yes       yes       
        permission_cancelled  -         yes       yes       yes       
        permission_response   -         -         yes       yes       
        permission_revoked    -         -         yes       yes       
        kick                  -         -         yes       yes       
        binary                bad       bad       bad       bad       
        welcome               reserved  reserved  reserved  reserved  
    "#]]
    .assert_eq(&table);
}

#[test]
fn a4_a_refusal_for_the_role_may_pass_and_is_not_recorded() {
    check(
        "0 ann enters viewer\n0 ann hellos c",
        "1 ann @1 sets f 1\n2 ann @1 joins",
        expect![[r#"
            1 ann @1 sets f 1
              writer ann @1
              attach ann: bound to ann, viewer until 4611686018427387903, client c, heard 1
              to ann: {"type":"error","code":"forbidden","message":"This requires the role editor; yours is viewer.","seq":1,"retry":true}
            2 ann @1 joins
              write participant ann v1 "ANN" ready false joined 2 seen 2 {}
              write client c of ann at 1 seen 2 done:1
              writer ann @1
              attach ann: joined as ann, viewer until 4611686018427387903, client c, heard 2
              to all greeted: {"type":"changes","from":0,"to":1,"epoch":"epoch1","changes":[{"kind":"participant","version":1,"participant":{"id":"ann","name":"ANN","isReady":false,"joinedAt":2}}]}
              to all but ann: {"type":"user_joined","userId":"ann","userName":"ANN","joinedAt":2}
              to ann: {"type":"ack","seq":1,"version":1}
        "#]],
    );
}

#[test]
fn a3_with_a_token_the_user_and_the_name_are_the_tokens() {
    check(
        "",
        "1 ann enters editor 900 Annabel\n2 ann {\"type\":\"user_joined\",\"userId\":\"bob\",\"userName\":\"Bob\"}\n3 ann joins Queen",
        expect![[r#"
            1 ann enters editor 900 Annabel
              write tables
              write room epoch1 floor 0 touched 1
              attach ann: bound to ann, editor until 900, heard 1
              alarm at 900
            2 ann {"type":"user_joined","userId":"bob","userName":"Bob"}
              attach ann: bound to ann, editor until 900, heard 2
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user."}
            3 ann joins Queen
              write participant ann v1 "Annabel" ready false joined 3 seen 3 {}
              writer ann
              attach ann: joined as ann, editor until 900, heard 3
              to all but ann: {"type":"user_joined","userId":"ann","userName":"Annabel","joinedAt":3}
        "#]],
    );
}

#[test]
fn a4_a_kick_closes_all_of_a_users_connections() {
    check(
        "0 ann enters moderator\n0 bob enters editor\n0 bob2 enters editor\n0 bob joins\n0 cid enters viewer",
        "1 ann #1 {\"type\":\"kick\",\"userId\":\"bob\"}\n2 bob sets f 1\n3 ann #3 {\"type\":\"kick\",\"userId\":\"dan\"}",
        expect![[r#"
            1 ann #1 {"type":"kick","userId":"bob"}
              write participant bob v1 "BOB" ready false joined 0 seen 0 {}
              writer ann #1
              attach ann: bound to ann, moderator until 4611686018427387903, heard 1
              to all but bob, in any case: {"type":"user_left","userId":"bob","lastSeen":0}
              to ann: {"type":"ack","id":"1","version":1}
              close bob: 4403
              close bob2: 4403
            2 bob sets f 1
            3 ann #3 {"type":"kick","userId":"dan"}
              writer ann #3
              attach ann: bound to ann, moderator until 4611686018427387903, heard 3
              to ann: {"type":"ack","id":"3","version":1}
        "#]],
    );
}

#[test]
fn a5_a_connection_ends_with_its_token_at_any_event_and_by_the_alarm() {
    for is_asleep in [false, true] {
        let mut site = guarded();
        site.enter("ann", say::pass("ann", "editor 5000")).unwrap();
        site.enter("bob", say::pass("bob", "editor")).unwrap();
        site.say("ann", &say::join("ann"));
        site.come_round();
        assert_eq!(site.world.alarm, Some(5_000), "the room wakes for it");
        if is_asleep {
            site.sleep();
        }
        site.now = 4_999;
        site.say("ann", &say::set("ann", "f", "1"));
        assert_eq!(codes(&site.take("ann")), [""; 0]);
        site.now = 5_000;
        site.say("ann", &say::set("ann", "f", "2"));
        site.come_round();
        assert_eq!(close_of(&site, "ann"), Some(CloseCode::Unauthorized));
        assert_eq!(site.sync("bob")["selections"]["f"]["value"], 1, "what came with an old token does not count");

        let mut site = guarded();
        site.enter("ann", say::pass("ann", "editor 5000")).unwrap();
        site.say("ann", &say::join("ann"));
        site.come_round();
        site.sleep();
        site.pass(10_000);
        assert_eq!(close_of(&site, "ann"), Some(CloseCode::Unauthorized));
    }
}

#[test]
fn a5_auth_renews_a_token_in_place_for_the_same_user() {
    let mut site = guarded();
    let auth = say::with_id("i", r#"{"type":"auth","token":"new"}"#);
    site.enter("ann", say::pass("ann", "editor 5000")).unwrap();
    site.say("ann", &auth);
    assert_eq!(site.world.tokens, [(say::connection("ann"), "new".to_owned())]);
    // The old one holds while the new one is being checked.
    assert_eq!(codes(&[site.ask("ann", &say::with_id("j", &say::set("bob", "f", "1")))]), ["identity_mismatch"]);
    assert_eq!(codes(&[site.ask("ann", &auth)]), ["limit_rate"]);
    site.verified("ann", Err(Denial::Unavailable));
    for (outcome, code) in [
        (Err(Denial::Unauthorized("no".to_owned())), "unauthorized"),
        (Err(Denial::Forbidden("no".to_owned())), "forbidden"),
        (Err(Denial::Revoked), "revoked"),
        (Err(Denial::Unavailable), "unavailable"),
        (Ok(("bob".to_owned(), pass(Role::Admin, 9_000))), "identity_mismatch"),
    ] {
        site.take("ann");
        site.say("ann", &auth);
        site.verified("ann", outcome);
        assert_eq!(codes(&site.take("ann")), [code]);
        assert_eq!(close_of(&site, "ann"), None);
    }
    site.say("ann", &auth);
    site.verified("ann", Ok(("ann".to_owned(), pass(Role::Viewer, 9_000))));
    let answers = site.take("ann");
    assert_eq!(answers, [r#"{"type":"ack","id":"i","version":0}"#]);
    assert_eq!(codes(&[site.ask("ann", &say::set("ann", "f", "1"))]), ["forbidden"], "the new role counts");
    site.sleep();
    site.pass(7_999);
    assert_eq!(close_of(&site, "ann"), None);
    site.pass(1);
    assert_eq!(close_of(&site, "ann"), Some(CloseCode::Unauthorized));
}

#[test]
fn a5_without_keys_auth_changes_nothing() {
    check(
        "0 ann connects",
        "1 ann #1 {\"type\":\"auth\",\"token\":\"t\"}",
        expect![[r#"
            1 ann #1 {"type":"auth","token":"t"}
              writer ann #1
              attach ann: unknown, heard 1
              to ann: {"type":"ack","id":"1","version":0}
        "#]],
    );
}

#[test]
fn a9_who_waits_for_a_token_sees_nothing_and_counts_for_nothing() {
    let mut site = guarded();
    site.enter("eve", Admission::Unauthenticated).unwrap();
    assert_eq!(site.world.dump(), [""; 0], "nothing is stored for it");
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    site.enter("bob", say::pass("bob", "editor")).unwrap();
    site.say("bob", r#"{"type":"hello","protocol":1,"clientId":"b"}"#);
    site.say("ann", &say::join("ann"));
    site.say("ann", &say::set("ann", "f", "1"));
    site.say("ann", r#"{"type":"cursor_moved","x":1}"#);
    site.say("bob", r#"{"type":"presence","data":1}"#);
    site.leave("ann");
    site.pass(1_000);
    assert_eq!(site.take("eve"), [""; 0]);
    site.say("eve", &say::sync());
    site.come_round();
    assert_eq!((site.take("eve"), close_of(&site, "eve")), (Vec::new(), Some(CloseCode::Unauthorized)));
}

#[test]
fn a9_who_waits_is_closed_in_time_and_there_are_not_many() {
    let mut site = guarded();
    for n in 0..UNAUTHENTICATED {
        site.enter(&format!("w{n}"), Admission::Unauthenticated).unwrap();
    }
    assert_eq!(site.enter("late", Admission::Unauthenticated).unwrap_err().code, Code::LimitConnections);
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    site.sleep();
    site.pass(TOKEN_WAIT - 1);
    assert_eq!(close_of(&site, "w0"), None);
    site.pass(1);
    assert!((0..UNAUTHENTICATED).all(|n| close_of(&site, &format!("w{n}")) == Some(CloseCode::Unauthorized)));
    assert_eq!(close_of(&site, "ann"), None);
    site.enter("late", Admission::Unauthenticated).unwrap();
}

#[test]
fn a9_a5_and_x3_who_has_to_go_goes_although_the_room_ends_meanwhile() {
    let brief = Settings { time_to_live: 5_000, requires_tokens: true, ..settings() };
    let mut site = Site::with(brief.clone());
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    site.say("ann", &say::set("ann", "f", "1"));
    site.leave("ann");
    site.pass(2_000);
    site.enter("eve", Admission::Unauthenticated).unwrap();
    site.pass(5_000);
    assert_eq!((site.world.dump(), close_of(&site, "eve")), (Vec::new(), None), "the room ends without its guest");
    site.pass(TOKEN_WAIT - 5_000);
    assert_eq!((close_of(&site, "eve"), site.world.alarm), (Some(CloseCode::Unauthorized), None));
    // The alarm rings so late that all is due at one time.
    for entry in [Admission::Unauthenticated, say::pass("ann", "editor 9000")] {
        let mut site = Site::with(brief.clone());
        site.enter("ann", entry).unwrap();
        site.come_round();
        site.now += DAY;
        site.world.alarm = None;
        site.driver.alarm(&mut site.world, site.now);
        assert_eq!((site.world.dump(), close_of(&site, "ann")), (Vec::new(), Some(CloseCode::Unauthorized)));
    }
}

#[test]
fn a9_a_hello_with_a_token_lets_in_and_what_came_behind_it_follows() {
    let mut site = guarded();
    site.enter("ann", Admission::Unauthenticated).unwrap();
    site.say("ann", &hello("c", "good"));
    site.say("ann", &say::with_id("1", &say::join("ann")));
    site.say("ann", &say::with_id("2", &say::set("ann", "f", "1")));
    assert_eq!(site.take("ann"), [""; 0]);
    site.verified("ann", Ok(("ann".to_owned(), pass(Role::Editor, 90_000))));
    site.come_round();
    let answers = site.take("ann");
    let types = answers.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()["type"].clone());
    let types = types.map(|kind| kind.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(types, ["welcome", "sync_response", "changes", "changes", "ack", "ack"]);
    assert!(answers[0].contains(r#""userId":"ann","role":"editor""#), "{}", answers[0]);
}

#[test]
fn a9_a_token_that_counts_lets_in_although_the_hello_is_another_clients() {
    let mut site = guarded();
    site.enter("bob", say::pass("bob", "editor")).unwrap();
    site.say("bob", r#"{"type":"hello","protocol":1,"clientId":"c"}"#);
    site.say("bob", &say::with_seq(1, &say::set("bob", "f", "1")));
    site.enter("ann", Admission::Unauthenticated).unwrap();
    site.say("ann", &hello("c", "good"));
    site.verified("ann", Ok(("ann".to_owned(), pass(Role::Editor, 90_000))));
    site.come_round();
    assert_eq!(codes(&site.take("ann")), ["identity_mismatch"]);
    // The room sleeps, and knows when it wakes that ann is in.
    site.sleep();
    assert!(site.ask("ann", &say::with_id("1", &say::set("ann", "g", "1"))).contains(r#""type":"ack""#));
    site.pass(TOKEN_WAIT);
    assert_eq!(close_of(&site, "ann"), None);
}

#[test]
fn j6_a5_renewing_a_token_is_a_sign_of_life() {
    let mut site = guarded();
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    site.say("ann", &say::join("ann"));
    site.enter("bob", say::pass("bob", "editor")).unwrap();
    site.pass(60_000);
    site.say("ann", r#"{"type":"auth","token":"next"}"#);
    let renewed = site.now;
    site.verified("ann", Ok(("ann".to_owned(), pass(Role::Editor, Millis::MAX / 2))));
    site.pass(1_000);
    assert_eq!(site.sync("bob")["participants"][0]["lastSeen"], renewed);
}

#[test]
fn x1_a9_coming_in_by_a_hello_counts_like_any_other_way() {
    let mut slow = Settings { requires_tokens: true, ..settings() };
    (slow.limits.messages_per_second, slow.limits.messages_burst) = (1, 3);
    let mut site = Site::with(slow);
    for n in 0..4 {
        site.enter(&format!("ann{n}"), Admission::Unauthenticated).unwrap();
        site.say(&format!("ann{n}"), &hello(&format!("c{n}"), "good"));
        site.verified(&format!("ann{n}"), Ok(("ann".to_owned(), pass(Role::Editor, 90_000))));
    }
    let closed = (0..4).map(|n| close_of(&site, &format!("ann{n}"))).collect::<Vec<_>>();
    assert_eq!(closed, [None, None, None, Some(CloseCode::Rate)]);
}

#[test]
fn a9_a_hello_whose_token_does_not_count_is_closed() {
    for (outcome, code) in [
        (Err(Denial::Unauthorized(String::new())), CloseCode::Unauthorized),
        (Err(Denial::Forbidden(String::new())), CloseCode::Forbidden),
        (Err(Denial::Revoked), CloseCode::Revoked),
        (Err(Denial::Unavailable), CloseCode::Unavailable),
        (Err(Denial::Full), CloseCode::Unavailable),
    ] {
        let mut site = guarded();
        site.enter("ann", Admission::Unauthenticated).unwrap();
        site.say("ann", &hello("c", "x"));
        site.say("ann", &say::join("ann"));
        site.verified("ann", outcome);
        assert_eq!((site.take("ann"), close_of(&site, "ann")), (Vec::new(), Some(code)));
        assert_eq!(site.world.dump(), [""; 0]);
    }
}

#[test]
fn a9_what_waits_behind_a_hello_is_bounded_and_goes_with_the_connection() {
    let mut site = guarded();
    let long = say::set("ann", "f", &format!("\"{}\"", "x".repeat(30_000)));
    site.enter("ann", Admission::Unauthenticated).unwrap();
    site.say("ann", &hello("c", "x"));
    for _ in 0..9 {
        site.say("ann", &long);
    }
    assert_eq!(close_of(&site, "ann"), Some(CloseCode::Rate));
    // So are frames that have no text.
    site.enter("dan", Admission::Unauthenticated).unwrap();
    site.say("dan", &hello("c", "x"));
    for _ in 0..4_200 {
        site.driver.receive(&mut site.world, say::connection("dan"), None, site.now);
    }
    assert_eq!(close_of(&site, "dan"), Some(CloseCode::Rate));
    site.enter("bob", Admission::Unauthenticated).unwrap();
    site.say("bob", &hello("c", "x"));
    site.leave("bob");
    for name in ["ann", "bob"] {
        site.verified(name, Ok((name.to_owned(), pass(Role::Editor, 90_000))));
    }
    site.enter("cid", say::pass("cid", "viewer")).unwrap();
    assert_eq!(site.sync("cid")["version"], 0);
}

#[test]
fn a8_revoked_tokens_close_their_connections_also_those_just_checked() {
    let mut site = guarded();
    for name in ["ann", "ann2", "bob"] {
        site.enter(name, say::pass(say::user(name), "editor")).unwrap();
    }
    let of_ann = |token: Option<&str>| [Revocation { token_id: token.map(str::to_owned), until: 9_000 }];
    site.sleep();
    site.driver.revoke_tokens(&mut site.world, "ann", &of_ann(Some("t-other")), site.now).unwrap();
    assert_eq!(close_of(&site, "ann"), None);
    site.driver.revoke_tokens(&mut site.world, "ann", &of_ann(Some("t-ann")), site.now).unwrap();
    assert_eq!((close_of(&site, "ann"), close_of(&site, "ann2")), (Some(CloseCode::Revoked), Some(CloseCode::Revoked)));
    assert_eq!(close_of(&site, "bob"), None);
    site.leave("bob");
    // These were checked before the revocation and come after it.
    assert_eq!(site.enter("ann3", say::pass("ann", "editor")).unwrap_err().code, Code::Revoked);
    site.enter("ann4", Admission::Unauthenticated).unwrap();
    site.say("ann4", &hello("c", "x"));
    let Admission::Pass { user, pass } = say::pass("ann", "editor") else { panic!("a pass is one") };
    site.verified("ann4", Ok((user, pass)));
    assert_eq!(close_of(&site, "ann4"), Some(CloseCode::Revoked));
    site.now = 9_000;
    site.enter("ann5", say::pass("ann", "editor")).unwrap();
}

#[test]
fn a1_a_connection_from_before_there_were_keys_has_to_come_again() {
    let mut site = Site::new();
    site.connect("ann");
    site.come_round();
    site.take("ann");
    site.driver = roomkeep::driver::Driver::new(Settings { requires_tokens: true, ..settings() });
    site.say("ann", &say::sync());
    assert_eq!((site.take("ann"), close_of(&site, "ann")), (Vec::new(), Some(CloseCode::Unauthorized)));
}

#[test]
fn h6_deleting_a_room_ends_its_life() {
    let mut site = guarded();
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    site.enter("eve", Admission::Unauthenticated).unwrap();
    site.say("ann", &say::set("ann", "f", "1"));
    site.come_round();
    // A change that waits goes with the room.
    site.say_at_once("ann", &say::with_id("1", &say::set("ann", "f", "2")));
    site.say_at_once("ann", &say::with_id("2", &say::set("ann", "f", "3")));
    site.take("ann");
    site.driver.delete(&mut site.world, site.now).unwrap();
    assert_eq!((close_of(&site, "ann"), close_of(&site, "eve")), (Some(CloseCode::Deleted), Some(CloseCode::Deleted)));
    assert_eq!(site.world.dump(), [""; 0]);
    assert_eq!((site.world.alarm, site.world.timer), (None, None));
    site.enter("bob", say::pass("bob", "editor")).unwrap();
    let state = site.sync("bob");
    assert_eq!((&state["version"], &state["selections"]), (&Value::from(0), &serde_json::json!({})));
    assert_ne!(state["epoch"], "epoch1");
}

#[test]
fn j2_and_f1_what_is_passed_on_names_its_author_once_wherever_it_does() {
    check(
        "0 ann enters editor\n0 bob enters viewer",
        r#"1 ann {"type":"chat","userId":"ann","selection":{"userId":"bob"}}
        2 ann {"type":"chat","selection":{"userId":"bob"}}
        3 ann {"type":"chat","selection":{"userId":"ann","userId":"bob"}}
        4 ann {"type":"chat","selection":{"userId":"ann","\u0075serId":"bob"}}
        5 ann {"type":"chat","userId":"ann","selection":{"userId":"ann"}}"#,
        expect![[r#"
            1 ann {"type":"chat","userId":"ann","selection":{"userId":"bob"}}
              attach ann: bound to ann, editor until 4611686018427387903, heard 1
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"`userId` of the message differs from that of its selection."}
            2 ann {"type":"chat","selection":{"userId":"bob"}}
              attach ann: bound to ann, editor until 4611686018427387903, heard 2
              to ann, in any case: {"type":"error","code":"identity_mismatch","message":"This connection belongs to another user. Open a separate connection for each user."}
            3 ann {"type":"chat","selection":{"userId":"ann","userId":"bob"}}
              attach ann: bound to ann, editor until 4611686018427387903, heard 3
              to ann, in any case: {"type":"error","code":"bad_message","message":"Duplicate key `userId`."}
            4 ann {"type":"chat","selection":{"userId":"ann","\u0075serId":"bob"}}
              attach ann: bound to ann, editor until 4611686018427387903, heard 4
              to ann, in any case: {"type":"error","code":"bad_message","message":"Duplicate key `userId`."}
            5 ann {"type":"chat","userId":"ann","selection":{"userId":"ann"}}
              writer ann
              attach ann: bound to ann, editor until 4611686018427387903, heard 5
              to all but ann: {"type":"chat","userId":"ann","selection":{"userId":"ann"}}
        "#]],
    );
}

#[test]
fn e6_and_a3_nobody_takes_the_place_of_another_users_client() {
    check(
        "0 ann enters editor\n0 ann hellos c\n0 bob enters editor\n0 ann2 enters editor",
        "1 bob #1 hellos c\n2 ann2 #2 hellos c",
        expect![[r#"
            1 bob #1 hellos c
              attach bob: bound to bob, editor until 4611686018427387903, heard 1
              to bob, in any case: {"type":"error","code":"identity_mismatch","message":"This `clientId` belongs to another user. Generate a new random one.","id":"1"}
            2 ann2 #2 hellos c
              writer ann2 #2
              attach ann2: bound to ann, editor until 4611686018427387903, client c, heard 2
              to ann2: {"type":"welcome","protocol":1,"connectionId":"616e6e320*24","userId":"ann","role":"editor","version":0,"epoch":"epoch1","lastSeq":0,"time":2,"limits":{…},"kind":{"party":"","version":0}}
              to ann2: {"type":"sync_response","version":0,"epoch":"epoch1","time":2,"selections":{},"participants":[],"presence":[],"requests":[],"permissions":[]}
              to ann2: {"type":"ack","id":"2","version":0}
              close ann: 4410
        "#]],
    );
}

#[test]
fn f1_and_f3_a_key_that_stands_there_three_times_between_others_is_none() {
    let text = r#"{"type":"x","id":"a","id":"b","y":1,"y":2,"id":"c"}"#;
    let frame = Frame::decode(text, &settings().limits);
    assert_eq!(frame.message.map_err(|refusal| refusal.code), Err(Code::BadMessage));
    assert_eq!(frame.tag.id, None);
    let claims = r#"{"sub":"a","jti":"t","jti":"t","expires":1,"role":"viewer","y":1,"y":2,"jti":"t"}"#;
    let read = Claims::from_claims(claims, &ClaimRules::default(), &settings().limits);
    assert_eq!(read.map_err(|denial| denial.code()), Err("unauthorized"));
}
