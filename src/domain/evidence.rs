//! The rules on content and history, judged from evidence that the Git side collected.
//!
//! The same for pushes and API calls, for saving, proposing and approving. Pure: evidence in, refusals and warnings out.
//! Never here: collecting the evidence (see `commands::collect`), and the lifecycle (see `lifecycle`).

use super::annotation::Annotation;
use super::names::{PackagePath, Workspace};
use super::oid::ObjectId;
use super::refs::RefName;
use super::refusal::{Code, Refusal};
use crate::krm::kptfile::{KptfileError, Reading};

/// What was found out about one commit that is not on the registered branch yet.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitEvidence {
    /// The commit.
    pub id: ObjectId,
    /// A path outside the package that it changes, if there is one.
    pub outside: Option<String>,
    /// Its `kpt:` lines.
    pub annotations: Vec<Annotation>,
    /// Whether some `kpt:` line of it cannot be read.
    pub unreadable_annotation: bool,
}

/// What was found in a package's tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentEvidence {
    /// How many files.
    pub files: usize,
    /// The largest file and its size in bytes.
    pub largest: Option<(String, u64)>,
    /// A submodule.
    pub submodule: Option<String>,
    /// A symbolic link that leads out of the package.
    pub escaping_link: Option<String>,
    /// What is wrong with a directory that says two things at once: one reader would see the one, another the other.
    pub damaged: Option<String>,
    /// What there is so much of that nobody counted on: the limit, and the name in the plural.
    pub too_many: Option<(usize, &'static str)>,
    /// A path that is longer than a limit or not UTF-8.
    pub bad_path: Option<String>,
    /// YAML files that do not parse, at most ten; only warned of.
    pub unparsable_yaml: Vec<String>,
}

/// Limits on a package's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files in a package.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Commits of a draft that are not on the branch.
    pub commits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 10_000, file_bytes: 32 << 20, commits: 10_000 }
    }
}

/// Everything known about a commit that is to become, or is, a draft or proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The package.
    pub package: PackagePath,
    /// The workspace.
    pub workspace: Workspace,
    /// The commit that is judged.
    pub commit: ObjectId,
    /// The registered branch's short name.
    pub branch: String,
    /// A path outside the package that differs from the merge base, if there is one.
    pub outside: Option<String>,
    /// The commits that are not on the branch; `None` when there are more than the limit.
    pub commits: Option<Vec<CommitEvidence>>,
    /// The package's tree at the merge base.
    pub base_tree: Option<ObjectId>,
    /// The package's tree on the branch now.
    pub branch_tree: Option<ObjectId>,
    /// The package's tree in the commit.
    pub tree: Option<ObjectId>,
    /// The Kptfile; `None` when there is none.
    pub kptfile: Option<Result<Reading, KptfileError>>,
    /// The content.
    pub content: ContentEvidence,
    /// Another package that lies inside or around this one.
    pub overlaps: Option<PackagePath>,
    /// A ref that the revision needs and an existing ref that makes it impossible.
    pub ref_conflict: Option<(RefName, RefName)>,
}

/// Which rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Saving a draft.
    Save,
    /// Proposing.
    Propose,
    /// Approving what is proposed.
    Approve,
    /// Publishing what is pushed to the registered branch itself: its history is the branch's, and is judged with the push.
    Publish,
}

/// The first rule that is broken, if any. The order is that of how much it helps to know it.
pub fn judge(evidence: &Evidence, stage: Stage, limits: &Limits) -> Result<(), Refusal> {
    let package = &evidence.package;
    if evidence.tree.is_none() {
        return Err(Refusal::new(
            Code::BadKptfile,
            format!("commit {} has no directory {package}", evidence.commit.short()),
        )
        .next(format!("put the package's files, Kptfile included, into {package}/ and push again")));
    }
    kptfile(evidence)?;
    if stage != Stage::Publish {
        history(evidence, limits)?;
    }
    content(evidence, limits)?;
    if let Some(other) = &evidence.overlaps {
        let place = if other.contains(package) { "inside" } else { "around" };
        return Err(Refusal::new(Code::Nested, format!("package {package} would lie {place} package {other}"))
            .next("packages cannot be nested: choose another path"));
    }
    if let Some((needed, existing)) = &evidence.ref_conflict {
        return Err(Refusal::new(
            Code::RefConflict,
            format!("{package} needs the ref {needed}, which cannot exist beside {existing}"),
        )
        .next(format!("delete or rename {}, or choose another package path", existing.shortened())));
    }
    match stage {
        Stage::Save | Stage::Publish => Ok(()),
        Stage::Propose | Stage::Approve => stale_base(evidence, stage),
    }
}

