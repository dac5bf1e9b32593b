//! What a room keeps, as SQL: migrations, commits to statements, rows to a [`Stored`]. Runs nothing; the host's SQLite and
//! workerd's get the same statements. What a row of a kind holds and how its table is created is defined with the kind.
//!
//! One row for each record, and one for the room itself. Tables are `WITHOUT ROWID`, since the index behind a text key
//! would be a second billed row. There is no log: what changed since a version follows from the rows' versions.

use std::iter::once;
use std::sync::LazyLock;

use crate::room::records::{Records, Stored};
use crate::room::turn::{Meta, Write};
use crate::sql::{Columns, Row, Sql, Statement, StoreError, TableSql, Value};

/// Forward migrations beyond the tables that [`Records`] create: entry `n` takes a room from schema `n` to `n + 1`. Entries
/// are added and never changed.
const ALTERATIONS: &[&[&str]] = &[
    &["CREATE TABLE room (one INTEGER PRIMARY KEY CHECK (one = 1), schema INTEGER NOT NULL, epoch TEXT NOT NULL, \
       floor INTEGER NOT NULL, touched INTEGER NOT NULL)"],
    &["ALTER TABLE field ADD COLUMN client_id TEXT"],
    &[],
    // From here on the outcomes of clients are lines, which older builds cannot read. Older ones are read as they are.
    &[],
    &["ALTER TABLE participant ADD COLUMN leaves_at INTEGER"],
    &["ALTER TABLE room ADD COLUMN kind INTEGER NOT NULL DEFAULT 0", "ALTER TABLE field ADD COLUMN lens_from INTEGER"],
];

/// The schema that this build reads and writes: that of the newest table or alteration.
pub fn schema_version() -> i64 {
    i64::try_from(newest_schema()).unwrap_or(i64::MAX)
}

fn newest_schema() -> usize {
    Records::CREATIONS.iter().map(|creation| creation.schema).fold(ALTERATIONS.len(), usize::max)
}

/// The statements that carry out a commit. No two writes of a commit concern the same row, so their order does not
/// matter, except that tables are created first. Consecutive rows of a table share statements.
pub fn statements(commit: Vec<Write>) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut rows: Option<(&TableSql, Vec<Row>)> = None;
    for write in commit {
        match write {
            Write::Create => statements.extend(migrate_from(0)),
            Write::Meta(meta) => statements.push(put_meta(meta)),
            Write::Delete(table, key) => statements.push((table.delete, key)),
            Write::Put(table, row) => match &mut rows {
                Some((of, rows)) if *of == table => rows.push(row),
                _ => {
                    let before = rows.replace((table, vec![row]));
                    statements.extend(before.into_iter().flat_map(|(table, rows)| table.put(rows)));
                }
            },
        }
    }
    statements.extend(rows.into_iter().flat_map(|(table, rows)| table.put(rows)));
    statements
}

fn put_meta(Meta { epoch, floor, touched, kind }: Meta) -> Statement {
    let query = "INSERT OR REPLACE INTO room (one, schema, epoch, floor, touched, kind) VALUES (1, ?, ?, ?, ?, ?)";
    let schema = Value::Integer(schema_version());
    let row = vec![schema, Value::Text(epoch), Value::version(floor), Value::Integer(touched), Value::version(kind)];
    (query, row)
}

/// Runs all statements of a commit. The caller has opened a transaction, and rolls it back on an error.
///
/// # Errors
/// The first statement that fails.
pub fn write(sql: &mut impl Sql, statements: &[Statement]) -> Result<(), StoreError> {
    statements.iter().try_for_each(|statement| sql.execute(statement))
}

/// How many parts a `UNION` may have, by the platform's limits.
const PARTS: usize = 5;

