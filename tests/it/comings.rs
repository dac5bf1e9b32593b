//! Who is here as far as the others know: when a newer connection takes over, when a leaving waits, and when a record
//! has given way (J4, E6, E2).

use roomkeep::access::pass::{Admission, Pass};
use roomkeep::protocol::role::Role;
use roomkeep::room::settings::Settings;
use serde_json::{Value, json};

use crate::say;
use crate::world::{DAY, Site, settings};

fn hello(client: &str) -> String {
    json!({"type": "hello", "protocol": 1, "clientId": client}).to_string()
}

fn types(frames: &[String]) -> Vec<String> {
    let frames = frames.iter().map(|frame| serde_json::from_str::<Value>(frame).unwrap());
    frames.map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
}

/// Ann is here as the client `a`, bob as a plain client.
fn together(leave_delay: i64) -> Site {
    let mut site = Site::with(Settings { leave_delay, ..settings() });
    site.connect("bob");
    site.say("bob", &say::join("bob"));
    site.connect("ann1");
    site.say("ann1", &hello("a"));
    site.say("ann1", &say::join("ann"));
    site.pass(1_000);
    site.take("bob");
    site
}

fn online(site: &mut Site, user: &str) -> (bool, u64) {
    let state = site.sync("bob");
    let person = state["participants"].as_array().unwrap().iter().find(|person| person["id"] == user).unwrap().clone();
    (person["online"].as_bool().unwrap(), person["connections"].as_u64().unwrap())
}

