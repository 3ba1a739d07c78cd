//! Runs `git http-backend` for one request and streams both ways.
//!
//! The process belongs to a task of its own. When the client goes away, a fetch is killed with everything it started; a
//! push is let finish, since cutting it could cut a transition that the hooks already allowed.
//! Never here: deciding who may; and no header of the client reaches the process but as `call` checked it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::response;
use axum::response::Response;
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::call::{Call, Service};
use super::cgi;
use crate::domain::names::UserName;

/// Bytes that are read at once.
const CHUNK: usize = 32 * 1024;
/// Chunks that wait for a slow client.
const CHUNKS: usize = 4;
/// A client that neither sends nor takes a byte for so long is gone.
const STALL: Duration = Duration::from_secs(600);
/// How much of what git writes to stderr goes into the log, in bytes.
const MAX_LOG: usize = 4096;
/// How long the end of stderr is waited for.
const LOG_WAIT: Duration = Duration::from_secs(2);

/// What git and its hooks are told beside the repository's own settings.
const SETTINGS: [(&str, &str); 5] = [
    // The daemon chose the repository itself, and its owner may be another user than the daemon's.
    ("safe.directory", "*"),
    // What a push is told to be there is on the disk; by default git leaves refs and loose objects to chance.
    ("core.fsync", "committed"),
    // Partial clones: a client may leave out files that it does not look at, and fetches them when it does.
    ("uploadpack.allowFilter", "true"),
    // Git would verify push certificates too, with the daemon's own key rings; the daemon does it by itself. For SSH no
    // other program is named: git writes to it, and dies of the signal if that has ended.
    ("gpg.program", "false"),
    ("gpg.ssh.allowedSignersFile", "/dev/null"),
];

/// What git is run for.
pub(super) struct Run<'a> {
    pub(super) program: &'a Path,
    pub(super) repository: &'a Path,
    pub(super) call: &'a Call,
    pub(super) user: Option<&'a UserName>,
    /// The variable that the hook takes the user's name from.
    pub(super) identity: &'a str,
    pub(super) remote: SocketAddr,
}

/// Starts git, and answers as soon as it has written its head. `place` is given back when the process has ended.
///
/// # Errors
/// Git cannot be started, or answers with no head.
pub(super) async fn run(run: Run<'_>, request: Body, place: OwnedSemaphorePermit) -> io::Result<Response> {
    let mut child = command(&run).spawn()?;
    let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("a pipe to git is missing"));
    };
    let (head, answered) = oneshot::channel();
    let (chunks, mut body) = mpsc::channel(CHUNKS);
    let client = Client { head: Some(head), chunks };
    let pushing = run.call.service == Service::ReceivePack && !run.call.refs_only;
    let group = Group::of(&child, pushing);
    let repository = run.repository.display().to_string();
    tokio::spawn(async move {
        let _place = place;
        let log = tokio::spawn(log(errors));
        if talk(input, output, request, client, pushing).await == Told::Cut {
            group.kill();
        }
        // A hook may have left a process behind that holds stderr: that one is not waited for.
        let log = tokio::time::timeout(LOG_WAIT, log).await.ok().and_then(Result::ok).unwrap_or_default();
        let ended = child.wait().await;
        group.ended();
        if !log.is_empty() {
            let log = String::from_utf8_lossy(&log);
            let log = log.trim();
            tracing::warn!(repository, status = ?ended.ok().and_then(|status| status.code()), log, "git http-backend");
        }
    });
    let head = answered.await.map_err(|_| io::Error::other("git ended without an answer"))??;
    let stream = futures_util::stream::poll_fn(move |context| body.poll_recv(context));
    Ok(Response::from_parts(head, Body::from_stream(stream)))
}

