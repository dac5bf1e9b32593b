//! Everyone writes a field of their own at a steady rate, and everyone sees all others.

use super::Target;
use super::scheduled::Scheduled;
use crate::report::Report;
use crate::schedule::Schedule;
use clap::Args;
use std::time::Duration;

#[derive(Args)]
pub struct Herd {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Writes of each client in a second.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// For how many seconds the clients write.
    #[arg(long, default_value = "10", value_parser = super::seconds)]
    seconds: Duration,
}

impl Herd {
    pub async fn run(self) -> Result<Report, String> {
        let schedule = Schedule::steady(self.clients, self.rate, self.seconds);
        if self.clients < 2 || schedule.writes == 0 {
            return Err("A herd has two clients or more and writes something.".to_owned());
        }
        Scheduled { workload: "herd", target: &self.target, clients: self.clients, schedule }.run().await
    }
}
