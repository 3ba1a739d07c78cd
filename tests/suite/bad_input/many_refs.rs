//! A push of 5,000 drafts, with and without a bad one among them; a thousand refs deleted, or none of Stoop's business.
//!
//! Never here: what is wrong with one ref.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::steady::{Steady, memory, serves_to};
use crate::support::{Workdir, World, kptfile, run};
use crate::untouched::refused;

const MANY: usize = 5_000;
/// The beginning of 1,111 of their names. git deletes refs one by one, and each the slower the more are packed.
const SOME: &str = "many/p1";
/// How much more memory the daemon may take, in KiB; the 5,000 drafts that it then shows are in it.
const GROWTH: u64 = 192 << 10;
/// One push may take so long. What each ref costs must not grow with their number: at 5,000 it would be hours.
const PATIENCE: Duration = Duration::from_secs(300);

/// Makes a commit for each of many packages, with a local ref `refs/up/many/p<number>/w1` at it.
fn prepare(clone: &Workdir) {
    let mut import = clone.git_command();
    let mut import = import.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
    let mut input = String::new();
    let kptfile = kptfile("p");
    for number in 0..MANY {
        let _ = write!(
            input,
            "commit refs/up/many/p{number}/w1\ncommitter x <x@example.com> 1700000000 +0000\ndata 0\n\
             from refs/remotes/origin/main\nM 100644 inline many/p{number}/Kptfile\ndata {}\n{kptfile}\n",
            kptfile.len(),
        );
    }
    import.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    assert!(import.wait().expect("git ends").success());
}

/// Deletes the local refs of [`SOME`], so that a push with `--prune` deletes those that they map to.
fn forget(clone: &Workdir) -> usize {
    let list = clone.path().join("../deletions");
    let refs = clone.git(&["for-each-ref", "--format=delete %(refname)", "refs/up"]).ok().stdout;
    let some: Vec<&str> = refs.lines().filter(|line| line.contains(SOME)).collect();
    std::fs::write(&list, some.join("\n") + "\n").expect("written");
    run(clone.git_command().args(["update-ref", "--stdin"]).stdin(File::open(list).expect("there"))).ok();
    some.len()
}

#[test]
fn five_thousand_refs_in_one_push() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    prepare(&ann);
    let steady = Steady::now(&world);
    let before = memory(&world, "VmHWM");
    let within = |what: &str, push: &dyn Fn()| {
        let begun = Instant::now();
        push();
        assert!(begun.elapsed() < PATIENCE, "{what} took {:?}", begun.elapsed());
    };
    within("a refusal", &|| {
        // One of them is bad, so none of them goes in, and the answer is not 5,000 times the same.
        let answer = refused(&world, "bad-name", "5000 other refs of this push would have been accepted", || {
            ann.git(&[
                "push",
                "-q",
                "origin",
                "refs/up/*:refs/heads/drafts/*",
                "refs/up/many/p0/w1:refs/heads/drafts/many/p0/W1",
            ])
        });
        assert!(answer.stderr.matches("remote:").count() <= 25, "{}", answer.stderr);
    });
    within("refs that are not managed", &|| {
        ann.git(&["push", "-q", "origin", &format!("refs/up/{SOME}*:refs/heads/own/{SOME}*")]).ok();
    });
    within("their deletion", &|| {
        ann.git(&["push", "-q", "--prune", "origin", "refs/none/*:refs/heads/own/*"]).ok();
    });
    steady.unchanged();
    within("the drafts", &|| {
        let answer = ann.git(&["push", "-q", "origin", "refs/up/*:refs/heads/drafts/*"]).ok();
        assert!(answer.stderr.contains("and 4976 more refs, each as it was pushed"), "{}", answer.stderr);
        assert_eq!(answer.stderr.lines().count(), 25, "{}", answer.stderr);
    });
    let listed = world.kubectl("rea", &["get", "packagerevisions", "-o", "name"]).ok();
    assert_eq!(listed.stdout.lines().count(), MANY);
    let fewer = forget(&ann);
    assert_eq!(fewer, 1_111);
    within("the deletion of the drafts", &|| {
        ann.git(&["push", "-q", "--prune", "origin", &format!("refs/up/{SOME}*:refs/heads/drafts/{SOME}*")]).ok();
    });
    let listed = world.kubectl("rea", &["get", "packagerevisions", "-o", "name"]).ok();
    assert_eq!(listed.stdout.lines().count(), MANY - fewer);
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    steady.nothing_left();
    serves_to(&world, &ann);
}
