//! Lock files that a git of Stoop's own left behind because it was killed, and no others.
//!
//! While git holds all locks of a transaction, they are written down in the repository: which files, which inodes, and
//! which process holds them. A lock is removed only when that process is gone and the file is still that very file; then
//! it is nobody's. A lock that was never written down, a foreign one above all, stays.
//! Never here: taking locks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::refs::head_branch;
use crate::domain::ref_plan::RefEdit;
use crate::process::ProcessId;

/// Where the locks are written down, in the repository's directory.
const FILE: &str = "stoop-locks";

/// What git makes while it writes `packed-refs`.
const PACKING: [&str; 2] = ["packed-refs.lock", "packed-refs.new"];

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The kernel's id of this boot: after another one the process is gone whatever its number.
    boot: String,
    holder: ProcessId,
    locks: Vec<LockFile>,
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

/// Writes down the locks that a prepared transaction holds. A failure costs only that they would have to be removed by
/// hand after a crash in the next few milliseconds.
pub(super) fn record(repository: &Path, edits: &[RefEdit], holder: Option<ProcessId>) -> Recorded {
    let Some(holder) = holder else { return Recorded(None) };
    let locks = names(repository, edits).into_iter().filter_map(|name| LockFile::at(repository, name));
    write(repository, holder, locks.collect())
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
        write(repository, holder, locks.clone());
        *before = locks;
    }
}

fn write(repository: &Path, holder: ProcessId, locks: Vec<LockFile>) -> Recorded {
    let record = Record { boot: boot(), holder, locks };
    let file = repository.join(FILE);
    let written = serde_json::to_vec(&record).map_err(std::io::Error::other);
    match written.and_then(|bytes| fs::write(&file, bytes)) {
        Ok(()) => Recorded(Some(file)),
        Err(error) => {
            tracing::debug!(%error, "the locks of a transaction cannot be written down");
            Recorded(None)
        }
    }
}

/// Removes the locks that are written down, if the git that held them is gone; whether there was one.
pub(super) fn clear(repository: &Path) -> bool {
    let file = repository.join(FILE);
    let Some(bytes) = fs::read(&file).ok().filter(|bytes| !bytes.is_empty()) else { return false };
    let Ok(record) = serde_json::from_slice::<Record>(&bytes) else {
        // Cut short: its writer died before the transaction was committed, and git gave it up by itself.
        empty(&file);
        return false;
    };
    if record.boot == boot() && !record.holder.is_gone() {
        return false;
    }
    let mut any = false;
    for lock in &record.locks {
        let path = repository.join(&lock.name);
        if LockFile::at(repository, lock.name.clone()).as_ref() != Some(lock) {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => {
                any = true;
                tracing::warn!(lock = %path.display(), "a lock that a killed git of Stoop's left behind is removed");
            }
            Err(error) => tracing::error!(lock = %path.display(), %error, "an abandoned lock cannot be removed"),
        }
    }
    empty(&file);
    any
}

/// Leaves the file, since the next transaction writes it again.
fn empty(file: &Path) {
    if let Err(error) = fs::File::options().write(true).truncate(true).open(file) {
        tracing::debug!(%error, "the record of locks cannot be emptied");
    }
}

/// The files that git holds for a prepared transaction: one a ref, `packed-refs` when a ref is deleted, `HEAD` when what
/// it names moves.
fn names(repository: &Path, edits: &[RefEdit]) -> Vec<String> {
    let mut names: Vec<String> = edits.iter().map(|edit| format!("{}.lock", edit.name)).collect();
    if edits.iter().any(|edit| edit.new.is_none()) {
        names.extend(PACKING.map(str::to_owned));
    }
    let head = head_branch(repository).ok().flatten();
    if edits.iter().any(|edit| Some(&edit.name) == head.as_ref()) {
        names.push("HEAD.lock".to_owned());
    }
    names
}

impl LockFile {
    fn at(repository: &Path, name: String) -> Option<Self> {
        let metadata = fs::symlink_metadata(repository.join(&name)).ok().filter(fs::Metadata::is_file)?;
        let made = metadata.created().or_else(|_| metadata.modified()).ok()?;
        let made = made.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Some(Self { name, device: metadata.dev(), inode: metadata.ino(), made })
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
