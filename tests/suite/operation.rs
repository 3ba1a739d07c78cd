//! Running the daemon: its first line, probes and metrics, its end, one daemon a state directory, and what survives
//! restarts and the loss of the cache.
//!
//! Never here: users (see `access`), and which repositories show (see `repositories`).

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{client, send};
use crate::packages::Shelf;
use crate::support::{World, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_says_where_it_is_answers_probes_and_ends_cleanly_under_an_open_watch() {
    let mut shelf = Shelf::new();
    shelf.draft("web", "w1");
    let ready = shelf.world.ready().clone();
    assert!(ready.api.starts_with("https://127.0.0.1:") && !ready.api.ends_with(":0"), "{ready:?}");
    assert!(ready.git.starts_with("http://127.0.0.1:") && ready.socket.exists(), "{ready:?}");
    let user = client(&shelf.world, "rea").await;
    for path in ["/healthz", "/livez", "/readyz"] {
        let (code, body) = send(&user, "GET", path, &[], "").await;
        assert_eq!((code, body.trim()), (200, "ok"), "{path}");
    }
    assert!(send(&user, "GET", "/readyz?verbose", &[], "").await.1.contains("[+]"));
    let metrics = send(&user, "GET", "/metrics", &[], "").await;
    assert_eq!(metrics.0, 200);
    assert!(metrics.1.lines().any(|line| line.starts_with("stoop_") && line.ends_with(" 1")), "{}", metrics.1);
    assert!(metrics.1.ends_with("# EOF\n"), "{}", metrics.1);

    let mut watch = shelf.world.kubectl_command("rea");
    let watch = watch.args(["get", "packagerevisions", "-w"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watch = watch.spawn().expect("kubectl starts");
    let mut first = [0; 4];
    watch.stdout.as_mut().expect("piped").read_exact(&mut first).expect("the watch began");
    let began = Instant::now();
    assert_eq!(shelf.world.stop_daemon("TERM"), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "the end took {:?}", began.elapsed());
    watch.wait().expect("the watch ends with the daemon");
    assert!(!shelf.world.log().contains("panicked"));
}

#[test]
fn one_daemon_has_a_state_directory() {
    let world = World::with_repository();
    let root = world.root();
    let root = root.to_str().expect("text");
    world
        .stoop(&["serve", "--root", root, "--api", "127.0.0.1:0", "--git", "127.0.0.1:0"])
        .refused("another daemon runs");
    world.stoop(&["serve", "--root", "/nowhere/at/all"]).refused("cannot be used");
    world.kubectl("rea", &["get", "packagerevisions"]).ok();
}

/// Everything that the API shows: package revisions with their versions, and content.
fn everything(world: &World) -> (Value, Value) {
    let get = |what: &str| {
        let answer = world.kubectl("admin", &["get", what, "-A", "-o", "json"]).ok();
        let list: Value = serde_json::from_str(&answer.stdout).expect("JSON");
        list["items"].clone()
    };
    (get("packagerevisions"), get("packagerevisionresources"))
}

#[test]
fn a_restart_and_the_loss_of_the_cache_change_nothing() {
    let shelf = Shelf::new();
    shelf.publish("net/router", "w1");
    shelf.publish("net/router", "w2");
    shelf.propose("web", "w1");
    shelf.draft("db", "w1");
    shelf.ann.push("refs/tags/net/router/v1:refs/heads/deletionProposed/net/router/v1").ok();
    shelf.world.kubectl("ann", &["label", "packagerevision", "packages.db.w1", "a=b"]).ok();
    let before = everything(&shelf.world);
    let newest = |world: &World| -> u64 {
        let raw = world.kubectl("admin", &["get", "--raw", "/apis/porch.kpt.dev/v1alpha1/packagerevisions"]).ok();
        let list: Value = serde_json::from_str(&raw.stdout).expect("JSON");
        list["metadata"]["resourceVersion"].as_str().expect("a version").parse().expect("a number")
    };
    let mut last = newest(&shelf.world);
    let mut world = shelf.world;
    let cache = world.state().join("cache");
    let mut restart = |what: &str, harm: &dyn Fn()| {
        assert_eq!(world.stop_daemon("TERM"), Some(0));
        harm();
        world.start_daemon();
        assert_eq!(everything(&world), before, "after {what}");
        let now = newest(&world);
        assert!(now > last, "the version of lists went back after {what}");
        last = now;
    };
    restart("a restart", &|| {});
    restart("the loss of the cache", &|| std::fs::remove_dir_all(&cache).expect("removed"));
    let files = ["conf", "db"].map(|file| cache.join("1").join(file));
    for file in &files {
        restart("random bytes for the cache", &|| std::fs::write(file, noise(70_000)).expect("written"));
    }
    restart("random bytes in the middle of the cache", &|| {
        let mut bytes = std::fs::read(&files[1]).expect("the cache");
        let middle = bytes.len() / 2..bytes.len() / 2 + 100;
        assert!(middle.end < bytes.len(), "there is something to damage");
        bytes[middle].copy_from_slice(&noise(100));
        std::fs::write(&files[1], bytes).expect("written");
    });
}

/// Bytes that look like nothing, the same every time.
fn noise(count: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn content_keeps_its_version_when_only_metadata_changes() {
    let mut shelf = Shelf::new();
    shelf.draft("web", "w1");
    let versions = |world: &World| {
        let of = |kind: &str| {
            let answer =
                world.kubectl("rea", &["get", kind, "packages.web.w1", "-o=jsonpath={.metadata.resourceVersion}"]);
            answer.ok().text().to_owned()
        };
        (of("packagerevisions"), of("packagerevisionresources"))
    };
    let first = versions(&shelf.world);
    shelf.world.kubectl("ann", &["label", "packagerevision", "packages.web.w1", "a=b"]).ok();
    let labelled = versions(&shelf.world);
    assert!(labelled.0 != first.0 && labelled.1 == first.1, "{first:?} {labelled:?}");
    shelf.world.restart();
    assert_eq!(versions(&shelf.world), labelled);
    let shelf = Shelf::of(shelf.world);
    shelf.ann.reset();
    shelf.ann.package("web", "changed");
    shelf.ann.draft("web", "w1").ok();
    let changed = versions(&shelf.world);
    assert!(
        changed.1 != labelled.1 && changed.1.parse::<u64>().expect("a number") > first.1.parse().expect("a number")
    );
}

#[test]
fn help_and_mistakes_on_the_command_line_are_told() {
    let world = World::without_daemon();
    let help = world.stoop(&["--help"]).ok().stdout;
    ["serve", "repo", "hooks", "config", "kubeconfig"].iter().for_each(|word| assert!(help.contains(word), "{help}"));
    world.stoop(&["serve"]).refused("--root");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoop"));
    let root = world.root();
    command.args(["kubeconfig", "--user", "ann", "--root"]).arg(&root);
    run(&mut command).refused("start `stoop serve`");
}
