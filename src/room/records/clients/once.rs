//! Numbered messages, done exactly once (E1 to E5).

use crate::protocol::tag::Number;
use crate::room::reply::{Rejection, Reply, outcome_of};
use crate::room::state::State;

use super::outcomes::RecordedOutcome;

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
        let State { settings, records, sessions, clock, .. } = state;
        let (recorded, limits) = (RecordedOutcome { content_mark: number.content_mark, outcome }, &settings.limits);
        let is_new = records.clients.record(client_id, author, &recorded, limits, *clock);
        if is_new && records.clients.len() > limits.clients {
            let mut here = sessions.clients();
            here.insert(client_id);
            records.clients.forget_beyond(limits.clients, &here);
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
    let State { settings, records, sessions, clock, .. } = state;
    let here = sessions.clients();
    let away = records.clients.iter().map(|(id, _)| id).filter(|id| !here.contains(id.as_str()));
    for id in away.cloned().collect::<Vec<_>>() {
        records.clients.forget_if_unseen(&id, *clock);
    }
    records.clients.forget_beyond(settings.limits.clients, &here);
}
