//! One guarded repository: the store, the view of it that readers share, and how that view is brought up to date.
//!
//! A refresh reads refs and ledger and nothing else decides what the view is: whoever asks for it, and however often, the
//! outcome is the same. Never here: moving refs and writing the ledger (see `commands`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::assemble::{Assembler, Assembly, Objects, RevisionId};
use super::branch_line::BranchLine;
use super::cache::Cache;
use super::catalog::Catalog;
use super::clock::{self, Clock};
use super::facts::FactStore;
use super::integrity::{Findings, OfWorkspace};
use super::ledger;
use super::notices::Notice;
use super::numbers::Numbers;
use super::scan::{Scanned, Scanner, branch_line, keep_branch_line, packages_named};
use crate::domain::integrity::{Finding, Subject};
use crate::domain::ledger::{Before, Entry, Ledger};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::{Health, Repository, RepositoryKey};
use crate::domain::refs::{RefName, Registration};
use crate::domain::repository_keys::RepositoryKeys;
use crate::domain::timestamp::Micros;
use crate::git::{GitError, Reader, RefSnapshot, Store};

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
    ledger_appends: AtomicU64,
    /// The directory of the files that keep the numbers that were given.
    numbers: Option<PathBuf>,
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
            ledger_appends: AtomicU64::new(0),
            numbers: None,
        }
    }

    /// The same, keeping the numbers that are given in a directory outside of Git.
    pub fn keeping_numbers(self, directory: PathBuf) -> Self {
        Self { numbers: Some(directory), ..self }
    }

    /// How many commits were written to ledgers since the start.
    pub fn ledger_appends(&self) -> u64 {
        self.ledger_appends.load(Ordering::Relaxed)
    }

    /// The first scan is over: from now on every object that appears is a change that watchers hear of.
    pub fn begin_serving(&self) {
        self.serving.store(true, Ordering::Release);
    }

    fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    /// Says what happened to an object, for people.
    pub fn note(&self, notice: Notice) {
        let _order = self.in_order();
        self.catalog.note(notice, || self.clock.next());
    }

    /// Lets go of what was said long ago.
    pub fn forget_notices(&self) {
        let _order = self.in_order();
        self.catalog.forget_notices(clock::now(), || self.clock.next());
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
    /// The registered branch's commit, if the branch exists.
    pub head: Option<ObjectId>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The ledger's commit.
    pub ledger_head: Option<ObjectId>,
    /// The package revisions.
    pub objects: Objects,
    /// What of the package revisions is not as the ledger says.
    pub findings: Findings,
    /// What of the registered branch is not.
    pub branch_finding: Option<Finding>,
    /// The ledger's ref, when somebody else moved it anywhere but on: the view is still that of the ledger as it was left.
    pub ledger_finding: Option<Finding>,
}

/// One guarded repository.
#[derive(Debug)]
pub struct Guarded {
    keys: RepositoryKeys,
    store: Store,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Held by whoever changes refs or the ledger: one writer per repository.
    writer: Mutex<()>,
}

#[derive(Debug)]
struct State {
    facts: FactStore,
    line: Option<BranchLine>,
    view: Option<View>,
    /// Packages whose ledger entries were written since the last refresh.
    touched: BTreeSet<PackagePath>,
    unrecorded: BTreeSet<RevisionId>,
    created: Micros,
    /// How many package revisions each Repository has.
    counts: Vec<usize>,
    /// What clients see of each Repository.
    shown: Vec<(usize, Option<ObjectId>, Health)>,
    /// The head of the branch whose line the cache keeps.
    kept: Option<ObjectId>,
    /// Whether it is guarded no more, and no more shown.
    closed: bool,
    /// The numbers that were given, where they are kept.
    numbers: Option<Numbers>,
}

/// What a scan read.
struct Scan {
    found: Vec<Scanned>,
    branch_finding: Option<Finding>,
    ledger_finding: Option<Finding>,
    ledger: Arc<Ledger>,
    ledger_head: Option<ObjectId>,
    head: Option<ObjectId>,
    new_line: Option<BranchLine>,
}

