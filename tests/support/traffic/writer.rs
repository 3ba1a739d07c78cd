//! One client that writes at random, to packages of its own in one repository, and checks after every turn that everything it
//! was told is there.
//!
//! What was under way when the daemon ended may have happened or not; what was acknowledged must be there.
//! Never here: choosing (see `shelf`), and what watchers see of it.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::commits::commits;
use super::shelf::{Deed, Held, Package, pick};
use super::{End, Random, Tally};
use crate::recording::door::{Door, Outcome, REVISIONS};
use crate::recording::{Acknowledged, After};
use crate::support::git_command;

/// Where a writer works.
#[derive(Clone)]
pub struct Place {
    /// The API.
    pub door: Door,
    /// Where its requests run.
    pub runtime: Handle,
    /// The repository's name.
    pub repository: String,
    /// The repository on the disk.
    pub bare: PathBuf,
    /// A clone of the writer's own, of the user `amy`.
    pub clone: PathBuf,
    /// What is counted.
    pub tally: Arc<Tally>,
}

/// A deed as the ledger must have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// How its line begins: action, package and workspace.
    pub begins: String,
    /// The commit.
    pub commit: String,
}

/// A client that writes.
pub struct Writer {
    pub(super) place: Place,
    pub(super) packages: Vec<Package>,
    random: Random,
    /// The registered branch as the clone has it; `None` when it has moved since.
    base: Option<String>,
    label: usize,
    /// What was acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// The deeds that were acknowledged, for the ledger.
    pub noted: Vec<Noted>,
}

/// A deed on one of the packages.
pub(super) struct Step {
    pub(super) package: usize,
    pub(super) workspace: String,
    pub(super) deed: Deed,
    pub(super) before: Option<Held>,
    pub(super) after: Option<Held>,
}

