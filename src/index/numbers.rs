//! The revision numbers that were given, kept in the state directory beside the repositories: a repository that comes back
//! from an older backup does not give them again.
//!
//! A file for each repository: the first commit of its ledger, which says whether it still is that repository, then a line
//! `<number> <package>` for each number above those before it. Git is the record; this only outlives it. Never here: deciding
//! on a number.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::domain::ledger::Ledger;
use crate::domain::names::PackagePath;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RevisionNumber;
use crate::git::{GitError, LedgerStore, Reader};

/// The numbers of one repository.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    file: PathBuf,
    /// The first commit of the ledger that they belong to.
    root: Option<ObjectId>,
    highest: BTreeMap<PackagePath, RevisionNumber>,
}

impl Numbers {
    /// Reads a repository's file; none yet is as good as an empty one, and a line that cannot be read is left out.
    pub(super) fn open(file: PathBuf) -> Self {
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(file = %file.display(), %error, "the numbers that were given cannot be read");
                }
                String::new()
            }
        };
        let mut lines = text.lines();
        let root = lines.next().and_then(|line| line.strip_prefix("ledger ")).and_then(|root| root.parse().ok());
        let mut highest = BTreeMap::new();
        for (number, package) in lines.filter_map(|line| line.split_once(' ')) {
            if let (Ok(number), Ok(package)) = (number.parse(), PackagePath::parse(package)) {
                raise(&mut highest, package, RevisionNumber(number));
            }
        }
        Self { file, root, highest }
    }

    /// Takes the numbers into a ledger that was read, and those of the ledger into the file.
    pub(super) fn meet(&mut self, reader: &Reader, ledger: &mut Ledger) -> Result<(), GitError> {
        if let Some(root) = self.root
            && !reader.exists(root)?
        {
            // Another repository has the name now.
            (self.root, self.highest) = (None, BTreeMap::new());
        }
        for (package, number) in &self.highest {
            if ledger.highest_revision(package) < Some(*number) {
                tracing::warn!(
                    repository = %reader.path().display(), %package, given = number.0,
                    "a higher number was given than the ledger knows, as after a restored backup; it is not given again"
                );
                ledger.raise(package, Some(*number));
            }
        }
        let all: Vec<_> = ledger.highest_revisions().map(|(package, number)| (package.clone(), number)).collect();
        self.note(reader, all);
        Ok(())
    }

    /// Writes down numbers that are above those before. A failure is told: everything but the memory of them works.
    pub(super) fn note(&mut self, reader: &Reader, numbers: Vec<(PackagePath, RevisionNumber)>) {
        let new = |(package, number): &(PackagePath, RevisionNumber)| self.highest.get(package) < Some(number);
        let new: Vec<_> = numbers.into_iter().filter(new).collect();
        if new.is_empty() {
            return;
        }
        let mut text = String::new();
        let mut begin = false;
        if self.root.is_none() {
            self.root = root(reader).ok().flatten();
            let Some(root) = self.root else { return };
            text = format!("ledger {root}\n");
            begin = true;
        }
        for (package, number) in new {
            text.push_str(&format!("{number} {package}\n"));
            raise(&mut self.highest, package, number);
        }
        if let Err(error) = write(&self.file, &text, begin) {
            tracing::warn!(file = %self.file.display(), %error, "the numbers that were given cannot be written");
        }
    }
}

fn raise(highest: &mut BTreeMap<PackagePath, RevisionNumber>, package: PackagePath, number: RevisionNumber) {
    let known = highest.entry(package).or_insert(number);
    *known = number.max(*known);
}

fn write(file: &Path, text: &str, begin: bool) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut open = fs::OpenOptions::new().create(true).append(!begin).write(true).truncate(begin).open(file)?;
    open.write_all(text.as_bytes())
}

/// The first commit of the ledger.
fn root(reader: &Reader) -> Result<Option<ObjectId>, GitError> {
    let Some(mut at) = LedgerStore::head(reader)? else { return Ok(None) };
    while let Some(parent) = reader.commit(at)?.parents.first() {
        at = *parent;
    }
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_soup_is_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("numbers/default.packages");
        assert!(Numbers::open(file.clone()).highest.is_empty());
        let root = "a".repeat(40);
        write(&file, &format!("ledger {root}\n3 net/router\nsoup\nx y\n5 net/router\n4 net/router\n"), true)
            .expect("written");
        write(&file, "2 web\n", false).expect("written");
        let numbers = Numbers::open(file);
        assert_eq!(numbers.root.map(|root| root.to_string()), Some(root));
        let all: Vec<(String, i64)> = numbers.highest.iter().map(|(package, n)| (package.to_string(), n.0)).collect();
        assert_eq!(all, [("net/router".to_owned(), 5), ("web".to_owned(), 2)]);
    }
}
