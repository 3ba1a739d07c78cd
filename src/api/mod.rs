//! The Kubernetes API: package revisions, their content and repositories, as kubectl and client libraries expect them.
//!
//! One router; it reads the catalog, and hands every write to the commands. Who asks comes with the request
//! ([`Requester`]), from the authentication in front of it.
//! Never here: deciding what may happen to a package, Git, and authentication.

mod age;
mod approval;
mod delete;
mod desired;
mod discovery;
mod field_selector;
mod health;
mod label_selector;
mod limits;
mod list_options;
mod meta;
mod metadata_input;
mod negotiation;
mod objects;
mod openapi;
mod patch;
mod query;
mod read;
mod refusal_status;
mod requester;
mod resource;
mod routes;
mod status;
mod table;
mod target;
mod update;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use limits::Observation;
pub use requester::Requester;
pub use routes::router;
pub(crate) use status::ApiError;
pub use status::Refused;

use crate::index::catalog::Catalog;

/// How often watchers that may get bookmarks get one, unless the wiring says otherwise.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(30);

/// How long a watcher's client may leave unread what is sent to it before it is dropped, unless the wiring says otherwise.
pub const WATCH_STALL: Duration = Duration::from_secs(20);

/// What the API stands on. Cheap to clone.
pub struct ApiState<P> {
    /// What the world looks like now.
    pub catalog: Arc<Catalog>,
    /// The writes, and content read from Git.
    pub packages: Arc<P>,
    /// Whether requests can be served, and why not: for `/readyz`.
    pub readiness: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Hears of every request when its answer begins.
    pub observe: Arc<dyn Fn(&Observation<'_>) + Send + Sync>,
    /// Hears of every watcher that is dropped because its client does not read.
    pub watcher_dropped: Arc<dyn Fn() + Send + Sync>,
    /// Ends watches when the daemon shuts down.
    pub shutdown: CancellationToken,
    /// How often a watcher that may get bookmarks gets one; [`BOOKMARK_EVERY`] outside of tests.
    pub bookmark_every: Duration,
    /// How long a watcher's client may leave unread what is sent to it; [`WATCH_STALL`] outside of tests.
    pub watch_stall: Duration,
    /// What `/version` says.
    pub version: Arc<Version>,
}

/// What `/version` says of this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The release, for example `0.1.0`.
    pub release: String,
    /// The commit it was built from; empty when unknown.
    pub commit: String,
}

impl<P> Clone for ApiState<P> {
    fn clone(&self) -> Self {
        Self {
            catalog: self.catalog.clone(),
            packages: self.packages.clone(),
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
            observe: self.observe.clone(),
            watcher_dropped: self.watcher_dropped.clone(),
            shutdown: self.shutdown.clone(),
            bookmark_every: self.bookmark_every,
            watch_stall: self.watch_stall,
            version: self.version.clone(),
        }
    }
}

impl<P> std::fmt::Debug for ApiState<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState").field("catalog", &self.catalog.resource_version()).finish_non_exhaustive()
    }
}
