//! What happened to which object, for people: Kubernetes' Events. Kept in memory for an hour and only so many of them; the
//! ledger is the record.
//!
//! The same thing said again of the same object is one notice with a count. Never here: what is worth a notice, and how it
//! looks in the API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::feed::{EventKind, Expired, Feed, WINDOW};
use crate::domain::names::Namespace;
use crate::domain::timestamp::Micros;

/// So many are kept.
const MOST: usize = 4_000;
/// How long each is kept, in microseconds.
const AGE: u64 = 3_600_000_000;

/// The object that a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its group and version.
    pub api_version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its own name.
    pub name: String,
    /// What it is about.
    pub about: About,
    /// Whether somebody should look.
    pub warning: bool,
    /// One word for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// When it was said first.
    pub first: Micros,
    /// When it was said last.
    pub last: Micros,
    /// How often it was said.
    pub count: u32,
    /// Changes whenever it is said again.
    pub resource_version: u64,
}

impl Notice {
    /// A notice of this moment.
    pub fn new(about: About, warning: bool, reason: &'static str, message: String, now: Micros) -> Self {
        let mut hash = Sha256::new();
        for part in [about.kind, about.namespace.as_str(), reason, message.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digits: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{}.{digits}", about.name);
        Self { name, about, warning, reason, message, first: now, last: now, count: 1, resource_version: 0 }
    }

    fn key(&self) -> Key {
        (self.about.namespace.to_string(), self.name.clone())
    }
}

/// One change of the notices.
#[derive(Debug, Clone)]
pub struct NoticeChange {
    /// The resource version of the change.
    pub resource_version: u64,
    /// What happened.
    pub kind: EventKind,
    /// The notice after the change, or as it was last.
    pub notice: Arc<Notice>,
}

/// Namespace and name.
type Key = (String, String);

/// The notices of all repositories.
#[derive(Debug)]
pub(super) struct Notices {
    pub(super) all: BTreeMap<Key, Arc<Notice>>,
    /// By resource version: the one said longest ago comes first.
    by_age: BTreeSet<(u64, Key)>,
    feed: Feed<NoticeChange>,
}

impl Notices {
    /// None yet; watches from before `start` are expired.
    pub(super) fn new(start: u64) -> Self {
        Self { all: BTreeMap::new(), by_age: BTreeSet::new(), feed: Feed::new(start, WINDOW) }
    }

    /// Adds a notice, or counts one that was said before. `next` gives a new resource version for each change.
    pub(super) fn note(&mut self, mut notice: Notice, mut next: impl FnMut() -> u64) {
        let (key, now) = (notice.key(), notice.last);
        notice.resource_version = next();
        let mut kind = EventKind::Added;
        if let Some(before) = self.all.get(&key) {
            kind = EventKind::Modified;
            (notice.first, notice.count) = (before.first, before.count.saturating_add(1));
            self.by_age.remove(&(before.resource_version, key.clone()));
        }
        self.by_age.insert((notice.resource_version, key.clone()));
        let notice = Arc::new(notice);
        self.all.insert(key, notice.clone());
        self.tell(notice.resource_version, kind, notice);
        self.forget(now, next);
    }

    /// Lets go of what is too old or too much.
    pub(super) fn forget(&mut self, now: Micros, mut next: impl FnMut() -> u64) {
        while let Some((version, key)) = self.by_age.first().cloned() {
            let old = self.all.get(&key).is_none_or(|notice| notice.last.0.saturating_add(AGE) < now.0);
            if !old && self.all.len() <= MOST {
                return;
            }
            self.by_age.remove(&(version, key.clone()));
            if let Some(notice) = self.all.remove(&key) {
                let resource_version = next();
                let notice = Arc::new(Notice { resource_version, ..(*notice).clone() });
                self.tell(resource_version, EventKind::Deleted, notice);
            }
        }
    }

    /// The changes after a position, oldest first, at most `limit`.
    pub(super) fn after(&self, position: u64, limit: usize) -> Result<Vec<NoticeChange>, Expired> {
        self.feed.after(position, limit)
    }

    fn tell(&mut self, resource_version: u64, kind: EventKind, notice: Arc<Notice>) {
        self.feed.push(resource_version, NoticeChange { resource_version, kind, notice });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(name: &str, message: &str, seconds: i64) -> Notice {
        let about = About {
            api_version: "porch.kpt.dev/v1alpha1",
            kind: "PackageRevision",
            namespace: Namespace::parse("default").expect("valid"),
            name: name.to_owned(),
            uid: String::new(),
        };
        Notice::new(about, true, "TagMoved", message.to_owned(), Micros::from_seconds(seconds))
    }

    #[test]
    fn the_same_is_counted_and_the_old_and_the_many_go() {
        let (mut notices, mut version) = (Notices::new(0), 0);
        let mut note = |notices: &mut Notices, notice: Notice| {
            notices.note(notice, || {
                version += 1;
                version
            });
        };
        note(&mut notices, notice("a", "it moved", 10));
        note(&mut notices, notice("a", "it moved", 20));
        note(&mut notices, notice("b", "it moved", 30));
        let first = notices.all.values().next().expect("one").clone();
        assert_eq!((first.count, first.first, first.last), (2, Micros::from_seconds(10), Micros::from_seconds(20)));
        let kinds: Vec<EventKind> = notices.after(0, 10).expect("kept").iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [EventKind::Added, EventKind::Modified, EventKind::Added]);
        note(&mut notices, notice("c", "it moved", 3_625));
        assert_eq!(notices.all.len(), 2, "a was said more than an hour ago");
        for number in 0..MOST + 100 {
            note(&mut notices, notice(&format!("n{number}"), "it moved", 3_626));
        }
        assert_eq!((notices.all.len(), notices.by_age.len()), (MOST, MOST));
    }
}
