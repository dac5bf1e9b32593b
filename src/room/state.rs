//! What messages and time change: the records, the connections, and what is to be sent about both. It does not know
//! when it is flushed.
//!
//! Greeted clients get one `changes` frame for all changes since the last one, with one entry for each thing. It is
//! made when a *segment* closes: whatever must not overtake a change closes the segment first (F6), and the replies to
//! the changes in it follow it directly (Y6).

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::frames;
use crate::protocol::frames::people::ParticipantRemoved;
use crate::protocol::frames::{ChangeView, ChangesView, ServerMessage};
use crate::protocol::refusal::{Code, Refusal};

use super::audience::Audience;
use super::comings::{self, Coming, Comings};
use super::connections::session::{Identity, Session};
use super::connections::sessions::Sessions;
use super::life::Life;
use super::outbox::{Outbox, StagedReply};
use super::records::Records;
use super::reply::Writer;
use super::settings::Settings;
use super::table::Scope;
use super::turn::{Outgoing, When};

/// The state of a room that is awake.
#[derive(Debug, Clone)]
pub struct State {
    /// The operator's settings.
    pub settings: Settings,
    /// This life of the room.
    pub life: Life,
    /// The room's version (S1).
    pub version: u64,
    /// The latest time that the room has used. It never goes back, whatever the server's clock does.
    pub clock: Millis,
    /// What the room stores.
    pub records: Records,
    /// Who is connected.
    pub sessions: Sessions,
    /// What is to be sent.
    pub outbox: Outbox,
    /// The version up to which greeted clients have been told, or will be by what is in the outbox (Y7).
    pub told: u64,
}

impl State {
    /// Whether something waits for a flush.
    pub fn has_staged(&self) -> bool {
        !self.changes_nothing() || !self.outbox.is_empty()
    }

    /// Whether a flush would commit nothing.
    pub fn changes_nothing(&self) -> bool {
        !self.life.is_dirty() && !self.records.is_dirty()
    }

    /// Makes the next version.
    pub fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Notes that the room is in use.
    pub fn touch(&mut self) {
        self.life.touch(self.clock, self.settings.time_to_live);
    }

    /// Whether the room has space for this many more bytes (X1). A change that does not grow the room is never refused,
    /// however full it is: a limit may have been lowered, and tombstones may have filled it.
    ///
    /// # Errors
    /// It does not.
    pub fn check_growth(&self, added: usize, freed: usize) -> Result<(), Refusal> {
        if added <= freed {
            return Ok(());
        }
        let (bytes, limit) = (self.records.bytes() + added - freed, self.settings.limits.room_bytes);
        if bytes <= limit {
            return Ok(());
        }
        let message = format!("The room would hold {bytes} bytes; the limit is {limit}. Clear a field first.");
        Err(Refusal::new(Code::LimitRoom, message))
    }

