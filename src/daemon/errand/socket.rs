//! The socket on which a running daemon takes errands: one request and one reply a connection, a line of JSON each.
//!
//! It lies in the state directory, which only the daemon's user can enter. Never here: what an errand does.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{Reply, Request, actor, carry_out};
use crate::config::SharedConfig;
use crate::daemon::warden::Warden;

/// The largest request and reply, in bytes.
const LARGEST: u64 = 1 << 20;
/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn path(state: &Path) -> PathBuf {
    state.join("run/errand.sock")
}

/// The daemon's side.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    warden: Arc<Warden>,
    config: Arc<SharedConfig>,
}

impl Server {
    /// Opens the socket. The caller holds the state directory's lock, so that a socket there is a dead daemon's.
    pub(crate) fn bind(state: &Path, warden: Arc<Warden>, config: Arc<SharedConfig>) -> Result<Self> {
        let path = path(state);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let listener = UnixListener::bind(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
        Ok(Self { listener, warden, config })
    }

    /// Does errands, one after the other, until the shutdown.
    pub(crate) async fn serve(self, shutdown: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let served = match accepted {
                Ok((connection, _)) => match tokio::time::timeout(PATIENCE, self.answer(connection)).await {
                    Ok(served) => served,
                    Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
                },
                Err(error) => {
                    // Out of files, as a rule: it is tried again, not at once.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Err(error)
                }
            };
            if let Err(error) = served {
                tracing::warn!(%error, "an errand could not be answered");
            }
        }
    }

    async fn answer(&self, mut connection: UnixStream) -> std::io::Result<()> {
        let mut line = Vec::new();
        (&mut connection).take(LARGEST).read_to_end(&mut line).await?;
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => self.carry_out(request).await,
            Err(error) => Reply::refused(format!("the request cannot be read: {error}")),
        };
        connection.write_all(&serde_json::to_vec(&reply)?).await?;
        connection.shutdown().await
    }

    async fn carry_out(&self, request: Request) -> Reply {
        let Some(repository) = self.warden.served(&request.repository) else {
            return Reply::refused(format!("{} is not served by the daemon that runs", request.repository));
        };
        let actor = actor(&self.config.current(), &request.user);
        let done = tokio::task::spawn_blocking(move || carry_out(&repository, &actor, &request.errand)).await;
        done.unwrap_or_else(|error| {
            tracing::error!(%error, "an errand ended badly");
            Reply::refused("it failed inside the daemon; its log says more")
        })
    }
}

/// Asks the daemon that runs; `None` when none does.
pub(super) fn ask(state: &Path, request: &Request) -> Result<Option<Reply>> {
    let path = path(state);
    let mut connection = match Connection::connect(&path) {
        Ok(connection) => connection,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("the daemon cannot be asked at {}", path.display())),
    };
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(&serde_json::to_vec(request)?)?;
    connection.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    connection.take(LARGEST).read_to_end(&mut answer)?;
    let reply = serde_json::from_slice(&answer);
    Ok(Some(reply.context("the daemon ended before it answered; look at what it did, and ask again")?))
}
