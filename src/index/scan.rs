//! Refs into package revisions: Porch's discovery, made safe, one package at a time.
//!
//! A package's revisions depend on its own refs, its directory on the registered branch and the ledger's intents for it,
//! and on nothing else; so a change of some refs is a scan of some packages. A ref that cannot be read or understood never
//! breaks the listing. Never here: versions, events and metadata (see `assemble`).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Arc;

use super::branch_line::{BranchLine, OnBranch};
use super::cache::Cache;
use super::facts::{FactStore, Facts, Origin, kptfile};
use super::integrity::OfWorkspace;
use crate::domain::integrity::Finding;
use crate::domain::ledger::Ledger;
use crate::domain::lifecycle::{Action, Lifecycle};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::Publication;
use crate::domain::refs::{
    DELETION_PROPOSED, DRAFTS, PROPOSED, RefKind, RefName, Registration, RevisionNumber, TAGS, classify,
};
use crate::git::{GitError, Reader, RefSnapshot};
use crate::krm::kptfile::Kptfile;

/// So many packages are scanned on several threads, and on how many at most.
const MANY: usize = 200;
const MOST_THREADS: usize = 8;

/// One package revision as the refs show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The package.
    pub package: PackagePath,
    /// The workspace.
    pub workspace: Workspace,
    /// The revision number.
    pub revision: RevisionNumber,
    /// The lifecycle.
    pub lifecycle: Lifecycle,
    /// The ref it stands on.
    pub ref_name: RefName,
    /// The commit that the self lock names.
    pub commit: ObjectId,
    /// The package's tree.
    pub tree: ObjectId,
    /// The Kptfile's summary.
    pub kptfile: Arc<Kptfile>,
    /// None or one task.
    pub tasks: Arc<Vec<serde_json::Value>>,
    /// Who published it, when.
    pub publication: Option<Publication>,
    /// The commit's time in seconds since 1970.
    pub seconds: i64,
    /// Whether it is the package's latest.
    pub latest: bool,
    /// What of it is not as the ledger says.
    pub findings: Arc<Vec<Finding>>,
}

/// One package as a scan found it: its revisions, and what is not as the ledger says.
pub type Scanned = (PackagePath, OfPackage, OfWorkspace);

/// The revisions of one package, by workspace: a workspace names one revision.
pub type OfPackage = BTreeMap<Workspace, Found>;

/// The packages that the names of these refs speak of.
pub fn packages_named<'n>(
    names: impl Iterator<Item = &'n RefName>,
    registration: &Registration,
) -> BTreeSet<PackagePath> {
    names
        .filter_map(|name| match classify(name, registration) {
            RefKind::Draft(package, _)
            | RefKind::Proposed(package, _)
            | RefKind::DeletionProposed(package, _)
            | RefKind::Tag(package, _) => Some(package),
            _ => None,
        })
        .collect()
}

/// The branch's packages at `head`, and which of them may differ from those of an earlier head: from what is known of
/// that, from the cache, or from Git.
pub fn branch_line(
    reader: &Reader,
    head: ObjectId,
    registration: &Registration,
    cache: &Cache,
    previous: Option<&BranchLine>,
) -> Result<(BranchLine, BTreeSet<PackagePath>), GitError> {
    let directory = &registration.directory;
    if let Some(previous) = previous
        && let Some(advanced) = previous.advance(reader, head, directory)?
    {
        return Ok(advanced);
    }
    let cached = || cache.get::<Vec<(PackagePath, OnBranch)>>(&format!("branch/{head}/{directory}"));
    let line = match cached() {
        Some(packages) => BranchLine { head, packages: packages.into_iter().collect() },
        None => BranchLine::read(reader, head, directory)?,
    };
    let differences = BranchLine::differences(previous, Some(&line)).into_iter().collect();
    Ok((line, differences))
}

/// Keeps a branch line for the next start.
pub fn keep_branch_line(line: &BranchLine, registration: &Registration, cache: &Cache) {
    let key = format!("branch/{}/{}", line.head, registration.directory);
    cache.put(&key, &line.packages.iter().collect::<Vec<_>>());
}

