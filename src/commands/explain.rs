//! The sentences of refusals that come from the table and from what is there: one place, so that both doors say the same.
//!
//! Never here: deciding.

use crate::domain::change::Change;
use crate::domain::integrity::Finding;
use crate::domain::ledger::Intent;
use crate::domain::lifecycle::{Action, Lifecycle, State};
use crate::domain::names::{PackagePath, UserName, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::policy::Right;
use crate::domain::refs::RefName;
use crate::domain::refusal::{Code, Refusal};

/// How a package revision is named to people.
pub fn title(package: &PackagePath, workspace: &Workspace) -> String {
    format!("{package} {workspace}")
}

/// The command that approves a proposal by push.
pub fn approve_command(package: &PackagePath, workspace: &Workspace, commit: &str) -> String {
    format!("git push origin {commit}:{}", RefName::approve(package, workspace))
}

/// The refusal while an earlier transition of the same package revision is not complete.
pub fn unfinished(change: &Change, intent: &Intent) -> Refusal {
    let title = title(&change.package, &change.workspace);
    let (by, action) = (&intent.deed.by, verb(intent.action));
    Refusal::new(Code::Busy, format!("what {by} began, to {action} {title}, is not complete yet")).next(
        "try again in a moment; if it stays, the administrator of this Git server finds the cause in the daemon's log",
    )
}

/// What is told of a package that the branch holds and that cannot be published yet: `existing` stands where its tag belongs.
pub fn stuck(package: &PackagePath, workspace: &Workspace, branch: &str, existing: &RefName) -> String {
    format!(
        "{}: {branch} holds it, but it is not published yet: {} stands in the way of its tag. Delete that: git push origin :{existing}",
        title(package, workspace),
        existing.shortened()
    )
}

/// The refusal of an illegal step; `there` is the commit of the package revision, where there is one.
pub fn illegal_step(change: &Change, state: State, code: Code, there: Option<ObjectId>) -> Refusal {
    let (package, workspace) = (&change.package, &change.workspace);
    let title = title(package, workspace);
    match (code, change.action) {
        (Code::NotFound, Action::Approve | Action::Reject | Action::DropProposal) => {
            Refusal::new(code, format!("there is no proposal {title}"))
                .next(format!("propose it first: git push origin <commit>:{}", RefName::proposed(package, workspace)))
        }
        (Code::NotFound, _) => Refusal::new(code, format!("there is no package revision {title}"))
            .next("kubectl get packagerevisions, or git ls-remote, shows what there is"),
        (Code::ProposalLocked, _) => {
            let there = there.map_or_else(|| "<its commit>".to_owned(), |there| there.to_string());
            let reject = format!("git push origin {there}:{}", RefName::draft(package, workspace));
            Refusal::new(code, format!("{title} is proposed, and a proposal is locked"))
                .next(format!("make it a draft again first: {reject}"))
        }
        (Code::WorkspaceUsed, _) => Refusal::new(code, format!("{title} is {state}: a workspace names one revision"))
            .next("choose a workspace name that the package has not used"),
        (Code::Immutable, _) => Refusal::new(code, format!("{title} is published, and what is published is immutable"))
            .next("propose its deletion first, then have an approver delete it"),
        (_, Action::Approve) => Refusal::new(
            code,
            format!(
                "{title} is {state}: cannot approve package with {state} lifecycle value; only Proposed packages can be approved"
            ),
        ),
        _ => Refusal::new(code, format!("{title} is {state}: you cannot {} it from there", verb(change.action))),
    }
}

/// The refusal of an approval of what nobody proposed as it is now.
pub fn tampered(change: &Change, finding: &Finding, there: ObjectId) -> Refusal {
    let (package, workspace) = (&change.package, &change.workspace);
    let title = title(package, workspace);
    let next = match change.action {
        Action::Approve => {
            let draft = RefName::draft(package, workspace);
            format!("look at it, reject it (git push origin {there}:{draft}), and have it proposed again")
        }
        _ => format!("refuse the deletion first (git push origin :{}), and have it proposed again", finding.name),
    };
    Refusal::new(Code::Tampered, format!("{title} was moved behind the doors: {finding}")).next(next)
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Save => "save",
        Action::DropDraft | Action::DropProposal => "drop",
        Action::Propose => "propose",
        Action::Reject => "reject",
        Action::Approve => "approve",
        Action::Publish => "publish",
        Action::ProposeDeletion => "propose the deletion of",
        Action::RefuseDeletion => "refuse the deletion of",
        Action::Delete => "delete",
    }
}

/// The refusal of a step that the user has no right to.
pub fn no_right(change: &Change, user: &UserName, right: Right) -> Refusal {
    let title = title(&change.package, &change.workspace);
    let words = change.action.words();
    let what = match change.action {
        Action::DropDraft | Action::DropProposal => format!("{words} {title}"),
        _ => format!("{words} {title}"),
    };
    Refusal::new(Code::NotAllowed, format!("{user} may not {what}: this needs {}", right.holder()))
        .next("ask someone who holds it, or the administrator of this Git server")
}

/// The refusal of a change that names another object id than the one that is there.
pub fn stale(change: &Change, there: &str, lifecycle: Lifecycle) -> Refusal {
    let title = title(&change.package, &change.workspace);
    let named = change.commit.map(|commit| commit.short()).unwrap_or_default();
    Refusal::new(Code::Stale, format!("{title} is {lifecycle} at {there}, not at {named}"))
        .next("fetch, look at what is there now, and decide again")
}

/// The refusal of a change to a package that another request is changing at this moment.
pub fn busy(package: &PackagePath, workspace: &Workspace) -> Refusal {
    Refusal::new(
        Code::Busy,
        format!("another request is already in progress on package revision {}", title(package, workspace)),
    )
    .next("try again in a moment")
}
