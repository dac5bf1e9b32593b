//! What the object of a user keeps, on real SQLite.

use roomkeep::access::claims::Denial;
use roomkeep::access::revocations::Revocation;
use roomkeep::sql::{Sql, Statement};
use roomkeep::user::{ROOMS, TELL_AGAIN, User};

use super::*;
use crate::world::database;

/// A user's object: what is in memory is what a new one would read, after each act.
struct Desk {
    db: rusqlite::Connection,
    user: User,
}

impl Desk {
    fn new() -> Self {
        Self { db: database(), user: User::default() }
    }

    fn write(&mut self, statements: &[Statement]) {
        let mut sqlite = Sqlite(&self.db);
        statements.iter().for_each(|statement| drop(sqlite.run(statement).unwrap()));
        let read = User::load(&mut sqlite).unwrap();
        let sorted = |mut rooms: Vec<String>| {
            rooms.sort();
            rooms
        };
        assert_eq!(sorted(read.untold().0), sorted(self.user.untold().0));
        for now in [0, 1_000, 5_000] {
            assert_eq!(read.revocations(now).len(), self.user.revocations(now).len());
            assert_eq!(read.next_due(now), self.user.next_due(now));
        }
    }

    fn enter(&mut self, room: &str, until: i64, now: i64) -> Result<usize, Denial> {
        let statements = self.user.enter(room, until, now)?;
        self.write(&statements);
        Ok(statements.len())
    }

    fn revoke(&mut self, token_id: Option<&str>, until: i64) {
        let statements = self.user.revoke(Revocation { token_id: token_id.map(str::to_owned), until });
        self.write(&statements);
    }
}

#[test]
fn a8_a_revocation_is_of_one_token_or_of_all_and_ends() {
    let mut desk = Desk::new();
    assert_eq!(desk.user.check(Some("a"), 0), Ok(()));
    desk.revoke(Some("a"), 100);
    desk.revoke(Some("b"), 200);
    let state = |desk: &Desk, now| ["a", "b", "c"].map(|token| desk.user.check(Some(token), now).is_ok());
    let nameless = |desk: &Desk, now| desk.user.check(None, now).is_ok();
    assert!(nameless(&desk, 99), "a token without an id is not meant by any");
    assert_eq!(state(&desk, 99), [false, false, true]);
    assert_eq!(state(&desk, 100), [true, false, true]);
    desk.revoke(None, 150);
    assert_eq!(state(&desk, 149), [false, false, false]);
    assert_eq!((nameless(&desk, 149), nameless(&desk, 150)), (false, true));
    assert_eq!(state(&desk, 150), [true, false, true]);
    // The newest word on a token counts.
    desk.revoke(Some("b"), 120);
    assert_eq!(state(&desk, 150), [true, true, true]);
}

#[test]
fn a8_every_room_that_may_be_open_is_told_until_it_knows() {
    let mut desk = Desk::new();
    assert!(desk.enter("p/one", 1_000, 0).unwrap() > 0);
    assert!(desk.enter("p/two", 2_000, 0).unwrap() > 0);
    assert_eq!(desk.enter("p/one", 900, 1).unwrap(), 0, "a token that ends earlier adds nothing");
    assert_eq!(desk.user.untold().0, [""; 0]);
    assert_eq!(desk.user.next_due(1), Some(1_000));
    desk.revoke(None, 5_000);
    let (mut rooms, first) = desk.user.untold();
    rooms.sort();
    assert_eq!(rooms, ["p/one", "p/two"]);
    assert_eq!(desk.user.next_due(10), Some(10 + TELL_AGAIN));
    let statements = desk.user.told("p/one", first);
    desk.write(&statements);
    assert_eq!(desk.user.untold().0, ["p/two"]);
    // While the second room was on its way of being told, there was more to tell.
    desk.revoke(Some("a"), 6_000);
    let statements = desk.user.told("p/two", first);
    assert_eq!(statements, []);
    assert_eq!(desk.user.untold().0.len(), 2);
    // A room entered anew with a longer token is still to be told.
    desk.enter("p/two", 3_000, 20).unwrap();
    assert_eq!(desk.user.untold().0.len(), 2);
}

#[test]
fn a8_what_has_passed_is_forgotten() {
    let mut desk = Desk::new();
    desk.enter("p/one", 1_000, 0).unwrap();
    desk.revoke(Some("a"), 2_000);
    let statements = desk.user.forget(1_000);
    desk.write(&statements);
    assert_eq!((desk.user.untold().0, desk.user.is_empty()), (Vec::new(), false));
    let statements = desk.user.forget(2_000);
    desk.write(&statements);
    assert!(desk.user.is_empty());
    assert_eq!(desk.user.next_due(2_000), None);
}

#[test]
fn a8_a_user_is_in_so_many_rooms_at_one_time() {
    let mut desk = Desk::new();
    for n in 0..ROOMS {
        desk.user.enter(&format!("p/{n}"), 1_000, 0).unwrap();
    }
    assert_eq!(desk.user.enter("p/more", 1_000, 999), Err(Denial::Full));
    assert!(desk.user.enter("p/0", 2_000, 999).is_ok(), "those that are known may stay");
    assert!(desk.user.enter("p/more", 2_000, 1_000).is_ok(), "those whose tokens have expired are gone");
}

#[test]
fn a8_revocations_go_to_a_room_as_lines() {
    let all = [
        Revocation { token_id: None, until: 5 },
        Revocation { token_id: Some("a b".to_owned()), until: i64::MAX },
        Revocation { token_id: Some("ä".to_owned()), until: -1 },
    ];
    assert_eq!(Revocation::from_lines(&Revocation::to_lines(&all)), Some(all.to_vec()));
    assert_eq!(Revocation::from_lines(""), Some(Vec::new()));
    for rubbish in ["x", "5", "x y\n", "5 a\n6"] {
        assert_eq!(Revocation::from_lines(rubbish), None, "{rubbish}");
    }
}
