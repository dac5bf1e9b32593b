//! People: the messages by which they join, and the frames that report it (J1 to J7).

use serde::Serialize;

use crate::protocol::Millis;
use crate::protocol::json::Extra;
use crate::protocol::reader::{Reader, bad, size_of_extra, within_value};
use crate::protocol::refusal::Refusal;
#[cfg(test)]
use crate::protocol::tag::MessageId;

/// `user_joined`.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The user's id.
    pub user_id: String,
    /// The user's name, for people.
    pub user_name: String,
    /// Further members of the message, kept with the participant.
    pub profile: Extra,
}

/// A participant (J5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "WireParticipant"))]
pub struct ParticipantView<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The user's name.
    pub name: &'a str,
    /// What the user last said.
    pub is_ready: bool,
    /// Whether a joined connection of the user is open.
    pub online: bool,
    /// How many of them are open.
    pub connections: usize,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
    /// When the server last heard from the user.
    pub last_seen: Millis,
    /// The version of the last change to this participant.
    pub version: u64,
    /// Further members of the user's own message.
    #[serde(flatten)]
    pub profile: &'a Extra,
}

/// The versioned part of a participant (Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ParticipantRecord"))]
pub struct RecordView<'a> {
    /// The user's id.
    pub id: &'a str,
    /// The user's name.
    pub name: &'a str,
    /// What the user last said.
    pub is_ready: bool,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
}

/// The body of the `user_joined` that others get (J1).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserJoined<'a> {
    /// Who.
    pub user_id: &'a str,
    /// The name, for people.
    pub user_name: &'a str,
    /// When the user first joined in this life of the room.
    pub joined_at: Millis,
    /// Further members of the user's own message.
    #[serde(flatten)]
    pub profile: &'a Extra,
}

/// The body of `user_left` (J4).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserLeft<'a> {
    /// Who.
    pub user_id: &'a str,
    /// When the server last heard from the user.
    pub last_seen: Millis,
}

/// The body of `user_ready` (J7).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserReady<'a> {
    /// Who.
    pub user_id: &'a str,
    /// The new flag.
    pub is_ready: bool,
    /// The version that this change made.
    pub version: u64,
}

/// A participant was taken off the record: the body of `participant_removed`, and a change of that kind (J10, Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ParticipantRemoved<'a> {
    /// Who.
    pub user_id: &'a str,
    /// The version that this change made.
    pub version: u64,
}

/// A change of the kind `participant` (Y5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ParticipantChanged<'a> {
    /// The change's version.
    pub version: u64,
    /// The participant.
    pub participant: RecordView<'a>,
}

/// Reads `user_joined`.
pub(super) fn read(reader: &Reader<'_>) -> Result<Join, Refusal> {
    let user_id = reader.user_id("userId")?;
    let user_name = reader.text("userName")?;
    if user_name.is_empty() {
        return Err(bad("`userName` must not be empty."));
    }
    reader.within("userName", user_name.len(), reader.limits.user_name_bytes)?;
    // Members that a participant has of its own, or that belong to the message, are not part of the profile.
    let profile = reader.extra(&[
        "type",
        "id",
        "seq",
        "clientId",
        "userId",
        "userName",
        "token",
        "name",
        "isReady",
        "online",
        "connections",
        "joinedAt",
        "lastSeen",
        "version",
    ]);
    within_value(size_of_extra(&profile), reader.limits)?;
    Ok(Join { user_id, user_name: user_name.into_owned(), profile })
}

/// What is sent about the sender, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum PeopleFrame {
    /// Who the person at this connection is (J1).
    UserJoined {
        /// The user's id.
        user_id: String,
        /// The user's name, for people.
        user_name: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
        /// Further members, kept with the participant.
        #[ts(flatten)]
        profile: Extra,
    },
    /// Whether a participant is ready (J7).
    UserReady {
        /// The participant.
        user_id: String,
        /// The new flag.
        is_ready: bool,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
}

/// What is sent about others, as a type for the SDK.
#[cfg(test)]
#[derive(ts_rs::TS)]
#[ts(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", optional_fields)]
pub enum ModerationFrame {
    /// Closes all connections of a user (A4).
    Kick {
        /// The user.
        user_id: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
    /// Takes a participant who left off the record (J10).
    ParticipantRemoved {
        /// The participant.
        user_id: String,
        /// A name for the answer (F3).
        id: Option<MessageId>,
        /// The message's place in the client's outbox (E1).
        seq: Option<u64>,
    },
}
