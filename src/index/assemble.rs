//! What was found and the ledger into package revisions with versions, and the changes against what was known before.
//!
//! An object that did not change keeps its versions; one that did gets new ones from the clock. After a restart the
//! ledger's versions hold for every object that still is what the ledger last saw. In a repository without a ledger objects
//! take their commit's time, so that the same repository always gives the same answer. Where there is a ledger that does not
//! know an object, the daemon may have died after watchers saw it and before it was written: it gets a new version.
//! Never here: reading refs (see `scan`) and telling watchers (see `catalog`).

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::catalog::Change;
use super::clock::Clock;
use super::scan::{Found, OfPackage};
use crate::domain::ledger::{Entry, Ledger};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::names::{PackagePath, Workspace, object_name};
use crate::domain::package::{Metadata, PackageRevision, RepositoryKey};
use crate::domain::policy::approvals::Tally;
use crate::domain::timestamp::Micros;

/// Package and workspace: what identifies a package revision in its repository.
pub type RevisionId = (PackagePath, Workspace);

/// The package revisions of a repository. Copies share what they have in common.
pub type Objects = RedBlackTreeMapSync<RevisionId, Arc<PackageRevision>>;

/// What an assembly gives beside the objects.
#[derive(Debug, Default)]
pub struct Assembly {
    /// What changed, with its resource versions.
    pub changes: Vec<Change>,
    /// The objects whose versions came from the clock and are to be kept in the ledger.
    pub unrecorded: BTreeSet<RevisionId>,
}

/// What an assembly works with.
#[derive(Debug, Clone, Copy)]
pub struct Assembler<'a> {
    /// The repository.
    pub key: &'a Arc<RepositoryKey>,
    /// Its ledger.
    pub ledger: &'a Ledger,
    /// The clock of resource versions.
    pub clock: &'a Clock,
    /// The first scan of a run: nothing counts as a change.
    pub loading: bool,
}

impl Assembler<'_> {
    /// Brings one package's objects up to date.
    pub fn package(
        &self,
        package: &PackagePath,
        revisions: &OfPackage,
        objects: &mut Objects,
        assembly: &mut Assembly,
    ) {
        for (workspace, found) in revisions {
            let id = (package.clone(), workspace.clone());
            let entry = self.ledger.get(package, workspace);
            let known = objects.get(&id);
            if known.is_some_and(|known| shows(known, found, entry)) {
                continue;
            }
            let Some(mut object) = compose(self.key, found, entry) else { continue };
            if let Some(known) = known {
                object.created = known.created;
            }
            let derive = self.loading && self.ledger.is_empty();
            if versions(&mut object, found, entry, known.map(Arc::as_ref), (!self.loading, derive), self.clock) {
                assembly.unrecorded.insert(id.clone());
            }
            let object = Arc::new(object);
            if !self.loading {
                assembly.changes.push(Change::Put(object.clone()));
            }
            objects.insert_mut(id, object);
        }
        let gone = of_package(objects, package).filter(|(workspace, _)| !revisions.contains_key(*workspace));
        let gone: Vec<RevisionId> = gone.map(|(workspace, _)| (package.clone(), workspace.clone())).collect();
        for id in gone {
            let Some(object) = objects.get(&id).cloned() else { continue };
            objects.remove_mut(&id);
            assembly.changes.push(Change::Remove {
                namespace: object.repository.namespace.clone(),
                name: object.name.clone(),
                resource_version: self.clock.next(),
            });
        }
    }
}

/// The objects of one package.
pub fn of_package<'o>(
    objects: &'o Objects,
    package: &PackagePath,
) -> impl Iterator<Item = (&'o Workspace, &'o Arc<PackageRevision>)> {
    let start = (package.clone(), Workspace::lowest());
    let package = package.clone();
    objects
        .range(start..)
        .take_while(move |((other, _), _)| *other == package)
        .map(|((_, workspace), object)| (workspace, object))
}

