//! The times in `GET /changes?since=` (H2).

use std::borrow::Cow;

/// The time with the `+` of its offset, which stands for a space in a query and is seldom escaped: many languages
/// write UTC as `+00:00`.
pub fn with_plus(since: &str) -> Cow<'_, str> {
    let Some((time, offset)) = since.rsplit_once(' ') else { return Cow::Borrowed(since) };
    let is_offset = match offset.as_bytes() {
        [hours @ .., b':', a, b] => hours.len() == 2 && [hours, &[*a, *b]].concat().iter().all(u8::is_ascii_digit),
        digits => matches!(digits.len(), 2 | 4) && digits.iter().all(u8::is_ascii_digit),
    };
    // Some write the time of day after a space too.
    if is_offset && time.contains(':') { Cow::Owned(format!("{time}+{offset}")) } else { Cow::Borrowed(since) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_an_offset_whose_plus_became_a_space_is_still_one() {
        for (since, expected) in [
            ("2026-11-17T10:00:00 00:00", "2026-11-17T10:00:00+00:00"),
            ("2026-11-17T10:00:00.123456 05:30", "2026-11-17T10:00:00.123456+05:30"),
            ("2026-11-17T10:00:00 0000", "2026-11-17T10:00:00+0000"),
            ("2026-11-17 10:00:00 00:00", "2026-11-17 10:00:00+00:00"),
            ("2026-11-17T10:00:00+00:00", "2026-11-17T10:00:00+00:00"),
            ("2026-11-17T10:00:00-05:00", "2026-11-17T10:00:00-05:00"),
            ("2026-11-17T10:00:00Z", "2026-11-17T10:00:00Z"),
            ("2026-11-17 10:00", "2026-11-17 10:00"),
            ("2026-11-17 10:00:00", "2026-11-17 10:00:00"),
            ("2026-11-17T10:00:00 GMT", "2026-11-17T10:00:00 GMT"),
            ("2026-11-17T10:00:00 ", "2026-11-17T10:00:00 "),
            ("2026-11-17T10:00:00 a0:00", "2026-11-17T10:00:00 a0:00"),
        ] {
            assert_eq!(with_plus(since), expected, "{since}");
        }
    }
}
