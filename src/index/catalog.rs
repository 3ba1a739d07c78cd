//! The catalog: what the world looks like now, for every reader, and the feed of its changes.
//!
//! State and feed are behind one lock, so that a list and a watch that starts at its resource version never miss or
//! repeat a change. Never here: reading Git (see `scan`), and deciding anything.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::feed::{Event, EventKind, Expired, Feed, RepositoryEvent, WINDOW};
use super::notices::{Notice, NoticeChange, Notices};
use crate::domain::names::{Namespace, RepositoryName};
use crate::domain::package::{PackageRevision, Repository};
use crate::domain::timestamp::Micros;

/// Namespace and name of an object.
type Key = (String, String);

#[derive(Debug)]
struct Inner {
    revisions: BTreeMap<Key, Arc<PackageRevision>>,
    repositories: BTreeMap<Key, Arc<Repository>>,
    feed: Feed<Event>,
    repository_feed: Feed<RepositoryEvent>,
    notices: Notices,
    version: u64,
}

/// The shared view of all repositories.
#[derive(Debug)]
pub struct Catalog {
    inner: RwLock<Inner>,
    /// Told after every change; carries the newest resource version.
    changed: watch::Sender<u64>,
}

/// A consistent list and the resource version to watch from.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// The objects, ordered by namespace and name.
    pub items: Vec<Arc<T>>,
    /// Every change up to here is in the list, none after.
    pub resource_version: u64,
}

/// One change to the catalog, before the feed knows it.
#[derive(Debug, Clone)]
pub enum Change {
    /// The object is new or changed; its resource version is that of the change.
    Put(Arc<PackageRevision>),
    /// The object is gone.
    Remove {
        /// Its namespace.
        namespace: Namespace,
        /// Its name.
        name: String,
        /// The resource version of the removal.
        resource_version: u64,
    },
}

impl Change {
    fn resource_version(&self) -> u64 {
        match self {
            Self::Put(object) => object.resource_version,
            Self::Remove { resource_version, .. } => *resource_version,
        }
    }
}

