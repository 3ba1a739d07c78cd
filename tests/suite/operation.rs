//! Running the daemon: its first line, probes and metrics, its end, one daemon a state directory, repositories by
//! configuration, names that stay, and what survives restarts and the loss of the cache.
//!
//! Never here: users (see `access`).

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{client, send};
use crate::packages::Shelf;
use crate::support::{World, eventually, git_command, run};

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

#[test]
fn the_configuration_says_how_repositories_show() {
    let mut world = World::without_daemon();
    for name in ["blueprints", "team/edge", "plain", "left"] {
        world.create_repository(name);
    }
    world.on_disk("blueprints", &["branch", "trunk", "main"]).ok();
    world.configure(
        "repositories:\n- path: blueprints\n  name: catalog\n  namespace: shared\n  branch: trunk\n  directory: pkgs\n- path: team/edge\n  deployment: true\n- path: left\n  managed: false\n",
    );
    world.start_daemon();
    world.wait_for_repository("plain");
    let list = world.kubectl("rea", &["get", "repositories", "-A", "-o", "json"]).ok();
    let list: Value = serde_json::from_str(&list.stdout).expect("JSON");
    let shown = list["items"].as_array().expect("items").iter().map(|repository| {
        let (metadata, git) = (&repository["metadata"], &repository["spec"]["git"]);
        [
            &metadata["namespace"],
            &metadata["name"],
            &git["repo"],
            &git["branch"],
            &git["directory"],
            &repository["spec"]["deployment"],
        ]
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .join(" ")
    });
    let shown: Vec<String> = shown.collect();
    assert_eq!(
        shown,
        [
            "default plain plain.git main / null",
            "default team-edge team/edge.git main / true",
            "shared catalog blueprints.git trunk /pkgs null"
        ]
        .map(str::to_owned)
        .map(|line| line.replace("null", &list["items"][0]["spec"]["deployment"].to_string())),
    );
    assert!(!world.bare("left").join("hooks/stoop").exists(), "what is not managed is left alone");

    let ann = world.clone("ann", "blueprints");
    ann.git(&["checkout", "-q", "trunk"]).ok();
    ann.write("pkgs/web/Kptfile", &crate::support::kptfile("web"));
    ann.commit("web");
    ann.draft("pkgs/web", "w1").ok();
    let object = world.kubectl(
        "rea",
        &[
            "get",
            "packagerevision",
            "-n",
            "shared",
            "catalog.web.w1",
            "-o=jsonpath={.spec.packageName} {.status.selfLock.git.directory}",
        ],
    );
    assert_eq!(object.ok().text(), "web pkgs/web");
    ann.draft("elsewhere/web", "w1").refused("elsewhere/web");
    let namespaces = world.kubectl("rea", &["get", "ns", "-o", "name"]).ok();
    assert_eq!(namespaces.text(), "namespace/default\nnamespace/shared");
}

#[test]
fn a_name_once_given_stays_and_a_taken_one_gets_a_hash() {
    let mut world = World::start();
    world.create_repository("a/b");
    world.create_repository("a-b");
    let names = |world: &World| {
        let path = "-o=jsonpath={range .items[*]}{.spec.git.repo}={.metadata.name} {end}";
        let text = world.kubectl("rea", &["get", "repositories", path]).ok();
        let mut pairs: Vec<String> = text.text().split(' ').map(str::to_owned).collect();
        pairs.sort();
        pairs
    };
    let before = names(&world);
    assert!(before.contains(&"a/b.git=a-b".to_owned()) && before.len() == 2, "{before:?}");
    let other = before.iter().find_map(|pair| pair.strip_prefix("a-b.git=")).expect("both show");
    assert!(other.starts_with("a-b-") && other.len() > 6, "{other}");
    world.restart();
    assert_eq!(names(&world), before);
    std::fs::remove_dir_all(world.bare("a/b")).expect("removed");
    eventually("the removed repository is gone", || (names(&world).len() == 1).then_some(()));
    assert_eq!(names(&world), before[..1], "the other keeps its name though the shorter one is free");
    world.restart();
    assert_eq!(names(&world), before[..1]);
    world.create_repository("a/b");
    assert_eq!(names(&world), before, "and a repository that comes back gets its name again");
}

