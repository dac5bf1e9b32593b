//! A closed loop: one client writes, with a fixed number of changes under way, and the next one goes out as soon as the
//! oldest is complete, that is, has reached every receiver and is acknowledged where the dialect has acks. It measures
//! how many changes a second a room can take, and how long one takes when the room is that busy.

mod accounts;
mod party;
mod window;

use super::Target;
use crate::cpu::Used;
use crate::dialect::Dialect;
use crate::feed::Traffic;
use crate::report::Quantiles;
use accounts::Accounts;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use party::Party;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};
use window::Window;

/// How many connections are opened at a time.
const JOINING: usize = 16;
/// The frames of the joining are out of the way by then.
const SETTLE: Duration = Duration::from_secs(1);
/// What is written and done in this time is not measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// How often we look whether all that is under way has come.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Args)]
pub struct Fanout {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 2)]
    receivers: usize,
    /// How many changes are under way at a time.
    #[arg(long, default_value_t = 32)]
    outstanding: u64,
    /// For how many seconds is measured.
    #[arg(long, default_value = "5", value_parser = super::seconds)]
    seconds: Duration,
    /// How many fields are written in turn.
    #[arg(long, default_value_t = 10)]
    fields: usize,
}

/// Changes, CPU time, frames and bytes are of the measured time; latencies are of what was written in it; the rest is of
/// the whole run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    workload: &'static str,
    dialect: Dialect,
    receivers: usize,
    outstanding: u64,
    fields: usize,
    written: u64,
    /// Those that are complete: every receiver has them, and the writer its ack.
    changes: u64,
    changes_per_second: f64,
    /// From a write until a receiver has it.
    latency: Option<Quantiles>,
    /// From a write until it is complete.
    round_trip: Option<Quantiles>,
    ack_latency: Option<Quantiles>,
    /// Each write once for each receiver, as far as that happened.
    delivered: u64,
    lost: u64,
    coalesced: u64,
    repeated: u64,
    unacked: u64,
    gaps: u64,
    resyncs: u64,
    unreadable: u64,
    frames: u64,
    bytes: u64,
    errors: BTreeMap<String, u64>,
    closed_by_server: BTreeMap<String, u64>,
    elapsed: f64,
    server_cpu: Option<f64>,
    load_cpu: f64,
}

/// CPU time, and the length of the time in which it was used.
struct Measured {
    cpu: Used,
    elapsed: Duration,
}

impl Fanout {
    pub async fn run(self) -> Result<Report, String> {
        if self.receivers == 0 || self.outstanding == 0 || self.fields == 0 || self.seconds.is_zero() {
            return Err("A fanout has a receiver, a change under way, a field and some time.".to_owned());
        }
        let parties = self.join().await?;
        let start = Instant::now() + SETTLE;
        let shares = self.receivers + usize::from(self.target.dialect.acks());
        let measured = WARM_UP..WARM_UP + self.seconds;
        let window = Arc::new(Window::new(start, measured, self.outstanding, shares, parties.len()));
        let tasks = parties.into_iter().map(|mut party| {
            let window = Arc::clone(&window);
            tokio::spawn(async move {
                party.take_part(&window).await;
                party
            })
        });
        let tasks = tasks.collect::<Vec<_>>();
        let measured = self.measure(&window).await?;
        let mut parties = Vec::new();
        for task in tasks {
            parties.push(task.await.map_err(|error| error.to_string())?);
        }
        Ok(self.report(&parties, &measured))
    }

    /// The writer, and behind it the receivers.
    async fn join(&self) -> Result<Vec<Party>, String> {
        let run_id = super::run_id();
        let joining = (0..=self.receivers)
            .map(|me| Party::join(&self.target.url, self.target.dialect, me, self.fields, &run_id))
            .collect::<Vec<_>>();
        stream::iter(joining).buffered(JOINING).try_collect().await
    }

    /// Sees the run through from its start to its end.
    async fn measure(&self, window: &Window) -> Result<Measured, String> {
        sleep_until(window.start.into()).await;
        window.wake_all();
        sleep_until((window.start + window.measured.start).into()).await;
        let (before, begin) = (Used::now(self.target.server_pid)?, Instant::now());
        sleep_until((window.start + window.measured.end).into()).await;
        let (after, elapsed) = (Used::now(self.target.server_pid)?, begin.elapsed());
        // Where a connection has ended, what is under way will never be complete.
        let deadline = Instant::now() + self.target.drain;
        while window.is_under_way() && !window.is_broken() && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        window.stop();
        Ok(Measured { cpu: after.since(&before), elapsed })
    }

    fn report(&self, parties: &[Party], measured: &Measured) -> Report {
        let mut total = Accounts::new(self.target.dialect, self.fields);
        let mut traffic = Traffic::default();
        let mut closed_by_server = BTreeMap::new();
        for party in parties {
            total.add(&party.accounts);
            traffic.add(&party.feed.traffic);
            if let Some(how) = &party.closed {
                *closed_by_server.entry(how.clone()).or_default() += 1;
            }
        }
        let written = parties.iter().map(|party| party.written).sum::<u64>();
        let elapsed = measured.elapsed.as_secs_f64();
        Report {
            workload: "fanout",
            dialect: self.target.dialect,
            receivers: self.receivers,
            outstanding: self.outstanding,
            fields: self.fields,
            written,
            changes: total.changes,
            changes_per_second: total.changes as f64 / elapsed,
            latency: Quantiles::of(&total.latency),
            round_trip: Quantiles::of(&total.round_trip),
            ack_latency: Quantiles::of(&total.ack_latency),
            delivered: total.delivered,
            lost: written * self.receivers as u64 - total.delivered,
            coalesced: total.coalesced,
            repeated: total.repeated,
            unacked: if self.target.dialect.acks() { written - total.acked } else { 0 },
            gaps: traffic.gaps,
            resyncs: traffic.resyncs,
            unreadable: traffic.unreadable,
            frames: total.frames,
            bytes: total.bytes,
            errors: traffic.errors,
            closed_by_server,
            elapsed,
            server_cpu: measured.cpu.server,
            load_cpu: measured.cpu.load,
        }
    }
}
