//! Reads one pushed ref update as a change, by the table of the Git door.
//!
//! Never here: whether the change may happen (see `decide`), and what several updates mean together (see `verdict`).

use super::branch::{self, Ground};
use crate::commands::decide::{failed, segment};
use crate::domain::change::Change;
use crate::domain::ledger::Via;
use crate::domain::lifecycle::{Action, Lifecycle};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::PackageRevision;
use crate::domain::refs::{RefKind, RefName, classify};
use crate::domain::refusal::{Code, Refusal};
use crate::git::Reader;
use crate::index::guarded::View;

/// One pushed update; `None` is the absence of the ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedRef {
    /// The ref.
    pub name: RefName,
    /// Its value before.
    pub old: Option<ObjectId>,
    /// Its value after.
    pub new: Option<ObjectId>,
}

/// What names Stoop's own refs begin with. A name like that which cannot be read is refused; of the others, git judges.
const OWN: [&[u8]; 6] = [
    b"refs/heads/drafts/",
    b"refs/heads/proposed/",
    b"refs/heads/deletionProposed/",
    b"refs/approve/",
    b"refs/reject/",
    b"refs/stoop/",
];

impl PushedRef {
    /// Reads an update as hooks tell it: the name's bytes, and the values before and after in hexadecimal, zeros for none.
    /// `None` for a name that is no text or that Git would not take: such a ref is none of Stoop's business.
    ///
    /// # Errors
    /// The name cannot be read but lies under one of Stoop's prefixes, or a value is no object id.
    pub fn parse(name: &[u8], old: &str, new: &str) -> Result<Option<Self>, Refusal> {
        let Some(read) = std::str::from_utf8(name).ok().and_then(|text| RefName::parse(text).ok()) else {
            if !OWN.iter().any(|prefix| name.starts_with(prefix)) {
                return Ok(None);
            }
            let shown: String = String::from_utf8_lossy(name).chars().take(120).collect();
            return Err(Refusal::new(Code::BadName, format!("{shown:?} is not a usable ref name"))
                .next("correct the ref name and push again"));
        };
        let id = |text: &str| match text.parse::<ObjectId>() {
            Ok(id) => Ok(Some(id).filter(|id| !id.is_zero())),
            Err(error) => Err(Refusal::new(Code::BadRequest, error.to_string())),
        };
        Ok(Some(Self { name: read, old: id(old)?, new: id(new)? }))
    }
}

/// What a move of the registered branch means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Move {
    /// The changes of package revisions that it makes.
    pub changes: Vec<Change>,
    /// The packages that it changes and that the repository's setting lets pass.
    pub passed: Vec<PackagePath>,
}

/// What an update means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Not Stoop's business.
    Unmanaged,
    /// A change of a package revision.
    Change(Change),
    /// A move of the registered branch.
    Branch(Move),
    /// Only an administrator's import may do this; the refusal is for everybody else.
    ImportOnly(Refusal),
}

/// Reads an update.
pub fn read(update: &PushedRef, ground: Ground<'_>) -> Result<Meaning, Refusal> {
    let Ground { registration, view, reader, .. } = ground;
    let new_commit = || commit_of(update, reader);
    let change = |package, workspace, action, commit| {
        Ok(Meaning::Change(Change { package, workspace, action, commit, via: Via::Push }))
    };
    let is_gone = update.new.is_none() && update.old.is_none() && view.snapshot.get(&update.name).is_none();
    match classify(&update.name, registration) {
        RefKind::Other => Ok(Meaning::Unmanaged),
        // A forge deletes the branch of a proposal that it has merged; by then Stoop has.
        RefKind::Draft(..) | RefKind::Proposed(..) | RefKind::DeletionProposed(..) if is_gone => Ok(Meaning::Unmanaged),
        RefKind::RegisteredBranch => branch::judge(update, ground),
        RefKind::Internal => Err(Refusal::new(Code::Internal, format!("{} belongs to Stoop alone", update.name))
            .next("leave it out of the push")),
        RefKind::Malformed(malformed) => {
            Err(Refusal::new(Code::BadName, malformed.to_string()).next("correct the ref name and push again"))
        }
        RefKind::Draft(package, workspace) => match update.new {
            None => change(package, workspace, Action::DropDraft, update.old),
            Some(_) => {
                let commit = new_commit()?;
                let object = view.objects.get(&(package.clone(), workspace.clone()));
                let proposal = object.filter(|object| object.lifecycle == Lifecycle::Proposed);
                let action = match proposal {
                    Some(proposal) if proposal.commit == commit => Action::Reject,
                    _ => Action::Save,
                };
                change(package, workspace, action, Some(commit))
            }
        },
        RefKind::Proposed(package, workspace) => match update.new {
            None => change(package, workspace, Action::DropProposal, update.old),
            Some(_) => change(package, workspace, Action::Propose, Some(new_commit()?)),
        },
        RefKind::Approve(package, workspace) => match update.new {
            None => Err(nothing_to_delete(update)),
            Some(_) => change(package, workspace, Action::Approve, Some(new_commit()?)),
        },
        RefKind::Reject(package, workspace) => match update.new {
            None => Err(nothing_to_delete(update)),
            Some(_) => change(package, workspace, Action::Reject, Some(new_commit()?)),
        },
        RefKind::DeletionProposed(package, last) => {
            let Some(object) = revision_of(view, &package, &last) else {
                return match update.new {
                    None => Ok(Meaning::Unmanaged),
                    Some(_) => Err(Refusal::new(
                        Code::NotFound,
                        format!("there is no published revision {last} of package {package}"),
                    )
                    .next("name a published revision, as in deletionProposed/<package>/v1")),
                };
            };
            let workspace = object.workspace.clone();
            match (update.old, update.new) {
                (None, Some(_)) => change(package, workspace, Action::ProposeDeletion, Some(new_commit()?)),
                (_, None) => change(package, workspace, Action::RefuseDeletion, None),
                (Some(_), Some(_)) => Err(Refusal::new(
                    Code::Immutable,
                    format!("{} is a marker and does not move", update.name.shortened()),
                )),
            }
        }
        RefKind::Tag(package, last) => tag(update, view, reader, package, &last),
    }
}

