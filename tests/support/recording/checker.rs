//! Judges what watchers saw against one another, against what writers were told, and against the list at the end.
//!
//! The rules: versions rise in every connection and nothing comes twice; a bookmark never runs ahead of events; ADDED,
//! MODIFIED and DELETED follow one another legally for every object; nothing comes that is not selected; nothing is left out
//! of what the history has for the selection; all watchers agree on what a version is; no object ever goes back; every
//! acknowledged write was seen by its version; lifecycles follow the table; what a watcher has at the end is the list.
//! Pure. Never here: how the record was made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::history::{History, initial, live, reach};
use super::{Acknowledged, Begin, Kind, Line, Record, Session, Shown, Watched};

/// How many changes the daemon promises to keep for watchers that resume.
const WINDOW: usize = 16_384;

/// What a check found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong, one sentence each.
    pub faults: Vec<String>,
    /// Acknowledged writes that were found in the history.
    pub found: usize,
    /// Acknowledged writes at whose version nobody watched: the daemon was killed right after them.
    pub unwatched: usize,
    /// Changes that the histories of all runs hold.
    pub changes: usize,
}

/// Checks a record.
pub fn check(record: &Record) -> Verdict {
    let mut verdict = Verdict::default();
    let faults = &mut verdict.faults;
    let sessions = record.watchers.iter().flat_map(|watcher| &watcher.sessions);
    let runs = sessions.map(|session| session.run + 1).max().unwrap_or(0);
    let histories: Vec<History> = (0..runs).map(|run| History::of(run, &record.watchers, faults)).collect();
    for watcher in &record.watchers {
        Follower { watcher, held: BTreeMap::new(), newest: BTreeMap::new(), faults }.follow(&histories, &record.last);
    }
    for history in &histories {
        lifecycles(history, faults);
        verdict.changes += history.changes.len();
    }
    for write in &record.acknowledged {
        match histories.get(write.run).filter(|history| history.covers(write.by)) {
            None => verdict.unwatched += 1,
            Some(history) if is_in(history, write) => verdict.found += 1,
            Some(_) => verdict.faults.push(format!("nobody saw what was acknowledged: {write:?}")),
        }
    }
    verdict
}

fn is_in(history: &History, write: &Acknowledged) -> bool {
    let fits = |object: &Shown, gone: bool| {
        *object.name == *write.name
            && write.after.as_ref().map_or(gone, |after| !gone && after.fits(object))
            && object.version <= write.by
    };
    if write.exact {
        return history.changes.get(&write.by).is_some_and(|change| fits(&change.object, change.gone));
    }
    let mut changes = history.changes.range(..=write.by);
    changes.any(|(_, change)| fits(&change.object, change.gone))
        // It happened before anybody watched this run: then the lists of that moment have it, or have it no more.
        || match write.after {
            Some(_) => history.found(&write.name).iter().any(|object| fits(object, false)),
            // One that a list has from later is another life of the name.
            None => history.found(&write.name).iter().all(|object| object.version > write.by),
        }
}

/// Every object's lifecycles follow one another as the table says.
fn lifecycles(history: &History, faults: &mut Vec<String>) {
    for &(from, to) in history.covered() {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        for (version, change) in history.changes.range(from + 1..=to) {
            let object = &change.object;
            let last = before.get(&*object.name).copied();
            if change.gone {
                before.remove(&*object.name);
                if last == Some("Published") && !object.name.ends_with(".main") {
                    faults.push(format!("{} went away at {version} while it was Published", object.name));
                }
                continue;
            }
            let now = &*object.lifecycle;
            if let Some(last) = last.filter(|last| *last != now && !follows(last, now)) {
                faults.push(format!("{} became {now} at {version} and was {last} before", object.name));
            }
            before.insert(&object.name, now);
        }
    }
}

fn follows(from: &str, to: &str) -> bool {
    matches!(
        (from, to),
        ("Draft", "Proposed")
            | ("Proposed", "Draft" | "Published")
            | ("Published", "DeletionProposed")
            | ("DeletionProposed", "Published")
    )
}

/// Follows one watcher through all of its connections.
struct Follower<'a> {
    watcher: &'a Watched,
    /// What the watcher would show: the object as it came last.
    held: BTreeMap<Arc<str>, Shown>,
    /// The newest version of each object that was ever seen.
    newest: BTreeMap<Arc<str>, u64>,
    faults: &'a mut Vec<String>,
}

