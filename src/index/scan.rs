//! Refs into package revisions: Porch's discovery, made safe. One pass over the refs gives everything there is.
//!
//! A ref that cannot be read or understood never breaks the listing. Never here: versions, events and the ledger's
//! metadata (see `assemble`); the ledger's intents are asked only where two refs say different things.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::branch_line::BranchLine;
use super::cache::Cache;
use super::facts::{FactStore, Facts, Origin};
use crate::domain::ledger::Ledger;
use crate::domain::lifecycle::{Action, Lifecycle};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::Publication;
use crate::domain::refs::{RefKind, RefName, Registration, RevisionNumber, classify};
use crate::git::{GitError, Reader, RefSnapshot};
use crate::krm::kptfile::Kptfile;

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
}

/// What a scan keeps from one time to the next.
#[derive(Debug, Default)]
pub struct Memory {
    facts: FactStore,
    line: Option<BranchLine>,
}

/// Everything a scan found, keyed by package and workspace.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The package revisions; of two with one name, the one that is further in life.
    pub revisions: BTreeMap<(PackagePath, Workspace), Found>,
    /// The registered branch's commit.
    pub head: Option<ObjectId>,
}

/// Scans a repository.
pub fn scan(
    reader: &Reader,
    snapshot: &RefSnapshot,
    registration: &Registration,
    ledger: &Ledger,
    cache: &Cache,
    memory: &mut Memory,
) -> Result<Findings, GitError> {
    memory.facts.begin_scan();
    let head = snapshot.get(&registration.branch).and_then(|value| value.commit);
    let mut markers: HashSet<(PackagePath, Workspace)> = HashSet::new();
    let mut unpublished = Vec::new();
    let mut tags = Vec::new();
    for value in snapshot.iter() {
        let Some(commit) = value.commit else { continue };
        match classify(&value.name, registration) {
            RefKind::DeletionProposed(package, segment) => {
                markers.insert((package, segment));
            }
            RefKind::Draft(package, workspace) => {
                unpublished.push((value, commit, package, workspace, Lifecycle::Draft))
            }
            RefKind::Proposed(package, workspace) => {
                unpublished.push((value, commit, package, workspace, Lifecycle::Proposed));
            }
            RefKind::Tag(package, segment) => tags.push((value, commit, package, segment)),
            _ => {}
        }
    }

    let mut findings = Findings { revisions: BTreeMap::new(), head };
    for (value, commit, package, segment) in tags {
        let number = RevisionNumber::from_segment(segment.as_str());
        let number = if number.is_published() { number } else { RevisionNumber::NONE };
        let origin = if number.is_published() { Origin::Tag } else { Origin::NamedTag };
        let facts = tolerate(&value.name, memory.facts.facts(reader, cache, commit, &package, &segment, origin));
        let Some(facts) = facts.flatten() else { continue };
        let standard = Workspace::parse(&number.segment()).unwrap_or_else(|_| segment.clone());
        let marked = markers.contains(&(package.clone(), segment))
            || (number.is_published() && markers.contains(&(package.clone(), standard)));
        let lifecycle = if marked { Lifecycle::DeletionProposed } else { Lifecycle::Published };
        findings.put(found(&facts, package, number, lifecycle, value.name.clone(), commit));
    }
    if let Some(head) = head {
        let line = branch_line(reader, head, registration, cache, memory.line.take())?;
        findings.placeholders(reader, registration, &line, &markers, memory)?;
        memory.line = Some(line);
    }
    for (value, commit, package, workspace, lifecycle) in unpublished {
        let origin = Origin::Draft(head);
        let facts = tolerate(&value.name, memory.facts.facts(reader, cache, commit, &package, &workspace, origin));
        let Some(facts) = facts.flatten() else { continue };
        let candidate = found(&facts, package, RevisionNumber::UNPUBLISHED, lifecycle, value.name.clone(), commit);
        findings.put_unpublished(candidate, ledger);
    }
    findings.mark_latest();
    Ok(findings)
}

fn found(
    facts: &Facts,
    package: PackagePath,
    revision: RevisionNumber,
    lifecycle: Lifecycle,
    ref_name: RefName,
    commit: ObjectId,
) -> Found {
    Found {
        package,
        workspace: facts.workspace.clone(),
        revision,
        lifecycle,
        ref_name,
        commit,
        tree: facts.tree,
        kptfile: facts.kptfile.clone(),
        tasks: facts.tasks.clone(),
        publication: lifecycle.is_published().then(|| facts.publication.clone()),
        seconds: facts.seconds,
        latest: false,
    }
}

