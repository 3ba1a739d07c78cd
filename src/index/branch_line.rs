//! The packages on the registered branch's head, each with the newest commit of the branch's first-parent line that
//! changed it: what the placeholders show.
//!
//! Advanced from the head before, so that a commit costs only what it changed.
//! Never here: tags, drafts and the ledger.

use std::collections::{BTreeMap, BTreeSet};

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use super::facts::publication;
use crate::domain::annotation;
use crate::domain::names::{Directory, PackagePath};
use crate::domain::oid::ObjectId;
use crate::domain::package::Publication;
use crate::git::{GitError, Reader};

/// A commit that changed more files than this is compared package by package.
const FEW_CHANGES: usize = 1_000;

/// So many commits are looked at one by one before the whole branch is read again.
const FEW_COMMITS: usize = 1_000;

/// For each package the newest commit that changed it, and that commit's time in seconds since 1970.
type Changers = BTreeMap<PackagePath, (ObjectId, i64)>;

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

/// The packages on the branch at one head. Copies share what they have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchLine {
    /// The branch's commit.
    pub head: ObjectId,
    /// The packages; none lies in another.
    pub packages: RedBlackTreeMapSync<PackagePath, OnBranch>,
}

impl BranchLine {
    /// The packages that are on only one of two lines, or not the same on both.
    pub fn differences(old: Option<&Self>, new: Option<&Self>) -> Vec<PackagePath> {
        let packages = |line: Option<&Self>| line.map(|line| line.packages.clone()).unwrap_or_default();
        let (old, new) = (packages(old), packages(new));
        let gone = old.keys().filter(|package| !new.contains_key(*package));
        let changed = new.iter().filter(|(package, on_branch)| old.get(*package) != Some(on_branch));
        gone.chain(changed.map(|(package, _)| package)).cloned().collect()
    }

