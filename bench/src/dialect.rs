//! What clients say and what they read, by the kind of server and client. The rest of the load program knows of no
//! message: a dialect turns writes into frames, and frames into events.

use crate::{tldraw, wire};
use clap::ValueEnum;
use serde::Serialize;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Bare frames that a server passes on as they are.
    Relay,
    /// A PartyServer, which speaks a page's messages and passes them on.
    Party,
    /// Roomkeep with a page's plain messages.
    Plain,
    /// Roomkeep with a numbered client, which gets several changes in one frame and cumulative acks.
    Hello,
    /// tldraw sync, which gathers changes in frames, tells each by itself, and acknowledges each.
    Tldraw,
}

/// One write of the load program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Write {
    pub writer: usize,
    pub field: usize,
    /// When it was due, from the start of the workload.
    pub due: Duration,
    /// The writes of each writer count from 1.
    pub number: u64,
}

/// What is in a field before it is written, as far as its writer knows. Where a write says only what differs, it depends
/// on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    /// What the writer itself wrote there.
    Own,
    Others,
}

/// What a frame tells, in the order in which it is to be taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The changes that follow are all there were after one version up to another.
    Step { from: Option<u64>, to: Option<u64> },
    /// The changes that follow are the whole state as of this version.
    State { version: Option<u64> },
    /// Something that the load program wrote. What others wrote is no event.
    Change { write: Write, version: Option<u64>, whole: bool },
    /// Our own writes up to this one are durable, and the version of this one.
    Ack { number: u64, version: u64 },
    /// The server refuses something; the code.
    Refused(String),
}

/// A frame that is none of the dialect's.
#[derive(Debug)]
pub struct Unreadable;

impl Dialect {
    /// The frame that is answered with a whole state before anything else is said.
    pub fn hello(self, client_id: &str) -> Option<String> {
        match self {
            Self::Relay | Self::Party | Self::Plain => None,
            Self::Hello => Some(wire::hello(client_id)),
            Self::Tldraw => Some(tldraw::connect(None)),
        }
    }

    pub fn join(self, client: usize) -> Option<String> {
        match self {
            Self::Relay | Self::Tldraw => None,
            Self::Party | Self::Plain => Some(wire::join(client, false)),
            Self::Hello => Some(wire::join(client, true)),
        }
    }

    pub fn write(self, write: &Write, held: Held) -> String {
        match self {
            Self::Relay | Self::Party | Self::Plain => wire::write(write, false),
            Self::Hello => wire::write(write, true),
            Self::Tldraw => tldraw::push(write.number, format_args!("u{}", write.writer), write, held),
        }
    }

    /// Tells what is in a frame.
    pub fn read(self, text: &str, told: impl FnMut(Event)) -> Result<(), Unreadable> {
        match self {
            Self::Relay | Self::Party | Self::Plain | Self::Hello => wire::read(text, told),
            Self::Tldraw => tldraw::read(text, told),
        }
    }

    /// Whether one change can stand for earlier ones of its field.
    pub fn coalesces(self) -> bool {
        self == Self::Hello
    }

    /// Whether the server answers what the state is.
    pub fn keeps_state(self) -> bool {
        self != Self::Relay
    }

    /// Whether every write is acknowledged.
    pub fn acks(self) -> bool {
        matches!(self, Self::Hello | Self::Tldraw)
    }
}
