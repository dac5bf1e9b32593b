//! Whoever comes back with any version it ever saw ends with what a full answer gives.

use super::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn y3_and_y5_who_resumes_from_any_version_has_what_a_full_answer_gives(
        events in prop::collection::vec(event(), 1..300),
    ) {
        let mut both = Both::new(1);
        let mut seen = BTreeMap::new();
        for event in &events {
            both.step(event);
            both.site.world.fail_at = None;
            let state = ask(&mut both.site, "");
            seen.insert(state["version"].as_u64().unwrap(), state);
        }
        let now = ask(&mut both.site, "");
        for (since, mut known) in seen {
            let answer = ask(&mut both.site, &format!(r#","since":{since},"epoch":{}"#, known["epoch"]));
            if answer["type"] == "changes" {
                resume(&mut known, &answer);
            } else {
                prop_assert_eq!(&answer["reset"], true);
                known = answer;
            }
            prop_assert_eq!(versioned(&known), versioned(&now), "since {}", since);
        }
    }
}

/// What a new connection hears when it asks for the state.
fn ask(site: &mut Site, members: &str) -> Value {
    let asker = format!("asker{}", site.now);
    site.connect(&asker);
    let answer = site.ask(&asker, &format!(r#"{{"type":"sync_request"{members}}}"#));
    site.leave(&asker);
    serde_json::from_str(&answer).unwrap()
}

/// Does to a state that a client had what the room says has changed since.
fn resume(known: &mut Value, answer: &Value) {
    assert_eq!(known["version"], answer["from"]);
    known["version"] = answer["to"].clone();
    let mut last = answer["from"].as_u64().unwrap();
    for change in answer["changes"].as_array().unwrap() {
        let version = change["version"].as_u64().unwrap();
        assert!(version > last, "the oldest change comes first: {answer}");
        last = version;
        if change["kind"] == "field" {
            let (field, selections) = (change["field"].as_str().unwrap(), known["selections"].as_object_mut().unwrap());
            selections.remove(field);
            if !change["selection"].is_null() {
                selections.insert(field.to_owned(), change["selection"].clone());
            }
        } else {
            let record = change["participant"].as_object().unwrap();
            let people = known["participants"].as_array_mut().unwrap();
            people.retain(|person| person["id"] != record["id"]);
            people.push(json!({"version": version}));
            people.last_mut().unwrap().as_object_mut().unwrap().extend(record.clone());
        }
    }
}

/// What of a state is versioned.
fn versioned(state: &Value) -> Value {
    let people = state["participants"].as_array().unwrap().iter().map(|person| {
        let record = ["name", "isReady", "joinedAt", "version"].map(|key| person[key].clone());
        (person["id"].as_str().unwrap().to_owned(), record)
    });
    json!([state["version"], state["selections"], people.collect::<BTreeMap<_, _>>()])
}
