//! What clients say, by the kind of server and client.

use crate::wire;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Bare frames that a server passes on as they are.
    Relay,
    /// Roomkeep with a page's plain messages.
    Plain,
    /// Roomkeep with a numbered client, which gets several changes in one frame and cumulative acks.
    Hello,
}

impl Dialect {
    /// The frame that is answered before anything else is said.
    pub fn hello(self, client_id: &str) -> Option<String> {
        let hello = || json!({ "type": "hello", "protocol": 1, "clientId": client_id }).to_string();
        (self == Self::Hello).then(hello)
    }

    pub fn join(self, client: usize) -> Option<String> {
        let user = user(client);
        match self {
            Self::Relay => None,
            Self::Plain => Some(json!({ "type": "user_joined", "userId": user, "userName": user }).to_string()),
            Self::Hello => {
                Some(json!({ "type": "user_joined", "userId": user, "userName": user, "seq": 1 }).to_string())
            }
        }
    }

    pub fn write(self, client: usize, number: u64, due: Duration) -> String {
        let selection = json!({
            "field": wire::field(client),
            "value": wire::value(due, number),
            "userId": user(client),
            "timestamp": SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
        });
        let mut frame = json!({ "type": "field_selected", "selection": selection });
        if self == Self::Hello {
            frame["seq"] = (number + JOIN_SEQ).into();
        }
        frame.to_string()
    }

    /// Whether one change can stand for earlier ones of its field.
    pub fn coalesces(self) -> bool {
        self == Self::Hello
    }

    /// Whether every write is acknowledged.
    pub fn acks(self) -> bool {
        self == Self::Hello
    }

    /// The last write that an ack up to `seq` covers.
    pub fn acked(seq: u64) -> u64 {
        seq.saturating_sub(JOIN_SEQ)
    }
}

/// A numbered client's joining is its first message, so its writes are one behind.
const JOIN_SEQ: u64 = 1;

fn user(client: usize) -> String {
    format!("u{client}")
}
