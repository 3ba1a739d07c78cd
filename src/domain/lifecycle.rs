//! The one table of the lifecycle: from which state which action leads where, and which right it needs.
//!
//! A push and an API call both end here; there is no second place that decides what may follow what. The printed grid is
//! a golden file (`tests/goldens/lifecycle.snap`).
//! Never here: checks of content, history or readiness (see `evidence`), and moving refs.

use std::fmt;

use super::policy::Right;
use super::refusal::Code;

/// The lifecycle of a package revision that exists, in Porch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Lifecycle {
    /// Being written.
    Draft,
    /// Waiting for approval; locked.
    Proposed,
    /// Approved; immutable.
    Published,
    /// Published, and waiting for the approval of its deletion.
    DeletionProposed,
}

impl Lifecycle {
    /// Every value, in the order of life.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Proposed, Self::Published, Self::DeletionProposed];

    /// The value's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "Draft",
            Self::Proposed => "Proposed",
            Self::Published => "Published",
            Self::DeletionProposed => "DeletionProposed",
        }
    }

    /// Reads the API's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == text)
    }

    /// Whether the revision is published, its deletion proposed or not.
    pub fn is_published(self) -> bool {
        matches!(self, Self::Published | Self::DeletionProposed)
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a package's workspace: absent, or one of the lifecycle's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing of this name exists.
    Absent,
    /// A package revision with this lifecycle exists.
    Present(Lifecycle),
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Absent,
        Self::Present(Lifecycle::Draft),
        Self::Present(Lifecycle::Proposed),
        Self::Present(Lifecycle::Published),
        Self::Present(Lifecycle::DeletionProposed),
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Present(lifecycle) => lifecycle.fmt(f),
        }
    }
}

/// What somebody wants to do to a package revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Create or change a draft.
    Save,
    /// Drop a draft.
    DropDraft,
    /// Propose a draft for approval.
    Propose,
    /// Drop a proposal.
    DropProposal,
    /// Make a proposal a draft again: reject or withdraw it.
    Reject,
    /// Publish a proposal.
    Approve,
    /// Publish what was pushed to the registered branch itself, where the repository's setting has it so.
    Publish,
    /// Propose the deletion of a published revision.
    ProposeDeletion,
    /// Refuse or withdraw a proposed deletion.
    RefuseDeletion,
    /// Delete a revision whose deletion is proposed.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 10] = [
        Self::Save,
        Self::DropDraft,
        Self::Propose,
        Self::DropProposal,
        Self::Reject,
        Self::Approve,
        Self::Publish,
        Self::ProposeDeletion,
        Self::RefuseDeletion,
        Self::Delete,
    ];

    /// The action's name in the ledger, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::DropDraft => "drop-draft",
            Self::Propose => "propose",
            Self::DropProposal => "drop-proposal",
            Self::Reject => "reject",
            Self::Approve => "approve",
            Self::Publish => "publish",
            Self::ProposeDeletion => "propose-deletion",
            Self::RefuseDeletion => "refuse-deletion",
            Self::Delete => "delete",
        }
    }

    /// The action as a sentence continues it: "… may not …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Save => "save a draft of",
            Self::DropDraft => "drop the draft",
            Self::Propose => "propose",
            Self::DropProposal => "drop the proposal",
            Self::Reject => "reject",
            Self::Approve => "approve",
            Self::Publish => "publish",
            Self::ProposeDeletion => "propose the deletion of",
            Self::RefuseDeletion => "refuse the deletion of",
            Self::Delete => "delete",
        }
    }
}

/// A legal step: where it leads and which right it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The state after it.
    pub to: State,
    /// The right it needs.
    pub right: Right,
}

