//! A machine that fails the daemon: a full disk, a repository that cannot be written, a clock that jumps.
//!
//! Never here: a daemon that dies (see `crash`), a cache of random bytes (see `operation`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::steady::{Steady, serves};
use crate::packages::Shelf;
use crate::steps::{P, lifecycle};
use crate::support::{World, run};

/// Starts the daemon so that a write beyond its limit is an error instead of its end, and permission bits hold for root too.
const BOUND: &str = "trap '' XFSZ; [ \"$(id -u)\" != 0 ] && exec \"$@\"; \
                     exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"";

/// A shelf whose daemon is bound by limits and permissions: something is published, a proposal of this commit waits for an
/// approver who has it, and an author has a draft to push.
fn at_work() -> (Shelf, String) {
    let mut world = World::without_daemon();
    world.start_daemon_through(BOUND);
    world.create_repository("packages");
    let shelf = Shelf::of(world);
    shelf.publish("net/switch", "w1");
    let proposal = shelf.propose(P, "w1");
    shelf.bob.git(&["fetch", "-q", "origin", &proposal]).ok();
    shelf.ann.reset();
    shelf.ann.package("net/dns", "one");
    (shelf, proposal)
}

/// Lets the daemon, and what it starts, write no more than so many bytes into a file.
fn limit(world: &World, bytes: &str) {
    let pid = world.ready().pid.to_string();
    run(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])).ok();
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let (mut shelf, proposal) = at_work();
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);
    let steady = Steady::now(world);
    let patch = r#"{"spec":{"lifecycle":"Published"}}"#;
    for bytes in ["0", "40"] {
        limit(world, bytes);
        let push = ann.draft("net/dns", "w1");
        assert_ne!(push.code, 0, "{bytes}: {}", push.stderr);
        let approve = bob.approve(&proposal, P, "w1");
        assert_ne!(approve.code, 0, "{bytes}: {}", approve.stderr);
        let args = ["patch", "packagerevision", "packages.net.router.w1", "--type=merge", "-p", patch];
        let approve = world.kubectl("bob", &args);
        assert_ne!(approve.code, 0, "{bytes}: {}", approve.stdout);
        assert!(approve.stderr.contains("nothing was changed"), "{bytes}: {}", approve.stderr);
        // Reading goes on.
        assert_eq!(lifecycle(world, "w1"), "Proposed", "{bytes}");
        limit(world, "unlimited");
        steady.unchanged();
    }
    steady.check();
    bob.approve(&proposal, P, "w1").ok();
    assert_eq!(lifecycle(world, "w1"), "Published");
    shelf.world.fsck("packages").ok();
}

/// Takes away, or gives back, the right to write below a directory.
fn writable(directory: &Path, yes: bool) {
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        let mode = if yes { 0o755 } else { 0o555 };
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).expect("set");
        let entries = std::fs::read_dir(&at).expect("readable").flatten();
        open.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
}

#[test]
fn a_repository_that_cannot_be_written_is_read_on() {
    let (shelf, proposal) = at_work();
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);
    let steady = Steady::now(world);
    let bare = world.bare("packages");
    for part in ["refs", "objects", ""] {
        let part = bare.join(part);
        writable(&part, false);
        let push = ann.draft("net/dns", "w1");
        assert_ne!(push.code, 0, "{}: {}", part.display(), push.stderr);
        let patch = r#"{"spec":{"lifecycle":"Published"}}"#;
        let args = ["patch", "packagerevision", "packages.net.router.w1", "--type=merge", "-p", patch];
        let approve = world.kubectl("bob", &args);
        assert_ne!(approve.code, 0, "{}: {}", part.display(), approve.stdout);
        assert!(approve.stderr.contains("nothing was changed"), "{}", approve.stderr);
        assert_eq!(lifecycle(world, "w1"), "Proposed");
        writable(&part, true);
        assert_eq!(lifecycle(world, "w1"), "Proposed");
    }
    steady.nothing_left();
    serves(world);
    bob.approve(&proposal, P, "w1").ok();
    assert_eq!(lifecycle(world, "w1"), "Published");
}

#[test]
fn a_clock_that_jumps_back_takes_no_version_back() {
    let mut shelf = Shelf::new();
    shelf.draft(P, "w1");
    // The daemon before ran ten days ahead of the clock there is now.
    shelf.world.stop_daemon("TERM");
    let file = shelf.world.state().join("clock");
    let ceiling: u64 = std::fs::read_to_string(&file).expect("the clock").trim().parse().expect("a number");
    let ahead = ceiling + 10 * 24 * 60 * 60 * 1_000_000;
    std::fs::write(&file, format!("{ahead}\n")).expect("written");
    shelf.world.start_daemon();
    let shelf = Shelf::of(shelf.world);
    let (world, version) = (&shelf.world, "{.metadata.resourceVersion}");
    assert!(
        world.log().contains("the machine's clock is behind the resource versions given before"),
        "{}",
        world.log()
    );
    let mut last = ahead;
    for value in ["one", "two", "three"] {
        world
            .kubectl(
                "ann",
                &["label", "--overwrite", "packagerevision", "packages.net.router.w1", &format!("a={value}")],
            )
            .ok();
        let now: u64 = world.field("packages.net.router.w1", version).parse().expect("a number");
        assert!(now > last, "{now} after {last}");
        last = now;
    }
    serves(world);
    let mut world = shelf.world;
    world.restart();
    let again: u64 = world.field("packages.net.router.w1", version).parse().expect("a number");
    assert_eq!(again, last, "a restart changes no version");
}
