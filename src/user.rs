//! A user across rooms: which of the user's tokens are revoked, and which rooms have to be notified (A8).
//!
//! The door asks here before it admits a token, and says which room it opens. So a revocation finds every connection
//! that may be open. What is past is forgotten: a token that has expired needs no revoking.

use crate::access::claims::Denial;
use crate::access::revocations::Revocation;
use crate::protocol::Millis;
use crate::sql::{Row, Sql, Statement, StoreError, Value};

/// In how many rooms a user may have open connections with tokens that have not expired.
pub const ROOMS: usize = 1_000;
/// How many rooms are kept, so that they can be notified, of those that the user may have left too.
const KEPT: usize = 10 * ROOMS;
/// How many rooms a user may make over HTTP in [`MADE_FOR`].
pub const MADE: usize = 1_000;
/// How long a room that was made counts, in milliseconds: a day.
pub const MADE_FOR: Millis = 86_400_000;
/// How long after the first failure a room is notified again, in milliseconds. It doubles with each further one.
pub const TELL_AGAIN: Millis = 1_000;
/// The longest that it becomes: an hour.
pub const TELL_AGAIN_AT_MOST: Millis = 3_600_000;
/// How many rooms are notified at a time.
const TOLD_TOGETHER: usize = 500;
/// The latest time that the platform sets an alarm for, in milliseconds: the end of the year 9999.
const LATEST: Millis = 253_402_300_799_999;

/// A room that the user may have a connection to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stay {
    /// `party/room`
    room: String,
    /// When the last of the tokens that opened it expires.
    until: Millis,
    /// The number of the next try to notify the room of a revocation; 0 if it need not be.
    tries: i64,
    /// Whether the user was seen to have left it. It may be told of a revocation all the same. Not stored.
    is_left: bool,
}

/// What is known about a user. For most, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    revocations: Vec<Revocation>,
    rooms: Vec<Stay>,
    /// Rooms that the user has made over HTTP, and until when they count.
    made: Vec<(String, Millis)>,
    /// How many revocations there have been since the object woke.
    generation: u64,
}

