//! `stoop doctor`: looks whether everything Stoop stands on is as it should be, and says what to do where it is not.
//!
//! Each file here is a group of checks in two parts: `look` collects facts, `judge` makes findings of them and reaches
//! nothing outside. It works with the daemon running or not, as the user that the daemon runs as.
//! Never here: changing anything, not even what a check finds wrong; and trusting what a repository holds.

mod announcing;
mod certificates;
mod configuration;
mod hooks;
mod identity;
mod machine;
mod permissions;
mod programs;
mod records;
mod report;
mod settings;
mod state;

use std::path::{Path, PathBuf};

pub use report::{Finding, Level, Report};

use crate::config::{Config, RepositoryPath};
use crate::git::repositories;

/// What `stoop doctor` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory below which the repositories are.
    pub root: PathBuf,
    /// The daemon's state directory.
    pub state: PathBuf,
    /// The configuration file, where there is one.
    pub config: Option<PathBuf>,
    /// How many directory levels below the root repositories are looked for.
    pub depth: usize,
}

/// A repository as the checks speak of it.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    /// Its path below the root.
    name: String,
    /// Whether the configuration leaves it to Stoop.
    managed: bool,
}

/// Does all checks. Changes nothing.
pub fn examine(options: &Options) -> Report {
    let mut findings = Vec::new();
    let loaded = Config::load(options.config.as_deref());
    findings.push(configuration::judge(options.config.as_deref(), &loaded));
    let config = loaded.unwrap_or_default();
    let programs = programs::look();
    let git = programs.version.is_ok();
    findings.extend(programs::judge(&programs));

    let state = state::look(&options.root, &options.state);
    findings.extend(state::judge(&state));
    let running = state.runs();
    if state.is_open_to_us() {
        findings.extend(certificates::judge(&certificates::look(&options.state, running)));
    }

    let places = places(options, &config);
    findings.extend(configuration::judge_paths(&config, places.iter().map(|place| place.name.as_str())));
    findings.extend(identity::judge_servers(&config, places.iter().map(|place| place.name.as_str())));
    findings.extend(machine::judge(&machine::look(options, &places, state.daemon)));
    if places.is_empty() {
        findings.push(Finding::warn(
            "repositories",
            format!("there is no bare repository below {}", options.root.display()),
            "make one with stoop repo create NAME --root DIR, or name another root",
        ));
    }
    let socket = std::fs::canonicalize(&options.state).unwrap_or_else(|_| options.state.clone()).join("run/hook.sock");
    for place in &places {
        findings.extend(examine_repository(place, &config, &socket, git, running));
    }
    Report::new(findings)
}

fn examine_repository(place: &Place, config: &Config, socket: &Path, git: bool, running: bool) -> Vec<Finding> {
    let settings = git.then(|| settings::look(place));
    let known = settings.as_ref().and_then(|settings| settings.as_deref().ok()).unwrap_or_default();
    let hooks = hooks::look(place, config, socket, known);
    let ours = hooks.as_ref().is_ok_and(hooks::Facts::proc_receive_is_ours);
    let mut findings = hooks::judge(&hooks, running);
    if place.managed {
        findings.push(identity::judge(config, &place.name));
        findings.extend(settings.iter().flat_map(|settings| settings::judge(settings, ours)));
        findings.extend(permissions::judge(&permissions::look(&place.path)));
        findings.extend(records::judge(&records::look(&place.path), running));
        findings.extend(announcing::judge(&announcing::look(place, config), running));
    }
    findings.into_iter().map(|finding| finding.of(&place.name)).collect()
}

fn places(options: &Options, config: &Config) -> Vec<Place> {
    // As the daemon names them: below the root without links.
    let root = std::fs::canonicalize(&options.root).unwrap_or_else(|_| options.root.clone());
    let place = |path: PathBuf| {
        let below = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        let configured = RepositoryPath::parse(&below).ok().and_then(|path| config.repository(&path));
        let managed = configured.is_none_or(|configured| configured.managed);
        Place { path, name: below, managed }
    };
    repositories(&root, options.depth).into_iter().map(place).collect()
}
