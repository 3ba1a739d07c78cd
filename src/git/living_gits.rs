//! Whether a git runs that may hold a lock of a repository: asked before a lock is taken for a dead git's.
//!
//! In doubt the answer is yes: a process that cannot be looked into may be anywhere.
//! Never here: which lock it is, and removing one (`abandoned_locks`).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::process::ProcessId;

/// A process that began so long after a lock was made did not make it; the kernel's times are coarse.
const LATER: Duration = Duration::from_millis(200);

/// The kernel tells start times in hundredths of a second, whatever the machine (`USER_HZ`).
const TICKS: u64 = 100;

/// Whether any living git that began before `made` may be at work in `repository`, an absolute path. Where processes cannot
/// be listed, one may.
pub(super) fn may_be_at(repository: &Path, made: SystemTime) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let mut numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.any(|pid| is_git(pid) && !began_after(pid, made) && works_at(pid, repository))
}

/// Whether a process runs and is called git, or like a part of git.
pub(super) fn is_git(pid: u32) -> bool {
    let called = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("git"));
    called && ProcessId::of(pid).is_some_and(|process| !process.is_gone())
}

/// Whether a process began after that time; in doubt not.
fn began_after(pid: u32, time: SystemTime) -> bool {
    let began = || {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime = Duration::try_from_secs_f64(uptime.split_whitespace().next()?.parse().ok()?).ok()?;
        let booted = SystemTime::now().checked_sub(uptime)?;
        booted.checked_add(Duration::from_millis(ProcessId::of(pid)?.start.checked_mul(1000 / TICKS)?))
    };
    began().zip(time.checked_add(LATER)).is_some_and(|(began, later)| began > later)
}

/// Where a git works, it says on its command line, in its environment, or by the directory that it is in.
fn works_at(pid: u32, repository: &Path) -> bool {
    let read = |file: &str| known(fs::read(format!("/proc/{pid}/{file}")));
    let named = |bytes: &[u8], prefix: &[u8]| -> Option<PathBuf> {
        let mut named = bytes.split(|byte| *byte == 0).filter_map(|text| text.strip_prefix(prefix));
        named.next().map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path))).filter(|path| path.is_absolute())
    };
    for (file, prefix) in [("cmdline", b"--git-dir=".as_slice()), ("environ", b"GIT_DIR=")] {
        match read(file) {
            Found::Gone => return false,
            Found::Hidden => return true,
            Found::There(bytes) => {
                if let Some(path) = named(&bytes, prefix) {
                    return path.canonicalize().unwrap_or(path) == repository;
                }
            }
        }
    }
    let related = |directory: &Path| directory.starts_with(repository) || repository.starts_with(directory);
    // http-backend stays where the web server is, and is told what it serves.
    if let Found::There(bytes) = read("environ")
        && let Some(served) = named(&bytes, b"GIT_PROJECT_ROOT=")
    {
        return related(&served);
    }
    match known(fs::read_link(format!("/proc/{pid}/cwd"))) {
        Found::Gone => false,
        Found::Hidden => true,
        Found::There(directory) => related(&directory),
    }
}

enum Found<T> {
    There(T),
    Gone,
    Hidden,
}

fn known<T>(read: std::io::Result<T>) -> Found<T> {
    match read {
        Ok(value) => Found::There(value),
        // ESRCH: it ended while it was looked at.
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(3) => Found::Gone,
        Err(_) => Found::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::git::command::git;
    use crate::git::fixture::Repo;

    #[test]
    fn a_git_is_found_where_it_works_and_nowhere_else() {
        let (repo, other) = (Repo::new("sha1"), Repo::new("sha1"));
        let path = repo.path.canonicalize().expect("it is there");
        let elsewhere = other.path.canonicalize().expect("it is there");
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let soon = SystemTime::now() + Duration::from_secs(60);
        // Others may run a git in a directory above, for a moment.
        until(|| !may_be_at(&path, soon) && !may_be_at(&elsewhere, soon));
        for command in [&mut git(&path), Command::new("git").current_dir(&path)] {
            command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::null());
            let mut child = command.spawn().expect("it runs");
            until(|| may_be_at(&path, soon));
            until(|| !may_be_at(&elsewhere, soon));
            until(|| !may_be_at(&path, long_ago));
            child.kill().expect("it is told");
            // Dead, though nobody has waited for it.
            until(|| !may_be_at(&path, soon));
            child.wait().expect("it ends");
        }
    }

    fn until(mut done: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(std::time::Instant::now() < deadline, "waited in vain");
            std::thread::yield_now();
        }
    }
}
