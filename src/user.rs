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
/// How long after a failure a room is notified again, in milliseconds.
pub const TELL_AGAIN: Millis = 1_000;

/// A room that the user may have a connection to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stay {
    /// `party/room`
    room: String,
    /// When the last of the tokens that opened it expires.
    until: Millis,
    /// Whether the room still has to be notified of a revocation.
    is_untold: bool,
}

/// What is known about a user. For most, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    revocations: Vec<Revocation>,
    rooms: Vec<Stay>,
    /// How many revocations there have been since the object woke.
    generation: u64,
}

/// The tables, created at the first write.
const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS revocation (token_id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS room (name TEXT PRIMARY KEY, until INTEGER NOT NULL, is_untold INTEGER NOT NULL) \
     WITHOUT ROWID",
];

impl User {
    /// Reads what storage holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(sql: &mut impl Sql) -> Result<Self, StoreError> {
        let tables = ("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'revocation'", Vec::new());
        if sql.run(&tables)?.is_empty() {
            return Ok(Self::default());
        }
        let revocations = sql.run(&("SELECT token_id, until FROM revocation", Vec::new()))?;
        let rooms = sql.run(&("SELECT name, until, is_untold FROM room", Vec::new()))?;
        Ok(Self {
            revocations: revocations.iter().map(revocation).collect::<Result<_, _>>()?,
            rooms: rooms.iter().map(stay).collect::<Result<_, _>>()?,
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

    /// Records that a room is entered with a token that expires at `until`. Returns what to write, often nothing.
    ///
    /// # Errors
    /// The user is in too many rooms.
    pub fn enter(&mut self, room: &str, until: Millis, now: Millis) -> Result<Vec<Statement>, Denial> {
        let mut statements = Vec::new();
        let is_untold = match self.rooms.iter().find(|stay| stay.room == room) {
            Some(stay) if stay.until >= until => return Ok(statements),
            Some(stay) => stay.is_untold,
            None if self.rooms.len() < ROOMS => false,
            None => {
                statements = self.forget(now);
                if self.rooms.len() >= ROOMS {
                    return Err(Denial::Full);
                }
                false
            }
        };
        self.rooms.retain(|stay| stay.room != room);
        self.rooms.push(Stay { room: room.to_owned(), until, is_untold });
        statements.extend(created());
        statements.extend(self.rooms.last().map(Stay::statement));
        Ok(statements)
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
            stay.is_untold = true;
            statements.push(stay.statement());
        }
        statements
    }

    /// The rooms that have to be notified, and the generation of what they are told.
    pub fn untold(&self) -> (Vec<String>, u64) {
        let rooms = self.rooms.iter().filter(|stay| stay.is_untold);
        (rooms.map(|stay| stay.room.clone()).collect(), self.generation)
    }

    /// A room was notified as of `generation`.
    pub fn told(&mut self, room: &str, generation: u64) -> Vec<Statement> {
        let is_current = generation == self.generation;
        let stay = self.rooms.iter_mut().find(|stay| is_current && stay.room == room);
        let told = stay.map(|stay| {
            stay.is_untold = false;
            stay.statement()
        });
        told.into_iter().collect()
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
        let left = left.map(|room| ("DELETE FROM room WHERE name = ?", vec![Value::Text(room)]));
        let statements = old.chain(left).collect();
        self.revocations.retain(|revocation| revocation.until > now);
        self.rooms.retain(|stay| stay.until > now);
        statements
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.revocations.is_empty() && self.rooms.is_empty()
    }

    /// When there is something to forget, or a room to notify again.
    pub fn next_due(&self, now: Millis) -> Option<Millis> {
        if self.rooms.iter().any(|stay| stay.is_untold) {
            return Some(now + TELL_AGAIN);
        }
        let revocations = self.revocations.iter().map(|revocation| revocation.until);
        revocations.chain(self.rooms.iter().map(|stay| stay.until)).min()
    }
}

impl Stay {
    fn statement(&self) -> Statement {
        let row =
            vec![Value::Text(self.room.clone()), Value::Integer(self.until), Value::Integer(i64::from(self.is_untold))];
        ("INSERT OR REPLACE INTO room (name, until, is_untold) VALUES (?, ?, ?)", row)
    }
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
        [Value::Text(room), Value::Integer(until), Value::Integer(is_untold)] => {
            Ok(Stay { room: room.clone(), until: *until, is_untold: *is_untold != 0 })
        }
        _ => Err(StoreError::CorruptRow { table: "room" }),
    }
}
