//! Something for each of many packages, found by where their paths lie: around a path, at it, and inside it.
//!
//! Never here: what it is that is kept.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::names::PackagePath;

/// Something for each of many packages.
#[derive(Debug, Clone)]
pub struct ByPackage<T>(BTreeMap<PackagePath, T>);

impl<T> Default for ByPackage<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Default> ByPackage<T> {
    /// What is kept for a package; the default where there is nothing yet.
    pub fn entry(&mut self, package: &PackagePath) -> &mut T {
        self.0.entry(package.clone()).or_default()
    }
}

impl<T> ByPackage<T> {
    /// What is kept for the package itself, for those around it, and for those inside it. It costs what it gives and what
    /// the path is long, however many others there are.
    pub fn overlapping<'s>(&'s self, package: &PackagePath) -> impl Iterator<Item = (&'s PackagePath, &'s T)> {
        let at_or_around: Vec<_> = std::iter::once(package.as_str())
            .chain(package.ancestors())
            .filter_map(|path| self.0.get_key_value(path))
            .collect();
        let below = format!("{package}/");
        let after = self.0.range::<str, _>((Bound::Excluded(below.as_str()), Bound::Unbounded));
        at_or_around.into_iter().chain(after.take_while(move |(path, _)| path.as_str().starts_with(&below)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Paths of the segments `a`, `a-b`, `a0` and `b`: what sorts next to a slash is among them.
    fn paths() -> impl Strategy<Value = PackagePath> {
        prop::collection::vec(prop::sample::select(vec!["a", "a-b", "a0", "b"]), 1..5)
            .prop_map(|segments| PackagePath::parse(&segments.join("/")).expect("valid"))
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_overlaps(all in prop::collection::vec(paths(), 0..40), one in paths()) {
            let mut kept = ByPackage::default();
            all.iter().for_each(|path| *kept.entry(path) = path.as_str().to_owned());
            let found: Vec<&PackagePath> = kept.overlapping(&one).map(|(path, _)| path).collect();
            prop_assert!(kept.overlapping(&one).all(|(path, value)| path.as_str() == value));
            let found_once: BTreeSet<&PackagePath> = found.iter().copied().collect();
            prop_assert_eq!(found.len(), found_once.len());
            prop_assert_eq!(found_once, all.iter().filter(|path| path.overlaps(&one)).collect::<BTreeSet<_>>());
        }
    }
}
