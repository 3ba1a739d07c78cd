//! What a rule is asked, and what it can answer.
//!
//! Never here: the rules.

use super::break_glass::Reason;
use super::{Block, Policy, Right, Role, Scope};
use crate::domain::ledger::{Entry, Via};
use crate::domain::lifecycle::Action;
use crate::domain::names::{UserName, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::push_certificate::Certificate;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Micros;
use crate::krm::kptfile::Condition;
use std::collections::BTreeSet;

/// May this user do this now?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The policy that is asked.
    pub policy: &'a Policy,
    /// Where.
    pub scope: Scope<'a>,
    /// The workspace.
    pub workspace: &'a Workspace,
    /// What is to be done.
    pub action: Action,
    /// The right that the lifecycle's table wants for it.
    pub right: Right,
    /// Who asks.
    pub user: &'a UserName,
    /// The roles that the user has everywhere.
    pub everywhere: &'a BTreeSet<Role>,
    /// The door it came through.
    pub via: Via,
    /// The commit it is bound to; `None` where nobody has looked.
    pub commit: Option<ObjectId>,
    /// The moment.
    pub now: Micros,
    /// What the ledger knows of the package's workspace; `None` where nobody has looked.
    pub history: Option<&'a Entry>,
    /// The conditions in the Kptfile; `None` where nobody has looked.
    pub conditions: Option<&'a [Condition]>,
    /// The reason for going past the policy, where one is given.
    pub break_glass: Option<&'a Reason>,
    /// The certificate of a signed push, where it holds.
    pub certificate: Option<&'a Certificate>,
}

impl Question<'_> {
    /// How the package revision is named to people.
    pub fn title(&self) -> String {
        format!("{} {}", self.scope.package, self.workspace)
    }

    /// The roles that the user has for the package, reservations not looked at.
    pub fn roles(&self) -> BTreeSet<Role> {
        self.policy.roles(&self.scope, self.user, self.everywhere)
    }

    /// Who proposed what stands: the package revision, or its deletion.
    pub fn proposer(&self) -> Option<&UserName> {
        self.history.and_then(Entry::proposer)
    }
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing stands in the way; the text says why.
    Yes(String),
    /// It may not be done.
    No(Refusal),
    /// It hangs on what nobody has looked at; the text says on what. A decision takes it for a no.
    Depends(String),
}

/// One rule of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The code of its refusals, and its name in `reportOnly`.
    pub code: Code,
    /// Its key in the policy file.
    pub key: &'static str,
    /// Asks it on behalf of a block that covers the package; `None` when the block says nothing about the action.
    pub ask: fn(&Block, &Question<'_>) -> Option<Answer>,
}
