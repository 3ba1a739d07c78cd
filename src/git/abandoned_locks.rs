//! Lock files that a git left behind because it was killed: one of Stoop's own, or one that received a push. No others.
//!
//! While git holds all locks of a transaction, they are written down in the repository: which files, which inodes, and
//! which process holds them. A lock is removed only when that process is gone and the file is still that very file; then
//! it is nobody's. Before git has them all, only their names are written down: then a lock goes that was made since, when
//! no living git could have made it. A lock that was never written down, a foreign one above all, stays.
//! Never here: taking locks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::living_gits;
use super::refs::head_branch;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::RefName;
use crate::process::ProcessId;

/// Where the locks are written down, in the repository's directory. Those of a push have its process's number behind it,
/// since many pushes may hold locks at once.
const FILE: &str = "stoop-locks";

/// So much earlier than the time of day a file system may say that a file was made, in nanoseconds.
const COARSE: u128 = 20_000_000;

/// What git makes while it writes `packed-refs`.
const PACKING: [&str; 2] = ["packed-refs.lock", "packed-refs.new"];

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The kernel's id of this boot: after another one the process is gone whatever its number.
    boot: String,
    holder: ProcessId,
    locks: Vec<LockFile>,
    /// Locks that it is about to take, while it is not known that it has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned: Option<Planned>,
}

/// Names of locks, none of which was there at a time, in nanoseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Planned {
    names: Vec<String>,
    since: u128,
}

/// One lock file: this very one, and no later one of its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockFile {
    /// Below the repository's directory.
    name: String,
    device: u64,
    inode: u64,
    /// When the file was made, in nanoseconds since 1970; where the file system does not know, when it was written to.
    made: u128,
}

/// Locks that are written down.
#[derive(Debug)]
pub(super) struct Recorded(Option<PathBuf>);

impl Recorded {
    /// Empties the record: the transaction is over and its locks with it.
    pub(super) fn forget(self) {
        self.0.as_deref().map(empty);
    }
}

/// Writes down which locks a transaction is about to take.
pub(super) fn plan(repository: &Path, edits: &[RefEdit], holder: Option<ProcessId>) {
    if let Some(holder) = holder {
        let moved = edits.iter().map(|edit| (&edit.name, edit.new.is_none()));
        write(repository, FILE, &Record::planned(repository, moved, holder));
    }
}

/// The same for a push: each ref that it may move, and whether it deletes it.
pub(super) fn plan_push<'n>(
    repository: &Path,
    moved: impl Iterator<Item = (&'n RefName, bool)> + Clone,
    holder: ProcessId,
) {
    write(repository, &of_push(holder), &Record::planned(repository, moved, holder));
}

/// Forgets what was written down of Stoop's own git, which has ended and taken its locks with it.
pub(super) fn forget(repository: &Path) {
    empty(&repository.join(FILE));
}

/// Writes down the locks that a prepared transaction holds. A failure costs only that they would have to be removed by
/// hand after a crash in the next few milliseconds.
pub(super) fn record(repository: &Path, edits: &[RefEdit], holder: Option<ProcessId>) -> Recorded {
    let Some(holder) = holder else { return Recorded(None) };
    let moved = edits.iter().map(|edit| (&edit.name, edit.new.is_none()));
    write(repository, FILE, &Record::held(holder, held(repository, moved)))
}

/// Writes down the locks that a prepared transaction of a push holds: each ref, and whether it is deleted.
pub(super) fn record_push<'n>(
    repository: &Path,
    moved: impl Iterator<Item = (&'n RefName, bool)> + Clone,
    holder: ProcessId,
) {
    write(repository, &of_push(holder), &Record::held(holder, held(repository, moved)));
}

/// Forgets what was written down for a push that is at its end.
pub(super) fn forget_push(repository: &Path, holder: ProcessId) {
    // There is none where the push moved nothing that is managed.
    let _ = fs::remove_file(repository.join(of_push(holder)));
}

fn of_push(holder: ProcessId) -> String {
    format!("{FILE}-{}", holder.pid)
}

/// Writes down the locks of `packed-refs` that a git which packs refs holds at this moment, where they are others than
/// `before`. It holds them for certain while it has the new file open; before that, a lock there may be anybody's.
pub(super) fn record_packing(repository: &Path, holder: ProcessId, before: &mut Vec<LockFile>) {
    let new = repository.join(PACKING[1]);
    let open = fs::read_dir(format!("/proc/{}/fd", holder.pid)).into_iter().flatten().flatten();
    if !open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|file| file == new) {
        return;
    }
    let names = PACKING.map(str::to_owned).into_iter();
    let locks: Vec<LockFile> = names.filter_map(|name| LockFile::at(repository, name)).collect();
    if *before != locks {
        write(repository, FILE, &Record::held(holder, locks.clone()));
        *before = locks;
    }
}

impl Record {
    fn held(holder: ProcessId, locks: Vec<LockFile>) -> Self {
        Self { boot: boot(), holder, locks, planned: None }
    }