/// Reads everything that a room keeps, in as few statements as the platform allows: to a waking room, a statement costs
/// more than its rows. The first column says which table the others belong to: 0 is the room's own row, and the tables
/// of [`Records`] follow in order. Shorter rows are padded with NULLs.
static EVERYTHING: LazyLock<Vec<String>> = LazyLock::new(|| {
    let room = (META_COLUMNS, META_WIDTH, "room");
    let records = Records::default();
    let tables = records.tables().map(|table| (table.table().columns, table.table().width, table.table().name));
    let tables = once(room).chain(tables).collect::<Vec<_>>();
    let widest = tables.iter().map(|(_, width, _)| *width).max().unwrap_or_default();
    let selects = tables.iter().enumerate().map(|(at, (columns, width, name))| {
        let nulls = ", NULL".repeat(widest - width);
        format!("SELECT {at}, {columns}{nulls} FROM {name}")
    });
    let selects = selects.collect::<Vec<_>>();
    selects.chunks(PARTS).map(|parts| parts.join(" UNION ALL ")).collect()
});

const META_COLUMNS: &str = "schema, epoch, floor, touched, kind";
const META_WIDTH: usize = 5;

fn everything(sql: &mut impl Sql) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for query in EVERYTHING.iter() {
        rows.extend(sql.run(&(query.as_str(), Vec::new()))?);
    }
    Ok(rows)
}

/// Reads a room that has this build's schema. `None`: there is none, or it has another schema, or it cannot be read.
/// Then [`load`] reads it or says why not.
pub fn read(sql: &mut impl Sql) -> Option<Stored> {
    let rows = everything(sql).ok()?;
    let is_current = |row: &Row| matches!(row.as_slice(), [Value::Integer(0), Value::Integer(schema), ..] if *schema == schema_version());
    rows.iter().any(is_current).then(|| stored(&rows).ok()).flatten()
}

/// Reads a room, migrating what an older build wrote. `None`: there is no room. Creates nothing.
///
/// # Errors
/// The room cannot be read; storage is as it was.
pub fn load(sql: &mut impl Sql) -> Result<Option<Stored>, StoreError> {
    let table = ("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'room'", Vec::new());
    if sql.run(&table)?.is_empty() {
        return Ok(None);
    }
    let schema = sql.run(&("SELECT schema FROM room", Vec::new()))?;
    let Some(schema) = schema.first() else { return Ok(None) };
    let found = Columns::of("room", schema).integer()?;
    let known = schema_version();
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for statement in migrate_from(found) {
        sql.run(&statement)?;
    }
    if found < known {
        sql.run(&("UPDATE room SET schema = ?", vec![Value::Integer(known)]))?;
    }
    stored(&everything(sql)?).map(Some)
}

/// The room in the rows of [`EVERYTHING`].
fn stored(rows: &[Row]) -> Result<Stored, StoreError> {
    let (mut meta, mut records) = (None, Records::default());
    let mut tables = records.tables_mut();
    for row in rows {
        let (table, row) = match row.split_first() {
            Some((Value::Integer(table), row)) => (usize::try_from(*table).unwrap_or(usize::MAX), row),
            Some((Value::Null | Value::Text(_), _)) | None => return Err(StoreError::CorruptRow { table: "room" }),
        };
        if table == 0 {
            meta = Some(read_meta(row)?);
        } else {
            let table = tables.get_mut(table - 1).ok_or(StoreError::CorruptRow { table: "room" })?;
            table.read(&mut Columns::of(table.table().name, row))?;
        }
    }
    Ok(Stored { meta: meta.ok_or(StoreError::CorruptRow { table: "room" })?, records })
}

fn read_meta(row: &[Value]) -> Result<Meta, StoreError> {
    let mut columns = Columns::of("room", row);
    columns.integer()?;
    let (epoch, floor) = (columns.text()?, columns.version()?);
    Ok(Meta { epoch, floor, touched: columns.integer()?, kind: columns.version()? })
}

/// The statements that migrate a room from this schema to the newest. Each version alters older tables before it creates
/// new ones.
fn migrate_from(schema: i64) -> Vec<Statement> {
    let done = usize::try_from(schema).unwrap_or(usize::MAX);
    let steps = (done..newest_schema()).flat_map(|before| {
        let altered = ALTERATIONS.get(before).into_iter().flat_map(|step| step.iter().copied());
        let new = Records::CREATIONS.into_iter().filter(move |creation| creation.schema == before + 1);
        altered.chain(new.map(|creation| creation.create))
    });
    steps.map(|sql| (sql, Vec::new())).collect()
}
