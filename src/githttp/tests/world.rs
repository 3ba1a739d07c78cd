//! A repository, two users and the door on a free loopback port, with real git at both ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::super::{GitDoor, RepositoryPaths};
use crate::config::{Config, SharedConfig, User};
use crate::domain::names::UserName;
use crate::domain::policy::Role;
use crate::identity::authenticate::Authenticator;
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
pub(super) struct World {
    directory: tempfile::TempDir,
    pub(super) repository: PathBuf,
    pub(super) door: GitDoor,
    pub(super) address: SocketAddr,
    scheme: &'static str,
    pub(super) ann: String,
    ray: String,
    cancel: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[derive(Default)]
pub(super) struct Wishes {
    pub(super) tls: bool,
    pub(super) config: Config,
    pub(super) program: Option<&'static str>,
}

impl World {
    pub(super) async fn new(mut wishes: Wishes) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let repository = path.join("root/team/a.git");
        run(path, "git init -q --bare -b main root/team/a.git").await;
        run(path, "git init -q --bare -b main root/secret.git").await;
        run(path, "git init -q -b main work").await;
        run(path, "git -C work commit -q --allow-empty -m first").await;
        run(path, &format!("git -C work push -q {} main", repository.display())).await;
        let (ann, ray) = (Token::make().expect("random"), Token::make().expect("random"));
        for (name, role, token) in [("ann", Role::Author, &ann), ("ray", Role::Reader, &ray)] {
            wishes.config.users.push(User {
                name: UserName::parse(name).expect("a name"),
                roles: [role].into(),
                password: None,
                tokens: vec![TokenHash::of(token.reveal())],
                signing_keys: Vec::new(),
                ssh_keys: Vec::new(),
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

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn url(&self, user: &str, path: &str) -> String {
        let token = match user {
            "ann" => format!("ann:{}@", self.ann),
            "ray" => format!("ray:{}@", self.ray),
            other => other.to_owned(),
        };
        format!("{}://{token}{}/{path}", self.scheme, self.address)
    }

    pub(super) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.repository.join("hooks").join(name);
        std::fs::create_dir_all(self.repository.join("hooks")).expect("made");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }

    pub(super) async fn commit(&self) -> String {
        run(self.path(), "git -C work commit -q --allow-empty -m more").await;
        run(self.path(), "git -C work rev-parse HEAD").await.trim().to_owned()
    }

    pub(super) async fn head(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        let out = git(&self.repository, &["rev-parse", "-q", "--verify", &name]).await;
        out.0.then(|| out.1.trim().to_owned())
    }
}

/// A git that knows nothing of whoever runs the tests, in a process group of its own.
pub(super) fn client(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        command.env(name, "t@t");
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_SSL_CAINFO", directory.join("pki/ca.crt"))
        .env("no_proxy", "*")
        .current_dir(directory)
        .args(arguments)
        .process_group(0)
        .kill_on_drop(true);
    command
}

pub(super) async fn git(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let output = client(directory, arguments).output().await.expect("git runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs a command line of words without spaces, which must succeed.
pub(super) async fn run(directory: &Path, line: &str) -> String {
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

pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
