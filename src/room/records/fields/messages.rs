//! What messages do to fields (S2 to S5, S9). On an error nothing has changed: every check comes before the first
//! assignment, and a batch is rolled back.

use std::collections::BTreeSet;

use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::fields::{FieldChange, FieldCleared, FieldSelected, Selection, stored_selection};
use crate::protocol::json::Json;
use crate::protocol::refusal::{Code, Refusal};
use crate::room::reply::{Rejection, Writer};
use crate::room::state::State;
use crate::room::table::{Record, Saved};

use super::conflict::Conflict;
use super::record::Field;

/// Makes all of these changes or none (S9). Returns the version that the last of them made.
///
/// # Errors
/// Why none was made: first anything wrong with the writer, then the first conflict, then the first refusal.
pub fn change(state: &mut State, from: &Writer, changes: &[FieldChange]) -> Result<u64, Rejection> {
    let Some(user_id) = changes.first().map(FieldChange::user_id) else { return Ok(state.version) };
    state.check_writer(from, user_id)?;
    if changes.iter().any(|change| change.user_id() != user_id) {
        return Err(Refusal::new(Code::IdentityMismatch, "All changes in a batch must come from the same user.").into());
    }
    let adapted = adapted(state, from, changes)?;
    let now = adapted.as_ref().map_or(changes, |adapted| &adapted.now);
    let names = adapted.as_ref().map_or(changes, |adapted| &adapted.before).iter().map(FieldChange::field);
    // A writer cannot know the versions that its own batch makes, so all base versions refer to the state before it.
    for (change, name) in now.iter().zip(names) {
        check_base(state, from, change, name)?;
    }
    if let Some(kind) = &state.settings.kind.declared {
        now.iter().try_for_each(|change| kind.check(&from.rights(), change))?;
    }
    let changes = now;
    let before = Checkpoint::of(state, changes);
    for change in changes {
        let done = match change {
            FieldChange::Select(selection) => select(state, from, selection),
            FieldChange::Clear { field, user_id, .. } => clear(state, from, field, user_id),
        };
        if let Err(refusal) = done {
            before.roll_back(state);
            return Err(refusal.into());
        }
    }
    let version = state.version;
    forget_tombstones(state);
    if let Some(connection) = from.connection {
        state.bind(connection, user_id);
    }
    Ok(version)
}

/// Changes that were made for an older version of the kind, without those of which nothing is left (K6).
struct Adapted {
    /// As they were sent.
    before: Vec<FieldChange>,
    /// As they are made.
    now: Vec<FieldChange>,
}

/// What changes that were made for an older version change now. `None`: they are made as they are.
fn adapted(state: &State, from: &Writer, changes: &[FieldChange]) -> Result<Option<Adapted>, Refusal> {
    let room = &state.settings.kind;
    let Some((kind, version)) = room.declared.as_ref().zip(room.older(from.made_for)?) else { return Ok(None) };
    let adapted = changes.iter().filter_map(|change| Some((change.clone(), kind.adapted(version, change)?)));
    let (before, now) = adapted.unzip();
    Ok(Some(Adapted { before, now }))
}

/// A write with a base version is made only if that is still the field's version, or if the newer one is the writer's
/// own (S4) and the write does not say that it has to be exact (V6).
///
/// `before`: what the field is called where the write comes from. A lens takes versions along with values, but not that of
/// a field that was not set.
fn check_base(state: &State, from: &Writer, change: &FieldChange, before: &str) -> Result<(), Rejection> {
    let (name, fields) = (change.field(), &state.records.fields);
    let field = fields.get(name).or_else(|| fields.get(before));
    let Some(client_version) = change.base_version() else { return Ok(()) };
    let is_own =
        !change.is_exact() && from.client.is_some() && field.is_some_and(|field| field.client_id == from.client);
    if is_own || field.map_or(client_version == 0, |field| field.is_as_of(client_version)) {
        return Ok(());
    }
    Err(Rejection::Conflict(Conflict { field: name.to_owned(), client_version }))
}

fn select(state: &mut State, from: &Writer, selection: &Selection) -> Result<(), Refusal> {
    let (fields, limit) = (&state.records.fields, state.settings.limits.fields);
    if !fields.is_set(&selection.field) && fields.set_count() >= limit {
        let message = format!("The room is full: it has {limit} fields, which is the limit. Clear one first.");
        return Err(Refusal::new(Code::LimitFields, message));
    }
    let version = state.version + 1;
    let stored = stored_selection(selection, version, state.clock);
    let frame = || ServerMessage::FieldSelected(FieldSelected { selection: &stored, version, via: None }).encode();
    let text = state.is_heard_by_plain(from.connection).then(frame);
    put(state, from, &selection.field, &selection.user_id, Some(stored))?;
    state.tell_plain(from.connection, text);
    Ok(())
}

fn clear(state: &mut State, from: &Writer, name: &str, user_id: &str) -> Result<(), Refusal> {
    if state.records.fields.is_set(name) {
        put(state, from, name, user_id, None)?;
        let frame = || {
            ServerMessage::FieldCleared(FieldCleared { field: name, user_id, version: state.version, via: None })
                .encode()
        };
        let text = state.is_heard_by_plain(from.connection).then(frame);
        state.tell_plain(from.connection, text);
    }
    Ok(())
}

/// Makes the next version: `name` now holds `selection`, or a tombstone.
fn put(state: &mut State, from: &Writer, name: &str, user_id: &str, selection: Option<Json>) -> Result<(), Refusal> {
    let is_smaller = selection.is_none();
    let field = Field {
        version: state.version + 1,
        updated_at: state.clock,
        user_id: user_id.to_owned(),
        client_id: from.client.clone(),
        selection,
        lens_from: None,
    };
    let name = name.to_owned();
    if !is_smaller {
        state.check_growth(Field::bytes(&name, &field), state.records.fields.bytes_of(&name))?;
    }
    state.next_version();
    state.records.fields.put(name, field);
    Ok(())
}

/// How many fields can still be cleared before the oldest tombstone is forgotten.
pub fn tombstones_left(state: &State) -> usize {
    state.settings.limits.tombstones.saturating_sub(state.records.fields.tombstones())
}

/// Keeps no more tombstones than there may be.
pub fn forget_tombstones(state: &mut State) {
    while state.records.fields.tombstones() > state.settings.limits.tombstones {
        forget_oldest_tombstone(state);
    }
}

fn forget_oldest_tombstone(state: &mut State) {
    if let Some((version, name)) = state.records.fields.oldest_tombstone() {
        state.will_forget(version);
        state.records.fields.remove(&name);
    }
}

/// The state to which a batch is rolled back if it cannot be made as a whole.
struct Checkpoint {
    version: u64,
    /// How many frames were staged.
    frames: usize,
    fields: Vec<Saved<Field>>,
}

impl Checkpoint {
    /// What these changes may change.
    fn of(state: &State, changes: &[FieldChange]) -> Self {
        // A single change fails before it changes anything.
        let several = if changes.len() > 1 { changes } else { &[] };
        let names = several.iter().map(FieldChange::field).collect::<BTreeSet<_>>();
        let fields = names.into_iter().map(|name| state.records.fields.save(name.to_owned())).collect();
        Self { version: state.version, frames: state.outbox.frames.len(), fields }
    }

    fn roll_back(self, state: &mut State) {
        state.version = self.version;
        state.outbox.frames.truncate(self.frames);
        for field in self.fields {
            state.records.fields.roll_back(field);
        }
    }
}