/// Proof that the caller is the repository's only writer.
#[derive(Debug)]
pub struct Writer<'r>(#[allow(dead_code, reason = "held for its drop")] MutexGuard<'r, ()>);

impl Guarded {
    /// Opens a repository; it is not read yet.
    pub fn open(path: &Path, keys: impl Into<RepositoryKeys>, shared: Arc<Shared>) -> Result<Self, GitError> {
        let keys = keys.into();
        let file = |directory: &PathBuf| directory.join(format!("{}.{}", keys.whole().namespace, keys.whole().name));
        let numbers = shared.numbers.as_ref().map(|directory| Numbers::open(file(directory)));
        Ok(Self {
            keys,
            store: Store::open(path)?,
            shared,
            state: Mutex::new(State {
                facts: FactStore::default(),
                line: None,
                view: None,
                touched: BTreeSet::new(),
                unrecorded: BTreeSet::new(),
                created: birth(path),
                counts: Vec::new(),
                shown: Vec::new(),
                kept: None,
                closed: false,
                numbers,
            }),
            writer: Mutex::new(()),
        })
    }

    /// The registration that covers all packages, under the name of the first Repository: for what is done with the bare
    /// repository as a whole. What belongs to one package asks `key_of`.
    pub fn key(&self) -> &Arc<RepositoryKey> {
        self.keys.whole()
    }

    /// Name, namespace and registration of the Repository that a package belongs to.
    pub fn key_of(&self, package: &PackagePath) -> &Arc<RepositoryKey> {
        self.keys.of(package)
    }

