//! Tells, once, of what somebody moved behind the doors, and when it is as the ledger says again: the log, and an event. The
//! ledger's own ref is put back at once.
//!
//! Never here: what is a finding (see `domain::integrity`), and putting other refs back (see `put_back`).

use super::notice;
use super::repository::ManagedRepository;
use crate::domain::integrity::Finding;
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::package::{INTACT, RepositoryKey};
use crate::domain::ref_plan::RefEdit;
use crate::git::{Reader, transact};
use crate::index::assemble::RevisionId;
use crate::index::guarded::View;
use crate::index::integrity::Findings;
use crate::telemetry::RescanFinding;

/// The findings that were told of.
#[derive(Debug, Default)]
pub(super) struct Told {
    revisions: Findings,
    branch: Option<Finding>,
}

impl Told {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.revisions.values().map(|list| list.len()).sum::<usize>() + usize::from(self.branch.is_some())
    }
}

/// Tells of every finding that was not there when this was called last, and of every one that is not there any more.
pub(super) fn tell(repository: &ManagedRepository, view: &View) {
    let mut told = repository.told_findings();
    for (id, list) in &view.findings {
        let before = told.revisions.get(id);
        let new = list.iter().filter(|finding| !before.is_some_and(|before| before.contains(finding)));
        new.for_each(|finding| found(repository, Some(id), finding));
    }
    for (id, _) in told.revisions.iter().filter(|(id, _)| !view.findings.contains_key(id)) {
        mended(repository, Some(id));
    }
    if told.branch != view.branch_finding {
        match &view.branch_finding {
            Some(finding) => found(repository, None, finding),
            None => mended(repository, None),
        }
    }
    *told = Told { revisions: view.findings.clone(), branch: view.branch_finding.clone() };
}

/// Puts the ledger's ref back at once: it is Stoop's own, and what is written next must not go on from elsewhere. The caller
/// is the one writer.
pub(super) fn put_ledger_back(repository: &ManagedRepository, reader: &Reader, finding: &Finding) {
    let Some(known) = finding.ledger else { return };
    let name = finding.name.clone();
    let edit = match finding.shown {
        Some(shown) => RefEdit::update(name, shown, known),
        None => RefEdit::create(name, known),
    };
    repository.metrics.found(RescanFinding::Ledger);
    let key = repository.guarded.key();
    match transact(reader, &[edit]) {
        Ok(()) => {
            tracing::warn!(repository = %key.name, namespace = %key.namespace, %finding, "the ledger was moved behind the doors; it is put back")
        }
        Err(error) => {
            tracing::error!(repository = %key.name, namespace = %key.namespace, %finding, %error, "the ledger was moved behind the doors, and cannot be put back")
        }
    }
    notice::say(repository, None, true, finding.reason(), format!("{finding}; it is put back"));
}

fn found(repository: &ManagedRepository, id: Option<&RevisionId>, finding: &Finding) {
    let key = key(repository, id);
    let (package, workspace) = words(id);
    tracing::warn!(
        repository = %key.name, namespace = %key.namespace, package, workspace, reason = finding.reason(), %finding,
        "a ref was moved behind the doors; stoop audit shows it, and stoop audit --restore puts it back"
    );
    notice::say(repository, of(id), true, finding.reason(), finding.to_string());
}

fn mended(repository: &ManagedRepository, id: Option<&RevisionId>) {
    let key = key(repository, id);
    let (package, workspace) = words(id);
    tracing::info!(repository = %key.name, namespace = %key.namespace, package, workspace, "the refs are as the ledger says again");
    notice::say(repository, of(id), false, INTACT, "the refs are as the ledger says again".to_owned());
}

fn key<'r>(repository: &'r ManagedRepository, id: Option<&RevisionId>) -> &'r RepositoryKey {
    id.map_or(repository.guarded.key(), |(package, _)| repository.guarded.key_of(package))
}

fn of(id: Option<&RevisionId>) -> Option<(&PackagePath, &Workspace)> {
    id.map(|(package, workspace)| (package, workspace))
}

fn words(id: Option<&RevisionId>) -> (&str, &str) {
    id.map(|(package, workspace)| (package.as_str(), workspace.as_str())).unwrap_or_default()
}
