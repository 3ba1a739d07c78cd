//! What the daemon tells of itself: the metrics that an operator needs, and the log, where each decision stands once.
//!
//! Never here: what is decided.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::packages::Shelf;
use crate::support::{World, eventually, git_command, run};

pub(crate) fn metrics(world: &World) -> String {
    world.kubectl("rea", &["get", "--raw", "/metrics"]).ok().stdout
}

/// The value of a series; nothing when it is not there.
fn value(metrics: &str, series: &str) -> f64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap_or_else(|error| panic!("{series} {value}: {error}")))
}

const PUBLISHED: &str = "{\"spec\":{\"lifecycle\":\"Published\"}}";

#[test]
fn what_happens_at_the_doors_and_behind_them_is_counted() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let commit = shelf.propose("net/router", "w1");
    shelf.ann.approve(&commit, "net/router", "w1").refused("not-allowed");
    let patch = |user: &str| {
        world.kubectl(user, &["patch", "packagerevision", "packages.net.router.w1", "--type=merge", "-p", PUBLISHED])
    };
    patch("ann").refused("may not approve");
    patch("bob").ok();
    let told = metrics(world);
    for (series, wanted) in [
        ("stoop_pushes_total{verdict=\"allowed\"}", 1.0),
        ("stoop_pushes_total{verdict=\"refused\"}", 1.0),
        ("stoop_refusals_total{door=\"git\",code=\"not-allowed\"}", 1.0),
        ("stoop_refusals_total{door=\"api\",code=\"not-allowed\"}", 1.0),
        ("stoop_transitions_total{action=\"propose\"}", 1.0),
        ("stoop_transitions_total{action=\"approve\"}", 1.0),
        ("stoop_transition_seconds_count{door=\"git\"}", 1.0),
        ("stoop_transition_seconds_count{door=\"api\"}", 1.0),
        ("stoop_hook_seconds_count{hook=\"proc-receive\"}", 1.0),
        ("stoop_hook_seconds_count{hook=\"pre-receive\"}", 2.0),
        ("stoop_lease_seconds_count", 1.0),
        ("stoop_rescan_findings_total{kind=\"ref\"}", 0.0),
        ("stoop_repositories", 1.0),
        ("stoop_index_revisions", 2.0),
    ] {
        assert!((value(&told, series) - wanted).abs() < 0.5, "{series} {wanted}\n{told}");
    }
    for series in [
        "stoop_index_lag_seconds_count{by=\"hook\"}",
        "stoop_refresh_seconds_count",
        "stoop_rescan_seconds_count",
        "stoop_ledger_appends_total",
        "stoop_cache_misses_total",
        "stoop_last_rescan_timestamp_seconds",
    ] {
        assert!(value(&told, series) >= 1.0, "{series}\n{told}");
    }
    assert!(!told.contains("router") && !told.contains("\"ann\""), "no name is a label\n{told}");

    // Behind the doors: a draft on disk, a hook taken away.
    let disk = |args: &[&str]| {
        run(git_command(&world.bare("packages")).args(["-c", "core.hooksPath=/dev/null"]).args(args)).ok()
    };
    disk(&["update-ref", "refs/heads/drafts/web/w1", &commit]);
    let found = |kind: &str| {
        let series = format!("stoop_rescan_findings_total{{kind=\"{kind}\"}}");
        eventually(&format!("{series} is 1"), || (value(&metrics(world), &series) == 1.0).then_some(()));
    };
    found("ref");
    disk(&["update-ref", "refs/approve/web/w1", &commit]);
    found("leftover");
    fs::remove_file(world.bare("packages").join("hooks/pre-receive")).expect("removed");
    world.signal("HUP");
    found("hooks");
    assert!(value(&metrics(world), "stoop_rescan_findings_total{kind=\"ref\"}") < 1.5, "each is counted once");
}

#[test]
fn a_change_that_meets_a_push_is_counted_and_so_is_the_time_it_was_held() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let commit = shelf.draft("net/router", "w1");
    // git runs this hook after the verdict and before it moves the ref.
    let (begun, go) = (world.path().join("begun"), world.path().join("go"));
    let hook = world.bare("packages").join("hooks/update");
    let script = format!("#!/bin/sh\ntouch {}\nuntil test -e {}; do sleep 0.05; done\n", begun.display(), go.display());
    fs::write(&hook, script).expect("written");
    fs::set_permissions(&hook, Permissions::from_mode(0o755)).expect("executable");
    let mut push = shelf.ann.git_command();
    let push = push.args(["push", "-q", "origin", &format!("{commit}:refs/heads/proposed/net/router/w1")]);
    let mut push = push.stderr(Stdio::null()).spawn().expect("git starts");
    eventually("the push holds its package", || begun.exists().then_some(()));
    let label = ["label", "packagerevision", "packages.net.router.w1", "a=b"];
    world.kubectl("ann", &label).refused("already in progress");
    fs::write(&go, "").expect("written");
    assert!(push.wait().expect("git ends").success());
    let told = metrics(world);
    assert!(value(&told, "stoop_lease_waits_total{door=\"api\"}") >= 1.0, "{told}");
    assert!((value(&told, "stoop_lease_seconds_count") - 2.0).abs() < 0.5, "a draft, a proposal\n{told}");
    assert!(value(&told, "stoop_refusals_total{door=\"api\",code=\"busy\"}") >= 1.0, "{told}");
}

