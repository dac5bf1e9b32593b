//! Rules of the protocol as tables: what happens to a room, and the whole turns that come of it.

mod access;
mod clients;
mod comings;
mod frames;
mod limits;
mod people;
mod permissions;
mod rates;
mod state;
mod together;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use roomkeep::access::pass::{Admission, Credentials};
use roomkeep::access::shares::Entry;
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::tag::MessageId;
use roomkeep::room::Room;
use roomkeep::room::audience::Audience;
use roomkeep::room::connections::session::Identity;
use roomkeep::room::event::{Event, Pings};
use roomkeep::room::gate::Gate;
use roomkeep::room::records::clients::outcomes::{Outcome, RecordedOutcome};
use roomkeep::room::records::clients::record::Client;
use roomkeep::room::records::fields::record::Field;
use roomkeep::room::records::people::record::Participant;
use roomkeep::room::records::permissions::grant::{Grant, GrantKey};
use roomkeep::room::records::permissions::request::{PermissionRequest, RequestKey};
use roomkeep::room::settings::Settings;
use roomkeep::room::table::Record;
use roomkeep::room::turn::{Effect, Turn, When, Write};
use roomkeep::room::views::Since;
use roomkeep::sql::{Columns, Value};

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
    let mut room = new_room(settings, "epoch1");
    let mut outside = Outside::default();
    run_with(&mut room, &mut outside, setup, &mut told);
    told.clear();
    run_with(&mut room, &mut outside, script, &mut told);
    expected.assert_eq(&told);
}

/// What the platform knows: the alarm that was set last, which rings here when the test says so, and the pings.
#[derive(Default)]
struct Outside {
    alarm: Option<Millis>,
    pings: BTreeMap<ConnectionId, Millis>,
}

/// A room of which storage knows nothing, in this life.
fn new_room(settings: Settings, epoch: &str) -> Room {
    Room::restore(settings, None, epoch.to_owned(), Vec::new(), Gate::default(), 0)
}

/// The defaults with other limits.
fn limited(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = settings();
    change(&mut settings.limits);
    settings
}

fn run(room: &mut Room, script: &str, told: &mut String) {
    run_with(room, &mut Outside::default(), script, told);
}

fn run_with(room: &mut Room, outside: &mut Outside, script: &str, told: &mut String) {
    let mut now = room.time(0);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, event) = line.split_once(' ').unwrap();
        if time != "=" {
            // The cool-down after a commit is over long before the next line.
            if !room.has_staged() {
                room.handle(Event::Timer, now);
                assert_eq!(room.poll(now), None);
            }
            now = time.parse::<Millis>().unwrap();
        }
        step(room, event, outside, now);
        writeln!(told, "{}", short(line)).unwrap();
        while let Some(turn) = room.poll(now) {
            tell(&turn, told);
            outside.alarm = turn.alarm.or(outside.alarm);
        }
        // Each commit is followed by a cool-down of no time.
        if let Some(at) = room.timer(now).filter(|at| *at != now) {
            writeln!(told, "  flush at {}", self::time(at)).unwrap();
        }
    }
}

