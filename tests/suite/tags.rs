//! Tags that are none of Stoop's business, annotated ones, and tags that are named like a branch or like a package revision.
//!
//! Never here: tags that would publish (see `push_published` and `bad_input::names`).

use crate::packages::Shelf;
use crate::steps::P;
use crate::support::World;
use crate::untouched::refused;

#[test]
fn foreign_tags_come_move_and_go_annotated_or_not() {
    let shelf = Shelf::new();
    shelf.publish(P, "w1");
    let (world, ann) = (&shelf.world, &shelf.ann);
    ann.reset();
    ann.git(&["tag", "-a", "-m", "a release", "annotated", "HEAD"]).ok();
    let before = shelf.names(&[]);
    // A release of the whole repository, one of a component without a package, one beside the packages, a tree.
    for name in ["v1.2.3", "release/v1.2.3", "net/v1", "net/switch/v1.2.3", "docs/v1"] {
        let tag = format!("refs/tags/{name}");
        for object in ["HEAD", "annotated", "HEAD~1", "HEAD^{tree}"] {
            ann.push(&format!("+{object}:{tag}")).ok();
        }
        assert_eq!(shelf.names(&[]), before, "{name} shows nothing");
        ann.push(&format!(":{tag}")).ok();
    }
    // As `git push --follow-tags` and `git push --tags` send them, in one push with a draft.
    ann.package(P, "two");
    ann.git(&["tag", "-a", "-m", "with a draft", "v2.0.0"]).ok();
    ann.git(&["push", "--tags", "origin", &format!("HEAD:refs/heads/drafts/{P}/w2")]).ok();
    let refs = world.refs("packages");
    assert!(["tags/v2.0.0", "tags/annotated", "drafts/net/router/w2"].iter().all(|name| refs.contains(name)), "{refs}");
}

#[test]
fn an_annotated_tag_of_a_published_commit_is_shown_and_guarded_as_any_other() {
    let shelf = Shelf::new();
    shelf.publish(P, "w1");
    let (world, ann, bob) = (&shelf.world, &shelf.ann, &shelf.bob);
    // An administrator brings one from elsewhere.
    let ada = world.clone("ada", "packages");
    let line = format!("kpt:{{\"package\":\"{P}\",\"workspaceName\":\"porch\",\"revision\":\"7\"}}");
    ada.git(&["commit", "-q", "--allow-empty", "-m", &format!("Approving package revision {P}/7\n\n{line}")]).ok();
    ada.git(&["tag", "-a", "-m", "seven", "seven"]).ok();
    refused(world, "immutable", "would publish", || ada.push(&format!("seven:refs/tags/{P}/v7")));
    ada.git(&["push", "-o", "import", "origin", &format!("seven:refs/tags/{P}/v7")]).ok();
    let name = "packages.net.router.porch";
    assert_eq!(world.field(name, "{.spec.revision}"), "7");
    let peeled = world.on_disk("packages", &["rev-parse", &format!("{P}/v7^{{commit}}")]).ok();
    assert_eq!(world.field(name, "{.status.selfLock.git.commit}"), peeled.text(), "the commit, not the tag object");

    ann.reset();
    refused(world, "immutable", "is a published revision", || ann.push(&format!("+HEAD:refs/tags/{P}/v7")));
    refused(world, "immutable", "is a published revision", || {
        ann.push(&format!("+{P}/v7^{{commit}}:refs/tags/{P}/v7"))
    });
    refused(world, "immutable", "propose its deletion first", || bob.push(&format!(":refs/tags/{P}/v7")));
    // The marker stands at the commit that the tag leads to; the tag object itself is no commit.
    refused(world, "bad-content", "is not a commit", || {
        ann.git(&["push", "origin", &format!("refs/tags/{P}/v7:refs/heads/deletionProposed/{P}/v7")])
    });
    ann.push(&format!("{P}/v7^{{commit}}:refs/heads/deletionProposed/{P}/v7")).ok();
    bob.push(&format!(":refs/tags/{P}/v7")).ok();
    assert_eq!(world.field(name, "{.spec.revision}"), "");
    shelf.publish(P, "w2");
    assert_eq!(world.field("packages.net.router.w2", "{.spec.revision}"), "8", "its number is never used again");
}

/// Tags that short names would mean before the branches of the same name.
const ALIKE: [&str; 5] = ["main", "drafts/net/router/w1", "proposed/net/router/w1", "HEAD", "refs/heads/main"];

#[test]
fn a_tag_named_like_a_branch_leads_nobody_astray() {
    let shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let (world, ann) = (&shelf.world, &shelf.ann);
    ann.reset();
    let evil = ann.package(P, "evil");
    for name in ALIKE {
        ann.push(&format!("{evil}:refs/tags/{name}")).ok();
    }
    // By object ids: in a clone with such tags, git itself takes HEAD for a tag.
    ann.reset();
    let good = ann.package(P, "good");
    ann.push(&format!("{good}:refs/heads/drafts/{P}/w1")).ok();
    ann.push(&format!("{good}:refs/heads/proposed/{P}/w1")).ok();
    shows(world, "Proposed", &good);
    let bob = world.clone("bob", "packages");
    bob.git(&["fetch", "-q", "origin", &good, &evil]).ok();
    refused(world, "stale", "not at", || bob.approve(&evil, P, "w1"));
    bob.approve(&good, P, "w1").ok();
    let parents = world.on_disk("packages", &["rev-parse", "refs/heads/main^2"]).ok();
    assert_eq!(parents.text(), good, "it is the branch that was merged into, with what was proposed");
    assert!(world.refs("packages").contains(&format!("refs/tags/main {evil}")), "the tag is where it was");

    // What is told to type names refs in full: a short name would fetch the tag.
    ann.reset();
    let second = ann.package(P, "second");
    ann.push(&format!("{second}:refs/heads/drafts/{P}/w2")).ok();
    ann.push(&format!("{evil}:refs/tags/drafts/{P}/w2")).ok();
    ann.reset();
    let beside = ann.package(P, "beside the draft");
    let answer = refused(world, "stale", "does not hold", || ann.push(&format!("{beside}:refs/heads/proposed/{P}/w2")));
    let command = answer.stderr.split_once("git fetch origin ").expect("a command").1;
    let reference = command.split_whitespace().next().expect("a ref");
    ann.git(&["fetch", "-q", "origin", reference]).ok();
    assert_eq!(ann.git(&["rev-parse", "FETCH_HEAD"]).ok().text(), second, "{reference}");
}

fn shows(world: &World, lifecycle: &str, commit: &str) {
    let fields = "{.spec.lifecycle} {.status.selfLock.git.commit}";
    assert_eq!(world.field("packages.net.router.w1", fields), format!("{lifecycle} {commit}"));
}
