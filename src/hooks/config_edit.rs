//! The few settings that the hooks need in a repository's `config`, and the way back: byte for byte where nobody has edited
//! the file since, else by taking away exactly what was added.
//!
//! Never here: reading the daemon's own configuration.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use stoop_hook::wire::{Fields, FrameWriter, WireError};

use super::hook_files::write_file;
use super::install::InstallError;

/// A setting: key and value.
pub(super) type Setting<'a> = (&'a str, &'a str);
/// Where git looks for hooks, when not in `hooks`.
pub(super) const HOOKS_PATH: &str = "core.hooksPath";
/// How the path ends that Stoop gives it.
pub(super) const OWN_PATH: &str = "hooks/stoop/path";

/// What every guarded repository needs.
pub(super) const ALWAYS: [Setting<'_>; 1] = [("receive.advertisePushOptions", "true")];
/// What it needs besides where `proc-receive` is Stoop's.
pub(super) const PROC_RECEIVE: [Setting<'_>; 2] =
    [("receive.procReceiveRefs", "refs/approve"), ("receive.procReceiveRefs", "refs/reject")];
/// The secret from which git makes the nonces that signed pushes sign. Each repository has its own: over HTTP git binds a
/// nonce to nothing else.
pub(super) const NONCE_SEED: &str = "receive.certNonceSeed";

/// How `git config --unset-all` ends when no value matches.
const NO_SUCH_VALUE: i32 = 5;

/// What was done to a `config`, kept in `hooks/stoop/settings` until it is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The whole file before.
    before: Vec<u8>,
    /// The whole file after.
    after: Vec<u8>,
    /// What was asked for, as `key value`.
    wanted: Vec<String>,
    /// What of it was not there yet.
    added: Vec<String>,
    /// Whether the directory `hooks` was made by the installation.
    pub(super) made_hooks: bool,
}

impl Record {
    /// Reads the record; `None` when there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, InstallError> {
        match fs::read(path) {
            Ok(bytes) => Self::decode(&bytes).map(Some).map_err(|_| InstallError::Record(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(InstallError::io("read", path)(error)),
        }
    }

    /// Writes the record in one step.
    pub(super) fn save(&self, path: &Path) -> Result<bool, InstallError> {
        let bytes = self.encode().map_err(|_| InstallError::Record(path.to_owned()))?;
        write_file(path, &bytes, 0o600).map_err(InstallError::io("write", path))
    }

    fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut frame = FrameWriter::new();
        frame.field("before", &self.before);
        frame.field("after", &self.after);
        for (key, settings) in [("wanted", &self.wanted), ("added", &self.added)] {
            settings.iter().for_each(|setting| frame.field(key, setting.as_bytes()));
        }
        if self.made_hooks {
            frame.field("made-hooks", b"yes");
        }
        frame.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut record = Self::default();
        for field in Fields::of(bytes)? {
            match field? {
                ("before", value) => record.before = value.to_vec(),
                ("after", value) => record.after = value.to_vec(),
                ("wanted", value) => record.wanted.push(String::from_utf8_lossy(value).into_owned()),
                ("added", value) => record.added.push(String::from_utf8_lossy(value).into_owned()),
                ("made-hooks", b"yes") => record.made_hooks = true,
                (key, _) => return Err(WireError::Value(key.to_owned())),
            }
        }
        Ok(record)
    }
}

/// Makes a repository's `config` say these settings. The record is written before the file changes. Gives whether anything
/// changed.
pub(super) fn apply(
    repository: &Path,
    record: &Path,
    wanted: &[Setting<'_>],
    made: bool,
) -> Result<bool, InstallError> {
    let config = Config::of(repository)?;
    let earlier = Record::load(record)?;
    let asked: Vec<_> = wanted.iter().map(|(key, value)| format!("{key} {value}")).collect();
    if earlier.as_ref().is_some_and(|earlier| earlier.wanted == asked && earlier.after == config.bytes) {
        return Ok(false);
    }
    let made_hooks = made || earlier.as_ref().is_some_and(|earlier| earlier.made_hooks);
    let before = match &earlier {
        None => config.bytes.clone(),
        Some(earlier) => config.without(earlier)?,
    };
    let scratch = config.scratch(&before)?;
    let mut added = Vec::new();
    for (key, value) in wanted {
        if !scratch.says(key, value)? {
            scratch.git(&["--add", key, value])?;
            added.push(format!("{key} {value}"));
        }
    }
    let after = scratch.read()?;
    // Where the file was edited since but says all that is wanted, it is left as its editor likes it.
    let complete = earlier.as_ref().is_some_and(|earlier| earlier.added == added) && config.says_all(wanted)?;
    if complete && config.bytes != before {
        return Ok(false);
    }
    let saved = Record { before, after: after.clone(), wanted: asked, added, made_hooks }.save(record)?;
    Ok(config.replace(&after)? || saved)
}

/// Puts a repository's `config` back. Gives whether it changed.
pub(super) fn restore(repository: &Path, record: &Record) -> Result<bool, InstallError> {
    let config = Config::of(repository)?;
    let before = config.without(record)?;
    config.replace(&before)
}

/// Where `core.hooksPath` leads, if it is set by anyone but Stoop.
pub(super) fn hooks_path(repository: &Path) -> Result<Option<PathBuf>, InstallError> {
    let mut command = git();
    command.arg("--git-dir").arg(repository).args(["config", "--type=path", "--null", "--get-all", HOOKS_PATH]);
    let output = run(&mut command)?;
    if output.status.code() == Some(1) {
        return Ok(None);
    }
    let output = succeeded(output, repository)?;
    let paths = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let mut paths = paths.map(|path| Path::new(OsStr::from_bytes(path)));
    Ok(paths.rfind(|path| !path.ends_with(OWN_PATH)).map(|path| repository.join(path)))
}

/// A config file and the bytes it had when work on it began.
struct Config {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Config {
    fn of(repository: &Path) -> Result<Self, InstallError> {
        let path = repository.join("config");
        // A linked config is edited where it lies, as git does.
        let path = fs::canonicalize(&path).map_err(InstallError::io("find", &path))?;
        let bytes = fs::read(&path).map_err(InstallError::io("read", &path))?;
        Ok(Self { path, bytes })
    }

    /// The file without what the record says was added.
    fn without(&self, record: &Record) -> Result<Vec<u8>, InstallError> {
        if self.bytes == record.after || self.bytes == record.before {
            return Ok(record.before.clone());
        }
        let scratch = self.scratch(&self.bytes)?;
        for setting in &record.added {
            let Some((key, value)) = setting.split_once(' ') else { continue };
            if scratch.says(key, value)? {
                let output = run(scratch.command().args(["--fixed-value", "--unset-all", key, value]))?;
                // Written differently since (`yes` for `true`): somebody's own setting by now.
                if output.status.code() != Some(NO_SUCH_VALUE) {
                    succeeded(output, &scratch.file)?;
                }
            }
        }
        scratch.read()
    }

    fn says_all(&self, wanted: &[Setting<'_>]) -> Result<bool, InstallError> {
        let scratch = self.scratch(&self.bytes)?;
        for (key, value) in wanted {
            if !scratch.says(key, value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scratch(&self, bytes: &[u8]) -> Result<Scratch, InstallError> {
        let path = || Path::new("a temporary file").to_owned();
        let directory = tempfile::tempdir().map_err(InstallError::io("make", &path()))?;
        let scratch = Scratch { file: directory.path().join("config"), _directory: directory };
        fs::write(&scratch.file, bytes).map_err(InstallError::io("write", &scratch.file))?;
        Ok(scratch)
    }

    /// Replaces the file under git's own lock; an error if it is not any more what it was.
    fn replace(&self, bytes: &[u8]) -> Result<bool, InstallError> {
        if self.bytes == bytes {
            return Ok(false);
        }
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(InstallError::Locked(lock)),
            Err(error) => return Err(InstallError::io("lock", &lock)(error)),
        };
        let mut swap = || -> io::Result<bool> {
            if fs::read(&self.path)? != self.bytes {
                return Ok(false);
            }
            file.write_all(bytes)?;
            file.set_permissions(fs::Permissions::from_mode(fs::metadata(&self.path)?.permissions().mode()))?;
            file.sync_all()?;
            fs::rename(&lock, &self.path)?;
            Ok(true)
        };
        let swapped = swap();
        if !matches!(swapped, Ok(true)) {
            // The reason is told below; a lock that stays would hide it from the next run.
            let _ = fs::remove_file(&lock);
        }
        match swapped {
            Ok(true) => Ok(true),
            Ok(false) => Err(InstallError::Edited(self.path.clone())),
            Err(error) => Err(InstallError::io("write", &self.path)(error)),
        }
    }
}

/// A copy of a config that `git config` may edit step by step.
struct Scratch {
    file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Scratch {
    fn git(&self, args: &[&str]) -> Result<Vec<u8>, InstallError> {
        succeeded(run(self.command().args(args))?, &self.file)
    }

    fn command(&self) -> Command {
        let mut command = git();
        command.args(["config", "--no-includes", "--file"]).arg(&self.file);
        command
    }

    /// Whether the file has this value: the last one for a key that takes one, any one for a key that takes several.
    fn says(&self, key: &str, value: &str) -> Result<bool, InstallError> {
        let mut command = self.command();
        if value == "true" {
            command.arg("--type=bool");
        }
        let output = run(command.args(["--null", "--get-all", key]))?;
        if output.status.code() == Some(1) {
            return Ok(false);
        }
        let values = succeeded(output, &self.file)?;
        let mut values = values.split(|byte| *byte == 0).filter(|found| !found.is_empty());
        Ok(if value == "true" || key == HOOKS_PATH {
            values.next_back() == Some(value.as_bytes())
        } else {
            values.any(|found| found == value.as_bytes())
        })
    }

    fn read(&self) -> Result<Vec<u8>, InstallError> {
        fs::read(&self.file).map_err(InstallError::io("read", &self.file))
    }
}

/// A `git` that hears nothing from the environment about another repository.
fn git() -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let keep = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"];
        if text.starts_with("GIT_") && !keep.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command.env("LC_ALL", "C");
    command
}

fn run(command: &mut Command) -> Result<Output, InstallError> {
    command.stdin(std::process::Stdio::null()).output().map_err(InstallError::io("run", Path::new("git")))
}

fn succeeded(output: Output, path: &Path) -> Result<Vec<u8>, InstallError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(InstallError::Git { path: path.to_owned(), said })
}
