//! The refs of a repository at one moment, as a value: found by name, by prefix, compared with those of another moment.
//!
//! Never here: listing what is on disk (`ref_files`), what a ref means (`domain::refs`) and moving refs
//! (`ref_transaction`).

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use super::error::GitError;
use super::reader::{Reader, ours};
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;

/// How many symbolic refs are followed one after another, as in git.
pub(super) const SYMBOLIC_DEPTH: usize = 5;

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

/// All refs of a repository at one moment, sorted by name. Cheap to clone, and cheap to compare with one of a moment ago:
/// what `packed-refs` holds is shared between snapshots until that file is written anew.
#[derive(Debug, Clone, Default)]
pub struct RefSnapshot {
    packed: Arc<[RefValue]>,
    loose: Arc<[Loose]>,
}

/// A loose ref: it hides a packed one of its name, even when it leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loose {
    pub(super) name: RefName,
    pub(super) value: Option<RefValue>,
}

impl RefSnapshot {
    /// Both lists are sorted by name, each name in it once.
    pub(super) fn new(packed: Arc<[RefValue]>, loose: Arc<[Loose]>) -> Self {
        Self { packed, loose }
    }

    /// A ref by its name.
    pub fn get(&self, name: &RefName) -> Option<&RefValue> {
        match self.loose.binary_search_by(|loose| loose.name.cmp(name)) {
            Ok(at) => self.loose[at].value.as_ref(),
            Err(_) => self.packed.binary_search_by(|value| value.name.cmp(name)).ok().map(|at| &self.packed[at]),
        }
    }

    /// All refs, sorted by name.
    pub fn iter(&self) -> Refs<'_> {
        Refs { packed: &self.packed, loose: &self.loose }
    }

    /// The refs whose names begin with `prefix`, sorted by name.
    pub fn under(&self, prefix: &str) -> Refs<'_> {
        Refs {
            packed: beginning_with(&self.packed, prefix, |value| &value.name),
            loose: beginning_with(&self.loose, prefix, |loose| &loose.name),
        }
    }

    /// How many refs there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// How many refs lie in a file of their own.
    pub fn loose(&self) -> usize {
        self.loose.len()
    }

    /// How many of those whose names begin with `prefix` lie in a file of their own.
    pub fn loose_under(&self, prefix: &str) -> usize {
        beginning_with(&self.loose, prefix, |loose| &loose.name).len()
    }

    /// The names of the refs that are in only one of two snapshots, or not the same in both.
    pub fn changed<'s>(&'s self, other: &'s Self) -> Vec<&'s RefName> {
        if Arc::ptr_eq(&self.packed, &other.packed) {
            // Only loose refs can differ; for one that only one of the two has, the other may have it packed.
            let names = difference(self.loose.iter(), other.loose.iter(), |loose| &loose.name);
            return names.into_iter().filter(|name| self.get(name) != other.get(name)).collect();
        }
        difference(self.iter(), other.iter(), |value| &value.name)
    }
}

impl PartialEq for RefSnapshot {
    fn eq(&self, other: &Self) -> bool {
        let packed = Arc::ptr_eq(&self.packed, &other.packed);
        let loose = Arc::ptr_eq(&self.loose, &other.loose) || self.loose == other.loose;
        (packed && loose) || self.changed(other).is_empty()
    }
}

impl Eq for RefSnapshot {}

/// The part of a sorted list whose names begin with `prefix`.
fn beginning_with<'l, T>(list: &'l [T], prefix: &str, name: impl Fn(&T) -> &RefName) -> &'l [T] {
    let start = list.partition_point(|item| name(item).as_str() < prefix);
    let count = list[start..].partition_point(|item| name(item).as_str().starts_with(prefix));
    &list[start..start + count]
}

/// The names of what is in only one of two lists sorted by name, or not the same in both.
fn difference<'s, T: PartialEq + 's>(
    ours: impl Iterator<Item = &'s T>,
    theirs: impl Iterator<Item = &'s T>,
    name: impl Fn(&'s T) -> &'s RefName,
) -> Vec<&'s RefName> {
    let (mut ours, mut theirs) = (ours.peekable(), theirs.peekable());
    let mut changed = Vec::new();
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (None, None) => return changed,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(our), Some(their)) => name(our).cmp(name(their)),
        };
        let our = if order == Ordering::Greater { None } else { ours.next() };
        let their = if order == Ordering::Less { None } else { theirs.next() };
        if our != their {
            changed.extend(our.or(their).map(&name));
        }
    }
}

/// Refs in the order of their names: the loose ones, and the packed ones that none of them hides.
#[derive(Debug, Clone)]
pub struct Refs<'a> {
    packed: &'a [RefValue],
    loose: &'a [Loose],
}

impl<'a> Iterator for Refs<'a> {
    type Item = &'a RefValue;

    fn next(&mut self) -> Option<&'a RefValue> {
        loop {
            let order = match (self.packed.first(), self.loose.first()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(packed), Some(loose)) => packed.name.cmp(&loose.name),
            };
            if order == Ordering::Less {
                let (first, rest) = self.packed.split_first()?;
                self.packed = rest;
                return Some(first);
            }
            if order == Ordering::Equal {
                self.packed = &self.packed[1..];
            }
            let (first, rest) = self.loose.split_first()?;
            self.loose = rest;
            if let Some(value) = &first.value {
                return Some(value);
            }
        }
    }
}

impl<'a> IntoIterator for &'a RefSnapshot {
    type Item = &'a RefValue;
    type IntoIter = Refs<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<RefValue> for RefSnapshot {
    fn from_iter<I: IntoIterator<Item = RefValue>>(values: I) -> Self {
        let mut values: Vec<RefValue> = values.into_iter().collect();
        values.sort_by(|a, b| a.name.cmp(&b.name));
        values.dedup_by(|a, b| a.name == b.name);
        Self::new(values.into(), Arc::default())
    }
}

/// What is written in a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
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
pub(super) fn read_loose(repository: &Path, name: &str, zero: ObjectId) -> Result<Option<Content>, GitError> {
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

pub(super) fn packed(reader: &Reader) -> Result<Option<gix::refs::packed::Buffer>, GitError> {
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
