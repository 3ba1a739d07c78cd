//! The programs that Stoop runs: git, new enough, and its `http-backend`.
//!
//! Never here: the settings of repositories (see `settings`).

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::report::Finding;
use crate::git::{exec_path, git_version};

/// The oldest git that will do: the first with `core.fsync`, which every ref update of Stoop's asks for.
const OLDEST: [u32; 2] = [2, 36];

/// What there is of git.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) version: Result<Vec<u32>, String>,
    /// Where git's own programs are, and whether `git-http-backend` among them can be run.
    pub(super) backend: Result<(PathBuf, bool), String>,
}

/// Asks git.
pub(super) fn look() -> Facts {
    let backend = exec_path().map_err(|error| error.to_string()).map(|directory| {
        let program = directory.join("git-http-backend");
        let runs =
            std::fs::metadata(&program).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        (directory, runs)
    });
    Facts { version: git_version().map_err(|error| error.to_string()), backend }
}

/// Judges what was found.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let version = match &facts.version {
        Err(error) => {
            let path = "install git 2.36 or newer, on the PATH of the daemon and of whatever serves pushes";
            return vec![Finding::fail("git", error, path)];
        }
        Ok(version) => version,
    };
    let shown = version.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    let version = if version.as_slice() < OLDEST.as_slice() {
        Finding::fail(
            "git",
            format!("git is version {shown}, too old: it cannot flush refs to disk (core.fsync)"),
            "install 2.36 or newer",
        )
    } else {
        Finding::ok("git", format!("version {shown}"))
    };
    let backend = match &facts.backend {
        Ok((directory, true)) => Finding::ok("http-backend", format!("in {}", directory.display())),
        Ok((directory, false)) => Finding::fail(
            "http-backend",
            format!("{} holds no git-http-backend that can be run: the Git door cannot answer", directory.display()),
            "install the whole of git (some systems have it in a package of its own, such as git-daemon)",
        ),
        Err(error) => Finding::fail("http-backend", error, "install git 2.36 or newer"),
    };
    vec![version, backend]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level::{self, Fail, Ok as Good};

    #[test]
    fn old_and_missing_programs_are_told() {
        let backend = |runs| Ok((PathBuf::from("/usr/lib/git-core"), runs));
        type Version = Result<Vec<u32>, String>;
        let grid: [(Version, bool, &[Level]); 6] = [
            (Ok(vec![2, 39, 5]), true, &[Good, Good]),
            (Ok(vec![2, 36]), true, &[Good, Good]),
            (Ok(vec![2, 35, 9]), true, &[Fail, Good]),
            (Ok(vec![3, 0]), true, &[Good, Good]),
            (Ok(vec![2, 50, 1]), false, &[Good, Fail]),
            (Err("not there".to_owned()), false, &[Fail]),
        ];
        for (version, runs, want) in grid {
            let judged = judge(&Facts { version: version.clone(), backend: backend(runs) });
            assert_eq!(judged.iter().map(|finding| finding.level).collect::<Vec<_>>(), want, "{version:?}");
        }
    }
}
