//! The table of the Git door, row by row: who may push what, what is refused and how, and what stays.
//!
//! Never here: the rules on content and history (see `push_rules`).

use crate::support::{Workdir, World};
use crate::untouched::{Untouched, refused};

const P: &str = "net/router";

/// Publishes HEAD of a clone as a workspace's revision; the clone's user proposes, bob approves.
fn publish(world: &World, by: &Workdir, package: &str, workspace: &str) {
    let commit = by.head();
    by.propose(package, workspace).ok();
    approver(world, &commit).approve(&commit, package, workspace).ok();
}

/// A clone of bob's that has a commit.
fn approver(world: &World, commit: &str) -> Workdir {
    let bob = world.clone("bob", "packages");
    bob.git(&["fetch", "-q", "origin", commit]).ok();
    bob
}

fn lifecycle(world: &World, workspace: &str) -> String {
    world.field(&format!("packages.net.router.{workspace}"), "{.spec.lifecycle}")
}

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
    refused(&world, "stale", "propose the draft's commit", || {
        ann.push(&format!("{first}:refs/heads/proposed/{P}/w2"))
    });
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
    refused(&world, "not-allowed", "the author who proposed it", || {
        art.push(&format!("{commit}:refs/reject/{P}/w1"))
    });
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
fn an_approval_is_bound_to_the_object_id_and_happens_once() {
    let world = World::with_repository();
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
    world.on_disk("packages", &["fsck", "--strict", "--no-dangling"]).ok();
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
fn a_deletion_is_proposed_refused_withdrawn_and_approved() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    let (tag, marker) = (format!("refs/tags/{P}/v1"), format!("refs/heads/deletionProposed/{P}/v1"));
    let propose = format!("{tag}^{{commit}}:{marker}");
    let (delete, keep) = (format!(":{tag}"), format!(":{marker}"));
    let bob = world.clone("bob", "packages");

    refused(&world, "immutable", "propose its deletion first", || bob.push(&delete));
    refused(&world, "not-allowed", "needs the role author", || bob.push(&propose));
    refused(&world, "stale", "not at", || ann.push(&format!("main~1:{marker}")));
    refused(&world, "not-found", "no published revision v7", || {
        ann.push(&format!("main:refs/heads/deletionProposed/{P}/v7"))
    });
    ann.push(&propose).ok();
    assert_eq!(lifecycle(&world, "w1"), "DeletionProposed");
    refused(&world, "not-allowed", "needs the role approver", || ann.push(&delete));
    refused(&world, "not-allowed", "the author who proposed it", || world.clone("art", "packages").push(&keep));
    let old = ann.git(&["rev-parse", "main~1"]).ok();
    refused(&world, "immutable", "does not move", || ann.push(&format!("+{}:{marker}", old.text())));
    ann.push(&keep).ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    ann.push(&propose).ok();
    bob.push(&keep).ok();
    assert_eq!(lifecycle(&world, "w1"), "Published");
    ann.push(&propose).ok();
    bob.push(&delete).ok();
    assert_eq!(lifecycle(&world, "w1"), "");
    let refs = world.refs("packages");
    assert!(!refs.contains("deletionProposed") && !refs.contains("refs/tags"), "{refs}");
}

