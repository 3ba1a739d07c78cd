//! Approval by moving the registered branch: what a merge, local or by a forge's button, approves, and how the published
//! revision then looks to Git and to Porch.
//!
//! Never here: moves that approve nothing (see `push_trunk`).

use crate::packages::Shelf;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, World, config_map, eventually};
use crate::untouched::refused;

/// A line that Porch writes on a draft's commit, with the task that made it.
fn task_line(package: &str, workspace: &str) -> String {
    let names = format!("\"package\":\"{package}\",\"workspaceName\":\"{workspace}\",\"revision\":\"0\"");
    format!("kpt:{{{names},\"task\":{{\"type\":\"init\",\"init\":{{\"description\":\"made by hand\"}}}}}}")
}

/// Proposes a package whose first commit carries its task, as Porch's does, and a second one without; fetched by bob.
fn propose(shelf: &Shelf, package: &str, workspace: &str) -> String {
    let ann = &shelf.ann;
    ann.reset();
    ann.package(package, workspace);
    ann.git(&["commit", "-q", "--amend", "-m", &format!("init\n\n{}", task_line(package, workspace))]).ok();
    ann.write(&format!("{package}/second.yaml"), &config_map(workspace));
    let commit = ann.commit("a second commit");
    ann.propose(package, workspace).ok();
    shelf.bob.reset();
    shelf.bob.git(&["fetch", "-q", "origin", &commit]).ok();
    commit
}

fn git(world: &World, args: &[&str]) -> String {
    world.on_disk("packages", args).ok().text().to_owned()
}

/// What plain git shows of a revision must be what Porch reads: the tag and the branch's history lead to a commit with
/// Porch's line and the pushed tree, and the task is found from it.
#[track_caller]
fn published(world: &World, (package, workspace, number): (&str, &str, u32), pushed: &str, by: &str) -> String {
    let tag = git(world, &["rev-parse", &format!("refs/tags/{package}/v{number}")]);
    assert_eq!(git(world, &["cat-file", "-t", &tag]), "commit");
    let message = git(world, &["log", "-1", "--format=%B", &tag]);
    assert_eq!(
        message,
        format!(
            "Approving package revision {package}/{number}\n\nkpt:{{\"package\":\"{package}\",\"workspaceName\":\"{workspace}\",\"revision\":\"{number}\"}}"
        )
    );
    let who = git(world, &["log", "-1", "--format=%an %ae %cn %ce", &tag]);
    assert_eq!(who, format!("{by} {by} Package Orchestration Service porch@kpt.dev"));
    world.on_disk("packages", &["merge-base", "--is-ancestor", pushed, &tag]).ok();
    world.on_disk("packages", &["merge-base", "--is-ancestor", &tag, "main"]).ok();
    assert_eq!(
        git(world, &["rev-parse", &format!("{tag}^{{tree}}")]),
        git(world, &["rev-parse", &format!("{pushed}^{{tree}}")])
    );
    let object = format!("packages.{}.{workspace}", package.replace('/', "."));
    assert_eq!(
        world.field(&object, "{.spec.lifecycle} {.spec.revision} {.status.publishedBy}"),
        format!("Published {number} {by}")
    );
    let refs = world.refs("packages");
    assert!(!refs.contains(&format!("proposed/{package}/{workspace} ")), "{refs}");
    tag
}

#[test]
fn a_fast_forward_onto_a_proposal_approves_it() {
    let mut shelf = Shelf::new();
    let commit = propose(&shelf, P, "w1");
    let answer = shelf.bob.push(&format!("{commit}:main")).ok();
    assert!(answer.stderr.contains("net/router w1: published as v1 at"), "{}", answer.stderr);
    let tag = published(&shelf.world, (P, "w1", 1), &commit, "bob");
    assert_eq!(git(&shelf.world, &["rev-parse", &format!("{tag}^@")]), commit, "one parent: what was pushed");
    assert_eq!(git(&shelf.world, &["rev-parse", "main"]), tag);
    assert_eq!(shelf.world.field("packages.net.router.w1", "{.spec.tasks[0].init.description}"), "made by hand");
    let log = settled_ledger(&shelf.world);
    assert_eq!(log.matches(&format!("bob: approve {P} w1 as v1 at {commit} by bob")).count(), 1, "{log}");
    shelf.world.fsck("packages").ok();
}

