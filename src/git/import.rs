//! Copying a repository that has packages already, with all its refs, to be guarded from now on.
//!
//! Never here: judging what is in it; the administrator vouches for it.

use std::path::Path;

use super::command::git;
use super::error::GitError;

/// Copies `source`, a path or a URL that git can clone, to a bare repository at `path`. It appears whole or not at all.
/// Fails when something is at `path` already, when git cannot copy, and for a source that would be read as an option or
/// would run a program.
pub fn import_bare(source: &str, path: &Path) -> Result<(), GitError> {
    let failed = |text: String| GitError::Command { command: "clone", path: path.to_owned(), text };
    if source.starts_with('-') || source.contains("::") {
        return Err(failed(format!("{source:?} is not a path or a URL that may be cloned")));
    }
    let path = &std::path::absolute(path).map_err(|error| GitError::io("find", path, error))?;
    let exists = || GitError::io("create", path, std::io::ErrorKind::AlreadyExists.into());
    let Some(parent) = path.parent() else { return Err(exists()) };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let source = match std::fs::canonicalize(source) {
        Ok(local) => local.into_os_string(),
        Err(_) => source.into(),
    };
    std::fs::create_dir_all(parent).map_err(|error| GitError::io("make", parent, error))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".stoop-import-")
        .tempdir_in(parent)
        .map_err(|error| GitError::io("make a directory in", parent, error))?;
    let repository = unfinished.path().join("repository");
    let run = |command: &mut std::process::Command| {
        let output = command.output().map_err(|error| failed(format!("cannot be started: {error}")))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        }
    };
    run(git(parent).args(["clone", "--quiet", "--mirror", "--"]).arg(&source).arg(&repository))?;
    // A mirror would follow its source; this one is its own from now on.
    run(git(&repository).args(["config", "--remove-section", "remote.origin"]))?;
    std::fs::rename(&repository, path).map_err(|error| GitError::io("create", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refs::RefName;
    use crate::git::{ObjectFormat, Store, create_bare};

    #[test]
    fn all_refs_come_along_and_no_remote_stays() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (source, copy) = (dir.path().join("source.git"), dir.path().join("below/copy.git"));
        create_bare(&source, "trunk", ObjectFormat::Sha1).expect("created");
        import_bare(source.to_str().expect("text"), &copy).expect("imported");
        let refs = |path: &Path| Store::open(path).expect("opens").reader().refs().expect("refs");
        assert_eq!(refs(&source), refs(&copy));
        let head = Store::open(&copy).expect("opens").reader().head_branch().expect("read");
        assert_eq!(head, Some(RefName::branch("trunk").expect("valid")));
        assert!(!std::fs::read_to_string(copy.join("config")).expect("read").contains("remote"));
        assert!(import_bare(source.to_str().expect("text"), &copy).is_err(), "what is there is not replaced");
    }

    #[test]
    fn a_source_that_would_run_something_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for source in ["--upload-pack=touch x", "ext::sh -c touch% x", "no/such/place"] {
            assert!(import_bare(source, &dir.path().join("copy.git")).is_err(), "{source}");
            assert!(!dir.path().join("copy.git").exists());
        }
    }
}
