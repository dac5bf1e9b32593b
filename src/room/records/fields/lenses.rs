//! A room that was stored by an older version of its kind is brought forward when it wakes (K6).

use std::collections::BTreeMap;

use crate::kind::Kind;
use crate::kind::lens::Lens;
use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::fields::{FieldCleared, FieldSelected, Selection, VIA_LENS, stored_selection};
use crate::protocol::json::{self, Json};
use crate::room::state::State;

use super::messages::forget_tombstones;
use super::record::Field;

/// How many values that the new schemas refuse are named in the log.
const NAMED: usize = 20;

/// What a field holds while lenses are applied.
#[derive(Clone)]
struct Held {
    /// What it is made of.
    from: Origin,
    /// Its value, if that is another one than the origin's.
    value: Option<Json>,
}

#[derive(Clone, PartialEq)]
enum Origin {
    /// A field that is stored under this name.
    Stored(String),
    /// The default of the lens to this version.
    Default(u64),
}

/// Makes content of an older version of the kind content of this one. What differs is changes, in the order of the fields'
/// names. Returns what the operator should know.
pub fn bring_forward(state: &mut State, kind: &Kind, stored: u64) -> Vec<String> {
    let held = applied(state, kind.lenses_after(stored));
    let gone =
        state.records.fields.iter().filter(|(name, field)| field.selection.is_some() && !held.contains_key(*name));
    let gone = gone.map(|(name, _)| (name.clone(), None)).collect::<Vec<_>>();
    let differs = held.into_iter().filter(|(name, held)| !is_as_stored(name, held));
    let changes = gone.into_iter().chain(differs.map(|(name, held)| (name, Some(held)))).collect::<BTreeMap<_, _>>();
    // A value may move to a field that is changed before it.
    let before = state.records.fields.clone();
    for (name, held) in changes {
        let origin = match &held {
            Some(Held { from: Origin::Stored(from), .. }) => before.get(from.as_str()),
            Some(Held { from: Origin::Default(_), .. }) => None,
            None => before.get(name.as_str()),
        };
        change(state, &name, held.as_ref(), origin, before.get(name.as_str()));
    }
    forget_tombstones(state);
    refused(state, kind)
}

/// All fields that are set after these lenses.
fn applied<'a>(state: &State, lenses: impl Iterator<Item = &'a Lens>) -> BTreeMap<String, Held> {
    let set = state.records.fields.iter().filter(|(_, field)| field.selection.is_some());
    let held = set.map(|(name, _)| (name.clone(), Held { from: Origin::Stored(name.clone()), value: None }));
    let mut held = held.collect::<BTreeMap<_, _>>();
    for lens in lenses {
        let (moved, stay): (Vec<_>, Vec<_>) = held
            .into_iter()
            .filter_map(|(name, held)| Some((lens.name(&name)?, name, held)))
            .partition(|(now, name, _)| now != name);
        // What has been given this name takes it from what had it.
        held = stay.into_iter().chain(moved).map(|(now, _, held)| (now, held)).collect();
        for (name, held) in &mut held {
            let value = held.value.clone().or_else(|| value_of(state, &held.from));
            if let Some(mapped) = value.as_ref().and_then(|value| lens.value(name, value)) {
                held.value = Some(mapped.clone());
            }
        }
        for (name, value) in &lens.default {
            let default = || Held { from: Origin::Default(lens.to), value: Some(value.clone()) };
            held.entry(name.clone()).or_insert_with(default);
        }
    }
    held
}

fn is_as_stored(name: &str, held: &Held) -> bool {
    held.value.is_none() && held.from == Origin::Stored(name.to_owned())
}

fn value_of(state: &State, from: &Origin) -> Option<Json> {
    let Origin::Stored(name) = from else { return None };
    let selection = state.records.fields.get(name.as_str())?.selection.as_ref()?;
    json::object(selection.text()).ok()?.members.get("value").map(Json::from)
}

/// Makes a change of a lens. `origin`: the field that it takes its value from, `field`: what had the name before.
fn change(state: &mut State, name: &str, held: Option<&Held>, origin: Option<&Field>, field: Option<&Field>) {
    let (version, updated_at) = (state.next_version(), state.clock);
    let selection = held.and_then(|held| selection(name, held, origin));
    let selection = selection.map(|selection| stored_selection(&selection, version, updated_at));
    let user_id = match (origin, held) {
        (None, Some(Held { from: Origin::Default(to), .. })) => default_author(*to),
        (origin, _) => origin.map(|origin| origin.user_id.clone()).unwrap_or_default(),
    };
    // Of a field that had a default's place, whoever saw it cleared has seen what was there.
    let before = origin.or(field);
    let lens_from = Some(before.map_or(0, |field| field.lens_from.unwrap_or(field.version)));
    let via = Some(VIA_LENS);
    let message = match &selection {
        Some(selection) => ServerMessage::FieldSelected(FieldSelected { selection, version, via }),
        None => ServerMessage::FieldCleared(FieldCleared { field: name, user_id: &user_id, version, via }),
    };
    let text = state.is_heard_by_plain(None).then(|| message.encode());
    let client_id = origin.and_then(|origin| origin.client_id.clone());
    state.records.fields.put(name.to_owned(), Field { version, updated_at, user_id, client_id, selection, lens_from });
    state.tell_plain(None, text);
}

/// Who is told to have set what a lens sets by default.
fn default_author(to: u64) -> String {
    format!("lens:{to}")
}

fn selection(name: &str, held: &Held, origin: Option<&Field>) -> Option<Selection> {
    let stored = origin.and_then(|origin| origin.selection.as_ref());
    let stored = stored.and_then(|stored| json::object(stored.text()).ok());
    let member = |key: &str| stored.as_ref().and_then(|stored| stored.members.get(key)).map(Json::from);
    let members = stored.iter().flat_map(|stored| stored.members.iter());
    let known = ["field", "value", "userId", "timestamp", "version", "updatedAt"];
    let extra = members.filter(|(key, _)| !known.contains(key)).map(|(key, raw)| (key.to_owned(), Json::from(raw)));
    Some(Selection {
        field: name.to_owned(),
        value: held.value.clone().or_else(|| member("value"))?,
        user_id: match (origin, &held.from) {
            (Some(origin), _) => origin.user_id.clone(),
            (None, Origin::Default(to)) => default_author(*to),
            (None, Origin::Stored(_)) => return None,
        },
        base_version: None,
        is_exact: false,
        timestamp: member("timestamp").filter(|timestamp| timestamp.text() != "null"),
        extra: extra.collect(),
    })
}

/// The values that the schemas of this version refuse. They stay as they are.
fn refused(state: &State, kind: &Kind) -> Vec<String> {
    let set = state.records.fields.iter().filter(|(_, field)| field.selection.is_some());
    let reasons = set.filter_map(|(name, _)| {
        if !kind.has(name) {
            return Some(format!("the kind has no field {name:?}, which the room holds"));
        }
        let misfit = kind.misfit(name, &value_of(state, &Origin::Stored(name.clone()))?)?;
        Some(format!(
            "the field {name:?} holds a value that breaks {:?} at {:?} of its schema",
            misfit.keyword, misfit.path
        ))
    });
    let mut reasons = reasons.collect::<Vec<_>>();
    if reasons.len() > NAMED {
        let more = reasons.len() - NAMED;
        reasons.truncate(NAMED);
        reasons.push(format!("{more} more fields hold what their schemas refuse"));
    }
    reasons
}
