//! What happens in the repository beside the pushes: housekeeping, fetches into it, leftover refs.
//!
//! Never here: housekeeping in a repository at rest (see `disk`).

use std::sync::atomic::{AtomicBool, Ordering};

use super::steady::{Steady, serves};
use crate::packages::Shelf;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, eventually, git_command, run};

/// What git says of its own push when its own `gc` takes directories away, or a worktree has no HEAD yet.
const GITS_OWN: [&str; 2] = ["unable to migrate objects", "bad object worktrees/"];

/// Pushes again while git is in its own way.
#[track_caller]
fn at_last(push: impl Fn() -> Answer) {
    for _ in 0..10 {
        let answer = push();
        if answer.code == 0 || !GITS_OWN.iter().any(|said| answer.stderr.contains(said)) {
            answer.ok();
            return;
        }
    }
    panic!("ten pushes in a row met git's housekeeping");
}

/// Says at its end that it is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn pushes_go_on_while_git_packs_and_collects_and_others_fetch() {
    let shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let world = &shelf.world;
    let bare = world.bare("packages");
    let (over, mirror) = (AtomicBool::new(false), world.path().join("mirror.git"));
    run(git_command(world.path()).args(["clone", "-q", "--mirror"]).arg(&bare).arg(&mirror)).ok();
    let steady = Steady::now(world);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // Git's own locks may be in its way; nothing else may.
                for args in [&["pack-refs", "--all"][..], &["gc", "-q"], &["repack", "-adq"]] {
                    // Locks of git's own may be in its way, or a deletion that holds `packed-refs` at the very moment in
                    // which a loose file is dropped; it works at the next try.
                    let mut tries = (0..10).map(|_| run(git_command(&bare).args(args)));
                    let worked = tries.any(|answer| answer.code == 0);
                    assert!(worked, "round {round}: {args:?} failed ten times in a row");
                }
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                run(git_command(&mirror).args(["fetch", "-q", "--prune", "origin"])).ok();
            }
        });
        // Also when a push fails: the others must not go on for ever.
        let _end = Over(&over);
        for round in 0..6 {
            let workspace = format!("w{round}");
            let (ann, bob) = (&shelf.ann, &shelf.bob);
            ann.reset();
            let commit = ann.package(P, &workspace);
            at_last(|| ann.propose(P, &workspace));
            bob.git(&["fetch", "-q", "origin", &commit]).ok();
            at_last(|| bob.approve(&commit, P, &workspace));
            ann.reset();
            ann.package("net/dns", &workspace);
            at_last(|| ann.draft("net/dns", &workspace));
        }
    });
    for round in 0..6 {
        let name = format!("packages.net.router.w{round}");
        assert_eq!(world.field(&name, "{.spec.revision}"), (round + 1).to_string());
        assert_eq!(world.field(&format!("packages.net.dns.w{round}"), "{.spec.lifecycle}"), "Draft");
    }
    let log = settled_ledger(world);
    assert_eq!(log.matches("bob: approve net/router").count(), 6, "{log}");
    world.on_disk("packages", &["fsck", "--strict"]).ok();
    // The mirror is a backup: everything is in it.
    run(git_command(&mirror).args(["fetch", "-q", "--prune", "origin"])).ok();
    let refs = |at| run(git_command(at).args(["for-each-ref", "--format=%(refname) %(objectname)"])).ok().stdout;
    assert_eq!(refs(&mirror), refs(&bare));
    steady.nothing_left();
    serves(world);
}

