//! One thread's view of a repository: objects by their ids, refs by their names.
//!
//! What is read here came from anyone who may push: sizes are looked at before contents, kinds before they are believed.
//! Never here: walking trees (`trees`, `changes`) or history (`history`), writing (`write`), moving refs (`ref_transaction`).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gix::objs::Kind;

use super::commit::Commit;
use super::error::{GitError, text};
use super::quarantine::Overlay;
use super::refs::{self, RefSnapshot};
use super::store::Store;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;

/// The largest commit or tag object that is read, in bytes.
const LARGEST_COMMIT: u64 = 4 << 20;

/// A thread's view of a repository. It may be moved to another thread, not shared with one.
pub struct Reader {
    repository: gix::Repository,
    store: Store,
    /// The directory that joins a push's quarantine to the repository's objects.
    overlay: Option<Overlay>,
    /// Files of objects that this view wrote and that are not synced yet.
    unsynced: RefCell<BTreeSet<PathBuf>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.store.path())
            .field("quarantined", &self.overlay.is_some())
            .finish()
    }
}

impl Reader {
    pub(super) fn new(store: Store, repository: gix::Repository, overlay: Option<Overlay>) -> Self {
        Self { repository, store, overlay, unsynced: RefCell::default() }
    }

    /// The same view, over another set of objects that lives in `overlay`.
    pub(super) fn over(mut self, objects: gix::OdbHandle, overlay: Overlay) -> Self {
        self.repository.objects = objects;
        self.overlay = Some(overlay);
        self
    }

    /// The repository this is a view of.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The repository's directory.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// Whether this view sees a push in quarantine; what it writes is never kept.
    pub fn is_quarantined(&self) -> bool {
        self.overlay.is_some()
    }

    #[cfg(test)]
    pub(super) fn overlay_path(&self) -> Option<&Path> {
        self.overlay.as_ref().map(Overlay::path)
    }

    pub(super) fn unsynced(&self) -> &RefCell<BTreeSet<PathBuf>> {
        &self.unsynced
    }

    pub(super) fn gix(&self) -> &gix::Repository {
        &self.repository
    }

    /// The "no object" id of the length this repository uses.
    pub fn zero_id(&self) -> ObjectId {
        ours(gix::ObjectId::null(self.repository.object_hash()))
    }

    /// The id of the empty tree, which is there without having been written.
    pub fn empty_tree(&self) -> ObjectId {
        ours(gix::ObjectId::empty_tree(self.repository.object_hash()))
    }

    /// The branch that `HEAD` names, whether or not it exists yet; `None` when `HEAD` is detached.
    pub fn head_branch(&self) -> Result<Option<RefName>, GitError> {
        refs::head_branch(self.path())
    }

    /// The branch that packages are published on unless the configuration names one: what `HEAD` names; where that does not
    /// exist and `main` does, as in a mirror whose source had no `HEAD`, `main`.
    pub fn default_branch(&self) -> Result<Option<RefName>, GitError> {
        let Some(head) = self.head_branch()? else { return Ok(None) };
        let Ok(main) = RefName::branch("main") else { return Ok(Some(head)) };
        let unborn = self.ref_target(&head)?.is_none();
        Ok(Some(if unborn && self.ref_target(&main)?.is_some() { main } else { head }))
    }

    /// All refs. A ref that is broken, dangling or unusually named is left out and logged.
    pub fn refs(&self) -> Result<RefSnapshot, GitError> {
        self.store.refs(self)
    }

    /// What a ref points at now, tags not peeled, symbolic refs followed; `None` when there is no such ref.
    pub fn ref_target(&self, name: &RefName) -> Result<Option<ObjectId>, GitError> {
        refs::read_one(self, name)
    }

    /// Whether an object is there.
    pub fn exists(&self, id: ObjectId) -> Result<bool, GitError> {
        Ok(self.try_header(id)?.is_some())
    }

    /// The commit that an object is, or that a tag object leads to; `None` when it leads to something else.
    pub fn peel_to_commit(&self, id: ObjectId) -> Result<Option<ObjectId>, GitError> {
        let mut id = id;
        for _ in 0..10 {
            match self.header(id)?.kind() {
                Kind::Commit => return Ok(Some(id)),
                Kind::Tag => {
                    let object = self.object(id, Kind::Tag, LARGEST_COMMIT)?;
                    let target =
                        gix::objs::TagRefIter::from_bytes(&object.data, self.repository.object_hash()).target_id();
                    id = ours(target.map_err(|error| self.damaged(id, &error))?);
                }
                Kind::Tree | Kind::Blob => return Ok(None),
            }
        }
        Ok(None)
    }

