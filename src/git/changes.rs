//! Which files differ between two trees.
//!
//! Equal subtrees are not entered, so the cost follows the difference. The rules that keep a draft inside its package
//! rest on this answer: a tree that says two things at once (an entry twice, or out of order) is refused, not guessed at.
//! Never here: what a difference means, and differences within files.

use std::cmp::Ordering;

use super::error::GitError;
use super::reader::Reader;
use super::trees::{Entry, LONGEST_PATH, MOST_DIRECTORIES, join, readable};
use crate::domain::oid::ObjectId;

impl Reader {
    /// The paths of the files that were added, changed (content or mode) or removed between two root trees, sorted;
    /// `None` stands for an empty tree. [`GitError::TooMany`] beyond `limit` paths. Bytes that are not UTF-8 are
    /// written `\xff`.
    pub fn changed_paths(
        &self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<String>, GitError> {
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
                if below.len() > LONGEST_PATH {
                    return Err(GitError::TooMany { what: "bytes in a path", of, limit: LONGEST_PATH });
                }
                if [old, new].into_iter().flatten().any(|entry| entry.mode.is_some()) {
                    changed.push(readable(&below).0);
                    if changed.len() > limit {
                        return Err(GitError::TooMany { what: "changed files", of, limit });
                    }
                }
                let directory =
                    |entry: Option<&Entry>| entry.filter(|entry| entry.mode.is_none()).map(|entry| entry.id);
                open.push((below, directory(old), directory(new)));
            }
        }
        changed.sort();
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
