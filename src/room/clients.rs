//! Clients that number their messages, and what each message was answered, so that one that is sent again is not done
//! again (E1 to E4, H3).

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::message::Number;
use crate::protocol::refusal::{Code, Refusal};

use super::outcomes::{Outcome, Outcomes, Verdict};

/// A client that was not seen for this long is forgotten, in milliseconds: 30 days (E4).
pub const CLIENT_UNSEEN: Millis = 30 * 86_400_000;
/// How long an idempotency key is remembered, in milliseconds: a day (H3).
pub const KEY_LIFE: Millis = 86_400_000;
/// A client's `seen` in storage lags by up to this while it sends nothing, in milliseconds: a day.
const SEEN_LAG: Millis = 86_400_000;

/// A client that has numbered a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The user who first did so with it.
    pub user_id: Option<String>,
    /// The last number that was answered, or `None` once the client is forgotten: its name stays, so that it can be
    /// told so instead of being taken for a new one.
    pub last_seq: Option<u64>,
    /// When it last was there.
    pub seen: Millis,
    /// The answers to its last messages.
    pub outcomes: Outcomes,
}

impl Client {
    fn forgotten(&self) -> Self {
        Self { user_id: self.user_id.clone(), last_seq: None, seen: self.seen, outcomes: Outcomes::default() }
    }
}

/// The answer to a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedWrite {
    /// When it was made.
    pub at: Millis,
    /// What was asked and answered.
    pub outcome: Outcome,
}

/// All clients by `clientId`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clients {
    by_id: BTreeMap<String, Client>,
}

impl Clients {
    /// All of them, the forgotten too.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Client)> {
        self.by_id.iter()
    }

    /// A client.
    pub fn get(&self, id: &str) -> Option<&Client> {
        self.by_id.get(id)
    }

    /// Puts a client in its place.
    pub fn put(&mut self, id: String, client: Client) {
        self.by_id.insert(id, client);
    }

    /// The last number that was answered, 0 for a client that is new, `None` for one that is forgotten.
    pub fn last_seq(&self, id: &str) -> Option<u64> {
        self.get(id).map_or(Some(0), |client| client.last_seq)
    }

    /// Whether this user may number messages with this client (E4).
    ///
    /// # Errors
    /// It is another user's.
    pub fn check_owner(&self, id: &str, user: Option<&str>) -> Result<(), Refusal> {
        let owner = self.get(id).and_then(|client| client.user_id.as_deref());
        if owner.is_none() || user.is_none() || owner == user {
            return Ok(());
        }
        Err(Refusal::not_your_client())
    }

    /// What this number was answered, or `None` when it is the next one.
    ///
    /// # Errors
    /// The number is neither (E2, E4).
    pub fn answered(&self, id: &str, number: Number) -> Result<Option<Verdict>, Refusal> {
        let Some(last) = self.last_seq(id) else {
            let message = "The room has forgotten this client. Take a new `clientId` and number from 1.";
            return Err(Refusal::new(Code::OutcomeForgotten, message));
        };
        if number.seq > last {
            return if number.seq == last + 1 { Ok(None) } else { Err(Refusal::out_of_order(last + 1)) };
        }
        let back = usize::try_from(last - number.seq).ok();
        let outcome = self.get(id).zip(back).and_then(|(client, back)| client.outcomes.back(back));
        match outcome {
            Some(outcome) if outcome.content == number.content => Ok(Some(outcome.verdict)),
            Some(_) => {
                let message =
                    format!("The `seq` {} was used for another message. Number each message anew.", number.seq);
                Err(Refusal::new(Code::SeqReused, message))
            }
            None => {
                let message = format!("How the `seq` {} was answered is not known any more.", number.seq);
                Err(Refusal::new(Code::OutcomeForgotten, message))
            }
        }
    }

    /// Notes the answer to the next message of a client; `keep` is for how many of them that is done.
    pub fn record(&mut self, id: &str, user: Option<&str>, outcome: &Outcome, keep: usize, now: Millis) {
        if !self.by_id.contains_key(id) {
            let client = Client { user_id: None, last_seq: Some(0), seen: now, outcomes: Outcomes::default() };
            self.by_id.insert(id.to_owned(), client);
        }
        let Some(client) = self.by_id.get_mut(id) else { return };
        if client.user_id.is_none() {
            client.user_id = user.map(str::to_owned);
        }
        client.last_seq = client.last_seq.map(|last| last + 1);
        client.seen = now;
        client.outcomes.push(outcome, keep);
    }

    /// Notes that a client is there. Returns whether storage must be told.
    pub fn see(&mut self, id: &str, now: Millis) -> bool {
        let due = self.by_id.get_mut(id).filter(|client| client.last_seq.is_some() && client.seen + SEEN_LAG <= now);
        due.map(|client| client.seen = now).is_some()
    }

    /// Forgets a client if it was away for too long. Returns whether it did.
    pub fn forget_if_unseen(&mut self, id: &str, now: Millis) -> bool {
        let due = |client: &&mut Client| client.last_seq.is_some() && client.seen + CLIENT_UNSEEN <= now;
        self.by_id.get_mut(id).filter(due).map(|client| *client = client.forgotten()).is_some()
    }

    /// Forgets those that are too many: of the clients the ones that were away the longest, of the names of forgotten
    /// ones the oldest. Returns whom it touched.
    pub fn forget_beyond(&mut self, limit: usize, is_here: impl Fn(&str) -> bool) -> Vec<String> {
        let mut touched = Vec::new();
        for is_known in [true, false] {
            let some = self.by_id.iter().filter(|(_, client)| client.last_seq.is_some() == is_known);
            let surplus = some.clone().count().saturating_sub(limit);
            let mut away =
                some.filter(|(id, _)| !is_here(id)).map(|(id, client)| (client.seen, id)).collect::<Vec<_>>();
            away.sort_unstable();
            let gone = away.into_iter().take(surplus).map(|(_, id)| id.clone()).collect::<Vec<_>>();
            for id in gone {
                match self.by_id.get_mut(&id) {
                    Some(client) if is_known => *client = client.forgotten(),
                    Some(_) | None => drop(self.by_id.remove(&id)),
                }
                touched.push(id);
            }
        }
        touched
    }
}

