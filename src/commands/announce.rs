//! What is still to be announced: what Stoop moved itself, by the ledger, since the commit that `refs/stoop/announced` is at.
//!
//! That ref moves only after the others were told, so each of them hears of every move, in order, and after a crash perhaps
//! twice. Never here: telling them (see `daemon::announcer`), and what the ledger's messages look like (`domain::announcement`).

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::repository::ManagedRepository;
use crate::domain::announcement::{self, Announcement};
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::RefName;
use crate::git::{GitError, TransactError};
use crate::index::guarded::View;

/// So many of the ledger's commits are read to be announced at once, the oldest of those that are due.
const MOST: usize = 1000;

/// The repositories where something may be due.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<BTreeSet<PathBuf>>,
    put: Notify,
}

impl Outbox {
    /// Puts a repository in, by its path.
    pub fn put(&self, path: &Path) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        self.put.notify_one();
    }

    /// Takes out all that are in it; waits until there is one.
    pub async fn take(&self) -> BTreeSet<PathBuf> {
        loop {
            let taken = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.put.notified().await;
        }
    }
}

/// What the ledger's commits say that is due.
#[derive(Debug, Default)]
pub struct Due {
    /// The commits that say something, oldest first.
    pub commits: VecDeque<(ObjectId, Vec<Announcement>)>,
    /// The commit up to which nothing else is due; none without a ledger.
    pub until: Option<ObjectId>,
}

/// Reads what is due.
pub fn due(repository: &ManagedRepository) -> Result<Due, GitError> {
    let view = repository.guarded.refresh()?;
    let known = *repository.announced();
    let since = known.or_else(|| kept(&view));
    let Some(head) = view.ledger_head.filter(|head| Some(*head) != since) else { return Ok(Due::default()) };
    let reader = repository.guarded.store().reader();
    let mut commits = VecDeque::new();
    let mut until = head;
    let mut next = Some(head);
    while let Some(id) = next.filter(|id| Some(*id) != since) {
        let commit = reader.commit(id)?;
        let announcements = announcement::read(&commit.message);
        if !announcements.is_empty() {
            commits.push_front((id, announcements));
        }
        if commits.len() > MOST {
            commits.pop_back();
            until = commits.back().map_or(until, |(id, _)| *id);
        }
        next = commit.parents.first().copied();
    }
    if next.is_none() && since.is_some() {
        // Another ledger lies there now: nobody can say what of it was announced.
        let path = repository.guarded.store().path().display();
        tracing::warn!(%path, "the ledger does not go back to what was announced last; what it says is not announced");
        return Ok(Due { commits: VecDeque::new(), until: Some(head) });
    }
    Ok(Due { commits, until: Some(until) })
}

/// Notes that everything up to a commit of the ledger was announced, on the disk.
pub fn announced(repository: &ManagedRepository, until: ObjectId) -> Result<(), TransactError> {
    *repository.announced() = Some(until);
    let view = repository.guarded.refresh()?;
    let name = RefName::announced();
    let edit = match kept(&view) {
        Some(kept) if kept == until => return Ok(()),
        Some(kept) => RefEdit::update(name, kept, until),
        None => RefEdit::create(name, until),
    };
    crate::git::transact(&repository.guarded.store().reader(), &[edit])
}

/// Notes the same where nobody was told anything: in memory, and on the disk only where nothing is there yet.
pub fn passed(repository: &ManagedRepository, until: ObjectId) -> Result<(), TransactError> {
    *repository.announced() = Some(until);
    match kept(&repository.guarded.refresh()?) {
        Some(_) => Ok(()),
        None => announced(repository, until),
    }
}

/// Brings the disk up to what is known in memory; for a quiet moment.
pub fn keep(repository: &ManagedRepository) -> Result<(), TransactError> {
    let known = *repository.announced();
    known.map_or(Ok(()), |known| announced(repository, known))
}

/// What the disk says.
fn kept(view: &View) -> Option<ObjectId> {
    view.snapshot.get(&RefName::announced()).map(|value| value.target)
}