#[test]
fn a_merge_commit_approves_what_it_merges() {
    let shelf = Shelf::new();
    shelf.publish("net/dns", "w1");
    let commit = propose(&shelf, P, "w1");
    // The branch goes on beside the proposal, with another package and with what is none.
    shelf.publish("net/dns", "w2");
    shelf.ann.reset();
    shelf.ann.write("docs/index.md", "docs\n");
    shelf.ann.commit("docs");
    shelf.ann.push("HEAD:main").ok();
    let bob = &shelf.bob;
    bob.reset();
    bob.git(&["merge", "-q", "--no-ff", "--no-edit", &commit]).ok();
    bob.write("docs/more.md", "paths of no package may come along\n");
    let merge = bob.commit("and more docs");
    bob.push("HEAD:main").ok();
    published(&shelf.world, (P, "w1", 1), &merge, "bob");
    assert_eq!(shelf.world.field("packages.net.router.w1", "{.spec.tasks[0].type}"), "init");
    assert_eq!(lifecycle(&shelf.world, "main"), "Published");
}

#[test]
fn a_merge_leaves_room_for_the_tag_that_it_gets() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let begin = git(world, &["rev-parse", "main"]);
    let commit = propose(&shelf, P, "w1");
    let to_main = format!("{commit}:main");
    // Tags that show no package are nobody's business, except beside a push that needs their names.
    for tag in ["net/router/v1", "net/router/v1/x", "net/router", "net"] {
        let tag = format!("{begin}:refs/tags/{tag}");
        for atomic in ["--atomic", "--no-atomic"] {
            refused(world, "ref-conflict", "net/router w1 gets the tag net/router/v1", || {
                shelf.bob.git(&["push", atomic, "origin", &to_main, &tag])
            });
        }
    }
    shelf.bob.git(&["push", "origin", &to_main, &format!("{begin}:refs/tags/net/router/v10")]).ok();
    published(world, (P, "w1", 1), &commit, "bob");
}

/// A hook of others that runs between the verdict and the move is as good as another client at that moment.
#[test]
fn a_tag_that_is_made_while_a_merge_is_pushed_only_delays_it() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let begin = git(world, &["rev-parse", "main"]);
    let commit = propose(&shelf, P, "w1");
    let hook = world.bare("packages").join("hooks/update");
    let script =
        format!("#!/bin/sh\nexec git -c core.hooksPath=/dev/null update-ref refs/tags/net/router/v1 {begin}\n");
    std::fs::write(&hook, script).expect("written");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    let answer = shelf.bob.push(&format!("{commit}:main")).ok();
    std::fs::remove_file(&hook).expect("removed");
    let text = "net/router w1: main holds it, but it is not published yet: net/router/v1 stands in the way of its tag";
    assert!(answer.stderr.replace("\nremote: ", " ").contains(text), "{}", answer.stderr);
    assert_eq!(lifecycle(world, "w1"), "Proposed");
    // Other packages go on.
    let other = propose(&shelf, "net/dns", "w1");
    shelf.bob.git(&["merge", "-q", "--no-edit", &other]).ok();
    let merge = shelf.bob.head();
    shelf.bob.push("HEAD:main").ok();
    published(world, ("net/dns", "w1", 1), &merge, "bob");
    shelf.ann.push(":refs/tags/net/router/v1").ok();
    eventually("it is published", || (lifecycle(world, "w1") == "Published").then_some(()));
    let tag = git(world, &["rev-parse", "refs/tags/net/router/v1"]);
    world.on_disk("packages", &["merge-base", "--is-ancestor", &tag, "main"]).ok();
}

