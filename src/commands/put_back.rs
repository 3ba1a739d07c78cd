//! Puts refs back to what the ledger says, where somebody moved them behind the doors and the objects are still there.
//!
//! What the ledger knows nothing of stays: it is rejected, dropped or deleted at the doors. Never here: finding out who asks.

use std::collections::BTreeMap;

use super::decide::failed;
use super::explain::{busy, title};
use super::record::{self, Draft, person};
use super::repository::ManagedRepository;
use super::settle::settle_locked;
use super::transition::not_moved;
use crate::domain::announcement::{self, Announcement, RefMove};
use crate::domain::integrity::{Finding, Subject};
use crate::domain::names::PackagePath;
use crate::domain::policy::{Actor, Right};
use crate::domain::ref_plan::RefEdit;
use crate::domain::refusal::{Code, Refusal};
use crate::git::{GitError, Reader};
use crate::index::guarded::View;

/// What became of the findings.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was put back, one line each.
    pub done: Vec<String>,
    /// What was not, and what to do about it.
    pub left: Vec<String>,
}

/// Puts back what can be: of one package, or of the whole repository. All refs move in one transaction, with a line in the
/// ledger that says who had it done.
pub fn put_back(
    repository: &ManagedRepository,
    actor: &Actor,
    package: Option<&PackagePath>,
) -> Result<Outcome, Refusal> {
    if !actor.holds(Right::Admin, None) {
        let reason = format!("{} may not put refs back: this needs {}", actor.name, Right::Admin.holder());
        return Err(Refusal::new(Code::NotAllowed, reason).next("name an administrator with --user"));
    }
    let guarded = &repository.guarded;
    let writer = guarded.lock();
    let view = settle_locked(repository, &writer).map_err(|error| failed(&error))?;
    let reader = guarded.store().reader();
    let mut outcome = Outcome::default();
    let (mut draft, mut moves) = (Draft::default(), Vec::new());
    for (id, finding) in wanted(&view, package) {
        let what =
            id.map_or_else(|| "the registered branch".to_owned(), |(package, workspace)| title(package, workspace));
        if let Some((package, workspace)) = id.filter(|(package, _)| repository.leases().holds(package, None)) {
            return Err(busy(package, workspace));
        }
        match edit(&reader, guarded.store().path().display().to_string(), finding).map_err(|error| failed(&error))? {
            Ok(edit) => {
                outcome.done.push(line(finding));
                moves.extend(RefMove::of(&edit));
                draft.move_with_it(edit);
            }
            Err(why) => outcome.left.push(format!("{what}: {finding}; {why}")),
        }
    }
    if outcome.done.is_empty() {
        return Ok(outcome);
    }
    draft.tell();
    let lines: Vec<String> = outcome.done.iter().map(|line| format!("{line} by {}", actor.name)).collect();
    let told = Announcement { by: actor.name.clone(), variables: BTreeMap::new(), moves };
    let message = record::summary(&lines).unwrap_or_default() + &announcement::paragraph(&[told]);
    record::append(guarded, &writer, &view, draft, &message, person(&actor.name)).map_err(not_moved)?;
    tracing::info!(repository = %guarded.key().name, user = %actor.name, refs = outcome.done.len(), "refs were put back");
    repository.announce_soon();
    settle_locked(repository, &writer).map_err(|error| failed(&error))?;
    Ok(outcome)
}

type Of<'v> = Option<&'v (PackagePath, crate::domain::names::Workspace)>;

fn wanted<'v>(view: &'v View, package: Option<&'v PackagePath>) -> impl Iterator<Item = (Of<'v>, &'v Finding)> {
    let of_revisions =
        view.findings.iter().filter(move |((other, _), _)| package.is_none_or(|package| package == other));
    let of_revisions = of_revisions.flat_map(|(id, list)| list.iter().map(move |finding| (Some(id), finding)));
    // Of the whole repository only: the branch carries all packages.
    let branch = view.branch_finding.iter().filter(move |_| package.is_none());
    of_revisions.chain(branch.map(|finding| (None, finding)))
}

/// The edit that puts a ref back, or why it is not.
fn edit(reader: &Reader, path: String, finding: &Finding) -> Result<Result<RefEdit, String>, GitError> {
    let Some(ledger) = finding.ledger else {
        let name = &finding.name;
        return Ok(Err(match finding.subject {
            Subject::Tag => "propose its deletion and have that approved, or leave it".to_owned(),
            Subject::Marker => format!("to keep the revision: git push origin :{name}"),
            _ => format!("reject it, drop it (git push origin :{name}) or save it anew"),
        }));
    };
    if !reader.exists(ledger)? {
        return Ok(Err(format!(
            "its objects are gone; bring them back first: git -C {path} fetch <a clone that has it> {ledger}"
        )));
    }
    if finding.subject == Subject::Branch
        && let Some(shown) = finding.shown
        && !reader.is_ancestor(shown, ledger)?
    {
        let branch = finding.name.shortened();
        return Ok(Err(format!("it went on from there: merge {ledger} into {branch} by git push")));
    }
    Ok(Ok(match finding.shown {
        Some(shown) => RefEdit::update(finding.name.clone(), shown, ledger),
        None => RefEdit::create(finding.name.clone(), ledger),
    }))
}

fn line(finding: &Finding) -> String {
    let from = finding.shown.map(|shown| format!(" from {shown}")).unwrap_or_default();
    let to = finding.ledger.map(|ledger| ledger.to_string()).unwrap_or_default();
    format!("put back {}{from} to {to}", finding.name)
}
