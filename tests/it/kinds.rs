//! Declared kinds of rooms: what they may hold, who may write it, and what an older page or room is to them (K).

mod lenses;

use roomkeep::access::pass::{Admission, Pass};
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{Verb, WriteHeaders};
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use serde_json::{Value, json};

use crate::world::Site;
use crate::{say, schemas, world};

/// The settings of a room of the kind `trade`, whose definition is given as JSON.
pub fn settings(definition: &str) -> Settings {
    let kinds = roomkeep::kind::read::kinds(&format!(r#"{{"trade":{definition}}}"#), schemas::misfit).unwrap();
    world::settings().of_kind("trade", &kinds)
}

const TRADE: &str = r#"{
    "version": 3,
    "fields": {
        "price": {"schema": {"type": "object", "properties": {"amount": {"type": "integer", "minimum": 0}}, "required": ["amount"]}},
        "status": {"schema": {"enum": ["open", "paid"]}, "write": ["admin", "claim:service=billing", "claim:teams=7"]},
        "notes/*": {"schema": {"type": "string", "maxLength": 5}, "write": ["own", "moderator"]},
        "notes/shared": {"write": ["viewer"]},
        "any/*/b": {"write": ["editor"]},
        "any/a/*": {"write": ["admin"]}
    },
    "lenses": [
        {"to": 2, "rename": {"cost": "price"}, "drop": ["old/*"], "map": {"status": {"closed": "paid"}}},
        {"to": 3, "default": {"status": "open"}}
    ],
    "ttlDays": 0.5
}"#;

/// Comes with a token.
fn enter(site: &mut Site, name: &str, role: Role, claims: &[&str]) {
    let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
    let pass = Pass { role, name: None, token_id: None, claims, expires: 1 << 50, is_stream: false };
    let user = say::user(name).to_owned();
    site.enter(name, Admission::Pass { user, pass }).unwrap();
    site.say(name, &json!({"type": "hello", "protocol": 1, "clientId": name}).to_string());
    site.take(name);
}

/// A room of the kind `TRADE` with somebody of each role, and with claims.
fn trade() -> Site {
    let mut site = Site::with(Settings { requires_tokens: true, ..settings(TRADE) });
    enter(&mut site, "vic", Role::Viewer, &[]);
    enter(&mut site, "ed", Role::Editor, &[]);
    enter(&mut site, "mo", Role::Moderator, &[]);
    enter(&mut site, "ad", Role::Admin, &[]);
    enter(&mut site, "bill", Role::Viewer, &["service=billing"]);
    site
}

/// The last thing that somebody is told for saying this: `ack`, or the code of the refusal or conflict.
fn verdict(site: &mut Site, name: &str, message: &str) -> String {
    site.take(name);
    site.say(name, &say::with_id("i", message));
    let told = site.take(name).iter().map(|text| serde_json::from_str::<Value>(text).unwrap()).collect::<Vec<_>>();
    let reply = told.into_iter().find(|frame| frame["id"] == "i").unwrap();
    reply["code"].as_str().unwrap_or_else(|| reply["type"].as_str().unwrap()).to_owned()
}

fn reply(site: &mut Site, name: &str, message: &str) -> Value {
    site.take(name);
    site.say(name, message);
    let told = site.take(name);
    serde_json::from_str(told.last().unwrap()).unwrap()
}

#[test]
fn k2_a_field_that_nothing_names_is_unknown_and_the_closest_pattern_counts() {
    let mut site = trade();
    for (name, field, expected) in [
        ("ad", "colour", "unknown_field"),
        ("ad", "price/x", "unknown_field"),
        ("ad", "notes", "unknown_field"),
        ("vic", "notes/shared", "ack"),
        ("vic", "notes/other", "forbidden"),
        // From the left: `any/a/*` is closer than `any/*/b`.
        ("ed", "any/a/b", "forbidden"),
        ("ed", "any/x/b", "ack"),
        ("ad", "any/a/b", "ack"),
    ] {
        assert_eq!(verdict(&mut site, name, &say::set(name, field, "\"x\"")), expected, "{name} {field}");
        assert_eq!(verdict(&mut site, name, &say::clear(name, field)), expected, "{name} {field} cleared");
    }
    let mut open = Site::with(settings(r#"{"version":1,"others":"any","fields":{"a":{"write":["admin"]}}}"#));
    open.connect("ann");
    assert_eq!(verdict(&mut open, "ann", &say::set("ann", "b", "1")), "ack");
    assert_eq!(verdict(&mut open, "ann", &say::set("ann", "a", "1")), "forbidden", "without tokens nobody is an admin");
}

#[test]
fn k3_a_value_that_does_not_fit_is_refused_with_where_and_what_and_again_with_the_same() {
    let mut site = trade();
    let wrong = say::set("ed", "price", r#"{"amount":-1}"#);
    let version = site.sync("mo")["version"].clone();
    let refused = reply(&mut site, "ed", &say::with_seq(1, &wrong));
    let members = json!({"field": "price", "path": "/amount", "keyword": "minimum"});
    let message = "`price` cannot hold this value: it breaks `minimum` at `/amount` of the field's schema.";
    let mut expected = json!({"type": "error", "code": "invalid_value", "message": message, "seq": 1});
    expected.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    assert_eq!(refused, expected);
    // Also after the memory is gone.
    site.crash();
    enter(&mut site, "ed", Role::Editor, &[]);
    let again = reply(&mut site, "ed", &say::with_seq(1, &wrong));
    assert_eq!((&again["duplicate"], &again["retry"]), (&json!(true), &Value::Null));
    for (key, value) in members.as_object().unwrap() {
        assert_eq!(&again[key], value, "{key}");
    }
    // Of a batch nothing is done.
    let batch = json!({"type": "batch", "changes": [
        serde_json::from_str::<Value>(&say::set("ed", "price", r#"{"amount":1}"#)).unwrap(),
        serde_json::from_str::<Value>(&say::set("ed", "any/x/b", "1")).unwrap(),
        serde_json::from_str::<Value>(&say::set("ed", "price", "[]")).unwrap(),
    ]});
    let refused = reply(&mut site, "ed", &batch.to_string());
    assert_eq!((&refused["path"], &refused["keyword"]), (&json!(""), &json!("type")));
    enter(&mut site, "mo", Role::Moderator, &[]);
    let state = site.sync("mo");
    assert_eq!((&state["version"], &state["selections"]), (&version, &json!({})));
}

#[test]
fn k3_a_refusal_is_in_the_words_in_which_a_page_says_it_before() {
    let words: Value = serde_json::from_str(include_str!("../vectors/words.json")).unwrap();
    let mut site = Site::with(Settings { requires_tokens: true, ..settings(&words["definition"].to_string()) });
    enter(&mut site, "viewer", Role::Viewer, &[]);
    enter(&mut site, "editor", Role::Editor, &[]);
    for case in words["cases"].as_array().unwrap() {
        let (role, field) = (case["role"].as_str().unwrap(), case["field"].as_str().unwrap());
        let mut told = reply(&mut site, role, &say::set(role, field, &case["value"].to_string()));
        assert_eq!(told.as_object_mut().unwrap().remove("type").unwrap(), "error");
        assert_eq!(told, case["error"]);
    }
}

#[test]
fn k4_one_rule_is_enough_and_holds_on_every_way_in() {
    let mut site = trade();
    for (name, field, value, expected) in [
        ("vic", "price", r#"{"amount":1}"#, "forbidden"),
        ("ed", "price", r#"{"amount":1}"#, "ack"),
        ("ed", "status", "\"open\"", "forbidden"),
        ("mo", "status", "\"open\"", "forbidden"),
        ("ad", "status", "\"open\"", "ack"),
        ("bill", "status", "\"paid\"", "ack"),
        ("bill", "status", "\"lost\"", "invalid_value"),
        ("bill", "price", r#"{"amount":1}"#, "forbidden"),
        ("ed", "notes/ed", "\"mine\"", "ack"),
        ("vic", "notes/vic", "\"mine\"", "ack"),
        ("ed", "notes/vic", "\"mine\"", "forbidden"),
        ("mo", "notes/vic", "\"seen\"", "ack"),
    ] {
        let set = say::set(name, field, value);
        assert_eq!(verdict(&mut site, name, &set), expected, "{name} {field} {value}");
        let batch = format!(r#"{{"type":"batch","changes":[{set}]}}"#);
        assert_eq!(verdict(&mut site, name, &batch), expected, "{name} {field} {value} in a batch");
    }
    let refused = reply(&mut site, "ed", &say::set("ed", "status", "1"));
    assert_eq!((&refused["field"], &refused["retry"]), (&json!("status"), &Value::Null));
    // What is no field is A4's still.
    let refused = reply(&mut site, "vic", &say::ready("vic", true));
    assert_eq!((&refused["code"], &refused["retry"]), (&json!("forbidden"), &json!(true)));
    for (verb, target, body) in [
        (Verb::Put, "status", json!({"value": "paid"})),
        (Verb::Delete, "status", json!({})),
        (Verb::Patch, "", json!({"changes": [{"type": "field_cleared", "field": "status"}]})),
    ] {
        let mut write = |role| {
            let bearer = Some(("vic", role));
            site.write_as(bearer, verb, target, &body.to_string(), WriteHeaders::default()).unwrap()
        };
        let Written::Problem { code, members, .. } = write(Role::Moderator) else { panic!("K4: {verb:?}") };
        assert_eq!((code, members["field"].text()), ("forbidden", "\"status\""), "{verb:?}");
        assert!(matches!(write(Role::Admin), Written::Done { .. }), "{verb:?}");
    }
}

#[test]
fn k4_without_tokens_everyone_is_a_moderator_and_no_claim_holds() {
    let mut site = Site::with(settings(TRADE));
    site.connect("ann");
    for (field, value, expected) in [
        ("price", r#"{"amount":1}"#, "ack"),
        ("status", "\"paid\"", "forbidden"),
        ("notes/bob", "\"x\"", "ack"),
        ("notes/ann", "\"x\"", "ack"),
    ] {
        assert_eq!(verdict(&mut site, "ann", &say::set("ann", field, value)), expected, "{field}");
    }
}

#[test]
fn s9_a_conflict_answers_before_a_refusal_by_the_kind() {
    let mut site = trade();
    site.say("ed", &say::set("ed", "price", r#"{"amount":1}"#));
    let late = say::set("mo", "price", "7").replace(r#""type""#, r#""baseVersion":0,"type""#);
    assert_eq!(verdict(&mut site, "mo", &late), "E_CONFLICT");
}

#[test]
fn k6_a_message_goes_through_the_lenses_from_the_version_that_it_was_made_for() {
    let mut site = trade();
    let of = |kind: u64, message: &str| message.replacen('{', &format!(r#"{{"kind":{kind},"#), 1);
    for (name, kind, message, expected) in [
        ("ed", 1, say::set("ed", "cost", r#"{"amount":4}"#), "ack"),
        ("ed", 2, say::set("ed", "cost", r#"{"amount":5}"#), "unknown_field"),
        ("ed", 1, say::set("ed", "cost", r#"{"amount":"x"}"#), "invalid_value"),
        ("ed", 0, say::set("ed", "old/x", "1"), "ack"),
        ("ed", 1, say::clear("ed", "old/x"), "ack"),
        ("ed", 1, say::set("ed", "other", "1"), "unknown_field"),
        ("ad", 1, say::set("ad", "status", "\"closed\""), "ack"),
        ("ad", 2, say::set("ad", "status", "\"closed\""), "invalid_value"),
        ("ed", 4, say::set("ed", "price", r#"{"amount":6}"#), "bad_message"),
    ] {
        assert_eq!(verdict(&mut site, name, &of(kind, &message)), expected, "{kind} {message}");
    }
    let state = site.sync("mo");
    assert_eq!(state["selections"]["price"]["value"], json!({"amount": 4}));
    assert_eq!(state["selections"]["price"]["field"], "price");
    assert_eq!(state["selections"]["status"]["value"], "paid");
    let to_come = reply(&mut site, "ed", &of(4, &say::set("ed", "price", "1")));
    assert_eq!(to_come["retry"], true);
    let no_version = reply(&mut site, "ed", &say::set("ed", "price", "1").replacen('{', r#"{"kind":"x","#, 1));
    assert_eq!((&no_version["code"], &no_version["retry"]), (&json!("bad_message"), &Value::Null));
    // A batch and HTTP too; what is dropped changes nothing.
    let version = state["version"].clone();
    let batch = json!({"type": "batch", "kind": 1, "changes": [
        serde_json::from_str::<Value>(&say::set("ed", "old/a", "1")).unwrap(),
        serde_json::from_str::<Value>(&say::set("ed", "cost", r#"{"amount":7}"#)).unwrap(),
    ]});
    assert_eq!(verdict(&mut site, "ed", &batch.to_string()), "ack");
    assert_eq!(site.sync("mo")["version"], json!(version.as_u64().unwrap() + 1));
    let put = json!({"value": {"amount": 8}, "kind": 1}).to_string();
    let put = site.write_as(Some(("ed", Role::Editor)), Verb::Put, "cost", &put, WriteHeaders::default()).unwrap();
    let Written::Done { body, tag } = put else { panic!("K6: {put:?}") };
    let body = serde_json::from_str::<Value>(&body).unwrap();
    assert_eq!((&body["selection"]["field"], &body["selection"]["value"]["amount"]), (&json!("price"), &json!(8)));
    assert!(tag.is_some() && body["selection"].get("kind").is_none());
}

#[test]
fn k6_a_page_that_is_too_old_is_told_so_and_a_newer_one_waits() {
    let mut site = Site::with(settings(TRADE));
    let hello = |kind: Value| json!({"type": "hello", "protocol": 1, "clientId": "c", "kind": kind}).to_string();
    for (kind, closed) in [(json!(0), Some(4427)), (json!(1), Some(4427)), (json!(2), None), (json!(3), None)] {
        let name = format!("k{}", if closed.is_some() { "old" } else { "new" }) + &kind.to_string();
        site.connect(&name);
        site.say(&name, &hello(kind.clone()));
        let code = site.world.closed.get(&say::connection(&name)).map(|(code, _)| code.number());
        assert_eq!(code, closed, "{kind}");
        if closed.is_none() {
            let welcome = serde_json::from_str::<Value>(&site.take(&name)[0]).unwrap();
            assert_eq!(welcome["kind"], json!({"party": "trade", "version": 3}));
        }
    }
    site.connect("next");
    let refused = reply(&mut site, "next", &hello(json!(4)));
    assert_eq!((&refused["code"], &refused["retry"]), (&json!("bad_message"), &json!(true)));
    // An open room has no versions, and `kind` means nothing to it.
    let mut open = Site::new();
    open.connect("ann");
    open.say("ann", &hello(json!(7)));
    let welcome = serde_json::from_str::<Value>(&open.take("ann")[0]).unwrap();
    assert_eq!(welcome["kind"], json!({"party": "", "version": 0}));
    assert_eq!(verdict(&mut open, "ann", &say::set("ann", "f", "1").replacen('{', r#"{"kind":9,"#, 1)), "ack");
}

#[test]
fn k2_a_kind_has_a_time_to_live_of_its_own() {
    assert_eq!(settings(TRADE).time_to_live, world::DAY / 2);
    assert_eq!(settings(r#"{"version":1}"#).time_to_live, world::settings().time_to_live);
}

#[test]
fn k1_what_is_no_definition_is_not_read() {
    for definitions in [
        "",
        "[]",
        r#"{"trade":[]}"#,
        r#"{"trade":{"version":0}}"#,
        r#"{"trade":{"version":"1"}}"#,
        r#"{"trade":{"fields":[]}}"#,
        r#"{"trade":{"fields":{"a":{"write":"editor"}}}}"#,
        r#"{"trade":{"lenses":{}}}"#,
        r#"{"trade":{"lenses":[{"to":-1}]}}"#,
        r#"{"trade":{"ttlDays":0}}"#,
        r#"{"trade":{},"trade":{}}"#,
    ] {
        assert!(roomkeep::kind::read::kinds(definitions, schemas::misfit).is_err(), "{definitions}");
    }
    // A rule that is not understood lets nobody in.
    let mut site = Site::with(settings(r#"{"version":1,"fields":{"a":{"write":["Editor"]}}}"#));
    site.connect("ann");
    assert_eq!(verdict(&mut site, "ann", &say::set("ann", "a", "1")), "forbidden");
}
