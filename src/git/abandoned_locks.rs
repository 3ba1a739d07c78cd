//! Lock files that a git of Stoop's own left behind because it was killed, and no others.
//!
//! While git holds all locks of a transaction, they are written down in the repository: which files, which inodes, and
//! which process holds them. A lock is removed only when that process is gone and the file is still that very file; then
//! it is nobody's. A lock that was never written down, a foreign one above all, stays.
//! Never here: taking locks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::refs::head_branch;
use crate::domain::ref_plan::RefEdit;
use crate::process::ProcessId;

/// Where the locks are written down, in the repository's directory.
const FILE: &str = "stoop-locks";

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The kernel's id of this boot: after another one the process is gone whatever its number.
    boot: String,
    holder: ProcessId,
    locks: Vec<LockFile>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LockFile {
    /// Below the repository's directory.
    name: String,
    device: u64,
    inode: u64,
    modified: (i64, i64),
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
    let record = Record { boot: boot(), holder, locks: locks.collect() };
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
        names.extend(["packed-refs.lock".to_owned(), "packed-refs.new".to_owned()]);
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
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { name, device: metadata.dev(), inode: metadata.ino(), modified })
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
