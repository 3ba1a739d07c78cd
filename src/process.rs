//! Other processes by number and start time, and whether they are still there.
//!
//! Never here: starting any, and deciding what their end means.

/// A process: its id and its start time, so that another one with a reused id is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: u32,
    /// The start time in clock ticks since boot, field 22 of `/proc/<pid>/stat`.
    pub start: u64,
}

impl ProcessId {
    /// A process that runs now; `None` where `/proc` does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self { pid, start: start_time(&stat)? })
    }

    /// Whether the process is known to be gone. Where `/proc` does not tell (another process namespace) it is not known,
    /// and the answer is no: then time decides.
    pub fn is_gone(self) -> bool {
        match std::fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => is_dead(&stat) || start_time(&stat).is_some_and(|start| start != self.start),
            Err(error) => {
                error.kind() == std::io::ErrorKind::NotFound && std::path::Path::new("/proc/self/stat").exists()
            }
        }
    }
}

/// Whether the process has ended and only waits for its parent to notice.
fn is_dead(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, rest)| matches!(rest.split_whitespace().next(), Some("Z" | "X" | "x")))
}

fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_there_and_another_with_its_number_is_not_it() {
        let own @ ProcessId { pid, start } = ProcessId::of(std::process::id()).expect("we run");
        assert!(!own.is_gone());
        assert!(ProcessId { pid, start: start + 1 }.is_gone());
        assert!(ProcessId { pid: u32::MAX - 1, start }.is_gone());
    }
}
