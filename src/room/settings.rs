//! The operator's settings.

use crate::protocol::Millis;
use crate::protocol::limits::{BadVariable, Limits};

/// The variables by which an operator provides keys (A1).
pub const KEY_VARIABLES: [&str; 2] = ["AUTH_KEYS", "AUTH_JWKS_URL"];

const DAY: Millis = 86_400_000;

/// The longest `LEAVE_DELAY_MS`: after a minute somebody who has left has left.
const LONGEST_LEAVE_DELAY: Millis = 60_000;

/// The operator's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much a room takes.
    pub limits: Limits,
    /// How long an unused room is kept, in milliseconds (X3).
    pub time_to_live: Millis,
    /// How long a stream of events lasts, in milliseconds (H4).
    pub stream_life: Millis,
    /// How long the others are not told that somebody left, in case it comes back, in milliseconds (J4).
    pub leave_delay: Millis,
    /// Whether the server has keys, so that everyone needs a token (A1).
    pub requires_tokens: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            time_to_live: Self::DEFAULT_TIME_TO_LIVE,
            stream_life: Self::DEFAULT_STREAM_LIFE,
            leave_delay: 0,
            requires_tokens: false,
        }
    }
}

impl Settings {
    /// Thirty days.
    pub const DEFAULT_TIME_TO_LIVE: Millis = 30 * DAY;
    /// Five minutes.
    pub const DEFAULT_STREAM_LIFE: Millis = 300_000;

    /// The defaults with the operator's overrides: the limits' variables, `ROOM_TTL_DAYS`,
    /// `EVENTS_MAX_SECONDS` and `LEAVE_DELAY_MS`. The
    /// server has keys if one of their variables is set.
    ///
    /// # Errors
    /// A variable has an invalid value.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let time_to_live = match var("ROOM_TTL_DAYS") {
            None => Self::DEFAULT_TIME_TO_LIVE,
            Some(text) => {
                let days = text.trim().parse::<f64>().ok().filter(|days| *days > 0.0 && *days <= 36_500.0);
                let bad = BadVariable { name: "ROOM_TTL_DAYS", expected: "a number of days above 0 and up to 36500" };
                (days.ok_or(bad)? * DAY as f64).ceil() as Millis
            }
        };
        let stream_life = match var("EVENTS_MAX_SECONDS") {
            None => Self::DEFAULT_STREAM_LIFE,
            Some(text) => {
                let seconds = text.trim().parse::<Millis>().ok().filter(|seconds| (1..=3_600).contains(seconds));
                let bad = BadVariable { name: "EVENTS_MAX_SECONDS", expected: "a whole number from 1 to 3600" };
                seconds.ok_or(bad)? * 1_000
            }
        };
        let leave_delay = match var("LEAVE_DELAY_MS") {
            None => 0,
            Some(text) => {
                let delay =
                    text.trim().parse::<Millis>().ok().filter(|delay| (0..=LONGEST_LEAVE_DELAY).contains(delay));
                delay.ok_or(BadVariable { name: "LEAVE_DELAY_MS", expected: "a whole number from 0 to 60000" })?
            }
        };
        let requires_tokens = KEY_VARIABLES.into_iter().any(|name| var(name).is_some());
        Ok(Self { limits: Limits::from_vars(var)?, time_to_live, stream_life, leave_delay, requires_tokens })
    }
}
