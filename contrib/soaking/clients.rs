//! The clients beside the writers: those that list and page, and one that labels whatever it finds, and so races.
//!
//! Never here: writers and watchers (see `tests/support`).

use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::recording::Selection;
use crate::recording::door::{Door, Outcome, REVISIONS, query};
use crate::traffic::shelf::pick;
use crate::traffic::{End, Random, Tally};

/// Counts an answer, given whether the daemon was up all the time: `races` are the codes that a race may end with.
fn sort(tally: &Tally, kind: &'static str, outcome: Outcome, up: bool, races: &[u16]) -> Option<Value> {
    match outcome {
        Ok((200, value)) => {
            tally.add(kind, End::Done, 1);
            return Some(value);
        }
        Ok((code, _)) if races.contains(&code) => tally.add(kind, End::Race, 1),
        _ if !up => tally.add(kind, End::Down, 1),
        Ok((code, value)) => tally.unasked(kind, format!("{code} {value}")),
        Err(error) => tally.unasked(kind, error),
    }
    None
}

async fn send(door: &Door, tally: &Tally, kind: &'static str, path: &str, races: &[u16]) -> Option<Value> {
    let run = door.runs.up();
    let outcome = door.send("GET", path, None).await;
    sort(tally, kind, outcome, run.is_some() && run == door.runs.up(), races)
}

/// Lists in every way, one after the other.
pub(crate) async fn lists(door: Door, tally: &Tally, repositories: &[String], seed: u64, stop: CancellationToken) {
    let mut random = Random::new(seed);
    while !stop.is_cancelled() {
        if door.runs.up().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        }
        let repository = pick(&mut random, repositories).clone();
        match random.below(4) {
            0 => {
                send(&door, tally, "list", REVISIONS, &[]).await;
            }
            1 => {
                let selection = Selection { repository: Some(repository), ..Selection::default() };
                send(&door, tally, "list", &format!("{REVISIONS}?{}", query(&selection)), &[]).await;
            }
            2 => {
                let mut path = format!("{REVISIONS}?limit=50");
                while let Some(page) = send(&door, tally, "page", &path, &[]).await {
                    match page.pointer("/metadata/continue").and_then(Value::as_str) {
                        Some(token) => path = format!("{REVISIONS}?limit=50&continue={token}"),
                        None => break,
                    }
                }
            }
            // What it names may not be there.
            _ => {
                let name = format!("{repository}.a{}.w1", random.below(12));
                let path = format!("{REVISIONS}/{name}").replace("packagerevisions/", "packagerevisionresources/");
                send(&door, tally, "content", &path, &[404]).await;
            }
        }
        // Clients that ask without pause would only measure themselves.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Labels objects that writers work on, bound to the version that it read: some are stale, some are gone.
pub(crate) async fn races(door: Door, tally: &Tally, seed: u64, stop: CancellationToken, gate: &RwLock<()>) {
    let (mut random, mut number) = (Random::new(seed), 0);
    while !stop.is_cancelled() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let _open = gate.read().await;
        let Ok((_, list)) = door.list(&Selection::default()).await else { continue };
        if list.is_empty() {
            continue;
        }
        let object = pick(&mut random, &list);
        number += 1;
        let body = json!({"metadata": {
            "resourceVersion": object.version.to_string(),
            "labels": {"race": format!("n{number}")},
        }});
        let run = door.runs.up();
        let outcome = door.send("PATCH", &format!("{REVISIONS}/{}", object.name), Some(&body)).await;
        let up = run.is_some() && run == door.runs.up();
        sort(tally, "race", outcome, up, &[404, 409]);
    }
}
