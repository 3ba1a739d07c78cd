//! The cache on disk: facts that were read out of Git objects, keyed by object ids, so that they can never be stale.
//!
//! sled keeps it. It is disposable: deleted, damaged or unwritable it costs time and nothing else. sled 0.34 panics on
//! damaged files, so every call is guarded, and every value carries a checksum of its own.
//! Never here: anything that cannot be rebuilt from Git.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Changes whenever the meaning of what is stored changes; another format is another directory.
const FORMAT: &str = "1";

/// The cache; `None` inside when it cannot be used.
#[derive(Debug)]
pub struct Cache {
    db: Option<sled::Db>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// Opens the cache in `dir`, and starts a new one if what is there cannot be opened. Never fails: without a cache the
    /// daemon is slower to start and the same otherwise.
    pub fn open(dir: &Path) -> Self {
        let place = dir.join(FORMAT);
        let mut db = open_guarded(&place);
        if db.is_none() {
            tracing::warn!(path = %place.display(), "the cache is damaged or cannot be opened; it is made anew");
            if let Err(error) = std::fs::remove_dir_all(&place) {
                tracing::warn!(path = %place.display(), %error, "the damaged cache cannot be removed");
            }
            db = open_guarded(&place);
        }
        if db.is_none() {
            tracing::warn!(path = %place.display(), "working without a cache");
        }
        Self { db, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// A cache that keeps nothing.
    pub fn none() -> Self {
        Self { db: None, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// A stored value; `None` when there is none or it is damaged.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let found = self.find(key);
        let counted = if found.is_some() { &self.hits } else { &self.misses };
        counted.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// How often a value was found, and how often it had to be read from Git instead, since the cache was opened.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn find<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let db = self.db.as_ref()?;
        let stored = catch_unwind(AssertUnwindSafe(|| db.get(key))).ok()?.ok()??;
        let (sum, payload) = stored.split_at_checked(8)?;
        if *sum != checksum(payload) {
            tracing::warn!(key, "a value of the cache is damaged; it is read from Git again");
            return None;
        }
        serde_json::from_slice(payload).ok()
    }

    /// Stores a value; a failure is logged and costs only time.
    pub fn put<T: Serialize>(&self, key: &str, value: &T) {
        let Some(db) = &self.db else { return };
        let Ok(payload) = serde_json::to_vec(value) else { return };
        let mut stored = checksum(&payload).to_vec();
        stored.extend_from_slice(&payload);
        match catch_unwind(AssertUnwindSafe(|| db.insert(key, stored))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(key, %error, "the cache cannot be written"),
            Err(_) => tracing::warn!(key, "the cache failed while it was written"),
        }
    }

    /// Writes everything out; called at shutdown.
    pub fn flush(&self) {
        if let Some(db) = &self.db
            && !matches!(catch_unwind(AssertUnwindSafe(|| db.flush())), Ok(Ok(_)))
        {
            tracing::warn!("the cache could not be written out; the next start is slower");
        }
    }
}

/// What a look at a cache that nobody has open found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// There is none.
    Missing,
    /// A copy of it opens.
    Opens,
    /// A copy of it does not open.
    Damaged,
    /// It is larger than would be copied, in bytes.
    Large(u64),
    /// It cannot be read.
    Unreadable(String),
    /// A daemon has it open, so it was left alone.
    InUse,
}

/// Looks whether the cache in `dir` would open. Opening writes, so it is tried on a copy.
pub fn probe(dir: &Path) -> Probe {
    const LARGEST: u64 = 256 << 20;
    let place = dir.join(FORMAT);
    match place.try_exists() {
        Ok(true) => {}
        Ok(false) => return Probe::Missing,
        Err(error) => return Probe::Unreadable(error.to_string()),
    }
    let copied = || -> std::io::Result<Result<tempfile::TempDir, u64>> {
        let copy = tempfile::tempdir()?;
        let (mut size, mut open) = (0, vec![std::path::PathBuf::new()]);
        while let Some(below) = open.pop() {
            std::fs::create_dir_all(copy.path().join(&below))?;
            for entry in std::fs::read_dir(place.join(&below))? {
                let entry = entry?;
                let (name, metadata) = (below.join(entry.file_name()), entry.metadata()?);
                if metadata.is_dir() {
                    open.push(name);
                } else if metadata.is_file() {
                    size += metadata.len();
                    if size > LARGEST {
                        return Ok(Err(size));
                    }
                    std::fs::copy(entry.path(), copy.path().join(name))?;
                }
            }
        }
        Ok(Ok(copy))
    };
    match copied() {
        Err(error) => Probe::Unreadable(error.to_string()),
        Ok(Err(size)) => Probe::Large(size),
        Ok(Ok(copy)) if open_guarded(copy.path()).is_some() => Probe::Opens,
        Ok(Ok(_)) => Probe::Damaged,
    }
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Sha256::digest(payload)[..8]);
    sum
}

fn open_guarded(path: &Path) -> Option<sled::Db> {
    let open = || {
        let db = sled::Config::new().path(path).cache_capacity(8 << 20).open()?;
        for pair in db.iter().take(16) {
            pair?;
        }
        Ok::<_, sled::Error>(db)
    };
    catch_unwind(AssertUnwindSafe(open)).ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_after_a_restart() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(dir.path());
        cache.put("a", &vec![1, 2, 3]);
        cache.flush();
        drop(cache);
        assert_eq!(probe(dir.path()), Probe::Opens);
        let cache = Cache::open(dir.path());
        assert_eq!((cache.get("a"), cache.get::<u8>("b")), (Some(vec![1, 2, 3]), None));
        assert_eq!(cache.hits_and_misses(), (1, 1));
        drop(cache);
        assert_eq!(probe(&dir.path().join("nowhere")), Probe::Missing);
        std::fs::write(dir.path().join(FORMAT).join("conf"), "soup and nothing else").expect("overwritten");
        assert_eq!(probe(dir.path()), Probe::Damaged);
    }

    #[test]
    fn random_bytes_in_its_place_cost_only_the_content() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(dir.path());
        for i in 0..200 {
            cache.put(&i.to_string(), &"x".repeat(500));
        }
        cache.flush();
        drop(cache);
        let db = dir.path().join(FORMAT).join("db");
        let length = std::fs::metadata(&db).expect("sled's file").len() as usize;
        let noise: Vec<u8> = (0..length).map(|i| (i * 7919 % 251) as u8).collect();
        std::fs::write(&db, noise).expect("overwritten");
        let cache = Cache::open(dir.path());
        cache.put("b", &7);
        assert_eq!(cache.get("b"), Some(7));
    }

    #[test]
    fn a_place_that_cannot_be_used_is_no_error() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let cache = Cache::open(&file);
        cache.put("a", &1);
        assert_eq!(cache.get::<i32>("a"), None);
    }
}
