//! Rules of the protocol as tables: what happens to a room, and the whole turns that come of it.

mod access;
mod clients;
mod frames;
mod limits;
mod people;
mod permissions;
mod rates;
mod state;
mod together;

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use roomkeep::protocol::Millis;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::message::Frame;
use roomkeep::room::clients::Client;
use roomkeep::room::outcomes::{Outcome, Verdict};
use roomkeep::room::read::Since;
use roomkeep::room::requests::state::Request;
use roomkeep::room::session::{Access, ConnectionId, Entry, Identity};
use roomkeep::room::turn::{Audience, Flush, Turn, Write};
use roomkeep::room::{Room, Settings};

use crate::say;
use crate::world::{DAY, settings};

/// Runs `setup` and then `script` on a new room, and compares the turns of `script`.
///
/// A line is a time (or `=`: in the same moment as the line before), a connection (or `*` for the room's own events), and what happens:
/// `connects`, `enters role [expiry [name]]` (with a token), `waits` (for a token), `leaves`, `breaks`, `pings`,
/// `joins [name]`, `sets field json`, `clears field`, `ready bool`, `syncs [since]`, `hellos client [since]`, `shows json`,
/// `asks request action [members]`, `allows request user scope`, `denies request user`, `cancels request`,
/// `revokes action user`, a frame in JSON, or `*`'s `alarm` and `flush`. Before a message may stand its `id` as `#id`, its
/// `seq` as `@seq` and its `baseVersion` as `^version`.
fn check(setup: &str, script: &str, expected: Expect) {
    check_with(settings(), setup, script, expected);
}

fn check_with(settings: Settings, setup: &str, script: &str, expected: Expect) {
    let mut told = String::new();
    let mut room = Room::restore(settings, None, "epoch1".to_owned(), Vec::new(), 0);
    let mut alarm = None;
    run_with(&mut room, &mut alarm, setup, &mut told);
    told.clear();
    run_with(&mut room, &mut alarm, script, &mut told);
    expected.assert_eq(&told);
}

/// The defaults with other limits.
fn limited(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = settings();
    change(&mut settings.limits);
    settings
}

fn run(room: &mut Room, script: &str, told: &mut String) {
    run_with(room, &mut None, script, told);
}

/// `alarm` is the one that was set last: here it rings when the test says so.
fn run_with(room: &mut Room, alarm: &mut Option<Millis>, script: &str, told: &mut String) {
    let mut now = room.time(0);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, event) = line.split_once(' ').unwrap();
        if time != "=" {
            // The cool-down after a commit is over long before the next line.
            if !room.has_staged() {
                assert!(room.timer(now).commit.is_empty());
            }
            now = time.parse::<Millis>().unwrap();
        }
        let mut turns = vec![step(room, event, *alarm, now)];
        if turns[0].flush == Some(Flush::Now) {
            turns.push(room.flush(now));
        }
        writeln!(told, "{}", short(line)).unwrap();
        turns.iter().for_each(|turn| tell(turn, now, told));
        *alarm = turns.iter().filter_map(|turn| turn.alarm).next_back().or(*alarm);
    }
}

