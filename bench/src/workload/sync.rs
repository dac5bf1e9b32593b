//! Someone asks for the whole state, again and again.

use super::Target;
use super::measured::{Answers, Common, Meter, filler};
use crate::peer::Peer;
use crate::report::Quantiles;
use clap::Args;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Sync {
    #[command(flatten)]
    target: Target,
    /// How many fields the room holds.
    #[arg(long, default_value_t = 10)]
    fields: usize,
    /// How many questions are under way at a time.
    #[arg(long, default_value_t = 8)]
    outstanding: usize,
    /// For how many seconds it is asked.
    #[arg(long, default_value = "5", value_parser = super::seconds)]
    seconds: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(flatten)]
    common: Common,
    fields: usize,
    outstanding: usize,
    replies: u64,
    replies_per_second: f64,
    /// Of one reply.
    bytes: usize,
    latency: Option<Quantiles>,
}

impl Sync {
    pub async fn run(self) -> Result<Report, String> {
        let Self { target, fields, outstanding, seconds } = &self;
        target.needs_state()?;
        if *outstanding == 0 {
            return Err("At least one question is under way.".to_owned());
        }
        let writer = filler(&target.url, target.dialect, "u0", *fields).await?;
        let (mut peer, _) = Peer::join(&target.url, target.dialect, "u1").await?;
        let meter = Meter::start(target)?;
        let mut answers = Answers::new();
        ask_for(&mut peer, *seconds, *outstanding, &mut answers).await;
        let common = meter.stop("sync", target, answers.faults)?;
        super::measured::leave([writer, peer]).await;
        let replies = answers.latency.len();
        Ok(Report {
            fields: *fields,
            outstanding: *outstanding,
            replies,
            replies_per_second: replies as f64 / common.elapsed,
            bytes: answers.last.map_or(0, |answer| answer.bytes),
            latency: Quantiles::of(&answers.latency),
            common,
        })
    }
}

/// Keeps so many questions under way until the time is over, and waits for those that still are. The first fault ends it.
async fn ask_for(peer: &mut Peer, time: Duration, outstanding: usize, answers: &mut Answers) {
    let end = Instant::now() + time;
    let mut asked = VecDeque::with_capacity(outstanding);
    loop {
        while asked.len() < outstanding && Instant::now() < end {
            asked.push_back(Instant::now());
            if let Err(fault) = peer.say_question(None).await {
                return answers.faults.count(fault);
            }
        }
        let Some(since) = asked.pop_front() else { return };
        if !answers.take(since, peer.answer().await) {
            return;
        }
    }
}
