//! What a move of the registered branch means that touches packages: approvals of the proposals that it equals, deletions
//! that are proposed, and for the rest what the repository's setting says.
//!
//! Never here: whether those changes may happen (see `decide`), and finding out what is touched (see `branch`).

use std::collections::BTreeSet;

use super::branch::{Ground, forged, peel};
use super::read::{Meaning, Move, PushedRef};
use crate::commands::decide::{Decision, failed, next_number, segment};
use crate::commands::explain::title;
use crate::domain::change::Change;
use crate::domain::ledger::Via;
use crate::domain::lifecycle::{Action, Lifecycle};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::PackageRevision;
use crate::domain::refs::{RefName, TAGS};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::trunk::{Choice, Standing, Trunk, choose, workspace};
use crate::git::GitError;
use crate::index::assemble::of_package;

/// What one touched package means.
enum OfPackage {
    Change(Change),
    Pass,
    /// What nobody may do except by an import.
    Refused(Refusal),
}

/// Reads a move from `old` to `new` that touches these packages.
pub(super) fn meaning(
    old: Option<ObjectId>,
    new: ObjectId,
    touched: BTreeSet<PackagePath>,
    ground: Ground<'_>,
) -> Result<Meaning, Refusal> {
    let new = peel(ground.reader, new).map_err(|error| failed(&error))?;
    let mut found = Move::default();
    for package in touched {
        match of(&package, new, ground)? {
            OfPackage::Change(change) => found.changes.push(change),
            OfPackage::Pass => found.passed.push(package),
            OfPackage::Refused(refusal) => return Ok(Meaning::ImportOnly(refusal)),
        }
    }
    let approved = found.changes.iter().filter(|change| change.action == Action::Approve);
    let approved: Vec<(PackagePath, Workspace)> =
        approved.map(|change| (change.package.clone(), change.workspace.clone())).collect();
    Ok(match forged(old, new, ground.registration.branch_name(), ground.reader, &approved)? {
        Some(refusal) => Meaning::ImportOnly(refusal),
        None => Meaning::Branch(found),
    })
}

fn of(package: &PackagePath, new: ObjectId, ground: Ground<'_>) -> Result<OfPackage, Refusal> {
    let Ground { registration, view, reader, trunk, import } = ground;
    let branch = registration.branch_name();
    let change = |workspace: Workspace, action, commit| {
        OfPackage::Change(Change { package: package.clone(), workspace, action, commit, via: Via::Push })
    };
    let without_approval = || {
        Refusal::new(Code::BranchGuarded, format!("the push to {branch} changes package {package} without an approval"))
    };
    if import {
        return Ok(OfPackage::Refused(without_approval().next(propose(package))));
    }
    let Some(tree) = package_tree(package, new, ground).map_err(|error| failed(&error))? else {
        return Ok(removed(package, ground).unwrap_or_else(|refusal| match trunk {
            Trunk::Allow => OfPackage::Pass,
            Trunk::Refuse | Trunk::Publish => OfPackage::Refused(refusal),
        }));
    };
    let proposals = || {
        let all = of_package(&view.objects, package).map(|(_, object)| object);
        all.filter(|object| object.lifecycle == Lifecycle::Proposed)
    };
    let mut standing = Vec::new();
    for proposal in proposals().filter(|proposal| proposal.tree == tree) {
        let merged = reader.is_ancestor(proposal.commit, new).map_err(|error| failed(&error))?;
        standing.push(Standing { workspace: proposal.workspace.clone(), commit: proposal.commit, merged });
    }
    match (choose(standing), trunk) {
        (Choice::One(Standing { workspace, commit, .. }), _) => Ok(change(workspace, Action::Approve, Some(commit))),
        (Choice::Unclear(workspaces), _) => {
            let names: Vec<&str> = workspaces.iter().map(Workspace::as_str).collect();
            let reason =
                format!("the push to {branch} holds what several proposals of {package} hold: {}", names.join(", "));
            Err(Refusal::new(Code::Mixed, reason)
                .next(format!("say which: git push origin <its commit>:{}", RefName::approve(package, &workspaces[0]))))
        }
        (Choice::Nothing, Trunk::Refuse) => {
            let refusal = without_approval();
            Ok(OfPackage::Refused(match proposals().next() {
                None => refusal.next(propose(package)),
                Some(proposal) => refusal.next(format!(
                    "{} is proposed at {}, with other content: merge exactly that, or propose this",
                    title(package, &proposal.workspace),
                    proposal.commit.short()
                )),
            }))
        }
        (Choice::Nothing, Trunk::Publish) => {
            let number = next_number(view, package)?;
            let placeholder = registration.placeholder_workspace();
            let taken = |name: &Workspace| {
                placeholder.as_ref() == Some(name)
                    || view.objects.contains_key(&(package.clone(), name.clone()))
                    || view.snapshot.get(&RefName::draft(package, name)).is_some()
                    || view.snapshot.get(&RefName::proposed(package, name)).is_some()
            };
            let workspace = workspace(number, taken).ok_or_else(|| {
                Refusal::new(Code::RefConflict, format!("every workspace name for {package} v{number} is taken"))
                    .next("delete drafts that are not needed any more")
            })?;
            Ok(change(workspace, Action::Publish, Some(new)))
        }
        (Choice::Nothing, Trunk::Allow) => Ok(OfPackage::Pass),
    }
}

