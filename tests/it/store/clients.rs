//! Outboxes of clients, through sleep, crash and time (E4).

use roomkeep::protocol::limits::Limits;
use roomkeep::room::settings::Settings;
use serde_json::{Value, json};

use super::assert_stored;
use crate::say;
use crate::world::{DAY, Site, settings};

fn hello(client: &str) -> String {
    json!({"type": "hello", "protocol": 1, "clientId": client}).to_string()
}

fn set(seq: u64, value: u64) -> String {
    say::with_seq(seq, &say::set("ann", "f", &value.to_string()))
}

/// Opens a connection that says hello as this client. Returns the `lastSeq` that it is told.
fn come(site: &mut Site, name: &str, client: &str) -> Value {
    site.connect(name);
    site.say(name, &hello(client));
    serde_json::from_str::<Value>(&site.take(name)[0]).unwrap()["lastSeq"].clone()
}

/// One client writes one numbered message and leaves.
fn visit(site: &mut Site, client: &str) {
    come(site, client, client);
    site.say(client, &say::with_seq(1, &say::set(client, "f", "1")));
    site.leave(client);
    site.pass(1_000);
}

/// How many rows tell of clients whose numbers are known, and of names of forgotten ones.
fn rows(site: &Site) -> (u32, u32) {
    let count = |condition: &str| {
        let query = format!("SELECT count(*) FROM client WHERE last_seq IS {condition}");
        site.world.db.query_row(&query, [], |row| row.get::<_, u32>(0)).unwrap()
    };
    (count("NOT NULL"), count("NULL"))
}

fn few_clients() -> Site {
    Site::with(Settings { limits: Limits { clients: 3, ..Limits::default() }, ..settings() })
}

