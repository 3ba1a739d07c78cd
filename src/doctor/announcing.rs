//! Whether the other `post-receive` hooks of a repository have heard of what Stoop moved, and whether they can be told.
//!
//! Never here: telling them; the daemon does.

use std::path::PathBuf;

use super::Place;
use super::report::Finding;
use crate::config::{Config, IdentitySource};
use crate::domain::announcement;
use crate::domain::refs::RefName;
use crate::git::{LedgerStore, Store};
use crate::hooks::other_post_receive;
use crate::index::clock;

const CHECK: &str = "announcing";
/// From which age on an announcement is called late, in seconds: a hook may take a while.
const LATE: i64 = 180;
/// So many commits of the ledger are looked at.
const MOST: usize = 10_000;

/// What was found in a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The hook of others, if there is one.
    hook: Option<PathBuf>,
    /// Whether its server wants an account and none is configured.
    account_missing: bool,
    /// How many announcements are due.
    due: usize,
    /// The age of the oldest, in seconds.
    age: i64,
}

/// Looks at the hooks, and reads the ledger back to what was announced.
pub(super) fn look(place: &Place, config: &Config) -> Result<Facts, String> {
    let (repository, server) = (place.path.as_path(), config.identity_of(&place.name));
    let account_missing = config.announce_as.is_none() && *server == IdentitySource::Gitea;
    let mut facts = Facts { hook: other_post_receive(repository), account_missing, ..Facts::default() };
    if facts.hook.is_none() {
        return Ok(facts);
    }
    let text = |error: crate::git::GitError| error.to_string();
    let reader = Store::open(repository).map_err(text)?.reader();
    let announced = reader.ref_target(&RefName::announced()).map_err(text)?;
    let mut next = LedgerStore::head(&reader).map_err(text)?;
    for _ in 0..MOST {
        let Some(id) = next.filter(|id| Some(*id) != announced) else { break };
        let commit = reader.commit(id).map_err(text)?;
        let found = announcement::read(&commit.message).len();
        facts.due += found;
        if found > 0 {
            facts.age = clock::now().seconds().saturating_sub(commit.committer.seconds);
        }
        next = commit.parents.first().copied();
    }
    Ok(facts)
}

/// Judges what was found; nothing where there is nobody to tell. `running` says whether the daemon runs.
pub(super) fn judge(facts: &Result<Facts, String>, running: bool) -> Vec<Finding> {
    // What cannot be read at all another check tells.
    let Ok(facts) = facts else { return Vec::new() };
    let Some(hook) = &facts.hook else { return Vec::new() };
    let mut findings = Vec::new();
    if facts.account_missing {
        findings.push(Finding::warn(
            CHECK,
            "Gitea cannot be told of what comes through the API: it wants the number of a user",
            "name an account of Gitea's in the configuration, as in announceAs: {name: stoop, id: 7}",
        ));
    }
    if facts.due > 0 && (!running || facts.age >= LATE) {
        let text = format!(
            "{} times Stoop moved refs, first {} minutes ago, of which {} has not heard",
            facts.due,
            facts.age / 60,
            hook.display()
        );
        findings.push(match running {
            true => Finding::fail(
                CHECK,
                text,
                "see the daemon's log for what the hook says; it is told again until it ends with 0",
            ),
            false => Finding::warn(CHECK, text, "start the daemon: it tells the hook"),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{} hears of what Stoop moves", hook.display())));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_hook_that_does_not_hear_is_told() {
        let facts = |due, age| Facts { hook: Some("/r/hooks/post-receive".into()), due, age, ..Facts::default() };
        let judged = |facts: Facts, running| -> Vec<Level> {
            judge(&Ok(facts), running).into_iter().map(|finding| finding.level).collect()
        };
        assert_eq!(judged(Facts { due: 3, age: 900, ..Facts::default() }, true), []);
        assert_eq!(judged(facts(0, 0), true), [Level::Ok]);
        assert_eq!(judged(facts(2, 10), true), [Level::Ok]);
        assert_eq!(judged(facts(2, 900), true), [Level::Fail]);
        assert_eq!(judged(facts(2, 10), false), [Level::Warn]);
        assert_eq!(judged(Facts { account_missing: true, ..facts(0, 0) }, true), [Level::Warn]);
        let text = &judge(&Ok(facts(2, 900)), true)[0].text;
        assert!(text.starts_with("2 times Stoop moved refs, first 15 minutes ago"), "{text}");
    }
}
