//! A client and its row.

use crate::access::shares::SharesOnDemand;
use crate::protocol::Millis;
use crate::protocol::limits::Limits;
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::tag::Number;
use crate::room::table::{Index, ROW_CHARGE, Record, Table};
use crate::sql::{Columns, Creation, Row, StoreError, TableSql, Value, table};

use super::outcomes::{Outcome, Outcomes, RecordedOutcome};

/// A client that has not been seen for this long is forgotten, in milliseconds: 30 days (E4).
pub const CLIENT_UNSEEN: Millis = 30 * 86_400_000;
/// By how much a client's `seen` in storage may lag while it sends nothing, in milliseconds: a day.
const SEEN_LAG: Millis = 86_400_000;
/// The most that a client's recorded outcomes may take, in bytes of text. A conflict names its field, and names may be
/// long; fewer than 64 are then kept (E4).
pub const OUTCOME_BYTES: usize = 4 * 1024;
/// The same while the clients of a room take more than their part of its bytes: some 40 outcomes of the usual kind.
const OUTCOME_BYTES_WHEN_FULL: usize = 512;
/// Clients take about one part in this many of a room's bytes, so that they do not crowd out the rest.
pub const CLIENTS_PART: usize = 4;

/// A client that has numbered a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The user who first did so.
    pub user_id: Option<String>,
    /// The last number that was answered, or `None` once the client is forgotten: its name stays, so that it can be
    /// told so rather than taken for a new one.
    pub last_seq: Option<u64>,
    /// When it was last seen.
    pub seen: Millis,
    /// The outcomes of its last messages.
    pub outcomes: Outcomes,
}

impl Client {
    fn forgotten(&self) -> Self {
        Self { user_id: self.user_id.clone(), last_seq: None, seen: self.seen, outcomes: Outcomes::default() }
    }
}

impl Record for Client {
    type Key = String;
    type Index = ClientIndex;
    const TABLE: &'static TableSql = &table!("client", ["client_id"], ["user_id", "last_seq", "seen", "outcomes"]);
    const CHARGE: usize = ROW_CHARGE;
    const CREATION: Creation = Creation {
        schema: 2,
        create: "CREATE TABLE client (client_id TEXT PRIMARY KEY, user_id TEXT, last_seq INTEGER, seen INTEGER NOT NULL, \
            outcomes TEXT NOT NULL) WITHOUT ROWID",
    };

    fn row(id: String, client: &Self) -> Row {
        vec![
            Value::Text(id),
            Value::text_or_null(client.user_id.as_deref()),
            client.last_seq.map_or(Value::Null, Value::version),
            Value::Integer(client.seen),
            Value::text(client.outcomes.text()),
        ]
    }

    fn key_row(id: String) -> Row {
        vec![Value::Text(id)]
    }

    fn read(columns: &mut Columns<'_>) -> Result<(String, Self), StoreError> {
        let id = columns.text()?;
        let client = Self {
            user_id: columns.text_or_null()?,
            last_seq: columns.version_or_null()?,
            seen: columns.integer()?,
            outcomes: Outcomes::parse(&columns.text()?).ok_or_else(|| columns.corrupt())?,
        };
        Ok((id, client))
    }

    /// Those that are known, and the names of as many forgotten ones. Beyond that, none is forgotten that is connected.
    fn most(limits: &Limits) -> usize {
        2 * limits.clients + limits.connections
    }

    fn text_bytes(id: &String, client: &Self) -> usize {
        id.len() + client.user_id.as_ref().map_or(0, String::len) + client.outcomes.text().len()
    }

    fn version(&self) -> u64 {
        0
    }

    fn newest_time(&self) -> Millis {
        self.seen
    }
}

impl Table<Client> {
    /// The last number that was answered; 0 for a new client, `None` for a forgotten one.
    pub fn last_seq(&self, id: &str) -> Option<u64> {
        self.get(id).map_or(Some(0), |client| client.last_seq)
    }

    /// Whether this user may number messages with this client (E4).
    ///
    /// # Errors
    /// It belongs to another user.
    pub fn check_owner(&self, id: &str, user: Option<&str>) -> Result<(), Refusal> {
        let owner = self.get(id).and_then(|client| client.user_id.as_deref());
        if owner.is_none() || user.is_none() || owner == user {
            return Ok(());
        }
        Err(Refusal::not_your_client())
    }

    /// The outcome of this number, or `None` if it is the next one.
    ///
    /// # Errors
    /// The number is neither answered nor the next one (E2, E4).
    pub fn answered(&self, id: &str, number: Number) -> Result<Option<Outcome>, Refusal> {
        let Some(last) = self.last_seq(id) else {
            let message = "The room no longer knows this client. Use a new `clientId` and number from 1.";
            return Err(Refusal::new(Code::OutcomeForgotten, message));
        };
        if number.seq > last {
            return if number.seq == last + 1 { Ok(None) } else { Err(Refusal::out_of_order(last + 1)) };
        }
        let back = usize::try_from(last - number.seq).ok();
        let recorded = self.get(id).zip(back).and_then(|(client, back)| client.outcomes.back(back));
        match recorded {
            Some(recorded) if recorded.content_mark == number.content_mark => Ok(Some(recorded.outcome)),
            Some(_) => {
                let message = format!(
                    "The `seq` {} was already used for a different message. Give every message its own number.",
                    number.seq
                );
                Err(Refusal::new(Code::SeqReused, message))
            }
            None => {
                let message =
                    format!("The outcome of `seq` {} is no longer recorded. Use a new `clientId`.", number.seq);
                Err(Refusal::new(Code::OutcomeForgotten, message))
            }
        }
    }

