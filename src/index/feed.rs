//! The change feed: every change of every package revision, ordered by resource version, kept for watchers to resume from.
//!
//! A bounded window in memory. A watcher holds a position and reads at its own pace: one that falls out of the window is
//! told so and starts again, and never slows the others or the writer.
//! Never here: who watches what (the API filters), and the state itself (see `catalog`).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::package::{PackageRevision, Repository};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change of one package revision.
#[derive(Debug, Clone)]
pub struct Event {
    /// The resource version of the change; for a deletion, that of the deletion.
    pub resource_version: u64,
    /// What happened.
    pub kind: EventKind,
    /// The object after the change; for a deletion, as it was last, with the deletion's resource version.
    pub object: Arc<PackageRevision>,
    /// The object before the change, so that a filter can tell "no longer matches" from "never did".
    pub previous: Option<Arc<PackageRevision>>,
}

/// One change of one repository.
#[derive(Debug, Clone)]
pub struct RepositoryEvent {
    /// The resource version of the change.
    pub resource_version: u64,
    /// What happened.
    pub kind: EventKind,
    /// The object after the change.
    pub object: Arc<Repository>,
}

/// A position that the window no longer covers: the watcher must list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    /// The position that was asked for.
    pub asked: u64,
    /// The oldest position that can still be resumed from.
    pub oldest: u64,
}

/// How many changes the window keeps.
pub const WINDOW: usize = 16_384;

/// The window of changes. Positions are resource versions.
#[derive(Debug)]
pub struct Feed<E> {
    /// Positions at and above this one can be resumed from.
    oldest: u64,
    events: VecDeque<(u64, E)>,
    window: usize,
}

impl<E: Clone> Feed<E> {
    /// An empty feed that can be resumed from `start` on.
    pub fn new(start: u64, window: usize) -> Self {
        Self { oldest: start, events: VecDeque::new(), window }
    }

    /// Appends a change. Versions must rise; one that does not is a programming error and is dropped with a log line.
    pub fn push(&mut self, version: u64, event: E) {
        if self.events.back().is_some_and(|(last, _)| *last >= version) || version <= self.oldest {
            tracing::error!(version, "a change came with a resource version that does not rise; it is not sent");
            return;
        }
        self.events.push_back((version, event));
        while self.events.len() > self.window {
            if let Some((dropped, _)) = self.events.pop_front() {
                self.oldest = dropped;
            }
        }
    }

    /// The changes after `position`, oldest first, at most `limit`.
    pub fn after(&self, position: u64, limit: usize) -> Result<Vec<E>, Expired> {
        if position < self.oldest {
            return Err(Expired { asked: position, oldest: self.oldest });
        }
        let start = self.events.partition_point(|(version, _)| *version <= position);
        Ok(self.events.range(start..).take(limit).map(|(_, event)| event.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_resumes_where_it_was_until_the_window_has_passed() {
        let mut feed = Feed::new(10, 3);
        assert_eq!(feed.after(9, 10), Err(Expired { asked: 9, oldest: 10 }));
        for version in [11, 13, 20] {
            feed.push(version, version);
        }
        assert_eq!(feed.after(10, 10), Ok(vec![11, 13, 20]));
        assert_eq!(feed.after(12, 1), Ok(vec![13]));
        assert_eq!(feed.after(20, 10), Ok(vec![]));
        feed.push(21, 21);
        assert_eq!(feed.after(10, 10), Err(Expired { asked: 10, oldest: 11 }));
        assert_eq!(feed.after(11, 10), Ok(vec![13, 20, 21]));
    }

    #[test]
    fn versions_only_rise() {
        let mut feed = Feed::new(10, 3);
        feed.push(11, 1);
        feed.push(11, 2);
        feed.push(9, 3);
        assert_eq!(feed.after(10, 10), Ok(vec![1]));
    }
}
