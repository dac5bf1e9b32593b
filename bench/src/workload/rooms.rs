//! Many rooms with a few people each. In every room somebody writes at a steady rate, in turn, and the others see it.
//!
//! As in `scheduled`, writes are due at times that were fixed before the first one, and latency counts from then.

mod ledger;

use super::Target;
use super::measured::{AT_A_TIME, Common, Meter, filler, leave, micros, room_url};
use crate::dialect::Write;
use crate::files;
use crate::memory::{Gauge, Memory};
use crate::peer::{Fault, Faults, Peer};
use crate::report::{Quantiles, times};
use crate::schedule::Schedule;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use ledger::{Ledger, Turns};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

/// The frames of the joining are out of the way by then.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Rooms {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    gauge: Gauge,
    #[arg(long, default_value_t = 1000)]
    rooms: usize,
    /// How many are in each room.
    #[arg(long, default_value_t = 3)]
    people: usize,
    /// Writes in each room in a second.
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// For how many seconds they write.
    #[arg(long, default_value = "10", value_parser = super::seconds)]
    seconds: Duration,
    /// How many fields each room holds. They are written in turn.
    #[arg(long, default_value_t = 20)]
    fields: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its `elapsed` is from the first due write until all had come, or was given up.
    #[serde(flatten)]
    common: Common,
    rooms: usize,
    people: usize,
    written: u64,
    /// Each write, once for each of its receivers.
    expected: u64,
    delivered: u64,
    lost: u64,
    /// Of those delivered, the ones that a later change of the same field stood for.
    coalesced: u64,
    repeated: u64,
    latency: Option<Quantiles>,
    /// How late the load program itself wrote. This is part of each latency.
    lateness: Option<Quantiles>,
    /// At the end, with all sockets open.
    memory: Memory,
}

/// What everyone needs to know of the run.
struct Run {
    start: Instant,
    schedule: Schedule,
    turns: Turns,
    /// How many still wait for something.
    incomplete: AtomicUsize,
    complete: Notify,
}

/// Someone in a room.
struct Person {
    room: usize,
    peer: Peer,
    /// The numbers of the writes that are due. It ends when the run does.
    due: mpsc::UnboundedReceiver<u64>,
    ledger: Ledger,
    /// How late each of the own writes was.
    lateness: Vec<Duration>,
    faults: Faults,
}

type Alarm = mpsc::UnboundedSender<u64>;

impl Rooms {
    pub async fn run(self) -> Result<Report, String> {
        let schedule = Schedule::steady(self.rooms, self.rate, self.seconds);
        if self.rooms == 0 || self.people < 2 || self.fields == 0 || schedule.writes == 0 {
            return Err("There is a room with two people or more and a field, and something is written.".to_owned());
        }
        files::check(self.target.server_pid, self.rooms * self.people, self.rooms)?;
        let turns = Turns { people: self.people, fields: self.fields, writes: schedule.writes };
        let peers = self.open().await?;
        let run = Arc::new(Run {
            start: Instant::now() + SETTLE,
            schedule,
            turns,
            incomplete: AtomicUsize::new(peers.len()),
            complete: Notify::new(),
        });
        let (people, alarms) = self.people(&run, peers);
        let alarms = Arc::new(alarms);
        sleep_until(run.start.into()).await;
        let meter = Meter::start(&self.target)?;
        let pacer = thread::spawn({
            let (run, alarms) = (Arc::clone(&run), Arc::clone(&alarms));
            move || run.pace(&alarms)
        });
        // What has not come by then counts as lost.
        let _ = timeout(schedule.end() + self.target.drain, run.complete.notified()).await;
        let common = meter.stop("rooms", &self.target, Faults::default())?;
        let memory = self.gauge.read(self.target.server_pid).await?;
        pacer.join().map_err(|_| "the pacing thread panicked".to_owned())?;
        // With the last of the senders gone, everyone stops.
        drop(alarms);
        let mut left = Vec::with_capacity(people.len());
        for person in people {
            left.push(person.await.map_err(|error| error.to_string())?);
        }
        let report = self.report(&run, common, memory, &mut left);
        leave(left.into_iter().map(|person| person.peer)).await;
        Ok(report)
    }

    /// All peers, room by room.
    async fn open(&self) -> Result<Vec<Peer>, String> {
        let opening = (0..self.rooms).map(|room| self.open_room(room)).collect::<Vec<_>>();
        let rooms: Vec<Vec<Peer>> = stream::iter(opening).buffered(AT_A_TIME).try_collect().await?;
        Ok(rooms.into_iter().flatten().collect())
    }

