//! From its `hello` on, a client speaks the full protocol (Y4).

use crate::access::roles::ANONYMOUS_ROLE;
use crate::protocol::Millis;
use crate::protocol::PROTOCOL;
use crate::protocol::connection::ConnectionId;
use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::sync::{Hello, KindView, WelcomeView};
use crate::protocol::refusal::{CloseCode, Code, Refusal};
use crate::protocol::tag::Tag;
use crate::room::flushing::flush;
use crate::room::pacing::Pacing;
use crate::room::records::clients;
use crate::room::replies;
use crate::room::state::State;
use crate::room::turn::{PendingWriter, Turn};
use crate::room::views;

use super::leaving::close;
use super::session::{Identity, Session};

/// A client says `hello`. Returns what was staged before: that goes out first, since the client hears of it in the
/// reply and must not hear of it twice. `None`: the `hello` is refused, and nothing has changed.
pub fn hello(
    state: &mut State,
    pacing: &mut Pacing,
    from: ConnectionId,
    hello: Hello,
    tag: Tag,
    now: Millis,
) -> Option<Turn> {
    if let Err(refusal) = check(state, from, &hello) {
        replies::stage(state, from, &tag, refusal.into());
        return None;
    }
    if is_outdated(state, &hello) {
        close(state, from, CloseCode::Outdated);
        state.outbox.flush_now = true;
        return None;
    }
    // Its attachment is written with the greeting.
    state.outbox.attach.remove(&from);
    let mut turn = flush(state, pacing, now);
    if !turn.commit.is_empty() {
        turn.writers.push(PendingWriter { connection: from, tag: tag.clone() });
    }
    greet(state, from, hello);
    let version = state.version;
    replies::stage(state, from, &tag, Ok(version).into());
    state.outbox.flush_now = true;
    Some(turn)
}

/// Whether a connection may say this `hello`.
///
/// # Errors
/// It has already sent one, or the client belongs to somebody else, on record or on an open connection.
fn check(state: &State, from: ConnectionId, hello: &Hello) -> Result<(), Refusal> {
    let session = state.sessions.get(from);
    if session.is_some_and(|session| session.client().is_some()) {
        return Err(Refusal::new(Code::BadMessage, "This connection has already sent `hello`."));
    }
    let user = session.and_then(|session| session.identity().user());
    state.settings.kind.older(hello.made_for)?;
    state.records.clients.check_owner(&hello.client_id, user)?;
    let is_others = |session: &Session| session.identity().user().is_some_and(|other| Some(other) != user);
    if user.is_some() && state.sessions.of_client(&hello.client_id).any(|(_, session)| is_others(session)) {
        return Err(Refusal::not_your_client());
    }
    Ok(())
}

/// Whether the page was made for a version of the kind in which things were different (K6).
fn is_outdated(state: &State, hello: &Hello) -> bool {
    let (kind, made_for) = (&state.settings.kind, hello.made_for.and_then(Result::ok));
    kind.declared.as_ref().zip(made_for).is_some_and(|(kind, made_for)| kind.outdates(made_for))
}

/// Welcomes a client and sends it what it does not know yet. Nothing may be staged.
fn greet(state: &mut State, from: ConnectionId, hello: Hello) {
    let Hello { client_id, since, epoch, token: _, made_for } = hello;
    let is_other_life = epoch.as_ref().is_some_and(|epoch| epoch != state.life.epoch());
    clients::once::forget_if_away(state, &client_id);
    state.records.clients.see(&client_id, state.clock);
    // What a client did in another life of the room was forgotten with that life.
    let is_unknown = is_other_life && state.records.clients.get(client_id.as_str()).is_none();
    let last_seq = state.records.clients.last_seq(&client_id).filter(|_| !is_unknown);
    take_over(state, from, &client_id);
    state.close_segment();
    let made_for = made_for.and_then(Result::ok).filter(|_| state.settings.kind.declared.is_some());
    state.sessions.greet(from, client_id, made_for);
    state.outbox.attach.insert(from);
    let session = state.sessions.get(from);
    let welcome = WelcomeView {
        protocol: PROTOCOL,
        connection_id: from.to_string(),
        user_id: session.and_then(|session| session.identity().user()),
        role: session.map_or(ANONYMOUS_ROLE, Session::role).as_str(),
        version: state.version,
        epoch: state.life.epoch(),
        last_seq,
        time: state.clock,
        limits: &state.settings.limits,
        kind: KindView { party: &state.settings.kind.party, version: state.settings.kind.version() },
    };
    let welcome = ServerMessage::Welcome(Box::new(welcome)).encode();
    state.tell(from, welcome);
    let answer = views::sync_answer(state, since, epoch.as_deref());
    state.tell(from, answer);
}

/// A newer connection of a client replaces the older ones (E6). Its user has not left, so it is here by the newer one
/// before the older ones go. What it showed goes with them (P1).
fn take_over(state: &mut State, from: ConnectionId, client_id: &str) {
    let older = state.sessions.of_client(client_id).map(|(older, session)| (older, session.identity().clone()));
    for (older, identity) in older.collect::<Vec<_>>() {
        let known = state.sessions.get(from).map_or(&Identity::Unknown, Session::identity);
        if identity.joined().is_some() || *known == Identity::Unknown {
            state.identify(from, identity);
        }
        close(state, older, CloseCode::Replaced);
    }
}
