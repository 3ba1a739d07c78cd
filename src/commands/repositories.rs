//! All repositories below the root: finding them, binding each to a name for ever, opening and closing them.
//!
//! Never here: hooks on disk and watching (see `daemon`), and what is in a repository.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::repository::ManagedRepository;
use crate::domain::names::{Namespace, RepositoryName, is_dns_label};

/// The name a repository was bound to when it was first seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: RepositoryName,
}

/// The bindings of a root, kept in the state directory: what was bound once never changes.
#[derive(Debug)]
pub struct Bindings {
    file: PathBuf,
    bound: BTreeMap<String, Binding>,
}

impl Bindings {
    /// Reads the bindings from `file`; none when there is no file.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        let bound = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let why = format!("{} cannot be read: {error}; restore it from a backup", file.display());
                io::Error::new(io::ErrorKind::InvalidData, why)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { file, bound })
    }

    /// The binding of a path below the root. A new one takes the wanted name, else the path's own with dashes; where that
    /// is no valid name or is taken, by a binding or by what is `configured`, a short hash of the path makes it one.
    pub fn bind(
        &mut self,
        path: &str,
        wanted: Option<Binding>,
        default: &Namespace,
        configured: impl Fn(&str) -> bool,
    ) -> io::Result<Binding> {
        if let Some(wanted) = wanted {
            // The configuration names it: that is the administrator's word, and needs no memory.
            return Ok(wanted);
        }
        if let Some(bound) = self.bound.get(path) {
            return Ok(bound.clone());
        }
        let plain = path.strip_suffix(".git").unwrap_or(path).replace('/', "-");
        let bound =
            |name: &str| self.bound.values().any(|other| other.namespace == *default && other.name.as_str() == name);
        let taken = |name: &str| bound(name) || configured(name);
        let name = if is_dns_label(&plain) && !taken(&plain) { plain } else { hashed(&plain, path) };
        let name = RepositoryName::parse(&name).map_err(|error| io::Error::other(error.to_string()))?;
        let binding = Binding { namespace: default.clone(), name };
        self.bound.insert(path.to_owned(), binding.clone());
        self.save()?;
        Ok(binding)
    }

    /// The path below the root that was bound to a name.
    pub fn path_of(&self, namespace: &Namespace, name: &RepositoryName) -> Option<&str> {
        let mut bound = self.bound.iter();
        bound.find(|(_, bound)| bound.namespace == *namespace && bound.name == *name).map(|(path, _)| path.as_str())
    }

    fn save(&self) -> io::Result<()> {
        use std::io::Write;
        let temporary = self.file.with_extension("new");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(&self.bound)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.file)
    }
}

/// A valid name from an invalid or taken one: what of it is usable, and eight digits of the path's hash.
fn hashed(plain: &str, path: &str) -> String {
    let usable: String = plain
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(54)
        .collect();
    let digest: String = Sha256::digest(path.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    match usable.trim_matches('-') {
        "" => format!("repository-{digest}"),
        usable => format!("{usable}-{digest}"),
    }
}

/// The open repositories.
#[derive(Debug, Default)]
pub struct Repositories {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_path: HashMap<PathBuf, Arc<ManagedRepository>>,
    by_name: HashMap<(String, String), Arc<ManagedRepository>>,
}

impl Repositories {
    /// The repository in a directory; the path is canonical.
    pub fn at(&self, path: &Path) -> Option<Arc<ManagedRepository>> {
        self.read().by_path.get(path).cloned()
    }

    /// The repository that an object belongs to: the part of its name before the first dot.
    pub fn of_object(&self, namespace: &str, name: &str) -> Option<Arc<ManagedRepository>> {
        let repository = name.split('.').next().unwrap_or(name);
        self.read().by_name.get(&(namespace.to_owned(), repository.to_owned())).cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<ManagedRepository>> {
        self.read().by_path.values().cloned().collect()
    }

    /// Adds one. `Err` when another repository has its name.
    pub fn add(&self, repository: Arc<ManagedRepository>) -> Result<(), Arc<ManagedRepository>> {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let names = names(&repository);
        if let Some(other) = names.iter().find_map(|name| inner.by_name.get(name)) {
            return Err(other.clone());
        }
        inner.by_name.extend(names.into_iter().map(|name| (name, repository.clone())));
        inner.by_path.insert(repository.guarded.store().path().to_owned(), repository);
        Ok(())
    }

    /// Takes one out.
    pub fn remove(&self, path: &Path) -> Option<Arc<ManagedRepository>> {
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let repository = inner.by_path.remove(path)?;
        for name in names(&repository) {
            inner.by_name.remove(&name);
        }
        Some(repository)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Namespace and name of every Repository over a bare repository.
fn names(repository: &ManagedRepository) -> Vec<(String, String)> {
    repository.guarded.keys().iter().map(|key| (key.namespace.to_string(), key.name.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_paths_and_never_change() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("bindings");
        let default = Namespace::parse("default").expect("valid");
        let mut bindings = Bindings::open(file.clone()).expect("opens");
        let mut name =
            |path: &str| bindings.bind(path, None, &default, |name| name == "given").expect("bound").name.to_string();
        assert_eq!(name("owner/name.git"), "owner-name");
        let second = name("owner-name.git");
        assert!(second.starts_with("owner-name-") && second.len() == 19, "{second}");
        assert!(name("given.git").starts_with("given-"), "the configuration gives that name to another");
        assert!(name("Ünder_score.git").starts_with("nder-score-"));
        assert!(name(&format!("{}.git", "x".repeat(200))).len() <= 63);
        let mut again = Bindings::open(file.clone()).expect("opens");
        assert_eq!(again.bind("owner-name.git", None, &default, |_| true).expect("bound").name.to_string(), second);
        std::fs::write(&file, "soup").expect("written");
        assert!(Bindings::open(file).is_err());
    }
}
