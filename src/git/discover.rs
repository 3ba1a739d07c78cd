//! Finding the bare repositories below a root directory.
//!
//! Never here: opening them, and following links out of the root.

use std::path::{Path, PathBuf};

/// Whether a directory looks like a bare repository: `HEAD`, `objects/` and `refs/`.
pub(super) fn is_repository(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

/// The bare repositories below `root`, sorted; the root itself may be one. Repositories inside repositories, directories
/// whose names begin with `.` and directories reached through a link are left out, as is what lies more than
/// `max_depth` directories down. A directory that cannot be read is logged and left out.
pub fn repositories(root: &Path, max_depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(root, max_depth, |path, repository| {
        if repository {
            found.push(path.to_owned());
        }
    });
    found.sort();
    found
}

/// Calls `visit` for each directory below `root` that is not inside a repository, saying whether it is one.
pub(super) fn walk(root: &Path, max_depth: usize, mut visit: impl FnMut(&Path, bool)) {
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let repository = is_repository(&path);
        visit(&path, repository);
        if repository || depth == max_depth {
            continue;
        }
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "cannot look for repositories in a directory");
                }
                continue;
            }
        };
        for entry in entries.flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push((entry.path(), depth + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Repo;

    #[test]
    fn finds_nested_repositories_but_not_inside_one_or_through_links() {
        let root = tempfile::tempdir().expect("a directory");
        let below = |name: &str| root.path().join(name);
        for name in ["a.git", "owner/b.git", "owner/deep/er/c.git", ".hidden/d.git", "a.git/modules/e.git"] {
            Repo::init_at(&below(name), "sha1");
        }
        std::fs::create_dir_all(below("plain/objects")).expect("made");
        std::os::unix::fs::symlink(below("owner"), below("link")).expect("made");
        assert_eq!(
            repositories(root.path(), 8),
            [below("a.git"), below("owner/b.git"), below("owner/deep/er/c.git")].to_vec()
        );
        assert_eq!(repositories(root.path(), 2), [below("a.git"), below("owner/b.git")].to_vec());
        assert_eq!(repositories(&below("a.git"), 2), [below("a.git")].to_vec());
        assert!(repositories(&below("nowhere"), 2).is_empty());
    }
}
