//! A table of records in memory: its rows, which of them are dirty, their bytes, and what changed since a version.
//!
//! Nothing else knows what a commit has to write. A row is dirty from the moment it is put, edited or removed until
//! [`Rows::write`] has handed it to a commit. If that commit fails, the whole room is dropped, so nothing here is ever
//! cleaned up by hand.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Bound;

use crate::protocol::Millis;
use crate::protocol::frames::{ChangeView, StateView};
use crate::protocol::limits::Limits;
use crate::sql::{Columns, Creation, Row, StoreError, TableSql};

use super::effort;
use super::turn::Write;

/// What a row usually counts for beside its text, in bytes: its numbers, and its place in the table and in storage.
pub const ROW_CHARGE: usize = 48;

/// What a row of some kind is, apart from what messages do to it.
pub trait Record: Debug + Clone + PartialEq + Sized + 'static {
    /// The key of a row.
    type Key: Debug + Clone + Ord;
    /// What is kept beside the rows, so that a question about all of them need not look at each; `()` for nothing.
    type Index: Index<Self>;
    /// Its table in storage.
    const TABLE: &'static TableSql;
    /// Since which schema version there is the table, and how it is created. A column added later is an entry in
    /// `store.rs`.
    const CREATION: Creation;

    /// How a row is written: with the table's statements, or with those of fewer columns if the others hold nothing.
    fn table_for(_record: &Self) -> &'static TableSql {
        Self::TABLE
    }
    /// The columns that are written.
    fn row(key: Self::Key, record: &Self) -> Row;
    /// The columns of the key.
    fn key_row(key: Self::Key) -> Row;
    /// Reads what [`Record::row`] wrote.
    ///
    /// # Errors
    /// The row does not hold what the table promises.
    fn read(columns: &mut Columns<'_>) -> Result<(Self::Key, Self), StoreError>;

    /// What each row counts for towards the room's limit beside its text, in bytes: it takes space however short its
    /// text is.
    const CHARGE: usize;
    /// The bytes of text in a row.
    fn text_bytes(key: &Self::Key, record: &Self) -> usize;
    /// What a row counts for towards the room's limit (X1), in bytes.
    fn bytes(key: &Self::Key, record: &Self) -> usize {
        Self::CHARGE + Self::text_bytes(key, record)
    }
    /// The most rows there may be. Whoever adds one refuses it beyond this, or lets an older one give way.
    fn most(limits: &Limits) -> usize;
    /// The version of its last change; 0 for kinds without versions.
    fn version(&self) -> u64;
    /// The latest time that it contains. The room's clock never goes back behind it.
    fn newest_time(&self) -> Millis;
    /// When it last changed, if that is kept: for readers who ask by time (H2).
    fn changed_at(&self) -> Option<Millis> {
        None
    }
    /// When somebody last used the room, as far as this record shows (X3).
    fn used_at(&self) -> Option<Millis> {
        None
    }
    /// When the first of them falls due, if any: the room is woken for it.
    fn next_due(_index: &Self::Index) -> Option<Millis> {
        None
    }
    /// Its current state as an entry of `changes` (Y5); `None` for kinds that are not reported.
    fn change<'a>(_key: &'a Self::Key, _record: &'a Self) -> Option<ChangeView<'a>> {
        None
    }
    /// Adds the table's list to the full state (Y2), if it has one there.
    fn list<'a>(_table: &'a Table<Self>, _view: &mut StateView<'a>) {}
}

/// What is kept beside the rows of a table. It is notified of every row that comes and goes; a row that changes does
/// both.
pub trait Index<R: Record>: Debug + Clone + Default {
    /// A row was added.
    fn added(&mut self, key: &R::Key, record: &R);
    /// A row was removed.
    fn removed(&mut self, key: &R::Key, record: &R);
}

impl<R: Record> Index<R> for () {
    fn added(&mut self, _: &R::Key, _: &R) {}

    fn removed(&mut self, _: &R::Key, _: &R) {}
}

/// All records of a kind.
#[derive(Debug, Clone)]
pub struct Table<R: Record> {
    rows: BTreeMap<R::Key, R>,
    /// Those that have to be written, except the fresh ones.
    dirty: BTreeSet<R::Key>,
    /// Those that have to be written and have changed since the last segment closed. They are apart so that each segment
    /// looks at what changed in it and at nothing else.
    fresh: BTreeSet<R::Key>,
    /// The newest version and the newest time of the rows that were read from storage.
    newest: (u64, Millis),
    bytes: usize,
    /// Kept in step with the rows by this table only.
    index: R::Index,
}

