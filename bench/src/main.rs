//! The load that Roomkeep and its baselines are measured with. One process holds all clients, so that one monotonic
//! clock stamps both ends of every delivery. The report goes to stdout as one line of JSON.

mod client;
mod connection;
mod count;
mod cpu;
mod dialect;
mod feed;
mod files;
mod ledger;
mod memory;
mod peer;
mod recent;
mod report;
mod schedule;
mod shared;
mod tldraw;
mod wire;
mod workload;

use clap::Parser;
use workload::Workload;

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    workload: Workload,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    match Arguments::parse().workload.run().await {
        Ok(report) => println!("{report}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
