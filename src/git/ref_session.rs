//! A `git update-ref --stdin` that stays: one transaction after another, without a new process for each.
//!
//! git forgets the loose refs it knew after each transaction. `packed-refs` it reads again when it takes it for another file,
//! by its size, its inode and whole seconds: of two rewrites in one second the second may have the inode of the file before,
//! and is not noticed. So a session ends when `packed-refs` is not the very file any more with which it began.
//! Never here: what is in a transaction, and reading what git says when it fails (`ref_transaction`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use super::command::git;
use super::error::GitError;
use super::ref_files::{Stamp, packed_refs};
use crate::process::ProcessId;

/// A session that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(30);
/// A session of so many transactions ends, whatever it has gathered with it.
const MOST_TRANSACTIONS: usize = 10_000;
/// So much of what git says is read, in bytes.
const MOST_WORDS: u64 = 64 << 10;

/// A running `git update-ref --stdin` of one repository.
#[derive(Debug)]
pub(super) struct RefSession {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// A file, so that git never waits for somebody to read what it says.
    words: File,
    /// `packed-refs` when git was started, held open so that no later one has its inode.
    packed: Option<(File, Stamp)>,
    answered: bool,
    transactions: usize,
    used: Instant,
}

/// How a session ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What git said on standard error.
    pub(super) text: String,
    /// Its exit status, for people.
    pub(super) status: String,
    /// Whether a signal ended it, so that it had no time to remove its locks.
    pub(super) killed: bool,
}

impl RefSession {
    /// Starts git.
    pub(super) fn start(repository: &Path) -> Result<Self, GitError> {
        let failed = |error: io::Error| GitError::Command {
            command: "update-ref",
            path: repository.to_owned(),
            text: format!("cannot be started: {error}"),
        };
        let words = tempfile::tempfile().map_err(failed)?;
        let packed = packed_refs(repository);
        let mut child = git(repository)
            .args(["-c", "core.filesRefLockTimeout=1000", "-c", "core.packedRefsTimeout=2000"])
            .args(["update-ref", "-m", "Stoop: see refs/stoop/ledger", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(words.try_clone().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let missing = || failed(io::Error::other("it has no standard input or output"));
        let commands = child.stdin.take().ok_or_else(missing)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        Ok(Self { child, commands, answers, words, packed, answered: false, transactions: 0, used: Instant::now() })
    }

    /// Whether `packed-refs` is still the file with which it began.
    pub(super) fn is_current(&self, repository: &Path) -> bool {
        let now = packed_refs(repository).map(|(_, stamp)| stamp);
        self.packed.as_ref().map(|(_, stamp)| *stamp) == now
    }

    /// Its process, where that can be told.
    pub(super) fn process(&self) -> Option<ProcessId> {
        ProcessId::of(self.child.id())
    }

    /// Sends a transaction up to its `prepare`; whether git holds all its locks now.
    pub(super) fn prepare(&mut self, commands: &str) -> io::Result<bool> {
        self.answered = false;
        self.send(commands)?;
        Ok(self.hears("start: ok")? && self.hears("prepare: ok")?)
    }

    /// Has git carry out what is prepared; whether it did.
    pub(super) fn commit(&mut self) -> io::Result<bool> {
        self.send("commit\n")?;
        let done = self.hears("commit: ok")?;
        self.transactions += 1;
        self.used = Instant::now();
        Ok(done)
    }

    /// Whether git has answered anything to the transaction under way.
    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }

    /// Whether it is time to end.
    pub(super) fn is_due(&self) -> bool {
        self.used.elapsed() > IDLE || self.transactions >= MOST_TRANSACTIONS
    }

    /// Ends git and gives what it said. A transaction that is not committed is given up, by git itself.
    pub(super) fn end(mut self) -> Ended {
        // Dropped before git is waited for: the end of its commands is its end.
        drop(self.commands);
        let (status, killed) = match self.child.wait() {
            Ok(status) => (status.to_string(), status.signal().is_some()),
            Err(error) => (error.to_string(), false),
        };
        let mut text = Vec::new();
        let read = self.words.seek(SeekFrom::Start(0)).and_then(|_| self.words.take(MOST_WORDS).read_to_end(&mut text));
        if let Err(error) = read {
            tracing::debug!(%error, "what git said cannot be read");
        }
        Ended { text: String::from_utf8_lossy(&text).into_owned(), status, killed }
    }

    fn send(&mut self, commands: &str) -> io::Result<()> {
        match self.commands.write_all(commands.as_bytes()).and_then(|()| self.commands.flush()) {
            // git stopped reading: its answers and its words say why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    fn hears(&mut self, wanted: &str) -> io::Result<bool> {
        let mut line = String::new();
        (&mut self.answers).take(MOST_WORDS).read_line(&mut line)?;
        self.answered |= !line.is_empty();
        Ok(line.trim_end() == wanted)
    }
}
