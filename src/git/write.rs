//! Writing objects: blobs, trees and commits, each on disk and synced before its id is given out.
//!
//! gix never syncs, and a ref that outlives a power cut must not lead to an object that did not.
//! Never here: refs. What is written is garbage until `ref_transaction` makes a ref lead to it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, BString};
use gix::objs::tree::EntryKind;
use gix::objs::{Exists, Kind, Write, WriteTo};

use super::commit::Person;
use super::error::GitError;
use super::reader::{Reader, ours};
use super::trees::is_forbidden;
use crate::domain::names::PackagePath;
use crate::domain::oid::ObjectId;

/// How often an object is tried to be written.
const TRIES: usize = 8;

/// So many files are flushed to disk at once.
const MOST_AT_ONCE: usize = 16;

/// A commit to be written.
#[derive(Debug, Clone)]
pub struct NewCommit<'a> {
    /// The root tree.
    pub tree: ObjectId,
    /// The parents, in order.
    pub parents: &'a [ObjectId],
    /// Who made the change, and when.
    pub author: Person,
    /// Who made the commit, and when.
    pub committer: Person,
    /// The whole message; nothing is added to it, not even a line end.
    pub message: &'a str,
}

impl Reader {
    /// Writes a blob.
    pub fn write_blob(&self, content: &[u8]) -> Result<ObjectId, GitError> {
        self.write(Kind::Blob, content).map(ours)
    }

    /// Writes a commit. Fails on names that hold `<`, `>` or a line end, and on a message with a NUL.
    pub fn write_commit(&self, new: &NewCommit<'_>) -> Result<ObjectId, GitError> {
        if new.message.contains('\0') {
            let (text, why) = (new.message.chars().take(80).collect(), "it holds a NUL".to_owned());
            return Err(GitError::Unwritable { what: "commit message", text, why });
        }
        let commit = gix::objs::Commit {
            tree: self.theirs(new.tree)?,
            parents: new.parents.iter().map(|id| self.theirs(*id)).collect::<Result<_, _>>()?,
            author: signature(&new.author)?,
            committer: signature(&new.committer)?,
            encoding: None,
            message: new.message.into(),
            extra_headers: Vec::new(),
        };
        self.write_object(&commit).map(ours)
    }

    /// The root tree with the directory at `path` replaced by `subtree`, or removed. Directories that become empty go
    /// too; an empty `subtree` counts as none. Fails when a file is in the way.
    pub fn replace_subtree(
        &self,
        root_tree: ObjectId,
        path: &PackagePath,
        subtree: Option<ObjectId>,
    ) -> Result<ObjectId, GitError> {
        self.refuse_files_on_the_way(root_tree, path)?;
        let subtree = subtree.filter(|tree| *tree != self.empty_tree());
        let mut editor = self.editor(Some(root_tree))?;
        let segments = path.as_str().split('/').map(BStr::new);
        let edited = match subtree {
            Some(tree) => editor.upsert(segments, EntryKind::Tree, self.theirs(tree)?),
            None => editor.remove(segments),
        };
        edited.map_err(|error| self.failed(format!("put {path} into tree {root_tree}"), &error))?;
        editor.write(|tree| self.write_object(tree)).map(ours)
    }

    /// A tree made of another one (none: the empty tree) by putting files, 100644, at paths and removing others.
    /// Directories that become empty go too.
    pub fn edit_tree(
        &self,
        base: Option<ObjectId>,
        edits: &[(String, Option<ObjectId>)],
    ) -> Result<ObjectId, GitError> {
        let mut editor = self.editor(base)?;
        for (path, blob) in edits {
            if path.split('/').any(|segment| is_forbidden(segment.as_bytes())) {
                let why = "a segment is empty, '.', '..' or '.git'".to_owned();
                return Err(GitError::Unwritable { what: "path", text: path.clone(), why });
            }
            let segments = path.split('/').map(BStr::new);
            let edited = match blob {
                Some(id) => editor.upsert(segments, EntryKind::Blob, self.theirs(*id)?),
                None => editor.remove(segments),
            };
            edited.map_err(|error| self.failed(format!("put {path} into a tree"), &error))?;
        }
        editor.write(|tree| self.write_object(tree)).map(ours)
    }

    fn refuse_files_on_the_way(&self, root_tree: ObjectId, path: &PackagePath) -> Result<(), GitError> {
        let mut tree = root_tree;
        for (at, segment) in path.as_str().split('/').enumerate() {
            match self.entry(tree, segment)? {
                None => return Ok(()),
                Some(entry) if entry.mode.is_none() => tree = entry.id,
                Some(_) => {
                    let path = path.as_str().split('/').take(at + 1).collect::<Vec<_>>().join("/");
                    return Err(GitError::NotADirectory { path, tree: root_tree });
                }
            }
        }
        Ok(())
    }

