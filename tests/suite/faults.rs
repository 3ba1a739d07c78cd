//! `kill -9` at every named step of a transition, of the daemon and of the git that it runs: after the next start the state
//! is the one before or the one after, nothing acknowledged is lost, nothing happens twice, and no lock stays.
//!
//! Each story goes through the steps by itself: a step is tried at its first, second, third … time until the transition is
//! over without having come there. Never here: prefixes of a ref transaction that only a power cut leaves (see `crash`).

use std::fs;
use std::path::Path;

use stoop::step::Step;

use crate::steps::{P, settled_ledger};
use crate::support::{Answer, Workdir, World, eventually, git_command, run};

/// A transition to be interrupted.
struct Case {
    name: &'static str,
    /// Brings a fresh workspace to the state before.
    before: fn(&Stage, &str),
    /// The transition; true when it was acknowledged.
    change: fn(&Stage, &str) -> Answer,
    /// Lifecycle before and after; empty when there is no package revision.
    states: (&'static str, &'static str),
    /// The ledger's line for it, up to the workspace.
    deed: &'static str,
}

struct Stage {
    world: World,
    amy: Workdir,
}

impl Stage {
    fn new() -> Self {
        let world = World::with_repository();
        let amy = world.clone("amy", "packages");
        let path = world.bare("packages");
        amy.git(&["remote", "set-url", "origin", path.to_str().expect("text")]).ok();
        Self { world, amy }
    }

    /// git in amy's clone, straight to the disk: it does not end with the daemon.
    fn git(&self, args: &[&str]) -> Answer {
        run(git_command(self.amy.path()).env("REMOTE_USER", "amy").args(args))
    }

    fn push(&self, refspec: &str) -> Answer {
        self.git(&["push", "-q", "origin", refspec])
    }

    fn write(&self, workspace: &str) {
        self.git(&["fetch", "-q", "--prune", "--tags", "--force", "origin"]).ok();
        self.git(&["reset", "-q", "--hard", "origin/main"]).ok();
        self.amy.package(P, workspace);
    }

    fn draft(&self, workspace: &str) {
        self.write(workspace);
        self.push(&format!("HEAD:refs/heads/drafts/{P}/{workspace}")).ok();
    }

    fn propose(&self, workspace: &str) {
        self.write(workspace);
        self.push(&format!("HEAD:refs/heads/proposed/{P}/{workspace}")).ok();
    }

    fn publish(&self, workspace: &str) {
        self.propose(workspace);
        self.push(&format!("HEAD:refs/approve/{P}/{workspace}")).ok();
    }

    fn segment(&self, workspace: &str) -> String {
        let log = self.git(&["ls-remote", "origin", "refs/tags/*"]).ok().stdout;
        let number = self.world.field(&object(workspace), "{.spec.revision}");
        assert!(log.contains(&format!("refs/tags/{P}/v{number}")), "{workspace} {number}: {log}");
        format!("v{number}")
    }

    fn kubectl(&self, lifecycle: &str, workspace: &str) -> Answer {
        let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
        self.world.kubectl("amy", &["patch", "packagerevision", &object(workspace), "--type=merge", "-p", &patch])
    }

    fn lifecycle(&self, workspace: &str) -> String {
        self.world.field(&object(workspace), "{.spec.lifecycle}")
    }
}

fn object(workspace: &str) -> String {
    format!("packages.net.router.{workspace}")
}

