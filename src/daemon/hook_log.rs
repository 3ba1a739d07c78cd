//! The one place that logs and counts what was decided on a push: one line a ref, with push, user, ref, values and decision.
//!
//! Never here: the outcome of transitions (see `commands::completed`), and deciding.

use std::time::Duration;

use crate::commands::push::verdict::{Push, Verdict};
use crate::commands::repository::ManagedRepository;
use crate::domain::refs::{APPROVE, REJECT, RefName};
use crate::domain::refusal::{Code, Refusal};
use crate::hooks::Hook;
use crate::telemetry::{Door, Metrics, PushVerdict};

/// The code of a ref that was refused only because another one of its push was.
const TOGETHER: &str = "together";

/// Logs and counts a verdict. Each ref of a push is told by the hook that decides on it: `refs/approve` and `refs/reject` by
/// `proc-receive` where that is Stoop's, all others by `pre-receive`. A ref transaction is told only when it is refused,
/// since what it lets through was told before.
pub(super) fn tell(
    repository: &ManagedRepository,
    hook: Hook,
    push: &Push,
    verdict: &Verdict,
    took: Duration,
    metrics: &Metrics,
) {
    let later = |name: &RefName| {
        let by_proc_receive = name.as_str().starts_with(APPROVE) || name.as_str().starts_with(REJECT);
        hook == Hook::PreReceive && verdict.accept && repository.proc_receive() && by_proc_receive
    };
    let in_transaction = matches!(hook, Hook::ReferenceTransaction(_));
    if !in_transaction && !push.updates.iter().any(|update| later(&update.name)) {
        metrics.push(ending(verdict));
    }
    if in_transaction && verdict.accept {
        return;
    }
    let id = push.process.map(|process| format!("{}.{}", process.pid, process.start)).unwrap_or_default();
    let user = push.actor.as_ref().map_or("", |actor| actor.name.as_str());
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    for (update, (_, refusal)) in push.updates.iter().zip(&verdict.refs).filter(|(update, _)| !later(&update.name)) {
        let key = repository.guarded.keys().named(&update.name);
        let value = |value: Option<crate::domain::oid::ObjectId>| value.map(|id| id.to_string()).unwrap_or_default();
        let (name, old, new) = (update.name.as_str(), value(update.old), value(update.new));
        if verdict.accept {
            tracing::info!(
                push = id, repository = %key.name, namespace = %key.namespace, user, name, old, new,
                decision = "accepted", milliseconds, "push"
            );
            continue;
        }
        if let Some(refusal) = refusal {
            metrics.refusal(Door::Git, refusal.code);
        }
        let code = refusal.as_ref().map_or(TOGETHER, |refusal: &Refusal| refusal.code.as_str());
        let reason = refusal.as_ref().map_or("another ref of this push was refused", |refusal| refusal.reason.as_str());
        tracing::info!(
            push = id, repository = %key.name, namespace = %key.namespace, user, name, old, new,
            decision = "refused", code, milliseconds, reason, "push"
        );
    }
}

fn ending(verdict: &Verdict) -> PushVerdict {
    let failed = |refusal: &Option<Refusal>| refusal.as_ref().is_some_and(|refusal| refusal.code == Code::Failed);
    match verdict.accept {
        true => PushVerdict::Allowed,
        false if verdict.refs.iter().any(|(_, refusal)| failed(refusal)) => PushVerdict::Failed,
        false => PushVerdict::Refused,
    }
}
