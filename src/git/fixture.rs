//! Test repositories, made and asked with the real git.
//!
//! Never here: anything the product uses.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Store;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;

/// A bare repository in a directory of its own, removed with it.
pub(crate) struct Repo {
    pub(crate) path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Repo {
    /// An empty bare repository of the given object format, `sha1` or `sha256`.
    pub(crate) fn new(format: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("repo.git");
        Self::init_at(&path, format);
        Self { path, _directory: directory }
    }

    pub(crate) fn init_at(path: &Path, format: &str) {
        std::fs::create_dir_all(path).expect("made");
        let format = format!("--object-format={format}");
        git_in(path, &["init", "-q", "--bare", "--template=", "--initial-branch=main", &format, "."]);
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path).expect("it opens")
    }

    /// Runs git and gives its output without the final line end; panics when it fails.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git_in(&self.path, args)
    }

    /// Whether git succeeds.
    pub(crate) fn git_ok(&self, args: &[&str]) -> bool {
        command(&self.path, args).stderr(Stdio::null()).stdout(Stdio::null()).status().expect("git runs").success()
    }

    /// Feeds `input` to git and gives its output.
    pub(crate) fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        Self::feed(&self.path, args, input)
    }

    /// The same in any directory.
    pub(crate) fn feed(path: &Path, args: &[&str], input: &[u8]) -> String {
        let mut child = command(path, args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git runs");
        child.stdin.take().expect("piped").write_all(input).expect("written");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// The id that git resolves a revision to.
    pub(crate) fn id(&self, revision: &str) -> ObjectId {
        self.git(&["rev-parse", "--verify", revision]).parse().expect("an id")
    }

    /// Writes a blob with git.
    pub(crate) fn blob(&self, content: &[u8]) -> ObjectId {
        self.git_with(&["hash-object", "-w", "--stdin"], content).parse().expect("an id")
    }

    /// Writes a tree with git from lines of `git ls-tree`, unchecked.
    pub(crate) fn tree(&self, lines: &str) -> ObjectId {
        self.git_with(&["mktree", "--missing"], lines.as_bytes()).parse().expect("an id")
    }

    /// A commit of files (path, mode, content) on a branch: one call, one commit, all other files kept.
    pub(crate) fn commit(&self, branch: &str, seconds: i64, files: &[(&str, &str, &str)]) -> ObjectId {
        let mut input = format!("commit {branch}\ncommitter A <a@b.example> {seconds} +0200\ndata 2\nm\n");
        if self.git_ok(&["rev-parse", "--verify", "-q", branch]) {
            input.push_str(&format!("from {branch}^0\n"));
        }
        for (path, mode, content) in files {
            input.push_str(&format!("M {mode} inline {path}\ndata {}\n{content}\n", content.len()));
        }
        self.git_with(&["fast-import", "--quiet", "--force"], input.as_bytes());
        self.id(branch)
    }
}

/// A ref name.
pub(crate) fn name(text: &str) -> RefName {
    RefName::parse(text).expect("a ref name")
}

/// Runs git in a repository and gives its output without the final line end; panics when it fails.
pub(crate) fn git_in(path: &Path, args: &[&str]) -> String {
    let output = command(path, args).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn command(path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", path);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "T").env(format!("GIT_{who}_EMAIL"), "t@example.com");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    command.current_dir(path).args(args);
    command
}
