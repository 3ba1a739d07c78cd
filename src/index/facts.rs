//! Facts about one package in one commit, read from Git once and cached by object id.
//!
//! Never here: refs, lifecycle and the ledger; a fact depends on nothing that can move.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use crate::domain::annotation::{self, Annotation};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::package::Publication;
use crate::git::{Commit, GitError, LARGEST_KPTFILE, Reader};
use crate::krm::kptfile::{self, Kptfile};

/// How a revision's workspace and tasks are found in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A draft or proposal: what is not on the registered branch belongs to it. Carries the branch's commit.
    Draft(Option<ObjectId>),
    /// A tag with a number.
    Tag,
    /// A tag without a number: its last segment is the workspace.
    NamedTag,
}

/// What a package in a commit is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredFacts", into = "StoredFacts")]
pub struct Facts {
    /// The package's tree.
    pub tree: ObjectId,
    /// The workspace: as asked, or for a numbered tag the one its commit's annotation names.
    pub workspace: Workspace,
    /// The Kptfile's summary; empty when it cannot be read.
    pub kptfile: Arc<Kptfile>,
    /// None or one task.
    pub tasks: Arc<Vec<serde_json::Value>>,
    /// The commit's author and time.
    pub publication: Publication,
    /// The commit's committer time in seconds since 1970.
    pub seconds: i64,
}

/// The form in which the cache keeps facts.
#[derive(Serialize, Deserialize)]
struct StoredFacts {
    tree: ObjectId,
    workspace: Workspace,
    kptfile: Kptfile,
    tasks: Vec<serde_json::Value>,
    publication: Publication,
    seconds: i64,
}

impl From<StoredFacts> for Facts {
    fn from(stored: StoredFacts) -> Self {
        let StoredFacts { tree, workspace, kptfile, tasks, publication, seconds } = stored;
        Self { tree, workspace, kptfile: Arc::new(kptfile), tasks: Arc::new(tasks), publication, seconds }
    }
}

impl From<Facts> for StoredFacts {
    fn from(facts: Facts) -> Self {
        let Facts { tree, workspace, kptfile, tasks, publication, seconds } = facts;
        Self { tree, workspace, kptfile: (*kptfile).clone(), tasks: (*tasks).clone(), publication, seconds }
    }
}

/// Reads facts, from the cache or from Git.
#[derive(Debug, Default)]
pub struct FactStore {
    annotated: AnnotatedHistory,
}

impl FactStore {
    /// The facts of the package at `package` in `commit`; `None` when there is no package.
    pub fn facts(
        &mut self,
        reader: &Reader,
        cache: &Cache,
        commit: ObjectId,
        package: &PackagePath,
        segment: &Workspace,
        origin: Origin,
    ) -> Result<Option<Facts>, GitError> {
        let key = format!("facts/{commit}/{package}/{segment}/{}", u8::from(matches!(origin, Origin::Draft(_))));
        if let Some(cached) = cache.get(&key) {
            return Ok(cached);
        }
        let read = self.read(reader, commit, package, segment, origin)?;
        cache.put(&key, &read);
        Ok(read)
    }

    fn read(
        &mut self,
        reader: &Reader,
        id: ObjectId,
        package: &PackagePath,
        segment: &Workspace,
        origin: Origin,
    ) -> Result<Option<Facts>, GitError> {
        let commit = reader.commit(id)?;
        let Some(tree) = reader.subtree(commit.tree, package)? else { return Ok(None) };
        let Some(kptfile) = reader.kptfile_id(tree)? else { return Ok(None) };
        let own = annotation::read(&commit.message);
        let named = own.iter().find(|line| line.package == package.as_str() && !line.workspace_name.is_empty());
        let workspace = match (origin, named) {
            (Origin::Tag, Some(line)) => Workspace::parse(&line.workspace_name).unwrap_or_else(|_| segment.clone()),
            _ => segment.clone(),
        };
        let task = self.task(reader, &commit, package, &workspace, origin, named.is_some())?;
        Ok(Some(Facts {
            tree,
            workspace,
            kptfile: read_kptfile(reader, kptfile)?,
            tasks: Arc::new(task.into_iter().collect()),
            publication: publication(&commit),
            seconds: commit.committer.seconds,
        }))
    }

