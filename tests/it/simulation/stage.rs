//! The platform of a simulated room: the tests' world with links that are slow and break, and a runtime that may die
//! between any two effects of a turn.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use roomkeep::driver::{Driver, Platform};
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::refusal::CloseCode;
use roomkeep::room::Room;
use roomkeep::room::audience::Audience;
use roomkeep::room::connections::session::Attachment;
use roomkeep::room::gate::Gate;
use roomkeep::room::records::Stored;
use roomkeep::room::turn::{Effect, Write};
use roomkeep::sql::StoreError;
use serde_json::Value;

use crate::world::{Sqlite, World};

use super::message::Message;
use super::oracle::Session;
use super::witness::Witness;
use super::{USERS, witness};

/// What is on its way to the room.
#[derive(Debug, Clone)]
pub enum Up {
    Message(Message),
    Gone { said_goodbye: bool },
}

/// What is on its way to a client.
#[derive(Debug, Clone)]
pub enum Down {
    Frame(Rc<Value>),
    Closed(u16),
}

/// A connection: two queues, as of a WebSocket.
#[derive(Debug, Default)]
pub struct Link {
    pub up: VecDeque<Up>,
    pub down: VecDeque<Down>,
    /// Whether frames to the client were lost although its socket stands.
    pub is_torn: bool,
}

pub struct Stage {
    pub world: World,
    pub witness: Witness,
    pub links: BTreeMap<ConnectionId, Link>,
    /// After how many effects the runtime dies.
    pub dies_after: Option<u64>,
    pub is_dead: bool,
    /// Whether it died before the room's alarm was set.
    pub is_unarmed: bool,
    /// A connection that is about to go.
    pub leaving: Option<ConnectionId>,
    time_to_live: Millis,
}

impl Stage {
    pub fn new(witness: Witness, time_to_live: Millis) -> Self {
        let (world, links) = (World::new(), BTreeMap::new());
        Self { world, witness, links, dies_after: None, is_dead: false, is_unarmed: false, leaving: None, time_to_live }
    }

    /// Something happens to the room, which first notices what time has done.
    pub fn notice_time(&mut self, driver: &Driver, now: Millis) {
        let time = match driver.room() {
            Some(room) => room.time(now),
            None => {
                let stored = roomkeep::store::load(&mut Sqlite(&self.world.db)).unwrap();
                let attachments = self.world.sockets.values().filter_map(|socket| socket.attachment.clone()).collect();
                Room::restore(driver.settings().clone(), stored, String::new(), attachments, Gate::default(), now)
                    .time(now)
            }
        };
        self.witness.oracle.time_is(time);
    }

    /// Whether this effect does not come to be, since the runtime has died.
    fn is_void(&mut self) -> bool {
        match &mut self.dies_after {
            Some(0) => self.is_dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        self.is_dead
    }

    /// What the sockets would tell a room that woke now.
    pub fn attached(&self) -> BTreeMap<ConnectionId, Session> {
        let sockets = self.world.sockets.iter().filter(|(of, _)| self.leaving != Some(**of));
        let attached = sockets.filter_map(|(of, socket)| Some((*of, session(socket.attachment.as_ref()?))));
        attached.collect()
    }
}

fn session(attachment: &Attachment) -> Session {
    let user = attachment.identity.user();
    Session {
        user: user.map(|user| *USERS.iter().find(|known| **known == user).unwrap()),
        is_joined: attachment.identity.joined().is_some(),
        client: attachment.client.as_deref().map(witness::shared),
        presence: attachment.presence.as_ref().map(|data| data.text().parse().unwrap()),
    }
}

impl Platform for Stage {
    fn load(&mut self) -> Result<Option<Stored>, StoreError> {
        self.world.load()
    }

    fn start(&mut self, effect: Effect) {
        self.world.start(effect);
    }

