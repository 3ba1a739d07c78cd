//! What a hostile or clumsy user tries beyond the tables.
//!
//! Never here: the rows of the push door (`push_rows`) and its rules (`push_rules`).

use std::time::{Duration, Instant};

use crate::packages::Shelf;
use crate::support::{World, config_map, run};
use crate::untouched::refused;

#[test]
fn a_circle_of_replacement_objects_stops_nobody() {
    let shelf = Shelf::new();
    let (ann, bob) = (&shelf.ann, &shelf.bob);
    shelf.publish("net/router", "w1");
    ann.reset();
    ann.push(&format!("HEAD:refs/replace/{}", ann.head())).ok();
    let proposal = shelf.propose("net/router", "w2");
    ann.push(&format!("HEAD~1:refs/replace/{proposal}")).ok();
    bob.git(&["fetch", "-q", "origin", &proposal]).ok();
    bob.approve(&proposal, "net/router", "w2").ok();
    let published = bob.git(&["fetch", "-q", "origin", "tag", "net/router/v2"]).ok();
    assert_eq!(published.code, 0);
    let tree = |rev: &str| bob.git(&["--no-replace-objects", "rev-parse", &format!("{rev}:net/router")]).ok().stdout;
    assert_eq!(tree("net/router/v2"), tree(&proposal), "what was reviewed was published");
    ann.push(&format!(":refs/replace/{proposal}")).ok();
}

#[test]
fn a_replacement_object_hides_no_package_while_the_daemon_is_away() {
    let mut shelf = Shelf::new();
    shelf.publish("net/router", "w1");
    shelf.ann.reset();
    let forged = shelf.ann.package("net/router", "forged");
    let plain = shelf.ann.git(&["rev-list", "--max-parents=0", "HEAD"]).ok().text().to_owned();
    shelf.world.stop_daemon("TERM");
    let bare = shelf.world.bare("packages");
    let bare = bare.to_str().expect("UTF-8");
    let ann = &shelf.ann;
    ann.git(&["push", bare, &format!("{forged}:refs/heads/any"), &format!("{plain}:refs/replace/{forged}")]).ok();
    ann.git(&["push", bare, &format!("{forged}:refs/tags/net/router/v9")]).refused("Stoop is not running");
}

#[test]
fn a_push_to_the_branch_speaks_for_no_package() {
    let shelf = Shelf::new();
    let ann = &shelf.ann;
    shelf.publish("net/router", "w1");
    for line in [
        r#"kpt:{"package":"net/router","workspaceName":"w1","revision":"7"}"#,
        r#"kpt:{"package":"other","workspaceName":"w","revision":"1","task":{"type":"init"}}"#,
        "kpt:{broken",
    ] {
        ann.reset();
        ann.write("README.md", line);
        ann.commit(&format!("readme\n\n{line}"));
        refused(&shelf.world, "forged-annotation", "carries a kpt: line", || ann.push("HEAD:main"));
        ann.write("README.md", "more");
        ann.commit("on top of it");
        refused(&shelf.world, "forged-annotation", "carries a kpt: line", || ann.push("HEAD:main"));
    }
    ann.reset();
    ann.write("README.md", "fine");
    ann.commit("readme");
    ann.push("HEAD:main").ok();
    assert_eq!(shelf.world.field("packages.net.router.main", "{.status.publishedBy}"), "bob");
}

#[test]
fn a_tag_in_the_way_of_an_approval_is_named() {
    let shelf = Shelf::new();
    let (ann, bob) = (&shelf.ann, &shelf.bob);
    let proposal = shelf.propose("net/router", "w1");
    ann.push("origin/main:refs/tags/net/router/v1").ok();
    bob.git(&["fetch", "-q", "origin", &proposal]).ok();
    let answer = bob.approve(&proposal, "net/router", "w1").refused("[ref-conflict]");
    answer.refused("git push origin :refs/tags/net/router/v1");
    ann.push(":refs/tags/net/router/v1").ok();
    bob.approve(&proposal, "net/router", "w1").ok();
}

#[test]
fn the_workspace_that_stands_for_a_branch_with_a_slash_is_not_given_away() {
    let mut world = World::without_daemon();
    world.configure("repositories:\n- path: packages.git\n  branch: release/one\n");
    world.start_daemon();
    world.create_repository("packages");
    let ann = world.clone("ann", "packages");
    ann.push("HEAD:release/one").ok();
    ann.package("net/router", "w1");
    let text = "stands for the registered branch release/one";
    refused(&world, "bad-name", text, || ann.draft("net/router", "release-one"));
    ann.draft("net/router", "release-two").ok();
}

