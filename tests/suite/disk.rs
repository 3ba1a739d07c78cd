//! Everything that happens on the disk beside the daemon: plain git on the bare repository, repositories that come and go,
//! hooks that were there before.
//!
//! Never here: crashes (see `crash`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::steps::{P, approver, lifecycle, settled_ledger};
use crate::support::{World, eventually, git_command, run};
use crate::telemetry::metrics;

const NO_HOOKS: &str = "core.hooksPath=/dev/null";

fn published(world: &World) -> String {
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    amy.approve(&commit, P, "w1").ok();
    commit
}

#[test]
fn refs_moved_with_hooks_off_show_up_without_a_restart() {
    let world = World::with_repository();
    let commit = published(&world);
    let update = |args: &[&str]| {
        let all: Vec<&str> = ["-c", NO_HOOKS, "update-ref"].iter().chain(args).copied().collect();
        world.on_disk("packages", &all).ok();
    };
    let shows = |workspace: &str, wanted: &str| {
        eventually(&format!("{workspace} shows as {wanted:?}"), || {
            (lifecycle(&world, workspace) == wanted).then_some(())
        });
    };
    update(&["refs/heads/drafts/net/router/w2", &commit]);
    shows("w2", "Draft");
    update(&["refs/heads/proposed/net/router/w2", &commit]);
    update(&["-d", "refs/heads/drafts/net/router/w2"]);
    shows("w2", "Proposed");
    update(&["refs/heads/deletionProposed/net/router/v1", "refs/tags/net/router/v1"]);
    shows("w1", "DeletionProposed");
    update(&["-d", "refs/heads/deletionProposed/net/router/v1"]);
    shows("w1", "Published");
    world.on_disk("packages", &["-c", NO_HOOKS, "pack-refs", "--all"]).ok();
    update(&["-d", "refs/heads/proposed/net/router/w2"]);
    shows("w2", "");
    assert_eq!(lifecycle(&world, "w1"), "Published");
}

#[test]
fn git_on_the_disk_moves_what_is_not_managed_and_nothing_else() {
    let world = World::with_repository();
    let commit = published(&world);
    let ann = world.clone("ann", "packages");
    ann.package(P, "two");
    ann.draft(P, "w2").ok();
    let before = world.refs("packages");
    for args in [
        vec!["update-ref", "refs/heads/drafts/net/router/w3", &commit],
        vec!["update-ref", "-d", "refs/heads/drafts/net/router/w2"],
        vec!["branch", "-D", "drafts/net/router/w2"],
        vec!["tag", "-f", "net/router/v1", &commit],
        vec!["tag", "net/router/v9", "main"],
        vec!["tag", "-d", "net/router/v1"],
        vec!["update-ref", "refs/stoop/ledger", &commit],
        vec!["update-ref", "refs/heads/main", &commit],
        vec!["branch", "-m", "drafts/net/router/w2", "drafts/net/router/w9"],
    ] {
        let answer = world.on_disk("packages", &args);
        assert_ne!(answer.code, 0, "{} {}", answer.command, answer.stderr);
        assert_eq!(world.refs("packages"), before, "{}", answer.command);
    }
    world.on_disk("packages", &["update-ref", "refs/heads/feature", "main"]).ok();
    world.on_disk("packages", &["branch", "-m", "feature", "other"]).ok();
    world.on_disk("packages", &["tag", "-f", "release", "main"]).ok();
    world.on_disk("packages", &["tag", "-d", "release"]).ok();
    world.on_disk("packages", &["branch", "-D", "other"]).ok();
    assert_eq!(world.refs("packages"), before);
}