    fn commit(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        if self.is_void() {
            return Ok(());
        }
        let epoch = writes.iter().find_map(|write| match write {
            Write::Meta(meta) => Some(meta.epoch.clone()),
            Write::Create | Write::Put(..) | Write::Delete(..) => None,
        });
        let outcome = self.world.commit(writes);
        self.world.commits.clear();
        match &outcome {
            Ok(()) => {
                self.witness.oracle.epoch = epoch.or(self.witness.oracle.epoch.take());
                self.witness.oracle.committed();
                self.witness.event.has_committed = true;
            }
            Err(_) => {
                self.witness.event.has_failed = true;
                let mut attached = self.attached();
                for (of, session) in attached.iter_mut().filter(|(_, session)| session.client.is_some()) {
                    // What people show is not stored, and so not lost with a commit.
                    let known = self.witness.oracle.sessions.get(of).map(|known| known.presence);
                    let known = known.or(self.witness.oracle.fenced.get(of).copied());
                    session.presence = known.unwrap_or(session.presence);
                }
                // Whom a failed `hello` would have replaced stays, so that they are gone is no news.
                let (now, fenced) = (self.witness.mono, &self.witness.oracle.fenced);
                self.witness.news.retain(|of, since| *since != now || !fenced.contains_key(of));
                self.witness.commit_fails(&attached);
                self.witness.oracle.lost(attached);
                self.witness.oracle.refuse();
            }
        }
        outcome
    }

    fn erase(&mut self) {
        if !self.is_void() {
            assert!(self.world.sockets.is_empty(), "X3: somebody is connected");
            let oracle = &self.witness.oracle;
            let is_early = oracle.used.is_some_and(|used| oracle.clock - used < self.time_to_live);
            assert!(!is_early, "X3: the room ends at {} and was used at {:?}", oracle.clock, oracle.used);
            self.world.erase();
            self.witness.oracle.ended();
        }
    }

    fn attachments(&mut self) -> Vec<Attachment> {
        self.world.attachments()
    }

    fn attachment(&mut self, connection: ConnectionId) -> Option<Attachment> {
        self.world.attachment(connection)
    }

    fn pings(&self) -> Vec<(ConnectionId, Millis)> {
        self.world.pings()
    }

    fn ping(&self, connection: ConnectionId) -> Option<Millis> {
        self.world.ping(connection)
    }

    fn attach(&mut self, connection: ConnectionId, attachment: &Attachment) {
        if !self.is_void() {
            self.world.attach(connection, attachment);
        }
    }

    fn send(&mut self, audience: Audience, text: &str) {
        let mut reached = self.world.reached(audience);
        let alive = reached.iter().take_while(|_| !self.is_void()).count();
        reached.truncate(alive);
        if reached.is_empty() {
            return;
        }
        let frame = Rc::new(serde_json::from_str::<Value>(text).unwrap());
        self.witness.sent(audience, &reached, &frame);
        for link in reached {
            if let Some(link) = self.links.get_mut(&link) {
                link.down.push_back(Down::Frame(frame.clone()));
            }
        }
    }

    fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if self.is_void() {
            return;
        }
        self.world.close(connection, code);
        self.world.closed.clear();
        self.witness.leaves(connection);
        self.witness.event.closed.push((connection, code));
        if let Some(link) = self.links.get_mut(&connection) {
            link.down.push_back(Down::Closed(code.number()));
        }
    }

    fn set_alarm(&mut self, at: Millis) {
        if !self.is_void() {
            self.world.set_alarm(at);
        }
    }

    fn set_flush_timer(&mut self, at: Option<Millis>) {
        if !self.is_void() {
            self.world.set_flush_timer(at);
        }
    }

    fn has_held(&self) -> bool {
        self.world.has_held()
    }

    fn take_held(&mut self) -> Vec<(ConnectionId, String)> {
        self.world.take_held()
    }

    fn new_epoch(&mut self) -> String {
        self.world.new_epoch()
    }

    fn log(&mut self, message: &str) {
        self.world.log(message);
    }
}
