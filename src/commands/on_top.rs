//! Finishes what a push did by moving the registered branch: for each package revision that it approves or publishes, Porch's
//! commit on top of the branch, its tag, and the proposal away, all in one transaction.
//!
//! What was pushed is never rewritten. The commit has the tree that it finds there. Its first parent is the branch; the
//! proposal is the second one unless the branch holds it already, so that the tasks that its commits record are found.
//! Never here: whether a push may do so (see `push::trunk`).

use super::decide::failed;
use super::record::{self, Draft, orchestrator, person};
use super::repository::ManagedRepository;
use super::transition::not_moved;
use crate::domain::annotation::approval_message;
use crate::domain::announcement;
use crate::domain::ledger::{Entry, Intent};
use crate::domain::lifecycle::Action;
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{RefName, RevisionNumber};
use crate::domain::refusal::Refusal;
use crate::git::{GitError, NewCommit, Reader, name_conflict, transact};
use crate::index::guarded::{View, Writer};

/// What is to be moved, and the intents with the commits that it moves the refs to.
struct Plan {
    edits: Vec<RefEdit>,
    begun: Vec<(Entry, Intent)>,
}

/// Finishes these transitions, all or none. The intents learn of their commits in the same transaction, before the branch
/// moves: if it ends half way, they say what to finish. Gives the intents as they are then.
pub(super) fn finish(
    repository: &ManagedRepository,
    _writer: &Writer<'_>,
    view: &View,
    begun: Vec<(Entry, Intent)>,
) -> Result<Vec<(Entry, Intent)>, Refusal> {
    let guarded = &repository.guarded;
    let reader = guarded.store().reader();
    let branch = &guarded.key().registration.branch;
    let Some((_, first)) = begun.first() else { return Ok(Vec::new()) };
    let author = person(&first.deed.by);
    let Plan { edits, begun } = plan(view, &reader, branch, begun).map_err(|error| failed(&error))?;
    let mut draft = Draft::default();
    let mut lines = Vec::new();
    for (entry, intent) in &begun {
        draft.entry(view, &entry.package, &entry.workspace).intent = Some(intent.clone());
        lines.push(record::line((&entry.package, &entry.workspace), intent.action, intent.revision, &intent.deed));
    }
    let message = format!("Continue: {}", record::summary(&lines).unwrap_or_default());
    let prepared = record::prepare(&reader, view, draft, &message, author).map_err(|error| failed(&error))?;
    let all: Vec<RefEdit> = prepared.iter().flat_map(|prepared| prepared.edits.iter().cloned()).chain(edits).collect();
    transact(&reader, &all).map_err(not_moved)?;
    if let Some(prepared) = prepared {
        prepared.moved(guarded);
    }
    Ok(begun)
}

/// The ref that stands where a transition's tag is to be made, if one does: somebody made it since the push was judged.
pub(super) fn obstacle(view: &View, entry: &Entry, intent: &Intent) -> Option<RefName> {
    let tag = RefName::tag(&entry.package, &intent.revision?.segment());
    let same = view.snapshot.get(&tag).is_some().then(|| tag.clone());
    same.or_else(|| name_conflict(&view.snapshot, &tag))
}

fn plan(view: &View, reader: &Reader, branch: &RefName, begun: Vec<(Entry, Intent)>) -> Result<Plan, GitError> {
    let mut plan = Plan { edits: Vec::new(), begun: Vec::with_capacity(begun.len()) };
    let (Some(start), mut head) = (view.head, view.head) else { return Ok(plan) };
    for (entry, mut intent) in begun {
        let (Some(below), Some(pushed), Some(number)) = (head, intent.pushed, intent.revision) else { continue };
        let commit = commit(reader, below, pushed, &entry, &intent, number)?;
        (head, intent.merge) = (Some(commit), Some(commit));
        let mut edits = vec![RefEdit::create(RefName::tag(&entry.package, &number.segment()), commit)];
        let proposed = RefName::proposed(&entry.package, &entry.workspace);
        let standing = view.snapshot.get(&proposed).map(|value| value.target);
        if intent.action == Action::Approve {
            edits.extend(standing.map(|standing| RefEdit::delete(proposed, standing)));
        }
        // An attempt before this one may have named another commit, which never came to be.
        intent.moves.clear();
        announcement::name(&mut intent.moves, &edits);
        plan.edits.extend(edits);
        plan.begun.push((entry, intent));
    }
    let branch = RefEdit::update(branch.clone(), start, head.unwrap_or(start));
    // The branch moves once, and is told with the first.
    if let Some((_, first)) = plan.begun.first_mut() {
        announcement::name(&mut first.moves, std::slice::from_ref(&branch));
    }
    plan.edits.insert(0, branch);
    Ok(plan)
}

fn commit(
    reader: &Reader,
    head: ObjectId,
    pushed: ObjectId,
    Entry { package, workspace, .. }: &Entry,
    Intent { action, deed, .. }: &Intent,
    number: RevisionNumber,
) -> Result<ObjectId, GitError> {
    let approved = reader.subtree(reader.commit(pushed)?.tree, package)?;
    // The same tree, unless somebody moved the branch on behind the door.
    let tree = reader.replace_subtree(reader.commit(head)?.tree, package, approved)?;
    let mut parents = vec![head];
    if *action == Action::Approve && !reader.is_ancestor(deed.commit, head)? {
        parents.push(deed.commit);
    }
    reader.write_commit(&NewCommit {
        tree,
        parents: &parents,
        author: person(&deed.by),
        committer: orchestrator(),
        message: &approval_message(package, workspace, number),
    })
}
