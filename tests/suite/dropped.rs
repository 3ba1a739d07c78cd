//! What was dropped can be restored for a while: by `stoop restore`, by git alone, whatever git collects meanwhile.
//!
//! Never here: dying in the middle of a drop (see `faults`).

use std::fs;

use crate::packages::Shelf;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, World};

fn restore(world: &World, args: &[&str]) -> Answer {
    let (root, config) = (world.root(), world.config());
    let place = ["--root", root.to_str().expect("text"), "--config", config.to_str().expect("text")];
    world.stoop(&[&["restore", "packages"], args, &place].concat())
}

fn days(world: &World) -> Vec<String> {
    let refs = world.on_disk("packages", &["for-each-ref", "--format=%(refname)", "refs/stoop/dropped"]).ok();
    refs.stdout.lines().map(str::to_owned).collect()
}

fn collect_garbage(world: &World) {
    world.on_disk("packages", &["reflog", "expire", "--expire=now", "--all"]).ok();
    world.on_disk("packages", &["gc", "-q", "--prune=now"]).ok();
}

#[test]
fn what_was_dropped_by_push_or_kubectl_comes_back_after_git_gc() {
    let mut shelf = Shelf::new();
    let draft = shelf.draft(P, "w1");
    shelf.ann.push(&format!(":refs/heads/drafts/{P}/w1")).ok();
    let proposal = shelf.propose(P, "w2");
    shelf.bob.push(&format!(":refs/heads/proposed/{P}/w2")).ok();
    shelf.draft(P, "w3");
    shelf.world.kubectl("ann", &["delete", "packagerevision", "packages.net.router.w3"]).ok();
    let world = &shelf.world;
    assert_eq!(days(world).len(), 1, "one ref a day: {:?}", days(world));
    settled_ledger(world);
    collect_garbage(world);
    let listed = restore(world, &["--list"]).ok().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].starts_with("packages.git: net/router w3: draft at "), "{listed}");
    assert!(lines[1].contains(&format!("net/router w2: proposal at {proposal} dropped by bob")), "{listed}");
    assert!(lines[2].contains(&format!("net/router w1: draft at {draft} dropped by ann")), "{listed}");

    restore(world, &[P, "w1", "--user", "rea"])
        .refused("rea may not save a draft of net/router w1 [not-allowed]".split(" [").next().expect("text"));
    restore(world, &[P, "w9", "--user", "art"]).refused("no dropped draft or proposal net/router w9 is kept");
    restore(world, &[P, "w1", "--user", "art"]).ok();
    assert_eq!(lifecycle(world, "w1"), "Draft");
    assert!(world.refs("packages").contains(&format!("refs/heads/drafts/{P}/w1 {draft}")));
    restore(world, &[P, "w1", "--user", "art"]).refused("net/router w1 is there, and is Draft");
    assert!(settled_ledger(world).contains(&format!("art: save {P} w1 at {draft} by art")));

    // Without a daemon, and by git alone.
    shelf.world.stop_daemon("TERM");
    restore(&shelf.world, &[P, "w2", "--user", "art"]).ok();
    shelf.world.start_daemon();
    let world = &shelf.world;
    assert_eq!(lifecycle(world, "w2"), "Draft");
    assert_eq!(restore(world, &["--list"]).ok().stdout.lines().count(), 1);
    let fresh = world.clone("art", "packages");
    fresh.git(&["fetch", "-q", "origin", "refs/stoop/dropped/*:refs/dropped/*"]).ok();
    let log = fresh.git(&["log", "-1", "--format=%s", "--grep=w3", "--glob=refs/dropped/*"]).ok().stdout;
    let commit = log.split_whitespace().nth(4).expect("drop-draft net/router w3 at <commit> by ann").to_owned();
    fresh.push(&format!("{commit}:refs/heads/drafts/{P}/w3")).ok();
    assert_eq!(lifecycle(world, "w3"), "Draft");
    assert_eq!(restore(world, &["--list"]).ok().stdout, "");
}

#[test]
fn a_drop_that_git_did_not_do_is_none() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    shelf.draft(P, "w1");
    let hook = world.bare("packages").join("hooks/update");
    fs::write(&hook, "#!/bin/sh\nexit 1\n").expect("written");
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    shelf.ann.push(&format!(":refs/heads/drafts/{P}/w1")).refused("hook declined");
    settled_ledger(world);
    assert_eq!(lifecycle(world, "w1"), "Draft");
    assert_eq!(restore(world, &["--list"]).ok().stdout, "");
}

#[test]
fn thousands_of_drops_are_one_ref_and_go_when_their_time_is_over() {
    let mut shelf = Shelf::new();
    shelf.draft(P, "w1");
    let names: Vec<String> = (0..300).map(|n| format!("refs/heads/drafts/{P}/n{n}")).collect();
    let push = |what: &str| {
        let specs: Vec<String> = names.iter().map(|name| format!("{what}:{name}")).collect();
        let args: Vec<&str> =
            ["push", "-q", "--atomic", "origin"].into_iter().chain(specs.iter().map(String::as_str)).collect();
        shelf.ann.git(&args).ok();
    };
    push("HEAD");
    push("");
    settled_ledger(&shelf.world);
    let world = &shelf.world;
    assert_eq!(days(world).len(), 1);
    assert_eq!(restore(world, &["--list"]).ok().stdout.lines().count(), 300);
    // Half a chain is a chain of an older day: the whole day goes when its time is over.
    let today = days(world).remove(0);
    let old = "refs/stoop/dropped/2020-02-02";
    world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "update-ref", old, &today]).ok();
    shelf.world.stop_daemon("TERM");
    shelf.world.configure("rescanSeconds: 1\n");
    shelf.world.start_daemon();
    crate::support::eventually("the old day is gone", || (days(&shelf.world) == [today.clone()]).then_some(()));
    shelf.world.fsck("packages").ok();
}
