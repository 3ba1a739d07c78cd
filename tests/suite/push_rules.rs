//! The rules on content, history and names that every draft and proposal meets, by push.
//!
//! Never here: who may do what (see `push_drafts`).

use crate::steps::P;
use crate::support::{Workdir, World, config_map, kptfile};
use crate::untouched::refused;

struct Story {
    world: World,
    ann: Workdir,
    bob: Workdir,
}

impl Story {
    fn begin() -> Self {
        let world = World::with_repository();
        let (ann, bob) = (world.clone("ann", "packages"), world.clone("bob", "packages"));
        Self { world, ann, bob }
    }

    #[track_caller]
    fn refused(&self, code: &str, text: &str, package: &str, workspace: &str) {
        refused(&self.world, code, text, || self.ann.draft(package, workspace));
        refused(&self.world, code, text, || self.ann.propose(package, workspace));
    }

    #[track_caller]
    fn approve(&self, package: &str, workspace: &str) {
        let proposal = format!("refs/heads/proposed/{package}/{workspace}");
        self.bob.git(&["fetch", "-q", "origin", &proposal]).ok();
        self.bob.approve("FETCH_HEAD", package, workspace).ok();
    }

    #[track_caller]
    fn publish(&self, package: &str, workspace: &str, content: &str) {
        self.ann.reset();
        self.ann.package(package, content);
        self.ann.propose(package, workspace).ok();
        self.approve(package, workspace);
        self.ann.reset();
    }

    fn number(&self, workspace: &str) -> String {
        self.world.field(&format!("packages.net.router.{workspace}"), "{.spec.revision}")
    }

    fn fresh(&self) {
        self.ann.reset();
        self.ann.git(&["clean", "-qfdx"]).ok();
    }
}

#[test]
fn a_draft_changes_only_its_package_in_its_tree_and_in_every_commit() {
    let story = Story::begin();
    story.publish("net/switch", "w1", "one");
    let ann = &story.ann;
    ann.write("outside.txt", "x\n");
    ann.package(P, "one");
    story.refused("outside-package", "changes outside.txt, which is outside package net/router", P, "w1");

    // Another package is touched and put back: the tree is clean, the history is not.
    story.fresh();
    ann.write("net/switch/config.yaml", &config_map("two"));
    ann.commit("a detour");
    ann.write("net/switch/config.yaml", &config_map("one"));
    ann.commit("and back");
    ann.package(P, "one");
    story.refused("outside-package", "net/switch/config.yaml", P, "w1");

    // Deleting another package counts as well.
    story.fresh();
    ann.git(&["rm", "-rq", "net/switch"]).ok();
    ann.package(P, "one");
    story.refused("outside-package", "outside package net/router", P, "w1");

    // A merge of the branch brings in what the branch has, and is no change of the draft's.
    story.fresh();
    let base = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    story.publish("net/dns", "w1", "one");
    ann.git(&["reset", "-q", "--hard", &base]).ok();
    ann.git(&["merge", "-q", "--no-edit", "origin/main"]).ok();
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    story.approve(P, "w1");
    assert_eq!(story.number("w1"), "1");

    // A merge that hides a change of its own.
    story.fresh();
    ann.package(P, "two");
    let two = ann.head();
    story.publish("net/dns", "w2", "two");
    ann.git(&["reset", "-q", "--hard", &two]).ok();
    ann.git(&["merge", "-q", "--no-edit", "--no-commit", "--no-ff", "origin/main"]).ok();
    ann.write("net/dns/config.yaml", &config_map("evil"));
    ann.commit("merge");
    story.refused("outside-package", "net/dns/config.yaml", P, "w2");
}

