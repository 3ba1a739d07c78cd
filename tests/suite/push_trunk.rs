//! Pushes to the registered branch that approve nothing: the setting `trunk` by each of its values, deletions on the branch,
//! and the branch created, deleted and moved back.
//!
//! Never here: moves that approve proposals (see `push_merges`).

use crate::packages::Shelf;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, Workdir, World, eventually};
use crate::untouched::refused;

fn world(trunk: &str) -> World {
    let mut world = World::without_daemon();
    world.configure(&format!("repositories:\n- path: packages\n  trunk: {trunk}\n"));
    world.start_daemon();
    world.create_repository("packages");
    world
}

/// What plain git says of a tag: the message of its commit, and that of the commit below.
fn tagged(world: &World, tag: &str) -> String {
    world.on_disk("packages", &["log", "--first-parent", "-2", "--format=%B", tag]).ok().stdout
}

fn line(package: &str, workspace: &str, number: u32) -> String {
    format!(
        "Approving package revision {package}/{number}\n\nkpt:{{\"package\":\"{package}\",\"workspaceName\":\"{workspace}\",\"revision\":\"{number}\"}}"
    )
}

/// Pushes HEAD to the branch, and takes over what Stoop put on top.
fn push(by: &Workdir) -> Answer {
    let answer = by.push("HEAD:main");
    if answer.code == 0 {
        by.reset();
    }
    answer
}

/// Removes a package in a clone that stands on the branch.
fn remove(by: &Workdir, package: &str) {
    by.reset();
    by.git(&["rm", "-rq", package]).ok();
    by.commit("away with it");
}

#[test]
fn published_straight_from_the_branch() {
    let world = world("publish");
    let amy = world.clone("amy", "packages");
    amy.package(P, "one");
    amy.package("net/dns", "one");
    amy.write("README.md", "and what is no package\n");
    let pushed = amy.commit("two packages at once");
    let answer = push(&amy).ok();
    assert!(answer.stderr.contains("net/router v1: published as v1 at"), "{}", answer.stderr);
    for package in [P, "net/dns"] {
        assert!(tagged(&world, &format!("{package}/v1")).starts_with(&line(package, "v1", 1)), "{package}");
        let tree = |rev: &str| world.on_disk("packages", &["rev-parse", &format!("{rev}^{{tree}}")]).ok().stdout;
        assert_eq!(tree(&format!("{package}/v1")), tree(&pushed));
    }
    world.on_disk("packages", &["merge-base", "--is-ancestor", &pushed, "main"]).ok();
    assert_eq!(world.field("packages.net.dns.v1", "{.spec.lifecycle} {.status.publishedBy}"), "Published amy");

    // The next push publishes what it changes, and nothing else.
    amy.package(P, "two");
    push(&amy).ok();
    assert_eq!(world.field("packages.net.router.v2", "{.spec.revision}"), "2");
    assert_eq!(world.field("packages.net.dns.v1", "{.metadata.labels.kpt\\.dev/latest-revision}"), "true");
    // A number is not used again, and a workspace that somebody chose is not taken.
    amy.package(P, "a draft with an unlucky name");
    amy.draft(P, "v3").ok();
    amy.reset();
    amy.package(P, "three");
    push(&amy).ok();
    assert_eq!(world.field("packages.net.router.v3-2", "{.spec.revision}"), "3");
    assert_eq!(lifecycle(&world, "v3"), "Draft");
    let log = settled_ledger(&world);
    assert_eq!(log.matches(&format!("amy: publish {P} v3-2 as v3 at ")).count(), 1, "{log}");
}

