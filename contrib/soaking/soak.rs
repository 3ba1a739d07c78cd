//! The soak's course: traffic, a kill, a rest in which everything is looked for, and again.
//!
//! Never here: what the clients do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::clients::{lists, races};
use crate::disk::{check_ledger, check_refs, ledger};
use crate::memory::{Run, judge, resident};
use crate::recording::checker::check;
use crate::recording::door::{Door, Runs};
use crate::recording::recorder::{Plan, Recorder, Start};
use crate::recording::{Acknowledged, Record, Selection, Shown};
use crate::support::{World, free_port};
use crate::traffic::writer::{Noted, Place, Writer};
use crate::traffic::{End, Tally};

/// Time between two kills.
const LIFE: Duration = Duration::from_secs(120);

/// Packages of each repository.
const PACKAGES: usize = 16;

/// What a writer was told since the last rest.
type Told = BTreeMap<String, (Vec<Acknowledged>, Vec<Noted>)>;

/// Six of the sixteen clients: they watch.
fn watchers() -> Vec<Plan> {
    let plan = Plan::new;
    let all = Selection::default;
    let drafts = Selection { lifecycle: Some("Draft".to_owned()), ..all() };
    vec![
        plan("all", all(), Start::List),
        plan("all, streamed", all(), Start::Streamed),
        Plan { hangs_up: Some(100), ..plan("all, resuming", all(), Start::List) },
        plan("r0", Selection { repository: Some("r0".to_owned()), ..all() }, Start::List),
        plan("drafts", drafts, Start::Present),
        Plan { table: true, ..plan("rows", all(), Start::List) },
    ]
}

/// Runs the soak and says what was wrong.
pub(crate) async fn soak(time: Duration) -> Vec<String> {
    let mut world = World::without_daemon();
    let repositories: Vec<String> = (0..6).map(|number| format!("r{number}")).collect();
    repositories.iter().for_each(|name| world.create_repository(name));
    let doors = [("--api", free_port()), ("--git", free_port())];
    let doors = doors.map(|(door, port)| [door.to_owned(), format!("127.0.0.1:{port}")]);
    let doors: Vec<&str> = doors.iter().flatten().map(String::as_str).collect();
    world.start_daemon_with(&doors);

    let (runs, tally) = (Arc::new(Runs::default()), Arc::new(Tally::default()));
    let (reading, writing) = (Door::of(&world, "rea", runs.clone()).await, Door::of(&world, "amy", runs.clone()).await);
    let (gate, stop) = (Arc::new(RwLock::new(())), CancellationToken::new());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<(String, Vec<Acknowledged>, Vec<Noted>)>();
    let mut clients = tokio::task::JoinSet::new();
    for (seed, repository) in (1_u64..).zip(&repositories) {
        let place = Place {
            door: writing.clone(),
            runtime: Handle::current(),
            repository: repository.clone(),
            bare: world.bare(repository),
            clone: world.clone("amy", repository).path().to_owned(),
            tally: tally.clone(),
        };
        let (gate, stop, tell, repository) = (gate.clone(), stop.clone(), tell.clone(), repository.clone());
        clients.spawn_blocking(move || {
            let mut writer = Writer::new(place, "a", PACKAGES, seed);
            while !stop.is_cancelled() {
                let _open = gate.blocking_read();
                writer.turn();
                let (acknowledged, noted) =
                    (std::mem::take(&mut writer.acknowledged), std::mem::take(&mut writer.noted));
                let _ = tell.send((repository.clone(), acknowledged, noted));
            }
        });
    }
    for seed in 1..=3 {
        let (door, tally, stop, all) = (reading.clone(), tally.clone(), stop.clone(), repositories.clone());
        clients.spawn(async move { lists(door, &tally, &all, seed, stop).await });
    }
    let (door, racing, ending, racers) = (writing.clone(), tally.clone(), stop.clone(), gate.clone());
    clients.spawn(async move { races(door, &racing, 99, ending, &racers).await });

    let (begun, mut faults, mut lives) = (Instant::now(), Vec::new(), Vec::new());
    let mut minutes = Minutes { begun, printed: BTreeMap::new(), next: 1, wrong: BTreeSet::new() };
    let mut heads: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut recorders: Vec<Recorder> = watchers().into_iter().map(|plan| Recorder::start(&reading, plan)).collect();
    let (mut start, mut revisions_before) = (resident(&world), 0);
    while begun.elapsed() < time {
        let (from, life) = (Instant::now(), LIFE.min(time.saturating_sub(begun.elapsed())));
        let mut middle = 0;
        while from.elapsed() < life {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if middle == 0 && from.elapsed() > life / 2 {
                middle = resident(&world);
            }
            minutes.print(&world, &tally, &faults);
        }
        let end = resident(&world);
        runs.turn();
        world.stop_daemon("KILL");
        world.start_daemon_with(&doors);
        runs.turn();
        // Everybody rests.
        let rest = gate.write().await;
        let mut heard = Told::new();
        while let Ok((repository, acknowledged, noted)) = told.try_recv() {
            let entry = heard.entry(repository).or_default();
            entry.0.extend(acknowledged);
            entry.1.extend(noted);
        }
        let list = reading.list(&Selection::default()).await.expect("a list").1;
        let revisions_after = list.len() as u64;
        lives.push(Run { start, middle, end, revisions_before, revisions_after });
        revisions_before = revisions_after;
        for repository in &repositories {
            let since = heads.get(repository).cloned().flatten();
            let noted = heard.get(repository).map_or(&[][..], |(_, noted)| noted);
            faults.extend(check_ledger(&world, repository, since.as_deref(), noted));
            faults.extend(check_refs(&world, repository, &list));
            heads.insert(repository.clone(), ledger(&world, repository));
        }
        let acknowledged = heard.into_values().flat_map(|(acknowledged, _)| acknowledged).collect();
        faults.extend(settle(std::mem::take(&mut recorders), acknowledged, list, &runs).await);
        recorders = watchers().into_iter().map(|plan| Recorder::start(&reading, plan)).collect();
        start = resident(&world);
        drop(rest);
    }
    stop.cancel();
    while let Some(client) = clients.join_next().await {
        if let Err(error) = client {
            faults.push(format!("a client ended badly: {error}"));
        }
    }
    for recorder in recorders {
        recorder.stop().await;
    }
    for repository in &repositories {
        let answer = world.fsck(repository);
        if answer.code != 0 {
            faults.push(format!("{repository}: git fsck: {}", answer.stderr));
        }
    }
    faults.extend(judge(&lives));
    faults.extend(tally.errors());
    println!(
        "memory in KiB after the start, in the middle and before the end of each run, and package revisions after it:"
    );
    lives.iter().for_each(|run| println!("  {} {} {}  {}", run.start, run.middle, run.end, run.revisions_after));
    println!("{} writes acknowledged in all: {}", minutes.all(&tally), words(&tally.counts()));
    faults
}

