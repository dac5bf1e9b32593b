//! Rooms that are brought forward (K6), against an oracle that applies the definition to plain objects.

use std::collections::BTreeMap;

use proptest::prelude::*;
use roomkeep::protocol::refusal::CloseCode;
use roomkeep::protocol::write::Verb;
use serde_json::{Map, Value, json};

use super::{reply, settings, verdict};
use crate::say;
use crate::world::{Site, settings as open_settings};

/// Some names, so that lenses and rooms often mean the same.
const NAMES: [&str; 8] = ["a", "b", "c", "d", "x/1", "x/2", "y/1", "y/2"];
const PATTERNS: [(&str, &str); 6] = [("a", "b"), ("b", "a"), ("c", "e"), ("x/*", "y/*"), ("y/1", "d"), ("*", "z/*")];
const VALUES: [&str; 5] = ["1", "2", "\"1\"", "true", "{\"n\":1}"];

fn matched<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let (patterns, parts) = (pattern.split('/').collect::<Vec<_>>(), name.split('/').collect::<Vec<_>>());
    let fits = patterns.len() == parts.len() && patterns.iter().zip(&parts).all(|(p, part)| *p == "*" || p == part);
    fits.then(|| patterns.iter().zip(parts).filter(|(pattern, _)| **pattern == "*").map(|(_, part)| part).collect())
}

fn filled(pattern: &str, stars: &[&str]) -> String {
    let mut stars = stars.iter();
    pattern.split('/').map(|part| if part == "*" { stars.next().unwrap() } else { part }).collect::<Vec<_>>().join("/")
}

/// The key by which of several patterns the closest comes first.
fn stars(pattern: &str) -> Vec<bool> {
    pattern.split('/').map(|part| part == "*").collect()
}

/// What the definition says, applied to values by name.
fn applied(lens: &Value, before: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let empty = Map::new();
    let object = |key: &str| lens.get(key).and_then(Value::as_object).unwrap_or(&empty).clone();
    let mut renames = object("rename").into_iter().collect::<Vec<_>>();
    renames.sort_by_key(|(old, _)| stars(old));
    let renamed = |name: &str| {
        let found = renames.iter().find_map(|(old, new)| Some(filled(new.as_str().unwrap(), &matched(old, name)?)));
        found.unwrap_or_else(|| name.to_owned())
    };
    let mut after = BTreeMap::new();
    for moves in [false, true] {
        let part = before.iter().filter(|(name, _)| (renamed(name) != **name) == moves);
        after.extend(part.map(|(name, value)| (renamed(name), value.clone())));
    }
    let drop = lens.get("drop").and_then(Value::as_array).cloned().unwrap_or_default();
    after.retain(|name, _| !drop.iter().any(|pattern| matched(pattern.as_str().unwrap(), name).is_some()));
    let mut maps = object("map").into_iter().collect::<Vec<_>>();
    maps.sort_by_key(|(field, _)| stars(field));
    for (name, value) in &mut after {
        let Some((_, values)) = maps.iter().find(|(field, _)| matched(field, name).is_some()) else { continue };
        let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let Some(new) = values.get(&key) {
            *value = new.clone();
        }
    }
    for (name, value) in object("default") {
        after.entry(name).or_insert(value);
    }
    after
}

fn a_lens(to: u64) -> impl Strategy<Value = Value> {
    let value = proptest::sample::select(&VALUES[..]).prop_map(|text| serde_json::from_str::<Value>(text).unwrap());
    let rename = proptest::sample::subsequence(&PATTERNS[..], 0..3);
    let drop = proptest::sample::subsequence(vec!["c", "y/*", "b"], 0..2);
    let map = proptest::collection::btree_map(
        proptest::sample::select(vec!["a", "b", "x/*", "*"]),
        proptest::collection::btree_map(proptest::sample::select(vec!["1", "true", "2"]), value.clone(), 1..3),
        0..2,
    );
    let default = proptest::collection::btree_map(proptest::sample::select(vec!["d", "e", "a"]), value, 0..2);
    (rename, drop, map, default).prop_map(move |(rename, drop, map, default)| {
        let rename = rename.into_iter().collect::<BTreeMap<_, _>>();
        // Two that are given one name would say nothing about which of them has it.
        let mut targets = rename.values().collect::<Vec<_>>();
        targets.dedup();
        let rename = if targets.contains(&&"z/*") { BTreeMap::new() } else { rename };
        json!({"to": to, "rename": rename, "drop": drop, "map": map, "default": default})
    })
}

fn kind(version: u64, lenses: &[Value]) -> String {
    let lenses = &lenses[..usize::try_from(version - 1).unwrap()];
    json!({"version": version, "others": "any", "lenses": lenses}).to_string()
}

