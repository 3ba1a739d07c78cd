//! What refs and ledger on the disk must have: every acknowledged deed once in the ledger, no intent left, and refs that are
//! what the API shows.
//!
//! Never here: the API.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::recording::Shown;
use crate::support::World;
use crate::traffic::writer::Noted;

/// Deeds in the ledger's log: action, package, workspace and commit, with how often each is there.
fn deeds(world: &World, repository: &str, since: Option<&str>) -> BTreeMap<(String, String), usize> {
    let range = since.map_or("refs/stoop/ledger".to_owned(), |since| format!("{since}..refs/stoop/ledger"));
    let log = world.on_disk(repository, &["log", "--format=%x00%B", &range]);
    let mut deeds = BTreeMap::new();
    // What was only begun, or was not done, names the same deeds.
    let done =
        log.stdout.split('\0').filter(|message| !message.starts_with("Begin:") && !message.starts_with("Not done:"));
    for line in done.flat_map(str::lines) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "at").filter(|at| *at >= 3) else { continue };
        let commit = words.get(at + 1).copied().unwrap_or_default();
        *deeds.entry((words[..3].join(" "), commit.to_owned())).or_default() += 1;
    }
    deeds
}

/// The ledger's head.
pub(crate) fn ledger(world: &World, repository: &str) -> Option<String> {
    let head = world.on_disk(repository, &["rev-parse", "-q", "--verify", "refs/stoop/ledger"]);
    (head.code == 0).then(|| head.text().to_owned())
}

/// Looks for the deeds in what the ledger got since a head of it.
pub(crate) fn check_ledger(world: &World, repository: &str, since: Option<&str>, noted: &[Noted]) -> Vec<String> {
    let mut faults = Vec::new();
    let left = intents_left(world, repository);
    if !left.is_empty() {
        faults.push(format!("{repository}: an intent is left in {left}"));
    }
    let there = deeds(world, repository, since);
    let mut wanted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for deed in noted {
        *wanted.entry((deed.begins.clone(), deed.commit.clone())).or_default() += 1;
    }
    for ((begins, commit), times) in wanted {
        let found = there.get(&(begins.clone(), commit.clone())).copied().unwrap_or(0);
        if found < times {
            faults.push(format!("{repository}: {begins} at {commit} was acknowledged and is not in the ledger"));
        }
        if begins.starts_with("approve ") && found > 1 {
            faults.push(format!("{repository}: {begins} at {commit} is in the ledger {found} times"));
        }
    }
    faults
}

/// The ledger's entries that still hold an intent when nobody writes any more; deeds are written after the answer, so they
/// have a while to go.
fn intents_left(world: &World, repository: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = world.on_disk(repository, &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]).text().to_owned();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Compares the refs with what the API shows of a repository.
pub(crate) fn check_refs(world: &World, repository: &str, list: &[Shown]) -> Vec<String> {
    let refs = world.refs(repository);
    let managed = ["refs/heads/drafts/", "refs/heads/proposed/", "refs/heads/deletionProposed/", "refs/tags/"];
    let there: BTreeSet<&str> =
        refs.lines().filter(|line| managed.iter().any(|prefix| line.starts_with(prefix))).collect();
    let mut wanted = BTreeSet::new();
    for object in list.iter().filter(|object| *object.repository == *repository && !object.name.ends_with(".main")) {
        let (rest, workspace) = object.name.rsplit_once('.').expect("a name");
        let package = rest.split_once('.').expect("a name").1;
        let (commit, number) = (&object.commit, object.revision);
        match &*object.lifecycle {
            "Draft" => wanted.insert(format!("refs/heads/drafts/{package}/{workspace} {commit}")),
            "Proposed" => wanted.insert(format!("refs/heads/proposed/{package}/{workspace} {commit}")),
            other => {
                if other == "DeletionProposed" {
                    wanted.insert(format!("refs/heads/deletionProposed/{package}/v{number} {commit}"));
                }
                wanted.insert(format!("refs/tags/{package}/v{number} {commit}"))
            }
        };
    }
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let differ = wanted.symmetric_difference(&there);
    differ.map(|line| format!("{repository}: {line} is only in one of refs and API")).collect()
}