/// Waits until the watchers show the list, ends them, and has what they saw checked.
async fn settle(
    recorders: Vec<Recorder>,
    acknowledged: Vec<Acknowledged>,
    last: Vec<Shown>,
    runs: &Runs,
) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline && !recorders.iter().all(|recorder| recorder.shows(&last)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut record = Record { acknowledged, last, ..Record::default() };
    for recorder in recorders {
        record.watchers.push(recorder.stop().await);
    }
    // A record begins with the run before the kill.
    let first = runs.up().unwrap_or(1).saturating_sub(1);
    record.acknowledged.retain(|write| write.run >= first);
    check(&record).faults
}

/// What is printed once a minute.
struct Minutes {
    begun: Instant,
    printed: BTreeMap<(&'static str, End), usize>,
    next: u64,
    wrong: BTreeSet<String>,
}

impl Minutes {
    fn print(&mut self, world: &World, tally: &Tally, faults: &[String]) {
        if self.begun.elapsed() < Duration::from_secs(60 * self.next) {
            return;
        }
        let counts = tally.counts();
        let mut fresh = counts.clone();
        fresh.iter_mut().for_each(|(kind, count)| *count -= self.printed.get(kind).copied().unwrap_or(0));
        fresh.retain(|_, count| *count > 0);
        let wrong: BTreeSet<String> = faults.iter().cloned().chain(tally.errors()).collect();
        println!("minute {}: {}; faults {}, VmRSS {} KiB", self.next, words(&fresh), wrong.len(), resident(world));
        wrong.difference(&self.wrong).take(10).for_each(|fault| println!("  {fault}"));
        self.wrong = wrong;
        self.printed = counts;
        self.next += 1;
    }

    fn all(&self, tally: &Tally) -> usize {
        let reads = ["list", "page", "content", "push", "api"];
        tally
            .counts()
            .iter()
            .filter(|((kind, end), _)| *end == End::Done && !reads.contains(kind))
            .map(|(_, n)| n)
            .sum()
    }
}

fn words(counts: &BTreeMap<(&'static str, End), usize>) -> String {
    let word = |((kind, end), count): (&(&'static str, End), &usize)| match end {
        End::Done => format!("{kind} {count}"),
        End::Down => format!("{kind} while down {count}"),
        End::Race => format!("{kind} lost a race {count}"),
        End::Unasked => format!("{kind} UNASKED {count}"),
    };
    counts.iter().map(word).collect::<Vec<_>>().join(", ")
}
