//! Everything of a repository that is not as the ledger says, read from scratch: for whoever has no view of it.
//!
//! Never here: the daemon's view (see `guarded`), and changing anything.

use std::collections::BTreeSet;
use std::path::Path;

use super::assemble::RevisionId;
use super::branch_line::BranchLine;
use super::cache::Cache;
use super::facts::FactStore;
use super::guarded::held_back;
use super::ledger;
use super::scan::{Scanner, packages_named};
use crate::domain::integrity::Finding;
use crate::domain::names::PackagePath;
use crate::domain::refs::Registration;
use crate::git::{GitError, Store};

/// One finding, and the package revision that it is about; none for the registered branch.
pub type OfRevision = (Option<RevisionId>, Finding);

/// Reads refs and ledger of the repository in a directory, and holds the one against the other. Changes nothing.
pub fn look(path: &Path, registration: &Registration) -> Result<Vec<OfRevision>, GitError> {
    let reader = &Store::open(path)?.reader();
    let (snapshot, ledger, cache) = (&reader.refs()?, &ledger::read(reader)?, &Cache::none());
    let head = snapshot.get(&registration.branch).and_then(|value| value.commit);
    let line = head.map(|head| BranchLine::read(reader, head, &registration.directory)).transpose()?;
    let mut packages: BTreeSet<PackagePath> = packages_named(snapshot.iter().map(|value| &value.name), registration);
    packages.extend(line.iter().flat_map(|line| line.packages.keys().cloned()));
    packages.extend(ledger.entries().map(|entry| entry.package.clone()));
    let scanner = Scanner { reader, snapshot, registration, ledger, cache, line: line.as_ref() };
    let mut findings = Vec::new();
    for (package, _, of_package) in scanner.packages(packages, &mut FactStore::default())? {
        for (workspace, list) in of_package {
            let id = (package.clone(), workspace);
            findings.extend(list.iter().map(|finding| (Some(id.clone()), finding.clone())));
        }
    }
    let branch = held_back(reader, registration, head, ledger.newest_approval())?;
    findings.extend(branch.map(|finding| (None, finding)));
    Ok(findings)
}
