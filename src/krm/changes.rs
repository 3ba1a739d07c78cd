//! What differs between two versions of a package, resource by resource: added, removed, changed with its fields, moved.
//!
//! Not a text diff: resources are matched by what they are known by, wherever they lie. Pure, and everything it gives is
//! bounded, whatever was pushed.
//! Never here: reading Git, and the lines that somebody reads (see `commands::push::changed`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::fields::{self, FieldChange};
use super::resources::{self, Resource, ResourceId};

/// A file that differs, with what is known of both sides; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Its path in the package.
    pub path: String,
    /// Before.
    pub old: Option<Content>,
    /// After.
    pub new: Option<Content>,
    /// Whether its mode differs.
    pub mode: bool,
}

/// One side of a file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What is in it.
    Bytes(Vec<u8>),
    /// No file with a content of its own: a link.
    Link,
    /// It is too large to be compared, or too much was compared before it.
    TooLarge,
}

/// Everything that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// The resources, ordered by kind and name: the first [`MOST_TOLD`].
    pub resources: Vec<ResourceChange>,
    /// The files that are not, or not known to be, files of resources, ordered by path: the first [`MOST_TOLD`].
    pub files: Vec<FileChange>,
    /// How many there are in all.
    pub counts: Counts,
}

/// How many things differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Resources that are new.
    pub added: usize,
    /// Resources that are there in both, and differ or moved.
    pub changed: usize,
    /// Resources that are gone.
    pub removed: usize,
    /// Files that are told of as a whole.
    pub files: usize,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was not there before.
    Added,
    /// It is there in both, and not the same.
    Changed,
    /// It is not there any more.
    Removed,
}

/// A resource that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// What it is known by.
    pub id: ResourceId,
    /// What became of it.
    pub fate: Fate,
    /// The file it is in; of one that is gone, the file it was in.
    pub path: String,
    /// The file it was in before, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
    /// The fields that differ: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// How many fields differ.
    #[serde(default)]
    pub field_count: usize,
}

/// A file that is told of as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Its path in the package.
    pub path: String,
    /// What became of it.
    pub fate: Fate,
    /// Why no more is said of it.
    pub why: Why,
}

/// Why a file is told of as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It does not hold resources, or nothing but them.
    NoResources,
    /// It is too large to be compared.
    TooLarge,
    /// Its resources are the same; comments, order or layout differ.
    Layout,
    /// Its content is the same; whether it is executable differs.
    Mode,
}

/// So many resources, and so many files, are told one by one.
pub const MOST_TOLD: usize = 200;

/// Where resources of one side lie: by what they are known by, in the order of files.
type Pool<'f> = BTreeMap<ResourceId, Vec<Placed<'f>>>;

