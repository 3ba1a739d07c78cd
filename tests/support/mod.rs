//! The test world: a real daemon on a temporary root, real git clients, real kubectl.
//!
//! Nothing here sleeps to pass: `eventually` polls a condition against a deadline. Everything a world starts ends with it.
//! Never here: assertions about Stoop itself.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

mod workdir;

pub use workdir::Workdir;

/// The users of every world and their roles. Their tokens are their names with `stoop_` before them.
pub const USERS: [(&str, &str); 6] = [
    ("ann", "author"),
    ("art", "author"),
    ("bob", "approver"),
    ("amy", "author, approver"),
    ("rea", "reader"),
    ("ada", "admin"),
];

/// What a daemon printed when it was ready.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Ready {
    /// URL of the Kubernetes API.
    pub api: String,
    /// URL of the Git door.
    pub git: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The hook socket.
    pub socket: PathBuf,
    /// The daemon's process id.
    pub pid: u32,
}

/// One daemon with its root, its users and everything made in it.
pub struct World {
    dir: TempDir,
    daemon: Option<Child>,
    ready: Option<Ready>,
    log: PathBuf,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The command, for messages.
    pub command: String,
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Answer {
    fn of(command: &Command, output: Output) -> Self {
        Self {
            command: format!("{command:?}"),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The answer, which must be a success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n--- stdout\n{}--- stderr\n{}", self.command, self.stdout, self.stderr);
        self
    }

    /// The answer, which must be a failure whose texts hold `text`.
    #[track_caller]
    pub fn refused(self, text: &str) -> Self {
        assert_ne!(self.code, 0, "{} should have failed\n{}{}", self.command, self.stdout, self.stderr);
        assert!(
            self.stderr.contains(text) || self.stdout.contains(text),
            "{} failed without {text:?}\n--- stdout\n{}--- stderr\n{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output without white space at its ends.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Answer {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    Answer::of(command, output)
}

/// Polls until `check` gives a value; fails after 20 seconds with `what` it waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited 20 s in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `git` without anybody's settings.
pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .args(["-c", "protocol.version=2", "-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false"]);
    command
}

impl World {
    /// A world with a running daemon and no repository.
    pub fn start() -> Self {
        let mut world = Self::without_daemon();
        world.start_daemon();
        world
    }

    /// A world with a running daemon and the repository `packages.git`.
    pub fn with_repository() -> Self {
        let world = Self::start();
        world.create_repository("packages");
        world
    }

    /// A world whose daemon is not started yet.
    pub fn without_daemon() -> Self {
        let dir = tempfile::Builder::new().prefix("stoop-").tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("root")).expect("the root");
        let log = dir.path().join("log");
        let world = Self { dir, daemon: None, ready: None, log };
        world.configure("");
        world
    }

    /// Writes the configuration: the users, then `rest`.
    pub fn configure(&self, rest: &str) {
        let mut text = String::from("users:\n");
        for (user, roles) in USERS {
            let hash: String = Sha256::digest(format!("stoop_{user}")).iter().fold(String::new(), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            });
            let _ = write!(text, "- name: {user}\n  roles: [{roles}]\n  tokens: ['sha256:{hash}']\n");
        }
        std::fs::write(self.config(), text + rest).expect("the configuration is written");
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config.yaml")
    }

    /// The world's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The root.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.root().join(".stoop")
    }

    /// A bare repository below the root.
    pub fn bare(&self, name: &str) -> PathBuf {
        self.root().join(format!("{name}.git"))
    }

    /// The file that names the step at which a debug build dies (`stoop::step`).
    pub fn die_at(&self) -> PathBuf {
        self.dir.path().join("die-at")
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The program.
    pub fn stoop(&self, args: &[&str]) -> Answer {
        run(Command::new(env!("CARGO_BIN_EXE_stoop")).current_dir(self.path()).args(args))
    }

    /// Starts the daemon and waits until it is ready.
    pub fn start_daemon(&mut self) {
        self.start_daemon_with(&[]);
    }

    /// Starts the daemon with more arguments and waits until it is ready.
    pub fn start_daemon_with(&mut self, more: &[&str]) {
        self.launch(Command::new(env!("CARGO_BIN_EXE_stoop")), more);
    }

    /// Starts the daemon through a shell script, which runs it as `"$@"`, and waits until it is ready.
    pub fn start_daemon_through(&mut self, script: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_stoop")]);
        self.launch(shell, &[]);
    }

    fn launch(&mut self, mut command: Command, more: &[&str]) {
        assert!(self.daemon.is_none(), "the daemon runs already");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("the log");
        let mut daemon = command
            .arg("serve")
            .args(["--api", "--git"].iter().filter(|door| !more.contains(door)).flat_map(|door| [door, "127.0.0.1:0"]))
            .arg("--root")
            .arg(self.root())
            .arg("--config")
            .arg(self.config())
            .args(more)
            .env("STOOP_DIE_AT", self.die_at())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        let mut line = String::new();
        let stdout = daemon.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("standard output can be read");
        self.daemon = Some(daemon);
        let ready = serde_json::from_str(&line);
        self.ready = Some(ready.unwrap_or_else(|error| panic!("the daemon said {line:?} ({error})\n{}", self.log())));
    }

    /// What the daemon said when it was ready.
    pub fn ready(&self) -> &Ready {
        self.ready.as_ref().expect("the daemon was started")
    }

    /// Sends the daemon a signal, by name, such as `HUP`.
    pub fn signal(&self, name: &str) {
        run(Command::new("kill").arg(format!("-{name}")).arg(self.ready().pid.to_string())).ok();
    }

    /// Whether the daemon has ended by itself.
    pub fn daemon_is_gone(&mut self) -> bool {
        self.daemon.as_mut().is_none_or(|daemon| daemon.try_wait().expect("the daemon can be asked for").is_some())
    }

    /// Starts the daemon again after it has ended by itself.
    pub fn revive(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().expect("the daemon can be waited for");
        }
        self.start_daemon();
    }

