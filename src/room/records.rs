//! The kinds of records that a room keeps. Each kind is a folder here: what it is, its row, its bytes, its limit, its
//! entry in `changes`, its deadlines, and what messages do to it. One line in `kinds!` makes the room keep it.

pub mod clients;
pub mod fields;
pub mod keys;
pub mod people;
pub mod permissions;

use crate::protocol::Millis;
use crate::protocol::frames::{ChangeView, StateView};
use crate::protocol::limits::Limits;
use crate::sql::Creation;

use clients::record::Client;
use fields::record::Field;
use keys::record::KeyedOutcome;
use people::record::Participant;
use permissions::grant::Grant;
use permissions::request::PermissionRequest;

use super::table::{Record, Rows, Scope, Size, Table};
use super::turn::{Meta, Write};

/// Makes [`Records`] from one line for each kind: its name, and the type of its rows.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $record:ty,)+) => {
        /// Everything a room keeps, except its own row. The tables are in the order in which they are read and written.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Records {
            $($(#[$doc])* pub $name: Table<$record>,)+
        }

        impl Records {
            /// How many kinds there are.
            pub const KINDS: usize = [$(stringify!($name)),+].len();

            /// How each table was created.
            pub const CREATIONS: [Creation; Self::KINDS] = [$(<$record as Record>::CREATION),+];

            /// Every table.
            pub fn tables(&self) -> [&dyn Rows; Self::KINDS] {
                [$(&self.$name),+]
            }

            /// Every table, to be changed.
            pub fn tables_mut(&mut self) -> [&mut dyn Rows; Self::KINDS] {
                [$(&mut self.$name),+]
            }
        }
    };
}

kinds! {
    /// Fields that are set, and tombstones.
    fields: Field,
    /// Everyone on record, by user.
    people: Participant,
    /// Clients that have numbered a message, by `clientId`.
    clients: Client,
    /// Writes with an idempotency key, by user and key.
    keys: KeyedOutcome,
    /// Permission requests, including settled ones.
    requests: PermissionRequest,
    /// Permissions, including ended ones.
    grants: Grant,
}

/// What storage holds of a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The room's own row.
    pub meta: Meta,
    /// All else.
    pub records: Records,
}

impl Records {
    /// How large each table is.
    pub fn sizes(&self, limits: &Limits) -> [Size; Self::KINDS] {
        self.tables().map(|table| table.size(limits))
    }

    /// What all of it counts for towards the room's limit, in bytes (X1).
    pub fn bytes(&self) -> usize {
        self.tables().into_iter().map(Rows::bytes).sum()
    }

    /// Whether there is something to write.
    pub fn is_dirty(&self) -> bool {
        self.tables().into_iter().any(Rows::is_dirty)
    }

    /// A segment has closed.
    pub fn told(&mut self) {
        self.tables_mut().into_iter().for_each(Rows::told);
    }

    /// Adds what has to be written to a commit.
    pub fn write(&mut self, commit: &mut Vec<Write>) {
        self.tables_mut().into_iter().for_each(|table| table.write(commit));
    }

    /// The newest version and the newest time of the records that were read from storage.
    pub fn newest(&self) -> (u64, Millis) {
        let tables = self.tables().into_iter().map(Rows::newest);
        tables.fold((0, 0), |(version, time), (newer, later)| (version.max(newer), time.max(later)))
    }

    /// When somebody last used the room, as far as the records show.
    pub fn used_at(&self) -> Option<Millis> {
        self.tables().into_iter().filter_map(Rows::used_at).max()
    }

    /// When the first record falls due.
    pub fn next_due(&self) -> Option<Millis> {
        self.tables().into_iter().filter_map(Rows::next_due).min()
    }

    /// The newest version of all that changed before this time.
    pub fn version_before(&self, time: Millis) -> u64 {
        self.tables().into_iter().map(|table| table.version_before(time)).max().unwrap_or(0)
    }

    /// The current state of everything that changed after version `since`, oldest change first (Y5).
    pub fn changes(&self, scope: Scope, since: u64) -> Vec<ChangeView<'_>> {
        let mut changes = Vec::new();
        for table in self.tables() {
            table.changes(scope, since, &mut changes);
        }
        // A request and the permission that it left have the same version, and keep their order.
        changes.sort_by_key(ChangeView::version);
        changes
    }

    /// Adds the lists of all kinds to the full state (Y2).
    pub fn list<'a>(&'a self, view: &mut StateView<'a>) {
        self.tables().into_iter().for_each(|table| table.list(view));
    }
}
