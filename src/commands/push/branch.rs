//! Looks at a move of the registered branch: none of Stoop's business unless it touches a package.
//!
//! Approving by moving the branch and the settings `publish` and `allow` are not built here yet: a move that touches a
//! package is refused, whatever it does. Never here: other refs.

use std::collections::BTreeSet;

use super::read::{Meaning, PushedRef};
use crate::commands::decide::failed;
use crate::domain::annotation;
use crate::domain::names::{Directory, PackagePath};
use crate::domain::oid::ObjectId;
use crate::domain::refs::Registration;
use crate::domain::refusal::{Code, Refusal};
use crate::git::{GitError, Reader};
use crate::index::guarded::View;

/// More changed files than this in one move of the branch count as touching a package.
const MOST_CHANGES: usize = 200_000;

/// One move of a guarded branch brings at most so many commits.
const MOST_COMMITS: usize = 100_000;

/// Says what the move means: nothing to Stoop, or something that only an import may do; what nobody may do is refused.
pub fn judge(
    update: &PushedRef,
    registration: &Registration,
    view: &View,
    reader: &Reader,
) -> Result<Meaning, Refusal> {
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
    match touched(update.old, new, &registration.directory, view, reader).map_err(|error| failed(&error))? {
        None if guarded => forged(update.old, new, branch, reader),
        None => Ok(Meaning::Unmanaged),
        Some(package) => Ok(Meaning::ImportOnly(
            Refusal::new(
                Code::BranchGuarded,
                format!("the push to {branch} changes package {package} without an approval"),
            )
            .next(format!("propose it instead: git push origin HEAD:refs/heads/proposed/{package}/<workspace>")),
        )),
    }
}

/// A commit that touches no package may still speak for one: its `kpt:` lines would be read as who published it.
fn forged(old: Option<ObjectId>, new: ObjectId, branch: &str, reader: &Reader) -> Result<Meaning, Refusal> {
    let hidden: Vec<ObjectId> = old.into_iter().collect();
    let refusal =
        |reason: String, next: String| Ok(Meaning::ImportOnly(Refusal::new(Code::ForgedAnnotation, reason).next(next)));
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
    let speaks = |message: &str| !annotation::read(message).is_empty() || annotation::has_unreadable(message);
    match pushed.iter().find(|commit| speaks(&commit.message)) {
        None => Ok(Meaning::Unmanaged),
        Some(commit) => refusal(
            format!(
                "commit {} on {branch} carries a kpt: line, which only an approval may bring there",
                commit.id.short()
            ),
            "reword its message without the line".to_owned(),
        ),
    }
}

fn peel(reader: &Reader, id: ObjectId) -> Result<ObjectId, GitError> {
    Ok(reader.peel_to_commit(id)?.unwrap_or(id))
}

/// A package that the move touches: a path at or below a Kptfile before or after, or of a draft, proposal or tag.
fn touched(
    old: Option<ObjectId>,
    new: ObjectId,
    directory: &Directory,
    view: &View,
    reader: &Reader,
) -> Result<Option<PackagePath>, GitError> {
    let tree = |id: ObjectId| Ok::<_, GitError>(reader.commit(peel(reader, id)?)?.tree);
    let old = old.map(tree).transpose()?;
    let new = tree(new)?;
    let mut packages: BTreeSet<PackagePath> = view.objects.keys().map(|(package, _)| package.clone()).collect();
    for root in [old, Some(new)].into_iter().flatten() {
        packages.extend(reader.packages_below(root, directory)?.into_iter().map(|(package, _)| package));
    }
    if packages.is_empty() {
        return Ok(None);
    }
    let changed = match reader.changed_paths(old, Some(new), MOST_CHANGES) {
        Err(GitError::TooMany { .. }) => return Ok(packages.into_iter().next()),
        other => other?,
    };
    let hit = |path: &String| {
        let mut at = path.as_str();
        loop {
            if let Some(package) = PackagePath::parse(at).ok().and_then(|at| packages.get(&at)) {
                return Some(package.clone());
            }
            at = at.rsplit_once('/')?.0;
        }
    };
    Ok(changed.iter().find_map(hit))
}
