//! GitLab, by its documentation: Gitaly runs the scripts in `custom_hooks` itself, not below git, names the user in
//! `GL_USERNAME`, and has git move refs with hooks of its own.
//!
//! Never here: a real GitLab.

use std::path::PathBuf;

use super::by_hand::call;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, World, eventually};

/// What Gitaly does with one ref of a push: asks, moves it, tells.
struct Gitaly<'w>(&'w World);

impl Gitaly<'_> {
    fn hook(&self, name: &str) -> PathBuf {
        self.0.bare("packages").join(format!("custom_hooks/{name}.d/stoop"))
    }

    fn push(&self, variables: &[(&str, &str)], old: &str, new: &str, name: &str) -> Answer {
        let bare = self.0.bare("packages");
        let line = format!("{old} {new} {name}");
        let asked = call(&self.hook("pre-receive"), &bare, &[], &line, variables);
        if asked.code != 0 {
            return asked;
        }
        self.0.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "update-ref", name, new, old]).ok();
        call(&self.hook("post-receive"), &bare, &[], &line, variables)
    }
}

#[test]
fn gitlab_s_users_draft_propose_and_approve() {
    let mut world = World::without_daemon();
    world.configure("identity: gitlab\n");
    world.create_repository("packages");
    world.start_daemon();
    world.wait_for_repository("packages");
    let gitaly = Gitaly(&world);
    assert!(gitaly.hook("pre-receive").exists() && gitaly.hook("post-receive").exists());
    assert!(!world.bare("packages").join("hooks/proc-receive").exists(), "Gitaly's git would not find it");
    // The objects come first; a branch that is nobody's business brings them.
    let ann = world.clone("rea", "packages");
    let commit = ann.package(P, "one");
    ann.git(&["push", world.bare("packages").to_str().expect("text"), "HEAD:refs/heads/feature"]).ok();

    let zero = "0".repeat(40);
    let (draft, proposal) = (format!("refs/heads/drafts/{P}/w1"), format!("refs/heads/proposed/{P}/w1"));
    let approve = format!("refs/approve/{P}/w1");
    let user = |name, protocol| [("GL_USERNAME", name), ("GL_PROTOCOL", protocol), ("GL_ID", "user-5")];
    let (ann, bob) = (user("ann", "ssh"), user("bob", "web"));
    // A deploy key is no user.
    gitaly
        .push(&[("GL_ID", "key-4"), ("GL_PROTOCOL", "ssh")], &zero, &commit, &draft)
        .refused("GL_USERNAME is not set");
    gitaly.push(&user("rea", "http"), &zero, &commit, &draft).refused("rea may not save");
    let drafted = gitaly.push(&ann, &zero, &commit, &draft).ok();
    assert!(drafted.stderr.contains("draft saved"), "{}", drafted.stderr);
    gitaly.push(&ann, &zero, &commit, &proposal).ok();
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
    eventually("the draft is gone", || (!world.refs("packages").contains(&draft)).then_some(()));
    gitaly.push(&ann, &zero, &commit, &approve).refused("ann may not approve");
    let approved = gitaly.push(&bob, &zero, &commit, &approve).ok();
    assert!(approved.stderr.contains("published as v1"), "{}", approved.stderr);
    assert!(!world.refs("packages").contains("refs/approve/"), "it never stays");
    assert!(settled_ledger(&world).contains("bob: approve net/router w1 as v1"));
}