fn nothing_to_delete(update: &PushedRef) -> Refusal {
    Refusal::new(
        Code::BadRequest,
        format!("{} is pushed to decide, and never stays: there is nothing to delete", update.name),
    )
}

/// The published revision that a marker's or a tag's last segment names.
fn revision_of<'v>(view: &'v View, package: &PackagePath, last: &Workspace) -> Option<&'v PackageRevision> {
    let start = (package.clone(), Workspace::parse("!").unwrap_or_else(|_| last.clone()));
    let of_package =
        view.objects.range(start..).take_while(|((other, _), _)| other == package).map(|(_, object)| object);
    let mut published = of_package.filter(|object| object.lifecycle.is_published());
    published
        .find(|object| {
            segment(object) == last.as_str()
                || (object.revision.is_published() && object.revision.segment() == last.as_str())
        })
        .map(AsRef::as_ref)
}

fn tag(
    update: &PushedRef,
    view: &View,
    reader: &Reader,
    package: PackagePath,
    last: &Workspace,
) -> Result<Meaning, Refusal> {
    let object = revision_of(view, &package, last).filter(|object| object.ref_name == update.name);
    if let (Some(object), None) = (object, update.new) {
        let change = Change {
            workspace: object.workspace.clone(),
            package,
            action: Action::Delete,
            commit: update.old,
            via: Via::Push,
        };
        return Ok(Meaning::Change(change));
    }
    let mut shows_package = object.is_some();
    for value in [update.old, update.new].into_iter().flatten() {
        shows_package |= is_package_at(reader, value, &package)?;
    }
    if !shows_package {
        return Ok(Meaning::Unmanaged);
    }
    let name = update.name.shortened();
    if object.is_some() {
        return Err(Refusal::new(
            Code::Immutable,
            format!("tag {name} is a published revision of package {package}, which does not change"),
        )
        .next("publish a new revision instead"));
    }
    Ok(Meaning::ImportOnly(
        Refusal::new(Code::Immutable, format!("tag {name} would publish package {package} without an approval"))
            .next(format!("propose it instead: git push origin <commit>:refs/heads/proposed/{package}/<workspace>")),
    ))
}

/// Whether an object leads to a commit with a package at this path.
fn is_package_at(reader: &Reader, object: ObjectId, package: &PackagePath) -> Result<bool, Refusal> {
    let found = || {
        let Some(commit) = reader.peel_to_commit(object)? else { return Ok(false) };
        let tree = reader.commit(commit)?.tree;
        match reader.subtree(tree, package)? {
            Some(tree) => reader.is_package(tree),
            None => Ok(false),
        }
    };
    found().map_err(|error| failed(&error))
}

/// The commit that a managed ref is to be at: a commit itself, not a tag of one.
fn commit_of(update: &PushedRef, reader: &Reader) -> Result<ObjectId, Refusal> {
    let Some(new) = update.new else { return Err(nothing_to_delete(update)) };
    match reader.peel_to_commit(new) {
        Ok(Some(commit)) if commit == new => Ok(commit),
        Ok(_) => Err(Refusal::new(Code::BadContent, format!("{} is not a commit", new.short()))
            .next("push a commit, not a tag, a tree or a file")),
        Err(error) => Err(failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_read_are_refused_only_where_they_are_stoops() {
        let (none, one) = ("0".repeat(40), "1".repeat(40));
        let read = |name: &[u8]| PushedRef::parse(name, &none, &one);
        let update = read(b"refs/heads/drafts/a/w").expect("a name").expect("text");
        assert_eq!((update.name.as_str(), update.old), ("refs/heads/drafts/a/w", None));
        assert_eq!(update.new.map(|id| id.to_string()), Some(one.clone()));
        // Never read as another name, with something in the place of the byte that is no text.
        for name in [b"refs/heads/drafts/\xff/w".as_slice(), b"refs/approve/a/\xff", b"refs/stoop/\xff"] {
            assert_eq!(read(name).map_err(|refusal| refusal.code), Err(Code::BadName));
        }
        for name in [b"refs/heads/\xff".as_slice(), b"refs/tags/a/\xff", b"HEAD"] {
            assert_eq!(read(name), Ok(None));
        }
        let bad = PushedRef::parse(b"refs/heads/main", "ref:refs/heads/x", &one);
        assert_eq!(bad.map_err(|refusal| refusal.code), Err(Code::BadRequest));
    }
}
