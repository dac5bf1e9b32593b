//! How a message is answered: `hello` with its welcome, numbers once and only once, and acks, conflicts and errors.

use crate::protocol::message::{ClientMessage, Frame, Hello, Number, Tag};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::reply::{self, ConflictView, ServerMessage, WelcomeView};
use crate::protocol::{Millis, PROTOCOL};
use crate::token::Denial;

use super::Room;
use super::access::ANONYMOUS_ROLE;
use super::change::{Conflict, Failure};
use super::outcomes::{Outcome, Verdict};
use super::requests::state::RequestKey;
use super::session::{ConnectionId, Entry, Pass, Session};
use super::staged::{self, Reply};
use super::turn::{Audience, Closing, Flush, Outgoing, Turn, Waiting, When};

/// What becomes of a message.
pub(super) struct Answer {
    /// The version that answers it, or why it was not done.
    pub outcome: Result<u64, Failure>,
    /// Whether it was answered before, and now nothing was done.
    pub is_duplicate: bool,
    /// The permission request that it ends. What is on record of it goes with an answer that nothing was done (Q2).
    pub request: Option<RequestKey>,
}

impl From<Result<u64, Failure>> for Answer {
    fn from(outcome: Result<u64, Failure>) -> Self {
        Self { outcome, is_duplicate: false, request: None }
    }
}

impl Answer {
    /// The recorded answer, told once more.
    pub fn again(verdict: &Verdict) -> Self {
        let outcome = match verdict {
            Verdict::Done { version } => Ok(*version),
            Verdict::Conflict { field, client_version } => {
                Err(Failure::Conflict(Conflict { field: field.clone(), client_version: *client_version }))
            }
            Verdict::Refused(code) => {
                let message = "This was refused before, and stays so. Send another message under the next number.";
                Err(Failure::Refusal(Refusal::new(*code, message)))
            }
        };
        Self { outcome, is_duplicate: true, request: None }
    }
}

/// What is kept of an outcome; `None` for a refusal that may pass, which is not kept (E2).
pub(super) fn verdict(outcome: &Result<u64, Failure>) -> Option<Verdict> {
    match outcome {
        Ok(version) | Err(Failure::DoneBefore { version }) => Some(Verdict::Done { version: *version }),
        Err(Failure::Conflict(Conflict { field, client_version })) => {
            Some(Verdict::Conflict { field: field.clone(), client_version: *client_version })
        }
        Err(Failure::Refusal(refusal)) if refusal.may_pass => None,
        Err(Failure::Refusal(refusal)) => Some(Verdict::Refused(refusal.code)),
    }
}

impl Room {
    /// The token in a frame was checked (A5, A9).
    pub fn verified(
        &mut self,
        from: ConnectionId,
        frame: Frame,
        outcome: Result<(String, Pass), Denial>,
        now: Millis,
    ) -> Turn {
        self.begin(now);
        // It is about the connection and not from the outbox.
        let tag = Tag { number: None, ..frame.tag };
        let mut turn = match (frame.message, outcome) {
            (Ok(ClientMessage::Hello(hello)), Ok((user, pass))) if self.is_waiting(from) => {
                if self.admit(&Entry::Anonymous).is_err() {
                    self.shut(from, CloseCode::Unavailable);
                    return self.flush(now);
                }
                self.sessions.stop_waiting(from);
                self.enter(from, Some((user, pass)));
                self.hello(from, hello, tag, now)
            }
            (Ok(ClientMessage::Hello(_)), Err(denial)) => {
                self.shut(from, denial.close_code().unwrap_or(CloseCode::Unavailable));
                self.flush(now)
            }
            (Ok(ClientMessage::Auth { .. }), outcome) if self.sessions.get(from).is_some() => {
                let outcome = outcome.map_err(Refusal::from).and_then(|(user, pass)| {
                    self.check_identity(from, &user)?;
                    self.sessions.renew(from, pass);
                    self.staged.attach.insert(from);
                    Ok(self.version)
                });
                self.answer(from, &tag, outcome.map_err(Failure::Refusal).into());
                Turn { flush: self.next_flush(now), ..Turn::default() }
            }
            // The connection is gone.
            (Ok(_) | Err(_), _) => self.flush(now),
        };
        self.arm(&mut turn);
        turn
    }

