//! The real git, as client and as server, through the door.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Config, IdentityVariable, User};
use crate::domain::names::UserName;
use crate::domain::policy::Role;
use crate::identity::authority::Authority;
use crate::identity::server_certificate::ServerCertificate;
use crate::identity::tokens::{Token, TokenHash};
use crate::listen::{Listener, tls_config};

struct Known(HashMap<String, PathBuf>);

impl RepositoryPaths for Known {
    fn resolve(&self, url_path: &str) -> Option<PathBuf> {
        self.0.get(url_path).cloned()
    }
}

/// A repository `team/a.git`, the users ann (author) and ray (reader), and the door on a free port.
struct World {
    directory: tempfile::TempDir,
    repository: PathBuf,
    door: GitDoor,
    address: SocketAddr,
    scheme: &'static str,
    ann: String,
    ray: String,
    cancel: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[derive(Default)]
struct Wishes {
    tls: bool,
    config: Config,
    program: Option<&'static str>,
}

impl World {
    async fn new(mut wishes: Wishes) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let repository = path.join("root/team/a.git");
        run(path, "git init -q --bare -b main root/team/a.git").await;
        run(path, "git init -q --bare -b main root/secret.git").await;
        run(path, "git init -q -b main work").await;
        run(path, "git -C work commit -q --allow-empty -m first").await;
        run(path, "git -C work push -q ../root/team/a.git main").await;
        let (ann, ray) = (Token::make().expect("random"), Token::make().expect("random"));
        for (name, role, token) in [("ann", Role::Author, &ann), ("ray", Role::Reader, &ray)] {
            wishes.config.users.push(User {
                name: UserName::parse(name).expect("a name"),
                roles: [role].into(),
                password: None,
                tokens: vec![TokenHash::of(token.reveal())],
            });
        }
        let config = Arc::new(SharedConfig::fixed(wishes.config));
        let authenticator = Arc::new(Authenticator::new(config.clone()).expect("random"));
        let known = Known([("team/a.git".to_owned(), repository.clone())].into());
        let mut door = GitDoor::new(Arc::new(known), authenticator, config);
        if let Some(script) = wishes.program {
            door.program = path.join("program");
            std::fs::write(&door.program, script).expect("written");
            run(path, "chmod +x program").await;
        }
        let tls = wishes.tls.then(|| {
            let authority = Arc::new(Authority::open(&path.join("pki")).expect("made"));
            let certificate = Arc::new(ServerCertificate::open(authority.clone(), &[]).expect("made"));
            tls_config(&authority, certificate).expect("usable")
        });
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), tls).await.expect("bound");
        let (address, scheme, cancel) = (listener.address(), listener.scheme(), CancellationToken::new());
        tokio::spawn(listener.serve(door.clone().router(), cancel.clone()));
        let (ann, ray) = (ann.reveal().to_owned(), ray.reveal().to_owned());
        Self { directory, repository, door, address, scheme, ann, ray, cancel }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn url(&self, user: &str, path: &str) -> String {
        let token = match user {
            "ann" => format!("ann:{}@", self.ann),
            "ray" => format!("ray:{}@", self.ray),
            other => other.to_owned(),
        };
        format!("{}://{token}{}/{path}", self.scheme, self.address)
    }

    fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.repository.join("hooks").join(name);
        std::fs::create_dir_all(self.repository.join("hooks")).expect("made");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }

    async fn commit(&self) -> String {
        run(self.path(), "git -C work commit -q --allow-empty -m more").await;
        run(self.path(), "git -C work rev-parse HEAD").await.trim().to_owned()
    }

    async fn head(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        let out = git(&self.repository, &["rev-parse", "-q", "--verify", &name]).await;
        out.0.then(|| out.1.trim().to_owned())
    }
}

async fn git(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    for (name, value) in [("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@t"), ("GIT_COMMITTER_NAME", "t")] {
        command.env(name, value);
    }
    let output = command
        .env("GIT_COMMITTER_EMAIL", "t@t")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_SSL_CAINFO", directory.join("pki/ca.crt"))
        .env("no_proxy", "*")
        .current_dir(directory)
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .expect("git runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs a command line of words without spaces, which must succeed.
async fn run(directory: &Path, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let (good, text) = if words[0] == "git" {
        git(directory, &words[1..]).await
    } else {
        let status = Command::new(words[0]).args(&words[1..]).current_dir(directory).status().await;
        (status.is_ok_and(|status| status.success()), String::new())
    };
    assert!(good, "{line}: {text}");
    text
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

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
    let identity = IdentityVariable::parse("GL_USERNAME").expect("a variable");
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
    let (path, url) = (world.path().to_owned(), world.url("ann", "team/a.git"));
    let client = tokio::spawn(async move { git(&path, &["-C", "work", "push", &url, "main"]).await });
    let arrived = world.repository.join("arrived");
    until("the hook", async || arrived.exists()).await;
    // Dropping the client kills its git; the helper that holds the connection ends with its pipe, or when told to.
    client.abort();
    assert!(client.await.expect_err("aborted").is_cancelled());
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
