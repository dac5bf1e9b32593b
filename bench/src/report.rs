//! What one run has measured.

use crate::dialect::Dialect;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

/// Durations in microseconds. Narrow counters keep a hundred of these within the cache.
pub type Times = Histogram<u32>;

pub fn times() -> Times {
    Histogram::new_with_bounds(1, 120_000_000, 3).expect("the bounds are sound")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub workload: &'static str,
    pub dialect: Dialect,
    pub clients: usize,
    pub writers: usize,
    pub fields: usize,
    /// Seconds from one write of a writer to its next.
    pub period: f64,
    pub written: u64,
    /// Each write, once for each of its receivers.
    pub expected: u64,
    pub delivered: u64,
    pub lost: u64,
    pub coalesced: u64,
    pub repeated: u64,
    pub frames: u64,
    pub bytes: u64,
    pub latency: Option<Quantiles>,
    /// How late the load program itself wrote. This is part of each latency.
    pub lateness: Option<Quantiles>,
    pub ack_latency: Option<Quantiles>,
    /// Writes of clients that await acks and got none.
    pub unacked: u64,
    pub gaps: u64,
    pub resyncs: u64,
    pub unreadable: u64,
    pub errors: BTreeMap<String, u64>,
    /// By the close code, or the way in which the connection broke.
    pub closed_by_server: BTreeMap<String, u64>,
    /// From the first write to the last delivery.
    pub elapsed: f64,
    /// From the last write to the last delivery.
    pub drain: f64,
    pub server_cpu: Option<f64>,
    pub load_cpu: f64,
}

/// In milliseconds.
#[derive(Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Quantiles {
    pub fn of(times: &Times) -> Option<Self> {
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
        let quantiles = || Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) };
        (!times.is_empty()).then(quantiles)
    }
}