fn values(site: &mut Site, name: &str) -> BTreeMap<String, Value> {
    let state = site.sync(name);
    let selections = state["selections"].as_object().unwrap();
    selections.iter().map(|(name, selection)| (name.clone(), selection["value"].clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn k6_every_room_comes_through_every_version_as_the_definition_says(
        set in proptest::collection::vec((proptest::sample::select(&NAMES[..]), proptest::sample::select(&VALUES[..])), 0..10),
        cleared in proptest::sample::subsequence(&NAMES[..], 0..3),
        lenses in (a_lens(2), a_lens(3), a_lens(4)).prop_map(|(a, b, c)| vec![a, b, c]),
        (first, stops) in (1_u64..4, proptest::sample::subsequence(vec![2_u64, 3], 0..=2)),
    ) {
        let mut site = Site::with(settings(&kind(first, &lenses)));
        site.connect("ann");
        let mut expected = BTreeMap::new();
        for (name, value) in set {
            site.say("ann", &say::set("ann", name, value));
            expected.insert(name.to_owned(), serde_json::from_str::<Value>(value).unwrap());
        }
        for name in cleared {
            site.say("ann", &say::clear("ann", name));
            expected.remove(name);
        }
        site.connect("watcher");
        let mut seen = values(&mut site, "watcher");
        let before = site.sync("watcher")["version"].as_u64().unwrap();
        let mut version = first;
        for stop in stops.into_iter().chain([4]).filter(|stop| *stop > first) {
            site.sleep();
            site.change_settings(settings(&kind(stop, &lenses)));
            site.take("watcher");
            site.say("ann", r#"{"type":"wave"}"#);
            for lens in lenses.iter().filter(|lens| (version + 1..=stop).contains(&lens["to"].as_u64().unwrap())) {
                expected = applied(lens, &expected);
            }
            version = stop;
            // Those who are there hear of each change, as those who resume do.
            for frame in site.take("watcher").iter().map(|text| serde_json::from_str::<Value>(text).unwrap()) {
                match frame["type"].as_str() {
                    Some("field_selected") => {
                        let field = frame["selection"]["field"].as_str().unwrap().to_owned();
                        seen.insert(field, frame["selection"]["value"].clone());
                    }
                    Some("field_cleared") => drop(seen.remove(frame["field"].as_str().unwrap())),
                    _ => {}
                }
            }
            prop_assert_eq!(&seen, &expected);
            prop_assert_eq!(&values(&mut site, "watcher"), &expected);
        }
        // What is told since is what differs, and after a crash it is the same.
        site.crash();
        site.connect("later");
        prop_assert_eq!(&values(&mut site, "later"), &expected);
        let changes = serde_json::from_str::<Value>(
            &site.ask("later", &json!({"type": "sync_request", "since": before}).to_string())).unwrap();
        for change in changes["changes"].as_array().into_iter().flatten().filter(|change| change["kind"] == "field") {
            prop_assert_eq!(&change["via"], "lens");
            prop_assert_eq!(expected.contains_key(change["field"].as_str().unwrap()), !change["selection"].is_null());
        }
    }
}

const BEFORE: &str = r#"{"version":1,"fields":{"cost":{},"old":{},"same":{}}}"#;
const AFTER: &str = r#"{"version":2,"fields":{"price":{"schema":{"type":"number"}},"same":{},"new":{}},
    "lenses":[{"to":2,"rename":{"cost":"price"},"drop":["old"],"default":{"new":7}}]}"#;

fn based(base: u64, message: &str) -> String {
    message.replacen('{', &format!(r#"{{"baseVersion":{base},"#), 1)
}

#[test]
fn k6_nobody_has_a_conflict_with_a_lens() {
    let mut site = Site::with(settings(BEFORE));
    site.connect("ann");
    site.say("ann", &say::set("ann", "cost", "1"));
    site.say("ann", &say::set("ann", "same", "1"));
    site.sleep();
    site.change_settings(settings(AFTER));
    site.connect("bob");
    let of_old = |message: &str| message.replacen('{', r#"{"kind":1,"#, 1);
    // Of a stale base there is one, as ever.
    assert_eq!(verdict(&mut site, "bob", &of_old(&based(0, &say::set("bob", "cost", "2")))), "E_CONFLICT");
    assert_eq!(verdict(&mut site, "bob", &of_old(&based(1, &say::set("bob", "cost", "2")))), "ack");
    // Who has seen version 1 has not seen bob's.
    assert_eq!(verdict(&mut site, "ann", &of_old(&based(1, &say::set("ann", "cost", "3")))), "E_CONFLICT");
    assert_eq!(verdict(&mut site, "ann", &based(0, &say::set("ann", "new", "8"))), "ack", "nobody had set it");
    assert_eq!(verdict(&mut site, "ann", &based(2, &say::set("ann", "same", "2"))), "ack");
}

#[test]
fn k6_a_field_that_was_cleared_before_it_was_renamed_is_as_its_writer_saw_it() {
    let mut site = Site::with(settings(BEFORE));
    site.connect("ann");
    site.say("ann", &say::set("ann", "cost", "1"));
    site.say("ann", &say::clear("ann", "cost"));
    site.sleep();
    site.change_settings(settings(AFTER));
    site.connect("bob");
    let late = based(2, &say::set("bob", "cost", "2")).replacen('{', r#"{"kind":1,"#, 1);
    assert_eq!(verdict(&mut site, "bob", &late), "ack");
}

#[test]
fn k6_a_lens_is_no_sign_of_life_and_no_use_of_the_room() {
    let mut site = Site::with(settings(BEFORE));
    site.connect("ann");
    site.say("ann", &say::join("ann"));
    site.say("ann", &say::set("ann", "cost", "1"));
    let seen = site.now;
    site.leave("ann");
    site.pass(60_000);
    site.sleep();
    site.change_settings(settings(AFTER));
    site.connect("bob");
    let state = site.sync("bob");
    assert_eq!(state["participants"][0]["lastSeen"], json!(seen));
    assert_eq!(state["selections"]["price"]["userId"], "ann");
    assert_eq!(state["selections"]["new"]["userId"], "lens:2");
    // Once more asleep and awake.
    site.crash();
    site.connect("bob");
    assert_eq!(site.sync("bob")["participants"][0]["lastSeen"], json!(seen));
}

#[test]
fn k6_it_is_one_commit_with_what_woke_the_room_and_happens_once() {
    let mut site = Site::with(settings(BEFORE));
    site.connect("ann");
    for field in ["cost", "old", "same"] {
        site.say("ann", &say::set("ann", field, "\"text\""));
    }
    site.sleep();
    site.change_settings(settings(AFTER));
    let commits = site.world.commits.len();
    site.say("ann", &say::sync());
    assert_eq!(site.world.commits.len(), commits + 1);
    // The new schema wants a number: what is there stays, and the log says so.
    let log = site.world.log.join("\n");
    assert!(log.contains(r#"the field "price" holds a value that breaks "type" at "" of its schema"#), "{log}");
    let version = site.sync("ann")["version"].clone();
    site.sleep();
    site.lose_memory();
    assert_eq!(site.sync("ann")["version"], version);
    assert_eq!(site.world.commits.len(), commits + 1);
}

#[test]
fn k6_what_a_newer_kind_stored_is_refused_and_kept() {
    let mut site = Site::with(settings(AFTER));
    site.connect("ann");
    site.say("ann", &say::set("ann", "same", "1"));
    site.sleep();
    for older in [settings(BEFORE), open_settings()] {
        site.change_settings(older);
        let refused = site.write(Verb::Put, "same", r#"{"value":2,"userId":"bob"}"#, None);
        assert_eq!(refused.unwrap_err().code.as_str(), "storage");
        assert!(site.world.log.iter().any(|line| line.contains("stored by version 2 of its kind")));
    }
    site.change_settings(settings(AFTER));
    site.connect("bob");
    assert_eq!(site.sync("bob")["selections"]["same"]["value"], 1);
}

#[test]
fn k6_an_open_room_that_is_declared_now_counts_as_one_of_version_1() {
    let mut site = Site::with(open_settings());
    site.connect("ann");
    site.say("ann", &say::set("ann", "cost", "1"));
    site.sleep();
    site.change_settings(settings(AFTER));
    assert_eq!(reply(&mut site, "ann", &say::sync())["selections"]["price"]["value"], 1);
}

#[test]
fn k6_a_page_that_slept_while_its_kind_went_on_is_closed() {
    for (hello, is_closed) in [(r#","kind":1"#, true), ("", false)] {
        let mut site = Site::with(settings(BEFORE));
        site.connect("ann");
        site.say("ann", &format!(r#"{{"type":"hello","protocol":1,"clientId":"c"{hello}}}"#));
        site.sleep();
        site.change_settings(settings(AFTER));
        site.connect("bob");
        let closed = site.world.closed.get(&say::connection("ann")).map(|(code, _)| *code);
        assert_eq!(closed, is_closed.then_some(CloseCode::Outdated), "{hello}");
    }
}
