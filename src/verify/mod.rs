//! `stoop audit verify`: a whole ledger, from its first commit on, with nothing but the repository or a mirror clone of it.
//!
//! The chain is walked once, oldest first: every transition must be legal, announced and done by one person; every
//! certificate must hold; and every published tag must be what was approved. No daemon is asked, nothing is changed.
//! Never here: putting anything right.

mod certificates;
mod published;
mod report;
mod signers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use report::{Finding, Report};
pub use signers::{AllowedSigners, SignersError};

use crate::domain::ledger::Entry;
use crate::domain::ledger_history::History;
use crate::domain::oid::ObjectId;
use crate::domain::refs::RefName;
use crate::git::{BEFORE, Commit, GitError, LedgerStore, Reader, Store};

/// The most files that one commit of the ledger may change.
const MOST_CHANGES: usize = 1_000_000;

/// What `stoop audit verify` was told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The repository: bare, or a mirror clone of one.
    pub repository: PathBuf,
    /// Who may sign with which key; without it the keys that the ledger keeps are taken for right.
    pub allowed_signers: Option<AllowedSigners>,
    /// A commit of the ledger that was seen before: it must still be part of the chain.
    pub known: Option<ObjectId>,
}

/// Verifies a repository's ledger. What is wrong with it is in the report.
///
/// # Errors
/// The repository cannot be read.
pub fn verify(options: &Options) -> Result<Report, GitError> {
    let reader = Store::open(&options.repository)?.reader();
    let mut report = Report::new(&options.repository, options.allowed_signers.is_some());
    let Some(head) = LedgerStore::head(&reader)? else {
        report.find(
            "no-ledger",
            "refs/stoop/ledger".to_owned(),
            "the repository has no ledger; a mirror clone has it".to_owned(),
        );
        return Ok(report);
    };
    report.ledger = Some(head);
    let chain = chain(&reader, head, &mut report)?;
    report.commits = chain.len();
    if let Some(known) = options.known.filter(|known| !chain.iter().any(|commit| commit.id == *known)) {
        report.find(
            "history-rewritten",
            format!("commit {known}"),
            "the ledger was seen at this commit, which is not part of it now".to_owned(),
        );
    }
    let mut walk = Walk {
        reader: &reader,
        options,
        head,
        entries: BTreeMap::new(),
        imports: BTreeSet::new(),
        history: History::default(),
        certificates: certificates::Certificates::default(),
    };
    let mut parent = None;
    for commit in &chain {
        walk.commit(parent, commit, &mut report)?;
        parent = Some(commit);
    }
    report.changes = walk.certificates.deeds();
    report.signed = walk.certificates.signed();
    published::check(&reader, head, &walk.history, &walk.imports, &mut report)?;
    Ok(report)
}

/// The commits of the ledger, oldest first.
fn chain(reader: &Reader, head: ObjectId, report: &mut Report) -> Result<Vec<Commit>, GitError> {
    let mut chain: Vec<Commit> = Vec::new();
    let mut next = Some(head);
    while let Some(id) = next {
        let commit = match reader.commit(id) {
            Ok(commit) => commit,
            Err(error @ (GitError::Missing { .. } | GitError::Damaged { .. } | GitError::WrongKind { .. })) => {
                report.find("broken-chain", format!("commit {id}"), error.to_string());
                break;
            }
            Err(error) => return Err(error),
        };
        if commit.parents.len() > 1 {
            let message = format!("it has {} parents, and a ledger's commit has one", commit.parents.len());
            report.find("not-a-chain", format!("commit {id}"), message);
        }
        next = commit.parents.first().copied();
        chain.push(commit);
    }
    chain.reverse();
    Ok(chain)
}

struct Walk<'a> {
    reader: &'a Reader,
    options: &'a Options,
    head: ObjectId,
    /// The entries as the commit before left them, by their paths.
    entries: BTreeMap<String, Entry>,
    /// Refs that an administrator took over, and who.
    imports: BTreeSet<(RefName, String)>,
    history: History,
    certificates: certificates::Certificates,
}

impl Walk<'_> {
    fn commit(&mut self, parent: Option<&Commit>, commit: &Commit, report: &mut Report) -> Result<(), GitError> {
        let changed = self.reader.changed_paths(parent.map(|parent| parent.tree), Some(commit.tree), MOST_CHANGES)?;
        for path in changed {
            let file = LedgerStore::file(self.reader, commit.id, &path)?;
            if LedgerStore::is_entry(&path) {
                self.entry(commit, &path, file, report)?;
            } else if LedgerStore::is_beside(&path) {
                // Each is named by its own id, so that it can be added or go, and nothing else.
                let named = path.split('/').skip(1).collect::<String>();
                let message = match file {
                    Some(id) if id.to_string() == named => continue,
                    Some(_) => "it is not the file that its name says",
                    None => "it is taken out of the ledger, where it must stay",
                };
                report.find("evidence-changed", format!("{path}, commit {}", commit.id.short()), message.to_owned());
            } else if path != BEFORE || parent.is_some() {
                let message = "nothing of this name belongs into a ledger, or it may not change";
                report.find("strange-file", format!("{path}, commit {}", commit.id.short()), message.to_owned());
            }
        }
        self.imports.extend(commit.message.lines().filter_map(import));
        Ok(())
    }

    fn entry(
        &mut self,
        commit: &Commit,
        path: &str,
        file: Option<ObjectId>,
        report: &mut Report,
    ) -> Result<(), GitError> {
        let place = |what: &str| format!("{what}, commit {}", commit.id.short());
        let new = match file.map(|id| LedgerStore::entry(self.reader, id)).transpose()? {
            None => None,
            Some(bytes) => match Entry::from_bytes(&bytes) {
                Ok(entry) if entry.key().as_str() == path.replace('/', "") => Some(entry),
                Ok(entry) => {
                    let what = format!("{} {}", entry.package, entry.workspace);
                    report.find("misplaced-entry", place(&what), "its file is named like another entry's".to_owned());
                    return Ok(());
                }
                Err(error) => {
                    report.find("unreadable-entry", place(path), error.to_string());
                    return Ok(());
                }
            },
        };
        let old = self.entries.remove(path);
        let (announced, faults) = self.history.follow(old.as_ref(), new.as_ref());
        let name = new.as_ref().or(old.as_ref()).map(|entry| format!("{} {}", entry.package, entry.workspace));
        let name = name.unwrap_or_default();
        for fault in faults {
            report.find(fault.code(), place(&name), fault.to_string());
        }
        for announced in announced {
            let outcome = self.certificates.check(self.reader, self.options, (self.head, commit.id), &announced)?;
            if let Err((code, message)) = outcome {
                report.find(code, place(&name), message);
            }
        }
        self.entries.extend(new.map(|new| (path.to_owned(), new)));
        Ok(())
    }
}

/// Reads `import <ref> at <object id> by <user>`, as the ledger's log says it.
fn import(line: &str) -> Option<(RefName, String)> {
    let line = line.strip_prefix("Begin: ").unwrap_or(line).strip_prefix("import ")?;
    let (name, rest) = line.split_once(" at ")?;
    let (_, by) = rest.split_once(" by ")?;
    Some((RefName::parse(name).ok()?, by.to_owned()))
}