#[test]
fn a_fetch_into_the_repository_moves_nothing_that_is_managed() {
    let shelf = Shelf::new();
    shelf.publish(P, "w1");
    shelf.draft(P, "w2");
    let world = &shelf.world;
    let (bare, other) = (world.bare("packages"), world.path().join("other.git"));
    run(git_command(world.path()).args(["clone", "-q", "--mirror"]).arg(&bare).arg(&other)).ok();
    let elsewhere = |args: &[&str]| run(git_command(&other).args(args)).ok();
    // Over there everything was moved.
    let old = elsewhere(&["rev-parse", "main~1"]).text().to_owned();
    for name in ["refs/tags/net/router/v1", "refs/heads/main", "refs/heads/drafts/net/router/w2"] {
        elsewhere(&["update-ref", name, &old]);
    }
    elsewhere(&["update-ref", "refs/heads/proposed/net/router/w9", "main"]);
    elsewhere(&["update-ref", "refs/heads/feature", &old]);
    let steady = Steady::now(world);
    let fetch = |spec: &str| run(git_command(&bare).args(["fetch", "-q"]).arg(&other).arg(spec));
    for spec in [
        "+refs/tags/*:refs/tags/*",
        "+refs/heads/main:refs/heads/main",
        "+refs/heads/drafts/*:refs/heads/drafts/*",
        "+refs/heads/proposed/*:refs/heads/proposed/*",
        "+refs/heads/main:refs/stoop/ledger",
        "+refs/*:refs/*",
    ] {
        let answer = fetch(spec);
        assert_ne!(answer.code, 0, "{spec}: {}", answer.stderr);
        assert_eq!(world.on_disk("packages", &["rev-parse", "net/router/v1"]).ok().text().len(), 40);
        let managed =
            |refs: String| refs.lines().filter(|line| !line.contains("feature")).collect::<Vec<_>>().join("\n");
        assert!(!managed(world.refs("packages")).contains("proposed/net/router/w9"), "{spec}");
        steady.unchanged();
    }
    fetch("+refs/heads/feature:refs/heads/feature").ok();
    world.on_disk("packages", &["update-ref", "-d", "refs/heads/feature"]).ok();
    steady.check();
}

#[test]
fn leftovers_under_the_deciding_refs_of_any_kind_are_removed_and_never_obeyed() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let steady = Steady::now(world);
    let refs = world.refs("packages");
    let bare = world.bare("packages");
    let write = |name: &str, content: &str| {
        let file = bare.join(name);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        std::fs::write(file, content).expect("written");
    };
    let leftovers = [
        ("refs/approve/net/router/w1", format!("{commit}\n")),
        // What it names must not go with it.
        ("refs/approve/net/router/w2", "ref: refs/heads/proposed/net/router/w1\n".to_owned()),
        ("refs/reject/net/router/w1", "ref: refs/heads/main\n".to_owned()),
    ];
    for (name, content) in &leftovers {
        write(name, content);
    }
    eventually("they are removed", || {
        let left = leftovers.iter().filter(|(name, _)| bare.join(name).exists()).count();
        (left == 0).then_some(())
    });
    assert_eq!(lifecycle(world, "w1"), "Proposed");
    assert_eq!(world.refs("packages"), refs);
    // Others are told of what went, and nothing else happened.
    let log = settled_ledger(world);
    assert_eq!(log.matches("Remove the leftover refs/").count(), 3, "{log}");
    assert!(world.log().contains("a leftover ref that no decision stands behind is removed"), "{}", world.log());
    // What is no ref at all stays where it is, and is in nobody's way.
    // One that leads to nothing is in nobody's way.
    write("refs/reject/net/router/w6", "ref: refs/heads/nowhere\n");
    serves(world);
    // A broken one makes git itself refuse every push, by its name; nothing else comes of it.
    shelf.ann.reset();
    shelf.ann.package("net/dns", "one");
    for (name, content) in [
        ("refs/approve/net/router/w3", format!("{}\n", "ab".repeat(20))),
        ("refs/approve/net/router/w4", String::new()),
        ("refs/approve/net/router/w5", "soup\n".to_owned()),
    ] {
        write(name, &content);
        shelf.ann.draft("net/dns", "w1").refused(&format!("bad object {name}"));
        assert_eq!(lifecycle(world, "w1"), "Proposed");
        std::fs::remove_file(bare.join(name)).expect("removed");
    }
    shelf.ann.draft("net/dns", "w1").ok();
    steady.nothing_left();
    shelf.bob.git(&["fetch", "-q", "origin", &commit]).ok();
    shelf.bob.approve(&commit, P, "w1").ok();
}

