//! The ledger on disk: `refs/stoop/ledger`, a chain of commits whose tree holds one small file for each entry.
//!
//! An entry's key is 64 hexadecimal digits, its file `ab/<the other 62>`. Beside the entries lie push certificates and the
//! keys that signed them.
//! Never here: what an entry says (`domain::ledger`), and deciding to write one.

use super::commit::Person;
use super::error::GitError;
use super::reader::Reader;
use super::trees::{Entry, Mode};
use super::write::NewCommit;
use crate::domain::oid::ObjectId;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::RefName;

/// The largest entry that is read or written, in bytes.
const LARGEST_ENTRY: u64 = 1 << 20;

/// Directories beside the entries: push certificates, and the keys that signed them, each file named by its own blob's id.
const CERTIFICATES: &str = "certificates";
const SIGNERS: &str = "signers";

/// The file beside the entries that names the refs older than the ledger, and how large it may be, in bytes.
pub const BEFORE: &str = "before";
const LARGEST_BEFORE: u64 = 64 << 20;

/// Reads and writes the ledger of a repository.
#[derive(Debug, Clone, Copy)]
pub struct LedgerStore;

impl LedgerStore {
    /// The newest commit of the ledger; `None` before the first.
    pub fn head(reader: &Reader) -> Result<Option<ObjectId>, GitError> {
        reader.ref_target(&RefName::ledger())
    }

    /// All entries as they are now, sorted by key; none before the first commit.
    pub fn read_all(reader: &Reader) -> Result<Vec<(String, Vec<u8>)>, GitError> {
        Self::head(reader)?.map_or(Ok(Vec::new()), |head| Self::read_at(reader, head))
    }

