//! What the room wants done: plain data that the runner carries out, so that a test can look at a whole turn.

use crate::protocol::Millis;
use crate::protocol::json::Json;
use crate::protocol::message::{Extra, Tag};
use crate::protocol::refusal::CloseCode;

use super::clients::{Client, KeyedWrite};
use super::requests::state::{Grant, GrantKey, Request, RequestKey};
use super::session::{Attachment, ConnectionId};

/// The effects of one event, in the order in which they are carried out. If the commit fails, no attachment is made
/// and of the frames only those go out that are true then ([`When`]).
#[must_use]
#[derive(Debug, Default, PartialEq)]
pub struct Turn {
    /// Written as a whole or not at all.
    pub commit: Vec<Write>,
    /// Who must be told if the commit fails.
    pub waiting: Vec<Waiting>,
    /// What sockets shall remember while the room sleeps.
    pub attach: Vec<(ConnectionId, Attachment)>,
    /// Frames, in order.
    pub outbox: Vec<Outgoing>,
    /// Connections to close.
    pub close: Vec<Closing>,
    /// When the room must be woken, if that changed.
    pub alarm: Option<Millis>,
    /// When what is staged must be flushed.
    pub flush: Option<Flush>,
    /// Whether the room's life has ended: all that it stored goes.
    pub erase: bool,
}

/// When a flush is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// In this event.
    Now,
    /// At this time, unless something flushes earlier.
    At(Millis),
}

/// A writer whose change is in the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its connection.
    pub connection: ConnectionId,
    /// By what it knows the answer.
    pub tag: Tag,
}

/// A frame on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// To whom.
    pub audience: Audience,
    /// The frame.
    pub text: String,
    /// Whether it is true once the commit was made, or has failed.
    pub when: When,
}

/// When a frame is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once the turn's commit is made.
    Committed,
    /// In any case: a refusal changed nothing, a connection that is gone is gone.
    Always,
    /// Only if the commit has failed, in place of what would have been told.
    Lost,
}

impl Outgoing {
    /// A frame that waits for its turn's commit.
    pub fn new(audience: Audience, text: String) -> Self {
        Self { audience, text, when: When::Committed }
    }

    /// A frame that is true whatever becomes of the commit.
    pub fn in_any_case(audience: Audience, text: String) -> Self {
        Self { audience, text, when: When::Always }
    }
}

/// Who receives a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// This connection.
    One(ConnectionId),
    /// All connections but this one, as for the rest without those whose token is still to come.
    Others(ConnectionId),
    /// All connections that never said `hello`, but this one.
    Plain {
        /// The author of what they hear.
        but: Option<ConnectionId>,
    },
    /// All connections that have said `hello`.
    Greeted,
}

/// A connection to be closed by the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Which.
    pub connection: ConnectionId,
    /// The code (X2).
    pub code: CloseCode,
}

/// One row to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Creates the tables of a room that has none.
    Create,
    /// The room's own row.
    Meta(Meta),
    /// A field or its tombstone.
    Field(String, Field),
    /// A tombstone that is forgotten.
    ForgetField(String),
    /// A participant.
    Participant(String, Participant),
    /// A participant who gave way.
    ForgetParticipant(String),
    /// A client and its last answers, by its `clientId`.
    Client(String, Client),
    /// A client whose very name is forgotten.
    ForgetClient(String),
    /// The answer to a request with an idempotency key, by user and key.
    Key(String, String, KeyedWrite),
    /// A key that has served its time.
    ForgetKey(String, String),
    /// A permission request.
    Request(RequestKey, Request),
    /// A permission request that nobody must be told of any more.
    ForgetRequest(RequestKey),
    /// A permission.
    Grant(GrantKey, Grant),
    /// A permission that was ended, of which nobody must be told any more.
    ForgetGrant(GrantKey),
}

/// What the room keeps of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Which life of the room this is (U8).
    pub epoch: String,
    /// What was cleared or settled at or before this version may be forgotten.
    pub floor: u64,
    /// When the room was last used. Written at most thirty times in the room's time to live, so it lags by up to a
    /// thirtieth of that.
    pub touched: Millis,
}

/// A field of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The version of its last change.
    pub version: u64,
    /// When that was.
    pub updated_at: Millis,
    /// Who made it.
    pub user_id: String,
    /// The `clientId` with which it came, if it had one (S4).
    pub client_id: Option<String>,
    /// The stored selection, or `None` for a tombstone.
    pub selection: Option<Json>,
}

/// A participant on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// For people.
    pub name: String,
    /// What the user last said of it.
    pub is_ready: bool,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
    /// When the user was last heard of on a connection that is closed by now.
    pub last_seen: Millis,
    /// The version of the last change.
    pub version: u64,
    /// Further members of the user's own message.
    pub profile: Extra,
}