#[test]
fn e6_and_j4_a_newer_connection_that_takes_over_is_no_leaving() {
    let mut site = together(0);
    site.say("ann1", r#"{"type":"presence","data":{"focus":"price"}}"#);
    site.sleep();
    site.connect("ann2");
    site.say("ann2", &hello("a"));
    let welcome = serde_json::from_str::<Value>(&site.take("ann2")[0]).unwrap();
    assert_eq!(welcome["userId"], "ann", "it is its user's from the start");
    assert_eq!(online(&mut site, "ann"), (true, 1));
    site.say("ann2", &say::join("ann"));
    site.pass(1_000);
    assert_eq!(types(&site.take("bob")), Vec::<String>::new());
    // What it showed went with the older one (P1).
    assert_eq!(site.sync("bob")["presence"], json!([]));
    // It is one that leaves like any other, also if it never says who it is again.
    site.connect("ann3");
    site.say("ann3", &hello("a"));
    site.sleep();
    site.take("bob");
    site.leave("ann3");
    assert_eq!(types(&site.take("bob")), ["user_left"]);
    assert_eq!(online(&mut site, "ann"), (false, 0));
}

#[test]
fn e6_and_p1_who_watches_hears_that_what_the_older_one_showed_is_gone() {
    let mut site = together(0);
    site.connect("cid");
    site.say("cid", &hello("c"));
    site.say("ann1", r#"{"type":"presence","data":1}"#);
    site.pass(1_000);
    site.take("cid");
    site.connect("ann2");
    site.say("ann2", &hello("a"));
    site.pass(1_000);
    let told = site.take("cid");
    assert_eq!(types(&told), ["presence"]);
    assert!(told[0].contains(r#""userId":"ann","data":null"#), "{told:?}");
}

#[test]
fn j4_without_the_variable_the_others_hear_at_once_and_nothing_else_is_stored() {
    let mut site = together(0);
    site.world.commits.clear();
    let alarm = site.world.alarm;
    site.leave("ann1");
    assert_eq!(types(&site.take("bob")), ["user_left"]);
    assert_eq!(site.world.commits.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
    assert_ne!(site.world.alarm, alarm.map(|_| site.now), "no alarm for it");
}

#[test]
fn j4_a_page_that_is_back_in_time_has_not_left() {
    let mut site = together(2_000);
    site.leave("ann1");
    site.sleep();
    assert_eq!(online(&mut site, "ann"), (true, 0), "the others are right in thinking so");
    site.pass(1_999);
    site.connect("ann2");
    site.say("ann2", &hello("a2"));
    site.say("ann2", &say::join("ann"));
    site.pass(DAY / 24);
    assert_eq!(types(&site.take("bob")), Vec::<String>::new());
    assert_eq!(online(&mut site, "ann"), (true, 1));
}

#[test]
fn j4_a_leaving_that_waits_is_told_in_its_time_whatever_becomes_of_the_memory() {
    for lose_memory in [|_: &mut Site| (), Site::sleep, Site::lose_memory] {
        let mut site = together(2_000);
        let left_at = site.now;
        site.leave("ann1");
        lose_memory(&mut site);
        site.pass(1_999);
        assert_eq!(types(&site.take("bob")), Vec::<String>::new());
        site.pass(1);
        let told = site.take("bob");
        assert_eq!(types(&told), ["user_left"]);
        assert!(told[0].contains(&format!(r#""lastSeen":{left_at}"#)), "{told:?}");
        site.lose_memory();
        site.pass(DAY / 24);
        assert_eq!(types(&site.take("bob")), Vec::<String>::new(), "once");
        assert_eq!(online(&mut site, "ann"), (false, 0));
    }
}

#[test]
fn j4_a_leaving_that_cannot_be_stored_is_told_at_once() {
    let mut site = together(2_000);
    site.world.fail_at = Some(0);
    site.leave("ann1");
    assert_eq!((site.world.failures, types(&site.take("bob"))), (1, vec!["user_left".to_owned()]));
}

#[test]
fn j4_only_a_page_that_goes_by_itself_may_come_back() {
    let mut site = together(2_000);
    site.say("bob", r#"{"type":"kick","userId":"ann"}"#);
    assert_eq!(types(&site.take("bob")), ["user_left"]);
    // And nobody waits for somebody whose leaving nobody would hear.
    site.leave("bob");
    site.connect("bob");
    assert_eq!(online(&mut site, "bob"), (false, 0));
}

#[test]
fn x1_and_j4_who_has_not_been_said_to_have_left_gives_way_to_nobody() {
    let mut settings = Settings { leave_delay: 2_000, ..settings() };
    settings.limits.participants = 2;
    let mut site = Site::with(settings);
    for name in ["ann", "bob", "cid"] {
        site.connect(name);
    }
    site.say("ann", &say::join("ann"));
    site.say("bob", &say::join("bob"));
    site.leave("ann");
    assert!(site.ask("cid", &say::with_id("1", &say::join("cid"))).contains("limit_participants"));
    site.pass(2_000);
    site.take("cid");
    assert!(site.ask("cid", &say::with_id("2", &say::join("cid"))).contains(r#""type":"ack""#));
}

#[test]
fn e2_a_joining_that_is_sent_again_joins_although_its_record_has_given_way() {
    let mut few = settings();
    few.limits.participants = 1;
    let mut site = Site::with(few);
    site.connect("ann1");
    site.say("ann1", &hello("a"));
    site.say("ann1", &say::with_seq(1, &say::join("ann")));
    site.leave("ann1");
    site.connect("bob");
    site.say("bob", &say::join("bob"));
    // Ann's ack was lost. While bob is here there is no place for her, and she is told so instead of nothing.
    site.connect("ann2");
    site.say("ann2", &hello("a"));
    site.take("ann2");
    site.say("ann2", &say::with_seq(1, &say::join("ann")));
    site.pass(1_000);
    let told = site.take("ann2");
    assert!(told[0].contains(r#""type":"ack","seq":1"#) && told[0].contains(r#""duplicate":true"#), "{told:?}");
    assert!(told[1].contains("limit_participants") && !told[1].contains("seq"), "{told:?}");
    site.leave("bob");
    site.take("ann2");
    site.say("ann2", &say::with_seq(1, &say::join("ann")));
    site.pass(1_000);
    let told = site.take("ann2");
    assert!(told.iter().any(|frame| frame.contains(r#""type":"ack","seq":1"#)), "{told:?}");
    let people = site.sync("ann2")["participants"].clone();
    assert_eq!(
        (people.as_array().unwrap().len(), &people[0]["id"], &people[0]["online"]),
        (1, &json!("ann"), &json!(true))
    );
}

#[test]
fn x1_who_is_on_record_comes_back_to_a_room_that_tombstones_have_filled() {
    let mut site = Site::new();
    for name in ["ann", "bob"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    for n in 0..100 {
        site.say("ann", &say::set("ann", &format!("f{n}"), "1"));
        site.say("ann", &say::clear("ann", &format!("f{n}")));
    }
    site.leave("ann");
    let bytes = site.driver.room().unwrap().stored().unwrap().records.bytes();
    let mut full = settings();
    full.limits.room_bytes = bytes - 1;
    site.change_settings(full);
    site.connect("ann");
    assert!(site.ask("ann", &say::with_id("1", &say::join("ann"))).contains(r#""type":"ack""#));
    site.say("bob", &say::ready("bob", true));
    site.leave("bob");
    assert_eq!(site.sync("ann")["participants"][1]["online"], false, "leaving neither");
    assert!(site.ask("ann", &say::with_id("2", &say::set("ann", "g", "1"))).contains("limit_room"));
}

#[test]
fn y3_s4_and_e1_a_number_that_javascript_does_not_represent_is_refused() {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", &hello("a"));
    site.pass(1_000);
    for (version, is_taken) in [(1_u64 << 53, false), (u64::MAX, false), ((1 << 53) - 1, true)] {
        let change = say::set("ann", "f", "1").replacen('{', &format!(r#"{{"id":1,"baseVersion":{version},"#), 1);
        site.take("ann");
        let answer = site.ask("ann", &change);
        assert_eq!(answer.contains("bad_message"), !is_taken, "{answer}");
        let answer = site.ask("ann", &format!(r#"{{"type":"sync_request","since":{version}}}"#));
        assert_eq!(answer.contains("bad_message"), !is_taken, "{answer}");
    }
}

#[test]
fn x1_ids_and_presence_fit_the_attachment_of_a_socket_however_json_writes_them() {
    for name_bytes in [128, 512] {
        let mut most = settings();
        (most.limits.name_bytes, most.limits.presence_bytes) = (name_bytes, 5_120);
        let mut site = Site::with(most);
        // JSON takes six characters for each of these, and one beyond Latin-1 makes all of them take two bytes.
        let (user, client) = ("\u{1}".repeat(name_bytes), "\u{2}".repeat(name_bytes));
        let (name, token_id) = (Some("\\".repeat(256)), Some("\\".repeat(128)));
        let pass =
            Pass { role: Role::Moderator, name, token_id, claims: Vec::new(), expires: 1 << 50, is_stream: true };
        let claims = Admission::Pass { user, pass };
        site.enter("ann", claims).unwrap();
        site.say("ann", &hello(&client));
        site.pass(1_000);
        site.take("ann");
        let show = |length: usize| {
            json!({"type": "presence", "data": "Ā".to_owned() + &"x".repeat(length), "id": 1}).to_string()
        };
        let longest = (0..5_116).rev().step_by(64).find(|length| {
            let answer = site.ask("ann", &show(*length));
            site.pass(1_000);
            site.take("ann");
            answer.contains(r#""type":"ack""#)
        });
        assert!(longest.is_some_and(|longest| longest > 800), "{longest:?}");
        let attachment = site.world.sockets[&say::connection("ann")].attachment.clone().unwrap();
        let text = serde_json::to_string(&attachment).unwrap();
        assert!(text.encode_utf16().count() * 2 + 64 <= 16_384, "{}", text.encode_utf16().count() * 2);
    }
}