impl Writer {
    /// A writer with packages whose names begin with `prefix`.
    pub fn new(place: Place, prefix: &str, packages: usize, seed: u64) -> Self {
        let package = |number| Package { path: format!("{prefix}{number}"), ..Package::default() };
        Self {
            place,
            packages: (0..packages).map(package).collect(),
            random: Random::new(seed),
            base: None,
            label: 0,
            acknowledged: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// One turn: a push of many refs, a push of approvals, or some API writes. Says how many writes were acknowledged.
    pub fn turn(&mut self) -> usize {
        self.wait_until_up();
        match self.random.below(4) {
            0 => self.by_api(),
            1 => {
                let steps = self.steps(8, |deed| deed == Deed::Approve);
                self.push(steps, false)
            }
            _ => {
                let steps = self.steps(40, |deed| deed != Deed::Approve);
                self.push(steps, true)
            }
        }
    }

    /// Waits for a daemon, but not for ever: who starts them may have failed.
    pub(super) fn wait_until_up(&self) -> usize {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(run) = self.place.door.runs.up() {
                return run;
            }
            assert!(Instant::now() < deadline, "no daemon for a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Deeds on different packages, at most `most`.
    fn steps(&mut self, most: usize, wanted: impl Fn(Deed) -> bool) -> Vec<Step> {
        let (count, first) = (1 + self.random.below(most), self.random.below(self.packages.len()));
        let order = (0..self.packages.len()).map(|at| (at + first) % self.packages.len());
        let mut steps = Vec::new();
        for package in order.take(count) {
            let (deed, workspace) = self.packages[package].choose(&mut self.random);
            if wanted(deed) {
                steps.push(self.step(package, workspace, deed));
            }
        }
        steps
    }

    fn step(&self, package: usize, workspace: String, deed: Deed) -> Step {
        let before = self.packages[package].revisions.get(&workspace).cloned();
        let (commit, number) = before.as_ref().map(|held| (held.commit.clone(), held.number)).unwrap_or_default();
        let commit = if deed == Deed::Approve { String::new() } else { commit };
        let after = deed.after().map(|lifecycle| Held { lifecycle: lifecycle.to_owned(), commit, number });
        Step { package, workspace, deed, before, after }
    }

    fn git(&self, args: &[&str]) -> Output {
        git_command(&self.place.clone).args(args).output().expect("git starts")
    }

    /// The registered branch's commit, fetched when it may have moved; `None` while the daemon is down.
    fn base(&mut self) -> Option<String> {
        if self.base.is_none() {
            if !self.git(&["fetch", "-q", "--no-tags", "origin", "main"]).status.success() {
                return None;
            }
            let head = self.git(&["rev-parse", "FETCH_HEAD"]);
            self.base = Some(String::from_utf8_lossy(&head.stdout).trim().to_owned());
        }
        self.base.clone()
    }

    fn push(&mut self, mut steps: Vec<Step>, atomic: bool) -> usize {
        let Some(base) = self.base().filter(|_| !steps.is_empty()) else { return 0 };
        let new: Vec<(String, String)> = steps
            .iter()
            .filter(|step| step.deed == Deed::Save)
            .map(|step| (self.packages[step.package].path.clone(), format!("n{}", self.random.below(1 << 30))))
            .collect();
        let mut made = commits(&self.place.clone, &base, &new).into_iter();
        for step in steps.iter_mut().filter(|step| step.deed == Deed::Save) {
            step.after = Some(Held { lifecycle: "Draft".to_owned(), commit: made.next().expect("made"), number: 0 });
        }
        let specs: Vec<String> = steps.iter().map(|step| self.refspec(step)).collect();
        let mut args = vec!["push", "-q", "origin"];
        if atomic {
            args.push("--atomic");
        }
        args.extend(specs.iter().map(String::as_str));
        let run = self.place.door.runs.up();
        let output = self.git(&args);
        let same = run.filter(|_| run == self.place.door.runs.up());
        let told = String::from_utf8_lossy(&output.stderr);
        let end = match (output.status.success(), same) {
            (true, _) => End::Done,
            (false, None) => End::Down,
            (false, Some(_)) if is_race(&told) => End::Race,
            (false, Some(_)) => End::Unasked,
        };
        match end {
            End::Unasked => self.place.tally.unasked("push", format!("{}: {specs:?}: {told}", self.place.repository)),
            _ => self.place.tally.add("push", end, 1),
        }
        self.base = None;
        let version = self.look(&steps, end == End::Done);
        if end != End::Done {
            return 0;
        }
        for step in &steps {
            self.note(step);
            if let (Some(run), Some((seen, version))) = (same, version)
                && run == seen
            {
                let after = step.after.as_ref().map(Held::after);
                self.acknowledged.push(Acknowledged {
                    run,
                    name: self.name(step).into(),
                    after,
                    by: version,
                    exact: false,
                });
            }
        }
        steps.len()
    }

    fn refspec(&self, step: &Step) -> String {
        let (path, workspace) = (&self.packages[step.package].path, &step.workspace);
        let of = |held: &Option<Held>| {
            held.clone().unwrap_or(Held { lifecycle: String::new(), commit: String::new(), number: 0 })
        };
        let (before, after) = (of(&step.before), of(&step.after));
        let (commit, number) = (&before.commit, before.number);
        match step.deed {
            Deed::Save => format!("+{}:refs/heads/drafts/{path}/{workspace}", after.commit),
            Deed::Propose => format!("{commit}:refs/heads/proposed/{path}/{workspace}"),
            Deed::Drop if before.lifecycle == "Draft" => format!(":refs/heads/drafts/{path}/{workspace}"),
            Deed::Drop => format!(":refs/heads/proposed/{path}/{workspace}"),
            Deed::Reject => format!("{commit}:refs/heads/drafts/{path}/{workspace}"),
            Deed::Approve => format!("{commit}:refs/approve/{path}/{workspace}"),
            Deed::ProposeDeletion => format!("{commit}:refs/heads/deletionProposed/{path}/v{number}"),
            Deed::RefuseDeletion => format!(":refs/heads/deletionProposed/{path}/v{number}"),
            Deed::Delete => format!(":refs/tags/{path}/v{number}"),
        }
    }

    fn name(&self, step: &Step) -> String {
        format!("{}.{}.{}", self.place.repository, self.packages[step.package].path, step.workspace)
    }

    /// Counts a deed that was acknowledged, and keeps it for the ledger.
    fn note(&mut self, step: &Step) {
        self.place.tally.add(step.deed.kind(), End::Done, 1);
        let from = step.before.as_ref().map_or("", |held| &held.lifecycle);
        let held = if step.deed == Deed::Save { step.after.as_ref() } else { step.before.as_ref() };
        self.noted.push(Noted {
            begins: format!("{} {} {}", step.deed.word(from), self.packages[step.package].path, step.workspace),
            commit: held.map(|held| held.commit.clone()).unwrap_or_default(),
        });
    }

    /// Some single writes.
    fn by_api(&mut self) -> usize {
        let mut done = 0;
        for _ in 0..1 + self.random.below(6) {
            let package = self.random.below(self.packages.len());
            if self.random.one_in(2) {
                let workspaces: Vec<String> = self.packages[package].revisions.keys().cloned().collect();
                if !workspaces.is_empty() {
                    let workspace = pick(&mut self.random, &workspaces).clone();
                    done += self.label(package, &workspace);
                }
                continue;
            }
            let (deed, workspace) = self.packages[package].choose(&mut self.random);
            if deed != Deed::Save {
                done += self.carry_out(self.step(package, workspace, deed));
            }
        }
        done
    }

    fn send(&self, method: &str, name: &str, body: Option<&Value>) -> (Outcome, Option<usize>) {
        let run = self.place.door.runs.up();
        let path = format!("{REVISIONS}/{name}");
        let outcome = self.place.runtime.block_on(self.place.door.send(method, &path, body));
        (outcome, run.filter(|_| run == self.place.door.runs.up()))
    }

    /// Sorts an answer; gives the object that came back.
    fn sort(&self, kind: &'static str, name: &str, outcome: Outcome, run: Option<usize>) -> (End, Value) {
        let (end, value, told) = match (outcome, run) {
            (Ok((200, value)), _) => (End::Done, value, String::new()),
            (_, None) => (End::Down, Value::Null, String::new()),
            (Ok((409, value)), _) => (End::Race, Value::Null, value.to_string()),
            (Ok((code, value)), _) => (End::Unasked, Value::Null, format!("{code} {value}")),
            (Err(error), _) => (End::Unasked, Value::Null, error),
        };
        match end {
            End::Unasked => self.place.tally.unasked(kind, format!("{name}: {told}")),
            _ => self.place.tally.add(kind, end, 1),
        }
        (end, value)
    }

    fn label(&mut self, package: usize, workspace: &str) -> usize {
        self.label += 1;
        let name = format!("{}.{}.{workspace}", self.place.repository, self.packages[package].path);
        let value = format!("{}-{}", self.packages[0].path, self.label);
        let group = format!("g{}", self.random.below(4));
        let body = json!({"metadata": {"labels": {"written": value, "group": group}}});
        let (outcome, run) = self.send("PATCH", &name, Some(&body));
        let (end, object) = self.sort("label", &name, outcome, run);
        if end != End::Done {
            return 0;
        }
        let lifecycle = self.packages[package].revisions[workspace].lifecycle.clone();
        let after = After { lifecycle, commit: None, label: Some(("written".to_owned(), value)) };
        self.acknowledge(run, &name, Some(after), &object);
        1
    }

    /// A deed by the API.
    fn carry_out(&mut self, step: Step) -> usize {
        let name = self.name(&step);
        let (outcome, run) = match &step.after {
            Some(after) => self.send("PATCH", &name, Some(&json!({"spec": {"lifecycle": after.lifecycle}}))),
            None => self.send("DELETE", &name, None),
        };
        let (end, object) = self.sort("api", &name, outcome, run);
        if step.deed == Deed::Approve {
            self.base = None;
        }
        let version = self.look(std::slice::from_ref(&step), end == End::Done);
        if end != End::Done {
            return 0;
        }
        self.note(&step);
        match (&step.after, run, version) {
            (Some(after), _, _) => self.acknowledge(run, &name, Some(after.after()), &object),
            (None, Some(run), Some((seen, by))) if run == seen => {
                self.acknowledged.push(Acknowledged { run, name: name.into(), after: None, by, exact: false });
            }
            _ => {}
        }
        1
    }

    fn acknowledge(&mut self, run: Option<usize>, name: &str, after: Option<After>, object: &Value) {
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let Some(version) = version.and_then(|version| version.parse().ok()) else {
            self.place.tally.unasked("api", format!("{name}: an answer without resourceVersion: {object}"));
            return;
        };
        if let Some(run) = run {
            self.acknowledged.push(Acknowledged { run, name: name.into(), after, by: version, exact: true });
        }
    }
}

/// What a push is told that met another one at the same moment.
fn is_race(told: &str) -> bool {
    ["try again in a moment", "while you pushed", "look at what is there now", "already in progress"]
        .iter()
        .any(|text| told.contains(text))
}
