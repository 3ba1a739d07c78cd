//! Follows hints that a repository's refs moved: it is settled behind them, one settlement at a time, and however many hints
//! come while one runs, one more follows. A push of thousands of refs gives a hint for each.
//!
//! Never here: answering hooks, and anything that must be done before an answer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::commands::repository::ManagedRepository;
use crate::commands::settle::settle_logged;
use crate::telemetry::Known;

/// How long hints are collected: about as long as a push still takes from the moment its refs moved, so that its hooks
/// give one settlement, which does not take the machine from git before the pusher has his answer.
const COLLECT: Duration = Duration::from_millis(10);
/// The longest pause between two settlements of one repository.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The repositories that are being settled because of hints, with the one that the last hint was about, if another came
/// meanwhile: it may have been closed and opened anew.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<HashMap<PathBuf, Option<Arc<ManagedRepository>>>>);

impl Hints {
    /// Sees to it that the repository is settled, from its state at or after this moment. Returns at once.
    ///
    /// Must be called within a tokio runtime.
    pub(super) fn follow(self: &Arc<Self>, repository: &Arc<ManagedRepository>) {
        let path = repository.guarded.store().path().to_owned();
        if self.running().insert(path.clone(), Some(repository.clone())).is_some() {
            return;
        }
        let hints = self.clone();
        tokio::spawn(async move {
            let mut pause = COLLECT;
            loop {
                tokio::time::sleep(pause).await;
                let Some(repository) = hints.next(&path) else { return };
                let begun = Instant::now();
                let settle = move || {
                    settle_logged(&repository);
                    repository.metrics.index_lag(Known::Hook, begun.elapsed());
                };
                if let Err(error) = tokio::task::spawn_blocking(settle).await {
                    tracing::error!(path = %path.display(), %error, "a repository could not be settled; a rescan will");
                }
                // So the settling of a long push does not take more of the machine than the push.
                pause = begun.elapsed().clamp(COLLECT, LONGEST_PAUSE);
            }
        });
    }

    /// Takes up the hints that came since this was asked last; where none did, the repository is not followed any more.
    fn next(&self, path: &Path) -> Option<Arc<ManagedRepository>> {
        let mut running = self.running();
        let next = running.get_mut(path).and_then(Option::take);
        if next.is_none() {
            running.remove(path);
        }
        next
    }

    fn running(&self) -> MutexGuard<'_, HashMap<PathBuf, Option<Arc<ManagedRepository>>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
