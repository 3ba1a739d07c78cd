//! The real git, as client and as server, through the door.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::world::{Wishes, World, client, git, run, until};
use crate::config::{Config, IdentitySource};

mod world;

#[tokio::test]
async fn clone_and_push_over_plain_loopback_and_tls() {
    for tls in [false, true] {
        let world = World::new(Wishes { tls, ..Wishes::default() }).await;
        let url = world.url("ann", "team/a.git");
        run(world.path(), &format!("git clone -q {url} copy")).await;
        run(world.path(), &format!("git -c protocol.version=0 clone -q {url} old-copy")).await;
        let head = world.commit().await;
        let pushed = git(world.path(), &["-C", "work", "push", &world.url("ann", "team/a.git"), "main"]).await;
        assert!(pushed.0, "{}", pushed.1);
        assert_eq!(world.head("main").await, Some(head));
    }
}

#[tokio::test]
async fn a_large_push_streams_through() {
    let world = World::new(Wishes::default()).await;
    let mut bytes = vec![0_u8; 6 << 20];
    let mut state = 1_u64;
    for byte in &mut bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    std::fs::write(world.path().join("work/large"), &bytes).expect("written");
    run(world.path(), "git -C work add large").await;
    let head = world.commit().await;
    // More than http.postBuffer: git sends it in chunks of unknown length.
    run(world.path(), &format!("git -C work push -q {} main", world.url("ann", "team/a.git"))).await;
    assert_eq!(world.head("main").await, Some(head));
    run(world.path(), &format!("git clone -q {} copy", world.url("ray", "team/a.git"))).await;
    assert_eq!(std::fs::read(world.path().join("copy/large")).expect("read"), bytes);
}

#[tokio::test]
async fn each_caller_meets_the_right_answer() {
    let world = World::new(Wishes::default()).await;
    world.commit().await;
    let push =
        async |user: &str| git(world.path(), &["-C", "work", "push", &world.url(user, "team/a.git"), "main"]).await;
    let read = async |user: &str, path: &str| git(world.path(), &["ls-remote", &world.url(user, path)]).await;
    assert!(read("ray", "team/a.git").await.0);
    for (got, want) in [
        (push("ray").await, "User \"ray\" may only read"),
        (push("").await, "could not read Username"),
        (push("ann:stoop_wrong@").await, "Authentication failed"),
        (read("", "team/a.git").await, "could not read Username"),
        (read("ann:stoop_wrong@", "team/a.git").await, "Authentication failed"),
        (read("ann", "secret.git").await, "There is no repository \"secret.git\" here"),
        (read("ann", "team/../secret.git").await, "not found"),
        (read("ann", "team%2f..%2f..%2fsecret.git").await, "not found"),
    ] {
        assert!(!got.0 && got.1.contains(want), "{want}\n{}", got.1);
    }
    let open = Config { anonymous_read: true, ..Config::default() };
    let world = World::new(Wishes { config: open, ..Wishes::default() }).await;
    assert!(git(world.path(), &["ls-remote", &world.url("", "team/a.git")]).await.0);
    let wrong = format!("authorization: Basic {}", STANDARD.encode("ann:stoop_wrong"));
    let refs = "GET /team/a.git/info/refs?service=git-upload-pack HTTP/1.1";
    let answer = ask(&world, &format!("{refs}\r\n{wrong}"), b"").await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("is wrong"), "wrong is not anonymous: {answer}");
    assert!(!git(world.path(), &["-C", "work", "push", &world.url("", "team/a.git"), "main:x"]).await.0);
}

/// The answer to a request as a browser or a script would send it.
async fn ask(world: &World, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    let head = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_git_request_gets_a_sentence() {
    let world = World::new(Wishes::default()).await;
    let ann = format!("authorization: Basic {}", STANDARD.encode(format!("ann:{}", world.ann)));
    for (head, status, text) in [
        ("GET /team/a.git/HEAD HTTP/1.1", 404, "Only Git smart HTTP"),
        ("GET /team/a.git/objects/info/packs HTTP/1.1", 404, "Only Git smart HTTP"),
        ("GET /team/a.git/info/refs HTTP/1.1", 403, "dumb HTTP protocol"),
        ("DELETE /team/a.git/git-upload-pack HTTP/1.1", 405, "takes only POST"),
        ("POST /team/a.git/git-upload-pack HTTP/1.1", 415, "application/x-git-upload-pack-request"),
    ] {
        let answer = ask(&world, &format!("{head}\r\n{ann}"), b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(text), "{head}: {answer}");
    }
    let refs = "GET /team/a.git/info/refs?service=git-upload-pack HTTP/1.1";
    let answer = ask(&world, &format!("{refs}\r\nx-remote-user: ann\r\nremote-user: ann"), b"").await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("Reading needs a user"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("www-authenticate: basic realm=\"stoop\""), "{answer}");
    let answer = ask(&world, &format!("{refs}\r\n{ann}"), b"").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("refs/heads/main"), "{answer}");
}

