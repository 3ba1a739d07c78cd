//! The daemon: everything that `stoop serve` starts, wired together, and its end.
//!
//! Never here: what any of the parts does.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{self, ApiState, BOOKMARK_EVERY, Version, WATCH_STALL};
use crate::commands::announce::Outbox;
use crate::commands::api::PackageCommands;
use crate::config::SharedConfig;
use crate::domain::evidence::Limits;
use crate::git::{WatchEvent, Watcher, clear_abandoned_overlays};
use crate::githttp::GitDoor;
use crate::hooks;
use crate::identity::authenticate::Authenticator;
use crate::identity::authority::Authority;
use crate::identity::kubeconfig::write_admin_kubeconfig;
use crate::identity::server_certificate::ServerCertificate;
use crate::index::cache::Cache;
use crate::index::clock::Clock;
use crate::index::guarded::Shared;
use crate::listen::{Listener, needs_tls, tls_config};
use crate::telemetry::{Known, Metrics};

mod announcer;
pub mod errand;
mod hints;
mod hook_log;
pub mod hook_service;
mod maintenance;
mod requester;
pub mod warden;

use announcer::Announcer;
use warden::Warden;

/// How many directory levels below the root repositories are looked for.
pub const DEPTH: usize = 8;

/// What `stoop serve` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory below which the repositories are.
    pub root: PathBuf,
    /// Where the daemon keeps what is not in Git; `ROOT/.stoop` when not given.
    pub state: Option<PathBuf>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Where the Kubernetes API listens.
    pub api: SocketAddr,
    /// Where the Git door listens.
    pub git: SocketAddr,
    /// More names that the server's certificate is valid for.
    pub names: Vec<String>,
}

impl Options {
    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| default_state(&self.root))
    }
}

/// The state directory of a root when none is named.
pub fn default_state(root: &Path) -> PathBuf {
    root.join(".stoop")
}

