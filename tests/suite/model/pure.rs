//! The pure model: what each package revision is, by the product's table and the rules on numbers, bases and proposers.
//!
//! Never here: git, HTTP and the daemon.

use std::collections::{BTreeMap, BTreeSet};

use stoop::domain::lifecycle::{Action, Lifecycle, State, step};
use stoop::domain::names::UserName;
use stoop::domain::policy::{Actor, Role};

use super::{PACKAGES, WORKSPACES};
use crate::support::USERS;

/// What a listing shows of a package revision: name, lifecycle, number, whether it is the latest.
pub(super) type Shown = (String, String, i64, bool);

/// What the model knows of one package's workspace that exists.
#[derive(Debug, Clone)]
pub(super) struct Revision {
    pub(super) lifecycle: Lifecycle,
    pub(super) commit: String,
    /// The package's number on the branch when the commit was made: what its content builds upon.
    pub(super) base: i64,
    pub(super) number: i64,
    proposer: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) revisions: BTreeMap<(usize, usize), Revision>,
    /// The highest number ever published of a package, which is also what the branch holds.
    highest: BTreeMap<usize, i64>,
}

impl Model {
    pub(super) fn state(&self, at: (usize, usize)) -> State {
        self.revisions.get(&at).map_or(State::Absent, |revision| State::Present(revision.lifecycle))
    }

    pub(super) fn on_branch(&self, package: usize) -> i64 {
        self.highest.get(&package).copied().unwrap_or(0)
    }

    /// Whether an action is allowed, and where it leads. `base` is that of a commit the action brings itself.
    pub(super) fn allows(&self, at: (usize, usize), user: usize, action: Action, base: Option<i64>) -> Option<State> {
        let step = step(self.state(at), action).ok()?;
        let revision = self.revisions.get(&at);
        let proposer = revision.and_then(|revision| revision.proposer.as_deref());
        let proposer = proposer.map(|name| UserName::parse(name).expect("a name"));
        if !actor(user).holds(step.right, proposer.as_ref()) {
            return None;
        }
        let base = base.or(revision.map(|revision| revision.base));
        let fresh = base == Some(self.on_branch(at.0));
        (fresh || !matches!(action, Action::Propose | Action::Approve)).then_some(step.to)
    }

    pub(super) fn apply(
        &mut self,
        at: (usize, usize),
        user: usize,
        action: Action,
        to: State,
        brought: Option<(String, i64)>,
    ) {
        let State::Present(lifecycle) = to else {
            self.revisions.remove(&at);
            return;
        };
        let number = self.on_branch(at.0) + 1;
        let revision = self.revisions.entry(at).or_insert_with(|| Revision {
            lifecycle,
            commit: String::new(),
            base: 0,
            number: 0,
            proposer: None,
        });
        revision.lifecycle = lifecycle;
        if let Some((commit, base)) = brought {
            (revision.commit, revision.base) = (commit, base);
        }
        match action {
            Action::Propose | Action::ProposeDeletion => revision.proposer = Some(USERS[user].0.to_owned()),
            Action::Reject | Action::RefuseDeletion => revision.proposer = None,
            Action::Approve => {
                revision.number = number;
                // Once published, only who proposes its deletion counts as a proposer.
                revision.proposer = None;
                self.highest.insert(at.0, number);
            }
            _ => {}
        }
    }

    /// Everything the API must list: name, lifecycle, number, whether it is the latest.
    pub(super) fn listing(&self) -> BTreeSet<Shown> {
        let name =
            |package: usize, workspace: &str| format!("packages.{}.{workspace}", PACKAGES[package].replace('/', "."));
        let mut listing = BTreeSet::new();
        for (package, _) in self.highest.iter() {
            listing.insert((name(*package, "main"), "Published".to_owned(), -1, false));
        }
        for ((package, workspace), revision) in &self.revisions {
            let of_package = self.revisions.iter().filter(|((other, _), _)| other == package);
            let highest = of_package.map(|(_, other)| other.number).max().unwrap_or(0);
            let latest = revision.number > 0 && revision.number == highest;
            listing.insert((
                name(*package, WORKSPACES[*workspace]),
                revision.lifecycle.to_string(),
                revision.number,
                latest,
            ));
        }
        listing
    }
}

pub(super) fn actor(user: usize) -> Actor {
    let roles = USERS[user].1.split(", ").map(|role| match role {
        "reader" => Role::Reader,
        "author" => Role::Author,
        "approver" => Role::Approver,
        "admin" => Role::Admin,
        other => panic!("an unknown role {other}"),
    });
    Actor { name: UserName::parse(USERS[user].0).expect("a name"), roles: roles.collect() }
}
