//! How a transition over several refs is finished: from what the refs show, the edits that are still missing.
//!
//! The same function serves the first attempt's end, a push whose client went away, and the rescan after a crash: each
//! prefix of a transition leads forward from here, or has not begun and leaves the state before it.
//! Never here: reading or moving refs, and who decided it.

use super::ledger::Intent;
use super::lifecycle::Action;
use super::names::{PackagePath, Workspace};
use super::oid::ObjectId;
use super::ref_plan::RefEdit;
use super::refs::{RefName, RevisionNumber};

/// What the refs of a package's workspace show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The draft ref.
    pub draft: Option<ObjectId>,
    /// The proposal ref.
    pub proposed: Option<ObjectId>,
    /// The tag that the intent is about: `v<N>` of an approval, the revision's own for a deletion.
    pub tag: Option<ObjectId>,
    /// The deletion marker, with its ref.
    pub marker: Option<(RefName, ObjectId)>,
    /// Whether the registered branch holds the commit that an approval wrote.
    pub branch_has_merge: bool,
    /// Whether the registered branch holds the commit that a push moves it to.
    pub branch_has_push: bool,
}

/// What is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// The transition began: these edits finish it; none are left when the list is empty.
    Finish(Vec<RefEdit>),
    /// A push moved the registered branch to what is approved or published; the commit that says so is still to be put on
    /// top of it, and what goes with that commit is still to be moved.
    OnTop,
    /// None of its refs moved: the state is the one before.
    NotBegun,
}

/// Says what is left of an intent.
pub fn complete(package: &PackagePath, workspace: &Workspace, intent: &Intent, seen: &Seen) -> Completion {
    let draft = || RefName::draft(package, workspace);
    let proposed = || RefName::proposed(package, workspace);
    let delete = |name: RefName, value: Option<ObjectId>| value.map(|value| RefEdit::delete(name, value));
    let commit = intent.deed.commit;
    let finish = |edits: Vec<Option<RefEdit>>| Completion::Finish(edits.into_iter().flatten().collect());
    let marker = || seen.marker.clone().map(|(name, value)| RefEdit::delete(name, value));
    match intent.action {
        Action::Save if seen.draft == Some(commit) => finish(vec![]),
        Action::DropDraft if seen.draft.is_none() => finish(vec![]),
        Action::Propose if seen.proposed == Some(commit) => finish(vec![delete(draft(), seen.draft)]),
        Action::Reject if seen.draft == Some(commit) => finish(vec![delete(proposed(), seen.proposed)]),
        Action::DropProposal if seen.proposed.is_none() => finish(vec![]),
        Action::Approve | Action::Publish => match (intent.merge, intent.revision) {
            (Some(merge), _) if seen.tag == Some(merge) => finish(vec![delete(proposed(), seen.proposed)]),
            (Some(merge), Some(number)) if seen.branch_has_merge && seen.tag.is_none() => {
                let tag = RefEdit::create(RefName::tag(package, &number.segment()), merge);
                finish(vec![Some(tag), delete(proposed(), seen.proposed)])
            }
            // Also while another's tag stands in the way: the branch is moved, and that is not undone.
            (_, Some(_)) if intent.pushed.is_some() && seen.branch_has_push => Completion::OnTop,
            _ => Completion::NotBegun,
        },
        Action::ProposeDeletion if seen.marker.is_some() => finish(vec![]),
        Action::RefuseDeletion if seen.marker.is_none() => finish(vec![]),
        Action::Delete if seen.tag.is_none() => finish(vec![marker()]),
        _ => Completion::NotBegun,
    }
}

