//! The end of a transition: the one place where it is logged, counted and said, whichever door it came through and whoever completed it.
//!
//! Never here: the ledger's record of it (see `record`), and the verdicts before it.

use std::time::Duration;

use super::notice;
use super::repository::ManagedRepository;
use crate::domain::ledger::{Deed, Via};
use crate::domain::lifecycle::Action;
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::refs::RevisionNumber;
use crate::index::clock;
use crate::telemetry::Door;

/// Tells that a transition is complete: all its refs have moved.
pub(super) fn tell(
    repository: &ManagedRepository,
    (package, workspace): (&PackagePath, &Workspace),
    action: Action,
    revision: Option<RevisionNumber>,
    deed: &Deed,
) {
    let (door, via) = match deed.via {
        Via::Push => (Door::Git, "push"),
        Via::Api => (Door::Api, "api"),
        Via::ApiUnbound => (Door::Api, "api-unbound"),
        Via::Restored => (Door::Git, "restored"),
        Via::Found => (Door::Git, "found"),
    };
    let since_decided = Duration::from_micros(clock::now().0.saturating_sub(deed.at.0));
    repository.metrics.transition(door, action.as_str(), since_decided);
    let key = repository.guarded.key_of(package);
    notice::completed(repository, (package, workspace), action, revision, deed);
    let revision = revision.map(RevisionNumber::segment).unwrap_or_default();
    tracing::info!(
        repository = %key.name, namespace = %key.namespace, %package, %workspace, action = action.as_str(), revision,
        user = %deed.by, via, commit = %deed.commit, "transition complete"
    );
}
