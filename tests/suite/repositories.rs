//! Which repositories show, under which name, on which branch, and what other clones and mirrors of them see.
//!
//! Never here: what pushes to them may do.

use serde_json::Value;

use crate::packages::Shelf;
use crate::support::{World, eventually, git_command, run};

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