#[test]
fn a_name_that_the_configuration_gives_is_taken() {
    let mut world = World::without_daemon();
    ["one", "two"].iter().for_each(|name| world.create_repository(name));
    world.configure("repositories:\n- path: two\n  name: one\n");
    world.start_daemon();
    let path = "-o=jsonpath={range .items[*]}{.spec.git.repo}={.metadata.name} {end}";
    let shown = world.kubectl("rea", &["get", "repositories", path]).ok();
    assert!(shown.text().contains("two.git=one") && shown.text().contains("one.git=one-"), "{}", shown.text());
}

#[test]
fn a_mirror_whose_head_names_no_branch_is_registered_on_main() {
    let shelf = Shelf::new();
    shelf.publish("web", "w1");
    let world = &shelf.world;
    let bundle = world.path().join("packages.bundle");
    let bundle = bundle.to_str().expect("text");
    world.on_disk("packages", &["bundle", "create", "-q", bundle, "--branches", "--tags"]).ok();
    // As `git clone --mirror` makes it of a bundle without HEAD.
    let mirror = ["-c", "init.defaultBranch=master", "clone", "-q", "--mirror", bundle, "copy.git"];
    run(git_command(world.path()).args(mirror)).ok();
    std::fs::rename(world.path().join("copy.git"), world.bare("copy")).expect("moved below the root");
    assert_eq!(world.on_disk("copy", &["symbolic-ref", "HEAD"]).ok().text(), "refs/heads/master");
    let names = "packages.web.main packages.web.w1";
    eventually("the mirror's packages", || {
        let copies = shelf.names(&["--field-selector", "spec.repository=copy"]);
        (copies == names.replace("packages", "copy")).then_some(())
    });
    assert_eq!(
        world.kubectl("rea", &["get", "repository", "copy", "-o=jsonpath={.spec.git.branch}"]).ok().text(),
        "main"
    );
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
fn a_placeholder_changes_only_with_its_package_and_another_clone_sees_published_refs() {
    let shelf = Shelf::new();
    shelf.publish("a", "w1");
    let watched = |name: &str| shelf.world.field(name, "{.metadata.resourceVersion} {.status.selfLock.git.commit}");
    let before = watched("packages.a.main");
    let second = shelf.world.clone("rea", "packages");
    shelf.publish("b", "w1");
    shelf.ann.reset();
    shelf.ann.write("README.md", "nobody's package");
    shelf.ann.commit("docs");
    shelf.ann.push("HEAD:main").ok();
    assert_eq!(watched("packages.a.main"), before);
    second.git(&["fetch", "-q"]).ok();
    let tags = second.git(&["tag", "-l"]).ok();
    assert_eq!(tags.text(), "a/v1\nb/v1");
    second.git(&["cat-file", "-e", "origin/main:b/Kptfile"]).ok();
    shelf.publish("a", "w2");
    assert_ne!(watched("packages.a.main"), before);
    // A mirror is a whole backup: Porch's refs and the ledger.
    let mirror = shelf.world.path().join("mirror.git");
    run(git_command(shelf.world.path())
        .args(["clone", "-q", "--mirror", &shelf.world.url("rea", "packages")])
        .arg(&mirror))
    .ok();
    let refs = run(git_command(&mirror).args(["for-each-ref", "--format=%(refname) %(objectname)"])).ok().stdout;
    let here = shelf.world.on_disk("packages", &["for-each-ref", "--format=%(refname) %(objectname)"]).ok().stdout;
    assert_eq!(refs, here);
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
