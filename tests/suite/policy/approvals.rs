//! N of M: the N-th person publishes, each counts once, and an approval belongs to the object id that was looked at.

use super::*;
use crate::steps::settled_ledger;
use crate::untouched::refused;

const TWO: &str = "rules:\n- name: production\n  packages: [net/**]\n  approvals: 2\n";

fn condition(world: &World) -> String {
    world.field(W1, r#"{.status.conditions[?(@.type=="Approved")].message}"#)
}

#[test]
fn the_second_person_publishes_and_the_first_is_remembered() {
    let shelf = under(TWO);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let bob = clone_with(world, "bob", &commit);
    let told = bob.approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("approval 1 of 2 recorded at"), "{}", told.stderr);
    assert_eq!(condition(world), "1 of 2 approvals: bob");
    assert!(!world.refs("packages").contains("refs/approve"));
    refused(world, "already-approved", "bob has approved net/router w1 already", || bob.approve(&commit, P, "w1"));
    patch(world, "bob", W1, PUBLISH, &[]).refused("bob has approved net/router w1 already: approval 1 of 2");
    assert_eq!(lifecycle(world, W1), "Proposed");
    let told = clone_with(world, "amy", &commit).approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("published as v1"), "{}", told.stderr);
    assert_eq!((lifecycle(world, W1).as_str(), condition(world).as_str()), ("Published", ""));
    let ledger = settled_ledger(world);
    assert!(ledger.contains(&format!("bob: approval 1 of 2 of net/router w1 at {commit} by bob")), "{ledger}");
    assert!(ledger.contains(&format!("amy: approve net/router w1 as v1 at {commit} by amy")), "{ledger}");
    // Packages that the rule does not cover need one.
    shelf.publish("dns/zone", "w1");
}

#[test]
fn by_kubectl_the_object_stays_proposed_and_says_how_many() {
    let shelf = under(TWO);
    let world = &shelf.world;
    shelf.propose(P, "w1");
    let dry = patch(world, "bob", W1, PUBLISH, &["--dry-run=server", "-o", "json"]).ok();
    let dry_object: serde_json::Value = serde_json::from_str(&dry.stdout).expect("JSON");
    assert_eq!(dry_object["spec"]["lifecycle"], "Proposed");
    assert!(dry.stdout.contains("1 of 2 approvals: bob") && dry.stderr.contains("approval 1 of 2"), "{}", dry.stderr);
    assert_eq!(condition(world), "", "a dry run leaves nothing");
    let version = world.field(W1, "{.metadata.resourceVersion}");
    let told =
        patch(world, "bob", W1, PUBLISH, &["-o", "jsonpath={.spec.lifecycle} {.status.conditions[*].message}"]).ok();
    assert_eq!(told.text(), "Proposed 1 of 2 approvals: bob");
    assert!(told.stderr.contains("Warning: net/router w1: approval 1 of 2 recorded"), "{}", told.stderr);
    assert_ne!(world.field(W1, "{.metadata.resourceVersion}"), version, "watchers hear of it");
    approve_by_subresource(world, "amy", W1, "?dryRun=All").ok();
    assert_eq!(lifecycle(world, W1), "Proposed");
    approve_by_subresource(world, "amy", W1, "").ok();
    assert_eq!(lifecycle(world, W1), "Published");
}

#[test]
fn an_approval_is_void_when_the_proposal_changes_is_rejected_or_dropped() {
    let mut shelf = under(TWO);
    let first = shelf.propose(P, "w1");
    let (bob, amy) = (clone_with(&shelf.world, "bob", &first), clone_with(&shelf.world, "amy", &first));
    for ending in [format!("{first}:refs/reject/{P}/w1"), format!(":refs/heads/proposed/{P}/w1")] {
        bob.approve(&first, P, "w1").ok();
        assert_eq!(condition(&shelf.world), "1 of 2 approvals: bob");
        bob.push(&ending).ok();
        shelf.ann.git(&["push", "origin", &format!("{first}:refs/heads/proposed/{P}/w1")]).ok();
        assert_eq!(condition(&shelf.world), "", "{ending}");
    }
    // The same commit again: only an approval from now on counts.
    let told = amy.approve(&first, P, "w1").ok();
    assert!(told.stderr.contains("approval 1 of 2"), "{}", told.stderr);
    bob.push(&format!("{first}:refs/reject/{P}/w1")).ok();
    let second = shelf.ann.package(P, "two");
    shelf.ann.propose(P, "w1").ok();
    refused(&shelf.world, "stale", "not at", || bob.approve(&first, P, "w1"));
    bob.git(&["fetch", "-q", "origin", &second]).ok();
    bob.approve(&second, P, "w1").ok();
    shelf.world.restart();
    assert_eq!(condition(&shelf.world), "1 of 2 approvals: bob", "kept in the ledger");
    let amy = clone_with(&shelf.world, "amy", &second);
    amy.approve(&second, P, "w1").ok();
    assert_eq!(lifecycle(&shelf.world, W1), "Published");
}

#[test]
fn an_approval_of_somebody_who_lost_the_right_does_not_count() {
    let shelf = under(TWO);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    clone_with(world, "bob", &commit).approve(&commit, P, "w1").ok();
    change(world, 2, &format!("{TWO}  reservedFor: {{approver: [amy, ada]}}\n"));
    let told = clone_with(world, "amy", &commit).approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("approval 1 of 2"), "{}", told.stderr);
    clone_with(world, "ada", &commit).approve(&commit, P, "w1").ok();
    assert_eq!(lifecycle(world, W1), "Published");
}

#[test]
fn where_another_program_owns_proc_receive_approvals_are_counted_the_same() {
    let shelf = under_with_foreign_proc_receive(TWO);
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let bob = clone_with(world, "bob", &commit);
    let told = bob.approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("approval 1 of 2 recorded at"), "{}", told.stderr);
    version_recorded(world);
    refused(world, "already-approved", "has approved net/router w1 already", || bob.approve(&commit, P, "w1"));
    assert!(!world.refs("packages").contains("refs/approve"));
    let told = clone_with(world, "amy", &commit).approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("published as v1"), "{}", told.stderr);
    assert_eq!(lifecycle(world, W1), "Published");
}
