//! Packages whose content is broken, huge, or made to be read wrongly.
//!
//! Never here: the rules that every draft meets (see `push_rules`).

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::steady::{Steady, memory};
use crate::steps::P;
use crate::support::{Workdir, World, kptfile, run};
use crate::untouched::refused;

/// How much more memory the daemon may take for one push, whatever is in it, in KiB.
const GROWTH: u64 = 96 << 10;

/// A commit on the branch with what a `git fast-import` script says of its files.
fn import(clone: &Workdir, files: &str) -> String {
    let mut import = clone.git_command();
    let mut import =
        import.args(["fast-import", "--quiet", "--force"]).stdin(Stdio::piped()).spawn().expect("git starts");
    let head =
        "commit refs/heads/bad\ncommitter x <x@example.com> 1700000000 +0000\ndata 0\nfrom refs/remotes/origin/main\n";
    let kptfile = kptfile("router");
    let kptfile = format!("M 100644 inline {P}/Kptfile\ndata {}\n{kptfile}\n", kptfile.len());
    let mut input = import.stdin.take().expect("piped");
    input.write_all([head, &kptfile, files].concat().as_bytes()).expect("written");
    drop(input);
    assert!(import.wait().expect("git ends").success());
    clone.git(&["rev-parse", "refs/heads/bad"]).ok().text().to_owned()
}

#[track_caller]
fn refused_draft(world: &World, clone: &Workdir, commit: &str, code: &str, text: &str) {
    for name in ["drafts", "proposed"] {
        let push = || clone.push(&format!("+{commit}:refs/heads/{name}/{P}/w1"));
        let answer = refused(world, code, text, push);
        assert!(answer.stderr.contains("nothing was changed"), "{}", answer.stderr);
    }
}

#[test]
fn a_kptfile_is_a_readable_file_of_a_sane_size() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    let fresh = || {
        ann.reset();
        ann.git(&["clean", "-qfdx"]).ok();
    };
    for (text, says) in [
        ("", "net/router/Kptfile cannot be read"),
        ("\n\n# nothing\n", "net/router/Kptfile cannot be read"),
        ("\u{0}\u{0}\u{0}", "net/router/Kptfile cannot be read"),
        ("apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n\tname: tab\n", "net/router/Kptfile cannot be read"),
        ("a: &a [*a]\n", "net/router/Kptfile cannot be read"),
    ] {
        fresh();
        ann.write("net/router/Kptfile", text);
        let commit = ann.commit("broken");
        refused_draft(&world, &ann, &commit, "bad-kptfile", says);
    }
    fresh();
    ann.write("net/router/Kptfile/Kptfile", &kptfile(P));
    let commit = ann.commit("a directory");
    refused_draft(&world, &ann, &commit, "bad-kptfile", "there is no regular file net/router/Kptfile");
    fresh();
    let head = ann.head();
    ann.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},net/router/Kptfile")]).ok();
    ann.git(&["commit", "-q", "-m", "a submodule"]).ok();
    refused_draft(&world, &ann, &ann.head(), "bad-kptfile", "there is no regular file net/router/Kptfile");
    // 100 MB of it are not even read.
    fresh();
    ann.write("net/router/config.yaml", "a: b\n");
    File::create(ann.path().join("net/router/Kptfile")).and_then(|file| file.set_len(100 << 20)).expect("made");
    let commit = ann.commit("huge");
    let before = memory(&world, "VmHWM");
    refused_draft(&world, &ann, &commit, "bad-kptfile", "it has 104857600 bytes, more than the 1048576 allowed");
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    steady.check();
}

#[test]
fn a_blob_of_200_mb_is_refused_and_costs_no_memory() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    ann.package(P, "one");
    let good = ann.head();
    File::create(ann.path().join("net/router/disk.img")).and_then(|file| file.set_len(200 << 20)).expect("made");
    let commit = ann.commit("an image");
    let before = memory(&world, "VmHWM");
    let size = "net/router/disk.img has 209715200 bytes, more than the 33554432 allowed";
    refused_draft(&world, &ann, &commit, "bad-content", size);
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    steady.check();
    // What was in its way was its size, and no more.
    ann.push(&format!("{good}:refs/heads/drafts/{P}/w1")).ok();
}

