//! Puts the hook stub into a repository, and takes it out again so that the repository is as it was.
//!
//! Never here: which repositories are guarded, and what the guard file says; callers know.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stoop_hook::guard::{Guard, GuardError};

use super::config_edit::{self, ALWAYS, HOOKS_PATH, NONCE_SEED, PROC_RECEIVE, Record, Setting};
use super::elsewhere;
use super::hook_files::{Found, HookFiles, Layout, write_file};

/// The hooks that Stoop always takes, keeping earlier ones.
pub(super) const TAKEN: [&str; 3] = ["pre-receive", "post-receive", "reference-transaction"];
/// The hook that Stoop takes only where it is free: it cannot be shared.
pub(super) const FREE_ONLY: &str = "proc-receive";

/// What an installation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Whether anything had to be changed.
    pub changed: bool,
    /// Whether `proc-receive` is Stoop's. Where it is not, approve and reject refs arrive as ordinary creations.
    pub proc_receive: bool,
    /// The hooks that were there before and run first.
    pub kept: Vec<&'static str>,
}

/// Why hooks cannot be installed or uninstalled.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The path is not a repository's own directory.
    #[error("{0} is not a Git repository (the directory that holds HEAD, objects and config)")]
    NotARepository(PathBuf),
    /// Git's lock on the configuration exists.
    #[error(
        "{0} exists: another git process is changing the configuration, or one was stopped while it did; if none runs, remove the file"
    )]
    Locked(PathBuf),
    /// The configuration changed in the same moment.
    #[error("{0} was changed by somebody else at the same moment; try again")]
    Edited(PathBuf),
    /// The record of an earlier installation cannot be used.
    #[error(
        "{0}, the record of what was installed, is damaged; undo the settings under [receive] in the repository's config by hand, then remove that file"
    )]
    Record(PathBuf),
    /// The guard's values do not fit into a guard file.
    #[error("a path, branch or variable name cannot be written to the guard file: {0}")]
    Guard(#[from] GuardError),
    /// Git refused a configuration.
    #[error("git config failed on {path}: {said}")]
    Git {
        /// The file or repository.
        path: PathBuf,
        /// What git said.
        said: String,
    },
    /// The system refused.
    #[error("cannot {verb} {path}: {source}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl InstallError {
    pub(super) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { verb, path, source }
    }
}

/// Installs the hooks of a repository, or brings them up to date; nothing is written where all is as it should be. `repository`
/// is the directory that holds `HEAD`. A run that was stopped half-way is completed by the next.
pub fn install(repository: &Path, stub: &[u8], guard: &Guard, layout: Layout) -> Result<Installed, InstallError> {
    check_repository(repository)?;
    let elsewhere = elsewhere::of(repository)?;
    let files = HookFiles::of(repository, layout).with(elsewhere.is_some());
    let (hooks, own) = (files.hooks(), files.own());
    let made = !hooks.exists();
    fs::create_dir_all(&own).map_err(InstallError::io("make", &own))?;
    files.sweep().map_err(InstallError::io("clean up", &own))?;
    let mut changed = write_guard(repository, guard)?;
    let path = own.join("stub");
    changed |= write_file(&path, stub, 0o755).map_err(InstallError::io("write", &path))?;
    if let Some(elsewhere) = &elsewhere {
        let led = elsewhere::lead_through(&files, elsewhere);
        changed |= led.map_err(InstallError::io("lead through to", elsewhere))?;
    }
    let found = files.found(FREE_ONLY).map_err(InstallError::io("read", &hooks.join(FREE_ONLY)))?;
    // GitLab runs git with hooks of its own, where git would not find it.
    let proc_receive = found != Found::Other && layout == Layout::Git;
    if !proc_receive && found == Found::Ours {
        changed |= files.give_back(FREE_ONLY).map_err(InstallError::io("put back", &hooks.join(FREE_ONLY)))?;
    }
    let names = TAKEN.into_iter().chain(proc_receive.then_some(FREE_ONLY));
    for name in names {
        if layout == Layout::Git {
            changed |=
                files.leave_custom(name).map_err(InstallError::io("remove", &repository.join("custom_hooks")))?;
        }
        changed |= files.take_over(name).map_err(InstallError::io("install", &hooks.join(name)))?;
    }
    let seed = nonce_seed(&own.join("nonce-seed"))?;
    // Last: git must not look for a proc-receive hook that is not there yet.
    let path = files.path().to_string_lossy().into_owned();
    let mut wanted: Vec<Setting<'_>> = ALWAYS.to_vec();
    wanted.push((NONCE_SEED, &seed));
    if proc_receive {
        wanted.extend(PROC_RECEIVE);
    }
    if elsewhere.is_some() {
        wanted.push((HOOKS_PATH, &path));
    }
    changed |= config_edit::apply(repository, &own.join("settings"), &wanted, made)?;
    if elsewhere.is_none() {
        changed |= elsewhere::close(&files).map_err(InstallError::io("remove", &files.path()))?;
    }
    let kept = TAKEN.into_iter().filter(|name| files.is_kept(name)).collect();
    Ok(Installed { changed, proc_receive, kept })
}

