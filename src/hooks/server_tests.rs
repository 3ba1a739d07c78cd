//! Tests of the hook socket: replies, refusal of garbage, strangers, stale sockets, hooks that go away, shutdown.
//!
//! Never here: git and the stub (see `tests/hook_stub.rs`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;

const SOON: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Echo {
    gone: Notify,
}

impl HookService for Echo {
    async fn handle(&self, request: Request, closed: CancellationToken) -> Reply {
        if request.hook == Hook::PostReceive {
            closed.cancelled().await;
            self.gone.notify_one();
        }
        Reply { accept: true, lines: vec![request.git_dir.display().to_string()], verdicts: vec![] }
    }
}

fn request(hook: Hook) -> Request {
    Request {
        hook,
        git_dir: "/srv/a.git".into(),
        process: None,
        quarantine: None,
        object_directory: None,
        pusher: None,
        certificate: None,
        variables: vec![],
        options: vec![],
        updates: vec![],
    }
}

async fn exchange(socket: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).await.expect("the socket is open");
    // The daemon may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an answer or an end");
    answer
}

#[tokio::test]
async fn a_request_gets_its_reply_and_garbage_gets_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = bind(&directory.path().join("hooks/socket"), &[]).expect("bound");
    let socket = listener.path().to_owned();
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&directory.path().join("hooks"))), (0o600, 0o700));
    let (stop, echo) = (CancellationToken::new(), Arc::new(Echo::default()));
    let serving = tokio::spawn(listener.serve(echo, stop.clone()));

    let bytes = request(Hook::PreReceive).encode().expect("small");
    let reply = Reply::decode(&exchange(&socket, &bytes).await).expect("a reply");
    assert_eq!(reply.lines, ["/srv/a.git"]);
    let mut slow = UnixStream::connect(&socket).await.expect("the socket is open");
    for byte in &bytes {
        slow.write_all(&[*byte]).await.expect("taken");
    }
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.expect("an answer");
    assert!(Reply::decode(&answer).expect("a reply").accept);
    let trailing = [&bytes[..], b"x"].concat();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"version 2\n11\n", b"version 1\n1\nend 0\n\n", &trailing] {
        assert_eq!(exchange(&socket, garbage).await, b"", "{}", String::from_utf8_lossy(garbage));
    }

    let name = |n: usize| format!("refs/heads/drafts/{}/{n}", "p".repeat(200)).into_bytes();
    let zero = "0".repeat(40);
    let update = |n| Update { old: zero.clone(), new: zero.clone(), name: name(n) };
    let large = Request { updates: (0..10_000).map(update).collect(), ..request(Hook::PreReceive) };
    let large = large.encode().expect("below the limit");
    assert!(large.len() > 2 << 20);
    let (one, two) = tokio::join!(exchange(&socket, &large), exchange(&socket, &large));
    assert!(Reply::decode(&one).is_ok() && Reply::decode(&two).is_ok());

    assert!(matches!(bind(&socket, &[]), Err(BindError::Taken(_))));
    stop.cancel();
    timeout(SOON, serving).await.expect("shuts down").expect("without a panic");
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_stranger_gets_no_answer() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut listener = bind(&directory.path().join("hooks/socket"), &[]).expect("bound");
    listener.uids = vec![u32::MAX - 1];
    let socket = listener.path().to_owned();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(Arc::new(Echo::default()), stop.clone()));
    assert_eq!(exchange(&socket, &request(Hook::PreReceive).encode().expect("small")).await, b"");
    stop.cancel();
    timeout(SOON, serving).await.expect("shuts down").expect("without a panic");
}

#[tokio::test]
async fn a_service_learns_that_the_hook_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = bind(&directory.path().join("hooks/socket"), &[]).expect("bound");
    let socket = listener.path().to_owned();
    let (stop, echo) = (CancellationToken::new(), Arc::new(Echo::default()));
    let serving = tokio::spawn(listener.serve(echo.clone(), stop.clone()));
    let mut stream = UnixStream::connect(&socket).await.expect("the socket is open");
    stream.write_all(&request(Hook::PostReceive).encode().expect("small")).await.expect("taken");
    drop(stream);
    timeout(SOON, echo.gone.notified()).await.expect("cancelled");
    stop.cancel();
    timeout(SOON, serving).await.expect("shuts down").expect("without a panic");
}

#[tokio::test]
async fn a_socket_nobody_answers_on_is_replaced_and_other_files_are_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("hooks/socket");
    std::fs::create_dir(directory.path().join("hooks")).expect("made");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
    drop(bind(&socket, &[]).expect("the stale one is replaced"));
    std::fs::write(&socket, "x").expect("written");
    assert!(matches!(bind(&socket, &[]), Err(BindError::NotASocket(_))));
    std::fs::set_permissions(directory.path().join("hooks"), PermissionsExt::from_mode(0o777)).expect("changed");
    assert!(matches!(bind(&socket, &[]), Err(BindError::Directory { mode: 0o777, .. })));
    let long = directory.path().join("x".repeat(120));
    assert!(matches!(bind(&long, &[]), Err(BindError::TooLong(_))));
}
