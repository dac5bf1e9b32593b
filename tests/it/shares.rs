//! Quotas that are full: whoever has the most gives way, and nobody with less (X1, A9, E4, H3, Q1).

use std::collections::BTreeMap;

use proptest::prelude::*;
use roomkeep::access::claims::Denial;
use roomkeep::access::pass::{Admission, Pass};
use roomkeep::access::shares::{Entry, NetworkMark};
use roomkeep::protocol::refusal::{CloseCode, Code};
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::Verb;
use roomkeep::room::admission::UNAUTHENTICATED;
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Written;
use serde_json::{Value, json};

use crate::say;
use crate::world::{DAY, Site, settings};

/// A room with small limits, that asks for tokens or does not.
fn site(requires_tokens: bool, change: impl FnOnce(&mut Settings)) -> Site {
    let mut settings = Settings { requires_tokens, ..settings() };
    change(&mut settings);
    Site::with(settings)
}

fn from(network: &str, admission: Admission) -> Entry {
    Entry { admission, network: NetworkMark::of(network) }
}

fn is_closed(site: &Site, name: &str) -> bool {
    site.world.closed.get(&say::connection(name)).is_some_and(|(code, _)| *code == CloseCode::GaveWay)
}

fn hello(client: &str) -> String {
    json!({"type": "hello", "protocol": 1, "clientId": client}).to_string()
}

#[test]
fn x1_a_user_with_the_most_connections_gives_way_and_cannot_take_more() {
    let mut site = site(true, |settings| settings.limits.connections = 4);
    for (at, name) in ["ann1", "ann2", "ann3", "bob1"].into_iter().enumerate() {
        site.pass(10);
        // From one network, as in an office: with tokens, that makes no difference.
        site.enter(name, from("office", say::pass(say::user(name), "editor"))).unwrap();
        assert_eq!(site.world.sockets.len(), at + 1);
    }
    site.pass(10);
    // The one that was heard from the longest ago goes, though the room has slept since.
    site.say("ann1", &say::sync());
    site.sleep();
    assert_eq!(site.enter("ann4", say::pass("ann", "editor")).unwrap_err().code, Code::LimitConnections);
    site.enter("bob2", say::pass("bob", "editor")).unwrap();
    assert!(is_closed(&site, "ann2") && !is_closed(&site, "ann1") && !is_closed(&site, "ann3"));
    // Both have the same now.
    assert_eq!(site.enter("bob3", say::pass("bob", "editor")).unwrap_err().code, Code::LimitConnections);
    assert_eq!(site.enter("ann4", say::pass("ann", "editor")).unwrap_err().code, Code::LimitConnections);
    site.enter("cid1", say::pass("cid", "editor")).unwrap();
    assert_eq!(site.world.sockets.len(), 4);
}

#[test]
fn x1_without_tokens_a_network_has_a_share_whatever_its_users_call_themselves() {
    let mut site = site(false, |settings| settings.limits.connections = 3);
    for name in ["eve1", "mal1", "sue1"] {
        site.pass(10);
        site.enter(name, from("one", Admission::Anonymous)).unwrap();
        site.say(name, &say::join(say::user(name)));
    }
    site.sleep();
    assert!(site.enter("kim1", from("one", Admission::Anonymous)).is_err());
    site.enter("ann1", from("two", Admission::Anonymous)).unwrap();
    assert!(is_closed(&site, "eve1") && site.world.sockets.len() == 3);
    // Of whom nothing is known has a share like everybody else.
    site.connect("bob1");
    assert!(is_closed(&site, "mal1") && site.enter("bob2", Admission::Anonymous).is_err());
}

