//! A participant and the row for it.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::protocol::Millis;
use crate::protocol::frames::ChangeView;
use crate::protocol::frames::people::{ParticipantChanged, RecordView};
use crate::protocol::json::Extra;
use crate::protocol::json::encode;
use crate::protocol::limits::Limits;
use crate::room::table::{Index, ROW_CHARGE, Record, Table};
use crate::sql::{Columns, Creation, Row, StoreError, TableSql, Value, table};

/// A participant on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// For people.
    pub name: String,
    /// What the user last said.
    pub is_ready: bool,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
    /// When the user was last heard from on a connection that is closed by now.
    pub last_seen: Millis,
    /// The version of the last change.
    pub version: u64,
    /// Further members of the user's own message.
    pub profile: Extra,
    /// When the others are told that the user has left, if that waits (J4). Until then it counts as here.
    pub leaves_at: Option<Millis>,
}

impl Record for Participant {
    type Key = String;
    type Index = PeopleIndex;
    const TABLE: &'static TableSql = &table!(
        "participant",
        ["user_id"],
        ["name", "is_ready", "joined_at", "last_seen", "version", "profile", "leaves_at"]
    );
    const CHARGE: usize = ROW_CHARGE;
    const CREATION: Creation = Creation {
        schema: 1,
        create: "CREATE TABLE participant (user_id TEXT PRIMARY KEY, name TEXT NOT NULL, is_ready INTEGER NOT NULL, \
            joined_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, version INTEGER NOT NULL, profile TEXT NOT NULL) \
            WITHOUT ROWID",
    };

    fn row(user: String, participant: &Self) -> Row {
        vec![
            Value::Text(user),
            Value::text(&participant.name),
            Value::Integer(i64::from(participant.is_ready)),
            Value::Integer(participant.joined_at),
            Value::Integer(participant.last_seen),
            Value::version(participant.version),
            Value::Text(encode(&participant.profile)),
            participant.leaves_at.map_or(Value::Null, Value::Integer),
        ]
    }

    fn key_row(user: String) -> Row {
        vec![Value::Text(user)]
    }

    fn read(columns: &mut Columns<'_>) -> Result<(String, Self), StoreError> {
        let user = columns.text()?;
        let participant = Self {
            name: columns.text()?,
            is_ready: columns.integer()? != 0,
            joined_at: columns.integer()?,
            last_seen: columns.integer()?,
            version: columns.version()?,
            profile: columns.extra()?,
            leaves_at: columns.integer_or_null()?,
        };
        Ok((user, participant))
    }

    fn most(limits: &Limits) -> usize {
        limits.participants
    }

    fn text_bytes(user: &String, participant: &Self) -> usize {
        let profile = participant.profile.iter().map(|(key, value)| key.len() + value.text().len()).sum::<usize>();
        user.len() + participant.name.len() + profile
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn newest_time(&self) -> Millis {
        self.last_seen
    }

    fn used_at(&self) -> Option<Millis> {
        Some(self.last_seen)
    }

    fn next_due(index: &PeopleIndex) -> Option<Millis> {
        index.leaving.first().map(|(at, _)| *at)
    }

    fn change<'a>(user: &'a String, participant: &'a Self) -> Option<ChangeView<'a>> {
        let (name, is_ready, joined_at) = (participant.name.as_str(), participant.is_ready, participant.joined_at);
        let record = RecordView { id: user, name, is_ready, joined_at };
        Some(ChangeView::Participant(ParticipantChanged { version: participant.version, participant: record }))
    }
}

impl Table<Participant> {
    /// The participant who was last seen the longest ago of those that are not here. Whoever is found to be here is not
    /// looked at again before it leaves.
    pub fn longest_away(&mut self, is_online: impl Fn(&str) -> bool) -> Option<String> {
        let (rows, index) = self.with_index();
        let all = || rows.iter().map(|(user, participant)| (participant.last_seen, user.clone())).collect();
        index.by_last_seen.get_or_init(all);
        let by_last_seen = index.by_last_seen.get_mut()?;
        let is_leaving = |user: &str| rows.get(user).is_some_and(|participant| participant.leaves_at.is_some());
        while let Some((_, user)) = by_last_seen.first() {
            if !is_online(user) && !is_leaving(user) {
                return Some(user.clone());
            }
            by_last_seen.pop_first();
        }
        None
    }

    /// Whether the user has gone and the others have not been told yet.
    pub fn is_leaving(&self, user: &str) -> bool {
        self.get(user).is_some_and(|participant| participant.leaves_at.is_some())
    }

    /// The first of those whose leaving is told by now.
    pub fn first_leaving(&self, now: Millis) -> Option<String> {
        self.index().leaving.first().filter(|(at, _)| *at <= now).map(|(_, user)| user.clone())
    }

    /// Notes a sign of life from a user on record, if it is newer than the last one.
    pub fn note_last_seen(&mut self, user: &str, at: Millis) {
        if let Some(participant) = self.get(user).filter(|participant| participant.last_seen < at) {
            let participant = Participant { last_seen: at, ..participant.clone() };
            self.put(user.to_owned(), participant);
        }
    }
}

/// What is kept beside the participants.
#[derive(Debug, Clone, Default)]
pub struct PeopleIndex {
    /// Those whose leaving is yet to be told, by when it is.
    leaving: BTreeSet<(Millis, String)>,
    /// Those that may have to give way, as soon as somebody had to.
    by_last_seen: OnceCell<BTreeSet<(Millis, String)>>,
}

impl Index<Participant> for PeopleIndex {
    fn added(&mut self, user: &String, participant: &Participant) {
        self.leaving.extend(participant.leaves_at.map(|at| (at, user.clone())));
        if let Some(by_last_seen) = self.by_last_seen.get_mut() {
            by_last_seen.insert((participant.last_seen, user.clone()));
        }
    }

    fn removed(&mut self, user: &String, participant: &Participant) {
        if let Some(at) = participant.leaves_at {
            self.leaving.remove(&(at, user.clone()));
        }
        if let Some(by_last_seen) = self.by_last_seen.get_mut() {
            by_last_seen.remove(&(participant.last_seen, user.clone()));
        }
    }
}
