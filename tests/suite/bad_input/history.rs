//! Histories that are forged, absurd, or made to be walked for ever.
//!
//! Never here: the rules that every draft's history meets (see `push_rules`).

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::steady::Steady;
use crate::packages::Shelf;
use crate::steps::P;
use crate::support::{Workdir, World, config_map, git_command, kptfile, run};
use crate::untouched::refused;

/// However absurd a history is, a verdict on it comes within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Feeds a script to `git fast-import` in a clone.
fn import(clone: &Workdir, script: &str) {
    let mut import = clone.git_command();
    let import = import.args(["fast-import", "--quiet", "--force"]).stdin(Stdio::piped());
    let mut import = import.spawn().expect("git starts");
    import.stdin.take().expect("piped").write_all(script.as_bytes()).expect("written");
    assert!(import.wait().expect("git ends").success());
}

/// A commit object, byte for byte.
fn commit(clone: &Workdir, text: &str) -> String {
    let file = clone.path().join("../commit");
    std::fs::write(&file, text).expect("written");
    clone.git(&["hash-object", "-w", "--literally", "-t", "commit", "../commit"]).ok().text().to_owned()
}

#[test]
fn a_commit_of_50000_parents_is_judged_in_time() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    ann.package(P, "one");
    let tree = ann.git(&["rev-parse", "HEAD^{tree}"]).ok().text().to_owned();
    let (main, head) = (ann.git(&["rev-parse", "origin/main"]).ok().text().to_owned(), ann.head());
    let tail = "author x <x@x> 1700000000 +0000\ncommitter x <x@x> 1700000000 +0000\n\nmany parents\n";
    // All the same, all on the branch or all in the draft; the first ones do not say which.
    for parents in [format!("parent {main}\n").repeat(50_000), format!("parent {head}\n").repeat(50_000)] {
        let octopus = commit(&ann, &format!("tree {tree}\n{parents}{tail}"));
        let begun = Instant::now();
        let answer = ann.push(&format!("+{octopus}:refs/heads/drafts/{P}/w1"));
        assert!(begun.elapsed() < PATIENCE, "took {:?}", begun.elapsed());
        answer.ok();
        ann.push(&format!(":refs/heads/drafts/{P}/w1")).ok();
    }
    // Each another one, more than a draft may bring.
    let mut script = String::new();
    for at in 0..20_000 {
        let _ = write!(
            script,
            "commit refs/heads/p{at}\nmark :{}\ncommitter x <x@x> 17000{at:05} +0000\ndata 0\nfrom {main}\n\n",
            at + 1
        );
    }
    ann.git(&["pack-refs", "--all"]).ok();
    import(&ann, &format!("{script}done\n"));
    let parents = ann.git(&["for-each-ref", "--format=parent %(objectname)", "refs/heads/p*"]).ok().stdout;
    assert_eq!(parents.lines().count(), 20_000);
    let octopus = commit(&ann, &format!("tree {tree}\n{parents}{tail}"));
    let begun = Instant::now();
    refused(&world, "outside-package", "more than 10000 commits that are not on main", || {
        ann.push(&format!("+{octopus}:refs/heads/drafts/{P}/w1"))
    });
    assert!(begun.elapsed() < PATIENCE, "took {:?}", begun.elapsed());
    steady.nothing_left();
    super::steady::serves_to(&world, &world.clone("ann", "packages"));
}

#[test]
fn a_ladder_of_merges_is_judged_in_time() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let main = ann.git(&["rev-parse", "origin/main"]).ok().text().to_owned();
    let kptfile = kptfile("router");
    // Each merges the one before with itself and with the branch: every commit has three ways down.
    let mut script = String::new();
    for at in 0..4_000 {
        let _ = write!(
            script,
            "commit refs/heads/ladder\nmark :{}\ncommitter x <x@x> {} +0000\ndata 0\nfrom {}\nmerge {}\n",
            at + 1,
            1_700_000_000 + at,
            if at == 0 { main.clone() } else { format!(":{at}") },
            if at < 2 { main.clone() } else { format!(":{}", at - 1) },
        );
        let _ = write!(script, "M 100644 inline {P}/Kptfile\ndata {}\n{kptfile}\n", kptfile.len());
    }
    import(&ann, &script);
    let begun = Instant::now();
    ann.push(&format!("refs/heads/ladder:refs/heads/drafts/{P}/w1")).ok();
    assert!(begun.elapsed() < PATIENCE, "took {:?}", begun.elapsed());
    ann.push(&format!(":refs/heads/drafts/{P}/w1")).ok();
    // One rung of it that touches another package is found.
    let mut script = String::new();
    let _ = write!(
        script,
        "commit refs/heads/ladder\ncommitter x <x@x> 1 +0000\ndata 0\nfrom refs/heads/ladder^0\n\
         M 100644 inline net/switch/Kptfile\ndata 0\n\ncommit refs/heads/ladder\ncommitter x <x@x> 2 +0000\ndata 0\n\
         D net/switch/Kptfile\n"
    );
    import(&ann, &script);
    refused(&world, "outside-package", "net/switch/Kptfile, which is outside package net/router", || {
        ann.push(&format!("refs/heads/ladder:refs/heads/drafts/{P}/w1"))
    });
    super::steady::serves_to(&world, &world.clone("ann", "packages"));
}