#[test]
fn a_tree_too_wide_or_too_deep_is_refused_in_time() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    let file = |path: &str| format!("M 100644 inline {path}\ndata 1\nx\n");
    let before = memory(&world, "VmHWM");
    let begun = Instant::now();
    let mut wide = String::new();
    (0..100_000).for_each(|at| {
        let _ = write!(wide, "{}", file(&format!("{P}/{}/{at}.txt", at % 100)));
    });
    let wide = import(&ann, &wide);
    refused_draft(&world, &ann, &wide, "bad-content", "more than");
    let deep = import(&ann, &file(&format!("{P}/{}x.txt", "d/".repeat(2400))));
    refused_draft(&world, &ann, &deep, "bad-content", "more than 4096 bytes in a path");
    // The same outside of the package, where the draft must change nothing at all.
    let aside = import(&ann, &file(&format!("{}x.txt", "d/".repeat(2400))));
    refused_draft(&world, &ann, &aside, "bad-content", "more than 4096 bytes in a path");
    let long = import(&ann, &file(&format!("{P}/{}.txt", "n".repeat(1500))));
    refused_draft(&world, &ann, &long, "bad-content", "is not a usable path");
    let grown = memory(&world, "VmHWM") - before;
    assert!(grown < GROWTH, "it grew by {grown} KiB");
    assert!(begun.elapsed() < Duration::from_secs(120), "took {:?}", begun.elapsed());
    steady.check();
}

#[test]
fn a_directory_tree_that_repeats_itself_is_not_walked_to_its_end() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    // 10 entries a level and 30 levels: 10^30 files, and 10^30 empty directories.
    for first in ["100644 blob", "040000 tree"] {
        let kind = first.split(' ').next_back().expect("a kind");
        let mut id = ann.git(&["hash-object", "-w", "-t", kind, "/dev/null"]).ok().text().to_owned();
        let mut entry = first;
        for _ in 0..30 {
            let lines: String = (0..10).map(|at| format!("{entry} {id}\t{at}\n")).collect();
            id = tree(&ann, &lines);
            entry = "040000 tree";
        }
        ann.reset();
        ann.package(P, "one");
        let kptfile = ann.git(&["rev-parse", &format!("HEAD:{P}/Kptfile")]).ok().text().to_owned();
        let package = tree(&ann, &format!("100644 blob {kptfile}\tKptfile\n040000 tree {id}\tbomb\n"));
        let net = tree(&ann, &format!("040000 tree {package}\trouter\n"));
        let beside = ann.git(&["ls-tree", "origin/main"]).ok().stdout;
        let root = tree(&ann, &format!("{beside}040000 tree {net}\tnet\n"));
        let commit = ann.git(&["commit-tree", "-p", "origin/main", "-m", "bomb", &root]).ok().text().to_owned();
        let begun = Instant::now();
        let push = || ann.push(&format!("+{commit}:refs/heads/drafts/{P}/w1"));
        refused(&world, "bad-content", "more than 100000", push);
        assert!(begun.elapsed() < Duration::from_secs(60), "took {:?}", begun.elapsed());
    }
    steady.check();
}

/// Writes a tree from lines as of `git ls-tree`.
fn tree(clone: &Workdir, lines: &str) -> String {
    let file = clone.path().join("../lines");
    std::fs::write(&file, lines).expect("written");
    let input = File::open(file).expect("there");
    run(clone.git_command().args(["mktree"]).stdin(input)).ok().text().to_owned()
}

#[test]
fn file_names_are_text() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    let steady = Steady::now(&world);
    for name in [b"caf\xe9.yaml".as_slice(), b"d\xff/x.yaml"] {
        ann.reset();
        ann.git(&["clean", "-qfdx"]).ok();
        ann.package(P, "one");
        let path = ann.path().join(P).join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, "a: b\n").expect("written");
        let commit = ann.commit("not UTF-8");
        refused_draft(&world, &ann, &commit, "bad-content", "is not a usable path");
    }
    steady.check();
    // Text of every kind is fine, and comes out as it went in.
    ann.reset();
    ann.git(&["clean", "-qfdx"]).ok();
    ann.package(P, "one");
    for name in ["r\u{e9}seau.yaml", "re\u{301}seau.yaml", "README", "readme", "a b.yaml", "\u{202e}lmay.yaml"] {
        ann.write(&format!("{P}/{name}"), "a: b\n");
    }
    ann.commit("text");
    ann.draft(P, "w1").ok();
    let answer =
        world.kubectl("rea", &["get", "packagerevisionresources", "packages.net.router.w1", "-o", "json"]).ok();
    let content: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let names = content["spec"]["resources"].as_object().expect("files");
    assert_eq!(names.len(), 8, "{:?}", names.keys());
}

