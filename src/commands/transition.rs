//! Carries out decisions that no push carries out by itself: writes what they need, then moves all refs at once.
//!
//! Each prefix of what is done here is completed or undone by `settle`, which also writes the deeds.
//! Never here: deciding, and pushes that git itself carries out.

use std::collections::BTreeMap;

use super::decide::{Decision, failed};
use super::keep::keep;
use super::record::{self, Draft, orchestrator, person};
use super::repository::ManagedRepository;
use crate::domain::annotation::{approval_message, deletion_message};
use crate::domain::announcement::{self, Announcement, RefMove};
use crate::domain::completion::approval_edits;
use crate::domain::ledger::{Deed, Intent};
use crate::domain::lifecycle::Action;
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{RefName, RevisionNumber};
use crate::domain::refusal::{Code, Refusal};
use crate::git::{GitError, NewCommit, Reader, TransactError};
use crate::index::guarded::{View, Writer};
use crate::step::Step;

/// A decision, and who made it when.
pub type Decided = (Decision, Deed);

/// What a set of decisions moves.
#[derive(Debug, Default)]
pub struct Plan {
    /// The edits, in the order in which each prefix can be completed.
    pub edits: Vec<RefEdit>,
    /// The commit that the registered branch is at after the edits so far.
    head: Option<ObjectId>,
    /// The merge commit of each approval, in the order of the decisions.
    merges: Vec<Option<ObjectId>>,
    /// What each decision moves, in their order, to be announced.
    moves: Vec<Vec<RefMove>>,
}

/// Plans decisions: writes the commits they need, moves nothing.
pub fn plan(
    repository: &ManagedRepository,
    view: &View,
    reader: &Reader,
    decided: &[Decided],
) -> Result<Plan, GitError> {
    let mut plan = Plan { head: view.head, ..Plan::default() };
    let start = plan.head;
    let branch = &repository.guarded.key().registration.branch;
    let mut moves_branch = None;
    for (index, (decision, deed)) in decided.iter().enumerate() {
        let (before, head) = (plan.edits.len(), plan.head);
        let merge = plan.add(repository, view, reader, decision, deed)?;
        if plan.head != head {
            moves_branch = moves_branch.or(Some(index));
        }
        let own = plan.edits[before..].iter().filter(|edit| edit.name != *branch);
        plan.moves.push(own.filter_map(RefMove::of).collect());
        plan.merges.push(merge);
    }
    if let (Some(start), Some(end), Some(first)) = (start, plan.head, moves_branch) {
        // Several approvals in one plan move the branch once.
        let edit = RefEdit::update(branch.clone(), start, end);
        plan.moves[first].splice(0..0, RefMove::of(&edit));
        plan.edits.retain(|edit| edit.name != *branch);
        plan.edits.insert(0, edit);
    }
    Ok(plan)
}

