//! Moves of the registered branch: an approval by a merge, a publication and a deletion there are under every rule of the
//! policy, like those by any other way.
//!
//! Never here: what a move approves (see `push_merges` and `push_trunk`), and signatures (see `signed`).

use super::freeze::FROZEN;
use super::*;
use crate::steps::settled_ledger;
use crate::untouched::refused;

const FOUR_EYES: &str = "rules:\n- fourEyes: true\n";
const TWO: &str = "rules:\n- name: two\n  approvals: 2\n";
const GATES: &str = "rules:\n- name: tested\n  readinessGates: [Tested]\n";
const OTHERS: &str = "rules:\n- name: others\n  reservedFor: {approver: [art]}\n";

#[test]
fn who_had_a_hand_in_it_may_not_merge_it() {
    let shelf = under(FOUR_EYES);
    let world = &shelf.world;
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    let text = "amy may not approve net/router w1: the same user proposed it";
    refused(world, "four-eyes", text, || amy.push("HEAD:main"));
    amy.reset();
    amy.git(&["merge", "-q", "--no-ff", "--no-edit", &commit]).ok();
    refused(world, "four-eyes", text, || amy.push("HEAD:main"));
    amy.reset();
    amy.git(&["merge", "-q", "--squash", &commit]).ok();
    amy.commit("squashed");
    refused(world, "four-eyes", text, || amy.push("HEAD:main"));
    clone_with(world, "bob", &commit).push(&format!("{commit}:main")).ok();
    assert_eq!(lifecycle(world, W1), "Published");

    // Nor may who proposed that it goes from the branch take it away there.
    let away = |by: &Workdir| {
        by.reset();
        by.git(&["rm", "-rq", P]).ok();
        by.commit("away with it");
    };
    away(&amy);
    let answer = amy.push("HEAD:main").refused("whose deletion is not proposed");
    let printed = answer.stderr.lines().find_map(|line| line.split_once("propose it first: git push origin "));
    amy.push(printed.expect("a command").1.trim()).ok();
    refused(world, "four-eyes", "the same user proposed the deletion", || amy.push("HEAD:main"));
    let bob = world.clone("bob", "packages");
    away(&bob);
    bob.push("HEAD:main").ok();
}

#[test]
fn nothing_is_merged_in_a_freeze_unless_the_glass_is_broken() {
    let shelf = under(FROZEN);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let to_main = format!("{commit}:main");
    let (bob, ada) = (clone_with(world, "bob", &commit), clone_with(world, "ada", &commit));
    let text = "nobody may approve net/router w1 now: rule \"all year\" has the freeze \"a long one\"";
    refused(world, "frozen", text, || bob.push(&to_main));
    refused(world, "frozen", text, || ada.push(&to_main));
    refused(world, "break-glass", "bob may not break the glass", || {
        bob.git(&["push", "-o", "break-glass=outage 4711", "origin", &to_main])
    });
    let told = ada.git(&["push", "-o", "break-glass=outage 4711", "origin", &to_main]).ok();
    assert!(told.stderr.contains("the glass was broken, past frozen"), "{}", told.stderr);
    assert_eq!(lifecycle(world, W1), "Published");
    assert!(settled_ledger(world).contains("by ada, breaking the glass: outage 4711"));
}

#[test]
fn a_merge_counts_as_the_last_approval_and_as_no_other() {
    let shelf = under(TWO);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let to_main = format!("{commit}:main");
    let (bob, amy) = (clone_with(world, "bob", &commit), clone_with(world, "amy", &commit));
    let text = "net/router w1 needs 2 approvals, and this would be approval 1";
    let answer = refused(world, "approvals-missing", text, || bob.push(&to_main));
    assert!(answer.stderr.contains(&format!("refs/approve/{P}/w1")), "{}", answer.stderr);
    bob.approve(&commit, P, "w1").ok();
    version_recorded(world);
    refused(world, "already-approved", "bob has approved net/router w1 already", || bob.push(&to_main));
    amy.push(&to_main).ok();
    assert_eq!(lifecycle(world, W1), "Published");
}

#[test]
fn a_merge_waits_for_gates_and_belongs_to_those_it_is_reserved_for() {
    let shelf = under("rules: []\n");
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let bob = clone_with(world, "bob", &commit);
    let to_main = format!("{commit}:main");
    change(world, 2, GATES);
    refused(world, "gate-required", "readiness gates of rule \"tested\": Tested", || bob.push(&to_main));
    change(world, 3, OTHERS);
    refused(world, "reserved", "rule \"others\" reserves this for art", || bob.push(&to_main));
    change(world, 4, "rules: []\n");
    bob.push(&to_main).ok();
    assert_eq!(lifecycle(world, W1), "Published");
}

#[test]
fn what_is_published_from_the_branch_is_under_every_rule() {
    let mut world = World::without_daemon();
    let put = |world: &World, serial: u64, rules: &str| {
        write(world, serial, rules);
        world.configure("policy: policy.yaml\nrepositories:\n- path: packages\n  trunk: publish\n");
    };
    put(&world, 1, FOUR_EYES);
    world.start_daemon();
    world.create_repository("packages");
    let amy = world.clone("amy", "packages");
    amy.package(P, "one");
    let signed = "rules:\n- name: signatures\n  signed: [approve]\n";
    let cases = [
        (FOUR_EYES, "four-eyes", "net/router v1 is published without a proposal"),
        (FROZEN, "frozen", "nobody may publish net/router v1 now"),
        (TWO, "approvals-missing", "net/router v1 needs 2 approvals"),
        (GATES, "gate-required", "net/router v1 does not meet the readiness gates of rule \"tested\": Tested"),
        (OTHERS, "reserved", "amy may not publish net/router v1: rule \"others\" reserves this for art"),
        (signed, "not-signed", "amy may not publish net/router v1 like this: it is not signed"),
    ];
    for (serial, (rules, code, text)) in (2..).zip(cases) {
        put(&world, serial, rules);
        reload(&world, &format!("serial={serial}"));
        refused(&world, code, text, || amy.push("HEAD:main"));
    }
    put(&world, 20, "rules: []\n");
    reload(&world, "serial=20");
    amy.push("HEAD:main").ok();
    assert_eq!(lifecycle(&world, "packages.net.router.v1"), "Published");
}
