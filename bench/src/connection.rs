//! A WebSocket of a client: opened, greeted, and driven from a poll function.

use crate::dialect::Dialect;
use crate::feed::Feed;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The library clears this much before each read.
const READ_BUFFER: usize = 8 << 10;
/// After so many frames a client lets others of its thread run, whose turn to write may have come.
const FRAMES_AT_ONCE: usize = 64;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a server may take to answer a goodbye that only spares it a broken connection.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

pub struct Connection {
    me: usize,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    unflushed: bool,
}

impl Connection {
    /// Connects, and says what a client has to say before its first write.
    pub async fn join(url: &str, dialect: Dialect, me: usize, run_id: &str, feed: &mut Feed) -> Result<Self, String> {
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let no_delay = true;
        let connecting = connect_async_with_config(url, Some(config), no_delay);
        let (socket, _) = timeout(ANSWER_WITHIN, connecting)
            .await
            .map_err(|_| format!("client {me} waited in vain to be connected"))?
            .map_err(|error| format!("client {me} cannot connect: {error}"))?;
        let mut connection = Self { me, socket, unflushed: false };
        if let Some(hello) = dialect.hello(&format!("bench-{run_id}-{me}")) {
            connection.say(hello).await?;
            timeout(ANSWER_WITHIN, connection.synced(feed))
                .await
                .map_err(|_| format!("client {me} waited in vain for the state of the room"))??;
        }
        if let Some(join) = dialect.join(me) {
            connection.say(join).await?;
        }
        Ok(connection)
    }

    async fn say(&mut self, text: String) -> Result<(), String> {
        self.socket.send(Message::text(text)).await.map_err(|error| format!("client {} cannot send: {error}", self.me))
    }

    async fn synced(&mut self, feed: &mut Feed) -> Result<(), String> {
        while feed.to().is_none() {
            match self.socket.next().await {
                // Nobody has written yet, so there is nothing to account for.
                Some(Ok(Message::Text(text))) => feed.take(&text, |_| ()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(format!("client {} was refused", self.me)),
                Some(Ok(_)) => {}
            }
            if !feed.traffic.errors.is_empty() {
                return Err(format!("the server refuses `hello`: {:?}", feed.traffic.errors));
            }
        }
        Ok(())
    }

    /// Whether or not the server keeps up: what it does not take waits in our buffer.
    pub fn queue(&mut self, text: String) -> Result<(), String> {
        self.unflushed = true;
        Pin::new(&mut self.socket).start_send(Message::text(text)).map_err(how_it_broke)
    }

    pub fn flush(&mut self, cx: &mut Context) -> Result<(), String> {
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            flushed.map_err(how_it_broke)?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Reads what has come. The error is the close code, or how else the connection ended.
    pub fn read(&mut self, cx: &mut Context, mut take: impl FnMut(&str)) -> Result<(), String> {
        for _ in 0..FRAMES_AT_ONCE {
            let Poll::Ready(frame) = Pin::new(&mut self.socket).poll_next(cx) else { return Ok(()) };
            match frame {
                Some(Ok(Message::Text(text))) => take(&text),
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

    /// The results are in. A goodbye only spares the server a broken connection.
    pub async fn goodbye(&mut self) {
        let _ = timeout(GOODBYE_WITHIN, self.socket.close(None)).await;
    }
}

fn how_it_broke(error: Error) -> String {
    error.to_string()
}
