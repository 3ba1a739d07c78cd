//! The history of one run of the daemon, put together from what all watchers of whole objects saw.
//!
//! Watchers of everything cover stretches of versions; within these the history is complete, as far as anybody was told.
//! Never here: judging a watcher (see `checker`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Begin, Kind, Line, Session, Shown, Watched};

/// One change as a watcher of everything sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object after it; for a deletion, as it was last.
    pub object: Shown,
    /// Whether the object is gone.
    pub gone: bool,
}

/// What is known of one run.
#[derive(Debug, Default)]
pub struct History {
    /// The changes by version.
    pub changes: BTreeMap<u64, Change>,
    /// The stretches of versions `(after, up to)` in which no change is unknown; in order, and apart from one another.
    covered: Vec<(u64, u64)>,
    /// What lists and initial events showed, by name.
    found: BTreeMap<Arc<str>, Vec<Shown>>,
}

impl History {
    /// Puts together the history of a run. Watchers that do not agree are told in `faults`.
    pub fn of(run: usize, watchers: &[Watched], faults: &mut Vec<String>) -> Self {
        let mut history = Self::default();
        for watcher in watchers {
            let whole = watcher.selection.is_everything();
            for session in watcher.sessions.iter().filter(|session| session.run == run) {
                history.add(&watcher.title, session, whole, faults);
            }
        }
        for object in history.found.values().flatten() {
            if history.changes.get(&object.version).is_some_and(|change| change.object != *object) {
                faults.push(format!("version {} of {} is not the same in a list", object.version, object.name));
            }
        }
        history.covered.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (from, to) in std::mem::take(&mut history.covered) {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        history.covered = joined;
        history
    }

    fn add(&mut self, title: &str, session: &Session, whole: bool, faults: &mut Vec<String>) {
        let listed = if let Begin::List(_, items) = &session.begin { items.as_slice() } else { &[] };
        let began = session.lines[..initial(session)].iter().filter_map(|line| match line {
            Line::Event(_, object) => Some(object),
            Line::Bookmark(..) => None,
        });
        for object in listed.iter().chain(began).filter(|object| object.digest.is_some()) {
            self.found.entry(object.name.clone()).or_default().push(object.clone());
        }
        for line in live(session) {
            let Line::Event(kind, object) = line else { continue };
            // Who selects cannot tell an object that is gone from one that is no longer selected.
            if object.digest.is_none() || (*kind == Kind::Deleted && !whole) {
                continue;
            }
            let change = Change { object: object.clone(), gone: *kind == Kind::Deleted };
            let (version, name) = (object.version, object.name.clone());
            match self.changes.insert(version, change.clone()) {
                Some(other) if other != change => faults.push(format!(
                    "{title}: version {version} is {} of {name} here and {} of {} elsewhere",
                    word(&change),
                    word(&other),
                    other.object.name
                )),
                _ => {}
            }
        }
        if whole && session.lines.iter().all(|line| !matches!(line, Line::Event(_, object) if object.digest.is_none()))
        {
            self.covered.extend(reach(session));
        }
    }

    /// What lists and initial events showed of an object.
    pub fn found(&self, name: &str) -> &[Shown] {
        self.found.get(name).map_or(&[], Vec::as_slice)
    }

    /// The parts of `(from, to]` in which the history is complete.
    pub fn within(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
        let cut = move |&(start, end): &(u64, u64)| (start.max(from), end.min(to));
        self.covered.iter().map(cut).filter(|(from, to)| from < to)
    }

    /// The stretches in which the history is complete.
    pub fn covered(&self) -> &[(u64, u64)] {
        &self.covered
    }

    /// Whether a change of this version would be in the history.
    pub fn covers(&self, version: u64) -> bool {
        self.within(version.saturating_sub(1), version).next().is_some()
    }
}

fn word(change: &Change) -> &'static str {
    if change.gone { "the end" } else { "a state" }
}

/// The lines of a session behind its initial events.
pub fn live(session: &Session) -> impl Iterator<Item = &Line> {
    session.lines.iter().skip(initial(session))
}

/// How many of a session's lines are initial events, which come in no order of versions: those up to the bookmark that
/// ends them, or else the unbroken row of ADDED for different objects with names that rise, as lists are sorted.
pub fn initial(session: &Session) -> usize {
    match session.begin {
        Begin::List(..) | Begin::Resumed(_) => 0,
        Begin::Present(true) => {
            let end = session.lines.iter().position(|line| matches!(line, Line::Bookmark(_, true)));
            end.map_or(session.lines.len(), |end| end + 1)
        }
        Begin::Present(false) => {
            let mut last = "";
            let risen = session.lines.iter().take_while(|line| match line {
                Line::Event(Kind::Added, object) if *object.name > *last => {
                    last = &object.name;
                    true
                }
                _ => false,
            });
            risen.count()
        }
    }
}

/// The versions that a session covers: behind its start, up to its last event or bookmark; `None` when that is nothing.
pub fn reach(session: &Session) -> Option<(u64, u64)> {
    let start = match &session.begin {
        Begin::List(version, _) | Begin::Resumed(version) => *version,
        Begin::Present(true) => session.lines.iter().find_map(|line| match line {
            Line::Bookmark(version, true) => Some(*version),
            _ => None,
        })?,
        // Nothing says where it began; behind its first change it is known.
        Begin::Present(false) => live(session).map(version).next()?,
    };
    let end = live(session).map(version).max()?;
    (start < end).then_some((start, end))
}

/// A line's version.
pub fn version(line: &Line) -> u64 {
    match line {
        Line::Event(_, object) => object.version,
        Line::Bookmark(version, _) => *version,
    }
}