    fn planned<'n>(
        repository: &Path,
        moved: impl Iterator<Item = (&'n RefName, bool)> + Clone,
        holder: ProcessId,
    ) -> Self {
        let free = |name: &String| !repository.join(name).exists();
        let names = names(repository, moved).into_iter().filter(free).collect();
        let planned = Planned { names, since: nanoseconds(SystemTime::now()) };
        Self { boot: boot(), holder, locks: Vec::new(), planned: Some(planned) }
    }
}

fn write(repository: &Path, file: &str, record: &Record) -> Recorded {
    let file = repository.join(file);
    // Renamed into its place: a daemon that dies here leaves the record before, never half a one.
    let new = file.with_extension("new");
    let written = serde_json::to_vec(record).map_err(std::io::Error::other);
    match written.and_then(|bytes| fs::write(&new, bytes)).and_then(|()| fs::rename(&new, &file)) {
        Ok(()) => Recorded(Some(file)),
        Err(error) => {
            tracing::debug!(%error, "the locks of a transaction cannot be written down");
            Recorded(None)
        }
    }
}

/// Removes the locks that are written down and whose git is gone; whether there was one.
pub(super) fn clear(repository: &Path) -> bool {
    let entries = fs::read_dir(repository).into_iter().flatten().flatten();
    let records = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(FILE.as_bytes()));
    records.fold(false, |any, record| clear_recorded(repository, &record.path()) | any)
}

fn clear_recorded(repository: &Path, file: &Path) -> bool {
    let Some(bytes) = fs::read(file).ok().filter(|bytes| !bytes.is_empty()) else { return false };
    let Ok(record) = serde_json::from_slice::<Record>(&bytes) else {
        // Cut short: its writer died before the transaction was committed, and git gave it up by itself.
        done(file);
        return false;
    };
    if record.boot == boot() && !record.holder.is_gone() {
        return false;
    }
    let still_there = |lock: &&LockFile| LockFile::at(repository, lock.name.clone()).as_ref() == Some(*lock);
    let mut locks: Vec<LockFile> = record.locks.iter().filter(still_there).cloned().collect();
    if let Some(planned) = &record.planned {
        let made = planned.names.iter().filter_map(|name| LockFile::at(repository, name.clone()));
        let made: Vec<LockFile> = made.filter(|lock| lock.made + COARSE >= planned.since).collect();
        let newest = made.iter().map(|lock| lock.made).max().unwrap_or_default();
        if !made.is_empty() && living_gits::may_be_at(repository, time(newest)) {
            // Asked again when that one is gone.
            return false;
        }
        locks.extend(made);
    }
    let mut any = false;
    for lock in locks {
        let path = repository.join(&lock.name);
        match fs::remove_file(&path) {
            Ok(()) => {
                any = true;
                tracing::warn!(lock = %path.display(), "a lock that a killed git left behind is removed");
            }
            Err(error) => tracing::error!(lock = %path.display(), %error, "an abandoned lock cannot be removed"),
        }
    }
    done(file);
    any
}

/// Ends a record. The one of Stoop's own git stays, empty, since its next transaction writes it again.
fn done(file: &Path) {
    if file.file_name().is_some_and(|name| name == FILE) {
        return empty(file);
    }
    if let Err(error) = fs::remove_file(file) {
        tracing::debug!(%error, "a record of locks cannot be removed");
    }
}

fn empty(file: &Path) {
    if let Err(error) = fs::File::options().write(true).truncate(true).open(file) {
        tracing::debug!(%error, "the record of locks cannot be emptied");
    }
}

/// The lock files that git holds for a prepared transaction: one a ref, `packed-refs` when a ref is deleted, `HEAD` when
/// what it names moves.
fn names<'n>(repository: &Path, moved: impl Iterator<Item = (&'n RefName, bool)> + Clone) -> Vec<String> {
    let mut names: Vec<String> = moved.clone().map(|(name, _)| format!("{name}.lock")).collect();
    if moved.clone().any(|(_, deleted)| deleted) {
        names.extend(PACKING.map(str::to_owned));
    }
    let head = head_branch(repository).ok().flatten();
    if moved.clone().any(|(name, _)| Some(name) == head.as_ref()) {
        names.push("HEAD.lock".to_owned());
    }
    names
}

fn held<'n>(repository: &Path, moved: impl Iterator<Item = (&'n RefName, bool)> + Clone) -> Vec<LockFile> {
    names(repository, moved).into_iter().filter_map(|name| LockFile::at(repository, name)).collect()
}

impl LockFile {
    fn at(repository: &Path, name: String) -> Option<Self> {
        let metadata = fs::symlink_metadata(repository.join(&name)).ok().filter(fs::Metadata::is_file)?;
        let made = metadata.created().or_else(|_| metadata.modified()).ok()?;
        Some(Self { name, device: metadata.dev(), inode: metadata.ino(), made: nanoseconds(made) })
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn time(nanoseconds: u128) -> SystemTime {
    let since = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or_else(SystemTime::now)
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
