//! What everything costs: the only table that says so (X1). Whatever a user sends, over a socket, HTTP or a stream, is
//! charged by what it makes the room do at worst, against two rates (`rates.rs`).
//!
//! The _message rate_ bounds what takes the room's time: bytes that are read, frames that leave, rows that are read. The
//! _write rate_ bounds what is billed: rows, alarms and requests, in units of which each costs at most as much as one
//! row written. What many pay for together is charged to nobody: `changes`, `people` and `presence` frames that are
//! gathered go out at the pace of the room, however many have written (Y8).
//!
//! SECURITY.md shows the table. A test compares it, and another holds each charge against what the tests' platform
//! counts.

use std::collections::BTreeSet;

use crate::protocol::frames::ClientMessage;
use crate::protocol::frames::fields::FieldChange;
use crate::protocol::frames::permission::PermissionMessage;
use crate::protocol::refusal::Refusal;
use crate::protocol::role::Role;

/// A message counts once for each part of this many bytes that it has begun.
pub const READ_PART: usize = 16 * 1024;
/// The same for the frames that it makes: sending one takes 25 to 50 µs, so 100 messages a second, of whatever kind,
/// take at most a quarter of the room's time.
pub const FRAMES_PART: usize = 50;
/// The same for the bytes that it makes the room send.
pub const SENT_PART: usize = 512 * 1024;
/// The same for the rows that are read when it wakes the room.
pub const WOKEN_PART: usize = 100;
/// How many rows can be read for the price of one that is written.
pub const WOKEN_PER_WRITE: usize = 1_000;
/// What a frame has beside the text that it is about, at most, in bytes.
const FRAME_BYTES: usize = 256;
/// A viewer's writes count this many times: all that it writes is about itself.
pub const VIEWER_WRITES: usize = 16;
/// The rows that creating a room writes: its own, and one in the schema for each table.
const CREATED_ROWS: usize = 8;

/// What something takes, at worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the frame or the body.
    pub read: usize,
    /// Rows that are written or deleted, at once or later on its account.
    pub rows: usize,
    /// Frames to others that nobody else pays for.
    pub frames: usize,
    /// Bytes that are sent, to everyone together.
    pub sent: usize,
    /// How often the alarm is set.
    pub alarms: usize,
    /// Requests to the Worker and to objects.
    pub requests: usize,
    /// Rows that are read because it wakes the room.
    pub woken: usize,
}

/// What is charged, in the units of the two rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// How many messages it counts for.
    pub messages: usize,
    /// How many writes it counts for.
    pub writes: usize,
}

impl Cost {
    /// What reading a frame or a body of this many bytes takes, whatever it says.
    pub fn of_reading(bytes: usize) -> Self {
        Self { read: bytes, ..Self::default() }
    }

    /// What sending an answer of this many bytes takes.
    pub fn of_answer(bytes: usize) -> Self {
        Self { sent: bytes, ..Self::default() }
    }

    /// What waking the room takes if it has this many rows.
    pub fn of_waking(rows: usize) -> Self {
        Self { woken: rows, ..Self::default() }
    }

    /// What somebody with this role is charged. Of what takes the room's time, the largest part counts.
    pub fn price(&self, role: Role) -> Price {
        let read = self.read.div_ceil(READ_PART).max(self.frames.div_ceil(FRAMES_PART));
        let messages = read.max(self.sent.div_ceil(SENT_PART)).max(self.woken.div_ceil(WOKEN_PART)).max(1);
        let writes = self.rows + self.alarms + self.requests + self.woken.div_ceil(WOKEN_PER_WRITE);
        let times = match role {
            Role::Viewer => VIEWER_WRITES,
            Role::Editor | Role::Moderator | Role::Admin => 1,
        };
        Price { messages, writes: writes * times }
    }
}

impl Price {
    /// What is left to be charged of this, once so much has been.
    pub fn beyond(self, charged: Self) -> Self {
        let Self { messages, writes } = self;
        Self { messages: messages.saturating_sub(charged.messages), writes: writes.saturating_sub(charged.writes) }
    }

    /// Whether there is nothing to charge.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What is around a message when it comes, as far as it decides what the message costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// The bytes of the message.
    pub bytes: usize,
    /// How many plain clients there are beside its sender.
    pub plain: usize,
    /// How many greeted clients there are, its sender included.
    pub greeted: usize,
    /// How many connections it is for, if it is for one user (P3).
    pub addressed: Option<usize>,
    /// Whether changes are staged, which are then sent at once by a message that cannot wait for them.
    pub is_staged: bool,
    /// Whether the message has a number or a key, by which its outcome is recorded.
    pub is_recorded: bool,
    /// Whether its client is new, and another must be forgotten for it.
    pub forgets_client: bool,
    /// Whether its connection has joined.
    pub is_joined: bool,
    /// Whether somebody must give way for one who joins.
    pub is_full_of_people: bool,
    /// How many tombstones can still be made before the oldest is forgotten.
    pub tombstones_left: usize,
    /// Whether the room does not exist yet.
    pub is_new: bool,
    /// Whether somebody is alone, and will no longer be.
    pub is_alone: bool,
}

impl Around {
    /// Tells everyone something of about the message's size, this many times.
    fn told(&self, times: usize) -> Cost {
        let (plain, all) = (times * self.plain, times * (self.plain + self.greeted));
        Cost { read: self.bytes, frames: plain, sent: (self.bytes + FRAME_BYTES) * all, ..Cost::default() }
    }

