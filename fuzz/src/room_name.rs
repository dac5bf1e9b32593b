//! `room_name`: paths, and names as `encodeURIComponent` would put them into one (U2, U3).

use roomkeep::protocol::address::{Address, AddressError, Resource};

const PARTIES: &str = "collaboration, chat";

/// The input is a path, and a name.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    path(&text);
    name(&text);
}

/// What is accepted obeys U2, and means the same when it is written by the book.
fn path(path: &str) {
    let found = Address::parse(path, PARTIES);
    assert_eq!(Address::parse(path, PARTIES), found);
    assert_eq!(Address::parse(&format!("{}/", path.replace('/', "//")), PARTIES), found, "U2: slashes are overlooked");
    let Ok(Address::Room { party, room, resource }) = &found else { return };
    assert!(["collaboration", "chat"].contains(&party.as_str()), "U3");
    assert!(is_name(room), "U2: {room:?}");
    let rest = match resource {
        Resource::Room => String::new(),
        Resource::State => "/state".to_owned(),
        Resource::Changes => "/changes".to_owned(),
        Resource::Events => "/events".to_owned(),
        Resource::Field(field) => {
            assert!(!field.is_empty(), "H3: a field has a name");
            format!("/fields/{}", encoded(field))
        }
        Resource::Messages => "/messages".to_owned(),
        Resource::Participant(user) => {
            assert!(!user.is_empty(), "J10: a participant has a name");
            format!("/participants/{}", encoded(user))
        }
    };
    let written = format!("/parties/{}/{}{rest}", encoded(party), encoded(room));
    assert_eq!(Address::parse(&written, PARTIES), found);
}

/// Every name that U2 allows names a room, and no other does.
fn name(name: &str) {
    let found = Address::parse(&format!("/parties/chat/{}", encoded(name)), PARTIES);
    if is_name(name) {
        let room = Address::Room { party: "chat".to_owned(), room: name.to_owned(), resource: Resource::Room };
        assert_eq!(found, Ok(room));
    } else {
        assert!(matches!(found, Err(AddressError::BadRoom(_))), "{found:?}");
    }
}

/// U2.
fn is_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.chars().any(|c| c == '/' || c.is_control())
}

/// As JavaScript's `encodeURIComponent` writes it.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    let write = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(write).collect()
}
