//! The room's memory and its storage, row by row, beside what the oracle says that they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use roomkeep::room::records::Stored;
use roomkeep::room::records::clients::outcomes;

use super::message::user_name;
use super::oracle::{Rows, Verdict};
use super::witness::Witness;

impl Witness {
    /// Takes over what only the room's clocks decide: who gives way to a newcomer, and which clients are forgotten.
    /// `is_stored`: storage knows it already.
    pub fn follow(&mut self, stored: &Stored, is_stored: bool) {
        let people = stored.records.people.iter().map(|(user, _)| user.as_str()).collect::<BTreeSet<_>>();
        let gone = self.oracle.rows.people.keys().copied().filter(|user| !people.contains(user)).collect::<Vec<_>>();
        for user in gone {
            let is_full = people.len() == self.oracle.bounds.participants;
            assert!(is_full && !self.oracle.is_here(user), "X1: {user} had to give way");
            self.oracle.rows.people.remove(user);
            self.oracle.has_given_way = true;
            if is_stored {
                self.oracle.durable.people.remove(user);
            }
        }
        let known = self.oracle.rows.clients.values().filter(|row| row.last.is_some()).count();
        let is_crowded = known > self.oracle.bounds.clients;
        let goes = |id: &Rc<str>| stored.records.clients.get(&**id).is_none_or(|client| client.last_seq.is_none());
        let gone = self.oracle.rows.clients.iter().filter(|(id, row)| row.last.is_some() && goes(id)).count();
        for id in self.oracle.rows.clients.keys().cloned().collect::<Vec<_>>() {
            let found = stored.records.clients.get(&*id);
            let had = self.oracle.rows.clients[&id].last;
            match found {
                Some(client) if client.last_seq.is_none() && had.is_some() => {
                    assert!(is_crowded || self.is_long_unseen(&id), "E4: {id} is forgotten");
                    let is_here = self.oracle.sessions.values().any(|s| s.client.as_ref() == Some(&id));
                    let has_just_come = self.greeting.as_ref() == Some(&id);
                    assert!(!is_here || has_just_come, "E4: {id} is forgotten while it is here");
                    let may_go = self.is_long_unseen(&id) || self.has_most(&id, gone.saturating_sub(1));
                    assert!(may_go, "E4: {id} goes, whose user has less than another");
                    self.forget(&id, is_stored, false);
                }
                Some(client) => {
                    let both = [&mut self.oracle.rows, &mut self.oracle.durable];
                    for rows in both.into_iter().take(1 + usize::from(is_stored)) {
                        rows.clients.get_mut(&id).into_iter().for_each(|row| row.seen = client.seen);
                    }
                }
                None => {
                    // Its very name may give way in the same turn.
                    let may_go = had.is_none() || is_crowded || self.is_long_unseen(&id);
                    assert!(may_go, "E1: {id} is lost");
                    self.forget(&id, is_stored, true);
                }
            }
        }
    }

    /// Whether nobody has more clients than the user of this one, once so many others have gone in the same turn.
    fn has_most(&self, id: &Rc<str>, gone: usize) -> bool {
        let known = |of: &&Rc<str>| self.oracle.rows.clients[*of].last.is_some();
        let mut shares = BTreeMap::<_, usize>::new();
        for of in self.oracle.rows.clients.keys().filter(known) {
            *shares.entry(self.oracle.rows.clients[of].owner).or_default() += 1;
        }
        let most = shares.values().max().copied().unwrap_or(0);
        shares[&self.oracle.rows.clients[id].owner] + gone >= most
    }

    fn forget(&mut self, id: &Rc<str>, is_stored: bool, its_name_too: bool) {
        let both = [&mut self.oracle.rows, &mut self.oracle.durable];
        for rows in both.into_iter().take(1 + usize::from(is_stored)) {
            if its_name_too {
                rows.clients.remove(id);
            } else if let Some(row) = rows.clients.get_mut(id) {
                row.last = None;
                row.outcomes.clear();
            }
        }
        if its_name_too {
            self.oracle.dropped.insert(id.clone());
        }
    }