/// What `ann` hears in the end when the room's memory is lost in the middle.
fn outcomes(lose: impl FnOnce(&mut Site)) -> Vec<String> {
    let mut site = Site::new();
    come(&mut site, "bob", "b");
    come(&mut site, "ann", "a");
    let conflict =
        r#"{"type":"field_selected","seq":2,"baseVersion":9,"selection":{"field":"f","value":2,"userId":"ann"}}"#;
    let bad = r#"{"type":"field_cleared","seq":3,"userId":"ann"}"#;
    site.say("bob", &say::set("bob", "f", "0"));
    site.say("ann", &set(1, 1));
    site.say("bob", &say::set("bob", "f", "2"));
    site.say("ann", conflict);
    site.say("ann", bad);
    site.pass(1_000);
    lose(&mut site);
    if !site.world.sockets.contains_key(&say::connection("ann")) {
        assert_eq!(come(&mut site, "ann", "a"), 3);
    }
    site.take("ann");
    for text in [&set(1, 1), conflict, bad, &set(1, 7), &set(5, 5), &set(4, 4)] {
        site.say("ann", text);
    }
    assert_stored(&site);
    site.take("ann").into_iter().filter(|frame| !frame.contains(r#""changes""#)).collect()
}

#[test]
fn e4_and_e2_what_was_answered_is_known_after_sleep_and_crash() {
    let awake = outcomes(|_| {});
    let codes = ["duplicate", "E_CONFLICT", "bad_message", "seq_reused", "out_of_order", r#""seq":4,"version":4"#];
    assert!(awake.iter().zip(codes).all(|(frame, code)| frame.contains(code)), "{awake:?}");
    assert_eq!(awake.len(), codes.len(), "{awake:?}");
    assert_eq!(outcomes(Site::sleep), awake);
    let crashed = outcomes(Site::crash);
    let without_time =
        |frames: &[String]| frames.iter().map(|f| f.split("updatedAt").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(without_time(&crashed), without_time(&awake));
}

#[test]
fn e4_64_outcomes_are_kept_in_storage() {
    let mut site = Site::new();
    come(&mut site, "ann", "a");
    for seq in 1..=100 {
        site.say("ann", &set(seq, seq));
    }
    site.pass(1_000);
    site.sleep();
    site.take("ann");
    for (seq, expected) in [(37, r#""duplicate":true"#), (36, "outcome_forgotten"), (100, r#""duplicate":true"#)] {
        let answer = site.ask("ann", &set(seq, seq));
        assert!(answer.contains(expected), "{seq}: {answer}");
    }
}

#[test]
fn e4_the_name_of_a_forgotten_client_stays_over_a_reload() {
    let mut site = Site::new();
    visit(&mut site, "a");
    site.connect("bob");
    site.pass(31 * DAY);
    assert_eq!(come(&mut site, "a2", "a"), Value::Null, "forgotten and told so");
    assert_eq!(rows(&site), (0, 1));
    for lose in [Site::sleep, Site::crash] {
        lose(&mut site);
        site.connect("a3");
        assert_eq!(come(&mut site, "a4", "a"), Value::Null);
        let answer = site.ask("a4", &say::with_seq(2, &say::set("a", "f", "2")));
        assert!(answer.contains("outcome_forgotten"), "{answer}");
    }
    assert_eq!(come(&mut site, "a5", "new"), 0);
}

#[test]
fn e4_a_client_that_stays_is_not_forgotten() {
    let mut site = Site::new();
    come(&mut site, "ann", "a");
    site.say("ann", &set(1, 1));
    site.connect("bob");
    site.pass(40 * DAY);
    site.leave("ann");
    site.pass(20 * DAY);
    assert_eq!(come(&mut site, "ann2", "a"), 1);
}

#[test]
fn e4_and_x1_only_so_many_clients_are_known_and_only_so_many_forgotten_by_name() {
    let mut site = few_clients();
    for n in 0..10 {
        visit(&mut site, &format!("c{n}"));
        let (known, forgotten) = rows(&site);
        assert!(known <= 3 && forgotten <= 3, "{n}: {known} and {forgotten}");
    }
    assert_eq!(rows(&site), (3, 3));
    site.crash();
    for (n, last_seq) in
        [(0, json!(0)), (3, json!(0)), (4, Value::Null), (6, Value::Null), (7, json!(1)), (9, json!(1))]
    {
        assert_eq!(come(&mut site, &format!("again{n}"), &format!("c{n}")), last_seq, "c{n}");
    }
}

#[test]
fn e4_and_x1_names_are_no_more_when_time_makes_many_forgotten_at_once() {
    let mut site = few_clients();
    for n in 0..6 {
        visit(&mut site, &format!("c{n}"));
    }
    assert_eq!(rows(&site), (3, 3));
    site.connect("bob");
    // The alarm of a room of one rings once in 30 days.
    site.pass(62 * DAY);
    let (known, forgotten) = rows(&site);
    assert!(known == 0 && forgotten <= 3, "no more rows than before: {known} and {forgotten}");
    visit(&mut site, "new");
    assert_eq!(rows(&site), (1, 3));
}

#[test]
fn y6_who_sends_itself_away_hears_of_its_changes_before_the_answer() {
    let mut site = Site::new();
    come(&mut site, "ann", "c");
    // The second one waits, since the room is still at the first.
    for seq in [1, 2] {
        site.say_at_once("ann", &set(seq, seq));
    }
    site.take("ann");
    site.say_at_once("ann", &say::with_seq(3, r#"{"type":"kick","userId":"ann"}"#));
    site.pass(1_000);
    let told = site.take("ann").iter().map(|text| serde_json::from_str(text).unwrap()).collect::<Vec<Value>>();
    assert_eq!(told.iter().map(|frame| &frame["type"]).collect::<Vec<_>>(), ["changes", "ack", "ack"], "{told:?}");
    assert_eq!((&told[0]["to"], &told[2]["seq"], &told[2]["version"]), (&json!(2), &json!(3), &json!(2)));
}