/// A package, other than this one, that lies inside it or around it.
pub fn overlapping<'o>(objects: &'o Objects, package: &PackagePath) -> Option<&'o PackagePath> {
    let is_there = |path: &PackagePath| of_package(objects, path).next().is_some();
    let around =
        package.as_str().match_indices('/').filter_map(|(at, _)| PackagePath::parse(&package.as_str()[..at]).ok());
    let around = around
        .into_iter()
        .find(is_there)
        .and_then(|path| objects.range((path, Workspace::lowest())..).next().map(|((around, _), _)| around));
    // What lies inside comes after the package itself and shares its beginning, as do paths such as `a-b` after `a`.
    let inside = || {
        let after = objects.range((package.clone(), Workspace::lowest())..).map(|((other, _), _)| other);
        let mut near = after.take_while(|other| other.as_str().starts_with(package.as_str()));
        near.find(|other| *other != package && other.overlaps(package))
    };
    around.or_else(inside)
}

/// Whether an object shows what was found and what the ledger says, so that nothing about it changed.
fn shows(known: &PackageRevision, found: &Found, entry: Option<&Entry>) -> bool {
    known.revision == found.revision
        && known.lifecycle == found.lifecycle
        && known.latest == found.latest
        && known.ref_name == found.ref_name
        && known.commit == found.commit
        && known.tree == found.tree
        && known.kptfile == found.kptfile
        && known.tasks == found.tasks
        && known.publication == found.publication
        && known.findings == found.findings
        && known.tally == tally(found, entry)
        && match entry {
            Some(entry) => *known.metadata == entry.metadata,
            None => *known.metadata == Metadata::default(),
        }
}

fn compose(key: &Arc<RepositoryKey>, found: &Found, entry: Option<&Entry>) -> Option<PackageRevision> {
    let name = object_name(&key.name, &key.registration.directory, &found.package, &found.workspace)?;
    Some(PackageRevision {
        repository: key.clone(),
        name,
        package: found.package.clone(),
        workspace: found.workspace.clone(),
        revision: found.revision,
        lifecycle: found.lifecycle,
        latest: found.latest,
        ref_name: found.ref_name.clone(),
        commit: found.commit,
        tree: found.tree,
        kptfile: found.kptfile.clone(),
        tasks: found.tasks.clone(),
        publication: found.publication.clone(),
        findings: found.findings.clone(),
        tally: tally(found, entry),
        metadata: Arc::new(entry.map(|entry| entry.metadata.clone()).unwrap_or_default()),
        created: entry.and_then(|entry| entry.created).unwrap_or(Micros::from_seconds(found.seconds)),
        resource_version: 0,
        content_version: 0,
    })
}

/// The approvals that a proposal has and that do not publish it yet.
fn tally(found: &Found, entry: Option<&Entry>) -> Option<Arc<Tally>> {
    entry.filter(|_| found.lifecycle == Lifecycle::Proposed)?.tally(found.commit).map(Arc::new)
}

