//! Watching repositories on disk: hints that refs may have moved, or that repositories may have come or gone.
//!
//! Only hints: an event may be missed (a new directory fills up before it is watched, the kernel's queue overflows, too
//! many directories), and a periodic rescan must find whatever was. Hints for one repository are merged, so a flood of
//! writes costs one event each few milliseconds.
//! Never here: looking what changed, and watching `objects/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode};
use tokio::sync::mpsc::UnboundedSender;

use super::discover;
use super::error::GitError;

/// How long hints are collected before they are given out.
const COLLECT: Duration = Duration::from_millis(20);
/// When a hint is repeated after a directory appeared, since files may have come into it before it was watched.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// Something on disk may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchEvent {
    /// The refs, `HEAD` or the configuration of this repository.
    Repository(PathBuf),
    /// A ref of this repository was written in place, as git never does: [`super::Store::forget_refs`] is due.
    WrittenInPlace(PathBuf),
    /// Which repositories there are below this root.
    Root(PathBuf),
}

/// Watches roots and repositories, and sends hints, until it is dropped.
pub struct Watcher {
    shared: Arc<Shared>,
}

struct Shared {
    targets: Mutex<Targets>,
    pending: Mutex<Pending>,
    wake: Condvar,
    /// Never locked together with the others: notify waits for its own thread, which asks for those.
    notify: Mutex<Option<RecommendedWatcher>>,
}

#[derive(Default)]
struct Targets {
    /// Roots, and how many directories down repositories are looked for.
    roots: BTreeMap<PathBuf, usize>,
    repositories: BTreeSet<PathBuf>,
}

#[derive(Default)]
struct Pending {
    now: BTreeSet<WatchEvent>,
    later: BTreeMap<WatchEvent, Instant>,
    stopped: bool,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let targets = lock(&self.shared.targets);
        f.debug_struct("Watcher").field("roots", &targets.roots).field("repositories", &targets.repositories).finish()
    }
}

