//! Kinds of rooms (K): which fields a room has, what they may hold, who may write them and enter, and how content of an
//! older version becomes content of this one.
//!
//! A definition has been checked before it gets here (`packages/sdk/src/rooms.ts`), and is read as what it then is.
//! Schemas are checked by a function that comes from outside: the Worker's is a library in JavaScript, the tests' a crate.

pub mod lens;
pub mod pattern;
pub mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::rules::{Enter, Rights, WriteRule};
use crate::protocol::Millis;
use crate::protocol::frames::fields::FieldChange;
use crate::protocol::json::Json;
use crate::protocol::refusal::{About, Code, Refusal};
use crate::protocol::role::Role;

use lens::Lens;
use pattern::Pattern;

/// How a value breaks a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The keyword that it breaks.
    pub keyword: String,
    /// Where in the value, as a JSON Pointer; empty for all of it.
    pub path: String,
}

/// Checks a value, given as JSON, against a schema. The same value always gets the same answer.
pub type Check = fn(&Schema, &str) -> Option<Misfit>;

/// A schema, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The kind.
    pub party: String,
    /// The pattern of its fields.
    pub pattern: String,
    /// JSON Schema 2020-12.
    pub text: Json,
}

/// What a kind says about fields.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRule {
    pattern: Pattern,
    schema: Option<Schema>,
    write: Vec<WriteRule>,
}

/// A declared kind of rooms.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The whole definition, for pages that ask for it (K7).
    pub definition: Json,
    /// The version, from 1.
    pub version: u64,
    /// What lets users in (K5).
    pub enter: Enter,
    /// How long an unused room is kept, in milliseconds, if the kind says so (X3).
    pub time_to_live: Option<Millis>,
    /// Fields with a name of their own.
    named: BTreeMap<String, FieldRule>,
    /// The others, the closest patterns first.
    patterns: Vec<FieldRule>,
    /// Whether there may be other fields.
    is_open: bool,
    /// By the version that they lead to, which rises.
    lenses: Vec<Lens>,
    check: Check,
}

/// All declared kinds, by party.
pub type Kinds = BTreeMap<String, Arc<Kind>>;

impl Kind {
    /// What a change that was made for an older version changes now. `None`: what it changed is dropped (K6).
    pub fn adapted(&self, made_for: u64, change: &FieldChange) -> Option<FieldChange> {
        lens::adapted(self.lenses_after(made_for), change)
    }

    /// What a field of an older version is called now. `None`: it is dropped.
    pub fn name_since(&self, made_for: u64, name: &str) -> Option<String> {
        self.lenses_after(made_for).try_fold(name.to_owned(), |name, lens| lens.name(&name))
    }

    /// What leads from a version to this one. An open room counts as one of version 1.
    pub fn lenses_after(&self, version: u64) -> impl Iterator<Item = &Lens> {
        self.lenses.iter().filter(move |lens| lens.to > version.max(1))
    }

    /// Whether a page of this version must not go on: something that it knows is different now.
    pub fn outdates(&self, version: u64) -> bool {
        self.lenses_after(version).any(|lens| !lens.is_default_alone())
    }

    /// The claims that its rules ask for, each as `NAME=VALUE`.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let rules = self.named.values().chain(&self.patterns).flat_map(|field| &field.write);
        rules.filter_map(|rule| match rule {
            WriteRule::Claim(claim) => Some(claim.as_str()),
            WriteRule::Role(_) | WriteRule::Own => None,
        })
    }

    /// Whether a writer may make a change, and the field may hold what it sets (K2 to K4).
    ///
    /// # Errors
    /// There is no such field, or the writer may not write it, or its schema does not permit the value.
    pub fn check(&self, rights: &Rights<'_>, change: &FieldChange) -> Result<(), Refusal> {
        let name = change.field();
        let (field, about) = (self.field(name), || About::field(name));
        if field.is_none() && !self.is_open {
            let message = format!("Rooms of this kind have no field `{name}`.");
            return Err(Refusal::about(Code::UnknownField, message, about()));
        }
        let is_own = || {
            let stars = field.and_then(|field| field.pattern.matched(name));
            stars.is_some_and(|stars| stars.first() == Some(&change.user_id()))
        };
        let rules = field.map_or(&[WriteRule::Role(Role::Editor)][..], |field| &field.write);
        if !rules.iter().any(|rule| rule.holds(rights, is_own)) {
            return Err(Refusal::about(Code::Forbidden, format!("You may not write `{name}`."), about()));
        }
        let FieldChange::Select(selection) = change else { return Ok(()) };
        match self.misfit(name, &selection.value) {
            None => Ok(()),
            Some(Misfit { keyword, path }) => {
                let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
                let message =
                    format!("`{name}` cannot hold this value: it breaks `{keyword}`{place} of the field's schema.");
                Err(Refusal::about(
                    Code::InvalidValue,
                    message,
                    About { path: Some(path), keyword: Some(keyword), ..about() },
                ))
            }
        }
    }

    /// How a value breaks the schema of a field.
    pub fn misfit(&self, name: &str, value: &Json) -> Option<Misfit> {
        let schema = self.field(name)?.schema.as_ref()?;
        (self.check)(schema, value.text())
    }

    /// Whether it has a field of this name, or may have any.
    pub fn has(&self, name: &str) -> bool {
        self.is_open || self.field(name).is_some()
    }

    fn field(&self, name: &str) -> Option<&FieldRule> {
        self.named.get(name).or_else(|| self.patterns.iter().find(|field| field.pattern.matches(name)))
    }
}
