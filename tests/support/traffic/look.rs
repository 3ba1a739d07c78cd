//! What a writer looks for after every turn: everything it was told must be there, and of what was under way when the daemon
//! ended, either state.
//!
//! Never here: writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::End;
use super::shelf::Held;
use super::writer::{Step, Writer};
use crate::recording::{Selection, Shown};

impl Writer {
    /// Lists the repository and compares: every package revision must be as the writer was told; those of `steps` as they
    /// were told when they are `sure`, else as before or after. Gives the run and the list's version, if there was a list.
    pub(super) fn look(&mut self, steps: &[Step], sure: bool) -> Option<(usize, u64)> {
        let first = self.place.door.runs.up();
        let left = if sure { Vec::new() } else { processes(&self.place.bare) };
        let mut expected = BTreeMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            for (workspace, held) in &package.revisions {
                expected.insert((at, workspace.clone()), vec![Some(held.clone())]);
            }
        }
        for step in steps {
            let possible = if sure { vec![step.after.clone()] } else { vec![step.after.clone(), step.before.clone()] };
            expected.insert((step.package, step.workspace.clone()), possible);
        }
        let selection = Selection { repository: Some(self.place.repository.clone()), ..Selection::default() };
        let (run, version, list) = loop {
            let run = self.wait_until_up();
            // What the old daemon left running may still move refs.
            wait_for_end(&self.place.bare, &left);
            let list = self.place.runtime.block_on(self.place.door.list(&selection));
            match list {
                Ok((version, list)) if self.place.door.runs.up() == Some(run) => break (run, version, list),
                Err(error) if self.place.door.runs.up() == Some(run) => {
                    self.place.tally.unasked("list", error);
                    return None;
                }
                _ => {}
            }
        };
        self.place.tally.add("list", End::Done, 1);
        let shown: BTreeMap<&str, &Shown> = list.iter().map(|object| (&*object.name, object)).collect();
        for ((at, workspace), possible) in expected {
            let name = format!("{}.{}.{workspace}", self.place.repository, self.packages[at].path);
            let object = shown.get(&*name).copied();
            let fits = |held: &Option<Held>| {
                held.as_ref().map_or(object.is_none(), |held| object.is_some_and(|o| held.fits(o)))
            };
            if !possible.iter().any(fits) {
                self.place
                    .tally
                    .unasked("lost", format!("{name} is {object:?} in run {run}, and was to be {possible:?}"));
            }
            let now = object.map(|object| Held {
                lifecycle: object.lifecycle.to_string(),
                commit: object.commit.to_string(),
                number: object.revision,
            });
            self.packages[at].take(&workspace, now);
        }
        first.filter(|first| *first == run).map(|run| (run, version))
    }
}

/// The processes that work in a repository: their directory is there, or their arguments name it. But for the git that stays
/// with the daemon to move refs.
fn processes(repository: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let works = |process: &PathBuf| {
        let arguments = arguments(process);
        std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(repository))
            || (arguments.contains(&*repository.to_string_lossy()) && !arguments.contains(" update-ref "))
    };
    all.filter(works).collect()
}

fn arguments(process: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(process.join("cmdline")).unwrap_or_default()).replace('\0', " ")
}

fn wait_for_end(repository: &Path, left: &[PathBuf]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    // Asked anew: one that has ended may stand in the list of processes until somebody asks how it ended.
    while !left.is_empty() && processes(repository).iter().any(|process| left.contains(process)) {
        let told =
            || left.iter().map(|process| format!("{} {}", process.display(), arguments(process))).collect::<Vec<_>>();
        assert!(Instant::now() < deadline, "these do not end: {:#?}", told());
        std::thread::sleep(Duration::from_millis(10));
    }
}
