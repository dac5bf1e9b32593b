//! Everyone writes at a steady rate, a field of their own or a shared one, and everyone sees all others.

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
    /// How many fields the clients share: client i writes field i modulo this. 0: each has its own.
    #[arg(long, default_value_t = 0)]
    fields: usize,
}

impl Herd {
    pub async fn run(self) -> Result<Report, String> {
        let fields = if self.fields == 0 { self.clients } else { self.fields.min(self.clients) };
        let schedule = Schedule::steady(self.clients, self.rate, self.seconds).sharing(fields);
        if self.clients < 2 || schedule.writes == 0 {
            return Err("A herd has two clients or more and writes something.".to_owned());
        }
        Scheduled { workload: "herd", target: &self.target, clients: self.clients, schedule }.run().await
    }
}
