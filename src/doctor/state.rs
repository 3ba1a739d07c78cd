//! The daemon and its state directory: whether it runs and answers, whose files they are, and whether what it kept is sound.
//!
//! Never here: certificates (see `certificates`), and opening the cache in place, which would write to it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation};
use serde::Deserialize;

use super::report::Finding;
use crate::index::cache::{Probe, probe};
use crate::index::clock;

/// How far ahead of the machine's time the clock's ceiling may be, in microseconds: a day.
const AHEAD: u64 = 86_400_000_000;
/// The largest file of the state directory that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// What the daemon wrote when it was ready.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listening {
    pub(super) api: String,
    pub(super) pid: u32,
}

/// A file or directory as far as its metadata says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) owner: u32,
    pub(super) mode: u32,
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    root: PathBuf,
    state: PathBuf,
    me: u32,
    /// What keeps this user from using the root.
    root_error: Option<String>,
    /// The state directory; why it cannot be looked at.
    directory: Result<Held, io::ErrorKind>,
    /// Whether a daemon holds the lock; `None` when that cannot be seen.
    locked: Option<bool>,
    /// The hook socket; `None` without one.
    socket: Option<Held>,
    is_socket: bool,
    /// Whether somebody answers on it; why not.
    answers: Result<(), String>,
    /// The process that said last that it was ready here.
    pub(super) daemon: Option<u32>,
    clock: Option<Result<u64, String>>,
    now: u64,
    bindings: Option<Result<usize, String>>,
    cache: Probe,
}

impl Facts {
    /// Whether a daemon runs on the state directory.
    pub(super) fn runs(&self) -> bool {
        self.locked == Some(true) || self.answers.is_ok()
    }

    /// Whether what lies in the state directory can be looked at: there is one, and it is this user's, or this is root.
    pub(super) fn is_open_to_us(&self) -> bool {
        self.directory.is_ok_and(|held| self.me == 0 || self.me == held.owner)
    }
}

/// Reads what the daemon wrote when it was ready.
pub(super) fn listening(state: &Path) -> Option<Listening> {
    serde_json::from_str(&read(&state.join("listening.json")).ok()??).ok()
}

/// Looks at the root, the state directory and the daemon.
pub(super) fn look(root: &Path, state: &Path) -> Facts {
    let socket = state.join("run/hook.sock");
    let found = fs::symlink_metadata(&socket).ok();
    let answers = UnixStream::connect(&socket).map(drop).map_err(|error| error.to_string());
    let locked = locked(&state.join("lock"));
    let runs = locked == Some(true) || answers.is_ok();
    let number = |text: String| text.trim().parse().map_err(|_| "it does not hold a number".to_owned());
    let names = |text: String| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text)
            .map(|names| names.len())
            .map_err(|error| error.to_string())
    };
    Facts {
        root: root.to_owned(),
        state: state.to_owned(),
        me: rustix::process::geteuid().as_raw(),
        root_error: usable(root).err().map(|error| error.to_string()),
        directory: held(state).map_err(|error| error.kind()),
        locked,
        is_socket: found.as_ref().is_some_and(|found| found.file_type().is_socket()),
        socket: found.map(|found| Held { owner: found.uid(), mode: found.mode() & 0o7777 }),
        answers,
        daemon: listening(state).filter(|_| runs).map(|listening| listening.pid),
        clock: read(&state.join("clock"))
            .transpose()
            .map(|text| text.map_err(|error| error.to_string()).and_then(number)),
        now: clock::now().0,
        bindings: read(&state.join("bindings.json"))
            .transpose()
            .map(|text| text.map_err(|error| error.to_string()).and_then(names)),
        cache: if runs { Probe::InUse } else { quietly(|| probe(&state.join("cache"))) },
    }
}

/// Runs something that may panic on purpose and catches it itself, without a word on standard error.
fn quietly<T>(look: impl FnOnce() -> T) -> T {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let seen = look();
    std::panic::set_hook(told);
    seen
}

