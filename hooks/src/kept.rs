//! The hook that was in the repository before Stoop's: run with the same arguments, environment and standard input.
//!
//! Never here: deciding whether its failure matters.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::ask::say;
use crate::place::Place;

const EXEC_FORMAT: i32 = 8;

/// A kept hook while it runs, or nothing where none is kept.
pub(crate) struct Kept {
    child: Option<Child>,
    stdin: Option<BufWriter<ChildStdin>>,
}

impl Kept {
    /// Starts the hook if there is one that git would run. The error is the code to exit with; the reason has been said.
    pub(crate) fn start(place: &Place, name: &str, args: &[OsString]) -> Result<Self, u8> {
        let none = Self { child: None, stdin: None };
        let Some(path) = place.kept(name) else { return Ok(none) };
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere is no hook for git either, but one that is there and cannot be seen is.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(none),
            Err(_) => return Err(broken(&path, "cannot be read")),
        };
        if metadata.permissions().mode() & 0o111 == 0 {
            return Ok(none);
        }
        let mut run = Command::new(&path);
        run.args(args).stdin(Stdio::piped());
        let started = match run.spawn() {
            // A script without a first line that names its interpreter: git hands it to the shell.
            Err(error) if error.raw_os_error() == Some(EXEC_FORMAT) => {
                Command::new("sh").arg(&path).args(args).stdin(Stdio::piped()).spawn()
            }
            started => started,
        };
        match started {
            Ok(mut child) => {
                let stdin = child.stdin.take().map(BufWriter::new);
                Ok(Self { child: Some(child), stdin })
            }
            Err(error) => Err(broken(&path, &error.to_string())),
        }
    }

    /// Hands it a piece of its standard input. A hook that does not read on is left alone.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.stdin.as_mut().is_some_and(|stdin| stdin.write_all(bytes).is_err()) {
            self.stdin = None;
        }
    }

    /// Closes its standard input, waits for it and gives its exit code; 0 where none is kept.
    pub(crate) fn finish(mut self) -> u8 {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.flush();
        }
        let status = |child: &mut Child| -> io::Result<u8> {
            let status = child.wait()?;
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
            Ok(u8::try_from(code).unwrap_or(1))
        };
        self.child.as_mut().map_or(0, |child| status(child).unwrap_or(1))
    }
}

/// Becomes a hook that Stoop has no part in, and which git would have run if it looked where it was told to.
pub(crate) fn become_hook(place: &Place, name: &str, args: &[OsString]) -> u8 {
    let Some(path) = place.kept(name) else { return 0 };
    if !fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0) {
        return 0;
    }
    let error = Command::new(&path).args(args).exec();
    let error = match error.raw_os_error() {
        Some(EXEC_FORMAT) => Command::new("sh").arg(&path).args(args).exec(),
        _ => error,
    };
    broken(&path, &error.to_string())
}

fn broken(path: &Path, why: &str) -> u8 {
    say(&format!(
        "The hook {} that was here before Stoop cannot be run: {why}; ask the administrator of this Git server.",
        path.display()
    ));
    1
}
