//! sshd without a Git server before it: users by their keys, or by what a forced command says.
//!
//! Never here: the reading of keys (see `identity::ssh_keys`).

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::servers::sshd::Sshd;
use crate::servers::{public_key, repoint, ssh};
use crate::steps::{P, lifecycle};
use crate::support::{Workdir, World, run};

/// The lines of `authorized_keys` for these users, with `options` before each key, where `NAME` is the user.
fn authorize(world: &World, users: &[&str], options: &str) -> PathBuf {
    let mut lines = String::new();
    for user in users {
        let _ = writeln!(lines, "{} {}", options.replace("NAME", user), public_key(world, user));
    }
    let file = world.path().join("authorized_keys");
    std::fs::write(&file, lines.replace("\n ", "\n").trim_start()).expect("written");
    file
}

/// What `ssh-keygen` calls a user's key.
fn fingerprint(world: &World, user: &str) -> String {
    public_key(world, user);
    let said = run(Command::new("ssh-keygen").arg("-lf").arg(world.path().join("keys").join(user))).ok();
    said.text().split(' ').nth(1).expect("a fingerprint").to_owned()
}

fn clone(world: &World, sshd: &Sshd, user: &str) -> Workdir {
    let clone = world.clone("rea", "packages");
    repoint(&clone, &sshd.url(world.bare("packages").to_str().expect("text")), Some(&ssh(world, user)));
    clone
}

#[test]
fn users_are_known_by_the_keys_that_sshd_saw() {
    let mut world = World::without_daemon();
    let user = |name: &str, role: &str, key: &str| format!("- name: {name}\n  roles: [{role}]\n  sshKeys: ['{key}']\n");
    let users =
        user("sam", "author", &public_key(&world, "sam")) + &user("sue", "approver", &fingerprint(&world, "sue"));
    world.configure(&format!("{users}identity: sshd\n"));
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    let keys = authorize(&world, &["sam", "sue", "tom"], "");
    let exposing = Sshd::start(&world, world.path(), &keys, "ExposeAuthInfo yes");

    let sam = clone(&world, &exposing, "sam");
    let commit = sam.package(P, "one");
    sam.draft(P, "w1").ok();
    sam.propose(P, "w1").ok();
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
    let before = world.refs("packages");
    sam.approve(&commit, P, "w1").refused("sam may not approve");
    let tom = clone(&world, &exposing, "tom");
    let unknown = tom.push(&format!("{commit}:refs/heads/drafts/{P}/w2")).refused("no user has the key SHA256:");
    assert!(
        unknown.stderr.contains(&fingerprint(&world, "tom")),
        "it can be copied into the configuration: {}",
        unknown.stderr
    );
    // What the client says about itself does not reach the hook.
    let mut forged = sam.git_command();
    let says = format!("{} -o SetEnv=SSH_USER_AUTH=/etc/passwd -o SetEnv=REMOTE_USER=sue", ssh(&world, "sam"));
    forged.env("GIT_SSH_COMMAND", says).args(["push", "origin", &format!("{commit}:refs/approve/{P}/w1")]);
    run(&mut forged).refused("sam may not approve");
    run(sam.git_command().args(["push", &world.url("bob", "packages"), &format!("{commit}:refs/approve/{P}/w1")]))
        .refused("go through sshd");
    assert_eq!(world.refs("packages"), before);
    tom.push(&format!("{commit}:refs/heads/anything")).ok();

    let sue = clone(&world, &exposing, "sue");
    assert!(sue.approve(&commit, P, "w1").ok().stderr.contains("published as v1"));
    assert_eq!(lifecycle(&world, "w1"), "Published");

    // An sshd that does not tell, and one that would pass on what the client says.
    for settings in ["", "AcceptEnv SSH_USER_AUTH"] {
        let silent = Sshd::start(&world, world.path(), &keys, settings);
        let sue = clone(&world, &silent, "sue");
        let mut push = sue.git_command();
        let file = world.path().join("sshauth.forged");
        std::fs::write(&file, format!("publickey {}\n", public_key(&world, "sue"))).expect("written");
        let says = format!("{} -o SetEnv=SSH_USER_AUTH={}", ssh(&world, "sue"), file.display());
        push.env("GIT_SSH_COMMAND", says).args(["push", "origin", &format!("{commit}:refs/heads/drafts/{P}/w3")]);
        run(&mut push).refused("sshd says nothing about the login");
    }
}

#[test]
fn a_forced_command_says_who_comes() {
    let mut world = World::without_daemon();
    world.configure("identity: STOOP_USER\n");
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    let forced = r#"restrict,command="STOOP_USER=NAME exec git-shell -c \"$SSH_ORIGINAL_COMMAND\"""#;
    let keys = authorize(&world, &["ann", "bob"], forced);
    // Even where the client's word is passed on, the command's comes after it.
    let sshd = Sshd::start(&world, world.path(), &keys, "AcceptEnv STOOP_USER");
    let ann = clone(&world, &sshd, "ann");
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    let mut forged = ann.git_command();
    let says = format!("{} -o SetEnv=STOOP_USER=bob", ssh(&world, "ann"));
    forged.env("GIT_SSH_COMMAND", says).args(["push", "origin", &format!("{commit}:refs/approve/{P}/w1")]);
    run(&mut forged).refused("ann may not approve");
    // The account runs nothing but git.
    let mut hook = Command::new("sh");
    let hooks = world.bare("packages").join("hooks/pre-receive");
    hook.arg("-c").arg(format!("{} {} {}", ssh(&world, "ann"), sshd.target().join(" "), hooks.display()));
    run(&mut hook).refused("fatal: unrecognized command");
    let bob = clone(&world, &sshd, "bob");
    assert!(bob.approve(&commit, P, "w1").ok().stderr.contains("published as v1"));
    // Stoop's own door names users in the same variable.
    let direct = world.clone("ann", "packages");
    direct.package(P, "two");
    direct.draft(P, "w2").ok();
    assert_eq!(lifecycle(&world, "w2"), "Draft");
}
