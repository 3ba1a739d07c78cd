//! A real Gitea on loopback over a world's root, with the world's users as its own, and a daemon beside it that runs as the
//! same user. `contrib/gitea` builds the program.
//!
//! Never here: assertions about Stoop, and Gitea's pages: stories use its REST API and git.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, Workdir, World, eventually, free_port, git_command, run};

/// The user that Gitea and the daemon run as where the tests run as root, which Gitea refuses to.
const NOBODY: &str = "65534";
/// The accounts, in the order in which they are made: their numbers are 1, 2, 3, …
const ACCOUNTS: [&str; 5] = ["ada", "ann", "bob", "amy", "stoop"];
/// The number of the account that stands for whoever came through the API.
const STOOP: usize = 5;

/// A running Gitea, with the organisation `team`.
pub struct Gitea {
    /// The world whose root holds its repositories.
    pub world: World,
    server: Child,
    port: u16,
}

impl Gitea {
    /// Starts Gitea, and the daemon beside it.
    pub fn start() -> Self {
        let mut world = World::without_daemon();
        let dir = world.path().join("gitea");
        let port = free_port();
        for name in ["", "data", "home"] {
            std::fs::create_dir_all(dir.join(name)).expect("a directory");
        }
        std::fs::write(dir.join("app.ini"), configuration(&dir, &world.root(), port)).expect("the configuration");
        world.configure(&format!("identity: gitea\nannounceAs: {{name: stoop, id: {STOOP}}}\n"));
        if is_root() {
            run(Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(world.path())).ok();
        }
        let built = run(&mut Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/gitea"))).ok();
        for part in [Path::new(built.text()).join("gitea"), Path::new(built.text()).join("static")] {
            link_or_copy(&part, &dir);
        }
        link_or_copy(Path::new(env!("CARGO_BIN_EXE_stoop")), &dir);
        gitea(&dir, &["migrate"]);
        for account in ACCOUNTS {
            let (password, email) = (password(account), format!("{account}@example.com"));
            let mut arguments = vec!["admin", "user", "create", "--must-change-password=false", "--username", account];
            arguments.extend(["--password", &password, "--email", &email]);
            arguments.extend(["ada", "stoop"].contains(&account).then_some("--admin"));
            gitea(&dir, &arguments);
        }
        let log = std::fs::File::create(world.path().join("gitea.log")).expect("a log");
        let server = own(&dir, dir.join("gitea").as_os_str())
            .args(["--config", "app.ini", "web"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("Gitea starts");
        let script = match is_root() {
            true => format!("shift; exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups gitea/stoop \"$@\""),
            false => "exec \"$@\"".to_owned(),
        };
        world.start_daemon_through(&format!("cd '{}'; {script}", world.path().display()));
        let gitea = Self { world, server, port };
        eventually("Gitea answers", || TcpStream::connect(("127.0.0.1", port)).ok());
        gitea.api("ada", "POST", "orgs", r#"{"username": "team"}"#).created();
        gitea
    }

    /// Makes the repository `team/<name>` with a first commit, where every account may write, and waits until it is guarded.
    pub fn create_repository(&self, name: &str) {
        let wanted = format!(r#"{{"name": "{name}", "auto_init": true, "default_branch": "main"}}"#);
        self.api("ada", "POST", "orgs/team/repos", &wanted).created();
        for account in ["ann", "bob", "amy"] {
            let path = format!("repos/team/{name}/collaborators/{account}");
            assert_eq!(self.api("ada", "PUT", &path, r#"{"permission": "write"}"#).code, 204);
        }
        eventually("the repository is guarded", || {
            self.bare(name).join("hooks/pre-receive.d/stoop").is_symlink().then_some(())
        });
    }

    /// A repository's directory.
    pub fn bare(&self, name: &str) -> PathBuf {
        self.world.root().join(format!("team/{name}.git"))
    }

    /// Asks Gitea's REST API as a user.
    pub fn api(&self, user: &str, method: &str, path: &str, body: &str) -> Reply {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", "--request", method]).args([
            "--user",
            &format!("{user}:{}", password(user)),
            "--write-out",
            "\n%{http_code}",
        ]);
        if !body.is_empty() {
            curl.args(["--header", "Content-Type: application/json", "--data", body]);
        }
        let answer = run(curl.arg(&url)).ok();
        let (text, code) = answer.stdout.rsplit_once('\n').expect("a code at the end");
        let body = serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
        Reply { request: format!("{method} {path} {body}"), code: code.parse().expect("a number"), body }
    }

    /// The names in a list of Gitea's, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let list = self.api("ada", "GET", path, "").body;
        let of = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
        let mut names: Vec<String> = list.as_array().expect("a list").iter().map(of).collect();
        names.sort();
        names
    }

    /// A clone through Gitea.
    pub fn clone(&self, user: &str, name: &str) -> Workdir {
        let parent = self.world.path().join("clones");
        std::fs::create_dir_all(&parent).expect("a directory for clones");
        let dir = tempfile::Builder::new().prefix(user).tempdir_in(&parent).expect("a directory").keep();
        let url = format!("http://{user}:{}@127.0.0.1:{}/team/{name}.git", password(user), self.port);
        run(git_command(&parent).args(["clone", "-q", &url]).arg(&dir)).ok();
        Workdir::of(dir, user)
    }

    /// Plain git on the bare repository on the disk, as the user that owns it.
    pub fn on_disk(&self, name: &str, args: &[&str]) -> Answer {
        run(own(&self.bare(name), "git".as_ref()).args(args))
    }

    /// Every ref but Stoop's own and those of pull requests, as `name oid` lines.
    pub fn refs(&self, name: &str) -> String {
        let answer = self.on_disk(name, &["for-each-ref", "--format=%(refname) %(objectname)"]).ok();
        let others = |line: &&str| !line.starts_with("refs/stoop/") && !line.starts_with("refs/pull/");
        answer.stdout.lines().filter(others).map(|line| format!("{line}\n")).collect()
    }

    /// What Gitea has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.world.path().join("gitea.log")).unwrap_or_default()
    }
}

impl Drop for Gitea {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if std::thread::panicking() {
            eprintln!("--- Gitea's log\n{}", self.log());
        }
    }
}

/// What Gitea's API answered.
#[derive(Debug)]
pub struct Reply {
    request: String,
    /// The HTTP code.
    pub code: u16,
    /// The body; text where it is no JSON.
    pub body: Value,
}

impl Reply {
    /// The body of an answer that must say that something was made.
    #[track_caller]
    pub fn created(self) -> Value {
        assert_eq!(self.code, 201, "{}\n{}", self.request, self.body);
        self.body
    }
}

fn password(user: &str) -> String {
    format!("stoop_{user}")
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).ok().text() == "0"
}

/// A program in a directory, as the user that Gitea runs as, with nothing of whoever runs the test.
fn own(dir: &Path, program: &std::ffi::OsStr) -> Command {
    let mut command = match is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]).arg(program);
            command
        }
        false => Command::new(program),
    };
    command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", dir);
    command
}

