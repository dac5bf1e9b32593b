//! `GET /events`: a room's changes as Server-Sent Events (H4).
//!
//! The Worker serves the stream and holds a socket to the room, like any client. So the room sleeps between changes,
//! and what goes wrong with a stream affects only the stream. A stream ends after some minutes, and its socket with it,
//! so that readers who are long gone do not stay in the room's count.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use futures::stream::{Stream, StreamExt};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Delay, Env, Headers, Request, Response, ResponseBuilder, Result, WebSocket, WebsocketEvent};

use crate::access::pass::Admission;
use crate::protocol::Millis;
use crate::protocol::feed::{self, Feed, Position, Step};
use crate::protocol::json::Extra;
use crate::room::settings::Settings;
use crate::room::unread::Unread;

use super::environment::{now, random_id, variable};
use super::http::{headers, problem, problem_text, status_of};
use super::to_room::ToRoom;
use super::url::url_of;

/// How long without a change before a comment is sent, in milliseconds, so that no proxy considers the stream dead.
const KEEP_ALIVE: Millis = 20_000;

/// After how long a refused reader tries again if the refusal does not say, in seconds.
const REFUSED_RETRY: u32 = 5;

/// The sentence that a reader gets beside the code.
fn ended(code: &str) -> &'static str {
    match status_of(code) {
        401 => "The token has expired. Open the stream again with a new one.",
        403 | 410 => "The stream was closed, and opening it again with this token will not help.",
        _ => "The stream ended. Open it again; it resumes where it stopped.",
    }
}

/// Reports that the stream has begun, or the code with which it has not.
type Begun = oneshot::Sender<Option<String>>;

/// Responds with the stream, or with why there is none.
pub async fn serve(request: &Request, env: &Env, name: &str, entry: &Admission) -> Result<Response> {
    // The address is that of the first opening, so what an `EventSource` says when it reopens is newer.
    let last = match request.headers().get("last-event-id")?.filter(|id| !id.is_empty()) {
        Some(id) => Some(id),
        None => url_of(request)?.query().get("lastEventId").filter(|id| !id.is_empty()),
    };
    let last = match last.as_deref().map(Position::parse) {
        Some(None) => {
            let detail = "`Last-Event-ID`, or `lastEventId` in the query, must be the id of an event of this stream.";
            return problem(400, "bad_request", detail);
        }
        Some(Some(position)) => Some(position),
        None => None,
    };
    let answer = ToRoom::stream(request)?.send(env, name, entry).await?;
    if answer.status_code() != 101 {
        return Ok(answer);
    }
    let Some(socket) = answer.websocket() else {
        return problem(503, "unavailable", "The room did not respond. Try again.");
    };
    let life =
        Settings::from_vars(|name| variable(env, name)).map_or(Settings::DEFAULT_STREAM_LIFE, |set| set.stream_life);
    let end = now() + life;
    let (mut reader, events) = reader();
    let (begun, begins) = oneshot::channel();
    spawn_local(async move {
        let mut begun = Some(begun);
        let problem = pump(&socket, Feed::new(last), &mut reader, &mut begun, end).await;
        match (problem, begun) {
            // A reader that is gone is no longer waiting for this.
            (problem, Some(begun)) => drop(begun.send(problem)),
            (Some(code), None) => {
                let data = problem_text(status_of(&code), &code, ended(&code), &Extra::new());
                reader.send(format!("event: problem\ndata: {data}\n\n"));
            }
            (None, None) => {}
        }
        // A socket that is already closed need not be closed.
        let _ = socket.close(Some(1000), Some("end of stream"));
    });
    // The headers wait for the first event, which says from where on every change is sent.
    if let Some(code) = begins.await.unwrap_or_else(|_| Some("internal".to_owned())) {
        return problem(status_of(&code), &code, ended(&code));
    }
    let bytes = events.map(|event| Ok::<_, worker::Error>(event.into_bytes()));
    ResponseBuilder::new().with_headers(stream_headers()?).from_stream(bytes.boxed_local())
}

/// A refusal that may pass, as a stream that ends at once with a problem: an `EventSource` gives up at any status but
/// 200 (H4). Other responses stay as they are.
pub async fn reopenable(mut response: Response) -> Result<Response> {
    if !matches!(response.status_code(), 429 | 500..=599) {
        return Ok(response);
    }
    let wait = response.headers().get("retry-after")?.and_then(|seconds| seconds.parse::<u32>().ok());
    let retry = u64::from(wait.unwrap_or(REFUSED_RETRY)) * 1_000;
    let problem = response.text().await?;
    let event = format!("retry: {retry}\nevent: problem\ndata: {problem}\n\n");
    Ok(ResponseBuilder::new().with_headers(stream_headers()?).fixed(event.into_bytes()))
}

