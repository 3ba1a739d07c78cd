//! Runs one program for one question, in a directory that nobody else can enter, with a bound on its time and its answer.
//!
//! Never here: what is asked.

use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::Problem;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most that is read of its answer, in bytes.
const LARGEST_ANSWER: u64 = 64 << 10;

/// A directory for one question, gone with it.
pub(super) struct Scratch(TempDir);

/// What a program answered.
pub(super) struct Answer {
    /// Whether it ended well.
    pub(super) success: bool,
    /// What it wrote to standard output.
    pub(super) said: String,
}

impl Scratch {
    pub(super) fn new() -> Result<Self, Problem> {
        let made =
            tempfile::Builder::new().prefix("stoop-signature-").permissions(Permissions::from_mode(0o700)).tempdir();
        made.map(Self).map_err(|error| failed("a temporary directory", &error))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file in it.
    pub(super) fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf, Problem> {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).map_err(|error| failed("a temporary file", &error))?;
        Ok(path)
    }

    /// A program that knows of nothing but this directory.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))
            .env("HOME", self.path())
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir(self.path());
        command
    }
}

/// Runs a program to its end, with a file as its input.
pub(super) fn run(mut command: Command, input: Option<&Path>) -> Result<Answer, Problem> {
    let program = command.get_program().to_string_lossy().into_owned();
    let input = match input {
        Some(path) => Stdio::from(File::open(path).map_err(|error| failed("a temporary file", &error))?),
        None => Stdio::null(),
    };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(&program, &error))?;
    let Some(output) = child.stdout.take() else { return Err(Problem::Program(format!("{program}: no pipe"))) };
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let read = output.take(LARGEST_ANSWER).read_to_end(&mut said);
        // Nobody waits any more when the time is up.
        let _ = send.send(read.map(|_| said));
    });
    let said = receive.recv_timeout(PATIENCE);
    if said.is_err() {
        // It may have ended in this moment; then there is nothing to kill.
        let _ = child.kill();
    }
    let ended = child.wait().map_err(|error| failed(&program, &error))?;
    match said {
        Ok(Ok(said)) => Ok(Answer { success: ended.success(), said: String::from_utf8_lossy(&said).into_owned() }),
        Ok(Err(error)) => Err(failed(&program, &error)),
        Err(_) => Err(Problem::Program(format!("{program} gave no answer within {} seconds", PATIENCE.as_secs()))),
    }
}

fn failed(what: &str, error: &std::io::Error) -> Problem {
    Problem::Program(format!("{what}: {error}"))
}
