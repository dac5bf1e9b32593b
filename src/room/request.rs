//! Writing without a socket: `PUT` and `DELETE` of a field over HTTP (H3).

use crate::protocol::Millis;
use crate::protocol::json::{Json, encode};
use crate::protocol::message::{ClientMessage, Extra, FieldChange};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::reply::WrittenBody;
use crate::protocol::write::FieldWrite;

use super::Room;
use super::answer::{Answer, verdict};
use super::change::{Failure, Writer};
use super::clients::KeyedWrite;
use super::outcomes::Outcome;
use super::turn::Turn;

/// The answer to a write over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// It is done: the body `{version, selection, duplicate?}`.
    Done(String),
    /// It is not: a problem with the members of a conflict (S4) or an error (F4).
    Problem {
        /// Stable, for programs.
        code: &'static str,
        /// For people.
        detail: String,
        /// What else there is to know.
        members: Extra,
    },
}

impl Room {
    /// Makes a change for somebody without a socket. The answer may be given once the turn is carried out.
    pub fn write(&mut self, request: FieldWrite, now: Millis) -> (Written, Turn) {
        self.begin(now);
        let is_new = !self.is_stored;
        let FieldWrite { frame, client_id, key } = request;
        let change = match frame.message {
            Ok(ClientMessage::Change(change)) => Ok(change),
            Ok(_) => Err(Refusal::new(Code::BadMessage, "Only fields are written over HTTP.")),
            Err(refusal) => Err(refusal),
        };
        let field = change.as_ref().map_or_else(|_| String::new(), |change| change.field().to_owned());
        let user = change.as_ref().ok().map(|change| change.user_id().to_owned());
        let writer = Writer { connection: None, client: client_id.clone() };
        // The number of a key is none of the caller's.
        let seq = frame.tag.number.filter(|_| key.is_none()).map(|number| number.seq);
        let answer = match (frame.tag.number, key, client_id) {
            (Some(number), Some(key), _) => self.once_by_key((user, key), number.content, &writer, change),
            (Some(number), None, Some(client_id)) => {
                self.forget_if_away(&client_id);
                self.once(&client_id, user.as_deref(), number, |room| room.write_field(&writer, change))
            }
            (_, _, _) => self.write_field(&writer, change).into(),
        };
        let written = self.written(&field, seq, answer);
        // What was refused and is not on record makes no room.
        if self.is_stored || !self.staged.changes_nothing() {
            self.touch();
        }
        let mut turn = self.flush(now);
        if is_new && self.is_stored {
            self.arm(&mut turn);
        }
        (written, turn)
    }

    fn write_field(&mut self, writer: &Writer, change: Result<FieldChange, Refusal>) -> Result<u64, Failure> {
        let change = change?;
        let user = change.user_id().to_owned();
        let version = self.change(writer, &[change])?;
        // The user may have no socket at all.
        self.note_sign(user, self.clock);
        Ok(version)
    }

    fn once_by_key(
        &mut self,
        (user, key): (Option<String>, String),
        content: u32,
        writer: &Writer,
        change: Result<FieldChange, Refusal>,
    ) -> Answer {
        // What names no user cannot be read, and is refused the same way each time.
        let Some(user) = user else { return self.write_field(writer, change).into() };
        let of = (user, key);
        match self.keys.answered(&of, content, self.clock) {
            Err(refusal) => return Err(Failure::Refusal(refusal)).into(),
            Ok(Some(verdict)) => return Answer::again(verdict),
            Ok(None) => {}
        }
        let limit = self.settings.limits.idempotency_keys;
        if self.keys.count() >= limit {
            self.forget_old_keys();
        }
        if self.keys.count() >= limit {
            let message = format!("The room remembers {limit} idempotency keys, all it takes. Try again tomorrow.");
            return Err(Failure::Refusal(Refusal::new(Code::LimitKeys, message))).into();
        }
        let outcome = self.write_field(writer, change);
        if let Some(verdict) = verdict(&outcome) {
            let write = KeyedWrite { at: self.clock, outcome: Outcome { content, verdict } };
            self.keys.put(of.clone(), write);
            self.staged.keys.insert(of);
        }
        outcome.into()
    }

    /// Drops idempotency keys that have served their time.
    pub(super) fn forget_old_keys(&mut self) {
        let old = self.keys.forget_old(self.clock);
        self.staged.keys.extend(old);
    }

    fn written(&self, field: &str, seq: Option<u64>, answer: Answer) -> Written {
        let duplicate = answer.is_duplicate.then_some(true);
        let mut members = Extra::new();
        members.extend(seq.map(|seq| ("seq".to_owned(), Json::of(&seq))));
        members.extend(duplicate.map(|duplicate| ("duplicate".to_owned(), Json::of(&duplicate))));
        match answer.outcome {
            Ok(version) | Err(Failure::DoneBefore { version }) => {
                let selection = self.document.get(field).and_then(|field| field.selection.as_ref());
                Written::Done(encode(&WrittenBody { version, selection, duplicate }))
            }
            Err(Failure::Conflict(conflict)) => {
                let view = self.conflict_view(&conflict);
                members.insert("field".to_owned(), Json::of(&view.field));
                members.insert("clientVersion".to_owned(), Json::of(&view.client_version));
                members.insert("serverVersion".to_owned(), Json::of(&view.server_version));
                members.insert("current".to_owned(), Json::of(&view.current));
                let detail = "The field is not what its writer last saw. `current` is what it holds.".to_owned();
                Written::Problem { code: "E_CONFLICT", detail, members }
            }
            Err(Failure::Refusal(refusal)) => {
                members.extend(refusal.expected.map(|seq| ("expected".to_owned(), Json::of(&seq))));
                Written::Problem { code: refusal.code.as_str(), detail: refusal.message, members }
            }
        }
    }
}