/// Gives a new or changed object its versions, from the ledger unless the daemon is `running`, and from its commit where one
/// may `derive` them; says whether they came from the clock.
fn versions(
    object: &mut PackageRevision,
    found: &Found,
    entry: Option<&Entry>,
    known: Option<&PackageRevision>,
    (running, derive): (bool, bool),
    clock: &Clock,
) -> bool {
    let recorded = entry.and_then(|entry| entry.versions.as_ref());
    let derived = Micros::from_seconds(found.seconds).0;
    let from_clock = match recorded {
        Some(recorded) if !running && recorded.digest == object.digest() => {
            object.resource_version = recorded.resource_version;
            false
        }
        None if derive && derived <= clock.start() => {
            object.resource_version = derived;
            false
        }
        _ => {
            object.resource_version = clock.next();
            true
        }
    };
    object.content_version = match (known, recorded) {
        (Some(known), _) if known.tree == object.tree => known.content_version,
        (None, Some(recorded)) if recorded.tree == object.tree => recorded.content_version,
        _ => object.resource_version,
    };
    from_clock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::Versions;
    use crate::domain::names::{Directory, Namespace, RepositoryName};
    use crate::domain::oid::ObjectId;
    use crate::domain::refs::{RefName, Registration, RevisionNumber};

    fn key() -> Arc<RepositoryKey> {
        Arc::new(RepositoryKey {
            namespace: Namespace::parse("default").expect("valid"),
            name: RepositoryName::parse("repo").expect("valid"),
            registration: Registration {
                branch: RefName::branch("main").expect("valid"),
                directory: Directory::default(),
            },
            deployment: false,
            url: "repo.git".to_owned(),
        })
    }

    fn oid(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().expect("valid")
    }

    fn package() -> PackagePath {
        PackagePath::parse("p").expect("valid")
    }

    fn revisions(commit: char, tree: char) -> OfPackage {
        let package = package();
        let workspace = Workspace::parse("w").expect("valid");
        let found = Found {
            package: package.clone(),
            workspace: workspace.clone(),
            revision: RevisionNumber::UNPUBLISHED,
            lifecycle: Lifecycle::Draft,
            ref_name: RefName::draft(&package, &workspace),
            commit: oid(commit),
            tree: oid(tree),
            kptfile: Arc::default(),
            tasks: Arc::default(),
            publication: None,
            seconds: 1_000,
            latest: false,
            findings: Arc::default(),
        };
        [(workspace, found)].into()
    }

    fn run(revisions: &OfPackage, ledger: &Ledger, loading: bool, objects: &mut Objects, clock: &Clock) -> Assembly {
        let mut assembly = Assembly::default();
        Assembler { key: &key(), ledger, clock, loading }.package(&package(), revisions, objects, &mut assembly);
        assembly
    }

    fn only(objects: &Objects) -> Arc<PackageRevision> {
        objects.values().next().expect("one object").clone()
    }

    fn clock() -> (tempfile::TempDir, Clock) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::open(dir.path().join("clock")).expect("opens");
        (dir, clock)
    }

    #[test]
    fn a_first_assembly_is_the_same_every_time() {
        let (_dir, clock) = clock();
        let mut objects = Objects::default();
        let assembly = run(&revisions('a', 'b'), &Ledger::default(), true, &mut objects, &clock);
        assert_eq!(only(&objects).resource_version, 1_000_000_000);
        assert!(assembly.changes.is_empty() && assembly.unrecorded.is_empty());
    }

    #[test]
    fn content_versions_change_with_the_content_only() {
        let (_dir, clock) = clock();
        let (ledger, mut objects) = (Ledger::default(), Objects::default());
        run(&revisions('a', 'b'), &ledger, true, &mut objects, &clock);
        let first = only(&objects);
        let same = run(&revisions('a', 'b'), &ledger, false, &mut objects, &clock);
        assert!(same.changes.is_empty() && Arc::ptr_eq(&first, &only(&objects)));
        run(&revisions('c', 'b'), &ledger, false, &mut objects, &clock);
        assert!(only(&objects).resource_version > clock.start());
        assert_eq!(only(&objects).content_version, first.content_version);
        let rewritten = run(&revisions('d', 'e'), &ledger, false, &mut objects, &clock);
        assert_eq!(only(&objects).content_version, only(&objects).resource_version);
        assert_eq!(rewritten.unrecorded.len(), 1);
        let gone = run(&OfPackage::new(), &ledger, false, &mut objects, &clock);
        assert!(matches!(gone.changes[..], [Change::Remove { .. }]) && objects.is_empty());
    }

    #[test]
    fn after_a_restart_the_ledger_s_versions_hold_for_what_it_saw_and_rise_for_what_it_did_not() {
        let (_dir, clock) = clock();
        let mut objects = Objects::default();
        run(&revisions('a', 'b'), &Ledger::default(), true, &mut objects, &clock);
        let object = only(&objects);
        let mut entry = Entry::new(object.package.clone(), object.workspace.clone());
        entry.versions =
            Some(Versions { resource_version: 77, digest: object.digest(), content_version: 55, tree: oid('b') });
        let mut ledger = Ledger::default();
        ledger.insert(entry);
        let mut objects = Objects::default();
        run(&revisions('a', 'b'), &ledger, true, &mut objects, &clock);
        assert_eq!((only(&objects).resource_version, only(&objects).content_version), (77, 55));
        let mut objects = Objects::default();
        let moved = run(&revisions('c', 'b'), &ledger, true, &mut objects, &clock);
        assert!(only(&objects).resource_version > clock.start());
        assert_eq!((only(&objects).content_version, moved.unrecorded.len()), (55, 1));
        // The daemon died before the ledger had it, and after watchers had seen it: it must not go back.
        let mut others = Ledger::default();
        others.insert(Entry::new(PackagePath::parse("other").expect("valid"), object.workspace.clone()));
        let mut objects = Objects::default();
        let unknown = run(&revisions('a', 'b'), &others, true, &mut objects, &clock);
        assert!(only(&objects).resource_version > clock.start() && unknown.unrecorded.len() == 1);
    }
}
