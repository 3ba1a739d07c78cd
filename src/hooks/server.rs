//! The Unix socket that hook stubs ask: who may connect, how much and how long, one request and one reply a connection.
//!
//! Never here: deciding (see [`HookService`]), and trusting what a request says about itself beyond its form.

use std::fs::{self, DirBuilder, Permissions};
use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use stoop_hook::wire::{MAX_FRAME, Reply, Request, Scanner, WireError};

use super::peer;

/// How many hooks are answered at once; more wait in the socket's queue.
const CONNECTIONS: usize = 256;
/// How long a hook may take to send its request, or to take its reply.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests above this size, in bytes, are read a few at a time, so that memory stays bounded.
const LARGE: usize = 1 << 20;
const LARGE_AT_ONCE: usize = 4;
/// How long a shutdown waits for requests that are being answered.
const DRAIN: Duration = Duration::from_secs(10);
/// The longest path a Unix socket can have, in bytes.
const MAX_PATH: usize = 107;

/// Decides what hooks ask.
pub trait HookService: Send + Sync + 'static {
    /// Answers one request. `closed` is cancelled when the hook goes away before it has its answer; the future is run to its
    /// end all the same.
    fn handle(&self, request: Request, closed: CancellationToken) -> impl Future<Output = Reply> + Send;
}

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process answers on it.
    #[error("another stoop already answers on {0}; stop it first, or give this one a state directory of its own")]
    Taken(PathBuf),
    /// Something else has that name.
    #[error("{0} is in the way and is not a socket; move it away")]
    NotASocket(PathBuf),
    /// The directory could be written to by others.
    #[error(
        "the directory {directory} of the hook socket must belong to user id {wanted} alone; it belongs to {owner} (mode {mode:o})"
    )]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The daemon's user id.
        wanted: u32,
        /// The directory's owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The path does not fit into a socket address.
    #[error("the path of the hook socket is longer than {MAX_PATH} bytes: {0}; choose a shorter state directory")]
    TooLong(PathBuf),
    /// The system refused.
    #[error("cannot open the hook socket {path}: {source}")]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The open socket; its file goes away with it.
#[derive(Debug)]
pub struct HookListener {
    listener: UnixListener,
    file: SocketFile,
    pub(super) uids: Vec<u32>,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Only our own: a successor may have put its socket there.
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Opens the socket inside a directory that only the daemon's user can enter (made when it is missing). A socket that
/// nobody answers on any more is replaced. With `extra_uids`, those users may connect as well, and the directory may be
/// entered (not read) by all: whoever connects is checked.
///
/// Must be called within a tokio runtime.
pub fn bind(path: &Path, extra_uids: &[u32]) -> Result<HookListener, BindError> {
    if path.as_os_str().len() > MAX_PATH {
        return Err(BindError::TooLong(path.to_owned()));
    }
    let own = rustix::process::geteuid().as_raw();
    let io_error = |source| BindError::Io { path: path.to_owned(), source };
    let (directory_mode, socket_mode) = if extra_uids.is_empty() { (0o700, 0o600) } else { (0o711, 0o666) };
    prepare_directory(path.parent().unwrap_or(Path::new(".")), own, directory_mode, io_error)?;
    remove_stale(path, io_error)?;
    let listener = UnixListener::bind(path).map_err(io_error)?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path).map_err(io_error)? };
    fs::set_permissions(path, Permissions::from_mode(socket_mode)).map_err(io_error)?;
    let mut uids = vec![own, 0];
    uids.extend_from_slice(extra_uids);
    Ok(HookListener { listener, file, uids })
}

fn prepare_directory(
    directory: &Path,
    own: u32,
    mode: u32,
    io_error: impl Fn(io::Error) -> BindError,
) -> Result<(), BindError> {
    DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(&io_error)?;
    let metadata = fs::metadata(directory).map_err(&io_error)?;
    let found = metadata.mode() & 0o7777;
    if metadata.uid() != own || found & 0o022 != 0 {
        let (directory, owner) = (directory.to_owned(), metadata.uid());
        return Err(BindError::Directory { directory, wanted: own, owner, mode: found });
    }
    if found & 0o777 != mode {
        fs::set_permissions(directory, Permissions::from_mode(mode)).map_err(io_error)?;
    }
    Ok(())
}