fn tolerate<T>(name: &RefName, result: Result<T, GitError>) -> Option<T> {
    result.map_err(|error| tracing::warn!(%name, %error, "this ref cannot be read and is left out")).ok()
}

fn branch_line(
    reader: &Reader,
    head: ObjectId,
    registration: &Registration,
    cache: &Cache,
    previous: Option<BranchLine>,
) -> Result<BranchLine, GitError> {
    if let Some(line) = previous.as_ref().filter(|line| line.head == head) {
        return Ok(line.clone());
    }
    let key = format!("branch/{head}/{}", registration.directory.as_str());
    if previous.is_none()
        && let Some(line) = cache.get::<Vec<(PackagePath, super::branch_line::OnBranch)>>(&key)
    {
        return Ok(BranchLine { head, packages: line.into_iter().collect() });
    }
    let line = BranchLine::read(reader, head, &registration.directory, previous.as_ref())?;
    cache.put(&key, &line.packages.iter().collect::<Vec<_>>());
    Ok(line)
}

impl Findings {
    fn placeholders(
        &mut self,
        reader: &Reader,
        registration: &Registration,
        line: &BranchLine,
        markers: &HashSet<(PackagePath, Workspace)>,
        memory: &mut Memory,
    ) -> Result<(), GitError> {
        // A branch name with a slash would make an invalid object name in Porch; here the slash becomes a dash.
        let Ok(workspace) = Workspace::parse(&registration.branch_name().replace('/', "-")) else { return Ok(()) };
        for (package, on_branch) in &line.packages {
            let key = (package.clone(), workspace.clone());
            let lifecycle = if markers.contains(&key) { Lifecycle::DeletionProposed } else { Lifecycle::Published };
            let kptfile = memory.facts.kptfile(reader, on_branch.tree)?;
            self.put(Found {
                package: package.clone(),
                workspace: workspace.clone(),
                revision: RevisionNumber::NONE,
                lifecycle,
                ref_name: registration.branch.clone(),
                commit: on_branch.commit,
                tree: on_branch.tree,
                kptfile,
                tasks: Arc::new(Vec::new()),
                publication: on_branch.publication.clone(),
                seconds: on_branch.seconds,
                latest: false,
            });
        }
        Ok(())
    }

    /// Puts a published revision. Where two share package and workspace, the higher number stays: a workspace names one
    /// revision.
    fn put(&mut self, found: Found) {
        let key = (found.package.clone(), found.workspace.clone());
        match self.revisions.get(&key) {
            Some(other) if other.revision >= found.revision => {
                tracing::debug!(kept = %other.ref_name, hidden = %found.ref_name, "two refs show one package revision");
            }
            _ => {
                self.revisions.insert(key, found);
            }
        }
    }

    /// Puts a draft or a proposal. A published revision of the same workspace stays (an approval is being completed);
    /// between a draft and a proposal the ledger's intent decides, and without one the draft.
    fn put_unpublished(&mut self, found: Found, ledger: &Ledger) {
        let key = (found.package.clone(), found.workspace.clone());
        let stays = match self.revisions.get(&key) {
            None => false,
            Some(other) if other.lifecycle.is_published() => true,
            Some(_) => {
                let intent = ledger.get(&found.package, &found.workspace).and_then(|entry| entry.intent.as_ref());
                let proposing = intent.is_some_and(|intent| intent.action == Action::Propose);
                (found.lifecycle == Lifecycle::Proposed) != proposing
            }
        };
        if !stays {
            self.revisions.insert(key, found);
        }
    }

    /// The latest of a package is the published revision with the highest number. By full path, not by leaf as in Porch.
    fn mark_latest(&mut self) {
        let mut highest: BTreeMap<PackagePath, RevisionNumber> = BTreeMap::new();
        for found in self.revisions.values().filter(|found| found.revision.is_published()) {
            let slot = highest.entry(found.package.clone()).or_insert(found.revision);
            *slot = (*slot).max(found.revision);
        }
        for found in self.revisions.values_mut() {
            found.latest = found.revision.is_published() && highest.get(&found.package) == Some(&found.revision);
        }
    }
}