    /// All Repositories that share this bare repository; mostly one.
    pub fn keys(&self) -> &RepositoryKeys {
        &self.keys
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

    /// The same, if nobody is at this moment.
    pub fn try_lock(&self) -> Option<Writer<'_>> {
        match self.writer.try_lock() {
            Ok(guard) => Some(Writer(guard)),
            Err(TryLockError::Poisoned(poisoned)) => Some(Writer(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Reads refs and ledger, tells the watchers what changed, and returns the view. Cheap when nothing moved.
    pub fn refresh(&self) -> Result<View, GitError> {
        let mut state = self.state();
        if state.closed {
            return Err(GitError::Closed { repository: self.store.path().to_owned() });
        }
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
        if let Some(view) = state.view.as_ref().filter(|view| view.snapshot == snapshot) {
            return Ok(view.clone());
        }
        let scan = self.scan(&reader, &snapshot, state)?;
        Ok(self.take_over(snapshot, scan, state))
    }

    /// Reads what may have changed since the view before, and changes nothing yet.
    fn scan(&self, reader: &Reader, snapshot: &RefSnapshot, state: &mut State) -> Result<Scan, GitError> {
        let State { facts, line, view, touched, numbers, .. } = state;
        let registration = &self.key().registration;
        let shown = snapshot.get(&RefName::ledger()).map(|value| value.target);
        let known = view.as_ref().and_then(|view| view.ledger_head).filter(|known| shown != Some(*known));
        let ledger_finding = known.map(|known| moved_back(reader, known)).transpose()?.flatten();
        let ledger_head = if ledger_finding.is_some() { known } else { shown };
        let known_ledger = view.as_ref().filter(|view| view.ledger_head == ledger_head).map(|view| view.ledger.clone());
        let head = snapshot.get(&registration.branch).and_then(|value| value.commit);
        let (new_line, on_branch) = match head {
            Some(head) if line.as_ref().is_some_and(|line| line.head == head) => (None, BTreeSet::new()),
            Some(head) => {
                let (line, touched) = branch_line(reader, head, registration, &self.shared.cache, line.as_ref())?;
                (Some(line), touched)
            }
            None => (None, BranchLine::differences(line.as_ref(), None).into_iter().collect()),
        };
        let mut packages = touched.clone();
        match (view.as_ref(), &known_ledger) {
            (Some(view), Some(_)) => {
                packages.extend(packages_named(view.snapshot.changed(snapshot).into_iter(), registration));
                packages.extend(on_branch);
            }
            // The first scan, or a ledger that somebody else wrote: everything.
            _ => {
                packages.extend(packages_named(snapshot.iter().map(|value| &value.name), registration));
                packages.extend(new_line.iter().chain(line.iter()).flat_map(|line| line.packages.keys().cloned()));
                packages.extend(view.iter().flat_map(|view| view.objects.keys().map(|(package, _)| package.clone())));
            }
        }
        let ledger = match known_ledger {
            Some(ledger) => ledger,
            None => {
                let mut ledger = ledger::read(reader)?;
                numbers.iter_mut().try_for_each(|numbers| numbers.meet(reader, &mut ledger))?;
                packages.extend(ledger.entries().map(|entry| entry.package.clone()));
                Arc::new(ledger)
            }
        };
        let line = new_line.as_ref().or(line.as_ref()).filter(|_| head.is_some());
        let cache = &self.shared.cache;
        let scanner = Scanner { reader, snapshot, registration, ledger: &ledger, cache, line };
        let found = scanner.packages(packages, facts)?;
        let newest = ledger.newest_approval();
        let branch_finding = match view.as_ref() {
            Some(view) if view.head == head && view.ledger.newest_approval() == newest => view.branch_finding.clone(),
            _ => held_back(reader, registration, head, newest)?,
        };
        Ok(Scan { found, branch_finding, ledger_finding, ledger, ledger_head, head, new_line })
    }

    /// Makes what was read the view, and tells the watchers.
    fn take_over(&self, snapshot: RefSnapshot, scan: Scan, state: &mut State) -> View {
        let before = state.view.take();
        state.touched.clear();
        let loading = before.is_none() && !self.shared.is_serving();
        let (mut objects, mut findings) = before.map(|view| (view.objects, view.findings)).unwrap_or_default();
        let _order = self.shared.in_order();
        let mut assembly = Assembly::default();
        for (package, revisions, of_package) in &scan.found {
            let key = self.key_of(package);
            let assembler = Assembler { key, ledger: &scan.ledger, clock: &self.shared.clock, loading };
            assembler.package(package, revisions, &mut objects, &mut assembly);
            replace(&mut findings, package, of_package);
        }
        state.unrecorded.extend(assembly.unrecorded);
        state.unrecorded.retain(|id| objects.contains_key(id));
        if loading {
            self.shared.catalog.load(objects.values().cloned().collect());
        }
        self.shared.catalog.apply(assembly.changes);
        match (scan.new_line, scan.head) {
            (Some(line), _) => state.line = Some(line),
            (None, None) => state.line = None,
            (None, Some(_)) => {}
        }
        let (ledger, ledger_head, head) = (scan.ledger, scan.ledger_head, scan.head);
        let (branch_finding, ledger_finding) = (scan.branch_finding, scan.ledger_finding);
        state.counts = self.counts(&objects);
        let view = View { snapshot, head, ledger, ledger_head, objects, findings, branch_finding, ledger_finding };
        state.view = Some(view.clone());
        view
    }

    /// Keeps what would take long to read again, if it is not kept yet; for a quiet moment, and when the daemon ends.
    pub fn keep(&self) {
        let mut state = self.state();
        let head = state.line.as_ref().map(|line| line.head);
        if let Some(line) = state.line.as_ref().filter(|_| state.kept != head) {
            keep_branch_line(line, &self.key().registration, &self.shared.cache);
            state.kept = head;
        }
    }

    /// Takes the repository and its package revisions from what clients see; after that nothing of it is read or shown.
    pub fn close(&self) {
        self.state().closed = true;
        let _order = self.shared.in_order();
        for key in self.keys.iter() {
            self.shared.catalog.remove_repository(&key.namespace, &key.name, || self.shared.clock.next());
        }
    }

    fn counts(&self, objects: &Objects) -> Vec<usize> {
        if self.keys.iter().len() == 1 {
            return vec![objects.size()];
        }
        let of = |key| objects.values().filter(|object| Arc::ptr_eq(&object.repository, key)).count();
        self.keys.iter().map(of).collect()
    }

    /// Brings the Repository objects up to date, where what clients see of them changed.
    fn show(&self, state: &mut State, health: Health) {
        let head = state.view.as_ref().and_then(|view| view.head);
        state.counts.resize(self.keys.iter().len(), 0);
        let shown: Vec<_> = state.counts.iter().map(|count| (*count, head, health.clone())).collect();
        if state.shown == shown {
            return;
        }
        let before = std::mem::replace(&mut state.shown, shown);
        let _order = self.shared.in_order();
        for (at, (key, (count, head, health))) in self.keys.iter().zip(&state.shown).enumerate() {
            if before.get(at) == Some(&state.shown[at]) {
                continue;
            }
            self.shared.catalog.put_repository(Repository {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                registration: key.registration.clone(),
                deployment: key.deployment,
                url: key.url.clone(),
                created: state.created,
                resource_version: self.shared.clock.next(),
                health: health.clone(),
                package_count: *count,
                head: *head,
                scanned: clock::now(),
            });
        }
    }

    /// Takes over entries that the one writer has just appended to the ledger, so that it need not be read again. Their
    /// effect on the objects shows at the next refresh, which the moved ledger ref causes.
    pub fn ledger_written(&self, head: ObjectId, entries: impl Iterator<Item = Entry>, before: Option<Before>) {
        self.shared.ledger_appends.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        let State { view, touched, numbers, .. } = &mut *state;
        if let Some(view) = view {
            let ledger = Arc::make_mut(&mut view.ledger);
            before.into_iter().for_each(|before| ledger.set_before(before));
            let entries: Vec<Entry> = entries.collect();
            if let Some(numbers) = numbers {
                let given = entries.iter().filter_map(|entry| Some((entry.package.clone(), entry.highest_revision?)));
                numbers.note(&self.store.reader(), given.collect());
            }
            for entry in entries {
                touched.insert(entry.package.clone());
                ledger.insert(entry);
            }
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

/// The ledger, when its ref does not hold any more what it was left at. Read again, whatever is kept of the refs: a mistake
/// here would be costly.
fn moved_back(reader: &Reader, known: ObjectId) -> Result<Option<Finding>, GitError> {
    let shown = reader.ref_target(&RefName::ledger())?;
    let goes_on = |shown: ObjectId| shown == known || reader.is_ancestor(known, shown).unwrap_or(false);
    if shown.is_some_and(goes_on) || !reader.exists(known)? {
        return Ok(None);
    }
    Ok(Some(Finding { subject: Subject::Ledger, name: RefName::ledger(), ledger: Some(known), shown, by: None }))
}

/// The registered branch, when it does not hold the newest revision that was published: then it was moved back or aside.
pub(super) fn held_back(
    reader: &Reader,
    registration: &Registration,
    head: Option<ObjectId>,
    newest: Option<ObjectId>,
) -> Result<Option<Finding>, GitError> {
    let Some(newest) = newest else { return Ok(None) };
    let holds = match head {
        Some(head) if head == newest => true,
        // What is not there any more is in no branch.
        Some(head) => reader.exists(newest)? && reader.is_ancestor(newest, head)?,
        None => false,
    };
    let finding = || {
        let name = registration.branch.clone();
        Finding { subject: Subject::Branch, name, ledger: Some(newest), shown: head, by: None }
    };
    Ok((!holds).then(finding))
}

/// Puts the findings of one package in the place of those it had.
fn replace(findings: &mut Findings, package: &PackagePath, of_package: &OfWorkspace) {
    let had = findings.range((package.clone(), Workspace::lowest())..).take_while(|((other, _), _)| other == package);
    let had: Vec<RevisionId> = had.map(|(id, _)| id.clone()).collect();
    had.iter().for_each(|id| {
        findings.remove_mut(id);
    });
    for (workspace, list) in of_package {
        findings.insert_mut((package.clone(), workspace.clone()), list.clone());
    }
}

/// When the repository's directory was made, as far as the file system knows; else now.
fn birth(path: &Path) -> Micros {
    let made = std::fs::metadata(path).and_then(|metadata| metadata.created()).ok();
    let since = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or_else(clock::now, |since| Micros::from_seconds(i64::try_from(since.as_secs()).unwrap_or(0)))
}
