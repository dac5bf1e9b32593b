//! `token`: claims, patterns of rooms, lists of origins and what a user's object tells a room (A1, A2, A7, A8).

use roomkeep::access::claim_rules::ClaimRules;
use roomkeep::access::claims::{CLOCK_SKEW, Claims};
use roomkeep::access::revocations::Revocation;
use roomkeep::access::rules::Enter;
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
    let rules = ClaimRules::default();
    let found = Claims::from_claims(claims, &rules, limits);
    assert_eq!(Claims::from_claims(claims, &rules, limits), found);
    let Ok(found) = found else { return };
    // Half a surrogate pair is no text, but harmless where nobody reads it.
    let Ok(claims) = serde_json::from_str::<Value>(claims) else { return };
    let is_name = |text: &str, most: usize| (1..=most).contains(&text.len()) && !text.chars().any(char::is_control);
    assert!(is_name(&found.user, limits.name_bytes.max(255)) && !matches!(found.user.as_str(), "." | ".."));
    assert!(found.pass.token_id.as_ref().is_none_or(|id| is_name(id, 128)));
    assert_eq!(claims["sub"], Value::from(found.user.as_str()));
    assert_eq!(claims["jti"].as_str(), found.pass.token_id.as_deref());
    assert_eq!(claims["role"], Value::from(found.pass.role.as_str()));
    // As numbers, since JSON's -0 is 0.
    assert_eq!(claims["expires"].as_f64(), Some((found.pass.expires - CLOCK_SKEW) as f64));
    assert!((0..=253_402_300_799_999).contains(&(found.pass.expires - CLOCK_SKEW)));
    let patterns = claims["rooms"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let is_open = patterns.clone().any(|pattern| opens(pattern, room));
    assert_eq!(found.check_room(room, Enter::default()).is_ok(), is_open, "A2: {room:?}");
}

/// A2, letter by letter.
fn opens(pattern: &str, room: &str) -> bool {
    if let Some(start) = pattern.strip_suffix("\\*").filter(|start| start.contains('/')) {
        return room == format!("{start}*");
    }
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
    let Ok(origins) = Origins::parse(Some(list)) else { return };
    // Whatever is admitted has, of an entry, the scheme and what stands behind a star, but for a default port.
    let bare = |text: &str| text.trim().trim_end_matches('/').to_ascii_lowercase();
    let host = |text: &str| bare(text).trim_end_matches(":80").trim_end_matches(":443").to_owned();
    let is_listed = list.split(',').any(|entry| match host(entry).split_once("*.") {
        Some((scheme, parent)) => host(origin).starts_with(scheme) && host(origin).ends_with(&format!(".{parent}")),
        None => host(entry) == host(origin),
    });
    match &origins {
        Origins::Any => assert_eq!(origins.allow(Some(origin)).map(|allowed| allowed.origin), Some("*")),
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
