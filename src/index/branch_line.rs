//! The packages on the registered branch's head, each with the newest commit of the branch's first-parent line that
//! changed it: what the placeholders show.
//!
//! Advanced from the head before, so that a commit costs only what it changed.
//! Never here: tags, drafts and the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::publication;
use crate::domain::annotation;
use crate::domain::names::{Directory, PackagePath};
use crate::domain::oid::ObjectId;
use crate::domain::package::Publication;
use crate::git::{GitError, Reader};

/// A commit that changed more files than this is compared package by package.
const FEW_CHANGES: usize = 1_000;

/// One package on the branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnBranch {
    /// Its tree.
    pub tree: ObjectId,
    /// The newest commit of the first-parent line that changed it.
    pub commit: ObjectId,
    /// That commit's committer time, in seconds since 1970.
    pub seconds: i64,
    /// The newest commit on the branch that carries a `kpt:` line for it.
    pub publication: Option<Publication>,
}

/// The packages on the branch at one head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchLine {
    /// The branch's commit.
    pub head: ObjectId,
    /// The packages.
    pub packages: BTreeMap<PackagePath, OnBranch>,
}

impl BranchLine {
    /// The packages that are on only one of two lines, or not the same on both.
    pub fn differences(
        old: Option<&BTreeMap<PackagePath, OnBranch>>,
        new: Option<&BTreeMap<PackagePath, OnBranch>>,
    ) -> Vec<PackagePath> {
        let nothing = BTreeMap::new();
        let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
        if std::ptr::eq(old, new) {
            return Vec::new();
        }
        let gone = old.keys().filter(|package| !new.contains_key(*package));
        let changed = new.iter().filter(|(package, on_branch)| old.get(*package) != Some(on_branch));
        gone.chain(changed.map(|(package, _)| package)).cloned().collect()
    }

    /// Reads the branch at `head`; `previous` saves the work that was done for an earlier head.
    pub fn read(
        reader: &Reader,
        head: ObjectId,
        directory: &Directory,
        previous: Option<&Self>,
    ) -> Result<Self, GitError> {
        if let Some(previous) = previous.filter(|previous| previous.head == head) {
            return Ok(previous.clone());
        }
        let tree = reader.commit(head)?.tree;
        let wanted = match previous.map(|previous| previous.advanced(reader, tree)).transpose()?.flatten() {
            Some(wanted) => wanted,
            None => reader.packages_below(tree, directory)?.into_iter().collect(),
        };
        let changers = changers(reader, head, &wanted, previous)?;
        let publications = publications(reader, head, previous)?;
        let packages = wanted.into_iter().map(|(package, tree)| {
            let before = previous.and_then(|previous| previous.packages.get(&package));
            let (commit, seconds) = changers.get(&package).copied().unwrap_or((head, 0));
            let publication = publications.get(package.as_str()).map(|(_, publication)| publication.clone());
            let publication = publication.or_else(|| before.and_then(|before| before.publication.clone()));
            (package, OnBranch { tree, commit, seconds, publication })
        });
        Ok(Self { head, packages: packages.collect() })
    }
}

impl BranchLine {
    /// The packages of another tree, when it differs from this line's only inside packages that stay; `None` when packages
    /// may have come or gone and the whole tree must be read.
    fn advanced(&self, reader: &Reader, tree: ObjectId) -> Result<Option<BTreeMap<PackagePath, ObjectId>>, GitError> {
        let Ok(before) = reader.commit(self.head) else { return Ok(None) };
        let Ok(paths) = reader.changed_paths(Some(before.tree), Some(tree), FEW_CHANGES) else { return Ok(None) };
        let mut wanted: BTreeMap<PackagePath, ObjectId> =
            self.packages.iter().map(|(package, on_branch)| (package.clone(), on_branch.tree)).collect();
        for path in &paths {
            let Some(package) = enclosing(path, &wanted) else {
                // A file of no package changes nothing here, unless it makes one.
                if path.rsplit('/').next() == Some("Kptfile") {
                    return Ok(None);
                }
                continue;
            };
            match reader.subtree(tree, &package)? {
                Some(now) if reader.is_package(now)? => wanted.insert(package, now),
                _ => return Ok(None),
            };
        }
        Ok(Some(wanted))
    }
}