    fn editor(&self, base: Option<ObjectId>) -> Result<gix::objs::tree::Editor<'_>, GitError> {
        let root = match base.filter(|base| *base != self.empty_tree()) {
            None => gix::objs::Tree::empty(),
            Some(base) => {
                let object = self.tree_object(base)?;
                gix::objs::TreeRef::from_bytes(&object.data, self.gix().object_hash())
                    .map_err(|error| self.damaged(base, &error))?
                    .into_owned()
            }
        };
        Ok(gix::objs::tree::Editor::new(root, &self.gix().objects, self.gix().object_hash()))
    }

    fn write_object(&self, object: &dyn WriteTo) -> Result<gix::ObjectId, GitError> {
        let mut content = Vec::new();
        object.write_to(&mut content).map_err(|error| GitError::Unwritable {
            what: "object",
            text: object.kind().to_string(),
            why: error.to_string(),
        })?;
        self.write(object.kind(), &content)
    }

    /// Writes an object, unless it is there already. One that lies loose is made young again, as git does,
    /// so that `git gc` does not take it before a ref leads to it.
    fn write(&self, kind: Kind, content: &[u8]) -> Result<gix::ObjectId, GitError> {
        let doing = || format!("write a {kind}");
        let hash = self.gix().object_hash();
        let id = gix::objs::compute_hash(hash, kind, content).map_err(|error| self.failed(doing(), &error))?;
        if self.is_quarantined() {
            return self.gix().objects.write_buf(kind, content).map_err(|error| self.failed(doing(), &error));
        }
        let hex = id.to_string();
        let directory = self.path().join("objects").join(&hex[..2]);
        let file = directory.join(&hex[2..]);
        // Asked of the objects themselves: gix takes the empty tree to be everywhere, `git fsck` does not.
        if self.gix().objects.exists(&id) {
            if let Ok(open) = File::open(&file) {
                if let Err(error) = open.set_modified(std::time::SystemTime::now()) {
                    tracing::debug!(file = %file.display(), %error, "cannot make a loose object young again");
                }
                // Whoever wrote it may not have come to sync it.
                self.unsynced().borrow_mut().insert(file);
            }
            return Ok(id);
        }
        // `git gc` takes away a directory that it finds empty, also one that was just made for this: another try makes it
        // anew. A busy machine may stop us for as long as gc takes to come by a second time.
        let write = || self.gix().objects.write_buf(kind, content);
        let written = (1..TRIES).fold(write(), |tried, _| tried.or_else(|_| write()));
        written.map_err(|error| self.failed(doing(), &error))?;
        self.unsynced().borrow_mut().insert(file);
        Ok(id)
    }

    /// Sees to it that every object this view wrote is on disk. `transact` does it before it moves a ref.
    pub(super) fn sync(&self) -> Result<(), GitError> {
        let sync = |path: &Path| {
            match File::open(path).and_then(|open| open.sync_all()) {
                // Packed meanwhile, and synced by git; were it gone, git would refuse to make a ref lead to it.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other.map_err(|error| GitError::io("sync", path, error)),
            }
        };
        let mut files = self.unsynced().borrow_mut();
        let directories: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).chain(directories).collect();
        at_once(&paths, sync)?;
        files.clear();
        Ok(())
    }
}

/// Does something to every path, several at a time: a disk flushes what waits together much faster than one after another.
fn at_once(paths: &[&Path], job: impl Fn(&Path) -> Result<(), GitError> + Sync) -> Result<(), GitError> {
    let share = paths.len().div_ceil(MOST_AT_ONCE).max(1);
    let run = &|share: &[&Path]| share.iter().try_for_each(|path| job(path));
    std::thread::scope(|scope| {
        let mut shares = paths.chunks(share);
        let own = shares.next().unwrap_or_default();
        let mut done = Ok(());
        let mut others = Vec::new();
        for share in shares {
            match std::thread::Builder::new().spawn_scoped(scope, move || run(share)) {
                Ok(other) => others.push(other),
                // No thread is to be had: this one does it.
                Err(_) => done = done.and(run(share)),
            }
        }
        done = done.and(run(own));
        others
            .into_iter()
            .fold(done, |done, other| done.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
    })
}

fn signature(person: &Person) -> Result<gix::actor::Signature, GitError> {
    let bad = |what, text: &str, why: String| GitError::Unwritable { what, text: text.chars().take(80).collect(), why };
    for (what, field) in [("name", &person.name), ("mail address", &person.email)] {
        if field.contains(['<', '>', '\n', '\r', '\0']) {
            return Err(bad(what, field, "it holds '<', '>', a line end or a NUL".to_owned()));
        }
    }
    let time = gix::date::Time { seconds: person.seconds, offset: person.offset_seconds };
    let signature = gix::actor::Signature {
        name: BString::from(person.name.trim()),
        email: BString::from(person.email.trim()),
        time,
    };
    let checked = signature.write_to(&mut std::io::sink());
    checked.map_err(|error| bad("name", &person.name, error.to_string()))?;
    Ok(signature)
}
