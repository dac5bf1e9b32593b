//! The workloads, each in a module of its own, and what all of them are told.

mod fanout;
mod herd;
mod measured;
mod memory;
mod resume;
mod rooms;
mod scheduled;
mod storm;
mod sync;
mod wake;

use crate::dialect::Dialect;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::hash::{BuildHasher, RandomState};
use std::process;
use std::time::Duration;

#[derive(Subcommand)]
pub enum Workload {
    /// Everyone writes at a steady rate, and everyone sees all others.
    Herd(herd::Herd),
    /// One client writes as fast as all others get it.
    Fanout(fanout::Fanout),
    /// Someone asks for the whole state, again and again.
    Sync(sync::Sync),
    /// Someone comes back and learns what was missed.
    Resume(resume::Resume),
    /// Rooms that sleep are asked, one after the other.
    Wake(wake::Wake),
    /// Everyone comes at once and wants the state.
    Storm(storm::Storm),
    /// Many rooms with a few people each, of whom one writes at a time.
    Rooms(rooms::Rooms),
    /// Many rooms are used, sleep, and are followed by others.
    Memory(memory::Memories),
}

impl Workload {
    /// Its report as one line of JSON. Workloads differ in what they report.
    pub async fn run(self) -> Result<String, String> {
        match self {
            Self::Herd(herd) => herd.run().await.map(line),
            Self::Fanout(fanout) => fanout.run().await.map(line),
            Self::Sync(sync) => sync.run().await.map(line),
            Self::Resume(resume) => resume.run().await.map(line),
            Self::Wake(wake) => wake.run().await.map(line),
            Self::Storm(storm) => storm.run().await.map(line),
            Self::Rooms(rooms) => rooms.run().await.map(line),
            Self::Memory(memory) => memory.run().await.map(line),
        }
    }
}

/// Tells the clients of one run from those of another.
fn run_id() -> String {
    format!("{:016x}", RandomState::new().hash_one(process::id()))
}

fn line(report: impl Serialize) -> String {
    serde_json::to_string(&report).expect("a report is plain data")
}

#[derive(Args)]
pub struct Target {
    /// The room's address, for example ws://127.0.0.1:8787/parties/collaboration/bench
    #[arg(long)]
    pub url: String,
    /// What the clients speak.
    #[arg(long)]
    pub dialect: Dialect,
    /// The process whose CPU time is measured beside our own.
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// How many seconds to wait for what is still under way after the last write.
    #[arg(long, default_value = "30", value_parser = seconds)]
    pub drain: Duration,
}

impl Target {
    /// Refuses a workload of questions against a server that has no answer.
    fn needs_state(&self) -> Result<(), String> {
        if self.dialect.keeps_state() {
            return Ok(());
        }
        Err("This workload asks for the room's state, and a server that only passes frames on has none.".to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
