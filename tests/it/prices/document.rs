//! The tables of SECURITY.md, made from the code. `UPDATE_EXPECT=1 cargo test --test it prices` writes them anew.

use roomkeep::access::prices::{self, Around, Cost, Price, Request};
use roomkeep::protocol::decode::Frame;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::role::Role;
use roomkeep::room::records::Records;

use super::bill::worst_day;
use super::{NAMES, examples, name_of};

/// The others in a full room.
const CROWD: usize = 499;
/// The others in a small one.
const FEW: usize = 9;

/// Lines of cells as a table with columns of equal width.
fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let row = |cells: &[String]| {
        let cells = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| format!(" {cell}{} ", " ".repeat(width(at) - cell.chars().count())));
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rule = (0..columns).map(|at| format!(" {} ", "-".repeat(width(at)))).collect::<Vec<_>>().join("|");
    let body = lines[1..].iter().map(|line| row(line)).collect::<String>();
    format!("{}|{rule}|\n{body}", row(&lines[0]))
}

fn thousands(number: usize) -> String {
    let text = number.to_string();
    let groups = text.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// The worst that is around something in a room with so many others, all of them plain or all of them greeted.
fn around(others: usize, are_plain: bool) -> Around {
    let (plain, greeted) = if are_plain { (others, 0) } else { (0, others) };
    Around {
        bytes: 200,
        plain,
        greeted,
        is_staged: true,
        is_recorded: true,
        forgets_client: true,
        is_full_of_people: true,
        ..Around::default()
    }
}

/// What something costs at worst among so many others.
fn worst(others: usize, cost: impl Fn(&Around) -> Cost) -> Cost {
    let [plain, greeted] = [true, false].map(|are_plain| cost(&around(others, are_plain)));
    if plain.frames >= greeted.frames && plain.sent >= greeted.sent { plain } else { greeted }
}

fn line(name: &str, cost: impl Fn(&Around) -> Cost) -> Vec<String> {
    let (few, crowd) = (worst(FEW, &cost).price(Role::Editor), worst(CROWD, &cost));
    let Cost { rows, frames, sent, alarms, requests, .. } = crowd;
    let crowd = crowd.price(Role::Editor);
    let price = |Price { messages, writes }: Price| format!("{} and {}", thousands(messages), thousands(writes));
    let counts = [rows, frames, sent, alarms, requests].map(thousands);
    [vec![name.to_owned()], counts.to_vec(), vec![price(few), price(crowd)]].concat()
}

/// What each message and each request costs.
fn of_prices() -> String {
    let head = "What|Rows|Frames|Bytes sent|Alarms|Requests|Price among 10|Price among 500";
    let mut lines = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    let limits = Limits::default();
    for text in examples() {
        let frame = Frame::decode(&text, &limits);
        let message = frame.message.expect("an example is one");
        let name = name_of(&message);
        let name = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
        lines.push(line(&name, |around| prices::of_message(Ok(&message), around)));
    }
    assert_eq!(lines.len(), NAMES.len() + 1);
    for request in Request::ALL {
        let name = match request {
            Request::Connect => "a WebSocket, `GET /events`",
            Request::Read => "`GET` of the state, changes or a field",
            Request::Write => "what writes over HTTP, beside its message",
            Request::Delete => "`DELETE` of a room",
        };
        lines.push(line(name, |around| {
            prices::of_request(request, &Around { is_new: true, is_alone: true, ..*around })
        }));
    }
    table(&lines)
}

/// What happens at the limits of a kind, and who has which share.
fn rule_of(table: &str) -> [&'static str; 2] {
    match table {
        "field" => ["set: `limit_fields`; the oldest tombstone is forgotten", "none"],
        "participant" => ["who has been away longest gives way, else `limit_participants`", "none"],
        "client" => [
            "forgotten, then the name too",
            "the user with the most loses one; beyond a quarter of the bytes, 512 bytes of outcomes each",
        ],
        "idempotency_key" => ["`limit_keys`", "a quarter of the bytes"],
        "permission_request" => [
            "open: `limit_requests`; the oldest settled one is forgotten",
            "settled: a quarter of the bytes, with ended permissions",
        ],
        "permission" => [
            "in force: `limit_permissions`; the oldest ended one is forgotten",
            "ended: a quarter of the bytes, with settled requests",
        ],
        other => panic!("SECURITY.md has to say what happens at the limits of `{other}`"),
    }
}

/// What each kind of record is limited to.
fn of_records() -> String {
    let head = "Record|At most|Counts, beside its text|Beyond that|Share";
    let mut lines = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for size in Records::default().sizes(&Limits::default()) {
        let [beyond, share] = rule_of(size.table).map(str::to_owned);
        lines.push(vec![
            format!("`{}`", size.table),
            thousands(size.most),
            format!("{} bytes", size.charge),
            beyond,
            share,
        ]);
    }
    table(&lines)
}

fn of_days() -> String {
    let day = |name: &str, role| vec![name.to_owned(), format!("${:.2}", worst_day(role))];
    let head = ["One user in one room, at the default limits", "A day, at worst"].map(str::to_owned).to_vec();
    table(&[head, day("a viewer", Role::Viewer), day("an editor or anyone above", Role::Editor)])
}

#[test]
fn x1_security_md_has_what_everything_costs_and_counts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md");
    let mut text = std::fs::read_to_string(path).unwrap();
    for (name, made) in [("prices", of_prices()), ("records", of_records()), ("days", of_days())] {
        let (begin, end) = (format!("<!-- {name} -->\n\n"), format!("\n<!-- end of {name} -->"));
        let from = text.find(&begin).unwrap_or_else(|| panic!("SECURITY.md has no {begin}")) + begin.len();
        let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("SECURITY.md has no {end}"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            text.replace_range(from..to, &made);
        } else {
            assert_eq!(&text[from..to], made, "UPDATE_EXPECT=1 cargo test --test it prices");
        }
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, text).unwrap();
    }
}
