//! The refs of a repository at one moment, read the way git reads them: loose refs first, `packed-refs` after them.
//!
//! The order matters. `git pack-refs` writes `packed-refs` before it removes the loose files, so a reader that looks at
//! the packed file first can miss a ref that was never gone. The packed file is opened anew each time: its modification
//! time is too coarse to tell two rewrites of the same moment apart.
//! Never here: what a ref means (`domain::refs`) and moving refs (`ref_transaction`).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gix::bstr::ByteSlice;

use super::error::{GitError, text};
use super::reader::{Reader, ours};
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;

/// How many symbolic refs are followed one after another, as in git.
const SYMBOLIC_DEPTH: usize = 5;

/// A ref and what it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefValue {
    /// The full name.
    pub name: RefName,
    /// What it points at: a commit, a tag object, or anything else.
    pub target: ObjectId,
    /// The commit it leads to when tags are peeled; `None` when it leads to something else.
    pub commit: Option<ObjectId>,
}

/// All refs of a repository at one moment, sorted by name. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefSnapshot(Arc<[RefValue]>);

impl RefSnapshot {
    /// A ref by its name.
    pub fn get(&self, name: &RefName) -> Option<&RefValue> {
        self.0.binary_search_by(|value| value.name.cmp(name)).ok().map(|at| &self.0[at])
    }

    /// All refs, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, RefValue> {
        self.0.iter()
    }

    /// The refs whose names begin with `prefix`.
    pub fn under(&self, prefix: &str) -> &[RefValue] {
        let start = self.0.partition_point(|value| value.name.as_str() < prefix);
        let count = self.0[start..].partition_point(|value| value.name.as_str().starts_with(prefix));
        &self.0[start..start + count]
    }

    /// How many refs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the refs that are in only one of two snapshots, or not the same in both.
    pub fn changed<'s>(&'s self, other: &'s Self) -> Vec<&'s RefName> {
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        let mut changed = Vec::new();
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => return changed,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(our), Some(their)) => our.name.cmp(&their.name),
            };
            let our = if order == Ordering::Greater { None } else { ours.next() };
            let their = if order == Ordering::Less { None } else { theirs.next() };
            if our != their {
                changed.extend(our.or(their).map(|value| &value.name));
            }
        }
    }
}

impl<'a> IntoIterator for &'a RefSnapshot {
    type Item = &'a RefValue;
    type IntoIter = std::slice::Iter<'a, RefValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<RefValue> for RefSnapshot {
    fn from_iter<I: IntoIterator<Item = RefValue>>(values: I) -> Self {
        let mut values: Vec<RefValue> = values.into_iter().collect();
        values.sort_by(|a, b| a.name.cmp(&b.name));
        values.dedup_by(|a, b| a.name == b.name);
        Self(values.into())
    }
}

/// What is written in a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Object(ObjectId),
    Symbolic(RefName),
    Broken,
}

/// Reads a loose ref's file; `None` when it holds neither an id of this repository's hash nor a usable name.
fn parse(content: &[u8], zero: ObjectId) -> Content {
    let Ok(line) = std::str::from_utf8(content) else { return Content::Broken };
    if let Some(name) = line.strip_prefix("ref:") {
        return RefName::parse(name.trim()).map_or(Content::Broken, Content::Symbolic);
    }
    let id = line.split_ascii_whitespace().next().and_then(|word| word.parse::<ObjectId>().ok());
    match id {
        Some(id) if !id.is_zero() && id.zero_like() == zero => Content::Object(id),
        _ => Content::Broken,
    }
}

/// Reads a loose ref; `None` when there is no such file.
fn read_loose(repository: &Path, name: &str, zero: ObjectId) -> Result<Option<Content>, GitError> {
    use std::io::{ErrorKind, Read};
    let path = repository.join(name);
    let gone = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory);
    let mut content = Vec::new();
    match std::fs::File::open(&path).and_then(|file| file.take(8192).read_to_end(&mut content)) {
        Ok(_) => Ok(Some(parse(&content, zero))),
        Err(error) if gone(error.kind()) => Ok(None),
        Err(error) => Err(GitError::io("read ref", &path, error)),
    }
}

/// The branch that `HEAD` names.
pub(super) fn head_branch(repository: &Path) -> Result<Option<RefName>, GitError> {
    let path = repository.join("HEAD");
    let content = std::fs::read(&path).map_err(|error| GitError::io("read", &path, error))?;
    let name = std::str::from_utf8(&content).ok().and_then(|line| line.strip_prefix("ref:"));
    Ok(name.and_then(|name| RefName::parse(name.trim()).ok()))
}

