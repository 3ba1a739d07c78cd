//! Who may: every rule of the policy and its refusal, through real git and real kubectl. One file a rule.
//!
//! Never here: roles that the configuration gives (see the stories of the doors), and the rules as pure functions (see
//! `src/domain/policy`).

use std::os::unix::fs::PermissionsExt;

use crate::packages::Shelf;
use crate::support::{Answer, Workdir, World, eventually};

mod approvals;
mod asked;
mod branch_moves;
mod break_glass;
mod four_eyes;
mod freeze;
mod gates;
mod report_only;
mod reserved;
mod serial;
mod unbound;

/// The package of these stories, and the object of its first workspace.
const P: &str = "net/router";
const W1: &str = "packages.net.router.w1";

/// Writes the policy with a serial and its rules, and has the configuration name it.
fn write(world: &World, serial: u64, rules: &str) {
    std::fs::write(world.path().join("policy.yaml"), format!("serial: {serial}\n{rules}")).expect("written");
    world.configure("policy: policy.yaml\n");
}

/// A world under a policy, and a shelf in it.
fn under(rules: &str) -> Shelf {
    let mut world = World::without_daemon();
    write(&world, 1, rules);
    world.start_daemon();
    world.create_repository("packages");
    Shelf::of(world)
}

/// The same where another program owns `proc-receive`.
fn under_with_foreign_proc_receive(rules: &str) -> Shelf {
    let mut world = World::without_daemon();
    write(&world, 1, rules);
    world.create_repository("packages");
    let theirs = world.bare("packages").join("hooks/proc-receive");
    std::fs::create_dir_all(theirs.parent().expect("hooks")).expect("made");
    std::fs::write(&theirs, "#!/bin/sh\nexit 1\n").expect("written");
    std::fs::set_permissions(&theirs, PermissionsExt::from_mode(0o755)).expect("set");
    world.start_daemon();
    world.wait_for_repository("packages");
    Shelf::of(world)
}

/// Puts another policy into force, and waits until it is.
fn change(world: &World, serial: u64, rules: &str) {
    write(world, serial, rules);
    reload(world, &format!("serial={serial}"));
}

/// Has the daemon read its files again, and waits until its log says `told` once more than before.
fn reload(world: &World, told: &str) {
    let times = |text: &str| text.matches(told).count();
    let before = times(&world.log());
    world.signal("HUP");
    eventually(&format!("the log says {told}"), || (times(&world.log()) > before).then_some(()));
}

/// A clone of a user's that has a commit.
fn clone_with(world: &World, user: &str, commit: &str) -> Workdir {
    let clone = world.clone(user, "packages");
    clone.git(&["fetch", "-q", "origin", commit]).ok();
    clone
}

/// Approves by push, as a user, with more arguments for `git push`.
fn approve_with(clone: &Workdir, more: &[&str], commit: &str, workspace: &str) -> Answer {
    let refspec = format!("{commit}:refs/approve/{P}/{workspace}");
    clone.git(&[&["push"], more, &["origin", &refspec]].concat())
}

/// Patches an object by kubectl.
fn patch(world: &World, user: &str, name: &str, patch: &str, more: &[&str]) -> Answer {
    world.kubectl(user, &[&["patch", "packagerevision", name, "--type=merge", "-p", patch], more].concat())
}

const PUBLISH: &str = r#"{"spec":{"lifecycle":"Published"}}"#;

/// Approves by kubectl through the `approval` subresource: reads the object, changes it, puts it. It names the version.
fn approve_by_subresource(world: &World, user: &str, name: &str, query: &str) -> Answer {
    let path = format!("/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/{name}");
    let object = world.kubectl(user, &["get", "--raw", &path]).ok();
    let mut object: serde_json::Value = serde_json::from_str(&object.stdout).expect("JSON");
    object["spec"]["lifecycle"] = "Published".into();
    let file = world.path().join(format!("approval-{user}.json"));
    std::fs::write(&file, object.to_string()).expect("written");
    let path = format!("{path}/approval{query}");
    world.kubectl(user, &["replace", "--raw", &path, "-f", file.to_str().expect("text")])
}

/// Waits until the ledger holds the version of an object that an approval, as one of several, has changed; that is written
/// after the answer.
fn version_recorded(world: &World) {
    eventually("the object's version is recorded", || {
        let last = world.on_disk("packages", &["log", "-1", "--format=%s", "refs/stoop/ledger"]).ok();
        (last.stdout.trim_end() == "Record what was found").then_some(())
    });
}

/// The lifecycle of an object.
fn lifecycle(world: &World, name: &str) -> String {
    world.field(name, "{.spec.lifecycle}")
}

/// The value of a metric line, as the daemon tells it; 0 when it is not there.
fn metric(world: &World, line: &str) -> u64 {
    let text = world.kubectl("admin", &["get", "--raw", "/metrics"]).ok().stdout;
    text.lines().find_map(|told| told.strip_prefix(line)?.trim().parse().ok()).unwrap_or(0)
}
