//! Keeps what is dropped: the commits and the ref edit that hold on to dropped drafts and proposals, for the transaction
//! that drops them or lets them be dropped.
//!
//! Never here: reading what is kept (see `index::dropped`), and letting go of it (see `daemon::maintenance`).

use super::record::{orchestrator, person};
use super::transition::Decided;
use crate::domain::dropped::{Dropped, day, message};
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::RefEdit;
use crate::git::{GitError, NewCommit, Reader};
use crate::index::guarded::View;

/// One commit holds so many at most; what is larger than a few megabytes would not be read again.
const MOST: usize = 1_000;

/// Writes the commits that hold what these decisions drop; gives the edit that makes the day's ref lead to it, if they drop
/// anything.
pub(super) fn keep(reader: &Reader, view: &View, decided: &[Decided]) -> Result<Option<RefEdit>, GitError> {
    let of = |(decision, deed): &Decided| {
        let change = &decision.change;
        Dropped::of(change.action, (&change.package, &change.workspace), deed)
    };
    let dropped: Vec<Dropped> = decided.iter().filter_map(of).collect();
    let Some(first) = dropped.first() else { return Ok(None) };
    let name = day(first.at);
    let before = view.snapshot.get(&name).map(|value| value.target);
    let tree = reader.edit_tree(None, &[])?;
    let mut last = before;
    for part in dropped.chunks(MOST) {
        let mut parents: Vec<ObjectId> = last.into_iter().collect();
        for Dropped { commit, .. } in part {
            if !parents.contains(commit) {
                parents.push(*commit);
            }
        }
        let (author, committer) = (person(&first.by), orchestrator());
        let commit = NewCommit { tree, parents: &parents, author, committer, message: &message(part) };
        last = Some(reader.write_commit(&commit)?);
    }
    Ok(last.map(|last| match before {
        Some(before) => RefEdit::update(name, before, last),
        None => RefEdit::create(name, last),
    }))
}
