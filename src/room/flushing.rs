//! How everything staged becomes a turn.

use crate::protocol::Millis;

use super::connections::presence;
use super::connections::session::Attachment;
use super::deadlines::Deadlines;
use super::outbox::Outbox;
use super::pacing::Pacing;
use super::state::State;
use super::turn::Turn;

/// Turns everything staged into one commit and the frames that depend on it. Presence may stay behind: it has a pace of
/// its own.
pub fn flush(state: &mut State, pacing: &mut Pacing, now: Millis) -> Turn {
    state.clock = state.clock.max(now);
    pacing.tick(now);
    Deadlines::at_flush(state, now);
    if state.has_staged() {
        pacing.flushed(state.version, now);
    }
    state.close_segment();
    if !state.outbox.presence.is_empty() && pacing.tells_presence(now) {
        let news = presence::take_news(state);
        state.outbox.frames.extend(news);
    }
    let mut commit = Vec::new();
    state.life.write(&mut commit);
    state.records.write(&mut commit);
    if !commit.is_empty() {
        pacing.gather();
    }
    let presence = std::mem::take(&mut state.outbox.presence);
    let outbox = std::mem::replace(&mut state.outbox, Outbox { presence, ..Outbox::default() });
    let sessions = &state.sessions;
    let attach = outbox.attach.into_iter().filter_map(|of| Some((of, sessions.get(of)?.attachment(of))));
    let arrived = outbox.arrived.into_iter().map(|of| {
        let attachment = sessions.get(of).map(|session| session.attachment(of));
        (
            of,
            attachment.unwrap_or_else(|| {
                Attachment::unauthenticated(of, sessions.network_of_unauthenticated(of), state.clock)
            }),
        )
    });
    Turn {
        commit,
        writers: outbox.writers,
        attach: attach.chain(arrived).collect(),
        outbox: outbox.frames,
        effects: outbox.effects,
        close: outbox.close.into_iter().map(|(closing, _)| closing).collect(),
        written: outbox.written,
        ..Turn::default()
    }
}
