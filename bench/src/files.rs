//! How many files a process may have open, as Linux tells it. A socket is one, and so is each file of a database.

use std::fs;
use std::process;

/// What both programs have open beside what the workload needs.
const OTHERS: u64 = 100;
/// The server's runtime has two open for each connection.
const FILES_OF_A_SOCKET: u64 = 2;
/// A room that is awake has its SQLite database open, with its log and the index of that.
const FILES_OF_A_ROOM: u64 = 3;

/// Says so if this program or the server may not open as much as a workload needs. We do not raise the limit: the
/// server's is not ours to raise, and a shell sets both.
pub fn check(server: Option<u32>, sockets: usize, rooms: usize) -> Result<(), String> {
    let (sockets, rooms) = (sockets as u64, rooms as u64);
    enough("The load program", process::id(), sockets + OTHERS)?;
    let servers = sockets * FILES_OF_A_SOCKET + rooms * FILES_OF_A_ROOM + OTHERS;
    server.map_or(Ok(()), |pid| enough("The server", pid, servers))
}

fn enough(who: &str, pid: u32, needed: u64) -> Result<(), String> {
    let path = format!("/proc/{pid}/limits");
    let limits = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let allowed = open_files(&limits).ok_or_else(|| format!("{path} is not understood: {limits}"))?;
    if allowed < needed {
        return Err(format!("{who} may open {allowed} files and needs {needed}. Raise it with `ulimit -n {needed}`."));
    }
    Ok(())
}

/// The limit that holds now; a process may raise it to the one behind it.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max processes             95906                95906                processes \n\
        Max open files            1024                 524288               files     \n";

    #[test]
    fn the_limit_that_holds_now_is_read() {
        assert_eq!(open_files(LIMITS), Some(1024));
        assert_eq!(open_files(&LIMITS.replace("1024", "unlimited")), Some(u64::MAX));
        assert_eq!(open_files("Max processes 95906"), None);
    }

    #[test]
    fn a_limit_that_is_too_low_is_told() {
        assert!(enough("We", process::id(), 1).is_ok());
        let error = enough("We", process::id(), u64::MAX - 1).unwrap_err();
        assert!(error.contains("ulimit -n"), "{error}");
    }
}
