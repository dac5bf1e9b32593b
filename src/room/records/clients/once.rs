//! Numbered messages, done exactly once (E1 to E5).

use crate::protocol::Millis;
use crate::protocol::tag::Number;
use crate::room::reply::{Rejection, Reply, outcome_of};
use crate::room::state::State;

use super::outcomes::RecordedOutcome;

/// How long a client that is here is not looked at again to see whether it may go, in milliseconds. One that leaves says
/// so.
const LOOK_AGAIN: Millis = 60_000;

/// Does a numbered message, unless it was answered before. `author` is the user of the connection or of the message.
pub fn once(
    state: &mut State,
    client_id: &str,
    author: Option<&str>,
    number: Number,
    act: impl FnOnce(&mut State) -> Result<u64, Rejection>,
) -> Reply {
    let clients = &state.records.clients;
    match clients.check_owner(client_id, author).and_then(|()| clients.answered(client_id, number)) {
        Err(refusal) => return refusal.into(),
        Ok(Some(outcome)) => return Reply::again(&outcome),
        Ok(None) => {}
    }
    let result = act(state);
    if let Some(outcome) = outcome_of(&result) {
        let State { settings, records, clock, .. } = &mut *state;
        let (recorded, limits) = (RecordedOutcome { content_mark: number.content_mark, outcome }, &settings.limits);
        let is_new = records.clients.record(client_id, author, &recorded, limits, *clock);
        if is_new && records.clients.len() > limits.clients {
            forget_beyond(state, Some(client_id));
        }
    }
    result.into()
}

/// Forgets a client that comes back after too long (E4). One that is connected has been there all the time.
pub fn forget_if_away(state: &mut State, client_id: &str) {
    if !state.sessions.has_client(client_id) {
        state.records.clients.forget_if_unseen(client_id, state.clock);
    }
}

/// Forgets clients that have been away for too long, and those beyond the limit.
pub fn forget_unseen(state: &mut State) {
    let State { records, sessions, clock, .. } = &mut *state;
    let away = records.clients.iter().map(|(id, _)| id).filter(|id| !sessions.has_client(id));
    for id in away.cloned().collect::<Vec<_>>() {
        records.clients.forget_if_unseen(&id, *clock);
    }
    forget_beyond(state, None);
}

/// Forgets clients beyond the limit, but none that is here, nor the one that has just been recorded.
fn forget_beyond(state: &mut State, recorded: Option<&str>) {
    let State { settings, records, sessions, clock, .. } = state;
    let is_here = |id: &str| recorded == Some(id) || sessions.has_client(id);
    records.clients.forget_beyond(settings.limits.clients, *clock, |id| is_here(id).then_some(*clock + LOOK_AGAIN));
}
