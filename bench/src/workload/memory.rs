//! What many rooms take of the server's memory while they are used, while they sleep, and when others come beside them.

use super::Target;
use super::measured::{Common, Meter, fillers, leave};
use crate::files;
use crate::memory::{Gauge, Memory};
use crate::peer::Faults;
use clap::Args;
use serde::Serialize;
use std::time::Duration;
use tokio::time::sleep;

#[derive(Args)]
pub struct Memories {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    gauge: Gauge,
    #[arg(long, default_value_t = 1000)]
    rooms: usize,
    /// How many fields each room holds.
    #[arg(long, default_value_t = 20)]
    fields: usize,
    /// For how many seconds all are quiet. The runtime sends a room to sleep after 10.
    #[arg(long, default_value = "14", value_parser = super::seconds)]
    idle: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(flatten)]
    common: Common,
    rooms: usize,
    fields: usize,
    /// No room was opened yet.
    before: Memory,
    /// Each room has one client, and was just filled.
    awake: Memory,
    /// Nothing was said for a while, so all rooms sleep, and their sockets are open.
    idle: Memory,
    /// As many other rooms are awake beside those that sleep.
    again: Memory,
    /// All have ended.
    left: Memory,
}

impl Memories {
    pub async fn run(self) -> Result<Report, String> {
        let Self { target, gauge, rooms, fields, idle } = &self;
        let rooms = *rooms;
        files::check(target.server_pid, 2 * rooms, 2 * rooms)?;
        let read = || gauge.read(target.server_pid);
        let meter = Meter::start(target)?;
        let before = read().await?;
        let peers = fillers(target, 0..rooms, *fields).await?;
        let awake = read().await?;
        sleep(*idle).await;
        let asleep = read().await?;
        let others = fillers(target, rooms..2 * rooms, *fields).await?;
        let again = read().await?;
        leave(peers.into_iter().chain(others)).await;
        // Leaving wakes a room once more.
        sleep(*idle).await;
        let left = read().await?;
        let common = meter.stop("memory", target, Faults::default())?;
        Ok(Report { common, rooms, fields: *fields, before, awake, idle: asleep, again, left })
    }
}
