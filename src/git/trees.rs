//! Reading trees: a package's directory, the packages below a directory, the files of a package.
//!
//! A tree of a few hundred bytes can stand for billions of files, because one subtree may be named many times. So every
//! walk counts what it enters and ends with [`GitError::TooMany`].
//! Never here: comparing trees (`changes`), writing them (`write`), and what a Kptfile says (`krm`).

use gix::objs::tree::EntryKind;

use super::error::GitError;
use super::reader::{Reader, ours};
use crate::domain::names::{Directory, PackagePath};
use crate::domain::oid::ObjectId;

/// The largest tree object that is read, in bytes.
pub(super) const LARGEST_TREE: u64 = 32 << 20;
/// The largest Kptfile that is read, in bytes.
pub const LARGEST_KPTFILE: u64 = 1 << 20;
/// How many files one listing holds at most.
const MOST_FILES: usize = 100_000;
/// How many directories one walk enters at most.
pub(super) const MOST_DIRECTORIES: usize = 100_000;
/// The longest path that a listing holds, in bytes.
pub(super) const LONGEST_PATH: usize = 4096;

/// What an entry of a tree is, apart from a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// A file, 100644.
    Regular,
    /// An executable file, 100755.
    Executable,
    /// A symbolic link, 120000; its content is where it leads. Never followed.
    Symlink,
    /// A commit of another repository, 160000; it has no content here.
    Submodule,
}

/// A file in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path below the tree, `/` between segments. Bytes that are not UTF-8 are written `\xff`.
    pub path: String,
    /// Whether `path` is the name itself; false when bytes had to be written as `\xff`.
    pub exact: bool,
    /// What it is.
    pub mode: Mode,
    /// The blob; of a submodule, the commit.
    pub id: ObjectId,
}

/// One entry of a tree object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    /// `None` for a directory.
    pub(super) mode: Option<Mode>,
    pub(super) id: ObjectId,
}

impl Reader {
    /// The tree of the directory at `path` below a tree; `None` when there is none, or a file is in its place.
    pub fn subtree(&self, tree: ObjectId, path: &PackagePath) -> Result<Option<ObjectId>, GitError> {
        self.subtree_at(tree, path.as_str())
    }