    /// The task recorded for a workspace. What a draft or an approval brought in is searched first and is enough; only
    /// tags from before annotations on approvals need the whole history.
    fn task(
        &mut self,
        reader: &Reader,
        commit: &Commit,
        package: &PackagePath,
        workspace: &Workspace,
        origin: Origin,
        annotated: bool,
    ) -> Result<Option<serde_json::Value>, GitError> {
        let hidden = match origin {
            Origin::Draft(branch) => branch,
            Origin::Tag if annotated && commit.parents.len() > 1 => commit.parents.first().copied(),
            Origin::Tag | Origin::NamedTag => return self.annotated.task(reader, commit.id, package, workspace),
        };
        let hidden: Vec<ObjectId> = hidden.into_iter().collect();
        let mut own = match reader.commits_not_in(commit.id, &hidden, 10_000) {
            Ok(own) => own,
            Err(GitError::TooMany { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        own.sort_by_key(|commit| std::cmp::Reverse(commit.committer.seconds));
        let lines: Vec<Annotation> = own.iter().flat_map(|commit| annotation::read(&commit.message)).collect();
        Ok(annotation::pick_task(lines.iter().filter(|line| line.names(package, workspace))))
    }
}

/// The summary of a package tree's Kptfile, from the cache or from Git.
pub fn kptfile(reader: &Reader, cache: &Cache, tree: ObjectId) -> Result<Arc<Kptfile>, GitError> {
    let key = format!("kptfile/{tree}");
    if let Some(cached) = cache.get::<Kptfile>(&key) {
        return Ok(Arc::new(cached));
    }
    let kptfile = reader.kptfile_id(tree)?.map(|id| read_kptfile(reader, id)).transpose()?.unwrap_or_default();
    cache.put(&key, &*kptfile);
    Ok(kptfile)
}

/// The summary of the Kptfile that is this blob; an empty one where it is too large or makes no sense.
fn read_kptfile(reader: &Reader, blob: ObjectId) -> Result<Arc<Kptfile>, GitError> {
    let bytes = match reader.blob(blob, LARGEST_KPTFILE) {
        Err(GitError::TooLarge { .. }) => None,
        other => Some(other?),
    };
    let read = bytes.and_then(|bytes| kptfile::read(&bytes).ok()).map(|reading| reading.kptfile);
    Ok(Arc::new(read.unwrap_or_default()))
}

/// Who made a commit and when, as the API shows it for published revisions.
pub fn publication(commit: &Commit) -> Publication {
    Publication { by: commit.author.email.clone(), seconds: commit.author.seconds }
}

/// Every annotated commit that was walked so far, by package; built only when an old tag needs it.
#[derive(Debug, Default)]
struct AnnotatedHistory {
    seen: HashSet<ObjectId>,
    lines: HashMap<String, Vec<(i64, ObjectId, Annotation)>>,
}

impl AnnotatedHistory {
    fn walk(&mut self, reader: &Reader, tip: ObjectId) -> Result<(), GitError> {
        let mut queue = vec![tip];
        while let Some(id) = queue.pop() {
            if !self.seen.insert(id) {
                continue;
            }
            let commit = match reader.commit(id) {
                Ok(commit) => commit,
                Err(error) => {
                    // A shallow or damaged history ends here; what is known so far still counts.
                    tracing::debug!(commit = %id, %error, "history ends early");
                    continue;
                }
            };
            for line in annotation::read(&commit.message) {
                let of_package = self.lines.entry(line.package.clone()).or_default();
                of_package.push((commit.committer.seconds, id, line));
            }
            queue.extend(commit.parents);
        }
        Ok(())
    }

    fn task(
        &mut self,
        reader: &Reader,
        tip: ObjectId,
        package: &PackagePath,
        workspace: &Workspace,
    ) -> Result<Option<serde_json::Value>, GitError> {
        self.walk(reader, tip)?;
        let Some(of_package) = self.lines.get(package.as_str()) else { return Ok(None) };
        let mut candidates: Vec<&(i64, ObjectId, Annotation)> =
            of_package.iter().filter(|(_, _, line)| line.names(package, workspace)).collect();
        candidates.sort_by_key(|(seconds, _, _)| std::cmp::Reverse(*seconds));
        let mut reachable = Vec::new();
        for (_, id, line) in candidates {
            if reader.is_ancestor(*id, tip)? {
                reachable.push(line);
            }
        }
        Ok(annotation::pick_task(reachable.into_iter()))
    }
}
