//! Findings and ledger into package revisions with versions, and the changes against what was known before.
//!
//! An object that did not change keeps its versions; one that did gets new ones from the clock. After a restart the
//! ledger's versions hold for every object that still is what the ledger last saw; what no ledger entry knows takes its
//! commit's time, so that the same repository always gives the same answer.
//! Never here: reading refs (see `scan`) and telling watchers (see `catalog`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::Change;
use super::clock::Clock;
use super::scan::{Findings, Found};
use crate::domain::ledger::{Entry, Ledger};
use crate::domain::names::{PackagePath, Workspace, object_name};
use crate::domain::package::{Metadata, PackageRevision, RepositoryKey};
use crate::domain::timestamp::Micros;

/// Package and workspace: what identifies a package revision in its repository.
pub type RevisionId = (PackagePath, Workspace);

/// The package revisions of a repository.
pub type Objects = BTreeMap<RevisionId, Arc<PackageRevision>>;

/// What an assembly gives.
#[derive(Debug, Default)]
pub struct Assembly {
    /// The objects now.
    pub objects: Objects,
    /// What changed, with its resource versions.
    pub changes: Vec<Change>,
    /// The objects whose versions came from the clock and are to be kept in the ledger.
    pub unrecorded: BTreeSet<RevisionId>,
}

/// Makes the objects. `before` is `None` for the first assembly of a run: then nothing counts as a change.
pub fn assemble(
    key: &Arc<RepositoryKey>,
    findings: &Findings,
    ledger: &Ledger,
    before: Option<&Objects>,
    clock: &Clock,
) -> Assembly {
    let mut assembly = Assembly::default();
    for (id, found) in &findings.revisions {
        let entry = ledger.get(&found.package, &found.workspace);
        let known = before.and_then(|before| before.get(id));
        if let Some(known) = known.filter(|known| shows(known, found, entry)) {
            assembly.objects.insert(id.clone(), known.clone());
            continue;
        }
        let Some(mut object) = compose(key, found, entry) else { continue };
        if let Some(known) = known {
            object.created = known.created;
        }
        let from_clock = versions(&mut object, found, entry, known.map(Arc::as_ref), before.is_some(), clock);
        if from_clock {
            assembly.unrecorded.insert(id.clone());
        }
        let object = Arc::new(object);
        if before.is_some() {
            assembly.changes.push(Change::Put(object.clone()));
        }
        assembly.objects.insert(id.clone(), object);
    }
    for (id, gone) in before.into_iter().flatten() {
        if !assembly.objects.contains_key(id) {
            assembly.changes.push(Change::Remove {
                namespace: gone.repository.namespace.clone(),
                name: gone.name.clone(),
                resource_version: clock.next(),
            });
        }
    }
    assembly
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
        metadata: Arc::new(entry.map(|entry| entry.metadata.clone()).unwrap_or_default()),
        created: entry.and_then(|entry| entry.created).unwrap_or(Micros::from_seconds(found.seconds)),
        resource_version: 0,
        content_version: 0,
    })
}

/// Gives a new or changed object its versions; says whether they came from the clock.
fn versions(
    object: &mut PackageRevision,
    found: &Found,
    entry: Option<&Entry>,
    known: Option<&PackageRevision>,
    running: bool,
    clock: &Clock,
) -> bool {
    let recorded = entry.and_then(|entry| entry.versions.as_ref());
    let derived = Micros::from_seconds(found.seconds).0;
    let from_clock = match recorded {
        Some(recorded) if !running && recorded.digest == object.digest() => {
            object.resource_version = recorded.resource_version;
            false
        }
        None if !running && derived <= clock.start() => {
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
    use crate::domain::lifecycle::Lifecycle;
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

    fn findings(commit: char, tree: char) -> Findings {
        let package = PackagePath::parse("p").expect("valid");
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
        };
        Findings { revisions: [((package, workspace), found)].into(), head: None }
    }

    fn only(assembly: &Assembly) -> Arc<PackageRevision> {
        assembly.objects.values().next().expect("one object").clone()
    }

    fn clock() -> (tempfile::TempDir, Clock) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::open(dir.path().join("clock")).expect("opens");
        (dir, clock)
    }

    #[test]
    fn a_first_assembly_is_the_same_every_time() {
        let (_dir, clock) = clock();
        let assembly = assemble(&key(), &findings('a', 'b'), &Ledger::default(), None, &clock);
        assert_eq!(only(&assembly).resource_version, 1_000_000_000);
        assert!(assembly.changes.is_empty() && assembly.unrecorded.is_empty());
    }

    #[test]
    fn content_versions_change_with_the_content_only() {
        let (_dir, clock) = clock();
        let ledger = Ledger::default();
        let first = assemble(&key(), &findings('a', 'b'), &ledger, None, &clock);
        let same = assemble(&key(), &findings('a', 'b'), &ledger, Some(&first.objects), &clock);
        assert!(same.changes.is_empty() && Arc::ptr_eq(&only(&first), &only(&same)));
        let reworded = assemble(&key(), &findings('c', 'b'), &ledger, Some(&first.objects), &clock);
        assert!(only(&reworded).resource_version > clock.start());
        assert_eq!(only(&reworded).content_version, only(&first).content_version);
        let rewritten = assemble(&key(), &findings('d', 'e'), &ledger, Some(&reworded.objects), &clock);
        assert_eq!(only(&rewritten).content_version, only(&rewritten).resource_version);
        assert_eq!(rewritten.unrecorded.len(), 1);
        let gone = assemble(&key(), &Findings::default(), &ledger, Some(&rewritten.objects), &clock);
        assert!(matches!(gone.changes[..], [Change::Remove { .. }]));
    }

    #[test]
    fn after_a_restart_the_ledger_s_versions_hold_for_what_it_saw_and_rise_for_what_it_did_not() {
        let (_dir, clock) = clock();
        let object = only(&assemble(&key(), &findings('a', 'b'), &Ledger::default(), None, &clock));
        let mut entry = Entry::new(object.package.clone(), object.workspace.clone());
        entry.versions =
            Some(Versions { resource_version: 77, digest: object.digest(), content_version: 55, tree: oid('b') });
        let mut ledger = Ledger::default();
        ledger.insert(entry);
        let again = only(&assemble(&key(), &findings('a', 'b'), &ledger, None, &clock));
        assert_eq!((again.resource_version, again.content_version), (77, 55));
        let moved = assemble(&key(), &findings('c', 'b'), &ledger, None, &clock);
        assert!(only(&moved).resource_version > clock.start());
        assert_eq!((only(&moved).content_version, moved.unrecorded.len()), (55, 1));
    }
}
