//! Four eyes: neither who proposed nor anyone who saved the draft may approve, by git or by kubectl.

use super::*;
use crate::untouched::refused;

const FOUR_EYES: &str = "rules:\n- fourEyes: true\n";

#[test]
fn who_had_a_hand_in_it_may_not_approve() {
    let shelf = under(FOUR_EYES);
    let world = &shelf.world;
    // amy saves, ann goes on and proposes; both may approve by their roles as far as those go.
    let amy = world.clone("amy", "packages");
    amy.package(P, "amy's");
    amy.draft(P, "w1").ok();
    shelf.ann.git(&["fetch", "-q", "origin", &amy.head()]).ok();
    shelf.ann.git(&["reset", "-q", "--hard", &amy.head()]).ok();
    let commit = shelf.ann.package(P, "ann's");
    shelf.ann.draft(P, "w1").ok();
    shelf.ann.propose(P, "w1").ok();
    amy.git(&["fetch", "-q", "origin", &commit]).ok();
    refused(world, "four-eyes", "the same user saved the draft", || amy.approve(&commit, P, "w1"));
    patch(world, "amy", W1, PUBLISH, &[])
        .refused("the same user saved the draft, and rule \"number 1\" wants four eyes");
    approve_by_subresource(world, "amy", W1, "").refused("the same user saved the draft");
    assert_eq!(lifecycle(world, W1), "Proposed");
    clone_with(world, "bob", &commit).approve(&commit, P, "w1").ok();
    assert_eq!(lifecycle(world, W1), "Published");
}

#[test]
fn who_proposed_may_not_approve_nor_delete() {
    let shelf = under(FOUR_EYES);
    let world = &shelf.world;
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    refused(world, "four-eyes", "the same user proposed it", || amy.approve(&commit, P, "w1"));
    patch(world, "amy", W1, PUBLISH, &[]).refused("four eyes");
    // Rejected and proposed by another one, it is amy's work still.
    shelf.bob.git(&["fetch", "-q", "origin", &commit]).ok();
    shelf.bob.push(&format!("{commit}:refs/reject/{P}/w1")).ok();
    patch(world, "ann", W1, r#"{"spec":{"lifecycle":"Proposed"}}"#, &[]).ok();
    refused(world, "four-eyes", "the same user saved the draft", || amy.approve(&commit, P, "w1"));
    patch(world, "bob", W1, PUBLISH, &[]).ok();
    assert_eq!(lifecycle(world, W1), "Published");

    patch(world, "amy", W1, r#"{"spec":{"lifecycle":"DeletionProposed"}}"#, &[]).ok();
    world.kubectl("amy", &["delete", "packagerevision", W1]).refused("the same user proposed the deletion");
    refused(world, "four-eyes", "the same user proposed the deletion", || amy.push(&format!(":refs/tags/{P}/v1")));
    shelf.bob.push(&format!(":refs/tags/{P}/v1")).ok();
}

#[test]
fn where_another_program_owns_proc_receive_the_rule_is_the_same() {
    let shelf = under_with_foreign_proc_receive(FOUR_EYES);
    let world = &shelf.world;
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    refused(world, "four-eyes", "the same user proposed it", || amy.approve(&commit, P, "w1"));
    clone_with(world, "bob", &commit).approve(&commit, P, "w1").ok();
    assert_eq!(lifecycle(world, W1), "Published");
}
