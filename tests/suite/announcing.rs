//! What Stoop moves itself reaches the `post-receive` hook that was there before: after approvals through both doors, after
//! what a push implies, in order, and across kills of the daemon. What git moved, git announces, and Stoop does not again.
//!
//! Never here: a forge's own hooks (see `gitea`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::steps::{P, approver, lifecycle, settled_ledger};
use crate::support::{World, eventually};

/// One run of the hook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Run {
    environment: Vec<String>,
    lines: Vec<String>,
}

impl Run {
    fn is_stoop_s(&self) -> bool {
        self.environment.iter().any(|line| line == "STOOP_ANNOUNCING=1")
    }
}

/// A world with a hook of somebody else's, which writes down what it hears.
struct Stage {
    world: World,
}

impl Stage {
    fn new() -> Self {
        let world = World::without_daemon();
        world.create_repository("packages");
        let stage = Self { world };
        executable(&stage.hook(), &stage.script(""));
        let mut stage = stage;
        stage.world.start_daemon();
        stage.world.wait_for_repository("packages");
        stage
    }

    fn hook(&self) -> PathBuf {
        self.world.bare("packages").join("hooks/post-receive")
    }

    fn script(&self, more: &str) -> String {
        let heard = self.world.path().join("heard");
        format!(
            "#!/bin/sh\nall=$(env | sort | sed 's/^/env /'; sed 's/^/line /')\n{more}\nprintf '%s\\nend\\n' \"$all\" >>'{}'\necho heard\n",
            heard.display()
        )
    }

    fn runs(&self) -> Vec<Run> {
        let text = fs::read_to_string(self.world.path().join("heard")).unwrap_or_default();
        let whole = text.rsplit_once("end\n").map(|(whole, _)| whole).unwrap_or_default();
        let run = |text: &str| {
            let of = |key: &str| text.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect();
            Run { environment: of("env "), lines: of("line ") }
        };
        whole.split("end\n").map(run).collect()
    }

    /// What Stoop told of, run by run.
    fn told(&self) -> Vec<Vec<String>> {
        self.runs().into_iter().filter(Run::is_stoop_s).map(|run| run.lines).collect()
    }

    #[track_caller]
    fn wait_for(&self, runs: usize) -> Vec<Vec<String>> {
        eventually(&format!("{runs} announcements"), || Some(self.told()).filter(|told| told.len() >= runs))
    }

    fn value(&self, name: &str) -> String {
        self.world.on_disk("packages", &["rev-parse", "-q", "--verify", name]).ok().text().to_owned()
    }

    /// Waits until all is noted as announced, which it is a moment after it was heard.
    #[track_caller]
    fn wait_for_note(&self) {
        eventually("it is noted as announced", || {
            (self.value("refs/stoop/announced") == self.value("refs/stoop/ledger")).then_some(())
        });
    }

    fn kubectl(&self, user: &str, workspace: &str, lifecycle: &str) {
        let patch = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
        let name = format!("packages.net.router.{workspace}");
        self.world.kubectl(user, &["patch", "packagerevision", &name, "--type=merge", "-p", &patch]).ok();
    }
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).expect("set");
    fs::rename(&new, path).expect("put there");
}

const NONE: &str = "0000000000000000000000000000000000000000";

fn created(name: &str, new: &str) -> String {
    format!("{NONE} {new} {name}")
}

fn deleted(name: &str, old: &str) -> String {
    format!("{old} {NONE} {name}")
}

