//! Clones of every kind as clients that draft, propose and approve: shallow ones, partial ones, mirrors of one branch.
//!
//! Never here: shallow clones that lie about their history (see `bad_input::history`).

use crate::packages::Shelf;
use crate::steps::P;
use crate::support::{Workdir, World};

/// Drafts, forces, proposes, withdraws and proposes again as `ann`, approves as `bob`, then publishes a second revision.
fn lives(world: &World, ann: &Workdir, bob: &Workdir, deepen: &[&str]) {
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let commit = ann.package(P, "two");
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    ann.push(&format!("{commit}:refs/heads/drafts/{P}/w1")).ok();
    ann.propose(P, "w1").ok();
    let proposal = format!("refs/heads/proposed/{P}/w1");
    bob.git(&[&["fetch", "-q"], deepen, &["origin", &proposal]].concat()).ok();
    assert_eq!(bob.git(&["rev-parse", "FETCH_HEAD"]).ok().text(), commit);
    bob.git(&["show", &format!("FETCH_HEAD:{P}/config.yaml")]).ok();
    bob.approve("FETCH_HEAD", P, "w1").ok();
    assert_eq!(world.field("packages.net.router.w1", "{.spec.revision}"), "1");

    ann.git(&[&["fetch", "-q"], deepen, &["origin", "main"]].concat()).ok();
    ann.git(&["reset", "-q", "--hard", "FETCH_HEAD"]).ok();
    let commit = ann.package(P, "three");
    ann.propose(P, "w2").ok();
    bob.git(&[&["fetch", "-q"], deepen, &["origin", &commit]].concat()).ok();
    bob.approve(&commit, P, "w2").ok();
    assert_eq!(world.field("packages.net.router.w2", "{.spec.revision}"), "2");
    let files = world.on_disk("packages", &["ls-tree", "-r", "--name-only", "main", "net/switch"]).ok();
    assert_eq!(files.text(), "net/switch/Kptfile\nnet/switch/config.yaml", "nothing beside the package was touched");
}

#[test]
fn shallow_clones_draft_propose_and_approve() {
    let mut shelf = Shelf::new();
    ["w1", "w2", "w3"].iter().for_each(|workspace| shelf.publish("net/switch", workspace));
    let world = &shelf.world;
    let one = |user: &str| world.clone_with(user, "packages", &["--depth=1"]);
    let (ann, bob) = (one("ann"), one("bob"));
    assert_eq!(ann.git(&["rev-list", "--count", "HEAD"]).ok().text(), "1");
    lives(world, &ann, &bob, &["--depth=1"]);
    assert!(!world.bare("packages").join("shallow").exists(), "the repository itself never becomes shallow");
    shelf.world.fsck("packages").ok();
}

#[test]
fn partial_clones_draft_propose_and_approve() {
    for filter in ["blob:none", "tree:0"] {
        let mut shelf = Shelf::new();
        shelf.publish("net/switch", "w1");
        let world = &shelf.world;
        let partial = |user: &str| {
            let filter = format!("--filter={filter}");
            world.clone_with(user, "packages", &[&filter, "--no-checkout", "--sparse"])
        };
        let (ann, bob) = (partial("ann"), partial("bob"));
        let missing = bob.git(&["rev-list", "--objects", "--missing=print", "HEAD"]).ok().stdout;
        assert!(missing.lines().any(|line| line.starts_with('?')), "{filter}: something was left out: {missing}");
        ann.git(&["checkout", "-q"]).ok();
        ann.git(&["sparse-checkout", "set", "net/router"]).ok();
        lives(world, &ann, &bob, &[]);
        shelf.world.fsck("packages").ok();
    }
}

#[test]
fn a_clone_of_one_branch_without_tags_does_too() {
    let mut shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let world = &shelf.world;
    let single = |user: &str| world.clone_with(user, "packages", &["--single-branch", "--no-tags", "--branch=main"]);
    lives(world, &single("ann"), &single("bob"), &["--no-tags"]);
    shelf.world.fsck("packages").ok();
}
