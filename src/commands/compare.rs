//! Reads from Git what two versions of a package differ in, for the differ: bounded in files, bytes and time.
//!
//! What lies beyond a bound is told of as a file that is too large to be compared.
//! Never here: comparing (see `krm::changes`), and what is told of it.

use std::time::{Duration, Instant};

use crate::domain::oid::ObjectId;
use crate::git::{GitError, Mode, Reader};
use crate::krm::changes::{Changes, Content, Differing, changes};

/// More files that differ are not looked at one by one.
const MOST_FILES: usize = 5000;
/// So many files are read at most.
const MOST_READ: usize = 200;
/// A larger file is not compared, in bytes.
const LARGEST: u64 = 256 << 10;

/// What comparisons may still cost. One is shared by all comparisons of a reply.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    bytes: u64,
    until: Instant,
}

impl Allowance {
    /// What the reply to one push may cost.
    pub fn of_reply() -> Self {
        Self { bytes: 2 << 20, until: Instant::now() + Duration::from_millis(500) }
    }

    fn take(&mut self, bytes: u64) -> bool {
        let granted = bytes <= self.bytes && Instant::now() < self.until;
        if granted {
            self.bytes -= bytes;
        }
        granted
    }
}

/// Compares two trees of a package; `None` stands for an empty one.
///
/// # Errors
/// Git cannot be read, or more files differ than are looked at.
pub fn compare(
    reader: &Reader,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    allowance: &mut Allowance,
) -> Result<Changes, GitError> {
    let mut read = 0;
    let mut content = |side: Option<(Mode, ObjectId)>| -> Result<Option<Content>, GitError> {
        Ok(match side {
            None => None,
            Some((Mode::Submodule | Mode::Symlink, _)) => Some(Content::Link),
            Some((Mode::Regular | Mode::Executable, id)) => {
                read += 1;
                let size = reader.blob_size(id)?;
                let fits = read <= MOST_READ && size <= LARGEST && allowance.take(size);
                Some(if fits { Content::Bytes(reader.blob(id, LARGEST)?) } else { Content::TooLarge })
            }
        })
    };
    let mut differing = Vec::new();
    for file in reader.changed_files(old, new, MOST_FILES)? {
        let mode = matches!((file.old, file.new), (Some((old, _)), Some((new, _))) if old != new);
        differing.push(Differing { old: content(file.old)?, new: content(file.new)?, path: file.path, mode });
    }
    Ok(changes(&differing))
}