#[test]
fn what_stoop_moves_is_announced_through_both_doors() {
    let stage = Stage::new();
    let world = &stage.world;
    let (draft, proposal) = (format!("refs/heads/drafts/{P}/w1"), format!("refs/heads/proposed/{P}/w1"));
    let ann = world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    // git told of the proposal, Stoop tells of the draft that went for it, and of nothing else.
    assert_eq!(stage.wait_for(1), [vec![deleted(&draft, &commit)]]);
    let by_git: Vec<String> =
        stage.runs().into_iter().filter(|run| !run.is_stoop_s()).flat_map(|run| run.lines).collect();
    assert_eq!(by_git, [created(&draft, &commit), created(&proposal, &commit)]);

    let before = stage.value("refs/heads/main");
    approver(world, &commit).approve(&commit, P, "w1").ok();
    let main = stage.value("refs/heads/main");
    let approved = vec![
        format!("{before} {main} refs/heads/main"),
        created(&format!("refs/tags/{P}/v1"), &main),
        deleted(&proposal, &commit),
    ];
    assert_eq!(stage.wait_for(2)[1..], [approved]);

    ann.reset();
    let commit = ann.package(P, "two");
    ann.draft(P, "w2").ok();
    stage.kubectl("ann", "w2", "Proposed");
    stage.kubectl("bob", "w2", "Published");
    let moved = stage.value("refs/heads/main");
    let (draft, proposal) = (format!("refs/heads/drafts/{P}/w2"), format!("refs/heads/proposed/{P}/w2"));
    let told = stage.wait_for(4);
    assert_eq!(told[2], [created(&proposal, &commit), deleted(&draft, &commit)]);
    let approved = [
        format!("{main} {moved} refs/heads/main"),
        created(&format!("refs/tags/{P}/v2"), &moved),
        deleted(&proposal, &commit),
    ];
    assert_eq!(told[3], approved);

    // The hook gets what it needs, and nothing of the daemon's.
    let runs = stage.runs();
    let last = runs.iter().rfind(|run| run.is_stoop_s()).expect("it was told");
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let mut names: Vec<&str> = last.environment.iter().filter_map(|line| line.split('=').next()).collect();
    names.retain(|name| !own.contains(name));
    assert_eq!(names, ["GIT_DIR", "HOME", "PATH", "REMOTE_USER", "STOOP_ANNOUNCING"]);
    let repository = fs::canonicalize(world.bare("packages")).expect("there");
    assert!(last.environment.contains(&format!("GIT_DIR={}", repository.display())));
    assert!(last.environment.contains(&"REMOTE_USER=bob".to_owned()));
    stage.wait_for_note();
    assert!(world.log().contains("what Stoop moved was announced") && world.log().contains("heard"));
}

#[test]
fn a_deletion_and_a_rejection_are_announced_too() {
    let stage = Stage::new();
    let world = &stage.world;
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    stage.kubectl("amy", "w1", "Draft");
    let (draft, proposal) = (format!("refs/heads/drafts/{P}/w1"), format!("refs/heads/proposed/{P}/w1"));
    assert_eq!(stage.wait_for(1), [vec![created(&draft, &commit), deleted(&proposal, &commit)]]);
    amy.propose(P, "w1").ok();
    amy.approve(&commit, P, "w1").ok();
    stage.wait_for(3);
    let tag = stage.value(&format!("refs/tags/{P}/v1"));
    let marker = format!("refs/heads/deletionProposed/{P}/v1");
    amy.git(&["fetch", "-q", "--tags", "origin"]).ok();
    amy.push(&format!("refs/tags/{P}/v1:{marker}")).ok();
    amy.push(&format!(":refs/tags/{P}/v1")).ok();
    // git deleted the tag for the push, Stoop the marker after it.
    assert_eq!(stage.wait_for(4)[3..], [vec![deleted(&marker, &tag)]]);
}