fn stream_headers() -> Result<Headers> {
    let headers = headers("text/event-stream; charset=utf-8")?;
    // Behind a proxy that buffers, or compresses and therefore buffers, a reader would hear of changes late.
    headers.set("cache-control", "no-cache, no-transform")?;
    headers.set("x-accel-buffering", "no")?;
    Ok(headers)
}

/// The Worker's side of the reader's stream.
struct Reader {
    events: mpsc::UnboundedSender<String>,
    /// Bytes that were sent and have not been taken yet.
    unread: Rc<Cell<usize>>,
    /// Events that were asked for, and may be the whole room.
    replies: Unread,
    /// Whether the next event was asked for, as the first one is.
    has_asked: bool,
    /// Resolves when the reader is gone.
    gone: oneshot::Receiver<()>,
}

impl Reader {
    fn send(&self, event: String) {
        self.unread.set(self.unread.get() + event.len());
        // A reader that goes at this moment needs nothing more.
        let _ = self.events.unbounded_send(event);
    }

    fn send_event(&mut self, event: String) {
        if std::mem::take(&mut self.has_asked) {
            self.replies.replied(event.len());
        }
        self.send(event);
    }

    /// Whether it leaves too much unread.
    fn is_slow(&mut self) -> bool {
        self.replies.is_too_much(self.unread.get() as u64)
    }
}

fn reader() -> (Reader, impl Stream<Item = String>) {
    let (events, taken) = mpsc::unbounded::<String>();
    let (alive, gone) = oneshot::channel();
    let unread = Rc::new(Cell::new(0));
    let left = unread.clone();
    let taken = taken.map(move |event| {
        // Held by the stream, so that it is dropped with the stream.
        let _ = &alive;
        left.set(left.get() - event.len());
        event
    });
    (Reader { events, unread, replies: Unread::default(), has_asked: true, gone }, taken)
}

/// Turns the room's frames into events until the reader or the room is gone or the time is up. Returns the code of what
/// went wrong, if anything.
async fn pump(
    socket: &WebSocket,
    mut feed: Feed,
    reader: &mut Reader,
    begun: &mut Option<Begun>,
    end: Millis,
) -> Option<String> {
    let internal = |error: worker::Error| {
        worker::console_error!("a stream of events failed: {error}");
        Some("internal".to_owned())
    };
    let mut frames = match socket.events() {
        Ok(frames) => frames,
        Err(error) => return internal(error),
    };
    let hello = feed.hello(&format!("events-{}", random_id()));
    if let Err(error) = socket.accept().and_then(|()| socket.send_with_str(hello)) {
        return internal(error);
    }
    loop {
        let left = (end - now()).min(KEEP_ALIVE);
        if left <= 0 {
            return None;
        }
        let rest = Delay::from(Duration::from_millis(left.unsigned_abs()));
        let event = match select(frames.next(), select(rest, &mut reader.gone)).await {
            Either::Left((event, _)) => event,
            Either::Right((Either::Left(_), _)) => {
                reader.send(feed::KEEP_ALIVE.to_owned());
                continue;
            }
            Either::Right((Either::Right(_), _)) => return None,
        };
        let step = match event {
            Some(Ok(WebsocketEvent::Message(message))) => message.text().map(|text| feed.take(&text)),
            Some(Ok(WebsocketEvent::Close(close))) => {
                // A close reason of ours is a code; the runtime's own is a sentence.
                let is_ours = (4400..5000).contains(&close.code());
                return Some(if is_ours { close.reason() } else { "unavailable".to_owned() });
            }
            Some(Err(error)) => return internal(error),
            None => return Some("unavailable".to_owned()),
        };
        match step {
            Some(Step::Event(text)) => reader.send_event(text),
            Some(Step::Ask(frame)) => {
                if let Err(error) = socket.send_with_str(frame) {
                    return internal(error);
                }
                reader.has_asked = true;
            }
            Some(Step::End(code)) => return Some(code),
            Some(Step::Nothing) | None => {}
        }
        if feed.has_begun()
            && let Some(begun) = begun.take()
        {
            // The request may be gone by now, which the end of the reader shows too.
            let _ = begun.send(None);
        }
        if reader.is_slow() {
            return Some("slow_reader".to_owned());
        }
    }
}
