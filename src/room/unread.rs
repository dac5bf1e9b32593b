//! What a connection may leave unread before it is closed with 4508 (X1). A reader that asks for the whole room gets all
//! of it in one frame, which may be longer than the bound, and it counts as unread the moment it is sent. So the replies
//! that a reader has asked for do not count, as far as it is still reading them; but only the two longest, so that
//! nobody can ask and ask and never read.

use crate::protocol::limits::UNSENT_BYTES;

/// The longest replies that a connection may still be reading, in bytes, the longest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread([u64; 2]);

impl Unread {
    /// Whether the connection reads too slowly to be sent anything more. `unsent`: the bytes that wait for it.
    pub fn is_too_much(&mut self, unsent: u64) -> bool {
        // What is left of the replies is no longer than all that is left.
        let [longest, other] = self.0;
        self.0 = [longest.min(unsent), other.min(unsent.saturating_sub(longest))];
        unsent - self.0.iter().sum::<u64>() > u64::from(UNSENT_BYTES)
    }

    /// A reply of this many bytes was sent to it, and not something that others hear too.
    pub fn replied(&mut self, bytes: usize) {
        let (bytes, [longest, other]) = (bytes as u64, self.0);
        self.0 = if bytes > longest { [bytes, longest] } else { [longest, other.max(bytes)] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn x1_the_whole_room_may_be_longer_than_what_may_be_left_unread() {
        let mut unread = Unread::default();
        assert!(!unread.is_too_much(0));
        unread.replied(5 * 1024 * 1024);
        assert!(!unread.is_too_much(5 * MIB), "the next frame of the same event");
        // It asks again, since something was missing.
        unread.replied(5 * 1024 * 1024);
        unread.replied(100);
        assert!(!unread.is_too_much(10 * MIB + 100), "an ack displaces no reply that is longer");
        assert!(!unread.is_too_much(14 * MIB));
        assert!(unread.is_too_much(14 * MIB + 1), "what others send counts as ever");
    }

    #[test]
    fn x1_who_never_reads_is_closed_however_often_it_asks() {
        let (mut unread, mut unsent) = (Unread::default(), 0);
        let mut asked = 0;
        while !unread.is_too_much(unsent) {
            unread.replied(5 * 1024 * 1024);
            (unsent, asked) = (unsent + 5 * MIB, asked + 1);
        }
        assert_eq!(asked, 3);
    }

    #[test]
    fn x1_a_reply_that_was_read_excuses_nothing() {
        let mut unread = Unread::default();
        unread.replied(5 * 1024 * 1024);
        assert!(!unread.is_too_much(0));
        assert!(unread.is_too_much(5 * MIB));
    }
}
