//! Several clients at the same moment: one order wins, the losers learn why, nothing is lost.
//!
//! Never here: what one client alone may do (see `push_drafts`).

use std::sync::Barrier;
use std::thread;

use crate::steps::P;
use crate::support::{Answer, Workdir, World, run};

/// What a loser may be told: each says what to do next.
const REASONS: [&str; 9] = [
    "try again in a moment",
    "fetch, look at what is there now",
    "look at what is there now",
    "the object has been modified",
    "only Proposed packages can be approved",
    "make it a draft again first",
    "choose a workspace name",
    "propose it first",
    // Git's own, to a client that saw the other's draft before it sent its own.
    "(fetch first)",
];

#[track_caller]
fn fair(answer: &Answer) {
    let said = format!("{}{}", answer.stdout, answer.stderr);
    let told = answer.code == 0 || REASONS.iter().any(|reason| said.contains(reason)) || said.contains("is Draft");
    assert!(told, "a loser without a reason: {}\n{said}", answer.command);
}

/// Runs all of them at once.
fn at_once<const N: usize>(jobs: [Box<dyn FnOnce() -> Answer + Send + '_>; N]) -> [Answer; N] {
    let start = Barrier::new(N);
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    job()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    answers.try_into().unwrap_or_else(|_| unreachable!("as many answers as jobs"))
}

fn push<'w>(clone: &'w Workdir, refspec: String) -> Box<dyn FnOnce() -> Answer + Send + 'w> {
    Box::new(move || clone.push(&refspec))
}

fn patch<'w>(
    world: &'w World,
    user: &str,
    workspace: &str,
    lifecycle: &str,
) -> Box<dyn FnOnce() -> Answer + Send + 'w> {
    let mut command = world.kubectl_command(user);
    let body = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
    command.args([
        "patch",
        "packagerevision",
        &format!("packages.net.router.{workspace}"),
        "--type=merge",
        "-p",
        &body,
    ]);
    Box::new(move || run(&mut command))
}

/// No ref stands where it must not, the ledger has no open end, and git finds nothing broken.
#[track_caller]
fn sound(world: &World, workspace: &str) -> String {
    let object = format!("packages.net.router.{workspace}");
    let lifecycle = world.field(&object, "{.spec.lifecycle}");
    let refs = world.refs("packages");
    let has = |name: &str| refs.contains(&format!("refs/heads/{name}/{P}/{workspace} "));
    let shown = match (has("drafts"), has("proposed")) {
        (true, false) => "Draft",
        (false, true) => "Proposed",
        (false, false) if lifecycle == "Published" => "Published",
        (false, false) => "",
        (true, true) => "both",
    };
    assert_eq!(lifecycle, shown, "{workspace}: {refs}");
    let left = world.on_disk("packages", &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]);
    assert_eq!(left.stdout, "", "every intent is finished or dropped");
    assert!(!world.log().contains("behind the doors"), "nothing happened there\n{}", world.log());
    lifecycle
}

#[test]
fn of_an_approval_and_a_withdrawal_one_wins() {
    let mut world = World::with_repository();
    let (ann, art) = (world.clone("ann", "packages"), world.clone("art", "packages"));
    let mut published = 0;
    for round in 0..8 {
        let workspace = format!("w{round}");
        ann.reset();
        art.reset();
        let commit = ann.package(P, &workspace);
        art.package(P, &format!("art's {workspace}"));
        ann.propose(P, &workspace).ok();
        let [back, other, approval] = at_once([
            push(&ann, format!("{commit}:refs/heads/drafts/{P}/{workspace}")),
            push(&art, format!("+HEAD:refs/heads/drafts/{P}/{workspace}")),
            patch(&world, "bob", &workspace, "Published"),
        ]);
        [&back, &other, &approval].into_iter().for_each(fair);
        let lifecycle = sound(&world, &workspace);
        let refs = world.refs("packages");
        match (back.code, approval.code) {
            (0, 0) => panic!("both won\n{}\n{}", back.stderr, approval.stdout),
            (0, _) => assert_eq!(lifecycle, "Draft"),
            (_, 0) => {
                published += 1;
                assert_eq!(lifecycle, "Published");
                assert_eq!(
                    world.field(&format!("packages.net.router.{workspace}"), "{.spec.revision}"),
                    published.to_string()
                );
                let parents = world.on_disk("packages", &["rev-parse", &format!("{P}/v{published}^2")]).ok();
                assert_eq!(parents.text(), commit, "what was proposed is what is published");
                assert_ne!(other.code, 0, "what is published takes no draft");
            }
            // Both met the third, or each other, under way: nothing happened.
            _ => assert_eq!(lifecycle, "Proposed", "{}\n{}", back.stderr, approval.stderr),
        }
        if other.code == 0 {
            assert!(refs.contains(&format!("drafts/{P}/{workspace} {}", art.head())), "nothing is lost: {refs}");
        }
    }
    world.fsck("packages").ok();
}