/// What a scan reads from.
pub struct Scanner<'a> {
    /// Git.
    pub reader: &'a Reader,
    /// The refs.
    pub snapshot: &'a RefSnapshot,
    /// Branch and directory.
    pub registration: &'a Registration,
    /// The ledger; only its intents are asked, and only where two refs say different things.
    pub ledger: &'a Ledger,
    /// The cache.
    pub cache: &'a Cache,
    /// The branch's packages.
    pub line: Option<&'a BranchLine>,
}

impl Scanner<'_> {
    /// Scans packages; many of them, as at a first start, on several threads.
    pub fn packages(&self, packages: BTreeSet<PackagePath>, facts: &mut FactStore) -> Result<Vec<Scanned>, GitError> {
        let packages: Vec<PackagePath> = packages.into_iter().collect();
        if packages.len() < MANY {
            return self.one_by_one(&packages, facts);
        }
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let Self { reader, snapshot, registration, ledger, cache, line } = *self;
        let store = reader.store();
        let scan = |part: &[PackagePath]| {
            let reader = &store.reader();
            let scanner = Scanner { reader, snapshot, registration, ledger, cache, line };
            scanner.one_by_one(part, &mut FactStore::default())
        };
        std::thread::scope(|scope| {
            let parts = packages.chunks(packages.len().div_ceil(threads));
            let running: Vec<_> = parts.map(|part| scope.spawn(move || scan(part))).collect();
            let mut found = Vec::with_capacity(packages.len());
            for part in running {
                found.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(found)
        })
    }

    fn one_by_one(&self, packages: &[PackagePath], facts: &mut FactStore) -> Result<Vec<Scanned>, GitError> {
        packages.iter().map(|package| self.package(package, facts)).collect()
    }

    /// Scans one package.
    pub fn package(&self, package: &PackagePath, facts: &mut FactStore) -> Result<Scanned, GitError> {
        let markers: BTreeSet<Workspace> =
            self.refs(DELETION_PROPOSED, package).map(|(segment, _, _)| segment).collect();
        let (mut revisions, mut impostors) = (OfPackage::new(), Vec::new());
        let displaced = self.displaced(package);
        for (segment, name, commit) in self.refs(TAGS, package).filter(|(_, name, _)| !displaced.contains(name)) {
            let number = RevisionNumber::from_segment(segment.as_str());
            let number = if number.is_published() { number } else { RevisionNumber::NONE };
            let origin = if number.is_published() { Origin::Tag } else { Origin::NamedTag };
            let read = facts.facts(self.reader, self.cache, commit, package, &segment, origin);
            let Some(facts) = tolerate(&name, read) else { continue };
            if self.is_impostor(package, &facts.workspace, &name) {
                impostors.push((facts.workspace, name));
                continue;
            }
            let standard = Workspace::parse(&number.segment()).ok().filter(|_| number.is_published());
            let marked = markers.contains(&segment) || standard.is_some_and(|segment| markers.contains(&segment));
            put(&mut revisions, found(facts, package, number, published(marked), name, commit));
        }
        self.placeholder(package, &markers, &mut revisions)?;
        let origin = Origin::Draft(self.line.map(|line| line.head));
        for (prefix, lifecycle) in [(DRAFTS, Lifecycle::Draft), (PROPOSED, Lifecycle::Proposed)] {
            for (workspace, name, commit) in self.refs(prefix, package) {
                let read = facts.facts(self.reader, self.cache, commit, package, &workspace, origin);
                let Some(facts) = tolerate(&name, read) else { continue };
                let candidate = found(facts, package, RevisionNumber::UNPUBLISHED, lifecycle, name, commit);
                self.put_unpublished(&mut revisions, candidate);
            }
        }
        let findings = self.hold(package, &markers, impostors, &mut revisions, facts);
        mark_latest(&mut revisions);
        Ok((package.clone(), revisions, findings))
    }

    /// The refs `<prefix><P>/<last segment>` of a package that lead to a commit.
    fn refs(&self, prefix: &str, package: &PackagePath) -> impl Iterator<Item = (Workspace, RefName, ObjectId)> {
        let start = format!("{prefix}{package}/");
        let length = start.len();
        self.snapshot.under(&start).filter_map(move |value| {
            let last = Workspace::parse(&value.name.as_str()[length..]).ok()?;
            let known = !matches!(classify(&value.name, self.registration), RefKind::RegisteredBranch);
            Some((last, value.name.clone(), value.commit?)).filter(|_| known)
        })
    }

    fn placeholder(
        &self,
        package: &PackagePath,
        markers: &BTreeSet<Workspace>,
        revisions: &mut OfPackage,
    ) -> Result<(), GitError> {
        let Some(on_branch) = self.line.and_then(|line| line.packages.get(package)) else { return Ok(()) };
        let Some(workspace) = self.registration.placeholder_workspace() else { return Ok(()) };
        put(
            revisions,
            Found {
                package: package.clone(),
                lifecycle: published(markers.contains(&workspace)),
                workspace,
                revision: RevisionNumber::NONE,
                ref_name: self.registration.branch.clone(),
                commit: on_branch.commit,
                tree: on_branch.tree,
                kptfile: kptfile(self.reader, self.cache, on_branch.tree)?,
                tasks: Arc::default(),
                publication: on_branch.publication.clone(),
                seconds: on_branch.seconds,
                latest: false,
                findings: Arc::default(),
            },
        );
        Ok(())
    }

    /// Puts a draft or a proposal. A published revision of the same workspace stays (an approval is being completed);
    /// between a draft and a proposal the ledger's intent decides, and without one the draft.
    fn put_unpublished(&self, revisions: &mut OfPackage, found: Found) {
        let stays = match revisions.get(&found.workspace) {
            None => false,
            Some(other) if other.lifecycle.is_published() => true,
            Some(_) => {
                let entry = self.ledger.get(&found.package, &found.workspace);
                let intent = entry.and_then(|entry| entry.intent.as_ref());
                let proposing = intent.is_some_and(|intent| intent.action == Action::Propose);
                (found.lifecycle == Lifecycle::Proposed) != proposing
            }
        };
        if !stays {
            revisions.insert(found.workspace.clone(), found);
        }
    }
}

