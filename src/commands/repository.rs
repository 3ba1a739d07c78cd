//! One repository as the commands hold it: the index's side and the leases.
//!
//! Never here: finding repositories (see `repositories`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::lease::Leases;
use crate::index::guarded::Guarded;
use crate::telemetry::Metrics;

/// A repository that changes are made to.
#[derive(Debug)]
pub struct ManagedRepository {
    /// The index's side: store, view, writer lock.
    pub guarded: Guarded,
    /// Whether `refs/approve` and `refs/reject` come through our `proc-receive`.
    pub proc_receive: bool,
    /// Where completed transitions are counted.
    pub metrics: Arc<Metrics>,
    leases: Mutex<Leases>,
    told: Condvar,
}

impl ManagedRepository {
    /// Wraps a guarded repository.
    pub fn new(guarded: Guarded, proc_receive: bool, metrics: Arc<Metrics>) -> Self {
        Self { guarded, proc_receive, metrics, leases: Mutex::default(), told: Condvar::new() }
    }

    /// The leases.
    pub fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes those who wait for the outcome of their push.
    pub fn tell(&self) {
        self.told.notify_all();
    }

    /// Waits a moment for `tell`.
    pub fn wait_for_outcome(&self, leases: MutexGuard<'_, Leases>, time: Duration) {
        drop(self.told.wait_timeout(leases, time));
    }
}
