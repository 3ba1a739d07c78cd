//! What became of a push: the lines that its post-receive hook prints.
//!
//! They are ready as soon as the refs have moved and the watchers know. Never here: writing the deeds, which nobody need
//! wait for (see `settle`).

use std::time::{Duration, Instant};

use super::told::{self, Audience, Told};
use super::verdict::Push;
use crate::commands::repository::ManagedRepository;
use crate::commands::settle::{settle_refs, unreadable};
use crate::domain::refs::RefName;

/// How long a push waits for whoever completes it; after that it is told what is known.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long until it is tried again to complete it here.
const MOMENT: Duration = Duration::from_millis(20);

/// Completes the push, unless somebody else is at it, and gives what to tell the pusher in at most `room` lines.
pub fn outcome(repository: &ManagedRepository, push: &Push, audience: &Audience, room: usize) -> Vec<String> {
    let (told, more) = wait(repository, push, room);
    told::lines(repository, &told, more, audience, room)
}

/// What is to be told of the push's refs, of at most `most` of them, and how many there are besides.
fn wait(repository: &ManagedRepository, push: &Push, most: usize) -> (Vec<Told>, usize) {
    if let Some(process) = push.process {
        repository.guarded.store().forget_push_locks(process);
    }
    let names: Vec<RefName> = push.updates.iter().map(|update| update.name.clone()).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut leases = repository.leases();
        if leases.is_told(push.process, &names) || Instant::now() >= deadline {
            return leases.take_outcomes(push.process, &names, most);
        }
        drop(leases);
        if let Some(writer) = repository.guarded.try_lock() {
            if let Err(error) = settle_refs(repository, &writer) {
                unreadable(repository, &error);
            }
            return repository.leases().take_outcomes(push.process, &names, most);
        }
        let leases = repository.leases();
        if !leases.is_told(push.process, &names) {
            repository.wait_for_outcome(leases, MOMENT);
        }
    }
}
