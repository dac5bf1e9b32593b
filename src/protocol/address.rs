//! Which room an address names: `/parties/{party}/{room}` and what follows it (U1 to U3).

use std::fmt;

use super::limits::ROOM_NAME_BYTES;

/// A place that the Worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `/health`
    Health,
    /// `/users/{sub}/revocations`: revokes tokens of a user (A8).
    Revocations {
        /// The user's id, percent-decoded once.
        user: String,
    },
    /// `/kinds/{party}`: what a kind of rooms is (K7).
    Kind {
        /// The kind.
        party: String,
    },
    /// `/parties/{party}/{room}/…`
    Room {
        /// The kind of room.
        party: String,
        /// The room's name, percent-decoded once.
        room: String,
        /// Which part of the room is meant.
        resource: Resource,
    },
}

/// The part of a room that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The room itself: where WebSockets connect.
    Room,
    /// `/state`: its full state.
    State,
    /// `/changes`: what changed since a version or a time.
    Changes,
    /// `/events`: changes as they come.
    Events,
    /// `/fields/{field}`: one field, by its name, percent-decoded once.
    Field(String),
    /// `/messages`: to whoever is here.
    Messages,
    /// `/participants/{userId}`: one participant, by the user's id, percent-decoded once.
    Participant(String),
}

/// Why nothing is served at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    /// No such path.
    NotFound,
    /// A kind of room that this Worker does not have.
    UnknownParty,
    /// The room's name breaks the rule in the text.
    BadRoom(&'static str),
}

impl AddressError {
    /// The stable code of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::UnknownParty => "unknown_party",
            Self::BadRoom(_) => "bad_room",
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("There is nothing at this address. Rooms are at /parties/{party}/{room}."),
            Self::UnknownParty => f.write_str(
                "This server has no such party. It has those that are declared and those in its variable PARTIES.",
            ),
            Self::BadRoom(rule) => f.write_str(rule),
        }
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Reads the path of a URL. `parties` is the comma-separated list of the kinds of rooms there are (U3).
    ///
    /// # Errors
    /// There is no such path, its party is not in the list, or its room has a bad name.
    pub fn parse(path: &str, parties: &str) -> Result<Self, AddressError> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        match segments.next() {
            Some("health") if segments.next().is_none() => return Ok(Self::Health),
            Some("users") => {
                return match (segments.next(), segments.next(), segments.next()) {
                    (Some(user), Some("revocations"), None) => {
                        Ok(Self::Revocations { user: percent_decode(user).ok_or(AddressError::NotFound)? })
                    }
                    (_, _, _) => Err(AddressError::NotFound),
                };
            }
            Some("kinds") => {
                let party = known_party(segments.next(), parties)?;
                return segments.next().map_or(Ok(Self::Kind { party }), |_| Err(AddressError::NotFound));
            }
            Some("parties") => {}
            _ => return Err(AddressError::NotFound),
        }
        let party = known_party(segments.next(), parties)?;
        let room = room_name(segments.next().unwrap_or_default())?;
        let resource = match (segments.next(), segments.next(), segments.next()) {
            (None, _, _) => Resource::Room,
            (Some("state"), None, _) => Resource::State,
            (Some("changes"), None, _) => Resource::Changes,
            (Some("events"), None, _) => Resource::Events,
            (Some("fields"), Some(field), None) => {
                Resource::Field(percent_decode(field).ok_or(AddressError::NotFound)?)
            }
            (Some("messages"), None, _) => Resource::Messages,
            (Some("participants"), Some(user), None) => {
                Resource::Participant(percent_decode(user).ok_or(AddressError::NotFound)?)
            }
            (Some(_), _, _) => return Err(AddressError::NotFound),
        };
        Ok(Self::Room { party, room, resource })
    }
}

fn known_party(segment: Option<&str>, parties: &str) -> Result<String, AddressError> {
    let party = percent_decode(segment.ok_or(AddressError::NotFound)?).ok_or(AddressError::UnknownParty)?;
    let is_known = parties.split(',').any(|known| known.trim() == party);
    is_known.then_some(party).ok_or(AddressError::UnknownParty)
}