/// What the first line on standard output says.
#[derive(Debug, Clone, Serialize)]
struct Ready {
    api: String,
    git: String,
    kubeconfig: PathBuf,
    socket: PathBuf,
    pid: u32,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// What it needs cannot be had: the root, the state directory, the configuration, an address, or another daemon has the
/// state directory.
pub async fn serve(options: Options) -> Result<()> {
    let root = fs::canonicalize(&options.root)
        .with_context(|| format!("the root {} cannot be used; make it, or name another one", options.root.display()))?;
    let state = prepare_state(&options.state())?;
    let _lock = lock_state(&state)?;
    let config = Arc::new(SharedConfig::load(options.config.clone(), Some(&state))?);
    tokio::task::spawn_blocking(clear_abandoned_overlays).await?;
    let shutdown = CancellationToken::new();

    let clock = Clock::open(state.join("clock")).context("the clock of resource versions cannot be opened")?;
    let shared = Arc::new(Shared::new(clock, Cache::open(&state.join("cache"))).keeping_numbers(state.join("numbers")));
    let metrics = Arc::new(Metrics::new());
    let hook_listener = hooks::bind(&state.join("run/hook.sock"), &[])?;
    let socket = hook_listener.path().to_owned();
    let outbox = Arc::new(Outbox::default());
    let (of_config, of_metrics) = (config.clone(), metrics.clone());
    let warden =
        Warden::new(root.clone(), &state, socket.clone(), of_config, shared.clone(), of_metrics, outbox.clone());
    let warden = Arc::new(warden?);

    let authority = Arc::new(Authority::open(&state.join("pki"))?);
    let certificate = Arc::new(ServerCertificate::open(authority.clone(), &options.names)?);
    let authenticator = Arc::new(Authenticator::new(config.clone())?);
    let tls = tls_config(&authority, certificate.clone())?;
    let api = Listener::bind(options.api, Some(tls.clone()))
        .await
        .with_context(|| format!("the API cannot listen on {}", options.api))?;
    let git_tls = needs_tls(options.git).then_some(tls);
    let git = Listener::bind(options.git, git_tls)
        .await
        .with_context(|| format!("the Git door cannot listen on {}", options.git))?;
    let api_url = format!("{}://{}", api.scheme(), api.address());
    let git_url = format!("{}://{}", git.scheme(), git.address());
    let kubeconfig = state.join("kubeconfig");
    write_admin_kubeconfig(&authority, &api_url, &kubeconfig)?;

    let errands = errand::Server::bind(&state, warden.clone(), config.clone())?;
    let (events, hints) = mpsc::unbounded_channel();
    let watcher = Arc::new(Watcher::start(events)?);
    watcher.watch_root(&root, DEPTH);
    let ready = Arc::new(AtomicBool::new(false));
    let service = Arc::new(hook_service::Service::new(warden.clone(), config.clone(), metrics.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    let hooks_end = CancellationToken::new();
    tasks.spawn(hook_listener.serve(service, hooks_end.clone()));
    tasks.spawn(certificate.keep_renewed(shutdown.clone()));

    let first = warden.clone();
    let watching = watcher.clone();
    tokio::task::spawn_blocking(move || first.sweep(&watching)).await?;
    shared.begin_serving();
    ready.store(true, Ordering::Release);
    tasks.spawn(tend(warden.clone(), watcher, hints, config.clone(), metrics.clone(), shutdown.clone()));

    let announcer = Announcer::new(warden.clone(), metrics.clone(), shutdown.clone());
    tasks.spawn(announcer.announce(outbox));
    tasks.spawn(errands.serve(shutdown.clone()));
    tasks.spawn(maintenance::maintain(warden.clone(), config.clone(), shutdown.clone()));

    let state_of_api = api_state(&shared, &warden, &metrics, ready, &shutdown);
    let router = requester::authenticated(api::router(state_of_api), authenticator.clone(), metrics.clone());
    tasks.spawn(api.serve(router, shutdown.clone()));
    let door = GitDoor::new(warden.clone(), authenticator, config.clone());
    tasks.spawn(git.serve(door.clone().router(), shutdown.clone()));

    announce(&Ready { api: api_url, git: git_url, kubeconfig, socket, pid: std::process::id() }, &state)?;
    signals(&config, &warden, &shutdown).await?;
    tracing::info!("shutting down");
    shutdown.cancel();
    if tokio::time::timeout(Duration::from_secs(30), door.drained()).await.is_err() {
        tracing::warn!("git processes still run; they are left to end by themselves");
    }
    // Last, so that pushes under way still get their answers.
    hooks_end.cancel();
    while tasks.join_next().await.is_some() {}
    warden.repositories().all().iter().for_each(|repository| repository.guarded.keep());
    shared.cache.flush();
    Ok(())
}

fn api_state(
    shared: &Arc<Shared>,
    warden: &Arc<Warden>,
    metrics: &Arc<Metrics>,
    ready: Arc<AtomicBool>,
    shutdown: &CancellationToken,
) -> ApiState<PackageCommands> {
    let (encoding, observing, dropping) = (metrics.clone(), metrics.clone(), metrics.clone());
    let (counted, served) = (shared.clone(), warden.repositories().clone());
    ApiState {
        catalog: shared.catalog.clone(),
        packages: Arc::new(PackageCommands::new(warden.repositories().clone(), Limits::default())),
        readiness: Arc::new(move || {
            if ready.load(Ordering::Acquire) { Ok(()) } else { Err("the first scan is not complete".to_owned()) }
        }),
        metrics: Arc::new(move || {
            let revisions = counted.catalog.revisions(None).items.len();
            encoding.watchers.set(i64::try_from(counted.catalog.watchers()).unwrap_or(i64::MAX));
            encoding.index_revisions.set(i64::try_from(revisions).unwrap_or(i64::MAX));
            let findings: usize = served.all().iter().map(|repository| repository.findings()).sum();
            encoding.findings.set(i64::try_from(findings).unwrap_or(i64::MAX));
            encoding.repositories.set(i64::try_from(served.all().len()).unwrap_or(i64::MAX));
            let (hits, misses) = counted.cache.hits_and_misses();
            encoding.index_counted(hits, misses, counted.ledger_appends());
            encoding.encode()
        }),
        watcher_dropped: Arc::new(move || {
            dropping.watchers_dropped.inc();
        }),
        observe: Arc::new(move |seen| {
            let (verb, resource) = labels(seen.method, seen.route, seen.watch);
            observing.api_request(verb, resource, seen.code);
        }),
        shutdown: shutdown.clone(),
        bookmark_every: BOOKMARK_EVERY,
        watch_stall: WATCH_STALL,
        version: Arc::new(Version { release: env!("CARGO_PKG_VERSION").to_owned(), commit: String::new() }),
    }
}

/// The verb and the resource of a request as Kubernetes names them; never a client's text.
fn labels(method: &str, route: &str, watch: bool) -> (&'static str, &'static str) {
    const RESOURCES: [(&str, &str); 5] = [
        ("/approval", "packagerevisions/approval"),
        ("/packagerevisionresources", "packagerevisionresources"),
        ("/packagerevisions", "packagerevisions"),
        ("/repositories", "repositories"),
        ("/events", "events"),
    ];
    let resource = RESOURCES.iter().find(|(part, _)| route.contains(part)).map_or("other", |(_, resource)| resource);
    let verb = match method {
        _ if watch => "watch",
        "GET" if route.contains("{name}") => "get",
        "GET" if resource != "other" => "list",
        "GET" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    };
    (verb, resource)
}

/// Makes the state directory, private to the daemon's user.
fn prepare_state(state: &Path) -> Result<PathBuf> {
    fs::create_dir_all(state).with_context(|| format!("the state directory {} cannot be made", state.display()))?;
    fs::set_permissions(state, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("the state directory {} cannot be made private", state.display()))?;
    Ok(fs::canonicalize(state)?)
}

/// How long the end of a daemon that was killed is waited for: a git that it was just starting holds its lock until it runs.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// One daemon for each state directory: the lock is held as long as the file is open.
fn lock_state(state: &Path) -> Result<fs::File> {
    let path = state.join("lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    while rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= deadline {
            bail!(
                "another daemon runs on the state directory {}; stop it first, or name another one with --state",
                state.display()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(file)
}

/// Prints where everything listens, and keeps it for `stoop kubeconfig` and other helpers.
fn announce(ready: &Ready, state: &Path) -> Result<()> {
    let line = serde_json::to_string(ready)?;
    fs::write(state.join("listening.json"), format!("{line}\n"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// Follows hints and, in any case, the clock: what a hint names is settled at once, everything at every rescan.
async fn tend(
    warden: Arc<Warden>,
    watcher: Arc<Watcher>,
    mut hints: mpsc::UnboundedReceiver<WatchEvent>,
    config: Arc<SharedConfig>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    let mut rescanned = tokio::time::Instant::now();
    loop {
        let due = rescanned + config.current().rescan;
        // A rescan comes in its time, however many hints there are.
        let hint = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep_until(due) => None,
            () = warden.sweep_wanted() => None,
            hint = hints.recv() => hint,
        };
        if hint.is_none() {
            rescanned = tokio::time::Instant::now();
        }
        metrics.hints_waiting.set(i64::try_from(hints.len()).unwrap_or(i64::MAX));
        let (warden, watcher, metrics, told) = (warden.clone(), watcher.clone(), metrics.clone(), Instant::now());
        let work = move || match hint {
            Some(WatchEvent::Repository(path)) if warden.settle(&path) => {
                metrics.index_lag(Known::File, told.elapsed())
            }
            Some(WatchEvent::WrittenInPlace(path)) if warden.reread(&path) => {
                metrics.index_lag(Known::File, told.elapsed())
            }
            Some(WatchEvent::Repository(_) | WatchEvent::WrittenInPlace(_)) => warden.sweep(&watcher),
            Some(WatchEvent::Root(_)) => warden.sweep(&watcher),
            None => warden.rescan(&watcher),
        };
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            tracing::error!(%error, "a rescan ended badly; the next one tries again");
        }
    }
}

/// Waits for the end. SIGHUP reads the configuration again and sweeps.
async fn signals(config: &Arc<SharedConfig>, warden: &Arc<Warden>, shutdown: &CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = shutdown.cancelled() => return Ok(()),
            _ = hang_up.recv() => match config.reload() {
                Ok(()) => {
                    let serial = config.current().policy.serial;
                    tracing::info!(serial, "the configuration was read again, and the policy with it");
                    warden.sweep_soon();
                }
                Err(error) => tracing::error!(%error, "the configuration is not taken over; the old one stays in force"),
            },
        }
    }
}