fn step(room: &mut Room, event: &str, outside: &mut Outside, now: Millis) {
    let (who, what) = event.split_once(' ').unwrap();
    let known = outside.pings.clone();
    let known = || known.iter().map(|(of, at)| (*of, *at)).collect();
    let pings = Pings(&known);
    if who == "*" {
        return room.handle(if what == "alarm" { Event::Alarm { pings } } else { Event::Timer }, now);
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
        "connects" => return connect(room, connection, Admission::Anonymous, outside, now),
        "enters" => return connect(room, connection, say::pass(user, rest), outside, now),
        "waits" => return connect(room, connection, Admission::Unauthenticated, outside, now),
        "leaves" => return room.handle(Event::Disconnected { connection, heard: Some(now) }, now),
        "breaks" => {
            let heard = outside.pings.remove(&connection);
            return room.handle(Event::Disconnected { connection, heard }, now);
        }
        "pings" => {
            outside.pings.insert(connection, now);
            return;
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
    room.handle(Event::Frame { from: connection, text: Some(&text), pings }, now);
}

fn connect(room: &mut Room, connection: ConnectionId, entry: impl Into<Entry>, outside: &Outside, now: Millis) {
    room.handle(Event::Connected { connection, entry: entry.into(), alarm: outside.alarm }, now);
}

fn tell(turn: &Turn, told: &mut String) {
    for write in &turn.commit {
        writeln!(told, "  write {}", short(&row(write))).unwrap();
    }
    for writer in &turn.writers {
        let id = writer.tag.id.as_ref().map(|id| match id {
            MessageId::Number(number) => format!(" #{number}"),
            MessageId::Text(text) => format!(" #{text}"),
        });
        let seq = writer.tag.number.map(|number| format!(" @{}", number.seq));
        let mark = format!("{}{}", id.unwrap_or_default(), seq.unwrap_or_default());
        writeln!(told, "  writer {}{mark}", name(writer.connection)).unwrap();
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
            Credentials::Anonymous if attachment.is_unauthenticated => ", waiting".to_owned(),
            Credentials::Anonymous => String::new(),
            Credentials::Pass(pass) => format!(", {} until {}", pass.role.as_str(), pass.expires),
        };
        let (of, heard) = (name(attachment.connection), attachment.heard);
        writeln!(told, "  attach {of}: {identity}{access}{client}{shows}, heard {heard}").unwrap();
    }
    for frame in &turn.outbox {
        let audience = match frame.audience {
            Audience::One(one) => name(one),
            Audience::Others(Some(sender)) => format!("all but {}", name(sender)),
            Audience::Others(None) => "all".to_owned(),
            Audience::Plain { but: None } => "all plain".to_owned(),
            Audience::Plain { but: Some(sender) } => format!("all plain but {}", name(sender)),
            Audience::Greeted => "all greeted".to_owned(),
        };
        let mut text = frame.text.clone();
        if let Some((before, limits)) = text.split_once(r#""limits":{"#) {
            text = format!("{before}\"limits\":{{…{}", &limits[limits.find('}').unwrap()..]);
        }
        let when = match frame.when {
            When::Committed => "",
            When::Always => ", in any case",
            When::CommitFailed => ", if the commit fails",
        };
        writeln!(told, "  to {audience}{when}: {}", short(&text)).unwrap();
    }
    for Effect::VerifyToken { connection, token } in &turn.effects {
        writeln!(told, "  verify the token {token} of {}", name(*connection)).unwrap();
    }
    if turn.erase {
        writeln!(told, "  erase").unwrap();
    }
    for closing in &turn.close {
        writeln!(told, "  close {}: {}", name(closing.connection), closing.code.number()).unwrap();
    }
    if let Some(at) = turn.alarm {
        writeln!(told, "  alarm at {}", time(at)).unwrap();
    }
}

fn row(write: &Write) -> String {
    match write {
        Write::Create => "tables".to_owned(),
        Write::Meta(meta) => format!("room {} floor {} touched {}", meta.epoch, meta.floor, time(meta.touched)),
        Write::Put(table, values) => {
            // What is left out is NULL.
            let mut values = values.clone();
            values.resize(values.len().max(Field::TABLE.width * usize::from(table.name == "field")), Value::Null);
            let mut columns = Columns::of(table.name, &values);
            match table.name {
                "field" => field(Field::read(&mut columns).unwrap()),
                "participant" => participant(Participant::read(&mut columns).unwrap()),
                "client" => client(Client::read(&mut columns).unwrap()),
                "permission_request" => request(PermissionRequest::read(&mut columns).unwrap()),
                "permission" => permission(Grant::read(&mut columns).unwrap()),
                other => panic!("{other} is not written by these tests"),
            }
        }
        Write::Delete(table, key) => {
            let key = key.iter().map(|value| match value {
                Value::Text(text) => text.clone(),
                Value::Null | Value::Integer(_) => panic!("{value:?} is no key"),
            });
            let key = key.collect::<Vec<_>>();
            match (table.name, key.as_slice()) {
                ("permission_request", [user, request]) => format!("no request {request} of {user}"),
                ("permission", [user, action]) => format!("no permission {action} of {user}"),
                (name, key) => format!("no {name} {}", key.join(" ")),
            }
        }
    }
}

fn field((name, field): (String, Field)) -> String {
    let value = field.selection.as_ref().map_or("cleared", |selection| selection.text());
    format!("field {name} v{} at {} by {}: {value}", field.version, field.updated_at, field.user_id)
}

fn participant((user, person): (String, Participant)) -> String {
    format!(
        "participant {user} v{} {:?} ready {} joined {} seen {} {:?}",
        person.version, person.name, person.is_ready, person.joined_at, person.last_seen, person.profile
    )
}

fn client((id, client): (String, Client)) -> String {
    format!(
        "client {id} of {} at {} seen {} {}",
        client.user_id.as_deref().unwrap_or("nobody"),
        client.last_seq.map_or("forgotten".to_owned(), |seq| seq.to_string()),
        time(client.seen),
        outcomes(&client)
    )
}

fn request((of, request): (RequestKey, PermissionRequest)) -> String {
    let settlement = request.settlement().map(|settlement| serde_json::to_string(settlement).unwrap());
    format!(
        "request {} of {} v{} at {}: {}",
        of.request_id,
        of.user_id,
        request.version(),
        time(request.newest_time()),
        settlement.unwrap_or("pending".to_owned())
    )
}

fn permission((of, grant): (GrantKey, Grant)) -> String {
    let ended = grant.ended_at.map_or(String::new(), |at| format!(", ended at {}", time(at)));
    format!("permission {} of {} v{} by {}{ended}", of.action, of.user_id, grant.version, grant.granted_by)
}

fn outcomes(client: &Client) -> String {
    client.outcomes.iter().map(|recorded| outcome(&recorded)).collect::<Vec<_>>().join(" ")
}

fn outcome(recorded: &RecordedOutcome) -> String {
    match &recorded.outcome {
        Outcome::Done { version } => format!("done:{version}"),
        Outcome::Conflict { field, client_version } => format!("conflict:{field}:{client_version}"),
        Outcome::Refused(refused) => refused.code.as_str().to_owned(),
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
