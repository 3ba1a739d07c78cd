//! Repositories whose hooks lie elsewhere, as `core.hooksPath` says: git is told to look into `hooks/stoop/path` of the
//! repository instead, where the stub is, and the stub runs the hooks of that other directory first. The directory itself, which
//! other repositories may share, stays as it is.
//!
//! Never here: `core.hooksPath` itself (see `config_edit`).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config_edit::{self, OWN_PATH};
use super::hook_files::{HookFiles, THROUGH};
use super::install::{FREE_ONLY, InstallError, TAKEN};

/// The hooks of others that git runs in a bare repository; the stub hands on to them.
const OTHERS: [&str; 4] = ["update", "post-update", "pre-auto-gc", "push-to-checkout"];

/// The directory that git would look into without Stoop, if it is not the repository's own.
pub(super) fn of(repository: &Path) -> Result<Option<PathBuf>, InstallError> {
    let own = fs::canonicalize(repository.join("hooks")).ok();
    Ok(config_edit::hooks_path(repository)?.filter(|path| fs::canonicalize(path).ok() != own))
}

/// Leads through to the hooks in `elsewhere`. Gives whether anything changed.
pub(super) fn lead_through(files: &HookFiles, elsewhere: &Path) -> io::Result<bool> {
    let mut changed = false;
    // Git has not looked there, and does not now.
    for name in TAKEN.into_iter().chain([FREE_ONLY]) {
        if fs::symlink_metadata(files.path()).is_err() {
            changed |= files.give_back(name)?;
        }
    }
    fs::create_dir_all(files.path())?;
    let through = files.hooks().join(THROUGH);
    if fs::read_link(&through).ok().as_deref() != Some(elsewhere) {
        files.link(elsewhere, &through)?;
        changed = true;
    }
    for name in OTHERS {
        let (entry, there) = (files.path().join(name), is_hook(&elsewhere.join(name)));
        match (there, fs::symlink_metadata(&entry).is_ok()) {
            (true, false) => files.link(Path::new("../stub"), &entry)?,
            (false, true) => fs::remove_file(&entry)?,
            _ => continue,
        }
        changed = true;
    }
    // This one cannot be shared: theirs is theirs.
    let (entry, theirs) = (files.path().join(FREE_ONLY), Path::new("../through").join(FREE_ONLY));
    if is_hook(&elsewhere.join(FREE_ONLY)) && fs::read_link(&entry).ok().as_deref() != Some(&*theirs) {
        files.link(&theirs, &entry)?;
        changed = true;
    } else if !is_hook(&elsewhere.join(FREE_ONLY)) && fs::read_link(&entry).ok().as_deref() == Some(&*theirs) {
        fs::remove_file(&entry)?;
        changed = true;
    }
    Ok(changed)
}

/// Whether the repository's `config` says of `core.hooksPath` what it said when the hooks were installed, without asking git
/// where it need not be. A setting for the whole machine is only seen by [`super::install()`].
pub(super) fn is_as_installed(files: &HookFiles, repository: &Path) -> bool {
    let Ok(config) = fs::read_to_string(repository.join("config")) else { return false };
    let last = config.lines().rfind(|line| line.to_ascii_lowercase().contains("hookspath"));
    match last {
        Some(line) if files.leads_through() => line.contains(OWN_PATH),
        Some(_) => of(repository).is_ok_and(|elsewhere| elsewhere.is_none()),
        None => !files.leads_through(),
    }
}

/// Takes away what [`lead_through`] made. Git must not look there any more. Gives whether there was anything.
pub(super) fn close(files: &HookFiles) -> io::Result<bool> {
    let path = files.path();
    let through = files.hooks().join(THROUGH);
    let there = fs::symlink_metadata(&through).is_ok();
    if there {
        fs::remove_file(&through)?;
    }
    match fs::remove_dir_all(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(there),
        Err(error) => Err(error),
    }
}

/// Whether git would run this file as a hook.
fn is_hook(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}
