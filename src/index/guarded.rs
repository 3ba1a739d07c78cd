//! One guarded repository: the store, the view of it that readers share, and how that view is brought up to date.
//!
//! A refresh reads refs and ledger and nothing else decides what the view is: whoever asks for it, and however often, the
//! outcome is the same. Never here: moving refs and writing the ledger (see `commands`).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::assemble::{Objects, RevisionId, assemble};
use super::cache::Cache;
use super::catalog::Catalog;
use super::clock::{self, Clock};
use super::scan::{Findings, Memory, scan};
use crate::domain::ledger::{Entry, Ledger};
use crate::domain::oid::ObjectId;
use crate::domain::package::{Health, Repository, RepositoryKey};
use crate::domain::refs::RefName;
use crate::domain::timestamp::Micros;
use crate::git::{GitError, LedgerStore, Reader, RefSnapshot, Store};

/// What every repository of a daemon shares.
#[derive(Debug)]
pub struct Shared {
    /// The view for readers.
    pub catalog: Arc<Catalog>,
    /// The clock of resource versions.
    pub clock: Clock,
    /// The cache.
    pub cache: Cache,
    order: Mutex<()>,
    serving: AtomicBool,
}

impl Shared {
    /// What the repositories of one daemon share. The catalog's feed begins where the clock does.
    pub fn new(clock: Clock, cache: Cache) -> Self {
        Self {
            catalog: Arc::new(Catalog::new(clock.start())),
            clock,
            cache,
            order: Mutex::new(()),
            serving: AtomicBool::new(false),
        }
    }

    /// The first scan is over: from now on every object that appears is a change that watchers hear of.
    pub fn begin_serving(&self) {
        self.serving.store(true, Ordering::Release);
    }

    fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// Held from the moment a resource version is taken until the catalog has it: watchers must see versions rise, whichever
    /// repository they come from.
    pub fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One state of a repository, all parts of the same moment.
#[derive(Debug, Clone)]
pub struct View {
    /// The refs.
    pub snapshot: RefSnapshot,
    /// What they show.
    pub findings: Arc<Findings>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The ledger's commit.
    pub ledger_head: Option<ObjectId>,
    /// The package revisions.
    pub objects: Arc<Objects>,
}

/// One guarded repository.
#[derive(Debug)]
pub struct Guarded {
    key: Arc<RepositoryKey>,
    store: Store,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Held by whoever changes refs or the ledger: one writer per repository.
    writer: Mutex<()>,
}

#[derive(Debug)]
struct State {
    memory: Memory,
    view: Option<View>,
    digest: [u8; 32],
    unrecorded: BTreeSet<RevisionId>,
    created: Micros,
    shown: Option<(usize, Option<ObjectId>, Health)>,
}

/// Proof that the caller is the repository's only writer.
#[derive(Debug)]
pub struct Writer<'r>(#[allow(dead_code, reason = "held for its drop")] MutexGuard<'r, ()>);

impl Guarded {
    /// Opens a repository; it is not read yet.
    pub fn open(path: &Path, key: Arc<RepositoryKey>, shared: Arc<Shared>) -> Result<Self, GitError> {
        Ok(Self {
            key,
            store: Store::open(path)?,
            shared,
            state: Mutex::new(State {
                memory: Memory::default(),
                view: None,
                digest: [0; 32],
                unrecorded: BTreeSet::new(),
                created: birth(path),
                shown: None,
            }),
            writer: Mutex::new(()),
        })
    }

    /// Name, namespace and registration.
    pub fn key(&self) -> &Arc<RepositoryKey> {
        &self.key
    }

