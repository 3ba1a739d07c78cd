//! Where Stoop's business ends, by push: its own refs, names it cannot take, refs it leaves alone, the registered branch,
//! directories and imports.
//!
//! Never here: drafts, proposals and published revisions themselves (see `push_drafts` and the files beside it).

use crate::steps::{P, approver, publish};
use crate::support::{Workdir, World, eventually};
use crate::untouched::{Untouched, refused};

#[test]
fn refs_of_stoop_and_malformed_names_are_refused() {
    let world = World::with_repository();
    let ada = world.clone("ada", "packages");
    ada.package(P, "one");
    for name in ["refs/stoop/ledger", "refs/stoop/x", "refs/stoop"] {
        refused(&world, "internal-ref", "belongs to Stoop alone", || ada.push(&format!("+HEAD:{name}")));
    }
    for name in [
        "refs/heads/drafts",
        "refs/heads/drafts/a",
        "refs/heads/proposed/a",
        "refs/heads/deletionProposed/a",
        "refs/approve/a",
        "refs/reject",
        "refs/heads/drafts/a'b/w1",
        "refs/heads/drafts/net/router/W1",
        "refs/heads/drafts/Net/w1",
        "refs/heads/proposed/net/router/w_1",
        "refs/heads/drafts/net/router/main",
    ] {
        refused(&world, "bad-name", "", || ada.push(&format!("+HEAD:{name}")));
    }
    world.configure("repositories:\n- path: packages\n  directory: packages\n");
    world.signal("HUP");
    crate::support::eventually("the directory is taken over", || {
        let text = ada.push(&format!("+HEAD:refs/heads/drafts/{P}/w1")).stderr;
        text.contains("lies outside the directory").then_some(())
    });
    refused(&world, "bad-name", "lies outside", || ada.push(&format!("+HEAD:refs/heads/proposed/{P}/w1")));
}

#[test]
fn what_is_not_managed_passes_untouched_even_when_the_daemon_is_down() {
    let mut world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    ann.write("README.md", "changed\n");
    ann.commit("a branch of one's own");
    ann.push("HEAD:refs/heads/feature").ok();
    ann.push("HEAD:refs/tags/release-1").ok();
    ann.push("HEAD:refs/pull/1/head").ok();

    world.stop_daemon("TERM");
    let bare = world.bare("packages");
    let disk = bare.to_str().expect("text");
    ann.package("net/switch", "one");
    let push = |refspec: &str| ann.git(&["push", disk, refspec]);
    push("+HEAD:refs/heads/feature").ok();
    push("HEAD:refs/tags/release-2").ok();
    push(":refs/tags/release-1").ok();
    let untouched = Untouched::now(&world, "packages");
    for refspec in [
        "HEAD:refs/heads/drafts/net/switch/w1",
        "HEAD:refs/heads/proposed/net/switch/w1",
        "HEAD:refs/approve/net/router/w1",
        "HEAD:refs/heads/main",
        "HEAD:refs/tags/net/switch/v1",
        ":refs/tags/net/router/v1",
        "HEAD:refs/stoop/x",
    ] {
        let answer = push(refspec).refused("Stoop is not running");
        assert!(answer.stderr.contains("stoop serve"), "{}", answer.stderr);
    }
    untouched.check();
    assert_eq!(world.refs("packages").matches("refs/tags/").count(), 2);
    world.start_daemon();
    ann.git(&["remote", "set-url", "origin", &world.url("ann", "packages")]).ok();
    ann.push("+HEAD:refs/heads/feature").ok();
}

#[test]
fn the_registered_branch_takes_what_is_no_package_and_nothing_else() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.write("README.md", "no package at all\n");
    ann.commit("readme");
    ann.push("HEAD:main").ok();
    // No package anywhere yet: an ordinary repository, whose branch may also go back.
    ann.git(&["push", "--force", "origin", "HEAD~1:main"]).ok();
    ann.push("HEAD:main").ok();
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");

    ann.reset();
    ann.write("docs/index.md", "docs\n");
    ann.commit("docs");
    ann.push("HEAD:main").ok();
    ann.package(P, "two");
    refused(&world, "branch-guarded", "changes package net/router without an approval", || ann.push("HEAD:main"));
    ann.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    ann.package("net/switch", "new");
    refused(&world, "branch-guarded", "changes package net/switch", || ann.push("HEAD:main"));
    refused(&world, "branch-guarded", "holds the packages", || ann.push(":main"));
    refused(&world, "branch-guarded", "moved back or aside", || ann.push("+origin/main~1:main"));

    // A package of a draft is one already, though the branch has never seen it.
    ann.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    ann.package("net/dns", "one");
    ann.draft("net/dns", "w1").ok();
    ann.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    ann.write("net/dns/notes.md", "mine\n");
    ann.commit("notes");
    refused(&world, "branch-guarded", "changes package net/dns", || ann.push("HEAD:main"));
}

#[test]
fn an_import_is_an_administrator_s() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let import =
        |by: &Workdir| by.git(&["push", "-o", "import", "origin", "HEAD:main", "HEAD:refs/tags/net/router/v3"]);
    refused(&world, "not-allowed", "ann may not import: this needs the role admin", || import(&ann));
    let ada = world.clone("ada", "packages");
    ada.package(P, "one");
    refused(&world, "branch-guarded", "without an approval", || ada.push("HEAD:main"));
    import(&ada).ok();
    assert_eq!(world.field("packages.net.router.v3", "{.spec.revision}"), "3");
    eventually("the import is in the ledger", || {
        let ledger = world.on_disk("packages", &["log", "--format=%an %s%n%b", "refs/stoop/ledger"]).ok().stdout;
        (ledger.matches("import refs/tags/net/router/v3").count() == 2).then_some(())
    });
    // Even an import moves no published tag and takes no branch back.
    refused(&world, "immutable", "is a published revision", || {
        ada.git(&["push", "-o", "import", "--force", "origin", "HEAD~1:refs/tags/net/router/v3"])
    });
}

#[test]
fn a_directory_draws_the_line() {
    let mut world = World::without_daemon();
    world.configure("repositories:\n- path: packages\n  directory: /blue/prints\n");
    world.start_daemon();
    world.create_repository("packages");
    let ann = world.clone("ann", "packages");
    let package = "blue/prints/net/router";
    let commit = ann.package(package, "one");
    refused(&world, "bad-name", "lies outside the directory", || ann.draft("blue/net", "w1"));
    ann.propose(package, "w1").ok();
    approver(&world, &commit).approve(&commit, package, "w1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.packageName}"), "net/router");
    assert!(world.refs("packages").contains("refs/tags/blue/prints/net/router/v1"));
    // What has a Kptfile elsewhere is nobody's package.
    ann.reset();
    ann.package("other/thing", "one");
    ann.push("HEAD:main").ok();
    ann.push("HEAD:refs/tags/other/thing/v1").ok();
    ann.package(package, "two");
    refused(&world, "branch-guarded", "changes package blue/prints/net/router", || ann.push("HEAD:main"));
}