    /// All entries at one commit of the ledger, sorted by key. Files that are not named like an entry are logged and
    /// left out.
    pub fn read_at(reader: &Reader, commit: ObjectId) -> Result<Vec<(String, Vec<u8>)>, GitError> {
        let mut entries = Vec::new();
        for Entry { name: first, mode, id } in reader.entries(reader.commit(commit)?.tree)? {
            let below = if mode.is_none() && is_hex(&first, 2) { reader.entries(id)? } else { Vec::new() };
            let beside = [CERTIFICATES, SIGNERS, BEFORE].iter().any(|name| first == name.as_bytes());
            if below.is_empty() && !beside {
                Self::warn(reader, &first);
            }
            for Entry { name: rest, mode, id } in below {
                let key = [first.as_slice(), &rest].concat();
                match String::from_utf8(key) {
                    Ok(key) if mode == Some(Mode::Regular) && is_hex(&rest, 62) => {
                        entries.push((key, reader.blob(id, LARGEST_ENTRY)?));
                    }
                    _ => Self::warn(reader, &rest),
                }
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Where the ledger keeps a push certificate, as a key of [`LedgerStore::prepare`].
    pub fn certificate_path(blob: ObjectId) -> String {
        beside(CERTIFICATES, blob)
    }

    /// Where the ledger keeps a key that signed.
    pub fn signer_path(blob: ObjectId) -> String {
        beside(SIGNERS, blob)
    }

    /// Whether the ledger keeps a push certificate at one commit.
    pub fn keeps_certificate(reader: &Reader, commit: ObjectId, blob: ObjectId) -> Result<bool, GitError> {
        Self::keeps(reader, commit, &Self::certificate_path(blob), blob)
    }

    /// Whether the ledger keeps a key at one commit.
    pub fn keeps_signer(reader: &Reader, commit: ObjectId, blob: ObjectId) -> Result<bool, GitError> {
        Self::keeps(reader, commit, &Self::signer_path(blob), blob)
    }

    fn keeps(reader: &Reader, commit: ObjectId, path: &str, blob: ObjectId) -> Result<bool, GitError> {
        Ok(Self::file(reader, commit, path)? == Some(blob))
    }

    /// The file at a path of the ledger's tree at one commit.
    pub fn file(reader: &Reader, commit: ObjectId, path: &str) -> Result<Option<ObjectId>, GitError> {
        let mut at = reader.commit(commit)?.tree;
        for segment in path.split('/') {
            let Some(entry) = reader.entry(at, segment)? else { return Ok(None) };
            at = entry.id;
        }
        Ok(Some(at))
    }

    /// What an entry's file says.
    pub fn entry(reader: &Reader, file: ObjectId) -> Result<Vec<u8>, GitError> {
        reader.blob(file, LARGEST_ENTRY)
    }

    /// Whether a path is that of an entry.
    pub fn is_entry(path: &str) -> bool {
        path.split_once('/').is_some_and(|(first, rest)| is_hex(first.as_bytes(), 2) && is_hex(rest.as_bytes(), 62))
    }

    /// Whether a path is that of a certificate or a key beside the entries.
    pub fn is_beside(path: &str) -> bool {
        is_beside(path)
    }

    /// The file [`BEFORE`] at one commit of the ledger, if there is one.
    pub fn before(reader: &Reader, commit: ObjectId) -> Result<Option<Vec<u8>>, GitError> {
        let file = reader.entry(reader.commit(commit)?.tree, BEFORE)?.filter(|file| file.mode == Some(Mode::Regular));
        file.map(|file| reader.blob(file.id, LARGEST_BEFORE)).transpose()
    }

    /// Writes the commit that makes `edits` (`None` removes an entry) after `parent`, and returns it with the edit that
    /// moves the ledger to it, to go into a transaction with others.
    pub fn prepare(
        reader: &Reader,
        parent: Option<ObjectId>,
        edits: &[(String, Option<Vec<u8>>)],
        message: &str,
        author: Person,
    ) -> Result<(ObjectId, RefEdit), GitError> {
        let base = parent.map(|parent| reader.commit(parent)).transpose()?.map(|commit| commit.tree);
        let mut files = Vec::with_capacity(edits.len());
        for (key, content) in edits {
            let is_beside = key == BEFORE || is_beside(key);
            let largest = if key == BEFORE { LARGEST_BEFORE } else { LARGEST_ENTRY };
            if !is_beside && !is_hex(key.as_bytes(), 64) {
                let why = "a key has 64 hexadecimal digits in lower case".to_owned();
                return Err(GitError::Unwritable { what: "ledger key", text: key.clone(), why });
            }
            if content.as_ref().is_some_and(|content| content.len() as u64 > largest) {
                let why = format!("its entry has more than {largest} bytes");
                return Err(GitError::Unwritable { what: "ledger key", text: key.clone(), why });
            }
            let blob = content.as_ref().map(|content| reader.write_blob(content)).transpose()?;
            let path = if is_beside { key.clone() } else { format!("{}/{}", &key[..2], &key[2..]) };
            files.push((path, blob));
        }
        let tree = reader.edit_tree(base, &files)?;
        let parents: Vec<ObjectId> = parent.into_iter().collect();
        let commit = NewCommit { tree, parents: &parents, committer: author.clone(), author, message };
        let commit = reader.write_commit(&commit)?;
        let edit = match parent {
            Some(parent) => RefEdit::update(RefName::ledger(), parent, commit),
            None => RefEdit::create(RefName::ledger(), commit),
        };
        Ok((commit, edit))
    }

    fn warn(reader: &Reader, name: &[u8]) {
        let (repository, name) = (reader.path().display(), String::from_utf8_lossy(name));
        tracing::warn!(%repository, %name, "something in the ledger is not named like an entry and is left out");
    }
}

fn beside(directory: &str, blob: ObjectId) -> String {
    let id = blob.to_string();
    format!("{directory}/{}/{}", &id[..2], &id[2..])
}

fn is_beside(key: &str) -> bool {
    let mut parts = key.split('/');
    let directory = parts.next().is_some_and(|first| [CERTIFICATES, SIGNERS].contains(&first));
    let hex = |part: Option<&str>, lengths: &[usize]| {
        part.is_some_and(|part| lengths.iter().any(|length| is_hex(part.as_bytes(), *length)))
    };
    directory && hex(parts.next(), &[2]) && hex(parts.next(), &[38, 62]) && parts.next().is_none()
}

fn is_hex(text: &[u8], length: usize) -> bool {
    text.len() == length && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
