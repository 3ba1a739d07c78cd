//! `refs/approve/…` and `refs/reject/…` that arrived as ordinary refs, where another program owns proc-receive.
//!
//! Those of one push are carried out together, in one transaction, once git has made all that it will make of them. One that
//! a push under way, or the ledger's intent, accounts for is obeyed; every one is removed.
//! Never here: such refs that come through `proc-receive` (see `push::verdict`).

use std::collections::{BTreeMap, HashSet};

use super::decide::{Scene, decide};
use super::lease::{Lease, LeaseStage, Purpose};
use super::record::{self, Draft, orchestrator};
use super::repository::ManagedRepository;
use super::transition::{self, Also, Decided};
use crate::domain::annotation::ORCHESTRATOR;
use crate::domain::announcement::{self, Announcement, RefMove};
use crate::domain::change::Change;
use crate::domain::evidence::Limits;
use crate::domain::ledger::{Deed, Intent};
use crate::domain::lifecycle::Action;
use crate::domain::names::UserName;
use crate::domain::policy::{Actor, Role};
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{APPROVE, REJECT, RefKind, RefName, classify};
use crate::domain::refusal::Refusal;
use crate::git::{GitError, TransactError};
use crate::index::guarded::{View, Writer};
use crate::telemetry::RescanFinding;

/// One ref that somebody decided by.
struct Pushed {
    removal: RefEdit,
    change: Change,
    deed: Deed,
    variables: BTreeMap<String, String>,
}

/// Whether a ref is pushed to decide.
pub(super) fn is_verdict_ref(name: &RefName) -> bool {
    name.as_str().starts_with(APPROVE) || name.as_str().starts_with(REJECT)
}

/// Carries out and removes what is there; says whether anything was. `is_over` says of a lease whether its push was over
/// before `view` was read.
pub(super) fn carry_out(
    repository: &ManagedRepository,
    writer: &Writer<'_>,
    view: &View,
    is_over: impl Fn(&Lease) -> bool,
) -> Result<bool, GitError> {
    let guarded = &repository.guarded;
    let values: Vec<_> = view.snapshot.under(APPROVE).chain(view.snapshot.under(REJECT)).collect();
    let mut pushes: Vec<Vec<Pushed>> = Vec::new();
    for value in &values {
        let removal = RefEdit::delete(value.name.clone(), value.target);
        let (action, package, workspace) = match classify(&value.name, &guarded.key().registration) {
            RefKind::Approve(package, workspace) => (Action::Approve, package, workspace),
            RefKind::Reject(package, workspace) => (Action::Reject, package, workspace),
            _ => {
                remove(repository, writer, &[removal]);
                continue;
            }
        };
        let intent = view.ledger.get(&package, &workspace).and_then(|entry| entry.intent.as_ref());
        let decided =
            |intent: &&Intent| intent.action == action && intent.deed.commit == value.target && intent.pushed.is_none();
        let Some(Intent { deed, variables, .. }) = intent.filter(decided) else {
            repository.metrics.found(RescanFinding::Leftover);
            tracing::warn!(name = %value.name, "a leftover ref that no decision stands behind is removed");
            remove(repository, writer, &[removal]);
            continue;
        };
        let change = Change { package, workspace, action, commit: Some(value.target), via: deed.via };
        let pushed = Pushed { removal, change, deed: deed.clone(), variables: variables.clone() };
        match pushes.iter_mut().find(|push| push.iter().any(|other| is_one_push(&other.deed, &pushed.deed))) {
            Some(push) => push.push(pushed),
            None => pushes.push(vec![pushed]),
        }
    }
    for push in pushes {
        if !is_still_coming(repository, view, &push, &is_over) {
            carry_out_push(repository, writer, push)?;
        }
    }
    Ok(!values.is_empty())
}

/// All changes of one push have one time and one user.
fn is_one_push(one: &Deed, other: &Deed) -> bool {
    one.at == other.at && one.by == other.by
}

