//! Keeps the set of guarded repositories in step with the disk and the configuration: finds, opens, hooks, settles, closes.
//!
//! Never here: what a repository holds, and the loop that calls this (see `daemon`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Notify;

use super::DEPTH;
use crate::commands::announce::Outbox;
use crate::commands::repositories::{Binding, Bindings, Repositories};
use crate::commands::repository::ManagedRepository;
use crate::commands::settle::settle;
use crate::commands::terms::PolicySource;
use crate::config::{Account, Config, IdentitySource, RepositoryConfig, RepositoryPath, SharedConfig, kept_variables};
use crate::domain::names::Namespace;
use crate::domain::package::{Health, Repository, RepositoryKey};
use crate::domain::policy::Policy;
use crate::domain::refs::{DELETION_PROPOSED, DRAFTS, PROPOSED, RefName, Registration};
use crate::domain::repository_keys::RepositoryKeys;
use crate::domain::trunk::Trunk;
use crate::git::{Store, Watcher, repositories};
use crate::githttp::RepositoryPaths;
use crate::hooks::{Guard, InstallError, Layout, STUB, install, looks_installed, uninstall, write_guard};
use crate::index::clock;
use crate::index::guarded::{Guarded, Shared, View};
use crate::telemetry::{Metrics, RescanFinding};

/// Looks after all repositories below the root.
#[derive(Debug)]
pub struct Warden {
    root: PathBuf,
    socket: PathBuf,
    config: Arc<SharedConfig>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    outbox: Arc<Outbox>,
    repositories: Arc<Repositories>,
    bindings: Mutex<Bindings>,
    namespace: Namespace,
    /// Held while the set of repositories changes.
    sweeping: Mutex<()>,
    wanted: Notify,
}

impl Warden {
    /// A warden that has looked at nothing yet.
    ///
    /// # Errors
    /// The bindings in the state directory cannot be read.
    pub fn new(
        root: PathBuf,
        state: &Path,
        socket: PathBuf,
        config: Arc<SharedConfig>,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
        outbox: Arc<Outbox>,
    ) -> io::Result<Self> {
        Ok(Self {
            root,
            socket,
            config,
            shared,
            metrics,
            outbox,
            repositories: Arc::new(Repositories::default()),
            bindings: Mutex::new(Bindings::open(state.join("bindings.json"))?),
            namespace: Namespace::parse("default").map_err(io::Error::other)?,
            sweeping: Mutex::new(()),
            wanted: Notify::new(),
        })
    }

    /// The directory below which the repositories are; canonical.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The open repositories.
    pub fn repositories(&self) -> &Arc<Repositories> {
        &self.repositories
    }

    /// Lets go of what was said about objects long ago.
    pub(super) fn forget_notices(&self) {
        self.shared.forget_notices();
    }

    /// The open repository at a path below the root, written with or without `.git`.
    pub(super) fn served(&self, path: &str) -> Option<Arc<ManagedRepository>> {
        self.resolve(path).and_then(|path| self.repositories.at(&path))
    }

    /// Opens one repository by its path below the root, for somebody who holds the state directory: without hooks, without
    /// watching it, and without serving it.
    pub(super) fn one(&self, path: &str) -> Result<Arc<ManagedRepository>, String> {
        let plain = path.strip_suffix(".git").unwrap_or(path);
        let found = [self.root.join(path), self.root.join(format!("{plain}.git"))];
        let found = found.into_iter().find(|path| path.join("HEAD").is_file());
        let path = found.ok_or_else(|| format!("there is no repository {path} below {}", self.root.display()))?;
        let keys = self.keys_of(&path, &self.config.current())?;
        let keys = keys.ok_or_else(|| format!("{} is not managed by the configuration", path.display()))?;
        let guarded = Guarded::open(&path, keys, self.shared.clone()).map_err(|error| error.to_string())?;
        let (metrics, outbox, policy) = (self.metrics.clone(), self.outbox.clone(), self.config.clone());
        Ok(Arc::new(ManagedRepository::new(guarded, false, metrics, outbox, policy)))
    }

