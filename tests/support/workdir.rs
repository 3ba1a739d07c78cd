//! A user's clone of a repository, with the steps that stories take in one.
//!
//! Never here: the server's side.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Answer, config_map, git_command, kptfile, run};

/// A clone with a work tree.
pub struct Workdir {
    dir: PathBuf,
}

impl Workdir {
    /// A clone that is there, for a user.
    pub fn of(dir: PathBuf, user: &str) -> Self {
        let workdir = Self { dir };
        workdir.git(&["config", "user.name", user]).ok();
        workdir.git(&["config", "user.email", &format!("{user}@example.com")]).ok();
        workdir
    }

    /// The work tree's directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Git in the clone.
    pub fn git(&self, args: &[&str]) -> Answer {
        run(git_command(&self.dir).args(args))
    }

    /// A git command in the clone, to be given arguments.
    pub fn git_command(&self) -> Command {
        git_command(&self.dir)
    }

    /// Writes a file.
    pub fn write(&self, path: &str, content: &str) {
        let file = self.dir.join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("directories");
        std::fs::write(file, content).expect("the file is written");
    }

    /// Commits everything and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]).ok();
        self.git(&["commit", "-q", "--allow-empty", "-m", message]).ok();
        self.head()
    }

    /// The id of HEAD.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).ok().text().to_owned()
    }

    /// Starts again from the remote's branch.
    pub fn reset(&self) {
        self.git(&["fetch", "-q", "--prune", "--tags", "--force", "origin"]).ok();
        self.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    }

    /// Writes a package with one resource and commits it; returns the commit.
    pub fn package(&self, package: &str, content: &str) -> String {
        self.write(&format!("{package}/Kptfile"), &kptfile(package));
        self.write(&format!("{package}/config.yaml"), &config_map(content));
        self.commit(&format!("{package}: {content}"))
    }

    /// Pushes one refspec.
    pub fn push(&self, refspec: &str) -> Answer {
        self.git(&["push", "origin", refspec])
    }

    /// Saves HEAD as a draft.
    pub fn draft(&self, package: &str, workspace: &str) -> Answer {
        self.push(&format!("+HEAD:refs/heads/drafts/{package}/{workspace}"))
    }

    /// Proposes HEAD.
    pub fn propose(&self, package: &str, workspace: &str) -> Answer {
        self.push(&format!("HEAD:refs/heads/proposed/{package}/{workspace}"))
    }

    /// Approves a commit; this clone's user must hold the right.
    pub fn approve(&self, commit: &str, package: &str, workspace: &str) -> Answer {
        self.push(&format!("{commit}:refs/approve/{package}/{workspace}"))
    }
}
