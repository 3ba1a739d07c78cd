//! `stoop policy check` and `stoop policy why`: the answers are those of the doors.

use super::*;

#[test]
fn a_file_is_checked_with_its_line() {
    let world = World::without_daemon();
    let file = world.path().join("policy.yaml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("written");
        world.stoop(&["policy", "check", "policy.yaml"])
    };
    let told = check("serial: 3\ngroups: {leads: [ann]}\nrules:\n- fourEyes: true\n").ok();
    assert_eq!(told.stdout, "policy.yaml: good, serial 3, 1 rule\n");
    check("serial: 3\nrules:\n- approvals: 0\n").refused("policy.yaml:3:14: approvals is 0");
}

#[test]
fn why_says_what_the_doors_say() {
    let shelf = under("rules:\n- name: all\n  fourEyes: true\n  approvals: 2\n");
    let world = &shelf.world;
    let why = |more: &[&str]| world.stoop(&[&["policy", "why", "--config", "config.yaml"], more].concat());
    let told = why(&["bob", "approve", P]).ok();
    assert!(told.stdout.starts_with("depends: bob may approve net/router"), "{}", told.stdout);
    let told = why(&["rea", "approve", P]).ok();
    assert!(told.stdout.starts_with("no: rea may not approve net/router"), "{}", told.stdout);

    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    let state = ["--root", "root", "--repository", "packages", "--workspace", "w1"];
    let with = |user: &str| why(&[&[user, "approve", P], &state[..]].concat()).ok();
    let told = with("amy");
    assert!(
        told.stdout.starts_with("no: amy may not approve net/router w1: the same user proposed it"),
        "{}",
        told.stdout
    );
    let told = with("bob");
    assert!(told.stdout.starts_with("yes: bob may approve net/router w1, as approval 1 of 2"), "{}", told.stdout);
    clone_with(world, "bob", &commit).approve(&commit, P, "w1").ok();
    eventually("the approval is written down", || with("bob").stdout.contains("already").then_some(()));
    let told = with("ada");
    assert!(told.stdout.starts_with("yes: ada may approve net/router w1\n"), "{}", told.stdout);
    let told = why(&[&["amy", "approve", P, "--json"], &state[..]].concat()).ok();
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!((told["answer"].as_str(), told["code"].as_str()), (Some("no"), Some("four-eyes")));
    why(&["bob", "aprove", P]).refused("verb");
    why(&["bob", "approve", "../x"]).refused("package path");
}
