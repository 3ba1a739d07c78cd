//! Settles a repository: completes what began, drops what did not, records what happened.
//!
//! Called whenever refs may have moved: after a push's refs moved, when one ended without, after a crash, at every rescan.
//! However often and from wherever it is called, the outcome is the same.
//! Never here: new decisions.

use std::time::Instant;

use super::completed;
use super::decide::{Decision, Scene, decide};
use super::lease::{Lease, LeaseStage, Purpose};
use super::push::reply;
use super::record::{self, Draft, conclude, orchestrator, person};
use super::repository::ManagedRepository;
use super::transition::{self, Also};
use crate::domain::change::Change;
use crate::domain::completion::{Completion, Seen, complete};
use crate::domain::evidence::Limits;
use crate::domain::ledger::{Entry, Intent};
use crate::domain::lifecycle::Action;
use crate::domain::policy::{Actor, Role};
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{APPROVE, REJECT, RefKind, RefName, classify};
use crate::git::{GitError, Reader};
use crate::index::guarded::{View, Writer};
use crate::step::Step;
use crate::telemetry::RescanFinding;

/// What a settlement found.
#[derive(Debug, Default)]
struct Found {
    /// Transitions whose refs have all moved.
    done: Vec<(Entry, Intent)>,
    /// Transitions of which no ref moved, and none will.
    dropped: Vec<Entry>,
    imports: Vec<String>,
}

/// Settles the repository; the view is the one that it leaves.
pub fn settle(repository: &ManagedRepository) -> Result<View, GitError> {
    let writer = repository.guarded.lock();
    settle_locked(repository, &writer)
}

/// Settles the repository for somebody who has his answer already: the log is told where that fails.
pub fn settle_logged(repository: &ManagedRepository) {
    if let Err(error) = settle(repository) {
        unreadable(repository, &error);
    }
}

/// Tells the log that a change could not be seen to its end now. Of a repository that is guarded no more nobody wants it.
pub fn unreadable(repository: &ManagedRepository, error: &GitError) {
    if matches!(error, GitError::Closed { .. }) {
        return;
    }
    let path = repository.guarded.store().path();
    tracing::error!(path = %path.display(), %error, "the repository cannot be read after a change; a rescan will complete it");
}

/// The same as `settle` for a caller who is the writer already.
pub fn settle_locked(repository: &ManagedRepository, writer: &Writer<'_>) -> Result<View, GitError> {
    let (found, view) = move_refs(repository, writer)?;
    let idle = found.done.is_empty() && found.dropped.is_empty() && found.imports.is_empty();
    if idle && repository.guarded.unrecorded().is_empty() {
        return Ok(view);
    }
    write_down(repository, writer, &view, &found);
    repository.guarded.refresh()
}

/// Moves the refs that are still to move, shows the outcome to watchers and pushers, and leaves the deeds to the next
/// settlement: for a push that waits for its reply.
pub fn settle_refs(repository: &ManagedRepository, writer: &Writer<'_>) -> Result<(), GitError> {
    let (found, view) = move_refs(repository, writer)?;
    // What has no intent in the ledger is known only here and now.
    if !found.imports.is_empty() {
        write_down(repository, writer, &view, &found);
    }
    Ok(())
}

fn move_refs(repository: &ManagedRepository, writer: &Writer<'_>) -> Result<(Found, View), GitError> {
    let guarded = &repository.guarded;
    let begun = Instant::now();
    let is_over = repository.leases().over();
    let mut view = guarded.refresh()?;
    repository.metrics.refreshed(begun.elapsed());
    repository.count_found(&view);
    let reader = guarded.store().reader();
    if pushed_verdict_refs(repository, writer, &view)? {
        view = guarded.refresh()?;
    }
    let at_new_value = |lease: &Lease| view.snapshot.get(&lease.name).map(|value| value.target) == lease.new;
    repository.leases().note_moved(at_new_value, &is_over);
    repository.leases().take_lasted().into_iter().for_each(|lasted| repository.metrics.lease_ended(lasted));
    let mut found = Found::default();
    let (mut edits, mut unfinished) = (Vec::new(), Vec::new());
    for entry in view.ledger.with_intent() {
        let Some(intent) = &entry.intent else { continue };
        if repository.leases().wait_for(&entry.package, &is_over) {
            continue;
        }
        match complete(&entry.package, &entry.workspace, intent, &see(&view, &reader, entry, intent)?) {
            Completion::Finish(missing) if missing.is_empty() => found.done.push((entry.clone(), intent.clone())),
            Completion::Finish(missing) => {
                if !repository.leases().completes(&entry.package) {
                    repository.metrics.found(RescanFinding::Unfinished);
                }
                edits.extend(missing);
                unfinished.push((entry.clone(), intent.clone()));
            }
            Completion::NotBegun => found.dropped.push(entry.clone()),
        }
    }
    if !edits.is_empty() {
        if let Err(error) = crate::git::transact(&reader, &edits) {
            tracing::error!(%error, repository = %guarded.key().name, "a transition could not be completed; the next rescan tries again");
            return Ok((found, view));
        }
        Step::Completed.reached(None);
        found.done.append(&mut unfinished);
        view = guarded.refresh()?;
    }
    repository.leave(&view.snapshot);
    if !found.done.is_empty() {
        Step::Announced.reached(None);
    }
    tell(repository, &view, &mut found);
    Ok((found, view))
}