#[test]
fn the_tag_and_its_marker_may_be_deleted_in_one_push() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    let (tag, marker) = (format!("refs/tags/{P}/v1"), format!("refs/heads/deletionProposed/{P}/v1"));
    ann.push(&format!("{tag}:{marker}")).ok();
    let bob = world.clone("bob", "packages");
    bob.git(&["push", "origin", &format!(":{tag}"), &format!(":{marker}")]).ok();
    assert_eq!(lifecycle(&world, "w1"), "");
    assert!(!world.refs("packages").contains("deletionProposed"));
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
fn tags_that_would_publish_are_refused_and_published_ones_do_not_move() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    ann.reset();
    for last in ["99", "v+5", "v1.2.3", "hello", "v2"] {
        refused(&world, "immutable", "would publish package net/router without an approval", || {
            ann.push(&format!("HEAD:refs/tags/{P}/{last}"))
        });
    }
    ann.git(&["tag", "-a", "-m", "an annotated one", "mine", "HEAD"]).ok();
    refused(&world, "immutable", "would publish", || ann.push(&format!("mine:refs/tags/{P}/v3")));
    ann.package(P, "two");
    let answer = refused(&world, "immutable", "is a published revision", || {
        ann.push(&format!("+HEAD:refs/tags/{P}/v1"))
    });
    assert!(answer.stderr.contains("publish a new revision"), "{}", answer.stderr);
    // Tags without a package at their path are nobody's business.
    ann.push("HEAD:refs/tags/v1").ok();
    ann.push("HEAD:refs/tags/elsewhere/v1").ok();
    ann.push("+main~1:refs/tags/elsewhere/v1").ok();
    ann.push(":refs/tags/elsewhere/v1").ok();
}

#[test]
fn a_legacy_tag_is_deleted_through_its_own_last_segment() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    publish(&world, &ann, P, "w1");
    world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "tag", "net/router/hello", "main"]).ok();
    crate::support::eventually("the legacy tag shows", || (lifecycle(&world, "hello") == "Published").then_some(()));
    ann.reset();
    let (tag, bob) = (format!(":refs/tags/{P}/hello"), world.clone("bob", "packages"));
    refused(&world, "immutable", "propose its deletion first", || bob.push(&tag));
    ann.push(&format!("main:refs/heads/deletionProposed/{P}/hello")).ok();
    assert_eq!(lifecycle(&world, "hello"), "DeletionProposed");
    bob.push(&tag).ok();
    let refs = world.refs("packages");
    assert!(!refs.contains("hello"), "{refs}");
}

#[test]
fn a_tag_published_elsewhere_is_deleted_with_its_marker_and_its_number_stays_used() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    // As Porch published it, before the daemon knew the repository: the ledger has nothing on it.
    let line = format!("kpt:{{\"package\":\"{P}\",\"workspaceName\":\"porch\",\"revision\":\"4\"}}");
    ann.git(&["commit", "-q", "--amend", "-m", &format!("Approving package revision {P}/4\n\n{line}")]).ok();
    let ada = world.clone("ada", "packages");
    ada.git(&["pull", "-q", ann.path().to_str().expect("text")]).ok();
    ada.git(&["push", "-o", "import", "origin", "HEAD:main", &format!("HEAD:refs/tags/{P}/v4")]).ok();
    assert_eq!(world.field("packages.net.router.porch", "{.spec.revision}"), "4");
    ann.reset();
    ann.push(&format!("refs/tags/{P}/v4:refs/heads/deletionProposed/{P}/v4")).ok();
    world.clone("bob", "packages").push(&format!(":refs/tags/{P}/v4")).ok();
    assert!(!world.refs("packages").contains("deletionProposed"), "{}", world.refs("packages"));
    ann.package(P, "two");
    publish(&world, &ann, P, "w5");
    assert_eq!(world.field("packages.net.router.w5", "{.spec.revision}"), "5");
}

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
    let import = |by: &Workdir| by.git(&["push", "-o", "import", "origin", "HEAD:main", "HEAD:refs/tags/net/router/v3"]);
    refused(&world, "not-allowed", "ann may not import: this needs the role admin", || import(&ann));
    let ada = world.clone("ada", "packages");
    ada.package(P, "one");
    refused(&world, "branch-guarded", "without an approval", || ada.push("HEAD:main"));
    import(&ada).ok();
    assert_eq!(world.field("packages.net.router.v3", "{.spec.revision}"), "3");
    let ledger = world.on_disk("packages", &["log", "--format=%an %s%n%b", "refs/stoop/ledger"]).ok();
    assert!(ledger.stdout.contains("import refs/tags/net/router/v3"), "{}", ledger.stdout);
    // Even an import moves no published tag and takes no branch back.
    refused(&world, "immutable", "is a published revision", || {
        ada.git(&["push", "-o", "import", "--force", "origin", "HEAD~1:refs/tags/net/router/v3"])
    });
}
