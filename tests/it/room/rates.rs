//! How much a user may send, and how many streams a user may have.

use roomkeep::access::pass::Pass;
use roomkeep::access::prices::{FRAMES_PART, READ_PART, Request, SENT_PART, VIEWER_WRITES};
use roomkeep::access::rates::{Caller, RateKey};
use roomkeep::protocol::refusal::{CloseCode, Code};
use roomkeep::protocol::role::Role;
use roomkeep::room::admission::STREAMS;
use roomkeep::room::settings::Settings;
use serde_json::Value;

use super::access::{close_of, codes, guarded};
use super::*;
use crate::world::{Site, Socket};

fn user(name: &str) -> Caller {
    Caller { key: RateKey::User(name.to_owned()), role: Role::Editor }
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
    assert_eq!(site.driver.check_rate(&user("ann"), Request::Read, 0, site.now).unwrap_err().code, Code::LimitRate);
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
    while site.driver.check_rate(&user("ann"), Request::Read, 0, site.now).is_ok() {}
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
    let network = |name: &str| Caller { key: RateKey::Network(name.to_owned()), role: Role::Moderator };
    for _ in 0..20 {
        site.driver.check_rate(&network("203.0.113.9"), Request::Read, 0, site.now).unwrap();
    }
    assert_eq!(
        site.driver.check_rate(&network("203.0.113.9"), Request::Read, 0, site.now).unwrap_err().code,
        Code::LimitRate
    );
    assert!(site.driver.check_rate(&network("203.0.113.10"), Request::Read, 0, site.now).is_ok());
    assert!(
        site.driver.check_rate(&user("203.0.113.9"), Request::Read, 0, site.now).is_ok(),
        "a user may have any name"
    );
    site.pass(100);
    assert!(site.driver.check_rate(&network("203.0.113.9"), Request::Read, 0, site.now).is_ok());
    site.driver.check_rate(&network("203.0.113.11"), Request::Read, 20 * READ_PART, site.now).unwrap();
    assert!(
        site.driver.check_rate(&network("203.0.113.11"), Request::Read, 0, site.now).is_err(),
        "a long body counts as often"
    );
}

