//! Lists the refs on disk the way git reads them: loose refs first, `packed-refs` after them.
//!
//! The order matters. `git pack-refs` writes `packed-refs` before it removes the loose files, so a reader that looks at
//! the packed file first can miss a ref that was never gone.
//!
//! What was read is kept, and read again only where the disk shows a change. Git replaces `packed-refs` by another file:
//! the one that was read stays open, so that no other can have its inode. Git makes, moves and removes loose refs by
//! renaming, which shows in the time of their directory; one that changed within the last moments is always read again,
//! since that time is coarse. A file that is written in place, as git never does, shows in neither: [`RefFiles::forget`]
//! is for those who heard of one, and for every rescan.
//! Never here: what a ref means (`domain::refs`) and moving refs (`ref_transaction`).

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gix::bstr::ByteSlice;

use super::error::{GitError, text};
use super::reader::{Reader, ours};
use super::refs::{Content, Loose, RefSnapshot, RefValue, SYMBOLIC_DEPTH, packed, read_loose};
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;

/// A directory whose time is younger than this may change again without showing it: a few ticks of the kernel's clock,
/// and on file systems that know whole seconds only, more than one.
const SETTLED: Duration = Duration::from_millis(50);
const SETTLED_COARSE: Duration = Duration::from_secs(3);

/// The refs of one repository as they were last read.
#[derive(Debug, Default)]
pub(super) struct RefFiles {
    packed: Option<Packed>,
    directories: HashMap<String, Directory>,
    snapshot: Option<RefSnapshot>,
}

#[derive(Debug)]
struct Packed {
    /// Held open, so that no later file gets its inode.
    _file: File,
    stamp: Stamp,
    values: Arc<[RefValue]>,
}

/// One directory below `refs/`.
#[derive(Debug, PartialEq, Eq)]
struct Directory {
    /// Its modification time when it was read; `None` when that was too young to tell.
    modified: Option<SystemTime>,
    files: Vec<LooseFile>,
    directories: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LooseFile {
    name: RefName,
    leads: Leads,
}

/// Where a loose ref leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leads {
    To(RefValue),
    Symbolic(RefName),
    Nowhere,
}

impl RefFiles {
    /// Forgets what was read, so that the next reading reads everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// All refs, peeled. A ref that is broken, dangling or unusually named is left out and logged once.
    pub(super) fn read(&mut self, reader: &Reader) -> Result<RefSnapshot, GitError> {
        let loose_same = self.read_directories(reader)?;
        let packed_same = self.read_packed(reader)?;
        if let Some(snapshot) = self.snapshot.as_ref().filter(|_| loose_same && packed_same) {
            return Ok(snapshot.clone());
        }
        let packed = self.packed.as_ref().map(|packed| packed.values.clone()).unwrap_or_default();
        let snapshot = RefSnapshot::new(packed.clone(), self.loose(reader, &packed));
        self.snapshot = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// Reads the directories that changed; says whether all are as they were.
    fn read_directories(&mut self, reader: &Reader) -> Result<bool, GitError> {
        let mut before = std::mem::take(&mut self.directories);
        let mut same = true;
        let mut open = vec!["refs".to_owned()];
        while let Some(name) = open.pop() {
            let path = reader.path().join(&name);
            let now = SystemTime::now();
            let modified = match std::fs::metadata(&path).and_then(|metadata| metadata.modified()) {
                Ok(modified) => modified,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && name != "refs" => continue,
                Err(error) => return Err(GitError::io("list refs in", &path, error)),
            };
            let known = before.remove(&name);
            let directory = match known.filter(|known| known.modified == Some(modified)) {
                Some(known) => known,
                None => {
                    let settled = is_settled(modified, now);
                    let Some(read) = self.directory(reader, &name)? else { continue };
                    same = false;
                    Directory { modified: settled.then_some(modified), ..read }
                }
            };
            open.extend(directory.directories.iter().cloned());
            self.directories.insert(name, directory);
        }
        Ok(same && before.is_empty())
    }

    /// Reads one directory; `None` when it is gone. Links are not followed; a file that vanishes meanwhile is packed or
    /// deleted.
    fn directory(&self, reader: &Reader, directory: &str) -> Result<Option<Directory>, GitError> {
        let repository = reader.path();
        let path = repository.join(directory);
        let mut read = Directory { modified: None, files: Vec::new(), directories: Vec::new() };
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && directory != "refs" => return Ok(None),
            Err(error) => return Err(GitError::io("list refs in", &path, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| GitError::io("list refs in", &path, error))?;
            let Ok(kind) = entry.file_type() else { continue };
            let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                read.directories.push(name);
            } else if !name.ends_with(".lock") {
                let Ok(parsed) = RefName::parse(&name) else {
                    tracing::warn!(repository = %repository.display(), name, "a ref with an unusable name is left out");
                    continue;
                };
                if let Some(content) = read_loose(repository, &name, reader.zero_id())? {
                    let leads = self.leads(reader, &parsed, content);
                    read.files.push(LooseFile { name: parsed, leads });
                }
            }
        }
        Ok(Some(read))
    }

