//! Messages of a page's own, passed on as they came (P2, P3).

use crate::protocol::connection::ConnectionId;

use super::audience::Audience;
use super::state::State;
use super::turn::Outgoing;

/// Passes a message on, after every change that came before it (F6): to all but its sender, or to the connections of one
/// user. Returns to how many.
pub fn relay(state: &mut State, from: Option<ConnectionId>, to: Option<&str>, text: String) -> usize {
    state.close_segment();
    state.outbox.flush_now = true;
    let Some(user) = to else {
        let others = state.sessions.len() - usize::from(from.is_some_and(|from| state.sessions.get(from).is_some()));
        state.outbox.frames.push(Outgoing::new(Audience::Others(from), text));
        return others;
    };
    let theirs = state.sessions.of_user(user).map(|(connection, _)| connection).collect::<Vec<_>>();
    let theirs = theirs.into_iter().filter(|connection| Some(*connection) != from).collect::<Vec<_>>();
    let frames = theirs.iter().map(|connection| Outgoing::new(Audience::One(*connection), text.clone()));
    state.outbox.frames.extend(frames);
    theirs.len()
}
