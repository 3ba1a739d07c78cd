//! The configuration file: whether it is taken, and whether what it names is there.
//!
//! Never here: the rules of the file (see `config`).

use std::collections::BTreeSet;
use std::path::Path;

use super::report::Finding;
use crate::config::{Config, ConfigError, RepositoryPath};

/// Judges whether the file can be taken.
pub(super) fn judge(file: Option<&Path>, loaded: &Result<Config, ConfigError>) -> Finding {
    match (file, loaded) {
        (_, Err(error)) => {
            Finding::fail("config", error.to_string(), "correct it; a running daemon keeps the one it read last")
        }
        (None, Ok(_)) => Finding::skip(
            "config",
            "no configuration was named, so the defaults were taken",
            "name the daemon's with --config FILE",
        ),
        (Some(file), Ok(config)) if config.users.is_empty() => Finding::warn(
            "config",
            format!("{} names no user: only the administrator's kubeconfig opens a door", file.display()),
            "add users; stoop config token makes their tokens",
        ),
        (Some(file), Ok(config)) => {
            Finding::ok("config", format!("{} is good, {} users", file.display(), config.users.len()))
        }
    }
}

/// Judges the repositories that the file names against those that are there.
pub(super) fn judge_paths<'n>(config: &Config, there: impl Iterator<Item = &'n str>) -> Vec<Finding> {
    let there: Vec<RepositoryPath> = there.filter_map(|name| RepositoryPath::parse(name).ok()).collect();
    let missing: BTreeSet<&RepositoryPath> =
        config.repositories.iter().map(|named| &named.path).filter(|path| !there.contains(path)).collect();
    let warn = |path: &RepositoryPath| {
        Finding::warn(
            "config",
            format!("it names the repository {path}, which is not there"),
            "correct the path, or take it out",
        )
    };
    missing.into_iter().map(warn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_file_is_good_broken_or_missing() {
        let file = Path::new("stoop.yaml");
        let judged = |text: &str| judge(Some(file), &Config::parse(text, file));
        assert_eq!(judged("users:\n- name: ann\n  roles: [author]\n").level, Level::Ok);
        assert_eq!(judged("").level, Level::Warn);
        let broken = judged("x: 1\n");
        assert!(broken.level == Level::Fail && broken.text.contains("stoop.yaml:1:1"), "{broken:?}");
        assert_eq!(judge(None, &Ok(Config::default())).level, Level::Skip);
        let config = Config::parse("repositories:\n- path: a\n- path: b.git\n", file).expect("good");
        let judged = judge_paths(&config, ["a.git", "c.git"].into_iter());
        assert!(judged.len() == 1 && judged[0].text.contains("repository b,"), "{judged:?}");
    }
}
