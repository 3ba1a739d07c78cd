//! Tests of watching: each waits for a hint, with a deadline.

use super::*;
use crate::git::fixture::Repo;
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError, unbounded_channel};

fn wait_for(events: &mut UnboundedReceiver<WatchEvent>, wanted: &WatchEvent) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        match events.try_recv() {
            Ok(event) if event == *wanted => return,
            Ok(_) => {}
            Err(TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no {wanted:?}");
}

/// Reads until nothing has come for longer than a second look takes.
fn drain(events: &mut UnboundedReceiver<WatchEvent>) -> usize {
    let mut count = 0;
    let mut quiet = Instant::now();
    while quiet.elapsed() < SECOND_LOOK + Duration::from_millis(300) {
        match events.try_recv() {
            Ok(_) => (count, quiet) = (count + 1, Instant::now()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    count
}

#[test]
fn moved_refs_are_hinted_at_and_reading_is_not() {
    let repo = Repo::new("sha1");
    repo.commit("refs/heads/main", 1, &[("f", "100644", "1")]);
    let (sender, mut events) = unbounded_channel();
    let watcher = Watcher::start(sender).expect("a watcher");
    watcher.watch_repository(&repo.path);
    let wanted = WatchEvent::Repository(repo.path.clone());
    for action in [
        &["update-ref", "refs/heads/drafts/deep/er/w", "main"][..],
        &["pack-refs", "--all", "--prune"],
        &["update-ref", "-d", "refs/heads/drafts/deep/er/w"],
        &["symbolic-ref", "HEAD", "refs/heads/trunk"],
        &["config", "stoop.x", "y"],
        &["update-ref", "refs/heads/drafts/deep/er/again", "main"],
    ] {
        drain(&mut events);
        repo.git(action);
        wait_for(&mut events, &wanted);
    }
    drain(&mut events);
    repo.store().reader().refs().expect("refs");
    repo.blob(b"an object is nobody's business");
    std::fs::write(repo.path.join("refs/heads/x.lock"), "").expect("written");
    assert_eq!(drain(&mut events), 0);
    std::fs::write(repo.path.join("refs/heads/main"), format!("{}\n", repo.id("drafts/deep/er/again")))
        .expect("written");
    wait_for(&mut events, &WatchEvent::WrittenInPlace(repo.path.clone()));
    drain(&mut events);

    for round in 0..50 {
        std::fs::write(repo.path.join("HEAD"), format!("ref: refs/heads/b{round}\n")).expect("written");
    }
    let hints = drain(&mut events);
    assert!((1..=20).contains(&hints), "a flood is merged: {hints}");

    watcher.unwatch_repository(&repo.path);
    repo.git(&["update-ref", "refs/heads/late", "refs/heads/main"]);
    assert_eq!(drain(&mut events), 0);
}

#[test]
fn repositories_that_appear_are_hinted_at_however_deep() {
    let root = tempfile::tempdir().expect("a directory");
    let (sender, mut events) = unbounded_channel();
    let watcher = Watcher::start(sender).expect("a watcher");
    watcher.watch_root(root.path(), 4);
    let wanted = WatchEvent::Root(root.path().to_owned());
    Repo::init_at(&root.path().join("one.git"), "sha1");
    wait_for(&mut events, &wanted);
    drain(&mut events);
    Repo::init_at(&root.path().join("owner/team/two.git"), "sha1");
    wait_for(&mut events, &wanted);
    drain(&mut events);
    Repo::init_at(&root.path().join("owner/team/three.git"), "sha1");
    wait_for(&mut events, &wanted);
    drain(&mut events);
    std::fs::rename(root.path().join("one.git"), root.path().join("moved.git")).expect("moved");
    wait_for(&mut events, &wanted);
    drain(&mut events);
    std::fs::remove_dir_all(root.path().join("owner")).expect("removed");
    wait_for(&mut events, &wanted);
    drain(&mut events);
    std::fs::create_dir_all(root.path().join("owner/team")).expect("made again");
    wait_for(&mut events, &wanted);
    drain(&mut events);
    Repo::init_at(&root.path().join("owner/team/four.git"), "sha1");
    wait_for(&mut events, &wanted);
}

#[test]
fn the_watcher_ends_when_it_is_dropped() {
    let (sender, mut events) = unbounded_channel();
    drop(Watcher::start(sender).expect("a watcher"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while events.try_recv() != Err(TryRecvError::Disconnected) {
        assert!(Instant::now() < deadline, "its thread still runs");
        std::thread::sleep(Duration::from_millis(2));
    }
}
