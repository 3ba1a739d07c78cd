//! Collects the evidence on which the rules judge a draft or a proposal: from Git, read only.
//!
//! Never here: judging (see `domain::evidence`).

use std::collections::HashSet;

use crate::domain::annotation;
use crate::domain::evidence::{CommitEvidence, ContentEvidence, Evidence, Limits};
use crate::domain::names::{PackagePath, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::refs::{RefName, Registration};
use crate::git::{Commit, GitError, Mode, Reader, name_conflict};
use crate::index::assemble::overlapping;
use crate::index::guarded::View;
use crate::krm::kptfile;

/// YAML files larger than this are not parsed for a warning, in bytes.
const YAML_LIMIT: u64 = 1 << 20;

/// So many bytes of YAML of one package are parsed for warnings; one small blob can stand at thousands of paths.
const YAML_TOTAL: u64 = 16 << 20;

/// Collects what is known of `commit` as a draft or proposal of `package` and `workspace`.
pub fn collect(
    reader: &Reader,
    view: &View,
    registration: &Registration,
    (package, workspace): (&PackagePath, &Workspace),
    commit: ObjectId,
    limits: &Limits,
) -> Result<Evidence, GitError> {
    let head = view.head;
    let found = reader.commit(commit)?;
    let own = own(reader, head, commit, limits)?;
    let base = match head {
        Some(head) => reader.merge_base_of(head, commit, own.as_deref().unwrap_or_default())?,
        None => None,
    };
    let base_root = base.map(|base| reader.commit(base)).transpose()?.map(|base| base.tree);
    let branch_root = head.map(|head| reader.commit(head)).transpose()?.map(|head| head.tree);
    let subtree = |root: Option<ObjectId>| match root {
        Some(root) => reader.subtree(root, package),
        None => Ok(None),
    };
    let tree = reader.subtree(found.tree, package)?;
    let kptfile = match tree {
        None => None,
        Some(tree) => match reader.kptfile(tree) {
            Err(GitError::TooLarge { size, limit, .. }) => {
                Some(Err(kptfile::KptfileError::NotYaml(format!("it has {size} bytes, more than the {limit} allowed"))))
            }
            other => other?.map(|bytes| kptfile::read(&bytes)),
        },
    };
    Ok(Evidence {
        package: package.clone(),
        workspace: workspace.clone(),
        commit,
        branch: registration.branch_name().to_owned(),
        outside: reader.first_change_outside(package, base_root, found.tree)?,
        commits: own.map(|own| commits(reader, package, &own)).transpose()?,
        base_tree: subtree(base_root)?,
        branch_tree: subtree(branch_root)?,
        tree,
        kptfile,
        content: tree.map(|tree| content(reader, tree, limits)).transpose()?.unwrap_or_default(),
        overlaps: overlapping(&view.objects, package).cloned(),
        ref_conflict: ref_conflict(view, package, workspace),
    })
}

/// The commits that the branch does not have; `None` when there are too many.
fn own(
    reader: &Reader,
    head: Option<ObjectId>,
    tip: ObjectId,
    limits: &Limits,
) -> Result<Option<Vec<Commit>>, GitError> {
    match reader.commits_not_in(tip, head.as_slice(), limits.commits) {
        Ok(own) => Ok(Some(own)),
        Err(GitError::TooMany { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn commits(reader: &Reader, package: &PackagePath, own: &[Commit]) -> Result<Vec<CommitEvidence>, GitError> {
    let ids: HashSet<ObjectId> = own.iter().map(|commit| commit.id).collect();
    let mut evidence = Vec::with_capacity(own.len());
    for commit in own {
        let parent = judged_parent(commit, &ids).map(|parent| reader.commit(parent)).transpose()?;
        evidence.push(CommitEvidence {
            id: commit.id,
            outside: reader.first_change_outside(package, parent.map(|parent| parent.tree), commit.tree)?,
            annotations: annotation::read(&commit.message),
            unreadable_annotation: annotation::has_unreadable(&commit.message),
        });
    }
    Ok(evidence)
}

/// The parent against which a commit is judged: for a merge of the branch the parent on the branch, else the first. A parent
/// that is none of the draft's `own` commits is on the branch; so no history is walked for each of thousands of merges.
fn judged_parent(commit: &Commit, own: &HashSet<ObjectId>) -> Option<ObjectId> {
    commit.parents.iter().find(|parent| !own.contains(parent)).or(commit.parents.first()).copied()
}

fn content(reader: &Reader, tree: ObjectId, limits: &Limits) -> Result<ContentEvidence, GitError> {
    let mut evidence = ContentEvidence::default();
    let counted = reader.file_count(tree).and_then(|files| {
        evidence.files = files;
        if files > limits.files {
            return Ok(Vec::new());
        }
        reader.changed_paths(None, Some(tree), limits.files)
    });
    match counted {
        Err(GitError::Damaged { why, .. }) => evidence.damaged = Some(why),
        Err(GitError::TooMany { what, limit, .. }) => evidence.too_many = Some((limit, what)),
        other => {
            other?;
        }
    }
    if evidence.files > limits.files || evidence.damaged.is_some() || evidence.too_many.is_some() {
        return Ok(evidence);
    }
    let mut parsed = 0;
    for file in reader.files(tree)? {
        if file.path.len() > 1024 || !file.exact {
            evidence.bad_path.get_or_insert_with(|| file.path.clone());
        }
        match file.mode {
            Mode::Submodule => {
                evidence.submodule.get_or_insert(file.path);
                continue;
            }
            Mode::Symlink => {
                let target = reader.blob(file.id, 4096).unwrap_or_default();
                if leads_out(&file.path, &String::from_utf8_lossy(&target)) {
                    evidence.escaping_link.get_or_insert(file.path);
                }
                continue;
            }
            Mode::Regular | Mode::Executable => {}
        }
        let size = reader.blob_size(file.id)?;
        if evidence.largest.as_ref().is_none_or(|(_, largest)| size > *largest) {
            evidence.largest = Some((file.path.clone(), size));
        }
        let yaml = file.path.ends_with(".yaml") || file.path.ends_with(".yml");
        if yaml && size <= YAML_LIMIT && parsed + size <= YAML_TOTAL && evidence.unparsable_yaml.len() < 10 {
            parsed += size;
            let bytes = reader.blob(file.id, YAML_LIMIT)?;
            if !kptfile::is_yaml(&bytes) {
                evidence.unparsable_yaml.push(file.path);
            }
        }
    }
    Ok(evidence)
}

/// Whether a link at `path`, inside a package, leads out of the package. An empty or over-long target counts as out, and
/// so does one that climbs after a name: the name may be another link, and the climb begin elsewhere.
fn leads_out(path: &str, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') {
        return true;
    }
    let mut depth = path.matches('/').count();
    let mut named = false;
    for segment in target.split('/') {
        match segment {
            ".." if named || depth == 0 => return true,
            ".." => depth -= 1,
            "" | "." => {}
            _ => named = true,
        }
    }
    false
}

/// A ref that the revision will need and an existing one that stands in its way.
fn ref_conflict(view: &View, package: &PackagePath, workspace: &Workspace) -> Option<(RefName, RefName)> {
    let needed = [
        RefName::draft(package, workspace),
        RefName::proposed(package, workspace),
        RefName::tag(package, "v1"),
        RefName::deletion_proposed(package, "v1"),
    ];
    needed.into_iter().find_map(|needed| name_conflict(&view.snapshot, &needed).map(|existing| (needed, existing)))
}

#[cfg(test)]
mod tests {
    use super::leads_out;

    #[test]
    fn links_may_stay_inside_and_no_more() {
        for (path, target, out) in [
            ("a", "b", false),
            ("d/a", "../b", false),
            ("a", "../b", true),
            ("d/a", "../../b", true),
            ("d/a", "x/../../../b", true),
            ("a", "/etc/passwd", true),
            ("a", "", true),
            ("d/a", "./x/./y", false),
            ("d/a", "x/../y", true),
            ("d/a", ".././x/y", false),
        ] {
            assert_eq!(leads_out(path, target), out, "{path} -> {target}");
        }
    }
}
