//! Ref names and what each means to Stoop: the layout that Porch and Stoop share, read and written in one place.
//!
//! Never here: reading refs from a repository, and what may happen to them (see `lifecycle`).

use std::fmt;
use std::sync::Arc;

use super::names::{Directory, InvalidName, PackagePath, Workspace};

/// Prefix of every draft ref.
pub const DRAFTS: &str = "refs/heads/drafts/";
/// Prefix of every proposal ref.
pub const PROPOSED: &str = "refs/heads/proposed/";
/// Prefix of every deletion marker.
pub const DELETION_PROPOSED: &str = "refs/heads/deletionProposed/";
/// Prefix of every tag.
pub const TAGS: &str = "refs/tags/";
/// Prefix of the refs that are pushed to approve; none of them ever stays.
pub const APPROVE: &str = "refs/approve/";
/// Prefix of the refs that are pushed to reject; none of them ever stays.
pub const REJECT: &str = "refs/reject/";
/// Prefix of what belongs to Stoop alone.
pub const INTERNAL: &str = "refs/stoop/";
/// The ledger's ref.
pub const LEDGER: &str = "refs/stoop/ledger";
/// The ref at the ledger's commit up to which everything that Stoop moved was announced.
pub const ANNOUNCED: &str = "refs/stoop/announced";
/// Prefix of the refs that keep what was dropped, one a day.
pub const DROPPED: &str = "refs/stoop/dropped/";

/// A full ref name, `refs/…`, safe by the rules of `git check-ref-format`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(Arc<str>);

/// Why a text is not a ref name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid ref name")]
pub struct InvalidRefName(pub String);

impl RefName {
    /// Takes a full name that begins with `refs/` and that Git would accept.
    pub fn parse(text: &str) -> Result<Self, InvalidRefName> {
        let bad = |segment: &str| {
            segment.is_empty()
                || segment.starts_with('.')
                || segment.ends_with(".lock")
                || segment.contains("..")
                || segment.contains("@{")
                || segment.bytes().any(|byte| byte <= b' ' || byte == 0x7f || b"\\~^:?*[".contains(&byte))
        };
        if text.len() > 4096 || !text.starts_with("refs/") || text.ends_with('.') || text.split('/').any(bad) {
            return Err(InvalidRefName(text.chars().take(120).collect()));
        }
        Ok(Self(text.into()))
    }

    /// The branch `refs/heads/<name>`.
    pub fn branch(name: &str) -> Result<Self, InvalidRefName> {
        Self::parse(&format!("refs/heads/{name}"))
    }

    fn made(text: String) -> Self {
        Self(text.into())
    }

    /// The draft ref of a package's workspace.
    pub fn draft(package: &PackagePath, workspace: &Workspace) -> Self {
        Self::made(format!("{DRAFTS}{package}/{workspace}"))
    }

    /// The proposal ref of a package's workspace.
    pub fn proposed(package: &PackagePath, workspace: &Workspace) -> Self {
        Self::made(format!("{PROPOSED}{package}/{workspace}"))
    }

    /// The tag of a package's published revision; `segment` is `v<N>`, or what a legacy tag ends in.
    pub fn tag(package: &PackagePath, segment: &str) -> Self {
        Self::made(format!("refs/tags/{package}/{segment}"))
    }

    /// The marker that a revision's deletion is proposed.
    pub fn deletion_proposed(package: &PackagePath, segment: &str) -> Self {
        Self::made(format!("{DELETION_PROPOSED}{package}/{segment}"))
    }

    /// The ref a pusher names to approve.
    pub fn approve(package: &PackagePath, workspace: &Workspace) -> Self {
        Self::made(format!("{APPROVE}{package}/{workspace}"))
    }

    /// The ledger's ref.
    pub fn ledger() -> Self {
        Self::made(LEDGER.to_owned())
    }

    /// The ref at the ledger's commit up to which everything was announced.
    pub fn announced() -> Self {
        Self::made(ANNOUNCED.to_owned())
    }