/// Equal if the rows are: what is dirty is on its way to storage, and the rest follows from the rows.
impl<R: Record> PartialEq for Table<R> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            dirty: BTreeSet::new(),
            fresh: BTreeSet::new(),
            newest: (0, 0),
            bytes: 0,
            index: R::Index::default(),
        }
    }
}

/// A row as it was before a change that may have to be undone.
#[derive(Debug)]
pub struct Saved<R: Record> {
    key: R::Key,
    record: Option<R>,
    is_dirty: bool,
}

impl<R: Record> Table<R> {
    /// All rows, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&R::Key, &R)> + Clone {
        self.rows.iter().inspect(|_| effort::look())
    }

    /// A row.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&R>
    where
        R::Key: Borrow<Q>,
    {
        self.rows.get(key)
    }

    /// What all rows count for towards the room's limit, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is kept beside the rows.
    pub fn index(&self) -> &R::Index {
        &self.index
    }

    /// The rows, and what is kept beside them, for an index that looks up rows to bring itself up to date.
    pub fn with_index(&mut self) -> (&BTreeMap<R::Key, R>, &mut R::Index) {
        (&self.rows, &mut self.index)
    }

    /// What a row counts for, in bytes; 0 if there is none.
    pub fn bytes_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        R::Key: Borrow<Q>,
    {
        self.rows.get_key_value(key).map_or(0, |(key, record)| R::bytes(key, record))
    }

    /// Whether a row is dirty.
    pub fn is_dirty_at<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        R::Key: Borrow<Q>,
    {
        self.dirty.contains(key) || self.fresh.contains(key)
    }

    /// Puts a row in its place.
    pub fn put(&mut self, key: R::Key, record: R) {
        self.mark(&key);
        self.place(key, record);
    }

    /// Changes a row in place. Returns what `change` returns; `None` if there is no such row.
    pub fn edit<Q, T>(&mut self, key: &Q, change: impl FnOnce(&mut R) -> T) -> Option<T>
    where
        R::Key: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (name, record) = self.rows.get_key_value(key)?;
        self.index.removed(name, record);
        let done = self.edit_beside_index(key, change);
        if let Some((name, record)) = self.rows.get_key_value(key) {
            self.index.added(name, record);
        }
        done
    }

    /// The same for a change that makes no difference to what is kept beside the rows.
    pub fn edit_beside_index<Q, T>(&mut self, key: &Q, change: impl FnOnce(&mut R) -> T) -> Option<T>
    where
        R::Key: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (name, record) = self.rows.range_mut((Bound::Included(key), Bound::Included(key))).next()?;
        if !self.fresh.contains(key) {
            let name = self.dirty.take(key).unwrap_or_else(|| name.clone());
            self.fresh.insert(name);
        }
        self.bytes -= R::bytes(name, record);
        let done = change(record);
        self.bytes += R::bytes(name, record);
        Some(done)
    }

    /// Removes a row.
    pub fn remove(&mut self, key: &R::Key) {
        self.mark(key);
        self.take_out(key);
    }

    /// Puts a row in its place as read from storage.
    pub fn restore(&mut self, key: R::Key, record: R) {
        effort::look();
        let (version, time) = self.newest;
        self.newest = (version.max(record.version()), time.max(record.newest_time()));
        self.place(key, record);
    }

    /// A row as it is now, for [`Table::roll_back`].
    pub fn save(&self, key: R::Key) -> Saved<R> {
        Saved { record: self.rows.get(&key).cloned(), is_dirty: self.is_dirty_at(&key), key }
    }

    /// Restores a saved row.
    pub fn roll_back(&mut self, Saved { key, record, is_dirty }: Saved<R>) {
        if !is_dirty {
            self.dirty.remove(&key);
            self.fresh.remove(&key);
        }
        match record {
            Some(record) => self.place(key, record),
            None => self.take_out(&key),
        }
    }

    /// Most rows that become dirty are dirty already, and then the key need not be copied.
    fn mark(&mut self, key: &R::Key) {
        if !self.fresh.contains(key) {
            let key = self.dirty.take(key).unwrap_or_else(|| key.clone());
            self.fresh.insert(key);
        }
    }

    fn place(&mut self, key: R::Key, record: R) {
        self.bytes += R::bytes(&key, &record);
        // Most rows that are put exist already, and then need no new entry in the map.
        match self.rows.get_mut(&key) {
            Some(place) => {
                self.bytes -= R::bytes(&key, place);
                self.index.removed(&key, place);
                *place = record;
                self.index.added(&key, place);
            }
            None => {
                self.index.added(&key, &record);
                self.rows.insert(key, record);
            }
        }
    }

    fn take_out(&mut self, key: &R::Key) {
        if let Some(record) = self.rows.remove(key) {
            self.bytes -= R::bytes(key, &record);
            self.index.removed(key, &record);
        }
    }
}

