//! One client: its connection, its turns to write, and the ledger of what it received.

use crate::dialect::Dialect;
use crate::ledger::Ledger;
use crate::report::{Times, times};
use crate::schedule::Schedule;
use futures_util::task::AtomicWaker;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The library clears this much before each read.
const READ_BUFFER: usize = 16 << 10;
/// After so many frames a client lets others of its thread run, whose turn to write may have come.
const FRAMES_AT_ONCE: usize = 64;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What all clients of a run share.
pub struct Run {
    pub start: Instant,
    pub schedule: Schedule,
    wakers: Vec<AtomicWaker>,
    stop: AtomicBool,
    incomplete: AtomicUsize,
    complete: Notify,
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
        self.wakers.iter().for_each(AtomicWaker::wake);
    }
}

pub struct Client {
    me: usize,
    dialect: Dialect,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    unflushed: bool,
    complete: bool,
    pub ledger: Ledger,
    pub written: u64,
    pub lateness: Times,
    /// How the server ended the connection.
    pub closed: Option<String>,
}

impl Client {
    /// Connects, and says what a client has to say before its first write.
    pub async fn join(
        url: &str,
        dialect: Dialect,
        me: usize,
        schedule: Schedule,
        run_id: &str,
    ) -> Result<Self, String> {
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let no_delay = true;
        let connecting = connect_async_with_config(url, Some(config), no_delay);
        let (socket, _) = timeout(ANSWER_WITHIN, connecting)
            .await
            .map_err(|_| format!("client {me} waited in vain to be connected"))?
            .map_err(|error| format!("client {me} cannot connect: {error}"))?;
        let mut client = Self {
            me,
            dialect,
            socket,
            unflushed: false,
            complete: false,
            ledger: Ledger::new(me, dialect, schedule),
            written: 0,
            lateness: times(),
            closed: None,
        };
        if let Some(hello) = dialect.hello(&format!("bench-{run_id}-{me}")) {
            client.say(hello).await?;
            timeout(ANSWER_WITHIN, client.synced())
                .await
                .map_err(|_| format!("client {me} waited in vain for `welcome` and `sync_response`"))??;
        }
        if let Some(join) = dialect.join(me) {
            client.say(join).await?;
        }
        Ok(client)
    }

    async fn say(&mut self, text: String) -> Result<(), String> {
        self.socket.send(Message::text(text)).await.map_err(|error| format!("client {} cannot send: {error}", self.me))
    }

    async fn synced(&mut self) -> Result<(), String> {
        while !self.ledger.synced() {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => self.ledger.take(&text, Duration::ZERO),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(format!("client {} was refused", self.me)),
                Some(Ok(_)) => {}
            }
            if !self.ledger.tally.errors.is_empty() {
                return Err(format!("the server refuses `hello`: {:?}", self.ledger.tally.errors));
            }
        }
        Ok(())
    }

    /// Writes and reads until the run is stopped.
    pub async fn take_part(&mut self, run: &Run) {
        poll_fn(|cx| self.poll(cx, run)).await;
        if self.closed.is_none() {
            // The results are in. A goodbye only spares the server a broken connection.
            let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
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
        if !self.complete && (self.closed.is_some() || self.ledger.is_complete()) {
            self.complete = true;
            if run.incomplete.fetch_sub(1, Ordering::AcqRel) == 1 {
                run.complete.notify_one();
            }
        }
        Poll::Pending
    }

    /// Writes all that is due, whether or not the server keeps up: what it does not take waits in our buffer.
    fn write_due(&mut self, cx: &mut Context, run: &Run) -> Result<(), String> {
        while self.me < run.schedule.writers && self.written < run.schedule.writes {
            let number = self.written + 1;
            let due = run.schedule.due(self.me, number);
            // Nothing is due before the start, and the time since then is zero until it comes.
            let Some(late) = Instant::now().checked_duration_since(run.start + due) else { break };
            self.lateness.saturating_record(late.as_micros() as u64);
            let frame = self.dialect.write(self.me, number, due);
            Pin::new(&mut self.socket).start_send(Message::text(frame)).map_err(how_it_broke)?;
            self.written = number;
            self.unflushed = true;
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            flushed.map_err(how_it_broke)?;
            self.unflushed = false;
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context, run: &Run) -> Result<(), String> {
        for _ in 0..FRAMES_AT_ONCE {
            let Poll::Ready(frame) = Pin::new(&mut self.socket).poll_next(cx) else { return Ok(()) };
            match frame {
                Some(Ok(Message::Text(text))) => {
                    self.ledger.take(&text, Instant::now().saturating_duration_since(run.start));
                }
                Some(Ok(Message::Close(close))) => {
                    return Err(close.map_or("no code".to_owned(), |close| u16::from(close.code).to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(how_it_broke(error)),
                None => return Err("no close frame".to_owned()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }
}

fn how_it_broke(error: Error) -> String {
    error.to_string()
}