/// Interrupts a transition at every step, however often it comes there.
fn interrupt(case: &Case) -> Stage {
    let mut stage = Stage::new();
    // The ledger begins with something that is not interrupted.
    stage.draft("w0");
    let (mut number, mut died) = (0, 0);
    let kills = Step::ALL.into_iter().map(|step| (step, "daemon")).chain([(Step::Locks, "git")]);
    for (step, who) in kills {
        for count in 1.. {
            number += 1;
            let workspace = format!("w{number}");
            (case.before)(&stage, &workspace);
            settled_ledger(&stage.world);
            assert_eq!(stage.lifecycle(&workspace), case.states.0, "{}: before", case.name);
            let at = format!("{} at {step:?} {count} of {who}", case.name);

            fs::write(stage.world.die_at(), format!("{} {count} {who}", step.as_str())).expect("written");
            let answer = (case.change)(&stage, &workspace);
            let reached = eventually("it dies, or the transition is over", || {
                if !stage.world.die_at().exists() {
                    return Some(true);
                }
                let left = stage.world.on_disk("packages", &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]);
                (left.stdout.is_empty() && recorded(&stage, case, &workspace) == 1).then_some(false)
            });
            let reached = fs::remove_file(stage.world.die_at()).is_err() || reached;
            if reached && who == "daemon" {
                eventually("the daemon is dead", || stage.world.daemon_is_gone().then_some(()));
                stage.world.revive();
            }
            died += usize::from(reached);
            check(&stage, case, &workspace, &answer, &at);
            if !reached {
                break;
            }
        }
    }
    assert!(died >= 6, "{}: it died only {died} times", case.name);
    stage.world.fsck("packages").ok();
    stage
}

fn recorded(stage: &Stage, case: &Case, workspace: &str) -> usize {
    let log = stage.world.on_disk("packages", &["log", "--format=%an: %s", "refs/stoop/ledger"]).stdout;
    let deed = format!("amy: {} {P} {workspace} ", case.deed);
    log.lines().filter(|line| line.starts_with(&deed) && line.ends_with("by amy")).count()
}

fn check(stage: &Stage, case: &Case, workspace: &str, answer: &Answer, at: &str) {
    let world = &stage.world;
    let (before, after) = case.states;
    // A push that outlives the daemon has its lease no more; what its refs say is taken up within a moment.
    let lifecycle = eventually("every intent is finished or dropped", || {
        let left = world.on_disk("packages", &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]);
        left.stdout.is_empty().then(|| stage.lifecycle(workspace))
    });
    assert!(lifecycle == before || lifecycle == after, "{at}: {lifecycle:?}");
    assert!(
        answer.code != 0 || lifecycle == after,
        "{at}: it was acknowledged, and it is {lifecycle}\n{}",
        answer.stderr
    );
    assert_eq!(recorded(stage, case, workspace), usize::from(lifecycle == after), "{at}: deeds in the ledger");
    let refs = world.refs("packages");
    let has = |name: &str| refs.lines().any(|line| line.starts_with(&format!("{name} ")));
    let published = matches!(lifecycle.as_str(), "Published" | "DeletionProposed");
    assert_eq!(has(&format!("refs/heads/drafts/{P}/{workspace}")), lifecycle == "Draft", "{at}: {refs}");
    assert_eq!(has(&format!("refs/heads/proposed/{P}/{workspace}")), lifecycle == "Proposed", "{at}: {refs}");
    assert!(!refs.contains("refs/approve/") && !refs.contains("refs/reject/"), "{at}: {refs}");
    if published {
        let segment = stage.segment(workspace);
        let marked = has(&format!("refs/heads/deletionProposed/{P}/{segment}"));
        assert_eq!(marked, lifecycle == "DeletionProposed", "{at}: {refs}");
    }
    if case.deed.starts_with("drop-") {
        let kept = kept(world).iter().any(|line| line.contains(&format!(" {workspace}: ")));
        assert_eq!(kept, lifecycle.is_empty(), "{at}: what was dropped is kept, and nothing else");
    }
    let locks = locks_below(&world.bare("packages"));
    assert!(locks.is_empty(), "{at}: {locks:?}");
    // The package is not held by anything: the next change goes through.
    stage.draft(&format!("x{workspace}"));
    stage.push(&format!(":refs/heads/drafts/{P}/x{workspace}")).ok();
}

/// The lines of `stoop restore --list`.
fn kept(world: &World) -> Vec<String> {
    let root = world.root();
    let listed = world.stoop(&["restore", "packages", "--list", "--root", root.to_str().expect("text")]).ok();
    listed.stdout.lines().map(str::to_owned).collect()
}

