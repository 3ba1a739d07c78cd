//! Where the stub is: the repository it belongs to, its guard file, and what git says in the environment.
//!
//! Never here: refs and objects.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::ancestor;
use crate::guard::Guard;
use crate::pusher::pusher;
use crate::wire::{Certificate, Hook, MAX_OPTIONS, Request, Update, Variable};

const MAX_GUARD: u64 = (64 << 10) + 1;

/// The directories around the stub.
pub(crate) struct Place {
    /// `<repository>`, absolute where that can be found out.
    pub(crate) repository: PathBuf,
    /// `<repository>/hooks`
    pub(crate) hooks: PathBuf,
    /// Where the hooks are that run before this one; none where another program's hook runs this one.
    kept: Option<PathBuf>,
}

impl Place {
    /// Finds the repository from the program's own file, `<repository>/hooks/stoop/stub`, or else from the name it was
    /// called by: `<repository>/hooks/<hook>`, beside it in `<hook>.d/stoop`, or below it in `stoop/path/<hook>`.
    pub(crate) fn find(called: &Path) -> Self {
        let among_others = is_among_others(called);
        let own = env::current_exe().ok();
        let stoop = own.as_deref().and_then(Path::parent).filter(|stoop| stoop.ends_with("stoop"));
        let hooks = match stoop.and_then(Path::parent) {
            Some(hooks) => hooks.to_owned(),
            None => {
                let mut hooks = called.parent().filter(|parent| !parent.as_os_str().is_empty());
                let below = if among_others { 1 } else { 2 * usize::from(instead(called)) };
                for _ in 0..below {
                    hooks = hooks.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty());
                }
                absolute(hooks.unwrap_or(Path::new("hooks")))
            }
        };
        let repository = hooks.parent().unwrap_or(Path::new("/")).to_owned();
        let kept = hooks.join(if instead(called) { "stoop/through" } else { "stoop/kept" });
        Self { repository, hooks, kept: (!among_others).then_some(kept) }
    }

    /// A hook that was there before Stoop's; none where another program's hook runs this one.
    pub(crate) fn kept(&self, name: &str) -> Option<PathBuf> {
        self.kept.as_ref().map(|kept| kept.join(name))
    }

    /// The guard file's content, or what holds without one.
    pub(crate) fn guard(&self) -> Guard {
        let read = || {
            let mut text = Vec::new();
            File::open(self.hooks.join("stoop/guard")).ok()?.take(MAX_GUARD).read_to_end(&mut text).ok()?;
            Guard::parse(&text).ok()
        };
        read().unwrap_or_else(|| Guard::unknown(self.head()))
    }

    fn head(&self) -> Option<String> {
        let mut text = String::new();
        File::open(self.repository.join("HEAD")).ok()?.take(4096).read_to_string(&mut text).ok()?;
        text.trim_end().strip_prefix("ref: ").map(str::to_owned)
    }

    /// The request of a hook; the error is a sentence for the pusher.
    pub(crate) fn request(&self, hook: Hook, guard: &Guard, updates: Vec<Update>) -> Result<Request, String> {
        let judged = matches!(hook, Hook::PreReceive | Hook::ProcReceive { .. });
        let wanted = guard.variables.iter().filter(|_| judged);
        let variables = wanted.filter_map(|name| Variable::new(name, &env::var(name).ok()?)).collect();
        let options = if matches!(hook, Hook::PreReceive | Hook::PostReceive) { push_options()? } else { Vec::new() };
        let receive_pack = ancestor::receive_pack();
        Ok(Request {
            hook,
            git_dir: self.repository.clone(),
            process: receive_pack.as_ref().map(|found| found.process),
            quarantine: directory("GIT_QUARANTINE_PATH"),
            object_directory: directory("GIT_OBJECT_DIRECTORY"),
            pusher: pusher(guard),
            certificate: certificate(hook, receive_pack.map(|found| found.directory)),
            variables,
            options,
            updates,
        })
    }
}

/// Whether the stub was called as `<hook>.d/stoop`, one of the scripts that a hook of another program runs.
fn is_among_others(called: &Path) -> bool {
    called.ends_with("stoop") && called.parent().and_then(Path::extension).is_some_and(|extension| extension == "d")
}

/// Whether the stub was called from where Stoop has git look instead of another directory, whose hooks come first.
fn instead(called: &Path) -> bool {
    called.parent().is_some_and(|parent| parent.ends_with("stoop/path"))
}

/// The name of the hook that the stub was called as.
pub(crate) fn hook_name(called: &Path) -> Option<&str> {
    let named = if is_among_others(called) { called.parent()?.file_stem() } else { called.file_name() };
    named?.to_str()
}

/// The certificate of a signed push. Only its place is told: the daemon reads and judges it itself.
fn certificate(hook: Hook, directory: Option<Vec<u8>>) -> Option<Certificate> {
    let blob = env::var("GIT_PUSH_CERT").ok().filter(|blob| hook == Hook::PreReceive && !blob.is_empty())?;
    Some(Certificate { blob, directory: directory.unwrap_or_default() })
}

fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(|value| absolute(Path::new(&value)))
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

fn push_options() -> Result<Vec<Vec<u8>>, String> {
    let Some(count) = env::var("GIT_PUSH_OPTION_COUNT").ok().and_then(|count| count.parse::<usize>().ok()) else {
        return Ok(Vec::new());
    };
    let (mut options, mut total) = (Vec::new(), 0);
    for index in 0..count {
        let option = env::var_os(format!("GIT_PUSH_OPTION_{index}")).unwrap_or_default().into_vec();
        total += option.len() + 1;
        if total > MAX_OPTIONS || index >= 4096 {
            return Err(too_many_options());
        }
        options.push(option);
    }
    Ok(options)
}

/// What to say when a push carries more options than the daemon takes.
pub(crate) fn too_many_options() -> String {
    format!(
        "The push options of this push are larger than {MAX_OPTIONS} bytes together; push with fewer or shorter ones."
    )
}
