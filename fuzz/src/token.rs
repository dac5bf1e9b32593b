//! `token`: claims, patterns of rooms, lists of origins and what a user's object tells a room (A1, A2, A7, A8).

use roomkeep::access::claims::{CLOCK_SKEW, Claims};
use roomkeep::access::revocations::Revocation;
use roomkeep::protocol::limits::Limits;
use roomkeep::protocol::origin::Origins;
use serde_json::Value;

/// The input is the claims of a token, and a room in its last line.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (claims, room) = text.rsplit_once('\n').unwrap_or((&text, "collaboration/r"));
    let tiny = Limits { name_bytes: 3, user_name_bytes: 2, ..Limits::default() };
    for limits in [Limits::default(), tiny] {
        grant(claims, room, &limits);
    }
    origins(claims, room);
    lines(&text);
}

/// What is accepted is what the claims say, and opens what their patterns say.
fn grant(claims: &str, room: &str, limits: &Limits) {
    let found = Claims::from_claims(claims, limits);
    assert_eq!(Claims::from_claims(claims, limits), found);
    let Ok(found) = found else { return };
    // Half a surrogate pair is no text, but harmless where nobody reads it.
    let Ok(claims) = serde_json::from_str::<Value>(claims) else { return };
    let is_name = |text: &str, most: usize| (1..=most).contains(&text.len()) && !text.chars().any(char::is_control);
    assert!(is_name(&found.user, limits.name_bytes) && !matches!(found.user.as_str(), "." | ".."));
    assert!(is_name(&found.pass.token_id, 128));
    assert_eq!(claims["sub"], Value::from(found.user.as_str()));
    assert_eq!(claims["jti"], Value::from(found.pass.token_id.as_str()));
    assert_eq!(claims["role"], Value::from(found.pass.role.as_str()));
    // As numbers, since JSON's -0 is 0.
    assert_eq!(claims["expires"].as_f64(), Some((found.pass.expires - CLOCK_SKEW) as f64));
    assert!((0..=253_402_300_799_999).contains(&(found.pass.expires - CLOCK_SKEW)));
    let patterns = claims["rooms"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let is_open = patterns.clone().any(|pattern| opens(pattern, room));
    assert_eq!(found.check_room(room).is_ok(), is_open, "A2: {room:?}");
}

/// A2, letter by letter.
fn opens(pattern: &str, room: &str) -> bool {
    let (mut pattern, mut room) = (pattern.chars().peekable(), room.chars());
    let mut has_slash = false;
    while let Some(letter) = pattern.next() {
        if letter == '*' && has_slash && pattern.peek().is_none() {
            return true;
        }
        has_slash |= letter == '/';
        if room.next() != Some(letter) {
            return false;
        }
    }
    room.next().is_none()
}

/// A page of an origin that is not listed may nothing.
fn origins(list: &str, origin: &str) {
    let origins = Origins::parse(Some(list));
    let is_listed =
        list.split(',').map(|one| one.trim().trim_end_matches('/')).any(|one| one.eq_ignore_ascii_case(origin));
    match &origins {
        Origins::Any => assert_eq!(origins.allow(Some(origin)), Some("*")),
        Origins::Listed(_) => {
            assert!(is_listed || !origins.admits(Some(origin)), "A7: {origin:?}");
            assert_eq!(origins.allow(Some(origin)).is_some(), origins.admits(Some(origin)));
        }
    }
}

/// What is read from lines is what they were written from.
fn lines(text: &str) {
    if let Some(revocations) = Revocation::from_lines(text) {
        assert_eq!(Revocation::from_lines(&Revocation::to_lines(&revocations)), Some(revocations));
    }
}
