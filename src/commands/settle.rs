//! Settles a repository: completes what began, drops what did not, records what happened.
//!
//! Called whenever refs may have moved: after a push's refs moved, when one ended without, after a crash, at every rescan.
//! However often and from wherever it is called, the outcome is the same.
//! Never here: new decisions.

use std::time::Instant;

use super::completed;
use super::decide::Decision;
use super::explain;
use super::findings;
use super::lease::{Lease, LeaseStage, Purpose};
use super::on_top;
use super::push::reply;
use super::push::told::Told;
use super::record::{self, Draft, conclude, orchestrator, person};
use super::repository::ManagedRepository;
use super::seen::Refs;
use super::verdict_refs::{self, is_verdict_ref};
use crate::domain::announcement::{self, Announcement};
use crate::domain::completion::Completion;
use crate::domain::ledger::{Deed, Entry, Intent, Published};
use crate::domain::names::PackagePath;
use crate::domain::refs::{RefKind, RefName, classify};
use crate::git::GitError;
use crate::index::assemble::of_package;
use crate::index::guarded::{Guarded, View, Writer};
use crate::step::Step;
use crate::telemetry::RescanFinding;

/// What a settlement found.
#[derive(Debug, Default)]
struct Found {
    /// Transitions whose refs have all moved.
    done: Vec<(Entry, Intent)>,
    /// Transitions of which no ref moved, and none will.
    dropped: Vec<Entry>,
    /// Refs that an administrator brought in.
    imports: Vec<(RefName, Deed)>,
    /// What the ledger's log is to say besides.
    notes: Vec<String>,
    /// Packages whose revision cannot be published yet although the branch holds it, and what to tell of each.
    stuck: Vec<(PackagePath, String)>,
}

impl Found {
    /// Whether there is something that has no entry of its own in the ledger.
    fn is_told(&self) -> bool {
        !self.imports.is_empty() || !self.notes.is_empty()
    }
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
    let idle = found.done.is_empty() && found.dropped.is_empty() && !found.is_told();
    if idle && repository.guarded.unrecorded().is_empty() {
        findings::tell(repository, &view);
        return Ok(view);
    }
    write_down(repository, writer, &view, &found);
    let view = repository.guarded.refresh()?;
    findings::tell(repository, &view);
    Ok(view)
}

/// Moves the refs that are still to move, shows the outcome to watchers and pushers, and leaves the deeds to the next
/// settlement: for a push that waits for its reply.
pub fn settle_refs(repository: &ManagedRepository, writer: &Writer<'_>) -> Result<(), GitError> {
    let (found, view) = move_refs(repository, writer)?;
    // What has no intent in the ledger is known only here and now.
    if found.is_told() {
        write_down(repository, writer, &view, &found);
    }
    Ok(())
}

fn move_refs(repository: &ManagedRepository, writer: &Writer<'_>) -> Result<(Found, View), GitError> {
    let guarded = &repository.guarded;
    let begun = Instant::now();
    let is_over = repository.leases().over();
    if repository.leases().iter_mut().any(|lease| lease.stage == LeaseStage::Waiting && is_over(lease)) {
        // A push that was killed may have left the locks of its refs.
        guarded.store().clear_abandoned_locks();
    }
    let mut view = guarded.refresh()?;
    repository.metrics.refreshed(begun.elapsed());
    repository.count_found(&view);
    let reader = guarded.store().reader();
    if let Some(finding) = &view.ledger_finding {
        findings::put_ledger_back(repository, &reader, finding);
        view = guarded.refresh()?;
    }
    if verdict_refs::carry_out(repository, writer, &view, &is_over)? {
        view = guarded.refresh()?;
    }
    let at_new_value = |lease: &Lease| {
        // A ref to decide by that is there still waits for others of its push.
        !is_verdict_ref(&lease.name) && view.snapshot.get(&lease.name).map(|value| value.target) == lease.new
    };
    repository.leases().note_moved(at_new_value, &is_over);
    repository.leases().take_lasted().into_iter().for_each(|lasted| repository.metrics.lease_ended(lasted));
    let mut found = Found::default();
    let (mut edits, mut unfinished, mut on_top) = (Vec::new(), Vec::new(), Vec::new());
    // Intents that do not name yet what is moved for them: the ledger says it before it is done.
    let mut unnamed = Draft::default();
    let branch = &guarded.key().registration.branch;
    let waiting = repository.leases().waiting(&is_over);
    let moved = repository.leases().moved();
    for entry in view.ledger.with_intent() {
        let Some(intent) = &entry.intent else { continue };
        if waiting.overlaps(&entry.package) {
            continue;
        }
        let completion = Refs::now(&view).completion(&reader, branch, entry, intent)?;
        let is_left = matches!(&completion, Completion::Finish(missing) if !missing.is_empty());
        if (is_left || completion == Completion::OnTop) && !moved.contains(&entry.package) {
            repository.metrics.found(RescanFinding::Unfinished);
        }
        match completion {
            Completion::Finish(missing) if missing.is_empty() => found.done.push((entry.clone(), intent.clone())),
            Completion::Finish(missing) => {
                let mut intent = intent.clone();
                if announcement::name(&mut intent.moves, &missing) {
                    unnamed.entry(&view, &entry.package, &entry.workspace).intent = Some(intent.clone());
                }
                edits.extend(missing);
                unfinished.push((entry.clone(), intent));
            }
            // One that somebody stands in the way of holds up no other.
            Completion::OnTop => match on_top::obstacle(&view, entry, intent) {
                None => on_top.push((entry.clone(), intent.clone())),
                Some(existing) => {
                    let sentence = explain::stuck(&entry.package, &entry.workspace, branch.shortened(), &existing);
                    tracing::error!(repository = %guarded.key_of(&entry.package).name, "{sentence}");
                    found.stuck.push((entry.package.clone(), sentence));
                }
            },
            Completion::NotBegun => found.dropped.push(entry.clone()),
        }
    }
    if !edits.is_empty() {
        let message = "Begin to move what is left to move";
        let begun = record::prepare(&reader, &view, unnamed, message, orchestrator())?;
        edits.splice(0..0, begun.iter().flat_map(|begun| begun.edits.iter().cloned()));
        if let Err(error) = crate::git::transact(&reader, &edits) {
            tracing::error!(%error, repository = %guarded.key().name, "a transition could not be completed; the next rescan tries again");
            return Ok((found, view));
        }
        if let Some(begun) = begun {
            begun.moved(guarded);
        }
        Step::Completed.reached(None);
        found.done.append(&mut unfinished);
        view = guarded.refresh()?;
    }
    if !on_top.is_empty() {
        match on_top::finish(repository, writer, &view, on_top) {
            Ok(done) => found.done.extend(done),
            Err(refusal) => {
                tracing::error!(%refusal, repository = %guarded.key().name, "what a push to the branch approved could not be published; the next rescan tries again");
                return Ok((found, view));
            }
        }
        Step::Completed.reached(None);
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
        let done = |decision: &Decision, deed: &Deed| {
            let id = (decision.change.package.clone(), decision.change.workspace.clone());
            let (decision, deed) = (Box::new(decision.clone()), deed.clone());
            Told::Done { decision, deed, object: view.objects.get(&id).cloned() }
        };
        lease.stage = LeaseStage::Done(match &lease.purpose {
            Purpose::Change(decision, deed) => vec![done(decision, deed)],
            Purpose::Trunk(trunk) => {
                found.notes.extend(trunk.note(&lease.name));
                let stuck = |decision: &Decision| {
                    let of_package = found.stuck.iter().find(|(package, _)| *package == decision.change.package);
                    of_package.map(|(_, sentence)| Told::Sentence(sentence.clone()))
                };
                let decided = trunk.decided.iter();
                let decided = decided.map(|(decision, deed)| stuck(decision).unwrap_or_else(|| done(decision, deed)));
                let branch = lease.name.shortened();
                let passed = trunk.passed.iter().map(|package| Told::Sentence(reply::passed(package, branch)));
                decided.chain(passed).collect()
            }
            Purpose::Import(name, deed) => {
                found.imports.push((name.clone(), deed.clone()));
                vec![Told::Sentence(format!("{}: imported", name.shortened()))]
            }
            Purpose::Part(_) => Vec::new(),
        });
    }
    repository.tell();
}

