//! What each repository holds of Stoop's own: that it opens at all, refs that should not have stayed, the ledger's entries,
//! and transitions that were begun and not completed.
//!
//! Never here: completing them; the daemon does that when it starts and at every rescan.

use std::path::Path;

use super::report::Finding;
use crate::domain::integrity::{Finding as Moved, judge as judge_entry};
use crate::domain::ledger::{Before, Entry};
use crate::domain::refs::{APPROVE, REJECT, RefName};
use crate::git::{LedgerStore, Store};
use crate::index::clock;

/// From which age on an intent is called left behind while the daemon runs, in seconds: a push may take a while.
const LEFT: i64 = 120;

/// What was found in a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Leftover refs under `refs/approve` and `refs/reject`.
    verdicts: Vec<String>,
    /// Entries of the ledger.
    entries: usize,
    /// Entries that cannot be read: the key, and why.
    broken: Vec<(String, String)>,
    /// Transitions under way: what, and since how many seconds.
    intents: Vec<(String, i64)>,
    /// Refs that are not as the ledger says, one sentence each.
    moved: Vec<String>,
}

/// Reads refs and ledger.
pub(super) fn look(repository: &Path) -> Result<Facts, String> {
    let text = |error: crate::git::GitError| error.to_string();
    let reader = Store::open(repository).map_err(text)?.reader();
    let snapshot = reader.refs().map_err(text)?;
    let verdicts =
        [APPROVE, REJECT].into_iter().flat_map(|prefix| snapshot.under(prefix)).map(|value| value.name.to_string());
    let mut facts = Facts { verdicts: verdicts.collect(), ..Facts::default() };
    let now = clock::now().seconds();
    let head = LedgerStore::head(&reader).map_err(text)?;
    let before = head.map(|head| LedgerStore::before(&reader, head)).transpose().map_err(text)?.flatten();
    let before = before.and_then(|bytes| Before::parse(&bytes));
    let shown = |name: &RefName| snapshot.get(name).map(|value| value.target);
    for (key, bytes) in LedgerStore::read_all(&reader).map_err(text)? {
        facts.entries += 1;
        match Entry::from_bytes(&bytes) {
            Ok(entry) if entry.key().as_str() != key => {
                facts.broken.push((key, "it is another entry's text".to_owned()))
            }
            Ok(Entry { package, workspace, intent: Some(intent), .. }) => {
                let what = format!("{} {package} {workspace} by {}", intent.action.as_str(), intent.deed.by);
                facts.intents.push((what, now.saturating_sub(intent.deed.at.seconds())));
            }
            Ok(entry) => {
                facts.moved.extend(judge_entry(&entry, shown, before.as_ref()).iter().map(Moved::to_string));
            }
            Err(error) => facts.broken.push((key, error.to_string())),
        }
    }
    Ok(facts)
}

/// Judges what was found; `running` says whether the daemon runs.
pub(super) fn judge(facts: &Result<Facts, String>, running: bool) -> Vec<Finding> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            return vec![Finding::fail(
                "repository",
                error,
                "mend that (git fsck says more); until then it is not served",
            )];
        }
    };
    let mut findings = Vec::new();
    if let Some((key, why)) = facts.broken.first() {
        findings.push(Finding::fail(
            "ledger",
            format!("{} of {} entries cannot be read, such as {key}: {why}", facts.broken.len(), facts.entries),
            "restore the file from an older commit of refs/stoop/ledger (git log -p refs/stoop/ledger), or from a backup: without it a revision number may be given twice",
        ));
    }
    if let Some(first) = facts.verdicts.first() {
        findings.push(Finding::warn(
            "leftovers",
            format!(
                "{} leftover refs such as {first}, which make git say \"Everything up-to-date\" to the next try",
                facts.verdicts.len()
            ),
            if running {
                "the next rescan removes them; if they stay, see the daemon's log"
            } else {
                "start the daemon: it removes them"
            },
        ));
    }
    let left: Vec<_> = facts.intents.iter().filter(|(_, age)| !running || *age >= LEFT).collect();
    if let Some((what, _)) = left.first() {
        findings.push(Finding::warn(
            "leftovers",
            format!("{} transitions were begun and are not completed, such as {what}", left.len()),
            if running {
                "the next rescan completes or drops them; if they stay, see the daemon's log"
            } else {
                "start the daemon: it completes or drops them"
            },
        ));
    }
    if let Some(first) = facts.moved.first() {
        findings.push(Finding::warn(
            "records",
            format!("{} refs are not as the ledger says: {first}", facts.moved.len()),
            "stoop audit lists them all, and stoop audit --restore puts them back",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("records", "refs and ledger are sound, nothing is left over"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn what_is_left_over_or_broken_is_told() {
        let intents = |age| Facts { intents: vec![("approve a w by bob".to_owned(), age)], ..Facts::default() };
        let grid = [
            (Facts::default(), false, Level::Ok, "sound"),
            (
                Facts { verdicts: vec!["refs/approve/a/w".to_owned()], ..Facts::default() },
                true,
                Level::Warn,
                "refs/approve/a/w",
            ),
            (intents(0), false, Level::Warn, "approve a w by bob"),
            (intents(0), true, Level::Ok, ""),
            (intents(200), true, Level::Warn, "approve a w by bob"),
            (
                Facts { moved: vec!["a/v1 is gone".to_owned()], ..Facts::default() },
                true,
                Level::Warn,
                "1 refs are not as the ledger says: a/v1 is gone",
            ),
            (
                Facts { entries: 3, broken: vec![("ab".to_owned(), "no JSON".to_owned())], ..Facts::default() },
                true,
                Level::Fail,
                "1 of 3 entries cannot be read, such as ab: no JSON",
            ),
        ];
        for (facts, running, level, text) in grid {
            let judged = judge(&Ok(facts.clone()), running);
            assert!(
                judged.len() == 1 && judged[0].level == level && judged[0].text.contains(text),
                "{facts:?} {judged:?}"
            );
        }
        assert_eq!(judge(&Err("no HEAD".to_owned()), true)[0].level, Level::Fail);
    }
}
