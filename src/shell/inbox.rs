//! Frames that wait for the flush timer.
//!
//! To hand a frame over to WebAssembly costs as much as to read it, so in a busy room frames are quicker to take together.
//! While a flush timer is set, `entry.mjs` does not hand over a frame that only changes a field: it puts it into an array
//! that it has from the room, and whatever happens to the room next takes all of them out first. Their order is kept, and
//! since the change would have been told at the flush anyway, nobody is told of it later.

use js_sys::Array;
use wasm_bindgen::JsCast;

use super::bindings::JsQueue;

/// What no JSON holds. A frame that holds it all the same does not wait.
const QUEUE_SEPARATOR: &str = "\0";

/// The array, as the room has it.
pub struct Inbox {
    queue: JsQueue,
}

impl Inbox {
    /// One in which nothing waits, and nothing may yet.
    pub fn new() -> Self {
        Self { queue: Array::new().unchecked_into() }
    }

    /// The array, for `entry.mjs`.
    pub fn queue(&self) -> &JsQueue {
        &self.queue
    }

    /// Whether frames may wait from here on.
    pub fn open(&self, may_wait: bool) {
        self.queue.set_waits(may_wait);
    }

    /// Whether frames wait.
    pub fn has_frames(&self) -> bool {
        self.queue.length() > 0
    }

    /// Takes out the frames, in the order in which they came, each with the handle of its connection.
    pub fn take(&self) -> Vec<(u64, String)> {
        // As one text: to hand each of them over costs as much as to read it.
        let frames = String::from(self.queue.join(QUEUE_SEPARATOR));
        self.queue.set_length(0);
        let read = |frame: &str| {
            let (handle, text) = frame.split_once(' ')?;
            Some((handle.parse().ok()?, text.to_owned()))
        };
        frames.split(QUEUE_SEPARATOR).filter_map(read).collect()
    }
}
