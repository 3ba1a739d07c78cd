//! Twenty watchers during thousands of random writes by both doors, with restarts and kills; a checker compares what each got
//! with what the others got, with what the writers were told, and with the list at the end. And watchers that read nothing.
//!
//! `STOOP_WATCH_WRITES` says how many writes; the full 10,000 are for a release build (`contrib/soak --watchers`).
//! Never here: the checker and its own tests (see `tests/support/recording`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use serde_json::json;
use tokio::runtime::Handle;

use crate::recording::checker::check;
use crate::recording::door::{Door, REVISIONS, Runs};
use crate::recording::recorder::{Plan, Recorder, Start};
use crate::recording::{Record, Selection};
use crate::support::{World, free_port, git_command, run};
use crate::traffic::Tally;
use crate::traffic::commits::commits;
use crate::traffic::writer::{Place, Writer};

/// The writes when nobody says otherwise: what a debug build does in about a minute and a half on two cores.
const WRITES: usize = 2_000;

/// The daemon ends so often, each second time by SIGKILL.
const RESTARTS: usize = 5;

const REPOSITORIES: [&str; 4] = ["r0", "r1", "r2", "r3"];

fn plans() -> Vec<Plan> {
    let all = Selection::default;
    let repository = |name: &str| Selection { repository: Some(name.to_owned()), ..all() };
    let lifecycle = |name: &str| Selection { lifecycle: Some(name.to_owned()), ..all() };
    let label = |value: &str| Selection { label: Some(("group".to_owned(), value.to_owned())), ..all() };
    let name = |name: &str| Selection { name: Some(name.to_owned()), ..all() };
    let plan = Plan::new;
    let often = |lines, plan: Plan| Plan { hangs_up: Some(lines), ..plan };
    use Start::{List, Present, Streamed};
    vec![
        plan("all, first", all(), List),
        plan("all, second", all(), List),
        Plan { bookmarks: false, ..plan("all, without bookmarks", all(), List) },
        plan("all, from the present", all(), Present),
        plan("all, streamed", all(), Streamed),
        often(40, plan("all, resuming often", all(), List)),
        Plan { resumes: false, ..often(150, plan("all, listing again and again", all(), List)) },
        plan("r0", repository("r0"), List),
        Plan { bookmarks: false, ..plan("r1", repository("r1"), Present) },
        often(15, plan("r2, resuming often", repository("r2"), List)),
        often(50, plan("r3, streamed, resuming", repository("r3"), Streamed)),
        plan("drafts", lifecycle("Draft"), List),
        often(30, plan("proposals, resuming often", lifecycle("Proposed"), Present)),
        plan("published, streamed", lifecycle("Published"), Streamed),
        plan("label g0", label("g0"), List),
        plan("label g1, from the present", label("g1"), Present),
        plan("one name", name("r0.a0.w1"), List),
        plan("another name, from the present", name("r1.a1.w2"), Present),
        Plan { table: true, ..plan("all, as rows", all(), List) },
        Plan { table: true, ..often(60, plan("r0, as rows, streamed, resuming", repository("r0"), Streamed)) },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_watchers_get_everything_once_and_in_order() {
    let writes = std::env::var("STOOP_WATCH_WRITES").ok().map_or(WRITES, |text| text.parse().expect("a number"));
    let mut world = World::without_daemon();
    REPOSITORIES.iter().for_each(|name| world.create_repository(name));
    let doors = [("--api", free_port()), ("--git", free_port())]
        .map(|(door, port)| [door.to_owned(), format!("127.0.0.1:{port}")]);
    let doors: Vec<&str> = doors.iter().flatten().map(String::as_str).collect();
    world.start_daemon_with(&doors);
    let runs = Arc::new(Runs::default());
    let reading = Door::of(&world, "rea", runs.clone()).await;
    let recorders: Vec<Recorder> = plans().into_iter().map(|plan| Recorder::start(&reading, plan)).collect();
    assert_eq!(recorders.len(), 20);

    let (done, tally) = (Arc::new(AtomicUsize::new(0)), Arc::new(Tally::default()));
    let writing = Door::of(&world, "amy", runs.clone()).await;
    let mut writers = Vec::new();
    for (number, repository) in REPOSITORIES.iter().flat_map(|name| [name, name]).enumerate() {
        let place = Place {
            door: writing.clone(),
            runtime: Handle::current(),
            repository: (*repository).to_owned(),
            bare: world.bare(repository),
            clone: world.clone("amy", repository).path().to_owned(),
            tally: tally.clone(),
        };
        let prefix = if number.is_multiple_of(2) { "a" } else { "b" };
        let mut writer = Writer::new(place, prefix, 12, number as u64 + 1);
        let done = done.clone();
        writers.push(tokio::task::spawn_blocking(move || {
            while done.load(Ordering::SeqCst) < writes {
                done.fetch_add(writer.turn(), Ordering::SeqCst);
            }
            writer.acknowledged
        }));
    }
    for restart in 1..=RESTARTS {
        until(Duration::from_secs(1200), "more writes", async || {
            done.load(Ordering::SeqCst) * (RESTARTS + 1) >= writes * restart
        })
        .await;
        runs.turn();
        world.stop_daemon(if restart % 2 == 1 { "KILL" } else { "TERM" });
        world.start_daemon_with(&doors);
        runs.turn();
    }
    let mut record = Record::default();
    for writer in writers {
        record.acknowledged.extend(writer.await.expect("no panic"));
    }
    record.last = reading.list(&Selection::default()).await.expect("a list").1;
    let caught_up = Instant::now() + Duration::from_secs(60);
    while Instant::now() < caught_up && !recorders.iter().all(|recorder| recorder.shows(&record.last)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for recorder in recorders {
        record.watchers.push(recorder.stop().await);
    }
    let verdict = check(&record);
    println!("{:?}", tally.counts());
    println!(
        "{} changes, {} of {} acknowledged writes watched",
        verdict.changes,
        verdict.found,
        record.acknowledged.len()
    );
    let errors = [tally.errors(), verdict.faults].concat();
    assert!(
        errors.is_empty(),
        "{} errors, the first of them:\n{}",
        errors.len(),
        errors[..errors.len().min(30)].join("\n")
    );
    assert!(verdict.found * 10 >= record.acknowledged.len() * 8, "too little was watched: {}", verdict.unwatched);
    let log = world.log();
    let behind = log.lines().find(|line| line.contains("behind the doors"));
    assert_eq!(behind, None, "everything went through them");
}

/// Polls a condition.
async fn until(limit: Duration, what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !check().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many objects the slow watchers begin with, and how large their annotation is: more together than the buffers of a
/// connection hold, which the kernel lets grow to some ten megabytes.
const FAT: (usize, usize) = (100, 240_000);

/// The number in a line of `/metrics`.
async fn watchers(door: &Door) -> usize {
    let response = door.begin("GET", "/metrics", "*/*", None).await.expect("an answer");
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find_map(|line| line.strip_prefix("stoop_watchers ")).expect("the line");
    line.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watchers_that_read_nothing_are_dropped_and_slow_nobody() {
    let world = World::with_repository();
    let clone = world.clone("amy", "packages");
    let packages: Vec<(String, String)> = (0..FAT.0).map(|at| (format!("p{at}"), "x".to_owned())).collect();
    let made = commits(clone.path(), &clone.head(), &packages);
    let specs = packages.iter().zip(&made).map(|((path, _), commit)| format!("{commit}:refs/heads/drafts/{path}/w"));
    run(git_command(clone.path()).args(["push", "-q", "--atomic", "origin"]).args(specs)).ok();
    let door = Door::of(&world, "amy", Arc::default()).await;
    let fat = json!({"metadata": {"annotations": {"note": "x".repeat(FAT.1)}}});
    for at in 0..FAT.0 {
        let answer = door.send("PATCH", &format!("{REVISIONS}/packages.p{at}.w"), Some(&fat)).await.expect("an answer");
        assert_eq!(answer.0, 200);
    }
    let plan = |title: &str| Plan { title: title.to_owned(), ..plans().swap_remove(0) };
    let quick = [Recorder::start(&door, plan("quick")), Recorder::start(&door, plan("quick, too"))];
    until(Duration::from_secs(20), "the quick watchers", async || watchers(&door).await == 2).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let response = door.begin("GET", &format!("{REVISIONS}?watch=true"), "application/json", None).await;
        slow.push(response.expect("an answer").into_body());
    }
    assert_eq!(watchers(&door).await, 6);
    // Every write is seen by the quick ones at once, before the slow ones are dropped and after.
    let mut written = 0;
    let deadline = Instant::now() + Duration::from_secs(120);
    while watchers(&door).await > 2 || written < 20 {
        assert!(Instant::now() < deadline, "the slow watchers are still there");
        written += 1;
        let label = json!({"metadata": {"labels": {"n": written.to_string()}}});
        let answer = door.send("PATCH", &format!("{REVISIONS}/packages.p0.w"), Some(&label)).await.expect("an answer");
        assert_eq!(answer.0, 200);
        let version = answer.1.pointer("/metadata/resourceVersion").and_then(|version| version.as_str()?.parse().ok());
        let has = |quick: &Recorder| quick.version("packages.p0.w") == version;
        until(Duration::from_secs(10), "the change", async || quick.iter().all(has)).await;
    }
    for body in slow {
        // The connection ends, sooner or later than what was on its way.
        let got = tokio::time::timeout(Duration::from_secs(20), body.collect()).await.expect("an end");
        let got = got.map_or(0, |all| all.to_bytes().len());
        assert!(got < FAT.0 * FAT.1, "{got} bytes waited for a client that did not read");
    }
    let mut record = Record { last: door.list(&Selection::default()).await.expect("a list").1, ..Record::default() };
    for quick in quick {
        record.watchers.push(quick.stop().await);
    }
    assert_eq!(check(&record).faults, [""; 0]);
}