/// Idempotency keys by user and key (H3).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    by_user_and_key: BTreeMap<(String, String), KeyedWrite>,
}

impl Keys {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&(String, String), &KeyedWrite)> {
        self.by_user_and_key.iter()
    }

    /// What a key was used for.
    pub fn get(&self, of: &(String, String)) -> Option<&KeyedWrite> {
        self.by_user_and_key.get(of)
    }

    /// How many are remembered.
    pub fn count(&self) -> usize {
        self.by_user_and_key.len()
    }

    /// Notes what a key was used for.
    pub fn put(&mut self, of: (String, String), write: KeyedWrite) {
        self.by_user_and_key.insert(of, write);
    }

    /// What the key was answered, or `None` when it is new.
    ///
    /// # Errors
    /// It was used for something else.
    pub fn answered(&self, of: &(String, String), content: u32, now: Millis) -> Result<Option<&Verdict>, Refusal> {
        match self.get(of).filter(|write| write.at + KEY_LIFE > now) {
            None => Ok(None),
            Some(write) if write.outcome.content == content => Ok(Some(&write.outcome.verdict)),
            Some(_) => {
                let message = "This Idempotency-Key was used for another request. Make a new one for each.";
                Err(Refusal::new(Code::IdempotencyKeyReused, message))
            }
        }
    }

    /// Drops keys that have served their time, and returns them.
    pub fn forget_old(&mut self, now: Millis) -> Vec<(String, String)> {
        let old = self.iter().filter(|(_, write)| write.at + KEY_LIFE <= now);
        let old = old.map(|(of, _)| of.clone()).collect::<Vec<_>>();
        for of in &old {
            self.by_user_and_key.remove(of);
        }
        old
    }
}
