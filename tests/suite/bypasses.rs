//! Bypasses that were published of other systems, each tried here: by push, and by the API where that has the same gate.
//!
//! A test names what was published; what it tries is the same idea against Stoop, not the same bytes.
//! Never here: what is hostile in its form alone (see `bad_input`).

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::steps::{P, approver, lifecycle};
use crate::support::{Workdir, World};
use crate::untouched::refused;

const OBJECT: &str = "packages.net.router.w1";
const PUBLISH: &str = r#"{"spec":{"lifecycle":"Published"}}"#;

/// A world in which ann has proposed a package; gives her clone and the commit.
fn proposed() -> (World, Workdir, String) {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    (world, ann, commit)
}

fn patch(world: &World, user: &str, patch: &str) -> crate::support::Answer {
    world.kubectl(user, &["patch", "packagerevision", OBJECT, "--type=merge", "-p", patch])
}

/// CVE-2026-27780: Gitea's pre-receive hook stopped reading at a line that was too long, and let the push through.
#[test]
fn a_hook_does_not_let_pass_what_is_too_long_for_it() {
    let (world, _ann, commit) = proposed();
    let zero = "0".repeat(40);
    let honest = format!("{zero} {commit} refs/heads/feature\n");
    let long = format!("{zero} {commit} refs/heads/{}\n", "x".repeat(1 << 17));
    let hidden = format!("{commit} {zero} refs/heads/proposed/{P}/w1\n");
    let many = format!("{zero} {commit} refs/heads/{}\n", "y".repeat(1000)).repeat(40_000);
    for (input, accepted) in [
        (honest.clone(), true),
        (long.clone(), false),
        (format!("{honest}{long}{hidden}"), false),
        (format!("{many}{hidden}"), false),
    ] {
        let mut hook = Command::new(world.bare("packages").join("hooks/pre-receive"))
            .current_dir(world.bare("packages"))
            .env("GIT_DIR", ".")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the hook starts");
        // The hook may end before it has read everything.
        let _ = hook.stdin.take().expect("piped").write_all(input.as_bytes());
        assert_eq!(hook.wait().expect("it ends").success(), accepted, "{:.100}", input);
    }
}

/// CVE-2026-27775: Gitea asked once whether the first branch of a push may be written, and took the answer for all others.
#[test]
fn what_holds_for_one_ref_of_a_push_does_not_hold_for_another() {
    let (world, ann, commit) = proposed();
    ann.package("net/other", "two");
    let allowed = ["HEAD:refs/heads/feature", "HEAD~1:refs/heads/drafts/net/router/w2"];
    let approve = format!("{commit}:refs/approve/{P}/w1");
    for forbidden in ["HEAD:refs/heads/main", &approve, "HEAD:refs/stoop/ledger"] {
        let before = world.refs("packages");
        let answer = ann.git(&["push", "--atomic", "origin", allowed[0], allowed[1], forbidden]);
        assert_ne!(answer.code, 0, "{forbidden}: {}", answer.stderr);
        assert_eq!(world.refs("packages"), before, "{forbidden}");
    }
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
}

/// CVE-2026-44544: whoever could push to gittuf's log rolled its policy back to an older one that was valid once.
#[test]
fn the_ledger_cannot_be_rolled_back_by_a_push() {
    let (world, _ann, commit) = proposed();
    approver(&world, &commit).approve(&commit, P, "w1").ok();
    for user in ["ann", "ada"] {
        let clone = world.clone(user, "packages");
        clone.git(&["fetch", "-q", "origin", "refs/stoop/ledger"]).ok();
        for refspec in ["+FETCH_HEAD~1:refs/stoop/ledger", ":refs/stoop/ledger", "FETCH_HEAD~1:refs/stoop/policy"] {
            refused(&world, "internal-ref", "belongs to Stoop alone", || {
                clone.git(&["push", "-o", "import", "origin", refspec])
            });
        }
    }
    // A rolled-back ledger that is valid in itself does not bring an old number back either.
    assert_eq!(lifecycle(&world, "w1"), "Published");
}

/// CVE-2026-27111: Kargo's newer API left out the check for the right to promote, which its older one made.
#[test]
fn every_door_asks_for_the_right_to_approve() {
    let (world, ann, commit) = proposed();
    refused(&world, "not-allowed", "needs the role approver", || ann.approve(&commit, P, "w1"));
    patch(&world, "ann", PUBLISH).refused("needs the role approver");
    let path = format!("/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions/{OBJECT}");
    let object = world.kubectl("ann", &["get", "--raw", &path]).ok();
    let mut object: serde_json::Value = serde_json::from_str(&object.stdout).expect("JSON");
    object["spec"]["lifecycle"] = "Published".into();
    let file = world.path().join("object.json");
    std::fs::write(&file, object.to_string()).expect("written");
    for path in [path.clone(), format!("{path}/approval"), format!("{path}/status")] {
        let answer = world.kubectl("ann", &["replace", "--raw", &path, "-f", file.to_str().expect("text")]);
        assert_ne!(answer.code, 0, "{path}: {}", answer.stdout);
    }
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
}

