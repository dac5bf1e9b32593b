//! CPU time of processes, as Linux counts it.

use std::fs;
use std::process;

/// The unit in which the kernel tells times to programs, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the server and we have used so far, or between two moments, in seconds.
pub struct Used {
    pub server: Option<f64>,
    pub load: f64,
}

impl Used {
    pub fn now(server: Option<u32>) -> Result<Self, String> {
        Ok(Self { server: server.map(seconds).transpose()?, load: seconds(process::id())? })
    }

    pub fn since(&self, before: &Self) -> Self {
        let server = self.server.zip(before.server).map(|(now, before)| now - before);
        Self { server, load: self.load - before.load }
    }
}

/// User and system time of all threads of a process, in seconds.
pub fn seconds(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    ticks(&stat).map(|ticks| ticks as f64 / TICKS_PER_SECOND).ok_or_else(|| format!("{path} is not understood: {stat}"))
}

fn ticks(stat: &str) -> Option<u64> {
    // The second member is the program's name, in which anything may stand, so we count from its end.
    let (_, after) = stat.rsplit_once(')')?;
    let mut members = after.split_whitespace().skip(11);
    let user: u64 = members.next()?.parse().ok()?;
    let system: u64 = members.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 700 50 1 2 20 0 9 0";
        assert_eq!(ticks(stat), Some(750));
        assert!(seconds(std::process::id()).is_ok());
    }
}
