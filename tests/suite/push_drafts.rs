//! Drafts and proposals by push: who saves, proposes, withdraws, rejects and drops them, and what is refused.
//!
//! Never here: approvals (see `push_approvals`), and the rules on content and history (see `push_rules`).

use crate::steps::{P, approver, lifecycle};
use crate::support::{World, run};
use crate::untouched::refused;

#[test]
fn drafts_are_saved_forced_and_dropped_by_authors_only() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let first = ann.package(P, "one");
    let bob = world.clone("bob", "packages");
    bob.package(P, "one");
    refused(&world, "not-allowed", "needs the role author", || bob.draft(P, "w1"));
    let rea = world.clone("rea", "packages");
    rea.package(P, "one");
    rea.draft(P, "w1").refused("\"rea\" may only read");
    ann.draft(P, "w1").ok();
    ann.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    let other = ann.package(P, "another one");
    ann.push(&format!("{other}:refs/heads/drafts/{P}/w1")).refused("non-fast-forward");
    ann.draft(P, "w1").ok();
    assert!(world.refs("packages").contains(&format!("drafts/{P}/w1 {other}")), "{first} gave way to {other}");

    refused(&world, "not-allowed", "needs the role author", || bob.push(&format!(":refs/heads/drafts/{P}/w1")));
    let art = world.clone("art", "packages");
    art.push(&format!(":refs/heads/drafts/{P}/w1")).ok();
    assert_eq!(lifecycle(&world, "w1"), "");
}

#[test]
fn a_proposal_needs_no_draft_but_holds_the_draft_there_is_and_is_locked() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let first = ann.package(P, "one");
    let bob = world.clone("bob", "packages");
    bob.package(P, "one");
    refused(&world, "not-allowed", "needs the role author", || bob.propose(P, "w1"));
    ann.propose(P, "w1").ok();
    assert_eq!(lifecycle(&world, "w1"), "Proposed");

    // Locked: neither the proposal nor its draft takes another commit.
    let second = ann.package(P, "two");
    refused(&world, "proposal-locked", "make it a draft again first", || ann.propose(P, "w1"));
    refused(&world, "proposal-locked", "a proposal is locked", || ann.draft(P, "w1"));

    // A proposal must hold the draft.
    ann.draft(P, "w2").ok();
    refused(&world, "stale", "propose the draft's commit", || ann.push(&format!("{first}:refs/heads/proposed/{P}/w2")));
    let third = ann.package(P, "three");
    ann.propose(P, "w2").ok();
    let refs = world.refs("packages");
    assert!(refs.contains(&format!("refs/heads/proposed/{P}/w2 {third}")), "{refs}");
    assert!(!refs.contains(&second), "the older draft went away: {refs}");
}

#[test]
fn a_proposal_is_withdrawn_by_its_author_and_rejected_by_an_approver() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    let art = world.clone("art", "packages");
    let back = format!("{commit}:refs/heads/drafts/{P}/w1");
    ann.propose(P, "w1").ok();
    art.git(&["fetch", "-q", "origin", &commit]).ok();
    refused(&world, "not-allowed", "the author who proposed it", || art.push(&back));
    refused(&world, "not-allowed", "the author who proposed it", || art.push(&format!("{commit}:refs/reject/{P}/w1")));
    ann.push(&back).ok();
    assert_eq!(lifecycle(&world, "w1"), "Draft");

    ann.propose(P, "w1").ok();
    let bob = approver(&world, &commit);
    bob.push(&back).ok();
    assert_eq!(lifecycle(&world, "w1"), "Draft");

    ann.propose(P, "w1").ok();
    bob.push(&format!("{commit}:refs/reject/{P}/w1")).ok();
    assert_eq!(lifecycle(&world, "w1"), "Draft");
    let refs = world.refs("packages");
    assert!(!refs.contains("proposed/") && !refs.contains("refs/reject"), "{refs}");
    refused(&world, "wrong-state", "is Draft", || bob.push(&format!("{commit}:refs/reject/{P}/w1")));
    refused(&world, "not-found", "there is no proposal", || bob.push(&format!("{commit}:refs/reject/{P}/w9")));
}

#[test]
fn a_proposal_is_dropped_by_author_or_approver() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let drop = format!(":refs/heads/proposed/{P}/w1");
    for user in ["art", "bob"] {
        ann.propose(P, "w1").ok();
        world.clone("rea", "packages").push(&drop).refused("may only read");
        world.clone(user, "packages").push(&drop).ok();
        assert_eq!(lifecycle(&world, "w1"), "", "dropped by {user}");
    }
}

#[test]
fn a_draft_may_be_deleted_in_the_push_that_proposes_it() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    for round in 0..5 {
        let workspace = format!("w{round}");
        ann.draft(P, &workspace).ok();
        let (proposed, draft) =
            (format!("HEAD:refs/heads/proposed/{P}/{workspace}"), format!(":refs/heads/drafts/{P}/{workspace}"));
        ann.git(&["push", "origin", &proposed, &draft]).ok();
        assert_eq!(lifecycle(&world, &workspace), "Proposed");
        let back = format!("HEAD:refs/heads/drafts/{P}/{workspace}");
        ann.git(&["push", "origin", &back, &format!(":refs/heads/proposed/{P}/{workspace}")]).ok();
        assert_eq!(lifecycle(&world, &workspace), "Draft");
    }
    let refs = world.refs("packages");
    assert_eq!((refs.matches("drafts/").count(), refs.matches("proposed/").count()), (5, 0), "{refs}");
}

#[test]
fn a_push_of_many_drafts_is_one_push() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let mut refspecs = vec!["push".to_owned(), "-q".to_owned(), "origin".to_owned()];
    for number in 0..60 {
        ann.git(&["reset", "-q", "--hard", "origin/main"]).ok();
        let commit = ann.package(&format!("many/p{number}"), "one");
        refspecs.push(format!("{commit}:refs/heads/drafts/many/p{number}/w1"));
    }
    let args: Vec<&str> = refspecs.iter().map(String::as_str).collect();
    let begun = std::time::Instant::now();
    ann.git(&args).ok();
    println!("{:?}", begun.elapsed());
    let listed = world.kubectl("admin", &["get", "packagerevisions", "-o", "name"]).ok();
    assert_eq!(listed.stdout.lines().count(), 60);
}

#[test]
fn a_push_by_nobody_changes_nothing_that_is_managed() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let bare = world.bare("packages");
    // Straight to the disk, where no server says who pushes.
    let push = |refspec: &str, user: Option<&str>| {
        let mut command = ann.git_command();
        command.arg("push").arg(&bare).arg(refspec);
        if let Some(user) = user {
            command.env("REMOTE_USER", user);
        }
        run(&mut command)
    };
    let draft = format!("HEAD:refs/heads/drafts/{P}/w1");
    refused(&world, "no-identity", "REMOTE_USER is not set", || push(&draft, None));
    refused(&world, "no-identity", "is not usable", || push(&draft, Some("a <b>")));
    refused(&world, "not-allowed", "mallory may not save", || push(&draft, Some("mallory")));
    push("HEAD:refs/heads/feature", None).ok();
    push(&draft, Some("ann")).ok();
    assert_eq!(lifecycle(&world, "w1"), "Draft");
}