#[test]
fn pushes_go_on_beside_worktrees_and_pruning() {
    let shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let world = &shelf.world;
    let (bare, over) = (world.bare("packages"), AtomicBool::new(false));
    let steady = Steady::now(world);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let tree = world.path().join("worktree");
            let tree = tree.to_str().expect("text");
            while !over.load(Ordering::Relaxed) {
                run(git_command(&bare).args(["worktree", "add", "-q", "--detach", tree, "main"])).ok();
                run(git_command(&bare).args(["worktree", "remove", "--force", tree])).ok();
                run(git_command(&bare).args(["worktree", "prune"])).ok();
                // What is younger than an hour may belong to a push; git says so itself of `--expire=now`.
                run(git_command(&bare).args(["prune", "--expire=1.hour.ago"])).ok();
            }
        });
        let _end = Over(&over);
        for round in 0..6 {
            let (ann, bob, workspace) = (&shelf.ann, &shelf.bob, format!("w{round}"));
            ann.reset();
            let commit = ann.package(P, &workspace);
            at_last(|| ann.propose(P, &workspace));
            bob.git(&["fetch", "-q", "origin", &commit]).ok();
            at_last(|| bob.approve(&commit, P, &workspace));
            ann.reset();
            ann.package("net/dns", &workspace);
            at_last(|| ann.draft("net/dns", &workspace));
        }
    });
    // At rest nothing that a ref, or a transition, still needs is lost to pruning without mercy.
    settled_ledger(world);
    world.on_disk("packages", &["prune", "--expire=now"]).ok();
    for round in 0..6 {
        assert_eq!(world.field(&format!("packages.net.router.w{round}"), "{.spec.revision}"), (round + 1).to_string());
        assert_eq!(world.field(&format!("packages.net.dns.w{round}"), "{.spec.lifecycle}"), "Draft");
    }
    world.on_disk("packages", &["fsck", "--strict"]).ok();
    steady.nothing_left();
    serves(world);
}

#[test]
fn a_worktree_of_the_repository_commits_where_it_may_and_nowhere_else() {
    let shelf = Shelf::new();
    shelf.publish(P, "w1");
    shelf.draft(P, "w2");
    let world = &shelf.world;
    let (bare, tree) = (world.bare("packages"), world.path().join("worktree"));
    let git =
        |args: &[&str]| run(git_command(&tree).args(["-c", "user.name=root", "-c", "user.email=root@x"]).args(args));
    let before = world.refs("packages");
    run(git_command(&bare).args(["worktree", "add", "-q", "-b", "feature"]).arg(&tree).arg("main")).ok();
    std::fs::write(tree.join("notes.md"), "notes\n").expect("written");
    git(&["add", "-A"]).ok();
    git(&["commit", "-qm", "on a branch of its own"]).ok();
    for (branch, why) in [("main", "without an approval"), ("drafts/net/router/w2", "nobody is known")] {
        git(&["checkout", "-q", "--ignore-other-worktrees", branch]).ok();
        std::fs::write(tree.join(P).join("config.yaml"), "a: b\n").expect("written");
        git(&["commit", "-qam", "behind the door"]).refused(why);
        git(&["reset", "-q", "--hard"]).ok();
    }
    git(&["tag", "-f", "net/router/v1", "feature"]).refused("published revision");
    git(&["branch", "-q", "-m", &format!("drafts/{P}/w2"), "elsewhere"]).refused("nobody is known");
    git(&["checkout", "-q", "--detach"]).ok();
    git(&["branch", "-q", "-D", "feature"]).ok();
    assert_eq!(world.refs("packages"), before);
    assert_eq!(lifecycle(world, "w2"), "Draft");
    run(git_command(&bare).args(["worktree", "remove", "--force"]).arg(&tree)).ok();
    serves(world);
}