    /// A connection belongs to one user (J2).
    ///
    /// # Errors
    /// This one belongs to another user.
    pub fn check_identity(&self, from: ConnectionId, user_id: &str) -> Result<(), Refusal> {
        match self.sessions.get(from).and_then(|session| session.identity().user()) {
            Some(user) if user != user_id => Err(Refusal::new(
                Code::IdentityMismatch,
                "This connection belongs to another user. Open a separate connection for each user.",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The same for the user that a message names as its author, if any.
    ///
    /// # Errors
    /// The connection belongs to another user.
    pub fn check_author(&self, from: ConnectionId, user_id: Option<&str>) -> Result<(), Refusal> {
        user_id.map_or(Ok(()), |user_id| self.check_identity(from, user_id))
    }

    /// The writer is who it claims to be, and its `clientId` belongs to nobody else (J2, E4).
    ///
    /// # Errors
    /// It is not.
    pub fn check_writer(&self, from: &Writer, user_id: &str) -> Result<(), Refusal> {
        let clients = &self.records.clients;
        from.client.as_ref().map_or(Ok(()), |client| clients.check_owner(client, Some(user_id)))?;
        from.connection.map_or(Ok(()), |connection| self.check_identity(connection, user_id))
    }

    /// The first write on a connection says whose it is (J3).
    pub fn bind(&mut self, from: ConnectionId, user_id: &str) {
        if self.sessions.get(from).is_some_and(|session| *session.identity() == Identity::Unknown) {
            self.identify(from, Identity::Bound(user_id.to_owned()));
        }
    }

    /// A connection's user has become known.
    pub fn identify(&mut self, from: ConnectionId, identity: Identity) {
        let shows = |session: &Session| session.presence.is_some() && session.identity().user() != identity.user();
        if self.sessions.get(from).is_some_and(shows) {
            // Whoever received the presence does not know yet whose it is.
            self.outbox.presence.insert(from, None);
        }
        self.sessions.identify(from, identity);
    }

    /// Whether a user is here as far as the others know.
    pub fn is_here(&self, user: &str) -> bool {
        self.sessions.is_online(user) || self.records.people.is_leaving(user)
    }

    /// Whether there is a plain client other than the author, which must hear each change on its own (S8).
    pub fn is_heard_by_plain(&self, author: Option<ConnectionId>) -> bool {
        self.sessions.plain_but(author) > 0
    }

    /// Sends plain clients a change, if there are any.
    pub fn tell_plain(&mut self, but: Option<ConnectionId>, text: Option<String>) {
        self.outbox.frames.extend(text.map(|text| Outgoing::new(Audience::Plain { but }, text)));
    }

    /// Sends all others something that must not overtake a change.
    pub fn tell_others(&mut self, from: ConnectionId, text: String) {
        self.close_segment();
        self.outbox.frames.push(Outgoing::new(Audience::Others(Some(from)), text));
    }

    /// Tells all others that somebody came or went. The frame goes to plain clients by itself; greeted ones get it with
    /// what else happens in this segment, if anything does (J9).
    pub fn tell_coming(&mut self, from: Option<ConnectionId>, user: &str, coming: Coming, text: String) {
        let when = match coming {
            Coming::Joined => When::Committed,
            // Who has left has left.
            Coming::Left(_) => When::Always,
        };
        if self.sessions.greeted() == 0 {
            self.outbox.frames.push(Outgoing { audience: Audience::Others(from), text, when });
            return;
        }
        let mut users = match std::mem::take(&mut self.outbox.comings) {
            Comings::Nothing => {
                self.close_segment();
                let (frame, user) = (self.outbox.frames.len(), user.to_owned());
                self.outbox.frames.push(Outgoing { audience: Audience::Others(from), text, when });
                self.outbox.comings = Comings::One { frame, from, user, coming };
                return;
            }
            Comings::One { frame, from, user, coming } => {
                // From now on only plain clients are told of the first by itself.
                if let Some(frame) = self.outbox.frames.get_mut(frame) {
                    frame.audience = Audience::Plain { but: from };
                }
                let mut users = BTreeMap::new();
                comings::add(&mut users, user, coming);
                users
            }
            Comings::Several(users) => users,
        };
        comings::add(&mut users, user.to_owned(), coming);
        self.outbox.comings = Comings::Several(users);
        if self.is_heard_by_plain(from) {
            self.outbox.frames.push(Outgoing { audience: Audience::Plain { but: from }, text, when });
        }
    }

    /// Replies to a reader, after everything that came before.
    pub fn tell(&mut self, to: ConnectionId, text: String) {
        self.close_segment();
        self.outbox.answered += text.len();
        self.outbox.frames.push(Outgoing::new(Audience::One(to), text));
        self.outbox.flush_now = true;
    }

    /// Something of this version is about to be forgotten, and must be reported while it is known. If it has been
    /// reported already, no segment is closed: otherwise each change at a limit would go out in a frame of its own.
    pub fn will_forget(&mut self, version: u64) {
        if version > self.told {
            self.close_segment();
        }
        self.life.raise_floor(version);
    }

    /// Closes the segment: its `changes` frame is made, and what is staged from here on comes after it.
    pub fn close_segment(&mut self) {
        let from = std::mem::replace(&mut self.told, self.version);
        let removed = std::mem::take(&mut self.outbox.removed);
        if self.version > from && self.sessions.greeted() > 0 {
            let text = self.live_changes(from, &removed);
            self.outbox.frames.push(Outgoing::new(Audience::Greeted, text));
        }
        self.records.told();
        if let Comings::Several(users) = std::mem::take(&mut self.outbox.comings) {
            let (text, if_lost) = comings::frames(&users, &self.records.people);
            self.outbox.frames.push(Outgoing::new(Audience::Greeted, text));
            let fallback = |text| Outgoing { audience: Audience::Greeted, text, when: When::CommitFailed };
            self.outbox.frames.extend(if_lost.map(fallback));
        }
        for reply in std::mem::take(&mut self.outbox.replies) {
            // Whoever is gone hears no more changes, so it gets no replies to them either.
            if !self.sessions.is_open(reply.to()) {
                continue;
            }
            match reply {
                StagedReply::Frame { to, text, when } => {
                    self.outbox.frames.push(Outgoing { audience: Audience::One(to), text, when });
                }
                StagedReply::Conflict { to, tag, conflict, is_duplicate, if_lost } => {
                    let text = conflict.frame(&self.records.fields, &tag, is_duplicate);
                    let audience = Audience::One(to);
                    let fallback = if_lost.map(|text| Outgoing { audience, text, when: When::CommitFailed });
                    self.outbox.frames.push(Outgoing::new(audience, text));
                    self.outbox.frames.extend(fallback);
                }
            }
        }
        for (to, (seq, version)) in std::mem::take(&mut self.outbox.acks) {
            let text = frames::ack(None, Some(seq), version, None, None);
            self.outbox.frames.push(Outgoing::new(Audience::One(to), text));
        }
    }

    /// What changed after `from`, none of which has been committed yet.
    fn live_changes(&self, from: u64, removed: &[(String, u64)]) -> String {
        let mut changes = self.records.changes(Scope::Fresh, from);
        // Whoever has joined again since is among the changes with that.
        let gone = removed.iter().filter(|(user, _)| self.records.people.get(user).is_none());
        changes.extend(gone.map(|(user_id, version)| {
            ChangeView::ParticipantRemoved(ParticipantRemoved { user_id, version: *version })
        }));
        if !removed.is_empty() {
            changes.sort_by_key(ChangeView::version);
        }
        let (to, epoch) = (self.version, self.life.epoch());
        let view = ChangesView { from, to, epoch, changes, participants: None, presence: None, reset: None };
        ServerMessage::Changes(Box::new(view)).encode()
    }
}
