//! Permission requests through sleep, crash and failure, and who may answer them.

use roomkeep::driver::Platform;
use roomkeep::protocol::role::Role;
use serde_json::json;

use super::*;
use crate::store::assert_stored;
use crate::world::Site;

/// ann has asked bob, and the frames so far were read.
fn asked_site() -> Site {
    let mut site = Site::new();
    for name in ["ann", "bob", "cid"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    site.say("ann", &say::ask("r1", "edit", r#","ttlMs":1000"#));
    site.come_round();
    ["ann", "bob", "cid"].into_iter().for_each(|name| drop(site.take(name)));
    site
}

fn status(site: &mut Site) -> serde_json::Value {
    site.sync("cid")["requests"][0]["status"].clone()
}

#[test]
fn q2_and_a4_with_tokens_nobody_answers_their_own_request_and_roles_count() {
    let mut site = asked_site();
    for (name, role) in [("ann", Role::Moderator), ("bob", Role::Editor), ("cid", Role::Viewer)] {
        site.give_pass(name, role);
    }
    let code = |site: &mut Site, name: &str, text: &str| {
        let answer = serde_json::from_str::<serde_json::Value>(&site.ask(name, &say::with_id("i", text))).unwrap();
        (answer["code"].clone(), answer["retry"].clone())
    };
    let forbidden = (json!("forbidden"), json!(true));
    assert_eq!(code(&mut site, "ann", &say::allow("r1", "ann", "once")), forbidden, "her own");
    assert_eq!(code(&mut site, "bob", &say::allow("r1", "ann", "once")), forbidden, "an editor");
    assert_eq!(code(&mut site, "bob", &say::revoke("edit", "ann")), forbidden);
    assert_eq!(code(&mut site, "cid", &say::ask("r2", "edit", "")), forbidden, "a viewer");
    assert_eq!(code(&mut site, "cid", &say::cancel("r1")), forbidden);
    assert_eq!(status(&mut site), "pending");
    site.give_pass("bob", Role::Moderator);
    assert_eq!(code(&mut site, "bob", &say::allow("r1", "ann", "once")).0, json!(null));
    assert_eq!(status(&mut site), "resolved");
}

#[test]
fn q5_requests_and_permissions_are_there_after_sleep_and_crash() {
    let mut site = asked_site();
    site.say("ann", &say::ask("r2", "read", r#","detail":{"of":[1.0, null]}"#));
    site.say("bob", &say::allow("r1", "ann", "session"));
    site.say("ann", &say::ask("r3", "see", ""));
    site.say("bob", &say::allow("r3", "ann", "session"));
    site.say("bob", &say::revoke("see", "ann"));
    site.come_round();
    let (before, version) = (site.sync("cid"), site.driver.room().unwrap().version());
    let since = r#"{"type":"sync_request","since":4}"#;
    let changes = site.ask("cid", since);
    assert_stored(&site);
    site.sleep();
    assert_eq!(site.ask("cid", since), changes);
    assert_stored(&site);
    site.crash();
    site.connect("cid");
    assert_eq!(site.driver.room().unwrap().version(), version);
    let after = site.sync("cid");
    assert_eq!((&after["requests"], &after["permissions"]), (&before["requests"], &before["permissions"]));
    assert_eq!(before["permissions"].as_array().unwrap().len(), 1, "{before}");
    let now = site.now;
    let page = site.driver.read(&mut site.world, now).unwrap().changes_page(&Since::Version(4, None), now);
    let entries = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["changes"].clone();
    assert_eq!(entries(&page), entries(&changes));
}

#[test]
fn q5_and_s7_an_answer_that_cannot_be_stored_is_none() {
    let mut site = asked_site();
    let before = site.world.dump();
    for fail_at in 0..3 {
        site.world.fail_at = Some(fail_at);
        let answer = site.ask("bob", &say::with_id("i", &say::allow("r1", "ann", "session")));
        assert!(answer.contains(r#""code":"storage""#) && answer.contains(r#""retry":true"#), "{answer}");
        assert_eq!((site.take("ann"), site.world.dump()), (Vec::new(), before.clone()));
    }
    assert_eq!(status(&mut site), "pending");
    assert_eq!(
        site.ask("bob", &say::with_id("i", &say::allow("r1", "ann", "session"))),
        r#"{"type":"ack","id":"i","version":5}"#
    );
    assert_stored(&site);
}

#[test]
fn q3_a_request_that_could_not_expire_expires_once_it_can() {
    let mut site = asked_site();
    site.world.fail_at = Some(0);
    site.pass(1_000);
    assert_eq!((site.world.failures, site.take("cid")), (1, Vec::new()));
    let heard = site.ask("bob", &say::set("bob", "f", "1"));
    assert_eq!(heard, r#"{"type":"permission_cancelled","requestId":"r1","userId":"ann","expired":true,"version":5}"#);
    assert_stored(&site);
}

#[test]
fn q3_a_sleeping_room_is_woken_for_a_request_even_when_nobody_is_there() {
    let mut site = asked_site();
    ["ann", "bob", "cid"].into_iter().for_each(|name| site.leave(name));
    assert!(site.driver.room().is_none());
    let is_pending = |site: &mut Site| {
        let stored = site.world.load().unwrap().unwrap();
        matches!(stored.records.requests.iter().next(), Some((_, PermissionRequest::Pending(_))))
    };
    site.pass(999);
    assert!(is_pending(&mut site));
    site.pass(1);
    assert!(!is_pending(&mut site));
    assert!(site.world.alarm.is_some_and(|at| at > DAY), "then for the end of the room");
}

#[test]
fn q3_who_reads_without_a_socket_sees_it_expired_though_the_alarm_did_not_run() {
    let mut site = asked_site();
    site.sleep();
    site.world.alarm = None;
    for (time, expected) in [(999, "pending"), (1_000, "expired")] {
        let now = site.now + time;
        let state = site.driver.read(&mut site.world, now).unwrap().state(false, now);
        let state = serde_json::from_str::<serde_json::Value>(&state).unwrap();
        assert_eq!(state["requests"][0]["status"], expected, "{state}");
        assert_stored(&site);
    }
    assert!(site.take("bob")[0].contains(r#""expired":true"#), "and so does everyone else");
}

#[test]
fn q3_a_room_that_woke_sets_its_alarm_for_the_new_request_and_not_later_than_for_silence() {
    let mut site = asked_site();
    site.pass(10_000);
    site.ping("bob");
    site.sleep();
    let armed = site.world.alarm;
    site.pass(10);
    site.say("cid", &say::set("cid", "f", "1"));
    assert_eq!(site.world.alarm, armed, "no alarm for any other message");
    site.say("cid", &say::ask("r9", "edit", ""));
    assert_eq!(site.world.alarm, Some(site.now - 10 + 150_000), "bob may be silent by then");
}

#[test]
fn s6_what_is_on_record_is_told_once_it_is_stored_even_to_an_answer_that_is() {
    let mut site = Site::with(limited(|limits| limits.settled = 1));
    for name in ["ann", "bob", "cid"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    (0..98).for_each(|n| site.connect(&format!("w{n}")));
    site.say("cid", r#"{"type":"hello","protocol":1,"clientId":"c"}"#);
    site.say("ann", &say::ask("r1", "edit", ""));
    let answer = say::with_seq(1, &say::deny("r1", "ann"));
    site.say("cid", &answer);
    site.say("ann", &say::ask("r2", "edit", ""));
    // With this the first one is forgotten, and its name is free again.
    site.say("ann", &say::cancel("r2"));
    site.pass(1_000);
    site.say("bob", &say::set("bob", "f", "1"));
    site.say("ann", &say::ask("r1", "edit", ""));
    site.say("bob", &say::allow("r1", "ann", "once"));
    site.take("cid");
    site.say("cid", &answer);
    site.world.fail_at = Some(0);
    site.pass(1_000);
    let told = site.take("cid");
    assert!(told.len() == 1 && told[0].contains(r#""code":"storage""#), "{told:?}");
    site.say("cid", &answer);
    assert_eq!(site.take("cid"), [r#"{"type":"ack","seq":1,"version":5,"duplicate":true}"#]);
}
