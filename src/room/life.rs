//! This life of the room: its row, whether storage has it, and when the room was last used.

use crate::protocol::Millis;

use super::turn::{Meta, Write};

/// How far the note of the last use may lag behind, in milliseconds: a thirtieth of the time to live.
pub fn lag(time_to_live: Millis) -> Millis {
    time_to_live / 30
}

/// This life of the room.
#[derive(Debug, Clone)]
pub struct Life {
    meta: Meta,
    is_stored: bool,
    is_dirty: bool,
}

impl Life {
    /// One that begins now; storage knows nothing about it until somebody uses the room.
    pub fn new(epoch: String, kind: u64, now: Millis) -> Self {
        Self { meta: Meta { epoch, floor: 0, touched: now, kind }, is_stored: false, is_dirty: false }
    }

    /// One that storage has.
    pub fn restored(meta: Meta) -> Self {
        Self { meta, is_stored: true, is_dirty: false }
    }

    /// The room's own row.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Which life of the room this is (U8).
    pub fn epoch(&self) -> &str {
        &self.meta.epoch
    }

    /// Whether storage has the room, or will have it after the latest commit.
    pub fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Whether the row has to be written.
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Notes that the room is in use. The note in storage is renewed once it lags too far behind.
    pub fn touch(&mut self, now: Millis, time_to_live: Millis) {
        if !self.is_stored || now - self.meta.touched >= lag(time_to_live) {
            self.meta.touched = now;
            self.is_dirty = true;
        }
    }

    /// Something of this version was forgotten: a reader that knows less than that gets the full state (Y3).
    pub fn raise_floor(&mut self, version: u64) {
        self.meta.floor = self.meta.floor.max(version);
        self.is_dirty = true;
    }

    /// What it keeps is of this version of its kind from now on.
    pub fn brought_forward(&mut self, kind: u64) {
        self.is_dirty |= self.meta.kind != kind;
        self.meta.kind = kind;
    }

    /// Adds what has to be written to a commit.
    pub fn write(&mut self, commit: &mut Vec<Write>) {
        if std::mem::take(&mut self.is_dirty) {
            if !std::mem::replace(&mut self.is_stored, true) {
                commit.push(Write::Create);
            }
            commit.push(Write::Meta(self.meta.clone()));
        }
    }
}