impl Plan {
    fn add(
        &mut self,
        repository: &ManagedRepository,
        view: &View,
        reader: &Reader,
        decision: &Decision,
        deed: &Deed,
    ) -> Result<Option<ObjectId>, GitError> {
        if decision.ruling.tally.is_some() {
            // One approval of several moves nothing but the ledger.
            return Ok(None);
        }
        let (package, workspace) = (&decision.change.package, &decision.change.workspace);
        let branch = &repository.guarded.key().registration.branch;
        let value = |name: &RefName| view.snapshot.get(name).map(|value| value.target);
        let delete = |name: RefName| value(&name).map(|old| RefEdit::delete(name, old));
        let (draft, proposed) = (RefName::draft(package, workspace), RefName::proposed(package, workspace));
        match decision.change.action {
            Action::Save => {
                let (old, new) = (value(&draft), decision.commit);
                self.edits.push(match old {
                    Some(old) => RefEdit::update(draft, old, new),
                    None => RefEdit::create(draft, new),
                });
            }
            Action::Propose => {
                self.edits.push(RefEdit::create(proposed, decision.commit));
                self.edits.extend(delete(draft));
            }
            Action::Reject => {
                self.edits.push(RefEdit::create(draft, decision.commit));
                self.edits.extend(delete(proposed));
            }
            Action::DropDraft => self.edits.extend(delete(draft)),
            Action::DropProposal => self.edits.extend(delete(proposed)),
            Action::Approve => {
                let (Some(head), Some(tree), Some(number)) = (self.head, decision.tree, decision.number) else {
                    return Ok(None);
                };
                let merge = merge(reader, head, tree, decision, number, deed)?;
                self.edits.extend(approval_edits(package, workspace, number, decision.commit, branch, (head, merge)));
                self.head = Some(merge);
                return Ok(Some(merge));
            }
            // Only a push to the branch publishes, and `on_top` does the rest of it.
            Action::Publish => {}
            Action::ProposeDeletion => {
                let segment = decision.segment.as_deref().unwrap_or_default();
                self.edits.push(RefEdit::create(RefName::deletion_proposed(package, segment), decision.commit));
            }
            Action::RefuseDeletion => self.edits.extend(marker(view, decision).and_then(delete)),
            Action::Delete => {
                if decision.ref_name.as_ref() == Some(branch) {
                    self.head = self.head.map(|head| remove(reader, head, decision, deed)).transpose()?;
                } else {
                    self.edits.extend(decision.ref_name.clone().and_then(delete));
                }
                self.edits.extend(marker(view, decision).and_then(delete));
            }
        }
        Ok(None)
    }
}

/// The deletion marker of a published revision that exists: by the tag's last segment, or by `v<N>` as Porch writes it.
pub fn marker(view: &View, decision: &Decision) -> Option<RefName> {
    let package = &decision.change.package;
    let number = view.objects.get(&(package.clone(), decision.change.workspace.clone())).map(|object| object.revision);
    let standard = number.filter(|number| number.is_published()).map(RevisionNumber::segment);
    let mut candidates = decision.segment.iter().cloned().chain(standard);
    candidates.find_map(|segment| {
        let name = RefName::deletion_proposed(package, &segment);
        view.snapshot.get(&name).map(|_| name)
    })
}

/// Porch's merge commit: parents branch head and proposal, the branch's tree with the package's directory replaced.
fn merge(
    reader: &Reader,
    head: ObjectId,
    tree: ObjectId,
    decision: &Decision,
    number: RevisionNumber,
    deed: &Deed,
) -> Result<ObjectId, GitError> {
    let (package, workspace) = (&decision.change.package, &decision.change.workspace);
    let tree = reader.replace_subtree(reader.commit(head)?.tree, package, Some(tree))?;
    reader.write_commit(&NewCommit {
        tree,
        parents: &[head, decision.commit],
        author: person(&deed.by),
        committer: orchestrator(),
        message: &approval_message(package, workspace, number),
    })
}

/// The commit that removes a package from the branch.
fn remove(reader: &Reader, head: ObjectId, decision: &Decision, deed: &Deed) -> Result<ObjectId, GitError> {
    let package = &decision.change.package;
    let tree = reader.replace_subtree(reader.commit(head)?.tree, package, None)?;
    reader.write_commit(&NewCommit {
        tree,
        parents: &[head],
        author: person(&deed.by),
        committer: orchestrator(),
        message: &deletion_message(package),
    })
}

/// What goes with decisions in their transaction.
#[derive(Debug, Default)]
pub struct Also {
    /// Edits, such as the removal of a leftover ref.
    pub edits: Vec<RefEdit>,
    /// What else the ledger is to keep.
    pub ledger: Draft,
    /// What the Git server said of the user.
    pub variables: BTreeMap<String, String>,
}

