//! Where a repository lies below the root, as one comparable value.
//!
//! Never here: looking at the disk.

use std::fmt;

/// The path of a bare repository below the root: `team/packages.git` and `team/packages` are the same.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryPath(String);

/// Why a text is not a repository path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("repository path {path:?} is invalid: {why}")]
pub struct InvalidRepositoryPath {
    path: String,
    why: &'static str,
}

impl RepositoryPath {
    /// Takes a relative path of at most 1,024 bytes that cannot leave the root; a final `.git` does not count.
    ///
    /// # Errors
    /// The path is empty, absolute, too long, or has a segment that is empty, `.`, `..` or holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidRepositoryPath> {
        let bad = |why| InvalidRepositoryPath { path: text.chars().take(120).collect(), why };
        if text.len() > 1024 {
            return Err(bad("it is longer than 1,024 bytes"));
        }
        if text.starts_with('/') {
            return Err(bad("write it relative to the root, without a slash at the start"));
        }
        let path = text.strip_suffix(".git").unwrap_or(text);
        for segment in path.split('/') {
            match segment {
                "" => return Err(bad("it is empty or has an empty segment; write it as in team/packages.git")),
                "." | ".." => return Err(bad("'.' and '..' are not taken; write the path as it is below the root")),
                _ if segment.chars().any(char::is_control) => return Err(bad("it holds a control character")),
                _ => {}
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path without a final `.git`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_root_are_refused() {
        for bad in ["", "/", "/a", "..", "../a", "a/../b", "a//b", "a/", "./a", ".git", "a/.git", "a\nb", "a/..git"] {
            assert!(RepositoryPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_suffix_does_not_count() {
        let with = RepositoryPath::parse("team/packages.git").expect("valid");
        assert_eq!(with, RepositoryPath::parse("team/packages").expect("valid"));
        assert_eq!(with.as_str(), "team/packages");
    }
}
