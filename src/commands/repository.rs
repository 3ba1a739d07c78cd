//! One repository as the commands hold it: the index's side and the leases.
//!
//! Never here: finding repositories (see `repositories`).

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::announce::Outbox;
use super::findings::Told;
use super::lease::Leases;
use super::push::signed::Waiting;
use super::terms::{PolicySource, Terms};
use crate::domain::oid::ObjectId;
use crate::domain::policy::break_glass::Reason;
use crate::domain::push_certificate::Certificate;
use crate::domain::refs::{RefKind, RefName, classify};
use crate::domain::trunk::Trunk;
use crate::git::RefSnapshot;
use crate::index::assemble::of_package;
use crate::index::clock;
use crate::index::guarded::{Guarded, View};
use crate::telemetry::{Metrics, RescanFinding};

/// A repository that changes are made to.
#[derive(Debug)]
pub struct ManagedRepository {
    /// The index's side: store, view, writer lock.
    pub guarded: Guarded,
    /// Where completed transitions are counted.
    pub metrics: Arc<Metrics>,
    proc_receive: AtomicBool,
    outbox: Arc<Outbox>,
    /// The ledger's commit up to which everything was announced, as far as this daemon knows.
    announced: Mutex<Option<ObjectId>>,
    policy: Arc<dyn PolicySource>,
    leases: Mutex<Leases>,
    certificates: Mutex<Waiting>,
    outcome: Condvar,
    trunk: Mutex<Trunk>,
    /// The refs as the last settlement or transition left them.
    settled: Mutex<Option<RefSnapshot>>,
    told: Mutex<Told>,
}

impl ManagedRepository {
    /// Wraps a guarded repository.
    pub fn new(
        guarded: Guarded,
        proc_receive: bool,
        metrics: Arc<Metrics>,
        outbox: Arc<Outbox>,
        policy: Arc<dyn PolicySource>,
    ) -> Self {
        Self {
            guarded,
            metrics,
            proc_receive: proc_receive.into(),
            outbox,
            announced: Mutex::default(),
            policy,
            leases: Mutex::default(),
            certificates: Mutex::default(),
            outcome: Condvar::new(),
            trunk: Mutex::default(),
            settled: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Whether `refs/approve` and `refs/reject` come through our `proc-receive`.
    pub fn proc_receive(&self) -> bool {
        self.proc_receive.load(Ordering::Relaxed)
    }

    /// Notes whether `proc-receive` is ours: another program may take it while the repository is open.
    pub fn set_proc_receive(&self, ours: bool) {
        self.proc_receive.store(ours, Ordering::Relaxed);
    }

    /// The terms for a request of this moment.
    pub fn terms(&self, break_glass: Option<Reason>, certificate: Option<Certificate>) -> Terms {
        Terms { policy: self.policy.current(), now: clock::now(), break_glass, certificate }
    }

    /// The leases.
    pub fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The certificates of pushes under way.
    pub fn certificates(&self) -> MutexGuard<'_, Waiting> {
        self.certificates.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What becomes of a push to the registered branch that changes packages and approves no proposal.
    pub fn trunk(&self) -> Trunk {
        *self.trunk.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes over the setting of [`ManagedRepository::trunk`].
    pub fn set_trunk(&self, trunk: Trunk) {
        *self.trunk.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = trunk;
    }

    /// Wakes those who wait for the outcome of their push.
    pub fn tell(&self) {
        self.outcome.notify_all();
    }

    /// Waits a moment for `tell`.
    pub fn wait_for_outcome(&self, leases: MutexGuard<'_, Leases>, time: Duration) {
        drop(self.outcome.wait_timeout(leases, time));
    }

    /// Sees to it that what moved is announced. Returns at once.
    pub fn announce_soon(&self) {
        self.outbox.put(self.guarded.store().path());
    }

    /// The ledger's commit up to which everything was announced, as far as this daemon knows.
    pub(super) fn announced(&self) -> MutexGuard<'_, Option<ObjectId>> {
        self.announced.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Remembers how a settlement or a transition left the refs: what differs from that later was done by others.
    pub fn leave(&self, refs: &RefSnapshot) {
        *self.settled() = Some(refs.clone());
    }

    /// Counts the managed refs that moved since the last settlement and that no push accounts for.
    pub fn count_found(&self, view: &View) {
        let refs = &view.snapshot;
        let Some(before) = self.settled().take().filter(|before| before != refs) else { return };
        let registration = &self.guarded.key().registration;
        let mut leases = self.leases();
        let leased: HashSet<&RefName> = leases.iter_mut().map(|lease| &lease.name).collect();
        for name in before.changed(refs) {
            let managed = match classify(name, registration) {
                RefKind::Draft(..) | RefKind::Proposed(..) | RefKind::DeletionProposed(..) => true,
                RefKind::Tag(package, _) => of_package(&view.objects, &package).next().is_some(),
                // The branch also moves without touching a package, which is nobody's business.
                _ => false,
            };
            if managed && !leased.contains(name) {
                self.metrics.found(RescanFinding::Ref);
            }
        }
    }

    /// The findings that were told of.
    pub(super) fn told_findings(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many refs are not as the ledger says.
    pub fn findings(&self) -> usize {
        self.told_findings().count()
    }

    fn settled(&self) -> MutexGuard<'_, Option<RefSnapshot>> {
        self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
