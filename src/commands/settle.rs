//! Settles a repository: completes what began, drops what did not, records what happened.
//!
//! Called whenever refs may have moved: after a push's refs moved, when one ended without, after a crash, at every rescan.
//! However often and from wherever it is called, the outcome is the same.
//! Never here: new decisions.

use super::decide::{Decision, Scene, decide};
use super::lease::{Lease, LeaseStage, Purpose};
use super::push::reply;
use super::record::{Draft, conclude, orchestrator, person};
use super::repository::ManagedRepository;
use super::transition::{self, Decided};
use crate::domain::change::Change;
use crate::domain::completion::{Completion, Seen, complete, needs_intent};
use crate::domain::evidence::Limits;
use crate::domain::ledger::{Deed, Entry, Intent};
use crate::domain::lifecycle::Action;
use crate::domain::policy::{Actor, Role};
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{APPROVE, REJECT, RefKind, RefName, classify};
use crate::git::{GitError, Reader};
use crate::index::guarded::{View, Writer};

/// What a settlement found to do.
#[derive(Debug, Default)]
struct Work {
    edits: Vec<RefEdit>,
    deeds: Vec<(Action, Deed, Entry, Option<crate::domain::refs::RevisionNumber>)>,
    dropped: Vec<Entry>,
    imports: Vec<String>,
}

/// Settles the repository and says whether anything had to be done.
pub fn settle(repository: &ManagedRepository) -> Result<bool, GitError> {
    let writer = repository.guarded.lock();
    settle_locked(repository, &writer)
}

/// The same for a caller who is the writer already.
pub fn settle_locked(repository: &ManagedRepository, writer: &Writer<'_>) -> Result<bool, GitError> {
    let guarded = &repository.guarded;
    let mut view = guarded.refresh()?;
    let reader = guarded.store().reader();
    if pushed_verdict_refs(repository, writer, &view)? {
        view = guarded.refresh()?;
    }
    let mut work = Work::default();
    let moved = moved_leases(repository, &view, &mut work);
    for (decision, deed) in &moved {
        let change = &decision.change;
        let entry = view.ledger.entry(&change.package, &change.workspace);
        let intent = entry.intent.clone().filter(|intent| intent.deed.commit == decision.commit);
        let intent = intent.unwrap_or_else(|| transition::intent(decision, deed, None));
        let seen = see(&view, &reader, &entry, &intent)?;
        if let Completion::Finish(edits) = complete(&change.package, &change.workspace, &intent, &seen) {
            work.edits.extend(edits);
        }
        work.deeds.push((change.action, deed.clone(), entry, decision.number));
    }
    left_intents(repository, &view, &reader, &moved, &mut work)?;
    let busy = !work.edits.is_empty() || !work.deeds.is_empty() || !work.dropped.is_empty() || !work.imports.is_empty();
    if busy || !guarded.unrecorded().is_empty() {
        apply(repository, writer, work);
    }
    finish_leases(repository);
    Ok(busy)
}

fn apply(repository: &ManagedRepository, writer: &Writer<'_>, mut work: Work) {
    let guarded = &repository.guarded;
    let lines: Vec<String> = work
        .deeds
        .iter()
        .map(|(action, deed, entry, number)| {
            let number = number.map(|number| format!(" as v{number}")).unwrap_or_default();
            let (action, commit) = (action.as_str(), deed.commit);
            format!("{action} {} {}{number} at {commit} by {}", entry.package, entry.workspace, deed.by)
        })
        .chain(work.imports)
        .collect();
    let message = match lines.as_slice() {
        [] if work.dropped.is_empty() => "Record what was found".to_owned(),
        [] => "Drop what did not happen".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more\n\n{}", rest.len(), rest.join("\n")),
    };
    if let Err(error) = crate::git::transact(guarded.store(), &work.edits, &message) {
        tracing::error!(%error, repository = %guarded.key().name, "a transition could not be completed; the next rescan tries again");
        // What has an intent waits for that; what needed no more edits is done, and only here it is known by whom.
        work.deeds.retain(|(action, ..)| !needs_intent(*action));
    }
    let Ok(view) = guarded.refresh() else { return };
    let author = work.deeds.first().map_or_else(orchestrator, |(_, deed, _, _)| person(&deed.by));
    let mut draft = Draft::default();
    for (action, deed, entry, number) in work.deeds {
        tracing::info!(
            repository = %guarded.key().name, package = %entry.package, workspace = %entry.workspace,
            action = action.as_str(), by = %deed.by, commit = %deed.commit, "transition complete"
        );
        repository.metrics.transition(action.as_str());
        draft.entry(&view, &entry.package, &entry.workspace).record(action, deed, number);
    }
    for entry in work.dropped {
        tracing::warn!(
            repository = %guarded.key().name, package = %entry.package, workspace = %entry.workspace,
            "a transition was begun and its refs never moved; it is dropped"
        );
        draft.entry(&view, &entry.package, &entry.workspace).intent = None;
    }
    conclude(guarded, writer, draft, &message, author);
}

/// The changes whose pushed refs are seen at their new values.
fn moved_leases(repository: &ManagedRepository, view: &View, work: &mut Work) -> Vec<Decided> {
    let at_new_value = |lease: &Lease| view.snapshot.get(&lease.name).map(|value| value.target) == lease.new;
    let mut moved = Vec::new();
    for purpose in repository.leases().take_moved(at_new_value) {
        match purpose {
            Purpose::Change(decision, deed) => moved.push((*decision, deed)),
            Purpose::Import(name, deed) => {
                work.imports.push(format!("import {name} at {} by {}", deed.commit, deed.by))
            }
            Purpose::Part(_) => {}
        }
    }
    moved
}

