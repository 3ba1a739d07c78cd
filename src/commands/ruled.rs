//! Tells the log and the metrics what the policy said of a change that goes on: what rules that only report would have
//! refused, and that the glass was broken.
//!
//! Told once a change, by the door that it came through, and never of a dry run. Never here: the texts for who asked.

use super::repository::ManagedRepository;
use super::transition::Decided;
use crate::telemetry::Door;

/// Tells of one change that was accepted.
pub(super) fn tell(repository: &ManagedRepository, door: Door, (decision, deed): &Decided) {
    let (change, ruling) = (&decision.change, &decision.ruling);
    let (package, workspace, action) = (&change.package, &change.workspace, change.action.as_str());
    let key = repository.guarded.key_of(package);
    for refusal in &ruling.reported {
        repository.metrics.reported(door, refusal.code);
        tracing::warn!(
            repository = %key.name, namespace = %key.namespace, %package, %workspace, action, user = %deed.by,
            code = refusal.code.as_str(), reason = refusal.reason, "policy would refuse"
        );
    }
    if let Some(broken) = &ruling.broken {
        repository.metrics.glass_broken(door);
        tracing::warn!(
            repository = %key.name, namespace = %key.namespace, %package, %workspace, action, user = %deed.by,
            past = broken.past.join(","), reason = %broken.reason, "glass broken"
        );
    }
    if let Some(tally) = &ruling.tally {
        tracing::info!(
            repository = %key.name, namespace = %key.namespace, %package, %workspace, user = %deed.by,
            commit = %deed.commit, have = tally.have(), needed = tally.needed, "approval kept"
        );
    }
}
