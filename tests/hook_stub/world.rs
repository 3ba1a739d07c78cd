//! A bare repository, a clone with a package in it, and a daemon that answers as a test says.
//!
//! Never here: assertions about what is tested.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use stoop::hooks::{Guard, HookService, Installed, Layout, Reply, Request, STUB, bind, install};
use tokio_util::sync::CancellationToken;

pub(crate) fn accept(lines: &[&str]) -> Reply {
    Reply { accept: true, lines: lines.iter().map(|line| (*line).to_owned()).collect(), verdicts: vec![] }
}

pub(crate) fn refuse(line: &str) -> Reply {
    Reply { accept: false, ..accept(&[line]) }
}

pub(crate) struct World {
    directory: tempfile::TempDir,
    repository: PathBuf,
}

pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = fs::canonicalize(directory.path()).expect("there");
        let world = Self { repository: root.join("server.git"), directory };
        let clone = world.clone_directory();
        let run = |args: &[&str]| assert!(world.git(&root, args, None).ok, "{args:?}");
        run(&["init", "-q", "--bare", "-b", "main", "server.git"]);
        run(&["init", "-q", "-b", "main", "clone"]);
        fs::create_dir_all(clone.join("docs")).expect("made");
        fs::create_dir_all(clone.join("p")).expect("made");
        fs::write(clone.join("docs/README"), "text\n").expect("written");
        fs::write(clone.join("p/Kptfile"), "apiVersion: kpt.dev/v1\nkind: Kptfile\n").expect("written");
        for message in ["one", "two"] {
            fs::write(clone.join("docs/log"), message).expect("written");
            assert!(world.git(&clone, &["add", "-A"], None).ok);
            assert!(world.git(&clone, &["commit", "-q", "-m", message], None).ok);
        }
        world
    }

    /// With the hooks installed, and everything guarded.
    pub(crate) fn guarded() -> Self {
        let world = Self::new();
        world.install(true);
        world
    }

    pub(crate) fn install(&self, guarded: bool) -> Installed {
        install(&self.repository, STUB, &self.guard(guarded), Layout::Git).expect("installed")
    }

    pub(crate) fn guard(&self, guarded: bool) -> Guard {
        Guard {
            socket: self.socket(),
            branches: vec!["refs/heads/main".into()],
            directory: String::new(),
            guarded,
            identity: Some("TEST_PUSHER".into()),
            variables: vec![],
        }
    }

    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("run/socket")
    }

    fn clone_directory(&self) -> PathBuf {
        self.repository.with_file_name("clone")
    }

    pub(crate) fn git(&self, directory: &Path, args: &[&str], stdin: Option<&str>) -> Ran {
        let mut command = Command::new("git");
        command.current_dir(directory).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("HOME", self.directory.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("TEST_PUSHER", "alice");
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            command.env(name, "test@example.com");
        }
        let mut child = command.spawn().expect("git runs");
        let mut input = child.stdin.take().expect("piped");
        // Git may end before it has read everything.
        let _ = input.write_all(stdin.unwrap_or_default().as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("git ends");
        let text = [output.stdout, output.stderr].concat();
        Ran { ok: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    pub(crate) fn server(&self, args: &[&str]) -> Ran {
        self.git(&self.repository, args, None)
    }

    pub(crate) fn server_stdin(&self, args: &[&str], stdin: &str) -> Ran {
        self.git(&self.repository, args, Some(stdin))
    }

    pub(crate) fn push(&self, refspecs: &[&str]) -> Ran {
        self.push_with(&[], refspecs)
    }

    pub(crate) fn push_with(&self, options: &[&str], refspecs: &[&str]) -> Ran {
        let server = self.repository.to_str().expect("text");
        self.git(&self.clone_directory(), &[&["push"], options, &[server], refspecs].concat(), None)
    }

    /// Brings the clone's objects to the server without any ref.
    pub(crate) fn fetch_into_server(&self) {
        let clone = self.clone_directory();
        assert!(self.server(&["fetch", "-q", clone.to_str().expect("text"), "main"]).ok);
    }

    pub(crate) fn head(&self) -> String {
        self.git(&self.clone_directory(), &["rev-parse", "HEAD"], None).text.trim().to_owned()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.server(&["rev-parse", "--verify", "-q", name]).ok
    }

    pub(crate) fn hook(&self, name: &str, text: &str) {
        self.script(&format!("hooks/{name}"), text);
    }

    pub(crate) fn script(&self, path: &str, text: &str) {
        let path = self.repository.join(path);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("changed");
    }

    pub(crate) fn daemon(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Daemon {
        let service = Arc::new(Service { answer: Box::new(answer), asked: Mutex::default() });
        let (socket, stop) = (self.socket(), CancellationToken::new());
        let (ready, wait) = std::sync::mpsc::channel();
        let (serving, stopped) = (service.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = bind(&socket, &[]).expect("bound");
                ready.send(()).expect("awaited");
                listener.serve(serving, stopped).await;
            });
        });
        wait.recv().expect("the daemon starts");
        Daemon { service, stop, thread: Some(thread) }
    }

    /// Something on the socket that is no daemon.
    pub(crate) fn babbler(&self) -> Babbler {
        let socket = self.socket();
        fs::create_dir_all(socket.parent().expect("it has one")).expect("made");
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                let mut stream = stream.expect("a connection");
                let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n");
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        Babbler { socket, stop, thread: Some(thread) }
    }
}

struct Service {
    answer: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    asked: Mutex<Vec<Request>>,
}

impl HookService for Service {
    async fn handle(&self, request: Request, _: CancellationToken) -> Reply {
        let reply = (self.answer)(&request);
        self.asked.lock().expect("no panic").push(request);
        reply
    }
}

pub(crate) struct Daemon {
    service: Arc<Service>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.service.asked.lock().expect("no panic").clone()
    }

    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.service.asked.lock().expect("no panic"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) struct Babbler {
    socket: PathBuf,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Babbler {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = std::os::unix::net::UnixStream::connect(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a hook whose standard error nobody reads; gives its exit code, `None` when a signal ended it.
pub(crate) fn run_without_reader(hook: &Path, directory: &Path, stdin: &str) -> Option<i32> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(hook);
    command.current_dir(directory).env("GIT_DIR", ".").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(writer);
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("piped").write_all(stdin.as_bytes()).expect("read");
    child.wait().expect("it ends").code()
}

/// Everything below a directory: path, kind, mode, and content or link target.
pub(crate) fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (String, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).expect("there");
        let (kind, content) = if metadata.is_symlink() {
            ("link", fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes())
        } else if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).expect("readable").map(|entry| entry.expect("readable").path()));
            ("directory", Vec::new())
        } else {
            ("file", fs::read(&path).expect("readable"))
        };
        found.insert(path, (kind.to_owned(), metadata.permissions().mode(), content));
    }
    found
}
