//! A participant and the row for it.

use crate::protocol::Millis;
use crate::protocol::frames::ChangeView;
use crate::protocol::frames::people::{ParticipantChanged, RecordView};
use crate::protocol::json::Extra;
use crate::protocol::json::encode;
use crate::protocol::limits::Limits;
use crate::room::connections::sessions::Sessions;
use crate::room::table::{ROW_CHARGE, Record, Table};
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
}

impl Record for Participant {
    type Key = String;
    type Index = ();
    const TABLE: &'static TableSql =
        &table!("participant", ["user_id"], ["name", "is_ready", "joined_at", "last_seen", "version", "profile"]);
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

    fn change<'a>(user: &'a String, participant: &'a Self) -> Option<ChangeView<'a>> {
        let (name, is_ready, joined_at) = (participant.name.as_str(), participant.is_ready, participant.joined_at);
        let record = RecordView { id: user, name, is_ready, joined_at };
        Some(ChangeView::Participant(ParticipantChanged { version: participant.version, participant: record }))
    }
}

impl Table<Participant> {
    /// The offline participant who was last seen the longest ago.
    pub fn longest_offline(&self, sessions: &Sessions) -> Option<String> {
        let online = sessions.online();
        let is_online = |user: &str| online.get(user).is_some_and(|of| of.connections > 0);
        let offline = self.iter().filter(|(user, _)| !is_online(user));
        offline.min_by_key(|(_, participant)| participant.last_seen).map(|(user, _)| user.clone())
    }

    /// Notes a sign of life from a user on record, if it is newer than the last one.
    pub fn note_last_seen(&mut self, user: &str, at: Millis) {
        if let Some(participant) = self.get(user).filter(|participant| participant.last_seen < at) {
            let participant = Participant { last_seen: at, ..participant.clone() };
            self.put(user.to_owned(), participant);
        }
    }
}
