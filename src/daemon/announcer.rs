//! Announces what Stoop moved itself to the other `post-receive` hooks of a repository, after everybody has his answer:
//! mirrors, mails, builds and a forge's own books hang on those.
//!
//! One announcement after another in each repository, a few repositories at a time. What a hook does not take it is told
//! again, in growing pauses, until it does: nothing after it is told before. Never here: what is due (see `commands::announce`),
//! and running a hook (see `hooks`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::warden::Warden;
use crate::commands::announce::{self, Outbox};
use crate::commands::repository::ManagedRepository;
use crate::config::environment;
use crate::domain::announcement::Announcement;
use crate::hooks;
use crate::step::Step;
use crate::telemetry::Metrics;

/// So many hooks run at the same time.
const AT_ONCE: usize = 4;
/// The pause before a hook is told again for the first time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a hook that runs when the daemon ends may still take. One that is cut short is told again after the next start.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// Announces for all repositories.
#[derive(Debug, Clone)]
pub(super) struct Announcer {
    warden: Arc<Warden>,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Announcer {
    pub(super) fn new(warden: Arc<Warden>, metrics: Arc<Metrics>, shutdown: CancellationToken) -> Self {
        Self { warden, metrics, places: Arc::new(Semaphore::new(AT_ONCE)), shutdown }
    }

    /// Follows the outbox until the shutdown.
    pub(super) async fn announce(self, outbox: Arc<Outbox>) {
        let mut busy: HashMap<PathBuf, bool> = HashMap::new();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                paths = outbox.take() => for path in paths {
                    if let Some(again) = busy.get_mut(&path) {
                        *again = true;
                        continue;
                    }
                    busy.insert(path.clone(), false);
                    let announcer = self.clone();
                    tasks.spawn(async move {
                        // A task of its own: whatever becomes of it, the repository is not busy for ever.
                        let at = path.clone();
                        if let Err(error) = tokio::spawn(async move { announcer.until_told(&at).await }).await {
                            tracing::error!(path = %path.display(), %error, "announcing ended badly; a rescan begins it again");
                        }
                        path
                    });
                },
                Some(Ok(path)) = tasks.join_next() => {
                    if busy.remove(&path) == Some(true) {
                        outbox.put(&path);
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Tells one repository's hook everything that is due, however long that takes.
    async fn until_told(&self, path: &Path) {
        let (mut pause, mut again) = (FIRST_PAUSE, false);
        loop {
            let told = match (self.warden.repositories().at(path), self.places.acquire().await) {
                (Some(repository), Ok(_place)) if !self.shutdown.is_cancelled() => self.tell(&repository).await,
                _ => Ok(()),
            };
            let Err(error) = told else { break };
            let seconds = pause.as_secs();
            tracing::warn!(
                path = %path.display(), error = format!("{error:#}"), seconds,
                "what Stoop moved could not be announced; it is tried again"
            );
            if !std::mem::replace(&mut again, true) {
                self.metrics.announcing_again.inc();
            }
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
        if again {
            self.metrics.announcing_again.dec();
        }
    }

    async fn tell(&self, repository: &Arc<ManagedRepository>) -> Result<()> {
        loop {
            let due = on(repository, announce::due).await?.context("the ledger cannot be read")?;
            let Some(until) = due.until else { return Ok(()) };
            let hook = hooks::other_post_receive(repository.guarded.store().path());
            let more = due.commits.back().is_some_and(|(last, _)| *last == until);
            if let Some(hook) = hook {
                for (commit, announcements) in due.commits {
                    for announcement in &announcements {
                        self.tell_one(repository, &hook, announcement).await?;
                    }
                    on(repository, move |repository| announce::announced(repository, commit)).await??;
                }
            }
            on(repository, move |repository| announce::passed(repository, until)).await??;
            if !more {
                return Ok(());
            }
        }
    }

    async fn tell_one(&self, repository: &ManagedRepository, hook: &Path, announcement: &Announcement) -> Result<()> {
        let path = repository.guarded.store().path();
        let (server, account) = (self.warden.identity_of(path), self.warden.announce_as());
        let below = path.strip_prefix(self.warden.root()).unwrap_or(path).to_string_lossy();
        let environment = environment(&server, account.as_ref(), &below, announcement)?;
        let lines = announcement.lines();
        let told = tokio::select! {
            told = hooks::tell(hook, path, &environment, &lines) => told,
            () = async { self.shutdown.cancelled().await; tokio::time::sleep(LAST_MOMENTS).await } => {
                bail!("the daemon ends before the hook does")
            }
        };
        self.metrics.announced(told.is_ok());
        let said = told?;
        tracing::info!(
            path = %path.display(), hook = %hook.display(), user = %announcement.by, refs = announcement.moves.len(),
            said, "what Stoop moved was announced"
        );
        Step::Told.reached(None);
        Ok(())
    }
}

/// Does something that blocks with a repository.
async fn on<T: Send + 'static>(
    repository: &Arc<ManagedRepository>,
    work: impl FnOnce(&ManagedRepository) -> T + Send + 'static,
) -> Result<T> {
    let repository = repository.clone();
    Ok(spawn_blocking(move || work(&repository)).await?)
}