/// Compares the files that differ; files that are the same on both sides are not among them.
pub fn changes(files: &[Differing]) -> Changes {
    let mut found = Changes::default();
    let mut sides: [Pool<'_>; 2] = Default::default();
    let mut read = BTreeMap::new();
    for file in files.iter().filter(|file| file.old == file.new && file.mode) {
        found.file(&file.path, Fate::Changed, Why::Mode);
    }
    let mut files: Vec<&Differing> = files.iter().filter(|file| file.old != file.new).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for file in files {
        match (resources_of(file, &file.old), resources_of(file, &file.new)) {
            (Ok(old), Ok(new)) => {
                read.insert(file.path.as_str(), fate(&file.old, &file.new));
                for (side, resources) in [old, new].into_iter().enumerate() {
                    for Resource { id, value } in resources {
                        sides[side].entry(id).or_default().push((&file.path, value));
                    }
                }
            }
            (old, new) => {
                // Too large is the stronger reason, whichever side it is on.
                let whys = [old.err(), new.err()];
                let why = if whys.contains(&Some(Why::TooLarge)) { Why::TooLarge } else { Why::NoResources };
                found.file(&file.path, fate(&file.old, &file.new), why);
            }
        }
    }
    let [old, mut new] = sides;
    let mut spoken_of: BTreeSet<&str> = BTreeSet::new();
    let mut ids: BTreeMap<ResourceId, [Vec<Placed<'_>>; 2]> = BTreeMap::new();
    for (id, old) in old {
        let new = new.remove(&id).unwrap_or_default();
        ids.insert(id, [old, new]);
    }
    ids.extend(new.into_iter().map(|(id, new)| (id, [Vec::new(), new])));
    for (id, [old, new]) in ids {
        for (index, (old, new)) in matched(old, new).into_iter().enumerate() {
            let id = ResourceId { index, ..id.clone() };
            spoken_of.extend(found.resource(id, old, new).into_iter().flatten());
        }
    }
    for (path, fate) in read.into_iter().filter(|(path, _)| !spoken_of.contains(path)) {
        found.file(path, fate, if fate == Fate::Changed { Why::Layout } else { Why::NoResources });
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found.files.truncate(MOST_TOLD);
    found
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.counts == Counts::default()
    }

    fn file(&mut self, path: &str, fate: Fate, why: Why) {
        self.counts.files += 1;
        self.files.push(FileChange { path: path.to_owned(), fate, why });
    }

    /// Takes note of a resource, and gives the files that are thereby spoken of.
    fn resource<'f>(
        &mut self,
        id: ResourceId,
        old: Option<Placed<'f>>,
        new: Option<Placed<'f>>,
    ) -> [Option<&'f str>; 2] {
        let paths = [old.as_ref().map(|(path, _)| *path), new.as_ref().map(|(path, _)| *path)];
        let path = paths[1].or(paths[0]).unwrap_or_default().to_owned();
        let mut change =
            ResourceChange { id, fate: Fate::Added, path, moved_from: None, fields: Vec::new(), field_count: 0 };
        match (old, new) {
            (Some((from, old)), Some((to, new))) => {
                let fields = fields::compare(&old, &new);
                if fields.count == 0 && from == to {
                    return [None, None];
                }
                change.fate = Fate::Changed;
                change.moved_from = (from != to).then(|| from.to_owned());
                (change.fields, change.field_count) = (fields.first, fields.count);
                self.counts.changed += 1;
            }
            (None, _) => self.counts.added += 1,
            (Some(_), None) => {
                change.fate = Fate::Removed;
                self.counts.removed += 1;
            }
        }
        if self.resources.len() < MOST_TOLD {
            self.resources.push(change);
        }
        paths
    }
}

fn fate(old: &Option<Content>, new: &Option<Content>) -> Fate {
    match (old, new) {
        (None, _) => Fate::Added,
        (Some(_), None) => Fate::Removed,
        (Some(_), Some(_)) => Fate::Changed,
    }
}

/// The resources of one side of a file; the error says why there is none to speak of.
fn resources_of(file: &Differing, side: &Option<Content>) -> Result<Vec<Resource>, Why> {
    match side {
        None if resources::may_hold_resources(&file.path) => Ok(Vec::new()),
        Some(Content::TooLarge) => Err(Why::TooLarge),
        Some(Content::Bytes(bytes)) if resources::may_hold_resources(&file.path) => {
            resources::read(bytes).ok_or(Why::NoResources)
        }
        _ => Err(Why::NoResources),
    }
}

/// A resource and the file it is in.
type Placed<'f> = (&'f str, Value);

/// Pairs resources of the same name: first those of the same file, in their order, then the others, in theirs.
fn matched<'f>(old: Vec<Placed<'f>>, new: Vec<Placed<'f>>) -> Vec<(Option<Placed<'f>>, Option<Placed<'f>>)> {
    let mut rest = BTreeMap::<&str, Vec<Value>>::new();
    for (path, value) in new.into_iter().rev() {
        rest.entry(path).or_default().push(value);
    }
    let mut pairs = Vec::new();
    let mut alone = Vec::new();
    for (path, value) in old {
        match rest.get_mut(path).and_then(Vec::pop) {
            Some(other) => pairs.push((Some((path, value)), Some((path, other)))),
            None => alone.push((path, value)),
        }
    }
    let others = rest.into_iter().flat_map(|(path, values)| values.into_iter().rev().map(move |value| (path, value)));
    let (mut alone, mut others) = (alone.into_iter(), others);
    loop {
        match (alone.next(), others.next()) {
            (None, None) => return pairs,
            pair => pairs.push(pair),
        }
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