#[test]
fn a_squash_approves_the_proposal_whose_tree_it_has() {
    let mut shelf = Shelf::new();
    let commit = propose(&shelf, P, "w1");
    let bob = &shelf.bob;
    bob.git(&["merge", "-q", "--squash", &commit]).ok();
    // A forge puts the messages of what it squashes into its own.
    let squash = bob.commit(&format!("router (#1)\n\n{}", task_line(P, "w1")));
    bob.push("HEAD:main").ok();
    let tag = published(&shelf.world, (P, "w1", 1), &squash, "bob");
    let parents = git(&shelf.world, &["log", "-1", "--format=%P", &tag]);
    assert_eq!(parents, format!("{squash} {commit}"), "the proposal's own commits are found from it");
    assert_eq!(shelf.world.field("packages.net.router.w1", "{.spec.tasks[0].type}"), "init");
    shelf.world.fsck("packages").ok();
}

#[test]
fn several_proposals_are_approved_by_one_merge_or_none_is() {
    let shelf = Shelf::new();
    let commits = ["a", "b/c", "d"].map(|package| propose(&shelf, package, "w1"));
    shelf.propose("e", "w1");
    let bob = &shelf.bob;
    bob.reset();
    for commit in &commits {
        bob.git(&["fetch", "-q", "origin", commit]).ok();
        bob.git(&["merge", "-q", "--no-ff", "--no-edit", commit]).ok();
    }
    // One package more that nobody proposed like this: nothing happens.
    let merge = bob.head();
    bob.package("e", "other content");
    refused(&shelf.world, "branch-guarded", "e w1 is proposed at", || bob.push("HEAD:main"));
    bob.git(&["reset", "-q", "--hard", &merge]).ok();
    let answer = bob.push("HEAD:main").ok();
    for package in ["a", "b/c", "d"] {
        published(&shelf.world, (package, "w1", 1), &merge, "bob");
        assert!(answer.stderr.contains(&format!("{package} w1: published as v1")), "{}", answer.stderr);
    }
    let first = git(&shelf.world, &["log", "--first-parent", "--format=%s", "-3", "main"]);
    assert_eq!(first.matches("Approving package revision").count(), 3, "{first}");
    assert_eq!(git(&shelf.world, &["rev-parse", "main~3"]), merge, "what was pushed is below them as it was");
}

#[test]
fn a_merge_is_an_approval_with_all_its_rules() {
    let shelf = Shelf::new();
    let (ann, bob) = (&shelf.ann, &shelf.bob);
    let commit = propose(&shelf, P, "w1");
    let to_main = format!("{commit}:main");
    refused(&shelf.world, "not-allowed", "ann may not approve net/router w1: this needs the role approver", || {
        ann.push(&to_main)
    });
    // Nearly what is proposed is not what is proposed.
    bob.git(&["reset", "-q", "--hard", &commit]).ok();
    bob.write("net/router/config.yaml", "more: yes\n");
    bob.commit("a change on the way");
    refused(&shelf.world, "branch-guarded", "w1 is proposed at", || bob.push("HEAD:main"));
    // A line that speaks for another revision does not come along, in whichever commit.
    for line in [
        "kpt:{\"package\":\"net/router\",\"workspaceName\":\"w1\",\"revision\":\"7\"}",
        "kpt:{\"package\":\"net/other\",\"workspaceName\":\"w1\",\"revision\":\"0\"}",
        "kpt:{broken",
    ] {
        bob.git(&["reset", "-q", "--hard", &commit]).ok();
        bob.commit(&format!("on top\n\n{line}"));
        refused(&shelf.world, "forged-annotation", "carries a kpt: line", || bob.push("HEAD:main"));
    }
    // A draft of the same tree is no proposal.
    ann.git(&["reset", "-q", "--hard", &commit]).ok();
    ann.push(&format!("{commit}:refs/heads/drafts/{P}/w1")).ok();
    refused(&shelf.world, "branch-guarded", "without an approval", || bob.push(&to_main));
    ann.propose(P, "w1").ok();
    bob.push(&to_main).ok();
    published(&shelf.world, (P, "w1", 1), &commit, "bob");
    // Nothing is left to push, and the merge cannot be taken back.
    let back = format!("+{commit}:main");
    refused(&shelf.world, "branch-guarded", "moved back or aside", || bob.push(&back));
}

