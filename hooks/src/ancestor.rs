//! Finds the `git receive-pack` process that a hook descends from. All hooks of one push share it, whatever dispatcher
//! stands between.
//!
//! Never here: trusting it for more than grouping; another process may look like it.

use std::fs::File;
use std::io::Read;

use crate::wire::Process;

const LEVELS: usize = 10;

/// A `git receive-pack`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivePack {
    /// The process.
    pub process: Process,
    /// The repository as its caller named it: `.`, or a path that may be relative.
    pub directory: Vec<u8>,
}

/// The nearest ancestor of this process that is `git receive-pack`, within ten levels.
pub fn receive_pack() -> Option<ReceivePack> {
    receive_pack_above("self")
}

/// The same of any process, by its number.
pub fn receive_pack_above(process: &str) -> Option<ReceivePack> {
    let mut pid = stat(process)?.parent;
    for _ in 0..LEVELS {
        if pid <= 1 {
            break;
        }
        let stat = stat(&pid.to_string())?;
        let command = read(&format!("/proc/{pid}/cmdline"))?;
        if is_receive_pack(&command) {
            return Some(ReceivePack { process: Process { pid, start: stat.start }, directory: last_word(&command) });
        }
        pid = stat.parent;
    }
    None
}

struct Stat {
    parent: u32,
    start: u64,
}

fn stat(process: &str) -> Option<Stat> {
    parse_stat(&read(&format!("/proc/{process}/stat"))?)
}

/// Reads `pid (command) state parent … start …`. The command may hold anything, so fields count from its last parenthesis.
fn parse_stat(line: &[u8]) -> Option<Stat> {
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&line[close + 1..]).ok()?.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(17)?.parse().ok()?;
    Some(Stat { parent, start })
}

fn is_receive_pack(command: &[u8]) -> bool {
    let mut words = command.split(|byte| *byte == 0);
    let program = words.next().and_then(|path| path.rsplit(|byte| *byte == b'/').next()).unwrap_or_default();
    program == b"git-receive-pack" || (program == b"git" && words.any(|word| word == b"receive-pack"))
}

fn last_word(command: &[u8]) -> Vec<u8> {
    let command = command.strip_suffix(b"\0").unwrap_or(command);
    command.rsplit(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn read(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(64 << 10).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_command_is_called() {
        let line = b"42 (a ) b (c)) S 7 42 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        let stat = parse_stat(line).expect("sound");
        assert_eq!((stat.parent, stat.start), (7, 987_654));
        assert!(parse_stat(b"42 (x) S 7").is_none());
        assert!(parse_stat(b"").is_none());
    }

    #[test]
    fn the_own_process_has_a_parent_and_a_start() {
        let stat = stat("self").expect("/proc is there");
        assert!(stat.parent > 0 && stat.start > 0);
    }

    #[test]
    fn the_repository_is_what_receive_pack_was_told_last() {
        assert_eq!(last_word(b"git\0receive-pack\0--stateless-rpc\0.\0"), b".");
        assert_eq!(last_word(b"git-receive-pack\0/srv/a b.git\0"), b"/srv/a b.git");
        assert_eq!(last_word(b""), b"");
    }

    #[test]
    fn receive_pack_is_known_by_its_command() {
        for command in [
            "git-receive-pack\0/srv/a.git\0",
            "/usr/lib/git-core/git-receive-pack\0.\0",
            "git\0receive-pack\0--stateless-rpc\0.\0",
            "/usr/bin/git\0-c\0a=b\0receive-pack\0.\0",
        ] {
            assert!(is_receive_pack(command.as_bytes()), "{command:?}");
        }
        for command in ["sh\0-c\0git-receive-pack '/srv/a.git'\0", "git\0push\0", "bash\0receive-pack\0", ""] {
            assert!(!is_receive_pack(command.as_bytes()), "{command:?}");
        }
    }
}
