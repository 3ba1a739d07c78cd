//! The Git door: smart HTTP through git's own `http-backend`, with Stoop's users.
//!
//! Reading needs a user of any role, unless `anonymousRead` is on; pushing needs a role beyond reader, and the hooks decide
//! the rest. What the daemon says about a caller is all that Git hears of them: no client header becomes a variable.
//! Never here: what a push may change (the hooks ask the daemon), receive-pack itself, sockets, the dumb protocol.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::config::SharedConfig;
use crate::identity::authenticate::Authenticator;
use crate::listen::PeerCertificate;

mod access;
mod answer;
mod backend;
mod call;
mod cgi;

#[cfg(test)]
mod tests;

/// So many git processes run at one time through this door.
const RUNNING: u32 = 64;

/// Knows which repositories there are.
pub trait RepositoryPaths: Send + Sync {
    /// The bare repository that a URL names, as an absolute path. `url_path` is decoded and without slashes at its ends,
    /// with or without `.git` as the client wrote it; it has no `..` and no empty segment. `None` when there is none.
    fn resolve(&self, url_path: &str) -> Option<PathBuf>;
}

/// The Git door; a cheap handle.
#[derive(Clone)]
pub struct GitDoor {
    repositories: Arc<dyn RepositoryPaths>,
    authenticator: Arc<Authenticator>,
    config: Arc<SharedConfig>,
    running: Arc<Semaphore>,
    program: PathBuf,
}

impl GitDoor {
    /// A door to these repositories for the users of this configuration.
    pub fn new(
        repositories: Arc<dyn RepositoryPaths>,
        authenticator: Arc<Authenticator>,
        config: Arc<SharedConfig>,
    ) -> Self {
        let running = Arc::new(Semaphore::new(RUNNING as usize));
        Self { repositories, authenticator, config, running, program: PathBuf::from("git") }
    }

    /// The routes: every path belongs to the door. Serve it with `listen::Listener`, which adds what it needs to know of
    /// the connection.
    pub fn router(self) -> Router {
        Router::new().fallback(serve).with_state(self)
    }

    /// Waits until no git process runs for this door. A push whose client is gone still runs to its end; the daemon waits
    /// here for it, with a deadline, before it ends.
    pub async fn drained(&self) {
        // The semaphore is never closed; were it, nothing would run.
        let _all = self.running.acquire_many(RUNNING).await;
    }
}

async fn serve(
    State(door): State<GitDoor>,
    Extension(PeerCertificate(peer)): Extension<PeerCertificate>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match handle(&door, peer.as_deref(), remote, request).await {
        Ok(response) => response,
        Err(refused) => answer::response(refused),
    }
}

async fn handle(
    door: &GitDoor,
    peer: Option<&[u8]>,
    remote: SocketAddr,
    request: Request,
) -> Result<Response, answer::Refused> {
    let call = call::parse(&request)?;
    let config = door.config.current();
    let actor = access::admit(&door.authenticator, &config, peer, request.headers(), call.service).await?;
    let Some(repository) = door.repositories.resolve(&call.repository) else {
        return Err(answer::Refused::NoRepository(call.repository));
    };
    let source = config.identity_of(&call.repository);
    if let (call::Service::ReceivePack, Some(server)) = (call.service, source.other_server()) {
        return Err(answer::Refused::OtherServer(server));
    }
    let Ok(place) = door.running.clone().try_acquire_owned() else { return Err(answer::Refused::Busy) };
    let run = backend::Run {
        program: &door.program,
        repository: &repository,
        call: &call,
        user: actor.as_ref().map(|actor| &actor.name),
        identity: source.variable(),
        remote,
    };
    let answered = backend::run(run, request.into_body(), place).await;
    answered.map_err(|error| {
        tracing::error!(%error, repository = %repository.display(), "git http-backend failed");
        answer::Refused::Backend
    })
}
