//! The names of things: namespaces, repositories, packages, workspaces, users, and the Kubernetes object name made of them.
//!
//! Each is parsed once at the edge and carried as its own type. Names that Git already holds are taken as they are, as
//! long as they are safe; names that are about to be made must also pass Porch's rules (`check_new`).
//! Never here: refs (see `refs`), and what may be done with a name.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a name cannot be used. The text says which name and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} is invalid: {why}")]
pub struct InvalidName {
    /// What kind of name it is, for example `workspace name`.
    pub what: &'static str,
    /// The name as it was given, shortened to 80 characters.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn invalid(what: &'static str, name: &str, why: &'static str) -> InvalidName {
    InvalidName { what, name: name.chars().take(80).collect(), why }
}

const LABEL_RULE: &str =
    "lower case letters, digits and '-' only, starting and ending with a letter or digit, at most 63 characters";

/// Whether `text` is a DNS-1123 label: what Kubernetes wants of namespaces, repositories and workspaces.
pub fn is_dns_label(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
        && bytes.iter().all(|byte| edge(*byte) || *byte == b'-')
}

/// A path or name segment that Git would accept in a ref and a tree, and that cannot climb out of anything.
fn unsafe_segment(segment: &str) -> Option<&'static str> {
    if segment.is_empty() {
        return Some("it has an empty segment");
    }
    if segment.len() > 200 {
        return Some("it has a segment of more than 200 bytes");
    }
    if segment.starts_with('.') || segment.ends_with('.') || segment.contains("..") || segment.ends_with(".lock") {
        return Some("a segment may not start or end with '.', hold '..' or end in '.lock'");
    }
    if segment.bytes().any(|byte| byte <= b' ' || byte == 0x7f || b"\\~^:?*[\"'".contains(&byte))
        || segment.contains("@{")
    {
        return Some("it holds a character that a Git ref or a path must not have");
    }
    None
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_newtype! {
    /// A Kubernetes namespace.
    Namespace
}

impl Namespace {
    /// Takes a DNS-1123 label.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if is_dns_label(text) { Ok(Self(text.into())) } else { Err(invalid("namespace", text, LABEL_RULE)) }
    }
}

text_newtype! {
    /// The name of a Repository object.
    RepositoryName
}

impl RepositoryName {
    /// Takes a DNS-1123 label.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if is_dns_label(text) { Ok(Self(text.into())) } else { Err(invalid("repository name", text, LABEL_RULE)) }
    }
}

text_newtype! {
    /// The full path of a package in its repository, the `<P>` of every ref: repository directory and package name
    /// joined by `/`, without a leading or trailing slash.
    PackagePath
}

impl PackagePath {
    /// Takes a path that is safe in a ref and a tree; at most 1,024 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        const WHAT: &str = "package path";
        if text.len() > 1024 {
            return Err(invalid(WHAT, text, "it is longer than 1,024 bytes"));
        }
        match text.split('/').find_map(unsafe_segment) {
            Some(why) => Err(invalid(WHAT, text, why)),
            None => Ok(Self(text.into())),
        }
    }

    /// Whether `self` is `other`, lies inside it, or lies around it.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether `other` is this path or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        self.contains_file(other.as_str())
    }

    /// Whether a file path of the repository is this path or lies below it.
    pub fn contains_file(&self, path: &str) -> bool {
        path.strip_prefix(self.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The last segment.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Every proper ancestor path, longest first.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(self.0.rsplit_once('/').map(|(parent, _)| parent), |path| {
            path.rsplit_once('/').map(|(parent, _)| parent)
        })
    }
}

text_newtype! {
    /// The workspace of a package revision; for a legacy tag or a branch placeholder, the tag's last segment or the branch.
    Workspace
}

impl Workspace {
    /// Takes one safe ref segment.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        const WHAT: &str = "workspace name";
        if text.contains('/') {
            return Err(invalid(WHAT, text, "it must not hold a '/'"));
        }
        match unsafe_segment(text) {
            Some(why) => Err(invalid(WHAT, text, why)),
            None => Ok(Self(text.into())),
        }
    }

    /// A name that sorts before every workspace: where a package's revisions begin in an ordered map.
    pub fn lowest() -> Self {
        Self("".into())
    }

    /// What a workspace that is about to be made must also satisfy: a DNS-1123 label, as in Porch.
    pub fn check_new(&self) -> Result<(), InvalidName> {
        if is_dns_label(self.as_str()) { Ok(()) } else { Err(invalid("workspace name", self.as_str(), LABEL_RULE)) }
    }
}

