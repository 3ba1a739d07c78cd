//! One repository as the commands hold it: the index's side and the leases.
//!
//! Never here: finding repositories (see `repositories`).

use std::sync::{Mutex, MutexGuard};

use super::lease::Leases;
use crate::index::guarded::Guarded;

/// A repository that changes are made to.
#[derive(Debug)]
pub struct ManagedRepository {
    /// The index's side: store, view, writer lock.
    pub guarded: Guarded,
    /// Whether `refs/approve` and `refs/reject` come through our `proc-receive`.
    pub proc_receive: bool,
    leases: Mutex<Leases>,
}

impl ManagedRepository {
    /// Wraps a guarded repository.
    pub fn new(guarded: Guarded, proc_receive: bool) -> Self {
        Self { guarded, proc_receive, leases: Mutex::default() }
    }

    /// The leases.
    pub fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