#[test]
fn publishing_from_the_branch_keeps_every_rule() {
    let world = world("publish");
    let (ann, bob, amy) =
        (world.clone("ann", "packages"), world.clone("bob", "packages"), world.clone("amy", "packages"));
    amy.package(P, "one");
    push(&amy).ok();
    for by in [&ann, &bob] {
        by.reset();
        by.package(P, "two");
        refused(
            &world,
            "not-allowed",
            "may not publish net/router v2: this needs the roles author and approver",
            || by.push("HEAD:main"),
        );
    }
    let fresh = || {
        amy.reset();
        amy.git(&["clean", "-qfdx"]).ok();
    };
    amy.package("net/router/inside", "a part of a package is no package of its own");
    push(&amy).ok();
    amy.package("net", "around");
    refused(&world, "nested-package", "package net would lie around package net/router", || push(&amy));
    fresh();
    amy.write("net/router/Kptfile", "a: [b");
    amy.commit("broken");
    refused(&world, "bad-kptfile", "net/router/Kptfile cannot be read", || push(&amy));
    fresh();
    let gate = "info:\n  readinessGates:\n  - conditionType: reviewed\n";
    amy.write("net/router/Kptfile", &(crate::support::kptfile(P) + gate));
    amy.commit("gated");
    refused(&world, "not-ready", "does not meet its readiness gates: reviewed", || push(&amy));
    fresh();
    amy.package(P, "three");
    amy.git(&["commit", "-q", "--amend", "-m", &line(P, "v3", 3)]).ok();
    refused(&world, "forged-annotation", "carries a kpt: line", || push(&amy));
    fresh();
    amy.push("HEAD:refs/tags/other").ok();
    amy.package("other/thing", "one");
    refused(&world, "ref-conflict", "cannot be made beside refs/tags/other", || push(&amy));
    // What one push does to two packages it does to both or to none.
    fresh();
    amy.package(P, "three");
    amy.write("net/dns/Kptfile", "a: [b");
    amy.commit("one good, one not");
    refused(&world, "bad-kptfile", "net/dns/Kptfile cannot be read", || push(&amy));
    // A proposal's own content is that proposal's approval, and another package may come along.
    fresh();
    let proposal = amy.package(P, "proposed");
    amy.propose(P, "w1").ok();
    amy.git(&["reset", "-q", "--hard", &proposal]).ok();
    amy.package("net/dns", "one");
    push(&amy).ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.revision}"), "3");
    assert_eq!(world.field("packages.net.dns.v1", "{.spec.revision}"), "1");
    let both = world.on_disk("packages", &["log", "--format=%s", "-2", "main"]).ok();
    assert_eq!(both.stdout.matches("Approving package revision").count(), 2, "{}", both.stdout);
}

#[test]
fn let_pass_and_published_by_nobody() {
    let world = world("allow");
    let (ann, bob) = (world.clone("ann", "packages"), world.clone("bob", "packages"));
    ann.package(P, "one");
    let answer = push(&ann).ok();
    assert!(answer.stderr.contains("net/router: changed on main; no revision is published"), "{}", answer.stderr);
    let pushed = ann.head();
    assert_eq!(world.on_disk("packages", &["rev-parse", "main"]).ok().text(), pushed, "nothing comes on top");
    assert_eq!(lifecycle(&world, "main"), "Published");
    assert!(!world.refs("packages").contains("refs/tags/"));
    eventually("it is in the ledger as begun and as done", || {
        let note = format!("allow refs/heads/main at {pushed} by ann: {P}");
        (settled_ledger(&world).matches(&note).count() == 2).then_some(())
    });

    bob.reset();
    bob.package(P, "two");
    refused(&world, "not-allowed", "bob may not push to main: this needs the role author", || push(&bob));
    // A proposal from before must be rebased; a proposal's own content is its approval, also here.
    let stale = ann.package(P, "two");
    ann.propose(P, "w1").ok();
    refused(&world, "not-allowed", "ann may not approve net/router w1", || ann.push(&format!("{stale}:main")));
    ann.package(P, "three");
    push(&ann).ok();
    bob.git(&["fetch", "-q", "origin", &stale]).ok();
    refused(&world, "stale-base", "approving it would undo that change", || bob.approve(&stale, P, "w1"));
    // It still may not be moved back, nor speak for a revision.
    refused(&world, "branch-guarded", "moved back or aside", || ann.push("+HEAD~1:main"));
    ann.package(P, "four");
    ann.git(&["commit", "-q", "--amend", "-m", &line(P, "w9", 9)]).ok();
    refused(&world, "forged-annotation", "carries a kpt: line", || push(&ann));
    remove(&ann, P);
    push(&ann).ok();
    assert_eq!(lifecycle(&world, "main"), "");
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
}