#[test]
fn what_is_restored_is_announced_with_a_daemon_and_without() {
    let mut stage = Stage::new();
    let (root, config) = (stage.world.root(), stage.world.config());
    let place = ["--root", root.to_str().expect("text"), "--config", config.to_str().expect("text")];
    let restore = |world: &World, args: &[&str]| world.stoop(&[args, &place].concat()).ok();
    let ann = stage.world.clone("ann", "packages");
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let (draft, tag) = (format!("refs/heads/drafts/{P}/w1"), format!("refs/tags/{P}/v1"));
    ann.push(&format!(":{draft}")).ok();
    restore(&stage.world, &["restore", "packages", P, "w1", "--user", "art"]);
    // git told that the draft came and went, Stoop that it came back.
    assert_eq!(stage.wait_for(1), [vec![created(&draft, &commit)]]);

    ann.propose(P, "w1").ok();
    approver(&stage.world, &commit).approve(&commit, P, "w1").ok();
    stage.wait_for(3);
    stage.wait_for_note();
    let merge = stage.value(&tag);
    let noted = stage.value("refs/stoop/announced");
    let behind = |world: &World| {
        world.on_disk("packages", &["-c", "core.hooksPath=/dev/null", "update-ref", "-d", &tag]).ok();
    };
    behind(&stage.world);
    restore(&stage.world, &["audit", "--restore", "--user", "ada", "packages"]);
    assert_eq!(stage.wait_for(4)[3..], [vec![created(&tag, &merge)]]);
    let runs = stage.runs();
    let last = runs.iter().rfind(|run| run.is_stoop_s()).expect("it was told");
    assert!(last.environment.contains(&"REMOTE_USER=ada".to_owned()), "{last:?}");

    // What is restored while no daemon runs is announced by the next one, and nothing twice.
    eventually("it is noted as announced", || (stage.value("refs/stoop/announced") != noted).then_some(()));
    stage.world.stop_daemon("TERM");
    behind(&stage.world);
    restore(&stage.world, &["audit", "--restore", "--user", "ada", "packages"]);
    assert_eq!(stage.told().len(), 4);
    stage.world.start_daemon();
    assert_eq!(stage.wait_for(5)[4..], [vec![created(&tag, &merge)]]);
}

#[test]
fn a_daemon_killed_on_the_way_announces_after_its_next_start() {
    let mut stage = Stage::new();
    let amy = stage.world.clone("amy", "packages");
    let bare = stage.world.bare("packages");
    amy.git(&["remote", "set-url", "origin", bare.to_str().expect("text")]).ok();
    let push = |refspec: &str| {
        crate::support::run(amy.git_command().env("REMOTE_USER", "amy").args(["push", "-q", "origin", refspec]))
    };
    let draft = |workspace: &str| {
        amy.reset();
        amy.package(P, workspace);
        push(&format!("HEAD:refs/heads/drafts/{P}/{workspace}")).ok();
    };
    let propose = |workspace: &str| push(&format!("HEAD:refs/heads/proposed/{P}/{workspace}"));
    let mut told = 0;
    for (number, (step, count)) in
        [("refs", 1), ("completed", 1), ("announced", 1), ("recorded", 1), ("told", 1), ("refs", 2)]
            .into_iter()
            .enumerate()
    {
        let workspace = format!("w{number}");
        let by_push = ["completed", "recorded", "told"].contains(&step);
        draft(&workspace);
        // The ledger says so a moment before the step is reached, which is not to be this one's.
        let over = |action: &str| format!("workspace={workspace} action=\"{action}\"");
        eventually("the draft is saved", || stage.world.log().contains(&over("save")).then_some(()));
        // A proposal by push, for which Stoop drops the draft, or an approval by API.
        if by_push {
            fs::write(stage.world.die_at(), format!("{step} {count} daemon")).expect("written");
            propose(&workspace);
        } else {
            propose(&workspace).ok();
            told = stage.wait_for(told + 1).len();
            stage.wait_for_note();
            fs::write(stage.world.die_at(), format!("{step} {count} daemon")).expect("written");
            let patch = "{\"spec\":{\"lifecycle\":\"Published\"}}";
            let name = format!("packages.net.router.{workspace}");
            stage.world.kubectl("amy", &["patch", "packagerevision", &name, "--type=merge", "-p", patch]);
        }
        eventually("the daemon is dead", || stage.world.daemon_is_gone().then_some(()));
        let before = stage.told().len();
        assert_eq!(before - told, usize::from(step == "told"), "at {step}: {:?}", stage.told());
        stage.world.revive();
        let after = stage.wait_for(before + 1);
        let last = after.last().expect("there");
        let proposal = format!("refs/heads/proposed/{P}/{workspace}");
        match by_push {
            true => assert!(last.len() == 1 && last[0].ends_with(&format!(" refs/heads/drafts/{P}/{workspace}"))),
            false => assert!(last.len() == 3 && last[2].ends_with(&proposal) && last[0].ends_with(" refs/heads/main")),
        }
        told = after.len();
        assert_eq!(told, before + 1, "at {step}: {after:?}");
        settled_ledger(&stage.world);
    }
    // And nothing is told again by a start that finds nothing.
    stage.world.restart();
    assert_eq!(stage.told().len(), told);
    stage.world.fsck("packages").ok();
}

