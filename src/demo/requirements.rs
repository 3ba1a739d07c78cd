//! What the demo needs of the machine, checked before it begins.
//!
//! Never here: installing anything.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::stage::Stage;

/// The oldest git that the daemon works with, as major and minor number.
const GIT: (u32, u32) = (2, 36);

/// What was found.
#[derive(Debug)]
pub(super) struct Requirements {
    /// What `git version` says.
    pub(super) git: String,
    /// Where kubectl is, if anywhere.
    pub(super) kubectl: Option<PathBuf>,
}

/// Looks for git, its HTTP server and kubectl.
///
/// # Errors
/// git or its HTTP server is missing, or git is too old.
pub(super) async fn check(stage: &Stage) -> Result<Requirements> {
    if on_path("git").is_none() {
        bail!("git is not installed; the demo needs git {}.{} or newer on the PATH", GIT.0, GIT.1);
    }
    let git = stage.output("git", &["version"]).await?;
    match version(&git) {
        Some(found) if found >= GIT => {}
        Some(_) => bail!("{git} is too old; the demo needs git {}.{} or newer", GIT.0, GIT.1),
        None => bail!("`git version` said {git:?}, which names no version; the demo needs a usual git"),
    }
    let directory = stage.output("git", &["--exec-path"]).await?;
    if !is_program(&Path::new(&directory).join("git-http-backend")) {
        bail!(
            "git's HTTP server git-http-backend is not in {directory}; install the package of your system that holds it"
        );
    }
    Ok(Requirements { git, kubectl: on_path("kubectl") })
}

/// Reads `git version 2.39.5 (vendor)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_read() {
        for (text, read) in [
            ("git version 2.39.5", Some((2, 39))),
            ("git version 2.47.3-rc1", Some((2, 47))),
            ("git version 3.0 (Apple Git-154)", Some((3, 0))),
            ("git version two", None),
            ("", None),
        ] {
            assert_eq!(version(text), read, "{text:?}");
        }
        assert!((2, 36) > (2, 9) && (3, 0) > GIT);
    }
}