    /// Records the outcome of a client's next message, and forgets the oldest beyond the limits. Returns whether the
    /// client is new.
    pub fn record(
        &mut self,
        id: &str,
        user: Option<&str>,
        recorded: &RecordedOutcome,
        limits: &Limits,
        now: Millis,
    ) -> bool {
        let is_full = self.bytes() > limits.room_bytes / CLIENTS_PART;
        let bytes = if is_full { OUTCOME_BYTES_WHEN_FULL } else { OUTCOME_BYTES };
        let note = |client: &mut Client| {
            if client.user_id.is_none() {
                client.user_id = user.map(str::to_owned);
            }
            client.last_seq = client.last_seq.map(|last| last + 1);
            client.seen = now;
            client.outcomes.push(recorded, limits.outcomes, bytes);
        };
        // Most messages change nothing of what is kept beside the clients.
        let keeps_user = self.get(id).is_some_and(|client| client.user_id.is_some() || user.is_none());
        let is_new = if keeps_user { self.edit_beside_index(id, note) } else { self.edit(id, note) }.is_none();
        if is_new {
            let mut client = Client { user_id: None, last_seq: Some(0), seen: now, outcomes: Outcomes::default() };
            note(&mut client);
            self.put(id.to_owned(), client);
        }
        is_new
    }

    /// Notes that a client was seen, when it comes and when it goes; in storage, once a day.
    pub fn see(&mut self, id: &str, now: Millis) {
        if self.get(id).is_some_and(|client| client.last_seq.is_some() && client.seen + SEEN_LAG <= now) {
            self.edit_beside_index(id, |client| client.seen = now);
        }
        let (rows, index) = self.with_index();
        if let Some((id, client)) = rows.get_key_value(id)
            && let Some(shares) = index.shares(client.last_seq.is_some()).counted()
        {
            shares.insert(client.user_id.clone(), id.clone(), now);
        }
    }

    /// Forgets a client if it has been away for too long. It may have been seen up to [`SEEN_LAG`] after what was noted.
    pub fn forget_if_unseen(&mut self, id: &str, now: Millis) {
        let is_unseen = |client: &Client| client.last_seq.is_some() && client.seen + SEEN_LAG + CLIENT_UNSEEN <= now;
        if self.get(id).is_some_and(is_unseen) {
            self.edit(id, |client| *client = client.forgotten());
        }
    }

    /// Forgets those beyond the limit: first clients, then the names of forgotten ones. The users who have the most lose
    /// the one that has been away the longest, so that nobody pushes out another user's clients. `here` says until when a
    /// client is here for certain; if all of theirs are, there may be more than the limit.
    pub fn forget_beyond(&mut self, limit: usize, now: Millis, here: impl Fn(&str) -> Option<Millis>) {
        while self.index().known > limit {
            let Some(id) = self.gives_way(true, now, &here) else { break };
            self.edit(id.as_str(), |client| *client = client.forgotten());
        }
        while self.len() - self.index().known > limit {
            let Some(id) = self.gives_way(false, now, &here) else { break };
            self.remove(&id);
        }
    }

    /// The one that has to go of all known or of all forgotten ones.
    fn gives_way(&mut self, is_known: bool, now: Millis, here: impl Fn(&str) -> Option<Millis>) -> Option<String> {
        let (rows, index) = self.with_index();
        let some = rows.iter().filter(|(_, client)| client.last_seq.is_some() == is_known);
        let some = || some.map(|(id, client)| (client.user_id.clone(), id.clone(), client.seen));
        let seen = |id: &String| rows.get(id).map_or(Millis::MIN, |client| client.seen);
        index.shares(is_known).get_mut(some)?.gives_way(now, |id| here(id).unwrap_or_else(|| seen(id)))
    }
}

/// What is kept beside the clients.
#[derive(Debug, Clone, Default)]
pub struct ClientIndex {
    /// How many are not forgotten.
    known: usize,
    /// Whose those are, as soon as there are too many.
    of_known: SharesOnDemand<Option<String>, String>,
    /// Whose the forgotten ones were, as soon as there are too many.
    of_forgotten: SharesOnDemand<Option<String>, String>,
}

impl ClientIndex {
    fn shares(&mut self, is_known: bool) -> &mut SharesOnDemand<Option<String>, String> {
        if is_known { &mut self.of_known } else { &mut self.of_forgotten }
    }
}

impl Index<Client> for ClientIndex {
    fn added(&mut self, id: &String, client: &Client) {
        let is_known = client.last_seq.is_some();
        self.known += usize::from(is_known);
        if let Some(shares) = self.shares(is_known).counted() {
            shares.insert(client.user_id.clone(), id.clone(), client.seen);
        }
    }

    fn removed(&mut self, id: &String, client: &Client) {
        let is_known = client.last_seq.is_some();
        self.known -= usize::from(is_known);
        if let Some(shares) = self.shares(is_known).counted() {
            shares.remove(&client.user_id, id);
        }
    }
}
