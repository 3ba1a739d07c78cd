//! Looks at a move of the registered branch: none of Stoop's business unless it touches a package.
//!
//! Never here: other refs, and what a move that touches packages means (see `trunk`).

use std::collections::BTreeSet;

use super::read::{Meaning, Move, PushedRef};
use super::trunk;
use crate::commands::decide::failed;
use crate::domain::annotation::{self, Annotation};
use crate::domain::names::{Directory, PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::refs::Registration;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::trunk::Trunk;
use crate::git::{GitError, Reader};
use crate::index::guarded::View;

/// More changed files than this in one move of the branch can only be imported.
const MOST_CHANGES: usize = 200_000;

/// One move of a guarded branch brings at most so many commits.
const MOST_COMMITS: usize = 100_000;

/// What a move of the branch is looked at with.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Branch and directory.
    pub registration: &'a Registration,
    /// The repository's state.
    pub view: &'a View,
    /// Git; of a push it also sees the pushed objects.
    pub reader: &'a Reader,
    /// The repository's setting.
    pub trunk: Trunk,
    /// Whether the push is an import: then it approves and publishes nothing.
    pub import: bool,
}

/// Says what the move means: nothing to Stoop, changes of package revisions, or something that only an import may do; what
/// nobody may do is refused.
pub fn judge(update: &PushedRef, ground: Ground<'_>) -> Result<Meaning, Refusal> {
    let Ground { registration, view, reader, .. } = ground;
    let branch = registration.branch_name();
    let guarded = !view.objects.is_empty();
    let Some(new) = update.new else {
        if !guarded {
            return Ok(Meaning::Unmanaged);
        }
        return Err(Refusal::new(
            Code::BranchGuarded,
            format!("branch {branch} holds the packages of this repository and stays"),
        )
        .next("to give the repository up, have its administrator unregister it first"));
    };
    if guarded && let Some(old) = update.old {
        let forward = peel(reader, old).and_then(|old| reader.is_ancestor(old, new));
        if !forward.map_err(|error| failed(&error))? {
            return Err(Refusal::new(Code::BranchGuarded, format!("branch {branch} would be moved back or aside"))
                .next(format!("merge or rebase onto it: git pull --rebase origin {branch}")));
        }
    }
    let touched = match touched(update.old, new, &registration.directory, view, reader) {
        Ok(touched) => touched,
        Err(GitError::TooMany { limit, what, .. }) => {
            let reason = format!("the push to {branch} has more than {limit} {what}");
            return Ok(Meaning::ImportOnly(
                Refusal::new(Code::BranchGuarded, reason)
                    .next("push it in several steps, or have an administrator import it: git push -o import"),
            ));
        }
        Err(error) => return Err(failed(&error)),
    };
    if !touched.is_empty() {
        return trunk::meaning(update.old, new, touched, ground);
    }
    if !guarded {
        return Ok(Meaning::Unmanaged);
    }
    Ok(match forged(update.old, new, branch, reader, &[])? {
        Some(refusal) => Meaning::ImportOnly(refusal),
        None if update.old.is_none() => Meaning::Branch(Move::default()),
        None => Meaning::Unmanaged,
    })
}

/// What a move brings to the branch may not speak for a package that it does not approve: `kpt:` lines would be read as
/// who published what. Only those may come that the commits of the `approved` proposals themselves may carry.
pub(super) fn forged(
    old: Option<ObjectId>,
    new: ObjectId,
    branch: &str,
    reader: &Reader,
    approved: &[(PackagePath, Workspace)],
) -> Result<Option<Refusal>, Refusal> {
    let hidden: Vec<ObjectId> = old.into_iter().collect();
    let refusal = |reason: String, next: String| Ok(Some(Refusal::new(Code::ForgedAnnotation, reason).next(next)));
    let pushed = match reader.commits_not_in(new, &hidden, MOST_COMMITS) {
        Ok(pushed) => pushed,
        Err(GitError::TooMany { .. }) => {
            return refusal(
                format!("the push to {branch} brings more than {MOST_COMMITS} commits"),
                "push them in several steps, or have an administrator import them: git push -o import".to_owned(),
            );
        }
        Err(error) => return Err(failed(&error)),
    };
    let is_theirs =
        |line: &Annotation| approved.iter().any(|(package, workspace)| line.is_a_drafts(package, workspace));
    let speaks =
        |message: &str| annotation::has_unreadable(message) || !annotation::read(message).iter().all(is_theirs);
    match pushed.iter().find(|commit| speaks(&commit.message)) {
        None => Ok(None),
        Some(commit) => refusal(
            format!(
                "commit {} on {branch} carries a kpt: line, which only an approval may bring there",
                commit.id.short()
            ),
            "reword its message without the line".to_owned(),
        ),
    }
}

/// The commit that an object leads to; itself, where it leads to none.
pub(super) fn peel(reader: &Reader, id: ObjectId) -> Result<ObjectId, GitError> {
    Ok(reader.peel_to_commit(id)?.unwrap_or(id))
}

/// The packages that the move touches: a path at or below a Kptfile before or after, or of a draft, proposal or tag.
fn touched(
    old: Option<ObjectId>,
    new: ObjectId,
    directory: &Directory,
    view: &View,
    reader: &Reader,
) -> Result<BTreeSet<PackagePath>, GitError> {
    let tree = |id: ObjectId| Ok::<_, GitError>(reader.commit(peel(reader, id)?)?.tree);
    let old = old.map(tree).transpose()?;
    let new = tree(new)?;
    let mut packages: BTreeSet<PackagePath> = view.objects.keys().map(|(package, _)| package.clone()).collect();
    for root in [old, Some(new)].into_iter().flatten() {
        packages.extend(reader.packages_below(root, directory)?.into_iter().map(|(package, _)| package));
    }
    if packages.is_empty() {
        return Ok(packages);
    }
    let changed = reader.changed_paths(old, Some(new), MOST_CHANGES)?;
    let hit = |path: &String| {
        let mut at = path.as_str();
        loop {
            if let Some(package) = PackagePath::parse(at).ok().and_then(|at| packages.get(&at)) {
                return Some(package.clone());
            }
            at = at.rsplit_once('/')?.0;
        }
    };
    Ok(changed.iter().filter_map(hit).collect())
}