/// Fills in what to tell the pushers, now that the view shows the outcome.
fn finish_leases(repository: &ManagedRepository) {
    let Ok(view) = repository.guarded.refresh() else { return };
    for lease in repository.leases().iter_mut() {
        if let (LeaseStage::Done(lines), Purpose::Change(decision, _)) = (&mut lease.stage, &lease.purpose)
            && lines.is_empty()
        {
            let id = (decision.change.package.clone(), decision.change.workspace.clone());
            *lines =
                reply::done(decision, view.objects.get(&id).map(AsRef::as_ref), &repository.guarded.key().registration);
        }
    }
}

/// Intents that no push under way accounts for: of a daemon that died, or of a push that ended.
fn left_intents(
    repository: &ManagedRepository,
    view: &View,
    reader: &Reader,
    moved: &[Decided],
    work: &mut Work,
) -> Result<(), GitError> {
    for entry in view.ledger.with_intent() {
        let Some(intent) = &entry.intent else { continue };
        let handled = |(decision, _): &Decided| {
            decision.change.package == entry.package && decision.change.workspace == entry.workspace
        };
        if moved.iter().any(handled) || repository.leases().holds(&entry.package, None) {
            continue;
        }
        match complete(&entry.package, &entry.workspace, intent, &see(view, reader, entry, intent)?) {
            Completion::Finish(edits) => {
                work.edits.extend(edits);
                work.deeds.push((intent.action, intent.deed.clone(), entry.clone(), intent.revision));
            }
            Completion::NotBegun => work.dropped.push(entry.clone()),
        }
    }
    Ok(())
}

fn see(view: &View, reader: &Reader, entry: &Entry, intent: &Intent) -> Result<Seen, GitError> {
    let (package, workspace) = (&entry.package, &entry.workspace);
    let value = |name: &RefName| view.snapshot.get(name).map(|value| value.target);
    let object = view.objects.get(&(package.clone(), workspace.clone()));
    let tag = match (intent.action, intent.revision) {
        (Action::Approve, Some(number)) => value(&RefName::tag(package, &number.segment())),
        (Action::Delete, _) => object.filter(|object| object.lifecycle.is_published()).map(|object| object.commit),
        _ => None,
    };
    let branch_has_merge = match (intent.merge, view.head) {
        (Some(merge), Some(head)) => reader.commit(merge).is_ok() && reader.is_ancestor(merge, head)?,
        _ => false,
    };
    Ok(Seen {
        draft: value(&RefName::draft(package, workspace)),
        proposed: value(&RefName::proposed(package, workspace)),
        tag,
        marker: leftover_marker(view, entry, intent).and_then(|name| value(&name).map(|value| (name, value))),
        branch_has_merge,
    })
}

fn leftover_marker(view: &View, entry: &Entry, intent: &Intent) -> Option<RefName> {
    let numbers = [intent.revision, entry.highest_revision].into_iter().flatten();
    let segments = numbers.flat_map(|number| [number.segment(), number.to_string()]);
    let mut segments = segments.chain([entry.workspace.to_string()]);
    segments.find_map(|segment| {
        let name = RefName::deletion_proposed(&entry.package, &segment);
        view.snapshot.get(&name).map(|_| name)
    })
}

/// `refs/approve/…` and `refs/reject/…` that arrived as ordinary refs, where another program owns proc-receive. One that
/// a push under way, or the ledger's intent, accounts for is obeyed; every one is removed.
fn pushed_verdict_refs(repository: &ManagedRepository, writer: &Writer<'_>, view: &View) -> Result<bool, GitError> {
    let guarded = &repository.guarded;
    let values: Vec<_> = view.snapshot.under(APPROVE).iter().chain(view.snapshot.under(REJECT)).cloned().collect();
    let any = !values.is_empty();
    for value in values {
        let removal = RefEdit::delete(value.name.clone(), value.target);
        let (action, package, workspace) = match classify(&value.name, &guarded.key().registration) {
            RefKind::Approve(package, workspace) => (Action::Approve, package, workspace),
            RefKind::Reject(package, workspace) => (Action::Reject, package, workspace),
            _ => {
                remove(repository, &removal);
                continue;
            }
        };
        let view = guarded.refresh()?;
        let intent = view.ledger.get(&package, &workspace).and_then(|entry| entry.intent.clone());
        let Some(intent) = intent.filter(|intent| intent.action == action && intent.deed.commit == value.target) else {
            tracing::warn!(name = %value.name, "a leftover ref that no decision stands behind is removed");
            remove(repository, &removal);
            continue;
        };
        let change = Change { package, workspace, action, commit: Some(value.target), via: intent.deed.via };
        // The right was checked when the intent was written.
        let actor = Actor { name: intent.deed.by.clone(), roles: [Role::Admin].into() };
        let reader = guarded.store().reader();
        let scene = Scene { guarded, view: &view, reader: &reader, limits: &Limits::default() };
        let decided = decide(scene, &actor, &change);
        let outcome = decided.and_then(|decision: Decision| {
            transition::carry_out(repository, writer, &view, &[(decision, intent.deed)], vec![removal.clone()])
        });
        if let Err(refusal) = outcome {
            tracing::warn!(name = %value.name, %refusal, "a decision could not be carried out any more");
            remove(repository, &removal);
            repository.leases().drop_waiting(|lease| lease.name == value.name);
        }
        for lease in repository.leases().iter_mut().filter(|lease| lease.name == value.name) {
            lease.stage = LeaseStage::Done(Vec::new());
        }
    }
    Ok(any)
}

fn remove(repository: &ManagedRepository, removal: &RefEdit) {
    if let Err(error) = crate::git::transact(repository.guarded.store(), std::slice::from_ref(removal), "leftover") {
        tracing::warn!(%error, name = %removal.name, "a leftover ref cannot be removed");
    }
}