impl Watcher {
    /// Starts a watcher that watches nothing yet. It ends when it is dropped, or when nobody receives any more.
    pub fn start(events: UnboundedSender<WatchEvent>) -> Result<Self, GitError> {
        let shared = Arc::new(Shared {
            targets: Mutex::default(),
            pending: Mutex::default(),
            wake: Condvar::new(),
            notify: Mutex::default(),
        });
        let failed = |text: String| GitError::Watch { path: PathBuf::from("anything"), text };
        let handler = Arc::downgrade(&shared);
        let notify = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(shared) = handler.upgrade() {
                shared.take(event);
            }
        })
        .map_err(|error| failed(error.to_string()))?;
        *lock(&shared.notify) = Some(notify);
        let sender = shared.clone();
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || sender.send_until_stopped(&events))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { shared })
    }

    /// Watches the directories below a root, `max_depth` down and not into repositories, for repositories that come and
    /// go. Directories that appear are watched too. Failures are logged.
    pub fn watch_root(&self, root: &Path, max_depth: usize) {
        lock(&self.shared.targets).roots.insert(root.to_owned(), max_depth);
        self.shared.watch_directories(root, max_depth);
    }

    /// Watches a repository's refs, `HEAD` and configuration. Failures are logged.
    pub fn watch_repository(&self, repository: &Path) {
        lock(&self.shared.targets).repositories.insert(repository.to_owned());
        self.shared.watch(repository, RecursiveMode::NonRecursive);
        self.shared.watch(&repository.join("refs"), RecursiveMode::Recursive);
    }

    /// Stops watching a repository.
    pub fn unwatch_repository(&self, repository: &Path) {
        lock(&self.shared.targets).repositories.remove(repository);
        if let Some(notify) = lock(&self.shared.notify).as_mut() {
            for path in [repository.join("refs"), repository.to_owned()] {
                if let Err(error) = notify::Watcher::unwatch(notify, &path) {
                    tracing::debug!(path = %path.display(), %error, "was not watched any more");
                }
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        lock(&self.shared.pending).stopped = true;
        self.shared.wake.notify_all();
        let notify = lock(&self.shared.notify).take();
        drop(notify);
    }
}

impl Shared {
    fn watch(&self, path: &Path, mode: RecursiveMode) {
        let mut notify = lock(&self.notify);
        let Some(notify) = notify.as_mut() else { return };
        if let Err(error) = notify::Watcher::watch(notify, path, mode)
            && path.exists()
        {
            let path = path.display();
            tracing::warn!(%path, %error, "cannot watch a directory; only the periodic rescan sees changes in it");
        }
    }

    fn watch_directories(&self, root: &Path, max_depth: usize) {
        let mut directories = Vec::new();
        discover::walk(root, max_depth, |path, repository| {
            if !repository {
                directories.push(path.to_owned());
            }
        });
        for directory in directories {
            self.watch(&directory, RecursiveMode::NonRecursive);
        }
    }

    /// Takes what notify reports; runs on notify's thread.
    fn take(&self, event: notify::Result<notify::Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "watching files failed; changes are found by the periodic rescan");
                return;
            }
        };
        let hints = lock(&self.targets).hints(&event);
        if hints.is_empty() {
            return;
        }
        let mut pending = lock(&self.pending);
        // Kinds are told apart only to know directories, which may fill up before they are watched.
        if event.kind.is_create() || matches!(event.kind, EventKind::Modify(ModifyKind::Name(_))) {
            let when = Instant::now() + SECOND_LOOK;
            pending.later.extend(hints.iter().map(|hint| (hint.clone(), when)));
        }
        pending.now.extend(hints);
        self.wake.notify_all();
    }

    fn send_until_stopped(&self, events: &UnboundedSender<WatchEvent>) {
        while let Some(hints) = self.next_hints() {
            for hint in hints {
                if let WatchEvent::Root(root) = &hint {
                    let depth = lock(&self.targets).roots.get(root).copied();
                    if let Some(depth) = depth {
                        self.watch_directories(root, depth);
                    }
                }
                if events.send(hint).is_err() {
                    return;
                }
            }
        }
    }

    /// Waits for hints and collects them for a moment; `None` when it is time to end.
    fn next_hints(&self) -> Option<BTreeSet<WatchEvent>> {
        let mut pending = lock(&self.pending);
        loop {
            if pending.stopped {
                return None;
            }
            let now = Instant::now();
            let due: Vec<WatchEvent> =
                pending.later.iter().filter(|(_, when)| **when <= now).map(|(hint, _)| hint.clone()).collect();
            for hint in due {
                pending.later.remove(&hint);
                pending.now.insert(hint);
            }
            if !pending.now.is_empty() {
                drop(pending);
                std::thread::sleep(COLLECT);
                return Some(std::mem::take(&mut lock(&self.pending).now));
            }
            let next = pending.later.values().min().map(|when| when.saturating_duration_since(now));
            pending = match next {
                Some(wait) => self.wake.wait_timeout(pending, wait).unwrap_or_else(|poisoned| poisoned.into_inner()).0,
                None => self.wake.wait(pending).unwrap_or_else(|poisoned| poisoned.into_inner()),
            };
        }
    }
}

impl Targets {
    /// What an event may mean.
    fn hints(&self, event: &notify::Event) -> BTreeSet<WatchEvent> {
        let mut hints = BTreeSet::new();
        if event.need_rescan() {
            hints.extend(self.repositories.iter().cloned().map(WatchEvent::Repository));
            hints.extend(self.roots.keys().cloned().map(WatchEvent::Root));
            return hints;
        }
        let written = event.kind.is_modify() && !matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        if event.kind.is_access() {
            return hints;
        }
        for path in &event.paths {
            if path.extension().is_some_and(|extension| extension == "lock") {
                continue;
            }
            let repository = path.ancestors().find(|path| self.repositories.contains(*path));
            match repository.map(|repository| (repository, path.strip_prefix(repository))) {
                Some((repository, Ok(below))) if !below.as_os_str().is_empty() => {
                    let first = below.components().next().map(|first| first.as_os_str().to_owned());
                    let counts = ["refs", "packed-refs", "HEAD", "config"];
                    let first_is_refs = first.as_ref().is_some_and(|first| first == "refs");
                    if first.is_some_and(|first| counts.iter().any(|name| first == *name)) {
                        let in_place = first_is_refs && matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
                        let hint = if in_place { WatchEvent::WrittenInPlace } else { WatchEvent::Repository };
                        hints.insert(hint(repository.to_owned()));
                    }
                }
                // The directory itself, or one that holds no repository yet. What is written into a file there is
                // nobody's business.
                _ if written => {}
                _ => {
                    let root = path.ancestors().find(|path| self.roots.contains_key(*path));
                    hints.extend(root.map(|root| WatchEvent::Root(root.to_owned())));
                }
            }
        }
        hints
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