    /// A commit. Fields that cannot be read as git writes them are kept as far as possible.
    pub fn commit(&self, id: ObjectId) -> Result<Commit, GitError> {
        if let Some(known) = self.store.known_commit(id) {
            return Ok(known);
        }
        let object = self.object(id, Kind::Commit, LARGEST_COMMIT)?;
        let commit = Commit::parse(id, &object.data).map_err(|why| GitError::Damaged {
            id,
            repository: self.path().to_owned(),
            why: why.to_owned(),
        })?;
        // What is in quarantine may never come to be.
        if !self.is_quarantined() {
            self.store.keep_commit(&commit);
        }
        Ok(commit)
    }

    /// The content of a blob. One of more than `limit` bytes is not read: [`GitError::TooLarge`].
    pub fn blob(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, GitError> {
        Ok(self.object(id, Kind::Blob, limit)?.detach().data)
    }

    /// The size of a blob in bytes; its content is not read.
    pub fn blob_size(&self, id: ObjectId) -> Result<u64, GitError> {
        let header = self.header(id)?;
        self.expect_kind(id, header.kind(), Kind::Blob)?;
        Ok(header.size())
    }

    /// Reads a tree object, undecoded.
    pub(super) fn tree_object(&self, id: ObjectId) -> Result<gix::Object<'_>, GitError> {
        self.object(id, Kind::Tree, super::trees::LARGEST_TREE)
    }

    /// Reads an object of a known kind whose size is within a limit.
    fn object(&self, id: ObjectId, wanted: Kind, limit: u64) -> Result<gix::Object<'_>, GitError> {
        let header = self.header(id)?;
        self.expect_kind(id, header.kind(), wanted)?;
        if header.size() > limit {
            return Err(GitError::TooLarge { id, size: header.size(), limit });
        }
        self.repository.find_object(self.theirs(id)?).map_err(|error| self.failed(format!("read object {id}"), &error))
    }

    fn expect_kind(&self, id: ObjectId, found: Kind, wanted: Kind) -> Result<(), GitError> {
        if found == wanted {
            return Ok(());
        }
        let wanted = match wanted {
            Kind::Tree => "tree",
            Kind::Blob => "blob",
            Kind::Commit => "commit",
            Kind::Tag => "tag",
        };
        Err(GitError::WrongKind { id, repository: self.path().to_owned(), found: found.to_string(), wanted })
    }

    fn header(&self, id: ObjectId) -> Result<gix::odb::find::Header, GitError> {
        self.try_header(id)?.ok_or_else(|| GitError::Missing { id, repository: self.path().to_owned() })
    }

    fn try_header(&self, id: ObjectId) -> Result<Option<gix::odb::find::Header>, GitError> {
        let Ok(theirs) = self.theirs(id) else { return Ok(None) };
        self.repository.try_find_header(theirs).map_err(|error| self.failed(format!("look up object {id}"), &error))
    }

    /// The id as gix has it. An id of the other hash's length names nothing in this repository.
    pub(super) fn theirs(&self, id: ObjectId) -> Result<gix::ObjectId, GitError> {
        match gix::ObjectId::try_from(id.as_bytes()) {
            Ok(theirs) if theirs.kind() == self.repository.object_hash() => Ok(theirs),
            _ => Err(GitError::Missing { id, repository: self.path().to_owned() }),
        }
    }

    pub(super) fn failed(&self, doing: impl Into<String>, error: &gix::Error) -> GitError {
        GitError::Failed { doing: doing.into(), repository: self.path().to_owned(), text: text(error) }
    }

    pub(super) fn damaged(&self, id: ObjectId, error: &gix::Error) -> GitError {
        GitError::Damaged { id, repository: self.path().to_owned(), why: text(error) }
    }
}

/// An id that gix gave.
pub(super) fn ours(id: impl AsRef<gix::oid>) -> ObjectId {
    ObjectId::from_bytes(id.as_ref().as_bytes()).expect("gix knows only hashes of 20 and 32 bytes")
}
