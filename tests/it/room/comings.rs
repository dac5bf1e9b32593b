//! Comings and goings of several people at a time (J9).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::world::Site;

fn hello(client: &str) -> String {
    format!(r#"{{"type":"hello","protocol":1,"clientId":"{client}"}}"#)
}

fn types(frames: &[String]) -> Vec<String> {
    let frames = frames.iter().map(|frame| serde_json::from_str::<Value>(frame).unwrap());
    frames.map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
}

/// The frames of this type.
fn of_type(frames: &[String], kind: &str) -> Vec<Value> {
    let frames = frames.iter().map(|frame| serde_json::from_str::<Value>(frame).unwrap());
    frames.filter(|frame| frame["type"] == kind).collect()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["userId"].as_str().unwrap()).collect()
}

/// Greeted clients who have not joined, and a plain one.
fn site(greeted: usize) -> Site {
    let mut site = Site::new();
    for n in 0..greeted {
        let name = format!("g{n}");
        site.connect(&name);
        site.say(&name, &hello(&name));
    }
    site.connect("plain");
    site.say("plain", &say::join("plain"));
    site.pass(1_000);
    site.world
        .sockets
        .keys()
        .map(|of| say::name(*of))
        .collect::<Vec<_>>()
        .iter()
        .for_each(|name| drop(site.take(name)));
    site
}

#[test]
fn j9_those_who_join_and_leave_within_one_flush_are_told_in_one_frame_to_greeted_clients_and_singly_to_plain_ones() {
    let mut site = site(3);
    // From here on the room gathers.
    site.say_at_once("plain", &say::set("plain", "f", "1"));
    site.take("g0");
    for n in 0..3 {
        site.say_at_once(&format!("g{n}"), &say::join(&format!("u{n}")));
    }
    site.leave_at_once("g2");
    site.pass(1_000);
    let told = site.take("g0");
    let people = of_type(&told, "people");
    assert_eq!(people.len(), 1, "{told:?}");
    let joined = json!([
        {"userId": "u0", "userName": "U0", "joinedAt": site.now - 1_000},
        {"userId": "u1", "userName": "U1", "joinedAt": site.now - 1_000},
    ]);
    assert_eq!(people[0]["joined"], joined);
    assert_eq!(people[0]["left"], json!([{"userId": "u2", "lastSeen": site.now - 1_000}]), "the last of each alone");
    assert_eq!(of_type(&told, "user_joined").len() + of_type(&told, "user_left").len(), 0);
    assert_eq!(types(&site.take("plain")), ["user_joined", "user_joined", "user_joined", "user_left"]);
    // The same text for all.
    assert_eq!(of_type(&site.take("g1"), "people"), people);
}

#[test]
fn j9_a_single_coming_or_going_is_told_as_ever() {
    let mut site = site(2);
    site.say("g1", &say::join("u1"));
    site.pass(1_000);
    assert_eq!(types(&site.take("g0")), ["changes", "user_joined"]);
    assert_eq!(types(&site.take("plain")), ["user_joined"]);
    assert_eq!(types(&site.take("g1")), ["changes"], "nobody hears of its own");
    // In that same event (J4).
    site.come_round();
    site.leave_at_once("g1");
    assert_eq!(types(&site.take("g0")), ["user_left"]);
    assert_eq!(types(&site.take("plain")), ["user_left"]);
}

#[test]
fn j9_and_f6_nothing_overtakes_those_who_came_and_what_came_before_them_is_told_first() {
    let mut site = site(3);
    site.say_at_once("g0", &say::set("u0", "f", "1"));
    site.say_at_once("g1", &say::join("u1"));
    site.say_at_once("g2", &say::join("u2"));
    site.say_at_once("g1", &say::set("u1", "f", "2"));
    site.say_at_once("g1", r#"{"type":"wave"}"#);
    let told = site.take("g0");
    let position = |kind: &str| types(&told).iter().rposition(|one| one == kind);
    assert!(position("people").is_some() && position("changes") < position("people"), "{told:?}");
    assert!(position("people") < position("wave"), "{told:?}");
}

#[test]
fn j9_who_left_has_left_although_the_commit_failed() {
    let mut site = site(4);
    for n in 1..4 {
        site.say(&format!("g{n}"), &say::join(&format!("u{n}")));
    }
    site.pass(1_000);
    site.take("g0");
    site.say_at_once("g0", &say::join("u0"));
    site.leave_at_once("g1");
    site.leave_at_once("g2");
    site.say_at_once("g0", &say::join_as("u0", "Another"));
    site.world.fail_at = Some(0);
    site.pass(1_000);
    let people = of_type(&site.take("g3"), "people");
    assert_eq!(people.len(), 1);
    assert_eq!((names(&people[0]["joined"]), names(&people[0]["left"])), (vec![], vec!["u1", "u2"]));
}

#[test]
fn j9_five_hundred_who_join_together_make_few_frames() {
    let mut site = site(499);
    for n in 0..499 {
        site.say_at_once(&format!("g{n}"), &say::join(&format!("u{n}")));
        // All of them within 100 ms.
        site.pass(i64::from(n % 5 == 0));
    }
    site.pass(1_000);
    let told = site.take("g0");
    assert!(told.len() <= 10, "{:?}", types(&told));
    let people = of_type(&told, "people");
    let joined = people.iter().flat_map(|frame| names(&frame["joined"])).collect::<BTreeSet<_>>();
    assert!(joined.len() >= 490, "{} were told", joined.len());
    // And when all of them leave.
    for n in 1..499 {
        site.leave_at_once(&format!("g{n}"));
        site.pass(i64::from(n % 5 == 0));
    }
    site.pass(1_000);
    // The fewer there are left, the less they are gathered.
    let told = site.take("g0");
    assert!(told.len() <= 25, "{:?}", types(&told));
}

#[test]
fn j9_only_the_room_says_who_came_and_went() {
    let mut site = site(1);
    let code = |site: &mut Site, text: &str| {
        site.say("g0", text);
        of_type(&site.take("g0"), "error").first().map(|error| error["code"].clone())
    };
    for list in ["joined", "left"] {
        assert_eq!(code(&mut site, &format!(r#"{{"type":"people","{list}":[]}}"#)), Some("reserved_type".into()));
    }
    assert_eq!(code(&mut site, r#"{"type":"people","count":2}"#), None);
    assert_eq!(types(&site.take("plain")), ["people"]);
}
