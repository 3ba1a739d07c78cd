//! Roles, and the right that each kind of change asks for.
//!
//! Never here: where a user's name comes from, and passwords (see `identity`).

use std::collections::BTreeSet;

use crate::domain::names::UserName;

/// What a configured user may do. A user may hold several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything.
    Reader,
    /// Reads, drafts, proposes, proposes deletions.
    Author,
    /// Reads, approves and rejects proposals and deletions.
    Approver,
    /// Everything, and takes over existing package repositories.
    Admin,
}

impl Role {
    /// The role as the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Author => "author",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// A right that a change or a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Reading packages and refs.
    Read,
    /// Drafting and proposing.
    Author,
    /// Approving and rejecting.
    Approve,
    /// Either of the two above.
    AuthorOrApprove,
    /// Both of them: publishing without a proposal.
    AuthorAndApprove,
    /// Approving; or drafting, for the one who proposed.
    ApproveOrProposer,
    /// Taking over existing packages.
    Admin,
}

/// A user as one of the doors knows them: the name, and the roles that the configuration gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name that goes into commits and the ledger.
    pub name: UserName,
    /// The roles of that name at the time of the request.
    pub roles: BTreeSet<Role>,
}

impl Actor {
    /// Whether this user holds `right`; `proposer` is who made the proposal at hand, where there is one.
    pub fn holds(&self, right: Right, proposer: Option<&UserName>) -> bool {
        let has = |role| self.roles.contains(&role);
        if has(Role::Admin) {
            return true;
        }
        match right {
            Right::Read => !self.roles.is_empty(),
            Right::Author => has(Role::Author),
            Right::Approve => has(Role::Approver),
            Right::AuthorOrApprove => has(Role::Author) || has(Role::Approver),
            Right::AuthorAndApprove => has(Role::Author) && has(Role::Approver),
            Right::ApproveOrProposer => has(Role::Approver) || (has(Role::Author) && proposer == Some(&self.name)),
            Right::Admin => false,
        }
    }
}

impl Right {
    /// Who holds it, for refusals: completes "this needs …".
    pub fn holder(self) -> &'static str {
        match self {
            Self::Read => "any role",
            Self::Author => "the role author",
            Self::Approve => "the role approver",
            Self::AuthorOrApprove => "the role author or approver",
            Self::AuthorAndApprove => "the roles author and approver",
            Self::ApproveOrProposer => "the role approver, or to be the author who proposed it",
            Self::Admin => "the role admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_holds_its_rights_and_no_more() {
        let name = |text| UserName::parse(text).expect("valid");
        let actor = |roles: &[Role]| Actor { name: name("ann"), roles: roles.iter().copied().collect() };
        let grid = [
            (Right::Read, [true, true, true, true]),
            (Right::Author, [false, true, false, true]),
            (Right::Approve, [false, false, true, true]),
            (Right::AuthorOrApprove, [false, true, true, true]),
            (Right::AuthorAndApprove, [false, false, false, true]),
            (Right::ApproveOrProposer, [false, false, true, true]),
            (Right::Admin, [false, false, false, true]),
        ];
        for (right, row) in grid {
            for (role, want) in [Role::Reader, Role::Author, Role::Approver, Role::Admin].into_iter().zip(row) {
                assert_eq!(actor(&[role]).holds(right, Some(&name("bob"))), want, "{role:?} {right:?}");
            }
            assert!(!actor(&[]).holds(right, Some(&name("ann"))), "nobody {right:?}");
        }
        assert!(actor(&[Role::Author]).holds(Right::ApproveOrProposer, Some(&name("ann"))));
        assert!(actor(&[Role::Author, Role::Approver]).holds(Right::AuthorAndApprove, None));
        assert!(!actor(&[Role::Reader]).holds(Right::ApproveOrProposer, Some(&name("ann"))));
    }
}
