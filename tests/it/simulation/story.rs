//! A run: the room on its stage, its clients, and the events that one seed makes of them.

use std::collections::VecDeque;
use std::rc::Rc;

use roomkeep::access::pass::Admission;
use roomkeep::driver::{Driver, Platform};
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::protocol::refusal::CloseCode;
use roomkeep::room::settings::Settings;
use roomkeep::store;

use super::USERS;
use super::client::{Do, Tab};
use super::message::{Content, Message};
use super::mix::{Act, Mix};
use super::oracle::Oracle;
use super::random::Random;
use super::stage::{Down, Link, Stage, Up};
use super::witness::{Witness, name, shared};
use crate::say;
use crate::world::{DAY, Sqlite};

/// How many of the last events are told when a run fails.
const TOLD: usize = 40;
/// How much of a frame is told.
const FRAME: usize = 300;
/// Every so many events all of storage is looked at.
const LOOK: u64 = 8;
/// How long a client waits for an answer before it sends again, or for a welcome before it comes anew.
pub const DISCONNECT_AFTER: Millis = 2_000;

pub struct Story {
    pub random: Random,
    pub mix: Mix,
    pub settings: Settings,
    pub stage: Stage,
    pub driver: Driver,
    pub tabs: Vec<Tab>,
    /// Time as it passes; the server's clock is `offset` away from it.
    pub mono: Millis,
    pub offset: Millis,
    /// Whether faults happen.
    pub is_rough: bool,
    names: u64,
    events: u64,
    pub step: u64,
    /// The last events, if they are to be told.
    pub told: Option<VecDeque<String>>,
}

impl Story {
    pub fn new(seed: u64, is_told: bool) -> Self {
        let mut random = Random::new(seed);
        let mix = Mix::draw(&mut random);
        let settings = mix.settings();
        let mut story = Self {
            stage: Stage::new(Witness::new(Oracle::new(mix.bounds)), mix.time_to_live),
            driver: Driver::new(settings.clone()),
            settings,
            tabs: Vec::new(),
            mono: 0,
            offset: 1_000,
            is_rough: false,
            names: 0,
            events: 0,
            step: 0,
            told: is_told.then(VecDeque::new),
            random,
            mix,
        };
        story.note(|story| format!("{:?}", story.mix));
        for at in 0..story.mix.greeting + story.mix.plain {
            let user = USERS[story.random.index(story.mix.users)];
            let client = story.client_name();
            story.tabs.push(Tab::new(user, at < story.mix.greeting, client));
        }
        story.gather();
        story.is_rough = true;
        story
    }

    /// Those come who only watch.
    pub fn gather(&mut self) {
        let here = self.stage.world.sockets.len() - self.stage.attached().len().min(self.stage.links.len());
        for at in here..self.mix.crowd {
            let of = self.enter(false);
            let client = self.client_name();
            let hello = Content::Hello { client, since: None, epoch: None };
            let first = if at % 2 == 0 { hello } else { Content::Sync { since: None, epoch: None } };
            self.hear(of, &Message::new("", first));
            if at % 16 == 0 {
                self.ping(of);
            }
        }
    }

