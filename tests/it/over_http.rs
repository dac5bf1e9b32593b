//! What a room does over HTTP beside writing one field: several fields (H7), messages (H9), and removing participants
//! (J10).

use roomkeep::access::pass::Admission;
use roomkeep::protocol::refusal::Code;
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{Verb, WriteHeaders};
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use serde_json::{Value, json};

use crate::say;
use crate::store::assert_stored;
use crate::world::{Site, settings};

/// What came of it: the code or `done`, what else is told, and the tag.
type Told = (String, Value, Option<String>);

fn told(written: Written) -> Told {
    match written {
        Written::Done { body, tag } => ("done".to_owned(), serde_json::from_str(&body).unwrap(), tag),
        Written::Problem { code, members, tag, .. } => (code.to_owned(), serde_json::to_value(members).unwrap(), tag),
    }
}

fn set(field: &str, value: i64) -> Value {
    json!({"type": "field_selected", "selection": {"field": field, "value": value}})
}

fn clear(field: &str) -> Value {
    json!({"type": "field_cleared", "field": field})
}

fn based(mut change: Value, base: u64) -> Value {
    change["baseVersion"] = json!(base);
    change
}

fn patch(site: &mut Site, body: &Value, headers: WriteHeaders<'_>) -> Told {
    told(site.write_with(Verb::Patch, "", &body.to_string(), headers).unwrap())
}

fn patched(site: &mut Site, changes: &[Value]) -> Told {
    patch(site, &json!({"changes": changes, "userId": "bob"}), WriteHeaders::default())
}

fn values(state: &Value) -> Vec<(String, Value)> {
    let selections = state["selections"].as_object().unwrap().iter();
    selections.map(|(name, selection)| (name.clone(), selection["value"].clone())).collect()
}

/// `ann` has said hello, `pat` is plain and has joined.
fn site() -> Site {
    let mut site = Site::new();
    site.connect("ann");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.connect("pat");
    site.say("pat", &say::join("pat"));
    site.take("ann");
    site.take("pat");
    site
}

