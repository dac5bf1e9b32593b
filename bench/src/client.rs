//! One client of a scheduled run: its connection, its turns to write, and the ledger of what it received.

use crate::connection::Connection;
use crate::dialect::{Dialect, Held, Write};
use crate::feed::Feed;
use crate::ledger::Ledger;
use crate::report::{Times, times};
use crate::schedule::Schedule;
use futures_util::task::AtomicWaker;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Instant;
use tokio::sync::Notify;

/// What all clients of a run share.
pub struct Run {
    pub start: Instant,
    pub schedule: Schedule,
    wakers: Vec<AtomicWaker>,
    stop: AtomicBool,
    incomplete: AtomicUsize,
    complete: Notify,
    /// How many writers have writes that are not acknowledged, and the last version that was.
    unacked: AtomicUsize,
    last_version: AtomicU64,
}

impl Run {
    pub fn new(start: Instant, schedule: Schedule, clients: usize) -> Self {
        Self {
            start,
            schedule,
            wakers: (0..clients).map(|_| AtomicWaker::new()).collect(),
            stop: AtomicBool::new(false),
            incomplete: AtomicUsize::new(clients),
            complete: Notify::new(),
            unacked: AtomicUsize::new(schedule.writers),
            last_version: AtomicU64::new(0),
        }
    }

    /// Wakes each writer when its turn comes. A thread of its own does this, because the timers of the async runtime
    /// are only good to a millisecond.
    pub fn pace(&self) {
        for (due, writer) in self.schedule.turns() {
            thread::sleep((self.start + due).saturating_duration_since(Instant::now()));
            self.wakers[writer].wake();
        }
    }

    /// Waits until every client has all that it can get.
    pub async fn completed(&self) {
        self.complete.notified().await;
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.wakers.iter().for_each(AtomicWaker::wake);
    }

    /// A writer has all its acks, up to this version, or will get no more.
    fn is_acked(&self, version: u64) {
        self.last_version.fetch_max(version, Ordering::AcqRel);
        if self.unacked.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake_all();
        }
    }

    /// The version of the last write, once all are acknowledged.
    fn last_version(&self) -> Option<u64> {
        (self.unacked.load(Ordering::Acquire) == 0).then(|| self.last_version.load(Ordering::Acquire))
    }
}

pub struct Client {
    pub me: usize,
    dialect: Dialect,
    connection: Connection,
    complete: bool,
    /// Whether the run was told that no more acks will come.
    acked: bool,
    pub feed: Feed,
    pub ledger: Ledger,
    pub written: u64,
    pub lateness: Times,
    /// How the server ended the connection.
    pub closed: Option<String>,
}

impl Client {
    pub async fn join(
        url: &str,
        dialect: Dialect,
        me: usize,
        schedule: Schedule,
        run_id: &str,
    ) -> Result<Self, String> {
        let mut feed = Feed::new(dialect);
        let connection = Connection::join(url, dialect, me, run_id, &mut feed).await?;
        Ok(Self {
            me,
            dialect,
            connection,
            complete: false,
            acked: false,
            feed,
            ledger: Ledger::new(me, dialect, schedule),
            written: 0,
            lateness: times(),
            closed: None,
        })
    }

    /// Writes and reads until the run is stopped.
    pub async fn take_part(&mut self, run: &Run) {
        poll_fn(|cx| self.poll(cx, run)).await;
        if self.closed.is_none() {
            self.connection.goodbye().await;
        }
    }

    fn poll(&mut self, cx: &mut Context, run: &Run) -> Poll<()> {
        run.wakers[self.me].register(cx.waker());
        if run.stop.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if self.closed.is_none() {
            let result = self.write_due(cx, run).and_then(|()| self.read(cx, run));
            self.closed = result.err();
        }
        if !self.acked && self.me < run.schedule.writers && (self.closed.is_some() || self.ledger.is_acked()) {
            self.acked = true;
            run.is_acked(self.ledger.acked_version());
        }
        if !self.complete && (self.closed.is_some() || self.ledger.is_complete(self.feed.to(), run.last_version())) {
            self.complete = true;
            if run.incomplete.fetch_sub(1, Ordering::AcqRel) == 1 {
                run.complete.notify_one();
            }
        }
        Poll::Pending
    }

    /// Writes all that is due.
    fn write_due(&mut self, cx: &mut Context, run: &Run) -> Result<(), String> {
        while self.me < run.schedule.writers && self.written < run.schedule.writes {
            let number = self.written + 1;
            let due = run.schedule.due(self.me, number);
            // Nothing is due before the start, and the time since then is zero until it comes.
            let Some(late) = Instant::now().checked_duration_since(run.start + due) else { break };
            self.lateness.saturating_record(late.as_micros() as u64);
            let write = Write { writer: self.me, field: run.schedule.field(self.me), due, number };
            let held = match number {
                1 => Held::Nothing,
                _ if run.schedule.is_shared() => Held::Others,
                _ => Held::Own,
            };
            self.connection.queue(self.dialect.write(&write, held))?;
            self.written = number;
        }
        self.connection.flush(cx)
    }

    fn read(&mut self, cx: &mut Context, run: &Run) -> Result<(), String> {
        let Self { connection, feed, ledger, .. } = self;
        connection.read(cx, |text| {
            let now = Instant::now().saturating_duration_since(run.start);
            feed.take(text, |news| ledger.take(news, now));
        })
    }
}
