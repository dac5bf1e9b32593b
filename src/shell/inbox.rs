//! The room's half of the inbox: frames that `inbox.mjs` holds until the flush timer rings. That file says why, and
//! which rules they follow.

use js_sys::Array;
use wasm_bindgen::JsCast;

use super::bindings::JsInbox;

/// A character that no JSON contains. A frame with one is not held.
const INBOX_SEPARATOR: &str = "\0";

/// The array, as the room has it.
pub struct Inbox {
    frames: JsInbox,
}

impl Inbox {
    /// An empty inbox that is not open yet.
    pub fn new() -> Self {
        Self { frames: Array::new().unchecked_into() }
    }

    /// The array, for `entry.mjs`.
    pub fn array(&self) -> &JsInbox {
        &self.frames
    }

    /// Whether frames may be held from here on.
    pub fn open(&self, is_open: bool) {
        self.frames.set_is_open(is_open);
    }

    /// Whether frames are held.
    pub fn has_frames(&self) -> bool {
        self.frames.length() > 0
    }

    /// Removes the frames, in the order in which they came, each with the handle of its connection.
    pub fn take(&self) -> Vec<(u64, String)> {
        // As one text: handing over each frame costs as much as reading it.
        let frames = String::from(self.frames.join(INBOX_SEPARATOR));
        self.frames.set_length(0);
        let read = |frame: &str| {
            let (handle, text) = frame.split_once(' ')?;
            Some((handle.parse().ok()?, text.to_owned()))
        };
        frames.split(INBOX_SEPARATOR).filter_map(read).collect()
    }
}
