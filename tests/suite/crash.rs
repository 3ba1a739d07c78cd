//! The daemon, or a client, dies at every step of a transition. What was acknowledged stays, what was begun is finished or
//! dropped, and nothing happens twice.
//!
//! Never here: changes behind a healthy daemon's back (see `disk`), and what is lost between two runs (see `recovery`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Workdir, World, eventually, git_command, run};

/// A hook of the world's repository that runs beside Stoop's.
fn hook(world: &World, name: &str, script: &str) -> PathBuf {
    let hooks = world.bare("packages").join("hooks");
    let path = if name == "update" { hooks.join(name) } else { hooks.join("stoop/kept").join(name) };
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    path
}

/// A push straight to the disk, as over ssh: it does not run through the daemon's own door.
fn push_command(world: &World, clone: &Workdir, user: &str, refspec: &str) -> Command {
    let mut push = git_command(clone.path());
    push.arg("push").arg(world.bare("packages")).arg(refspec).env("REMOTE_USER", user);
    push
}

/// Starts the daemon again after it was killed, and tells the clones where it is.
fn again(world: &mut World, clones: &[(&str, &Workdir)]) {
    world.stop_daemon("KILL");
    world.start_daemon();
    for (user, clone) in clones {
        clone.git(&["remote", "set-url", "origin", &world.url(user, "packages")]).ok();
    }
}

#[test]
fn a_daemon_that_dies_after_its_yes_and_before_the_ref_moves_has_changed_nothing() {
    let mut world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let before = world.refs("packages");
    let kill = hook(&world, "update", &format!("kill -9 {}", world.ready().pid));
    let propose = format!("HEAD:refs/heads/proposed/{P}/w1");
    run(&mut push_command(&world, &ann, "ann", &propose)).refused("Stoop is not running");
    fs::remove_file(kill).expect("removed");
    assert_eq!(world.refs("packages"), before);
    assert!(world.on_disk("packages", &["grep", "-l", "\"intent\"", "refs/stoop/ledger"]).code == 0, "it was begun");
    again(&mut world, &[("ann", &ann)]);
    assert_eq!(lifecycle(&world, "w1"), "Draft");
    let log = settled_ledger(&world);
    assert!(log.contains("Drop what did not happen") && !log.contains("ann: propose"), "{log}");
    ann.propose(P, "w1").ok();
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
}

#[test]
fn a_daemon_that_dies_between_the_ref_move_and_the_rest_finishes_at_its_next_start() {
    let mut world = World::with_repository();
    let (ann, bob) = (world.clone("ann", "packages"), world.clone("bob", "packages"));
    let commit = ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let kill_when = |world: &World, edit: &str| {
        let pid = world.ready().pid;
        hook(
            world,
            "reference-transaction",
            &format!("[ \"$1\" = committed ] || exit 0\ngrep -q '{edit}' && kill -9 {pid}\nexit 0"),
        )
    };
    let ledger = |world: &World, line: &str| {
        let log = settled_ledger(world);
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    };

    let kill = kill_when(&world, "refs/heads/proposed/");
    let propose = format!("HEAD:refs/heads/proposed/{P}/w1");
    let told = run(&mut push_command(&world, &ann, "ann", &propose)).ok();
    assert!(told.stderr.contains("it will finish when it runs again"), "{}", told.stderr);
    fs::remove_file(&kill).expect("removed");
    again(&mut world, &[("ann", &ann), ("bob", &bob)]);
    assert_eq!(lifecycle(&world, "w1"), "Proposed");
    assert!(!world.refs("packages").contains("drafts/"));
    ledger(&world, &format!("ann: propose {P} w1 at {commit} by ann"));

    kill_when(&world, "refs/heads/drafts/");
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    run(&mut push_command(&world, &bob, "bob", &format!("{commit}:refs/heads/drafts/{P}/w1"))).ok();
    fs::remove_file(&kill).expect("removed");
    again(&mut world, &[("ann", &ann), ("bob", &bob)]);
    assert_eq!(lifecycle(&world, "w1"), "Draft");
    assert!(!world.refs("packages").contains("proposed/"));
    ledger(&world, &format!("bob: reject {P} w1 at {commit} by bob"));

    ann.propose(P, "w1").ok();
    bob.approve(&commit, P, "w1").ok();
    ann.reset();
    ann.push(&format!("refs/tags/{P}/v1:refs/heads/deletionProposed/{P}/v1")).ok();
    kill_when(&world, "refs/tags/");
    run(&mut push_command(&world, &bob, "bob", &format!(":refs/tags/{P}/v1"))).ok();
    fs::remove_file(&kill).expect("removed");
    again(&mut world, &[("ann", &ann), ("bob", &bob)]);
    assert_eq!(lifecycle(&world, "w1"), "");
    assert!(!world.refs("packages").contains("deletionProposed/"));
    let log = settled_ledger(&world);
    assert_eq!(log.matches("bob: delete net/router w1").count(), 1, "{log}");
}

