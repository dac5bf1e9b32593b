//! What the object of a user keeps, on real SQLite.

use roomkeep::access::claims::Denial;
use roomkeep::access::revocations::Revocation;
use roomkeep::sql::{Sql, Statement};
use roomkeep::user::{MADE, MADE_FOR, ROOMS, TELL_AGAIN, TELL_AGAIN_AT_MOST, User};

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
        let (entered, statements) = self.user.enter(room, until, now);
        self.write(&statements);
        entered.map(|()| statements.len())
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
    let statements = desk.user.tried("p/one", true, first);
    desk.write(&statements);
    assert_eq!(desk.user.untold().0, ["p/two"]);
    // While the second room was on its way of being told, there was more to tell.
    desk.revoke(Some("a"), 6_000);
    let statements = desk.user.tried("p/two", true, first);
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
        desk.user.enter(&format!("p/{n}"), 1_000, 0).0.unwrap();
    }
    assert_eq!(desk.user.enter("p/more", 1_000, 999), (Err(Denial::Full), Vec::new()));
    assert!(desk.user.enter("p/0", 2_000, 999).0.is_ok(), "those that are known may stay");
    assert!(desk.user.enter("p/more", 2_000, 1_000).0.is_ok(), "those whose tokens have expired are gone");
}

#[test]
fn a8_what_is_forgotten_is_deleted_also_when_a_user_is_refused() {
    let mut desk = Desk::new();
    desk.revoke(Some("old"), 10);
    for n in 0..ROOMS {
        let (_, statements) = desk.user.enter(&format!("p/{n}"), 1_000, 0);
        let mut sqlite = Sqlite(&desk.db);
        statements.iter().for_each(|statement| drop(sqlite.run(statement).unwrap()));
    }
    assert_eq!(desk.enter("p/more", 2_000, 20), Err(Denial::Full), "what memory forgot, storage forgets too");
    let rows = desk.db.query_row("SELECT count(*) FROM revocation", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn a8_a_room_that_the_user_has_left_no_longer_counts_and_is_told_all_the_same() {
    let mut desk = Desk::new();
    for n in 0..ROOMS {
        desk.user.enter(&format!("p/{n}"), 1_000, 0).0.unwrap();
    }
    assert_eq!(desk.user.stays().len(), ROOMS);
    desk.user.has_left("p/7");
    assert_eq!((desk.user.stays().len(), desk.user.stays().contains(&"p/7".to_owned())), (ROOMS - 1, false));
    assert_eq!(desk.user.enter("p/more", 1_000, 1).0, Ok(()));
    assert_eq!(desk.user.enter("p/7", 1_000, 1).0, Err(Denial::Full), "it counts again once it is entered");
    desk.user.has_left("p/8");
    assert_eq!(desk.user.enter("p/7", 1_000, 1), (Ok(()), Vec::new()), "it is known, and nothing is written");
    let _ = desk.user.revoke(Revocation { token_id: None, until: 900 });
    let mut told = Vec::new();
    while desk.user.has_untried() {
        let (rooms, generation) = desk.user.untold();
        rooms.iter().for_each(|room| drop(desk.user.tried(room, true, generation)));
        told.extend(rooms);
    }
    assert_eq!(told.len(), ROOMS + 1);
    assert!(told.contains(&"p/8".to_owned()), "whether it has been left was true a moment ago");
}

#[test]
fn a8_of_rooms_that_were_left_only_so_many_are_kept() {
    let mut desk = Desk::new();
    for n in 0..12 * ROOMS {
        let room = format!("p/{n}");
        desk.user.enter(&room, 1_000, 0).0.unwrap();
        desk.user.has_left(&room);
    }
    let _ = desk.user.revoke(Revocation { token_id: None, until: 900 });
    let mut told = 0;
    while desk.user.has_untried() {
        let (rooms, generation) = desk.user.untold();
        rooms.iter().for_each(|room| drop(desk.user.tried(room, true, generation)));
        told += rooms.len();
    }
    assert_eq!(told, 10 * ROOMS);
}

#[test]
fn a8_a_room_that_cannot_be_told_is_told_again_ever_more_seldom() {
    let mut desk = Desk::new();
    desk.enter("p/one", 100_000_000, 0).unwrap();
    desk.revoke(None, 100_000_000);
    let mut waits = Vec::new();
    for _ in 0..14 {
        let (rooms, generation) = desk.user.untold();
        assert_eq!(rooms, ["p/one"]);
        let statements = desk.user.tried("p/one", false, generation);
        desk.write(&statements);
        waits.push(desk.user.next_due(0).unwrap());
    }
    assert_eq!(waits[..4], [2, 4, 8, 16].map(|times| times * TELL_AGAIN));
    assert_eq!(waits[11..], [TELL_AGAIN_AT_MOST; 3]);
    desk.revoke(Some("another"), 100_000_000);
    assert_eq!(desk.user.next_due(0), Some(TELL_AGAIN), "another revocation is told at once");
    let (_, generation) = desk.user.untold();
    let statements = desk.user.tried("p/one", true, generation);
    desk.write(&statements);
    assert_eq!(desk.user.next_due(0), Some(100_000_000));
}

#[test]
fn a8_a_user_makes_so_many_rooms_a_day() {
    let mut desk = Desk::new();
    for n in 0..MADE {
        let (made, statements) = desk.user.make(&format!("p/{n}"), 5);
        made.unwrap();
        let mut sqlite = Sqlite(&desk.db);
        statements.iter().for_each(|statement| drop(sqlite.run(statement).unwrap()));
    }
    assert_eq!(desk.user.make("p/more", 6).0, Err(Denial::Full));
    assert_eq!(desk.user.make("p/0", 6), (Ok(()), Vec::new()), "the same room");
    assert!(desk.enter("p/other", 1_000, 6).is_ok(), "rooms that are entered count by themselves");
    desk.user = User::load(&mut Sqlite(&desk.db)).unwrap();
    assert_eq!(desk.user.make("p/more", 6).0, Err(Denial::Full));
    let (made, statements) = desk.user.make("p/more", 5 + MADE_FOR);
    desk.write(&statements);
    assert_eq!((made, desk.user.is_empty()), (Ok(()), false));
}

#[test]
fn a8_a_time_that_javascript_does_not_count_to_is_read_as_the_last_that_it_does() {
    let mut desk = Desk::new();
    desk.revoke(Some("a"), i64::MAX);
    let read = User::load(&mut Sqlite(&desk.db)).unwrap();
    assert_eq!(read.revocations(0).first().map(|revocation| revocation.until), Some((1 << 53) - 1));
    assert_eq!(read.check(Some("a"), 0), Err(Denial::Revoked));
    assert!(read.next_due(0).unwrap() < 8_640_000_000_000_000, "no alarm is set for later than a date can be");
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