/// The tables, created at the first write.
const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS revocation (token_id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS room (name TEXT PRIMARY KEY, until INTEGER NOT NULL, is_untold INTEGER NOT NULL) \
     WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS made (name TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
];

impl User {
    /// Reads what storage holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(sql: &mut impl Sql) -> Result<Self, StoreError> {
        let tables = sql.run(&("SELECT name FROM sqlite_master WHERE type = 'table'", Vec::new()))?;
        let has = |name: &str| tables.iter().any(|row| row.first() == Some(&Value::Text(name.to_owned())));
        if !has("revocation") {
            return Ok(Self::default());
        }
        let has_made = has("made");
        let mut rows = |query| sql.run(&(query, Vec::new()));
        // An older build stored whatever an admin said. Larger numbers cannot be handed over.
        let revocations = rows("SELECT token_id, MIN(until, 9007199254740991) FROM revocation")?;
        let rooms = rows("SELECT name, until, is_untold FROM room")?;
        // An older build had no such table.
        let made = if has_made { rows("SELECT name, until FROM made")? } else { Vec::new() };
        Ok(Self {
            revocations: revocations.iter().map(revocation).collect::<Result<_, _>>()?,
            rooms: rooms.iter().map(stay).collect::<Result<_, _>>()?,
            made: made.iter().map(made_room).collect::<Result<_, _>>()?,
            generation: 0,
        })
    }

    /// Whether a token still counts.
    ///
    /// # Errors
    /// It was revoked.
    pub fn check(&self, token_id: Option<&str>, now: Millis) -> Result<(), Denial> {
        let is_revoked = self.revocations.iter().any(|revocation| revocation.is_of(token_id, now));
        if is_revoked { Err(Denial::Revoked) } else { Ok(()) }
    }

    /// Records that a room is entered with a token that expires at `until`. Also returns what to write, often nothing.
    /// [`Denial::Full`]: the user is in too many rooms, unless some of [`User::stays`] turn out to have been left.
    pub fn enter(&mut self, room: &str, until: Millis, now: Millis) -> (Result<(), Denial>, Vec<Statement>) {
        let (mut statements, mut tries) = (Vec::new(), 0);
        let is_full = |user: &Self| user.rooms.iter().filter(|stay| !stay.is_left).count() >= ROOMS;
        let was_counted = self.rooms.iter().any(|stay| stay.room == room && !stay.is_left);
        if !was_counted && is_full(self) {
            statements = self.forget(now);
            if is_full(self) {
                return (Err(Denial::Full), statements);
            }
        }
        if let Some(stay) = self.rooms.iter_mut().find(|stay| stay.room == room) {
            stay.is_left = false;
            tries = stay.tries;
            if stay.until >= until {
                return (Ok(()), statements);
            }
        }
        self.rooms.retain(|stay| stay.room != room);
        if self.rooms.len() >= KEPT
            && let Some(oldest) = self.rooms.iter().position(|stay| stay.is_left)
        {
            statements.push(left(self.rooms.remove(oldest).room));
        }
        self.rooms.push(Stay { room: room.to_owned(), until, tries, is_left: false });
        statements.extend(created());
        statements.extend(self.rooms.last().map(Stay::statement));
        (Ok(()), statements)
    }

    /// The rooms that the user is not known to have left, the oldest first.
    pub fn stays(&self) -> Vec<String> {
        self.rooms.iter().filter(|stay| !stay.is_left).map(|stay| stay.room.clone()).collect()
    }

    /// The user has no connection to this room. It no longer counts.
    pub fn has_left(&mut self, room: &str) {
        self.rooms.iter_mut().filter(|stay| stay.room == room).for_each(|stay| stay.is_left = true);
    }

    /// Records that a room is made over HTTP. Also returns what to write.
    pub fn make(&mut self, room: &str, now: Millis) -> (Result<(), Denial>, Vec<Statement>) {
        let mut statements = if self.made.len() >= MADE { self.forget(now) } else { Vec::new() };
        if self.made.iter().any(|(made, _)| made == room) {
            return (Ok(()), statements);
        }
        if self.made.len() >= MADE {
            return (Err(Denial::Full), statements);
        }
        let until = now + MADE_FOR;
        self.made.push((room.to_owned(), until));
        statements.extend(created());
        let row = vec![Value::Text(room.to_owned()), Value::Integer(until)];
        statements.push(("INSERT OR REPLACE INTO made (name, until) VALUES (?, ?)", row));
        (Ok(()), statements)
    }

    /// Revokes a token or all tokens. Every room must be notified.
    pub fn revoke(&mut self, revocation: Revocation) -> Vec<Statement> {
        let mut statements = created();
        let id = revocation.token_id.clone().unwrap_or_default();
        statements.push((
            "INSERT OR REPLACE INTO revocation (token_id, until) VALUES (?, ?)",
            vec![Value::Text(id), Value::Integer(revocation.until)],
        ));
        self.generation += 1;
        self.revocations.retain(|known| known.token_id != revocation.token_id);
        self.revocations.push(revocation);
        for stay in &mut self.rooms {
            stay.tries = 1;
            statements.push(stay.statement());
        }
        statements
    }

    /// Some of the rooms that have to be notified, those first that failed the least often, and the generation of what they
    /// are told.
    pub fn untold(&self) -> (Vec<String>, u64) {
        let next = self.next_try();
        let rooms = self.rooms.iter().filter(|stay| Some(stay.tries) == next).take(TOLD_TOGETHER);
        (rooms.map(|stay| stay.room.clone()).collect(), self.generation)
    }

    /// Whether there are rooms that nobody has tried to notify yet.
    pub fn has_untried(&self) -> bool {
        self.next_try() == Some(1)
    }

    fn next_try(&self) -> Option<i64> {
        self.rooms.iter().map(|stay| stay.tries).filter(|tries| *tries > 0).min()
    }

    /// A room was notified as of `generation`, or could not be.
    pub fn tried(&mut self, room: &str, has_heard: bool, generation: u64) -> Vec<Statement> {
        let is_current = generation == self.generation;
        let stay = self.rooms.iter_mut().find(|stay| is_current && stay.room == room);
        let tried = stay.map(|stay| {
            stay.tries = if has_heard { 0 } else { stay.tries + 1 };
            stay.statement()
        });
        tried.into_iter().collect()
    }

    /// The revocations in force.
    pub fn revocations(&self, now: Millis) -> Vec<Revocation> {
        self.revocations.iter().filter(|revocation| revocation.until > now).cloned().collect()
    }

    /// Forgets what is past.
    pub fn forget(&mut self, now: Millis) -> Vec<Statement> {
        let old = self.revocations.iter().filter(|revocation| revocation.until <= now);
        let old = old.map(|revocation| revocation.token_id.clone().unwrap_or_default());
        let old = old.map(|id| ("DELETE FROM revocation WHERE token_id = ?", vec![Value::Text(id)]));
        let left = self.rooms.iter().filter(|stay| stay.until <= now).map(|stay| stay.room.clone());
        let made = self.made.iter().filter(|(_, until)| *until <= now).map(|(room, _)| room.clone());
        let made = made.map(|room| ("DELETE FROM made WHERE name = ?", vec![Value::Text(room)]));
        let statements = old.chain(left.map(self::left)).chain(made).collect();
        self.revocations.retain(|revocation| revocation.until > now);
        self.rooms.retain(|stay| stay.until > now);
        self.made.retain(|(_, until)| *until > now);
        statements
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.revocations.is_empty() && self.rooms.is_empty() && self.made.is_empty()
    }

    /// When there is something to forget, or a room to notify again.
    pub fn next_due(&self, now: Millis) -> Option<Millis> {
        if let Some(tries) = self.next_try() {
            // Beyond that it is an hour anyway.
            let doublings = u32::try_from(tries - 1).unwrap_or(u32::MAX).min(30);
            return Some(now + (TELL_AGAIN << doublings).min(TELL_AGAIN_AT_MOST));
        }
        let revocations = self.revocations.iter().map(|revocation| revocation.until);
        let rooms = self.rooms.iter().map(|stay| stay.until);
        revocations.chain(rooms).chain(self.made.iter().map(|(_, until)| *until)).min().map(|at| at.min(LATEST))
    }
}