    /// Whether the room holds what it should.
    pub fn check_memory(&self, stored: &Stored) {
        check(stored, &self.oracle.rows, "memory");
    }

    /// Whether storage holds what it should.
    pub fn check_storage(&self, stored: Option<&Stored>) {
        match stored {
            Some(stored) => {
                check(stored, &self.oracle.durable, "storage");
                assert_eq!(Some(&stored.meta.epoch), self.oracle.epoch.as_ref(), "U8: another epoch in storage");
            }
            None => assert_eq!(self.oracle.durable.version, 0, "S6: storage is empty"),
        }
    }
}

fn check(stored: &Stored, rows: &Rows, place: &str) {
    super::permissions::check(stored, rows, place);
    assert_eq!(stored.meta.floor, rows.floor, "Y3: the floor in {place}");
    let mut times = Vec::new();
    for (name, field) in stored.records.fields.iter() {
        let row = rows.fields.get(name.as_str());
        let row = row.unwrap_or_else(|| panic!("X1: {place} has a field {name} of version {}", field.version));
        assert_eq!(field.version, row.version, "S1: {name} in {place}");
        let is_same = match (&field.selection, row.value) {
            (Some(selection), Some(value)) => selection.text().contains(&format!("\"value\":{value},")),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        assert!(is_same, "S2, S5: {place} has {field:?} instead of {row:?}");
        assert_eq!(
            (field.user_id.as_str(), field.client_id.as_deref()),
            (row.user, row.client.as_deref()),
            "S4: {name}"
        );
        times.push((field.version, field.updated_at));
    }
    assert_eq!(stored.records.fields.len(), rows.fields.len(), "S6: fields in {place}: {:?}", rows.fields);
    times.sort_unstable();
    assert!(times.is_sorted_by_key(|(_, at)| *at), "S2: times go back in {place}: {times:?}");
    for (user, person) in stored.records.people.iter() {
        let row = rows.people.get(user.as_str());
        let row = row.unwrap_or_else(|| panic!("J5: {place} has a participant {user}"));
        let found = (person.name.as_str(), person.is_ready, person.version);
        assert_eq!(found, (user_name(user, row.name).as_str(), row.is_ready, row.version), "J5: {user} in {place}");
    }
    assert_eq!(stored.records.people.len(), rows.people.len(), "J5: participants in {place}");
    for (id, client) in stored.records.clients.iter() {
        let row = rows.clients.get(id.as_str()).unwrap_or_else(|| panic!("E1: {place} has a client {id}"));
        assert_eq!(client.last_seq, row.last, "E1: {id} in {place}");
        let outcomes = client.outcomes.iter().collect::<Vec<_>>();
        let is_same = outcomes.len() == row.outcomes.len()
            && outcomes.iter().zip(&row.outcomes).all(|(found, (_, verdict))| is_same(&found.outcome, verdict));
        assert!(is_same, "E4: {place} has {:?} of {id} instead of {:?}", client.outcomes, row.outcomes);
        assert_eq!(client.user_id.as_deref(), row.owner, "E4: the user of {id} in {place}");
    }
    assert_eq!(stored.records.clients.len(), rows.clients.len(), "E1: clients in {place}");
}

fn is_same(found: &outcomes::Outcome, verdict: &Verdict) -> bool {
    match (found, verdict) {
        (outcomes::Outcome::Done { version }, Verdict::Done(expected)) => version == expected,
        (outcomes::Outcome::Conflict { field, client_version }, Verdict::Conflict { field: expected, seen }) => {
            (field.as_str(), client_version) == (*expected, seen)
        }
        (outcomes::Outcome::Refused(refused), Verdict::Refused(expected)) => refused.code.as_str() == *expected,
        (
            outcomes::Outcome::Done { .. } | outcomes::Outcome::Conflict { .. } | outcomes::Outcome::Refused(_),
            Verdict::Done(_) | Verdict::Before(_) | Verdict::Conflict { .. } | Verdict::Refused(_),
        ) => false,
    }
}
