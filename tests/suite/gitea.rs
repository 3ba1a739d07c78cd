//! A team on a real Gitea 1.26: drafts, proposals and approvals by push, by its REST API and by kubectl. What Stoop must
//! allow, refuse or leave alone, and what Gitea's books say afterwards: branches, tags, pull requests, webhooks.
//!
//! Never here: starting Gitea (see `tests/support/gitea.rs`).

use crate::gitea_server::{Gitea, Reply, Webhooks};
use crate::steps::P;
use crate::support::{Workdir, eventually};

const OBJECT: &str = "team-packages.net.router.w1";

/// A Gitea with `team/packages` and ann's clone of it.
fn stage() -> (Gitea, Workdir) {
    let gitea = Gitea::start();
    gitea.create_repository("packages");
    let ann = gitea.clone("ann", "packages");
    (gitea, ann)
}

fn lifecycle(gitea: &Gitea, object: &str) -> String {
    gitea.world.field(object, "{.spec.lifecycle}")
}

/// Gitea's own list of branches, once it is this one.
#[track_caller]
fn branches(gitea: &Gitea, wanted: &[&str]) {
    let mut last = Vec::new();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while last != wanted {
        assert!(std::time::Instant::now() < deadline, "Gitea lists {last:?}, not {wanted:?}\n{}", gitea.world.log());
        last = gitea.names("repos/team/packages/branches");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[track_caller]
fn tags(gitea: &Gitea, wanted: &[&str]) {
    assert_eq!(gitea.names("repos/team/packages/tags"), wanted);
}

fn open_pull_request(gitea: &Gitea, head: &str) -> u64 {
    let body = format!(r#"{{"head": "{head}", "base": "main", "title": "router"}}"#);
    gitea.api("ann", "POST", "repos/team/packages/pulls", &body).created()["number"].as_u64().expect("a number")
}

/// Merges a pull request by Gitea's API, once Gitea has looked whether it can be.
fn merge(gitea: &Gitea, user: &str, number: u64, style: &str, delete_branch: bool) -> Reply {
    let body = format!(r#"{{"Do": "{style}", "delete_branch_after_merge": {delete_branch}}}"#);
    let path = format!("repos/team/packages/pulls/{number}/merge");
    eventually("Gitea has looked at the pull request", || {
        let reply = gitea.api(user, "POST", &path, &body);
        let not_yet = reply.code == 405 && reply.body.to_string().contains("try again later");
        (!not_yet).then_some(reply)
    })
}

/// Asks for something that must not happen, and sees that no ref moved.
#[track_caller]
fn refused(gitea: &Gitea, code: u16, act: impl FnOnce() -> Reply) -> Reply {
    let before = gitea.refs("packages");
    let reply = act();
    assert_eq!(reply.code, code, "{reply:?}");
    assert_eq!(gitea.refs("packages"), before, "something moved: {reply:?}");
    reply
}

#[test]
fn what_was_approved_by_push_and_by_kubectl_is_in_gitea_s_books() {
    let (gitea, ann) = stage();
    let webhooks = Webhooks::listen();
    webhooks.register(&gitea, "packages");
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    branches(&gitea, &["drafts/net/router/w1", "main"]);
    let told = ann.propose(P, "w1").ok();
    assert!(told.stderr.contains("proposed at"), "{}", told.stderr);
    // The draft went with the proposal: Stoop took it away, and Gitea knows.
    branches(&gitea, &["main", "proposed/net/router/w1"]);
    webhooks.wait_for("delete", |body| body["ref"] == "drafts/net/router/w1" && body["pusher_type"] == "user");

    let number = open_pull_request(&gitea, "proposed/net/router/w1");
    assert!(gitea.on_disk("packages", &["rev-parse", &format!("refs/pull/{number}/head")]).ok().text() == commit);
    let bob = gitea.clone("bob", "packages");
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    bob.approve(&commit, P, "w1").ok();
    assert_eq!(lifecycle(&gitea, OBJECT), "Published");
    branches(&gitea, &["main"]);
    tags(&gitea, &["net/router/v1"]);
    let main = gitea.on_disk("packages", &["rev-parse", "main"]).ok().text().to_owned();
    let branch = gitea.api("ann", "GET", "repos/team/packages/branches/main", "").body;
    assert_eq!(branch["commit"]["id"], main.as_str());
    webhooks.wait_for("push", |body| {
        body["ref"] == "refs/heads/main" && body["after"] == main.as_str() && body["pusher"]["login"] == "bob"
    });
    webhooks.wait_for("create", |body| body["ref"] == "net/router/v1" && body["ref_type"] == "tag");
    webhooks.wait_for("delete", |body| body["ref"] == "proposed/net/router/w1");
    eventually("the pull request is closed", || {
        let request = gitea.api("ann", "GET", &format!("repos/team/packages/pulls/{number}"), "").body;
        (request["state"] == "closed").then_some(())
    });

    // The same through the API, where Gitea's number of the approver is not known: the configured account stands for bob.
    ann.reset();
    ann.package(P, "two");
    ann.propose(P, "w2").ok();
    branches(&gitea, &["main", "proposed/net/router/w2"]);
    let patch = r#"{"spec":{"lifecycle":"Published"}}"#;
    let object = "team-packages.net.router.w2";
    gitea.world.kubectl("bob", &["patch", "packagerevision", object, "--type=merge", "-p", patch]).ok();
    branches(&gitea, &["main"]);
    tags(&gitea, &["net/router/v1", "net/router/v2"]);
    webhooks.wait_for("create", |body| body["ref"] == "net/router/v2" && body["sender"]["login"] == "stoop");
    let main = gitea.on_disk("packages", &["rev-parse", "main"]).ok().text().to_owned();
    webhooks.wait_for("push", |body| body["after"] == main.as_str());
}

#[test]
fn what_gitea_s_pages_and_api_do_to_refs_is_allowed_refused_or_left_alone() {
    let (gitea, ann) = stage();
    let at = |path: &str| format!("repos/team/packages/{path}");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let bob = gitea.clone("bob", "packages");
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    bob.approve(&commit, P, "w1").ok();
    branches(&gitea, &["main"]);

    // Nobody is known where Gitea moves refs without a push: managed refs stay, others go their way.
    let tag =
        |name: &str| gitea.api("bob", "POST", &at("tags"), &format!(r#"{{"tag_name": "{name}", "target": "main"}}"#));
    refused(&gitea, 500, || tag("net/router/v2"));
    tag("release-1").created();
    let release = |name: &str| {
        let body = format!(r#"{{"tag_name": "{name}", "target_commitish": "main", "name": "{name}"}}"#);
        gitea.api("bob", "POST", &at("releases"), &body)
    };
    refused(&gitea, 500, || release("net/router/v3"));
    release("release-2").created();
    refused(&gitea, 500, || {
        eventually("Gitea's books have the tag", || {
            let reply = gitea.api("ada", "DELETE", &at("tags/net%2Frouter%2Fv1"), "");
            (reply.code != 404).then_some(reply)
        })
    });
    // A release of a tag that Stoop made moves nothing.
    release("net/router/v1").created();
    assert_eq!(gitea.api("ada", "DELETE", &at("tags/release-1"), "").code, 204);

    let branch_by = |user: &str, name: &str| {
        let body = format!(r#"{{"new_branch_name": "{name}", "old_branch_name": "main"}}"#);
        gitea.api(user, "POST", &at("branches"), &body)
    };
    let branch = |name: &str| branch_by("ann", name);
    branch("feature").created();
    branch("topic").created();
    // Making a branch is a push to Gitea: its user is known, and may save a draft or not.
    refused(&gitea, 500, || branch_by("bob", "drafts/net/router/w5"));
    branch("drafts/net/router/w5").created();
    assert_eq!(lifecycle(&gitea, "team-packages.net.router.w5"), "Draft");
    let renamed = gitea.api("ann", "PATCH", &at("branches/topic"), r#"{"name": "theme"}"#);
    assert_eq!(renamed.code, 204, "{renamed:?}");
    ann.reset();
    ann.package(P, "two");
    ann.draft(P, "w2").ok();
    branches(&gitea, &["drafts/net/router/w2", "drafts/net/router/w5", "feature", "main", "theme"]);
    refused(&gitea, 500, || {
        gitea.api("ann", "PATCH", &at("branches/drafts%2Fnet%2Frouter%2Fw2"), r#"{"name": "mine"}"#)
    });
    refused(&gitea, 500, || gitea.api("ann", "DELETE", &at("branches/drafts%2Fnet%2Frouter%2Fw2"), ""));
    assert_eq!(gitea.api("ann", "DELETE", &at("branches/feature"), "").code, 204);

    // git reports no new name of a renamed branch: it is seen on the disk, shown and counted.
    assert_eq!(gitea.api("ann", "PATCH", &at("branches/theme"), r#"{"name": "drafts/net/router/w6"}"#).code, 204);
    eventually("the renamed branch is found", || {
        (lifecycle(&gitea, "team-packages.net.router.w6") == "Draft").then_some(())
    });
    let metrics = gitea.world.kubectl("admin", &["get", "--raw", "/metrics"]).ok().stdout;
    assert!(metrics.contains("stoop_rescan_findings_total{kind=\"ref\"} 1"), "{metrics}");

    // Editing a file moves the branch, by a user who is known.
    let edit = |path: &str, text: &str| {
        let body = format!(r#"{{"content": "{text}", "message": "edit", "branch": "main"}}"#);
        gitea.api("ann", "POST", &at(&format!("contents/{path}")), &body)
    };
    edit("notes.md", "aGVsbG8K").created();
    let refusal = refused(&gitea, 403, || edit("net/router/extra.yaml", "YTogMQo="));
    assert!(refusal.body.to_string().contains("changes package net/router"), "{refusal:?}");
    assert_eq!(lifecycle(&gitea, OBJECT), "Published");

    // And git's own housekeeping is not held up.
    gitea.on_disk("packages", &["gc", "-q", "--prune=now"]).ok();
    assert_eq!(gitea.api("ada", "POST", "admin/cron/git_gc_repos", "").code, 204);
    eventually("Gitea's housekeeping ran", || {
        let tasks = gitea.api("ada", "GET", "admin/cron?limit=50", "").body;
        let task = tasks.as_array()?.iter().find(|task| task["name"] == "git_gc_repos")?;
        (task["exec_times"].as_u64()? > 0).then_some(())
    });
    assert!(!gitea.log().contains("git gc"), "{}", gitea.log());
}

#[test]
fn merging_a_proposal_s_pull_request_is_an_approval_and_needs_its_right() {
    let (gitea, ann) = stage();
    ann.package(P, "one");
    ann.propose(P, "w1").ok();
    let number = open_pull_request(&gitea, "proposed/net/router/w1");
    for style in ["merge", "squash", "rebase"] {
        let refusal = refused(&gitea, 409, || merge(&gitea, "ann", number, style, true));
        assert!(refusal.body.to_string().contains("ann may not approve net/router w1"), "{refusal:?}");
    }
    assert_eq!(lifecycle(&gitea, OBJECT), "Proposed");
}

#[test]
fn merging_a_proposal_s_pull_request_approves_it_in_every_style() {
    let (gitea, ann) = stage();
    let styles = ["merge", "squash", "rebase"].into_iter().flat_map(|style| [(style, false), (style, true)]);
    for (number, (style, delete_branch)) in (1..).zip(styles) {
        let workspace = format!("w{number}");
        ann.reset();
        ann.package(P, &format!("{style} {delete_branch}"));
        ann.propose(P, &workspace).ok();
        branches(&gitea, &["main", &format!("proposed/net/router/{workspace}")]);
        let request = open_pull_request(&gitea, &format!("proposed/net/router/{workspace}"));
        let reply = merge(&gitea, "bob", request, style, delete_branch);
        assert_eq!(reply.code, 200, "{style}: {reply:?}");
        let object = format!("team-packages.net.router.{workspace}");
        assert_eq!(lifecycle(&gitea, &object), "Published", "{style}");
        assert_eq!(gitea.world.field(&object, "{.spec.revision}"), number.to_string());
        let deed = gitea.on_disk("packages", &["log", "--format=%an: %s", "refs/stoop/ledger"]).ok().stdout;
        assert!(deed.contains(&format!("bob: approve {P} {workspace} as v{number}")), "{style}: {deed}");
        branches(&gitea, &["main"]);
        let request = gitea.api("ann", "GET", &format!("repos/team/packages/pulls/{request}"), "").body;
        assert!(request["merged"] == true && request["merged_by"]["login"] == "bob", "{style}: {request}");
    }
    tags(
        &gitea,
        &["net/router/v1", "net/router/v2", "net/router/v3", "net/router/v4", "net/router/v5", "net/router/v6"],
    );
    gitea.on_disk("packages", &["fsck", "--strict", "--no-dangling"]).ok();
}