#[test]
fn objects_that_git_itself_would_not_make_are_refused() {
    let world = World::with_repository();
    let ann = world.clone("ann", "packages");
    ann.package(P, "one");
    let blob = ann.git(&["rev-parse", &format!("HEAD:{P}/Kptfile")]).ok().text().to_owned();
    let main = ann.git(&["rev-parse", "origin/main"]).ok().text().to_owned();
    let raw = |kind: &str, bytes: &[u8]| {
        let file = ann.path().join("../raw");
        std::fs::write(&file, bytes).expect("written");
        let args = ["hash-object", "-w", "--literally", "-t", kind, "../raw"];
        ann.git(&args).ok().text().to_owned()
    };
    let entry = |mode: &str, name: &str, id: &str| {
        let mut bytes = format!("{mode} {name}\0").into_bytes();
        bytes.extend((0..40).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("an id")));
        bytes
    };
    let file = || entry("100644", "Kptfile", &blob);
    let within = |package: &str| {
        let net = raw("tree", &entry("40000", "router", package));
        let readme = ann.git(&["rev-parse", "origin/main:README.md"]).ok().text().to_owned();
        let root = raw("tree", &[entry("100644", "README.md", &readme), entry("40000", "net", &net)].concat());
        ann.git(&["commit-tree", "-p", "origin/main", "-m", "odd", &root]).ok().text().to_owned()
    };
    let dots = raw("tree", &[entry("100644", "..", &blob), file()].concat());
    let git = raw("tree", &[entry("40000", ".git", &raw("tree", &file())), file()].concat());
    let slash = raw("tree", &[file(), entry("100644", "a/b", &blob)].concat());
    let missing = raw("tree", &[file(), entry("100644", "x", &"ab".repeat(20))].concat());
    let cut = raw("tree", &file()[..20]);
    let commits = [
        within(&dots),
        within(&git),
        within(&slash),
        within(&missing),
        within(&cut),
        raw("commit", format!("tree {main}\n\nof a commit").as_bytes()),
        raw("commit", b"no commit at all"),
        raw("commit", format!("tree {}\nparent {main}\nauthor x\ncommitter y\n\n", "ab".repeat(20)).as_bytes()),
    ];
    let steady = Steady::now(&world);
    for fsck in ["false", "true"] {
        world.on_disk("packages", &["config", "receive.fsckObjects", fsck]).ok();
        for (at, commit) in commits.iter().enumerate() {
            // Made by hand, since git's own client refuses to pack some of them.
            let pack = pack(&ann, commit);
            let update = format!("{} {commit} refs/heads/drafts/{P}/w1\0report-status", super::raw::ZERO);
            let body = [super::raw::pkt(update.as_bytes()), b"0000".to_vec(), pack].concat();
            let head = super::raw::push_head("ann", &format!("Content-Length: {}\r\n", body.len()));
            let answer = super::raw::send(&world, &[head.as_bytes(), &body].concat());
            assert!(answer.contains("HTTP/1.1 200"), "{at}: {answer}");
            assert!(answer.contains("ng refs/") || answer.contains("unpack"), "{at}: {answer}");
            assert!(!answer.contains("ok refs/heads"), "{at}, receive.fsckObjects={fsck}: {answer}");
            steady.unchanged();
        }
    }
    steady.check();
}

/// A pack with a commit and whatever can be reached from it; broken objects lead nowhere.
fn pack(clone: &Workdir, commit: &str) -> Vec<u8> {
    let mut ids = vec![commit.to_owned()];
    let reached = clone.git(&[
        "rev-list",
        "--objects",
        "--no-object-names",
        "--missing=allow-any",
        commit,
        "--not",
        "origin/main",
    ]);
    ids.extend(reached.stdout.lines().map(str::to_owned));
    ids.sort();
    ids.dedup();
    let list = clone.path().join("../ids");
    std::fs::write(&list, ids.join("\n") + "\n").expect("written");
    let mut git = clone.git_command();
    let git = git.args(["pack-objects", "--stdout", "-q"]).stdin(File::open(list).expect("there")).output();
    git.expect("git runs").stdout
}
