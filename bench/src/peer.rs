//! A client that asks and waits for the answer, one step after the other. It is for workloads that measure questions;
//! `client` is for those that measure a stream of writes.

mod words;

use crate::dialect::{Dialect, Write};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use words::{Heard, Words};
pub use words::{State, Version};

/// Thousands of peers have one each.
const READ_BUFFER: usize = 16 << 10;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a server may take to answer a goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);
/// So many writes may be without an ack. A numbered client may have 64 under way.
const UNACKED: usize = 64;

/// What ends a question without an answer.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// There is no connection (any more): the close code, or the way in which it broke.
    Closed(String),
    /// The server has answered with an error of this code.
    Refused(String),
    /// No answer came in time.
    Silent,
    /// The answer holds less than the room was filled with.
    Incomplete,
}

impl Fault {
    fn broken(error: Error) -> Self {
        Self::Closed(error.to_string())
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        match self {
            Self::Closed(how) => write!(formatter, "a connection has ended or did not come about: {how}"),
            Self::Refused(code) => write!(formatter, "the server refuses a message: {code}"),
            Self::Silent => write!(formatter, "a client waited {} s in vain for an answer", ANSWER_WITHIN.as_secs()),
            Self::Incomplete => write!(formatter, "the room does not hold what it was filled with"),
        }
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

/// How often which fault came up.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    closed_by_server: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
}

impl Faults {
    pub fn count(&mut self, fault: Fault) {
        let (table, code) = match fault {
            Fault::Closed(how) => (&mut self.closed_by_server, how),
            Fault::Refused(code) => (&mut self.errors, code),
            Fault::Silent => (&mut self.errors, "no answer".to_owned()),
            Fault::Incomplete => (&mut self.errors, "incomplete state".to_owned()),
        };
        *table.entry(code).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        for (table, other) in [(&mut self.closed_by_server, other.closed_by_server), (&mut self.errors, other.errors)] {
            for (code, count) in other {
                *table.entry(code).or_default() += count;
            }
        }
    }
}

/// An answer to a question about the state.
pub struct Answer {
    /// When it was read, before anything was made of it.
    pub at: Instant,
    pub bytes: usize,
    pub state: State,
}

pub struct Peer {
    words: Words,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    acked: u64,
    /// How many writes without a number there were.
    filled: u64,
}

impl Peer {
    /// Only connects. `name` is a user and a client of its own.
    pub async fn connect(url: &str, dialect: Dialect, name: &str) -> Result<Self, Fault> {
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let no_delay = true;
        let connecting = connect_async_with_config(url, Some(config), no_delay);
        let (socket, _) =
            timeout(ANSWER_WITHIN, connecting).await.map_err(|_| Fault::Silent)?.map_err(Fault::broken)?;
        Ok(Self { words: Words::new(dialect, name), socket, acked: 0, filled: 0 })
    }

    /// Connects, joins and has read the state, if the server keeps one.
    pub async fn join(url: &str, dialect: Dialect, name: &str) -> Result<(Self, Option<Answer>), Fault> {
        let mut peer = Self::connect(url, dialect, name).await?;
        let frames = peer.words.joining();
        peer.say(frames).await?;
        let answer = if dialect.keeps_state() { Some(peer.answer().await?) } else { None };
        Ok((peer, answer))
    }

    /// As the first that is said in a new connection: asks what has changed since then, where the server can tell.
    pub async fn resume(&mut self, since: &Version) -> Result<Answer, Fault> {
        let frame = self.words.resuming(since);
        self.say([frame]).await?;
        self.answer().await
    }

    pub async fn ask(&mut self, since: Option<&Version>) -> Result<Answer, Fault> {
        self.say_question(since).await?;
        self.answer().await
    }

    /// Asks without waiting for the answer.
    pub async fn say_question(&mut self, since: Option<&Version>) -> Result<(), Fault> {
        let frame = self.words.question(since);
        self.say([frame]).await
    }

