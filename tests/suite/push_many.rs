//! Many refs in one push: a hundred approvals that are one ref transaction, several packages, managed refs beside others,
//! atomic and not, with one of them refused by the daemon or by another hook.
//!
//! Never here: what each ref means by itself (see `push_drafts` and the files beside it).

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::packages::Shelf;
use crate::steps::{P, lifecycle, settled_ledger};
use crate::support::{Answer, Workdir, World, eventually, git_command, kptfile, run};
use crate::untouched::refused;

const MANY: usize = 100;

fn hook(world: &World, name: &str, script: &str) {
    let path = world.bare("packages").join("hooks").join(name);
    std::fs::create_dir_all(path.parent().expect("hooks")).expect("made");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
}

fn push(by: &Workdir, how: &str, refs: &[String]) -> Answer {
    let mut args = vec!["push", "-q", how, "origin"];
    args.extend(refs.iter().map(String::as_str));
    by.git(&args)
}

/// Proposes a hundred packages in one push; gives the refs that approve them.
fn propose_many(by: &Workdir) -> Vec<String> {
    let mut stream = String::new();
    for at in 0..MANY {
        let text = kptfile(&format!("p{at}"));
        stream += &format!(
            "commit refs/many/{at}\ncommitter amy <amy@example.com> 1700000000 +0000\ndata 1\nx\nfrom refs/remotes/origin/main^0\nM 100644 inline p{at}/Kptfile\ndata {}\n{text}\n",
            text.len()
        );
    }
    by.write("stream", &stream);
    run(Command::new("sh").current_dir(by.path()).args(["-c", "git fast-import --quiet <stream && rm stream"])).ok();
    let to = |kind: &str| (0..MANY).map(|at| format!("refs/many/{at}:refs/{kind}/p{at}/w1")).collect::<Vec<_>>();
    push(by, "--atomic", &to("heads/proposed")).ok();
    to("approve")
}

/// Has git write down each move of a ref; a git that runs already has read its configuration.
fn log_moves(world: &World) {
    world.on_disk("packages", &["config", "core.logAllRefUpdates", "always"]).ok();
}

/// `begun`: how often the ledger says that they begin, once where they are carried out as they come.
fn a_hundred_are_one_transaction(world: &World, begun: usize) {
    let amy = world.clone("amy", "packages");
    let approvals = propose_many(&amy);
    let mut one_wrong = approvals.clone();
    one_wrong[MANY / 2] = format!("refs/many/0:refs/approve/p{}/w1", MANY / 2);
    for how in ["--atomic", "--no-atomic"] {
        let answer = refused(world, "stale", "is Proposed at", || push(&amy, how, &one_wrong));
        assert!(!answer.stderr.contains("published"), "{}", answer.stderr);
    }
    settled_ledger(world);
    let moves = || world.on_disk("packages", &["reflog", "show", "main"]).stdout.lines().count();
    let before = moves();
    push(&amy, "--atomic", &approvals).ok();
    let tags = world.on_disk("packages", &["for-each-ref", "--format=%(refname)", "refs/tags/"]).ok();
    assert_eq!(tags.stdout.lines().count(), MANY);
    let line = world.on_disk("packages", &["rev-list", "--first-parent", "--count", "main"]).ok();
    assert_eq!((moves() - before, line.text()), (1, &*(MANY + 1).to_string()), "the branch moved once");
    let refs = world.refs("packages");
    assert!(!refs.contains("proposed/") && !refs.contains("refs/approve/"), "{refs}");
    let log = settled_ledger(world);
    assert_eq!(log.lines().filter(|line| line.contains("amy: Begin: approve")).count(), begun, "{log}");
}

#[test]
fn a_hundred_approvals_are_published_in_one_transaction_or_none_is() {
    let mut world = World::with_repository();
    log_moves(&world);
    a_hundred_are_one_transaction(&world, 1);
    world.fsck("packages").ok();
}