#[test]
fn git_s_housekeeping_works_while_the_hooks_are_there() {
    let mut world = World::with_repository();
    published(&world);
    let ann = world.clone("ann", "packages");
    ann.package(P, "two");
    ann.draft(P, "w2").ok();
    settled_ledger(&world);
    let before = world.refs("packages");
    let housekeeping: [&[&str]; 6] = [
        &["pack-refs", "--all"],
        &["gc", "-q", "--prune=now"],
        &["repack", "-adq"],
        &["pack-refs", "--all", "--prune"],
        &["maintenance", "run", "--task=gc", "--task=loose-objects", "--task=incremental-repack"],
        &["fsck", "--strict"],
    ];
    for args in housekeeping {
        world.on_disk("packages", args).ok();
        assert_eq!(world.refs("packages"), before, "{args:?}");
    }
    ann.package(P, "three");
    ann.draft(P, "w2").ok();
    world.on_disk("packages", &["gc", "-q"]).ok();
    ann.propose(P, "w2").ok();
    assert_eq!(lifecycle(&world, "w2"), "Proposed");
    // And while the daemon is down.
    world.stop_daemon("TERM");
    world.on_disk("packages", &["pack-refs", "--all"]).ok();
    world.on_disk("packages", &["gc", "-q"]).ok();
    world.start_daemon();
    assert_eq!(lifecycle(&world, "w2"), "Proposed");
}

#[test]
fn repositories_come_nest_and_go() {
    let world = World::start();
    let repository = |name: &str| world.kubectl("admin", &["get", "repository", name, "-o", "name"]);
    world.create_repository("owner/name");
    world.create_repository("plain");
    eventually("the nested repository is registered", || (repository("owner-name").code == 0).then_some(()));
    let amy = world.clone("amy", "owner/name");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    amy.approve(&commit, P, "w1").ok();
    assert_eq!(world.field("owner-name.net.router.w1", "{.spec.lifecycle}"), "Published");

    // One that was made by plain git, and got its packages before it came here.
    let elsewhere = world.path().join("elsewhere.git");
    run(git_command(world.path()).args(["clone", "-q", "--mirror"]).arg(world.bare("owner/name")).arg(&elsewhere)).ok();
    fs::rename(&elsewhere, world.bare("late")).expect("moved below the root");
    eventually("the late repository is served", || {
        (world.field("late.net.router.w1", "{.spec.lifecycle}") == "Published").then_some(())
    });

    fs::remove_dir_all(world.bare("owner/name")).expect("removed");
    eventually("the removed repository is gone", || (repository("owner-name").code != 0).then_some(()));
    world.kubectl("admin", &["get", "packagerevision", "owner-name.net.router.w1"]).refused("not found");
    assert_eq!(repository("plain").code, 0);
    assert_eq!(world.field("late.net.router.w1", "{.spec.lifecycle}"), "Published");
}

#[test]
fn a_repository_that_is_not_to_be_managed_loses_its_hooks() {
    let world = World::with_repository();
    published(&world);
    world.configure("repositories:\n- path: packages\n  managed: false\n");
    world.signal("HUP");
    let stoop = world.bare("packages").join("hooks/stoop");
    eventually("the hooks are gone", || (!stoop.exists()).then_some(()));
    world.on_disk("packages", &["tag", "-d", "net/router/v1"]).ok();
    world.configure("");
    world.signal("HUP");
    eventually("the hooks are back", || world.bare("packages").join("hooks/proc-receive").exists().then_some(()));
    world.on_disk("packages", &["update-ref", "refs/heads/drafts/a/w1", "main"]).refused("");
}

/// Every file below a directory with its mode and content, links with their target.
fn everything(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).expect("readable").flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("known"));
            let name = path.strip_prefix(directory).expect("below").to_string_lossy().into_owned();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                found.insert(name, (0, target.to_string_lossy().into_owned().into_bytes()));
            } else {
                let mode = entry.metadata().expect("known").permissions().mode();
                found.insert(name, (mode, fs::read(&path).expect("readable")));
            }
        }
    }
    found
}