    /// Ends the daemon with a signal and waits for its end; returns its exit code.
    pub fn stop_daemon(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.wait().expect("the daemon can be waited for").code()
    }

    /// Has git check every object and link. Ends the daemon before: git reads objects first and refs then, and would
    /// miss what is written in between.
    pub fn fsck(&mut self, repository: &str) -> Answer {
        if self.daemon.is_some() {
            self.stop_daemon("TERM");
        }
        self.on_disk(repository, &["fsck", "--strict", "--no-dangling"])
    }

    /// Ends the daemon cleanly and starts it again.
    pub fn restart(&mut self) {
        self.stop_daemon("TERM");
        self.start_daemon();
    }

    /// Makes a repository below the root with `stoop repo create`, and waits until a running daemon serves it.
    pub fn create_repository(&self, name: &str) {
        let root = self.root();
        self.stoop(&["repo", "create", name, "--root", root.to_str().expect("text")]).ok();
        if self.daemon.is_some() {
            self.wait_for_repository(name);
        }
    }

    /// Waits until the daemon serves a repository.
    pub fn wait_for_repository(&self, name: &str) {
        let url = self.url("ada", name);
        eventually(&format!("the daemon serves {name}"), || {
            let hooked = self.bare(name).join("hooks/stoop/guard").exists();
            let answer = run(git_command(self.path()).args(["ls-remote", &url]));
            (hooked && answer.code == 0).then_some(())
        });
    }

    /// A repository's URL at the Git door, with a user's name and token.
    pub fn url(&self, user: &str, repository: &str) -> String {
        let door = self.ready().git.replacen("http://", &format!("http://{user}:stoop_{user}@"), 1);
        format!("{door}/{repository}.git")
    }

    /// A fresh clone for a user.
    pub fn clone(&self, user: &str, repository: &str) -> Workdir {
        self.clone_with(user, repository, &[])
    }

    /// The same with more arguments for `git clone`.
    pub fn clone_with(&self, user: &str, repository: &str, more: &[&str]) -> Workdir {
        let parent = self.dir.path().join("clones");
        std::fs::create_dir_all(&parent).expect("a directory for clones");
        let dir = tempfile::Builder::new().prefix(user).tempdir_in(&parent).expect("a directory").keep();
        run(git_command(&parent).args(["clone", "-q"]).args(more).arg(self.url(user, repository)).arg(&dir)).ok();
        Workdir::of(dir, user)
    }

    /// Plain git on the bare repository on the disk.
    pub fn on_disk(&self, repository: &str, args: &[&str]) -> Answer {
        run(git_command(&self.bare(repository)).args(args))
    }

    /// Every ref but the ledger's, as `name oid` lines: what a refused push must leave alone.
    pub fn refs(&self, repository: &str) -> String {
        let answer = self.on_disk(repository, &["for-each-ref", "--format=%(refname) %(objectname)"]).ok();
        answer.stdout.lines().filter(|line| !line.starts_with("refs/stoop/")).map(|line| format!("{line}\n")).collect()
    }

    /// A kubeconfig file for a user; `admin` gives the administrator's.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        if user == "admin" {
            return self.ready().kubeconfig.clone();
        }
        // The address is another one with every start.
        let file = self.dir.path().join(format!("kubeconfig-{user}-{}", self.ready().pid));
        if !file.exists() {
            let root = self.root();
            let answer = self.stoop(&["kubeconfig", "--user", user, "--root", root.to_str().expect("text")]).ok();
            std::fs::write(&file, answer.stdout).expect("the kubeconfig is written");
        }
        file
    }

    /// A `kubectl` command for a user, to be given arguments.
    pub fn kubectl_command(&self, user: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("KUBECONFIG", self.kubeconfig(user))
            .current_dir(self.path());
        command
    }

    /// Real kubectl as a user.
    pub fn kubectl(&self, user: &str, args: &[&str]) -> Answer {
        run(self.kubectl_command(user).args(args))
    }

    /// The minor version of the kubectl on the PATH: 32 for 1.32.
    pub fn kubectl_minor(&self) -> u32 {
        let answer = self.kubectl("admin", &["version", "--client", "-o", "json"]).ok();
        let version: serde_json::Value = serde_json::from_str(&answer.stdout).expect("kubectl speaks JSON");
        let minor = version.pointer("/clientVersion/minor").and_then(|minor| minor.as_str()).expect("a minor version");
        minor.trim_end_matches('+').parse().expect("a number")
    }

    /// One field of a package revision by kubectl's jsonpath.
    pub fn field(&self, name: &str, path: &str) -> String {
        let answer = self.kubectl("admin", &["get", "packagerevision", name, "-o", &format!("jsonpath={path}")]);
        answer.text().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
    }
}

/// A small Kptfile.
pub fn kptfile(package: &str) -> String {
    let name = package.rsplit('/').next().unwrap_or(package);
    format!("apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n  name: {name}\n")
}

/// A small resource.
pub fn config_map(content: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\ndata:\n  key: {content}\n")
}

/// A port that nobody listens on now: for a daemon that is to come back at the same address.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