/// What one ref points at.
pub(super) fn read_one(reader: &Reader, name: &RefName) -> Result<Option<ObjectId>, GitError> {
    let mut name = name.clone();
    for _ in 0..=SYMBOLIC_DEPTH {
        match read_loose(reader.path(), name.as_str(), reader.zero_id())? {
            Some(Content::Object(id)) => return Ok(Some(id)),
            Some(Content::Symbolic(next)) => name = next,
            Some(Content::Broken) => return Ok(None),
            None => return packed_target(reader, &name),
        }
    }
    Ok(None)
}

fn packed(reader: &Reader) -> Result<Option<gix::refs::packed::Buffer>, GitError> {
    reader.gix().refs.open_packed_buffer().map_err(|error| reader.failed("read packed-refs", &error))
}

fn packed_target(reader: &Reader, name: &RefName) -> Result<Option<ObjectId>, GitError> {
    let Some(packed) = packed(reader)? else { return Ok(None) };
    // gix also tries the name below refs/tags/ and the like; only the name itself counts.
    match packed.try_find(name.as_str()) {
        Ok(found) => {
            let found = found.filter(|found| found.name.as_bstr() == name.as_str());
            Ok(found.map(|found| ours(found.target())))
        }
        Err(error) => Err(reader.failed(format!("look up ref {name} in packed-refs"), &error)),
    }
}

/// All loose refs below `refs/`. Links are not followed; a file that vanishes meanwhile is packed or deleted.
fn all_loose(reader: &Reader) -> Result<BTreeMap<RefName, Content>, GitError> {
    let repository = reader.path();
    let mut found = BTreeMap::new();
    let mut open = vec!["refs".to_owned()];
    while let Some(directory) = open.pop() {
        let path = repository.join(&directory);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && directory != "refs" => continue,
            Err(error) => return Err(GitError::io("list refs in", &path, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| GitError::io("list refs in", &path, error))?;
            let Ok(kind) = entry.file_type() else { continue };
            let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                open.push(name);
            } else if !name.ends_with(".lock") {
                let Ok(parsed) = RefName::parse(&name) else {
                    tracing::warn!(repository = %repository.display(), name, "a ref with an unusable name is left out");
                    continue;
                };
                if let Some(content) = read_loose(repository, &name, reader.zero_id())? {
                    found.insert(parsed, content);
                }
            }
        }
    }
    Ok(found)
}

/// All refs, peeled. What an earlier reading peeled and what has not moved since is not looked up again.
pub(super) fn read_all(reader: &Reader) -> Result<RefSnapshot, GitError> {
    let mut contents = all_loose(reader)?;
    let repository = reader.path().display();
    if let Some(packed) = packed(reader)? {
        for entry in packed.iter().map_err(|error| reader.failed("read packed-refs", &error))? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    tracing::warn!(%repository, error = text(&error), "a line of packed-refs cannot be read and is left out");
                    continue;
                }
            };
            match entry.name.as_bstr().to_str().map(RefName::parse) {
                Ok(Ok(name)) => {
                    contents.entry(name).or_insert_with(|| Content::Object(ours(entry.target())));
                }
                _ => {
                    tracing::warn!(%repository, name = %entry.name.as_bstr(), "a ref with an unusable name is left out");
                }
            }
        }
    }
    let before = reader.store().last_refs().unwrap_or_default();
    let mut values = Vec::with_capacity(contents.len());
    for name in contents.keys() {
        let Some(target) = resolve(&contents, name) else {
            tracing::warn!(%repository, %name, "a broken or dangling ref is left out");
            continue;
        };
        let known = before.get(name).filter(|known| known.target == target && known.commit.is_some());
        let commit = match known {
            Some(known) => known.commit,
            None => match reader.peel_to_commit(target) {
                Ok(commit) => commit,
                Err(error) => {
                    tracing::warn!(%repository, %name, %error, "a ref to a missing or damaged object is left out");
                    continue;
                }
            },
        };
        values.push(RefValue { name: name.clone(), target, commit });
    }
    let snapshot = RefSnapshot(values.into());
    if !reader.is_quarantined() {
        reader.store().remember_refs(snapshot.clone());
    }
    Ok(snapshot)
}

fn resolve(contents: &BTreeMap<RefName, Content>, name: &RefName) -> Option<ObjectId> {
    let mut name = name;
    for _ in 0..=SYMBOLIC_DEPTH {
        match contents.get(name)? {
            Content::Object(id) => return Some(*id),
            Content::Symbolic(next) => name = next,
            Content::Broken => return None,
        }
    }
    None
}