fn gitea(dir: &Path, args: &[&str]) {
    run(own(dir, dir.join("gitea").as_os_str()).args(["--config", "app.ini"]).args(args)).ok();
}

/// Puts a file or a directory below another, where the user that Gitea runs as can read it.
fn link_or_copy(from: &Path, to: &Path) {
    if run(Command::new("cp").args(["-rl"]).args([from, to])).code != 0 {
        run(Command::new("cp").args(["-r"]).args([from, to])).ok();
    }
}

fn configuration(dir: &Path, root: &Path, port: u16) -> String {
    let user = if is_root() { "nobody".to_owned() } else { run(Command::new("id").arg("-un")).ok().text().to_owned() };
    let (dir, root) = (dir.display(), root.display());
    format!(
        "RUN_MODE = prod\nRUN_USER = {user}\nWORK_PATH = {dir}\n\
         [server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\nDISABLE_SSH = true\n\
         OFFLINE_MODE = true\nSTATIC_ROOT_PATH = {dir}/static\nAPP_DATA_PATH = {dir}/data\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {dir}/data/gitea.db\nSQLITE_JOURNAL_MODE = WAL\n\
         [repository]\nROOT = {root}\nDEFAULT_BRANCH = main\n[git]\nHOME_PATH = {dir}/home\n\
         [security]\nINSTALL_LOCK = true\nSECRET_KEY = of-a-test\nMIN_PASSWORD_LENGTH = 1\n\
         [webhook]\nALLOWED_HOST_LIST = loopback\n[service]\nDISABLE_REGISTRATION = true\n\
         [log]\nMODE = console\nLEVEL = Warn\nROOT_PATH = {dir}/log\n\
         [indexer]\nISSUE_INDEXER_TYPE = db\n[session]\nPROVIDER = memory\n[mailer]\nENABLED = false\n\
         [actions]\nENABLED = false\n[packages]\nENABLED = false\n"
    )
}

/// Takes webhooks and keeps what they bring: the event's name, and its body.
pub struct Webhooks {
    port: u16,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Webhooks {
    /// Listens, for as long as the test runs.
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(event) = take(stream) {
                    into.lock().expect("nobody panics here").push(event);
                }
            }
        });
        Self { port, heard }
    }

    /// Has a repository of `gitea` call here for everything that refs and pull requests do.
    pub fn register(&self, gitea: &Gitea, repository: &str) {
        let body = format!(
            r#"{{"type": "gitea", "active": true, "config": {{"url": "http://127.0.0.1:{}/", "content_type": "json"}},
               "events": ["push", "create", "delete", "pull_request"]}}"#,
            self.port
        );
        gitea.api("ada", "POST", &format!("repos/team/{repository}/hooks"), &body).created();
    }

    /// Waits until a call of this event satisfies `check`.
    #[track_caller]
    pub fn wait_for(&self, event: &str, check: impl Fn(&Value) -> bool) {
        eventually(&format!("a webhook {event}: {:?}", self.told()), || {
            let heard = self.heard.lock().expect("nobody panics here");
            heard.iter().any(|(name, body)| name == event && check(body)).then_some(())
        });
    }

    /// Event and ref of each call.
    pub fn told(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("nobody panics here");
        heard.iter().map(|(event, body)| format!("{event} {} {}", body["ref"], body["action"])).collect()
    }
}

fn take(mut stream: TcpStream) -> Option<(String, Value)> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            line.split_once(": ").map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length:")?.parse().ok()?;
        if body.len() >= length {
            let event = header("x-gitea-event:")?;
            let body = serde_json::from_str(body).ok()?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
            return Some((event, body));
        }
    }
}