#[test]
fn annotation_lines_cannot_be_forged() {
    let story = Story::begin();
    let ann = &story.ann;
    let line = |package: &str, workspace: &str, revision: &str| {
        format!("kpt:{{\"package\":\"{package}\",\"workspaceName\":\"{workspace}\",\"revision\":\"{revision}\"}}")
    };
    for (text, says) in [
        (line("net/other", "w1", "0"), "\"net/other\""),
        (line(P, "w2", "0"), "workspace \"w2\""),
        (line(P, "w1", "7"), "revision \"7\""),
        (format!("  {}", line(P, "w1", "7")), "revision \"7\""),
        ("kpt:{broken".to_owned(), "cannot be read"),
    ] {
        story.fresh();
        ann.package(P, "one");
        ann.git(&["commit", "-q", "--amend", "--cleanup=verbatim", "-m", &format!("subject\n\n{text}\n")]).ok();
        // The forged line also counts in a commit below the tip.
        ann.package(P, "two");
        story.refused("forged-annotation", says, P, "w1");
    }
    story.fresh();
    ann.package(P, "one");
    let own =
        "kpt:{\"package\":\"net/router\",\"workspaceName\":\"w1\",\"revision\":\"0\",\"task\":{\"type\":\"init\"}}";
    ann.git(&["commit", "-q", "--amend", "-m", &format!("Creating new empty revision\n\n{own}")]).ok();
    ann.draft(P, "w1").ok();
    assert_eq!(story.world.field("packages.net.router.w1", "{.spec.tasks[0].type}"), "init");
}

#[test]
fn a_workspace_names_one_revision_and_a_number_is_never_used_again() {
    let story = Story::begin();
    story.publish(P, "w1", "one");
    let ann = &story.ann;
    ann.package(P, "two");
    story.refused("workspace-used", "net/router w1 is Published", P, "w1");
    story.publish(P, "w2", "two");
    assert_eq!(story.number("w2"), "2");
    for tag in ["v2", "v1"] {
        ann.push(&format!("refs/tags/{P}/{tag}:refs/heads/deletionProposed/{P}/{tag}")).ok();
        if tag == "v2" {
            ann.package(P, "three");
            story.refused("workspace-used", "net/router w2 is DeletionProposed", P, "w2");
            story.fresh();
        }
        story.bob.push(&format!(":refs/tags/{P}/{tag}")).ok();
    }
    // Both are gone, and their workspaces are free again, but not their numbers.
    story.publish(P, "w2", "three");
    assert_eq!(story.number("w2"), "3");
    assert_eq!(story.number("w1"), "");
    let refs = story.world.refs("packages");
    assert!(refs.contains(&format!("refs/tags/{P}/v3")) && !refs.contains(&format!("refs/tags/{P}/v2")), "{refs}");
}

#[test]
fn packages_are_not_nested() {
    let story = Story::begin();
    let ann = &story.ann;
    story.publish("a/b", "w1", "one");
    ann.package("a/b/c", "inside a published one");
    story.refused("nested-package", "a/b/c would lie inside package a/b", "a/b/c", "w1");
    story.fresh();
    ann.write("a/Kptfile", &kptfile("a"));
    ann.commit("around");
    story.refused("nested-package", "package a would lie around package a/b", "a", "w1");

    story.fresh();
    ann.package("x/y", "a draft");
    ann.draft("x/y", "w1").ok();
    story.fresh();
    ann.package("x/y/z", "inside a draft");
    story.refused("nested-package", "inside package x/y", "x/y/z", "w1");
    ann.git(&["fetch", "-q", "origin", "drafts/x/y/w1"]).ok();
    ann.push("FETCH_HEAD:refs/heads/proposed/x/y/w1").ok();
    story.refused("nested-package", "inside package x/y", "x/y/z", "w1");

    // Within one push.
    story.fresh();
    let outer = ann.package("p", "outer");
    story.fresh();
    let inner = ann.package("p/q", "inner");
    refused(&story.world, "nested-package", "of this push are nested", || {
        let refspecs = [format!("{outer}:refs/heads/drafts/p/w1"), format!("{inner}:refs/heads/drafts/p/q/w1")];
        ann.git(&["push", "origin", &refspecs[0], &refspecs[1]])
    });
    // A package with a subpackage in it is one package.
    story.fresh();
    ann.package("whole", "outer");
    ann.package("whole/part", "inner");
    ann.draft("whole", "w1").ok();
}

#[test]
fn refs_that_the_revision_will_need_must_be_possible() {
    let story = Story::begin();
    let ann = &story.ann;
    ann.push("HEAD:refs/tags/net").ok();
    ann.package(P, "one");
    story.refused("ref-conflict", "cannot exist beside refs/tags/net", P, "w1");
    ann.push(":refs/tags/net").ok();
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    // Made after the proposal: found again at the approval.
    ann.push("origin/main:refs/tags/net/router").ok();
    story.bob.git(&["fetch", "-q", "origin", &format!("proposed/{P}/w1")]).ok();
    refused(&story.world, "ref-conflict", "cannot exist beside refs/tags/net/router", || {
        story.bob.approve("FETCH_HEAD", P, "w1")
    });
    ann.push(":refs/tags/net/router").ok();
    story.approve(P, "w1");
}

