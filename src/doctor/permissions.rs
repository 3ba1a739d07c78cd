//! The files of each repository: whose they are, whether the daemon's user may write them, and locks that nobody holds.
//!
//! Never here: removing a lock; only who knows that no git runs may do that.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use super::report::Finding;

/// How many entries of a repository are looked at: enough for every directory that git writes to in any sane one.
const LOOKED_AT: usize = 50_000;
/// From which age on a lock is called stale, in seconds: git holds one for the moment of a write.
const STALE: u64 = 60;

/// What was found of a repository's files.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The user who looks.
    me: u32,
    /// The owner of the repository's directory.
    owner: u32,
    /// Entries of other owners: how many of each, and one of them.
    foreign: BTreeMap<u32, (usize, String)>,
    /// Directories that their own owner may not write.
    read_only: Vec<String>,
    /// Whether everybody may write the directory.
    open: bool,
    /// Locks with their age in seconds, and whether they are older than the running system.
    locks: Vec<(String, u64, bool)>,
    /// What cannot be read.
    unreadable: Vec<String>,
}

/// Looks at the directories that git writes to and the files that it replaces.
pub(super) fn look(repository: &Path) -> Facts {
    let mut facts = Facts { me: rustix::process::geteuid().as_raw(), ..Facts::default() };
    match fs::symlink_metadata(repository) {
        Ok(found) => {
            facts.owner = found.uid();
            facts.open = found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0;
        }
        Err(error) => facts.unreadable.push(error.to_string()),
    }
    let started = system_start();
    let mut left = LOOKED_AT;
    // Refs are looked at file by file, objects by their directories only: there can be very many.
    let mut open = vec![(String::new(), 1), ("refs".to_owned(), usize::MAX), ("objects".to_owned(), 2)];
    while let Some((directory, depth)) = open.pop() {
        let entries = match fs::read_dir(repository.join(&directory)) {
            Ok(entries) => entries,
            Err(error) => {
                facts.unreadable.push(format!("{}: {error}", if directory.is_empty() { "." } else { &directory }));
                continue;
            }
        };
        for entry in entries.flatten() {
            let Some(rest) = left.checked_sub(1) else { return facts };
            left = rest;
            let Ok(metadata) = entry.metadata() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            let objects = directory.starts_with("objects");
            if metadata.is_dir() || !objects || name.ends_with(".lock") {
                facts.take(&name, &metadata, started);
            }
            // Of a repository's own directory, hooks and the like are no business of git's writing.
            let below = !directory.is_empty() && depth > 1;
            if metadata.is_dir() && below && !metadata.is_symlink() {
                // The 256 directories of loose objects hold nothing to look at.
                let listed = directory != "objects" || name == "objects/info" || name == "objects/pack";
                if listed {
                    open.push((name, depth.saturating_sub(1)));
                }
            }
        }
    }
    facts
}

impl Facts {
    fn take(&mut self, name: &str, metadata: &Metadata, started: Option<u64>) {
        if metadata.uid() != self.owner {
            self.foreign.entry(metadata.uid()).or_insert_with(|| (0, name.to_owned())).0 += 1;
        }
        if metadata.is_dir() && metadata.mode() & 0o200 == 0 {
            self.read_only.push(name.to_owned());
        }
        if name.ends_with(".lock") && metadata.is_file() {
            let now = SystemTime::now();
            let age =
                metadata.modified().ok().and_then(|made| now.duration_since(made).ok()).map_or(0, |age| age.as_secs());
            let before = started.is_some_and(|started| metadata.mtime() < i64::try_from(started).unwrap_or(0));
            self.locks.push((name.to_owned(), age, before));
        }
    }
}