/// A site at the default rates, with so many others in it. They have neither joined nor been told anything.
fn crowd(others: usize, are_greeted: bool, role: &str) -> Site {
    let mut site = Site::with(Settings { requires_tokens: true, ..Settings::default() });
    for n in 0..others {
        let name = format!("o{n}");
        site.enter(&name, say::pass(&name, "editor")).unwrap();
        if are_greeted {
            site.say(&name, &format!(r#"{{"type":"hello","protocol":1,"clientId":"{name}"}}"#));
        }
    }
    site.enter("ann", say::pass("ann", role)).unwrap();
    site.pass(1_000);
    forget_frames(&mut site);
    site
}

/// So that many of them take no memory. Returns how many there were.
fn forget_frames(site: &mut Site) -> (usize, usize) {
    let names = site.world.sockets.keys().map(|connection| say::name(*connection)).collect::<Vec<_>>();
    let mut counted = (0, 0);
    for name in names {
        for frame in site.take(&name) {
            counted = (counted.0 + 1, counted.1 + frame.len());
        }
    }
    site.world.sockets.values_mut().for_each(Socket::clear);
    counted
}

/// What a flood of ten seconds does: one message every 10 ms.
struct Flood {
    rows: usize,
    alarms: usize,
    frames: usize,
    bytes: usize,
}

fn flood(site: &mut Site, text: impl Fn(usize) -> String) -> Flood {
    let (commits, alarms) = (site.world.commits.len(), site.world.alarms);
    let (mut frames, mut bytes) = (0, 0);
    for n in 0..990 {
        site.say("ann", &text(n));
        site.pass(10);
        let told = forget_frames(site);
        (frames, bytes) = (frames + told.0, bytes + told.1);
    }
    let rows = site.world.commits[commits..].iter().map(Vec::len).sum();
    Flood { rows, alarms: site.world.alarms - alarms, frames, bytes }
}

/// What may be written in the ten seconds, and what a burst adds.
const WRITES: usize = 1_000 + 1_000;
/// What may be said in them.
const MESSAGES: usize = 200 + 1_000;

#[test]
fn x1_batches_are_charged_for_their_rows() {
    let mut site = crowd(0, false, "editor");
    let batch = |n: usize| {
        let change = |at: usize| {
            let field = format!("f{at}");
            if n.is_multiple_of(2) { say::set("ann", &field, "1") } else { say::clear("ann", &field) }
        };
        format!(r#"{{"type":"batch","changes":[{}]}}"#, (0..100).map(change).collect::<Vec<_>>().join(","))
    };
    let rows = flood(&mut site, batch).rows;
    assert!((1_000..=WRITES + 200).contains(&rows), "{rows} rows");
}

#[test]
fn x1_what_makes_many_frames_is_charged_for_them() {
    let batch = |_| {
        let changes = (0..100).map(|at| say::set("ann", &format!("f{at}"), "1")).collect::<Vec<_>>();
        format!(r#"{{"type":"batch","changes":[{}]}}"#, changes.join(","))
    };
    let frames = flood(&mut crowd(499, false, "editor"), batch).frames;
    // The last one leaves a debt.
    let most = FRAMES_PART * MESSAGES + 100 * 499;
    assert!((100 * 499..=most).contains(&frames), "{frames} frames of batches");
    let wave = |_| r#"{"type":"wave"}"#.to_owned();
    let frames = flood(&mut crowd(499, false, "editor"), wave).frames;
    // Those that are too much are read, and that counts too.
    assert!((499 * 20..=most).contains(&frames), "{frames} frames of relayed messages");
}

#[test]
fn x1_a_viewer_who_keeps_changing_its_name_is_charged_for_it() {
    let mut site = crowd(3, false, "viewer");
    let flood = flood(&mut site, |n| say::join_as("ann", &format!("n{n}")));
    assert!(flood.rows <= WRITES / VIEWER_WRITES + 20, "{} rows", flood.rows);
    assert!(flood.frames / 3 <= WRITES / VIEWER_WRITES + 20, "{} frames for each", flood.frames / 3);
}

#[test]
fn x1_a_request_is_charged_for_its_end_and_its_alarms() {
    let mut site = crowd(1, false, "editor");
    site.say("ann", &say::join("ann"));
    let flood = flood(&mut site, |n| say::ask(&format!("r{n}"), "edit", r#","ttlMs":1"#));
    assert!(flood.rows + flood.alarms <= WRITES + 20, "{} rows and {} alarms", flood.rows, flood.alarms);
    assert!(flood.alarms > 100, "they were asked for");
}

#[test]
fn x1_a_reader_is_charged_for_what_it_is_sent() {
    let mut site = crowd(0, false, "editor");
    let value = format!("\"{}\"", "x".repeat(30_000));
    for n in 0..130 {
        site.say("ann", &say::set("ann", &format!("f{n}"), &value));
        site.pass(100);
    }
    site.pass(10_000);
    let bytes = flood(&mut site, |_| say::sync()).bytes;
    let most = SENT_PART * MESSAGES + 4 * 1024 * 1024;
    assert!((20 * 1024 * 1024..=most).contains(&bytes), "{bytes} bytes");
}

#[test]
fn x1_f6_an_outbox_of_a_thousand_changes_is_slowed_down_and_stays_in_order() {
    let mut site = crowd(2, true, "editor");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.take("ann");
    let begun = site.now;
    // Like the SDK: 64 under way, and after a refusal everything that has no reply, once the room says so.
    let (mut done, mut told) = (0_u64, 0);
    while done < 1_000 {
        let first = done + 1;
        for seq in first..(first + 64).min(1_001) {
            site.say("ann", &say::with_seq(seq, &say::set("ann", &format!("f{}", seq % 10), &seq.to_string())));
            site.pass(1);
        }
        site.pass(5);
        let mut wait = None;
        for frame in site.take("ann") {
            let frame = serde_json::from_str::<Value>(&frame).unwrap();
            match frame["type"].as_str() {
                Some("ack") => done = done.max(frame["seq"].as_u64().unwrap()),
                Some("error") if frame["code"] == "limit_rate" => {
                    assert!(wait.is_some() || frame["seq"].as_u64() == Some(done + 1), "in order: {frame}");
                    told += 1;
                    wait = wait.or(frame["retryAfterMs"].as_i64());
                }
                Some("error") => assert_eq!(frame["code"], "out_of_order", "what follows a refused one: {frame}"),
                _ => {}
            }
        }
        assert_eq!(close_of(&site, "ann"), None, "after {done}");
        site.pass(wait.unwrap_or(0));
    }
    let took = site.now - begun;
    assert!(told > 0 && (5_000..25_000).contains(&took), "told {told} times, {took} ms");
    assert_eq!(site.sync("o0")["selections"]["f0"]["value"], 1_000);
}

#[test]
fn x1_interactive_use_is_never_slowed_down() {
    let mut site = crowd(40, true, "editor");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    site.say("ann", &say::with_seq(1, &say::join("ann")));
    // Twenty changes and twenty presences a second, for a minute.
    for n in 0..1_200_u64 {
        site.say("ann", &say::with_seq(n + 2, &say::set("ann", "f", &n.to_string())));
        site.say("ann", &format!(r#"{{"type":"presence","data":{n}}}"#));
        site.pass(50);
        assert_eq!(codes(&site.take("ann")), [""; 0]);
        forget_frames(&mut site);
    }
}

#[test]
fn x1_a_message_to_one_user_is_charged_for_that_users_connections_alone() {
    let mut site = crowd(100, true, "editor");
    site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"a"}"#);
    let frames = |site: &Site, text: &str| site.driver.room().unwrap().cost_of(say::connection("ann"), text).frames;
    assert_eq!(frames(&site, r#"{"type":"wave","to":"o7"}"#), 1);
    assert_eq!(frames(&site, r#"{"type":"wave","to":"nobody"}"#), 0);
    assert!(frames(&site, r#"{"type":"wave"}"#) >= 100);
}