#[test]
fn the_same_where_another_program_owns_proc_receive() {
    let mut world = World::without_daemon();
    world.create_repository("packages");
    log_moves(&world);
    hook(&world, "proc-receive", "exit 1");
    world.start_daemon();
    world.wait_for_repository("packages");
    // git makes the refs one by one when the push is not atomic; what they decide still happens at once.
    let amy = world.clone("amy", "packages");
    let (one, two) = (amy.package("one", "x"), {
        amy.reset();
        amy.package("two", "x")
    });
    let to = |kind: &str| [format!("{one}:refs/{kind}/one/w1"), format!("{two}:refs/{kind}/two/w1")];
    push(&amy, "--no-atomic", &to("heads/proposed")).ok();
    push(&amy, "--no-atomic", &to("reject")).ok();
    push(&amy, "--no-atomic", &to("heads/proposed")).ok();
    for package in ["one", "two"] {
        assert_eq!(world.field(&format!("packages.{package}.w1"), "{.spec.lifecycle}"), "Proposed");
        amy.push(&format!(":refs/heads/proposed/{package}/w1")).ok();
    }
    amy.reset();
    let log = settled_ledger(&world);
    assert_eq!(
        log.lines().filter(|line| line.contains("Begin: reject two w1") && line.contains("1 more")).count()
            + log.lines().filter(|line| line.contains("Begin: reject one w1") && line.contains("1 more")).count(),
        2,
        "as pushed, and as carried out: {log}"
    );
    a_hundred_are_one_transaction(&world, 2);
    world.fsck("packages").ok();
}

#[test]
fn managed_refs_and_others_create_and_delete_in_one_push() {
    for how in ["--atomic", "--no-atomic"] {
        let shelf = Shelf::new();
        let (ann, world) = (&shelf.ann, &shelf.world);
        shelf.publish(P, "w1");
        let (gone, draft, proposal) = (shelf.draft("c", "w1"), shelf.draft("a", "w1"), shelf.draft("b", "w1"));
        ann.push(&format!("{gone}:refs/heads/old")).ok();
        let refs = [
            format!("+{draft}:refs/heads/drafts/a/w2"),
            format!("{proposal}:refs/heads/proposed/b/w1"),
            ":refs/heads/drafts/b/w1".to_owned(),
            ":refs/heads/drafts/c/w1".to_owned(),
            ":refs/heads/old".to_owned(),
            format!("{gone}:refs/heads/feature"),
            format!("refs/tags/{P}/v1:refs/heads/deletionProposed/{P}/v1"),
            format!("{gone}:refs/tags/release"),
        ];
        ann.git(&["fetch", "-q", "--tags", "origin"]).ok();
        // One that is refused keeps all where they are, those that Stoop does not manage too.
        let with_bad = [&refs[..], &[format!("{draft}:refs/heads/drafts/a/W3")]].concat();
        refused(world, "bad-name", "8 other refs of this push would have been accepted", || push(ann, how, &with_bad));
        push(ann, how, &refs).ok();
        let now = world.refs("packages");
        for name in ["drafts/a/w1", "drafts/a/w2", "proposed/b/w1", "feature", "deletionProposed/net/router/v1"] {
            assert!(now.contains(&format!("refs/heads/{name} ")), "{name}: {now}");
        }
        for name in ["drafts/b/w1", "drafts/c/w1", "old"] {
            assert!(!now.contains(&format!("refs/heads/{name} ")), "{name}: {now}");
        }
        let state = |object: &str| world.field(&format!("packages.{object}"), "{.spec.lifecycle}");
        assert_eq!((state("a.w2"), state("b.w1"), state("c.w1")), ("Draft".into(), "Proposed".into(), String::new()));
        assert_eq!(lifecycle(world, "w1"), "DeletionProposed");
        settled_ledger(world);
    }
}

#[test]
fn another_hook_stops_one_ref_or_with_an_atomic_push_all() {
    let shelf = Shelf::new();
    let (ann, world) = (&shelf.ann, &shelf.world);
    hook(world, "update", "case $1 in refs/heads/feature) echo not today >&2; exit 1;; esac");
    for (how, workspace, wanted) in [("--atomic", "w1", ""), ("--no-atomic", "w2", "Draft")] {
        ann.reset();
        let commit = ann.package(P, workspace);
        let refs = [format!("{commit}:refs/heads/drafts/{P}/{workspace}"), format!("{commit}:refs/heads/feature")];
        push(ann, how, &refs).refused("not today");
        assert_eq!(lifecycle(world, workspace), wanted, "{how}");
        settled_ledger(world);
        // Nothing is held by what did not happen.
        push(ann, how, &[format!("+{commit}:refs/heads/drafts/{P}/{workspace}")]).ok();
    }
}