#[tokio::test]
async fn hooks_hear_who_pushes_from_us_and_nothing_from_the_client() {
    let identity = IdentitySource::parse("GL_USERNAME").expect("a variable");
    let world = World::new(Wishes { config: Config { identity, ..Config::default() }, ..Wishes::default() }).await;
    world.hook("pre-receive", "env >env-of-hook");
    world.commit().await;
    let url = world.url("ann", "team/a.git");
    let header = "http.extraHeader=Remote-User: eve";
    let proxy = "http.extraHeader=X-Stoop-Test: eve";
    let pushed = git(world.path(), &["-C", "work", "-c", header, "-c", proxy, "push", &url, "main"]).await;
    assert!(pushed.0, "{}", pushed.1);
    let seen = std::fs::read_to_string(world.repository.join("env-of-hook")).expect("the hook ran");
    let value = |name: &str| seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    assert_eq!((value("REMOTE_USER"), value("GL_USERNAME")), (Some("ann"), Some("ann")));
    assert_eq!(value("REMOTE_ADDR"), Some("127.0.0.1"));
    assert!(!seen.contains("eve") && !seen.contains("HTTP_X"), "{seen}");
    assert_eq!((value("HOME"), value("CARGO")), (None, None), "the daemon's environment stays with the daemon");
}

#[tokio::test]
async fn a_push_runs_to_its_end_although_its_client_is_gone() {
    let world = World::new(Wishes::default()).await;
    world.hook("pre-receive", "touch arrived; while ! test -e go; do sleep 0.01; done");
    let head = world.commit().await;
    let url = world.url("ann", "team/a.git");
    let mut push = client(world.path(), &["-C", "work", "push", "-q", &url, "main"]).spawn().expect("git runs");
    let arrived = world.repository.join("arrived");
    until("the hook", async || arrived.exists()).await;
    let group = push.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
    kill_process_group(group, Signal::KILL).expect("killed");
    push.wait().await.expect("ended");
    assert_eq!(tokio::time::timeout(Duration::from_millis(50), world.door.drained()).await.ok(), None, "still running");
    std::fs::write(world.repository.join("go"), "").expect("written");
    tokio::time::timeout(Duration::from_secs(20), world.door.drained()).await.expect("ended");
    assert_eq!(world.head("main").await, Some(head));
}

#[tokio::test]
async fn the_connection_of_a_push_may_break_without_cutting_it() {
    let script = "#!/bin/sh\ncat >/dev/null\ntouch \"$GIT_PROJECT_ROOT/arrived\"\nwhile ! test -e \"$GIT_PROJECT_ROOT/go\"; do sleep 0.01; done\nprintf 'Content-Type: x/y\\r\\n\\r\\n'\nhead -c 1000000 /dev/zero\ntouch \"$GIT_PROJECT_ROOT/finished\"\n";
    let world = World::new(Wishes { program: Some(script), ..Wishes::default() }).await;
    let ann = STANDARD.encode(format!("ann:{}", world.ann));
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    let request = format!(
        "POST /team/a.git/git-receive-pack HTTP/1.1\r\nhost: x\r\nauthorization: Basic {ann}\r\ncontent-type: application/x-git-receive-pack-request\r\ncontent-length: 4\r\n\r\n0000"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let at = |name: &str| world.repository.join(name);
    until("the request", async || at("arrived").exists()).await;
    drop(stream);
    std::fs::write(at("go"), "").expect("written");
    until("the end", async || at("finished").exists()).await;
}

#[tokio::test]
async fn a_request_that_is_cut_short_leaves_nothing_running() {
    let world = World::new(Wishes::default()).await;
    let ann = STANDARD.encode(format!("ann:{}", world.ann));
    for service in ["receive-pack", "upload-pack"] {
        let mut stream = TcpStream::connect(world.address).await.expect("connected");
        let request = format!(
            "POST /team/a.git/git-{service} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {ann}\r\ncontent-type: application/x-git-{service}-request\r\ncontent-length: 1000\r\n\r\n0094"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let idle = || tokio::time::timeout(Duration::from_millis(1), world.door.drained());
        until("git", async || idle().await.is_err()).await;
        drop(stream);
        tokio::time::timeout(Duration::from_secs(20), world.door.drained()).await.expect("ended");
    }
}

#[tokio::test]
async fn a_fetch_is_killed_with_its_client() {
    let script = "#!/bin/sh\nsleep 600 &\necho $$ $! >\"$GIT_PROJECT_ROOT/pids\"\nwait\n";
    let world = World::new(Wishes { program: Some(script), ..Wishes::default() }).await;
    let ann = STANDARD.encode(format!("ann:{}", world.ann));
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    let request = format!(
        "GET /team/a.git/info/refs?service=git-upload-pack HTTP/1.1\r\nhost: x\r\nauthorization: Basic {ann}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut pids = Vec::new();
    until("the process", async || {
        let text = std::fs::read_to_string(world.repository.join("pids")).unwrap_or_default();
        pids = text.split_whitespace().map(str::to_owned).collect();
        pids.len() == 2 && text.ends_with('\n')
    })
    .await;
    drop(stream);
    tokio::time::timeout(Duration::from_secs(20), world.door.drained()).await.expect("ended");
    let runs = |pid: &String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z")
    };
    until("both ended", async || !pids.iter().any(runs)).await;
}

#[tokio::test]
async fn a_git_that_fails_is_an_error_not_a_silence() {
    for script in ["#!/bin/sh\necho broken >&2\nexit 1\n", "#!/bin/sh\nprintf 'no head at all'\n"] {
        let world = World::new(Wishes { program: Some(script), ..Wishes::default() }).await;
        let ann = STANDARD.encode(format!("ann:{}", world.ann));
        let head = format!("GET /team/a.git/info/refs?service=git-upload-pack HTTP/1.1\r\nauthorization: Basic {ann}");
        let answer = ask(&world, &head, b"").await;
        assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("Git failed on the server"), "{answer}");
    }
}
