//! The policy: who may do what to which packages, beyond the lifecycle's table and the rules on content.
//!
//! A policy is a list of blocks. Every block that covers a package counts: what they demand accumulates, so that a block
//! never loosens or displaces another one, whatever their order. Only `roles` gives something, and only roles.
//! One rule is one file: `reserved`, `unbound`, `signed`, `freeze`, `gates`, `four_eyes`, `approvals`; `break_glass` is the way past
//! them that leaves a mark. `judge` asks them all and puts their answers together.
//! Never here: reading the file (see `config`), looking at the clock or at Git, and the ledger's keeping of what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::lifecycle::Action;
use super::names::{Namespace, PackagePath, RepositoryName, UserName};
use super::refusal::Code;

pub mod approvals;
pub mod break_glass;
pub mod explain;
pub mod four_eyes;
pub mod freeze;
pub mod gates;
pub mod glob;
pub mod judge;
pub mod question;
pub mod reserved;
mod rights;
pub mod signed;
#[cfg(test)]
mod tests;
pub mod unbound;

use freeze::Freeze;
use glob::Glob;
pub use rights::{Actor, Right, Role};

/// The whole policy, and the roles that the configuration gives everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Goes up with every change of the file; 0 where there is no file.
    pub serial: u64,
    /// The SHA-256 of the file; empty where there is none.
    pub digest: String,
    /// In the order of the file; which block comes first changes no decision.
    pub blocks: Vec<Block>,
    /// The configured users and the roles that they have in every repository.
    pub users: BTreeMap<UserName, BTreeSet<Role>>,
}

/// One block of the policy: where it holds, and what it gives and demands there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    /// What refusals call it.
    pub name: String,
    /// The repositories it covers: by name, or by namespace and name where the pattern has a slash. Empty means all.
    pub repositories: Vec<Glob>,
    /// The packages it covers, by their full paths. Empty means all.
    pub packages: Vec<Glob>,
    /// Roles that it gives.
    pub roles: BTreeMap<Role, People>,
    /// Roles that count for nobody but these people.
    pub reserved: BTreeMap<Role, People>,
    /// Whether a proposal is approved by somebody who had no hand in it.
    pub four_eyes: bool,
    /// How many people must approve a proposal.
    pub approvals: Option<NonZeroU32>,
    /// Conditions that must be True before a package is proposed or approved.
    pub readiness_gates: Vec<String>,
    /// When nothing is published or deleted.
    pub freezes: Vec<Freeze>,
    /// Whether an approval by API must name the version it is for.
    pub refuses_unbound: bool,
    /// What only a signed push may do.
    pub signed: BTreeSet<Action>,
    /// The rules of this block that only tell what they would refuse.
    pub report_only: BTreeSet<Code>,
}

/// Some users, and how the file names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// Every one of them, the members of groups included.
    pub names: BTreeSet<UserName>,
    /// For sentences, such as `group net-leads and bob`.
    pub shown: String,
}

/// Where a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The repository's namespace.
    pub namespace: &'a Namespace,
    /// The repository's name.
    pub repository: &'a RepositoryName,
    /// The package.
    pub package: &'a PackagePath,
}

impl Block {
    /// Whether it has a say about the package.
    pub fn covers(&self, scope: &Scope<'_>) -> bool {
        let full = || format!("{}/{}", scope.namespace, scope.repository);
        let repository = |glob: &Glob| match glob.has_slash() {
            true => glob.matches(&full()),
            false => glob.matches(scope.repository.as_str()),
        };
        (self.repositories.is_empty() || self.repositories.iter().any(repository))
            && (self.packages.is_empty() || self.packages.iter().any(|glob| glob.matches(scope.package.as_str())))
    }

    /// Whether a rule of this block refuses, rather than only telling what it would refuse.
    pub fn enforces(&self, code: Code) -> bool {
        !self.report_only.contains(&code)
    }
}

impl Policy {
    /// The blocks that have a say about a package.
    pub fn covering<'p>(&'p self, scope: &'p Scope<'_>) -> impl Iterator<Item = &'p Block> {
        self.blocks.iter().filter(move |block| block.covers(scope))
    }

    /// The roles that a user has for a package: those that are given everywhere, and those of the blocks that cover it.
    pub fn roles(&self, scope: &Scope<'_>, user: &UserName, everywhere: &BTreeSet<Role>) -> BTreeSet<Role> {
        let given = self.covering(scope).flat_map(|block| &block.roles);
        let given = given.filter(|(_, people)| people.names.contains(user)).map(|(role, _)| *role);
        everywhere.iter().copied().chain(given).collect()
    }

    /// The roles that the configuration gives a user in every repository.
    pub fn everywhere(&self, user: &UserName) -> BTreeSet<Role> {
        self.users.get(user).cloned().unwrap_or_default()
    }
}
