//! A write that came too late (S4), and the reply to it.

use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::fields::ConflictView;
use crate::protocol::tag::Tag;
use crate::room::table::Table;

use super::record::Field;

/// A write whose author had not seen what the field holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field.
    pub field: String,
    /// The version that the writer had seen.
    pub client_version: u64,
}

impl Conflict {
    /// What lost, and what to: the field as it is now.
    pub fn view<'a>(&'a self, fields: &'a Table<Field>) -> ConflictView<'a> {
        let field = fields.get(self.field.as_str());
        ConflictView {
            field: &self.field,
            client_version: self.client_version,
            server_version: field.map_or(0, |field| field.version),
            current: field.and_then(|field| field.selection.as_ref()),
        }
    }

    /// The frame for the writer. It shows a value that may not be stored yet, and then has to wait for the commit.
    pub fn frame(&self, fields: &Table<Field>, tag: &Tag, is_duplicate: bool) -> String {
        ServerMessage::Conflict {
            id: tag.id.as_ref(),
            seq: tag.number.map(|number| number.seq),
            code: "E_CONFLICT",
            conflict: self.view(fields),
            duplicate: is_duplicate.then_some(true),
        }
        .encode()
    }
}
