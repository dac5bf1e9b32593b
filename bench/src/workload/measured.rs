//! What workloads of questions have in common: their meter, the common part of their reports, and their rooms.

use super::Target;
use crate::cpu;
use crate::dialect::Dialect;
use crate::peer::{Answer, Fault, Faults, Peer};
use crate::report::{Times, times};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::process;
use std::time::{Duration, Instant};

/// How many rooms or connections are opened, or left, at a time.
pub const AT_A_TIME: usize = 16;

/// Counts time and CPU time from when it was made.
pub struct Meter {
    pub start: Instant,
    server: Option<f64>,
    load: f64,
}

/// The part of a report that all workloads have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Common {
    workload: &'static str,
    dialect: Dialect,
    /// Seconds of what was measured.
    pub elapsed: f64,
    /// CPU seconds in that time.
    server_cpu: Option<f64>,
    load_cpu: f64,
    #[serde(flatten)]
    pub faults: Faults,
}

impl Meter {
    pub fn start(target: &Target) -> Result<Self, String> {
        let server = target.server_pid.map(cpu::seconds).transpose()?;
        Ok(Self { start: Instant::now(), server, load: cpu::seconds(process::id())? })
    }

    pub fn stop(self, workload: &'static str, target: &Target, faults: Faults) -> Result<Common, String> {
        let elapsed = self.start.elapsed().as_secs_f64();
        let now = Self::start(target)?;
        Ok(Common {
            workload,
            dialect: target.dialect,
            elapsed,
            server_cpu: now.server.zip(self.server).map(|(now, before)| now - before),
            load_cpu: now.load - self.load,
            faults,
        })
    }
}

/// What came of questions.
pub struct Answers {
    pub latency: Times,
    pub faults: Faults,
    pub last: Option<Answer>,
}

impl Answers {
    pub fn new() -> Self {
        Self { latency: times(), faults: Faults::default(), last: None }
    }

    /// Takes the outcome of a question that was asked then. Whether there was an answer.
    pub fn take(&mut self, asked: Instant, outcome: Result<Answer, Fault>) -> bool {
        match outcome {
            Ok(answer) => {
                self.latency.saturating_record(micros(answer.at.saturating_duration_since(asked)));
                self.last = Some(answer);
                true
            }
            Err(fault) => {
                self.faults.count(fault);
                false
            }
        }
    }
}

pub fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// Each room of a workload with several has a number.
pub fn room_url(target: &Target, room: usize) -> String {
    format!("{}-{room}", target.url)
}

/// Someone who has joined a room and filled it.
pub async fn filler(url: &str, dialect: Dialect, name: &str, fields: usize) -> Result<Peer, Fault> {
    let (mut peer, _) = Peer::join(url, dialect, name).await?;
    peer.fill(fields).await?;
    Ok(peer)
}

/// One such peer in each of these rooms.
pub async fn fillers(target: &Target, rooms: impl Iterator<Item = usize>, fields: usize) -> Result<Vec<Peer>, String> {
    let opening = rooms.map(|room| async move { filler(&room_url(target, room), target.dialect, "u0", fields).await });
    let opening = opening.collect::<Vec<_>>();
    Ok(stream::iter(opening).buffered(AT_A_TIME).try_collect().await?)
}

pub async fn leave(peers: impl IntoIterator<Item = Peer>) {
    stream::iter(peers).for_each_concurrent(AT_A_TIME, Peer::leave).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Quantiles;

    #[test]
    fn only_answers_have_a_latency() {
        let mut answers = Answers::new();
        assert!(Quantiles::of(&answers.latency).is_none());
        assert!(!answers.take(Instant::now(), Err(Fault::Silent)));
        assert!(Quantiles::of(&answers.latency).is_none());
        assert!(answers.last.is_none());
    }

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut latency = times();
        (1..=100).for_each(|millis| latency.saturating_record(micros(Duration::from_millis(millis))));
        let quantiles = Quantiles::of(&latency).unwrap();
        // The histogram keeps three digits.
        let close = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.001;
        assert!(close(quantiles.p50, 50.0) && close(quantiles.p90, 90.0), "{} {}", quantiles.p50, quantiles.p90);
        assert!(close(quantiles.p99, 99.0) && close(quantiles.max, 100.0), "{} {}", quantiles.p99, quantiles.max);
    }
}
