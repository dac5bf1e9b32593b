//! The operator's settings.

use std::sync::Arc;

use crate::kind::{Kind, Kinds};
use crate::protocol::Millis;
use crate::protocol::limits::{BadVariable, Limits};
use crate::protocol::refusal::{Code, Refusal};
use crate::protocol::tag::{MadeFor, NoVersion};

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
    /// The kind of room.
    pub kind: RoomKind,
}

/// Which kind of room it is.
#[derive(Debug, Clone, Default)]
pub struct RoomKind {
    /// Its name: the party.
    pub party: String,
    /// Its definition; `None` for an open kind.
    pub declared: Option<Arc<Kind>>,
}

impl RoomKind {
    /// The older version that the content of a message was made for. `None`: it needs no lens (K6).
    ///
    /// # Errors
    /// It is no version, or one that is still to come.
    pub fn older(&self, made_for: MadeFor) -> Result<Option<u64>, Refusal> {
        let (Some(_), Some(made_for)) = (&self.declared, made_for) else { return Ok(None) };
        let bad = |message: String| Refusal::new(Code::BadMessage, message);
        let version = made_for.map_err(|NoVersion| {
            bad("`kind` must be a version of the kind of room: an integer from 0 to 2^53 - 1.".to_owned())
        })?;
        let known = self.version();
        if version > known {
            let message = format!(
                "This was made for version {version} of the kind; the room is of version {known}. Try again later."
            );
            return Err(Refusal { is_retryable: true, ..bad(message) });
        }
        Ok(Some(version).filter(|version| *version < known))
    }

    /// The version of the kind; 0 for an open one (K6).
    pub fn version(&self) -> u64 {
        self.declared.as_ref().map_or(0, |kind| kind.version)
    }
}

impl Eq for RoomKind {}

impl PartialEq for RoomKind {
    fn eq(&self, other: &Self) -> bool {
        let is_same = match (&self.declared, &other.declared) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_same && self.party == other.party
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            time_to_live: Self::DEFAULT_TIME_TO_LIVE,
            stream_life: Self::DEFAULT_STREAM_LIFE,
            leave_delay: 0,
            requires_tokens: false,
            kind: RoomKind::default(),
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
        let (limits, kind) = (Limits::from_vars(var)?, RoomKind::default());
        Ok(Self { limits, time_to_live, stream_life, leave_delay, requires_tokens, kind })
    }

    /// The same for rooms of a kind.
    pub fn of_kind(self, party: &str, kinds: &Kinds) -> Self {
        let declared = kinds.get(party).cloned();
        let time_to_live = declared.as_ref().and_then(|kind| kind.time_to_live).unwrap_or(self.time_to_live);
        Self { time_to_live, kind: RoomKind { party: party.to_owned(), declared }, ..self }
    }
}