/// GHSA-w5pg-649r-p6gg: in Gitea an approval stayed when the pull request was turned to another target.
#[test]
fn an_approval_does_not_go_over_to_other_content() {
    let (world, ann, first) = proposed();
    let before = world.field(OBJECT, "{.metadata.resourceVersion}");
    ann.push(&format!("{first}:refs/heads/drafts/{P}/w1")).ok();
    let second = ann.package(P, "two");
    ann.propose(P, "w1").ok();
    let bob = approver(&world, &second);
    refused(&world, "stale", "not at", || bob.approve(&first, P, "w1"));
    let bound = format!(r#"{{"metadata":{{"resourceVersion":"{before}"}},"spec":{{"lifecycle":"Published"}}}}"#);
    patch(&world, "bob", &bound).refused("Conflict");
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
}

/// chdsbd/kodiak#508 and actions/runner#3649: a required check that was skipped counted as one that succeeded.
#[test]
fn a_gate_that_nobody_answered_is_not_met() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let gate = "info: {readinessGates: [{conditionType: Tested}]}\n";
    let condition = |status: &str| format!("status: {{conditions: [{{type: Tested, status: \"{status}\"}}]}}\n");
    let head = crate::support::kptfile(P);
    for status in [String::new(), condition("Unknown"), condition("False"), "status: {conditions: []}\n".to_owned()] {
        ann.write(&format!("{P}/Kptfile"), &format!("{head}{gate}{status}"));
        ann.commit("gated");
        ann.draft(P, "w1").ok();
        refused(&world, "not-ready", "Tested", || ann.propose(P, "w1"));
        patch(&world, "ann", r#"{"spec":{"lifecycle":"Proposed"}}"#).refused("Tested");
    }
    assert_eq!(lifecycle(&world, "w1"), "Draft");
}

/// Agent-Field/CodeAF#654: a tag named like the protected branch had the guard read another name than the branch's.
#[test]
fn a_tag_named_like_a_branch_is_taken_for_neither() {
    let (world, ann, commit) = proposed();
    let evil = ann.package(P, "evil");
    for name in ["main", "heads/main", &format!("refs/heads/proposed/{P}/w1"), &format!("proposed/{P}/w1")] {
        // The tag may be refused; it must not be taken for the branch.
        ann.push(&format!("{evil}:refs/tags/{name}"));
    }
    ann.push(&format!("{evil}:refs/heads/refs/tags/{P}/v1"));
    refused(&world, "branch-guarded", "without an approval", || ann.push(&format!("{evil}:refs/heads/main")));
    approver(&world, &commit).approve(&commit, P, "w1").ok();
    let published = world.on_disk("packages", &["rev-parse", &format!("refs/tags/{P}/v1^2")]).ok();
    assert_eq!(published.text(), commit);
    let main = world.on_disk("packages", &["rev-parse", "refs/heads/main"]).ok();
    let tag = world.on_disk("packages", &["rev-parse", &format!("refs/tags/{P}/v1")]).ok();
    assert_eq!(main.text(), tag.text());
}

/// gittuf/gittuf#1278 and watt-mind/factory#329: names that look like the guarded one, in another case or another script.
#[test]
fn a_name_that_looks_like_another_is_another() {
    let (world, ann, commit) = proposed();
    let evil = ann.package(P, "evil");
    let before = world.refs("packages");
    for name in [
        "proposed/net/Router/w1",
        "proposed/net/router/W1",
        "drafts/net/ro\u{200b}uter/w1",
        "drafts/n\u{435}t/router/w1",
    ] {
        ann.push(&format!("{evil}:refs/heads/{name}")).refused("[bad-name]");
    }
    assert_eq!(world.refs("packages"), before);
    // Elsewhere such a name is nobody's business, and changes nothing that is guarded.
    for name in ["Proposed/net/router/w1", "ma\u{131}n", "MAIN", "Drafts/net/router/w1"] {
        ann.push(&format!("{evil}:refs/heads/{name}")).ok();
    }
    let refs = world.refs("packages");
    assert!(refs.contains(&format!("refs/heads/proposed/{P}/w1 {commit}\n")), "{refs}");
    let listed = world.kubectl("rea", &["get", "packagerevisions", "-o", "name"]).ok();
    assert_eq!(listed.stdout.lines().count(), 1, "{}", listed.stdout);
}

/// gittuf/gittuf#133 and go-gitea/gitea#19014: an object is verified, and git reads the one that refs/replace puts in its place.
#[test]
fn a_replacement_changes_nothing_that_is_approved() {
    let (world, ann, commit) = proposed();
    let tree = ann.git(&["rev-parse", &format!("HEAD:{P}")]).ok();
    let evil = ann.package(P, "evil");
    ann.push(&format!("{evil}:refs/replace/{commit}"));
    approver(&world, &commit).approve(&commit, P, "w1").ok();
    let published = world.on_disk("packages", &["--no-replace-objects", "rev-parse", &format!("refs/tags/{P}/v1:{P}")]);
    assert_eq!(published.ok().text(), tree.text());
}

/// CVE-2026-3854: a push option was copied into a line of the server's own, where it could set other fields.
#[test]
fn a_push_option_says_nothing_but_itself() {
    let (world, ann, commit) = proposed();
    for option in ["identity=bob", "x;user=bob", "x\tidentity\tbob", "import;roles=admin", "REMOTE_USER=bob", " import"]
    {
        refused(&world, "not-allowed", "ann may not approve", || {
            ann.git(&["push", "-o", option, "origin", &format!("{commit}:refs/approve/{P}/w1")])
        });
        let evil = ann.package(P, "evil");
        refused(&world, "branch-guarded", "without an approval", || {
            ann.git(&["push", "-o", option, "origin", &format!("{evil}:refs/heads/main")])
        });
    }
}

/// CVE-2026-28744: Gitea looked at what a token may do only where it came as a password, not as a bearer's.
#[test]
fn a_token_may_the_same_however_it_comes() {
    let (world, _ann, _commit) = proposed();
    let rea = world.clone("rea", "packages");
    rea.package("net/other", "two");
    let door = world.ready().git.clone();
    for header in ["Authorization: Bearer stoop_rea", "Authorization: bearer stoop_rea", "X-Remote-User: ada"] {
        let before = world.refs("packages");
        let url = format!("{door}/packages.git");
        let header = format!("http.extraHeader={header}");
        let push = ["-c", &header, "push", &url, "HEAD:refs/heads/drafts/net/other/w1"];
        assert_ne!(rea.git(&push).code, 0, "{header}");
        assert_eq!(world.refs("packages"), before, "{header}");
    }
    rea.draft("net/other", "w1").refused("may only read");
}

/// libgit2/libgit2#4484 and gitbutlerapp/gitbutler#13645: a push to HEAD, or to a ref that stands for another one, moves the
/// guarded branch by another name.
#[test]
fn the_branch_is_not_moved_by_another_name() {
    let (world, ann, commit) = proposed();
    approver(&world, &commit).approve(&commit, P, "w1").ok();
    world.on_disk("packages", &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]).ok();
    world.on_disk("packages", &["symbolic-ref", "refs/heads/tagged", &format!("refs/tags/{P}/v1")]).ok();
    ann.reset();
    let evil = ann.package(P, "evil");
    let main =
        |world: &World| world.on_disk("packages", &["rev-parse", "refs/heads/main", &format!("refs/tags/{P}/v1")]).ok();
    let before = main(&world);
    for name in ["HEAD", "refs/heads/HEAD", "refs/heads/alias", "refs/heads/tagged"] {
        // A branch that is only called HEAD may be made.
        ann.git(&["push", "origin", &format!("+{evil}:{name}")]);
        assert_eq!(main(&world).text(), before.text(), "{name}");
    }
}

/// go-gitea/gitea#33790 tells of it: whoever may not push to a protected branch renames another one to its name. A forge's
/// buttons run git with no user named, and no push. (A new name alone, `git branch -m`, git tells no hook: see
/// `behind_the_doors`.)
#[test]
fn a_protected_name_is_not_taken_by_renaming() {
    let (world, ann, commit) = proposed();
    approver(&world, &commit).approve(&commit, P, "w1").ok();
    let evil = ann.package(P, "evil");
    ann.push(&format!("{evil}:refs/heads/feature")).ok();
    let tag = format!("{P}/v1");
    // What is refused costs git the other branch, which it takes away first; the guarded refs stay.
    let guarded = || world.refs("packages").replace(&format!("refs/heads/feature {evil}\n"), "");
    let before = guarded();
    for args in [
        vec!["branch", "-M", "feature", "main"],
        vec!["tag", "-f", &tag, &evil],
        vec!["tag", "-d", &tag],
        vec!["update-ref", "refs/heads/main", &evil],
    ] {
        let answer = world.on_disk("packages", &args);
        assert_ne!(answer.code, 0, "{args:?}");
        assert_eq!(guarded(), before, "{args:?}: {}", answer.stderr);
    }
}
