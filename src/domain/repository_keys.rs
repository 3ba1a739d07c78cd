//! The Repositories over one bare repository: one, or several that share it, each with a directory of its own on the same
//! branch. Which of them a package belongs to follows from its path alone.
//!
//! Never here: where names and directories come from (see `config`).

use std::sync::Arc;

use super::names::{Directory, PackagePath};
use super::package::RepositoryKey;
use super::refs::{RefKind, RefName, classify};

/// The keys of all Repositories over one bare repository; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryKeys {
    whole: Arc<RepositoryKey>,
    each: Vec<Arc<RepositoryKey>>,
}

impl From<Arc<RepositoryKey>> for RepositoryKeys {
    fn from(only: Arc<RepositoryKey>) -> Self {
        Self { whole: only.clone(), each: vec![only] }
    }
}

impl RepositoryKeys {
    /// The keys of Repositories that share one bare repository; `None` when there are none, or when two of them have
    /// directories that share packages, or different branches.
    pub fn together(keys: Vec<RepositoryKey>) -> Option<Self> {
        let first = keys.first()?;
        let directory = Directory::together(keys.iter().map(|key| &key.registration.directory)).ok()?;
        if keys.iter().any(|key| key.registration.branch != first.registration.branch) {
            return None;
        }
        let mut whole = first.clone();
        whole.registration.directory = directory;
        let each: Vec<Arc<RepositoryKey>> = keys.into_iter().map(Arc::new).collect();
        let whole = match each.as_slice() {
            [only] => only.clone(),
            _ => Arc::new(whole),
        };
        Some(Self { whole, each })
    }

    /// All of them as one: the registration covers every directory, the name is the first one's.
    pub fn whole(&self) -> &Arc<RepositoryKey> {
        &self.whole
    }

    /// The one whose directory holds a package; for one outside of all, which none shows, the first.
    pub fn of(&self, package: &PackagePath) -> &Arc<RepositoryKey> {
        self.each.iter().find(|key| key.registration.directory.contains(package)).unwrap_or(&self.each[0])
    }

    /// The one that the package belongs to of which a ref's name speaks; for any other ref, `whole`.
    pub fn named(&self, name: &RefName) -> &Arc<RepositoryKey> {
        match classify(name, &self.whole.registration) {
            RefKind::Draft(package, _)
            | RefKind::Proposed(package, _)
            | RefKind::DeletionProposed(package, _)
            | RefKind::Tag(package, _)
            | RefKind::Approve(package, _)
            | RefKind::Reject(package, _) => self.of(&package),
            _ => &self.whole,
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<RepositoryKey>> {
        self.each.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::{Namespace, RepositoryName};
    use crate::domain::refs::{Malformed, Registration};

    fn key(name: &str, directory: &str, branch: &str) -> RepositoryKey {
        RepositoryKey {
            namespace: Namespace::parse("default").expect("valid"),
            name: RepositoryName::parse(name).expect("valid"),
            registration: Registration {
                branch: RefName::branch(branch).expect("valid"),
                directory: Directory::parse(directory).expect("valid"),
            },
            deployment: false,
            url: "mono.git".to_owned(),
        }
    }

    #[test]
    fn a_package_belongs_to_the_repository_whose_directory_holds_it() {
        let keys = vec![key("blue", "blue/prints", "main"), key("edge", "edge", "main")];
        let keys = RepositoryKeys::together(keys).expect("disjoint");
        let of = |package: &str| keys.of(&PackagePath::parse(package).expect("valid")).name.to_string();
        assert_eq!((of("blue/prints/a"), of("edge/a/b")), ("blue".to_owned(), "edge".to_owned()));
        let kind = |name: &str| classify(&RefName::parse(name).expect("valid"), &keys.whole().registration);
        assert!(matches!(kind("refs/heads/drafts/edge/a/w1"), RefKind::Draft(..)));
        assert!(matches!(kind("refs/tags/blue/prints/a/v1"), RefKind::Tag(..)));
        assert!(matches!(kind("refs/tags/blue/a/v1"), RefKind::Other));
        let outside = kind("refs/heads/drafts/edges/a/w1");
        let RefKind::Malformed(Malformed::Outside(_, directories)) = outside else { panic!("{outside:?}") };
        assert_eq!(directories, "blue/prints and edge");
    }

    #[test]
    fn directories_that_share_packages_and_several_branches_do_not_go_together() {
        for (one, other) in [("", ""), ("", "a"), ("a", "a"), ("a", "a/b"), ("a/b/c", "a")] {
            assert_eq!(RepositoryKeys::together(vec![key("x", one, "main"), key("y", other, "main")]), None);
        }
        let near = vec![key("x", "a", "main"), key("y", "a-b", "main"), key("z", "ab", "main")];
        assert_eq!(RepositoryKeys::together(near).map(|keys| keys.iter().len()), Some(3));
        assert_eq!(RepositoryKeys::together(vec![key("x", "a", "main"), key("y", "b", "other")]), None);
        assert_eq!(RepositoryKeys::together(Vec::new()), None);
        let one = RepositoryKeys::together(vec![key("x", "a", "main")]).expect("one");
        assert!(Arc::ptr_eq(one.whole(), one.of(&PackagePath::parse("a/p").expect("valid"))));
    }
}
