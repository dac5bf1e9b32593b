//! One client of a fanout: the writer, which only awaits acks, or a receiver, which only reads.

use super::accounts::{self, Accounts, WRITER};
use super::window::Window;
use crate::connection::Connection;
use crate::dialect::{Dialect, Held, Write};
use crate::feed::Feed;
use std::future::poll_fn;
use std::task::{Context, Poll};

pub struct Party {
    me: usize,
    dialect: Dialect,
    fields: usize,
    connection: Connection,
    pub feed: Feed,
    pub accounts: Accounts,
    pub written: u64,
    /// How the server ended the connection.
    pub closed: Option<String>,
}

impl Party {
    pub async fn join(url: &str, dialect: Dialect, me: usize, fields: usize, run_id: &str) -> Result<Self, String> {
        let mut feed = Feed::new(dialect);
        let connection = Connection::join(url, dialect, me, run_id, &mut feed).await?;
        let accounts = Accounts::new(dialect, fields);
        Ok(Self { me, dialect, fields, connection, feed, accounts, written: 0, closed: None })
    }

    /// Writes or reads until the run is stopped.
    pub async fn take_part(&mut self, window: &Window) {
        poll_fn(|cx| self.poll(cx, window)).await;
        if self.closed.is_none() {
            self.connection.goodbye().await;
        }
    }

    fn poll(&mut self, cx: &mut Context, window: &Window) -> Poll<()> {
        window.waker(self.me).register(cx.waker());
        if window.is_stopped() {
            return Poll::Ready(());
        }
        if self.closed.is_none()
            && let Err(how) = self.read(cx, window).and_then(|()| self.write(cx, window))
        {
            self.closed = Some(how);
            window.break_off();
        }
        Poll::Pending
    }

    fn read(&mut self, cx: &mut Context, window: &Window) -> Result<(), String> {
        let Self { me, connection, feed, accounts, .. } = self;
        connection.read(cx, |text| {
            let now = window.now();
            accounts.frame(text, now, window);
            feed.take(text, |news| match *me {
                WRITER => accounts.confirm(news, now, window),
                _ => accounts.receive(news, now, window),
            });
        })
    }

    /// Writes as much as may be under way, until the measured time is over.
    fn write(&mut self, cx: &mut Context, window: &Window) -> Result<(), String> {
        while self.me == WRITER && window.is_free(self.written + 1) {
            let (number, due) = (self.written + 1, window.now());
            if due.is_zero() || due >= window.measured.end {
                break;
            }
            let field = accounts::field(number, self.fields);
            window.open(number, due);
            let held = if number <= self.fields as u64 { Held::Nothing } else { Held::Own };
            let write = Write { writer: self.me, field, due, number };
            self.connection.queue(self.dialect.write(&write, held))?;
            self.written = number;
        }
        self.connection.flush(cx)
    }
}
