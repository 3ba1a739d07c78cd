//! A change: what somebody at one of the doors wants to do to which package revision.
//!
//! Never here: how a push or an API call is read as a change (see the doors), and whether it may happen.

use super::ledger::Via;
use super::lifecycle::Action;
use super::names::{PackagePath, Workspace};
use super::oid::ObjectId;

/// One wanted change, the same from both doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The package, `<P>`.
    pub package: PackagePath,
    /// The workspace, `<W>`; for a revision that is only known by its tag, what the index calls its workspace.
    pub workspace: Workspace,
    /// What to do.
    pub action: Action,
    /// The commit named: what is saved, proposed, approved or rejected. `None` binds to the head of the moment.
    pub commit: Option<ObjectId>,
    /// Which door it came through.
    pub via: Via,
}
