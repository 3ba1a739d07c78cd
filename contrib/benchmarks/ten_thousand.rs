//! One daemon over 10,000 published package revisions: starting, listing, watching, approving, memory.
//!
//! A repository of ten stands beside it from the beginning, to compare with. Never here: many repositories.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::approvals::{Site, compare, measure};
use crate::client::{Client, JSON, REVISIONS, TABLE};
use crate::measure::Samples;
use crate::report::{Aim, Figure, Row};
use crate::support::{World, git_command, run};
use crate::{Plan, fill, progress};

const PACKAGES: usize = 2_000;
const REVISIONS_EACH: usize = 5;
/// The most MiB that the daemon should hold.
const MEMORY: f64 = 100.0;

/// The rows of this group.
pub(crate) fn rows(plan: &Plan) -> Vec<Row> {
    progress("10,000 package revisions: making them");
    let mut world = World::without_daemon();
    // Keys and certificates are made at the very first start, whatever there is to index.
    world.start_daemon();
    world.stop_daemon("TERM");
    fill::repository(&world.bare("large"), PACKAGES, REVISIONS_EACH);
    fill::repository(&world.bare("small"), 2, REVISIONS_EACH);
    let untouched = ["large", "small"].map(|name| {
        let copy = world.path().join(format!("untouched-{name}.git"));
        fill::copy(&world.bare(name), &copy)
    });

    let mut rows = starts(plan, &mut world);
    std::fs::remove_dir_all(world.state().join("cache")).expect("the cache is removed");
    world.start_daemon();
    rows.extend(memory(&world, "after the first index"));
    rows.extend(lists(plan, &world));
    rows.extend(memory(&world, "after the lists"));
    rows.extend(watches(plan, &world));

    progress("10,000 package revisions: approving");
    let client = Client::new(&world, "amy");
    let mut sites = [Site::new(&world, &client, "small", 2), Site::new(&world, &client, "large", PACKAGES)];
    measure(&mut sites, plan.samples(30));
    rows.extend(compare(("at 10", &sites[0].times), ("at 10,000", &sites[1].times), true));
    rows.extend(memory(&world, "after the approvals"));

    progress("10,000 loose refs: approving");
    world.stop_daemon("TERM");
    for name in ["large", "small"] {
        std::fs::remove_dir_all(world.bare(name)).expect("removed");
    }
    for (copy, name) in untouched.iter().zip(["loose", "few"]) {
        std::fs::rename(copy, world.bare(name)).expect("moved into the root");
    }
    fill::loosen(&world.bare("loose"));
    world.start_daemon();
    let client = Client::new(&world, "amy");
    let mut sites = [Site::new(&world, &client, "few", 2), Site::new(&world, &client, "loose", PACKAGES)];
    // Few rounds: git alone takes a second to tell a client ten thousand loose refs.
    measure(&mut sites, plan.samples(6));
    rows.extend(compare(("at 10", &sites[0].times), ("at 10,000 loose refs", &sites[1].times), false));
    rows
}

/// The first index and the restart beside git reading the same objects.
fn starts(plan: &Plan, world: &mut World) -> Vec<Row> {
    progress("10,000 package revisions: starting");
    // Hooks are installed once, and git is read warm from the page cache like all that follows.
    world.start_daemon();
    world.stop_daemon("TERM");
    let large = world.bare("large");
    let objects = world.path().join("objects");
    let count = write_objects(&large, &objects);
    let mut times: [Samples; 4] = Default::default();
    for _ in 0..plan.samples(5) {
        let [first, warm, refs, reading] = &mut times;
        refs.time(|| run(git_command(&large).args(["for-each-ref", "--format=%(refname) %(objectname)"])).ok());
        reading.time(|| read_objects(&large, &objects));
        std::fs::remove_dir_all(world.state().join("cache")).expect("the cache is removed");
        first.time(|| world.start_daemon());
        world.stop_daemon("TERM");
        warm.time(|| world.start_daemon());
        world.stop_daemon("TERM");
    }
    let [first, warm, refs, reading] = &times;
    let git = format!("git for-each-ref, then git cat-file --batch of {count} objects");
    let both = refs.together(reading);
    vec![
        Row::time("start without a cache at 10,000", first).against(&git, &both).aim(Aim::Ratio(3.0)),
        Row::time("start with a cache at 10,000", warm).against(&git, &both).aim(Aim::Ratio(1.0)),
        Row::time("start with a cache at 10,000", warm).against("git for-each-ref alone", refs),
    ]
}