    /// Asks for a sweep as soon as the loop comes round.
    pub fn sweep_soon(&self) {
        self.wanted.notify_one();
    }

    /// Waits until somebody asks for a sweep.
    pub async fn sweep_wanted(&self) {
        self.wanted.notified().await;
    }

    /// A sweep that trusts nothing that was read before.
    pub fn rescan(&self, watcher: &Watcher) {
        for repository in self.repositories.all() {
            repository.guarded.keep();
            repository.guarded.store().rest();
            repository.guarded.store().forget_refs();
        }
        self.sweep(watcher);
    }

    /// Opens what is new below the root, closes what is gone or no longer wanted, and settles everything.
    pub fn sweep(&self, watcher: &Watcher) {
        let _one = self.sweeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let begun = Instant::now();
        let config = self.config.current();
        let found: Vec<PathBuf> = repositories(&self.root, DEPTH);
        for repository in self.repositories.all() {
            let path = repository.guarded.store().path().to_owned();
            let keys = repository.guarded.keys();
            let wanted =
                found.contains(&path) && self.keys_of(&path, &config).is_ok_and(|wanted| wanted.as_ref() == Some(keys));
            if !wanted {
                tracing::info!(path = %path.display(), name = %keys.whole().name, "repository closed");
                self.repositories.remove(&path);
                repository.guarded.close();
                watcher.unwatch_repository(&path);
            }
        }
        for path in &found {
            if self.repositories.at(path).is_none() {
                self.open(path, &config, watcher);
            }
        }
        let mut good = true;
        for repository in self.repositories.all() {
            repository.set_trunk(self.trunk(repository.guarded.store().path(), &config));
            good &= self.tend(&repository);
            repository.announce_soon();
        }
        self.metrics.rescanned(begun.elapsed(), good);
    }

    /// Settles one repository; `false` when it is not open.
    pub fn settle(&self, path: &Path) -> bool {
        match self.repositories.at(path) {
            Some(repository) => {
                self.tend(&repository);
                true
            }
            None => false,
        }
    }

    /// Reads one repository from the ground up and settles it; `false` when it is not open.
    pub fn reread(&self, path: &Path) -> bool {
        if let Some(repository) = self.repositories.at(path) {
            repository.guarded.store().forget_refs();
        }
        self.settle(path)
    }

    /// Settles and hooks one repository; gives whether both went well.
    fn tend(&self, repository: &ManagedRepository) -> bool {
        let path = repository.guarded.store().path();
        let mut good = true;
        let view = settle(repository);
        if let Err(error) = &view {
            good = false;
            self.metrics.found(RescanFinding::Unreadable);
            tracing::error!(path = %path.display(), %error, "the repository cannot be read; it stays as it was shown last");
        }
        if let Err(error) = self.hook(repository, view.as_ref().ok()) {
            good = false;
            tracing::error!(path = %path.display(), %error, "the hooks cannot be installed: this repository is not guarded");
        }
        if view.is_ok_and(|view| is_unborn(&view))
            && self.keys_of(path, &self.config.current()).as_ref() != Ok(&Some(repository.guarded.keys().clone()))
        {
            self.sweep_soon();
        }
        good
    }

    /// Installs the hooks where they are missing and tells the stub what to guard. Cheap when nothing changed, since it
    /// follows every hint. What cannot be read is guarded.
    fn hook(&self, repository: &ManagedRepository, view: Option<&View>) -> Result<(), InstallError> {
        let path = repository.guarded.store().path();
        let guarded = view.is_none_or(|view| !view.objects.is_empty());
        let guard = self.guard(path, &repository.guarded.key().registration, guarded);
        let layout = self.layout_of(path);
        if looks_installed(path, layout, repository.proc_receive()) {
            write_guard(path, &guard).map(|_| ())
        } else {
            self.metrics.found(RescanFinding::Hooks);
            let installed = install(path, STUB, &guard, layout)?;
            repository.set_proc_receive(installed.proc_receive);
            Ok(())
        }
    }

    /// How the Git server of the repository in a directory says who pushes.
    pub fn identity_of(&self, path: &Path) -> IdentitySource {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.config.current().identity_of(&below.to_string_lossy()).clone()
    }

