//! What every [`Platform`] owes the driver, as checks that run against each of them: the tests' on the host, and
//! workerd's in a build with the feature `faults`. A platform that passes sends to those whom the core names, keeps
//! what it was given, and writes all or nothing.

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::refusal::CloseCode;
use crate::room::audience::{Audience, Standing};
use crate::room::connections::session::{Attachment, Identity};
use crate::room::records::Stored;
use crate::room::records::fields::record::Field;
use crate::room::table::Record;
use crate::room::turn::{Meta, Write};

use super::Platform;

/// A platform that can be told to fail.
pub trait Subject: Platform {
    /// Makes the last statement of the next commit fail.
    fn fail_next_commit(&mut self);
}

/// The result of the checks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the platform failed to do. It should be empty.
    pub failures: Vec<String>,
    /// The frames that each connection must have received, in this order. Only its other end can tell whether it has.
    pub expected: BTreeMap<String, Vec<String>>,
}

impl Report {
    fn check(&mut self, holds: bool, what: &str) {
        if !holds {
            self.failures.push(what.to_owned());
        }
    }
}

/// Runs all checks on a platform whose only open sockets are these, none of which the room has closed. Afterwards
/// storage is empty, and the second connection is closed with 4409.
pub fn run(platform: &mut impl Subject, connections: [ConnectionId; 3]) -> Report {
    let mut report = Report::default();
    storage(platform, &mut report);
    sockets(platform, connections, &mut report);
    audiences(platform, connections, &mut report);
    closing(platform, connections, &mut report);
    report.check(!platform.has_held() && platform.take_held().is_empty(), "no frames are held where none came");
    let (one, other) = (platform.new_epoch(), platform.new_epoch());
    report.check(!one.is_empty() && one != other, "each epoch is another one");
    report
}

/// One of many fields.
fn field(number: usize) -> Write {
    let field = Field {
        version: number as u64 + 1,
        updated_at: 5,
        user_id: "ann".to_owned(),
        client_id: number.is_multiple_of(2).then(|| "client".to_owned()),
        selection: None,
        lens_from: number.is_multiple_of(5).then_some(number as u64),
    };
    Write::Put(Field::table_for(&field), Field::row(format!("field \"{number}\" é"), &field))
}

fn names(stored: Option<&Stored>) -> Vec<String> {
    stored.iter().flat_map(|stored| stored.records.fields.iter()).map(|(name, _)| name.clone()).collect()
}

fn storage(platform: &mut impl Subject, report: &mut Report) {
    platform.erase();
    report.check(platform.load() == Ok(None), "an erased storage holds no room");
    let meta = Meta { epoch: "one".to_owned(), floor: 3, touched: 1_700_000_000_000, kind: 2 };
    // More than any statement takes at once, with a remainder for each size of statement.
    let mut commit = vec![Write::Create, Write::Meta(meta.clone())];
    commit.extend((0..37).map(field));
    report.check(platform.commit(commit) == Ok(()), "a commit that creates the tables is made");
    let before = platform.load().ok().flatten();
    report.check(
        before.as_ref().is_some_and(|stored| stored.meta == meta),
        "the room's own row is read as it was written",
    );
    report.check(names(before.as_ref()).len() == 37, "all rows of a commit are there");
    let lost = vec![field(40), Write::Delete(Field::TABLE, Field::key_row("field \"0\" é".to_owned()))];
    platform.fail_next_commit();
    report.check(platform.commit(lost.clone()).is_err(), "a failing statement fails its commit");
    report.check(platform.load().ok().flatten() == before, "a commit that fails changes nothing");
    report.check(platform.commit(lost) == Ok(()), "the same commit can be made again");
    let after = names(platform.load().ok().flatten().as_ref());
    let has = |number: usize| after.iter().any(|name| *name == format!("field \"{number}\" é"));
    report.check(has(40) && !has(0) && after.len() == 37, "one row is new and one is gone");
    platform.erase();
    report.check(platform.load() == Ok(None), "what is erased is gone");
}

/// The attachment of a connection with this standing.
fn attachment(connection: ConnectionId, standing: Standing, heard: Millis) -> Attachment {
    let plain = Attachment {
        identity: Identity::Joined("ann".to_owned()),
        is_unauthenticated: false,
        heard,
        ..Attachment::unauthenticated(connection, None, heard)
    };
    match standing {
        Standing::Unauthenticated => Attachment::unauthenticated(connection, None, heard),
        Standing::Plain => plain,
        Standing::Greeted => Attachment { client: Some("a client".to_owned()), ..plain },
    }
}

fn sockets(platform: &mut impl Subject, connections: [ConnectionId; 3], report: &mut Report) {
    let mut open = platform.attachments().into_iter().map(|attachment| attachment.connection).collect::<Vec<_>>();
    let mut expected = connections.to_vec();
    open.sort_unstable();
    expected.sort_unstable();
    report.check(open == expected, "the open sockets are those that were accepted");
    for (connection, heard) in connections.into_iter().zip(1..) {
        let kept = attachment(connection, Standing::Greeted, heard);
        platform.attach(connection, &kept);
        report.check(platform.attachment(connection) == Some(kept.clone()), "a socket remembers what it was given");
        report.check(platform.attachments().contains(&kept), "a room that wakes is told what a socket remembers");
    }
    report.check(platform.pings().iter().all(|(of, _)| connections.contains(of)), "only open sockets have pinged");
}

/// Sends to every audience while each connection has a different standing, and notes who must have received what.
fn audiences(platform: &mut impl Subject, connections: [ConnectionId; 3], report: &mut Report) {
    let [first, second, third] = connections;
    let standings = [Standing::Unauthenticated, Standing::Plain, Standing::Greeted];
    let mut frames = 0;
    for turn in 0..standings.len() {
        let of = |at: usize| standings.iter().cycle().nth(at + turn).copied().unwrap_or(Standing::Plain);
        let standing = [(first, of(0)), (second, of(1)), (third, of(2))];
        for (connection, standing) in standing {
            platform.attach(connection, &attachment(connection, standing, 1));
        }
        let all = connections
            .into_iter()
            .flat_map(|one| [Audience::One(one), Audience::Others(Some(one)), Audience::Plain { but: Some(one) }]);
        for audience in all.chain([Audience::Plain { but: None }, Audience::Others(None), Audience::Greeted]) {
            frames += 1;
            let text = format!(r#"{{"type":"contract","frame":{frames},"text":"é \" 😀"}}"#);
            platform.send(audience, &text);
            for (connection, _) in standing.iter().filter(|(of, standing)| audience.includes(*of, *standing)) {
                report.expected.entry(connection.to_string()).or_default().push(text.clone());
            }
        }
    }
}

fn closing(platform: &mut impl Subject, [first, second, third]: [ConnectionId; 3], report: &mut Report) {
    platform.close(second, CloseCode::Deleted);
    report.check(platform.attachment(second).is_none(), "a socket that is closed has forgotten whose it was");
    let open = platform.attachments();
    report.check(
        open.iter().all(|of| of.connection != second) && open.len() == 2,
        "a closed socket is not among the open",
    );
    for connection in [second, first, third] {
        platform.send(Audience::One(connection), r#"{"type":"contract","frame":"last"}"#);
    }
    for connection in [first, third] {
        let last = r#"{"type":"contract","frame":"last"}"#.to_owned();
        report.expected.entry(connection.to_string()).or_default().push(last);
    }
}
