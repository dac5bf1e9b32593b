//! Lenses (K6): how content that was made for one version of a kind becomes content of the next.

use crate::protocol::frames::fields::FieldChange;
use crate::protocol::json::{self, Json};

use super::pattern::Pattern;

/// What leads to one version from the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lens {
    /// The version that it leads to.
    pub to: u64,
    /// Fields that have another name, the closest patterns first.
    pub rename: Vec<(Pattern, Pattern)>,
    /// Fields that there are no longer.
    pub drop: Vec<Pattern>,
    /// Values that are others now, by field, the closest patterns first.
    pub map: Vec<(Pattern, Vec<(String, Json)>)>,
    /// What a field holds that is not set.
    pub default: Vec<(String, Json)>,
}

impl Lens {
    /// Whether a page of the version before can go on: nothing that it knows has changed.
    pub fn is_default_alone(&self) -> bool {
        self.rename.is_empty() && self.drop.is_empty() && self.map.is_empty()
    }

    /// The name of a field after it. `None`: it is dropped.
    pub fn name(&self, name: &str) -> Option<String> {
        let renamed = self.rename.iter().find_map(|(old, new)| Some(new.filled(&old.matched(name)?)));
        let name = renamed.unwrap_or_else(|| name.to_owned());
        (!self.drop.iter().any(|pattern| pattern.matches(&name))).then_some(name)
    }

    /// The value of a field after it, if it is another one. `name` is the field's after it.
    pub fn value(&self, name: &str, value: &Json) -> Option<&Json> {
        let (_, values) = self.map.iter().find(|(pattern, _)| pattern.matches(name))?;
        let text = json::string(value.text());
        let old = text.as_deref().unwrap_or(value.text());
        values.iter().find(|(from, _)| from == old).map(|(_, to)| to)
    }
}

/// What a change that was made for an older version changes now. `None`: what it changed is dropped.
pub fn adapted<'a>(lenses: impl Iterator<Item = &'a Lens>, change: &FieldChange) -> Option<FieldChange> {
    let mut change = change.clone();
    for lens in lenses {
        let name = lens.name(change.field())?;
        match &mut change {
            FieldChange::Select(selection) => {
                if let Some(value) = lens.value(&name, &selection.value) {
                    selection.value = value.clone();
                }
                selection.field = name;
            }
            FieldChange::Clear { field, .. } => *field = name,
        }
    }
    Some(change)
}
