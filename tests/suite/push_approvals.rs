//! Approvals by push: bound to an object id, once, all or none, and never mixed into an atomic push.
//!
//! Never here: rejections (see `push_drafts`) and deletions (see `push_published`).

use crate::steps::{P, approver, lifecycle};
use crate::support::World;
use crate::untouched::refused;

#[test]
fn an_approval_is_bound_to_the_object_id_and_happens_once() {
    let mut world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let first = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    refused(&world, "not-allowed", "needs the role approver", || ann.approve(&first, P, "w1"));
    ann.push(&format!("{first}:refs/heads/drafts/{P}/w1")).ok();
    refused(&world, "wrong-state", "only Proposed packages can be approved", || {
        approver(&world, &first).approve(&first, P, "w1")
    });
    let second = ann.package(P, "two");
    ann.propose(P, "w1").ok();
    let bob = approver(&world, &second);
    refused(&world, "stale", "not at", || bob.approve(&first, P, "w1"));
    // An object that the repository does not have yet does not get in with a refused approval either.
    let stranger = bob.package("net/other", "unseen");
    refused(&world, "stale", "not at", || bob.approve(&stranger, P, "w1"));
    refused(&world, "not-found", "there is no proposal", || bob.approve(&second, P, "w9"));

    bob.approve(&second, P, "w1").ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    refused(&world, "wrong-state", "is Published", || bob.approve(&second, P, "w1"));
    let refs = world.refs("packages");
    assert!(refs.contains(&format!("refs/tags/{P}/v1")) && !refs.contains("refs/approve"), "{refs}");
    let parents = world.on_disk("packages", &["log", "-1", "--format=%P %an %cn", "main"]).ok();
    assert!(parents.text().ends_with(&format!("{second} bob Package Orchestration Service")), "{}", parents.text());
    world.fsck("packages").ok();
}

#[test]
fn an_atomic_push_does_not_mix_deciding_with_other_refs() {
    let world = World::with_repository();
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    let other = amy.git(&["commit-tree", "-p", "origin/main", "-m", "x", "origin/main^{tree}"]).ok();
    let approve = format!("{commit}:refs/approve/{P}/w1");
    let feature = format!("{}:refs/heads/feature", other.text());
    let before = world.refs("packages");
    amy.git(&["push", "--atomic", "origin", &approve, &feature]).refused("an atomic push cannot both decide");
    assert_eq!(world.refs("packages"), before);
    amy.git(&["push", "origin", &approve, &feature]).ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    assert!(world.refs("packages").contains("refs/heads/feature"));
}

#[test]
fn deciding_and_saving_the_same_package_go_together_in_one_push() {
    let world = World::with_repository();
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    amy.package(P, "two");
    let (approve, draft) = (format!("{commit}:refs/approve/{P}/w1"), format!("HEAD:refs/heads/drafts/{P}/w2"));
    amy.git(&["push", "origin", &approve, &draft]).ok();
    assert_eq!((lifecycle(&world, "w1"), lifecycle(&world, "w2")), ("Published".into(), "Draft".into()));
}

#[test]
fn many_approvals_in_one_push_happen_together_or_not_at_all() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let mut approvals = Vec::new();
    for package in ["a", "b", "c"] {
        ann.reset();
        let commit = ann.package(package, "one");
        ann.propose(package, "w1").ok();
        approvals.push(format!("{commit}:refs/approve/{package}/w1"));
    }
    let amy = world.clone("amy", "packages");
    amy.git(&["fetch", "-q", "origin", "+refs/heads/proposed/*:refs/p/*"]).ok();
    let push = |refs: &[String]| {
        let mut args = vec!["push", "origin"];
        args.extend(refs.iter().map(String::as_str));
        amy.git(&args)
    };
    let main = amy.head();
    let mut with_stale = approvals.clone();
    with_stale[1] = format!("{main}:refs/approve/b/w1");
    let answer = refused(&world, "stale", "b w1 is Proposed at", || push(&with_stale));
    assert!(answer.stderr.contains("another ref of this push was refused"), "{}", answer.stderr);
    push(&approvals).ok();
    for package in ["a", "b", "c"] {
        assert_eq!(world.field(&format!("packages.{package}.w1"), "{.spec.revision}"), "1");
    }
    let line = world.on_disk("packages", &["log", "--first-parent", "--format=%s", "main"]).ok();
    assert_eq!(line.stdout.lines().filter(|line| line.starts_with("Approving package revision")).count(), 3);

    // Two proposals of one package are not approved in one push.
    let mut two = Vec::new();
    for workspace in ["x1", "x2"] {
        ann.reset();
        let commit = ann.package("a", workspace);
        ann.propose("a", workspace).ok();
        two.push(format!("{commit}:refs/approve/a/{workspace}"));
    }
    amy.git(&["fetch", "-q", "origin", "+refs/heads/proposed/*:refs/p/*"]).ok();
    refused(&world, "mixed-push", "approve one, then rebase", || push(&two));
}

#[test]
fn where_another_program_owns_proc_receive_deciding_works_the_same() {
    let mut world = World::without_daemon();
    world.create_repository("packages");
    let theirs = world.bare("packages").join("hooks/proc-receive");
    std::fs::create_dir_all(theirs.parent().expect("hooks")).expect("made");
    std::fs::write(&theirs, "#!/bin/sh\nexit 1\n").expect("written");
    std::fs::set_permissions(&theirs, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    world.start_daemon();
    world.wait_for_repository("packages");
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let bob = approver(&world, &commit);
    refused(&world, "not-allowed", "needs the role approver", || ann.approve(&commit, P, "w1"));
    refused(&world, "stale", "not at", || bob.push(&format!("main:refs/approve/{P}/w1")));
    bob.push(&format!("{commit}:refs/reject/{P}/w1")).ok();
    assert_eq!(lifecycle(&world, "w1"), "Draft");
    ann.propose(P, "w1").ok();
    let told = bob.approve(&commit, P, "w1").ok();
    assert!(told.stderr.contains("published as v1"), "{}", told.stderr);
    assert_eq!(lifecycle(&world, "w1"), "Published");
    let refs = world.refs("packages");
    assert!(!refs.contains("refs/approve") && !refs.contains("refs/reject") && !refs.contains("proposed/"), "{refs}");
    refused(&world, "wrong-state", "is Published", || bob.approve(&commit, P, "w1"));
}
