//! Pushes of 5,000 refs.
//!
//! Never here: what is wrong with one ref.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use super::steady::{Steady, memory};
use crate::support::{Workdir, World, kptfile};

fn count() -> usize {
    std::env::var("COUNT").ok().and_then(|c| c.parse().ok()).unwrap_or(5000)
}

/// Makes a commit for each of many packages, with a local ref `refs/up/many/p<number>/w1` at it.
fn prepare(clone: &Workdir, many: usize, file: &str) {
    let mut import = clone.git_command();
    let mut import = import.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git starts");
    let mut input = String::new();
    let kptfile = kptfile("p");
    for number in 0..many {
        let _ = write!(
            input,
            "commit refs/up/many/p{number}/w1\ncommitter x <x@example.com> 1700000000 +0000\ndata 0\n\
             from refs/remotes/origin/main\nM 100644 inline {file}\ndata {}\n{kptfile}\n",
            kptfile.len(),
            file = file.replace("{}", &number.to_string()),
        );
    }
    import.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    assert!(import.wait().expect("git ends").success());
}

#[test]
fn many_drafts() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let many = count();
    prepare(&ann, many, "many/p{}/Kptfile");
    let steady = Steady::now(&world);
    let before = memory(&world, "VmHWM");
    let begun = Instant::now();
    let answer = ann.git(&["push", "-q", "origin", "refs/up/*:refs/heads/drafts/*"]).ok();
    println!("create {:?} {} KiB grown, {} lines", begun.elapsed(), memory(&world, "VmHWM") - before, answer.stderr.lines().count());
    println!("{}", answer.stderr.lines().rev().take(5).collect::<Vec<_>>().join("\n"));
    let begun = Instant::now();
    let listed = world.kubectl("admin", &["get", "packagerevisions", "-o", "name"]).ok();
    println!("listed {} {:?}", listed.stdout.lines().count(), begun.elapsed());
    ann.git(&["config", "--unset-all", "remote.origin.fetch"]).ok();
    let begun = Instant::now();
    let list = ann.git(&["for-each-ref", "--format=delete %(refname)", "refs/up"]).ok().stdout;
    std::fs::write(ann.path().join("../dels"), &list).unwrap();
    crate::support::run(ann.git_command().args(["update-ref", "--stdin"]).stdin(std::fs::File::open(ann.path().join("../dels")).unwrap())).ok();
    let answer = ann.git(&["push", "-q", "--prune", "origin", "refs/up/*:refs/heads/drafts/*"]).ok();
    println!("delete {:?} {} KiB grown, {} lines", begun.elapsed(), memory(&world, "VmHWM") - before, answer.stderr.lines().count());
    println!("{}", world.on_disk("packages", &["rev-list", "--count", "refs/stoop/ledger"]).stdout);
    steady.nothing_left();
    super::steady::serves(&world);
}
