//! gitolite over sshd: its own rules first, then Stoop's, by the user that gitolite knows.
//!
//! Never here: how gitolite is set up (see `support/servers`).

use std::process::Command;

use crate::servers::gitolite::Gitolite;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{World, eventually, run};

const RULES: &str = "\
repo gitolite-admin
    RW+ = ada
repo packages
    -   refs/heads/drafts/secret/ = @all
    RW+ = ann bob eve
    R   = rea
";

#[test]
fn a_package_is_drafted_proposed_and_approved_through_gitolite() {
    let mut world = World::without_daemon();
    world.configure("identity: gitolite\nrepositories:\n- path: gitolite-admin\n  managed: false\n- path: packages\n  branch: main\n");
    let gitolite = Gitolite::start(&world);
    world.start_daemon();
    // A new repository comes by gitolite's own way, and is guarded as soon as it is there.
    gitolite.configure(&world, RULES, &["ann", "bob", "eve", "rea"]);
    eventually("the new repository is guarded", || {
        world.bare("packages").join("hooks/stoop/guard").exists().then_some(())
    });
    let update = world.bare("packages").join("hooks/update");
    assert!(update.is_symlink(), "gitolite's own hook stays");

    let ann = gitolite.clone(&world, "ann", "packages");
    ann.write("README", "packages\n");
    ann.commit("a beginning");
    ann.push("HEAD:refs/heads/main").ok();
    let commit = ann.package(P, "one");
    let drafted = ann.draft(P, "w1").ok();
    assert!(drafted.stderr.contains("draft saved"), "{}", drafted.stderr);
    assert_eq!(lifecycle(&world, "w1"), "Draft");
    ann.propose(P, "w1").ok();
    let proposed = world.refs("packages");

    // Roles, by gitolite's name of the user; whoever gitolite lets in and Stoop does not know may do nothing.
    ann.approve(&commit, P, "w1").refused("ann may not approve");
    let eve = gitolite.clone(&world, "eve", "packages");
    eve.approve(&commit, P, "w1").refused("eve may not approve");
    eve.push(&format!("{commit}:refs/heads/drafts/{P}/w2")).refused("eve may not save");
    // gitolite's own rules come first for a repository, and hold for a ref that Stoop would allow.
    let rea = gitolite.clone(&world, "rea", "packages");
    rea.push(&format!("{commit}:refs/heads/drafts/{P}/w2")).refused("DENIED");
    ann.reset();
    ann.package("secret", "one");
    ann.draft("secret", "w1").refused("DENIED");
    assert_eq!(world.refs("packages"), proposed);
    // The lease of that push is over: nobody else has to wait for it.
    let bob = gitolite.clone(&world, "bob", "packages");
    assert_eq!(bob.git(&["ls-remote", "origin", "refs/heads/drafts/*"]).ok().text(), "");
    world.kubectl("admin", &["get", "packagerevision", "packages.secret.w1"]).refused("not found");

    // A client cannot say who it is, neither over SSH nor at Stoop's own door.
    let mut forged = ann.git_command();
    let ssh = format!("{} -o SendEnv=GL_USER -o SetEnv=GL_USER=bob", crate::servers::ssh(&world, "ann"));
    forged.env("GIT_SSH_COMMAND", ssh).env("GL_USER", "bob");
    run(forged.args(["push", "origin", &format!("{commit}:refs/approve/{P}/w1")])).refused("ann may not approve");
    let mut own_door = ann.git_command();
    own_door.args(["push", &world.url("bob", "packages"), &format!("{commit}:refs/approve/{P}/w1")]);
    run(&mut own_door).refused("go through gitolite");

    let approved = bob.approve(&commit, P, "w1").ok();
    assert!(approved.stderr.contains("published as v1"), "{}", approved.stderr);
    assert!(world.refs("packages").contains(&format!("refs/tags/{P}/v1 ")));
    assert!(settled_ledger(&world).contains("bob: approve net/router w1 as v1"));

    // gitolite sets its hooks anew, and Stoop's are still there and asked.
    let mut setup = Command::new("gitolite");
    run(setup.arg("setup").env("HOME", gitolite.home()).env("GIT_CONFIG_NOSYSTEM", "1")).ok();
    bob.push(&format!(":refs/tags/{P}/v1")).refused("[immutable]");
}