/// The tags of what is published come after git has moved the branch, when there is no way back: no other ref of the push may
/// stand in their way.
pub(super) fn tags_are_free(decisions: &[Decision], pushed: &[PushedRef]) -> Result<(), Refusal> {
    let made = || pushed.iter().filter(|update| update.new.is_some() && update.name.as_str().starts_with(TAGS));
    for decision in decisions.iter().filter(|decision| decision.change.action != Action::Delete) {
        let Some(number) = decision.number else { continue };
        let tag = RefName::tag(&decision.change.package, &number.segment());
        if let Some(other) =
            made().find(|update| is_at_or_below(&update.name, &tag) || is_at_or_below(&tag, &update.name))
        {
            let title = title(&decision.change.package, &decision.change.workspace);
            let reason = format!(
                "{title} gets the tag {}, which this push's {} does not leave room for",
                tag.shortened(),
                other.name.shortened()
            );
            return Err(Refusal::new(Code::RefConflict, reason).next(format!("leave {} out of the push", other.name)));
        }
    }
    Ok(())
}

fn is_at_or_below(name: &RefName, other: &RefName) -> bool {
    name.as_str().strip_prefix(other.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn propose(package: &PackagePath) -> String {
    format!("propose it instead: git push origin HEAD:refs/heads/proposed/{package}/<workspace>")
}

/// The package's tree after the move; `None` where no package is left or made.
fn package_tree(package: &PackagePath, new: ObjectId, ground: Ground<'_>) -> Result<Option<ObjectId>, GitError> {
    let tree = ground.reader.subtree(ground.reader.commit(new)?.tree, package)?;
    Ok(match tree {
        Some(tree) if ground.reader.is_package(tree)? => Some(tree),
        _ => None,
    })
}

/// A move after which the branch holds no package at this path: the deletion of what it held, where that is proposed. The
/// refusal is for any other.
fn removed(package: &PackagePath, ground: Ground<'_>) -> Result<OfPackage, Refusal> {
    let branch = ground.registration.branch_name();
    let held = of_package(&ground.view.objects, package).map(|(_, object)| object);
    let held: Option<&PackageRevision> = held.map(AsRef::as_ref).find(|object| object.is_placeholder());
    match held {
        Some(object) if object.lifecycle == Lifecycle::DeletionProposed => Ok(OfPackage::Change(Change {
            package: package.clone(),
            workspace: object.workspace.clone(),
            action: Action::Delete,
            commit: None,
            via: Via::Push,
        })),
        Some(object) => {
            let marker = RefName::deletion_proposed(package, &segment(object));
            let reason = format!("the push to {branch} removes package {package}, whose deletion is not proposed");
            Err(Refusal::new(Code::BranchGuarded, reason)
                .next(format!("propose it first: git push origin {}:{marker}", object.commit)))
        }
        None => {
            let reason = format!("the push to {branch} changes package {package} without an approval");
            Err(Refusal::new(Code::BranchGuarded, reason).next(propose(package)))
        }
    }
}
