//! What the changes of one push mean together: each by itself, one as part of another, or two that do not go together.
//!
//! Never here: whether a change may happen by itself (see `decide`).

use crate::commands::explain;
use crate::domain::change::Change;
use crate::domain::lifecycle::Action;
use crate::domain::refusal::{Code, Refusal};

/// How an update stands to the others of its push.
#[derive(Debug, Clone, PartialEq)]
pub enum Company {
    /// It stands by itself.
    Alone,
    /// It is part of another update's change: the draft that goes away with its proposal and the other way round, the
    /// marker that goes away with its tag.
    Part,
    /// It does not go together with another one.
    Clash(Refusal),
}

/// Says how the update at a position stands to the others; `changes` has one place for each update of the push.
pub fn company(at: usize, change: &Change, changes: &[Option<Change>]) -> Company {
    for (other_at, other) in
        changes.iter().enumerate().filter_map(|(at, other)| other.as_ref().map(|other| (at, other)))
    {
        if other_at == at {
            continue;
        }
        let same = other.package == change.package && other.workspace == change.workspace;
        match (same, change.action, other.action) {
            (true, Action::DropDraft, Action::Propose)
            | (true, Action::DropProposal, Action::Reject)
            | (true, Action::RefuseDeletion, Action::Delete) => return Company::Part,
            (true, Action::Propose, Action::DropDraft)
            | (true, Action::Reject, Action::DropProposal)
            | (true, Action::Delete, Action::RefuseDeletion) => {}
            (true, _, _) if other_at < at => {
                let title = explain::title(&change.package, &change.workspace);
                return Company::Clash(
                    Refusal::new(Code::Mixed, format!("{title} is changed twice in one push"))
                        .next("push one change at a time"),
                );
            }
            (false, Action::Approve, Action::Approve) if other.package == change.package && other_at < at => {
                return Company::Clash(
                    Refusal::new(
                        Code::Mixed,
                        format!("two proposals of package {} are approved in one push", change.package),
                    )
                    .next("approve one, then rebase and approve the other"),
                );
            }
            (false, Action::Save | Action::Propose, Action::Save | Action::Propose)
                if other.package != change.package && other.package.overlaps(&change.package) =>
            {
                return Company::Clash(
                    Refusal::new(
                        Code::Nested,
                        format!("packages {} and {} of this push are nested", change.package, other.package),
                    )
                    .next("packages cannot be nested: choose other paths"),
                );
            }
            _ => {}
        }
    }
    Company::Alone
}
