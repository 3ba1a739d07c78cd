//! Git's settings in each repository, the system's and the user's among them: those that stand in the way of pushes that
//! Stoop would take, and those that durability and safety ask for.
//!
//! Never here: changing a setting, and `core.hooksPath` (see `hooks`).

use super::Place;
use super::report::Finding;
use crate::git::{self, Setting};

const CHECK: &str = "git-settings";

/// Ref names that must not be hidden from pushes, and what is lost when they are.
const PUSHED: [(&str, &str); 6] = [
    ("refs/approve/p/w", "approvals by push"),
    ("refs/reject/p/w", "rejections by push"),
    ("refs/heads/drafts/p/w", "drafts"),
    ("refs/heads/proposed/p/w", "proposals"),
    ("refs/heads/deletionProposed/p/v1", "proposed deletions"),
    ("refs/tags/p/v1", "deletions of revisions"),
];

/// Reads the settings that are in force.
pub(super) fn look(place: &Place) -> Result<Vec<Setting>, String> {
    git::settings(&place.path).map_err(|error| error.to_string())
}

/// The last value of a key; a key that stands alone is true.
pub(super) fn last<'s>(settings: &'s [Setting], key: &str) -> Option<&'s str> {
    let found = settings.iter().rev().find(|setting| setting.key == key)?;
    Some(found.value.as_deref().unwrap_or("true"))
}

fn all<'s>(settings: &'s [Setting], keys: &[&str]) -> Vec<&'s str> {
    let of_keys = settings.iter().filter(|setting| keys.contains(&setting.key.as_str()));
    of_keys.filter_map(|setting| setting.value.as_deref()).collect()
}

/// A boolean as git reads it.
fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on")
        || value.parse::<i64>().is_ok_and(|number| number != 0)
}

/// Judges settings. `ours` says whether `proc-receive` is Stoop's hook.
pub(super) fn judge(settings: &Result<Vec<Setting>, String>, ours: bool) -> Vec<Finding> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            let advice = "correct the file it names; git itself refuses to work with it";
            return vec![Finding::fail(CHECK, format!("the settings cannot be read: {error}"), advice)];
        }
    };
    let mut findings = refusing(settings);
    findings.extend(hiding(settings));
    findings.extend(proc_receive(settings, ours));
    findings.extend(keeping(settings));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "nothing stands in the way"));
    }
    findings
}

/// Settings by which git refuses what Stoop has allowed.
fn refusing(settings: &[Setting]) -> Vec<Finding> {
    let set = |key: &str| last(settings, key).is_some_and(is_true);
    let mut findings = Vec::new();
    if set("receive.denydeletes") {
        findings.push(Finding::warn(
            CHECK,
            "receive.denyDeletes makes git refuse what Stoop allows: dropping drafts and proposals by push, and keeping a revision whose deletion was proposed",
            "unset it; Stoop guards its branches and tags itself",
        ));
    }
    if set("receive.denynonfastforwards") {
        findings.push(Finding::warn(
            CHECK,
            "receive.denyNonFastForwards makes git refuse drafts that were rebased or amended (git init --shared sets it)",
            "unset it; Stoop guards its branches and tags itself",
        ));
    }
    if last(settings, "receive.advertisepushoptions").is_some_and(|value| !is_true(value)) {
        findings.push(Finding::warn(
            CHECK,
            "receive.advertisePushOptions is false, so nobody can push with -o import",
            "unset it; the daemon sets it to true when it installs the hooks",
        ));
    }
    if let Some(shared) =
        last(settings, "core.sharedrepository").filter(|value| !matches!(*value, "false" | "umask" | "0"))
    {
        findings.push(Finding::warn(
            CHECK,
            format!("core.sharedRepository is {shared}: users who push as themselves, not as the daemon's user, cannot reach the hook socket, and their pushes to managed refs are refused"),
            "let all pushes run as the daemon's user (one account for ssh, or the Git door)",
        ));
    }
    findings
}

