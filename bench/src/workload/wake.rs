//! Rooms that sleep are asked, one after the other. Their sockets stay open, so each is woken by the question itself.

use super::Target;
use super::measured::{Answers, Common, Meter, fillers, leave};
use crate::files;
use crate::peer::Peer;
use crate::report::Quantiles;
use clap::Args;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[derive(Args)]
pub struct Wake {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 50)]
    rooms: usize,
    /// For how many seconds all are quiet. The runtime sends a room to sleep after 10.
    #[arg(long, default_value = "14", value_parser = super::seconds)]
    idle: Duration,
    /// How many fields each room holds.
    #[arg(long, default_value_t = 20)]
    fields: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(flatten)]
    common: Common,
    rooms: usize,
    latency: Option<Quantiles>,
    /// The same questions before the rooms slept.
    awake_latency: Option<Quantiles>,
}

impl Wake {
    pub async fn run(self) -> Result<Report, String> {
        let Self { target, rooms, idle, fields } = &self;
        target.needs_state()?;
        files::check(target.server_pid, *rooms, *rooms)?;
        let mut peers = fillers(target, 0..*rooms, *fields).await?;
        let mut awake = Answers::new();
        ask_each(&mut peers, &mut awake).await;
        sleep(*idle).await;
        let meter = Meter::start(target)?;
        let mut woken = Answers::new();
        ask_each(&mut peers, &mut woken).await;
        woken.faults.add(awake.faults);
        let common = meter.stop("wake", target, woken.faults)?;
        leave(peers).await;
        let latency = Quantiles::of(&woken.latency);
        Ok(Report { common, rooms: *rooms, latency, awake_latency: Quantiles::of(&awake.latency) })
    }
}

async fn ask_each(peers: &mut [Peer], answers: &mut Answers) {
    for peer in peers {
        let asked = Instant::now();
        answers.take(asked, peer.ask(None).await);
    }
}
