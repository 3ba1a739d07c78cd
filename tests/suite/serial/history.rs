//! What clients asked of one package and were told, with the time between question and answer; and the pure model of a
//! package that says what each of it means.
//!
//! Only what was acknowledged is here: a refusal must have changed nothing, and then needs no explanation.
//! Never here: the order (see `order`), git and HTTP.

use std::collections::BTreeMap;

use stoop::domain::lifecycle::{Action, Lifecycle, State, action_between, removal, step};

/// A commit that a client made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Commit {
    /// Its id.
    pub(super) id: String,
    /// What the package holds on the branch that it was made on; empty for nothing.
    pub(super) base: String,
    /// What the package holds in it; no two commits have the same.
    pub(super) content: String,
}

/// A package revision as an answer showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The lifecycle.
    pub(super) lifecycle: Lifecycle,
    /// The commit of a draft or proposal; a published one has another than was proposed.
    pub(super) commit: Option<String>,
    /// The revision number; 0 when it has none.
    pub(super) number: i64,
}

/// What a client asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// By push; with the commit that it named, where it named one.
    Push(Action, Option<Commit>),
    /// By the API, a lifecycle; for exactly what was seen before, where that was named.
    Set(Lifecycle, Option<Seen>),
    /// By the API, to be gone.
    Remove,
    /// To be shown.
    Read,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// That it is done.
    Done,
    /// That it was published with this number.
    Number(i64),
    /// What is there afterwards; `None` for nothing.
    Shown(Option<Seen>),
}

/// One acknowledged operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// When it began and ended, on one clock for all clients.
    pub(super) time: (u64, u64),
    /// Which workspace it was about.
    pub(super) workspace: usize,
    /// What was asked.
    pub(super) wish: Wish,
    /// What was told.
    pub(super) told: Told,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Revision {
    lifecycle: Lifecycle,
    commit: Commit,
    number: i64,
}

/// A package: its workspaces, the highest number that was ever given, and what the branch holds of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Package {
    revisions: BTreeMap<usize, Revision>,
    highest: i64,
    content: String,
}

impl Package {
    /// The package after an operation; `None` if it could not be done now, or not be told so.
    pub(super) fn after(&self, operation: &Operation) -> Option<Self> {
        let at = operation.workspace;
        let there = self.revisions.get(&at);
        let next = match &operation.wish {
            Wish::Read => self.clone(),
            Wish::Push(action, _) if names_nothing(there, *action) => self.clone(),
            Wish::Push(action, commit) => self.step(at, *action, commit.as_ref())?,
            Wish::Set(wanted, bound) => {
                if bound.as_ref().is_some_and(|bound| !shows(there, Some(bound))) {
                    return None;
                }
                match action_between(there?.lifecycle, *wanted).ok()? {
                    Some(action) => self.step(at, action, None)?,
                    None => self.clone(),
                }
            }
            Wish::Remove => self.step(at, removal(there?.lifecycle), None)?,
        };
        let told = match &operation.told {
            Told::Done => true,
            Told::Number(number) => next.revisions.get(&at).is_some_and(|revision| revision.number == *number),
            Told::Shown(seen) => shows(next.revisions.get(&at), seen.as_ref()),
        };
        told.then_some(next)
    }

    fn step(&self, at: usize, action: Action, brought: Option<&Commit>) -> Option<Self> {
        let there = self.revisions.get(&at);
        let state = there.map_or(State::Absent, |revision| State::Present(revision.lifecycle));
        // What is pushed to a draft at its proposal's commit makes it a draft again.
        let action = match (action, there) {
            (Action::Save, Some(there)) if state == State::Present(Lifecycle::Proposed) => {
                (brought == Some(&there.commit)).then_some(Action::Reject)?
            }
            _ => action,
        };
        let to = step(state, action).ok()?.to;
        let commit = match (action, brought, there) {
            (Action::Save, Some(brought), _) | (Action::Propose, Some(brought), None) => brought,
            // Whatever else names a commit names the one there is.
            (_, Some(brought), Some(there)) if !there.lifecycle.is_published() && there.commit != *brought => {
                return None;
            }
            (_, _, Some(there)) => &there.commit,
            (_, _, None) => return None,
        };
        if matches!(action, Action::Propose | Action::Approve) && commit.base != self.content {
            return None;
        }
        let mut next = self.clone();
        let State::Present(lifecycle) = to else {
            next.revisions.remove(&at);
            return Some(next);
        };
        let mut number = there.map_or(0, |there| there.number);
        if action == Action::Approve {
            number = self.highest + 1;
            (next.highest, next.content) = (number, commit.content.clone());
        }
        next.revisions.insert(at, Revision { lifecycle, commit: commit.clone(), number });
        Some(next)
    }
}

/// Whether a push deletes a ref that is not there: git takes it, and nothing happens.
fn names_nothing(there: Option<&Revision>, action: Action) -> bool {
    let of = match action {
        Action::DropDraft => Lifecycle::Draft,
        Action::DropProposal => Lifecycle::Proposed,
        Action::RefuseDeletion => Lifecycle::DeletionProposed,
        _ => return false,
    };
    there.is_none_or(|there| there.lifecycle != of)
}

/// Whether a revision looks as it was seen.
fn shows(revision: Option<&Revision>, seen: Option<&Seen>) -> bool {
    match (revision, seen) {
        (None, None) => true,
        (Some(revision), Some(seen)) => {
            revision.lifecycle == seen.lifecycle
                && revision.number == seen.number
                && seen.commit.as_ref().is_none_or(|commit| *commit == revision.commit.id)
        }
        _ => false,
    }
}
