//! What readers get: the full state, or what changed since a version.

use crate::protocol::Millis;
use crate::protocol::frames::people::ParticipantView;
use crate::protocol::frames::{ChangesPage, ChangesView, ServerMessage, StateView};
use crate::protocol::json::encode;
use crate::protocol::precondition::field_tag;

use super::connections::presence;
use super::state::State;
use super::table::Scope;

/// What a reader over HTTP already has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Everything up to a version, of this life of the room or of the one named.
    Version(u64, Option<String>),
    /// Everything from before a time.
    Time(Millis),
}

/// The frame with the full state, also the body of `GET /state` (Y2, H1). `reset`: the reader must discard what it had.
pub fn state(state: &State, reset: bool, now: Millis) -> String {
    let records = &state.records;
    let mut view = StateView::new(state.version, state.life.epoch(), time(state, now), records.fields.selections());
    view.participants = participants(state);
    view.presence = presence::shown(state);
    records.list(&mut view);
    view.reset = reset.then_some(true);
    ServerMessage::SyncResponse(Box::new(view)).encode()
}

/// The reply to a reader that has version `since` of the life `epoch`, if it has anything: only what changed since, or
/// the full state if that is no longer known (Y3, U8).
pub fn sync_answer(of: &State, since: Option<u64>, epoch: Option<&str>) -> String {
    match since {
        Some(since) if knows_since(of, since, epoch) => ServerMessage::Changes(Box::new(ChangesView {
            from: since,
            to: of.version,
            epoch: of.life.epoch(),
            changes: of.records.changes(Scope::All, since),
            participants: Some(participants(of)),
            presence: Some(presence::shown(of)),
            reset: None,
        }))
        .encode(),
        Some(_) => state(of, true, of.clock),
        None => state(of, epoch.is_some_and(|epoch| epoch != of.life.epoch()), of.clock),
    }
}

/// The body of `GET /changes` (H2): what changed since, or the full state with `reset` if that is no longer known.
pub fn changes_page(of: &State, since: &Since, now: Millis) -> String {
    let from = match since {
        Since::Version(version, epoch) => Some(*version).filter(|from| knows_since(of, *from, epoch.as_deref())),
        // Times never go back from one version to the next, so everything that changed before the time has a lower
        // version than everything that changed later. When a participant changed is not kept, so those changes may be
        // repeated.
        Since::Time(time) => Some(of.records.version_before(*time)).filter(|from| *from >= of.life.meta().floor),
    };
    let Some(from) = from else { return state(of, true, now) };
    encode(&ChangesPage {
        from,
        to: of.version,
        version: of.version,
        epoch: of.life.epoch(),
        changes: of.records.changes(Scope::All, from),
        participants: participants(of),
        time: time(of, now),
    })
}

/// A field that is set: the stored selection, and its tag (H8). Otherwise the version that cleared it, or 0.
///
/// # Errors
/// It is not set.
pub fn field(state: &State, name: &str) -> Result<(String, String), u64> {
    let Some(field) = state.records.fields.get(name) else { return Err(0) };
    let selection = field.selection.as_ref().ok_or(field.version)?;
    Ok((selection.text().to_owned(), field_tag(state.life.epoch(), field.version)))
}

/// The room's own time, which never goes back.
pub fn time(state: &State, now: Millis) -> Millis {
    now.max(state.clock)
}

/// Whether everything that changed after this version is still known.
fn knows_since(state: &State, version: u64, epoch: Option<&str>) -> bool {
    let meta = state.life.meta();
    epoch.is_none_or(|epoch| epoch == meta.epoch) && (meta.floor..=state.version).contains(&version)
}

fn participants(state: &State) -> Vec<ParticipantView<'_>> {
    let online = state.sessions.online();
    let participants = state.records.people.iter().map(|(user, participant)| {
        let of = online.get(user.as_str()).copied().unwrap_or_default();
        ParticipantView {
            id: user,
            name: &participant.name,
            is_ready: participant.is_ready,
            online: of.connections > 0 || participant.leaves_at.is_some(),
            connections: of.connections,
            joined_at: participant.joined_at,
            last_seen: of.heard.map_or(participant.last_seen, |heard| heard.max(participant.last_seen)),
            version: participant.version,
            profile: &participant.profile,
        }
    });
    participants.collect()
}