pub(super) fn published(marked: bool) -> Lifecycle {
    if marked { Lifecycle::DeletionProposed } else { Lifecycle::Published }
}

pub(super) fn found(
    facts: Facts,
    package: &PackagePath,
    revision: RevisionNumber,
    lifecycle: Lifecycle,
    ref_name: RefName,
    commit: ObjectId,
) -> Found {
    Found {
        package: package.clone(),
        workspace: facts.workspace,
        revision,
        lifecycle,
        ref_name,
        commit,
        tree: facts.tree,
        kptfile: facts.kptfile,
        tasks: facts.tasks,
        publication: lifecycle.is_published().then_some(facts.publication),
        seconds: facts.seconds,
        latest: false,
        findings: Arc::default(),
    }
}

pub(super) fn tolerate(name: &RefName, result: Result<Option<Facts>, GitError>) -> Option<Facts> {
    let told = |error: &GitError| tracing::warn!(%name, %error, "this ref cannot be read and is left out");
    result.inspect_err(told).ok().flatten()
}

/// Puts a published revision. Where two share a workspace, the one with the higher number stays.
pub(super) fn put(revisions: &mut OfPackage, found: Found) {
    match revisions.get(&found.workspace) {
        Some(other) if other.revision >= found.revision => {
            tracing::debug!(kept = %other.ref_name, hidden = %found.ref_name, "two refs show one package revision");
        }
        _ => {
            revisions.insert(found.workspace.clone(), found);
        }
    }
}

/// The latest of a package is the published revision with the highest number. By full path, not by leaf as in Porch.
fn mark_latest(revisions: &mut OfPackage) {
    let highest = revisions.values().map(|found| found.revision).filter(|number| number.is_published()).max();
    for found in revisions.values_mut() {
        found.latest = Some(found.revision) == highest;
    }
}