fn hiding(settings: &[Setting]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let receive = all(settings, &["transfer.hiderefs", "receive.hiderefs"]);
    let lost: Vec<&str> = PUSHED.iter().filter(|(name, _)| hides(&receive, name)).map(|(_, what)| *what).collect();
    if !lost.is_empty() {
        findings.push(Finding::fail(
            CHECK,
            format!("transfer.hideRefs or receive.hideRefs hides refs of Stoop's, so git refuses {}", lost.join(", ")),
            "take those prefixes out of the setting",
        ));
    }
    let upload = all(settings, &["transfer.hiderefs", "uploadpack.hiderefs"]);
    if hides(&upload, "refs/stoop/ledger") {
        findings.push(Finding::warn(
            CHECK,
            "transfer.hideRefs or uploadpack.hideRefs hides refs/stoop, so a mirror clone is no backup: it lacks the ledger",
            "unhide refs/stoop, or back up the repository's directory",
        ));
    }
    findings
}

/// Whether git hides a ref by these patterns: the last that matches decides, `!` turns it round.
fn hides(patterns: &[&str], name: &str) -> bool {
    let deciding = patterns.iter().rev().find_map(|pattern| {
        let (hidden, rest) = pattern.strip_prefix('!').map_or((true, *pattern), |rest| (false, rest));
        let prefix = rest.strip_prefix('^').unwrap_or(rest).trim_end_matches('/');
        name.strip_prefix(prefix).is_some_and(|below| below.is_empty() || below.starts_with('/')).then_some(hidden)
    });
    deciding.unwrap_or(false)
}

fn proc_receive(settings: &[Setting], ours: bool) -> Vec<Finding> {
    if !ours {
        return Vec::new();
    }
    let values = all(settings, &["receive.procreceiverefs"]);
    let mut findings = Vec::new();
    if !["refs/approve", "refs/reject"].iter().all(|wanted| values.contains(wanted)) {
        findings.push(Finding::fail(
            CHECK,
            "receive.procReceiveRefs does not name refs/approve and refs/reject, so approvals by push are not answered",
            "start the daemon with the hooks uninstalled (stoop hooks uninstall): it sets them anew",
        ));
    }
    let other: Vec<&str> =
        values.into_iter().filter(|value| !["refs/approve", "refs/reject"].contains(value)).collect();
    if !other.is_empty() {
        findings.push(Finding::warn(
            CHECK,
            format!("receive.procReceiveRefs also names {}, which git then gives to Stoop's hook", other.join(", ")),
            "take it out, or install the proc-receive hook that it was meant for",
        ));
    }
    findings
}

/// Settings that objects and refs are kept by.
fn keeping(settings: &[Setting]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lost = unflushed(&all(settings, &["core.fsync"]).last().copied().unwrap_or_default().to_ascii_lowercase());
    if !lost.is_empty() {
        findings.push(Finding::warn(
            CHECK,
            format!("git does not flush {} that it writes for a push: after a power failure an accepted push can be gone or broken", lost.join(" and ")),
            "git config --system core.fsync committed",
        ));
    }
    if last(settings, "core.fsyncmethod").is_some_and(|method| method == "writeout-only") {
        findings.push(Finding::warn(
            CHECK,
            "core.fsyncMethod is writeout-only, which does not outlast a power failure",
            "unset it",
        ));
    }
    let checked = last(settings, "receive.fsckobjects").or_else(|| last(settings, "transfer.fsckobjects"));
    if !checked.is_some_and(is_true) {
        findings.push(Finding::warn(
            CHECK,
            "receive.fsckObjects is not set, so git takes malformed objects (such as paths like .git) from whoever may push",
            "git config --system receive.fsckObjects true",
        ));
    }
    let expire = last(settings, "gc.pruneexpire").unwrap_or_default();
    if matches!(expire, "now" | "all" | "0") {
        findings.push(Finding::fail(
            CHECK,
            format!(
                "gc.pruneExpire is {expire}: git gc may remove the objects of a push or a transition that is under way"
            ),
            "unset it; git then keeps unreachable objects for two weeks",
        ));
    }
    let stopped = last(settings, "gc.auto").is_some_and(|value| value.parse::<i64>().is_ok_and(|number| number <= 0))
        || last(settings, "receive.autogc").is_some_and(|value| !is_true(value));
    if stopped {
        findings.push(Finding::warn(
            CHECK,
            "gc.auto or receive.autogc keeps git from packing after pushes",
            "run git maintenance run in it from time to time, or unset them",
        ));
    }
    findings
}

