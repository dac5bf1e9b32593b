//! A run in which writes follow a schedule and everyone sees all writes of others. Workloads differ in the schedule.

use super::Target;
use crate::client::{Client, Run};
use crate::cpu::Used;
use crate::feed::Traffic;
use crate::ledger::Tally;
use crate::report::{Quantiles, Report, times};
use crate::schedule::Schedule;
use crate::shared;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::time::{sleep_until, timeout};

/// How many connections are opened at a time.
const JOINING: usize = 16;
/// The frames of the joining are out of the way by then.
const SETTLE: Duration = Duration::from_secs(1);

/// What is run, and against what.
pub struct Scheduled<'a> {
    pub workload: &'static str,
    pub target: &'a Target,
    /// The first of them are the schedule's writers.
    pub clients: usize,
    pub schedule: Schedule,
}

impl Scheduled<'_> {
    pub async fn run(&self) -> Result<Report, String> {
        let clients = self.join().await?;
        let run = Arc::new(Run::new(Instant::now() + SETTLE, self.schedule, self.clients));
        let tasks = clients.into_iter().map(|mut client| {
            let run = Arc::clone(&run);
            tokio::spawn(async move {
                client.take_part(&run).await;
                client
            })
        });
        let tasks = tasks.collect::<Vec<_>>();
        sleep_until(run.start.into()).await;
        let before = Used::now(self.target.server_pid)?;
        let pacer = thread::spawn({
            let run = Arc::clone(&run);
            move || run.pace()
        });
        // Running out of time is an end as good as any: what has not come by then counts as lost.
        let _ = timeout(self.schedule.end() + self.target.drain, run.completed()).await;
        let after = Used::now(self.target.server_pid)?;
        run.stop();
        let mut clients = Vec::new();
        for task in tasks {
            clients.push(task.await.map_err(|error| error.to_string())?);
        }
        pacer.join().map_err(|_| "the pacing thread panicked".to_owned())?;
        shared::settle(&mut clients, &self.schedule);
        Ok(self.report(&clients, after.since(&before)))
    }

    async fn join(&self) -> Result<Vec<Client>, String> {
        let run_id = super::run_id();
        let joining = (0..self.clients)
            .map(|me| Client::join(&self.target.url, self.target.dialect, me, self.schedule, &run_id))
            .collect::<Vec<_>>();
        stream::iter(joining).buffer_unordered(JOINING).try_collect().await
    }

    fn report(&self, clients: &[Client], cpu: Used) -> Report {
        let (mut latency, mut lateness, mut ack_latency) = (times(), times(), times());
        let (mut total, mut traffic) = (Tally::default(), Traffic::default());
        let mut closed_by_server = BTreeMap::new();
        for client in clients {
            latency += &client.ledger.latency;
            lateness += &client.lateness;
            ack_latency += &client.ledger.ack_latency;
            total.add(&client.ledger.tally);
            traffic.add(&client.feed.traffic);
            if let Some(how) = &client.closed {
                *closed_by_server.entry(how.clone()).or_default() += 1;
            }
        }
        let written = clients.iter().map(|client| client.written).sum::<u64>();
        let acked = clients.iter().map(|client| client.ledger.acked).sum::<u64>();
        let expected = written * (self.clients as u64 - 1);
        Report {
            workload: self.workload,
            dialect: self.target.dialect,
            clients: self.clients,
            writers: self.schedule.writers,
            fields: self.schedule.fields,
            period: self.schedule.period.as_secs_f64(),
            written,
            expected,
            delivered: total.delivered,
            lost: expected - total.delivered,
            coalesced: total.coalesced,
            repeated: total.repeated,
            frames: traffic.frames,
            bytes: traffic.bytes,
            latency: Quantiles::of(&latency),
            lateness: Quantiles::of(&lateness),
            ack_latency: Quantiles::of(&ack_latency),
            unacked: if self.target.dialect.acks() { written - acked } else { 0 },
            gaps: traffic.gaps,
            resyncs: traffic.resyncs,
            unreadable: traffic.unreadable,
            errors: traffic.errors,
            closed_by_server,
            elapsed: total.last_delivery.as_secs_f64(),
            drain: total.last_delivery.saturating_sub(self.schedule.end()).as_secs_f64(),
            server_cpu: cpu.server,
            load_cpu: cpu.load,
        }
    }
}
