//! The workloads, each in a module of its own, and what all of them are told.

mod herd;
mod scheduled;

use crate::dialect::Dialect;
use crate::report::Report;
use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Subcommand)]
pub enum Workload {
    /// Everyone writes a field of their own at a steady rate, and everyone sees all others.
    Herd(herd::Herd),
}

impl Workload {
    pub async fn run(self) -> Result<Report, String> {
        match self {
            Self::Herd(herd) => herd.run().await,
        }
    }
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

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
