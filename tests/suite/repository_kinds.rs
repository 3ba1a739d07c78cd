//! Repositories of every kind: empty ones, SHA-256, packages below a directory, nested paths.
//!
//! Never here: several Repositories over one bare repository (see `shared_repository`), and clients of every kind (see
//! `client_kinds`).

use serde_json::Value;

use crate::packages::Shelf;
use crate::steps::{P, settled_ledger};
use crate::support::{Answer, Workdir, World, eventually, run};
use crate::untouched::refused;

fn set(world: &World, user: &str, name: &str, lifecycle: &str) -> Answer {
    let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
    world.kubectl(user, &["patch", "packagerevision", name, "--type=merge", "-p", &patch])
}

/// Runs a command that a refusal printed, in a clone.
fn as_told(clone: &Workdir, command: &str) -> Answer {
    let mut shell = std::process::Command::new("sh");
    run(shell.args(["-ec", command]).current_dir(clone.path()).env("HOME", clone.path()))
}

#[test]
fn an_empty_repository_begins_with_its_branch() {
    let world = World::start();
    let bare = world.bare("packages");
    run(std::process::Command::new("git").args(["init", "-q", "--bare", "-b", "trunk"]).arg(&bare)).ok();
    world.wait_for_repository("packages");
    let shown = world.kubectl("rea", &["get", "repository", "packages", "-o=jsonpath={.spec.git.branch}"]).ok();
    assert_eq!(shown.text(), "trunk", "HEAD is not born yet, and says already what will be");
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");

    // Neither a draft nor a package on the branch can be first; the refusal says what can.
    let no_draft =
        refused(&world, "ref-conflict", "the registered branch trunk does not exist yet", || ann.draft(P, "w1"));
    refused(&world, "ref-conflict", "does not exist yet", || ann.propose(P, "w1"));
    refused(&world, "branch-guarded", "changes package net/router", || ann.push("HEAD:trunk"));
    refused(&world, "not-found", "there is no proposal", || ann.approve("HEAD", P, "w1"));
    let told = no_draft.stderr.split_once("with an empty commit: ").expect("a command").1;
    as_told(&ann, told.lines().next().expect("a line").trim()).ok();

    // The draft was made when there was nothing to make it from; it is a draft and a proposal as any other.
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    let bob = world.clone("bob", "packages");
    let commit = ann.head();
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    bob.approve(&commit, P, "w1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.revision}"), "1");
    assert_eq!(world.field("packages.net.router.trunk", "{.spec.lifecycle}"), "Published");
    let files = world.on_disk("packages", &["ls-tree", "-r", "--name-only", "trunk"]).ok();
    assert_eq!(files.text(), "net/router/Kptfile\nnet/router/config.yaml");
}

#[test]
fn a_repository_without_a_package_is_an_ordinary_one() {
    let world = World::start();
    let bare = world.bare("packages");
    run(std::process::Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&bare)).ok();
    world.wait_for_repository("packages");
    // By default git keeps the branch that HEAD names, whatever it holds.
    world.on_disk("packages", &["config", "receive.denyDeleteCurrent", "ignore"]).ok();
    let ann = world.clone("ann", "packages");
    ann.write("README.md", "one\n");
    ann.commit("one");
    ann.push("HEAD:main").ok();
    ann.git(&["commit", "-q", "--amend", "-m", "another one"]).ok();
    ann.push("+HEAD:main").ok();
    ann.push(":main").ok();
    ann.push("HEAD:feature").ok();
    assert_eq!(world.refs("packages").lines().count(), 1);
    // Its branch may come back, and another be in its place in HEAD.
    world.on_disk("packages", &["symbolic-ref", "HEAD", "refs/heads/feature"]).ok();
    eventually("HEAD's branch is the registered one", || {
        let shown = world.kubectl("rea", &["get", "repository", "packages", "-o=jsonpath={.spec.git.branch}"]).ok();
        (shown.text() == "feature").then_some(())
    });
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    refused(&world, "branch-guarded", "holds the packages", || ann.push(":feature"));
}

/// What the API shows of every package revision, but for what a restart may renew.
fn shown(world: &World) -> Value {
    let answer = world.kubectl("admin", &["get", "packagerevisions,packagerevisionresources", "-o", "json"]).ok();
    let list: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    list["items"].clone()
}