fn room_name(segment: &str) -> Result<String, AddressError> {
    let name = percent_decode(segment).ok_or(AddressError::BadRoom(
        "The room name is not valid percent-encoded UTF-8. Encode it with encodeURIComponent.",
    ))?;
    if name.is_empty() {
        return Err(AddressError::BadRoom("The address has no room name. Rooms are at /parties/{party}/{room}."));
    }
    if name.len() > ROOM_NAME_BYTES {
        return Err(AddressError::BadRoom("The room name is longer than 256 bytes of UTF-8."));
    }
    if name.contains('/') || name.chars().any(char::is_control) {
        return Err(AddressError::BadRoom("The room name contains a slash or a control character."));
    }
    Ok(name)
}

/// Decodes `%XX` once. `None` if an escape is malformed or the bytes are not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(path: &str) -> Result<String, &'static str> {
        match Address::parse(path, "collaboration, chat") {
            Ok(Address::Room { party, room, resource: Resource::Room }) => Ok(format!("{party} {room}")),
            Ok(Address::Room { party, room, resource }) => Ok(format!("{party} {room} {resource:?}")),
            Ok(Address::Health) => Ok("health".to_owned()),
            Ok(Address::Revocations { user }) => Ok(format!("revocations {user}")),
            Ok(Address::Kind { party }) => Ok(format!("kind {party}")),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn u2_names_are_decoded_once_and_empty_segments_ignored() {
        let same = "collaboration conflict-resolution:7";
        assert_eq!(room("/parties/collaboration/conflict-resolution:7").as_deref(), Ok(same));
        assert_eq!(room("/parties/collaboration/conflict-resolution%3A7").as_deref(), Ok(same));
        assert_eq!(room("//parties///collaboration/conflict-resolution%3a7/").as_deref(), Ok(same));
        assert_eq!(room("/parties/collaboration/a%253Ab").as_deref(), Ok("collaboration a%3Ab"));
        assert_eq!(room("/parties/collaboration/r/state").as_deref(), Ok("collaboration r State"));
        assert_eq!(room("/parties/collaboration/r/changes").as_deref(), Ok("collaboration r Changes"));
        assert_eq!(room("/parties/collaboration/r/events").as_deref(), Ok("collaboration r Events"));
        assert_eq!(room("/parties/collaboration/r/messages").as_deref(), Ok("collaboration r Messages"));
        let participant = "/parties/collaboration/r/participants/auth0%7Cann";
        assert_eq!(room(participant).as_deref(), Ok(r#"collaboration r Participant("auth0|ann")"#));
        let field = "/parties/collaboration/r/fields/a%2Fb%20c";
        assert_eq!(room(field).as_deref(), Ok(r#"collaboration r Field("a/b c")"#));
        assert_eq!(room(&format!("/parties/chat/{}", "ä".repeat(128))), Ok(format!("chat {}", "ä".repeat(128))));
    }

    #[test]
    fn u2_bad_names_are_refused() {
        let long = format!("/parties/chat/{}", "x".repeat(257));
        for path in [
            "/parties/chat",
            "/parties/chat/",
            "/parties/chat/a%2Fb",
            "/parties/chat/a%00b",
            "/parties/chat/%C2%85",
            "/parties/chat/%ff",
            "/parties/chat/%",
            "/parties/chat/%4",
            "/parties/chat/%zz",
            "/parties/chat/%+1",
            &long,
        ] {
            assert_eq!(room(path), Err("bad_room"), "{path}");
        }
    }

    #[test]
    fn u3_and_h5_unknown_parties_and_other_paths() {
        assert_eq!(room("/parties/chat/r").as_deref(), Ok("chat r"));
        assert_eq!(room("/health").as_deref(), Ok("health"));
        assert_eq!(room("/users/auth0%7Cann/revocations").as_deref(), Ok("revocations auth0|ann"));
        for path in ["/parties/Chat/r", "/parties/other/r", "/parties/%ff/r", "/parties/chat%2Cx/r"] {
            assert_eq!(room(path), Err("unknown_party"), "{path}");
        }
        for path in [
            "/",
            "",
            "/parties",
            "/party/chat/r",
            "/health/x",
            "/users",
            "/users/ann",
            "/users/revocations",
            "/users/ann/revocations/x",
            "/users/%ff/revocations",
            "/parties/chat/r/x",
            "/parties/chat/r/state/x",
            "/parties/chat/r/fields",
            "/parties/chat/r/fields/a/b",
            "/parties/chat/r/fields/%ff",
            "/parties/chat/r/messages/x",
            "/parties/chat/r/participants",
            "/parties/chat/r/participants/a/b",
            "/parties/chat/r/participants/%ff",
        ] {
            assert_eq!(room(path), Err("not_found"), "{path}");
        }
    }
}
