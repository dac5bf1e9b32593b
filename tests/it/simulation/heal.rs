//! The end of a run: the network heals, everybody comes back, and all that was open must come to its end.

use super::message::{Content, Message};
use super::oracle::What;
use super::permissions::{Status, held};
use super::story::{DISCONNECT_AFTER, Story};
use super::witness::set_fields;
use crate::world::Sqlite;

/// Rounds of carrying everything and waiting for a while, more than any outbox needs.
const ROUNDS: usize = 40;

impl Story {
    /// Lets everything come to rest, and compares.
    pub fn end(&mut self) {
        self.is_rough = false;
        self.note(|_| "the network heals".to_owned());
        self.settle();
        self.compare(false);
        for at in 0..self.tabs.len() {
            self.drop_link(at, true);
        }
        self.settle();
        self.compare(true);
        self.pass(300);
        self.sleep();
        for at in 0..self.tabs.len() {
            let of = self.tabs[at].link.unwrap();
            self.send(of, Message::new(self.tabs[at].user, Content::Sync { since: None, epoch: None }));
        }
        self.settle();
        self.compare(true);
        let stored = roomkeep::store::load(&mut Sqlite(&self.stage.world.db)).unwrap();
        self.stage.witness.check_storage(stored.as_ref());
        self.stage.witness.check_views();
    }

    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            for at in 0..self.tabs.len() {
                self.connect(at);
                if self.is_stuck(at) {
                    self.again(at);
                }
                self.catch_up(at);
            }
            self.carry_all();
            self.pass(300);
            self.carry_all();
            if (0..self.tabs.len()).all(|at| self.is_at_rest(at)) {
                return;
            }
            self.pass(DISCONNECT_AFTER / 4);
        }
        let open = self.tabs.iter().map(|tab| (&tab.client, tab.link, tab.is_welcomed, &tab.outbox, tab.is_asking));
        panic!("E1: the room has no end for {:?}", open.collect::<Vec<_>>());
    }

    /// Sends what was not sent over this link, and asks for what may have been lost on it.
    fn catch_up(&mut self, at: usize) {
        let Some(of) = self.tabs[at].link.filter(|_| self.tabs[at].is_welcomed) else { return };
        self.tabs[at].unsent().into_iter().for_each(|message| self.send(of, message));
        let is_torn = self.stage.links.get_mut(&of).is_some_and(|link| std::mem::take(&mut link.is_torn));
        if is_torn {
            let tab = &mut self.tabs[at];
            tab.is_asking = true;
            let (user, since, epoch) = (tab.user, tab.has_state.then_some(tab.version), tab.epoch.clone());
            // It stays torn until the answer is there.
            self.stage.links.get_mut(&of).into_iter().for_each(|link| link.is_torn = true);
            self.send(of, Message::new(user, Content::Sync { since, epoch }));
        }
    }

    fn carry_all(&mut self) {
        for of in self.stage.links.keys().copied().collect::<Vec<_>>() {
            while self.stage.links.get(&of).is_some_and(|link| !link.up.is_empty()) {
                self.carry_up(of);
            }
        }
        for of in self.stage.links.keys().copied().collect::<Vec<_>>() {
            while self.stage.links.get(&of).is_some_and(|link| !link.down.is_empty()) {
                self.carry_down(of);
            }
        }
    }

    fn is_at_rest(&self, at: usize) -> bool {
        let tab = &self.tabs[at];
        let Some(link) = tab.link.and_then(|of| self.stage.links.get(&of)) else { return false };
        let is_quiet = link.up.is_empty() && link.down.is_empty();
        is_quiet && (!tab.is_greeting || tab.is_welcomed && tab.has_state && tab.outbox.is_empty() && !tab.is_asking)
    }

    /// Every client that says `hello` has what the room has. `is_fresh`: it was told who is on record just now.
    fn compare(&self, is_fresh: bool) {
        let rows = &self.stage.witness.oracle.durable;
        let (fields, held) = (set_fields(rows), held(rows));
        for tab in self.tabs.iter().filter(|tab| tab.is_greeting) {
            assert_eq!(tab.version, rows.version, "Y6, Y7: {} has another version", tab.client);
            assert_eq!(tab.fields, fields, "Y6, Y7: {} has other fields", tab.client);
            let mut told = tab.held.clone();
            // What was forgotten is told to nobody who was there when it was settled.
            told.retain(|name, (_, what)| held.contains_key(name) || !is_settled(what));
            assert_eq!(told, held, "Q5: {} has other permissions", tab.client);
            for (user, row) in &rows.people {
                let person = (super::message::user_name(user, row.name), row.is_ready);
                assert_eq!(tab.people.get(*user), Some(&person), "Y5: {} of {}", user, tab.client);
            }
            let may_differ = !is_fresh || self.stage.witness.oracle.has_given_way;
            assert!(may_differ || tab.people.len() == rows.people.len(), "Y3: {} has {:?}", tab.client, tab.people);
        }
    }
}

fn is_settled(what: &What) -> bool {
    matches!(what, What::Request { status, .. } if *status != Status::Pending)
}