impl Stay {
    fn statement(&self) -> Statement {
        let row = vec![Value::Text(self.room.clone()), Value::Integer(self.until), Value::Integer(self.tries)];
        ("INSERT OR REPLACE INTO room (name, until, is_untold) VALUES (?, ?, ?)", row)
    }
}

fn left(room: String) -> Statement {
    ("DELETE FROM room WHERE name = ?", vec![Value::Text(room)])
}

fn created() -> Vec<Statement> {
    TABLES.iter().map(|table| (*table, Vec::new())).collect()
}

fn revocation(row: &Row) -> Result<Revocation, StoreError> {
    match row.as_slice() {
        [Value::Text(id), Value::Integer(until)] => {
            Ok(Revocation { token_id: Some(id.clone()).filter(|id| !id.is_empty()), until: *until })
        }
        _ => Err(StoreError::CorruptRow { table: "revocation" }),
    }
}

fn stay(row: &Row) -> Result<Stay, StoreError> {
    match row.as_slice() {
        [Value::Text(room), Value::Integer(until), Value::Integer(tries)] => {
            Ok(Stay { room: room.clone(), until: *until, tries: *tries, is_left: false })
        }
        _ => Err(StoreError::CorruptRow { table: "room" }),
    }
}

fn made_room(row: &Row) -> Result<(String, Millis), StoreError> {
    match row.as_slice() {
        [Value::Text(room), Value::Integer(until)] => Ok((room.clone(), *until)),
        _ => Err(StoreError::CorruptRow { table: "made" }),
    }
}