fn step(room: &mut Room, event: &str, alarm: Option<Millis>, now: Millis) -> Turn {
    let (who, what) = event.split_once(' ').unwrap();
    if who == "*" {
        return if what == "alarm" { room.alarm(&[], now) } else { room.timer(now) };
    }
    let (mut what, mut members) = (what, String::new());
    while let Some((mark, rest)) = what.split_once(' ').filter(|(mark, _)| mark.starts_with(['#', '@', '^'])) {
        let value = &mark[1..];
        match &mark[..1] {
            "#" => write!(members, r#""id":"{value}","#).unwrap(),
            "@" => write!(members, r#""seq":{value},"#).unwrap(),
            _ => write!(members, r#""baseVersion":{value},"#).unwrap(),
        }
        what = rest;
    }
    let (connection, user) = (say::connection(who), say::user(who));
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let words = what.splitn(4, ' ').collect::<Vec<_>>();
    let text = match verb {
        "connects" => return room.connect(connection, Entry::Anonymous, alarm, now),
        "enters" => return room.connect(connection, say::pass(user, rest), alarm, now),
        "waits" => return room.connect(connection, Entry::Waiting, alarm, now),
        "leaves" => return room.disconnect(connection, Some(now), now),
        "breaks" => return room.disconnect(connection, None, now),
        "pings" => {
            room.heard(&[(connection, now)]);
            return Turn::default();
        }
        "joins" if rest.is_empty() => say::join(user),
        "joins" => say::join_as(user, rest),
        "sets" => say::set(user, rest.split_once(' ').unwrap().0, rest.split_once(' ').unwrap().1),
        "clears" => say::clear(user, rest),
        "ready" => say::ready(user, rest == "true"),
        "syncs" if rest.is_empty() => say::sync(),
        "syncs" => format!(r#"{{"type":"sync_request","since":{rest}}}"#),
        "hellos" => match rest.split_once(' ') {
            None => format!(r#"{{"type":"hello","protocol":1,"clientId":"{rest}"}}"#),
            Some((client, since)) => {
                format!(r#"{{"type":"hello","protocol":1,"clientId":"{client}","since":{since},"epoch":"epoch1"}}"#)
            }
        },
        "asks" => say::ask(words[1], words[2], words.get(3).copied().unwrap_or_default()),
        "allows" => say::allow(words[1], words[2], words[3]),
        "denies" => say::deny(words[1], words[2]),
        "cancels" => say::cancel(words[1]),
        "revokes" => say::revoke(words[1], words[2]),
        "shows" => format!(r#"{{"type":"presence","data":{rest}}}"#),
        _ => what.to_owned(),
    };
    let text = format!("{{{members}{}", &text[1..]);
    let frame = Frame::decode(&text, &room.settings().limits);
    room.receive(connection, &text, frame, now)
}

fn tell(turn: &Turn, now: Millis, told: &mut String) {
    for write in &turn.commit {
        writeln!(told, "  write {}", short(&row(write))).unwrap();
    }
    for (_, attachment) in &turn.attach {
        let identity = match &attachment.identity {
            Identity::Unknown => "unknown".to_owned(),
            Identity::Bound(user) => format!("bound to {user}"),
            Identity::Joined(user) => format!("joined as {user}"),
        };
        let client = attachment.client.as_ref().map_or(String::new(), |client| format!(", client {client}"));
        let shows = attachment.presence.as_ref().map_or(String::new(), |data| format!(", shows {}", data.text()));
        let access = match &attachment.access {
            Access::Anonymous if attachment.is_waiting => ", waiting".to_owned(),
            Access::Anonymous => String::new(),
            Access::Pass(pass) => format!(", {} until {}", pass.role.as_str(), pass.expires),
        };
        let (of, heard) = (name(attachment.connection), attachment.heard);
        writeln!(told, "  attach {of}: {identity}{access}{client}{shows}, heard {heard}").unwrap();
    }
    for frame in &turn.outbox {
        let audience = match frame.audience {
            Audience::One(one) => name(one),
            Audience::Others(sender) => format!("all but {}", name(sender)),
            Audience::Plain { but: None } => "all plain".to_owned(),
            Audience::Plain { but: Some(sender) } => format!("all plain but {}", name(sender)),
            Audience::Greeted => "all greeted".to_owned(),
        };
        let mut text = frame.text.clone();
        if let Some((before, limits)) = text.split_once(r#""limits":{"#) {
            text = format!("{before}\"limits\":{{…{}", &limits[limits.find('}').unwrap()..]);
        }
        writeln!(told, "  to {audience}: {}", short(&text)).unwrap();
    }
    for closing in &turn.close {
        writeln!(told, "  close {}: {}", name(closing.connection), closing.code.number()).unwrap();
    }
    if let Some(at) = turn.alarm {
        writeln!(told, "  alarm at {}", time(at)).unwrap();
    }
    // Each commit is followed by a cool-down of no time.
    if let Some(Flush::At(at)) = turn.flush.filter(|flush| *flush != Flush::At(now)) {
        writeln!(told, "  flush at {}", time(at)).unwrap();
    }
    if turn.erase {
        writeln!(told, "  erase").unwrap();
    }
}

fn row(write: &Write) -> String {
    match write {
        Write::Create => "tables".to_owned(),
        Write::Meta(meta) => format!("room {} floor {} touched {}", meta.epoch, meta.floor, time(meta.touched)),
        Write::Field(name, field) => {
            let value = field.selection.as_ref().map_or("cleared", |selection| selection.text());
            format!("field {name} v{} at {} by {}: {value}", field.version, field.updated_at, field.user_id)
        }
        Write::ForgetField(name) => format!("no field {name}"),
        Write::Participant(user, person) => format!(
            "participant {user} v{} {:?} ready {} joined {} seen {} {:?}",
            person.version, person.name, person.is_ready, person.joined_at, person.last_seen, person.profile
        ),
        Write::ForgetParticipant(user) => format!("no participant {user}"),
        Write::Client(id, client) => format!(
            "client {id} of {} at {} seen {} {}",
            client.user_id.as_deref().unwrap_or("nobody"),
            client.last_seq.map_or("forgotten".to_owned(), |seq| seq.to_string()),
            time(client.seen),
            verdicts(client)
        ),
        Write::ForgetClient(id) => format!("no client {id}"),
        Write::Key(user, key, write) => format!("key {user} {key} at {}: {}", write.at, verdict(&write.outcome)),
        Write::ForgetKey(user, key) => format!("no key {user} {key}"),
        Write::Request(of, request) => format!(
            "request {} of {} v{} at {}: {}",
            of.request_id,
            of.user_id,
            request.version(),
            time(request.changed_at()),
            match request {
                Request::Pending(_) => "pending".to_owned(),
                Request::Settled(settled) => serde_json::to_string(&settled.settlement).unwrap(),
            }
        ),
        Write::ForgetRequest(of) => format!("no request {} of {}", of.request_id, of.user_id),
        Write::Grant(of, grant) => {
            let ended = grant.ended_at.map_or(String::new(), |at| format!(", ended at {}", time(at)));
            format!("permission {} of {} v{} by {}{ended}", of.action, of.user_id, grant.version, grant.granted_by)
        }
        Write::ForgetGrant(of) => format!("no permission {} of {}", of.action, of.user_id),
    }
}

fn verdicts(client: &Client) -> String {
    client.outcomes.iter().map(|outcome| verdict(&outcome)).collect::<Vec<_>>().join(" ")
}

fn verdict(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Done { version } => format!("done:{version}"),
        Verdict::Conflict { field, client_version } => format!("conflict:{field}:{client_version}"),
        Verdict::Refused(code) => code.as_str().to_owned(),
    }
}

fn name(connection: ConnectionId) -> String {
    say::name(connection)
}

/// Long stretches as days and the rest.
fn time(at: Millis) -> String {
    if at < DAY { at.to_string() } else { format!("{}d+{}", at / DAY, at % DAY) }
}

/// A text with its long runs of one character cut out.
fn short(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(first).len();
        let count = run / first.len_utf8();
        if count > 8 {
            write!(out, "{first}*{count}").unwrap()
        } else {
            out.push_str(&rest[..run])
        }
        rest = &rest[run..];
    }
    out
}

/// Lines that connect these and have them join.
fn here(names: &[&str]) -> String {
    names.iter().map(|name| format!("0 {name} connects\n0 {name} joins\n")).collect()
}

/// Lines of `count` connections that only watch.
fn crowd(count: usize) -> String {
    (0..count).map(|n| format!("0 w{n} connects\n")).collect()
}