    fn leads(&self, reader: &Reader, name: &RefName, content: Content) -> Leads {
        match content {
            Content::Symbolic(to) => Leads::Symbolic(to),
            Content::Object(target) => match self.peel(reader, name, target) {
                Some(commit) => Leads::To(RefValue { name: name.clone(), target, commit }),
                None => Leads::Nowhere,
            },
            Content::Broken => {
                tracing::warn!(repository = %reader.path().display(), %name, "a broken ref is left out");
                Leads::Nowhere
            }
        }
    }

    /// The commit that a ref's object leads to, and whether it leads to one; `None` when the object cannot be read. What
    /// has not moved since it was last read is not looked up again.
    fn peel(&self, reader: &Reader, name: &RefName, target: ObjectId) -> Option<Option<ObjectId>> {
        let known = self.snapshot.as_ref().and_then(|snapshot| snapshot.get(name));
        if let Some(known) = known.filter(|known| known.target == target && known.commit.is_some()) {
            return Some(known.commit);
        }
        match reader.peel_to_commit(target) {
            Ok(commit) => Some(commit),
            Err(error) => {
                let repository = reader.path().display();
                tracing::warn!(%repository, %name, %error, "a ref to a missing or damaged object is left out");
                None
            }
        }
    }

    /// Reads `packed-refs` if it is another file than before; says whether it is the same.
    fn read_packed(&mut self, reader: &Reader) -> Result<bool, GitError> {
        let path = reader.path().join("packed-refs");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.packed.take().is_none()),
            Err(error) => return Err(GitError::io("read", &path, error)),
        };
        let stamp = stamp(&file.metadata().map_err(|error| GitError::io("read", &path, error))?);
        if self.packed.as_ref().is_some_and(|known| known.stamp == stamp) {
            return Ok(true);
        }
        let repository = reader.path().display();
        let mut values = Vec::new();
        let buffer = packed(reader)?;
        if let Some(buffer) = &buffer {
            for entry in buffer.iter().map_err(|error| reader.failed("read packed-refs", &error))? {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        tracing::warn!(%repository, error = text(&error), "a line of packed-refs cannot be read and is left out");
                        continue;
                    }
                };
                let Ok(Ok(name)) = entry.name.as_bstr().to_str().map(RefName::parse) else {
                    tracing::warn!(%repository, name = %entry.name.as_bstr(), "a ref with an unusable name is left out");
                    continue;
                };
                let target = ours(entry.target());
                if let Some(commit) = self.peel(reader, &name, target) {
                    values.push(RefValue { name, target, commit });
                }
            }
        }
        values.sort_by(|a, b| a.name.cmp(&b.name));
        values.dedup_by(|a, b| a.name == b.name);
        self.packed = Some(Packed { _file: file, stamp, values: values.into() });
        Ok(false)
    }

    /// The loose refs, symbolic ones followed.
    fn loose(&self, reader: &Reader, packed: &[RefValue]) -> Arc<[Loose]> {
        let files = || self.directories.values().flat_map(|directory| &directory.files);
        let mut symbolic: HashMap<&RefName, &Leads> = HashMap::new();
        if files().any(|file| matches!(file.leads, Leads::Symbolic(_))) {
            symbolic = files().map(|file| (&file.name, &file.leads)).collect();
        }
        let mut loose: Vec<Loose> = files()
            .map(|file| {
                let value = match &file.leads {
                    Leads::To(value) => Some(value.clone()),
                    Leads::Nowhere => None,
                    Leads::Symbolic(to) => {
                        let end = follow(to, &symbolic, packed);
                        if end.is_none() {
                            let repository = reader.path().display();
                            tracing::debug!(%repository, name = %file.name, "a dangling ref is left out");
                        }
                        end.map(|end| RefValue { name: file.name.clone(), target: end.target, commit: end.commit })
                    }
                };
                Loose { name: file.name.clone(), value }
            })
            .collect();
        loose.sort_by(|a, b| a.name.cmp(&b.name));
        loose.into()
    }
}

fn is_settled(modified: SystemTime, now: SystemTime) -> bool {
    let since_1970 = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wanted = if since_1970.subsec_nanos() == 0 { SETTLED_COARSE } else { SETTLED };
    now.duration_since(modified).is_ok_and(|age| age >= wanted)
}

fn follow<'r>(
    name: &'r RefName,
    loose: &HashMap<&'r RefName, &'r Leads>,
    packed: &'r [RefValue],
) -> Option<&'r RefValue> {
    let mut name = name;
    for _ in 0..SYMBOLIC_DEPTH {
        match loose.get(name) {
            Some(Leads::To(value)) => return Some(value),
            Some(Leads::Symbolic(next)) => name = next,
            Some(Leads::Nowhere) => return None,
            None => return packed.binary_search_by(|value| value.name.cmp(name)).ok().map(|at| &packed[at]),
        }
    }
    None
}

/// Device, inode, size, and the times of the content and of the inode.
pub(super) type Stamp = [i64; 7];

/// The file `packed-refs` as it is now, if there is one. As long as it is held open, no other file has its stamp.
pub(super) fn packed_refs(repository: &Path) -> Option<(File, Stamp)> {
    let file = File::open(repository.join("packed-refs")).ok()?;
    let stamp = stamp(&file.metadata().ok()?);
    Some((file, stamp))
}

/// What tells one file from another, and a file from itself after it was written to.
fn stamp(metadata: &Metadata) -> Stamp {
    let unsigned = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
    [
        unsigned(metadata.dev()),
        unsigned(metadata.ino()),
        unsigned(metadata.size()),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}