#[test]
fn a_hook_that_fails_is_told_again_and_nothing_before_it() {
    let stage = Stage::new();
    let world = &stage.world;
    let closed = world.path().join("closed");
    fs::write(&closed, "").expect("written");
    let kept = world.bare("packages").join("hooks/stoop/kept/post-receive");
    executable(
        &kept,
        &stage.script(&format!("if [ -e '{}' ]; then echo out of order >&2; exit 3; fi", closed.display())),
    );
    let ann = world.clone("ann", "packages");
    for workspace in ["w1", "w2"] {
        ann.reset();
        ann.package(P, workspace);
        ann.draft(P, workspace).ok();
        ann.propose(P, workspace).ok();
    }
    assert_eq!(lifecycle(world, "w2"), "Proposed");
    eventually("it failed", || world.log().contains("out of order").then_some(()));
    let metrics = || world.kubectl("admin", &["get", "--raw", "/metrics"]).ok().stdout;
    eventually("it is counted", || {
        let text = metrics();
        (text.contains("stoop_announcing_again 1") && text.contains("announcements_total{outcome=\"failed\"}"))
            .then_some(())
    });
    assert_eq!(stage.told(), Vec::<Vec<String>>::new());
    fs::remove_file(&closed).expect("removed");
    let told = stage.wait_for(2);
    assert!(told[0][0].ends_with("drafts/net/router/w1") && told[1][0].ends_with("drafts/net/router/w2"), "{told:?}");
    eventually("nothing is due any more", || metrics().contains("stoop_announcing_again 0").then_some(()));
}

#[test]
fn a_decision_pushed_where_another_program_owns_proc_receive_is_announced_away() {
    let mut stage = Stage::new();
    executable(&stage.world.bare("packages").join("hooks/proc-receive"), "#!/bin/sh\nexit 1\n");
    stage.world.restart();
    let world = &stage.world;
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    amy.approve(&commit, P, "w1").ok();
    let decision = format!("refs/approve/{P}/w1");
    let told = stage.wait_for(1);
    let gone = deleted(&decision, &commit);
    assert!(told[0].len() == 4 && told[0].contains(&gone), "{told:?}");
    let by_git = stage.runs().into_iter().filter(|run| !run.is_stoop_s()).flat_map(|run| run.lines);
    assert!(by_git.collect::<Vec<_>>().contains(&created(&decision, &commit)));
}

#[test]
fn where_a_forge_s_hook_runs_the_scripts_in_a_directory_those_are_told_and_the_stub_keeps_still() {
    let world = World::without_daemon();
    world.create_repository("packages");
    let hooks = world.bare("packages").join("hooks");
    let hands_on =
        "#!/bin/sh\ndata=$(cat)\nfor hook in $GIT_DIR/hooks/post-receive.d/*; do echo \"$data\" | $hook; done\n";
    let mut stage = Stage { world };
    executable(&hooks.join("post-receive"), hands_on);
    executable(&hooks.join("post-receive.d/theirs"), &stage.script(""));
    stage.world.start_daemon();
    stage.world.wait_for_repository("packages");
    let ann = stage.world.clone("ann", "packages");
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    ann.propose(P, "w1").ok();
    stage.wait_for(1);
    let runs = stage.runs();
    assert_eq!(runs.iter().map(Run::is_stoop_s).collect::<Vec<_>>(), [false, false, true]);
    assert!(hooks.join("post-receive.d/stoop").is_symlink());
    let metrics = stage.world.kubectl("admin", &["get", "--raw", "/metrics"]).ok().stdout;
    assert!(metrics.contains("stoop_hook_seconds_count{hook=\"post-receive\"} 2\n"), "the stub asked again\n{metrics}");
}