#[test]
fn hooks_that_were_there_run_and_come_back_as_they_were() {
    let mut world = World::without_daemon();
    world.create_repository("packages");
    let hooks = world.bare("packages").join("hooks");
    fs::create_dir_all(&hooks).expect("made");
    let seen = world.path().join("seen");
    for name in ["pre-receive", "post-receive", "update", "reference-transaction"] {
        let script = format!("#!/bin/sh\necho {name} \"$@\" >> {}\ncat > /dev/null\n", seen.display());
        fs::write(hooks.join(name), script).expect("written");
        fs::set_permissions(hooks.join(name), fs::Permissions::from_mode(0o755)).expect("set");
    }
    let config = world.bare("packages").join("config");
    let before = (everything(&hooks), fs::read(&config).expect("readable"));
    world.start_daemon();
    world.wait_for_repository("packages");
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let ran = fs::read_to_string(&seen).expect("the hooks ran");
    for name in [
        "pre-receive",
        "post-receive",
        "update refs/heads/drafts/net/router/w1",
        "reference-transaction prepared",
        "reference-transaction committed",
    ] {
        assert!(ran.contains(name), "{name}: {ran}");
    }
    // One of them says no: so it is.
    fs::write(hooks.join("stoop/kept/pre-receive"), "#!/bin/sh\necho not on Fridays >&2\nexit 1\n").expect("written");
    let refs = world.refs("packages");
    ann.package(P, "two");
    ann.draft(P, "w1").refused("not on Fridays");
    assert_eq!(world.refs("packages"), refs);
    let (_, script) = &before.0["pre-receive"];
    fs::write(hooks.join("stoop/kept/pre-receive"), script).expect("written");

    world.stop_daemon("TERM");
    world.stoop(&["hooks", "uninstall", world.bare("packages").to_str().expect("text")]).ok();
    assert_eq!((everything(&hooks), fs::read(&config).expect("readable")), before);
    world.stoop(&["hooks", "uninstall", world.bare("packages").to_str().expect("text")]).ok();
}

#[test]
fn many_loose_tags_are_packed_and_nothing_else_changes() {
    let mut world = World::with_repository();
    world.stop_daemon("TERM");
    world.configure("rescanSeconds: 1\n");
    world.start_daemon();
    published(&world);
    let ann = world.clone("ann", "packages");
    for number in 0..500 {
        ann.git(&["tag", &format!("builds/{number}")]).ok();
    }
    ann.push("refs/tags/builds/*:refs/tags/builds/*").ok();
    settled_ledger(&world);
    let before = world.refs("packages");
    let builds = world.bare("packages").join("refs/tags/builds");
    let packed = world.bare("packages").join("packed-refs");
    eventually("the tags are packed", || (packed.exists() && !builds.exists()).then_some(()));
    assert_eq!(world.refs("packages"), before);
    // What is packed is guarded, approved and deleted like anything else.
    let moved = ann.push(&format!("+HEAD~1:refs/tags/{P}/v1"));
    assert_ne!(moved.code, 0, "{}", moved.stderr);
    ann.reset();
    let commit = ann.package(P, "two");
    ann.propose(P, "w2").ok();
    approver(&world, &commit).approve(&commit, P, "w2").ok();
    assert_eq!(lifecycle(&world, "w2"), "Published");
    ann.push(":refs/tags/builds/7").ok();
    assert!(!world.refs("packages").contains("refs/tags/builds/7 "));
    world.fsck("packages").ok();
}

#[test]
fn a_rescan_comes_in_its_time_however_much_happens() {
    let mut world = World::with_repository();
    world.stop_daemon("TERM");
    world.configure("rescanSeconds: 1\n");
    world.start_daemon();
    let rescans = || {
        let metrics = metrics(&world);
        let line = metrics.lines().find(|line| line.starts_with("stoop_rescans_total")).expect("counted");
        line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number")
    };
    let before = rescans();
    let mut round = 0;
    eventually("three rescans", || {
        round += 1;
        world.on_disk("packages", &["update-ref", &format!("refs/heads/other/{round}"), "main"]).ok();
        (rescans() >= before + 3.0).then_some(())
    });
}