    /// Reads the branch at `head`, whatever was known before.
    pub fn read(reader: &Reader, head: ObjectId, directory: &Directory) -> Result<Self, GitError> {
        let tree = reader.commit(head)?.tree;
        let wanted: BTreeMap<PackagePath, ObjectId> = reader.packages_below(tree, directory)?.into_iter().collect();
        // Both walk the whole history.
        let store = reader.store();
        let (changers, publications) = std::thread::scope(|scope| {
            let publications = scope.spawn(|| publications(&store.reader(), head, &[]));
            let changers = changers(reader, head, &wanted);
            (changers, publications.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let (changers, publications) = (changers?, publications?);
        let packages = wanted.into_iter().map(|(package, tree)| {
            let (commit, seconds) = changers.get(&package).copied().unwrap_or((head, 0));
            let publication = publications.get(package.as_str()).map(|(_, publication)| publication.clone());
            (package, OnBranch { tree, commit, seconds, publication })
        });
        Ok(Self { head, packages: packages.collect() })
    }

    /// The line at a later head, and the packages that may have changed, by looking only at what the commits between
    /// changed. `None` when that is not enough: the head is no descendant, or very much changed.
    pub fn advance(
        &self,
        reader: &Reader,
        head: ObjectId,
        directory: &Directory,
    ) -> Result<Option<(Self, BTreeSet<PackagePath>)>, GitError> {
        let Ok(before) = reader.commit(self.head) else { return Ok(None) };
        let tree = reader.commit(head)?.tree;
        let Ok(paths) = reader.changed_paths(Some(before.tree), Some(tree), FEW_CHANGES) else { return Ok(None) };
        let packages = self.packages.clone();
        let mut advanced = Advanced { head, tree, packages, touched: BTreeSet::new(), appeared: BTreeSet::new() };
        for package in self.affected(&paths, directory) {
            advanced.look_again(reader, package)?;
        }
        let Some(changers) = self.changers_since(reader, head, &advanced.packages)? else { return Ok(None) };
        let publications = publications(reader, head, &[self.head])?;
        let known =
            |package: &PackagePath| changers.contains_key(package) && publications.contains_key(package.as_str());
        if !advanced.appeared.iter().all(known) {
            return Ok(None);
        }
        for (package, (commit, seconds)) in changers {
            advanced.update(&package, |on_branch| (on_branch.commit, on_branch.seconds) = (commit, seconds));
        }
        for (name, (_, publication)) in publications {
            let Ok(package) = PackagePath::parse(&name) else { continue };
            advanced.update(&package, |on_branch| on_branch.publication = Some(publication));
        }
        Ok(Some((Self { head, packages: advanced.packages }, advanced.touched)))
    }

    /// The directories that may be packages, or have been, given the files that changed.
    fn affected(&self, paths: &[String], directory: &Directory) -> BTreeSet<PackagePath> {
        let of_file = |path: &String| match enclosing(path, |package| self.packages.contains_key(package)) {
            Some(package) => Some(package),
            None => {
                let parent = path.strip_suffix("/Kptfile")?;
                PackagePath::parse(parent).ok().filter(|package| directory.contains(package))
            }
        };
        paths.iter().filter_map(of_file).collect()
    }

    /// For each package that a commit after this line's head changed, the newest such commit and its time; `None` when
    /// the first-parent line from `head` does not lead here.
    fn changers_since(
        &self,
        reader: &Reader,
        head: ObjectId,
        packages: &RedBlackTreeMapSync<PackagePath, OnBranch>,
    ) -> Result<Option<Changers>, GitError> {
        let mut found = BTreeMap::new();
        let mut commit = reader.commit(head)?;
        for _ in 0..FEW_COMMITS {
            if commit.id == self.head {
                return Ok(Some(found));
            }
            let Some(parent) = commit.parents.first() else { return Ok(None) };
            let Ok(parent) = reader.commit(*parent) else { return Ok(None) };
            let Ok(paths) = reader.changed_paths(Some(parent.tree), Some(commit.tree), FEW_CHANGES) else {
                return Ok(None);
            };
            for path in &paths {
                if let Some(package) = enclosing(path, |package| packages.contains_key(package)) {
                    found.entry(package).or_insert((commit.id, commit.committer.seconds));
                }
            }
            commit = parent;
        }
        Ok(None)
    }
}

/// A line while it is advanced.
struct Advanced {
    head: ObjectId,
    tree: ObjectId,
    packages: RedBlackTreeMapSync<PackagePath, OnBranch>,
    touched: BTreeSet<PackagePath>,
    /// Packages that were none before. What an older commit did to such a one, while it was hidden or in a life before,
    /// counts too, unless a newer one did the same.
    appeared: BTreeSet<PackagePath>,
}

impl Advanced {
    /// Looks whether a directory is a package now.
    fn look_again(&mut self, reader: &Reader, package: PackagePath) -> Result<(), GitError> {
        // A new package around this one was looked at first, since it comes first in order: it hides this one.
        if enclosing(package.as_str(), |around| self.packages.contains_key(around)).is_some() {
            return Ok(());
        }
        let mut before = None;
        for path in self.inside(&package) {
            before = self.packages.get(&path).filter(|_| path == package).cloned().or(before);
            self.packages.remove_mut(&path);
            self.touched.insert(path);
        }
        let now = match reader.subtree(self.tree, &package)? {
            None => Vec::new(),
            Some(tree) if reader.is_package(tree)? => vec![(package.clone(), tree)],
            Some(_) => reader.packages_below(self.tree, &package.clone().into())?,
        };
        for (path, tree) in now {
            let on_branch = match before.take().filter(|_| path == package) {
                Some(before) => OnBranch { tree, ..before },
                None => {
                    self.appeared.insert(path.clone());
                    OnBranch { tree, commit: self.head, seconds: 0, publication: None }
                }
            };
            self.touched.insert(path.clone());
            self.packages.insert_mut(path, on_branch);
        }
        Ok(())
    }

    /// The package itself and those below its directory.
    fn inside(&self, package: &PackagePath) -> Vec<PackagePath> {
        let after = self.packages.range(package.clone()..).map(|(path, _)| path);
        let near = after.take_while(|path| path.as_str().starts_with(package.as_str()));
        near.filter(|path| path.overlaps(package)).cloned().collect()
    }

    fn update(&mut self, package: &PackagePath, change: impl FnOnce(&mut OnBranch)) {
        if let Some(on_branch) = self.packages.get(package) {
            let mut on_branch = on_branch.clone();
            change(&mut on_branch);
            self.packages.insert_mut(package.clone(), on_branch);
            self.touched.insert(package.clone());
        }
    }
}

/// The package in which a file or directory lies.
fn enclosing(path: &str, is_package: impl Fn(&PackagePath) -> bool) -> Option<PackagePath> {
    let mut at = path;
    while let Some((parent, _)) = at.rsplit_once('/') {
        at = parent;
        if let Some(package) = PackagePath::parse(at).ok().filter(&is_package) {
            return Some(package);
        }
    }
    None
}

/// For each package the newest first-parent commit that changed it, and its time.
fn changers(reader: &Reader, head: ObjectId, wanted: &BTreeMap<PackagePath, ObjectId>) -> Result<Changers, GitError> {
    let mut open = wanted.clone();
    let mut found = BTreeMap::new();
    let mut next = Some(head);
    while let Some(id) = next {
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
        if let Some(package) =
            enclosing(path, |package| open.contains_key(package)).filter(|package| changed.last() != Some(package))
        {
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

/// For each package the newest annotated commit among those that none of the `hidden` ones holds.
fn publications(
    reader: &Reader,
    head: ObjectId,
    hidden: &[ObjectId],
) -> Result<BTreeMap<String, (i64, Publication)>, GitError> {
    let mut newest: BTreeMap<String, (i64, Publication)> = BTreeMap::new();
    for commit in reader.commits_not_in(head, hidden, usize::MAX)? {
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

#[cfg(test)]
#[path = "branch_line_tests.rs"]
mod tests;