/// The package of a map in which a file lies.
fn enclosing(path: &str, packages: &BTreeMap<PackagePath, ObjectId>) -> Option<PackagePath> {
    let mut at = path;
    while let Some((parent, _)) = at.rsplit_once('/') {
        at = parent;
        let found = PackagePath::parse(at).ok().and_then(|at| packages.get_key_value(&at));
        if let Some((package, _)) = found {
            return Some(package.clone());
        }
    }
    None
}

/// For each package the newest first-parent commit that changed it, and its time.
fn changers(
    reader: &Reader,
    head: ObjectId,
    wanted: &BTreeMap<PackagePath, ObjectId>,
    previous: Option<&BranchLine>,
) -> Result<BTreeMap<PackagePath, (ObjectId, i64)>, GitError> {
    let mut open = wanted.clone();
    let mut found = BTreeMap::new();
    let mut next = Some(head);
    while let Some(id) = next {
        if let Some(previous) = previous.filter(|previous| previous.head == id) {
            for (package, tree) in std::mem::take(&mut open) {
                match previous.packages.get(&package).filter(|before| before.tree == tree) {
                    Some(before) => found.insert(package, (before.commit, before.seconds)),
                    None => open.insert(package, tree).map(|_| (id, 0)),
                };
            }
        }
        if open.is_empty() {
            break;
        }
        let commit = reader.commit(id)?;
        let parent = match commit.parents.first() {
            Some(parent) => match reader.commit(*parent) {
                Ok(parent) => Some(parent),
                Err(error) => {
                    tracing::debug!(commit = %parent, %error, "the branch's history ends early");
                    None
                }
            },
            None => None,
        };
        let changed = changed_packages(reader, parent.as_ref().map(|parent| parent.tree), commit.tree, &open)?;
        for package in changed {
            open.remove(&package);
            found.insert(package, (id, commit.committer.seconds));
        }
        next = parent.map(|parent| parent.id);
    }
    Ok(found)
}

fn changed_packages(
    reader: &Reader,
    old: Option<ObjectId>,
    new: ObjectId,
    open: &BTreeMap<PackagePath, ObjectId>,
) -> Result<Vec<PackagePath>, GitError> {
    let Some(old) = old else { return Ok(open.keys().cloned().collect()) };
    if old == new {
        return Ok(Vec::new());
    }
    let paths = match reader.changed_paths(Some(old), Some(new), FEW_CHANGES) {
        Ok(paths) => paths,
        Err(GitError::TooMany { .. } | GitError::Damaged { .. }) => return compared(reader, old, new, open),
        Err(error) => return Err(error),
    };
    let mut changed: Vec<PackagePath> = Vec::new();
    for path in &paths {
        if let Some(package) = enclosing(path, open).filter(|package| changed.last() != Some(package)) {
            changed.push(package);
        }
    }
    Ok(changed)
}

/// The same for a commit that changed very much: package by package.
fn compared(
    reader: &Reader,
    old: ObjectId,
    new: ObjectId,
    open: &BTreeMap<PackagePath, ObjectId>,
) -> Result<Vec<PackagePath>, GitError> {
    let mut changed = Vec::new();
    for package in open.keys() {
        if reader.subtree(old, package)? != reader.subtree(new, package)? {
            changed.push(package.clone());
        }
    }
    Ok(changed)
}

/// For each package the newest annotated commit among those that the previous head did not have.
fn publications(
    reader: &Reader,
    head: ObjectId,
    previous: Option<&BranchLine>,
) -> Result<BTreeMap<String, (i64, Publication)>, GitError> {
    let hidden: Vec<ObjectId> = previous.map(|previous| previous.head).into_iter().collect();
    let mut newest: BTreeMap<String, (i64, Publication)> = BTreeMap::new();
    for commit in reader.commits_not_in(head, &hidden, usize::MAX)? {
        for line in annotation::read(&commit.message) {
            let seconds = commit.committer.seconds;
            let slot = newest.entry(line.package).or_insert_with(|| (seconds, publication(&commit)));
            if slot.0 < seconds {
                *slot = (seconds, publication(&commit));
            }
        }
    }
    Ok(newest)
}
