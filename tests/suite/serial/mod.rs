//! Random pushes and API writes of several clients to few packages at the same moment: every answer, and what is there
//! afterwards, must be explained by some order in which each operation was done as a whole, one after the other.
//!
//! The search knows the product's one table (`domain::lifecycle::step`) and the rules on numbers and bases, and nothing of
//! how it is built. `STOOP_SERIAL_ROUNDS` plays more rounds (`contrib/soak --serial`), `STOOP_SERIAL_SEED` others.
//! Never here: one client after the other (see `model`), and a daemon that dies (see `watching`).

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use self::client::{Client, Common};
use self::history::{Operation, Wish};
use crate::support::World;

mod client;
mod history;
mod order;

const CLIENTS: [&str; 4] = ["amy", "ada", "amy", "ada"];
const WORKSPACES: [&str; 2] = ["w1", "w2"];
/// What each client does in a round.
const TURNS: usize = 4;

/// How many rounds are played unless more are asked for; fewer, but never fewer than `LEAST`, where the machine is slow.
const ROUNDS: u64 = 100;
const LEAST: u64 = 40;
const LONGEST: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn what_many_clients_were_told_is_what_some_serial_order_tells() {
    let (asked, seed) = (number("STOOP_SERIAL_ROUNDS"), number("STOOP_SERIAL_SEED").unwrap_or(5));
    let (begun, mut rounds) = (Instant::now(), 0);
    let mut world = World::with_repository();
    let (mut operations, mut at_once, mut kinds) = (0, 0, BTreeSet::new());
    {
        let common = Common::default();
        let client = |(number, user): (u64, &&'static str)| Client::new(&world, &common, user, seed * 1_000 + number);
        let mut clients: Vec<Client<'_>> = (1..).zip(&CLIENTS).map(client).collect();
        for round in 0..asked.unwrap_or(ROUNDS) {
            if asked.is_none() && round >= LEAST && begun.elapsed() > LONGEST {
                break;
            }
            rounds += 1;
            let packages = ["a", "b"].map(|name| format!("{name}{round}"));
            let (start, names) = (&Barrier::new(clients.len()), &packages);
            std::thread::scope(|scope| {
                for client in &mut clients {
                    scope.spawn(move || {
                        start.wait();
                        (0..TURNS).for_each(|_| client.turn(names, &WORKSPACES));
                    });
                }
            });
            clients[0].read_all(&packages, &WORKSPACES);
            let mut history: [Vec<Operation>; 2] = Default::default();
            for (package, operation) in clients.iter_mut().flat_map(|client| std::mem::take(&mut client.told)) {
                history[package].push(operation);
            }
            for (package, mut history) in packages.iter().zip(history) {
                history.sort_by_key(|operation| operation.time);
                operations += history.len();
                at_once += overlapping(&history);
                kinds.extend(history.iter().map(|operation| kind(&operation.wish)));
                if let Err(far) = order::explain(&history) {
                    let told: Vec<String> =
                        history.iter().enumerate().map(|(at, told)| format!("{at}: {told:?}")).collect();
                    panic!(
                        "STOOP_SERIAL_SEED={seed}, round {round}, package {package}: no order explains this; the longest beginning of one is {far:?}\n{}",
                        told.join("\n")
                    );
                }
            }
        }
    }
    println!(
        "STOOP_SERIAL_SEED={seed}: {operations} operations in {rounds} rounds, {at_once} pairs at the same moment"
    );
    // The rounds are worth something: there was much at the same moment, and nearly every kind of write was acknowledged;
    // which are, hangs on who came first.
    assert!(at_once as u64 > 5 * rounds, "only {at_once} pairs of operations at the same moment");
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(rounds < LEAST || missing.len() <= 3, "never acknowledged: {missing:?}");
    world.fsck("packages").ok();
}

/// What is to be acknowledged at least once: by push, and by the API.
const KINDS: [&str; 14] = [
    "save",
    "drop-draft",
    "propose",
    "drop-proposal",
    "reject",
    "approve",
    "propose-deletion",
    "refuse-deletion",
    "delete",
    "Draft",
    "Proposed",
    "Published",
    "DeletionProposed",
    "remove",
];

fn kind(wish: &Wish) -> &'static str {
    match wish {
        Wish::Push(action, _) => action.as_str(),
        Wish::Set(lifecycle, _) => lifecycle.as_str(),
        Wish::Remove => "remove",
        Wish::Read => "read",
    }
}

/// How many pairs of writes, or of a write and a read, were under way at the same moment.
fn overlapping(history: &[Operation]) -> usize {
    let pairs =
        history.iter().enumerate().flat_map(|(at, one)| history[at + 1..].iter().map(move |other| (one, other)));
    let writes = pairs.filter(|(one, other)| one.wish != Wish::Read || other.wish != Wish::Read);
    writes.filter(|(one, other)| one.time.0 < other.time.1 && other.time.0 < one.time.1).count()
}
