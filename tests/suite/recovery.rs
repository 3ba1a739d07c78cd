//! What is lost or damaged between two runs of the daemon: its cache, refs that should not be there, an entry of the ledger.
//!
//! Never here: dying in the middle of a transition (see `crash`).

use std::fs;

use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{World, eventually, git_command, run};

#[test]
fn the_cache_may_be_deleted_and_versions_never_go_back() {
    let mut world = World::with_repository();
    let amy = world.clone("amy", "packages");
    for package in ["a", "b/c", P] {
        amy.reset();
        let commit = amy.package(package, "one");
        amy.propose(package, "w1").ok();
        amy.approve(&commit, package, "w1").ok();
        amy.reset();
        amy.package(package, "two");
        amy.draft(package, "w2").ok();
    }
    amy.push("HEAD:refs/heads/proposed/net/router/w3").ok();
    amy.push("refs/tags/a/v1:refs/heads/deletionProposed/a/v1").ok();
    let label = ["label", "packagerevision", "packages.b.c.w1", "tier=edge"];
    world.kubectl("admin", &label).ok();
    let list = |world: &World| world.kubectl("admin", &["get", "packagerevisions", "-A", "-o", "json"]).ok().stdout;
    let contents = |world: &World| {
        let version = "-o=jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
        world.kubectl("admin", &["get", "packagerevisionresources", "-A", version]).ok().stdout
    };
    let version = |world: &World| -> u64 {
        let raw =
            world.kubectl("admin", &["get", "--raw", "/apis/porch.kpt.dev/v1alpha1/packagerevisions?limit=1"]).ok();
        let list: serde_json::Value = serde_json::from_str(&raw.stdout).expect("JSON");
        list["metadata"]["resourceVersion"].as_str().expect("text").parse().expect("a number")
    };
    let (before, before_contents, mut newest) = (list(&world), contents(&world), version(&world));
    for (signal, without_cache) in [("TERM", false), ("TERM", true), ("KILL", false), ("KILL", true)] {
        world.stop_daemon(signal);
        if without_cache {
            fs::remove_dir_all(world.state().join("cache")).expect("the cache is removed");
        }
        world.start_daemon();
        assert_eq!(list(&world), before, "after {signal}, without cache: {without_cache}");
        assert_eq!(contents(&world), before_contents, "after {signal}, without cache: {without_cache}");
        assert!(version(&world) >= newest, "the list's version went back");
        newest = version(&world);
    }
    world.kubectl("admin", &["label", "packagerevision", "packages.b.c.w1", "tier=core", "--overwrite"]).ok();
    assert!(version(&world) > newest);
    let labelled: u64 = world.field("packages.b.c.w1", "{.metadata.resourceVersion}").parse().expect("a number");
    assert!(labelled > newest, "a new change is newer than everything before");
}

#[test]
fn refs_that_decide_do_not_stay_and_do_not_count_without_a_decision() {
    let mut world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let leave = |world: &World| {
        for name in ["refs/approve/net/router/w1", "refs/reject/net/router/w1", "refs/approve/x"] {
            world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "update-ref", name, &commit]).ok();
        }
    };
    let gone = |world: &World| {
        eventually("the leftovers are removed", || {
            let refs = world.refs("packages");
            (!refs.contains("refs/approve") && !refs.contains("refs/reject")).then_some(())
        });
        assert_eq!(lifecycle(world, "w1"), "Proposed");
    };
    leave(&world);
    gone(&world);
    world.stop_daemon("TERM");
    leave(&world);
    world.start_daemon();
    gone(&world);
}

#[test]
fn a_damaged_ledger_entry_costs_only_what_was_in_it() {
    let mut world = World::with_repository();
    let amy = world.clone("amy", "packages");
    for workspace in ["w1", "w2"] {
        amy.reset();
        let commit = amy.package(P, workspace);
        amy.propose(P, workspace).ok();
        amy.approve(&commit, P, workspace).ok();
    }
    world.kubectl("admin", &["label", "packagerevision", "packages.net.router.w2", "tier=edge"]).ok();
    world.stop_daemon("TERM");
    let bare = world.bare("packages");
    let plumb = |args: &[&str]| {
        run(git_command(&bare).env("GIT_INDEX_FILE", world.path().join("index")).args(args)).ok().text().to_owned()
    };
    let entry = plumb(&["grep", "-l", "\"workspace\": \"w1\"", "refs/stoop/ledger"]);
    let entry = entry.split_once(':').expect("a path").1.to_owned();
    plumb(&["read-tree", "refs/stoop/ledger"]);
    let soup = world.path().join("soup");
    fs::write(&soup, "{ soup").expect("written");
    let blob = plumb(&["hash-object", "-w", soup.to_str().expect("text")]);
    plumb(&["update-index", "--cacheinfo", &format!("100644,{blob},{entry}")]);
    let tree = plumb(&["write-tree"]);
    let commit = plumb(&[
        "-c",
        "user.name=x",
        "-c",
        "user.email=x",
        "commit-tree",
        "-p",
        "refs/stoop/ledger",
        "-m",
        "damage",
        &tree,
    ]);
    plumb(&["-c", "core.hooksPath=/dev/null", "update-ref", "refs/stoop/ledger", &commit]);
    world.start_daemon();
    assert_eq!((lifecycle(&world, "w1"), lifecycle(&world, "w2")), ("Published".into(), "Published".into()));
    assert_eq!(world.field("packages.net.router.w2", "{.metadata.labels.tier}"), "edge");
    assert!(world.log().contains("a ledger entry cannot be read"), "the administrator is told");
    amy.git(&["remote", "set-url", "origin", &world.url("amy", "packages")]).ok();
    amy.reset();
    amy.push(&format!("refs/tags/{P}/v1:refs/heads/deletionProposed/{P}/v1")).ok();
    amy.push(&format!(":refs/tags/{P}/v1")).ok();
    assert_eq!(lifecycle(&world, "w1"), "");
    settled_ledger(&world);
}
