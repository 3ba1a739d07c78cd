//! What watchers saw, written down: objects, events, and the connections they came over, for the checker.
//!
//! Pure data. `recorder` fills it over real connections, `checker` judges it, `history` is what the watchers agree on.
//! Never here: HTTP, and any opinion.

use std::collections::BTreeMap;
use std::sync::Arc;

pub mod checker;
#[cfg(test)]
mod checker_tests;
pub mod door;
pub mod history;
pub mod recorder;

/// A package revision as it was shown: in a list, in an event, or in answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The object's name.
    pub name: Arc<str>,
    /// Its resourceVersion.
    pub version: u64,
    /// `spec.repository`.
    pub repository: Arc<str>,
    /// `spec.lifecycle`.
    pub lifecycle: Arc<str>,
    /// `spec.revision`.
    pub revision: i64,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// `status.selfLock.git.commit`; empty where only a row was shown.
    pub commit: Arc<str>,
    /// A digest of everything in the object; `None` where only a row was shown.
    pub digest: Option<u64>,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is new to the watcher.
    Added,
    /// It changed.
    Modified,
    /// It is gone, or no longer selected.
    Deleted,
}

/// One line of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A change.
    Event(Kind, Shown),
    /// A bookmark; `true` when it ends the initial events.
    Bookmark(u64, bool),
}

/// Which objects a watcher wants. Empty parts select everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `spec.repository`.
    pub repository: Option<String>,
    /// `spec.lifecycle`.
    pub lifecycle: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// A label and its value.
    pub label: Option<(String, String)>,
}

impl Selection {
    /// Whether it selects an object.
    pub fn matches(&self, shown: &Shown) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        is(&self.repository, &shown.repository)
            && is(&self.lifecycle, &shown.lifecycle)
            && is(&self.name, &shown.name)
            && self.label.as_ref().is_none_or(|(key, value)| shown.labels.get(key) == Some(value))
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// How a connection began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// From a list's resourceVersion, with that list.
    List(u64, Vec<Shown>),
    /// With the present objects as ADDED events; `true` when a bookmark says where they end.
    Present(bool),
    /// Behind the version that the watcher saw last.
    Resumed(u64),
}

/// One connection of a watcher to one run of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which run of the daemon, counted from 0.
    pub run: usize,
    /// How it began.
    pub begin: Begin,
    /// What came, in the order in which it came.
    pub lines: Vec<Line>,
    /// Whether it ended with ERROR 410.
    pub expired: bool,
}

/// A watcher and everything that it ever saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// What to call it in messages.
    pub title: String,
    /// What it wanted.
    pub selection: Selection,
    /// Its connections, in order.
    pub sessions: Vec<Session>,
}

/// A write that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Which run of the daemon acknowledged it.
    pub run: usize,
    /// The object.
    pub name: Arc<str>,
    /// What the write made of it; `None`: it went away.
    pub after: Option<After>,
    /// The version that came back with the answer, or that a list had after the acknowledgement: the change is not newer.
    pub by: u64,
    /// Whether `by` is the version of the change itself.
    pub exact: bool,
}

/// What a write left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The lifecycle.
    pub lifecycle: String,
    /// The commit, where the writer knows it.
    pub commit: Option<String>,
    /// A label that the write set.
    pub label: Option<(String, String)>,
}

impl After {
    /// Whether an object shows it.
    pub fn fits(&self, shown: &Shown) -> bool {
        *self.lifecycle == *shown.lifecycle
            && self.commit.as_ref().is_none_or(|commit| **commit == *shown.commit)
            && self.label.as_ref().is_none_or(|(key, value)| shown.labels.get(key) == Some(value))
    }
}

/// Everything that a checker looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The watchers.
    pub watchers: Vec<Watched>,
    /// What the writers were told.
    pub acknowledged: Vec<Acknowledged>,
    /// The list at the end, when every watcher had caught up.
    pub last: Vec<Shown>,
}
