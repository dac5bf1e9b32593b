//! Comings and goings, as greeted clients are told of them (J9). The first is told in a frame of its own, as plain
//! clients are. If others follow before the segment closes, all of them go into one frame, the last of each user alone:
//! when 500 people join together, that is one frame for each client and not 500.

use std::collections::BTreeMap;

use crate::protocol::Millis;
use crate::protocol::connection::ConnectionId;
use crate::protocol::frames::ServerMessage;
use crate::protocol::frames::people::{UserJoined, UserLeft};

use super::records::people::record::Participant;
use super::table::Table;

/// What a user did last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coming {
    /// Joined, or has a new name (J1).
    Joined,
    /// Left (J4), last heard from at this time.
    Left(Millis),
}

/// The comings and goings of a segment.
#[derive(Debug, Clone, Default)]
pub enum Comings {
    /// None.
    #[default]
    Nothing,
    /// One, which everyone is told of in a frame of its own.
    One {
        /// The place of the frame among those of the outbox.
        frame: usize,
        /// The connection that it came from, if there still is one. It is not told.
        from: Option<ConnectionId>,
        /// Who.
        user: String,
        /// What.
        coming: Coming,
    },
    /// Several, by user.
    Several(BTreeMap<String, Moves>),
}

/// What a user did within a segment.
#[derive(Debug, Clone, Copy)]
pub struct Moves {
    /// Last of all.
    last: Coming,
    /// The last time the user left, which is true whatever becomes of the commit.
    left: Option<Millis>,
}

/// Adds what a user did to what all users did.
pub fn add(users: &mut BTreeMap<String, Moves>, user: String, coming: Coming) {
    let left = match coming {
        Coming::Left(at) => Some(at),
        Coming::Joined => None,
    };
    let moves = users.entry(user).or_insert(Moves { last: coming, left });
    *moves = Moves { last: coming, left: left.or(moves.left) };
}

/// The frame for greeted clients, and the one that is true even though the commit has failed, if any.
pub fn frames(users: &BTreeMap<String, Moves>, people: &Table<Participant>) -> (String, Option<String>) {
    let known = |user: &'_ str| people.get(user);
    let joined = users.iter().filter(|(_, moves)| moves.last == Coming::Joined).filter_map(|(user, _)| {
        let Participant { name, joined_at, profile, .. } = known(user)?;
        Some(UserJoined { user_id: user, user_name: name, joined_at: *joined_at, profile })
    });
    let left = users.iter().filter_map(|(user_id, moves)| match moves.last {
        Coming::Left(last_seen) => Some(UserLeft { user_id, last_seen }),
        Coming::Joined => None,
    });
    let text = ServerMessage::People { joined: joined.collect(), left: left.collect() }.encode();
    let left = users.iter().filter_map(|(user_id, moves)| Some(UserLeft { user_id, last_seen: moves.left? }));
    let left = left.collect::<Vec<_>>();
    let if_lost = (!left.is_empty()).then(|| ServerMessage::People { joined: Vec::new(), left }.encode());
    (text, if_lost)
}
