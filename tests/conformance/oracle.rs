//! The package revisions of a repository as plain git commands show them, by the rules of Porch's discovery.
//!
//! Never here: anything of Stoop's own code.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{git_command, run};

/// One package revision. Sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) workspace: String,
    pub(crate) revision: i64,
    pub(crate) lifecycle: String,
    pub(crate) latest: bool,
    pub(crate) reference: String,
    pub(crate) commit: String,
    pub(crate) files: usize,
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    run(git_command(repository).args(arguments)).ok().stdout
}

/// The package revisions of a repository registered on `branch` at `/`, sorted.
pub(crate) fn revisions(repository: &Path, name: &str, branch: &str) -> Vec<Revision> {
    let mut all = Vec::new();
    for tag in git(repository, &["for-each-ref", "--format=%(refname:lstrip=2)", "refs/tags"]).lines() {
        let Some((package, segment)) = tag.rsplit_once('/') else { continue };
        let commit = git(repository, &["rev-parse", &format!("refs/tags/{tag}^{{commit}}")]).trim().to_owned();
        let Some(files) = files_of(repository, &commit, package) else { continue };
        let number = segment.strip_prefix('v').unwrap_or(segment).parse::<i64>().ok();
        let workspace = number.and_then(|_| annotated(repository, &commit, package));
        all.push(Revision {
            workspace: workspace.unwrap_or_else(|| number.map_or(segment.to_owned(), |number| format!("v{number}"))),
            revision: number.unwrap_or(-1),
            ..revision(package, &commit, tag, files)
        });
    }
    let head = git(repository, &["rev-parse", &format!("refs/heads/{branch}")]).trim().to_owned();
    for package in top_packages(repository, &head) {
        let files = files_of(repository, &head, &package).expect("it has a Kptfile");
        // The newest commit of the branch's own line that changed the package.
        let log = ["log", "--first-parent", "-m", "-1", "--format=%H", &head, "--", &format!("{package}/")];
        let commit = git(repository, &log).trim().to_owned();
        all.push(Revision { workspace: branch.to_owned(), ..revision(&package, &commit, branch, files) });
    }
    let mut highest: BTreeMap<String, i64> = BTreeMap::new();
    for revision in all.iter().filter(|revision| revision.revision > 0) {
        let slot = highest.entry(revision.package.clone()).or_default();
        *slot = (*slot).max(revision.revision);
    }
    for revision in &mut all {
        revision.name = format!("{name}.{}.{}", revision.package.replace('/', "."), revision.workspace);
        revision.latest = highest.get(&revision.package) == Some(&revision.revision);
    }
    all.sort();
    all
}

fn revision(package: &str, commit: &str, reference: &str, files: usize) -> Revision {
    Revision {
        name: String::new(),
        package: package.to_owned(),
        workspace: String::new(),
        revision: -1,
        lifecycle: "Published".to_owned(),
        latest: false,
        reference: reference.to_owned(),
        commit: commit.to_owned(),
        files,
    }
}

/// How many regular files a directory has, if it is a package.
fn files_of(repository: &Path, commit: &str, package: &str) -> Option<usize> {
    let tree = run(git_command(repository).args(["ls-tree", "-r", &format!("{commit}:{package}")]));
    if tree.code != 0 || !tree.stdout.lines().any(|line| line.starts_with("100") && line.ends_with("\tKptfile")) {
        return None;
    }
    Some(tree.stdout.lines().filter(|line| line.starts_with("100")).count())
}

/// The workspace that the commit's own annotation gives a package.
fn annotated(repository: &Path, commit: &str, package: &str) -> Option<String> {
    let message = git(repository, &["log", "-1", "--format=%B", commit]);
    let annotations = message.lines().filter_map(|line| line.trim().strip_prefix("kpt:"));
    let mut values = annotations.filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    values.find(|value| value["package"] == package)?["workspaceName"].as_str().map(str::to_owned)
}

/// Directories with a Kptfile and none above it.
fn top_packages(repository: &Path, commit: &str) -> Vec<String> {
    let tree = git(repository, &["ls-tree", "-r", commit]);
    let files = tree.lines().filter(|line| line.starts_with("100")).filter_map(|line| line.split_once('\t'));
    let mut packages: Vec<&str> = files.filter_map(|(_, path)| path.strip_suffix("/Kptfile")).collect();
    packages.sort_by_key(|package| package.len());
    let mut top: Vec<String> = Vec::new();
    for package in packages {
        if !top.iter().any(|above| package.starts_with(&format!("{above}/"))) {
            top.push(package.to_owned());
        }
    }
    top
}

/// Packages on the branch, each with the highest number that it was ever published with (0 for none). Left out are those
/// that lie around or inside a package that older tags still hold: nothing new may be published there.
pub(crate) fn packages(revisions: &[Revision]) -> Vec<(String, i64)> {
    let nested = |package: &str| {
        revisions.iter().any(|other| {
            other.package.starts_with(&format!("{package}/")) || package.starts_with(&format!("{}/", other.package))
        })
    };
    let highest = |package: &str| {
        let same = revisions.iter().filter(|revision| revision.package == package);
        same.map(|revision| revision.revision.max(0)).max().unwrap_or(0)
    };
    let on_branch = revisions.iter().filter(|revision| revision.reference == revision.workspace);
    let free = on_branch.filter(|revision| !nested(&revision.package));
    free.map(|revision| (revision.package.clone(), highest(&revision.package))).collect()
}
