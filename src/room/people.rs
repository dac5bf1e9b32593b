//! Who is on record, and who of them is here.

use std::collections::BTreeMap;

use crate::protocol::Millis;

use super::session::Sessions;
use super::turn::Participant;

/// Everyone on record by user id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct People {
    participants: BTreeMap<String, Participant>,
    bytes: usize,
}

/// What the open connections tell of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence {
    /// How many joined connections are open.
    pub connections: usize,
    /// When the server last heard from one of them.
    pub heard: Option<Millis>,
}

impl People {
    /// Everyone on record.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Participant)> {
        self.participants.iter()
    }

    /// A participant.
    pub fn get(&self, user: &str) -> Option<&Participant> {
        self.participants.get(user)
    }

    /// How many are on record.
    pub fn count(&self) -> usize {
        self.participants.len()
    }

    /// What the records take, in bytes of text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What they would take with this record in place of the user's.
    pub fn bytes_with(&self, user: &str, participant: &Participant) -> usize {
        self.bytes + size(user, participant) - self.bytes_of(user)
    }

    /// What the user's record takes.
    pub fn bytes_of(&self, user: &str) -> usize {
        self.get(user).map_or(0, |participant| size(user, participant))
    }

    /// Puts a record in its place.
    pub fn put(&mut self, user: String, participant: Participant) {
        self.remove(&user);
        self.bytes += size(&user, &participant);
        self.participants.insert(user, participant);
    }

    /// Drops a record.
    pub fn remove(&mut self, user: &str) {
        if let Some(participant) = self.participants.remove(user) {
            self.bytes -= size(user, &participant);
        }
    }

    /// Who of those that are not here was last seen the longest ago.
    pub fn longest_offline(&self, sessions: &Sessions) -> Option<String> {
        let here = present(sessions);
        let is_here = |user: &str| here.get(user).is_some_and(|presence| presence.connections > 0);
        self.iter()
            .filter(|(user, _)| !is_here(user))
            .min_by_key(|(_, participant)| participant.last_seen)
            .map(|(user, _)| user.clone())
    }
}

/// What the open connections tell of their users.
pub fn present(sessions: &Sessions) -> BTreeMap<&str, Presence> {
    let mut here = BTreeMap::<&str, Presence>::new();
    for (_, session) in sessions.iter() {
        if let Some(user) = session.identity.user() {
            let presence = here.entry(user).or_default();
            presence.connections += usize::from(session.identity.joined().is_some());
            presence.heard = presence.heard.max(Some(session.heard));
        }
    }
    here
}

/// Whether a joined connection of the user is open.
pub fn is_here(sessions: &Sessions, user: &str) -> bool {
    sessions.iter().any(|(_, session)| session.identity.joined() == Some(user))
}

fn size(user: &str, participant: &Participant) -> usize {
    let profile = participant.profile.iter().map(|(key, value)| key.len() + value.text().len()).sum::<usize>();
    user.len() + participant.name.len() + profile
}