/// Asks the table. An illegal step gets the refusal's code.
pub fn step(from: State, action: Action) -> Result<Step, Code> {
    use Action::*;
    use Lifecycle::*;
    use State::{Absent, Present};
    let ok = |to, right| Ok(Step { to, right });
    match (from, action) {
        (Absent | Present(Draft), Save) => ok(Present(Draft), Right::Author),
        (Present(Proposed), Save) => Err(Code::ProposalLocked),
        (Present(Published | DeletionProposed), Save | Propose) => Err(Code::WorkspaceUsed),

        (Absent | Present(Draft), Propose) => ok(Present(Proposed), Right::Author),
        (Present(Proposed), Propose) => Err(Code::ProposalLocked),

        (Present(Draft), DropDraft) => ok(Absent, Right::Author),
        (Present(Proposed), DropProposal) => ok(Absent, Right::AuthorOrApprove),
        (Present(Proposed), Reject) => ok(Present(Draft), Right::ApproveOrProposer),
        (Present(Proposed), Approve) => ok(Present(Published), Right::Approve),
        (Absent, Publish) => ok(Present(Published), Right::AuthorAndApprove),

        (Present(Published), ProposeDeletion) => ok(Present(DeletionProposed), Right::Author),
        (Present(DeletionProposed), RefuseDeletion) => ok(Present(Published), Right::ApproveOrProposer),
        (Present(DeletionProposed), Delete) => ok(Absent, Right::Approve),
        (Present(Published), Delete) => Err(Code::Immutable),

        (Absent, _) => Err(Code::NotFound),
        (Present(_), _) => Err(Code::WrongState),
    }
}

/// The action that takes a revision from one lifecycle to another, for doors that name the wanted state; `None` when the
/// two are equal, `Err` when no single action does it.
pub fn action_between(from: Lifecycle, to: Lifecycle) -> Result<Option<Action>, Code> {
    use Lifecycle::*;
    match (from, to) {
        (a, b) if a == b => Ok(None),
        (Draft, Proposed) => Ok(Some(Action::Propose)),
        (Proposed, Draft) => Ok(Some(Action::Reject)),
        (Proposed, Published) => Ok(Some(Action::Approve)),
        (Published, DeletionProposed) => Ok(Some(Action::ProposeDeletion)),
        (DeletionProposed, Published) => Ok(Some(Action::RefuseDeletion)),
        _ => Err(Code::WrongState),
    }
}

/// The action that removes a revision in this lifecycle.
pub fn removal(from: Lifecycle) -> Action {
    match from {
        Lifecycle::Draft => Action::DropDraft,
        Lifecycle::Proposed => Action::DropProposal,
        Lifecycle::Published | Lifecycle::DeletionProposed => Action::Delete,
    }
}

/// The whole table as text, one line a cell, for people and the golden file.
pub fn grid() -> String {
    let mut text = String::from("state            + action           -> outcome\n");
    for from in State::ALL {
        for action in Action::ALL {
            let outcome = match step(from, action) {
                Ok(step) => format!("{} (needs {})", step.to, step.right.holder()),
                Err(code) => format!("refused: {}", code.as_str()),
            };
            text.push_str(&format!("{:<16} + {:<16} -> {outcome}\n", from.to_string(), action.as_str()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_lifecycle_is_reached_by_the_action_the_table_allows() {
        for from in Lifecycle::ALL {
            for to in Lifecycle::ALL {
                if let Ok(Some(action)) = action_between(from, to) {
                    let step = step(State::Present(from), action).expect("the table knows the action");
                    assert_eq!(step.to, State::Present(to), "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn nothing_but_an_approval_publishes_and_nothing_but_an_approver_removes_what_is_published() {
        for from in State::ALL {
            for action in Action::ALL {
                let Ok(step) = step(from, action) else { continue };
                let published = State::Present(Lifecycle::Published);
                if step.to == published && from != State::Present(Lifecycle::DeletionProposed) {
                    let needed = match action {
                        Action::Publish => Right::AuthorAndApprove,
                        _ => Right::Approve,
                    };
                    assert!(matches!(action, Action::Approve | Action::Publish) && step.right == needed);
                }
                if matches!(from, State::Present(life) if life.is_published()) && step.to == State::Absent {
                    assert_eq!(step.right, Right::Approve);
                }
            }
        }
    }

    #[test]
    fn the_printed_grid_is_the_golden_file() {
        insta::with_settings!({snapshot_path => "../../tests/goldens", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!("lifecycle", grid());
        });
    }
}