    /// As whom a forge's hooks are told of what came through no push.
    pub fn announce_as(&self) -> Option<Account> {
        self.config.current().announce_as.clone()
    }

    fn layout_of(&self, path: &Path) -> Layout {
        Layout::with_custom_hooks(self.identity_of(path).has_custom_hooks())
    }

    fn guard(&self, path: &Path, registration: &Registration, guarded: bool) -> Guard {
        let server = self.identity_of(path);
        Guard {
            socket: self.socket.clone(),
            branches: vec![registration.branch.to_string()],
            directory: registration.directory.as_str().to_owned(),
            guarded,
            identity: Some(server.variable().to_owned()),
            variables: kept_variables(&server).iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn open(&self, path: &Path, config: &Config, watcher: &Watcher) {
        if is_being_cloned(path) {
            // Hooks now would refuse the clone's own refs; they are what the next hint is about.
            watcher.watch_repository(path);
            return;
        }
        let keys = match self.keys_of(path, config) {
            Ok(Some(keys)) => keys,
            Ok(None) => {
                if let Err(error) = uninstall(path) {
                    tracing::warn!(path = %path.display(), %error, "the hooks of a repository that is not managed cannot be removed");
                }
                return;
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a repository cannot be opened");
                return;
            }
        };
        let key = keys.whole();
        let opened = Guarded::open(path, keys.clone(), self.shared.clone()).map_err(|error| error.to_string());
        let outcome = opened.and_then(|guarded| {
            let first = guarded.refresh().map_err(|error| error.to_string())?;
            let guard = self.guard(path, &key.registration, !first.objects.is_empty());
            let installed = install(path, STUB, &guard, self.layout_of(path));
            let installed = installed.map_err(|error| error.to_string())?;
            let repository = ManagedRepository::new(
                guarded,
                installed.proc_receive,
                self.metrics.clone(),
                self.outbox.clone(),
                self.config.clone(),
            );
            repository.set_trunk(self.trunk(path, config));
            Ok(Arc::new(repository))
        });
        match outcome {
            Ok(repository) => match self.repositories.add(repository) {
                Ok(()) => {
                    watcher.watch_repository(path);
                    for key in keys.iter() {
                        tracing::info!(path = %path.display(), name = %key.name, namespace = %key.namespace, "repository opened");
                    }
                }
                Err(other) => tracing::error!(
                    path = %path.display(), other = %other.guarded.store().path().display(), name = %key.name,
                    "two repositories are configured with one name; this one is not served"
                ),
            },
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a repository cannot be served");
                keys.iter().for_each(|key| self.show_failed(key, error.clone()));
            }
        }
    }

    fn show_failed(&self, key: &RepositoryKey, why: String) {
        if self.shared.catalog.repository(key.namespace.as_str(), key.name.as_str()).is_some() {
            return;
        }
        let _order = self.shared.in_order();
        self.shared.catalog.put_repository(Repository {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            registration: key.registration.clone(),
            deployment: key.deployment,
            url: key.url.clone(),
            created: clock::now(),
            resource_version: self.shared.clock.next(),
            health: Health::Failed(why),
            package_count: 0,
            head: None,
            scanned: clock::now(),
        });
    }

    /// The configured setting for pushes to a repository's branch. Repositories that share one agree on it.
    fn trunk(&self, path: &Path, config: &Config) -> Trunk {
        let below = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let below = below.and_then(|below| RepositoryPath::parse(below).ok());
        below.and_then(|below| config.repository(&below)).map(|configured| configured.trunk).unwrap_or_default()
    }

    /// Name and registration of every Repository over a bare repository, by the configuration, the bindings and its HEAD;
    /// `None` when it is not to be managed.
    fn keys_of(&self, path: &Path, config: &Config) -> Result<Option<RepositoryKeys>, String> {
        let below = path.strip_prefix(&self.root).map_err(|error| error.to_string())?;
        let text = below.to_str().ok_or("its path is not UTF-8: rename it")?;
        let at = RepositoryPath::parse(text).ok();
        let configured: Vec<&RepositoryConfig> = at.iter().flat_map(|at| config.repositories_at(at)).collect();
        if configured.iter().any(|configured| !configured.managed) {
            return Ok(None);
        }
        let branch = match configured.first().and_then(|configured| configured.branch.clone()) {
            Some(branch) => branch,
            None => self.head_branch(path)?,
        };
        let ours = [DRAFTS, PROPOSED, DELETION_PROPOSED];
        if let Some(prefix) = ours.into_iter().find(|prefix| branch.as_str().starts_with(prefix)) {
            return Err(format!(
                "branch {branch} cannot be registered: {prefix} holds package revisions; configure another branch"
            ));
        }
        let keys: Vec<RepositoryKey> = match configured.as_slice() {
            [] => vec![self.key_of(text, None, branch, config)?],
            several => {
                let key = |configured| self.key_of(text, Some(configured), branch.clone(), config);
                several.iter().copied().map(key).collect::<Result<_, _>>()?
            }
        };
        let keys =
            RepositoryKeys::together(keys).ok_or("its Repositories share packages: correct the configuration")?;
        Ok(Some(keys))
    }

    /// Name and registration of one Repository.
    fn key_of(
        &self,
        text: &str,
        configured: Option<&RepositoryConfig>,
        branch: RefName,
        config: &Config,
    ) -> Result<RepositoryKey, String> {
        let namespace = configured.map_or(&self.namespace, |configured| &configured.namespace).clone();
        let wanted = configured
            .and_then(|configured| configured.name.clone())
            .map(|name| Binding { namespace: namespace.clone(), name });
        let mut bindings = self.bindings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let binding = bindings
            .bind(text, wanted, &namespace, |name| config.names(&namespace, name))
            .map_err(|error| error.to_string())?;
        Ok(RepositoryKey {
            namespace: binding.namespace,
            name: binding.name,
            registration: Registration {
                branch,
                directory: configured.map(|configured| configured.directory.clone()).unwrap_or_default(),
            },
            deployment: configured.is_some_and(|configured| configured.deployment),
            url: if text.ends_with(".git") { text.to_owned() } else { format!("{text}.git") },
        })
    }

    /// The branch HEAD names; where that does not exist and `main` does, as in a mirror whose source had no HEAD, `main`.
    /// An open repository keeps the one it was opened with, unless that never came to be.
    fn head_branch(&self, path: &Path) -> Result<RefName, String> {
        if let Some(open) =
            self.repositories.at(path).filter(|open| !open.guarded.refresh().is_ok_and(|view| is_unborn(&view)))
        {
            return Ok(open.guarded.key().registration.branch.clone());
        }
        let store = Store::open(path).map_err(|error| error.to_string())?;
        let branch = store.reader().default_branch().map_err(|error| error.to_string())?;
        branch.ok_or_else(|| {
            "its HEAD names no branch: set one with git symbolic-ref HEAD refs/heads/main, or configure it".to_owned()
        })
    }
}

/// Whether a repository's registered branch does not exist and nothing was ever done there: it may be a clone that is
/// still being made, whose HEAD and branches are only now coming.
fn is_unborn(view: &View) -> bool {
    view.head.is_none() && view.ledger_head.is_none()
}

/// Whether `git clone` is still filling this repository: it names where it comes from and has no refs yet.
fn is_being_cloned(path: &Path) -> bool {
    let remote = std::fs::read_to_string(path.join("config")).is_ok_and(|config| config.contains("[remote "));
    let refs = || Store::open(path).and_then(|store| store.reader().refs());
    remote && refs().is_ok_and(|refs| refs.is_empty())
}

impl PolicySource for SharedConfig {
    fn current(&self) -> Arc<Policy> {
        SharedConfig::current(self).policy.clone()
    }
}

impl RepositoryPaths for Warden {
    fn resolve(&self, url_path: &str) -> Option<PathBuf> {
        let plain = self.root.join(url_path);
        let with_suffix = self.root.join(format!("{}.git", url_path.strip_suffix(".git").unwrap_or(url_path)));
        let known = |path: &PathBuf| self.repositories.at(path).is_some();
        [plain, with_suffix].into_iter().find(known)
    }
}
