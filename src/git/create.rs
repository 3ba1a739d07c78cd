//! Making a bare repository, with the first commit that Porch would give it.
//!
//! Never here: hooks, and registering the repository.

use std::path::Path;
use std::time::SystemTime;

use super::command::git;
use super::commit::Person;
use super::error::GitError;
use super::ref_transaction::{TransactError, transact};
use super::store::Store;
use super::write::NewCommit;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::RefName;

/// The hash that names a repository's objects; it never changes afterwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ObjectFormat {
    /// What every Git server and client takes.
    #[default]
    Sha1,
    /// For servers and clients that all know it.
    Sha256,
}

impl ObjectFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

impl std::str::FromStr for ObjectFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Sha1, Self::Sha256]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or("an object format is sha1 or sha256")
    }
}

/// Makes a bare repository at `path`, whose parent directories are made too, with one commit on `branch` (its name
/// without `refs/heads/`). It appears whole or not at all. Fails when something is at `path` already.
pub fn create_bare(path: &Path, branch: &str, format: ObjectFormat) -> Result<(), GitError> {
    let name = RefName::branch(branch).map_err(|_| GitError::Unwritable {
        what: "branch name",
        text: branch.to_owned(),
        why: "git would refuse it".to_owned(),
    })?;
    let path = &std::path::absolute(path).map_err(|error| GitError::io("find", path, error))?;
    let exists = || GitError::io("create", path, std::io::ErrorKind::AlreadyExists.into());
    let Some(parent) = path.parent() else { return Err(exists()) };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    std::fs::create_dir_all(parent).map_err(|error| GitError::io("make", parent, error))?;
    // A name with a leading dot: not found as a repository before it is whole.
    let unfinished = tempfile::Builder::new()
        .prefix(".stoop-create-")
        .tempdir_in(parent)
        .map_err(|error| GitError::io("make a directory in", parent, error))?;
    let repository = unfinished.path().join("repository");
    init(&repository, branch, format)?;
    first_commit(&repository, name, branch)?;
    // `rename` would replace an empty directory that appeared meanwhile; that is as good as none.
    std::fs::rename(&repository, path).map_err(|error| GitError::io("create", path, error))
}

fn init(repository: &Path, branch: &str, format: ObjectFormat) -> Result<(), GitError> {
    let failed = |text: String| GitError::Command { command: "init", path: repository.to_owned(), text };
    let output = git(repository)
        .args(["init", "--quiet", "--bare", &format!("--initial-branch={branch}")])
        .arg(format!("--object-format={}", format.as_str()))
        .output()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn first_commit(repository: &Path, name: RefName, branch: &str) -> Result<(), GitError> {
    let store = Store::open(repository)?;
    let reader = store.reader();
    let readme = reader.write_blob(b"Created by porch")?;
    let tree = reader.edit_tree(None, &[("README.md".to_owned(), Some(readme))])?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let porch = Person {
        name: "Package Orchestration Service".to_owned(),
        email: "porch@kpt.dev".to_owned(),
        seconds: i64::try_from(now).unwrap_or(0),
        offset_seconds: 0,
    };
    let message = format!("Initial commit: Creating {branch} branch");
    let commit = NewCommit { tree, parents: &[], author: porch.clone(), committer: porch, message: &message };
    let commit = reader.write_commit(&commit)?;
    transact(&reader, &[RefEdit::create(name, commit)]).map_err(|error| match error {
        TransactError::Git(error) => error,
        other => GitError::Command { command: "update-ref", path: repository.to_owned(), text: other.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::git_in;

    #[test]
    fn a_new_repository_holds_porchs_first_commit_and_is_sound() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("owner/new.git");
        create_bare(&path, "trunk", ObjectFormat::default()).expect("created");
        assert_eq!(git_in(&path, &["symbolic-ref", "HEAD"]), "refs/heads/trunk");
        assert_eq!(
            git_in(&path, &["log", "--format=%an <%ae>|%cn <%ce>|%s|%P", "trunk"]),
            "Package Orchestration Service <porch@kpt.dev>|Package Orchestration Service <porch@kpt.dev>|Initial commit: Creating trunk branch|"
        );
        assert_eq!(git_in(&path, &["show", "trunk:README.md"]), "Created by porch");
        git_in(&path, &["fsck", "--strict"]);
        let left: Vec<_> = std::fs::read_dir(root.path().join("owner")).expect("read").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_repository_of_sha_256_is_made_the_same_way() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("new.git");
        create_bare(&path, "main", ObjectFormat::Sha256).expect("created");
        assert_eq!(git_in(&path, &["rev-parse", "--show-object-format"]), "sha256");
        assert_eq!(git_in(&path, &["rev-parse", "main"]).len(), 64);
        git_in(&path, &["fsck", "--strict"]);
    }

    #[test]
    fn an_existing_path_and_a_bad_branch_are_refused() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("a.git");
        std::fs::write(&path, "here").expect("written");
        let error = create_bare(&path, "main", ObjectFormat::Sha1).expect_err("refused").to_string();
        assert!(error.contains("a.git") && error.contains("exists"), "{error}");
        assert!(create_bare(&root.path().join("b.git"), "a..b", ObjectFormat::Sha1).is_err());
        assert!(!root.path().join("b.git").exists());
    }
}
