//! Approvals by API that name no version, where the policy refuses them.

use super::*;

#[test]
fn an_approval_by_kubectl_must_name_what_was_looked_at() {
    let shelf = under("rules:\n- name: bound\n  unboundApprovals: refuse\n");
    let world = &shelf.world;
    shelf.propose(P, "w1");
    patch(world, "bob", W1, PUBLISH, &[]).refused("the approval of net/router w1 names no version");
    let version = world.field(W1, "{.metadata.resourceVersion}");
    let bound = |version: &str| {
        format!(r#"{{"metadata":{{"resourceVersion":"{version}"}},"spec":{{"lifecycle":"Published"}}}}"#)
    };
    patch(world, "bob", W1, &bound("7"), &[]).refused("the object has been modified");
    assert_eq!(lifecycle(world, W1), "Proposed");
    patch(world, "bob", W1, &bound(&version), &[]).ok();
    assert_eq!(lifecycle(world, W1), "Published");

    shelf.propose(P, "w2");
    approve_by_subresource(world, "bob", "packages.net.router.w2", "").ok();
    let commit = shelf.propose(P, "w3");
    clone_with(world, "bob", &commit).approve(&commit, P, "w3").ok();
    assert_eq!(lifecycle(world, "packages.net.router.w3"), "Published");
}
