//! What a writer believes of its packages, and what it may do next with each.
//!
//! Pure. Never here: doing it (see `writer`).

use std::collections::BTreeMap;

use super::Random;
use crate::recording::{After, Shown};

/// One package revision as its writer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The lifecycle.
    pub lifecycle: String,
    /// The commit; empty when it is not known yet, after an approval.
    pub commit: String,
    /// The revision number; 0 when it has none, or it is not known yet.
    pub number: i64,
}

/// One package.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Its path, which is also its part of object names.
    pub path: String,
    /// Its revisions by workspace; the registered branch's own is not among them.
    pub revisions: BTreeMap<String, Held>,
}

/// What to do with one package revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Make a draft, or give it a new commit.
    Save,
    /// Propose the draft.
    Propose,
    /// Drop the draft or the proposal.
    Drop,
    /// Make the proposal a draft again.
    Reject,
    /// Publish the proposal.
    Approve,
    /// Propose that a published revision goes away.
    ProposeDeletion,
    /// Refuse that.
    RefuseDeletion,
    /// Carry that out.
    Delete,
}

impl Deed {
    /// The lifecycle after it; `None`: it is gone.
    pub fn after(self) -> Option<&'static str> {
        match self {
            Self::Save | Self::Reject => Some("Draft"),
            Self::Propose => Some("Proposed"),
            Self::Approve | Self::RefuseDeletion => Some("Published"),
            Self::ProposeDeletion => Some("DeletionProposed"),
            Self::Drop | Self::Delete => None,
        }
    }

    /// The ledger's word for it, for a package revision of that lifecycle.
    pub fn word(self, from: &str) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Propose => "propose",
            Self::Drop if from == "Draft" => "drop-draft",
            Self::Drop => "drop-proposal",
            Self::Reject => "reject",
            Self::Approve => "approve",
            Self::ProposeDeletion => "propose-deletion",
            Self::RefuseDeletion => "refuse-deletion",
            Self::Delete => "delete",
        }
    }

    /// What to count it as.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Propose => "propose",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Approve => "approve",
            Self::ProposeDeletion => "propose deletion",
            Self::RefuseDeletion => "refuse deletion",
            Self::Delete => "delete",
        }
    }
}

impl Package {
    /// The workspace that is a draft or a proposal: there is at most one.
    fn open(&self) -> Option<(&String, &Held)> {
        self.revisions.iter().find(|(_, held)| held.lifecycle == "Draft" || held.lifecycle == "Proposed")
    }

    /// Chooses what is done next and to which workspace.
    pub fn choose(&self, random: &mut Random) -> (Deed, String) {
        let is_old = |held: &Held| held.lifecycle == "Published" || held.lifecycle == "DeletionProposed";
        let old: Vec<(&String, &Held)> = self.revisions.iter().filter(|(_, held)| is_old(held)).collect();
        // Old revisions go sooner or later, so that their number stays what it is.
        if !old.is_empty() && random.below(6) < old.len() {
            let (workspace, held) = old[random.below(old.len())];
            let deed = match held.lifecycle.as_str() {
                "Published" => Deed::ProposeDeletion,
                _ if random.one_in(4) => Deed::RefuseDeletion,
                _ => Deed::Delete,
            };
            return (deed, workspace.clone());
        }
        match self.open() {
            None => {
                let free = (1..).map(|number| format!("w{number}")).find(|name| !self.revisions.contains_key(name));
                (Deed::Save, free.unwrap_or_default())
            }
            Some((workspace, held)) if held.lifecycle == "Draft" => {
                (*pick(random, &[Deed::Save, Deed::Propose, Deed::Propose, Deed::Drop]), workspace.clone())
            }
            Some((workspace, _)) => {
                (*pick(random, &[Deed::Reject, Deed::Drop, Deed::Approve, Deed::Approve]), workspace.clone())
            }
        }
    }

    /// Takes over what a deed left.
    pub fn take(&mut self, workspace: &str, after: Option<Held>) {
        match after {
            Some(held) => {
                self.revisions.insert(workspace.to_owned(), held);
            }
            None => {
                self.revisions.remove(workspace);
            }
        }
    }
}

/// Any of them.
pub fn pick<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[random.below(of.len())]
}

impl Held {
    /// What an acknowledgement says.
    pub fn after(&self) -> After {
        let commit = Some(self.commit.clone()).filter(|commit| !commit.is_empty());
        After { lifecycle: self.lifecycle.clone(), commit, label: None }
    }

    /// Whether an object shows it.
    pub fn fits(&self, shown: &Shown) -> bool {
        self.after().fits(shown)
    }
}