/// Writes the ids of all objects that must be read to know every package revision: the branch's commits, and for each tag the
/// trees on the way to its package and the Kptfile. Returns how many there are.
fn write_objects(repository: &Path, file: &Path) -> usize {
    let commits = run(git_command(repository).args(["rev-list", "main"])).ok();
    let tags = run(git_command(repository).args(["for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags"])).ok();
    let mut names = String::new();
    for tag in tags.stdout.lines() {
        let (package, _) = tag.rsplit_once('/').expect("a package");
        let (team, _) = package.split_once('/').expect("a team");
        for path in ["", team, package, &format!("{package}/Kptfile")] {
            let _ = writeln!(names, "refs/tags/{tag}:{path}");
        }
    }
    std::fs::write(file, names).expect("the names are written");
    let names = std::fs::File::open(file).expect("the names");
    let mut resolve = git_command(repository);
    let resolve = resolve.args(["cat-file", "--batch-check=%(objectname)", "--buffer"]).stdin(names);
    let resolved = run(resolve).ok();
    let mut seen = HashSet::new();
    let ids = commits.stdout.lines().chain(resolved.stdout.lines());
    let ids: Vec<&str> = ids.filter(|id| seen.insert(*id)).collect();
    assert!(ids.iter().all(|id| !id.contains(' ')), "every object is there");
    let mut out = std::fs::File::create(file).expect("a file");
    out.write_all(ids.join("\n").as_bytes()).expect("the ids are written");
    ids.len()
}

/// Lets git read all these objects, to the last byte.
fn read_objects(repository: &Path, file: &Path) {
    let ids = std::fs::File::open(file).expect("the ids");
    let mut read = git_command(repository);
    let read = read.args(["cat-file", "--batch", "--buffer"]).stdin(ids).stdout(Stdio::piped());
    let mut read = read.spawn().expect("git starts");
    let mut out = read.stdout.take().expect("piped");
    let mut buffer = vec![0; 1 << 20];
    while out.read(&mut buffer).expect("git writes") > 0 {}
    assert!(read.wait().expect("git ends").success());
}

/// Lists over a connection that is kept, to the last byte.
fn lists(plan: &Plan, world: &World) -> Vec<Row> {
    progress("10,000 package revisions: listing");
    let client = Client::new(world, "rea");
    let kinds = [("a Table", TABLE), ("JSON", JSON)];
    let mut times: [Samples; 2] = Default::default();
    let bytes = kinds.map(|(_, accept)| client.get(REVISIONS, accept));
    for _ in 0..plan.samples(10) {
        for ((_, accept), times) in kinds.iter().zip(&mut times) {
            times.time(|| client.get(REVISIONS, accept));
        }
    }
    let kinds = kinds.iter().zip(&times).zip(bytes);
    kinds
        .map(|(((name, _), times), bytes)| {
            let megabytes = bytes.div_ceil(100_000) as f64 / 10.0;
            Row::time(format!("list 10,000 as {name} ({megabytes:.1} MB)"), times).aim(Aim::Under(100.0))
        })
        .collect()
}

/// From the end of a push, and from its beginning, to the event at a watcher.
fn watches(plan: &Plan, world: &World) -> Vec<Row> {
    progress("10,000 package revisions: watching");
    let clone = world.clone("amy", "small");
    let client = Client::new(world, "rea");
    let (sender, events) = mpsc::channel();
    client.watch(&client.resource_version(), move |event| {
        let _ = sender.send((Instant::now(), String::from_utf8_lossy(event).into_owned()));
    });
    let (mut from_begin, mut from_end) = (Samples::default(), Samples::default());
    for round in 0..plan.samples(20) {
        let package = format!("watched/p{round}");
        clone.package(&package, "one");
        let begin = Instant::now();
        clone.push(&format!("HEAD:refs/heads/drafts/{package}/w")).ok();
        let end = Instant::now();
        let name = format!("\"small.watched.p{round}.w\"");
        let at = loop {
            let (at, event) = events.recv_timeout(Duration::from_secs(20)).expect("the event comes");
            if event.contains(&name) {
                break at;
            }
        };
        from_begin.add_between(begin, at);
        from_end.add_between(end, at);
        // The next draft is not to carry this one.
        clone.git(&["reset", "-q", "--hard", "HEAD^"]).ok();
    }
    vec![
        Row::time("from the end of a push over HTTP to the event at a watcher", &from_end),
        Row::time("from its beginning", &from_begin),
    ]
}

/// The daemon's resident memory, and the most that it was.
fn memory(world: &World, when: &str) -> Vec<Row> {
    let path: PathBuf = format!("/proc/{}/status", world.ready().pid).into();
    let status = std::fs::read_to_string(path).expect("Linux tells");
    let kib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a line");
        line.trim_start_matches(':').split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    };
    vec![
        Row::new(format!("resident memory at 10,000 {when}"), Figure::memory(kib("VmRSS"))).aim(Aim::Under(MEMORY)),
        Row::new("its peak so far", Figure::memory(kib("VmHWM"))).aim(Aim::Under(MEMORY)),
    ]
}