    /// The repository on disk.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Catalog, clock and cache.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Waits to be the only writer.
    pub fn lock(&self) -> Writer<'_> {
        Writer(self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Reads refs and ledger, tells the watchers what changed, and returns the view. Cheap when nothing moved.
    pub fn refresh(&self) -> Result<View, GitError> {
        let mut state = self.state();
        let result = self.refresh_locked(&mut state);
        let health = match &result {
            Ok(_) => Health::Ready,
            Err(error) => Health::Failed(error.to_string()),
        };
        self.show(&mut state, health);
        result
    }

    fn refresh_locked(&self, state: &mut State) -> Result<View, GitError> {
        let reader = self.store.reader();
        let snapshot = reader.refs()?;
        let digest = snapshot.digest();
        if let Some(view) = state.view.as_ref().filter(|_| state.digest == digest) {
            return Ok(view.clone());
        }
        let before = state.view.take();
        let ledger_head = snapshot.get(&RefName::ledger()).map(|value| value.target);
        let outcome = self.read(&reader, snapshot, ledger_head, before.as_ref(), state);
        match outcome {
            Ok(view) => {
                state.digest = digest;
                state.view = Some(view.clone());
                Ok(view)
            }
            Err(error) => {
                state.view = before;
                Err(error)
            }
        }
    }

    fn read(
        &self,
        reader: &Reader,
        snapshot: RefSnapshot,
        ledger_head: Option<ObjectId>,
        before: Option<&View>,
        state: &mut State,
    ) -> Result<View, GitError> {
        let ledger = match before.filter(|before| before.ledger_head == ledger_head) {
            Some(before) => before.ledger.clone(),
            None => Arc::new(read_ledger(reader, self.store.path())?),
        };
        let registration = &self.key.registration;
        let findings = scan(reader, &snapshot, registration, &ledger, &self.shared.cache, &mut state.memory)?;
        let nothing = Objects::new();
        let objects_before = before.map(|before| &*before.objects);
        let objects_before = objects_before.or(self.shared.is_serving().then_some(&nothing));
        let _order = self.shared.in_order();
        let assembly = assemble(&self.key, &findings, &ledger, objects_before, &self.shared.clock);
        state.unrecorded.retain(|id| assembly.objects.contains_key(id));
        state.unrecorded.extend(assembly.unrecorded);
        if objects_before.is_none() {
            self.shared.catalog.load(assembly.objects.values().cloned().collect());
        }
        self.shared.catalog.apply(assembly.changes);
        Ok(View { snapshot, findings: Arc::new(findings), ledger, ledger_head, objects: Arc::new(assembly.objects) })
    }

    /// Brings the Repository object up to date, when what clients see of it changed.
    fn show(&self, state: &mut State, health: Health) {
        let count = state.view.as_ref().map_or(0, |view| view.objects.len());
        let head = state.view.as_ref().and_then(|view| view.findings.head);
        let shown = (count, head, health.clone());
        if state.shown.as_ref() == Some(&shown) {
            return;
        }
        state.shown = Some(shown);
        let _order = self.shared.in_order();
        self.shared.catalog.put_repository(Repository {
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            registration: self.key.registration.clone(),
            deployment: self.key.deployment,
            url: self.key.url.clone(),
            created: state.created,
            resource_version: self.shared.clock.next(),
            health,
            package_count: count,
            head,
            scanned: clock::now(),
        });
    }

    /// Takes over entries that the one writer has just appended to the ledger, so that it need not be read again. Their
    /// effect on the objects shows at the next refresh, which the moved ledger ref causes.
    pub fn ledger_written(&self, head: ObjectId, entries: impl Iterator<Item = Entry>) {
        let mut state = self.state();
        if let Some(view) = &mut state.view {
            let ledger = Arc::make_mut(&mut view.ledger);
            entries.for_each(|entry| ledger.insert(entry));
            view.ledger_head = Some(head);
        }
    }

    /// The objects whose versions the ledger does not keep yet.
    pub fn unrecorded(&self) -> Vec<RevisionId> {
        self.state().unrecorded.iter().cloned().collect()
    }

    /// Notes that the ledger keeps the versions of these objects now.
    pub fn recorded(&self, ids: &[RevisionId]) {
        let mut state = self.state();
        ids.iter().for_each(|id| {
            state.unrecorded.remove(id);
        });
    }
}

/// When the repository's directory was made, as far as the file system knows; else now.
fn birth(path: &Path) -> Micros {
    let made = std::fs::metadata(path).and_then(|metadata| metadata.created()).ok();
    let since = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or_else(clock::now, |since| Micros::from_seconds(i64::try_from(since.as_secs()).unwrap_or(0)))
}

/// Reads the whole ledger. An entry that cannot be read is left out and told: it must not take the others with it.
fn read_ledger(reader: &Reader, path: &Path) -> Result<Ledger, GitError> {
    let mut ledger = Ledger::default();
    for (key, bytes) in LedgerStore::read_all(reader)? {
        match Entry::from_bytes(&bytes) {
            Ok(entry) if entry.key().as_str() == key => ledger.insert(entry),
            Ok(_) => {
                tracing::warn!(repository = %path.display(), key, "a ledger entry stands under another's key; it is left out")
            }
            Err(error) => {
                tracing::warn!(repository = %path.display(), key, %error, "a ledger entry cannot be read; it is left out")
            }
        }
    }
    Ok(ledger)
}
