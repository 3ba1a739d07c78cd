//! One bare repository, open for as long as it is guarded: the handle that every thread shares.
//!
//! Never here: reading (`reader`) and moving refs (`ref_transaction`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;

use super::abandoned_locks;
use super::commit::Commit;
use super::error::{GitError, text};
use super::reader::Reader;
use super::ref_files::RefFiles;
use super::ref_session::RefSession;
use super::refs::RefSnapshot;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;
use crate::process::ProcessId;

/// The largest single allocation that the content of a pack may cause, in bytes: what a hostile push could ask for.
pub(super) const LARGEST_ALLOCATION: usize = 256 << 20;

/// How many commits are kept at most, and how long a message such a commit may have, in bytes.
const KEPT_COMMITS: usize = 1_024;
const LONGEST_KEPT: usize = 4 << 10;

/// How many pack indices may appear while a repository is open, beyond twice those it had. gix cannot grow this later.
const SPARE_SLOTS: usize = 512;

/// An open bare repository. Cheap to clone, shared by all threads.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    repository: gix::ThreadSafeRepository,
    ref_files: Mutex<RefFiles>,
    ref_session: Mutex<Option<RefSession>>,
    /// Commits that were read lately: walks of history come by the same ones again and again.
    commits: Mutex<HashMap<ObjectId, Commit>>,
    /// Directories for pushes in quarantine to come.
    overlays: Mutex<Vec<TempDir>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.path).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(session) = self.ref_session.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            session.end();
        }
    }
}

impl Store {
    /// Opens a bare repository. Replacement objects are not followed, as in `git receive-pack`: anyone who may push
    /// `refs/replace/…` could else show other content than is there.
    ///
    /// Fails for a directory that is not a bare repository, and with [`GitError::Unsupported`] for one whose refs are
    /// not kept in files.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        let not = |why: &str| GitError::NotARepository { path: path.to_owned(), why: why.to_owned() };
        let path = std::path::absolute(path).map_err(|error| GitError::io("find", path, error))?;
        if !super::discover::is_repository(&path) {
            return Err(not("it has no HEAD, objects/ and refs/"));
        }
        let options = gix::open::Options::isolated()
            .open_path_as_is(true)
            .with(gix::sec::Trust::Full)
            .object_store_slots(gix::odb::store::init::Slots::Given(slots(&path)))
            .config_overrides([
                "core.useReplaceRefs=false".to_owned(),
                format!("gitoxide.objects.allocLimit={LARGEST_ALLOCATION}"),
            ]);
        let repository = options.open(&path).map_err(|error| not(&text(&error)))?;
        let view = repository.to_thread_local();
        let config = view.config_snapshot();
        if let Some(storage) = config.string("extensions.refStorage").filter(|storage| *storage != "files") {
            let why = format!(
                "its refs are kept as {storage:?}; only \"files\" is supported, `git refs migrate --ref-format=files` converts them"
            );
            return Err(GitError::Unsupported { path, why });
        }
        if config.boolean("core.bare") == Some(false) {
            return Err(not("core.bare is false; `git clone --bare` makes a bare one of it"));
        }
        abandoned_locks::clear(&path);
        Ok(Self(Arc::new(Inner {
            path,
            repository,
            ref_files: Mutex::default(),
            ref_session: Mutex::default(),
            commits: Mutex::default(),
            overlays: Mutex::default(),
        })))
    }

    /// The repository's directory, as it was given to [`Store::open`], made absolute.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// A view for one thread. Costs about a microsecond.
    pub fn reader(&self) -> Reader {
        Reader::new(self.clone(), self.0.repository.to_thread_local(), None)
    }

    /// All refs, of which only what changed on disk is read.
    pub(super) fn refs(&self, reader: &Reader) -> Result<RefSnapshot, GitError> {
        self.ref_files().read(reader)
    }

    /// Makes the next reading of the refs read all of them, whatever the disk shows: for a rescan, and when a ref's file
    /// was written in place.
    pub fn forget_refs(&self) {
        self.ref_files().forget();
    }

    pub(super) fn known_commit(&self, id: ObjectId) -> Option<Commit> {
        self.commits().get(&id).cloned()
    }

    pub(super) fn keep_commit(&self, commit: &Commit) {
        if commit.message.len() > LONGEST_KEPT {
            return;
        }
        let mut commits = self.commits();
        if commits.len() >= KEPT_COMMITS {
            commits.clear();
        }
        commits.insert(commit.id, commit.clone());
    }

    fn commits(&self) -> MutexGuard<'_, HashMap<ObjectId, Commit>> {
        self.0.commits.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Directories that no push in quarantine uses now.
    pub(super) fn overlays(&self) -> MutexGuard<'_, Vec<TempDir>> {
        self.0.overlays.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The git that moves refs, if one runs.
    pub(super) fn ref_session(&self) -> MutexGuard<'_, Option<RefSession>> {
        self.0.ref_session.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes down which refs a push may move, and whether it deletes them: should it be killed while it locks them,
    /// [`Store::clear_abandoned_locks`] finds the locks.
    pub fn plan_push_locks<'n>(&self, push: ProcessId, moved: impl Iterator<Item = (&'n RefName, bool)> + Clone) {
        abandoned_locks::plan_push(self.path(), moved, push);
    }

    /// Writes down the locks that the ref transaction of a push holds while it asks whether it may go on: each ref, and
    /// whether it is deleted. Should the push be killed, [`Store::clear_abandoned_locks`] removes them.
    pub fn note_push_locks<'n>(&self, push: ProcessId, moved: impl Iterator<Item = (&'n RefName, bool)> + Clone) {
        abandoned_locks::record_push(self.path(), moved, push);
    }

    /// Forgets the locks of a push that is at its end.
    pub fn forget_push_locks(&self, push: ProcessId) {
        abandoned_locks::forget_push(self.path(), push);
    }

    /// Removes locks that gits left behind which are known to be gone.
    pub fn clear_abandoned_locks(&self) {
        abandoned_locks::clear(self.path());
    }

    /// Lets go of what an idle repository need not hold: the git that moves refs, when it had nothing to do for a while,
    /// commits, and directories.
    pub fn rest(&self) {
        self.commits().clear();
        self.overlays().clear();
        self.clear_abandoned_locks();
        let mut session = self.ref_session();
        if session.as_ref().is_some_and(RefSession::is_due)
            && let Some(session) = session.take()
        {
            session.end();
        }
    }

    fn ref_files(&self) -> MutexGuard<'_, RefFiles> {
        self.0.ref_files.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How many pack indices gix shall be ready for.
pub(super) fn slots(repository: &Path) -> u16 {
    let packs = std::fs::read_dir(repository.join("objects/pack")).map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "idx")).count()
    });
    u16::try_from(packs.saturating_mul(2).saturating_add(SPARE_SLOTS)).unwrap_or(u16::MAX)
}
