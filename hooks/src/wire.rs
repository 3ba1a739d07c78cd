//! What the stub asks the daemon and what the daemon answers: one request and one reply a connection, each one frame.
//!
//! Never here: sockets, and the decision itself. Decoding checks form, not truth: who pushes and what may happen is the
//! daemon's to judge.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use crate::frame::{Fields, FrameWriter, MAX_FRAME, Scanner, WireError, read_frame};

/// The most bytes all push options of one push may have together.
pub const MAX_OPTIONS: usize = 64 << 10;
/// The most push options of one push.
const MAX_OPTION_COUNT: usize = 4096;
/// The variable that the daemon sets for the hooks of others, when it tells them what it moved. Where they run the stub
/// as well, it keeps still.
pub const ANNOUNCING: &str = "STOOP_ANNOUNCING";
/// The most bytes that the directory may have as `git receive-pack` was told it.
const MAX_DIRECTORY: usize = 4096;
/// The most bytes a user's name may have here; what a name may be is judged later.
pub const MAX_IDENTITY: usize = 4096;
/// The most bytes the file of a login may have.
pub const MAX_LOGIN: usize = 16 << 10;

/// The most bytes a variable's value may have.
const MAX_VALUE: usize = 256;
/// The most variables of one request.
pub const MAX_VARIABLES: usize = 8;

/// Where a ref transaction stands when the hook `reference-transaction` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All refs are locked; the hook may still refuse.
    Prepared,
    /// The refs have moved.
    Committed,
    /// Nothing has moved, and nothing will.
    Aborted,
}

/// Which hook asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// May the push go on?
    PreReceive,
    /// Carry out these commands yourself and say how each went.
    ProcReceive {
        /// Whether the client asked for all or nothing.
        atomic: bool,
    },
    /// The push is over: what should the pusher read?
    PostReceive,
    /// A ref transaction, from a push or from any other program.
    ReferenceTransaction(State),
}

/// The `git receive-pack` process that all hooks of one push descend from, as numbered where the hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start: u64,
}

/// The push certificate of `git push --signed`, as git hands it to `pre-receive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The blob that holds it: hexadecimal.
    pub blob: String,
    /// The repository as `git receive-pack` was told it, which its nonce was made for.
    pub directory: Vec<u8>,
}

/// One line of a hook's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The value before: hexadecimal, all zeros for none (or not given), or `ref:<name>` for a symbolic ref.
    pub old: String,
    /// The value after, written likewise.
    pub new: String,
    /// The full ref name.
    pub name: Vec<u8>,
}

/// Who pushes, in the Git server's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pusher {
    /// The value of the variable that names the user; not empty.
    Name(Vec<u8>),
    /// The file that sshd wrote about the login; not empty.
    Login(Vec<u8>),
}

/// A variable of the hook's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value: printable, on one line.
    pub value: String,
}

/// What a hook asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which hook.
    pub hook: Hook,
    /// The repository's directory, absolute, as seen by the hook.
    pub git_dir: PathBuf,
    /// The push that the hook is part of, if it is part of one.
    pub process: Option<Process>,
    /// The quarantine directory, absolute. Only `pre-receive` has one, and not when the push only deletes.
    pub quarantine: Option<PathBuf>,
    /// `GIT_OBJECT_DIRECTORY`, absolute, when set.
    pub object_directory: Option<PathBuf>,
    /// Who pushes, when the Git server says it as the guard file expects.
    pub pusher: Option<Pusher>,
    /// The push certificate. Only `pre-receive` is told of one.
    pub certificate: Option<Certificate>,
    /// The variables that the guard file asks for, as far as they are set.
    pub variables: Vec<Variable>,
    /// The push options, in order.
    pub options: Vec<Vec<u8>>,
    /// The ref updates.
    pub updates: Vec<Update>,
}

/// What became of one command of `proc-receive`, or what a hook's refusal says of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The full ref name.
    pub name: Vec<u8>,
    /// Why it was refused; `None` when it went well.
    pub refusal: Option<String>,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Whether git may go on.
    pub accept: bool,
    /// What the pusher reads, line by line.
    pub lines: Vec<String>,
    /// One verdict a ref; `proc-receive` needs one for each command.
    pub verdicts: Vec<Verdict>,
}

impl Variable {
    /// Takes a variable of an ordinary name and a short, printable value.
    pub fn new(name: &str, value: &str) -> Option<Self> {
        let name_ok = is_variable(name.as_bytes());
        let value_ok = (1..=MAX_VALUE).contains(&value.len()) && !value.chars().any(char::is_control);
        (name_ok && value_ok).then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }

