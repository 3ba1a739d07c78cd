//! Work trees of the bare repository, made by an administrator: what is checked out there moves nothing that is managed, and
//! git's housekeeping of them meets no hook that says no.
//!
//! Never here: housekeeping without them (see `disk`, `bad_input::housekeeping`).

use std::fs;
use std::path::Path;

use crate::packages::Shelf;
use crate::steps::{P, settled_ledger};
use crate::support::{Answer, git_command, kptfile, run};

fn git(directory: &Path, args: &[&str]) -> Answer {
    run(git_command(directory).args(["-c", "user.name=x", "-c", "user.email=x@x"]).args(args))
}

/// Writes a file and commits it.
fn commit(directory: &Path, file: &str, text: &str) -> Answer {
    let path = directory.join(file);
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(path, text).expect("written");
    git(directory, &["add", "-A"]).ok();
    git(directory, &["commit", "-q", "-m", "by hand"])
}

#[test]
fn worktrees_come_and_go_and_move_nothing_that_is_managed() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    shelf.publish(P, "w1");
    shelf.draft(P, "w2");
    settled_ledger(world);
    let before = world.refs("packages");
    let tree = |name: &str| world.path().join(name);
    let add = |args: &[&str]| world.on_disk("packages", &[&["worktree", "add", "-q"], args].concat());
    let path = |name: &str| tree(name).to_str().expect("text").to_owned();

    add(&["-b", "feature", &path("free"), "main"]).ok();
    commit(&tree("free"), "notes.md", "mine\n").ok();
    commit(&tree("free"), &format!("{P}/Kptfile"), &kptfile("other")).ok();
    add(&["--detach", &path("detached"), "main"]).ok();
    commit(&tree("detached"), &format!("{P}/Kptfile"), &kptfile("other")).ok();
    for args in [
        &["checkout", "-q", "-b", "drafts/net/router/w9"][..],
        &["branch", "proposed/net/router/w9"],
        &["tag", "net/router/v9"],
        &["tag", "-f", "net/router/v1"],
        &["branch", "-f", "drafts/net/router/w2"],
    ] {
        let answer = git(&tree("detached"), args);
        assert_ne!(answer.code, 0, "{answer:?}");
    }
    add(&["-b", "drafts/net/router/w8", &path("managed"), "main"]).refused("");
    // What is managed can be looked at, and not be committed to.
    add(&[&path("draft"), "drafts/net/router/w2"]).ok();
    let answer = commit(&tree("draft"), &format!("{P}/config.yaml"), "by: hand\n");
    assert_ne!(answer.code, 0, "{answer:?}");

    world.on_disk("packages", &["reflog", "expire", "--expire=now", "--all"]).ok();
    world.on_disk("packages", &["gc", "-q", "--prune=now"]).ok();
    world.on_disk("packages", &["prune"]).ok();
    for name in ["free", "detached", "draft"] {
        world.on_disk("packages", &["worktree", "remove", "--force", &path(name)]).ok();
    }
    world.on_disk("packages", &["worktree", "prune"]).ok();
    world.on_disk("packages", &["branch", "-D", "feature"]).ok();
    assert_eq!(world.refs("packages"), before);
}