    /// The frames of changes that are staged and cannot be gathered further: `changes`, and `people`.
    fn flushed(&self) -> usize {
        if self.is_staged { 2 * self.greeted } else { 0 }
    }

    /// The rows by which its outcome is recorded.
    fn recorded(&self) -> usize {
        // The new client, another that becomes a name, and a name that is dropped.
        usize::from(self.is_recorded) + if self.forgets_client { 2 } else { 0 }
    }
}

/// What a message costs.
pub fn of_message(message: Result<&ClientMessage, &Refusal>, around: &Around) -> Cost {
    let nothing = Cost::of_reading(around.bytes);
    let rows = around.recorded();
    let Ok(message) = message else { return Cost { rows, ..nothing } };
    match message {
        ClientMessage::Join(_) => {
            // The first time on a connection, its leaving is paid for too: that cannot be refused.
            let (times, leaving) = if around.is_joined { (1, 0) } else { (2, 1) };
            Cost { rows: rows + 1 + leaving + usize::from(around.is_full_of_people), ..around.told(times) }
        }
        ClientMessage::Ready { .. } => Cost { rows: rows + 1, ..around.told(1) },
        ClientMessage::Change(change) => {
            Cost { rows: rows + of_changes(std::slice::from_ref(change), around), ..around.told(1) }
        }
        ClientMessage::Batch(changes) => {
            let each = around.told(1);
            let further = FRAME_BYTES * changes.len() * (around.plain + around.greeted);
            let frames = around.plain * changes.len();
            Cost { rows: rows + of_changes(changes, around), frames, sent: each.sent + further, ..each }
        }
        // What it sends in reply is charged by its length.
        ClientMessage::Hello(_) => Cost { rows: 1, frames: around.flushed(), ..nothing },
        ClientMessage::Sync { .. } => Cost { rows, frames: around.flushed(), ..nothing },
        ClientMessage::OtherProtocol => nothing,
        ClientMessage::Presence { .. } => Cost { rows, sent: (around.bytes + FRAME_BYTES) * around.greeted, ..nothing },
        // The user's own object is asked.
        ClientMessage::Auth { .. } => Cost { requests: 1, ..nothing },
        ClientMessage::Kick { .. } => {
            Cost { rows: rows + 1, frames: around.plain + around.flushed(), ..around.told(1) }
        }
        // A participant is a row, and the room's own says from when on a resume knows nothing of it.
        ClientMessage::Remove { .. } => Cost { rows: rows + 2, ..around.told(1) },
        ClientMessage::Permission(message) => {
            let told = around.told(1);
            match message {
                // Made, ended and forgotten, with the room's own row; told of when it is made and when it expires. The
                // alarm is set for it, and again when it rings, which is a request.
                PermissionMessage::Request(_) => Cost { rows: rows + 4, alarms: 2, requests: 1, ..around.told(2) },
                // The permission is another row, which somebody may have to forget.
                PermissionMessage::Response(_) => Cost { rows: rows + 4, ..told },
                PermissionMessage::Cancel { .. } | PermissionMessage::Revoke { .. } => Cost { rows: rows + 3, ..told },
            }
        }
        ClientMessage::Relay { .. } => {
            let all = around.addressed.unwrap_or(around.plain + around.greeted);
            Cost { rows, frames: all + around.flushed(), sent: (around.bytes + FRAME_BYTES) * all, ..nothing }
        }
    }
}

/// The rows of changes to fields.
fn of_changes(changes: &[FieldChange], around: &Around) -> usize {
    let is_clearing = |change: &&FieldChange| match change {
        FieldChange::Clear { .. } => true,
        FieldChange::Select(_) => false,
    };
    let (fields, cleared) = match changes {
        [one] => (1, usize::from(is_clearing(&one))),
        several => {
            let fields = several.iter().map(FieldChange::field).collect::<BTreeSet<_>>().len();
            (fields, several.iter().filter(is_clearing).count().min(fields))
        }
    };
    // Each is a row, and so is each tombstone that is forgotten, with the room's own.
    let forgotten = cleared.saturating_sub(around.tombstones_left);
    fields + forgotten + usize::from(forgotten > 0)
}

/// What can be asked of a room over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A WebSocket, or a stream of events, which is one inside (H4).
    Connect,
    /// Its state, or what changed (H1, H2).
    Read,
    /// A field is set or cleared (H3). What it says is charged as a message.
    Write,
    /// Its end (H6).
    Delete,
}

impl Request {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Read, Self::Write, Self::Delete];
}

/// What a request costs, beside what a write says and the length of what is sent in reply. `around` has the bytes of
/// its body.
pub fn of_request(request: Request, around: &Around) -> Cost {
    // The Worker, the room's object and the user's are asked: together they cost less than a row.
    let asked = Cost { requests: 1, ..Cost::of_reading(around.bytes) };
    let created = if around.is_new { CREATED_ROWS } else { 0 };
    match request {
        // The alarm is set for the end of its token; and when somebody is no longer alone, and is alone again.
        Request::Connect => {
            let alarms = if around.is_alone { 3 } else { 1 };
            Cost { rows: created, alarms, ..asked }
        }
        Request::Read => Cost { frames: around.flushed(), ..asked },
        // It notes when the user was last seen, and does not wait for other changes.
        Request::Write => {
            let alarms = usize::from(around.is_new);
            Cost { rows: created + 1, alarms, frames: around.flushed() + 2 * around.greeted, ..asked }
        }
        Request::Delete => asked,
    }
}