    fn parse(field: &[u8]) -> Option<Self> {
        let (name, value) = std::str::from_utf8(field).ok()?.split_once('=')?;
        Self::new(name, value)
    }
}

/// Whether this is the name of a variable.
pub(crate) fn is_variable(name: &[u8]) -> bool {
    (1..=256).contains(&name.len())
        && !name[0].is_ascii_digit()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl State {
    /// The word git calls the hook with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }

    /// Reads the word; `None` for the states of other versions of git.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [Self::Prepared, Self::Committed, Self::Aborted].into_iter().find(|state| state.as_str().as_bytes() == word)
    }
}

impl Hook {
    /// The hook's name as git knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreReceive => "pre-receive",
            Self::ProcReceive { .. } => "proc-receive",
            Self::PostReceive => "post-receive",
            Self::ReferenceTransaction(_) => "reference-transaction",
        }
    }
}

impl Update {
    /// Reads `<old> <new> <name>`, as hooks get it, without the line feed.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (old, new, name) = (value(parts.next()?)?, value(parts.next()?)?, parts.next()?);
        let name_ok = !name.is_empty() && !name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f);
        name_ok.then(|| Self { old, new, name: name.to_vec() })
    }

    fn line(&self) -> Vec<u8> {
        [self.old.as_bytes(), self.new.as_bytes(), &self.name].join(&b' ')
    }

    /// Whether this says that the ref goes away.
    pub fn deletes(&self) -> bool {
        is_zero(&self.new)
    }
}

impl Certificate {
    fn parse(value: &[u8]) -> Option<Self> {
        let space = value.iter().position(|byte| *byte == b' ')?;
        let blob = self::value(&value[..space]).filter(|blob| !blob.starts_with("ref:") && !is_zero(blob))?;
        let directory = &value[space + 1..];
        let usable = directory.len() <= MAX_DIRECTORY && !directory.contains(&0);
        usable.then(|| Self { blob, directory: directory.to_vec() })
    }
}

/// Whether this is the "no object" id.
pub fn is_zero(id: &str) -> bool {
    id.bytes().all(|byte| byte == b'0')
}

fn value(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let id = (text.len() == 40 || text.len() == 64)
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let symbolic = text.strip_prefix("ref:").is_some_and(|target| {
        (1..=4096).contains(&target.len()) && !target.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
    });
    (id || symbolic).then(|| text.to_owned())
}

