//! The main job from beginning to end: draft, propose, approve, a new revision, propose deletion, delete; by push.

use crate::support::World;

#[test]
fn a_package_lives_its_whole_life_by_push() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let bob = world.clone("bob", "packages");

    let first = ann.package("net/router", "one");
    ann.draft("net/router", "w1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.lifecycle}"), "Draft");
    ann.propose("net/router", "w1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.lifecycle}"), "Proposed");
    assert!(!world.refs("packages").contains("drafts/"), "the draft goes away with its proposal");

    ann.approve(&first, "net/router", "w1").refused("needs the role approver");
    bob.git(&["fetch", "-q", "origin", &first]).ok();
    bob.approve(&first, "net/router", "w1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.lifecycle}"), "Published");
    assert_eq!(world.field("packages.net.router.w1", "{.spec.revision}"), "1");
    assert!(!world.refs("packages").contains("proposed/"), "the proposal goes away with its approval");

    ann.reset();
    let second = ann.package("net/router", "two");
    ann.propose("net/router", "w2").ok();
    bob.git(&["fetch", "-q", "origin", &second]).ok();
    bob.approve(&second, "net/router", "w2").ok();
    assert_eq!(world.field("packages.net.router.w2", "{.spec.revision}"), "2");
    assert_eq!(world.field("packages.net.router.w1", "{.metadata.labels}"), "", "only the newest is the latest");

    ann.reset();
    ann.push("refs/tags/net/router/v1:refs/heads/deletionProposed/net/router/v1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.lifecycle}"), "DeletionProposed");
    bob.push(":refs/tags/net/router/v1").ok();
    world.kubectl("admin", &["get", "packagerevision", "packages.net.router.w1"]).refused("not found");
    assert!(!world.refs("packages").contains("deletionProposed/"), "the marker goes away with its revision");
}
