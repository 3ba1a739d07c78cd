//! `stoop audit`: what is not as the ledgers say, in all repositories below a root or in one, with or without a daemon.
//!
//! It reads refs and ledgers themselves, so that a backup can be audited as well, and changes nothing. What was dropped and is kept is listed in the same way.
//! Never here: what is a finding (see `domain::integrity`), and putting it back (see `daemon::errand`).

mod report;

use std::path::PathBuf;

pub use report::{Report, Told, list};

use crate::config::{Config, ConfigError, RepositoryPath};
use crate::domain::dropped::Dropped;
use crate::domain::names::Directory;
use crate::domain::refs::Registration;
use crate::git::{GitError, Store, repositories};
use crate::index::audit;
use crate::index::dropped::dropped;

/// What `stoop audit` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory below which the repositories are.
    pub root: PathBuf,
    /// The configuration file, where there is one.
    pub config: Option<PathBuf>,
    /// The one repository to look at.
    pub repository: Option<RepositoryPath>,
    /// How many directory levels below the root repositories are looked for.
    pub depth: usize,
}

/// What is kept of what was dropped, of the repositories that are looked at: the repository's path below the root, and what
/// was dropped there, newest first.
///
/// # Errors
/// A repository cannot be read.
pub fn kept(options: &Options) -> Result<Vec<(String, Vec<Dropped>)>, GitError> {
    let mut kept = Vec::new();
    for (name, _, path) in places(options) {
        let reader = Store::open(&path)?.reader();
        let all = dropped(&reader, &reader.refs()?);
        kept.push((name, all));
    }
    Ok(kept)
}

/// The repositories to look at: the path below the root, the same parsed, and the path.
fn places(options: &Options) -> Vec<(String, Option<RepositoryPath>, PathBuf)> {
    let root = std::fs::canonicalize(&options.root).unwrap_or_else(|_| options.root.clone());
    let place = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        let parsed = RepositoryPath::parse(&name).ok();
        let wanted = options.repository.as_ref().is_none_or(|wanted| parsed.as_ref() == Some(wanted));
        wanted.then_some((name, parsed, path))
    };
    repositories(&root, options.depth).into_iter().filter_map(place).collect()
}

/// Looks at everything. What cannot be read is told as well.
///
/// # Errors
/// The configuration cannot be read.
pub fn examine(options: &Options) -> Result<Report, ConfigError> {
    let config = Config::load(options.config.as_deref())?;
    let mut report = Report::default();
    for (name, parsed, path) in places(options) {
        let configured = parsed.as_ref().and_then(|path| config.repository(path));
        if configured.is_some_and(|configured| !configured.managed) {
            continue;
        }
        let branch = configured.and_then(|configured| configured.branch.clone());
        let branch = branch.map_or_else(|| Store::open(&path)?.reader().default_branch(), |branch| Ok(Some(branch)));
        let directories = parsed.iter().flat_map(|path| config.repositories_at(path)).map(|one| &one.directory);
        let directory = Directory::together(directories).unwrap_or_default();
        let looked = branch.and_then(|branch| match branch {
            Some(branch) => audit::look(&path, &Registration { branch, directory }),
            None => Ok(Vec::new()),
        });
        report.add(name, looked);
    }
    Ok(report)
}