#[test]
fn a_stale_base_is_refused_and_the_printed_commands_help() {
    let story = Story::begin();
    let ann = &story.ann;
    story.publish(P, "w1", "one");
    // Two proposals from one base, and a draft.
    ann.write("net/router/second.yaml", &config_map("second"));
    ann.commit("second");
    ann.propose(P, "w2").ok();
    ann.reset();
    ann.write("net/router/third.yaml", &config_map("third"));
    let third = ann.commit("third");
    ann.propose(P, "w3").ok();
    ann.draft(P, "w4").ok();
    story.approve(P, "w2");

    // A proposal: it is locked, so the commands make it a draft again first.
    story.bob.git(&["fetch", "-q", "origin", &third]).ok();
    let answer = refused(&story.world, "stale-base", "approving it would undo that change", || {
        story.bob.approve(&third, P, "w3")
    });
    let command = |answer: &crate::support::Answer, after: &str| {
        let line = answer.stderr.lines().find(|line| line.contains("git rebase")).expect("commands are printed");
        let line = line.strip_prefix("remote:").expect("from the remote").trim();
        line.split_once(after).expect("the commands").1.to_owned()
    };
    let printed = command(&answer, "make it a draft again: ");
    let (unlock, rebase) = printed.split_once(", then rebase: ").expect("two steps");
    let shell = |commands: &str| {
        let mut shell = std::process::Command::new("sh");
        crate::support::run(shell.args(["-ec", commands]).current_dir(ann.path()).env("HOME", ann.path()))
    };
    shell(unlock).ok();
    shell(rebase).ok();
    ann.propose(P, "w3").ok();
    story.approve(P, "w3");
    assert_eq!(story.number("w3"), "3");

    // A draft: refused when it is proposed.
    ann.git(&["reset", "-q", "--hard", &third]).ok();
    let answer =
        refused(&story.world, "stale-base", "net/router changed on main after w4 began", || ann.propose(P, "w4"));
    ann.write("net/router/fourth.yaml", &config_map("fourth"));
    ann.commit("fourth");
    shell(&command(&answer, "rebase: ")).ok();
    ann.propose(P, "w4").ok();
    story.approve(P, "w4");
    let files = story.world.on_disk("packages", &["ls-tree", "-r", "--name-only", "main", P]).ok();
    for file in ["second.yaml", "third.yaml", "fourth.yaml"] {
        assert!(files.stdout.contains(file), "nothing was undone: {}", files.stdout);
    }
}