impl Catalog {
    /// An empty catalog whose feed begins at `start`: watches from before it are expired.
    pub fn new(start: u64) -> Self {
        Self {
            inner: RwLock::new(Inner {
                revisions: BTreeMap::new(),
                repositories: BTreeMap::new(),
                feed: Feed::new(start, WINDOW),
                repository_feed: Feed::new(start, WINDOW),
                notices: Notices::new(start),
                version: start,
            }),
            changed: watch::channel(start).0,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// All package revisions of a namespace, or of all namespaces.
    pub fn revisions(&self, namespace: Option<&str>) -> Listing<PackageRevision> {
        let inner = self.read();
        Listing { items: select(&inner.revisions, namespace), resource_version: inner.version }
    }

    /// One package revision.
    pub fn revision(&self, namespace: &str, name: &str) -> Option<Arc<PackageRevision>> {
        self.read().revisions.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// All repositories of a namespace, or of all namespaces.
    pub fn repositories(&self, namespace: Option<&str>) -> Listing<Repository> {
        let inner = self.read();
        Listing { items: select(&inner.repositories, namespace), resource_version: inner.version }
    }

    /// One repository.
    pub fn repository(&self, namespace: &str, name: &str) -> Option<Arc<Repository>> {
        self.read().repositories.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// The package revisions of one repository.
    pub fn revisions_of(&self, namespace: &Namespace, repository: &RepositoryName) -> Vec<Arc<PackageRevision>> {
        let prefix = format!("{repository}.");
        let start = (namespace.as_str().to_owned(), prefix.clone());
        let inner = self.read();
        let below = inner
            .revisions
            .range(start..)
            .take_while(|((ns, name), _)| ns == namespace.as_str() && name.starts_with(&prefix));
        below.map(|(_, revision)| revision.clone()).collect()
    }

    /// The newest resource version.
    pub fn resource_version(&self) -> u64 {
        self.read().version
    }

    /// Applies changes in the order of their resource versions and tells the watchers.
    pub fn apply(&self, mut changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        changes.sort_by_key(Change::resource_version);
        let version = {
            let mut inner = self.write();
            for change in changes {
                inner.apply(change);
            }
            inner.version
        };
        self.changed.send_replace(version);
    }

    /// Loads objects as the state from which the feed begins: no events, for the first scan of a repository that was
    /// there before the daemon started.
    pub fn load(&self, objects: Vec<Arc<PackageRevision>>) {
        let mut inner = self.write();
        for object in objects {
            inner.version = inner.version.max(object.resource_version);
            inner.revisions.insert((object.repository.namespace.to_string(), object.name.clone()), object);
        }
        inner.feed = Feed::new(inner.version, WINDOW);
    }

    /// Puts a repository object. Nothing happens when it did not change in what clients see.
    pub fn put_repository(&self, repository: Repository) {
        let version = {
            let mut inner = self.write();
            let key = (repository.namespace.to_string(), repository.name.to_string());
            let kind = if inner.repositories.contains_key(&key) { EventKind::Modified } else { EventKind::Added };
            let resource_version = repository.resource_version;
            let object = Arc::new(repository);
            inner.repositories.insert(key, object.clone());
            inner.version = inner.version.max(resource_version);
            inner.repository_feed.push(resource_version, RepositoryEvent { resource_version, kind, object });
            inner.version
        };
        self.changed.send_replace(version);
    }

    /// Removes a repository and all its package revisions; `next` gives a new resource version for each.
    pub fn remove_repository(&self, namespace: &Namespace, name: &RepositoryName, mut next: impl FnMut() -> u64) {
        let gone = self.revisions_of(namespace, name).into_iter().map(|revision| Change::Remove {
            namespace: namespace.clone(),
            name: revision.name.clone(),
            resource_version: next(),
        });
        let gone: Vec<Change> = gone.collect();
        self.apply(gone);
        let version = {
            let mut inner = self.write();
            let Some(object) = inner.repositories.remove(&(namespace.to_string(), name.to_string())) else { return };
            let resource_version = next();
            let object = Arc::new(Repository { resource_version, ..(*object).clone() });
            inner.version = inner.version.max(resource_version);
            inner
                .repository_feed
                .push(resource_version, RepositoryEvent { resource_version, kind: EventKind::Deleted, object });
            inner.version
        };
        self.changed.send_replace(version);
    }

    /// The changes of package revisions after a position, oldest first, at most `limit`.
    pub fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Event>, Expired> {
        self.read().feed.after(position, limit)
    }

    /// The changes of repositories after a position, oldest first, at most `limit`.
    pub fn repository_events_after(&self, position: u64, limit: usize) -> Result<Vec<RepositoryEvent>, Expired> {
        self.read().repository_feed.after(position, limit)
    }

    /// All notices of a namespace, or of all namespaces.
    pub fn notices(&self, namespace: Option<&str>) -> Listing<Notice> {
        let inner = self.read();
        Listing { items: select(&inner.notices.all, namespace), resource_version: inner.version }
    }

    /// One notice.
    pub fn notice(&self, namespace: &str, name: &str) -> Option<Arc<Notice>> {
        self.read().notices.all.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// The changes of notices after a position, oldest first, at most `limit`.
    pub fn notice_changes_after(&self, position: u64, limit: usize) -> Result<Vec<NoticeChange>, Expired> {
        self.read().notices.after(position, limit)
    }

    /// Adds a notice, and lets go of old ones; `next` gives a new resource version for each change.
    pub fn note(&self, notice: Notice, next: impl FnMut() -> u64) {
        self.change_notices(next, |notices, next| notices.note(notice, next));
    }

    /// Lets go of notices that are too old.
    pub fn forget_notices(&self, now: Micros, next: impl FnMut() -> u64) {
        self.change_notices(next, |notices, next| notices.forget(now, next));
    }

    fn change_notices(
        &self,
        mut next: impl FnMut() -> u64,
        change: impl FnOnce(&mut Notices, &mut dyn FnMut() -> u64),
    ) {
        let version = {
            let mut inner = self.write();
            let mut newest = inner.version;
            change(&mut inner.notices, &mut || {
                newest = next();
                newest
            });
            inner.version = inner.version.max(newest);
            inner.version
        };
        self.changed.send_replace(version);
    }

    /// How many watchers there are.
    pub fn watchers(&self) -> usize {
        self.changed.receiver_count()
    }

    /// Wakes whenever something changed; the value is the newest resource version.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl Inner {
    fn apply(&mut self, change: Change) {
        let resource_version = change.resource_version();
        let (kind, object, previous) = match change {
            Change::Put(object) => {
                let key = (object.repository.namespace.to_string(), object.name.clone());
                let previous = self.revisions.insert(key, object.clone());
                let kind = if previous.is_some() { EventKind::Modified } else { EventKind::Added };
                (kind, object, previous)
            }
            Change::Remove { namespace, name, .. } => {
                let Some(last) = self.revisions.remove(&(namespace.to_string(), name)) else { return };
                let object = Arc::new(PackageRevision { resource_version, ..(*last).clone() });
                (EventKind::Deleted, object, Some(last))
            }
        };
        self.version = self.version.max(resource_version);
        self.feed.push(resource_version, Event { resource_version, kind, object, previous });
    }
}

fn select<T>(all: &BTreeMap<Key, Arc<T>>, namespace: Option<&str>) -> Vec<Arc<T>> {
    match namespace {
        None => all.values().cloned().collect(),
        Some(namespace) => all
            .range((namespace.to_owned(), String::new())..)
            .take_while(|((ns, _), _)| ns == namespace)
            .map(|(_, object)| object.clone())
            .collect(),
    }
}
