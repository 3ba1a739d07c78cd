//! Moving refs: the only place that does. Every edit states the value it expects; either all are made or none is.
//!
//! git itself moves them (`git update-ref --stdin`): it checks directory/file conflicts against packed refs, holds its
//! locks for edits that only verify, and syncs. Hooks are off, so Stoop never asks itself.
//! Never here: deciding what may move, and writing objects.

use std::io::Write;
use std::process::Stdio;

use super::command::git;
use super::error::GitError;
use super::refs::RefSnapshot;
use super::store::Store;
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::{Expected, RefEdit};
use crate::domain::refs::RefName;

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

/// Makes all edits as one transaction, or none of them. `message` is the reflog's, where the repository keeps one.
pub fn transact(store: &Store, edits: &[RefEdit], message: &str) -> Result<(), TransactError> {
    if edits.is_empty() {
        return Ok(());
    }
    let input = commands(edits, store.reader().zero_id());
    let failed = |text: String| GitError::Command { command: "update-ref", path: store.path().to_owned(), text };
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut child = git(store.path())
        .args(["-c", "core.filesRefLockTimeout=1000", "-c", "core.packedRefsTimeout=2000"])
        .args(["update-ref", "-m", &message, "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()) {
            // git stopped reading: its exit and its words say why.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("cannot be told what to do: {error}")).into());
            }
            Ok(()) => {}
        }
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.lines().any(|line| line == "commit: ok") {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    // After "prepare: ok" all locks were held; what fails then fails half way, and is never called a conflict.
    if !said.lines().any(|line| line == "prepare: ok")
        && let Some(error) = understand(&text, edits)
    {
        return Err(error);
    }
    let text = text.trim();
    Err(failed(if text.is_empty() { output.status.to_string() } else { text.to_owned() }).into())
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
    input.push_str("prepare\ncommit\n");
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
    let below = snapshot.under(&format!("{name}/")).first().map(|value| value.name.clone());
    below.or_else(|| {
        let text = name.as_str();
        let above = text.match_indices('/').filter_map(|(at, _)| RefName::parse(&text[..at]).ok());
        above.into_iter().find(|above| snapshot.get(above).is_some())
    })
}
