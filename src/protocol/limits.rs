//! Every limit of a room, in one place, each with its unit.
//!
//! The defaults are in the protocol (X1). An operator overrides one with a Worker variable of the same name
//! (`LIMIT_FIELDS`, …), which [`Limits::from_vars`] reads.

use std::fmt;

use serde::Serialize;

/// How much a room takes before it replies with a `limit_…` error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Limits {
    /// Longest frame, in bytes of UTF-8. `LIMIT_MESSAGE_BYTES`.
    pub message_bytes: usize,
    /// Longest field value, in bytes of JSON, including the selection's further members. `LIMIT_VALUE_BYTES`.
    pub value_bytes: usize,
    /// Longest field name and longest id, in bytes of UTF-8. `LIMIT_NAME_BYTES`, at most 512, since the ids of the user
    /// and the client are kept with the socket.
    pub name_bytes: usize,
    /// Longest user name, in bytes of UTF-8.
    pub user_name_bytes: usize,
    /// Longest data of a presence, in bytes of JSON. `LIMIT_PRESENCE_BYTES`, at most 5,120, since it is kept with the
    /// socket, where the runtime allows 16,384 bytes.
    pub presence_bytes: usize,
    /// Changes in one batch (S9).
    pub batch: usize,
    /// Fields that may be set at one time. `LIMIT_FIELDS`.
    pub fields: usize,
    /// Participants on record; the longest offline gives way to a newcomer. `LIMIT_PARTICIPANTS`.
    pub participants: usize,
    /// Pending permission requests. `LIMIT_REQUESTS`.
    pub requests: usize,
    /// Permissions in force. `LIMIT_PERMISSIONS`.
    pub permissions: usize,
    /// Longest detail of a permission request and longest reason in a response, in bytes.
    pub detail_bytes: usize,
    /// Settled permission requests and ended permissions that are still reported; beyond this the oldest is forgotten.
    pub settled: usize,
    /// Messages a second from one user, sustained. `LIMIT_MESSAGES_PER_SECOND`.
    pub messages_per_second: usize,
    /// Messages from one user in a burst, after a pause. `LIMIT_MESSAGES_BURST`.
    pub messages_burst: usize,
    /// Writes a second that one user makes, sustained: rows, alarms and requests over HTTP.
    /// `LIMIT_WRITES_PER_SECOND`; as many as messages when unset.
    pub writes_per_second: usize,
    /// Writes that one user makes in a burst, after a pause. `LIMIT_WRITES_BURST`; five times as many as messages when
    /// unset.
    pub writes_burst: usize,
    /// Clients whose numbers are known; the one that has been away longest is forgotten.
    pub clients: usize,
    /// Outcomes kept for each client, so that a message may be sent again (E4).
    pub outcomes: usize,
    /// Idempotency keys that are remembered.
    pub idempotency_keys: usize,
    /// Tombstones; beyond this the oldest is forgotten.
    pub tombstones: usize,
    /// Everything that a room keeps, in bytes: its text, and a fixed charge for each row. `LIMIT_ROOM_BYTES`.
    pub room_bytes: usize,
    /// Open connections. `LIMIT_CONNECTIONS`.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            value_bytes: 32 * 1024,
            name_bytes: 128,
            user_name_bytes: 256,
            presence_bytes: 4 * 1024,
            batch: 100,
            fields: 1_000,
            participants: 1_000,
            requests: 200,
            permissions: 1_000,
            detail_bytes: 4 * 1024,
            settled: 1_000,
            messages_per_second: 100,
            messages_burst: 200,
            writes_per_second: 100,
            writes_burst: 1_000,
            clients: 2_000,
            outcomes: 64,
            idempotency_keys: 4_000,
            tombstones: 1_000,
            room_bytes: 4 * 1024 * 1024,
            connections: 500,
        }
    }
}

/// The most presence that fits into an attachment, at 2 bytes per character and beside the rest of the attachment.
const PRESENCE_BYTES_AT_MOST: usize = 5 * 1024;
/// The longest ids that fit into an attachment, in bytes, if they consist of what JSON writes longest.
const NAME_BYTES_AT_MOST: usize = 512;
/// The most that an attachment may take, in bytes, as the runtime stores it: two for each character.
pub const ATTACHMENT_BYTES: usize = 16_384;
/// What an attachment takes without its ids and its presence, in bytes, at most.
const ATTACHMENT_REST: usize = 2_304;
/// What a byte of an id may take in an attachment: JSON writes a control character as six.
const ATTACHED_ID_BYTE: usize = 12;
/// How many writes a user may make at once for each message that it may send at once. At the default rates that is what
/// ten seconds bring, after which a room may sleep and forget how much each user has sent.
const WRITES_OF_A_MESSAGE: usize = 5;
/// Longest `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 256;
/// Longest id of a user, in bytes of UTF-8: as long as an identity provider's may be (OpenID Connect, section 2).
pub const USER_ID_BYTES: usize = 255;
/// Longest room name, in bytes of UTF-8 after percent-decoding (U2).
pub const ROOM_NAME_BYTES: usize = 256;
/// Longest text `id` of a message, in characters (F3).
pub const MESSAGE_ID_CHARS: usize = 64;
/// Deepest nesting of a frame. The same bound as serde_json's, so that no reader of a stored value can be made to
/// recurse without end.
pub const NESTING: usize = 128;
/// Bytes that a connection may leave unread before it is closed with 4508 (X1).
pub const UNSENT_BYTES: u32 = 4 * 1024 * 1024;
/// A frame of up to this many bytes is still searched for its `id` when it is refused for its length, so that the
/// refusal reaches the promise waiting for it (F3).
pub const ID_SEARCH_BYTES: usize = 1024 * 1024;

