//! What can go wrong with a repository, said with the repository, ref or object it happened to.
//!
//! Never here: refusals of a change (`domain::refusal`); and no gix type leaves through an error.

use std::path::{Path, PathBuf};

use crate::domain::oid::ObjectId;

/// Why a repository could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The directory is not a bare repository.
    #[error("{path} is not a bare Git repository: {why}")]
    NotARepository {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
    /// The repository uses something that cannot be served.
    #[error("repository {path} cannot be used: {why}")]
    Unsupported {
        /// The repository.
        path: PathBuf,
        /// What it uses, and what to do.
        why: String,
    },
    /// The path a hook gave for its quarantine is not one.
    #[error("{path} is not the quarantine of a push to {repository}: {why}")]
    Quarantine {
        /// The path as given.
        path: PathBuf,
        /// The repository.
        repository: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The object is not in the repository.
    #[error("object {id} is missing from repository {repository}; `git fsck` there shows what else is")]
    Missing {
        /// The object.
        id: ObjectId,
        /// The repository.
        repository: PathBuf,
    },
    /// The object is of another kind than it must be.
    #[error("object {id} of repository {repository} is a {found}, where a {wanted} is needed")]
    WrongKind {
        /// The object.
        id: ObjectId,
        /// The repository.
        repository: PathBuf,
        /// What it is.
        found: String,
        /// What was needed.
        wanted: &'static str,
    },
    /// The content of an object cannot be understood, or must not be trusted.
    #[error("object {id} of repository {repository} is damaged: {why}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// The repository.
        repository: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An object is larger than its reader takes.
    #[error("object {id} has {size} bytes; at most {limit} are taken")]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// Its size in bytes.
        size: u64,
        /// The most that would have been read, in bytes.
        limit: u64,
    },
    /// There is more of something than its reader takes.
    #[error("more than {limit} {what} in {of}")]
    TooMany {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// The object it was counted in.
        of: ObjectId,
        /// The most that is taken.
        limit: usize,
    },
    /// A path of a tree that should be a directory is a file.
    #[error("{path} is a file in tree {tree}, where a directory is needed")]
    NotADirectory {
        /// The path.
        path: String,
        /// The tree in which it was looked up.
        tree: ObjectId,
    },
    /// A name or a text that must not be written into an object.
    #[error("{what} {text:?} cannot be written into a Git object: {why}")]
    Unwritable {
        /// What kind of text it is.
        what: &'static str,
        /// The text.
        text: String,
        /// Why not.
        why: String,
    },
    /// The file system failed.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// How it failed.
        source: std::io::Error,
    },
    /// The repository is guarded no more: it is gone, or the configuration says so.
    #[error("{repository} is not guarded any more")]
    Closed {
        /// Where it is or was.
        repository: PathBuf,
    },
    /// A git command failed.
    #[error("git {command} failed in {path}: {text}")]
    Command {
        /// The git command.
        command: &'static str,
        /// Where it ran.
        path: PathBuf,
        /// What git said.
        text: String,
    },
    /// Files could not be watched.
    #[error("cannot watch {path} for changes: {text}")]
    Watch {
        /// The directory.
        path: PathBuf,
        /// How it failed.
        text: String,
    },
    /// Reading or writing failed below, in a way that has no name of its own.
    #[error("cannot {doing} in repository {repository}: {text}")]
    Failed {
        /// What was tried.
        doing: String,
        /// The repository.
        repository: PathBuf,
        /// How it failed.
        text: String,
    },
}

impl GitError {
    /// An error of the file system.
    pub(super) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// The whole chain of a gix error as one line, each cause once.
pub(super) fn text(error: &gix::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.iter_errors() {
        let part = cause.to_string();
        if !part.is_empty() && !parts.iter().any(|known| known.contains(&part)) {
            parts.push(part);
        }
    }
    parts.join(": ")
}