#[test]
fn a_package_needs_a_sound_kptfile_and_sound_content() {
    let story = Story::begin();
    let ann = &story.ann;
    ann.commit("nothing at all");
    story.refused("bad-kptfile", "has no directory net/router", P, "w1");
    ann.write("net/router/config.yaml", &config_map("one"));
    ann.commit("no Kptfile");
    story.refused("bad-kptfile", "no regular file net/router/Kptfile", P, "w1");
    for (text, says) in [
        ("a: [b", "net/router/Kptfile cannot be read"),
        ("- a list\n", "net/router/Kptfile cannot be read"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n", "net/router/Kptfile cannot be read"),
    ] {
        story.fresh();
        ann.write("net/router/Kptfile", text);
        ann.commit("broken");
        story.refused("bad-kptfile", says, P, "w1");
    }

    story.fresh();
    ann.package(P, "one");
    std::os::unix::fs::symlink("../../secret", ann.path().join("net/router/link")).expect("linked");
    ann.commit("a link that leads out");
    story.refused("bad-content", "net/router/link is a symbolic link that leads out", P, "w1");

    story.fresh();
    ann.package(P, "one");
    let head = ann.head();
    let module = format!("160000,{head},net/router/module");
    ann.git(&["update-index", "--add", "--cacheinfo", &module]).ok();
    ann.git(&["commit", "-q", "-m", "a submodule"]).ok();
    story.refused("bad-content", "net/router/module is a submodule", P, "w1");

    story.fresh();
    std::fs::create_dir_all(ann.path().join("net/router")).expect("made");
    std::os::unix::fs::symlink("Kptfile.real", ann.path().join("net/router/Kptfile")).expect("linked");
    ann.write("net/router/Kptfile.real", &kptfile("router"));
    ann.commit("a Kptfile that is a link");
    story.refused("bad-kptfile", "no regular file net/router/Kptfile", P, "w1");

    // Fine: a link inside, an executable, a binary file, a Helm template; the last is warned of.
    story.fresh();
    ann.write("net/router/template.yaml", "{{ if .Values.on }}\na: b\n{{ end }}\n");
    std::fs::write(ann.path().join("net/router/blob.bin"), [0, 159, 146, 150]).expect("written");
    std::os::unix::fs::symlink("config.yaml", ann.path().join("net/router/link")).expect("linked");
    ann.package(P, "one");
    let answer = ann.draft(P, "w1").ok();
    assert!(answer.stderr.contains("warning: net/router/template.yaml is not valid YAML"), "{}", answer.stderr);
}

#[test]
fn a_managed_branch_is_at_a_commit_and_nothing_else() {
    let story = Story::begin();
    let ann = &story.ann;
    ann.package(P, "one");
    ann.git(&["tag", "-a", "-m", "annotated", "mine"]).ok();
    for (object, prefix) in
        [("mine", "refs/approve"), ("HEAD^{tree}", "refs/approve"), ("HEAD:net/router/Kptfile", "refs/reject")]
    {
        refused(&story.world, "bad-content", "is not a commit", || ann.push(&format!("{object}:{prefix}/{P}/w1")));
    }
    for name in ["refs/heads/drafts", "refs/heads/proposed"] {
        let answer = ann.push(&format!("mine:{name}/{P}/w1"));
        assert_ne!(answer.code, 0, "{}", answer.stderr);
        refused(&story.world, "bad-content", "is not a commit", || ann.push(&format!("mine:{name}/{P}/w1")));
    }
    assert!(!story.world.refs("packages").contains("net/router"));
}

#[test]
fn a_pipeline_is_told_of_and_gates_are_held() {
    let story = Story::begin();
    let ann = &story.ann;
    ann.package(P, "one");
    let pipeline = "pipeline:\n  mutators:\n  - image: set-namespace:v0.4\n    configMap:\n      namespace: x\n";
    ann.write("net/router/Kptfile", &(kptfile(P) + pipeline));
    ann.commit("a pipeline");
    let answer = ann.draft(P, "w1").ok();
    assert!(answer.stderr.contains("Rendered=Unknown (FunctionsNotAvailable)"), "{}", answer.stderr);
    let condition = "{.status.conditions[?(@.type==\"Rendered\")].reason}";
    assert_eq!(story.world.field("packages.net.router.w1", condition), "FunctionsNotAvailable");
    let answer = ann.propose(P, "w1").ok();
    assert!(answer.stderr.contains("Rendered=Unknown"), "{}", answer.stderr);
    story.approve(P, "w1");

    story.fresh();
    let gate = "info:\n  readinessGates:\n  - conditionType: reviewed\n";
    ann.package("gated", "one");
    ann.write("gated/Kptfile", &(kptfile("gated") + gate));
    ann.commit("gated");
    ann.draft("gated", "w1").ok();
    let unmet = "does not meet its readiness gates: reviewed";
    refused(&story.world, "not-ready", unmet, || ann.propose("gated", "w1"));
    let patch = "{\"spec\":{\"lifecycle\":\"Proposed\"}}";
    story
        .world
        .kubectl("admin", &["patch", "packagerevision", "packages.gated.w1", "--type=merge", "-p", patch])
        .refused(unmet);
    let status = |value: &str| format!("status:\n  conditions:\n  - type: reviewed\n    status: \"{value}\"\n");
    ann.write("gated/Kptfile", &(kptfile("gated") + gate + &status("False")));
    ann.commit("not yet");
    refused(&story.world, "not-ready", unmet, || ann.propose("gated", "w1"));
    ann.write("gated/Kptfile", &(kptfile("gated") + gate + &status("True")));
    ann.commit("reviewed");
    ann.propose("gated", "w1").ok();
    story.approve("gated", "w1");
}