#[test]
fn every_prefix_of_an_approval_is_finished_or_was_not_begun() {
    let mut world = World::with_repository();
    let amy = world.clone("amy", "packages");
    let commit = amy.package(P, "one");
    amy.propose(P, "w1").ok();
    let on_disk = |world: &World, args: &[&str]| {
        let all: Vec<&str> = ["-c", "core.hooksPath=/dev/null"].iter().chain(args).copied().collect();
        world.on_disk("packages", &all).ok()
    };
    let head = on_disk(&world, &["rev-parse", "main"]).text().to_owned();
    amy.approve(&commit, P, "w1").ok();
    let merge = on_disk(&world, &["rev-parse", "main"]).text().to_owned();
    let begin = on_disk(&world, &["log", "-1", "--format=%H", "--grep=^Begin: approve", "refs/stoop/ledger"]);
    let begin = begin.text().to_owned();
    world.stop_daemon("TERM");
    let later = on_disk(
        &world,
        &[
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            "commit-tree",
            "-p",
            &merge,
            "-m",
            "later",
            &format!("{merge}^{{tree}}"),
        ],
    );
    let later = later.text().to_owned();
    let proposal = Some(commit.as_str());
    let prefixes = [
        (&head, None, proposal),
        (&merge, None, proposal),
        (&later, None, proposal),
        (&merge, Some(merge.as_str()), proposal),
        (&merge, Some(merge.as_str()), None),
    ];
    for (round, (branch, tag, proposed)) in prefixes.into_iter().enumerate() {
        on_disk(&world, &["update-ref", "refs/stoop/ledger", &begin]);
        on_disk(&world, &["update-ref", "refs/heads/main", branch]);
        for (name, value) in [("refs/tags/net/router/v1", tag), ("refs/heads/proposed/net/router/w1", proposed)] {
            match value {
                Some(value) => on_disk(&world, &["update-ref", name, value]),
                None => on_disk(&world, &["update-ref", "-d", name]),
            };
        }
        // A machine that stopped there had given no number yet.
        drop(fs::remove_dir_all(world.state().join("numbers")));
        if round % 2 == 0 {
            fs::remove_dir_all(world.state().join("cache")).expect("the cache is removed");
        }
        world.start_daemon();
        let log = settled_ledger(&world);
        let refs = world.refs("packages");
        if round == 0 {
            assert_eq!(lifecycle(&world, "w1"), "Proposed");
            assert!(log.contains("Drop what did not happen"), "{log}");
            amy.git(&["remote", "set-url", "origin", &world.url("amy", "packages")]).ok();
            amy.approve(&commit, P, "w1").ok();
        } else {
            let by = format!("amy: approve {P} w1 as v1 at {commit} by amy");
            assert_eq!(log.matches(&by).count(), 1, "round {round}: {log}");
            assert!(refs.contains(&format!("refs/tags/net/router/v1 {merge}")), "round {round}: {refs}");
            assert!(refs.contains(&format!("refs/heads/main {branch}")), "round {round}: {refs}");
        }
        assert_eq!(lifecycle(&world, "w1"), "Published", "round {round}");
        assert_eq!(world.field("packages.net.router.w1", "{.spec.revision}"), "1");
        assert!(!world.refs("packages").contains("proposed/"), "round {round}");
        world.stop_daemon("TERM");
    }
}

#[test]
fn a_client_that_goes_away_during_the_push_leaves_a_whole_transition() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let (at, go, told) = (world.path().join("at"), world.path().join("go"), world.path().join("told"));
    for fifo in [&at, &go] {
        run(Command::new("mkfifo").arg(fifo)).ok();
    }
    let wait = format!("cat > /dev/null\necho here > {}\ncat {}", at.display(), go.display());
    let waiting = hook(&world, "pre-receive", &wait);
    let telling = hook(&world, "post-receive", &format!("cat > /dev/null\necho told >> {}", told.display()));
    ann.package(P, "one");
    for (name, wanted) in [("drafts", "Draft"), ("proposed", "Proposed")] {
        let mut push = push_command(&world, &ann, "ann", &format!("HEAD:refs/heads/{name}/{P}/w1"));
        push.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = push.spawn().expect("started");
        assert_eq!(fs::read_to_string(&at).expect("the hook is reached"), "here\n");
        client.kill().expect("killed");
        client.wait().expect("gone");
        fs::write(&go, "go\n").expect("the hook goes on");
        eventually(&format!("{name} is complete"), || (lifecycle(&world, "w1") == wanted).then_some(()));
        // Of the proposal it is told later, of the draft that Stoop took away itself.
        assert!(name != "drafts" || !told.exists(), "post-receive never ran");
    }
    eventually("the draft is gone", || (!world.refs("packages").contains("drafts/")).then_some(()));
    eventually("it is in the ledger", || settled_ledger(&world).contains("ann: propose net/router w1").then_some(()));
    fs::remove_file(waiting).expect("removed");
    fs::remove_file(telling).expect("removed");
    // Nothing is left locked behind it.
    ann.push(&format!("HEAD:refs/heads/drafts/{P}/w1")).ok();
}

#[test]
fn a_push_that_another_hook_stops_after_the_yes_leaves_nothing_behind() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    ann.draft(P, "w1").ok();
    let before = world.refs("packages");
    let stop = hook(&world, "update", "echo not today >&2; exit 1");
    ann.propose(P, "w1").refused("not today");
    assert_eq!(world.refs("packages"), before);
    assert_eq!(lifecycle(&world, "w1"), "Draft");
    fs::remove_file(stop).expect("removed");
    ann.propose(P, "w1").ok();
    let log = settled_ledger(&world);
    assert_eq!(log.matches("ann: propose net/router w1").count(), 1, "{log}");
}
