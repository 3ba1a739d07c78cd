//! Running git itself, the same everywhere: no user or system configuration, no hooks, no inherited environment.
//!
//! Never here: what the commands do, and reading their answers.

use std::path::Path;
use std::process::Command;

/// A `git` command on a repository, before its subcommand is named. Of the environment only `PATH` is kept, so that
/// neither a hook's variables nor somebody's settings change what it does; answers are in English, since they are read.
pub(super) fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        // As in `Store::open`: whoever may push could else show git other content, or stop it with a circle of them.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
        .current_dir("/");
    let mut safe = std::ffi::OsString::from("safe.directory=");
    safe.push(repository);
    let mut git_dir = std::ffi::OsString::from("--git-dir=");
    git_dir.push(repository);
    command.arg("-c").arg(safe);
    command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsync=committed", "-c", "gc.auto=0"]);
    command.arg(git_dir);
    command
}