/// Whether git is still to make other refs of the same push.
fn is_still_coming(
    repository: &ManagedRepository,
    view: &View,
    push: &[Pushed],
    is_over: impl Fn(&Lease) -> bool,
) -> bool {
    let Some(Pushed { deed, .. }) = push.first() else { return false };
    repository.leases().iter_mut().any(|lease| {
        let of_push = matches!(&lease.purpose, Purpose::Change(_, other) if is_one_push(deed, other));
        of_push
            && lease.stage == LeaseStage::Waiting
            && is_verdict_ref(&lease.name)
            && view.snapshot.get(&lease.name).map(|value| value.target) != lease.new
            && !is_over(lease)
    })
}

fn carry_out_push(repository: &ManagedRepository, writer: &Writer<'_>, push: Vec<Pushed>) -> Result<(), GitError> {
    let guarded = &repository.guarded;
    let view = guarded.refresh()?;
    let reader = guarded.store().reader();
    let variables = push.first().map(|pushed| pushed.variables.clone()).unwrap_or_default();
    let removals: Vec<RefEdit> = push.iter().map(|pushed| pushed.removal.clone()).collect();
    let decided: Result<Vec<Decided>, Refusal> = push
        .into_iter()
        .map(|Pushed { change, deed, .. }| {
            // The right was checked when the intent was written.
            let actor = Actor { name: deed.by.clone(), roles: [Role::Admin].into() };
            let reason = deed.broken.as_ref().map(|broken| broken.reason.clone());
            let terms = repository.terms(reason, deed.certificate.clone());
            let scene = Scene { guarded, view: &view, reader: &reader, limits: &Limits::default(), terms: &terms };
            Ok((decide(scene, &actor, &change)?, deed))
        })
        .collect();
    let also = Also { edits: removals.clone(), variables, ..Also::default() };
    let outcome = decided.and_then(|decided| transition::carry_out(repository, writer, &view, &decided, also));
    let names: HashSet<&RefName> = removals.iter().map(|removal| &removal.name).collect();
    let of_push = |lease: &Lease| names.contains(&lease.name);
    if let Err(refusal) = outcome {
        tracing::warn!(refs = removals.len(), %refusal, "a push's decisions could not be carried out any more");
        remove(repository, writer, &removals);
        repository.leases().drop_waiting(of_push);
    }
    for lease in repository.leases().iter_mut().filter(|lease| of_push(lease)) {
        lease.stage = LeaseStage::Moved;
    }
    Ok(())
}

/// Removes such refs. git announced that they came, so the ledger says that they went.
fn remove(repository: &ManagedRepository, writer: &Writer<'_>, removals: &[RefEdit]) {
    if let Err(error) = try_to_remove(repository, writer, removals) {
        let name = removals.first().map(|removal| removal.name.as_str());
        tracing::warn!(%error, name, "a leftover ref cannot be removed");
    }
}

fn try_to_remove(
    repository: &ManagedRepository,
    _writer: &Writer<'_>,
    removals: &[RefEdit],
) -> Result<(), TransactError> {
    let guarded = &repository.guarded;
    let (view, reader) = (guarded.refresh()?, guarded.store().reader());
    let mut draft = Draft::default();
    let names: Vec<&str> = removals.iter().map(|removal| removal.name.as_str()).collect();
    let mut message = format!("Remove the leftover {}", names.join(", "));
    // Without a ledger no push was ever judged here, and nobody was told of the ref.
    if let (Some(_), Ok(by)) = (view.ledger_head, UserName::parse(ORCHESTRATOR.0)) {
        let moves = removals.iter().filter_map(RefMove::of).collect();
        message += &announcement::paragraph(&[Announcement { by, variables: BTreeMap::new(), moves }]);
        draft.tell();
    }
    let told = record::prepare(&reader, &view, draft, &message, orchestrator())?;
    let edits: Vec<RefEdit> =
        told.iter().flat_map(|told| told.edits.iter().cloned()).chain(removals.iter().cloned()).collect();
    crate::git::transact(&reader, &edits)?;
    if let Some(told) = told {
        told.moved(guarded);
        repository.announce_soon();
    }
    Ok(())
}