impl Request {
    /// The request's frame; an error if it would be too large.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut frame = FrameWriter::new();
        frame.field("hook", self.hook.name().as_bytes());
        match self.hook {
            Hook::ReferenceTransaction(state) => frame.field("state", state.as_str().as_bytes()),
            Hook::ProcReceive { atomic: true } => frame.field("atomic", b"yes"),
            _ => {}
        }
        frame.field("git-dir", bytes_of(&self.git_dir));
        if let Some(process) = &self.process {
            frame.field("process", format!("{} {}", process.pid, process.start).as_bytes());
        }
        for (key, path) in [("quarantine", &self.quarantine), ("object-directory", &self.object_directory)] {
            if let Some(path) = path {
                frame.field(key, bytes_of(path));
            }
        }
        match &self.pusher {
            None => {}
            Some(Pusher::Name(name)) => frame.field("identity", name),
            Some(Pusher::Login(file)) => frame.field("login", file),
        }
        if let Some(Certificate { blob, directory }) = &self.certificate {
            frame.field("certificate", &[blob.as_bytes(), directory].join(&b' '));
        }
        for Variable { name, value } in &self.variables {
            frame.field("variable", format!("{name}={value}").as_bytes());
        }
        for option in &self.options {
            frame.field("option", option);
        }
        for update in &self.updates {
            frame.field("update", &update.line());
        }
        frame.finish()
    }

    /// Reads a request's frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (mut hook, mut state, mut atomic, mut git_dir) = (None, None, None, None);
        let (mut process, mut quarantine, mut object_directory, mut pusher) = (None, None, None, None);
        let mut certificate = None;
        let (mut options, mut updates, mut option_bytes) = (Vec::new(), Vec::new(), 0);
        let mut variables = Vec::new();
        for field in Fields::of(bytes)? {
            let (key, value) = field?;
            let wrong = || WireError::Value(key.to_owned());
            match key {
                "hook" => once(&mut hook, value.to_vec(), key)?,
                "state" => once(&mut state, State::parse(value).ok_or_else(wrong)?, key)?,
                "atomic" if value == b"yes" => once(&mut atomic, (), key)?,
                "git-dir" => once(&mut git_dir, absolute(value).ok_or_else(wrong)?, key)?,
                "process" => once(&mut process, process_of(value).ok_or_else(wrong)?, key)?,
                "quarantine" => once(&mut quarantine, absolute(value).ok_or_else(wrong)?, key)?,
                "object-directory" => once(&mut object_directory, absolute(value).ok_or_else(wrong)?, key)?,
                "identity" if (1..=MAX_IDENTITY).contains(&value.len()) => {
                    once(&mut pusher, Pusher::Name(value.to_vec()), key)?;
                }
                "login" if (1..=MAX_LOGIN).contains(&value.len()) => {
                    once(&mut pusher, Pusher::Login(value.to_vec()), key)?;
                }
                "certificate" => once(&mut certificate, Certificate::parse(value).ok_or_else(wrong)?, key)?,
                "variable" if variables.len() < MAX_VARIABLES => {
                    variables.push(Variable::parse(value).ok_or_else(wrong)?);
                }
                "option" => {
                    option_bytes += value.len();
                    if option_bytes > MAX_OPTIONS || options.len() >= MAX_OPTION_COUNT {
                        return Err(wrong());
                    }
                    options.push(value.to_vec());
                }
                "update" => updates.push(Update::parse(value).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        let missing = |key: &str| WireError::Value(key.to_owned());
        let hook = match (hook.as_deref(), state, atomic) {
            (Some(b"pre-receive"), None, None) => Hook::PreReceive,
            (Some(b"post-receive"), None, None) => Hook::PostReceive,
            (Some(b"proc-receive"), None, atomic) => Hook::ProcReceive { atomic: atomic.is_some() },
            (Some(b"reference-transaction"), Some(state), None) => Hook::ReferenceTransaction(state),
            _ => return Err(missing("hook")),
        };
        let git_dir = git_dir.ok_or_else(|| missing("git-dir"))?;
        Ok(Self {
            hook,
            git_dir,
            process,
            quarantine,
            object_directory,
            pusher,
            certificate,
            variables,
            options,
            updates,
        })
    }
}

impl Reply {
    /// The reply's frame; an error if it would be too large.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut frame = FrameWriter::new();
        frame.field("accept", if self.accept { b"yes" } else { b"no" });
        for line in &self.lines {
            frame.field("line", line.as_bytes());
        }
        for verdict in &self.verdicts {
            match &verdict.refusal {
                None => frame.field("ok", &verdict.name),
                Some(refusal) => frame.field("ng", &[&verdict.name, refusal.as_bytes()].join(&b' ')),
            }
        }
        frame.finish()
    }

    /// Reads a reply's frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (mut accept, mut lines, mut verdicts) = (None, Vec::new(), Vec::new());
        for field in Fields::of(bytes)? {
            let (key, value) = field?;
            let wrong = || WireError::Value(key.to_owned());
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| wrong());
            match (key, value) {
                ("accept", b"yes") => once(&mut accept, true, key)?,
                ("accept", b"no") => once(&mut accept, false, key)?,
                ("line", line) => lines.push(text(line)?),
                ("ok", name) if !name.is_empty() && !name.contains(&b' ') => {
                    verdicts.push(Verdict { name: name.to_vec(), refusal: None });
                }
                ("ng", value) => {
                    let space = value.iter().position(|byte| *byte == b' ').filter(|at| *at > 0).ok_or_else(wrong)?;
                    let refusal = Some(text(&value[space + 1..])?);
                    verdicts.push(Verdict { name: value[..space].to_vec(), refusal });
                }
                _ => return Err(wrong()),
            }
        }
        let accept = accept.ok_or_else(|| WireError::Value("accept".to_owned()))?;
        Ok(Self { accept, lines, verdicts })
    }
}

fn once<T>(slot: &mut Option<T>, value: T, key: &str) -> Result<(), WireError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(WireError::Value(key.to_owned())),
    }
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn absolute(bytes: &[u8]) -> Option<PathBuf> {
    let usable = bytes.starts_with(b"/") && bytes.len() <= 4096 && !bytes.contains(&0);
    usable.then(|| PathBuf::from(OsStr::from_bytes(bytes)))
}

fn process_of(bytes: &[u8]) -> Option<Process> {
    let (pid, start) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(pid) && digits(start)).then_some(())?;
    Some(Process { pid: pid.parse().ok()?, start: start.parse().ok()? })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
