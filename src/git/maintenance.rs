//! Packs loose refs into one file, which keeps a bare repository quick.
//!
//! Never here: deciding when (see `daemon::maintenance`), and packing objects: git does that after pushes.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::abandoned_locks;
use super::command::git;
use super::error::GitError;
use super::living_gits;
use crate::process::ProcessId;

/// How long git may take; nobody else can write meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether git is done, and which locks it holds.
const MOMENT: Duration = Duration::from_millis(2);

/// Which refs are moved into `packed-refs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// Tags, which stay where they are, and what was packed before.
    Tags,
    /// All. Deleting a packed ref writes the whole file anew, so this is for when there are very many.
    All,
}

/// Whether a `git gc` runs in the repository, by the `gc.pid` that it writes first. One in another process namespace is not
/// seen.
///
/// It prunes loose refs without the lock of `packed-refs`, which is how Stoop's hook tells that from a deletion: whoever packs
/// at the same moment makes that prune look like one, and it is refused.
pub fn gc_runs(repository: &Path) -> bool {
    let written = std::fs::read_to_string(repository.join("gc.pid")).unwrap_or_default();
    written.split_whitespace().next().and_then(|pid| pid.parse().ok()).is_some_and(living_gits::is_git)
}

/// Moves loose refs into `packed-refs`. The caller is the one writer, so that no transaction of ours meets the lock. The
/// lock on that file is written down, so that it does not stay if git is killed.
pub fn pack_refs(repository: &Path, pack: Pack) -> Result<(), GitError> {
    let failed = |text: String| GitError::Command { command: "pack-refs", path: repository.to_owned(), text };
    let mut git = git(repository);
    git.args(["pack-refs", "--prune"]).args((pack == Pack::All).then_some("--all"));
    git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = git.spawn().map_err(|error| failed(format!("it cannot be started: {error}")))?;
    let (holder, begun, mut locks) = (ProcessId::of(child.id()), Instant::now(), Vec::new());
    let status = loop {
        if let Some(holder) = holder {
            abandoned_locks::record_packing(repository, holder, &mut locks);
        }
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                // It may have ended in this moment; then there is nothing to kill.
                let _ = child.kill();
            }
            None => {}
        }
        std::thread::sleep(MOMENT);
    };
    // git takes its locks with it, unless it was killed.
    abandoned_locks::clear(repository);
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        // What cannot be read is not told.
        let _ = errors.take(1000).read_to_string(&mut said);
    }
    Err(failed(format!("{status} {}", said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Repo;

    #[test]
    fn tags_are_packed_and_with_all_everything() {
        let repo = Repo::new("sha1");
        let main = repo.commit("refs/heads/main", 1, &[("a", "100644", "1")]);
        repo.git(&["update-ref", "refs/tags/t", &main.to_string()]);
        let loose = |name: &str| repo.path.join(name).exists();
        pack_refs(&repo.path, Pack::Tags).expect("packed");
        assert!(!loose("refs/tags/t") && loose("refs/heads/main"));
        pack_refs(&repo.path, Pack::All).expect("packed");
        assert!(!loose("refs/heads/main") && repo.id("main") == main);
        std::fs::write(repo.path.join("packed-refs.lock"), "").expect("a foreign lock");
        repo.git(&["update-ref", "refs/tags/u", &main.to_string()]);
        let error = pack_refs(&repo.path, Pack::Tags).expect_err("it is locked").to_string();
        assert!(error.contains("pack-refs") && error.contains("packed-refs.lock"), "{error}");
        assert!(loose("packed-refs.lock"), "it is not ours to remove");
    }

    #[test]
    fn a_gc_runs_as_long_as_who_wrote_its_file() {
        let repo = Repo::new("sha1");
        let write = |text: &str| std::fs::write(repo.path.join("gc.pid"), text).expect("written");
        assert!(!gc_runs(&repo.path));
        for text in ["", "x host", "4294967295 host", "0 host", &format!("{} host", std::process::id())] {
            write(text);
            assert!(!gc_runs(&repo.path), "{text}");
        }
        let mut command = git(&repo.path);
        let mut child = command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let child = child.as_mut().expect("it runs");
        write(&format!("{} host", child.id()));
        // It answers, so it is git by now and no more what it was made from.
        std::io::Write::write_all(child.stdin.as_mut().expect("piped"), b"HEAD\n").expect("asked");
        child.stdout.as_mut().expect("piped").read_exact(&mut [0; 4]).expect("answered");
        assert!(gc_runs(&repo.path));
        child.kill().and_then(|()| child.wait()).expect("it ends");
        assert!(!gc_runs(&repo.path));
    }

    #[test]
    fn the_lock_of_a_git_that_was_killed_while_it_packed_goes() {
        let repo = Repo::new("sha1");
        repo.commit("refs/heads/main", 1, &[("a", "100644", "1")]);
        let (lock, new) = (repo.path.join("packed-refs.lock"), repo.path.join("packed-refs.new"));
        std::fs::write(&lock, "").expect("made");
        let half = std::fs::File::create(&new).expect("made");
        let sleep = |out: Stdio| std::process::Command::new("sleep").arg("1000").stdout(out).spawn().expect("it runs");
        let (mut child, mut other) = (sleep(half.into()), sleep(Stdio::null()));
        let holder = |child: &std::process::Child| ProcessId::of(child.id()).expect("it runs");
        let mut locks = Vec::new();
        abandoned_locks::record_packing(&repo.path, holder(&other), &mut locks);
        assert!(locks.is_empty(), "it waits for a lock of somebody else's");
        other.kill().and_then(|()| other.wait()).expect("it ends");
        abandoned_locks::record_packing(&repo.path, holder(&child), &mut locks);
        assert_eq!(locks.len(), 2);
        abandoned_locks::clear(&repo.path);
        assert!(lock.exists() && new.exists(), "its holder lives");
        std::fs::write(&new, "half and more").expect("written on");
        std::fs::remove_file(&lock).expect("removed");
        std::fs::write(&lock, "another one's").expect("made");
        child.kill().and_then(|()| child.wait()).expect("it ends");
        assert!(abandoned_locks::clear(&repo.path));
        assert!(!new.exists() && lock.exists(), "only what is still that very file goes");
    }
}
