//! Moving refs: the only place that does. Every edit states the value it expects; either all are made or none is.
//!
//! git itself moves them (`ref_session`): it checks directory/file conflicts against packed refs, holds its locks for edits
//! that only verify, and syncs. Hooks are off, so Stoop never asks itself.
//! Never here: deciding what may move, and writing objects.

use super::abandoned_locks;
use super::error::GitError;
use super::reader::Reader;
use super::ref_session::RefSession;
use super::refs::RefSnapshot;
use super::store::Store;
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::{Expected, RefEdit};
use crate::domain::refs::RefName;
use crate::step::Step;

/// Why refs were not moved. Unless it is [`TransactError::Git`], nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TransactError {
    /// A ref did not have the value that was expected: somebody else was first.
    #[error("ref {name} was changed meanwhile: {detail}; read it again and retry")]
    Moved {
        /// The ref.
        name: RefName,
        /// What it was found to be.
        detail: String,
    },
    /// A ref cannot be made, because another one is named like a directory of it, or the other way round.
    #[error("ref {name} cannot be made: {detail}")]
    NameConflict {
        /// The ref that was to be made.
        name: RefName,
        /// The ref in its way, where git names it.
        with: Option<RefName>,
        /// What git said.
        detail: String,
    },
    /// A lock file is in the way: another process is writing, or died while it did.
    #[error("{what} is locked: {detail}; if no git process is running, remove the lock file")]
    Locked {
        /// The ref that was being edited, where git names it.
        name: Option<RefName>,
        /// What is locked, for people: the ref, or `packed-refs`.
        what: String,
        /// What git said.
        detail: String,
    },
    /// Git failed otherwise.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Makes all edits as one transaction, or none of them. What the reader wrote is on disk before the first ref leads to it.
pub fn transact(reader: &Reader, edits: &[RefEdit]) -> Result<(), TransactError> {
    reader.sync()?;
    if edits.is_empty() {
        return Ok(());
    }
    Step::Objects.reached(None);
    let store = reader.store();
    let mut slot = store.ref_session();
    let first = attempt(store, &mut slot, edits);
    let again = match &first {
        // A git that waited for work may have been ended while nobody looked; it had begun nothing.
        Err(Failure::Unheard) => true,
        Err(Failure::Said(TransactError::Locked { .. })) => abandoned_locks::clear(store.path()),
        _ => false,
    };
    let outcome = if again { attempt(store, &mut slot, edits) } else { first };
    if outcome.is_ok() {
        Step::Refs.reached(None);
    }
    outcome.map_err(|failure| match failure {
        Failure::Said(error) => error,
        Failure::Unheard => failed(store, "git ended before it was told what to do".to_owned()),
    })
}

/// Why an attempt failed.
enum Failure {
    /// The git that was there already is gone, and has done nothing of this.
    Unheard,
    Said(TransactError),
}

fn attempt(store: &Store, slot: &mut Option<RefSession>, edits: &[RefEdit]) -> Result<(), Failure> {
    if let Some(outdated) = slot.take_if(|session| !session.is_current(store.path())) {
        outdated.end();
    }
    let reused = slot.is_some();
    let mut session = match slot.take() {
        Some(session) => session,
        None => RefSession::start(store.path()).map_err(|error| Failure::Said(error.into()))?,
    };
    let zero = store.reader().zero_id();
    let mut prepared = false;
    abandoned_locks::plan(store.path(), edits, session.process());
    let done = session.prepare(&commands(edits, zero)).and_then(|ready| {
        if !ready {
            return Ok(false);
        }
        prepared = true;
        let locks = abandoned_locks::record(store.path(), edits, session.process());
        Step::Locks.reached(session.process().map(|process| process.pid));
        let done = session.commit()?;
        if done {
            locks.forget();
        }
        Ok(done)
    });
    if let Ok(true) = done {
        *slot = Some(session);
        return Ok(());
    }
    let spoken = session.has_answered();
    let ended = session.end();
    match ended.killed {
        true => drop(abandoned_locks::clear(store.path())),
        // git takes its locks with it.
        false => abandoned_locks::forget(store.path()),
    }
    // Once it is prepared all locks are held; what fails then fails half way, and is never called a conflict.
    if !prepared && reused && !spoken && ended.text.is_empty() {
        return Err(Failure::Unheard);
    }
    if let Some(error) = understand(&ended.text, edits).filter(|_| !prepared) {
        return Err(Failure::Said(error));
    }
    let text = match (done, ended.text.trim()) {
        (Err(error), "") => format!("{error} ({})", ended.status),
        (_, "") => ended.status,
        (_, text) => text.to_owned(),
    };
    Err(Failure::Said(failed(store, text)))
}

