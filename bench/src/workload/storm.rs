//! Everyone comes at once, as after a deploy, and wants the state.

use super::Target;
use super::measured::{Answers, Common, Meter, filler, leave};
use crate::dialect::Dialect;
use crate::files;
use crate::peer::{Answer, Fault, Peer};
use crate::report::Quantiles;
use clap::Args;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

#[derive(Args)]
pub struct Storm {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// How many fields the room holds.
    #[arg(long, default_value_t = 20)]
    fields: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its `elapsed` is until all had the state.
    #[serde(flatten)]
    common: Common,
    clients: usize,
    /// How many have got the state.
    came: u64,
    /// From when all began to connect until one had read the state.
    latency: Option<Quantiles>,
}

/// One of those who come.
struct Comer {
    url: String,
    dialect: Dialect,
    name: String,
    fields: usize,
}

impl Storm {
    pub async fn run(self) -> Result<Report, String> {
        let Self { target, clients, fields } = &self;
        target.needs_state()?;
        files::check(target.server_pid, *clients, 1)?;
        let writer = filler(&target.url, target.dialect, "u0", *fields).await?;
        // Nobody reads for the one who was here, and what is not read slows a server down.
        leave([writer]).await;
        let (over, is_over) = watch::channel(false);
        let (told, mut outcomes) = mpsc::unbounded_channel();
        let meter = Meter::start(target)?;
        let mut comers = JoinSet::new();
        for number in 0..*clients {
            let name = format!("s{number}");
            let comer = Comer { url: target.url.clone(), dialect: target.dialect, name, fields: *fields };
            comers.spawn(comer.come(told.clone(), is_over.clone()));
        }
        let mut answers = Answers::new();
        for _ in 0..*clients {
            let outcome = outcomes.recv().await.ok_or("a client panicked")?;
            answers.take(meter.start, outcome);
        }
        let mut common = meter.stop("storm", target, answers.faults)?;
        over.send_replace(true);
        let mut peers = Vec::new();
        while let Some(stayed) = comers.join_next().await {
            match stayed.map_err(|error| error.to_string())? {
                Ok(peer) => peers.extend(peer),
                Err(fault) => common.faults.count(fault),
            }
        }
        leave(peers).await;
        let came = answers.latency.len();
        Ok(Report { common, clients: *clients, came, latency: Quantiles::of(&answers.latency) })
    }
}

impl Comer {
    /// Comes, tells how that went, and reads on until the storm is over. None if nobody has come.
    async fn come(
        self,
        told: mpsc::UnboundedSender<Result<Answer, Fault>>,
        mut is_over: watch::Receiver<bool>,
    ) -> Result<Option<Peer>, Fault> {
        let joined = Peer::join(&self.url, self.dialect, &self.name).await;
        let (peer, outcome) = match joined {
            Ok((peer, Some(answer))) if answer.state.entries >= self.fields => (Some(peer), Ok(answer)),
            Ok((peer, _)) => (Some(peer), Err(Fault::Incomplete)),
            Err(fault) => (None, Err(fault)),
        };
        // Nobody listens any more when the run was given up.
        let _ = told.send(outcome);
        let Some(mut peer) = peer else { return Ok(None) };
        loop {
            tokio::select! {
                _ = is_over.wait_for(|over| *over) => return Ok(Some(peer)),
                frame = peer.hear() => frame?,
            };
        }
    }
}