#[test]
fn a_merge_over_a_change_that_the_proposal_does_not_know_is_refused() {
    let shelf = Shelf::new();
    shelf.publish(P, "w1");
    // Both begin at v1.
    let third = shelf.propose(P, "w3");
    shelf.publish(P, "w2");
    let bob = &shelf.bob;
    bob.reset();
    bob.git(&["fetch", "-q", "origin", &third]).ok();
    bob.git(&["merge", "-q", "-X", "theirs", "--no-edit", &third]).ok();
    bob.git(&["checkout", "-q", &third, "--", P]).ok();
    bob.commit("theirs");
    refused(&shelf.world, "stale-base", "approving it would undo that change", || bob.push("HEAD:main"));
}

#[test]
fn of_two_proposals_with_one_content_the_merged_one_is_approved() {
    let shelf = Shelf::new();
    let (ann, bob) = (&shelf.ann, &shelf.bob);
    ann.reset();
    ann.package(P, "same");
    ann.propose(P, "w1").ok();
    ann.git(&["commit", "-q", "--amend", "-m", "the same once more"]).ok();
    let second = ann.head();
    ann.propose(P, "w2").ok();
    bob.git(&["fetch", "-q", "origin", &second]).ok();
    bob.git(&["merge", "-q", "--squash", &second]).ok();
    bob.commit("squashed");
    refused(&shelf.world, "mixed-push", "of net/router hold: w1, w2", || bob.push("HEAD:main"));
    bob.git(&["reset", "-q", "--hard", &second]).ok();
    bob.push("HEAD:main").ok();
    published(&shelf.world, (P, "w2", 1), &second, "bob");
    assert_eq!(lifecycle(&shelf.world, "w1"), "Proposed");
}

#[test]
fn a_merge_and_other_refs_in_one_push() {
    let shelf = Shelf::new();
    let bob = &shelf.bob;
    let push = |args: &[&str]| -> Answer { bob.git(&[&["push"], args].concat()) };
    // The forge's branch goes away with the merge, in one push, atomic or not.
    for (workspace, atomic) in [("w1", "--atomic"), ("w2", "--no-atomic")] {
        let commit = propose(&shelf, P, workspace);
        let gone = format!(":refs/heads/proposed/{P}/{workspace}");
        push(&[atomic, "origin", &format!("{commit}:main"), &gone, "HEAD:refs/heads/feature"]).ok();
        assert_eq!(lifecycle(&shelf.world, workspace), "Published");
    }
    // A refusal of another ref keeps the branch where it is.
    let commit = propose(&shelf, P, "w3");
    let (main, bad) = (format!("{commit}:main"), format!("{commit}:refs/heads/drafts/{P}/w1"));
    refused(&shelf.world, "workspace-used", "another ref of this push", || {
        let answer = push(&["origin", &main, &bad]);
        Answer { stderr: format!("{}another ref of this push", answer.stderr), ..answer }
    });
    // Both ways at once would each move the branch.
    let other = shelf.propose("net/dns", "w1");
    bob.git(&["fetch", "-q", "origin", &other]).ok();
    let approve = format!("{other}:refs/approve/net/dns/w1");
    refused(&shelf.world, "mixed-push", "push the branch by itself", || push(&["origin", &main, &approve]));
    push(&["origin", &main]).ok();
    published(&shelf.world, (P, "w3", 3), &commit, "bob");
}