fn remove_stale(path: &Path, io_error: impl Fn(io::Error) -> BindError) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(io_error),
        Err(error) => Err(io_error(error)),
        Ok(_) => Err(BindError::Taken(path.to_owned())),
    }
}

impl HookListener {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Answers hooks until `shutdown`; then takes no more, and waits a while for those that are being answered.
    pub async fn serve<S: HookService>(self, service: Arc<S>, shutdown: CancellationToken) {
        let Self { listener, file, uids } = self;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    report(ended);
                    continue;
                }
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (service, large, uids) = (service.clone(), large.clone(), uids.clone());
                    connections.spawn(async move {
                        let _place = place;
                        converse(stream, &*service, &large, &uids).await
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept a hook's connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(listener);
        drop(file);
        let drain = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        if timeout(DRAIN, drain).await.is_err() {
            warn!(count = connections.len(), "hooks were still being answered at shutdown; they are told nothing");
            connections.shutdown().await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("user id {0} may not ask")]
    Stranger(u32),
    #[error("process {0:?} says that it is part of a push that does not run it")]
    Foreign(Option<i32>),
    #[error("it sent no whole request in time")]
    Slow,
    #[error("it sent no request: {0}")]
    Malformed(#[from] WireError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn report(ended: Result<Result<(), ConnectionError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "a hook's connection was closed without an answer"),
        Err(error) => warn!(%error, "answering a hook failed"),
    }
}

async fn converse<S: HookService>(
    mut stream: UnixStream,
    service: &S,
    large: &Semaphore,
    uids: &[u32],
) -> Result<(), ConnectionError> {
    let peer = stream.peer_cred()?;
    if !uids.contains(&peer.uid()) {
        return Err(ConnectionError::Stranger(peer.uid()));
    }
    let (mut from, mut to) = stream.split();
    let request = match timeout(PATIENCE, read_request(&mut from, large)).await.map_err(|_| ConnectionError::Slow)?? {
        Some(request) => request,
        None => return Ok(()),
    };
    if request.process.is_some_and(|process| peer::lies(peer.pid(), process)) {
        return Err(ConnectionError::Foreign(peer.pid()));
    }
    let closed = CancellationToken::new();
    let mut handling = std::pin::pin!(service.handle(request, closed.clone()));
    let mut byte = [0; 1];
    let reply = tokio::select! {
        reply = &mut handling => reply,
        // Nothing may follow a request, so whatever happens here, the hook is gone or broken.
        _ = from.read(&mut byte) => {
            closed.cancel();
            handling.await
        }
    };
    let bytes = encode(reply);
    if closed.is_cancelled() {
        return Ok(());
    }
    timeout(PATIENCE, to.write_all(&bytes)).await.map_err(|_| ConnectionError::Slow)??;
    Ok(())
}

/// Reads one request; `None` when somebody connected and went away without a word (as a starting daemon does to see
/// whether the socket is alive).
async fn read_request(
    from: &mut (impl AsyncRead + Unpin),
    large: &Semaphore,
) -> Result<Option<Request>, ConnectionError> {
    let mut bytes = Vec::new();
    let mut scanner = Scanner::default();
    let mut chunk = vec![0; 16 << 10];
    let mut permit = None;
    while !scanner.is_whole(&bytes)? {
        if bytes.len() > LARGE && permit.is_none() {
            permit = large.acquire().await.ok();
        }
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(WireError::Truncated.into()) };
        }
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
    Ok(Some(Request::decode(&bytes)?))
}

fn encode(reply: Reply) -> Vec<u8> {
    let whole = reply.encode().or_else(|_| {
        warn!(limit = MAX_FRAME, "a reply to a hook is too large; its lines are left out");
        let lines = vec!["Stoop has more to say about this push than fits into one message.".to_owned()];
        Reply { lines, ..reply }.encode()
    });
    // No reply at all is a refusal for the hook.
    whole.unwrap_or_default()
}