#[test]
fn two_clients_saving_one_draft_keep_one_of_the_two() {
    let world = World::with_repository();
    let (ann, art) = (world.clone("ann", "packages"), world.clone("art", "packages"));
    for round in 0..8 {
        let workspace = format!("w{round}");
        let (first, second) = (ann.package(P, &format!("a{round}")), art.package(P, &format!("b{round}")));
        let refspec = format!("HEAD:refs/heads/drafts/{P}/{workspace}");
        let [one, two] = at_once([push(&ann, refspec.clone()), push(&art, refspec)]);
        assert_eq!(sound(&world, &workspace), "Draft");
        let refs = world.refs("packages");
        let there = |commit: &str| refs.contains(&format!("drafts/{P}/{workspace} {commit}"));
        match (one.code, two.code) {
            (0, 0) => panic!("the second lost the first's work unseen"),
            (0, _) => assert!(there(&first), "{refs}"),
            (_, 0) => assert!(there(&second), "{refs}"),
            _ => panic!("nobody won\n{}\n{}", one.stderr, two.stderr),
        }
        [&one, &two].into_iter().for_each(fair);
    }
}

#[test]
fn two_clients_proposing_and_two_approving_do_each_once() {
    let world = World::with_repository();
    let (ann, art) = (world.clone("ann", "packages"), world.clone("art", "packages"));
    let bob = world.clone("bob", "packages");
    for round in 1..=6 {
        let workspace = format!("w{round}");
        ann.reset();
        let draft = ann.package(P, &workspace);
        ann.draft(P, &workspace).ok();
        art.git(&["fetch", "-q", "origin", &draft]).ok();
        art.git(&["reset", "-q", "--hard", &draft]).ok();
        art.package(P, &format!("art's {workspace}"));
        let refspec = format!("HEAD:refs/heads/proposed/{P}/{workspace}");
        let [one, two, three] =
            at_once([push(&ann, refspec.clone()), push(&art, refspec), patch(&world, "ann", &workspace, "Proposed")]);
        assert_eq!(sound(&world, &workspace), "Proposed", "{}\n{}\n{}", one.stderr, two.stderr, three.stderr);
        [&one, &two, &three].into_iter().for_each(fair);
        let pushed = [&one, &two].into_iter().filter(|answer| answer.code == 0).count();
        assert!(pushed <= 1, "two commits cannot both be the proposal");

        let proposal = world.on_disk("packages", &["rev-parse", &format!("proposed/{P}/{workspace}")]).ok();
        let proposal = proposal.text();
        bob.git(&["fetch", "-q", "origin", proposal]).ok();
        let [by_push, by_patch] = at_once([
            push(&bob, format!("{proposal}:refs/approve/{P}/{workspace}")),
            patch(&world, "amy", &workspace, "Published"),
        ]);
        [&by_push, &by_patch].into_iter().for_each(fair);
        assert_eq!(sound(&world, &workspace), "Published", "{}\n{}", by_push.stderr, by_patch.stderr);
        let log = world.on_disk("packages", &["log", "--format=%s", "refs/stoop/ledger"]).ok();
        let deed = format!("approve {P} {workspace} as v{round} at {proposal}");
        let times = log.stdout.lines().filter(|line| line.starts_with(&deed)).count();
        assert_eq!(times, 1, "once, and attributed: {}", log.stdout);
    }
}

#[test]
fn a_push_under_way_holds_its_package_until_it_is_over() {
    let world = World::with_repository();
    let (ann, art) = (world.clone("ann", "packages"), world.clone("art", "packages"));
    let commit = ann.package(P, "one");
    ann.propose(P, "w1").ok();
    ann.package(P, "two");
    // An `update` hook runs between the daemon's yes and the move of the ref.
    let (at, go) = (world.path().join("at"), world.path().join("go"));
    for fifo in [&at, &go] {
        run(std::process::Command::new("mkfifo").arg(fifo)).ok();
    }
    let hook = world.bare("packages").join("hooks/update");
    let script = format!(
        "#!/bin/sh\ncase $1 in refs/heads/drafts/*) ;; *) exit 0;; esac\necho > {}\nread code < {}\nexit $code\n",
        at.display(),
        go.display()
    );
    std::fs::write(&hook, script).expect("written");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    for (code, wanted) in [("1", "Published"), ("0", "Published")] {
        let workspace = if code == "1" { "w2" } else { "w3" };
        thread::scope(|scope| {
            let push = scope.spawn(|| ann.draft(P, workspace));
            std::fs::read(&at).expect("the push is under way");
            patch(&world, "bob", "w1", if code == "1" { "Published" } else { "DeletionProposed" })()
                .refused("another request is already in progress on package revision");
            art.package(P, "other");
            art.draft(P, "w9").refused("[busy]");
            art.reset();
            art.package("net/elsewhere", "free");
            art.propose("net/elsewhere", &format!("x{code}")).ok();
            std::fs::write(&go, format!("{code}\n")).expect("it goes on");
            let answer = push.join().expect("no panic");
            assert_eq!(answer.code.to_string(), code, "{}", answer.stderr);
        });
        // It is over, however it ended: the package is free at once.
        if code == "1" {
            patch(&world, "bob", "w1", "Published")().ok();
        }
        assert_eq!(sound(&world, "w1"), wanted);
        assert_eq!(sound(&world, workspace), if code == "1" { "" } else { "Draft" });
        ann.reset();
        ann.package(P, "three");
    }
    let merged = world.on_disk("packages", &["rev-parse", &format!("{P}/v1^2")]).ok();
    assert_eq!(merged.text(), commit);
}
