//! Steps that many stories begin with: a package, its publication, and what the API says of it.
//!
//! Never here: anything that is itself the subject of a story.

use crate::support::{Workdir, World, eventually};

/// The package of most stories.
pub(crate) const P: &str = "net/router";

/// Publishes HEAD of a clone as a workspace's revision; the clone's user proposes, bob approves.
pub(crate) fn publish(world: &World, by: &Workdir, package: &str, workspace: &str) {
    let commit = by.head();
    by.propose(package, workspace).ok();
    approver(world, &commit).approve(&commit, package, workspace).ok();
}

/// Saves a draft `w1` of a package, whose commit says that it was made from the first revision of [`P`].
pub(crate) fn copy(by: &Workdir, package: &str) {
    by.package(package, "one");
    let upstream = "{\"upstreamRef\":{\"upstreamRef\":{\"name\":\"packages.net.router.w1\"}}}";
    let task = format!("{{\"type\":\"clone\",\"clone\":{upstream}}}");
    let line = format!("kpt:{{\"package\":\"{package}\",\"workspaceName\":\"w1\",\"revision\":\"0\",\"task\":{task}}}");
    by.git(&["commit", "-q", "--amend", "-m", &format!("a clone\n\n{line}")]).ok();
    by.draft(package, "w1").ok();
}

/// A clone of bob's that has a commit.
pub(crate) fn approver(world: &World, commit: &str) -> Workdir {
    let bob = world.clone("bob", "packages");
    bob.git(&["fetch", "-q", "origin", commit]).ok();
    bob
}

/// The lifecycle of a workspace of the package [`P`]; empty when there is none.
pub(crate) fn lifecycle(world: &World, workspace: &str) -> String {
    world.field(&format!("packages.net.router.{workspace}"), "{.spec.lifecycle}")
}

/// The ledger's log, newest first, one line `author: subject` a commit, once no entry in it has an intent any more.
#[track_caller]
pub(crate) fn settled_ledger(world: &World) -> String {
    eventually("every intent is finished or dropped", || {
        let left = world.on_disk("packages", &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]);
        left.stdout.is_empty().then_some(())
    });
    world.on_disk("packages", &["log", "--format=%an: %s", "refs/stoop/ledger"]).ok().stdout
}
