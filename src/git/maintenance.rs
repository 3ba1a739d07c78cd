//! What keeps a bare repository quick: its refs packed into one file, and git's own collecting when that is due.
//!
//! Never here: deciding when (see `daemon::maintenance`).

use std::path::Path;
use std::process::Stdio;

use super::command::git;
use super::error::GitError;

/// Which refs are moved into `packed-refs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// Tags, which stay where they are, and what was packed before.
    Tags,
    /// All. Deleting a packed ref writes the whole file anew, so this is for when there are very many.
    All,
}

/// Moves loose refs into `packed-refs`. The caller is the one writer, so that no transaction of ours meets the lock.
pub fn pack_refs(repository: &Path, pack: Pack) -> Result<(), GitError> {
    let mut args = vec!["pack-refs", "--prune"];
    if pack == Pack::All {
        args.push("--all");
    }
    run(repository, "pack-refs", &args)
}

/// Packs and collects objects where git finds that due, as it does by itself after every push: `gc.auto` of the repository
/// says when, and 0 there means never. May take minutes; pushes go on meanwhile.
pub fn collect(repository: &Path) -> Result<(), GitError> {
    run(repository, "gc", &["gc", "--auto", "--quiet"])
}

fn run(repository: &Path, command: &'static str, args: &[&str]) -> Result<(), GitError> {
    let failed = |text: String| GitError::Command { command, path: repository.to_owned(), text };
    let mut git = git(repository);
    git.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = git.output().map_err(|error| failed(format!("it cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(1000).collect();
    Err(failed(said))
}
