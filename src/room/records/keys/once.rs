//! A write over HTTP with an idempotency key, done exactly once (H3).

use crate::protocol::refusal::{Code, Refusal};
use crate::room::records::clients::outcomes::RecordedOutcome;
use crate::room::reply::{Rejection, Reply, outcome_of};
use crate::room::state::State;

use super::record::{IdempotencyKey, KeyedOutcome};

/// Does a write with a key, unless it was answered before.
pub fn once(
    state: &mut State,
    of: IdempotencyKey,
    content_mark: u32,
    act: impl FnOnce(&mut State) -> Result<u64, Rejection>,
) -> Reply {
    match state.records.keys.answered(&of, content_mark, state.clock) {
        Err(refusal) => return refusal.into(),
        Ok(Some(outcome)) => return Reply::again(outcome),
        Ok(None) => {}
    }
    if state.records.keys.is_full(&state.settings.limits) {
        state.records.keys.forget_old(state.clock);
    }
    let is_full = state.records.keys.is_full(&state.settings.limits);
    if is_full && !state.records.keys.is_behind(&of.0) {
        let count = state.records.keys.len();
        let message = format!("The room remembers {count} idempotency keys, which is the limit. Try again tomorrow.");
        return Refusal::new(Code::LimitKeys, message).into();
    }
    let result = act(state);
    if let Some(outcome) = outcome_of(&result) {
        let recorded = RecordedOutcome { content_mark, outcome };
        if is_full {
            state.records.keys.make_way();
        }
        state.records.keys.put(of, KeyedOutcome { at: state.clock, recorded });
    }
    result.into()
}
