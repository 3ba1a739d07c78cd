//! What is published, by push: deletions and their markers, tags that would publish, tags that must not move.
//!
//! Never here: how it got published (see `push_approvals`).

use crate::steps::{P, copy, lifecycle, publish};
use crate::support::World;
use crate::untouched::refused;

#[test]
fn a_deletion_is_proposed_refused_withdrawn_and_approved() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    let (tag, marker) = (format!("refs/tags/{P}/v1"), format!("refs/heads/deletionProposed/{P}/v1"));
    let propose = format!("{tag}^{{commit}}:{marker}");
    let (delete, keep) = (format!(":{tag}"), format!(":{marker}"));
    let bob = world.clone("bob", "packages");

    refused(&world, "immutable", "propose its deletion first", || bob.push(&delete));
    refused(&world, "not-allowed", "needs the role author", || bob.push(&propose));
    refused(&world, "stale", "not at", || ann.push(&format!("main~1:{marker}")));
    refused(&world, "not-found", "no published revision v7", || {
        ann.push(&format!("main:refs/heads/deletionProposed/{P}/v7"))
    });
    ann.push(&propose).ok();
    assert_eq!(lifecycle(&world, "w1"), "DeletionProposed");
    refused(&world, "not-allowed", "needs the role approver", || ann.push(&delete));
    refused(&world, "not-allowed", "the author who proposed it", || world.clone("art", "packages").push(&keep));
    let old = ann.git(&["rev-parse", "main~1"]).ok();
    refused(&world, "immutable", "does not move", || ann.push(&format!("+{}:{marker}", old.text())));
    ann.push(&keep).ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    ann.push(&propose).ok();
    bob.push(&keep).ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    ann.push(&propose).ok();
    bob.push(&delete).ok();
    assert_eq!(lifecycle(&world, "w1"), "");
    let refs = world.refs("packages");
    assert!(!refs.contains("deletionProposed") && !refs.contains("refs/tags"), "{refs}");
}

#[test]
fn the_tag_and_its_marker_may_be_deleted_in_one_push() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    let (tag, marker) = (format!("refs/tags/{P}/v1"), format!("refs/heads/deletionProposed/{P}/v1"));
    ann.push(&format!("{tag}:{marker}")).ok();
    let bob = world.clone("bob", "packages");
    bob.git(&["push", "origin", &format!(":{tag}"), &format!(":{marker}")]).ok();
    assert_eq!(lifecycle(&world, "w1"), "");
    assert!(!world.refs("packages").contains("deletionProposed"));
}

#[test]
fn tags_that_would_publish_are_refused_and_published_ones_do_not_move() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    for last in ["99", "v+5", "v1.2.3", "hello", "v2"] {
        refused(&world, "immutable", "would publish package net/router without an approval", || {
            ann.push(&format!("HEAD:refs/tags/{P}/{last}"))
        });
    }
    ann.git(&["tag", "-a", "-m", "an annotated one", "mine", "HEAD"]).ok();
    refused(&world, "immutable", "would publish", || ann.push(&format!("mine:refs/tags/{P}/v3")));
    ann.package(P, "two");
    let answer =
        refused(&world, "immutable", "is a published revision", || ann.push(&format!("+HEAD:refs/tags/{P}/v1")));
    assert!(answer.stderr.contains("publish a new revision"), "{}", answer.stderr);
    // Tags without a package at their path are nobody's business.
    ann.push("HEAD:refs/tags/v1").ok();
    ann.push("HEAD:refs/tags/elsewhere/v1").ok();
    ann.push("+main~1:refs/tags/elsewhere/v1").ok();
    ann.push(":refs/tags/elsewhere/v1").ok();
}

#[test]
fn a_legacy_tag_is_deleted_through_its_own_last_segment() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "tag", "net/router/hello", "main"]).ok();
    crate::support::eventually("the legacy tag shows", || (lifecycle(&world, "hello") == "Published").then_some(()));
    ann.reset();
    let (tag, bob) = (format!(":refs/tags/{P}/hello"), world.clone("bob", "packages"));
    refused(&world, "immutable", "propose its deletion first", || bob.push(&tag));
    ann.push(&format!("main:refs/heads/deletionProposed/{P}/hello")).ok();
    assert_eq!(lifecycle(&world, "hello"), "DeletionProposed");
    bob.push(&tag).ok();
    let refs = world.refs("packages");
    assert!(!refs.contains("hello"), "{refs}");
}

#[test]
fn a_tag_published_elsewhere_is_deleted_with_its_marker_and_its_number_stays_used() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    // As Porch published it, before the daemon knew the repository: the ledger has nothing on it.
    let line = format!("kpt:{{\"package\":\"{P}\",\"workspaceName\":\"porch\",\"revision\":\"4\"}}");
    ann.git(&["commit", "-q", "--amend", "-m", &format!("Approving package revision {P}/4\n\n{line}")]).ok();
    let ada = world.clone("ada", "packages");
    ada.git(&["pull", "-q", ann.path().to_str().expect("text")]).ok();
    ada.git(&["push", "-o", "import", "origin", "HEAD:main", &format!("HEAD:refs/tags/{P}/v4")]).ok();
    assert_eq!(world.field("packages.net.router.porch", "{.spec.revision}"), "4");
    ann.reset();
    ann.push(&format!("refs/tags/{P}/v4:refs/heads/deletionProposed/{P}/v4")).ok();
    world.clone("bob", "packages").push(&format!(":refs/tags/{P}/v4")).ok();
    assert!(!world.refs("packages").contains("deletionProposed"), "{}", world.refs("packages"));
    ann.package(P, "two");
    publish(&world, &ann, P, "w5");
    assert_eq!(world.field("packages.net.router.w5", "{.spec.revision}"), "5");
}

#[test]
fn a_revision_that_another_was_made_from_stays() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    copy(&ann, "net/copy");
    let marker = format!("refs/tags/{P}/v1:refs/heads/deletionProposed/{P}/v1");
    refused(&world, "referenced", "is referenced as upstream by: packages.net.copy.w1", || ann.push(&marker));
    ann.push(":refs/heads/drafts/net/copy/w1").ok();
    ann.push(&marker).ok();
}
