//! What the changes of one push mean together: each by itself, one as part of another, or two that do not go together.
//!
//! Never here: whether a change may happen by itself (see `decide`).

use crate::commands::explain;
use crate::domain::change::Change;
use crate::domain::lifecycle::Action;
use crate::domain::refusal::{Code, Refusal};

/// One change of a push: a ref update is one, a move of the registered branch may be many.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The position of its ref update in the push.
    pub at: usize,
    /// The change.
    pub change: Change,
    /// Whether it comes with a move of the registered branch.
    pub by_branch: bool,
}

/// How a change stands to the others of its push.
#[derive(Debug, Clone, PartialEq)]
pub enum Company {
    /// It stands by itself.
    Alone,
    /// It is part of another one: the draft that goes away with its proposal and the other way round, the marker that goes
    /// away with its tag, the proposal's branch that goes away with its merge.
    Part,
    /// It does not go together with another one.
    Clash(Refusal),
}

/// Says how one change stands to all of the push, among which it is itself.
pub fn company(one: &Member, all: &[Member]) -> Company {
    let change = &one.change;
    for Member { at, change: other, by_branch } in all.iter().filter(|other| other.at != one.at) {
        let same = other.package == change.package && other.workspace == change.workspace;
        match (same, change.action, other.action) {
            (true, Action::DropDraft, Action::Propose)
            | (true, Action::DropProposal, Action::Reject)
            | (true, Action::RefuseDeletion, Action::Delete) => return Company::Part,
            (true, Action::DropProposal, Action::Approve) if *by_branch => return Company::Part,
            (true, Action::Propose, Action::DropDraft)
            | (true, Action::Reject, Action::DropProposal)
            | (true, Action::Delete, Action::RefuseDeletion) => {}
            (true, Action::Approve, Action::DropProposal) if one.by_branch => {}
            (true, _, _) if *at < one.at => {
                let title = explain::title(&change.package, &change.workspace);
                return Company::Clash(
                    Refusal::new(Code::Mixed, format!("{title} is changed twice in one push"))
                        .next("push one change at a time"),
                );
            }
            (false, Action::Approve | Action::Publish, Action::Approve) if one.by_branch && !by_branch => {
                return Company::Clash(
                    Refusal::new(
                        Code::Mixed,
                        format!(
                            "one push cannot move the branch to what it publishes and approve {} {} by its own ref",
                            other.package, other.workspace
                        ),
                    )
                    .next("push the branch by itself, then the refs under refs/approve"),
                );
            }
            (false, Action::Approve | Action::Publish, Action::Approve | Action::Publish)
                if other.package == change.package && *at < one.at =>
            {
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