impl Follower<'_> {
    fn fault(&mut self, text: String) {
        self.faults.push(format!("{}: {text}", self.watcher.title));
    }

    fn follow(mut self, histories: &[History], last: &[Shown]) {
        let mut run = None;
        for session in &self.watcher.sessions {
            let history = &histories[session.run];
            if session.expired && run == Some(session.run) && history.changes.len() < WINDOW {
                self.fault(format!("{:?} was answered 410 in the run that it came from", session.begin));
            }
            run = Some(session.run);
            let mut position = self.begin(session);
            let before: BTreeSet<Arc<str>> = self.held.keys().cloned().collect();
            for line in live(session) {
                position = self.take(line, position);
            }
            self.compare(session, before, history);
        }
        let last: Vec<&Shown> = last.iter().filter(|object| self.watcher.selection.matches(object)).collect();
        let listed: BTreeMap<&str, u64> = last.iter().map(|object| (&*object.name, object.version)).collect();
        let held: BTreeMap<&str, u64> = self.held.iter().map(|(name, object)| (&**name, object.version)).collect();
        if listed != held {
            let differs = |name: &&str| listed.get(*name) != held.get(*name);
            let names: BTreeSet<&str> = listed.keys().chain(held.keys()).copied().filter(differs).collect();
            let all: Vec<String> =
                names.iter().map(|name| format!("{name}: {:?}, not {:?}", held.get(name), listed.get(name))).collect();
            self.fault(format!("what it has at the end is not the list: {}", all.join("; ")));
        }
    }

    /// The start of a connection: what the watcher has then, and the position.
    fn begin(&mut self, session: &Session) -> u64 {
        let mut position = 0;
        match &session.begin {
            Begin::Resumed(version) => position = *version,
            Begin::List(version, items) => {
                position = *version;
                self.held.clear();
                for item in items {
                    if item.version > *version {
                        self.fault(format!("the list at {version} has {} at {}", item.name, item.version));
                    }
                    self.arrive(item);
                }
            }
            Begin::Present(_) if session.expired || session.lines.is_empty() => {}
            Begin::Present(_) => {
                self.held.clear();
                for line in &session.lines[..initial(session)] {
                    match line {
                        Line::Event(Kind::Added, object) if !self.held.contains_key(&object.name) => {
                            self.arrive(object)
                        }
                        Line::Event(kind, object) => {
                            self.fault(format!("{kind:?} of {} among the initial events", object.name));
                        }
                        Line::Bookmark(version, _) => position = *version,
                    }
                }
                let newest = self.held.values().map(|object| object.version).max().unwrap_or(0);
                if position != 0 && newest > position {
                    self.fault(format!("the initial events end at {position}, and one is of {newest}"));
                }
            }
        }
        position
    }

    /// An object as it is now.
    fn arrive(&mut self, object: &Shown) {
        if !self.watcher.selection.matches(object) {
            self.fault(format!("{} at {} is not selected: {object:?}", object.name, object.version));
        }
        self.rise(object);
        self.held.insert(object.name.clone(), object.clone());
    }

    fn rise(&mut self, object: &Shown) {
        let newest = self.newest.entry(object.name.clone()).or_insert(object.version);
        let before = std::mem::replace(newest, object.version.max(*newest));
        if before > object.version {
            self.fault(format!("{} went back from {before} to {}", object.name, object.version));
        }
    }

    /// A line behind the beginning; returns the new position.
    fn take(&mut self, line: &Line, position: u64) -> u64 {
        let (kind, object) = match line {
            Line::Bookmark(version, _) => {
                if *version < position {
                    self.fault(format!("a bookmark of {version} behind {position}"));
                }
                return position.max(*version);
            }
            Line::Event(kind, object) => (*kind, object),
        };
        if object.version <= position {
            self.fault(format!("{kind:?} of {} at {} behind {position}", object.name, object.version));
        }
        let had = self.held.contains_key(&object.name);
        if had == (kind == Kind::Added) {
            let word = if had { "that it has" } else { "that it has not" };
            self.fault(format!("{kind:?} of {} at {}, {word}", object.name, object.version));
        }
        if kind == Kind::Deleted {
            self.rise(object);
            self.held.remove(&object.name);
        } else {
            self.arrive(object);
        }
        position.max(object.version)
    }

    /// Compares a connection with the history, wherever that is complete.
    fn compare(&mut self, session: &Session, before: BTreeSet<Arc<str>>, history: &History) {
        let Some((start, end)) = reach(session) else { return };
        let events: BTreeMap<u64, (Kind, &Shown)> = live(session)
            .filter_map(|line| match line {
                Line::Event(kind, object) => Some((object.version, (*kind, object))),
                Line::Bookmark(..) => None,
            })
            .collect();
        for (from, to) in history.within(start, end) {
            let mut present = before.clone();
            for (kind, object) in events.range(..=from).map(|(_, event)| event) {
                match kind {
                    Kind::Deleted => present.remove(&object.name),
                    _ => present.insert(object.name.clone()),
                };
            }
            let mut got: BTreeMap<u64, (Kind, &Shown)> = events.range(from + 1..=to).map(|(v, e)| (*v, *e)).collect();
            for (version, change) in history.changes.range(from + 1..=to) {
                let object = &change.object;
                let now = !change.gone && self.watcher.selection.matches(object);
                let wanted = match (present.contains(&object.name), now) {
                    (false, false) => None,
                    (false, true) => Some(Kind::Added),
                    (true, true) => Some(Kind::Modified),
                    (true, false) => Some(Kind::Deleted),
                };
                if now {
                    present.insert(object.name.clone());
                } else {
                    present.remove(&object.name);
                }
                let came = got.remove(version).map(|(kind, shown)| (kind, &*shown.name));
                if came != wanted.map(|kind| (kind, &*object.name)) {
                    self.fault(format!("{} at {version}: {wanted:?} was to come, and {came:?} came", object.name));
                }
            }
            for (version, (kind, object)) in got {
                self.fault(format!("{kind:?} of {} at {version}: nobody else saw it", object.name));
            }
        }
    }
}
