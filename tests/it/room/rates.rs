//! How much a user may send, and how many streams a user may have.

use roomkeep::access::pass::Pass;
use roomkeep::access::rates::{MESSAGE_PART, RateKey};
use roomkeep::protocol::refusal::{CloseCode, Code};
use roomkeep::room::admission::STREAMS;
use roomkeep::room::settings::Settings;
use serde_json::Value;

use super::access::{close_of, codes, guarded};
use super::*;
use crate::world::Site;

fn user(name: &str) -> RateKey {
    RateKey::User(name.to_owned())
}

/// A site where a user may send 10 messages a second and 20 at once.
fn slow() -> Site {
    let mut settings = Settings { requires_tokens: true, ..settings() };
    settings.limits.messages_per_second = 10;
    settings.limits.messages_burst = 20;
    Site::with(settings)
}

#[test]
fn x1_a_user_may_send_so_many_messages_on_all_connections_together() {
    let mut site = slow();
    for name in ["ann", "ann2", "bob"] {
        site.enter(name, say::pass(say::user(name), "editor")).unwrap();
    }
    // Coming in counts too.
    for n in 0..18 {
        let name = if n % 2 == 0 { "ann" } else { "ann2" };
        site.say(name, &say::set("ann", "f", &n.to_string()));
    }
    site.pass(1);
    assert_eq!(codes(&site.take("ann")), [""; 0]);
    let answer = site.ask("ann", &say::with_id("i", &say::set("ann", "f", "\"one too many\"")));
    let answer = serde_json::from_str::<Value>(&answer).unwrap();
    assert_eq!((&answer["code"], &answer["id"], &answer["retry"]), (&"limit_rate".into(), &"i".into(), &true.into()));
    site.say("ann2", &say::set("ann", "f", "\"nor this\""));
    assert_eq!(codes(&site.take("ann2")), [""; 0], "it is said once a second");
    assert_eq!(site.driver.check_rate(&user("ann"), 0, site.now).unwrap_err().code, Code::LimitRate);
    assert_eq!(site.enter("ann3", say::pass("ann", "editor")).unwrap_err().code, Code::LimitRate);
    assert_eq!(site.sync("bob")["selections"]["f"]["value"], 17);
    site.pass(99);
    assert_eq!(codes(&[site.ask("ann", &say::with_id("i", &say::set("ann", "f", "18")))]), [""; 0]);
}

#[test]
fn x1_past_the_rate_for_ten_seconds_on_end_is_out() {
    let mut site = slow();
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    let mut told = 0;
    let mut millis = 0;
    while close_of(&site, "ann").is_none() && millis < 60_000 {
        site.say("ann", &say::sync());
        told += codes(&site.take("ann")).len();
        site.pass(10);
        millis += 10;
    }
    assert_eq!(close_of(&site, "ann"), Some(CloseCode::Rate));
    assert!((10_000..10_500).contains(&millis), "{millis} ms");
    assert_eq!(told, 10);
    // Who has kept quiet for long enough has not been past it on end.
    let mut site = slow();
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    for _ in 0..20 {
        for _ in 0..40 {
            site.say("ann", &say::sync());
        }
        site.pass(2_000);
    }
    assert_eq!(close_of(&site, "ann"), None);
}

#[test]
fn x1_without_a_name_the_rate_is_the_connections() {
    let mut settings = settings();
    settings.limits.messages_per_second = 10;
    settings.limits.messages_burst = 20;
    let mut site = Site::with(settings);
    site.connect("ann");
    site.connect("bob");
    for _ in 0..21 {
        site.say("ann", "rubbish");
        site.come_round();
    }
    assert_eq!(codes(&site.take("ann")).iter().filter(|code| *code == "limit_rate").count(), 1);
    assert_eq!(codes(&[site.ask("bob", "rubbish")]), ["bad_message"]);
}

#[test]
fn x1_a_long_message_counts_for_what_it_is_long_and_a_flood_is_not_borne_for_ten_seconds() {
    let mut site = slow();
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    let sized = |bytes: usize| format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(bytes - 19));
    site.enter("bob", say::pass("bob", "editor")).unwrap();
    // 19 are left of 20 once ann has come in: 4 for this, 8 and 7 for the next two, with one that is too much.
    for (bytes, code) in [(65_536, None), (131_072, Some("limit_message")), (114_688, Some("limit_message"))] {
        site.say("ann", &sized(bytes));
        assert_eq!(codes(&site.take("ann")).first().map(String::as_str), code, "{bytes}");
    }
    assert_eq!(codes(&[site.ask("ann", &sized(100))]), ["limit_rate"]);
    // However long it is, it is let through after a pause that is long enough for all that may be sent at once.
    site.pass(2_000);
    assert_eq!(codes(&[site.ask("ann", &sized(1_200_000))]), ["limit_message"]);
    for _ in 0..10_000 {
        assert_eq!(close_of(&site, "ann"), None);
        site.say("ann", "flood");
    }
    assert_eq!((close_of(&site, "ann"), close_of(&site, "bob")), (Some(CloseCode::Rate), None));
}

#[test]
fn x1_the_room_says_who_is_past_the_rate_although_http_was_told_so_first() {
    let mut site = slow();
    site.enter("ann", say::pass("ann", "editor")).unwrap();
    while site.driver.check_rate(&user("ann"), 0, site.now).is_ok() {}
    assert_eq!(codes(&[site.ask("ann", &say::sync())]), ["limit_rate"]);
}

#[test]
fn h4_and_x1_a_user_has_so_many_streams_of_a_room_at_a_time() {
    let mut site = guarded();
    let stream = |user: &str| match say::pass(user, "viewer") {
        Admission::Pass { user, pass } => Admission::Pass { user, pass: Pass { is_stream: true, ..pass } },
        Admission::Anonymous | Admission::Unauthenticated => panic!("a pass is one"),
    };
    for n in 0..STREAMS {
        site.enter(&format!("ann{n}"), stream("ann")).unwrap();
    }
    assert_eq!(site.enter("more", stream("ann")).unwrap_err().code, Code::LimitConnections);
    // Sockets are no streams, and others have their own.
    site.enter("socket", say::pass("ann", "viewer")).unwrap();
    site.enter("bob", stream("bob")).unwrap();
    site.sleep();
    assert_eq!(site.enter("more", stream("ann")).unwrap_err().code, Code::LimitConnections);
    site.leave("ann0");
    site.enter("more", stream("ann")).unwrap();
}

#[test]
fn x4_requests_without_a_token_count_for_the_network_that_they_come_from() {
    let mut site = slow();
    let network = |name: &str| RateKey::Network(name.to_owned());
    for _ in 0..20 {
        site.driver.check_rate(&network("203.0.113.9"), 0, site.now).unwrap();
    }
    assert_eq!(site.driver.check_rate(&network("203.0.113.9"), 0, site.now).unwrap_err().code, Code::LimitRate);
    assert!(site.driver.check_rate(&network("203.0.113.10"), 0, site.now).is_ok());
    assert!(site.driver.check_rate(&user("203.0.113.9"), 0, site.now).is_ok(), "a user may have any name");
    site.pass(100);
    assert!(site.driver.check_rate(&network("203.0.113.9"), 0, site.now).is_ok());
    site.driver.check_rate(&network("203.0.113.11"), 20 * MESSAGE_PART, site.now).unwrap();
    assert!(site.driver.check_rate(&network("203.0.113.11"), 0, site.now).is_err(), "a long body counts as often");
}