    /// A client speaks the whole protocol from here on (Y4). What is staged goes out first, since the client hears of
    /// it in the answer and must not hear of it twice.
    pub(super) fn hello(&mut self, from: ConnectionId, hello: Hello, tag: Tag, now: Millis) -> Turn {
        let refusal = match self.sessions.get(from) {
            Some(session) if session.client().is_some() => {
                Err(Refusal::new(Code::BadMessage, "This connection has said `hello` before."))
            }
            session => self.check_client(&hello.client_id, session.and_then(|session| session.identity.user())),
        };
        if let Err(refusal) = refusal {
            self.answer(from, &tag, Err(Failure::Refusal(refusal)).into());
            return Turn { flush: self.next_flush(now), ..Turn::default() };
        }
        // It gets its attachment with the greeting.
        self.staged.attach.remove(&from);
        let mut turn = self.flush(now);
        if !turn.commit.is_empty() {
            turn.waiting.push(Waiting { connection: from, tag: tag.clone() });
        }
        let Hello { client_id, since, epoch, token: _ } = hello;
        let is_other_life = epoch.as_ref().is_some_and(|epoch| *epoch != self.meta.epoch);
        self.forget_if_away(&client_id);
        if self.clients.see(&client_id, self.clock) {
            self.staged.clients.insert(client_id.clone());
        }
        // What a client did in another life of the room is forgotten with that life.
        let is_unknown = is_other_life && self.clients.get(&client_id).is_none();
        let last_seq = self.clients.last_seq(&client_id).filter(|_| !is_unknown);
        self.fence(&client_id);
        let leavings = self.staged.outbox.len();
        self.sessions.greet(from, client_id);
        self.staged.attach.insert(from);
        let welcome = WelcomeView {
            protocol: PROTOCOL,
            connection_id: from.to_string(),
            user_id: self.sessions.get(from).and_then(|session| session.identity.user()),
            role: self.sessions.get(from).map_or(ANONYMOUS_ROLE, Session::role).as_str(),
            version: self.version,
            epoch: &self.meta.epoch,
            last_seq,
            time: self.clock,
            limits: &self.settings.limits,
        };
        let welcome = ServerMessage::Welcome(Box::new(welcome)).encode();
        self.tell(from, welcome);
        self.tell(from, self.sync_answer(since, epoch.as_deref()));
        // The welcome comes first, also before the leaving of whom this connection replaces.
        self.staged.outbox.rotate_left(leavings);
        self.answer(from, &tag, Ok(self.version).into());
        turn.flush = Some(Flush::Now);
        turn
    }

    /// Whether this user may say `hello` as this client: it is nobody else's, on record or in this moment.
    fn check_client(&self, client_id: &str, user: Option<&str>) -> Result<(), Refusal> {
        self.clients.check_owner(client_id, user)?;
        let here = self.sessions.iter().filter(|(_, session)| session.client() == Some(client_id));
        let mut others = here.filter_map(|(_, session)| session.identity.user()).filter(|other| user != Some(other));
        if user.is_some() && others.next().is_some() {
            return Err(Refusal::not_your_client());
        }
        Ok(())
    }

    /// Forgets a client that comes back after too long (E4). One that is connected was there all the time.
    pub(super) fn forget_if_away(&mut self, client_id: &str) {
        let is_here = self.sessions.iter().any(|(_, session)| session.client() == Some(client_id));
        if !is_here && self.clients.forget_if_unseen(client_id, self.clock) {
            self.staged.clients.insert(client_id.to_owned());
        }
    }

    /// A newer connection of a client takes the place of the older ones (E6).
    fn fence(&mut self, client_id: &str) {
        let older = self.sessions.iter().filter(|(_, session)| session.client() == Some(client_id));
        for connection in older.map(|(connection, _)| connection).collect::<Vec<_>>() {
            self.shut(connection, CloseCode::Replaced);
        }
    }

    /// Closes a connection and takes its leave.
    pub(super) fn shut(&mut self, connection: ConnectionId, code: CloseCode) {
        let session = self.sessions.get(connection).cloned();
        if session.is_some() || self.sessions.stop_waiting(connection) {
            self.leave(connection);
            self.staged.close.push((Closing { connection, code }, session));
        }
    }

    /// Does a numbered message, if it was not answered before. `author` is the user of the connection or of the message.
    pub(super) fn once(
        &mut self,
        client_id: &str,
        author: Option<&str>,
        number: Number,
        act: impl FnOnce(&mut Self) -> Result<u64, Failure>,
    ) -> Answer {
        let answered = self.clients.check_owner(client_id, author);
        let answered = answered.and_then(|()| self.clients.answered(client_id, number));
        match answered {
            Err(refusal) => return Err(Failure::Refusal(refusal)).into(),
            Ok(Some(verdict)) => return Answer::again(&verdict),
            Ok(None) => {}
        }
        let outcome = act(self);
        if let Some(verdict) = verdict(&outcome) {
            let is_new = self.clients.get(client_id).is_none();
            let (outcome, limits) = (Outcome { content: number.content, verdict }, &self.settings.limits);
            self.clients.record(client_id, author, &outcome, limits.outcomes, self.clock);
            staged::note(&mut self.staged.clients, client_id);
            if is_new {
                let sessions = &self.sessions;
                let is_here =
                    |id: &str| id == client_id || sessions.iter().any(|(_, session)| session.client() == Some(id));
                let forgotten = self.clients.forget_beyond(limits.clients, is_here);
                self.staged.clients.extend(forgotten);
            }
        }
        outcome.into()
    }

