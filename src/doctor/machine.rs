//! What the machine lends: disk space, directories that can be watched, open files.
//!
//! Never here: repositories' own files (see `permissions`).

use std::fs;
use std::path::Path;

use super::report::Finding;
use super::{Options, Place};

/// Below this the next push may fail, in bytes.
const LITTLE: u64 = 64 << 20;
/// Below this it is time to do something, in bytes.
const SOME: u64 = 1 << 30;
/// How many directories are counted; more need more watches than any limit gives.
const COUNTED: u64 = 2_000_000;
/// Open files that the daemon needs whatever it serves: hooks that are answered, clients, watches, git's pipes.
const FILES: u64 = 1024;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Free bytes and free inodes (`None` where the file system has no such limit), of the root and the state directory.
    space: Vec<(String, u64, Option<u64>)>,
    /// Directories that the daemon watches, and how many a user may.
    watches: (u64, Option<u64>),
    repositories: u64,
    /// How many files the daemon may have open.
    files: Option<u64>,
}

/// Asks the system. `daemon` is the process id of the one that runs.
pub(super) fn look(options: &Options, places: &[Place], daemon: Option<u32>) -> Facts {
    let mut space: Vec<(String, u64, Option<u64>)> = Vec::new();
    for path in [&options.root, &options.state] {
        let Ok(found) = rustix::fs::statvfs(path) else { continue };
        let inodes = (found.f_files > 0).then_some(found.f_favail);
        let free = (found.f_bavail.saturating_mul(found.f_frsize), inodes);
        // On one file system, once is enough.
        if !space.iter().any(|(_, bytes, inodes)| (*bytes, *inodes) == free) {
            space.push((path.display().to_string(), free.0, free.1));
        }
    }
    let mut watched = 0;
    for place in places.iter().filter(|place| place.managed) {
        // The repository itself and every directory below refs.
        watched += 1 + directories(&place.path.join("refs"), COUNTED.saturating_sub(watched));
    }
    let limit =
        fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok().and_then(|text| text.trim().parse().ok());
    let of_daemon = daemon.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
    let own = || rustix::process::getrlimit(rustix::process::Resource::Nofile).current.or(Some(u64::MAX));
    let files = of_daemon.as_deref().and_then(open_files).or_else(own);
    Facts { space, watches: (watched, limit), repositories: places.len() as u64, files }
}

fn directories(top: &Path, limit: u64) -> u64 {
    let (mut count, mut open) = (0, vec![top.to_owned()]);
    while let Some(directory) = open.pop().filter(|_| count < limit) {
        count += 1;
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        open.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
    count
}

/// The soft limit in the text of `/proc/PID/limits`.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

/// Judges what was found.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, bytes, inodes) in &facts.space {
        let advice = "make room: git gc in large repositories, or a larger disk";
        let mebibytes = bytes >> 20;
        findings.push(match (*bytes, *inodes) {
            (bytes, _) if bytes < LITTLE => {
                Finding::fail("disk", format!("{place} has {mebibytes} MiB left: pushes are about to fail"), advice)
            }
            (_, Some(0..1000)) => {
                Finding::fail("disk", format!("{place} has almost no inodes left: pushes are about to fail"), advice)
            }
            (bytes, _) if bytes < SOME => Finding::warn("disk", format!("{place} has {mebibytes} MiB left"), advice),
            _ => Finding::ok("disk", format!("{place} has {} GiB left", bytes >> 30)),
        });
    }
    let (needed, limit) = facts.watches;
    findings.push(match limit {
        None => Finding::skip("watches", "the limit of inotify cannot be read", "this is right where the system has no inotify"),
        // Others of the same user watch files, too.
        Some(limit) if needed > limit / 10 * 8 => Finding::warn(
            "watches",
            format!("{needed} directories are to be watched, and a user may watch {limit}: changes on disk in the others are seen by the periodic rescan only"),
            format!("sysctl fs.inotify.max_user_watches={}", needed.saturating_mul(2).next_power_of_two()),
        ),
        Some(limit) => Finding::ok("watches", format!("{needed} of {limit} directories that can be watched")),
    });
    let wanted = FILES + facts.repositories;
    findings.push(match facts.files {
        None => Finding::skip("open-files", "the limit cannot be read", "see ulimit -n in the daemon's environment"),
        Some(files) if files < wanted => Finding::warn(
            "open-files",
            format!("the daemon may open {files} files; with {} repositories it may need {wanted}", facts.repositories),
            "raise it: LimitNOFILE=65536 in the systemd unit, or ulimit -n",
        ),
        Some(_) => Finding::ok("open-files", "the limit is high enough"),
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level::{self, Fail, Ok as Good, Skip, Warn};

    #[test]
    fn limits_are_judged() {
        let facts = |bytes, inodes, needed, limit, files| Facts {
            space: vec![("/srv".to_owned(), bytes, inodes)],
            watches: (needed, limit),
            repositories: 10,
            files,
        };
        let many = 1 << 40;
        let grid: [(Facts, [Level; 3]); 9] = [
            (facts(many, Some(many), 9, Some(8192), Some(65536)), [Good, Good, Good]),
            (facts(many, None, 9, Some(8192), Some(u64::MAX)), [Good, Good, Good]),
            (facts(1 << 20, None, 9, Some(8192), Some(65536)), [Fail, Good, Good]),
            (facts(1 << 29, None, 9, Some(8192), Some(65536)), [Warn, Good, Good]),
            (facts(many, Some(3), 9, Some(8192), Some(65536)), [Fail, Good, Good]),
            (facts(many, None, 8000, Some(8192), Some(65536)), [Good, Warn, Good]),
            (facts(many, None, 9, None, Some(65536)), [Good, Skip, Good]),
            (facts(many, None, 9, Some(8192), Some(1000)), [Good, Good, Warn]),
            (facts(many, None, 9, Some(8192), None), [Good, Good, Skip]),
        ];
        for (facts, want) in grid {
            let judged: Vec<Level> = judge(&facts).iter().map(|finding| finding.level).collect();
            assert_eq!(judged, want, "{facts:?}");
        }
        assert_eq!(
            open_files("Limit  Soft\nMax open files            1024                 4096       files\n"),
            Some(1024)
        );
        assert_eq!(open_files("Max open files  unlimited unlimited files\n"), Some(u64::MAX));
        assert_eq!(open_files("nothing"), None);
    }
}