#[test]
fn a_forge_finds_the_branch_of_a_merged_proposal_gone() {
    let shelf = Shelf::new();
    let world = &shelf.world;
    let commit = shelf.propose(P, "w1");
    let name = format!("refs/heads/proposed/{P}/w1");
    // Nobody is named where a forge deletes a branch itself.
    let delete = || world.on_disk("packages", &["update-ref", "-d", &name]);
    delete().refused("changed behind the door");
    shelf.bob.git(&["fetch", "-q", "origin", &commit]).ok();
    shelf.bob.push(&format!("{commit}:main")).ok();
    delete().ok();
    assert_eq!(lifecycle(world, "w1"), "Published");
    world.on_disk("packages", &["update-ref", "-d", &format!("refs/tags/{P}/v1")]).refused("behind the door");
}

#[test]
fn a_move_of_the_branch_holds_its_packages_until_it_is_over() {
    let shelf = Shelf::new();
    let (world, bob) = (&shelf.world, &shelf.bob);
    let commit = shelf.propose(P, "w1");
    shelf.propose("net/dns", "w1");
    bob.git(&["fetch", "-q", "origin", &commit]).ok();
    let (at, go) = (world.path().join("at"), world.path().join("go"));
    for fifo in [&at, &go] {
        run(Command::new("mkfifo").arg(fifo)).ok();
    }
    let script = format!(
        "case $1 in refs/heads/main) ;; *) exit 0;; esac\necho $PPID >{}\nread code <{}\nexit $code",
        at.display(),
        go.display()
    );
    hook(world, "update", &script);
    let patch = |lifecycle: &str| {
        let body = format!("{{\"spec\":{{\"lifecycle\":\"{lifecycle}\"}}}}");
        world.kubectl("bob", &["patch", "packagerevision", "packages.net.router.w1", "--type=merge", "-p", &body])
    };
    // Over ssh, say: the push is no child of the daemon's.
    let to_disk = || {
        let mut command = git_command(bob.path());
        command.arg("push").arg(world.bare("packages")).arg(format!("{commit}:main")).env("REMOTE_USER", "bob");
        command
    };
    std::thread::scope(|scope| {
        let merge = scope.spawn(|| run(&mut to_disk()));
        let receiver = std::fs::read_to_string(&at).expect("the push is under way");
        patch("Published").refused("another request is already in progress on package revision");
        patch("Draft").refused("another request is already in progress on package revision");
        bob.approve(&commit, P, "w1").refused("[busy]");
        bob.push(&format!("{commit}:main")).refused("[busy]");
        shelf.ann.reset();
        shelf.ann.package(P, "two");
        shelf.ann.draft(P, "w2").refused("[busy]");
        // The process that holds it dies, and its packages are free.
        run(Command::new("kill").args(["-9", receiver.trim()])).ok();
        std::fs::write(&go, "1\n").expect("its hook ends");
        assert_ne!(merge.join().expect("no panic").code, 0);
    });
    assert_eq!(lifecycle(world, "w1"), "Proposed");
    shelf.ann.draft(P, "w2").ok();
    // And once more, to its end, while the client is gone.
    let mut client =
        to_disk().stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("started");
    std::fs::read(&at).expect("the push is under way");
    client.kill().and_then(|()| client.wait()).expect("gone");
    std::fs::write(&go, "0\n").expect("it goes on");
    eventually("the approval is whole", || (lifecycle(world, "w1") == "Published").then_some(()));
    let log = settled_ledger(world);
    assert_eq!(log.matches(&format!("bob: approve {P} w1 as v1 at {commit} by bob")).count(), 1, "{log}");
    assert!(world.refs("packages").contains(&format!("refs/tags/{P}/v1 ")));
}