/// Writes what happened into the ledger, in one commit.
fn write_down(repository: &ManagedRepository, writer: &Writer<'_>, view: &View, found: &Found) {
    let guarded = &repository.guarded;
    let told: Vec<Announcement> = found.done.iter().map(|(_, intent)| intent.announcement()).collect();
    let message = message(found) + &announcement::paragraph(&told);
    let author = found.done.first().map_or_else(orchestrator, |(_, intent)| person(&intent.deed.by));
    let mut draft = Draft::default();
    for (entry, intent) in &found.done {
        draft.entry(view, &entry.package, &entry.workspace).finish(intent);
    }
    for (name, deed) in &found.imports {
        imported(guarded, view, &mut draft, name, deed);
    }
    for entry in &found.dropped {
        tracing::warn!(
            repository = %guarded.key_of(&entry.package).name, package = %entry.package, workspace = %entry.workspace,
            "a transition was begun and its refs never moved; it is dropped"
        );
        draft.entry(view, &entry.package, &entry.workspace).intent = None;
    }
    if found.is_told() {
        draft.tell();
    }
    if conclude(guarded, writer, view, draft, &message, author) {
        Step::Recorded.reached(None);
        for (entry, Intent { action, deed, revision, .. }) in &found.done {
            completed::tell(repository, (&entry.package, &entry.workspace), *action, *revision, deed);
        }
        found.dropped.iter().for_each(|_| repository.metrics.found(RescanFinding::Abandoned));
        if told.iter().any(|announcement| !announcement.moves.is_empty()) {
            repository.announce_soon();
        }
    }
}

/// Takes a tag that an administrator brought in for one that was published: it stays where it is.
fn imported(guarded: &Guarded, view: &View, draft: &mut Draft, name: &RefName, deed: &Deed) {
    let RefKind::Tag(package, _) = classify(name, &guarded.key().registration) else { return };
    let Some((workspace, _)) = of_package(&view.objects, &package).find(|(_, object)| object.ref_name == *name) else {
        return;
    };
    let standing = view.snapshot.get(name).map(|value| Published { tag: name.clone(), target: value.target });
    let entry = draft.entry(view, &package, workspace);
    (entry.imported, entry.published) = (Some(deed.clone()), standing);
}

/// What the ledger's log says of it.
fn message(found: &Found) -> String {
    let deed = |(entry, Intent { action, deed, revision, .. }): &(Entry, Intent)| {
        record::line((&entry.package, &entry.workspace), *action, *revision, deed)
    };
    let import = |(name, deed): &(RefName, Deed)| format!("import {name} at {} by {}", deed.commit, deed.by);
    let noted = found.imports.iter().map(import).chain(found.notes.iter().cloned());
    let lines: Vec<String> = found.done.iter().map(deed).chain(noted).collect();
    record::summary(&lines).unwrap_or_else(|| match found.dropped.is_empty() {
        true => "Record what was found".to_owned(),
        false => "Drop what did not happen".to_owned(),
    })
}