/// A Worker variable with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVariable {
    /// The variable's name.
    pub name: &'static str,
    /// What it should hold.
    pub expected: &'static str,
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variable {} must be {}", self.name, self.expected)
    }
}

impl std::error::Error for BadVariable {}

impl Limits {
    /// The defaults with the operator's overrides.
    ///
    /// # Errors
    /// A variable that is set, but is not a whole number of 1 or more.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let mut limits = Self::default();
        let (mut writes_per_second, mut writes_burst) = (0, 0);
        for (name, limit) in [
            ("LIMIT_MESSAGE_BYTES", &mut limits.message_bytes),
            ("LIMIT_VALUE_BYTES", &mut limits.value_bytes),
            ("LIMIT_NAME_BYTES", &mut limits.name_bytes),
            ("LIMIT_PRESENCE_BYTES", &mut limits.presence_bytes),
            ("LIMIT_FIELDS", &mut limits.fields),
            ("LIMIT_PARTICIPANTS", &mut limits.participants),
            ("LIMIT_REQUESTS", &mut limits.requests),
            ("LIMIT_PERMISSIONS", &mut limits.permissions),
            ("LIMIT_MESSAGES_PER_SECOND", &mut limits.messages_per_second),
            ("LIMIT_MESSAGES_BURST", &mut limits.messages_burst),
            ("LIMIT_WRITES_PER_SECOND", &mut writes_per_second),
            ("LIMIT_WRITES_BURST", &mut writes_burst),
            ("LIMIT_ROOM_BYTES", &mut limits.room_bytes),
            ("LIMIT_CONNECTIONS", &mut limits.connections),
        ] {
            if let Some(text) = var(name) {
                let number = text.trim().parse().ok().filter(|n| *n > 0);
                *limit = number.ok_or(BadVariable { name, expected: "a whole number of 1 or more" })?;
            }
        }
        // Who lets users send more, lets them write more.
        let or = |set: usize, unset: usize| if set > 0 { set } else { unset };
        limits.writes_per_second = or(writes_per_second, limits.messages_per_second);
        limits.writes_burst = or(writes_burst, limits.messages_burst.saturating_mul(WRITES_OF_A_MESSAGE));
        if limits.presence_bytes > PRESENCE_BYTES_AT_MOST {
            return Err(BadVariable { name: "LIMIT_PRESENCE_BYTES", expected: "a whole number from 1 to 5120" });
        }
        if limits.name_bytes > NAME_BYTES_AT_MOST {
            return Err(BadVariable { name: "LIMIT_NAME_BYTES", expected: "a whole number from 1 to 512" });
        }
        Ok(limits)
    }

    /// The longest presence that fits beside ids of this many bytes.
    pub fn presence_beside(&self, ids: usize) -> usize {
        let left = ATTACHMENT_BYTES.saturating_sub(ATTACHMENT_REST + ATTACHED_ID_BYTE * ids);
        self.presence_bytes.min(left / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x1_a_variable_overrides_its_limit_and_rubbish_is_named() {
        let with =
            |name: &'static str, value: &'static str| Limits::from_vars(move |n| (n == name).then(|| value.to_owned()));
        assert_eq!(with("LIMIT_FIELDS", "3").map(|l| l.fields), Ok(3));
        assert_eq!(with("LIMIT_OTHER", "x"), Ok(Limits::default()));
        let writes = |name, value| with(name, value).map(|limits| (limits.writes_per_second, limits.writes_burst));
        assert_eq!(writes("LIMIT_MESSAGES_PER_SECOND", "7"), Ok((7, 1_000)));
        assert_eq!(writes("LIMIT_MESSAGES_BURST", "7"), Ok((100, 35)));
        assert_eq!(writes("LIMIT_WRITES_PER_SECOND", "7"), Ok((7, 1_000)));
        assert_eq!(writes("LIMIT_WRITES_BURST", "7"), Ok((100, 7)));
        assert!(with("LIMIT_PRESENCE_BYTES", "5120").is_ok());
        assert!(with("LIMIT_PRESENCE_BYTES", "5121").is_err());
        assert!(with("LIMIT_NAME_BYTES", "512").is_ok());
        let error = with("LIMIT_NAME_BYTES", "513").map_err(|error| error.to_string());
        assert_eq!(error, Err("the variable LIMIT_NAME_BYTES must be a whole number from 1 to 512".to_owned()));
        for rubbish in ["0", "-1", "1.5", "many", ""] {
            let error = with("LIMIT_FIELDS", rubbish).map(|l| l.fields).map_err(|e| e.to_string());
            let expected = "the variable LIMIT_FIELDS must be a whole number of 1 or more";
            assert_eq!(error, Err(expected.to_owned()), "{rubbish:?}");
        }
    }
}