    /// Waits for the next answer. Answers come in the order of their questions.
    pub async fn answer(&mut self) -> Result<Answer, Fault> {
        timeout(ANSWER_WITHIN, async {
            loop {
                let text = self.hear().await?;
                let at = Instant::now();
                match self.words.heard(&text) {
                    Heard::State(state) => return Ok(Answer { at, bytes: text.len(), state }),
                    Heard::Fault(code) => return Err(Fault::Refused(code)),
                    Heard::Ack(_) | Heard::Other => {}
                }
            }
        })
        .await
        .map_err(|_| Fault::Silent)?
    }

    /// Writes a value into each of so many fields, and makes sure that the server has them all.
    pub async fn fill(&mut self, fields: usize) -> Result<(), Fault> {
        self.write_all(0..fields).await?;
        if self.words.dialect.keeps_state() && self.ask(None).await?.state.entries < fields {
            return Err(Fault::Incomplete);
        }
        Ok(())
    }

    /// Writes each of these fields, and waits for the acks if there are any.
    pub async fn write_all(&mut self, fields: impl Iterator<Item = usize>) -> Result<(), Fault> {
        for fields in fields.collect::<Vec<_>>().chunks(UNACKED) {
            let frames = fields.iter().map(|field| self.unnumbered(*field)).collect::<Vec<_>>();
            self.say(frames).await?;
            timeout(ANSWER_WITHIN, self.acks()).await.map_err(|_| Fault::Silent)??;
        }
        Ok(())
    }

    /// No two have the same value, as a server may have nothing to do for one that changes nothing.
    fn unnumbered(&mut self, field: usize) -> String {
        self.filled += 1;
        self.words.write(&Write { writer: 0, field, due: Duration::from_micros(self.filled), number: 0 })
    }

    async fn acks(&mut self) -> Result<(), Fault> {
        while self.acked < self.words.awaited_ack() {
            let text = self.hear().await?;
            match self.words.heard(&text) {
                Heard::Ack(seq) => self.acked = seq,
                Heard::Fault(code) => return Err(Fault::Refused(code)),
                Heard::State(_) | Heard::Other => {}
            }
        }
        Ok(())
    }

    /// Writes without waiting for an ack.
    pub async fn write(&mut self, write: &Write) -> Result<(), Fault> {
        let frame = self.words.write(write);
        self.say([frame]).await
    }

    /// Tells the writes in a frame that was heard.
    pub fn writes(&mut self, text: &str, told: impl FnMut(Write)) -> Result<(), Fault> {
        match self.words.writes(text, told) {
            Heard::Fault(code) => Err(Fault::Refused(code)),
            Heard::State(_) | Heard::Ack(_) | Heard::Other => Ok(()),
        }
    }

    async fn say(&mut self, frames: impl IntoIterator<Item = String>) -> Result<(), Fault> {
        let saying = async {
            for frame in frames {
                self.socket.feed(Message::text(frame)).await?;
            }
            self.socket.flush().await
        };
        timeout(ANSWER_WITHIN, saying).await.map_err(|_| Fault::Silent)?.map_err(Fault::broken)
    }

    /// The next frame. Nothing is lost when this is dropped halfway.
    pub async fn hear(&mut self) -> Result<Utf8Bytes, Fault> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(close))) => {
                    let code = close.map(|close| u16::from(close.code).to_string());
                    return Err(Fault::Closed(code.unwrap_or_else(|| "no code".to_owned())));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Fault::broken(error)),
                None => return Err(Fault::Closed("no close frame".to_owned())),
            }
        }
    }

    /// Says goodbye, and waits until the server has taken it, so that its work for this peer is done.
    pub async fn leave(mut self) {
        let _ = timeout(GOODBYE_WITHIN, async {
            // A server cannot give a goodbye without a code back.
            let goodbye = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            if self.socket.close(Some(goodbye)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_by_their_code() {
        let mut faults = Faults::default();
        for fault in [Fault::Closed("4429".into()), Fault::Refused("storage".into()), Fault::Silent, Fault::Silent] {
            faults.count(fault);
        }
        assert_eq!(faults.closed_by_server, BTreeMap::from([("4429".to_owned(), 1)]));
        assert_eq!(faults.errors, BTreeMap::from([("storage".to_owned(), 1), ("no answer".to_owned(), 2)]));
        let mut others = Faults::default();
        others.count(Fault::Silent);
        faults.add(others);
        assert_eq!((faults.errors["no answer"], faults.closed_by_server["4429"]), (3, 1));
    }
}
