//! What must be the same after bad input as before: refs, ledger, files on the disk, descriptors and children of the daemon;
//! and the daemon must still serve both doors.
//!
//! Never here: bad input.

use std::path::Path;

use crate::steps::settled_ledger;
use crate::support::{Workdir, World, eventually};

/// Descriptors that a daemon may hold more than before: connections that its clients keep open, the cache's log.
const MORE_DESCRIPTORS: usize = 8;

/// A world as it was before bad input.
pub(crate) struct Steady<'w> {
    world: &'w World,
    refs: String,
    ledger: String,
    descriptors: usize,
}

impl<'w> Steady<'w> {
    /// Remembers how it is; nothing may be under way.
    pub(crate) fn now(world: &'w World) -> Self {
        if world.on_disk("packages", &["rev-parse", "-q", "--verify", "refs/stoop/ledger"]).code == 0 {
            settled_ledger(world);
        }
        Self { world, refs: world.refs("packages"), ledger: ledger(world), descriptors: descriptors(world) }
    }

    /// All is as it was, nothing is left behind, and the daemon serves both doors.
    #[track_caller]
    pub(crate) fn check(&self) {
        self.unchanged();
        self.nothing_left();
        serves(self.world);
    }

    /// Refs and ledger are as they were.
    #[track_caller]
    pub(crate) fn unchanged(&self) {
        assert_eq!(self.world.refs("packages"), self.refs, "refs moved");
        let log = self.world.on_disk("packages", &["log", "-5", "--format=%s", "refs/stoop/ledger"]).stdout;
        assert_eq!(ledger(self.world), self.ledger, "the ledger was written: {log}");
    }

    /// No descriptor, child process, lock, quarantine or temporary file stays.
    #[track_caller]
    pub(crate) fn nothing_left(&self) {
        let world = self.world;
        eventually("the daemon gives everything back", || {
            let held = descriptors(world) <= self.descriptors + MORE_DESCRIPTORS;
            (held && children(world).is_empty() && leftovers(world).is_empty()).then_some(())
        });
        assert!(!world.log().contains("panicked"), "a panic");
    }
}

/// The ledger's commit and what was dropped; not the note of what was announced, which follows the ledger later.
fn ledger(world: &World) -> String {
    let format = "--format=%(refname) %(objectname)";
    let kept = ["refs/stoop/ledger", "refs/stoop/dropped"];
    world.on_disk("packages", &["for-each-ref", format, kept[0], kept[1]]).ok().stdout
}

/// How many descriptors the daemon holds.
pub(crate) fn descriptors(world: &World) -> usize {
    let directory = format!("/proc/{}/fd", world.ready().pid);
    std::fs::read_dir(directory).expect("Linux tells").count()
}

/// The daemon's child processes, but for the git that stays to move refs.
pub(crate) fn children(world: &World) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", world.ready().pid)).expect("Linux tells").flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: String = children.collect();
    let command = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let stays = |pid: &&str| command(pid).contains("\0update-ref\0");
    children.split_whitespace().filter(|pid| !stays(pid)).map(str::to_owned).collect()
}

/// A figure of the daemon's memory in KiB: `VmRSS`, or `VmHWM` for the most it ever was.
pub(crate) fn memory(world: &World, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", world.ready().pid)).expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("a line");
    line.trim_start_matches(':').split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Lock files, quarantines and temporary files below the root.
pub(crate) fn leftovers(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    below(&world.root(), &mut found);
    found
}

fn below(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let temporary = ["tmp_", "incoming-", ".tmp", ".stoop-create-"].iter().any(|prefix| name.starts_with(prefix));
        if temporary || name.ends_with(".lock") || name.ends_with(".new") {
            found.push(entry.path().display().to_string());
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), found);
        }
    }
}

/// A normal push and a normal `kubectl get` do what they should.
#[track_caller]
pub(crate) fn serves(world: &World) {
    let ann = world.clone("ann", "packages");
    serves_to(world, &ann);
}

/// The same with a clone that is there.
#[track_caller]
pub(crate) fn serves_to(world: &World, ann: &Workdir) {
    ann.reset();
    ann.package("probe", "normal");
    ann.draft("probe", "normal").ok();
    assert_eq!(world.field("packages.probe.normal", "{.spec.lifecycle}"), "Draft");
    ann.push(":refs/heads/drafts/probe/normal").ok();
    assert_eq!(world.field("packages.probe.normal", "{.spec.lifecycle}"), "");
}
