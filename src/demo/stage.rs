//! Where the demo takes place: a temporary directory with a root, users with random tokens, and the real daemon.
//!
//! Never here: the tour's steps, and anything outside the directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::requirements::Requirements;
use crate::identity::tokens::{Token, TokenHash};

/// The demo's users and their roles.
pub(super) const USERS: [(&str, &str); 2] = [("ann", "author"), ("bob", "approver")];
/// The package that ann writes, as real files of this project.
const PACKAGE: [(&str, &str); 4] = [
    ("Kptfile", include_str!("package/Kptfile")),
    ("deployment.yaml", include_str!("package/deployment.yaml")),
    ("page.yaml", include_str!("package/page.yaml")),
    ("service.yaml", include_str!("package/service.yaml")),
];
/// How long the daemon may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the daemon says when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ready {
    /// URL of the Kubernetes API.
    pub(super) api: String,
    /// URL of the Git door.
    pub(super) git: String,
    kubeconfig: PathBuf,
}

/// The directory and everything that runs in it.
#[derive(Debug)]
pub(super) struct Stage {
    directory: TempDir,
    tokens: Vec<(&'static str, Token)>,
    daemon: Option<Child>,
    ready: Option<Ready>,
    tour_over: bool,
}

impl Stage {
    /// Makes the directory: the configuration, a home for each user, the package's files, and this program as `stoop`.
    pub(super) fn build() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("stoop-demo-").tempdir().context("no temporary directory")?;
        let path = directory.path();
        for name in ["root", "package", "bin"] {
            fs::create_dir(path.join(name))?;
        }
        for (name, content) in PACKAGE {
            fs::write(path.join("package").join(name), content)?;
        }
        let program = std::env::current_exe().context("the demo cannot find its own program")?;
        std::os::unix::fs::symlink(program, path.join("bin/stoop"))?;
        let mut config = String::from("users:\n");
        let mut tokens = Vec::new();
        for (user, role) in USERS {
            let token = Token::make()?;
            let hash = TokenHash::of(token.reveal());
            config += &format!("- name: {user}\n  roles: [{role}]\n  tokens: ['{hash}']\n");
            tokens.push((user, token));
            let home = path.join("home").join(user);
            fs::create_dir_all(&home)?;
            fs::write(
                home.join(".gitconfig"),
                format!("[user]\n\tname = {user}\n\temail = {user}@example.com\n[init]\n\tdefaultBranch = main\n"),
            )?;
        }
        fs::write(path.join("stoop.yaml"), config)?;
        Ok(Self { directory, tokens, daemon: None, ready: None, tour_over: false })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What the daemon said when it was ready.
    pub(super) fn ready(&self) -> Result<&Ready> {
        self.ready.as_ref().context("the daemon was not started")
    }

    /// The demo repository's URL for a user, with the token in it.
    pub(super) fn url(&self, user: &str) -> Result<String> {
        let token = self.tokens.iter().find(|(name, _)| *name == user).map(|(_, token)| token.reveal());
        let token = token.context("there is no such user")?;
        Ok(format!("{}/demo.git", self.ready()?.git.replacen("://", &format!("://{user}:{token}@"), 1)))
    }

    /// A program that sees nothing of the caller's settings: no user configuration, no credentials, no prompts.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.path().join("bin")].into_iter().chain(std::env::split_paths(&path));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_PAGER", "cat")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for name in ["TMPDIR", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// What a program prints, without the line end.
    pub(super) async fn output(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.command(program).args(args).output().await;
        let output = output.with_context(|| format!("{program} cannot be started"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Starts the daemon by a command line and waits for its first line, which is returned.
    pub(super) async fn start_daemon(&mut self, line: &str) -> Result<String> {
        let log = fs::File::create(self.path().join("log"))?;
        let mut words = line.split(' ');
        let mut command = self.command(words.next().unwrap_or_default());
        // A group of its own: Ctrl-C in the terminal ends the demo, and the demo ends the daemon.
        let mut daemon = command.args(words).stdout(Stdio::piped()).stderr(log).process_group(0).spawn()?;
        let stdout = daemon.stdout.take().context("the daemon's standard output is piped")?;
        self.daemon = Some(daemon);
        let mut first = String::new();
        let read = timeout(PATIENCE, BufReader::new(stdout).read_line(&mut first)).await;
        read.context("the daemon was not ready after a minute")??;
        let ready =
            serde_json::from_str(&first).context("the daemon did not start; it says where it listens when it does")?;
        self.ready = Some(ready);
        Ok(first.trim_end().to_owned())
    }

    /// Remembers that the tour was walked to its end.
    pub(super) fn note_tour_over(&mut self) {
        self.tour_over = true;
    }

    /// Whether the tour was walked to its end.
    pub(super) fn tour_is_over(&self) -> bool {
        self.tour_over
    }

    /// What to tell the reader who wants to try it.
    pub(super) fn invitation(&self, requirements: &Requirements) -> Result<String> {
        let ready = self.ready()?;
        let mut text = format!(
            "\n== It keeps running, for you to try\n\nIn another terminal:\n\n  git clone {}   # {}\n  git clone {}   # {}\n",
            self.url("ann")?,
            "ann, an author",
            self.url("bob")?,
            "bob, an approver",
        );
        text += &format!("  export KUBECONFIG={}   # the administrator\n", ready.kubeconfig.display());
        text += "  kubectl get packagerevisions -w\n";
        if requirements.kubectl.is_none() {
            text += "  (kubectl is not installed here; the API answers any Kubernetes client)\n";
        }
        text += &format!(
            "\nThe Git door is at {}, the Kubernetes API at {}.\nEverything is in {}.\n\nCtrl-C stops it and removes that directory.",
            ready.git,
            ready.api,
            self.path().display()
        );
        Ok(text)
    }

    /// Waits for the daemon, which is not expected to end.
    pub(super) async fn daemon_ended(&mut self) -> Result<()> {
        let Some(daemon) = &mut self.daemon else { bail!("the daemon was not started") };
        let status = daemon.wait().await?;
        bail!("the daemon ended by itself: {status}");
    }

    /// The last lines of the daemon's log.
    pub(super) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("{line}\n")).collect()
    }

    /// Stops the daemon and removes the directory.
    ///
    /// # Errors
    /// The daemon did not end cleanly, or the directory cannot be removed.
    pub(super) async fn clear(mut self) -> Result<()> {
        let ended = match &mut self.daemon {
            Some(daemon) => stop(daemon).await,
            None => Ok(()),
        };
        let path = self.path().to_owned();
        self.directory.close().with_context(|| format!("{} cannot be removed", path.display()))?;
        ended
    }
}

async fn stop(daemon: &mut Child) -> Result<()> {
    let pid = daemon.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    match timeout(PATIENCE, daemon.wait()).await {
        Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
        Ok(status) => bail!("the daemon did not end cleanly: {}", status?),
        Err(_) => {
            daemon.kill().await?;
            bail!("the daemon did not end within a minute and was killed")
        }
    }
}
