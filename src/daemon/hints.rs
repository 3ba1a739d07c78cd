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

/// The repositories that are being settled because of hints, with whether another hint came meanwhile.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<HashMap<PathBuf, bool>>);

impl Hints {
    /// Sees to it that the repository is settled, from its state at or after this moment. Returns at once.
    ///
    /// Must be called within a tokio runtime.
    pub(super) fn follow(self: &Arc<Self>, repository: &Arc<ManagedRepository>) {
        let path = repository.guarded.store().path().to_owned();
        let mut running = self.running();
        if let Some(again) = running.get_mut(&path) {
            *again = true;
            return;
        }
        running.insert(path.clone(), false);
        drop(running);
        let (hints, repository) = (self.clone(), repository.clone());
        tokio::spawn(async move {
            let mut pause = COLLECT;
            loop {
                tokio::time::sleep(pause).await;
                hints.begin(&path);
                let begun = Instant::now();
                let settling = repository.clone();
                let settle = move || {
                    settle_logged(&settling);
                    settling.metrics.index_lag(Known::Hook, begun.elapsed());
                };
                if let Err(error) = tokio::task::spawn_blocking(settle).await {
                    tracing::error!(path = %path.display(), %error, "a repository could not be settled; a rescan will");
                }
                if !hints.again(&path) {
                    return;
                }
                // So the settling of a long push does not take more of the machine than the push.
                pause = begun.elapsed().clamp(COLLECT, LONGEST_PAUSE);
            }
        });
    }

    /// Takes up the hints that came so far.
    fn begin(&self, path: &Path) {
        self.running().entry(path.to_owned()).insert_entry(false);
    }

    /// Whether a hint came since the last settlement began; where none did, the repository is not followed any more.
    fn again(&self, path: &Path) -> bool {
        let mut running = self.running();
        let again = running.get(path).is_some_and(|again| *again);
        if !again {
            running.remove(path);
        }
        again
    }

    fn running(&self) -> MutexGuard<'_, HashMap<PathBuf, bool>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