#[test]
fn yaml_made_to_be_slow_is_not_read() {
    let shelf = Shelf::new();
    let ann = &shelf.ann;
    let begun = Instant::now();
    ann.reset();
    for at in 0..4 {
        ann.write(&format!("net/router/deep{at}.yaml"), &"[".repeat(1_000_000 + at));
    }
    for at in 0..2_000 {
        ann.write(&format!("net/router/many/{at}.yaml"), &config_map("x").repeat(1_000));
    }
    ann.package("net/router", "w1");
    ann.draft("net/router", "w1").ok();
    ann.write("net/router/Kptfile", &"[".repeat(1_000_000));
    ann.commit("a slow Kptfile");
    refused(&shelf.world, "bad-kptfile", "more than 10000 opening brackets", || ann.draft("net/router", "w1"));
    let body = ann.path().join("deep.yaml");
    std::fs::write(&body, "[".repeat(1_000_000)).expect("written");
    let body = body.to_str().expect("UTF-8");
    shelf
        .world
        .kubectl(
            "rea",
            &[
                "replace",
                "--raw",
                "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/packages.net.router.w1",
                "-f",
                body,
            ],
        )
        .refused("");
    assert!(begun.elapsed() < Duration::from_secs(60), "took {:?}", begun.elapsed());
}

#[test]
fn nobody_acts_as_somebody_else() {
    let shelf = Shelf::new();
    shelf.propose("net/router", "w1");
    let patch = r#"{"spec":{"lifecycle":"Published"}}"#;
    let patch = ["patch", "packagerevision", "packages.net.router.w1", "--type=merge", "-p", patch];
    for user in ["ann", "bob", "ada"] {
        let answer = shelf.world.kubectl(user, &[&["--as=rea"], &patch[..]].concat());
        answer.refused("impersonate-user is not supported");
    }
    assert_eq!(shelf.world.field("packages.net.router.w1", "{.spec.lifecycle}"), "Proposed");
}

#[test]
fn a_directory_says_one_thing_and_a_link_stays_inside() {
    let shelf = Shelf::new();
    let ann = &shelf.ann;
    ann.reset();
    ann.package("net/router", "w1");
    let id = |spec: &str| ann.git(&["rev-parse", spec]).ok().text().to_owned();
    let (kptfile, one) = (id("HEAD:net/router/Kptfile"), id("HEAD:net/router/config.yaml"));
    let mut tree = Vec::new();
    for (name, blob) in [("Kptfile", &kptfile), ("config.yaml", &one), ("config.yaml", &kptfile)] {
        tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
        tree.extend((0..40).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).expect("an id")));
    }
    std::fs::write(ann.path().join("../twice"), tree).expect("written");
    let twice = ann.git(&["hash-object", "-t", "tree", "-w", "--literally", "../twice"]).ok();
    let wrapped = |beside: &str, name: &str, tree: &str| {
        let file = ann.path().join("../entries");
        std::fs::write(&file, format!("{beside}040000 tree {tree}\t{name}\n")).expect("written");
        let input = std::fs::File::open(file).expect("there");
        run(ann.git_command().args(["mktree"]).stdin(input)).ok().text().to_owned()
    };
    let beside = ann.git(&["ls-tree", "origin/main"]).ok().stdout;
    let root = wrapped(&beside, "net", &wrapped("", "router", twice.text()));
    let commit = ann.git(&["commit-tree", "-p", "origin/main", "-m", "twice", &root]).ok();
    let push = || ann.push(&format!("{}:refs/heads/drafts/net/router/w1", commit.text()));
    refused(&shelf.world, "bad-content", "its entries are not in order", push);
    for (name, target) in [("here", "."), ("deep/out", "../here/../out")] {
        let link = ann.path().join("net/router").join(name);
        std::fs::create_dir_all(link.parent().expect("a parent")).expect("directories");
        std::os::unix::fs::symlink(target, link).expect("a link");
    }
    ann.commit("links");
    refused(&shelf.world, "bad-content", "leads out of the package", || ann.draft("net/router", "w1"));
}