/// Fills in what to tell the pushers whose transitions are complete.
fn tell(repository: &ManagedRepository, view: &View, found: &mut Found) {
    for lease in repository.leases().iter_mut().filter(|lease| lease.stage == LeaseStage::Moved) {
        lease.stage = LeaseStage::Done(match &lease.purpose {
            Purpose::Change(decision, _) => {
                let id = (decision.change.package.clone(), decision.change.workspace.clone());
                let object = view.objects.get(&id).map(AsRef::as_ref);
                reply::done(decision, object, &repository.guarded.key().registration)
            }
            Purpose::Import(name, deed) => {
                found.imports.push(format!("import {name} at {} by {}", deed.commit, deed.by));
                vec![format!("{}: imported", name.shortened())]
            }
            Purpose::Part(_) => Vec::new(),
        });
    }
    repository.tell();
}

/// Writes what happened into the ledger, in one commit.
fn write_down(repository: &ManagedRepository, writer: &Writer<'_>, view: &View, found: &Found) {
    let guarded = &repository.guarded;
    let message = message(found);
    let author = found.done.first().map_or_else(orchestrator, |(_, intent)| person(&intent.deed.by));
    let mut draft = Draft::default();
    for (entry, Intent { action, deed, revision, .. }) in &found.done {
        draft.entry(view, &entry.package, &entry.workspace).record(*action, deed.clone(), *revision);
    }
    for entry in &found.dropped {
        tracing::warn!(
            repository = %guarded.key().name, package = %entry.package, workspace = %entry.workspace,
            "a transition was begun and its refs never moved; it is dropped"
        );
        draft.entry(view, &entry.package, &entry.workspace).intent = None;
    }
    if !found.imports.is_empty() {
        draft.tell();
    }
    if conclude(guarded, writer, view, draft, &message, author) {
        Step::Recorded.reached(None);
        for (entry, Intent { action, deed, revision, .. }) in &found.done {
            completed::tell(repository, (&entry.package, &entry.workspace), *action, *revision, deed);
        }
        found.dropped.iter().for_each(|_| repository.metrics.found(RescanFinding::Abandoned));
    }
}

/// What the ledger's log says of it.
fn message(found: &Found) -> String {
    let deed = |(entry, Intent { action, deed, revision, .. }): &(Entry, Intent)| {
        record::line((&entry.package, &entry.workspace), *action, *revision, deed)
    };
    let lines: Vec<String> = found.done.iter().map(deed).chain(found.imports.iter().cloned()).collect();
    record::summary(&lines).unwrap_or_else(|| match found.dropped.is_empty() {
        true => "Record what was found".to_owned(),
        false => "Drop what did not happen".to_owned(),
    })
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
    let values: Vec<_> = view.snapshot.under(APPROVE).chain(view.snapshot.under(REJECT)).cloned().collect();
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
            repository.metrics.found(RescanFinding::Leftover);
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
            let also = Also { edits: vec![removal.clone()], ..Also::default() };
            transition::carry_out(repository, writer, &view, &[(decision, intent.deed)], also)
        });
        if let Err(refusal) = outcome {
            tracing::warn!(name = %value.name, %refusal, "a decision could not be carried out any more");
            remove(repository, &removal);
            repository.leases().drop_waiting(|lease| lease.name == value.name);
        }
        for lease in repository.leases().iter_mut().filter(|lease| lease.name == value.name) {
            lease.stage = LeaseStage::Moved;
        }
    }
    Ok(any)
}

fn remove(repository: &ManagedRepository, removal: &RefEdit) {
    let reader = repository.guarded.store().reader();
    if let Err(error) = crate::git::transact(&reader, std::slice::from_ref(removal)) {
        tracing::warn!(%error, name = %removal.name, "a leftover ref cannot be removed");
    }
}