fn usable(root: &Path) -> io::Result<()> {
    fs::read_dir(root)?;
    Ok(rustix::fs::access(root, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?)
}

pub(super) fn held(path: &Path) -> io::Result<Held> {
    let found = fs::symlink_metadata(path)?;
    Ok(Held { owner: found.uid(), mode: found.mode() & 0o7777 })
}

/// Whether somebody holds the lock. Asking takes a shared lock for a moment, where there is none.
fn locked(path: &Path) -> Option<bool> {
    let file = match OpenOptions::new().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    Some(rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// A small text file; `None` when it does not exist.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() <= LARGEST => fs::read_to_string(path).map(Some),
        Ok(_) => Err(io::Error::other("it is no file of a size that Stoop writes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Judges what was found.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![match &facts.root_error {
        Some(error) => Finding::fail(
            "root",
            format!("{} cannot be used: {error}", facts.root.display()),
            "make it, or run stoop doctor as the daemon's user, which must read and write it",
        ),
        None => Finding::ok("root", format!("{} can be read and written", facts.root.display())),
    }];
    let state = facts.state.display();
    let held = match facts.directory {
        Err(io::ErrorKind::NotFound) => {
            let text = format!("{state} does not exist, so no daemon has run on it");
            findings.push(Finding::skip("state", text, "start the daemon, or name another directory with --state"));
            return findings;
        }
        Err(kind) => {
            let text = format!("{state} cannot be looked at: {kind}");
            findings.push(Finding::fail("state", text, "run stoop doctor as the daemon's user"));
            return findings;
        }
        Ok(held) => held,
    };
    findings.push(judge_directory(facts, held));
    if !facts.is_open_to_us() {
        // What lies in it belongs to its owner alone; nothing could be read.
        return findings;
    }
    findings.extend(judge_daemon(facts, held));
    findings.push(judge_clock(facts));
    match &facts.bindings {
        None => {}
        Some(Ok(count)) => findings.push(Finding::ok("bindings", format!("{count} repositories have their names"))),
        Some(Err(error)) => findings.push(Finding::fail(
            "bindings",
            format!("bindings.json cannot be read, so the daemon cannot start: {error}"),
            "restore it from a backup; without it repositories may get other names",
        )),
    }
    findings.push(judge_cache(facts));
    findings
}

fn judge_directory(facts: &Facts, held: Held) -> Finding {
    let state = facts.state.display();
    if !facts.is_open_to_us() {
        let text = format!("{state} belongs to user id {}, and this is user id {}", held.owner, facts.me);
        return Finding::fail("state", text, "run stoop doctor as the daemon's user");
    }
    if held.mode & 0o077 != 0 {
        let text = format!("{state} has mode {:o}, so others can reach keys and the hook socket", held.mode);
        return Finding::fail("state", text, "chmod 0700 it; the daemon does so when it starts");
    }
    Finding::ok("state", format!("{state} is private"))
}

fn judge_daemon(facts: &Facts, held: Held) -> Vec<Finding> {
    let see = "see the daemon's log";
    let Some(locked) = facts.locked else {
        return vec![Finding::skip("daemon", "its lock cannot be read", "run stoop doctor as the daemon's user")];
    };
    match (locked, &facts.answers) {
        (false, Ok(())) => {
            let text = "somebody answers on the hook socket, and no daemon holds the state directory's lock";
            vec![Finding::fail("daemon", text, "find out who listens there (ss -xlp), end it, and start the daemon")]
        }
        (false, Err(_)) => {
            let text = "it does not run: pushes to managed refs are refused until it does";
            vec![Finding::warn("daemon", text, "start it: stoop serve")]
        }
        (true, Err(error)) => {
            let text = format!("the daemon runs, and nobody answers on the hook socket: {error}");
            vec![Finding::ok("daemon", "it runs"), Finding::fail("socket", text, format!("{see}, and restart it"))]
        }
        (true, Ok(())) => {
            let socket = match facts.socket {
                Some(socket) if facts.is_socket && socket.owner == held.owner && socket.mode & 0o077 == 0 => {
                    Finding::ok("socket", "it answers, and only the daemon's user can reach it")
                }
                _ => Finding::fail(
                    "socket",
                    "run/hook.sock is not the daemon's user's alone",
                    "restart the daemon: it makes the socket anew",
                ),
            };
            let process = facts.daemon.map(|pid| format!(", process {pid}")).unwrap_or_default();
            vec![Finding::ok("daemon", format!("it runs{process}")), socket]
        }
    }
}

fn judge_clock(facts: &Facts) -> Finding {
    match &facts.clock {
        None => Finding::skip("clock", "there is none yet", "the daemon makes it when it starts"),
        Some(Err(error)) => Finding::fail(
            "clock",
            format!("STATE/clock cannot be used, so the daemon cannot start: {error}"),
            "restore it, or write a number above every resourceVersion ever seen",
        ),
        Some(Ok(ceiling)) if *ceiling > facts.now.saturating_add(AHEAD) => {
            let days = (ceiling - facts.now) / AHEAD;
            Finding::warn(
                "clock",
                format!(
                    "resourceVersions are {days} days ahead of the machine's clock: that one was wrong once, or is now"
                ),
                "check the time (timedatectl); nothing else is wrong, the numbers go on rising",
            )
        }
        Some(Ok(_)) => Finding::ok("clock", "it goes with the machine's"),
    }
}

fn judge_cache(facts: &Facts) -> Finding {
    match &facts.cache {
        Probe::InUse => Finding::skip("cache", "the daemon has it open", "stop the daemon to have it looked at"),
        Probe::Missing => Finding::ok("cache", "there is none yet; it can be lost at any time"),
        Probe::Opens => Finding::ok("cache", "it opens"),
        Probe::Large(bytes) => Finding::skip(
            "cache",
            format!("it has {} MiB, too much to look at a copy of it", bytes >> 20),
            "it can be deleted while the daemon is stopped; the next start is slower",
        ),
        Probe::Damaged => Finding::warn(
            "cache",
            "it does not open; the daemon makes it anew when it starts, which is slower once",
            "nothing; or delete STATE/cache",
        ),
        Probe::Unreadable(error) => Finding::warn(
            "cache",
            format!("it cannot be read: {error}"),
            "chown STATE/cache to the daemon's user, or delete it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level::{self, Fail, Ok as Good, Skip, Warn};

    fn facts() -> Facts {
        let held = |mode| Held { owner: 7, mode };
        Facts {
            root: "/srv/git".into(),
            state: "/srv/git/.stoop".into(),
            me: 7,
            root_error: None,
            directory: Ok(held(0o700)),
            locked: Some(true),
            socket: Some(held(0o600)),
            is_socket: true,
            answers: Ok(()),
            daemon: Some(12),
            clock: Some(Ok(5_000_000)),
            now: 1_000_000,
            bindings: Some(Ok(1)),
            cache: Probe::InUse,
        }
    }

    /// The result of each check that is not as it should be, by name.
    fn odd(facts: &Facts) -> Vec<(&'static str, Level)> {
        let odd = judge(facts).into_iter().filter(|finding| finding.level != Good);
        odd.map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn a_running_daemon_leaves_only_the_cache_unseen() {
        assert_eq!(odd(&facts()), [("cache", Skip)]);
        assert!(facts().runs());
    }

    #[test]
    fn each_fault_is_told() {
        type Change<'c> = &'c dyn Fn(&mut Facts);
        let stopped = |facts: &mut Facts| {
            (facts.locked, facts.answers, facts.socket, facts.cache) =
                (Some(false), Err("no".to_owned()), None, Probe::Opens);
        };
        let grid: [(Change<'_>, &[(&str, Level)]); 16] = [
            (&stopped, &[("daemon", Warn)]),
            (&|facts| facts.root_error = Some("no".to_owned()), &[("root", Fail), ("cache", Skip)]),
            (&|facts| facts.directory = Err(io::ErrorKind::NotFound), &[("state", Skip)]),
            (&|facts| facts.directory = Err(io::ErrorKind::PermissionDenied), &[("state", Fail)]),
            (&|facts| facts.me = 8, &[("state", Fail)]),
            (&|facts| facts.directory = Ok(Held { owner: 7, mode: 0o750 }), &[("state", Fail), ("cache", Skip)]),
            (&|facts| facts.locked = None, &[("daemon", Skip), ("cache", Skip)]),
            (&|facts| facts.locked = Some(false), &[("daemon", Fail), ("cache", Skip)]),
            (&|facts| facts.answers = Err("refused".to_owned()), &[("socket", Fail), ("cache", Skip)]),
            (&|facts| facts.socket = Some(Held { owner: 7, mode: 0o666 }), &[("socket", Fail), ("cache", Skip)]),
            (&|facts| facts.is_socket = false, &[("socket", Fail), ("cache", Skip)]),
            (&|facts| facts.clock = Some(Ok(3 * AHEAD)), &[("clock", Warn), ("cache", Skip)]),
            (&|facts| facts.clock = Some(Err("soup".to_owned())), &[("clock", Fail), ("cache", Skip)]),
            (&|facts| facts.bindings = Some(Err("soup".to_owned())), &[("bindings", Fail), ("cache", Skip)]),
            (&|facts| facts.cache = Probe::Damaged, &[("cache", Warn)]),
            (&|facts| facts.cache = Probe::Unreadable("no".to_owned()), &[("cache", Warn)]),
        ];
        for (number, (change, want)) in grid.into_iter().enumerate() {
            let mut facts = facts();
            change(&mut facts);
            assert_eq!(odd(&facts), want, "{number}");
        }
    }
}