/// Everything an approval moves, in the order in which each prefix can be completed.
pub fn approval_edits(
    package: &PackagePath,
    workspace: &Workspace,
    number: RevisionNumber,
    proposal: ObjectId,
    branch: &RefName,
    (head, merge): (ObjectId, ObjectId),
) -> Vec<RefEdit> {
    vec![
        RefEdit::update(branch.clone(), head, merge),
        RefEdit::create(RefName::tag(package, &number.segment()), merge),
        RefEdit::delete(RefName::proposed(package, workspace), proposal),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::{Deed, Via};
    use crate::domain::names::UserName;
    use crate::domain::timestamp::Micros;

    fn oid(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().expect("valid")
    }

    fn intent(action: Action) -> Intent {
        let by = UserName::parse("ann").expect("valid");
        let deed = Deed::new(by, Micros(1), oid('c'), Via::Push);
        let approve = action == Action::Approve;
        let (revision, merge) = (approve.then_some(RevisionNumber(2)), approve.then(|| oid('e')));
        Intent { action, deed, revision, merge, moves: Vec::new(), variables: Default::default(), pushed: None }
    }

    /// A push moves the branch first; then comes the commit on top with everything that goes with it. The intent learns of
    /// that commit in the same transaction, before the branch, and each prefix of it may be all that was done.
    #[test]
    fn every_prefix_of_an_approval_by_moving_the_branch_is_completed_to_its_end() {
        let package = PackagePath::parse("a").expect("valid");
        let workspace = Workspace::parse("w").expect("valid");
        type Step = fn(&mut Seen, &mut Intent);
        let steps: [Step; 5] = [
            |seen, _| seen.branch_has_push = true,
            |_, intent| intent.merge = Some(oid('e')),
            |seen, _| seen.branch_has_merge = true,
            |seen, _| seen.tag = Some(oid('e')),
            |seen, _| seen.proposed = None,
        ];
        for (action, proposed) in [(Action::Approve, Some(oid('c'))), (Action::Publish, None)] {
            for done in 0..=steps.len() {
                let mut intent = intent(action);
                (intent.revision, intent.merge, intent.pushed) = (Some(RevisionNumber(2)), None, Some(oid('f')));
                let mut seen = Seen { proposed, ..Seen::default() };
                steps[..done].iter().for_each(|step| step(&mut seen, &mut intent));
                let left = usize::from(seen.tag.is_none()) + usize::from(seen.proposed.is_some());
                match complete(&package, &workspace, &intent, &seen) {
                    Completion::NotBegun => assert_eq!(done, 0, "{action:?} after {done} steps"),
                    Completion::OnTop => assert!(done == 1 || done == 2, "{action:?} after {done} steps"),
                    Completion::Finish(edits) => {
                        assert!(done > 2 && edits.len() == left, "{action:?} after {done} steps")
                    }
                }
            }
        }
    }

    #[test]
    fn a_tag_made_by_somebody_else_does_not_undo_a_moved_branch() {
        let (package, workspace) = (PackagePath::parse("a").expect("valid"), Workspace::parse("w").expect("valid"));
        let mut intent = intent(Action::Approve);
        (intent.merge, intent.pushed) = (None, Some(oid('f')));
        let seen = Seen { tag: Some(oid('9')), branch_has_push: true, ..Seen::default() };
        assert_eq!(complete(&package, &workspace, &intent, &seen), Completion::OnTop);
        let seen = Seen { branch_has_push: false, ..seen };
        assert_eq!(complete(&package, &workspace, &intent, &seen), Completion::NotBegun);
    }

    /// Every prefix of an action's edits, applied to the state before it, must lead to the state after it or count as
    /// not begun when it is empty.
    #[test]
    fn every_prefix_of_a_transition_is_completed_to_its_end() {
        let package = PackagePath::parse("a").expect("valid");
        let workspace = Workspace::parse("w").expect("valid");
        let marker = (RefName::deletion_proposed(&package, "v2"), oid('d'));
        type Step = fn(&mut Seen);
        let made: Step = |seen| {
            let package = PackagePath::parse("a").expect("valid");
            seen.marker = Some((RefName::deletion_proposed(&package, "v2"), oid('d')));
        };
        let cases: Vec<(Action, Seen, Vec<Step>)> = vec![
            (Action::Save, Seen { draft: Some(oid('b')), ..Seen::default() }, vec![|seen| seen.draft = Some(oid('c'))]),
            (Action::DropDraft, Seen { draft: Some(oid('c')), ..Seen::default() }, vec![|seen| seen.draft = None]),
            (
                Action::DropProposal,
                Seen { proposed: Some(oid('c')), ..Seen::default() },
                vec![|seen| seen.proposed = None],
            ),
            (Action::ProposeDeletion, Seen { tag: Some(oid('d')), ..Seen::default() }, vec![made]),
            (
                Action::RefuseDeletion,
                Seen { tag: Some(oid('d')), marker: Some(marker.clone()), ..Seen::default() },
                vec![|seen| seen.marker = None],
            ),
            (
                Action::Propose,
                Seen { draft: Some(oid('b')), ..Seen::default() },
                vec![|seen| seen.proposed = Some(oid('c')), |seen| seen.draft = None],
            ),
            (
                Action::Reject,
                Seen { proposed: Some(oid('c')), ..Seen::default() },
                vec![|seen| seen.draft = Some(oid('c')), |seen| seen.proposed = None],
            ),
            (
                Action::Approve,
                Seen { proposed: Some(oid('c')), ..Seen::default() },
                vec![|seen| seen.branch_has_merge = true, |seen| seen.tag = Some(oid('e')), |seen| {
                    seen.proposed = None
                }],
            ),
            (
                Action::Delete,
                Seen { tag: Some(oid('d')), marker: Some(marker.clone()), ..Seen::default() },
                vec![|seen| seen.tag = None, |seen| seen.marker = None],
            ),
        ];
        for (action, before, steps) in cases {
            for done in 0..=steps.len() {
                let mut seen = before.clone();
                steps[..done].iter().for_each(|step| step(&mut seen));
                match complete(&package, &workspace, &intent(action), &seen) {
                    Completion::NotBegun => assert_eq!(done, 0, "{action:?} after {done} steps"),
                    Completion::OnTop => panic!("{action:?} moves no branch by a push"),
                    Completion::Finish(edits) => {
                        assert!(done > 0, "{action:?} has not begun");
                        assert_eq!(edits.len(), steps.len() - done, "{action:?} after {done} steps");
                    }
                }
            }
        }
    }
}
