//! Tells a repository's other `post-receive` hook of refs that moved, as git would after a push: the hook that was there
//! before Stoop's, or the one that runs Stoop's among others.
//!
//! The hook gets an environment of its own, a time limit, and an end of its output. Never here: what moved, what a Git
//! server's hooks want to know besides, and trying again (see `daemon::announcer`).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use stoop_hook::wire::ANNOUNCING;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::hook_files::{HookFiles, Layout};

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long the output of a hook that has ended is waited for: what it left running may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// So much of what a hook prints is kept, in bytes, of each of its two outputs.
const MOST_WORDS: usize = 2048;
const NAME: &str = "post-receive";
/// What the system says of a script that does not name its interpreter: git hands it to the shell.
const EXEC_FORMAT: i32 = 8;

/// Why a hook did not take what it was told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// It cannot be run.
    #[error("{path} cannot be run: {source}")]
    Start {
        /// The hook.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It took too long, and was ended with everything that it started.
    #[error("{path} took more than {} seconds", LIMIT.as_secs())]
    Slow {
        /// The hook.
        path: PathBuf,
    },
    /// It failed.
    #[error("{path} failed ({status}): {said}")]
    Failed {
        /// The hook.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        said: String,
    },
}

/// The hook of others that git runs after a push to this repository, if there is one.
pub fn other_post_receive(repository: &Path) -> Option<PathBuf> {
    let path = HookFiles::of(repository, Layout::Git).of_others(NAME).ok()??;
    let executable = path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    executable.then_some(path)
}

/// Runs a hook on `lines`, each `<old> <new> <ref>`. Besides `environment` it gets `GIT_DIR`, and `PATH` and `HOME` of the
/// daemon. Gives what it printed.
pub async fn tell(
    hook: &Path,
    repository: &Path,
    environment: &[(String, String)],
    lines: &str,
) -> Result<String, TellError> {
    let start = |source| TellError::Start { path: hook.to_owned(), source };
    let started = match command(hook, None, repository, environment).spawn() {
        Err(error) if error.raw_os_error() == Some(EXEC_FORMAT) => {
            command(Path::new("/bin/sh"), Some(hook), repository, environment).spawn()
        }
        started => started,
    };
    let mut child = started.map_err(start)?;
    let mut group = Group::of(&child);
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let lines = lines.to_owned();
    let feeding = tokio::spawn(async move {
        if let Some(mut input) = input {
            // A hook that does not read on is left alone.
            let _ = input.write_all(lines.as_bytes()).await;
        }
    });
    let words = [tokio::spawn(first_words(out)), tokio::spawn(first_words(err))];
    let ended = timeout(LIMIT, child.wait()).await;
    feeding.abort();
    let status = ended.map_err(|_| TellError::Slow { path: hook.to_owned() })?.map_err(start)?;
    group.0 = None;
    let mut said = String::new();
    for words in words {
        let abort = words.abort_handle();
        let heard = timeout(LAST_WORDS, words).await;
        abort.abort();
        said += &printable(&heard.ok().and_then(Result::ok).unwrap_or_default());
    }
    match status.success() {
        true => Ok(said),
        false => Err(TellError::Failed { path: hook.to_owned(), status, said }),
    }
}

fn command(program: &Path, script: Option<&Path>, repository: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.args(script).env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("GIT_DIR", repository)
        .env(ANNOUNCING, "1")
        .current_dir(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Reads to the end and keeps the beginning.
async fn first_words(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut chunk) = (Vec::new(), [0; 1024]);
    let Some(mut from) = from else { return kept };
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let room = MOST_WORDS.saturating_sub(kept.len());
        kept.extend_from_slice(chunk.get(..count.min(room)).unwrap_or_default());
    }
    kept
}

fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The hook with what it started, killed with this value unless the hook has ended: what it leaves behind then is its own.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