    /// The ref that keeps what was dropped on a day, such as `2026-11-24`.
    pub fn dropped(day: &str) -> Self {
        Self::made(format!("{DROPPED}{day}"))
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as Git shows it: without `refs/heads/` or `refs/tags/`.
    pub fn shortened(&self) -> &str {
        self.0.strip_prefix("refs/heads/").or_else(|| self.0.strip_prefix("refs/tags/")).unwrap_or(&self.0)
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for RefName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for RefName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What part of a repository a Repository object stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The registered branch.
    pub branch: RefName,
    /// The directory that holds the packages.
    pub directory: Directory,
}

impl Registration {
    /// The registered branch's name without `refs/heads/`.
    pub fn branch_name(&self) -> &str {
        self.branch.shortened()
    }

    /// The workspace of every placeholder: the branch's name. A slash in it would make an invalid object name in Porch;
    /// here it becomes a dash.
    pub fn placeholder_workspace(&self) -> Option<Workspace> {
        Workspace::parse(&self.branch_name().replace('/', "-")).ok()
    }
}

/// The number of a package revision, as Porch counts: 0 unpublished, above 0 published, -1 neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RevisionNumber(pub i64);

impl RevisionNumber {
    /// A draft's or a proposal's.
    pub const UNPUBLISHED: Self = Self(0);
    /// A branch placeholder's, or that of a tag whose last segment is not an integer.
    pub const NONE: Self = Self(-1);

    /// Reads a tag's last segment: one leading `v` is dropped, the rest must be an integer, else -1 (Porch,
    /// `Revision2Int`). As there, `v+5` is 5.
    pub fn from_segment(segment: &str) -> Self {
        let digits = segment.strip_prefix('v').unwrap_or(segment);
        Self(digits.parse().unwrap_or(-1))
    }

    /// Whether the number is one that publishing gave.
    pub fn is_published(self) -> bool {
        self.0 > 0
    }

    /// The tag's last segment for a published number, `v<N>`.
    pub fn segment(self) -> String {
        format!("v{}", self.0)
    }
}

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a ref means to Stoop, by its name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefKind {
    /// `refs/heads/drafts/<P>/<W>`
    Draft(PackagePath, Workspace),
    /// `refs/heads/proposed/<P>/<W>`
    Proposed(PackagePath, Workspace),
    /// `refs/heads/deletionProposed/<P>/<last segment of the tag>`
    DeletionProposed(PackagePath, Workspace),
    /// `refs/tags/<P>/<last segment>`: a package revision if `<P>` holds a package in the tag's commit.
    Tag(PackagePath, Workspace),
    /// `refs/approve/<P>/<W>`
    Approve(PackagePath, Workspace),
    /// `refs/reject/<P>/<W>`
    Reject(PackagePath, Workspace),
    /// The branch the Repository is registered on.
    RegisteredBranch,
    /// `refs/stoop/…`
    Internal,
    /// Under one of Stoop's prefixes, but not a name that can be managed.
    Malformed(Malformed),
    /// None of Stoop's business.
    Other,
}

/// Why a name under one of Stoop's prefixes cannot be managed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The package or the workspace is missing.
    #[error("a package path and a workspace are needed, as in {0}<package>/<workspace>")]
    Incomplete(&'static str),
    /// The package lies outside the registered directory.
    #[error("package {0} lies outside the directory {1:?} that this repository is registered on")]
    Outside(PackagePath, String),
    /// A part is not a usable name.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// Says what a ref means, by its name alone. Names that exist already are classified like names to be made.
pub fn classify(name: &RefName, registration: &Registration) -> RefKind {
    let text = name.as_str();
    if *name == registration.branch {
        return RefKind::RegisteredBranch;
    }
    if text.starts_with(INTERNAL) || text == "refs/stoop" {
        return RefKind::Internal;
    }
    type Make = fn(PackagePath, Workspace) -> RefKind;
    let prefixes: [(&'static str, Make); 5] = [
        (DRAFTS, RefKind::Draft),
        (PROPOSED, RefKind::Proposed),
        (DELETION_PROPOSED, RefKind::DeletionProposed),
        (APPROVE, RefKind::Approve),
        (REJECT, RefKind::Reject),
    ];
    for (prefix, make) in prefixes {
        if text == prefix.trim_end_matches('/') {
            return RefKind::Malformed(Malformed::Incomplete(prefix));
        }
        if let Some(rest) = text.strip_prefix(prefix) {
            return split(rest, prefix, registration).map_or_else(RefKind::Malformed, |(p, w)| make(p, w));
        }
    }
    match text.strip_prefix(TAGS) {
        Some(rest) => split(rest, TAGS, registration).map_or(RefKind::Other, |(p, w)| RefKind::Tag(p, w)),
        None => RefKind::Other,
    }
}

fn split(rest: &str, prefix: &'static str, registration: &Registration) -> Result<(PackagePath, Workspace), Malformed> {
    let (package, last) = rest.rsplit_once('/').ok_or(Malformed::Incomplete(prefix))?;
    let package = PackagePath::parse(package)?;
    let last = Workspace::parse(last)?;
    match registration.directory.package_name(&package) {
        Some(_) => Ok((package, last)),
        None => Err(Malformed::Outside(package, registration.directory.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, directory: &str) -> RefKind {
        let registration = Registration {
            branch: RefName::branch("main").expect("valid"),
            directory: Directory::parse(directory).expect("valid"),
        };
        classify(&RefName::parse(name).expect("valid ref"), &registration)
    }

    fn pair() -> (PackagePath, Workspace) {
        (PackagePath::parse("a/b").expect("valid"), Workspace::parse("w1").expect("valid"))
    }

    #[test]
    fn every_prefix_is_read() {
        let (p, w) = pair();
        let (p, w) = (|| p.clone(), || w.clone());
        for (name, want) in [
            ("refs/heads/main", RefKind::RegisteredBranch),
            ("refs/heads/drafts/a/b/w1", RefKind::Draft(p(), w())),
            ("refs/heads/proposed/a/b/w1", RefKind::Proposed(p(), w())),
            ("refs/heads/deletionProposed/a/b/w1", RefKind::DeletionProposed(p(), w())),
            ("refs/tags/a/b/w1", RefKind::Tag(p(), w())),
            ("refs/approve/a/b/w1", RefKind::Approve(p(), w())),
            ("refs/reject/a/b/w1", RefKind::Reject(p(), w())),
            ("refs/stoop/ledger", RefKind::Internal),
            ("refs/heads/feature", RefKind::Other),
            ("refs/heads/draftsx/a", RefKind::Other),
            ("refs/tags/v1", RefKind::Other),
            ("refs/notes/x", RefKind::Other),
        ] {
            assert_eq!(kind(name, "/"), want, "{name}");
        }
    }

    #[test]
    fn broken_names_under_a_prefix_are_malformed_and_not_other() {
        for name in [
            "refs/heads/drafts",
            "refs/heads/drafts/foo",
            "refs/approve/x",
            "refs/heads/proposed",
            "refs/heads/drafts/a'b/w",
        ] {
            assert!(matches!(kind(name, "/"), RefKind::Malformed(_)), "{name}");
        }
        assert!(matches!(kind("refs/heads/drafts/other/p/w", "packages"), RefKind::Malformed(Malformed::Outside(..))));
        assert_eq!(kind("refs/tags/other/p/v1", "packages"), RefKind::Other);
    }

    #[test]
    fn revision_numbers_are_read_as_porch_does() {
        for (segment, number) in
            [("v1", 1), ("3", 3), ("v+5", 5), ("v1.2.3", -1), ("main", -1), ("vv1", -1), ("v", -1), ("v-2", -2)]
        {
            assert_eq!(RevisionNumber::from_segment(segment), RevisionNumber(number), "{segment}");
        }
    }

    #[test]
    fn names_git_would_refuse_are_refused() {
        for bad in [
            "",
            "main",
            "refs/",
            "refs/heads/",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a//b",
            "refs/x/@{",
        ] {
            assert!(RefName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