fn kptfile(evidence: &Evidence) -> Result<(), Refusal> {
    let package = &evidence.package;
    match &evidence.kptfile {
        None => Err(Refusal::new(Code::BadKptfile, format!("there is no regular file {package}/Kptfile"))
            .next("a package is a directory with a Kptfile: add one and push again")),
        Some(Err(error)) => Err(Refusal::new(Code::BadKptfile, format!("{package}/Kptfile cannot be read: {error}"))
            .next("correct it and push again")),
        Some(Ok(_)) => Ok(()),
    }
}

fn history(evidence: &Evidence, limits: &Limits) -> Result<(), Refusal> {
    let (package, branch) = (&evidence.package, &evidence.branch);
    let outside = |path: &str, commit: &ObjectId| {
        Refusal::new(
            Code::OutsidePackage,
            format!("commit {} changes {path}, which is outside package {package}", commit.short()),
        )
        .next(format!("a draft may only change files under {package}/; start again from {branch}"))
    };
    if let Some(path) = &evidence.outside {
        return Err(outside(path, &evidence.commit));
    }
    let Some(commits) = &evidence.commits else {
        return Err(Refusal::new(
            Code::OutsidePackage,
            format!("the draft has more than {} commits that are not on {branch}", limits.commits),
        )
        .next(format!("start again from {branch}")));
    };
    for commit in commits {
        if let Some(path) = &commit.outside {
            return Err(outside(path, &commit.id));
        }
        let forged = |annotation: &&Annotation| !annotation.is_a_drafts(package, &evidence.workspace);
        let problem = match commit.annotations.iter().find(forged) {
            Some(line) => Some(format!(
                "a kpt: line for package {:?}, workspace {:?}, revision {:?}",
                line.package, line.workspace_name, line.revision
            )),
            None => commit.unreadable_annotation.then(|| "a kpt: line that cannot be read".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(Refusal::new(
                Code::ForgedAnnotation,
                format!("commit {} carries {problem}", commit.id.short()),
            )
            .next(format!(
                "only lines for {package}, workspace {}, revision 0 may be pushed: reword the commit message",
                evidence.workspace
            )));
        }
    }
    Ok(())
}

fn content(evidence: &Evidence, limits: &Limits) -> Result<(), Refusal> {
    let bad = |reason: String, next: &str| Err(Refusal::new(Code::BadContent, reason).next(next.to_owned()));
    let (package, content) = (&evidence.package, &evidence.content);
    if content.files > limits.files {
        return bad(
            format!("package {package} has {} files, more than the {} allowed", content.files, limits.files),
            "split the package",
        );
    }
    if let Some((limit, what)) = content.too_many {
        return bad(format!("package {package} has more than {limit} {what}"), "split the package, or make it flatter");
    }
    if let Some(why) = &content.damaged {
        return bad(
            format!("a directory of package {package} is damaged: {why}"),
            "make the commit anew with git itself",
        );
    }
    if let Some((path, size)) = content.largest.as_ref().filter(|(_, size)| *size > limits.file_bytes) {
        return bad(
            format!("{package}/{path} has {size} bytes, more than the {} allowed", limits.file_bytes),
            "keep large files out of the package",
        );
    }
    if let Some(path) = &content.submodule {
        return bad(format!("{package}/{path} is a submodule"), "a package must hold its files itself");
    }
    if let Some(path) = &content.escaping_link {
        return bad(
            format!("{package}/{path} is a symbolic link that leads out of the package"),
            "link inside the package, or copy the file",
        );
    }
    if let Some(path) = &content.bad_path {
        return bad(
            format!("{package}/{} is not a usable path", beginning(path)),
            "use UTF-8 paths of at most 1,024 bytes",
        );
    }
    Ok(())
}

/// The beginning of a path, which may be as long as a stranger likes.
fn beginning(path: &str) -> String {
    const MOST: usize = 80;
    match path.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

fn stale_base(evidence: &Evidence, stage: Stage) -> Result<(), Refusal> {
    if evidence.base_tree == evidence.branch_tree {
        return Ok(());
    }
    let (package, workspace, branch) = (&evidence.package, &evidence.workspace, &evidence.branch);
    let draft = RefName::draft(package, workspace);
    let unlock = match stage {
        Stage::Approve => format!("make it a draft again: git push origin {}:{draft}, then ", evidence.commit),
        Stage::Save | Stage::Propose | Stage::Publish => String::new(),
    };
    Err(Refusal::new(
        Code::StaleBase,
        format!("{package} changed on {branch} after {workspace} began: approving it would undo that change"),
    )
    .next(format!(
        "{unlock}rebase: git fetch origin && git rebase origin/{branch} && git push --force origin HEAD:{draft}"
    )))
}

/// What is allowed but worth telling.
pub fn warnings(evidence: &Evidence) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(Ok(reading)) = &evidence.kptfile
        && !reading.unknown.is_empty()
    {
        out.push(format!(
            "{}/Kptfile has fields that kpt does not know: {}",
            evidence.package,
            reading.unknown.join(", ")
        ));
    }
    for path in &evidence.content.unparsable_yaml {
        out.push(format!("{}/{path} is not valid YAML", evidence.package));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: &str) -> ObjectId {
        digit.repeat(40).parse().expect("valid")
    }

    fn good() -> Evidence {
        Evidence {
            package: PackagePath::parse("net/router").expect("valid"),
            workspace: Workspace::parse("w1").expect("valid"),
            commit: oid("c"),
            branch: "main".to_owned(),
            outside: None,
            commits: Some(vec![]),
            base_tree: None,
            branch_tree: None,
            tree: Some(oid("d")),
            kptfile: Some(Ok(Reading::default())),
            content: ContentEvidence::default(),
            overlaps: None,
            ref_conflict: None,
        }
    }

    fn commit(annotation: Annotation) -> Option<Vec<CommitEvidence>> {
        Some(vec![CommitEvidence {
            id: oid("e"),
            outside: None,
            annotations: vec![annotation],
            unreadable_annotation: false,
        }])
    }

    #[test]
    fn each_broken_rule_has_its_code() {
        let path = |text| PackagePath::parse(text).expect("valid");
        let line = |package: &str, workspace: &str, revision: &str| Annotation {
            package: package.to_owned(),
            workspace_name: workspace.to_owned(),
            revision: revision.to_owned(),
            task: None,
        };
        type Break = Box<dyn Fn(&mut Evidence)>;
        let cases: Vec<(Code, Break)> = vec![
            (Code::BadKptfile, Box::new(|e| e.tree = None)),
            (Code::BadKptfile, Box::new(|e| e.kptfile = None)),
            (Code::BadKptfile, Box::new(|e| e.kptfile = Some(Err(KptfileError::NotText)))),
            (Code::OutsidePackage, Box::new(|e| e.outside = Some("x".to_owned()))),
            (Code::OutsidePackage, Box::new(|e| e.commits = None)),
            (Code::ForgedAnnotation, Box::new(move |e| e.commits = commit(line("other", "w1", "0")))),
            (Code::ForgedAnnotation, Box::new(move |e| e.commits = commit(line("net/router", "w2", "0")))),
            (Code::ForgedAnnotation, Box::new(move |e| e.commits = commit(line("net/router", "w1", "4")))),
            (Code::BadContent, Box::new(|e| e.content.too_many = Some((7, "files")))),
            (Code::BadContent, Box::new(|e| e.content.bad_path = Some("p".to_owned()))),
            (Code::BadContent, Box::new(|e| e.content.submodule = Some("m".to_owned()))),
            (Code::BadContent, Box::new(|e| e.content.escaping_link = Some("l".to_owned()))),
            (Code::BadContent, Box::new(|e| e.content.largest = Some(("l".to_owned(), 1 << 40)))),
            (Code::Nested, Box::new(move |e| e.overlaps = Some(path("net")))),
            (
                Code::RefConflict,
                Box::new(|e| {
                    let tag = |name| RefName::parse(name).expect("valid");
                    e.ref_conflict = Some((tag("refs/tags/net/router/v1"), tag("refs/tags/net")));
                }),
            ),
            (Code::StaleBase, Box::new(|e| e.branch_tree = Some(oid("f")))),
        ];
        for (code, break_it) in cases {
            let mut evidence = good();
            break_it(&mut evidence);
            let refusal = judge(&evidence, Stage::Propose, &Limits::default()).expect_err(code.as_str());
            assert_eq!(refusal.code, code);
            assert!(refusal.next.is_some(), "{refusal} says what to do next");
        }
        assert_eq!(judge(&good(), Stage::Propose, &Limits::default()), Ok(()));
    }

    #[test]
    fn a_stale_base_stops_a_proposal_but_not_the_work_on_a_draft() {
        let mut evidence = good();
        evidence.branch_tree = Some(oid("f"));
        assert!(judge(&evidence, Stage::Save, &Limits::default()).is_ok());
        assert!(judge(&evidence, Stage::Approve, &Limits::default()).is_err());
    }

    #[test]
    fn own_lines_may_be_pushed() {
        let mut evidence = good();
        evidence.commits = commit(Annotation {
            package: "net/router".to_owned(),
            workspace_name: "w1".to_owned(),
            revision: "0".to_owned(),
            task: Some(serde_json::json!({"type": "init"})),
        });
        assert_eq!(judge(&evidence, Stage::Propose, &Limits::default()), Ok(()));
    }
}