    async fn open_room(&self, room: usize) -> Result<Vec<Peer>, Fault> {
        let (url, dialect) = (room_url(&self.target, room), self.target.dialect);
        let mut peers = vec![filler(&url, dialect, "u0", self.fields).await?];
        for person in 1..self.people {
            peers.push(Peer::join(&url, dialect, &format!("u{person}")).await?.0);
        }
        Ok(peers)
    }

    /// Everyone as a task, and what tells them that it is their turn.
    fn people(&self, run: &Arc<Run>, peers: Vec<Peer>) -> (Vec<JoinHandle<Person>>, Vec<Alarm>) {
        let people = peers.into_iter().enumerate().map(|(index, peer)| {
            let (alarm, due) = mpsc::unbounded_channel();
            let person = Person {
                room: index / self.people,
                peer,
                due,
                ledger: Ledger::new(run.turns, index % self.people, self.target.dialect.coalesces()),
                lateness: Vec::new(),
                faults: Faults::default(),
            };
            (tokio::spawn(person.take_part(Arc::clone(run))), alarm)
        });
        people.unzip()
    }

    fn report(&self, run: &Run, mut common: Common, memory: Memory, people: &mut [Person]) -> Report {
        let (mut latency, mut lateness) = (times(), times());
        let (mut written, mut delivered, mut coalesced, mut repeated) = (0, 0, 0, 0);
        for person in people {
            written += person.lateness.len() as u64;
            person.lateness.iter().for_each(|late| lateness.saturating_record(micros(*late)));
            delivered += person.ledger.delivered;
            coalesced += person.ledger.coalesced;
            repeated += person.ledger.repeated;
            for (number, at) in &person.ledger.arrivals {
                let due = run.schedule.due(person.room, *number);
                latency.saturating_record(micros(at.saturating_sub(due)));
            }
            common.faults.add(std::mem::take(&mut person.faults));
        }
        let expected = written * (self.people as u64 - 1);
        Report {
            common,
            rooms: self.rooms,
            people: self.people,
            written,
            expected,
            delivered,
            lost: expected - delivered,
            coalesced,
            repeated,
            latency: Quantiles::of(&latency),
            lateness: Quantiles::of(&lateness),
            memory,
        }
    }
}

impl Run {
    /// Tells everyone when it is their turn. A thread of its own does this, because the timers of the async runtime are
    /// only good to a millisecond.
    fn pace(&self, alarms: &[Alarm]) {
        for number in 1..=self.schedule.writes {
            for room in 0..self.schedule.writers {
                let due = self.start + self.schedule.due(room, number);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                // Who has gone does not write. That is counted as a closed connection.
                let _ = alarms[room * self.turns.people + self.turns.writer(number)].send(number);
            }
        }
    }

    fn one_is_complete(&self) {
        if self.incomplete.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.complete.notify_one();
        }
    }
}

impl Person {
    /// Writes and reads until the run is over.
    async fn take_part(mut self, run: Arc<Run>) -> Self {
        let mut is_complete = false;
        let fault = loop {
            if !is_complete && self.ledger.is_complete() {
                is_complete = true;
                run.one_is_complete();
            }
            let outcome = tokio::select! {
                number = self.due.recv() => match number {
                    Some(number) => self.write(number, &run).await,
                    None => return self,
                },
                text = self.peer.hear() => match text {
                    Ok(text) => {
                        self.take(&text, run.start.elapsed());
                        Ok(())
                    }
                    Err(fault) => Err(fault),
                },
            };
            if let Err(fault) = outcome {
                break fault;
            }
        };
        self.faults.count(fault);
        if !is_complete {
            run.one_is_complete();
        }
        self
    }

    async fn write(&mut self, number: u64, run: &Run) -> Result<(), Fault> {
        let due = run.schedule.due(self.room, number);
        let late = run.start.elapsed().saturating_sub(due);
        let write = Write { writer: run.turns.writer(number), field: run.turns.field(number), due, number };
        // It counts as written even when the connection breaks over it, since it may have reached the server.
        self.lateness.push(late);
        self.peer.write(&write).await
    }

    fn take(&mut self, text: &str, now: Duration) {
        let ledger = &mut self.ledger;
        if let Err(fault) = self.peer.writes(text, |write| ledger.take(write.number, now)) {
            self.faults.count(fault);
        }
    }
}
