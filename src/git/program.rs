//! What git itself says of itself: its version, where its programs are, and the settings in force in a repository.
//!
//! Never here: changing a setting, and judging one.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::error::GitError;

/// The most that is read of git's answer, in bytes.
const LARGEST_ANSWER: u64 = 4 << 20;
/// How long git may take. A configuration that includes a pipe would make it wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// One setting as git reads it: a later one of the same key overrides an earlier one, unless the key takes several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Where it comes from: `system`, `global`, `local`, `worktree` or `command`.
    pub scope: String,
    /// The key, section and name in lower case, as in `receive.denydeletes`.
    pub key: String,
    /// The value; `None` for a key that stands alone, which means true.
    pub value: Option<String>,
}

/// The version of the `git` on the path, by its numbers, for example `[2, 39, 5]`.
pub fn git_version() -> Result<Vec<u32>, GitError> {
    let answer = String::from_utf8_lossy(&ask(Path::new("/"), "version", &["version"])?).into_owned();
    let number = answer.split_whitespace().nth(2).unwrap_or_default();
    let numbers: Vec<u32> = number.split('.').map_while(|part| part.parse().ok()).collect();
    if numbers.len() < 2 {
        return Err(failed(Path::new("/"), "version", format!("it answered {answer:?}")));
    }
    Ok(numbers)
}

/// The directory that holds git's own programs, such as `git-http-backend`.
pub fn exec_path() -> Result<PathBuf, GitError> {
    let answer = ask(Path::new("/"), "--exec-path", &["--exec-path"])?;
    Ok(PathBuf::from(String::from_utf8_lossy(&answer).trim_end_matches('\n')))
}

/// The settings in force for this process's user in a repository, the system's and the user's own among them. Reading them
/// runs nothing that they name.
pub fn settings(repository: &Path) -> Result<Vec<Setting>, GitError> {
    let mut git_dir = std::ffi::OsString::from("--git-dir=");
    git_dir.push(repository);
    let args = [git_dir, "config".into(), "--list".into(), "--null".into(), "--show-scope".into()];
    let answer = ask(repository, "config --list", &args)?;
    Ok(parse(&answer))
}

/// Reads `scope NUL key LF value NUL …`; a key that stands alone has no LF.
fn parse(answer: &[u8]) -> Vec<Setting> {
    let mut words = answer.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let mut settings = Vec::new();
    while let (Some(scope), Some(pair)) = (words.next(), words.next()) {
        let (key, value) = match pair.split_once('\n') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (pair, None),
        };
        settings.push(Setting { scope, key, value });
    }
    settings
}

fn ask(place: &Path, name: &'static str, args: &[impl AsRef<std::ffi::OsStr>]) -> Result<Vec<u8>, GitError> {
    let mut command = Command::new("git");
    for (variable, _) in std::env::vars_os() {
        // What leads to another repository or brings settings of its own goes; where the user's files are stays.
        let text = variable.to_string_lossy();
        let keep = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"];
        if text.starts_with("GIT_") && !keep.contains(&&*text) {
            command.env_remove(&variable);
        }
    }
    command.env("LC_ALL", "C").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(place, name, format!("it cannot be started: {error}")))?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed(place, name, "a pipe to it is missing".to_owned()));
    };
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut said, mut complaint) = (Vec::new(), Vec::new());
        let read = output.take(LARGEST_ANSWER).read_to_end(&mut said);
        let _ = errors.take(4096).read_to_end(&mut complaint);
        // Nobody waits any more when the time is up.
        let _ = send.send(read.map(|_| (said, complaint)));
    });
    let Ok(answer) = receive.recv_timeout(PATIENCE) else {
        // It may have ended in this moment; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(place, name, format!("no answer within {} seconds", PATIENCE.as_secs())));
    };
    let (said, complaint) = answer.map_err(|error| failed(place, name, error.to_string()))?;
    if said.len() as u64 >= LARGEST_ANSWER {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(place, name, error.to_string()))?;
    if status.success() {
        return Ok(said);
    }
    Err(failed(place, name, String::from_utf8_lossy(&complaint).trim().to_owned()))
}

fn failed(path: &Path, command: &'static str, text: String) -> GitError {
    GitError::Command { command, path: path.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Repo;

    #[test]
    fn settings_are_read_as_git_reads_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.git");
        Repo::init_at(&path, "sha1");
        let config = path.join("config");
        let mut text = std::fs::read_to_string(&config).expect("read");
        text += "[receive]\n\tdenyDeletes\n[a \"B.c\"]\n\tD = \"x\\ny\"\n";
        std::fs::write(&config, text).expect("written");
        let all = settings(&path).expect("read");
        let local = |key: &str| all.iter().find(|setting| setting.scope == "local" && setting.key == key).expect(key);
        assert_eq!(local("receive.denydeletes").value, None);
        assert_eq!(local("a.B.c.d").value.as_deref(), Some("x\ny"));
        std::fs::write(&config, "[broken\n").expect("written");
        assert!(settings(&path).expect_err("broken").to_string().contains("a.git"));
        assert!(git_version().expect("git is there")[0] >= 2);
        assert!(exec_path().expect("git is there").is_dir());
    }
}
