//! `kill -9` at every named step of a transition, of the daemon and of the git that it runs: after the next start the state
//! is the one before or the one after, nothing acknowledged is lost, nothing happens twice, and no lock stays.
//!
//! Each story goes through the steps by itself: a step is tried at its first, second, third … time until the transition is
//! over without having come there. Never here: prefixes of a ref transaction that only a power cut leaves (see `crash`).

use std::fs;

use stoop::step::Step;

use crate::interrupted::{
    APPROVE_BY_API, APPROVE_BY_PUSH, Case, DELETE_BY_API, DELETE_BY_PUSH, DROP_BY_API, DROP_BY_PUSH, PROPOSE_BY_API,
    PROPOSE_BY_PUSH, PROPOSE_DELETION_BY_API, REJECT_BY_API, REJECT_BY_PUSH, SAVE_BY_PUSH, Stage, check, kept,
    recorded,
};
use crate::steps::settled_ledger;
use crate::support::{World, eventually};

/// Interrupts a transition at every step, however often it comes there.
fn interrupt(case: &Case) -> Stage {
    interrupt_on(Stage::new(), case, |_, number| format!("w{number}"))
}

/// The same on a stage of its own; `name` gives the workspace of each time.
fn interrupt_on(mut stage: Stage, case: &Case, name: fn(&Stage, u32) -> String) -> Stage {
    // The ledger begins with something that is not interrupted.
    stage.draft("w0");
    let (mut number, mut died) = (0, 0);
    let kills = Step::ALL.into_iter().map(|step| (step, "daemon")).chain([(Step::Locks, "git")]);
    for (step, who) in kills {
        for count in 1.. {
            number += 1;
            let workspace = name(&stage, number);
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
fn a_draft_saved_by_push_is_there_or_not() {
    interrupt(&SAVE_BY_PUSH);
}

#[test]
fn a_proposal_by_push_is_made_or_not() {
    interrupt(&PROPOSE_BY_PUSH);
}

#[test]
fn an_approval_by_push_is_given_or_not() {
    interrupt(&APPROVE_BY_PUSH);
}

#[test]
fn an_approval_by_moving_the_branch_is_given_or_not() {
    interrupt(&Case {
        name: "approve by moving the branch",
        before: Stage::propose,
        change: |stage, _| stage.push("HEAD:main"),
        states: ("Proposed", "Published"),
        deed: "approve",
    });
}

#[test]
fn a_publication_from_the_branch_is_made_or_not() {
    let mut world = World::without_daemon();
    world.configure("repositories:\n- path: packages\n  trunk: publish\n");
    world.start_daemon();
    world.create_repository("packages");
    let case = Case {
        name: "publish from the branch",
        before: |stage, workspace| stage.write(workspace),
        change: |stage, _| stage.push("HEAD:main"),
        states: ("", "Published"),
        deed: "publish",
    };
    interrupt_on(Stage::on(world), &case, |stage, _| stage.next_segment());
}

#[test]
fn a_proposal_by_api_is_made_or_not() {
    interrupt(&PROPOSE_BY_API);
}

#[test]
fn an_approval_by_api_is_given_or_not() {
    interrupt(&APPROVE_BY_API);
}

#[test]
fn a_rejection_by_api_is_made_or_not() {
    interrupt(&REJECT_BY_API);
}

#[test]
fn a_deletion_by_push_is_done_or_not() {
    interrupt(&DELETE_BY_PUSH);
}

#[test]
fn a_draft_dropped_by_push_is_kept_or_not_dropped() {
    all_is_kept(&interrupt(&DROP_BY_PUSH));
}

#[test]
fn a_proposal_dropped_by_api_is_kept_or_not_dropped() {
    all_is_kept(&interrupt(&DROP_BY_API));
}

#[test]
fn a_rejection_by_push_is_made_or_not() {
    interrupt(&REJECT_BY_PUSH);
}

#[test]
fn a_deletion_is_proposed_by_api_or_not() {
    interrupt(&PROPOSE_DELETION_BY_API);
}

#[test]
fn a_deletion_by_api_is_done_or_not() {
    interrupt(&DELETE_BY_API);
}