#[test]
fn a9_one_network_does_not_keep_others_from_showing_their_tokens() {
    let mut site = site(true, |_| ());
    for n in 0..UNAUTHENTICATED {
        site.enter(&format!("eve{n}"), from("one", Admission::Unauthenticated)).unwrap();
    }
    // One whose token is being checked is the last to go.
    site.say("eve0", r#"{"type":"hello","protocol":1,"clientId":"c","token":"t"}"#);
    assert!(site.enter("eve50", from("one", Admission::Unauthenticated)).is_err());
    site.enter("ann1", from("two", Admission::Unauthenticated)).unwrap();
    assert!(
        !is_closed(&site, "eve0") && (1..UNAUTHENTICATED).filter(|n| is_closed(&site, &format!("eve{n}"))).count() == 1
    );
    site.say("ann1", r#"{"type":"hello","protocol":1,"clientId":"a","token":"t"}"#);
    let pass = Pass {
        role: Role::Editor,
        name: None,
        token_id: Some("t".to_owned()),
        claims: Vec::new(),
        expires: DAY,
        is_stream: false,
    };
    site.verified("ann1", Ok(("ann".to_owned(), pass)));
    assert!(site.take("ann1")[0].contains("welcome"));
    site.verified("eve0", Err(Denial::Unauthorized("no".to_owned())));
}

#[test]
fn h3_and_x1_a_user_with_fewer_idempotency_keys_is_never_refused_one() {
    let mut site = site(false, |settings| settings.limits.idempotency_keys = 4);
    for n in 0..4 {
        assert_eq!(keyed(&mut site, "eve", n), "done");
        site.pass(10);
    }
    assert_eq!(keyed(&mut site, "eve", 4), "limit_keys", "who has the most is refused");
    assert_eq!((keyed(&mut site, "ann", 0), keyed(&mut site, "ann", 1)), ("done".to_owned(), "done".to_owned()));
    assert_eq!(keyed(&mut site, "ann", 2), "limit_keys", "now both have as many");
    let known = |site: &mut Site, user: &str, key: usize| put(site, user, key)["duplicate"] == true;
    assert!(known(&mut site, "ann", 0) && known(&mut site, "ann", 1), "E5: nobody pushes out those of another");
    assert!(known(&mut site, "eve", 2) && known(&mut site, "eve", 3));
}

#[test]
fn q1_and_x1_a_user_with_fewer_open_requests_is_never_refused_one() {
    let mut site = site(false, |settings| settings.limits.requests = 3);
    for name in ["eve", "ann"] {
        site.connect(name);
        site.say(name, &say::join(name));
    }
    for (n, wait) in [(1, 9_000), (2, 5_000), (3, 7_000)] {
        site.say("eve", &say::ask(&format!("r{n}"), "a", &format!(r#","ttlMs":{wait}"#)));
    }
    assert!(site.ask("eve", &say::with_id("1", &say::ask("r4", "a", ""))).contains("limit_requests"));
    site.take("ann");
    site.say("ann", &say::with_id("1", &say::ask("r1", "a", "")));
    let told = site.take("ann");
    // The first to expire goes.
    assert!(told[0].contains(r#""requestId":"r2""#) && told[0].contains(r#""expired":true"#), "{told:?}");
    assert!(told[1].contains(r#""type":"ack""#), "{told:?}");
    let requests = site.sync("ann")["requests"].clone();
    let status = |user: &str, id: &str| {
        let of = |request: &&Value| request["userId"] == user && request["requestId"] == id;
        requests.as_array().unwrap().iter().find(of).unwrap()["status"].clone()
    };
    assert_eq!(
        [status("eve", "r1"), status("eve", "r2"), status("eve", "r3"), status("ann", "r1")],
        ["pending", "expired", "pending", "pending"]
    );
}

fn put(site: &mut Site, user: &str, key: usize) -> Value {
    let body = json!({"value": key, "userId": user}).to_string();
    match site.write(Verb::Put, "f", &body, Some(&format!("key{key}"))).unwrap() {
        Written::Done { body, .. } => serde_json::from_str(&body).unwrap(),
        Written::Problem { code, .. } => json!({ "code": code }),
    }
}

fn keyed(site: &mut Site, user: &str, key: usize) -> String {
    put(site, user, key)["code"].as_str().unwrap_or("done").to_owned()
}

#[test]
fn e4_and_e5_a_user_within_its_part_keeps_its_clients_whoever_else_is_here() {
    let mut site = site(false, |settings| settings.limits.clients = 4);
    let write = |site: &mut Site, user: &str, client: &str| {
        site.connect(client);
        site.say(client, &hello(client));
        site.say(client, &say::with_seq(1, &say::set(user, "f", "1")));
        site.pass(10);
    };
    write(&mut site, "ann", "a1");
    site.leave("a1");
    // These stay, so none of them may go.
    for n in 0..4 {
        write(&mut site, "eve", &format!("e{n}"));
    }
    write(&mut site, "bob", "b1");
    let known = |site: &Site| {
        let clients = site.driver.room().unwrap().stored().unwrap().records.clients;
        clients.iter().filter(|(_, client)| client.last_seq.is_some()).map(|(id, _)| id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(known(&site), ["a1", "b1", "e0", "e1", "e2", "e3"], "the limit waits until one of them leaves");
    site.leave("e2");
    write(&mut site, "cid", "c1");
    assert_eq!(known(&site), ["a1", "b1", "c1", "e0", "e1", "e3"]);
}

/// What somebody does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Enter,
    Leave,
    Key,
    Ask,
    Number,
    Sleep,
}

fn acts() -> impl Strategy<Value = Vec<(Act, usize)>> {
    let act = prop_oneof![
        4 => Just(Act::Enter), 2 => Just(Act::Leave), 4 => Just(Act::Key), 4 => Just(Act::Ask), 4 => Just(Act::Number),
        1 => Just(Act::Sleep)
    ];
    // Ann does little, and eve much.
    let who = prop_oneof![1 => Just(0_usize), 2 => Just(1_usize), 8 => Just(2_usize)];
    prop::collection::vec((act, who), 1..120)
}

const LIMIT: usize = 6;
const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// How much each user has of each quota, as storage and sockets say.
fn parts(site: &Site) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
    let mut parts = BTreeMap::<_, BTreeMap<String, usize>>::new();
    let mut count =
        |what: &'static str, user: &str| *parts.entry(what).or_default().entry(user.to_owned()).or_default() += 1;
    for name in site.world.sockets.keys().map(|of| say::name(*of)) {
        count("connections", say::user(&name));
    }
    let records = site.driver.room().and_then(|room| room.stored()).map(|stored| stored.records).unwrap_or_default();
    records.keys.iter().for_each(|((user, _), _)| count("keys", user));
    let open = records.requests.iter().filter(|(_, request)| request.settlement().is_none());
    open.for_each(|(key, _)| count("requests", &key.user_id));
    let known = records.clients.iter().filter(|(_, client)| client.last_seq.is_some());
    known.for_each(|(_, client)| count("clients", client.user_id.as_deref().unwrap_or("nobody")));
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the others do: a user who has no more than an equal part of a quota is refused nothing, and loses
    /// nothing to another.
    #[test]
    fn x1_e5_nobody_takes_from_a_user_what_is_within_its_part(acts in acts()) {
        let mut site = site(true, |settings| {
            let limits = &mut settings.limits;
            (limits.connections, limits.idempotency_keys, limits.requests, limits.clients) = (LIMIT, LIMIT, LIMIT, LIMIT);
        });
        for (n, (act, who)) in acts.into_iter().enumerate() {
            let user = USERS[who];
            site.pass(10);
            let theirs = site.world.sockets.keys().map(|of| say::name(*of)).find(|name| say::user(name) == user);
            let before = parts(&site);
            let what = match act {
                Act::Enter => "connections",
                Act::Key => "keys",
                Act::Ask => "requests",
                Act::Number => "clients",
                Act::Leave | Act::Sleep => "nothing",
            };
            let is_refused = match (act, theirs) {
                (Act::Enter, _) => site.enter(&format!("{user}{n}"), say::pass(user, "editor")).is_err(),
                (Act::Leave, Some(name)) => { site.leave(&name); false }
                (Act::Key, _) => keyed(&mut site, user, n) == "limit_keys",
                (Act::Ask, Some(name)) => {
                    site.take(&name);
                    site.say(&name, &say::with_id("1", &say::ask(&format!("r{n}"), "a", "")));
                    site.take(&name).iter().any(|frame| frame.contains("limit_requests"))
                }
                (Act::Number, _) => {
                    let seq = json!({"value": n, "userId": user, "clientId": format!("c{n}"), "seq": 1}).to_string();
                    matches!(site.write(Verb::Put, "f", &seq, None), Ok(Written::Problem { .. }) | Err(_))
                }
                (Act::Sleep, _) => { site.sleep(); false }
                (Act::Leave | Act::Ask, None) => false,
            };
            site.come_round();
            // Who is asleep holds what it held.
            site.driver.read(&mut site.world, site.now).unwrap();
            let after = parts(&site);
            let none = BTreeMap::new();
            let (had, has) = (before.get(what).unwrap_or(&none), after.get(what).unwrap_or(&none));
            let users = had.keys().map(String::as_str).chain([user]).collect::<std::collections::BTreeSet<_>>().len();
            let part = |of: &BTreeMap<String, usize>, user: &str| of.get(user).copied().unwrap_or(0);
            prop_assert!(!is_refused || part(had, user) * users >= LIMIT, "{user} is refused {what} with {had:?}");
            for other in USERS.into_iter().filter(|other| *other != user) {
                let is_within = part(had, other) * users <= LIMIT;
                prop_assert!(!is_within || part(has, other) >= part(had, other), "{other} loses {what} of {had:?} to {user}");
            }
            let most = has.values().sum::<usize>();
            prop_assert!(most <= LIMIT, "{what}: {has:?}");
        }
    }
}
