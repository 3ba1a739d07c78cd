//! One root, several servers: each part of it hears of users in its own server's way, and in no other.
//!
//! Never here: the servers themselves; what they would say is said here in their place.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::servers::public_key;
use crate::steps::P;
use crate::support::{Answer, Workdir, World, eventually, run};

/// Pushes straight to the disk, as a server would have git do with these variables.
fn push(clone: &Workdir, world: &World, repository: &str, to: &str, variables: &[(&str, &str)]) -> Answer {
    let mut command = clone.git_command();
    command.envs(variables.iter().copied()).arg("push").arg(world.bare(repository)).arg(format!("HEAD:refs/{to}"));
    run(&mut command)
}

#[test]
fn each_part_of_the_root_hears_only_its_own_server() {
    let mut world = World::without_daemon();
    let parts = |forge: &str| {
        format!("servers:\n- path: team\n  identity: {forge}\n- path: team/own.git\n  identity: STOOP_USER\n")
    };
    world.configure(&parts("gitea"));
    world.start_daemon();
    for name in ["packages", "team/forge", "team/own"] {
        world.create_repository(name);
    }
    let cloned = |repository: &str| {
        let clone = world.clone("ann", repository);
        clone.package(P, "one");
        clone
    };
    let (packages, forge, own) = (cloned("packages"), cloned("team/forge"), cloned("team/own"));
    let all = [("REMOTE_USER", "ann"), ("GITEA_PUSHER_NAME", "ann"), ("STOOP_USER", "ann"), ("GL_USER", "ann")];
    for (clone, repository, variable) in [
        (&packages, "packages", "REMOTE_USER"),
        (&forge, "team/forge", "GITEA_PUSHER_NAME"),
        (&own, "team/own", "STOOP_USER"),
    ] {
        let others: Vec<_> = all.into_iter().filter(|(name, _)| *name != variable).collect();
        let draft = format!("heads/drafts/{P}/w1");
        push(clone, &world, repository, &draft, &others).refused(&format!("{variable} is not set"));
        push(clone, &world, repository, &draft, &[(variable, "ann")]).ok();
    }
    // Refs of pull requests are nobody's business, whatever a forge says about them.
    let internal = [("GITEA_INTERNAL_PUSH", "true"), ("GITEA_PR_ID", "0")];
    push(&forge, &world, "team/forge", "pull/1/head", &internal).ok();
    push(&forge, &world, "team/forge", &format!("heads/drafts/{P}/w2"), &internal).refused("no-identity");
    // Stoop's own door leads to what no other server has.
    packages.draft(P, "w3").ok();
    own.draft(P, "w3").ok();
    forge.draft(P, "w3").refused("go through Gitea");
    forge.git(&["fetch", "origin"]).ok();

    // Another server takes a part over: from the reload on, its word counts and the other's does not.
    world.configure(&parts("gitolite"));
    world.signal("HUP");
    eventually("gitolite is heard", || {
        let answer = push(&forge, &world, "team/forge", &format!("heads/drafts/{P}/w4"), &[("GL_USER", "ann")]);
        (answer.code == 0).then_some(())
    });
    push(&forge, &world, "team/forge", &format!("heads/drafts/{P}/w5"), &[("GITEA_PUSHER_NAME", "ann")])
        .refused("GL_USER is not set");
}

/// Files outside the world, which go with this value.
struct Left(Vec<PathBuf>);

impl Drop for Left {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

#[test]
fn only_a_file_that_sshd_can_have_written_is_a_login() {
    let mut world = World::without_daemon();
    let key = public_key(&world, "sam");
    world.configure(&format!("- name: sam\n  roles: [author]\n  sshKeys: ['{key}']\nidentity: sshd\n"));
    world.start_daemon();
    world.create_repository("packages");
    let sam = world.clone("rea", "packages");
    sam.package(P, "one");
    let before = world.refs("packages");
    let draft = format!("heads/drafts/{P}/w1");
    let login = |path: &str| push(&sam, &world, "packages", &draft, &[("SSH_USER_AUTH", path), ("REMOTE_USER", "ann")]);
    let mut left = Left(Vec::new());
    let mut file = |name: &str, content: &str, mode: u32| {
        let path = PathBuf::from(format!("/tmp/sshauth.{name}{}", std::process::id()));
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("changed");
        left.0.push(path.clone());
        path
    };
    let sound = format!("publickey {}\n", key.rsplit_once(' ').expect("a remark").0);
    let good = file("good", &sound, 0o600);
    let link = PathBuf::from(format!("/tmp/sshauth.link{}", std::process::id()));
    symlink(&good, &link).expect("linked");
    let elsewhere = world.path().join("sshauth.good");
    fs::write(&elsewhere, &sound).expect("written");
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).expect("changed");
    let around = format!("/tmp/sshauth./../{}", elsewhere.strip_prefix("/tmp").unwrap_or(&elsewhere).display());
    let others = [
        (link.clone(), "sshd says nothing about the login"),
        (file("open", &sound, 0o644), "sshd says nothing about the login"),
        (file("large", &sound.repeat(1000), 0o600), "sshd says nothing about the login"),
        (file("empty", "", 0o600), "sshd says nothing about the login"),
        (elsewhere, "sshd says nothing about the login"),
        (around.into(), "sshd says nothing about the login"),
        (PathBuf::from("/dev/stdin"), "sshd says nothing about the login"),
        (PathBuf::from("/tmp/sshauth.nowhere"), "sshd says nothing about the login"),
        (file("word", "password\n", 0o600), "the login showed no key"),
        (file("half", &sound[..30], 0o600), "sshd's file on the login cannot be read"),
    ];
    left.0.push(link);
    for (path, why) in &others {
        login(path.to_str().expect("text")).refused(why);
    }
    assert_eq!(world.refs("packages"), before);
    login(good.to_str().expect("text")).ok();
}