#[test]
fn dates_that_lie_hide_nothing() {
    let shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let (world, ann) = (&shelf.world, &shelf.ann);
    let (steady, before) = (Steady::now(world), world.refs("packages"));
    for date in [
        "0 +0000",
        "9999999999 +0000",
        "99999999999999 +0000",
        "-1 +0000",
        "9223372036854775807 +0000",
        "1700000000 +9999",
    ] {
        ann.reset();
        // Another package is touched and put back below the tip.
        let clean = ann.git(&["rev-parse", "HEAD^{tree}"]).ok().text().to_owned();
        ann.write("net/switch/config.yaml", &config_map("evil"));
        ann.commit("evil");
        let evil = ann.git(&["rev-parse", "HEAD^{tree}"]).ok().text().to_owned();
        ann.git(&["reset", "-q", "--hard", "origin/main"]).ok();
        ann.package(P, "one");
        let good = ann.git(&["rev-parse", "HEAD^{tree}"]).ok().text().to_owned();
        let mut parent = ann.git(&["rev-parse", "origin/main"]).ok().text().to_owned();
        for tree in [&evil, &clean, &good] {
            let who = format!("x <x@x> {date}");
            parent = commit(ann, &format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nlies\n"));
        }
        let answer = ann.push(&format!("+{parent}:refs/heads/drafts/{P}/w1"));
        assert_ne!(answer.code, 0, "{date}: {}", answer.stderr);
        assert!(answer.stderr.contains("Stoop refused this push"), "{date}: {}", answer.stderr);
        assert_eq!(world.refs("packages"), before, "{date}");
        // Without the evil in it, it is a draft as any other, and its date is nobody's harm.
        let who = format!("x <x@x> {date}");
        let fine = commit(
            ann,
            &format!("tree {good}\nparent origin\nauthor {who}\ncommitter {who}\n\nfine\n")
                .replace("parent origin", &format!("parent {}", ann.git(&["rev-parse", "origin/main"]).ok().text())),
        );
        let answer = ann.push(&format!("+{fine}:refs/heads/drafts/{P}/w1"));
        if answer.code == 0 {
            let shown = world.kubectl("rea", &["get", "packagerevisions", "-o", "yaml"]).ok();
            assert!(shown.stdout.contains("packages.net.router.w1"), "{date}");
            ann.push(&format!(":refs/heads/drafts/{P}/w1")).ok();
        }
    }
    steady.nothing_left();
    super::steady::serves(world);
}

#[test]
fn a_shallow_clone_s_push_is_judged_on_its_whole_history() {
    let shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let world = &shelf.world;
    let dir = world.path().join("shallow");
    run(git_command(world.path()).args(["clone", "-q", "--depth=1", &world.url("ann", "packages")]).arg(&dir)).ok();
    let git = |args: &[&str]| run(git_command(&dir).args(["-c", "user.name=ann", "-c", "user.email=a@x"]).args(args));
    std::fs::create_dir_all(dir.join(P)).expect("made");
    std::fs::write(dir.join(P).join("Kptfile"), kptfile(P)).expect("written");
    git(&["add", "-A"]).ok();
    git(&["commit", "-qm", "from a shallow clone"]).ok();
    git(&["push", "origin", &format!("HEAD:refs/heads/drafts/{P}/w1")]).ok();
    assert_eq!(crate::steps::lifecycle(world, "w1"), "Draft");
    // History that is nowhere: the commit below the boundary is replaced by one that the server never saw.
    let tree = git(&["rev-parse", "HEAD^{tree}"]).ok().text().to_owned();
    let steady = Steady::now(world);
    let root = git(&["commit-tree", "-m", "no past", &tree]).ok().text().to_owned();
    let child = git(&["commit-tree", "-m", "of no past", "-p", &root, &tree]).ok().text().to_owned();
    std::fs::write(dir.join(".git/shallow"), format!("{child}\n")).expect("written");
    let answer = git(&["push", "origin", &format!("+{child}:refs/heads/drafts/{P}/w2")]);
    assert_ne!(answer.code, 0, "{}", answer.stderr);
    assert!(!world.bare("packages").join("shallow").exists(), "the repository became shallow");
    steady.unchanged();
    steady.nothing_left();
    super::steady::serves(world);
}

#[test]
fn histories_that_have_nothing_in_common_with_the_branch() {
    let shelf = Shelf::new();
    shelf.publish("net/switch", "w1");
    let (world, ann) = (&shelf.world, &shelf.ann);
    let steady = Steady::now(world);
    ann.git(&["checkout", "-q", "--orphan", "alone"]).ok();
    // With the branch's files in it, and with the package alone.
    ann.package(P, "one");
    refused(world, "outside-package", "outside package net/router", || ann.draft(P, "w1"));
    ann.git(&["rm", "-rqf", "--cached", "."]).ok();
    ann.git(&["add", P]).ok();
    ann.git(&["commit", "-q", "--amend", "-m", "alone"]).ok();
    // What holds nothing but its package undoes nothing: it is a proposal as any other.
    let alone = ann.head();
    ann.propose(P, "w1").ok();
    shelf.bob.git(&["fetch", "-q", "origin", &alone]).ok();
    shelf.bob.approve(&alone, P, "w1").ok();
    let files = world.on_disk("packages", &["ls-tree", "-r", "--name-only", "main"]).ok().stdout;
    assert!(
        ["README.md", "net/switch/Kptfile", "net/router/Kptfile"].iter().all(|file| files.contains(file)),
        "{files}"
    );
    ann.git(&["checkout", "-qf", "main"]).ok();
    steady.nothing_left();
    super::steady::serves(world);
}