/// When the system started, in seconds since 1970.
fn system_start() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Judges what was found.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fail = |text: String, advice: &str| findings.push(Finding::fail("permissions", text, advice));
    if let Some(first) = facts.unreadable.first() {
        fail(
            format!("something cannot be read: {first}"),
            "run stoop doctor as the daemon's user, or give that user the repository",
        );
    }
    if facts.me != 0 && facts.me != facts.owner {
        fail(
            format!("it belongs to user id {}, and this is user id {}", facts.owner, facts.me),
            "chown -R it to the daemon's user, and run stoop doctor as that user",
        );
    }
    for (user, (count, example)) in &facts.foreign {
        fail(
            format!(
                "{count} of its files belong to user id {user}, such as {example}; the repository is user id {}'s",
                facts.owner
            ),
            "chown -R them to the daemon's user: git cannot replace or pack them else",
        );
    }
    if let Some(first) = facts.read_only.first() {
        fail(
            format!("{} of its directories cannot be written, such as {first}", facts.read_only.len()),
            "chmod u+w them",
        );
    }
    if facts.open {
        fail("everybody may write into its directory, and so go around every hook".to_owned(), "chmod o-w it");
    }
    if findings.is_empty() {
        findings.push(Finding::ok("permissions", "all files are the owner's"));
    }
    let stale: Vec<_> = facts.locks.iter().filter(|(_, age, before)| *age >= STALE || *before).collect();
    if stale.is_empty() {
        findings.push(Finding::ok("locks", "no stale lock"));
    }
    for (name, age, before) in stale {
        let since =
            if *before { "from before the system started".to_owned() } else { format!("{} old", duration(*age)) };
        findings.push(Finding::fail(
            "locks",
            format!("{name} is {since}: nobody can change what it locks"),
            "if no git process works in the repository, remove the file",
        ));
    }
    findings
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn owners_modes_and_locks_are_judged() {
        let good = || Facts { me: 7, owner: 7, ..Facts::default() };
        let foreign = |user| BTreeMap::from([(user, (2, "refs/heads/x".to_owned()))]);
        let lock = |age, before| vec![("packed-refs.lock".to_owned(), age, before)];
        let grid = [
            (good(), 0, ""),
            (Facts { me: 0, ..good() }, 0, ""),
            (Facts { me: 8, ..good() }, 1, "this is user id 8"),
            (Facts { foreign: foreign(0), ..good() }, 1, "2 of its files belong to user id 0, such as refs/heads/x"),
            (Facts { read_only: vec!["objects".to_owned()], ..good() }, 1, "such as objects"),
            (Facts { open: true, ..good() }, 1, "everybody"),
            (Facts { unreadable: vec!["refs: no".to_owned()], ..good() }, 1, "refs: no"),
            (Facts { locks: lock(59, false), ..good() }, 0, ""),
            (Facts { locks: lock(600, false), ..good() }, 1, "packed-refs.lock is 10 min old"),
            (Facts { locks: lock(1, true), ..good() }, 1, "before the system started"),
        ];
        for (facts, fails, text) in grid {
            let judged = judge(&facts);
            let failed: Vec<_> = judged.iter().filter(|finding| finding.level == Level::Fail).collect();
            assert_eq!(failed.len(), fails, "{facts:?} {judged:?}");
            assert!(failed.iter().all(|finding| finding.text.contains(text)), "{facts:?} {judged:?}");
        }
    }

    #[test]
    fn a_repository_on_disk_is_looked_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let below = |name: &str| directory.path().join(name);
        for name in ["refs/heads/a", "objects/pack", "objects/ab", "hooks"] {
            fs::create_dir_all(below(name)).expect("made");
        }
        for name in ["HEAD.lock", "refs/heads/a/w.lock", "hooks/odd.lock", "objects/pack/x.lock"] {
            fs::write(below(name), "").expect("written");
        }
        let facts = look(directory.path());
        let mut locks: Vec<&str> = facts.locks.iter().map(|(name, ..)| name.as_str()).collect();
        locks.sort_unstable();
        assert_eq!(locks, ["HEAD.lock", "objects/pack/x.lock", "refs/heads/a/w.lock"]);
        assert!(facts.foreign.is_empty() && facts.unreadable.is_empty() && facts.read_only.is_empty(), "{facts:?}");
        assert!(!look(&below("nowhere")).unreadable.is_empty());
    }
}