/// Which rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that have changed since the last segment closed.
    Fresh,
}

/// How large a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The table in storage.
    pub table: &'static str,
    /// How many rows there are.
    pub rows: usize,
    /// How many there may be.
    pub most: usize,
    /// What each row counts for beside its text, in bytes.
    pub charge: usize,
    /// What all of them count for, in bytes.
    pub bytes: usize,
}

/// A table of any kind, for what is done to all of them alike.
pub trait Rows {
    /// The table in storage.
    fn table(&self) -> &'static TableSql;
    /// Puts a row in its place as read from storage.
    ///
    /// # Errors
    /// It does not hold what the table promises.
    fn read(&mut self, columns: &mut Columns<'_>) -> Result<(), StoreError>;
    /// Whether there is something to write.
    fn is_dirty(&self) -> bool;
    /// A segment has closed: what has changed so far is in its frame.
    fn told(&mut self);
    /// Adds what has to be written to a commit. After this nothing is dirty.
    fn write(&mut self, commit: &mut Vec<Write>);
    /// How many rows there are, how many there may be, and what they count for.
    fn size(&self, limits: &Limits) -> Size;
    /// What all rows count for towards the room's limit, in bytes.
    fn bytes(&self) -> usize;
    /// The newest version and the newest time of the rows that were read from storage.
    fn newest(&self) -> (u64, Millis);
    /// When a row of the table was last used.
    fn used_at(&self) -> Option<Millis>;
    /// When the first of the rows falls due.
    fn next_due(&self) -> Option<Millis>;
    /// The newest version of all rows that changed before this time.
    fn version_before(&self, time: Millis) -> u64;
    /// The current state of the rows that changed after version `since`.
    fn changes<'a>(&'a self, scope: Scope, since: u64, into: &mut Vec<ChangeView<'a>>);
    /// Adds the table's list to the full state, if it has one there.
    fn list<'a>(&'a self, view: &mut StateView<'a>);
}

impl<R: Record> Rows for Table<R> {
    fn table(&self) -> &'static TableSql {
        R::TABLE
    }

    fn read(&mut self, columns: &mut Columns<'_>) -> Result<(), StoreError> {
        let (key, record) = R::read(columns)?;
        self.restore(key, record);
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.fresh.is_empty()
    }

    fn told(&mut self) {
        if self.dirty.is_empty() {
            std::mem::swap(&mut self.dirty, &mut self.fresh);
        }
        self.dirty.extend(std::mem::take(&mut self.fresh));
    }

    fn write(&mut self, commit: &mut Vec<Write>) {
        self.told();
        for key in std::mem::take(&mut self.dirty) {
            commit.push(match self.rows.get(&key) {
                Some(record) => Write::Put(R::table_for(record), R::row(key, record)),
                None => Write::Delete(R::TABLE, R::key_row(key)),
            });
        }
    }

    fn size(&self, limits: &Limits) -> Size {
        let (rows, most, bytes) = (self.rows.len(), R::most(limits), self.bytes);
        Size { table: R::TABLE.name, rows, most, charge: R::CHARGE, bytes }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn newest(&self) -> (u64, Millis) {
        self.newest
    }

    fn used_at(&self) -> Option<Millis> {
        self.iter().filter_map(|(_, record)| record.used_at()).max()
    }

    fn next_due(&self) -> Option<Millis> {
        R::next_due(&self.index)
    }

    fn version_before(&self, time: Millis) -> u64 {
        let before = self.iter().filter(|(_, record)| record.changed_at().is_some_and(|at| at < time));
        before.map(|(_, record)| record.version()).max().unwrap_or(0)
    }

    fn changes<'a>(&'a self, scope: Scope, since: u64, into: &mut Vec<ChangeView<'a>>) {
        let view = |(key, record): (&'a R::Key, &'a R)| {
            if record.version() > since { R::change(key, record) } else { None }
        };
        match scope {
            Scope::All => into.extend(self.iter().filter_map(view)),
            Scope::Fresh => {
                let fresh =
                    self.fresh.iter().inspect(|_| effort::look()).filter_map(|key| self.rows.get_key_value(key));
                into.extend(fresh.filter_map(view));
            }
        }
    }

    fn list<'a>(&'a self, view: &mut StateView<'a>) {
        R::list(self, view);
    }
}