/// Carries out decisions, all or none, with what goes with them. The intents move into the ledger first, in the same
/// transaction: if it ends half way, they say what to finish. That they became deeds is written down by the next `settle`.
/// Gives the view after it, unless the repository cannot be read just then.
pub fn carry_out(
    repository: &ManagedRepository,
    _writer: &Writer<'_>,
    view: &View,
    decided: &[Decided],
    also: Also,
) -> Result<Option<View>, Refusal> {
    let guarded = &repository.guarded;
    let reader = guarded.store().reader();
    Step::Decided.reached(None);
    let plan = plan(repository, view, &reader, decided).map_err(|error| failed(&error))?;
    let Some((_, first)) = decided.first() else { return Ok(Some(view.clone())) };
    let (mut intents, mut with) = (also.ledger, also.edits.as_slice());
    let mut kept = Vec::new();
    for (((decision, deed), merge), moves) in decided.iter().zip(&plan.merges).zip(plan.moves) {
        let entry = intents.entry(view, &decision.change.package, &decision.change.workspace);
        // What goes with the decisions is told with the first of them.
        let with = std::mem::take(&mut with);
        if let Some(tally) = &decision.ruling.tally {
            entry.keep_approval(deed.clone(), tally.needed);
            let moves = with.iter().filter_map(RefMove::of).collect();
            kept.push(Announcement { by: deed.by.clone(), variables: also.variables.clone(), moves });
            continue;
        }
        let mut intent = Intent { moves, variables: also.variables.clone(), ..intent(decision, deed, *merge) };
        announcement::name(&mut intent.moves, with);
        entry.intent = Some(intent);
    }
    if let Some(edit) = keep(&reader, view, decided).map_err(|error| failed(&error))? {
        intents.move_with_it(edit);
    }
    let begins = decided.iter().any(|(decision, _)| decision.ruling.tally.is_none());
    kept.retain(|kept| !kept.moves.is_empty());
    let told = announcement::paragraph(&kept);
    let message = format!("{}{}{told}", if begins { "Begin: " } else { "" }, message(decided));
    let begun = record::prepare(&reader, view, intents, &message, person(&first.by)).map_err(|error| failed(&error))?;
    let edits: Vec<RefEdit> =
        begun.iter().flat_map(|begun| begun.edits.iter().cloned()).chain(plan.edits).chain(also.edits).collect();
    crate::git::transact(&reader, &edits).map_err(not_moved)?;
    if let Some(begun) = begun {
        begun.moved(guarded);
    }
    if !kept.is_empty() {
        repository.announce_soon();
    }
    // The watchers hear of it now. A failure to read is no failure of what was done.
    match guarded.refresh() {
        Ok(view) => {
            repository.leave(&view.snapshot);
            Step::Announced.reached(None);
            Ok(Some(view))
        }
        Err(error) => {
            let repository = &guarded.key().name;
            tracing::error!(%repository, %error, "the repository cannot be read after a transition; a rescan will show it");
            Ok(None)
        }
    }
}

/// The ledger's intent for a decision.
pub fn intent(decision: &Decision, deed: &Deed, merge: Option<ObjectId>) -> Intent {
    let of_tag = decision.segment.as_deref().map(RevisionNumber::from_segment).filter(|number| number.is_published());
    Intent {
        action: decision.change.action,
        deed: deed.clone(),
        revision: decision.number.or(of_tag),
        merge,
        moves: Vec::new(),
        variables: BTreeMap::new(),
        pushed: None,
    }
}

/// What the ledger's log says of decisions; empty when there are none.
pub fn message(decided: &[Decided]) -> String {
    let line = |(decision, deed): &Decided| {
        let change = &decision.change;
        let names = (&change.package, &change.workspace);
        match &decision.ruling.tally {
            Some(tally) => record::approval_line(names, tally, deed),
            None => record::line(names, change.action, decision.number, deed),
        }
    };
    record::summary(&decided.iter().map(line).collect::<Vec<_>>()).unwrap_or_default()
}

/// The refusal for refs that could not be moved; nothing was changed.
pub fn not_moved(error: TransactError) -> Refusal {
    match error {
        TransactError::Moved { name, .. } => {
            Refusal::new(Code::Stale, format!("{} changed at the same moment", name.shortened()))
                .next("look at what is there now and try again")
        }
        TransactError::NameConflict { name, .. } => {
            Refusal::new(Code::RefConflict, format!("the ref {name} cannot be made beside another one"))
        }
        TransactError::Locked { what, .. } => {
            Refusal::new(Code::Busy, format!("{what} is being changed by another process"))
                .next("try again in a moment")
        }
        TransactError::Git(error) => failed(&error),
    }
}