fn failed(store: &Store, text: String) -> TransactError {
    GitError::Command { command: "update-ref", path: store.path().to_owned(), text }.into()
}

fn commands(edits: &[RefEdit], zero: ObjectId) -> String {
    let mut input = String::from("start\n");
    for RefEdit { name, expected, new } in edits {
        let line = match (expected, new) {
            (Expected::Absent, Some(new)) => format!("create {name} {new}\n"),
            (Expected::Absent, None) => format!("verify {name} {zero}\n"),
            // Of a symbolic ref, itself goes, never what it names.
            (Expected::At(old), None) => format!("option no-deref\ndelete {name} {old}\n"),
            (Expected::At(old), Some(new)) if old == new => format!("verify {name} {old}\n"),
            (Expected::At(old), Some(new)) => format!("update {name} {new} {old}\n"),
        };
        input.push_str(&line);
    }
    input.push_str("prepare\n");
    input
}

/// Reads what git said; `None` when it is nothing that has a name.
fn understand(text: &str, edits: &[RefEdit]) -> Option<TransactError> {
    let line = text.lines().find(|line| line.starts_with("fatal:"))?;
    let detail = line.trim_start_matches("fatal:").trim().trim_start_matches("prepare:").trim().to_owned();
    let quoted: Vec<&str> = detail.split('\'').skip(1).step_by(2).collect();
    let edited = |text: &str| edits.iter().map(|edit| &edit.name).find(|name| name.as_str() == text).cloned();
    let name = quoted.iter().find_map(|text| edited(text));
    // A lock that is there, not one that cannot be made because the disk is full or may not be written.
    if detail.contains(".lock'") && detail.contains("File exists") {
        let what = match &name {
            Some(name) => format!("ref {name}"),
            None if detail.contains("packed-refs.lock") => "packed-refs".to_owned(),
            None => "a ref".to_owned(),
        };
        let detail = "a lock file exists".to_owned();
        return Some(TransactError::Locked { name, what, detail });
    }
    let name = name?;
    let conflict = detail.contains("cannot create")
        || detail.contains("at the same time")
        || detail.contains("non-empty directory")
        || detail.contains("blocking reference");
    if conflict {
        let with = quoted.iter().filter_map(|text| RefName::parse(text).ok()).find(|other| *other != name);
        return Some(TransactError::NameConflict { name, with, detail });
    }
    let moved = ["but expected", "already exists", "is missing", "unable to resolve reference"];
    moved.iter().any(|words| detail.contains(words)).then_some(TransactError::Moved { name, detail })
}

/// An existing ref that keeps `name` from being made: it is a directory of `name`, or lies below it.
pub fn name_conflict(snapshot: &RefSnapshot, name: &RefName) -> Option<RefName> {
    let below = snapshot.under(&format!("{name}/")).next().map(|value| value.name.clone());
    below.or_else(|| {
        let text = name.as_str();
        let above = text.match_indices('/').filter_map(|(at, _)| RefName::parse(&text[..at]).ok());
        above.into_iter().find(|above| snapshot.get(above).is_some())
    })
}
