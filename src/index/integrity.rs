//! Holds one package's refs against the ledger: findings, and published revisions as they were published.
//!
//! What is published is what the ledger says: a tag that somebody moved or took away changes nothing about the revision, as
//! long as its objects are there. Never here: what is a finding (see `domain::integrity`), telling of it, putting it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use super::assemble::RevisionId;
use super::facts::{FactStore, Origin};
use super::scan::{Found, OfPackage, Scanner, found, published, put, tolerate};
use crate::domain::integrity::{Finding, Subject, is_older, judge};
use crate::domain::ledger::{Entry, Published};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::refs::{RefName, RevisionNumber};

/// The findings of a repository, by package revision, whether or not there is one to show. Copies share what they have in
/// common.
pub type Findings = RedBlackTreeMapSync<RevisionId, Arc<Vec<Finding>>>;

/// The findings of one package, by workspace.
pub type OfWorkspace = BTreeMap<Workspace, Arc<Vec<Finding>>>;

impl Scanner<'_> {
    fn value(&self, name: &RefName) -> Option<ObjectId> {
        self.snapshot.get(name).map(|value| value.target)
    }

    /// The tags of a package that are not what they were published as.
    pub(super) fn displaced(&self, package: &PackagePath) -> BTreeSet<RefName> {
        let standing = self.ledger.of_package(package).filter(|entry| entry.intent.is_none());
        let standing = standing.filter_map(|entry| entry.published.as_ref());
        let displaced = standing.filter(|standing| self.value(&standing.tag) != Some(standing.target));
        displaced.map(|standing| standing.tag.clone()).collect()
    }

    /// Whether a tag shows a workspace that was published as another tag.
    pub(super) fn is_impostor(&self, package: &PackagePath, workspace: &Workspace, tag: &RefName) -> bool {
        let entry = self.ledger.get(package, workspace).filter(|entry| entry.intent.is_none());
        entry.and_then(|entry| entry.published.as_ref()).is_some_and(|standing| standing.tag != *tag)
    }

    /// Finds what is not as the ledger says, and shows what is published as it was published.
    pub(super) fn hold(
        &self,
        package: &PackagePath,
        markers: &BTreeSet<Workspace>,
        impostors: Vec<(Workspace, RefName)>,
        revisions: &mut OfPackage,
        facts: &mut FactStore,
    ) -> OfWorkspace {
        let mut findings: BTreeMap<Workspace, Vec<Finding>> = BTreeMap::new();
        let mut explained = BTreeSet::new();
        for entry in self.ledger.of_package(package) {
            let judged = judge(entry, |name| self.value(name), self.ledger.before());
            explained.extend(entry.published.as_ref().map(|standing| &standing.tag));
            if let Some(standing) = entry.published.as_ref().filter(|_| judged.iter().any(is_of_tag)) {
                self.as_published(entry, standing, markers, revisions, facts);
            }
            if !judged.is_empty() {
                findings.insert(entry.workspace.clone(), judged);
            }
        }
        for (workspace, name) in impostors {
            let finding = self.nobody_s(Subject::Tag, &name);
            findings.entry(workspace).or_default().extend(finding);
        }
        for found in revisions.values().filter(|found| !explained.contains(&found.ref_name)) {
            if let Some(finding) = self.unexplained(package, found) {
                findings.entry(found.workspace.clone()).or_default().push(finding);
            }
        }
        findings.retain(|_, list| !list.is_empty());
        let findings: OfWorkspace = findings.into_iter().map(|(workspace, list)| (workspace, Arc::new(list))).collect();
        for (workspace, list) in &findings {
            if let Some(found) = revisions.get_mut(workspace) {
                found.findings = list.clone();
            }
        }
        findings
    }

    /// A ref that no entry speaks of.
    fn unexplained(&self, package: &PackagePath, found: &Found) -> Option<Finding> {
        let entry = self.ledger.get(package, &found.workspace);
        let subject = if found.lifecycle.is_published() {
            let known = entry.is_some_and(|entry| entry.intent.is_some() || entry.approved.is_some());
            (!known && found.ref_name != self.registration.branch).then_some(Subject::Tag)?
        } else if found.ref_name == RefName::draft(package, &found.workspace) {
            entry.is_none().then_some(Subject::Draft)?
        } else {
            entry.is_none().then_some(Subject::Proposal)?
        };
        self.nobody_s(subject, &found.ref_name)
    }

    /// The finding for a ref that the ledger says nothing of, unless it is older than the ledger.
    fn nobody_s(&self, subject: Subject, name: &RefName) -> Option<Finding> {
        let shown = self.value(name).filter(|shown| !is_older(self.ledger.before(), name, *shown))?;
        Some(Finding { subject, name: name.clone(), ledger: None, shown: Some(shown), by: None })
    }

    /// Shows a revision as it was published. Where its objects are gone, it is not shown.
    fn as_published(
        &self,
        entry: &Entry,
        standing: &Published,
        markers: &BTreeSet<Workspace>,
        revisions: &mut OfPackage,
        facts: &mut FactStore,
    ) {
        let last = standing.tag.as_str().rsplit('/').next().unwrap_or_default();
        let number = Some(RevisionNumber::from_segment(last)).filter(|number| number.is_published());
        let (Ok(segment), name) = (Workspace::parse(last), &standing.tag) else { return };
        let origin = if number.is_some() { Origin::Tag } else { Origin::NamedTag };
        let Ok(Some(commit)) = self.reader.peel_to_commit(standing.target) else { return };
        let read = facts.facts(self.reader, self.cache, commit, &entry.package, &segment, origin);
        let Some(facts) = tolerate(name, read) else { return };
        let standard = number.and_then(|number| Workspace::parse(&number.segment()).ok());
        let marked = markers.contains(&segment) || standard.is_some_and(|segment| markers.contains(&segment));
        let number = number.unwrap_or(RevisionNumber::NONE);
        let shown = found(facts, &entry.package, number, published(marked), name.clone(), commit);
        if revisions.get(&entry.workspace).is_some_and(|other| !other.lifecycle.is_published()) {
            revisions.remove(&entry.workspace);
        }
        put(revisions, Found { workspace: entry.workspace.clone(), ..shown });
    }
}

fn is_of_tag(finding: &Finding) -> bool {
    finding.subject == Subject::Tag
}
