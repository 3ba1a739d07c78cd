//! Reading the objects of a push that git still holds in quarantine, while `pre-receive` waits for its verdict.
//!
//! Never here: writing into the quarantine (git would take it over with the push), and trusting the path a hook names.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::error::GitError;
use super::reader::Reader;
use super::store::{Store, slots};

/// Where git looks for the names of other directories of objects.
const ALTERNATES: &str = "info/alternates";
/// How the directories' names begin.
const OVERLAYS: &str = "stoop-quarantine-";
/// No directory is in use for so long: spare ones are let go of at every rescan.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// How many directories a repository keeps for pushes to come.
const SPARES: usize = 4;

/// A directory of objects that holds none, and names two others that do. It goes back to its store for the next push:
/// making directories is slow on some file systems.
pub(super) struct Overlay {
    /// There until it is dropped.
    directory: Option<TempDir>,
    store: Store,
}

impl Overlay {
    fn over(store: &Store, alternates: &str) -> Result<Self, GitError> {
        let write = |directory: &TempDir| std::fs::write(directory.path().join(ALTERNATES), alternates);
        // One that somebody has cleaned away meanwhile is of no use.
        let spare = store.overlays().pop().filter(|spare| write(spare).is_ok());
        let directory = match spare {
            Some(spare) => spare,
            None => {
                let made = || {
                    let directory = tempfile::Builder::new()
                        .prefix(OVERLAYS)
                        .permissions(Permissions::from_mode(0o700))
                        .tempdir()?;
                    ["info", "pack"].iter().try_for_each(|name| std::fs::create_dir(directory.path().join(name)))?;
                    write(&directory)?;
                    Ok(directory)
                };
                made().map_err(|error| GitError::io("make a directory in", &std::env::temp_dir(), error))?
            }
        };
        Ok(Self { directory: Some(directory), store: store.clone() })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let mut spares = self.store.overlays();
        if spares.len() < SPARES {
            spares.extend(self.directory.take());
        }
    }
}

/// Removes the directories that a killed daemon left more than a day ago. What cannot be removed, as another user's, stays.
pub fn clear_abandoned_overlays() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(OVERLAYS)) {
        let made = entry.metadata().and_then(|metadata| metadata.modified());
        let old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > ABANDONED));
        if old && let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::debug!(path = %entry.path().display(), %error, "a left directory cannot be removed");
        }
    }
}

impl Store {
    /// A view that also sees the objects of a push in quarantine. What is written through it stays in memory and is gone
    /// with it. Fails unless the path, links followed, is a directory below the repository's `objects/`.
    pub fn quarantined(&self, quarantine: &Path) -> Result<Reader, GitError> {
        let refuse = |why: &str| GitError::Quarantine {
            path: quarantine.to_owned(),
            repository: self.path().to_owned(),
            why: why.to_owned(),
        };
        let objects = self.path().join("objects");
        let objects = objects.canonicalize().map_err(|error| GitError::io("find", &objects, error))?;
        if !quarantine.is_absolute() {
            return Err(refuse("the path is not absolute"));
        }
        let real = quarantine.canonicalize().map_err(|error| refuse(&error.to_string()))?;
        if real == objects || !real.starts_with(&objects) {
            return Err(refuse("it lies outside the repository's objects/"));
        }
        if !real.is_dir() {
            return Err(refuse("it is not a directory"));
        }
        let alternates = [&real, &objects].map(|path| path.to_str().filter(|path| !path.contains('\n')));
        let [Some(real), Some(objects)] = alternates else {
            return Err(refuse("the path holds a line end or is not UTF-8"));
        };

        let overlay = Overlay::over(self, &format!("{real}\n{objects}\n"))?;
        let reader = self.reader();
        let hash = reader.gix().object_hash();
        let options = gix::odb::store::init::Options {
            slots: gix::odb::store::init::Slots::Given(slots(self.path())),
            alloc_limit_bytes: Some(super::store::LARGEST_ALLOCATION),
            ..Default::default()
        };
        let handle = gix::odb::at_opts(overlay.path(), hash, None, options)
            .map_err(|error| GitError::io("read objects below", overlay.path(), error))?;
        Ok(reader.over(gix::odb::memory::Proxy::new(handle, hash), overlay))
    }
}
