//! Published tags: each must be what was approved, and nothing may be published that nobody approved.
//!
//! Never here: the ledger's chain.

use std::collections::BTreeSet;

use super::Report;
use crate::domain::annotation;
use crate::domain::ledger::Before;
use crate::domain::ledger_history::{History, Publication};
use crate::domain::names::{Directory, PackagePath};
use crate::domain::oid::ObjectId;
use crate::domain::refs::{RefKind, RefName, Registration, RevisionNumber, TAGS, classify};
use crate::git::{GitError, LedgerStore, Reader};

/// Holds the tags against the ledger.
pub(super) fn check(
    reader: &Reader,
    ledger: ObjectId,
    history: &History,
    imports: &BTreeSet<(RefName, String)>,
    report: &mut Report,
) -> Result<(), GitError> {
    let refs = reader.refs()?;
    for (package, number, publication) in history.published() {
        let name = RefName::tag(package, &number.segment());
        let target = refs.get(&name).map(|value| value.target);
        let about = format!("tag {}", name.shortened());
        match (target, publication.deleted) {
            (Some(target), false) => {
                report.published += 1;
                if let Err(why) = is_what_was_approved(reader, target, (package, number), publication)? {
                    report.find("tag-not-approved", about, why);
                }
            }
            (None, false) if !publication.under_way => {
                let deed = &publication.deed;
                let message =
                    format!("it is gone; {} approved it at {}, and nobody deleted it", deed.by, deed.commit.short());
                report.find("tag-missing", about, message);
            }
            (Some(_), true) => {
                report.find("tag-deleted", about, "it is there although the revision was deleted".to_owned())
            }
            _ => {}
        }
    }
    let before = LedgerStore::before(reader, ledger)?.and_then(|bytes| Before::parse(&bytes)).unwrap_or_default();
    let registration =
        Registration { branch: reader.head_branch()?.unwrap_or_else(RefName::ledger), directory: Directory::default() };
    for value in refs.under(TAGS) {
        let RefKind::Tag(package, last) = classify(&value.name, &registration) else { continue };
        let number = RevisionNumber::from_segment(last.as_str());
        let covered = history.publication(&package, number).is_some() && last.as_str() == number.segment();
        if covered || !shows_package(reader, value.target, &package)? {
            continue;
        }
        report.published += 1;
        let name = value.name.shortened();
        if let Some((_, by)) = imports.iter().find(|(imported, _)| *imported == value.name) {
            report.notes.push(format!("tag {name} was imported by {by}"));
        } else if before.contains(&value.name, value.target) {
            report.notes.push(format!("tag {name} is older than the ledger"));
        } else {
            report.find("tag-unexplained", format!("tag {name}"), "nobody approved or imported it".to_owned());
        }
    }
    Ok(())
}

/// Whether a tag is the revision that was approved: the package's tree, the number, the workspace, and the commit itself where
/// the ledger knows it.
fn is_what_was_approved(
    reader: &Reader,
    target: ObjectId,
    (package, number): (&PackagePath, RevisionNumber),
    publication: &Publication,
) -> Result<Result<(), String>, GitError> {
    let approved = publication.deed.commit;
    let Some(commit) = commit_of(reader, target)? else {
        return Ok(Err(format!("it is at {}, which is no commit", target.short())));
    };
    let Some(proposal) = commit_of(reader, approved)? else {
        return Ok(Err(format!("the approved commit {} is not in the repository", approved.short())));
    };
    let tree = |commit: ObjectId| reader.subtree(reader.commit(commit)?.tree, package);
    let (published, wanted) = (tree(commit)?, tree(proposal)?);
    if published.is_none() || published != wanted {
        let by = &publication.deed.by;
        return Ok(Err(format!("its package is not the one that {by} approved at {}", approved.short())));
    }
    if let Some(merge) = publication.merge.filter(|merge| *merge != commit) {
        return Ok(Err(format!("it is at {}, and the approval made {}", commit.short(), merge.short())));
    }
    let names = |line: &annotation::Annotation| {
        line.names(package, &publication.workspace) && line.revision.trim_start_matches('v') == number.to_string()
    };
    match annotation::read(&reader.commit(commit)?.message).iter().any(names) {
        true => Ok(Ok(())),
        false => Ok(Err(format!(
            "its commit does not say that it is {} of workspace {}",
            number.segment(),
            publication.workspace
        ))),
    }
}

fn commit_of(reader: &Reader, id: ObjectId) -> Result<Option<ObjectId>, GitError> {
    match reader.exists(id)? {
        true => reader.peel_to_commit(id),
        false => Ok(None),
    }
}

fn shows_package(reader: &Reader, target: ObjectId, package: &PackagePath) -> Result<bool, GitError> {
    let Some(commit) = commit_of(reader, target)? else { return Ok(false) };
    match reader.subtree(reader.commit(commit)?.tree, package)? {
        Some(tree) => reader.is_package(tree),
        None => Ok(false),
    }
}