    pub(super) fn subtree_at(&self, tree: ObjectId, path: &str) -> Result<Option<ObjectId>, GitError> {
        let mut tree = tree;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            match self.entry(tree, segment)? {
                Some(Entry { mode: None, id, .. }) => tree = id,
                _ => return Ok(None),
            }
        }
        Ok(Some(tree))
    }

    /// Whether a tree is a package: it has a regular file `Kptfile`.
    pub fn is_package(&self, tree: ObjectId) -> Result<bool, GitError> {
        Ok(self.kptfile_id(tree)?.is_some())
    }

    /// The id of a package's Kptfile; `None` when the tree has none that is a regular file.
    pub fn kptfile_id(&self, package_tree: ObjectId) -> Result<Option<ObjectId>, GitError> {
        let entry = self.entry(package_tree, "Kptfile")?;
        Ok(entry.filter(|entry| entry.is_regular()).map(|entry| entry.id))
    }

    /// The content of a package's Kptfile; `None` when the tree has none. [`GitError::TooLarge`] above 1 MiB.
    pub fn kptfile(&self, package_tree: ObjectId) -> Result<Option<Vec<u8>>, GitError> {
        self.kptfile_id(package_tree)?.map(|id| self.blob(id, LARGEST_KPTFILE)).transpose()
    }

    /// The packages below a directory of a root tree, with their trees, sorted by path. A directory with a Kptfile is a
    /// package and is not looked into any further. Directories whose names cannot be a package's are left out.
    pub fn packages_below(
        &self,
        root_tree: ObjectId,
        directory: &Directory,
    ) -> Result<Vec<(PackagePath, ObjectId)>, GitError> {
        let mut open = Vec::new();
        for path in directory.each() {
            open.extend(self.subtree_at(root_tree, path)?.map(|start| (path.to_owned(), start)));
        }
        let mut packages = Vec::new();
        let mut entered = 0;
        while let Some((path, tree)) = open.pop() {
            entered += 1;
            if entered > MOST_DIRECTORIES {
                return Err(GitError::TooMany { what: "directories", of: root_tree, limit: MOST_DIRECTORIES });
            }
            let entries = self.entries(tree)?;
            let parsed = PackagePath::parse(&path);
            if let Ok(package) = &parsed
                && entries.iter().any(|entry| entry.name == b"Kptfile" && entry.is_regular())
            {
                packages.push((package.clone(), tree));
                continue;
            }
            for entry in entries.into_iter().filter(|entry| entry.mode.is_none()) {
                let Ok(name) = String::from_utf8(entry.name) else { continue };
                let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                if PackagePath::parse(&below).is_ok() {
                    open.push((below, entry.id));
                }
            }
        }
        packages.sort();
        Ok(packages)
    }

    /// Every file below a tree, sorted by path. [`GitError::TooMany`] beyond 100,000 files.
    pub fn files(&self, tree: ObjectId) -> Result<Vec<File>, GitError> {
        let mut files = Vec::new();
        self.each_file(tree, |path, mode, id| {
            let (path, exact) = readable(&path);
            files.push(File { path, exact, mode, id });
        })?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// How many files there are below a tree.
    pub fn file_count(&self, tree: ObjectId) -> Result<usize, GitError> {
        let mut count = 0;
        self.each_file(tree, |_, _, _| count += 1)?;
        Ok(count)
    }

    fn each_file(&self, tree: ObjectId, mut visit: impl FnMut(Vec<u8>, Mode, ObjectId)) -> Result<(), GitError> {
        let mut files = 0;
        let mut entered = 0;
        let mut open = vec![(Vec::new(), tree)];
        while let Some((path, directory)) = open.pop() {
            entered += 1;
            if entered > MOST_DIRECTORIES {
                return Err(GitError::TooMany { what: "directories", of: tree, limit: MOST_DIRECTORIES });
            }
            for entry in self.entries(directory)? {
                let below = join(&path, &entry.name);
                if below.len() > LONGEST_PATH {
                    return Err(GitError::TooMany { what: "bytes in a path", of: tree, limit: LONGEST_PATH });
                }
                let Some(mode) = entry.mode else {
                    open.push((below, entry.id));
                    continue;
                };
                files += 1;
                if files > MOST_FILES {
                    return Err(GitError::TooMany { what: "files", of: tree, limit: MOST_FILES });
                }
                visit(below, mode, entry.id);
            }
        }
        Ok(())
    }

    /// One entry of a tree by its name.
    pub(super) fn entry(&self, tree: ObjectId, name: &str) -> Result<Option<Entry>, GitError> {
        let object = self.tree_object(tree)?;
        for entry in gix::objs::TreeRefIter::from_bytes(&object.data, self.gix().object_hash()) {
            let entry = entry.map_err(|error| self.damaged(tree, &error))?;
            if entry.filename == name.as_bytes() {
                return Ok(Some(Entry::from(entry)));
            }
        }
        Ok(None)
    }

    /// The entries of a tree, in its order. Fails on a name that no tree may hold: it would lead out of the tree or
    /// into git's own files wherever it is written to a disk.
    pub(super) fn entries(&self, tree: ObjectId) -> Result<Vec<Entry>, GitError> {
        let object = self.tree_object(tree)?;
        let read = gix::objs::TreeRefIter::from_bytes(&object.data, self.gix().object_hash());
        let entries = read.map(|entry| entry.map(Entry::from)).collect::<Result<Vec<Entry>, _>>();
        let entries = entries.map_err(|error| self.damaged(tree, &error))?;
        match entries.iter().find(|entry| is_forbidden(&entry.name)) {
            Some(entry) => Err(GitError::Damaged {
                id: tree,
                repository: self.path().to_owned(),
                why: format!("it has an entry named {:?}", String::from_utf8_lossy(&entry.name)),
            }),
            None => Ok(entries),
        }
    }
}

impl Entry {
    fn is_regular(&self) -> bool {
        matches!(self.mode, Some(Mode::Regular | Mode::Executable))
    }
}

impl From<gix::objs::tree::EntryRef<'_>> for Entry {
    fn from(entry: gix::objs::tree::EntryRef<'_>) -> Self {
        let mode = match entry.mode.kind() {
            EntryKind::Tree => None,
            EntryKind::Blob => Some(Mode::Regular),
            EntryKind::BlobExecutable => Some(Mode::Executable),
            EntryKind::Link => Some(Mode::Symlink),
            EntryKind::Commit => Some(Mode::Submodule),
        };
        Self { name: entry.filename.to_vec(), mode, id: ours(entry.oid) }
    }
}

/// Whether a name must not be in a tree: empty, `.`, `..`, git's own directory, or with a separator in it.
pub(super) fn is_forbidden(name: &[u8]) -> bool {
    name.is_empty()
        || name == b"."
        || name == b".."
        || name.eq_ignore_ascii_case(b".git")
        || name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// A path and a name below it.
pub(super) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(path.len() + 1 + name.len());
    if !path.is_empty() {
        joined.extend_from_slice(path);
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined
}

/// A path as text, and whether that is the path itself. Bytes that are not UTF-8 are written `\xff`: no package path
/// can hold a backslash, so such a path is never taken for one inside a package it is not in.
pub(super) fn readable(path: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(path.len());
    let mut exact = true;
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            exact = false;
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    (text, exact)
}