#[test]
fn h7_and_s9_a_patch_makes_all_of_its_changes_or_none() {
    let mut site = site();
    let (outcome, body, tag) = patched(&mut site, &[set("a", 1), set("b", 2), clear("c")]);
    assert_eq!((outcome.as_str(), &body["version"]), ("done", &json!(3)));
    assert_eq!(tag.as_deref(), Some("W/\"epoch1-3\""));
    assert_eq!(body["selections"]["a"]["userId"], "bob");
    assert_eq!((&body["selections"]["b"]["version"], &body["selections"]["c"]), (&json!(3), &Value::Null));
    assert_eq!(site.take("pat").len(), 2, "S8: each change by itself");
    let frames = site.take("ann");
    assert_eq!(frames.len(), 1, "Y6: one frame: {frames:?}");
    let (outcome, body, _) = patched(&mut site, &[set("a", 9), based(set("b", 9), 1)]);
    assert_eq!((outcome.as_str(), &body["field"], &body["serverVersion"]), ("E_CONFLICT", &json!("b"), &json!(3)));
    let (outcome, ..) = patched(&mut site, &[set("a", 9), json!({"type": "user_ready"})]);
    assert_eq!(outcome, "bad_message");
    let (outcome, ..) = patched(&mut site, &[set("a", 9), set(&"n".repeat(200), 9)]);
    assert_eq!(outcome, "limit_name");
    let (outcome, ..) = patched(&mut site, &vec![set("a", 9); 101]);
    assert_eq!(outcome, "limit_batch");
    assert_eq!(values(&site.sync("pat")), [("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))]);
    assert_eq!(patched(&mut site, &[]).0, "done", "nothing is all of nothing");
    assert_stored(&site);
}

#[test]
fn h7_a_patch_in_a_room_of_its_own_is_stored() {
    let mut site = Site::new();
    let (outcome, body, tag) = patched(&mut site, &[set("a", 1)]);
    assert_eq!((outcome.as_str(), &body["version"], tag.as_deref()), ("done", &json!(1), Some("W/\"epoch1-1\"")));
    site.connect("ann");
    assert_eq!(values(&site.sync("ann")), [("a".to_owned(), json!(1))]);
    let mut other = Site::new();
    assert_eq!(patched(&mut other, &[json!(7)]).0, "bad_message");
    assert!(other.driver.room().is_none(), "a refusal that is not recorded creates no room");
}

#[test]
fn h7_and_j2_a_batch_is_one_users_and_the_tokens() {
    let mut site = site();
    let mixed = [set("a", 1), json!({"type": "field_cleared", "field": "b", "userId": "eve"})];
    assert_eq!(patched(&mut site, &mixed).0, "identity_mismatch");
    let with_token = |site: &mut Site, changes: &[Value]| {
        let body = json!({ "changes": changes }).to_string();
        site.write_as(Some(("bob", Role::Editor)), Verb::Patch, "", &body, WriteHeaders::default())
    };
    let (_, body, _) = told(with_token(&mut site, &[set("a", 1), clear("b")]).unwrap());
    assert_eq!(body["selections"]["a"]["userId"], "bob");
    let mut foreign = set("a", 2);
    foreign["selection"]["userId"] = json!("eve");
    assert_eq!(with_token(&mut site, &[foreign]).unwrap_err().code, Code::IdentityMismatch);
    let unsigned = json!({"changes": [set("a", 1)]});
    assert_eq!(patch(&mut site, &unsigned, WriteHeaders::default()).0, "bad_message", "nobody is named");
}

#[test]
fn h7_and_e2_a_batch_goes_over_from_the_socket_to_a_patch_under_its_number() {
    let mut site = site();
    let changes = r#"[{"type":"field_selected","selection":{"field":"f","value":1,"userId":"ann"}}]"#;
    site.say("ann", &format!(r#"{{"type":"batch","changes":{changes},"seq":1}}"#));
    let body = format!(r#"{{"changes": {changes}, "clientId":"a","seq":1}}"#);
    let again = |site: &mut Site| told(site.write(Verb::Patch, "", &body, None).unwrap());
    assert_eq!(again(&mut site).1["duplicate"], true);
    site.say("pat", &say::set("pat", "f", "7"));
    let (outcome, body, _) = again(&mut site);
    assert_eq!((outcome.as_str(), &body["version"]), ("done", &json!(2)), "E5");
    assert_eq!((&body["selections"]["f"]["value"], &body["duplicate"]), (&json!(7), &json!(true)));
    let other = body_with(changes, 2);
    assert_eq!(told(site.write(Verb::Patch, "", &other, None).unwrap()).0, "done");
    let other = body_with("[]", 2);
    assert_eq!(told(site.write(Verb::Patch, "", &other, None).unwrap()).0, "seq_reused");
    let other = body_with("[]", 9);
    let (outcome, body, _) = told(site.write(Verb::Patch, "", &other, None).unwrap());
    assert_eq!((outcome.as_str(), &body["expected"]), ("out_of_order", &json!(3)));
}

fn body_with(changes: &str, seq: u64) -> String {
    format!(r#"{{"changes":{changes},"clientId":"a","userId":"ann","seq":{seq}}}"#)
}

#[test]
fn h7_an_idempotency_key_makes_a_patch_harmless_to_repeat() {
    let mut site = site();
    let keyed = |key| WriteHeaders { key: Some(key), ..WriteHeaders::default() };
    let body = json!({"changes": [set("a", 1)], "userId": "bob"});
    assert_eq!(patch(&mut site, &body, keyed("k")).1["duplicate"], Value::Null);
    site.say("pat", &say::set("pat", "a", "7"));
    let (_, again, _) = patch(&mut site, &body, keyed("k"));
    assert_eq!((&again["duplicate"], &again["selections"]["a"]["value"]), (&json!(true), &json!(7)));
    let other = json!({"changes": [set("a", 2)], "userId": "bob"});
    assert_eq!(patch(&mut site, &other, keyed("k")).0, "idempotency_key_reused");
}

#[test]
fn h7_and_h1_if_match_names_the_state_that_the_writer_saw() {
    let mut site = site();
    let body = json!({"changes": [set("a", 1)], "userId": "bob"});
    let given = |tag| WriteHeaders { if_match: Some(tag), ..WriteHeaders::default() };
    let (outcome, _, tag) = patch(&mut site, &body, given("W/\"epoch1-0\""));
    assert_eq!((outcome.as_str(), tag.as_deref()), ("precondition_failed", Some("W/\"epoch1-1\"")));
    assert_eq!(patch(&mut site, &body, given("W/\"epoch1-1\"")).0, "done");
    let new = WriteHeaders { if_none_match: Some("*"), ..WriteHeaders::default() };
    assert_eq!(patch(&mut site, &body, new).0, "precondition_failed");
    assert_eq!(patch(&mut Site::new(), &body, new).0, "done");
    assert_eq!(patch(&mut Site::new(), &body, given("*")).0, "precondition_failed");
}

/// A message over HTTP.
fn send(site: &mut Site, text: &str) -> Told {
    told(site.write(Verb::Send, "", text, None).unwrap())
}

#[test]
fn h9_and_p2_a_message_over_http_reaches_all_as_it_came() {
    let mut site = site();
    let text = r#"{ "type" : "price alert", "at": 1.10 }"#;
    assert_eq!(send(&mut site, text), ("done".to_owned(), json!({"sent": 2}), None));
    assert_eq!((site.take("ann"), site.take("pat")), (vec![text.to_owned()], vec![text.to_owned()]));
    for (text, code) in [
        (r#"{"type":"field_cleared","field":"f","userId":"ann"}"#, "bad_message"),
        (r#"{"type":"kick","userId":"ann"}"#, "bad_message"),
        (r#"{"type":"hello","protocol":1,"clientId":"x"}"#, "bad_message"),
        (r#"{"type":"changes"}"#, "reserved_type"),
        (r#"{"type":1}"#, "bad_message"),
        ("[]", "bad_message"),
        ("", "bad_message"),
        (r#"{"type":"x","type":"y"}"#, "bad_message"),
        (&format!(r#"{{"type":"x","text":"{}"}}"#, "y".repeat(70_000)), "limit_message"),
    ] {
        assert_eq!(send(&mut site, text).0, code, "{text}");
    }
    assert_eq!((site.take("ann"), site.take("pat")), (vec![], vec![]));
    let mut empty = Site::new();
    assert_eq!(send(&mut empty, text).1, json!({"sent": 0}));
    assert!(empty.driver.room().is_none(), "it creates no room");
}

#[test]
fn h9_and_f6_a_message_over_http_overtakes_no_change() {
    let mut site = site();
    for value in 0..4 {
        site.say_at_once("pat", &say::set("pat", "f", &value.to_string()));
    }
    send(&mut site, r#"{"type":"x"}"#);
    let frames = site.take("ann");
    let last = frames.iter().rposition(|frame| frame.contains("\"changes\"")).unwrap();
    assert_eq!(frames.iter().position(|frame| frame.contains("\"x\"")), Some(last + 1), "{frames:?}");
}

#[test]
fn h9_and_p3_a_message_over_http_may_be_for_one_user() {
    let mut site = site();
    site.connect("pat2");
    site.say("pat2", &say::join("pat"));
    let text = r#"{"type":"x","to":"pat","userId":"bob"}"#;
    assert_eq!(send(&mut site, text).1, json!({"sent": 2}));
    assert_eq!((site.take("ann").len(), site.take("pat").len(), site.take("pat2").len()), (0, 1, 1));
    assert_eq!(send(&mut site, r#"{"type":"x","to":"nobody"}"#).1, json!({"sent": 0}));
    let as_eve = site.write_as(Some(("eve", Role::Editor)), Verb::Send, "", text, WriteHeaders::default());
    assert_eq!(as_eve.unwrap_err().code, Code::IdentityMismatch);
}

#[test]
fn p3_nobody_unauthenticated_hears_what_is_for_a_user() {
    let mut site = Site::with(Settings { requires_tokens: true, ..settings() });
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    site.enter("waiting", Admission::Unauthenticated).unwrap();
    site.enter("pat", say::pass("pat", "editor")).unwrap();
    send(&mut site, r#"{"type":"x"}"#);
    send(&mut site, r#"{"type":"x","to":"pat"}"#);
    assert_eq!((site.take("waiting").len(), site.take("pat").len()), (0, 2));
}

fn remove(site: &mut Site, bearer: Option<(&str, Role)>, user: &str) -> Told {
    told(site.write_as(bearer, Verb::Remove, user, "", WriteHeaders::default()).unwrap())
}

fn participants(site: &mut Site) -> Vec<Value> {
    site.sync("ann")["participants"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect()
}

#[test]
fn j10_a_participant_who_left_is_removed_for_good() {
    let mut site = site();
    assert_eq!(remove(&mut site, None, "pat").0, "participant_online");
    site.leave("pat");
    let editor = Some(("bob", Role::Editor));
    assert_eq!(remove(&mut site, editor, "pat").0, "forbidden");
    assert_eq!(participants(&mut site), ["pat"]);
    site.take("ann");
    let (outcome, body, _) = remove(&mut site, Some(("bob", Role::Moderator)), "pat");
    assert_eq!((outcome.as_str(), body), ("done", json!({"version": 2})));
    let frames = site.take("ann");
    assert!(
        frames[0].contains(r#""changes":[{"kind":"participant_removed","userId":"pat","version":2}]"#),
        "{frames:?}"
    );
    assert_eq!(remove(&mut site, None, "pat").1, json!({"version": 2}), "it is removed already");
    assert_stored(&site);
    site.crash();
    site.connect("ann");
    let state = site.sync("ann");
    assert_eq!(
        (&state["version"], &state["participants"]),
        (&json!(2), &json!([])),
        "S1: a version is not given twice"
    );
    site.connect("pat");
    site.say("pat", &say::join("pat"));
    assert_eq!(site.sync("ann")["participants"][0]["version"], 3);
}

#[test]
fn j10_a_viewer_may_remove_itself_and_nobody_else() {
    let mut site = site();
    site.leave("pat");
    assert_eq!(remove(&mut site, Some(("eve", Role::Viewer)), "pat").0, "forbidden");
    assert_eq!(remove(&mut site, Some(("pat", Role::Viewer)), "pat").0, "done");
    assert_eq!(participants(&mut site), [Value::Null; 0]);
}

#[test]
fn j10_and_y6_who_joins_again_at_once_is_told_of_as_one_who_is_here() {
    let mut site = site();
    site.leave("pat");
    site.connect("eve");
    site.connect("pat2");
    site.take("ann");
    site.say_at_once("eve", r#"{"type":"participant_removed","userId":"pat"}"#);
    site.say_at_once("pat2", &say::join("pat"));
    site.pass(1_000);
    let frames = site.take("ann").into_iter().filter(|frame| frame.contains("\"changes\"")).collect::<Vec<_>>();
    let all = frames.join("\n");
    assert!(all.ends_with("}]}") && all.contains(r#""to":3"#), "{all}");
    assert_eq!(participants(&mut site), ["pat"]);
    assert_stored(&site);
}
