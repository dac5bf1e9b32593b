//! The fields, those that were cleared, and how much room they take.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use crate::protocol::json::Json;

use super::turn::Field;

/// All fields by name.
#[derive(Debug, Clone, Default)]
pub struct Document {
    fields: BTreeMap<String, Field>,
    set: usize,
    bytes: usize,
    /// What [`Document::selections`] made, until a field changes.
    selections: OnceCell<Json>,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Document {
    /// All fields, tombstones among them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Field)> {
        self.fields.iter()
    }

    /// A field or its tombstone.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// The stored selections by field, as one object. Made once for all who ask between two changes: when a crowd joins
    /// or comes back, each of them does.
    pub fn selections(&self) -> &Json {
        self.selections.get_or_init(|| {
            let set = self.fields.iter().filter_map(|(name, field)| Some((name, field.selection.as_ref()?)));
            Json::of(&set.collect::<BTreeMap<_, _>>())
        })
    }

    /// Whether the field has a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|field| field.selection.is_some())
    }

    /// How many fields have a value.
    pub fn set_count(&self) -> usize {
        self.set
    }

    /// How many tombstones there are.
    pub fn tombstones(&self) -> usize {
        self.fields.len() - self.set
    }

    /// What the fields take, in bytes of text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What they would take with `field` in place of what `name` holds now.
    pub fn bytes_with(&self, name: &str, field: &Field) -> usize {
        let now = self.get(name).map_or(0, |old| size(name, old));
        self.bytes + size(name, field) - now
    }

    /// Puts a field or a tombstone in its place.
    pub fn put(&mut self, name: String, field: Field) {
        self.selections.take();
        self.set += usize::from(field.selection.is_some());
        self.bytes += size(&name, &field);
        // Most of what is put is there already, and then needs no new place in the map.
        match self.fields.get_mut(&name) {
            Some(place) => {
                let old = std::mem::replace(place, field);
                self.set -= usize::from(old.selection.is_some());
                self.bytes -= size(&name, &old);
            }
            None => drop(self.fields.insert(name, field)),
        }
    }

    /// Forgets the oldest tombstone. Returns its name and version.
    pub fn forget_oldest_tombstone(&mut self) -> Option<(String, u64)> {
        let tombstones = self.fields.iter().filter(|(_, field)| field.selection.is_none());
        let name = tombstones.min_by_key(|(_, field)| field.version)?.0.clone();
        let version = self.remove(&name)?.version;
        Some((name, version))
    }

    /// Takes a field or a tombstone out.
    pub fn remove(&mut self, name: &str) -> Option<Field> {
        let field = self.fields.remove(name)?;
        self.selections.take();
        self.set -= usize::from(field.selection.is_some());
        self.bytes -= size(name, &field);
        Some(field)
    }
}

fn size(name: &str, field: &Field) -> usize {
    name.len()
        + field.user_id.len()
        + field.client_id.as_ref().map_or(0, String::len)
        + field.selection.as_ref().map_or(0, |selection| selection.text().len())
}
