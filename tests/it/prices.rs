//! What everything is charged, held against what the platform is asked to do for it (X1), and against what that costs
//! in dollars. The tables of SECURITY.md are made here.

mod bill;
mod document;

use std::collections::BTreeSet;

use roomkeep::access::prices::{self, Around, Cost, Request};
use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::frames::ClientMessage;
use roomkeep::protocol::frames::fields::FieldChange;
use roomkeep::protocol::frames::permission::PermissionMessage;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::role::Role;
use roomkeep::protocol::write::{HttpWrite, RoomWrite, Verb, WriteHeaders};
use roomkeep::room::settings::Settings;
use roomkeep::room::turn::Write;
use serde_json::{Value, json};

use crate::say;
use crate::world::{Site, settings};

/// The messages that are charged for. One that is new does not compile before it is here, and then needs an example.
fn name_of(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Join(_) => "user_joined",
        ClientMessage::Ready { .. } => "user_ready",
        ClientMessage::Change(FieldChange::Select(_)) => "field_selected",
        ClientMessage::Change(FieldChange::Clear { .. }) => "field_cleared",
        ClientMessage::Batch(_) => "batch",
        ClientMessage::Hello(_) => "hello",
        ClientMessage::OtherProtocol => "hello of another protocol",
        ClientMessage::Presence { .. } => "presence",
        ClientMessage::Sync { .. } => "sync_request",
        ClientMessage::Auth { .. } => "auth",
        ClientMessage::Kick { .. } => "kick",
        ClientMessage::Remove { .. } => "participant_removed",
        ClientMessage::Permission(PermissionMessage::Request(_)) => "permission_request",
        ClientMessage::Permission(PermissionMessage::Response(_)) => "permission_response",
        ClientMessage::Permission(PermissionMessage::Cancel { .. }) => "permission_cancelled",
        ClientMessage::Permission(PermissionMessage::Revoke { .. }) => "permission_revoked",
        ClientMessage::Relay { .. } => "any other type",
    }
}

/// All of them.
const NAMES: [&str; 17] = [
    "user_joined",
    "user_ready",
    "field_selected",
    "field_cleared",
    "batch",
    "hello",
    "hello of another protocol",
    "presence",
    "sync_request",
    "auth",
    "kick",
    "participant_removed",
    "permission_request",
    "permission_response",
    "permission_cancelled",
    "permission_revoked",
    "any other type",
];