text_newtype! {
    /// Who acts: the name that the Git server or the API's authentication gave.
    UserName
}

impl UserName {
    /// Takes a printable name of at most 253 bytes without `<`, `>` and line ends, since it is written into commits.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        const WHAT: &str = "user name";
        if text.is_empty() || text.len() > 253 {
            return Err(invalid(WHAT, text, "it must have 1 to 253 bytes"));
        }
        if text.trim() != text || text.chars().any(|c| c.is_control() || c == '<' || c == '>') {
            return Err(invalid(WHAT, text, "it holds a control character, '<', '>' or a space at an end"));
        }
        Ok(Self(text.into()))
    }
}

/// The directory of a repository that holds its packages: `spec.git.directory`, trimmed of slashes; empty for the root.
///
/// Of a bare repository that several Repositories share it is all of their directories, none of which lies in another.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Directory(Vec<PackagePath>);

impl From<PackagePath> for Directory {
    fn from(path: PackagePath) -> Self {
        Self(vec![path])
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.each().collect::<Vec<_>>().join(" and "))
    }
}

fn is_at_or_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Directory {
    /// Takes `/`, the empty text or a path, with or without slashes at its ends.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text.trim_matches('/') {
            "" => Ok(Self::default()),
            path => Ok(Self(vec![PackagePath::parse(path)?])),
        }
    }

    /// Several directories as one.
    ///
    /// # Errors
    /// Two of them share packages: one is the other, or lies in it.
    pub fn together<'d>(directories: impl IntoIterator<Item = &'d Self>) -> Result<Self, (Self, Self)> {
        let mut all = Self(Vec::new());
        let mut seen: Vec<&Self> = Vec::new();
        for directory in directories {
            if let Some(other) = seen.iter().find(|other| other.overlaps(directory)) {
                return Err(((*other).clone(), directory.clone()));
            }
            seen.push(directory);
            all.0.extend(directory.0.iter().cloned());
        }
        all.0.sort();
        Ok(all)
    }

    /// Whether the two share packages.
    pub fn overlaps(&self, other: &Self) -> bool {
        let root = self.0.is_empty() || other.0.is_empty();
        root || self.0.iter().any(|one| other.0.iter().any(|two| one.overlaps(two)))
    }

    /// Each of the directories by itself.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        let root = self.0.is_empty().then_some("");
        root.into_iter().chain(self.0.iter().map(PackagePath::as_str))
    }

    /// The path without slashes at its ends; empty for the root. Of several directories, the one around all of them.
    pub fn as_str(&self) -> &str {
        let Some((first, rest)) = self.0.split_first() else { return "" };
        let around = |path: &&str| rest.iter().all(|other| is_at_or_below(other.as_str(), path));
        std::iter::once(first.as_str()).chain(first.ancestors()).find(around).unwrap_or("")
    }

    /// Whether a package is this directory or lies below it.
    pub fn contains(&self, package: &PackagePath) -> bool {
        self.0.is_empty() || self.0.iter().any(|directory| is_at_or_below(package.as_str(), directory.as_str()))
    }

    /// The package's name inside this directory, `spec.packageName`; `None` when the package lies outside.
    pub fn package_name<'p>(&self, package: &'p PackagePath) -> Option<&'p str> {
        if self.0.is_empty() {
            return Some(package.as_str());
        }
        let inside = |directory: &PackagePath| package.as_str().strip_prefix(directory.as_str())?.strip_prefix('/');
        self.0.iter().find_map(inside)
    }

    /// What the package name of a package that is about to be made must satisfy: inside this directory, and, without
    /// its slashes, a DNS-1123 label, as in Porch.
    pub fn check_new(&self, package: &PackagePath) -> Result<(), InvalidName> {
        const WHAT: &str = "package name";
        let Some(name) = self.package_name(package) else {
            return Err(invalid(
                WHAT,
                package.as_str(),
                "it lies outside the directory this repository is registered on",
            ));
        };
        if is_dns_label(&name.replace('/', "")) {
            return Ok(());
        }
        Err(invalid(
            WHAT,
            name,
            "lower case letters, digits, '-' and '/' only, starting and ending with a letter or digit, at most 63 characters without the slashes",
        ))
    }
}

