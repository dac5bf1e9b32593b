//! Someone who was here before comes back and learns what was missed.
//!
//! Each time something new was missed, so no server can give the same answer twice. CPU time and `elapsed` are of the
//! coming back, and of the writing in between.

use super::Target;
use super::measured::{Answers, Common, Meter, filler, leave};
use crate::peer::{Answer, Fault, Peer, Version};
use crate::report::Quantiles;
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use std::time::Instant;

#[derive(Args)]
pub struct Resume {
    #[command(flatten)]
    target: Target,
    /// How many fields the room holds.
    #[arg(long, default_value_t = 1000)]
    fields: usize,
    /// How many of them have changed since.
    #[arg(long, default_value_t = 10)]
    missed: usize,
    /// How often somebody comes back.
    #[arg(long, default_value_t = 50)]
    times: usize,
    /// How many come back at a time.
    #[arg(long, default_value_t = 1)]
    outstanding: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(flatten)]
    common: Common,
    fields: usize,
    missed: usize,
    /// From when the connection was begun until the answer was read.
    latency: Option<Quantiles>,
    /// The same question in a connection that was there already.
    ask_latency: Option<Quantiles>,
    /// Of one answer.
    bytes: usize,
    /// Changes in one answer; where the server cannot tell what was missed, fields.
    changes: usize,
}

/// The one who changes things while others are away.
struct Writer {
    peer: Peer,
    fields: usize,
    missed: usize,
    /// The field that is written next.
    next: usize,
    version: Version,
}

impl Writer {
    async fn come(target: &Target, fields: usize, missed: usize) -> Result<Self, Fault> {
        let mut peer = filler(&target.url, target.dialect, "u0", fields).await?;
        let version = peer.ask(None).await?.state.version;
        Ok(Self { peer, fields, missed, next: 0, version })
    }

    /// Changes so many fields, and gives the version of before. Asking makes sure that all of it has been done.
    async fn change(&mut self) -> Result<Version, Fault> {
        let fields = (self.next..self.next + self.missed).map(|field| field % self.fields);
        self.peer.write_all(fields).await?;
        self.next = (self.next + self.missed) % self.fields;
        let version = self.peer.ask(Some(&self.version)).await?.state.version;
        Ok(std::mem::replace(&mut self.version, version))
    }
}

impl Resume {
    pub async fn run(self) -> Result<Report, String> {
        self.target.needs_state()?;
        if self.missed == 0 || self.missed > self.fields || self.times == 0 || self.outstanding == 0 {
            return Err("Somebody comes back, and something has changed, but not more than there is.".to_owned());
        }
        let mut writer = Writer::come(&self.target, self.fields, self.missed).await?;
        let meter = Meter::start(&self.target)?;
        let back = self.come_back(&mut writer).await?;
        let mut common = meter.stop("resume", &self.target, back.faults)?;
        let asked = self.ask(&mut writer).await?;
        common.faults.add(asked.faults);
        leave([writer.peer]).await;
        Ok(Report {
            common,
            fields: self.fields,
            missed: self.missed,
            latency: Quantiles::of(&back.latency),
            ask_latency: Quantiles::of(&asked.latency),
            bytes: back.last.as_ref().map_or(0, |answer| answer.bytes),
            changes: back.last.as_ref().map_or(0, |answer| answer.state.entries),
        })
    }

    /// How many come back, or ask, at each turn.
    fn turns(&self) -> impl Iterator<Item = usize> {
        (0..self.times).step_by(self.outstanding).map(|done| self.outstanding.min(self.times - done))
    }

    async fn come_back(&self, writer: &mut Writer) -> Result<Answers, Fault> {
        let mut answers = Answers::new();
        for turn in self.turns() {
            let since = writer.change().await?;
            let began = Instant::now();
            let mut peers = Vec::new();
            for outcome in join_all((0..turn).map(|number| self.connect(number, &since))).await {
                let outcome = outcome.map(|(peer, answer)| {
                    peers.push(peer);
                    answer
                });
                answers.take(began, outcome);
            }
            leave(peers).await;
        }
        Ok(answers)
    }

    async fn connect(&self, number: usize, since: &Version) -> Result<(Peer, Answer), Fault> {
        let mut peer = Peer::connect(&self.target.url, self.target.dialect, &format!("back{number}")).await?;
        let answer = peer.resume(since).await?;
        Ok((peer, self.complete(answer)?))
    }

    async fn ask(&self, writer: &mut Writer) -> Result<Answers, Fault> {
        let mut peers = Vec::new();
        for number in 0..self.outstanding {
            let name = format!("here{number}");
            peers.push(Peer::join(&self.target.url, self.target.dialect, &name).await?.0);
        }
        // That these have joined is a change as well, which nobody has missed.
        writer.version = writer.peer.ask(None).await?.state.version;
        let mut answers = Answers::new();
        for turn in self.turns() {
            let since = writer.change().await?;
            let began = Instant::now();
            for outcome in join_all(peers[..turn].iter_mut().map(|peer| peer.ask(Some(&since)))).await {
                answers.take(began, outcome.and_then(|answer| self.complete(answer)));
            }
        }
        leave(peers).await;
        Ok(answers)
    }

    fn complete(&self, answer: Answer) -> Result<Answer, Fault> {
        if answer.state.entries < self.missed { Err(Fault::Incomplete) } else { Ok(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        resume: Resume,
    }

    #[test]
    fn turns_add_up() {
        let line = ["", "--url", "ws://x", "--dialect", "hello", "--times", "7", "--outstanding", "3"];
        assert_eq!(Line::parse_from(line).resume.turns().collect::<Vec<_>>(), [3, 3, 1]);
    }
}