/// A batch of the most changes: half of them clear, which costs more.
fn batch() -> String {
    let set = |n: usize| say::set("ann", &format!("new{n}"), "1");
    let clear = |n: usize| say::clear("ann", &format!("f{n}"));
    let changes = (0..100).map(|n| if n % 2 == 0 { set(n) } else { clear(n) }).collect::<Vec<_>>();
    format!(r#"{{"type":"batch","changes":[{}]}}"#, changes.join(","))
}

/// One of each message, the dearest of its kind.
fn examples() -> Vec<String> {
    vec![
        say::join_as("ann", "Another Name"),
        say::ready("ann", true),
        say::set("ann", "f1", "2"),
        say::clear("ann", "f1"),
        batch(),
        r#"{"type":"hello","protocol":1,"clientId":"new"}"#.to_owned(),
        r#"{"type":"hello","protocol":2}"#.to_owned(),
        r#"{"type":"presence","data":{"field":"f1"}}"#.to_owned(),
        say::sync(),
        r#"{"type":"auth","token":"t"}"#.to_owned(),
        r#"{"type":"kick","userId":"plain0"}"#.to_owned(),
        r#"{"type":"participant_removed","userId":"away"}"#.to_owned(),
        say::ask("new", "act", r#","ttlMs":1"#),
        say::allow("old", "plain0", "session"),
        say::cancel("mine"),
        say::revoke("held", "ann"),
        r#"{"type":"wave","userId":"ann"}"#.to_owned(),
    ]
}

/// How many of each sort of client there are beside the one who acts.
const OTHERS: usize = 3;

/// How many tombstones there may be, and are: as many as a batch adds.
const TOMBSTONES: usize = 50;

/// Limits at which every message pushes something else out.
fn tight() -> Limits {
    let few =
        Limits { tombstones: TOMBSTONES, settled: 1, clients: 1, participants: 2 * OTHERS + 2, ..Limits::default() };
    let Settings { limits: fast, .. } = settings();
    let (messages_per_second, messages_burst) = (fast.messages_per_second, fast.messages_burst);
    let (writes_per_second, writes_burst) = (fast.writes_per_second, fast.writes_burst);
    Limits { messages_per_second, messages_burst, writes_per_second, writes_burst, ..few }
}

/// A room with others in it, where there is something to do for every message. `ann` acts, and has said `hello` only if
/// `is_greeted`.
fn site(limits: Limits, is_greeted: bool) -> Site {
    let mut site = Site::with(Settings { limits, ..settings() });
    for n in 0..OTHERS {
        let (plain, greeted) = (format!("plain{n}"), format!("greet{n}"));
        site.connect(&plain);
        // The tests' users have no digits.
        site.say(&plain, &say::join_as(&plain, &plain));
        site.connect(&greeted);
        site.say(&greeted, &format!(r#"{{"type":"hello","protocol":1,"clientId":"{greeted}"}}"#));
        site.say(&greeted, &say::with_seq(1, &say::join_as(&greeted, &greeted)));
    }
    site.connect("away");
    site.say("away", &say::join("away"));
    site.leave("away");
    site.connect("ann");
    if is_greeted {
        site.say("ann", r#"{"type":"hello","protocol":1,"clientId":"ann"}"#);
    }
    site.say("ann", &say::join("ann"));
    for n in 0..100 {
        site.say("ann", &say::set("ann", &format!("f{n}"), "1"));
    }
    for n in 0..TOMBSTONES {
        site.say("ann", &say::set("ann", &format!("cleared{n}"), "1"));
        site.say("ann", &say::clear("ann", &format!("cleared{n}")));
    }
    site.say("ann", &say::ask("held", "held", ""));
    site.say("plain1", &say::allow("held", "ann", "session"));
    site.say("plain0", &say::ask("old", "old", ""));
    site.say("ann", &say::ask("mine", "mine", ""));
    site.pass(1_000);
    site
}

/// What the platform was asked to do.
#[derive(Debug, Default)]
struct Counted {
    rows: usize,
    alarms: usize,
    /// To others, as far as nobody shares in them.
    frames: usize,
    /// To others.
    sent: usize,
}

/// What is gathered, and goes out at the pace of the room (Y6, J9, P1).
fn is_gathered(frame: &Value, is_greeted: bool) -> bool {
    is_greeted
        && matches!(frame["type"].as_str(), Some("changes" | "people" | "presence" | "user_joined" | "user_left"))
}

/// Does something, and what follows from it by itself within a second.
fn count(site: &mut Site, act: impl FnOnce(&mut Site)) -> Counted {
    let names = site.world.sockets.keys().map(|connection| say::name(*connection)).collect::<Vec<_>>();
    names.iter().for_each(|name| drop(site.take(name)));
    let (commits, alarms) = (site.world.commits.len(), site.world.alarms);
    act(site);
    site.pass(1_000);
    let rows = site.world.commits[commits..].iter().flatten().filter(|write| **write != Write::Create).count();
    let mut counted = Counted { rows, alarms: site.world.alarms - alarms, ..Counted::default() };
    for name in names.iter().filter(|name| *name != "ann") {
        for text in site.take(name) {
            let frame = serde_json::from_str::<Value>(&text).unwrap();
            counted.frames += usize::from(!is_gathered(&frame, name.starts_with("greet")));
            counted.sent += text.len();
        }
    }
    counted
}

/// That a charge covers what was counted. `at_once`: how many frames to greeted clients it pays for beside.
fn assert_covers(charged: &Cost, counted: &Counted, what: &str) {
    assert!(charged.rows >= counted.rows, "{what}: {charged:?} for {counted:?}");
    assert!(charged.alarms >= counted.alarms, "{what}: {charged:?} for {counted:?}");
    assert!(charged.frames >= counted.frames, "{what}: {charged:?} for {counted:?}");
    assert!(charged.sent >= counted.sent || counted.sent < 4 * 1024, "{what}: {charged:?} for {counted:?}");
}

#[test]
fn x1_every_message_has_a_price_that_covers_what_it_makes_the_room_do() {
    let mut seen = BTreeSet::new();
    for is_greeted in [false, true] {
        for text in examples() {
            let mut site = site(tight(), is_greeted);
            let decoded = Frame::decode(&text, &tight());
            let message = decoded.message.unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            seen.insert(name_of(&message));
            let numbered = say::with_seq(1, &text);
            let text = if is_greeted && !matches!(message, ClientMessage::Hello(_)) { numbered } else { text };
            let mut charged = site.driver.room().unwrap().cost_of(say::connection("ann"), &text);
            if matches!(message, ClientMessage::OtherProtocol) {
                // Its connection is closed, and leaves. Joining has paid for that.
                let leaving = OTHERS * 200;
                charged = Cost { rows: 1, frames: OTHERS, sent: leaving, ..charged };
            }
            let counted = count(&mut site, |site| site.say("ann", &text));
            assert_covers(&charged, &counted, &text);
            // Nobody is charged for many times what is done.
            assert!(charged.rows <= counted.rows + 4, "{text}: {charged:?} for {counted:?}");
        }
    }
    assert_eq!(seen, NAMES.into_iter().collect());
}

#[test]
fn x1_who_joins_has_paid_for_leaving() {
    let mut site = site(tight(), false);
    site.say("plain0", r#"{"type":"kick","userId":"plain1"}"#);
    site.pass(1_000);
    let connecting = prices::of_request(Request::Connect, &site.driver.room().unwrap().around_request());
    let mut charged = Cost::default();
    let counted = count(&mut site, |site| {
        site.connect("bob");
        for text in
            [r#"{"type":"hello","protocol":1,"clientId":"bob"}"#.to_owned(), say::with_seq(1, &say::join("bob"))]
        {
            let cost = site.driver.room().unwrap().cost_of(say::connection("bob"), &text);
            charged = Cost { rows: charged.rows + cost.rows, frames: charged.frames + cost.frames, ..cost };
            site.say("bob", &text);
        }
        site.pass(200_000);
        site.leave("bob");
    });
    // The room sets its alarm anew whenever it rings, for all who are there.
    let charged = Cost { rows: charged.rows + connecting.rows, alarms: connecting.alarms + 1, ..charged };
    assert_covers(&charged, &Counted { sent: 0, ..counted }, "coming and going");
}

#[test]
fn x1_a_message_that_cannot_wait_pays_for_the_frames_that_go_out_before_it() {
    for text in
        [say::sync(), r#"{"type":"hello","protocol":1,"clientId":"ann"}"#.to_owned(), r#"{"type":"wave"}"#.to_owned()]
    {
        let mut site = site(tight(), false);
        // Staged, and not due yet.
        site.say("plain0", &say::set("plain0", "f2", "3"));
        site.say_at_once("plain0", &say::set("plain0", "f2", "4"));
        assert!(site.driver.room().unwrap().has_staged());
        let charged = site.driver.room().unwrap().cost_of(say::connection("ann"), &text);
        site.say_at_once("ann", &text);
        let told = site.take("greet0").iter().filter(|text| text.starts_with(r#"{"type":"changes""#)).count();
        assert!(told >= 1 && charged.frames >= OTHERS, "{text}: {charged:?}");
    }
}

#[test]
fn x1_every_request_has_a_price_that_covers_what_it_makes_the_room_do() {
    let limits = tight();
    for (verb, field) in [(Verb::Put, "f1"), (Verb::Delete, "f2")] {
        for key in [None, Some("key")] {
            let mut site = site(limits.clone(), false);
            let body = json!({"userId": "ann", "value": 5}).to_string();
            let query = std::collections::BTreeMap::new();
            let request = HttpWrite {
                verb,
                target: field,
                user: None,
                role: Role::Moderator,
                claims: &[],
                is_declared: false,
                body: &body,
                query: &query,
                headers: WriteHeaders { key, ..WriteHeaders::default() },
            };
            let write = RoomWrite::read(&request, &limits).unwrap();
            let charged = site.driver.room().unwrap().cost_of_write(&write);
            let counted = count(&mut site, |site| drop(site.write(verb, field, &body, key).unwrap()));
            assert_covers(&charged, &counted, field);
        }
    }
    // In a room that does not exist yet.
    let mut site = Site::with(Settings { limits: limits.clone(), ..settings() });
    let body = json!({"userId": "ann", "value": 5}).to_string();
    let query = std::collections::BTreeMap::new();
    let request = HttpWrite {
        verb: Verb::Put,
        target: "f",
        user: None,
        role: Role::Moderator,
        claims: &[],
        is_declared: false,
        body: &body,
        query: &query,
        headers: WriteHeaders::default(),
    };
    let write = RoomWrite::read(&request, &limits).unwrap();
    let now = site.now;
    let charged = site.driver.read(&mut site.world, now).unwrap().cost_of_write(&write);
    let counted = count(&mut site, |site| drop(site.write(Verb::Put, "f", &body, None).unwrap()));
    // Each table is a row of the schema.
    let tables = site.world.db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_covers(
        &charged,
        &Counted { rows: counted.rows + usize::try_from(tables).unwrap(), ..counted },
        "a new room",
    );
    for request in Request::ALL {
        let cost = prices::of_request(request, &Around::default());
        assert!(cost.requests > 0, "{request:?}");
    }
}