    /// Notes what happens, if it is to be told.
    pub fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.told.is_none() {
            return;
        }
        let line = format!("step {} at {} ms: {}", self.step, self.mono, line(self));
        if let Some(told) = &mut self.told {
            told.push_back(line);
            while told.len() > TOLD {
                told.pop_front();
            }
        }
    }

    fn counted(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    pub fn client_name(&mut self) -> Rc<str> {
        shared(&format!("client{}", self.counted()))
    }

    /// A number that was never used.
    pub fn fresh(&mut self) -> u64 {
        self.counted()
    }

    pub fn now(&self) -> Millis {
        self.mono + self.offset
    }

    /// Something happens to the room, and what it does is looked at.
    pub fn event<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Stage, Millis) -> T) -> T {
        let now = self.now();
        let witness = &mut self.stage.witness;
        witness.event = super::witness::Event::default();
        (witness.mono, witness.clock) = (self.mono, witness.clock.max(now));
        if self.is_rough && self.random.percent(self.mix.failures) {
            self.stage.world.fail_at = Some(self.random.index(4));
        } else if self.is_rough && self.random.percent(self.mix.deaths) {
            let most = self.random.pick(&[4, 12, 100]);
            self.stage.dies_after = Some(self.random.below(most));
        }
        let done = act(&mut self.driver, &mut self.stage, now);
        self.stage.world.fail_at = None;
        self.stage.dies_after = None;
        self.events += 1;
        if self.stage.is_dead {
            let keeps_sockets = self.random.percent(50);
            self.crash(keeps_sockets);
        } else {
            self.look();
        }
        self.stage.leaving = None;
        done
    }

    /// The room and its storage against the oracle.
    fn look(&mut self) {
        let stage = &mut self.stage;
        if stage.witness.event.has_failed {
            stage.witness.oracle.forget_who_left();
            self.told.iter_mut().for_each(|told| told.push_back("  its commit fails".to_owned()));
        } else {
            for (fenced, _) in std::mem::take(&mut stage.witness.oracle.fenced) {
                let is_closed = stage.witness.event.closed.contains(&(fenced, CloseCode::Replaced));
                assert!(is_closed, "E6: {} is still here", name(fenced));
            }
        }
        stage.witness.oracle.fenced.clear();
        let room = self.driver.room();
        let is_settled = room.is_none_or(|room| !room.has_staged());
        let is_told = stage.witness.event.has_committed;
        if let Some(stored) = room.and_then(|room| room.stored()) {
            stage.witness.follow(&stored, is_told);
            let limits = &self.driver.settings().limits;
            for size in stored.records.sizes(limits) {
                assert!(size.rows <= size.most, "X1: {size:?}");
            }
            stage.witness.check_memory(&stored);
            let version = room.map(|room| room.version());
            assert_eq!(version, Some(stage.witness.oracle.rows.version), "S1: the version");
        }
        stage.witness.after(is_settled);
        let is_asleep = room.is_none();
        if is_asleep && is_told || self.events.is_multiple_of(LOOK) {
            self.look_closely(is_settled, is_asleep);
        }
    }

    fn look_closely(&mut self, is_settled: bool, is_asleep: bool) {
        let stage = &mut self.stage;
        let stored = store::load(&mut Sqlite(&stage.world.db)).unwrap();
        if is_asleep {
            stored.iter().for_each(|stored| stage.witness.follow(stored, true));
        }
        stage.witness.check_storage(stored.as_ref());
        if is_settled {
            assert_eq!(stage.attached(), stage.witness.oracle.sessions, "P1, J1: what sockets remember");
            stage.witness.check_views();
        }
        let is_armed = stage.world.alarm.is_some() || stored.is_none() || stage.is_unarmed;
        assert!(is_armed, "X3: a room without an alarm stays for ever");
        stage.is_unarmed &= stage.world.alarm.is_none();
    }

    /// The runtime dies; its sockets may go with it.
    pub fn crash(&mut self, keeps_sockets: bool) {
        self.note(|_| format!("the runtime dies, with sockets kept: {keeps_sockets}"));
        self.driver = Driver::new(self.settings.clone());
        let stage = &mut self.stage;
        stage.is_dead = false;
        stage.world.lose_memory();
        stage.is_unarmed |= stage.world.alarm.is_none();
        // A socket that had no attachment yet is nobody's.
        stage.world.sockets.retain(|_, socket| keeps_sockets && socket.attachment.is_some());
        for link in stage.links.values_mut() {
            link.is_torn = true;
            if !keeps_sockets {
                link.up.clear();
                let cut = self.random.index(link.down.len() + 1);
                link.down.truncate(cut);
                link.down.push_back(Down::Closed(1006));
            }
        }
        let attached = stage.attached();
        stage.witness.oracle.lost(attached);
        stage.witness.forgets(true);
        let stored = store::load(&mut Sqlite(&stage.world.db)).unwrap();
        stored.iter().for_each(|stored| stage.witness.follow(stored, true));
        stage.witness.check_storage(stored.as_ref());
    }

    /// The runtime lets go of the memory of a room that has no timer.
    pub fn sleep(&mut self) {
        self.pass(0);
        if self.stage.world.timer.is_some() {
            return;
        }
        self.note(|_| "the room is evicted".to_owned());
        let oracle = &self.stage.witness.oracle;
        assert_eq!(oracle.rows.version, oracle.durable.version, "Y8: a change waits for no timer");
        assert_eq!(self.stage.attached(), oracle.sessions, "P1, J1: what sockets remember");
        self.driver = Driver::new(self.settings.clone());
        self.stage.world.lose_memory();
        self.stage.witness.forgets(false);
    }

    /// The runtime answers a ping without the room.
    pub fn ping(&mut self, of: ConnectionId) {
        let now = self.now();
        self.stage.world.sockets.get_mut(&of).into_iter().for_each(|socket| socket.pinged = Some(now));
    }

    /// A connection opens. Returns its name, whether or not the room kept it.
    pub fn enter(&mut self, has_link: bool) -> ConnectionId {
        let of = say::connection(&format!("c{}", self.counted()));
        if has_link {
            self.stage.links.insert(of, Link::default());
        }
        self.event(|driver, stage, now| {
            driver.admit(stage, &Admission::Anonymous.into(), now).unwrap();
            stage.notice_time(driver, now);
            stage.world.sockets.insert(of, crate::world::Socket::default());
            stage.witness.comes(of);
            let alarm = stage.world.alarm;
            driver.connect(stage, of, Admission::Anonymous.into(), alarm, now);
        });
        of
    }

    /// A message reaches the room.
    pub fn hear(&mut self, from: ConnectionId, message: &Message) {
        self.note(|_| format!("{} says {}", name(from), message.text()));
        self.event(|driver, stage, now| {
            stage.notice_time(driver, now);
            stage.witness.hears(from, message);
            // Some have waited for the flush timer before the room takes them in.
            if stage.world.timer.is_some() && now % 4 == 0 {
                stage.world.held.push((from, message.text()));
                driver.drain_inbox(stage, now);
            } else {
                driver.receive(stage, from, Some(&message.text()), now);
            }
        });
    }

    /// The room learns that a connection is gone.
    fn part(&mut self, of: ConnectionId, said_goodbye: bool) {
        self.note(|_| format!("{} is gone", name(of)));
        let session = self.stage.witness.oracle.sessions.get(&of).cloned();
        self.stage.leaving = Some(of);
        self.event(|driver, stage, now| {
            if stage.witness.oracle.sessions.contains_key(&of) {
                stage.notice_time(driver, now);
            }
            stage.witness.leaves(of);
            let user = session.filter(|session| session.is_joined).and_then(|session| session.user);
            let oracle = &stage.witness.oracle;
            let is_gone = |user: &&str| !oracle.is_here(user) && oracle.rows.people.contains_key(*user);
            if let Some(user) = user.filter(is_gone) {
                let others = oracle.sessions.keys().copied().filter(|other| *other != of).collect();
                stage.witness.unheard.insert(user.to_owned(), others);
            }
            driver.disconnect(stage, of, said_goodbye, now);
            if stage.witness.event.has_lost_a_join {
                stage.witness.unheard.clear();
            }
        });
        self.stage.world.sockets.remove(&of);
        self.stage.witness.oracle.sessions.remove(&of);
        self.stage.witness.streams.remove(&of);
        self.stage.links.remove(&of);
    }

    pub fn carry_up(&mut self, of: ConnectionId) {
        match self.stage.links.get_mut(&of).and_then(|link| link.up.pop_front()) {
            Some(Up::Message(message)) => self.hear(of, &message),
            Some(Up::Gone { said_goodbye }) => self.part(of, said_goodbye),
            None => {}
        }
    }

    pub fn carry_down(&mut self, of: ConnectionId) {
        let Some(link) = self.stage.links.get_mut(&of) else { return };
        let (down, is_torn) = (link.down.pop_front(), link.is_torn);
        if let Some(Down::Frame(frame)) = &down {
            self.note(|_| format!("{} hears {}", name(of), frame.to_string().chars().take(FRAME).collect::<String>()));
        }
        let tab = self.tabs.iter_mut().find(|tab| tab.link == Some(of));
        match (down, tab) {
            (Some(Down::Frame(frame)), Some(tab)) if tab.is_greeting => {
                let dos = tab.hears(&frame, is_torn, self.mono);
                self.follow(of, dos);
            }
            (Some(Down::Closed(code)), Some(tab)) => {
                tab.unlink();
                self.note(|_| format!("{} hears that it is closed with {code}", name(of)));
                // What is still on its way to the room is too late, and the room must not mind it.
                while self.stage.links.get(&of).is_some_and(|link| !link.up.is_empty()) {
                    self.carry_up(of);
                }
                self.stage.links.remove(&of);
            }
            (Some(_) | None, Some(_) | None) => {}
        }
    }

    fn follow(&mut self, of: ConnectionId, dos: Vec<Do>) {
        for one in dos {
            match one {
                Do::Send(message) => self.send(of, message),
                Do::Reconnect => {
                    let at = self.tabs.iter().position(|tab| tab.link == Some(of)).unwrap();
                    self.drop_link(at, true);
                }
            }
        }
    }

    /// A client puts a message on its way.
    pub fn send(&mut self, of: ConnectionId, message: Message) {
        self.stage.links.get_mut(&of).into_iter().for_each(|link| link.up.push_back(Up::Message(message.clone())));
    }

    /// A client's link goes. What is in flight is lost from a place on that chance decides.
    pub fn drop_link(&mut self, tab: usize, said_goodbye: bool) {
        let Some(of) = self.tabs[tab].link else { return };
        self.note(|_| format!("{} goes, with a goodbye: {said_goodbye}", name(of)));
        self.tabs[tab].unlink();
        let Some(link) = self.stage.links.get_mut(&of) else { return };
        link.down.clear();
        if !said_goodbye {
            let cut = self.random.index(link.up.len() + 1);
            link.up.truncate(cut);
        }
        link.up.push_back(Up::Gone { said_goodbye });
    }

    /// Time passes. Timers and alarms ring on their way.
    pub fn pass(&mut self, time: Millis) {
        let (end, mut rings) = (self.mono + time, 0);
        loop {
            let (offset, world) = (self.offset, &self.stage.world);
            let (timer, alarm) = (world.timer.map(|at| at - offset), world.alarm.map(|at| at - offset));
            let Some(next) = timer.into_iter().chain(alarm).filter(|at| *at <= end).min() else { break };
            rings = if next > self.mono { 0 } else { rings + 1 };
            assert!(rings < 50, "J8: the room is woken without end");
            self.mono = self.mono.max(next);
            if timer == Some(next) {
                self.note(|_| "the flush timer rings".to_owned());
                self.stage.world.timer = None;
                self.event(|driver, stage, now| {
                    if driver.room().is_some() {
                        stage.notice_time(driver, now);
                    }
                    driver.flush(stage, now);
                });
            } else {
                self.note(|_| "the alarm rings".to_owned());
                self.stage.world.alarm = None;
                self.event(|driver, stage, now| {
                    stage.notice_time(driver, now);
                    driver.alarm(stage, now);
                    if stage.is_dead {
                        // The runtime rings an alarm again whose handler did not come to its end.
                        stage.world.alarm = Some(now + 1_000);
                    }
                });
            }
        }
        self.mono = end;
        self.stage.witness.clock = self.stage.witness.clock.max(self.now());
    }

    /// The server's clock is set to another time. Timers go on as they were; alarms mean a time of the clock.
    fn jump(&mut self) {
        let by = self.random.pick(&[40, -40, 5_000, -5_000, 200_000, -200_000, DAY, -DAY, 31 * DAY]);
        self.note(|_| format!("the clock jumps by {by} ms"));
        self.offset += by;
        self.stage.world.timer.iter_mut().for_each(|at| *at += by);
        self.stage.witness.clock_jumps();
        self.pass(0);
    }

    /// Everybody goes, and nobody comes for as long as the room is kept.
    fn expire(&mut self) {
        self.note(|_| "everybody goes for long".to_owned());
        for tab in 0..self.tabs.len() {
            self.drop_link(tab, true);
        }
        for of in self.stage.links.keys().copied().collect::<Vec<_>>() {
            while self.stage.links.get(&of).is_some_and(|link| !link.up.is_empty()) {
                self.carry_up(of);
            }
        }
        for of in self.stage.world.sockets.keys().copied().collect::<Vec<_>>() {
            self.part(of, false);
        }
        let may_stay = self.stage.is_unarmed || self.random.percent(30);
        let is_rough = std::mem::replace(&mut self.is_rough, false);
        // The clock may have been put back, and the room goes by the latest time that it has seen.
        let behind = (self.stage.witness.clock - self.now()).max(0);
        let time_to_live = self.mix.time_to_live;
        self.pass(if may_stay { DAY } else { behind + time_to_live + time_to_live / 30 + DAY });
        self.is_rough = is_rough;
        let is_gone = self.stage.world.load().unwrap().is_none();
        assert!(is_gone || may_stay, "X3: the room stays");
    }

    /// One step of the run.
    pub fn take_step(&mut self) {
        self.step += 1;
        match self.random.weighted(&self.mix.acts.clone()) {
            Act::CarryUp => {
                let of = self.busy(|link| !link.up.is_empty());
                for _ in 0..self.random.below(5) {
                    of.into_iter().for_each(|of| self.carry_up(of));
                }
            }
            Act::CarryDown => {
                let of = self.busy(|link| !link.down.is_empty());
                for _ in 0..self.random.below(8) {
                    of.into_iter().for_each(|of| self.carry_down(of));
                }
            }
            Act::Client => self.act(),
            Act::Move => self.move_about(),
            Act::Connect => {
                let tab = self.random.index(self.tabs.len());
                self.connect(tab);
            }
            Act::Drop => {
                let tab = self.random.index(self.tabs.len());
                let said_goodbye = self.random.percent(50);
                self.drop_link(tab, said_goodbye);
            }
            Act::Pass => {
                let haste = u64::try_from(self.mix.haste).unwrap();
                let some = Millis::try_from(self.random.between(1, haste)).unwrap();
                let time = self.random.weighted(&[(80, some), (10, 300), (6, 2_500), (2, 151_000), (1, 2 * DAY)]);
                self.pass(time);
            }
            Act::Read => self.read(),
            Act::Sleep => self.sleep(),
            Act::Crash => {
                let keeps_sockets = self.random.percent(50);
                self.crash(keeps_sockets);
                if self.random.percent(50) {
                    self.gather();
                }
            }
            Act::Jump => self.jump(),
            Act::Expire => self.expire(),
        }
    }

    /// One of the links for which this holds.
    fn busy(&mut self, is_busy: impl Fn(&Link) -> bool) -> Option<ConnectionId> {
        let busy = self.stage.links.iter().filter(|(_, link)| is_busy(link)).map(|(of, _)| *of).collect::<Vec<_>>();
        (!busy.is_empty()).then(|| self.random.pick(&busy))
    }
}
