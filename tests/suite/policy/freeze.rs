//! Freezes: nothing is published and nothing published is deleted while one holds.

use super::*;
use crate::steps::settled_ledger;
use crate::untouched::refused;

/// A freeze that holds now, whenever that is, and one that does not.
pub(super) const FROZEN: &str = "rules:\n- name: all year\n  freeze:\n  - {name: a long one, from: 2020-01-01, until: 2999-01-01, timeZone: Europe/Berlin}\n";
const OVER: &str =
    "rules:\n- name: all year\n  freeze:\n  - {from: 2020-01-01, until: 2021-01-01, timeZone: Europe/Berlin}\n";

#[test]
fn nothing_is_published_or_deleted_in_a_freeze_and_drafts_go_on() {
    let shelf = under(OVER);
    let world = &shelf.world;
    shelf.publish(P, "w1");
    patch(world, "ann", W1, r#"{"spec":{"lifecycle":"DeletionProposed"}}"#, &[]).ok();
    change(world, 2, FROZEN);
    let commit = shelf.propose(P, "w2");
    let bob = clone_with(world, "bob", &commit);
    let text = "nobody may approve net/router w2 now: rule \"all year\" has the freeze \"a long one\" until 2999-01-01 00:00 Europe/Berlin";
    refused(world, "frozen", text, || bob.approve(&commit, P, "w2"));
    patch(world, "bob", "packages.net.router.w2", PUBLISH, &[]).refused(text);
    approve_by_subresource(world, "bob", "packages.net.router.w2", "").refused(text);
    refused(world, "frozen", "nobody may delete net/router w1 now", || bob.push(&format!(":refs/tags/{P}/v1")));
    world.kubectl("bob", &["delete", "packagerevision", W1]).refused("nobody may delete net/router w1 now");
    let delete = |user: &str, query: &str| {
        let path = format!("/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/{W1}{query}");
        world.kubectl(user, &["delete", "--raw", &path])
    };
    delete("bob", "?breakGlass=outage").refused("bob may not break the glass");
    delete("ada", "?breakGlass=%20").refused("the reason for breaking the glass is empty");
    delete("ada", "?breakGlass=outage%204711&dryRun=All").ok();
    delete("ada", "?breakGlass=outage%204711").ok();
    assert!(settled_ledger(world).contains("by ada, breaking the glass: outage 4711"));
    bob.push(&format!("{commit}:refs/reject/{P}/w2")).ok();
    patch(world, "ann", "packages.net.router.w2", r#"{"spec":{"lifecycle":"Proposed"}}"#, &[]).ok();
    change(world, 3, OVER);
    bob.approve(&commit, P, "w2").ok();
    patch(world, "ann", "packages.net.router.w2", r#"{"spec":{"lifecycle":"DeletionProposed"}}"#, &[]).ok();
    world.kubectl("bob", &["delete", "packagerevision", "packages.net.router.w2"]).ok();
}
