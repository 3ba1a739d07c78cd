//! Which files differ between two trees.
//!
//! Equal subtrees are not entered, so the cost follows the difference. The rules that keep a draft inside its package
//! rest on this answer: a tree that says two things at once (an entry twice, or out of order) is refused, not guessed at.
//! Never here: what a difference means, and differences within files.

use std::cmp::Ordering;

use super::error::GitError;
use super::reader::Reader;
use super::trees::{Entry, LONGEST_PATH, MOST_DIRECTORIES, Mode, join, readable};
use crate::domain::names::PackagePath;
use crate::domain::oid::ObjectId;

/// A file that differs between two trees; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path. Bytes that are not UTF-8 are written `\xff`.
    pub path: String,
    /// What it was.
    pub old: Option<(Mode, ObjectId)>,
    /// What it is.
    pub new: Option<(Mode, ObjectId)>,
}

impl Reader {
    /// The files that were added, changed (content or mode) or removed between two trees, sorted by path; `None` stands for
    /// an empty tree. [`GitError::TooMany`] beyond `limit` files.
    pub fn changed_files(
        &self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ChangedFile>, GitError> {
        let mut changed = self.changes(old, new, None, limit)?;
        if changed.len() > limit {
            let of = new.or(old).unwrap_or_else(|| self.empty_tree());
            return Err(GitError::TooMany { what: "changed files", of, limit });
        }
        changed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changed)
    }

    /// The paths of the files that were added, changed (content or mode) or removed between two root trees, sorted;
    /// `None` stands for an empty tree. [`GitError::TooMany`] beyond `limit` paths. Bytes that are not UTF-8 are
    /// written `\xff`.
    pub fn changed_paths(
        &self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<String>, GitError> {
        Ok(self.changed_files(old, new, limit)?.into_iter().map(|file| file.path).collect())
    }

    /// A file outside `package` that differs between two root trees; the package's own directory is not looked into.
    /// `None` for `old` stands for an empty tree.
    pub fn first_change_outside(
        &self,
        package: &PackagePath,
        old: Option<ObjectId>,
        new: ObjectId,
    ) -> Result<Option<String>, GitError> {
        let outside = self.changes(old, Some(new), Some(package.as_str().as_bytes()), 0)?;
        Ok(outside.into_iter().next().map(|file| file.path))
    }

    /// Changed files in no order; the search ends once there are more than `enough`.
    fn changes(
        &self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        skipped: Option<&[u8]>,
        enough: usize,
    ) -> Result<Vec<ChangedFile>, GitError> {
        let of = new.or(old).unwrap_or_else(|| self.empty_tree());
        let mut changed = Vec::new();
        let mut entered = 0;
        let mut open = vec![(Vec::new(), old, new)];
        while let Some((path, old, new)) = open.pop() {
            if old == new {
                continue;
            }
            entered += 1;
            if entered > MOST_DIRECTORIES {
                return Err(GitError::TooMany { what: "changed directories", of, limit: MOST_DIRECTORIES });
            }
            let old = old.map_or(Ok(Vec::new()), |tree| self.strict_entries(tree))?;
            let new = new.map_or(Ok(Vec::new()), |tree| self.strict_entries(tree))?;
            for (old, new) in paired(&old, &new) {
                if old == new {
                    continue;
                }
                let Some(name) = old.or(new).map(|entry| &entry.name) else { continue };
                let below = join(&path, name);
                if skipped == Some(below.as_slice()) {
                    continue;
                }
                if below.len() > LONGEST_PATH {
                    return Err(GitError::TooMany { what: "bytes in a path", of, limit: LONGEST_PATH });
                }
                if [old, new].into_iter().flatten().any(|entry| entry.mode.is_some()) {
                    let file = |entry: Option<&Entry>| entry.and_then(|entry| Some((entry.mode?, entry.id)));
                    changed.push(ChangedFile { path: readable(&below).0, old: file(old), new: file(new) });
                    if changed.len() > enough {
                        return Ok(changed);
                    }
                }
                let directory =
                    |entry: Option<&Entry>| entry.filter(|entry| entry.mode.is_none()).map(|entry| entry.id);
                open.push((below, directory(old), directory(new)));
            }
        }
        Ok(changed)
    }

    /// The entries of a tree, sorted by name alone; fails when a name is there twice or git's order is broken.
    fn strict_entries(&self, tree: ObjectId) -> Result<Vec<Entry>, GitError> {
        let mut entries = self.entries(tree)?;
        let damaged =
            |why: &str| GitError::Damaged { id: tree, repository: self.path().to_owned(), why: why.to_owned() };
        if !entries.is_sorted_by(|a, b| in_tree(a, b) == Ordering::Less) {
            return Err(damaged("its entries are not in order"));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        if entries.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(damaged("it has two entries of one name"));
        }
        Ok(entries)
    }
}

/// The order of entries in a tree object: directories sort as if their names ended in `/`.
fn in_tree(a: &Entry, b: &Entry) -> Ordering {
    let key = |entry: &Entry| {
        let mut key = entry.name.clone();
        if entry.mode.is_none() {
            key.push(b'/');
        }
        key
    };
    key(a).cmp(&key(b))
}

/// Entries of the same name side by side; both sides are sorted by name.
fn paired<'e>(old: &'e [Entry], new: &'e [Entry]) -> Vec<(Option<&'e Entry>, Option<&'e Entry>)> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut pairs = Vec::with_capacity(old.len().max(new.len()));
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.name.cmp(&b.name),
        };
        pairs.push((
            if order == Ordering::Greater { None } else { old.next() },
            if order == Ordering::Less { None } else { new.next() },
        ));
    }
}
