//! A field and its row.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::frames::ChangeView;
use crate::protocol::frames::fields::{FieldChanged, VIA_LENS};
use crate::protocol::json::Json;
use crate::protocol::limits::Limits;
use crate::room::table::{Index, ROW_CHARGE, Record, Table};
use crate::sql::{Columns, Creation, Row, StoreError, TableSql, Value, table};

/// A field, or the tombstone of one that was cleared.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The version of its last change.
    pub version: u64,
    /// When that was.
    pub updated_at: Millis,
    /// Who made it.
    pub user_id: String,
    /// The `clientId` that it came with, if any (S4).
    pub client_id: Option<String>,
    /// The stored selection, or `None` for a tombstone.
    pub selection: Option<Json>,
    /// If a lens made its last change: the version that it had before, and before those of the lenses before that one. Whoever
    /// has seen one of these has seen what is there (K6).
    pub lens_from: Option<u64>,
}

impl Field {
    /// Whether somebody who has seen this version has seen what is there now.
    pub fn is_as_of(&self, version: u64) -> bool {
        self.version == version || self.lens_from.is_some_and(|from| (from..self.version).contains(&version))
    }
}

/// A field that no lens has changed last, which is nearly all of them: six columns, so that sixteen share a statement.
const WITHOUT_LENS: TableSql =
    table!("field", ["name"], ["version", "updated_at", "user_id", "client_id", "selection"]);

impl Record for Field {
    type Key = String;
    type Index = FieldIndex;
    const TABLE: &'static TableSql =
        &table!("field", ["name"], ["version", "updated_at", "user_id", "client_id", "selection", "lens_from"]);
    const CHARGE: usize = ROW_CHARGE;
    const CREATION: Creation = Creation {
        schema: 1,
        create: "CREATE TABLE field (name TEXT PRIMARY KEY, version INTEGER NOT NULL, updated_at INTEGER NOT NULL, \
            user_id TEXT NOT NULL, selection TEXT) WITHOUT ROWID",
    };

    fn table_for(field: &Self) -> &'static TableSql {
        if field.lens_from.is_some() { Self::TABLE } else { &WITHOUT_LENS }
    }

    fn row(name: String, field: &Self) -> Row {
        let mut row = vec![
            Value::Text(name),
            Value::version(field.version),
            Value::Integer(field.updated_at),
            Value::text(&field.user_id),
            Value::text_or_null(field.client_id.as_deref()),
            Value::text_or_null(field.selection.as_ref().map(Json::text)),
        ];
        row.extend(field.lens_from.map(Value::version));
        row
    }

    fn key_row(name: String) -> Row {
        vec![Value::Text(name)]
    }

    fn read(columns: &mut Columns<'_>) -> Result<(String, Self), StoreError> {
        let name = columns.text()?;
        let field = Self {
            version: columns.version()?,
            updated_at: columns.integer()?,
            user_id: columns.text()?,
            client_id: columns.text_or_null()?,
            selection: columns.json_or_null()?,
            lens_from: columns.version_or_null()?,
        };
        Ok((name, field))
    }

    /// Fields that are set, and tombstones, each with a limit of its own.
    fn most(limits: &Limits) -> usize {
        limits.fields + limits.tombstones
    }

    fn text_bytes(name: &String, field: &Self) -> usize {
        name.len()
            + field.user_id.len()
            + field.client_id.as_ref().map_or(0, String::len)
            + field.selection.as_ref().map_or(0, |selection| selection.text().len())
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn newest_time(&self) -> Millis {
        self.updated_at
    }

    fn changed_at(&self) -> Option<Millis> {
        Some(self.updated_at)
    }

    fn used_at(&self) -> Option<Millis> {
        // A lens is nobody.
        self.lens_from.is_none().then_some(self.updated_at)
    }

    fn change<'a>(name: &'a String, field: &'a Self) -> Option<ChangeView<'a>> {
        Some(ChangeView::Field(FieldChanged {
            version: field.version,
            field: name,
            selection: field.selection.as_ref(),
            user_id: &field.user_id,
            updated_at: field.updated_at,
            via: field.lens_from.map(|_| VIA_LENS),
        }))
    }
}

/// What is kept beside the fields.
#[derive(Debug, Clone, Default)]
pub struct FieldIndex {
    /// Tombstones, oldest first: by version.
    tombstones: BTreeMap<u64, String>,
    /// What [`Table::selections`] returned, until a field changes.
    selections: OnceCell<Json>,
}

impl Index<Field> for FieldIndex {
    fn added(&mut self, name: &String, field: &Field) {
        self.selections.take();
        if field.selection.is_none() {
            self.tombstones.insert(field.version, name.clone());
        }
    }

    fn removed(&mut self, _: &String, field: &Field) {
        self.selections.take();
        if field.selection.is_none() {
            self.tombstones.remove(&field.version);
        }
    }
}

impl Table<Field> {
    /// The stored selections by field, as one object. It is made once for all who ask between two changes, as everyone
    /// in a crowd that joins or resumes does.
    pub fn selections(&self) -> &Json {
        self.index().selections.get_or_init(|| {
            let set = self.iter().filter_map(|(name, field)| Some((name, field.selection.as_ref()?)));
            Json::of(&set.collect::<BTreeMap<_, _>>())
        })
    }

    /// Whether the field is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|field| field.selection.is_some())
    }

    /// How many fields are set.
    pub fn set_count(&self) -> usize {
        self.len() - self.tombstones()
    }

    /// How many tombstones there are.
    pub fn tombstones(&self) -> usize {
        self.index().tombstones.len()
    }

    /// The oldest tombstone: its version and the field.
    pub fn oldest_tombstone(&self) -> Option<(u64, String)> {
        self.index().tombstones.first_key_value().map(|(version, name)| (*version, name.clone()))
    }
}