fn command(run: &Run<'_>) -> Command {
    let call = run.call;
    let mut command = Command::new(run.program);
    command
        .arg("http-backend")
        // Where the daemon was started must not matter: git would look for a repository there, and read its settings.
        .current_dir("/")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()))
        .env("GIT_PROJECT_ROOT", run.repository)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", SETTINGS.len().to_string())
        .envs((0..).zip(SETTINGS).flat_map(|(at, (key, value))| {
            [(format!("GIT_CONFIG_KEY_{at}"), key), (format!("GIT_CONFIG_VALUE_{at}"), value)]
        }))
        // Anyone who may push may push `refs/replace/…`: git and its hooks must see what is there, as the daemon does.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("REQUEST_METHOD", call.method())
        .env("PATH_INFO", call.path())
        .env("QUERY_STRING", call.query())
        .env("CONTENT_TYPE", call.content_type())
        .env("REMOTE_ADDR", run.remote.ip().to_string());
    // Never CONTENT_LENGTH: with a body that ends before it, http-backend reads the end again and again, for ever. Git's
    // protocol says by itself where it ends, and cut short it is an error.
    if call.gzip {
        command.env("HTTP_CONTENT_ENCODING", "gzip");
    }
    if let Some(protocol) = &call.protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    if let Some(user) = run.user {
        command.env("REMOTE_USER", user.as_str()).env(run.identity, user.as_str());
    }
    // A group of its own: Ctrl-C in the daemon's terminal does not reach a push, and a kill reaches the whole fetch.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

/// The process group of a fetch, killed with this value unless it has ended. A push has none: it is let finish.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child, pushing: bool) -> Self {
        let id = child.id().filter(|_| !pushing);
        Self(id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    fn kill(&self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// The process has been waited for: its id may soon be another's.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The way back to the client.
struct Client {
    head: Option<oneshot::Sender<io::Result<response::Parts>>>,
    chunks: mpsc::Sender<io::Result<Bytes>>,
}

/// How the talk with git ended.
#[derive(PartialEq, Eq)]
enum Told {
    /// Git closed its output.
    All,
    /// The client of a fetch is gone, or git's answer cannot be read.
    Cut,
}

/// Feeds the request to git and git's answer to the client.
async fn talk(input: ChildStdin, output: ChildStdout, request: Body, client: Client, pushing: bool) -> Told {
    let feeding = async {
        feed(input, request).await;
        std::future::pending::<Told>().await
    };
    // Git may end before it has read everything, so the answer decides.
    tokio::select! {
        told = feeding => told,
        told = answer(output, client, pushing) => told,
    }
}

/// Passes the body on. Whatever goes wrong ends the input: git then sees that it is cut short.
async fn feed(mut input: ChildStdin, request: Body) {
    let mut body = request.into_data_stream();
    while let Ok(Some(Ok(bytes))) = tokio::time::timeout(STALL, body.next()).await {
        if input.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn answer(output: ChildStdout, mut client: Client, pushing: bool) -> Told {
    let mut output = BufReader::with_capacity(CHUNK, output);
    if let Some(mut sender) = client.head.take() {
        let head = if pushing {
            cgi::read_head(&mut output).await
        } else {
            tokio::select! {
                head = cgi::read_head(&mut output) => head,
                () = sender.closed() => return Told::Cut,
            }
        };
        let broken = head.is_err();
        if (sender.send(head).is_err() && !pushing) || broken {
            return Told::Cut;
        }
    }
    let mut there = true;
    loop {
        let chunk = if pushing {
            read_chunk(&mut output).await
        } else {
            tokio::select! {
                chunk = read_chunk(&mut output) => chunk,
                () = client.chunks.closed() => return Told::Cut,
            }
        };
        let chunk = match chunk {
            Ok(chunk) if chunk.is_empty() => return Told::All,
            other => other,
        };
        let failed = chunk.is_err();
        if there {
            there = client.chunks.send_timeout(chunk, STALL).await.is_ok();
        }
        if failed || (!there && !pushing) {
            return Told::Cut;
        }
    }
}

async fn read_chunk<R: AsyncRead + Unpin>(output: &mut R) -> io::Result<Bytes> {
    let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
    output.read_buf(&mut chunk).await?;
    Ok(chunk.freeze())
}

/// The first bytes that git wrote to stderr; the rest is read and dropped, so that git never waits.
async fn log(mut errors: ChildStderr) -> Vec<u8> {
    let (mut kept, mut chunk) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = errors.read(&mut chunk).await {
        let room = MAX_LOG.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
    kept
}