    /// Stages the answer to a message. It waits for the commit, and is lost with it, but where it is true in any case: a
    /// refusal of a message without a number changed nothing, and an answer that is told again is on record.
    pub(super) fn answer(&mut self, to: ConnectionId, tag: &Tag, answer: Answer) {
        let Answer { outcome, is_duplicate, request } = answer;
        let client = self.sessions.get(to).and_then(|session| session.client());
        let is_greeted = client.is_some();
        let is_on_record = is_duplicate && client.is_some_and(|client| !self.staged.clients.contains(client));
        let (seq, duplicate) = (tag.number.map(|number| number.seq), is_duplicate.then_some(true));
        let mut is_sure = is_on_record;
        let text = match outcome {
            Ok(version) if tag.id.is_some() || is_duplicate => {
                if seq.is_some() && !is_duplicate {
                    // This one covers all before it.
                    self.staged.acks.remove(&to);
                }
                let request = request.filter(|_| is_duplicate);
                is_sure &= request.as_ref().is_none_or(|request| !self.staged.requests.contains(request));
                Some(self.ack(tag, version, duplicate, request.as_ref()))
            }
            Ok(version) => {
                self.staged.acks.extend(seq.map(|seq| (to, (seq, version))));
                None
            }
            Err(Failure::DoneBefore { version }) if !tag.is_empty() => {
                if seq.is_some() {
                    self.staged.acks.remove(&to);
                }
                Some(self.ack(tag, version, Some(true), request.as_ref()))
            }
            Err(Failure::DoneBefore { .. }) => None,
            Err(Failure::Refusal(refusal)) => {
                is_sure |= tag.number.is_none();
                Some(reply::error(&refusal, tag, is_duplicate))
            }
            Err(Failure::Conflict(conflict)) => {
                // It shows the field, which may hold by now what is itself not stored.
                is_sure &= !self.staged.fields.contains(&conflict.field);
                let text = self.conflict_frame(tag, &conflict, is_duplicate);
                if is_greeted {
                    let (tag, if_lost) = (tag.clone(), is_sure.then_some(text));
                    self.staged.replies.push(Reply::Conflict { to, tag, conflict, is_duplicate, if_lost });
                    None
                } else {
                    Some(text)
                }
            }
        };
        let when = if is_sure { When::Always } else { When::Committed };
        let frame = text.map(|text| Outgoing { audience: Audience::One(to), text, when });
        if is_greeted {
            self.staged.replies.extend(frame.map(Reply::Frame));
        } else {
            self.staged.outbox.extend(frame);
        }
        if !is_sure {
            self.staged.waiting.push(Waiting { connection: to, tag: tag.clone() });
        }
    }

    fn ack(&self, tag: &Tag, version: u64, duplicate: Option<bool>, request: Option<&RequestKey>) -> String {
        let (id, seq) = (tag.id.as_ref(), tag.number.map(|number| number.seq));
        let record = request.and_then(|request| self.on_record(request));
        reply::ack(id, seq, version, duplicate, record)
    }

    /// A frame for one connection, after all that came before it.
    pub(super) fn tell(&mut self, to: ConnectionId, text: String) {
        self.close_segment();
        self.staged.outbox.push(Outgoing::new(Audience::One(to), text));
        self.staged.is_urgent = true;
    }

    /// Shows what may be staged itself, so it waits for that to be durable.
    pub(super) fn conflict_frame(&self, tag: &Tag, conflict: &Conflict, is_duplicate: bool) -> String {
        ServerMessage::Conflict {
            id: tag.id.as_ref(),
            seq: tag.number.map(|number| number.seq),
            code: "E_CONFLICT",
            conflict: self.conflict_view(conflict),
            duplicate: is_duplicate.then_some(true),
        }
        .encode()
    }

    /// What lost, and to what: as the field stands now.
    pub(super) fn conflict_view<'a>(&'a self, conflict: &'a Conflict) -> ConflictView<'a> {
        let field = self.document.get(&conflict.field);
        ConflictView {
            field: &conflict.field,
            client_version: conflict.client_version,
            server_version: field.map_or(0, |field| field.version),
            current: field.and_then(|field| field.selection.as_ref()),
        }
    }
}