#[test]
fn a_package_is_removed_from_the_branch_when_that_is_proposed() {
    for trunk in ["refuse", "publish"] {
        let shelf = Shelf::of(world(trunk));
        shelf.publish(P, "w1");
        let (ann, bob) = (&shelf.ann, &shelf.bob);
        remove(bob, P);
        let answer =
            refused(&shelf.world, "branch-guarded", "whose deletion is not proposed", || bob.push("HEAD:main"));
        let printed = answer.stderr.lines().find_map(|line| line.split_once("propose it first: git push origin "));
        ann.reset();
        ann.push(printed.expect("a command").1.trim()).ok();
        assert_eq!(lifecycle(&shelf.world, "main"), "DeletionProposed");
        remove(ann, P);
        refused(
            &shelf.world,
            "not-allowed",
            "ann may not delete net/router main: this needs the role approver",
            || ann.push("HEAD:main"),
        );
        let answer = bob.push("HEAD:main").ok();
        assert!(answer.stderr.contains("net/router main: main deleted"), "{}", answer.stderr);
        assert_eq!(
            (lifecycle(&shelf.world, "main").as_str(), lifecycle(&shelf.world, "w1").as_str()),
            ("", "Published")
        );
        let refs = shelf.world.refs("packages");
        assert!(
            !refs.contains("deletionProposed/") && refs.contains(&format!("refs/heads/main {}", bob.head())),
            "{refs}"
        );
        let log = settled_ledger(&shelf.world);
        assert_eq!(log.matches(&format!("bob: delete {P} main at ")).count(), 1, "{log}");
    }
}

#[test]
fn the_setting_may_change_while_the_daemon_runs() {
    let world = world("refuse");
    let amy = world.clone("amy", "packages");
    amy.package(P, "one");
    refused(&world, "branch-guarded", "without an approval", || amy.push("HEAD:main"));
    world.configure("repositories:\n- path: packages\n  trunk: publish\n");
    world.signal("HUP");
    eventually("the setting is taken over", || (amy.push("HEAD:main").code == 0).then_some(()));
    assert_eq!(lifecycle(&world, "v1"), "Published");
    world.configure("repositories:\n- path: packages\n  trunk: sometimes\n");
    let config = world.config();
    world.stoop(&["config", "check", config.to_str().expect("text")]).refused("unknown variant `sometimes`");
}

#[test]
fn the_registered_branch_is_created_by_its_setting_and_never_deleted() {
    for (trunk, user, wanted) in [
        ("refuse", "amy", "[branch-guarded]"),
        ("publish", "ann", "[not-allowed]"),
        ("publish", "amy", ""),
        ("allow", "ann", ""),
    ] {
        let mut world = World::without_daemon();
        world.configure(&format!("repositories:\n- path: packages\n  branch: trunk\n  trunk: {trunk}\n"));
        world.start_daemon();
        world.create_repository("packages");
        let by = world.clone(user, "packages");
        by.package(P, "one");
        let answer = by.push("HEAD:trunk");
        if !wanted.is_empty() {
            answer.refused(wanted);
            by.git(&["reset", "-q", "--hard", "origin/main"]).ok();
            // Without a package it is an ordinary branch.
            by.push("HEAD:trunk").ok();
            continue;
        }
        answer.ok();
        let published = world.refs("packages").contains(&format!("refs/tags/{P}/v1"));
        assert_eq!((published, lifecycle(&world, "trunk").as_str()), (trunk == "publish", "Published"), "{trunk}");
        refused(&world, "branch-guarded", "holds the packages", || by.push(":trunk"));
        let back = by.git(&["push", "--force", "origin", "origin/main:trunk"]);
        back.refused("moved back or aside");
    }
}
