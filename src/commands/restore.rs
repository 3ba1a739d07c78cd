//! Brings a dropped draft or proposal back, as a draft: a save like any other, of a commit that was kept.
//!
//! Never here: finding out who asks.

use super::decide::{Scene, decide, failed};
use super::explain::{busy, title};
use super::repository::ManagedRepository;
use super::settle::settle_locked;
use super::transition::{self, Also};
use crate::domain::change::Change;
use crate::domain::dropped::Dropped;
use crate::domain::evidence::Limits;
use crate::domain::ledger::Via;
use crate::domain::lifecycle::Action;
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::policy::Actor;
use crate::domain::refusal::{Code, Refusal};
use crate::index::dropped::dropped;

/// Makes the newest draft or proposal of this name that was dropped a draft again; gives what it brought back.
pub fn restore(
    repository: &ManagedRepository,
    actor: &Actor,
    (package, workspace): (&PackagePath, &Workspace),
    limits: &Limits,
) -> Result<Dropped, Refusal> {
    let guarded = &repository.guarded;
    let writer = guarded.lock();
    let view = settle_locked(repository, &writer).map_err(|error| failed(&error))?;
    if repository.leases().holds(package, None) {
        return Err(busy(package, workspace));
    }
    let title = title(package, workspace);
    if let Some(object) = view.objects.get(&(package.clone(), workspace.clone())) {
        return Err(Refusal::new(Code::WrongState, format!("{title} is there, and is {}", object.lifecycle))
            .next("drop what is there first, or restore to another workspace by git push"));
    }
    let reader = guarded.store().reader();
    let newest = dropped(&reader, &view.snapshot)
        .into_iter()
        .find(|kept| kept.package == *package && kept.workspace == *workspace);
    let newest = newest.ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("no dropped draft or proposal {title} is kept"))
            .next("stoop restore REPOSITORY --list shows what is")
    })?;
    let change = Change {
        package: package.clone(),
        workspace: workspace.clone(),
        action: Action::Save,
        commit: Some(newest.commit),
        via: Via::Restored,
    };
    let terms = repository.terms(None, None);
    let decision = decide(Scene { guarded, view: &view, reader: &reader, limits, terms: &terms }, actor, &change)?;
    let deed = decision.deed(actor);
    transition::carry_out(repository, &writer, &view, &[(decision, deed)], Also::default())?;
    // What it left to be written down is written down now, or by the next rescan.
    settle_locked(repository, &writer).map_err(|error| failed(&error))?;
    Ok(newest)
}
