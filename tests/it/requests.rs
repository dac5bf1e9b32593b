//! Writing a field without a socket, in a room on real SQLite (H3).

use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::write::{Verb, WriteHeaders};
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use serde_json::{Value, json};

use crate::say;
use crate::store::assert_stored;
use crate::world::{DAY, Site, settings};

const HOUR: i64 = 3_600_000;

/// The body of what was done, or the code of what was not and what else it tells.
fn told(written: Written) -> (String, Value) {
    match written {
        Written::Done { body, .. } => ("done".to_owned(), serde_json::from_str(&body).unwrap()),
        Written::Problem { code, detail, members, .. } => {
            assert!(!detail.is_empty());
            (code.to_owned(), serde_json::to_value(members).unwrap())
        }
    }
}

fn put(site: &mut Site, field: &str, body: Value) -> (String, Value) {
    told(site.write(Verb::Put, field, &body.to_string(), None).unwrap())
}

fn delete(site: &mut Site, field: &str, body: Value) -> (String, Value) {
    told(site.write(Verb::Delete, field, &body.to_string(), None).unwrap())
}

/// Bob sets a field to a value under an idempotency key. Returns the outcome, and whether it was known before.
fn keyed(site: &mut Site, key: &str, field: &str, value: i64) -> (String, bool) {
    keyed_as(site, "bob", key, field, value)
}

fn keyed_as(site: &mut Site, user: &str, key: &str, field: &str, value: i64) -> (String, bool) {
    let body = json!({"value": value, "userId": user}).to_string();
    let (outcome, told) = told(site.write(Verb::Put, field, &body, Some(key)).unwrap());
    (outcome, told["duplicate"] == true)
}

/// A conflict's members.
fn conflict(field: &str, client: u64, server: u64, current: &Value) -> Value {
    json!({"field": field, "clientVersion": client, "serverVersion": server, "current": current})
}

fn stored(user: &str, field: &str, value: i64, version: u64, at: i64) -> Value {
    json!({"field": field, "value": value, "userId": user, "timestamp": null, "version": version, "updatedAt": at})
}

/// `ann` has said hello as the client `a`, `pat` is plain. Nobody has joined.
fn site() -> Site {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.connect("pat");
    site.pass(1_000);
    site.take("ann");
    site
}

fn keys(site: &Site) -> i64 {
    site.world.db.query_row("SELECT count(*) FROM idempotency_key", [], |row| row.get(0)).unwrap()
}