/// Whether the hooks look installed, with `proc-receive` as it was then: cheap enough to ask at every rescan. Another program
/// that rewrites hooks is noticed, and that git is told to look elsewhere for them; what [`install`] checks beyond that is not
/// looked at.
pub fn looks_installed(repository: &Path, layout: Layout, proc_receive: bool) -> bool {
    let files = HookFiles::of(repository, layout);
    let as_it_was = match files.found(FREE_ONLY) {
        Ok(Found::Ours) => proc_receive,
        Ok(Found::Other) => !proc_receive,
        Ok(Found::Nothing) => layout == Layout::Gitlab,
        Err(_) => false,
    };
    files.own().join("stub").exists()
        && as_it_was
        && elsewhere::is_as_installed(&files, repository)
        && TAKEN.into_iter().all(|name| files.found(name).is_ok_and(|found| found == Found::Ours))
}

/// Takes the hooks out of a repository: earlier hooks and the configuration come back as they were. Gives whether there was
/// anything of Stoop's. A run that was stopped half-way is completed by the next.
pub fn uninstall(repository: &Path) -> Result<bool, InstallError> {
    check_repository(repository)?;
    let files = HookFiles::of(repository, Layout::Git);
    let (hooks, own) = (files.hooks(), files.own());
    let mut changed = own.exists();
    for name in TAKEN.into_iter().chain([FREE_ONLY]) {
        // Also where somebody has removed the directory: the link would lead nowhere.
        changed |= files.is_ours(name);
    }
    let settings = own.join("settings");
    let record = Record::load(&settings)?;
    if let Some(record) = &record {
        changed |= config_edit::restore(repository, record)?;
    }
    if changed {
        for name in TAKEN.into_iter().chain([FREE_ONLY]) {
            changed |= files.give_back(name).map_err(InstallError::io("put back", &hooks.join(name)))?;
        }
        if own.exists() {
            files.sweep().map_err(InstallError::io("clean up", &own))?;
            elsewhere::close(&files).map_err(InstallError::io("remove", &files.path()))?;
        }
        for name in ["guard", "stub", "settings", "nonce-seed"] {
            remove(&own.join(name), |path| fs::remove_file(path))?;
        }
        for directory in [own.join("kept"), own] {
            remove(&directory, |path| fs::remove_dir(path))?;
        }
    }
    if record.is_some_and(|record| record.made_hooks) {
        remove(hooks, |path| fs::remove_dir(path))?;
    }
    Ok(changed)
}

/// Writes the guard file of a repository in one step; nothing is written where it says the same already. Gives whether it was.
pub fn write_guard(repository: &Path, guard: &Guard) -> Result<bool, InstallError> {
    let path = repository.join("hooks/stoop/guard");
    let shared = fs::metadata(repository).is_ok_and(|found| found.mode() & 0o040 != 0);
    let mode = if shared { 0o640 } else { 0o600 };
    write_file(&path, &guard.encode()?, mode).map_err(InstallError::io("write", &path))
}

/// The repository's seed for nonces, made when it has none: 256 random bits in hexadecimal.
fn nonce_seed(path: &Path) -> Result<String, InstallError> {
    let usable = |seed: &String| seed.len() == 64 && seed.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(seed) = fs::read_to_string(path).ok().filter(usable) {
        return Ok(seed);
    }
    let source = Path::new("/dev/urandom");
    let mut bits = [0; 32];
    File::open(source).and_then(|mut file| file.read_exact(&mut bits)).map_err(InstallError::io("read", source))?;
    let seed: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    write_file(path, seed.as_bytes(), 0o600).map_err(InstallError::io("write", path))?;
    Ok(seed)
}

fn check_repository(repository: &Path) -> Result<(), InstallError> {
    let complete = ["HEAD", "objects", "config"].iter().all(|name| repository.join(name).exists());
    if complete { Ok(()) } else { Err(InstallError::NotARepository(repository.to_owned())) }
}

/// Removes what may be gone already. A directory that holds more than Stoop's own files (an older kept hook) stays.
fn remove(path: &Path, how: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), InstallError> {
    match how(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        Err(error) => Err(InstallError::io("remove", path)(error)),
        Ok(()) => Ok(()),
    }
}
