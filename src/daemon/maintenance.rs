//! Packs refs where many lie loose and lets go of what was dropped long ago, one repository after another, once a rescan
//! period.
//!
//! Every reading of the refs looks at every directory below `refs/`, and git does the same; packing makes them few.
//! Never here: anything that a transition needs, and packing objects: every push has git look whether that is due.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::warden::Warden;
use crate::commands::announce;
use crate::commands::repository::ManagedRepository;
use crate::config::SharedConfig;
use crate::domain::dropped::is_over;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{DROPPED, TAGS};
use crate::git::{self, GitError, Pack, transact};
use crate::index::clock;

/// So many loose tags are packed.
const MANY_TAGS: usize = 500;
/// So many loose refs of any kind are packed.
const MANY_REFS: usize = 5_000;

/// Maintains all repositories until the shutdown.
pub(super) async fn maintain(warden: Arc<Warden>, config: Arc<SharedConfig>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(config.current().rescan) => {}
        }
        warden.forget_notices();
        for repository in warden.repositories().all() {
            if shutdown.is_cancelled() {
                return;
            }
            let (path, days) = (repository.guarded.store().path().to_owned(), config.current().keep_dropped_days);
            match tokio::task::spawn_blocking(move || maintain_one(&repository, days)).await {
                Ok(Ok(()) | Err(GitError::Closed { .. })) => {}
                // It works without; a repository that cannot be written to is told of by whatever wants to write.
                Ok(Err(error)) => {
                    tracing::warn!(path = %path.display(), %error, "maintenance failed; it is tried again")
                }
                Err(error) => tracing::error!(path = %path.display(), %error, "maintenance ended badly"),
            }
        }
    }
}

fn maintain_one(repository: &ManagedRepository, days: u32) -> Result<(), GitError> {
    let guarded = &repository.guarded;
    let path = guarded.store().path();
    if let Err(error) = announce::keep(repository) {
        tracing::debug!(path = %path.display(), %error, "what was announced is noted later");
    }
    let snapshot = guarded.refresh()?.snapshot;
    let over = snapshot.under(DROPPED).filter(|value| is_over(&value.name, clock::now(), days));
    let over: Vec<RefEdit> = over.map(|value| RefEdit::delete(value.name.clone(), value.target)).collect();
    if !over.is_empty() {
        let _writer = guarded.lock();
        match transact(&guarded.store().reader(), &over) {
            Ok(()) => {
                tracing::info!(path = %path.display(), days = over.len(), "what was dropped long ago is let go of")
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what was dropped long ago stays; it is tried again")
            }
        }
    }
    if let Some(pack) = due(repository)? {
        let _writer = guarded.lock();
        if git::gc_runs(path) {
            tracing::debug!(path = %path.display(), "git gc packs the refs at this moment");
            return Ok(());
        }
        git::pack_refs(path, pack)?;
        tracing::info!(path = %path.display(), all = pack == Pack::All, "loose refs were packed");
    }
    Ok(())
}

/// Which refs are to be packed now.
fn due(repository: &ManagedRepository) -> Result<Option<Pack>, GitError> {
    let snapshot = repository.guarded.refresh()?.snapshot;
    Ok(match (snapshot.loose(), snapshot.loose_under(TAGS)) {
        (MANY_REFS.., _) => Some(Pack::All),
        (_, MANY_TAGS..) => Some(Pack::Tags),
        _ => None,
    })
}