#[test]
fn h3_a_field_is_set_and_cleared_and_everyone_hears_of_it() {
    let mut site = site();
    let selection = stored("bob", "f", 1, 1, site.now);
    assert_eq!(
        put(&mut site, "f", json!({"value": 1, "userId": "bob"})),
        ("done".to_owned(), json!({"version": 1, "selection": selection}))
    );
    let (to_ann, to_pat) = (site.take("ann"), site.take("pat"));
    assert_eq!((to_ann.len(), to_pat.len()), (1, 1));
    assert!(to_ann[0].starts_with(r#"{"type":"changes","from":0,"to":1"#), "{to_ann:?}");
    assert!(to_pat[0].starts_with(r#"{"type":"field_selected""#), "{to_pat:?}");
    let cleared = ("done".to_owned(), json!({"version": 2, "selection": null}));
    assert_eq!(delete(&mut site, "f", json!({"userId": "bob"})), cleared);
    assert_eq!(site.take("pat"), [r#"{"type":"field_cleared","field":"f","userId":"bob","version":2}"#]);
    assert_eq!(delete(&mut site, "f", json!({"userId": "bob"})), cleared, "and once more it changes nothing");
    assert_eq!(site.take("pat"), Vec::<String>::new());
    assert_stored(&site);
}

#[test]
fn h3_and_v6_an_exact_base_version_over_http() {
    let mut site = site();
    let numbered = |seq: u64, exact: bool| json!({"value": seq, "userId": "ann", "clientId": "a", "seq": seq, "baseVersion": 0, "exact": exact});
    assert_eq!(put(&mut site, "f", numbered(1, true)).0, "done");
    let (first, second) = (stored("ann", "f", 1, 1, site.now), stored("ann", "f", 3, 2, site.now));
    let (outcome, told) = put(&mut site, "f", numbered(2, true));
    assert_eq!((outcome.as_str(), &told["current"]), ("E_CONFLICT", &first));
    let (outcome, told) = put(&mut site, "f", numbered(3, false));
    assert_eq!((outcome.as_str(), &told["selection"]), ("done", &second), "it is no member of the selection");
    assert_eq!(put(&mut site, "f", numbered(3, true)).0, "seq_reused");
    let body = json!({"userId": "ann", "clientId": "a", "seq": 4, "baseVersion": 1, "exact": true});
    assert_eq!(delete(&mut site, "f", body).0, "E_CONFLICT");
    assert_eq!(put(&mut site, "f", json!({"value": 1, "userId": "ann", "exact": "yes"})).0, "bad_message");
    assert_stored(&site);
}

#[test]
fn h3_and_s4_a_base_version_that_is_not_the_fields_is_a_conflict() {
    let mut site = site();
    let first = stored("bob", "f", 1, 1, site.now);
    assert_eq!(put(&mut site, "f", json!({"value": 1, "userId": "bob", "baseVersion": 0})).0, "done");
    let lost = ("E_CONFLICT".to_owned(), conflict("f", 0, 1, &first));
    assert_eq!(put(&mut site, "f", json!({"value": 2, "userId": "bob", "baseVersion": 0})), lost);
    assert_eq!(delete(&mut site, "f", json!({"userId": "eve", "baseVersion": 0})), lost);
    assert_eq!(delete(&mut site, "f", json!({"userId": "eve", "baseVersion": 1})).0, "done");
    let lost = ("E_CONFLICT".to_owned(), conflict("f", 1, 2, &Value::Null));
    assert_eq!(put(&mut site, "f", json!({"value": 2, "userId": "bob", "baseVersion": 1})), lost);
    let lost = ("E_CONFLICT".to_owned(), conflict("g", 3, 0, &Value::Null));
    assert_eq!(delete(&mut site, "g", json!({"userId": "bob", "baseVersion": 3})), lost);
    assert_eq!(put(&mut site, "f", json!({"value": 2, "userId": "bob", "baseVersion": 2})).1["version"], 3);
    assert_stored(&site);
}

#[test]
fn h3_and_e1_a_client_has_one_outbox_over_its_socket_and_over_http() {
    let mut site = site();
    let by_http = |seq: u64, value: i64| json!({"value": value, "userId": "ann", "clientId": "a", "seq": seq});
    let by_socket = |seq, value: i64| say::with_seq(seq, &say::set("ann", "f", &value.to_string()));
    site.say("ann", &by_socket(1, 1));
    site.take("ann");
    assert_eq!(put(&mut site, "f", by_http(2, 2)).1["version"], 2);
    let frames = site.take("ann");
    assert!(frames.len() == 1 && frames[0].contains("changes"), "an ack is for whom it was sent by: {frames:?}");
    site.say("ann", &by_socket(2, 2));
    assert_eq!(site.take("ann"), [r#"{"type":"ack","seq":2,"version":2,"duplicate":true}"#]);
    let (outcome, body) = put(&mut site, "f", by_http(1, 1));
    assert_eq!((outcome.as_str(), &body["duplicate"], &body["version"]), ("done", &json!(true), &json!(1)));
    assert_eq!(body["selection"]["value"], 2, "what the field holds by now");
    let (code, members) = put(&mut site, "f", by_http(5, 5));
    assert_eq!((code.as_str(), members), ("out_of_order", json!({"seq": 5, "expected": 3})));
    assert_eq!(put(&mut site, "f", by_http(2, 9)).0, "seq_reused");
    let other = json!({"value": 1, "userId": "eve", "clientId": "a", "seq": 3});
    assert_eq!(put(&mut site, "f", other).0, "identity_mismatch");
    // The writer's own quick second edit, over another way.
    assert_eq!(
        put(&mut site, "f", json!({"value": 3, "userId": "ann", "clientId": "a", "seq": 3, "baseVersion": 0})).0,
        "done"
    );
    let cleared = json!({"userId": "ann", "clientId": "a", "seq": 4});
    assert_eq!(delete(&mut site, "f", cleared.clone()).1["version"], 4);
    assert_eq!(delete(&mut site, "f", cleared).1, json!({"version": 4, "selection": null, "duplicate": true}));
    assert_stored(&site);
}

#[test]
fn h3_and_e2_refusals_and_conflicts_are_recorded_under_their_number() {
    let mut site = site();
    let bob = |seq: u64, more: Value| {
        let mut body = json!({"userId": "bob", "clientId": "b", "seq": seq});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let late = bob(1, json!({"value": 1, "baseVersion": 7}));
    assert_eq!(put(&mut site, "f", late.clone()).0, "E_CONFLICT");
    let (code, members) = put(&mut site, "f", late);
    assert_eq!((code.as_str(), &members["duplicate"], &members["current"]), ("E_CONFLICT", &json!(true), &Value::Null));
    let nothing = bob(2, json!({}));
    assert_eq!(put(&mut site, "f", nothing.clone()), ("bad_message".to_owned(), json!({"seq": 2})));
    assert_eq!(put(&mut site, "f", nothing), ("bad_message".to_owned(), json!({"seq": 2, "duplicate": true})));
    let long = bob(3, json!({"value": "x".repeat(40_000)}));
    assert_eq!(put(&mut site, "f", long.clone()).0, "limit_value");
    site.sleep();
    assert_eq!(put(&mut site, "f", long).1, json!({"seq": 3, "duplicate": true}));
    assert_eq!(put(&mut site, "f", bob(4, json!({"value": 4}))).0, "done");
    assert_stored(&site);
}

#[test]
fn h3_a_key_is_done_once_for_each_user() {
    let mut site = site();
    assert_eq!(keyed(&mut site, "k", "f", 1), ("done".to_owned(), false));
    assert_eq!(keyed(&mut site, "other", "f", 2), ("done".to_owned(), false));
    assert_eq!(keyed(&mut site, "k", "f", 1), ("done".to_owned(), true));
    site.crash();
    assert_eq!(keyed(&mut site, "k", "f", 1), ("done".to_owned(), true));
    assert_eq!(keyed(&mut site, "k", "f", 9), ("idempotency_key_reused".to_owned(), false));
    assert_eq!(keyed(&mut site, "k", "g", 1), ("idempotency_key_reused".to_owned(), false));
    let cleared = site.write(Verb::Delete, "f", r#"{"userId":"bob"}"#, Some("k")).unwrap();
    assert_eq!(told(cleared).0, "idempotency_key_reused");
    assert_eq!(keyed_as(&mut site, "eve", "k", "g", 3), ("done".to_owned(), false), "another user's is another key");
    site.connect("ann");
    let state = site.sync("ann");
    assert_eq!((&state["version"], &state["selections"]["f"]["value"]), (&json!(3), &json!(2)));
}

#[test]
fn h3_a_conflict_under_a_key_is_answered_the_same_again() {
    let mut site = site();
    let body = json!({"value": 1, "userId": "bob", "baseVersion": 4}).to_string();
    let mut write = || told(site.write(Verb::Put, "f", &body, Some("k")).unwrap());
    assert_eq!(write(), ("E_CONFLICT".to_owned(), conflict("f", 4, 0, &Value::Null)));
    let (code, members) = write();
    assert_eq!(
        (code.as_str(), &members["duplicate"], &members["clientVersion"]),
        ("E_CONFLICT", &json!(true), &json!(4))
    );
}

#[test]
fn h3_a_key_is_forgotten_after_a_day() {
    let mut site = site();
    keyed(&mut site, "k", "f", 1);
    site.pass(DAY - 1);
    assert_eq!(keyed(&mut site, "k", "f", 1), ("done".to_owned(), true));
    site.pass(1);
    assert_eq!(keyed(&mut site, "k", "f", 2), ("done".to_owned(), false));
    assert_eq!(keys(&site), 1);
    site.pass(DAY + HOUR);
    assert_eq!(keys(&site), 0, "the alarm of a room that people are in clears up");
    assert_stored(&site);
}

#[test]
fn h3_and_x1_a_room_remembers_only_so_many_keys() {
    let mut site = Site::with(Settings { limits: Limits { idempotency_keys: 2, ..Limits::default() }, ..settings() });
    keyed(&mut site, "k1", "f", 1);
    site.pass(HOUR);
    keyed(&mut site, "k2", "f", 2);
    assert_eq!(keyed(&mut site, "k3", "f", 3), ("limit_keys".to_owned(), false));
    assert_eq!(keyed(&mut site, "k1", "f", 1), ("done".to_owned(), true), "those that it has it knows");
    assert_eq!(
        put(&mut site, "f", json!({"value": 4, "userId": "bob"})).1["version"],
        3,
        "without a key there is no limit"
    );
    site.pass(DAY - HOUR);
    assert_eq!(keyed(&mut site, "k3", "f", 3), ("done".to_owned(), false), "the first has made room");
    assert_eq!(keys(&site), 2);
    site.connect("ann");
    assert_eq!(site.sync("ann")["version"], 4);
}

#[test]
fn h3_and_x3_a_write_creates_a_room_that_nobody_is_in_and_lets_go_of_it() {
    let mut site = Site::new();
    assert_eq!(put(&mut site, "f", json!({"value": 1, "userId": "bob"})).1["version"], 1);
    assert!(site.driver.room().is_none(), "it costs no memory");
    site.come_round();
    assert_eq!((site.world.alarm, site.world.timer), (Some(site.now + settings().time_to_live / 30 * 31), None));
    site.pass(HOUR);
    let alarm = site.world.alarm;
    assert_eq!(put(&mut site, "f", json!({"value": 2, "userId": "bob"})).1["version"], 2);
    assert_eq!((site.world.alarm, site.driver.room().is_none()), (alarm, true), "an alarm is set once");
    site.connect("ann");
    assert_eq!(site.sync("ann")["selections"]["f"]["value"], 2);
    site.leave("ann");
    site.pass(32 * DAY);
    assert_eq!((site.world.dump(), site.world.alarm), (Vec::new(), None));
}

#[test]
fn h3_and_f1_a_write_that_is_refused_creates_no_room() {
    let mut site = Site::new();
    for body in [json!({"userId": "bob"}), json!({"value": 1, "userId": "bob", "baseVersion": 1})] {
        assert_ne!(put(&mut site, "f", body).0, "done");
        site.come_round();
        assert_eq!((site.world.dump(), site.world.alarm, site.driver.room().is_none()), (Vec::new(), None, true));
    }
    // One with a number is kept, and with it the room.
    let late = json!({"value": 1, "userId": "bob", "baseVersion": 1, "clientId": "b", "seq": 1});
    assert_eq!(put(&mut site, "f", late.clone()).0, "E_CONFLICT");
    assert_eq!(put(&mut site, "f", late).1["duplicate"], true);
    assert!(site.world.alarm.is_some());
}

#[test]
fn h3_and_x3_writing_keeps_a_room_alive() {
    let mut site = Site::new();
    for value in 0..10 {
        put(&mut site, "f", json!({"value": value, "userId": "bob"}));
        site.pass(10 * DAY);
    }
    assert_eq!(put(&mut site, "f", json!({"value": 10, "userId": "bob"})).1["version"], 11);
}

#[test]
fn h3_and_f6_what_came_before_is_flushed_before_it() {
    let mut site = site();
    for n in 0..98 {
        site.connect(&format!("w{n}"));
    }
    site.pass(1_000);
    site.say("pat", &say::set("pat", "f", "0"));
    site.say_at_once("pat", &say::with_id("1", &say::set("pat", "f", "1")));
    ["ann", "pat"].into_iter().for_each(|name| drop(site.take(name)));
    assert!(site.driver.room().unwrap().has_staged(), "the second change waits");
    // Without coming round to any timer first.
    let lost = told(write_at_once(&mut site, "f", &json!({"value": 2, "userId": "bob", "baseVersion": 1})));
    assert_eq!(
        (lost.0.as_str(), &lost.1["serverVersion"], &lost.1["current"]["value"]),
        ("E_CONFLICT", &json!(2), &json!(1))
    );
    assert_eq!(site.take("pat"), [r#"{"type":"ack","id":"1","version":2}"#]);
    site.say_at_once("pat", &say::set("pat", "f", "3"));
    let done = told(write_at_once(&mut site, "g", &json!({"value": 4, "userId": "bob"})));
    assert_eq!(done.1["version"], 4);
    let frames = site.take("ann");
    assert!(frames.last().unwrap().contains(r#""to":4"#), "{frames:?}");
    assert_stored(&site);
}

/// Writes in the same moment as what came before.
fn write_at_once(site: &mut Site, field: &str, body: &Value) -> Written {
    use roomkeep::access::rates::{Caller, RateKey};
    use roomkeep::protocol::role::Role;
    use roomkeep::protocol::write::{HttpWrite, RoomWrite};
    let (body, query, headers) = (body.to_string(), std::collections::BTreeMap::new(), WriteHeaders::default());
    let (verb, target, role) = (Verb::Put, field, Role::Moderator);
    let request = HttpWrite {
        verb,
        target,
        user: None,
        role,
        claims: &[],
        is_declared: false,
        body: &body,
        query: &query,
        headers,
    };
    let request = RoomWrite::read(&request, &Limits::default()).unwrap();
    let caller = Caller { key: RateKey::User("bob".to_owned()), role };
    site.driver.write(&mut site.world, &caller, request, site.now).unwrap()
}

#[test]
fn h3_and_s7_a_write_that_storage_refuses_leaves_no_trace() {
    for fail_at in 0..=3 {
        let mut site = site();
        put(&mut site, "f", json!({"value": 0, "userId": "bob"}));
        ["ann", "pat"].into_iter().for_each(|name| drop(site.take(name)));
        let before = site.world.dump();
        let body = json!({"value": 1, "userId": "bob", "clientId": "b", "seq": 1}).to_string();
        // The field, the client, and the COMMIT itself.
        site.world.fail_at = Some(fail_at);
        let outcome = site.write(Verb::Put, "f", &body, None);
        if fail_at == 3 {
            assert!(outcome.is_ok(), "a commit has three steps");
            continue;
        }
        let refusal = outcome.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.code.is_retryable()), ("storage", true), "{fail_at}");
        assert_eq!(site.world.dump(), before, "{fail_at}");
        assert_eq!((site.take("ann"), site.take("pat")), (Vec::new(), Vec::new()), "{fail_at}");
        let (outcome, told) = told(site.write(Verb::Put, "f", &body, None).unwrap());
        assert_eq!((outcome.as_str(), &told["version"], &told["duplicate"]), ("done", &json!(2), &Value::Null));
        assert_stored(&site);
    }
}

#[test]
fn h3_and_s7_a_room_that_cannot_be_created_is_none() {
    let mut site = Site::new();
    let body = json!({"value": 1, "userId": "bob"}).to_string();
    let mut failures = 0;
    loop {
        site.world.fail_at = Some(failures);
        if site.write(Verb::Put, "f", &body, Some("k")).is_ok() {
            break;
        }
        assert_eq!((site.world.dump(), site.driver.room().is_none()), (Vec::new(), true), "{failures}");
        failures += 1;
    }
    assert!(failures > 8, "five tables, three rows and the COMMIT: {failures}");
    assert_eq!(keyed(&mut site, "k", "f", 1), ("done".to_owned(), true));
}

#[test]
fn h3_and_j6_a_write_is_a_sign_of_its_user() {
    let mut site = site();
    site.connect("bob");
    site.say("bob", &say::join("bob"));
    site.leave("bob");
    let seen = |site: &mut Site| site.sync("pat")["participants"][0]["lastSeen"].clone();
    let left = json!(site.now);
    site.pass(HOUR);
    assert_eq!(seen(&mut site), left);
    put(&mut site, "f", json!({"value": 1, "userId": "eve"}));
    assert_eq!(seen(&mut site), left, "somebody else's is not");
    put(&mut site, "f", json!({"value": 2, "userId": "bob"}));
    let wrote = json!(site.now);
    assert_eq!(seen(&mut site), wrote);
    assert_eq!(site.sync("pat")["participants"].as_array().unwrap().len(), 1, "a write records nobody");
    site.crash();
    site.pass(HOUR);
    site.connect("pat");
    assert_eq!(seen(&mut site), wrote);
}

#[test]
fn h3_what_does_not_say_whose_it_is_changes_nothing() {
    let mut site = site();
    assert_eq!(put(&mut site, "f", json!({"value": 1})).0, "bad_message");
    assert_eq!(put(&mut site, "f", json!({"value": 1, "userId": 5})).0, "bad_message");
    let keyed = site.write(Verb::Put, "f", r#"{"userId":"bob"}"#, Some("k")).unwrap();
    assert_eq!((told(keyed).0.as_str(), keys(&site)), ("bad_message", 0));
    assert!(site.write(Verb::Put, "f", r#"{"value":1,"userId":"bob","seq":1}"#, None).is_err());
    assert_eq!(site.sync("pat")["version"], 0);
}

#[test]
fn h3_and_e1_a_client_without_a_number_may_use_a_key() {
    let mut site = site();
    let body = |value: i64| json!({"value": value, "userId": "ann", "clientId": "a"}).to_string();
    assert_eq!(told(site.write(Verb::Put, "f", &body(1), Some("k1")).unwrap()).1["version"], 1);
    assert_eq!(told(site.write(Verb::Put, "f", &body(1), Some("k1")).unwrap()).1["duplicate"], true);
    assert_eq!(told(site.write(Verb::Put, "f", &body(2), Some("k2")).unwrap()).1["version"], 2);
    assert_eq!(keys(&site), 2);
    // The key is no number of the client's outbox.
    site.say("ann", &say::with_seq(1, &say::set("ann", "g", "1")));
    assert!(site.take("ann").last().unwrap().contains(r#"{"type":"ack","seq":1,"version":3}"#));
}

#[test]
fn h3_and_e4_a_client_that_is_connected_is_not_forgotten_by_a_write() {
    let mut site = Site::with(Settings { time_to_live: 90 * DAY, ..settings() });
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.say("ann", &say::with_seq(1, &say::set("ann", "f", "1")));
    site.pass(31 * DAY);
    let again = put(&mut site, "f", json!({"value": 1, "userId": "ann", "clientId": "a", "seq": 1}));
    assert_eq!((again.0.as_str(), &again.1["duplicate"]), ("done", &json!(true)));
}

#[test]
fn h3_a_precondition_that_does_not_hold_changes_nothing_and_shows_what_is_there() {
    let mut site = site();
    let headers = |if_match, if_none_match| WriteHeaders { key: None, if_match, if_none_match };
    let body = json!({"value": 1, "userId": "bob"}).to_string();
    let write = |site: &mut Site, verb, headers| match site.write_with(verb, "f", &body, headers).unwrap() {
        Written::Done { tag, .. } => ("done", tag),
        Written::Problem { code, members, tag, .. } => {
            assert_eq!(members["current"].text() != "null", tag.is_some(), "`current` is what the tag is of");
            (code, tag)
        }
    };
    let tag = |version: u64| Some(format!("\"epoch1-{version}\""));
    let (first, second) = (tag(1).unwrap(), tag(2).unwrap());
    assert_eq!(write(&mut site, Verb::Put, headers(Some("*"), None)), ("precondition_failed", None));
    assert_eq!(write(&mut site, Verb::Delete, headers(Some("*"), None)), ("precondition_failed", None));
    assert_eq!(write(&mut site, Verb::Put, headers(None, Some("*"))), ("done", tag(1)));
    assert_eq!(write(&mut site, Verb::Put, headers(None, Some("*"))), ("precondition_failed", tag(1)));
    assert_eq!(write(&mut site, Verb::Put, headers(Some(&first), None)), ("done", tag(2)));
    assert_eq!(write(&mut site, Verb::Put, headers(Some(&first), None)), ("precondition_failed", tag(2)));
    assert_eq!(write(&mut site, Verb::Delete, headers(Some(&first), None)), ("precondition_failed", tag(2)));
    assert_eq!(write(&mut site, Verb::Delete, headers(Some(&second), None)), ("done", None));
    assert_eq!(write(&mut site, Verb::Put, headers(Some(&second), None)), ("precondition_failed", None));
    // What was cleared may be set by whoever wants it not to be set.
    assert_eq!(write(&mut site, Verb::Put, headers(None, Some("*"))), ("done", tag(4)));
    assert_stored(&site);
}

#[test]
fn h3_and_e5_a_request_that_was_done_is_not_refused_for_its_own_effect() {
    let mut site = site();
    let body = json!({"value": 1, "userId": "bob", "clientId": "b", "seq": 1}).to_string();
    let once = |site: &mut Site, key, body: &str| {
        let headers = WriteHeaders { key, if_match: None, if_none_match: Some("*") };
        told(site.write_with(Verb::Put, "f", body, headers).unwrap())
    };
    for is_again in [false, true] {
        let (outcome, body) = once(&mut site, None, &body);
        assert_eq!((outcome.as_str(), body["duplicate"].as_bool()), ("done", is_again.then_some(true)));
    }
    let keyed = json!({"value": 2, "userId": "bob"}).to_string();
    for is_again in [false, true] {
        let (outcome, body) = once(&mut site, Some("k"), &keyed);
        assert_eq!((outcome.as_str(), body["duplicate"].as_bool()), ("precondition_failed", is_again.then_some(true)));
    }
}