/// What of objects and refs a value of `core.fsync` does not flush. As in git: without the word `none` the default is where
/// it starts from (packs, not loose objects, not refs), words with a dash are taken away, then the others added.
fn unflushed(value: &str) -> Vec<&'static str> {
    const LOOSE: u8 = 1;
    const PACK: u8 = 2;
    const REFERENCE: u8 = 4;
    let meaning = |word: &str| match word {
        "loose-object" => LOOSE,
        "pack" => PACK,
        "objects" => LOOSE | PACK,
        "reference" => REFERENCE,
        "committed" | "added" | "all" => LOOSE | PACK | REFERENCE,
        _ => 0,
    };
    let (mut base, mut added, mut taken) = (PACK, 0, 0);
    for word in value.split(',').map(str::trim) {
        match word.strip_prefix('-') {
            _ if word == "none" => (base, added, taken) = (0, 0, 0),
            Some(word) => taken |= meaning(word),
            None => added |= meaning(word),
        }
    }
    let flushed = (base & !taken) | added;
    let parts = [(LOOSE, "loose objects"), (PACK, "packs"), (REFERENCE, "refs")];
    parts.into_iter().filter(|(part, _)| flushed & part == 0).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    fn settings(text: &[&str]) -> Vec<Setting> {
        let setting = |line: &&str| {
            let (key, value) = line.split_once('=').map_or((*line, None), |(key, value)| (key, Some(value.to_owned())));
            Setting { scope: "local".to_owned(), key: key.to_owned(), value }
        };
        text.iter().map(setting).collect()
    }

    const GOOD: [&str; 4] = [
        "core.fsync=committed",
        "transfer.fsckobjects=1",
        "receive.procreceiverefs=refs/approve",
        "receive.procreceiverefs=refs/reject",
    ];

    #[test]
    fn each_setting_has_its_line() {
        let grid: [(&[&str], Level, &str); 22] = [
            (&[], Level::Ok, "nothing stands in the way"),
            (&["receive.denydeletes"], Level::Warn, "dropping drafts"),
            (&["receive.denydeletes=true", "receive.denydeletes=no"], Level::Ok, ""),
            (&["receive.denynonfastforwards=yes"], Level::Warn, "amended"),
            (&["receive.advertisepushoptions=false"], Level::Warn, "-o import"),
            (&["core.sharedrepository=group"], Level::Warn, "hook socket"),
            (&["core.sharedrepository=umask"], Level::Ok, ""),
            (&["transfer.hiderefs=refs/approve"], Level::Fail, "refuses approvals by push"),
            (&["receive.hiderefs=refs/heads"], Level::Fail, "drafts, proposals, proposed deletions"),
            (&["receive.hiderefs=refs/heads/draft"], Level::Ok, ""),
            (&["transfer.hiderefs=refs/tags", "receive.hiderefs=!refs/tags/p"], Level::Ok, ""),
            (&["transfer.hiderefs=refs/stoop"], Level::Warn, "no backup"),
            (&["receive.procreceiverefs=refs/for"], Level::Warn, "refs/for"),
            (&["core.fsync="], Level::Warn, "loose objects and refs"),
            (&["core.fsync=none"], Level::Warn, "loose objects and packs and refs"),
            (&["core.fsync=all"], Level::Ok, ""),
            (&["core.fsync=committed,-reference"], Level::Ok, ""),
            (&["core.fsync=-pack,reference"], Level::Warn, "loose objects and packs that"),
            (&["core.fsyncmethod=writeout-only"], Level::Warn, "power failure"),
            (&["receive.fsckobjects=false"], Level::Warn, "malformed"),
            (&["gc.pruneexpire=now"], Level::Fail, "under way"),
            (&["gc.auto=0"], Level::Warn, "packing"),
        ];
        for (more, level, text) in grid {
            let judged = judge(&Ok(settings(&[&GOOD[..], more].concat())), true);
            assert!(
                judged.len() == 1 && judged[0].level == level && judged[0].text.contains(text),
                "{more:?} {judged:?}"
            );
        }
    }

    #[test]
    fn a_fresh_repository_is_told_of_durability_and_a_broken_one_of_its_file() {
        let fresh = judge(&Ok(settings(&["core.bare=true"])), true);
        let levels: Vec<Level> = fresh.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Fail, Level::Warn, Level::Warn], "{fresh:?}");
        assert!(fresh[1].text.contains("loose objects and refs"), "{fresh:?}");
        assert_eq!(
            judge(&Ok(settings(&["core.bare=true"])), false).len(),
            2,
            "another's proc-receive is its own business"
        );
        assert_eq!(judge(&Err("bad config line 3".to_owned()), true)[0].level, Level::Fail);
    }
}
