//! Tokens in frames (A5, A9): a `hello` or an `auth` is kept at the gate while its token is checked.

use crate::access::claims::Denial;
use crate::access::pass::{Admission, Pass};
use crate::access::prices::{self, Request};
use crate::access::rates::{RateDecision, RateKey};
use crate::access::shares::Entry;
use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::decode::Frame;
use crate::protocol::frames;
use crate::protocol::frames::ClientMessage;
use crate::protocol::frames::sync::Hello;
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::tag::Tag;

use super::connections::hello::hello;
use super::connections::leaving::close;
use super::gate::Gate;
use super::pacing::Pacing;
use super::reply::Rejection;
use super::state::State;
use super::turn::{Effect, Turn};
use super::{admission, charging, replies};

/// Whether the token in a frame decides what becomes of it.
pub fn needs_check(state: &State, from: ConnectionId, frame: &Frame) -> bool {
    match &frame.message {
        // A connection that was admitted before its `hello` was admitted by another token.
        Ok(ClientMessage::Hello(Hello { token, .. })) => token.is_some() && state.sessions.is_unauthenticated(from),
        Ok(ClientMessage::Auth { .. }) => state.sessions.get(from).is_some(),
        Ok(_) | Err(_) => false,
    }
}

/// Has the token of a frame checked.
pub fn check(state: &mut State, gate: &mut Gate, from: ConnectionId, frame: Frame) {
    let (token, is_first) = match &frame.message {
        Ok(ClientMessage::Hello(Hello { token: Some(token), .. })) => (token.clone(), true),
        Ok(ClientMessage::Auth { token }) => (token.clone(), false),
        Ok(_) | Err(_) => return,
    };
    if gate.is_checking(from) {
        let refusal = Refusal::new(Code::LimitRate, "Another token is still being checked. Send this one again.");
        let text = frames::error(&refusal, &frame.tag, false);
        return replies::in_any_case(state, from, text);
    }
    // A renewal is a sign of life like any message (J6).
    if let Some(session) = state.sessions.get_mut(from) {
        session.heard = state.clock;
        state.outbox.attach.insert(from);
    }
    state.outbox.effects.push(Effect::VerifyToken { connection: from, token });
    gate.check(from, frame, is_first);
}

/// The token in a frame was checked. Returns what had been staged before the `hello`, if one was done.
pub fn verified(
    state: &mut State,
    pacing: &mut Pacing,
    gate: &mut Gate,
    from: ConnectionId,
    frame: Frame,
    outcome: Result<(String, Pass), Denial>,
    now: Millis,
) -> Option<Turn> {
    let outcome = match outcome {
        Ok((user, pass)) if gate.revocations.contain(&user, &pass, now) => Err(Denial::Revoked),
        outcome => outcome,
    };
    // It concerns the connection and does not come from the outbox.
    let tag = Tag { number: None, ..frame.tag };
    match (frame.message, outcome) {
        (Ok(ClientMessage::Hello(hello)), Ok((user, pass))) if state.sessions.is_unauthenticated(from) => {
            let network = state.sessions.network_of_unauthenticated(from);
            let entry = Entry { admission: Admission::Pass { user: user.clone(), pass: pass.clone() }, network };
            if admission::admit(state, gate, &entry, now).is_err() {
                close(state, from, CloseCode::Unavailable);
                state.outbox.flush_now = true;
                return None;
            }
            // Opening a connection counts, in whichever way it is done (X1).
            let (around, limits) = (charging::around_request(state, 0), &state.settings.limits);
            let price = prices::of_request(Request::Connect, &around).price(pass.role);
            let rate = gate.rates.account(RateKey::User(user.clone()), limits, now).decide(price, 0);
            if rate != RateDecision::Allow {
                close(state, from, CloseCode::Rate);
                state.outbox.flush_now = true;
                return None;
            }
            state.sessions.remove_unauthenticated(from);
            admission::enter(state, from, Some((user, pass)), network);
            // Its socket must not count as unauthenticated any longer, whatever becomes of the `hello`.
            state.outbox.attach.insert(from);
            return self::hello(state, pacing, from, hello, tag, now);
        }
        (Ok(ClientMessage::Hello(_)), Err(denial)) => {
            close(state, from, denial.close_code().unwrap_or(CloseCode::Unavailable));
            state.outbox.flush_now = true;
        }
        (Ok(ClientMessage::Auth { .. }), outcome) if state.sessions.get(from).is_some() => {
            let renewed = outcome.map_err(Refusal::from).and_then(|(user, pass)| {
                state.check_identity(from, &user)?;
                state.sessions.renew(from, pass);
                state.outbox.attach.insert(from);
                Ok(state.version)
            });
            replies::stage(state, from, &tag, renewed.map_err(Rejection::Refusal).into());
        }
        // The connection is gone.
        (Ok(_) | Err(_), _) => state.outbox.flush_now = true,
    }
    None
}
