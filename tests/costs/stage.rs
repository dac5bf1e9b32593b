//! A room with its platform and a clock. What clients say is made up outside of what is counted.

use std::collections::BTreeMap;

use roomkeep::access::pass::Admission;
use roomkeep::driver::Driver;
use roomkeep::protocol::Millis;
use roomkeep::protocol::connection::ConnectionId;
use roomkeep::room::settings::Settings;

use crate::meter::Meter;
use crate::{heap, say};

/// A room, and the time.
pub struct Stage {
    driver: Driver,
    settings: Settings,
    pub meter: Meter,
    pub now: Millis,
    /// The last number of each client that said `hello`.
    numbers: BTreeMap<String, u64>,
}

/// The defaults of the protocol, for people who type fast.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.limits.messages_per_second = 1_000_000;
    settings.limits.messages_burst = 1_000_000;
    settings.limits.writes_per_second = 1_000_000;
    settings.limits.writes_burst = 1_000_000;
    settings
}

impl Stage {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let (driver, meter) = (Driver::new(settings.clone()), Meter::new());
        Self { driver, settings, meter, now: 1_000_000, numbers: BTreeMap::new() }
    }

    /// Whether the room holds anything in memory.
    pub fn is_awake(&self) -> bool {
        self.driver.room().is_some()
    }

    /// The room's version.
    pub fn version(&self) -> u64 {
        self.driver.room().expect("the room is awake").version()
    }

    /// What has waited is done first, as in the runtime.
    fn event<T>(&mut self, happen: impl FnOnce(&mut Driver, &mut Meter, Millis) -> T) -> T {
        heap::within(|| {
            self.driver.drain_inbox(&mut self.meter, self.now);
            happen(&mut self.driver, &mut self.meter, self.now)
        })
    }

    /// The runtime comes round to the flush timer, if that is due.
    pub fn come_round(&mut self) {
        while self.meter.timer.is_some_and(|at| at <= self.now) {
            self.meter.timer = None;
            heap::within(|| self.driver.flush(&mut self.meter, self.now));
        }
    }

    /// Goes on to a time. The flush timer and the alarm ring on the way.
    pub fn go_to(&mut self, end: Millis) {
        while let Some(next) = self.meter.timer.into_iter().chain(self.meter.alarm).min().filter(|at| *at <= end) {
            self.now = self.now.max(next);
            if self.meter.timer == Some(next) {
                self.come_round();
            } else {
                self.meter.alarm = None;
                self.event(|driver, meter, now| driver.alarm(meter, now));
            }
        }
        self.now = end;
    }

    /// Lets some milliseconds pass.
    pub fn pass(&mut self, time: Millis) {
        self.go_to(self.now + time);
    }

    /// Opens a connection.
    pub fn connect(&mut self, name: &str) -> ConnectionId {
        self.come_round();
        let (connection, alarm) = (say::connection(name), self.meter.alarm);
        self.meter.open(connection);
        self.event(|driver, meter, now| {
            driver.admit(meter, &Admission::Anonymous.into(), now).unwrap();
            driver.connect(meter, connection, Admission::Anonymous.into(), alarm, now);
        });
        connection
    }

    /// A plain client comes and joins as the user of this name.
    pub fn join_plain(&mut self, name: &str) {
        self.connect(name);
        self.say(name, &say::join(name));
    }

    /// A client comes, says `hello` and joins.
    pub fn join(&mut self, name: &str) {
        self.connect(name);
        self.say(name, &format!(r#"{{"type":"hello","protocol":1,"clientId":"client-of-{name}"}}"#));
        self.say(name, &say::join(name));
        self.numbers.insert(name.to_owned(), 0);
    }

    /// A client that the room has never seen comes and says `hello`.
    pub fn arrive(&mut self, name: &str, client: usize) {
        self.connect(name);
        self.say(name, &format!(r#"{{"type":"hello","protocol":1,"clientId":"client-{client}"}}"#));
    }

    /// Another such client comes, numbers a message as this user, and goes.
    pub fn visit(&mut self, user: &str, client: usize) {
        self.arrive("visitor", client);
        self.say("visitor", &say::with_seq(1, &say::set(user, "visited", "1")));
        self.leave("visitor");
    }

    /// Says something.
    pub fn say(&mut self, name: &str, text: &str) {
        self.come_round();
        self.say_at_once(name, text);
    }

    /// Says something before the runtime comes round to the timer.
    pub fn say_at_once(&mut self, name: &str, text: &str) {
        let from = say::connection(name);
        if self.meter.timer.is_some() && text.starts_with(r#"{"type":"field_"#) {
            heap::within(|| self.meter.held.push((from, text.to_owned())));
        } else {
            self.event(|driver, meter, now| driver.receive(meter, from, Some(text), now));
        }
    }

    /// Sets a field, under a number where the client counts.
    pub fn set(&mut self, name: &str, field: usize, value: usize) {
        self.come_round();
        self.set_at_once(name, field, value);
    }

    /// The same before the runtime comes round to the timer.
    pub fn set_at_once(&mut self, name: &str, field: usize, value: usize) {
        let message = say::set(name, &format!("field-{field}"), &format!(r#""value {value:06}""#));
        let message = match self.numbers.get_mut(name) {
            Some(number) => {
                *number += 1;
                say::with_seq(*number, &message)
            }
            None => message,
        };
        self.say_at_once(name, &message);
    }

    /// The last number that a client gave.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers[name]
    }

    /// A page is closed.
    pub fn leave(&mut self, name: &str) {
        let connection = say::connection(name);
        self.event(|driver, meter, now| driver.disconnect(meter, connection, true, now));
        self.meter.forget(connection);
    }

    /// The runtime lets go of the room's memory. Returns how many bytes that was.
    pub fn sleep(&mut self) -> i64 {
        self.come_round();
        assert_eq!(self.meter.timer, None, "a room with a timer does not sleep");
        let before = heap::live();
        drop(std::mem::replace(&mut self.driver, Driver::new(self.settings.clone())));
        before - heap::live()
    }
}
