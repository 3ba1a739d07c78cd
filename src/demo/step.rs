//! One step of the tour: a command line as a person would type it, printed, run by a shell, and held to what was told.
//!
//! Never here: which steps there are.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::timeout;

use super::say;
use super::stage::Stage;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody at a shell.
#[derive(Debug)]
pub(super) struct Shell {
    user: &'static str,
    directory: PathBuf,
    kubeconfig: Option<PathBuf>,
}

/// What a command must do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    /// Succeed, and print these texts.
    Succeeds(&'static [&'static str]),
    /// Be refused, with these texts.
    Refused(&'static [&'static str]),
}

impl Shell {
    /// A user's shell in the stage's directory.
    pub(super) fn of(user: &'static str, stage: &Stage) -> Self {
        Self { user, directory: stage.path().to_owned(), kubeconfig: None }
    }

    /// Shows a command, runs it, shows what it answered, and checks that.
    ///
    /// # Errors
    /// It did not go as told.
    pub(super) async fn run(&self, stage: &Stage, line: &str, told: Told) -> Result<()> {
        self.show(line)?;
        let path = stage.path().join("output");
        let file = File::create(&path)?;
        let mut command = stage.command("sh");
        command.args(["-c", line]).current_dir(&self.directory).env("HOME", stage.path().join("home").join(self.user));
        // One file for both, so that the lines stay in the order in which they were written.
        command.stdout(file.try_clone()?).stderr(file);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let mut child = command.spawn().context("sh cannot be started")?;
        let status = timeout(PATIENCE, child.wait()).await;
        let answer = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        if !answer.is_empty() {
            let lines: Vec<&str> = answer.lines().map(str::trim_end).collect();
            say(&lines.join("\n"))?;
        }
        let Ok(status) = status else { bail!("`{line}` did not end within a minute") };
        let success = status?.success();
        let (expected, texts) = match told {
            Told::Succeeds(texts) => (true, texts),
            Told::Refused(texts) => (false, texts),
        };
        if success != expected {
            bail!("`{line}` should have {}", if expected { "succeeded" } else { "been refused" });
        }
        match texts.iter().find(|text| !answer.contains(**text)) {
            None => Ok(()),
            Some(text) => bail!("`{line}` should have answered with {text:?}"),
        }
    }

    /// `cd`, shown and done for all commands after it.
    pub(super) fn change_directory(&mut self, to: &str) -> Result<()> {
        self.show(&format!("cd {to}"))?;
        self.directory.push(to);
        Ok(())
    }

    /// `export KUBECONFIG=…`, shown and done for all commands after it. The path is relative to the current directory.
    pub(super) fn use_kubeconfig(&mut self, file: &str) -> Result<()> {
        self.show(&format!("export KUBECONFIG={file}"))?;
        self.kubeconfig = Some(self.directory.join(file));
        Ok(())
    }

    /// Prints a command line as it stands in a terminal.
    pub(super) fn show(&self, line: &str) -> Result<()> {
        say(&format!("{}$ {line}", self.user))
    }
}