/// Lines of the log that have all these fields, in either format.
fn lines(log: &str, message: &str, fields: &[(&str, &str)]) -> usize {
    let has = |line: &str, (key, value): &(&str, &str)| {
        let plain = format!("{key}={value}");
        line.contains(&format!("\"{key}\":\"{value}\""))
            || line.contains(&format!("{key}=\"{value}\""))
            || line.ends_with(&plain)
            || line.contains(&format!("{plain} "))
    };
    let says =
        |line: &str| line.contains(&format!("\"message\":\"{message}\"")) || line.contains(&format!(": {message} "));
    log.lines().filter(|line| says(line) && fields.iter().all(|field| has(line, field))).count()
}

#[test]
fn each_decision_and_each_transition_is_logged_once_in_both_formats() {
    for format in ["text", "json"] {
        let mut world = World::without_daemon();
        world.start_daemon_with(&["--log-format", format]);
        world.create_repository("packages");
        let shelf = Shelf::of(world);
        let world = &shelf.world;
        let commit = shelf.propose("net/router", "w1");
        shelf.ann.approve(&commit, "net/router", "w1").refused("not-allowed");
        shelf.bob.git(&["fetch", "-q", "origin", &commit]).ok();
        shelf.bob.approve(&commit, "net/router", "w1").ok();
        let second = shelf.propose("net/router", "w2");
        let patch = |user: &str| {
            world
                .kubectl(user, &["patch", "packagerevision", "packages.net.router.w2", "--type=merge", "-p", PUBLISHED])
        };
        patch("ann").refused("may not approve");
        patch("bob").ok();
        shelf.ann.reset();
        shelf.ann.package("web", "one");
        shelf
            .ann
            .git(&["push", "origin", "HEAD:refs/heads/drafts/web/w1", "HEAD:refs/heads/main"])
            .refused("branch-guarded");
        let log = world.log();
        let once = |message: &str, fields: &[(&str, &str)]| {
            assert_eq!(lines(&log, message, fields), 1, "{format}: {message} {fields:?}\n{log}");
        };
        let (proposed, approve) = ("refs/heads/proposed/net/router/w1", "refs/approve/net/router/w1");
        let all = ("repository", "packages");
        once("push", &[all, ("user", "ann"), ("name", proposed), ("new", &commit), ("decision", "accepted")]);
        once("push", &[all, ("user", "ann"), ("name", approve), ("decision", "refused"), ("code", "not-allowed")]);
        once("push", &[all, ("user", "bob"), ("name", approve), ("new", &commit), ("decision", "accepted")]);
        once("push", &[("name", "refs/heads/main"), ("decision", "refused"), ("code", "branch-guarded")]);
        once("push", &[("name", "refs/heads/drafts/web/w1"), ("decision", "refused"), ("code", "together")]);
        assert_eq!(lines(&log, "push", &[("repository", "packages")]), 6, "{format}: one line a ref\n{log}");
        once("transition complete", &[("action", "propose"), ("workspace", "w1"), ("user", "ann"), ("via", "push")]);
        once("transition complete", &[("action", "approve"), ("workspace", "w1"), ("user", "bob"), ("via", "push")]);
        once(
            "transition complete",
            &[("action", "approve"), ("commit", &second), ("user", "bob"), ("via", "api-unbound")],
        );
        assert_eq!(lines(&log, "transition complete", &[]), 4, "{format}\n{log}");
        let object = ("object", "default/packages.net.router.w2");
        let write = [("verb", "patch"), ("resource", "packagerevisions"), object];
        once("api write", &[&write[..], &[("user", "ann"), ("decision", "refused"), ("code", "not-allowed")]].concat());
        once("api write", &[&write[..], &[("user", "bob"), ("decision", "accepted")]].concat());
        assert_eq!(lines(&log, "api write", &[]), 2, "{format}: reads are not logged\n{log}");
        assert!(!log.contains("stoop_ann") && !log.contains("stoop_bob"), "{format}: no token\n{log}");
        if format == "json" {
            log.lines().for_each(|line| assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}"));
        }
    }
}
