//! Says what happened, as notices about package revisions and repositories: Kubernetes' Events.
//!
//! Never here: the log and the ledger, which are the record (see `completed`, `record`).

use super::repository::ManagedRepository;
use crate::domain::ledger::Deed;
use crate::domain::lifecycle::Action;
use crate::domain::names::{PackagePath, Workspace, object_name};
use crate::domain::package::{repository_uid, revision_uid};
use crate::domain::refs::RevisionNumber;
use crate::index::clock;
use crate::index::notices::{About, Notice};

/// Says that a transition was completed.
pub(super) fn completed(
    repository: &ManagedRepository,
    id: (&PackagePath, &Workspace),
    action: Action,
    revision: Option<RevisionNumber>,
    deed: &Deed,
) {
    let (commit, by) = (deed.commit.short(), &deed.by);
    let number = revision.map(RevisionNumber::segment).unwrap_or_default();
    let (reason, message) = match action {
        Action::Save => ("Saved", format!("draft saved at {commit} by {by}")),
        Action::DropDraft => ("DraftDropped", format!("draft dropped by {by}; it was at {commit}")),
        Action::Propose => ("Proposed", format!("proposed at {commit} by {by}")),
        Action::DropProposal => ("ProposalDropped", format!("proposal dropped by {by}; it was at {commit}")),
        Action::Reject => ("Rejected", format!("made a draft again at {commit} by {by}")),
        Action::Approve | Action::Publish => ("Approved", format!("{commit} published as {number} by {by}")),
        Action::ProposeDeletion => ("DeletionProposed", format!("deletion proposed by {by}")),
        Action::RefuseDeletion => ("DeletionRefused", format!("kept by {by}")),
        Action::Delete => ("Deleted", format!("deleted by {by}")),
    };
    say(repository, Some(id), false, reason, message);
}

/// Says something about a package revision, or about the repository.
pub(super) fn say(
    repository: &ManagedRepository,
    id: Option<(&PackagePath, &Workspace)>,
    warning: bool,
    reason: &'static str,
    message: String,
) {
    let guarded = &repository.guarded;
    let key = id.map_or(guarded.key(), |(package, _)| guarded.key_of(package));
    let about = match id {
        Some((package, workspace)) => {
            let Some(name) = object_name(&key.name, &key.registration.directory, package, workspace) else { return };
            let uid = revision_uid(&key.namespace, &name);
            About {
                api_version: "porch.kpt.dev/v1alpha1",
                kind: "PackageRevision",
                namespace: key.namespace.clone(),
                name,
                uid,
            }
        }
        None => About {
            api_version: "config.porch.kpt.dev/v1alpha1",
            kind: "Repository",
            namespace: key.namespace.clone(),
            name: key.name.to_string(),
            uid: repository_uid(&key.namespace, &key.name),
        },
    };
    repository.guarded.shared().note(Notice::new(about, warning, reason, message, clock::now()));
}
