//! Rows as values, and the statements of a table. Runs nothing: the host's SQLite and workerd's get the same statements
//! through [`Sql`].

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::protocol::EXACT;
use crate::protocol::json::Extra;
use crate::protocol::json::{self, Json};

/// A value in a row or a parameter of a statement. As JSON it is null, a number or a string.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// NULL.
    Null,
    /// An integer. workerd passes it as a JavaScript number, exact up to 2⁵³.
    Integer(i64),
    /// Text.
    Text(String),
}

impl Value {
    /// Text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A version, which never comes near 2⁵³.
    pub fn version(version: u64) -> Self {
        Self::Integer(i64::try_from(version).unwrap_or(i64::MAX).min(EXACT - 1))
    }

    /// Text, or NULL if there is none.
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }
}

/// Read by hand: the code that serde derives for an untagged enum buffers its input until it knows the variant.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfAny;

        impl Visitor<'_> for OfAny {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, an integer or text")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
                Ok(Value::Integer(integer))
            }

            /// What workerd makes of an integer beyond 2⁵³, as older builds took one from outside: about the same number.
            fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
                Ok(Value::Integer(i64::try_from(integer).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Integer(number as i64))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }
        }

        deserializer.deserialize_any(OfAny)
    }
}

/// A statement and its parameters.
pub type Statement = (&'static str, Vec<Value>);

/// A row: the values of its columns, in the table's order.
pub type Row = Vec<Value>;

/// Runs one statement at a time.
pub trait Sql {
    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// SQLite's error.
    fn run(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement that returns no rows.
    ///
    /// # Errors
    /// SQLite's error.
    fn execute(&mut self, statement: &Statement) -> Result<(), StoreError> {
        self.run(statement).map(drop)
    }
}

/// Why storage cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// A newer build wrote this room. It is refused rather than guessed at.
    NewerSchema {
        /// The schema version in storage.
        found: i64,
        /// The newest that this build knows.
        known: i64,
    },
    /// A row does not hold what its table promises.
    CorruptRow {
        /// The table.
        table: &'static str,
    },
    /// SQLite refused a statement.
    Sql(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerSchema { found, known } => {
                write!(f, "the room has schema {found}, this build knows {known}: deploy the newer build")
            }
            Self::CorruptRow { table } => write!(f, "a row of the table {table} cannot be read"),
            Self::Sql(message) => write!(f, "SQLite: {message}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// How a table was created. Deployed rooms were created with this, so it never changes once it is released.
#[derive(Debug, Clone, Copy)]
pub struct Creation {
    /// The schema version that added the table.
    pub schema: usize,
    /// The statement that creates it, as of that version.
    pub create: &'static str,
}

/// A table's name, columns and statements. Made by `table!`.
#[derive(Debug)]
pub struct TableSql {
    /// Its name.
    pub name: &'static str,
    /// All columns, the key's first, separated by commas.
    pub columns: &'static str,
    /// How many columns there are.
    pub width: usize,
    /// How many of them belong to the key.
    pub key: usize,
    /// Statements that put rows in their places, each with how many rows it takes, the largest first. A statement costs
    /// more than a row, and the runtime keeps each text prepared, so there are few texts.
    pub upserts: [(usize, &'static str); 3],
    /// The statement that deletes the row of a key.
    pub delete: &'static str,
}

/// By name and by how many columns are written: rows that leave one out have statements of their own.
impl PartialEq for TableSql {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.width) == (other.name, other.width)
    }
}

/// The statements of a table, made from its name, the columns of its key and its other columns. The platform allows 100
/// parameters in a statement, so sixteen rows at a time may have up to six columns, and four rows up to twenty-five.
macro_rules! table {
    ($name:literal, [$first:literal $(, $key:literal)*], [$($column:literal),+ $(,)?]) => {
        $crate::sql::TableSql {
            name: $name,
            columns: concat!($first $(, ", ", $key)* $(, ", ", $column)+),
            width: [$first $(, $key)* $(, $column)+].len(),
            key: [$first $(, $key)*].len(),
            upserts: [
                (16, table!(@upsert $name, [$first $(, $key)* $(, $column)+],
                    table!(@four table!(@four table!(@row $first $(, $key)* $(, $column)+))))),
                (4, table!(@upsert $name, [$first $(, $key)* $(, $column)+],
                    table!(@four table!(@row $first $(, $key)* $(, $column)+)))),
                (1, table!(@upsert $name, [$first $(, $key)* $(, $column)+],
                    table!(@row $first $(, $key)* $(, $column)+))),
            ],
            delete: concat!("DELETE FROM ", $name, " WHERE ", $first, " = ?" $(, " AND ", $key, " = ?")*),
        }
    };
    (@upsert $name:literal, [$first:literal $(, $column:literal)*], $rows:expr) => {
        concat!("INSERT OR REPLACE INTO ", $name, " (", $first $(, ", ", $column)*, ") VALUES ", $rows)
    };
    (@row $first:literal $(, $column:literal)*) => {
        concat!("(?" $(, table!(@mark $column))*, ")")
    };
    (@mark $column:literal) => { ", ?" };
    (@four $rows:expr) => {
        concat!($rows, ", ", $rows, ", ", $rows, ", ", $rows)
    };
}
pub(crate) use table;

/// The most parameters that the platform allows in a statement.
const PARAMETERS: usize = 100;

impl TableSql {
    /// The statements that put these rows in their places, with as many rows at a time as there is a text for.
    pub fn put(&self, mut rows: Vec<Row>) -> impl Iterator<Item = Statement> {
        let mut statements = Vec::new();
        for (count, query) in self.upserts.into_iter().filter(|(count, _)| count * self.width <= PARAMETERS) {
            while rows.len() >= count {
                let others = rows.split_off(count);
                statements.push((query, rows.into_iter().flatten().collect()));
                rows = others;
            }
        }
        statements.into_iter()
    }
}

/// Reads the columns of a row one after the other.
#[derive(Debug)]
pub struct Columns<'a> {
    table: &'static str,
    rest: std::slice::Iter<'a, Value>,
}

impl<'a> Columns<'a> {
    /// The columns of a row of this table.
    pub fn of(table: &'static str, row: &'a [Value]) -> Self {
        Self { table, rest: row.iter() }
    }

    /// The error for a row that does not hold what its table promises.
    pub fn corrupt(&self) -> StoreError {
        StoreError::CorruptRow { table: self.table }
    }

    fn next(&mut self) -> Result<&'a Value, StoreError> {
        self.rest.next().ok_or_else(|| self.corrupt())
    }

    /// An integer.
    pub fn integer(&mut self) -> Result<i64, StoreError> {
        self.integer_or_null()?.ok_or_else(|| self.corrupt())
    }

    /// An integer, or `None` for NULL.
    pub fn integer_or_null(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Integer(integer) => Ok(Some(*integer)),
            Value::Text(_) => Err(self.corrupt()),
        }
    }

    /// A version.
    pub fn version(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.integer()?).ok().ok_or_else(|| self.corrupt())
    }

    /// A version, or `None` for NULL.
    pub fn version_or_null(&mut self) -> Result<Option<u64>, StoreError> {
        let version = self.integer_or_null()?.map(u64::try_from).transpose();
        version.ok().ok_or_else(|| self.corrupt())
    }

    /// Text.
    pub fn text(&mut self) -> Result<String, StoreError> {
        self.text_or_null()?.ok_or_else(|| self.corrupt())
    }

    /// Text, or `None` for NULL.
    pub fn text_or_null(&mut self) -> Result<Option<String>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Integer(_) => Err(self.corrupt()),
        }
    }

    /// JSON as text, or `None` for NULL.
    pub fn json_or_null(&mut self) -> Result<Option<Json>, StoreError> {
        let json = self.text_or_null()?.map(Json::parse).transpose();
        json.ok().ok_or_else(|| self.corrupt())
    }

    /// A value that serde reads from JSON.
    pub fn parsed<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let text = self.text()?;
        serde_json::from_str(&text).ok().ok_or_else(|| self.corrupt())
    }

    /// An object of members that the protocol does not know.
    pub fn extra(&mut self) -> Result<Extra, StoreError> {
        let text = self.text()?;
        let object = json::object(&text).ok().ok_or_else(|| self.corrupt())?;
        Ok(object.members.iter().map(|(key, raw)| (key.to_owned(), Json::from(raw))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a8_a_number_that_storage_gives_back_as_a_fraction_is_read() {
        let row = serde_json::from_str::<Row>("[9223372036854775807, 9223372036854776000, 1e3, null, \"x\"]").unwrap();
        let [max, more, thousand] = [i64::MAX, i64::MAX, 1_000].map(Value::Integer);
        assert_eq!(row, [max, more, thousand, Value::Null, Value::text("x")]);
        assert_eq!(Value::version(u64::MAX), Value::Integer(EXACT - 1));
    }
}