/// Everything that was dropped is there after git collected its garbage.
fn all_is_kept(stage: &Stage) {
    stage.world.on_disk("packages", &["gc", "-q", "--prune=now"]).ok();
    let kept = kept(&stage.world);
    assert!(kept.len() >= 6, "{kept:?}");
    for line in kept {
        let commit = line.split(" at ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a commit").to_owned();
        stage.world.on_disk("packages", &["rev-list", "--objects", &commit]).ok();
    }
}

#[test]
fn a_draft_dropped_by_push_is_kept_or_not_dropped() {
    all_is_kept(&interrupt(&Case {
        name: "drop by push",
        before: Stage::draft,
        change: |stage, workspace| stage.push(&format!(":refs/heads/drafts/{P}/{workspace}")),
        states: ("Draft", ""),
        deed: "drop-draft",
    }));
}

#[test]
fn a_proposal_dropped_by_api_is_kept_or_not_dropped() {
    all_is_kept(&interrupt(&Case {
        name: "drop by API",
        before: Stage::propose,
        change: |stage, workspace| stage.world.kubectl("amy", &["delete", "packagerevision", &object(workspace)]),
        states: ("Proposed", ""),
        deed: "drop-proposal",
    }));
}

fn locks_below(directory: &Path) -> Vec<String> {
    let mut locks = Vec::new();
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            locks.extend(locks_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            locks.push(path.display().to_string());
        }
    }
    locks
}

#[test]
fn a_draft_saved_by_push_is_there_or_not() {
    interrupt(&Case {
        name: "save by push",
        before: |stage, workspace| stage.write(workspace),
        change: |stage, workspace| stage.push(&format!("HEAD:refs/heads/drafts/{P}/{workspace}")),
        states: ("", "Draft"),
        deed: "save",
    });
}

#[test]
fn a_proposal_by_push_is_made_or_not() {
    interrupt(&Case {
        name: "propose by push",
        before: Stage::draft,
        change: |stage, workspace| stage.push(&format!("HEAD:refs/heads/proposed/{P}/{workspace}")),
        states: ("Draft", "Proposed"),
        deed: "propose",
    });
}

#[test]
fn an_approval_by_push_is_given_or_not() {
    interrupt(&Case {
        name: "approve by push",
        before: Stage::propose,
        change: |stage, workspace| stage.push(&format!("HEAD:refs/approve/{P}/{workspace}")),
        states: ("Proposed", "Published"),
        deed: "approve",
    });
}

#[test]
fn a_proposal_by_api_is_made_or_not() {
    interrupt(&Case {
        name: "propose by API",
        before: Stage::draft,
        change: |stage, workspace| stage.kubectl("Proposed", workspace),
        states: ("Draft", "Proposed"),
        deed: "propose",
    });
}

#[test]
fn an_approval_by_api_is_given_or_not() {
    interrupt(&Case {
        name: "approve by API",
        before: Stage::propose,
        change: |stage, workspace| stage.kubectl("Published", workspace),
        states: ("Proposed", "Published"),
        deed: "approve",
    });
}

#[test]
fn a_rejection_by_api_is_made_or_not() {
    interrupt(&Case {
        name: "reject by API",
        before: Stage::propose,
        change: |stage, workspace| stage.kubectl("Draft", workspace),
        states: ("Proposed", "Draft"),
        deed: "reject",
    });
}

#[test]
fn a_deletion_by_push_is_done_or_not() {
    interrupt(&Case {
        name: "delete by push",
        before: |stage, workspace| {
            stage.publish(workspace);
            let segment = stage.segment(workspace);
            stage.git(&["fetch", "-q", "--tags", "--force", "origin"]).ok();
            stage.push(&format!("refs/tags/{P}/{segment}:refs/heads/deletionProposed/{P}/{segment}")).ok();
        },
        change: |stage, workspace| stage.push(&format!(":refs/tags/{P}/{}", stage.segment(workspace))),
        states: ("DeletionProposed", ""),
        deed: "delete",
    });
}