/// The Kubernetes object name of a package revision: `<repository>.<package with dots>.<workspace>`.
///
/// The repository's directory is no part of it (Porch, `ComposePkgRevObjName`).
pub fn object_name(
    repository: &RepositoryName,
    directory: &Directory,
    package: &PackagePath,
    workspace: &Workspace,
) -> Option<String> {
    let name = directory.package_name(package)?;
    Some(format!("{repository}.{}.{workspace}", name.replace('/', ".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_paths_that_could_climb_or_break_a_ref_are_refused() {
        for bad in [
            "", "/", "a//b", "../a", "a/..", "a/.git", ".git", "a b", "a~1", "a:b", "x/y.lock", "a\nb", "a/", "/a",
            "a@{1}",
        ] {
            assert!(PackagePath::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "nephio/core/porch", "a.b/c_d", "Ünïcode"] {
            assert!(PackagePath::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn overlap_stops_at_segment_borders() {
        let path = |text| PackagePath::parse(text).expect("valid");
        assert!(path("a/b").overlaps(&path("a")));
        assert!(path("a").overlaps(&path("a/b/c")));
        assert!(!path("a/b").overlaps(&path("a/bc")));
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), ["a/b", "a"]);
    }

    #[test]
    fn new_names_follow_porch() {
        let root = Directory::parse("/").expect("valid");
        let long = "a".repeat(64);
        for (name, good) in
            [("a/b", true), ("a/-b", true), ("a/b-", false), ("A", false), (long.as_str(), false), ("a_b", false)]
        {
            assert_eq!(root.check_new(&PackagePath::parse(name).expect("safe")).is_ok(), good, "{name}");
        }
        assert!(Workspace::parse("v1.2").expect("safe").check_new().is_err());
        assert!(Workspace::parse("v1").expect("safe").check_new().is_ok());
        let sub = Directory::parse("/packages/").expect("valid");
        assert!(sub.check_new(&PackagePath::parse("packagesx/a").expect("safe")).is_err());
        assert_eq!(sub.package_name(&PackagePath::parse("packages/x/y").expect("safe")), Some("x/y"));
    }

    #[test]
    fn several_directories_are_one_with_gaps() {
        let parse = |text: &str| Directory::parse(text).expect("valid");
        let package = |text: &str| PackagePath::parse(text).expect("safe");
        let both = Directory::together([&parse("a/x"), &parse("a/y")]).expect("disjoint");
        assert_eq!((both.as_str(), both.to_string().as_str()), ("a", "a/x and a/y"));
        assert_eq!(both.package_name(&package("a/y/p/q")), Some("p/q"));
        assert!(
            both.contains(&package("a/x/p")) && !both.contains(&package("a/z/p")) && !both.contains(&package("a/xy"))
        );
        assert_eq!(Directory::together([&parse("ab/x"), &parse("a/y")]).expect("disjoint").as_str(), "");
        assert_eq!(Directory::together([&parse("a"), &parse("a/b")]), Err((parse("a"), parse("a/b"))));
        assert_eq!(Directory::together([&parse("a")]), Ok(parse("a")));
    }

    #[test]
    fn object_names_leave_the_directory_out() {
        let name = object_name(
            &RepositoryName::parse("blueprints").expect("valid"),
            &Directory::parse("/lib").expect("valid"),
            &PackagePath::parse("lib/net/router").expect("valid"),
            &Workspace::parse("v1").expect("valid"),
        );
        assert_eq!(name.as_deref(), Some("blueprints.net.router.v1"));
    }

    #[test]
    fn user_names_cannot_forge_commit_headers() {
        for bad in ["", " a", "a\nb", "a <b>", "\u{7}"] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(UserName::parse("system:serviceaccount:default:x").is_ok());
    }
}
