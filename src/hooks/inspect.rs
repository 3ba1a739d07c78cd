//! Looks at the hooks of a repository as they lie on disk, and changes nothing: for `stoop doctor`.
//!
//! Never here: judging what was found.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use stoop_hook::guard::{Guard, GuardError};

use super::hook_files::{Found, HookFiles, Layout};
use super::install::{FREE_ONLY, TAKEN};

/// The largest stub or guard file that is read, in bytes; larger ones are none of ours.
const LARGEST: u64 = 64 << 20;

/// The file that the hooks lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StubFile {
    /// There is none.
    Missing,
    /// It holds other bytes than this version's.
    Different,
    /// It is this version's, and nobody may execute it.
    NotExecutable,
    /// It is this version's.
    Current,
}

/// The hooks of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The stub.
    pub stub: StubFile,
    /// What is under the name of each hook that Stoop always takes.
    pub hooks: Vec<(&'static str, Found)>,
    /// What is under the name of `proc-receive`, which Stoop takes only where it is free.
    pub proc_receive: Found,
    /// What the stub knows of the repository; `None` without the file.
    pub guard: Option<Result<Guard, GuardError>>,
}

/// Looks at the hooks of the repository in a directory. `stub` is what its stub should be.
///
/// # Errors
/// Something there cannot be read.
pub fn inspect(repository: &Path, stub: &[u8], layout: Layout) -> io::Result<Condition> {
    let files = HookFiles::of(repository, layout);
    let hooks = TAKEN.into_iter().map(|name| Ok((name, files.found(name)?))).collect::<io::Result<Vec<_>>>()?;
    let proc_receive = files.found(FREE_ONLY)?;
    let guard = read(&files.own().join("guard"))?.map(|(text, _)| Guard::parse(&text));
    let stub = match read(&files.own().join("stub"))? {
        None => StubFile::Missing,
        Some((found, _)) if found != stub => StubFile::Different,
        Some((_, mode)) if mode & 0o100 == 0 => StubFile::NotExecutable,
        Some(_) => StubFile::Current,
    };
    Ok(Condition { stub, hooks, proc_receive, guard })
}

/// A plain file's content and mode; `None` where there is none.
fn read(path: &Path) -> io::Result<Option<(Vec<u8>, u32)>> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST => metadata,
        Ok(_) => return Ok(Some((Vec::new(), 0))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(Some((fs::read(path)?, metadata.permissions().mode())))
}