#[test]
fn a_sha_256_repository_goes_the_whole_way_by_both_doors() {
    let world = World::start();
    let root = world.root();
    let root = root.to_str().expect("text");
    world.stoop(&["repo", "create", "packages", "--root", root, "--object-format", "sha256"]).ok();
    world.wait_for_repository("packages");
    let shelf = Shelf::of(world);
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);

    // By push, through proc-receive.
    let first = shelf.draft(P, "w1");
    assert_eq!(first.len(), 64);
    ann.propose(P, "w1").ok();
    bob.git(&["fetch", "-q", "origin", &first]).ok();
    refused(world, "stale", "not at", || bob.approve("main", P, "w1"));
    bob.approve(&first, P, "w1").ok();
    // By the API, and the other way round.
    shelf.draft(P, "w2");
    set(world, "ann", "packages.net.router.w2", "Proposed").ok();
    set(world, "bob", "packages.net.router.w2", "Published").ok();
    set(world, "ann", "packages.net.router.w1", "DeletionProposed").ok();
    bob.push(&format!(":refs/tags/{P}/v1")).ok();
    // Rejected, dropped, forced over, and left.
    shelf.propose("net/dns", "w1");
    set(world, "bob", "packages.net.dns.w1", "Draft").ok();
    ann.push(":refs/heads/drafts/net/dns/w1").ok();
    shelf.draft("net/dns", "w2");
    shelf.draft("net/dns", "w2");
    refused(world, "immutable", "would publish", || ann.push("HEAD~1:refs/tags/net/router/v9"));
    refused(world, "branch-guarded", "changes package net/dns", || ann.push("HEAD:main"));
    ann.push("HEAD:refs/heads/feature").ok();
    ann.push(":refs/heads/feature").ok();
    world.on_disk("packages", &["gc", "-q", "--prune=now"]).ok();

    assert_eq!(shelf.names(&[]), "packages.net.dns.w2 packages.net.router.main packages.net.router.w2");
    let lock = world.field("packages.net.router.w2", "{.status.selfLock.git.commit}");
    assert_eq!(lock, world.on_disk("packages", &["rev-parse", "net/router/v2"]).ok().text());
    let log = settled_ledger(world);
    for deed in ["bob: approve net/router w1 as v1", "bob: approve net/router w2 as v2", "bob: delete net/router w1"] {
        assert!(log.contains(deed), "{deed}: {log}");
    }
    let before = shown(world);
    let mut world = shelf.world;
    let cache = world.state().join("cache");
    for lost in [false, true] {
        world.stop_daemon("TERM");
        if lost {
            std::fs::remove_dir_all(&cache).expect("removed");
        }
        world.start_daemon();
        assert_eq!(shown(&world), before, "after a restart, the cache lost: {lost}");
    }
    // Where the daemon does not run, the stub decides by itself.
    world.stop_daemon("TERM");
    let (bare, clone) = (world.bare("packages"), &shelf.ann);
    let disk = |refspec: &str| clone.git(&["push", bare.to_str().expect("text"), refspec]);
    disk("HEAD:refs/heads/drafts/net/dns/w3").refused("Stoop is not running");
    disk(&format!("HEAD:refs/tags/{P}/v3")).refused("Stoop is not running");
    disk("HEAD:refs/heads/feature").ok();
    world.on_disk("packages", &["fsck", "--strict", "--no-dangling"]).ok();
}

#[test]
fn names_in_the_api_leave_out_the_directory_and_what_lies_outside_is_left_alone() {
    let mut world = World::without_daemon();
    world.create_repository("packages");
    // Before Stoop came: refs and a package outside the directory, and one inside.
    let bare = world.bare("packages");
    let outside = ["drafts/other/web/w1", "proposed/other/web/w2", "deletionProposed/other/web/v1"];
    for branch in outside {
        world.on_disk("packages", &["branch", branch, "main"]).ok();
    }
    world.configure("repositories:\n- path: packages\n  directory: blue/prints\n");
    world.start_daemon();
    world.wait_for_repository("packages");
    let shelf = Shelf::of(world);
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);
    ann.package("other/web", "one");
    ann.push("HEAD:main").ok();
    ann.push("HEAD:refs/tags/other/web/v1").ok();
    ann.push("+HEAD~1:refs/tags/other/web/v1").ok();

    let first = shelf.propose("blue/prints/net/edge/router", "w1");
    set(world, "bob", "packages.net.edge.router.w1", "Published").ok();
    shelf.draft("blue/prints/net/edge/router", "w2");
    set(world, "ann", "packages.net.edge.router.w2", "Proposed").ok();
    bob.git(&["fetch", "-q", "origin", "proposed/blue/prints/net/edge/router/w2"]).ok();
    bob.approve("FETCH_HEAD", "blue/prints/net/edge/router", "w2").ok();
    let name = "packages.net.edge.router.w1";
    let fields = "{.spec.packageName} {.spec.revision} {.status.selfLock.git.directory} {.status.selfLock.git.ref}";
    assert_eq!(
        world.field(name, fields),
        "net/edge/router 1 blue/prints/net/edge/router blue/prints/net/edge/router/v1"
    );
    let merged = world.on_disk("packages", &["rev-parse", "blue/prints/net/edge/router/v1^2"]).ok();
    assert_eq!(merged.text(), first);
    assert_eq!(shelf.names(&[]), format!("packages.net.edge.router.main {name} packages.net.edge.router.w2"));

    // The directory itself can be no package: there is no name for it.
    ann.reset();
    ann.write("blue/prints/Kptfile", &crate::support::kptfile("prints"));
    ann.commit("the directory as a package");
    refused(world, "bad-name", "", || ann.draft("blue/prints", "w1"));
    refused(world, "bad-name", "lies outside the directory", || ann.draft("blue/printsx/web", "w1"));
    refused(world, "bad-name", "lies outside the directory", || ann.push(":refs/heads/drafts/other/web/w1"));
    let refs = world.refs("packages");
    assert!(outside.iter().all(|name| refs.contains(&format!("refs/heads/{name} "))), "left alone: {refs}");
    set(world, "ann", name, "DeletionProposed").ok();
    world.kubectl("bob", &["delete", "packagerevision", name]).ok();
    assert!(!world.refs("packages").contains("router/v1"));
    assert!(bare.join("refs/heads/drafts/other/web/w1").exists() || world.refs("packages").contains("other/web/w1"));
}
