//! Writes the ledger: intents before a transition's first ref moves, deeds and versions after its last.
//!
//! Never here: package refs (see `transition`), and what the entries mean (see `domain::ledger`).

use std::collections::BTreeMap;

use crate::domain::annotation::ORCHESTRATOR;
use crate::domain::ledger::{Before, Deed, Entry, EntryKey, Published, Versions};
use crate::domain::lifecycle::Action;
use crate::domain::names::{PackagePath, UserName, Workspace};
use crate::domain::oid::ObjectId;
use crate::domain::policy::approvals::Tally;
use crate::domain::ref_plan::RefEdit;
use crate::domain::refs::{DELETION_PROPOSED, DRAFTS, PROPOSED, RevisionNumber, TAGS};
use crate::git::{BEFORE, GitError, LedgerStore, Person, Reader, RefValue, TransactError, transact};
use crate::index::assemble::of_package;
use crate::index::clock;
use crate::index::guarded::{Guarded, View, Writer};

/// Entries that are about to be written.
#[derive(Debug, Default)]
pub struct Draft {
    entries: BTreeMap<EntryKey, Entry>,
    /// Files beside the entries, by their paths.
    beside: BTreeMap<String, Vec<u8>>,
    /// Whether the message alone is worth a commit.
    worth_telling: bool,
    /// Refs that move in the same transaction.
    edits: Vec<RefEdit>,
}

impl Draft {
    /// The entry of a package's workspace, to be changed: as drafted so far, else as the ledger has it, else new.
    pub fn entry(&mut self, view: &View, package: &PackagePath, workspace: &Workspace) -> &mut Entry {
        let key = EntryKey::of(package, workspace);
        self.entries.entry(key).or_insert_with(|| view.ledger.entry(package, workspace))
    }

    /// Keeps files beside the entries, such as a push certificate. They alone are not worth a commit.
    pub fn keep(&mut self, files: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.beside.extend(files);
    }

    /// Makes it be written for its message, even if no entry changes.
    pub fn tell(&mut self) {
        self.worth_telling = true;
    }

    /// Adds a ref that is to move in the ledger's transaction, after the ledger.
    pub fn move_with_it(&mut self, edit: RefEdit) {
        self.edits.push(edit);
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.worth_telling
    }
}

/// A person whose name and e-mail are a user's name, as Porch writes authors.
pub fn person(user: &UserName) -> Person {
    Person { name: user.to_string(), email: user.to_string(), seconds: clock::now().seconds(), offset_seconds: 0 }
}

/// The identity that commits what the orchestrator makes, at this moment.
pub fn orchestrator() -> Person {
    let (name, email) = ORCHESTRATOR;
    Person { name: name.to_owned(), email: email.to_owned(), seconds: clock::now().seconds(), offset_seconds: 0 }
}

/// One line of the ledger's log for one transition; the number is told of approvals and deletions.
pub fn line(
    (package, workspace): (&PackagePath, &Workspace),
    action: Action,
    number: Option<RevisionNumber>,
    deed: &Deed,
) -> String {
    let number = number.filter(|_| matches!(action, Action::Approve | Action::Publish | Action::Delete));
    let number = number.map(|number| format!(" as v{number}")).unwrap_or_default();
    format!("{} {package} {workspace}{number} at {} by {}{}", action.as_str(), deed.commit, deed.by, broken(deed))
}

/// One line of the ledger's log for an approval that does not publish by itself.
pub fn approval_line((package, workspace): (&PackagePath, &Workspace), tally: &Tally, deed: &Deed) -> String {
    let (have, needed) = (tally.have(), tally.needed);
    format!("approval {have} of {needed} of {package} {workspace} at {} by {}", deed.commit, deed.by)
}

/// That the glass was broken for it, and why.
fn broken(deed: &Deed) -> String {
    deed.broken.as_ref().map(|broken| format!(", breaking the glass: {}", broken.reason)).unwrap_or_default()
}

/// Several lines as one commit message; `None` when there are none.
pub fn summary(lines: &[String]) -> Option<String> {
    match lines {
        [] => None,
        [only] => Some(only.clone()),
        [first, rest @ ..] => Some(format!("{first} and {} more\n\n{}", rest.len(), rest.join("\n"))),
    }
}

/// A commit of the ledger that is written and that nothing leads to yet.
#[derive(Debug)]
pub struct Prepared {
    /// The edit that makes it the ledger's head, and those that go with it; to go before the edits it announces in their
    /// transaction.
    pub edits: Vec<RefEdit>,
    head: ObjectId,
    entries: Vec<Entry>,
    before: Option<Before>,
}

impl Prepared {
    /// Takes note that the ledger is there: the view then in force has the entries.
    pub fn moved(self, guarded: &Guarded) {
        guarded.ledger_written(self.head, self.entries.into_iter(), self.before);
    }
}

/// Writes a commit with the drafted entries; none for an empty draft.
pub fn prepare(
    reader: &Reader,
    view: &View,
    draft: Draft,
    message: &str,
    author: Person,
) -> Result<Option<Prepared>, GitError> {
    if draft.is_empty() {
        return Ok(None);
    }
    let beside = draft.beside.into_iter().map(|(path, content)| (path, Some(content)));
    let entries = draft.entries.iter().map(|(key, entry)| (key.as_str().to_owned(), file(entry)));
    let mut edits: Vec<(String, Option<Vec<u8>>)> = entries.chain(beside).collect();
    let before = view.ledger_head.is_none().then(|| older(view));
    edits.extend(before.as_ref().map(|before| (BEFORE.to_owned(), Some(before.to_bytes()))));
    let (head, edit) = LedgerStore::prepare(reader, view.ledger_head, &edits, message, author)?;
    let edits = std::iter::once(edit).chain(draft.edits).collect();
    Ok(Some(Prepared { edits, head, entries: draft.entries.into_values().collect(), before }))
}

/// The refs of package revisions that are there before the ledger's first commit: what it says nothing of since then, others
/// brought there.
fn older(view: &View) -> Before {
    let of_stoop = [DRAFTS, PROPOSED, DELETION_PROPOSED].into_iter().flat_map(|prefix| view.snapshot.under(prefix));
    let stands = |value: &&RefValue| {
        let above =
            value.name.as_str()[TAGS.len()..].rsplit_once('/').and_then(|(above, _)| PackagePath::parse(above).ok());
        above.is_some_and(|package| of_package(&view.objects, &package).next().is_some())
    };
    let tags = view.snapshot.under(TAGS).filter(stands);
    Before::new(of_stoop.chain(tags).map(|value| (value.name.clone(), value.target)).collect())
}

/// An entry's file in the ledger; none for one that is spent.
fn file(entry: &Entry) -> Option<Vec<u8>> {
    (!entry.is_spent()).then(|| entry.to_bytes())
}

/// Appends one commit with the drafted entries to the ledger. `view` is one that the writer has read since it is the
/// writer; the view then in force has the entries.
pub fn append(
    guarded: &Guarded,
    _writer: &Writer<'_>,
    view: &View,
    draft: Draft,
    message: &str,
    author: Person,
) -> Result<(), TransactError> {
    let reader = guarded.store().reader();
    if let Some(prepared) = prepare(&reader, view, draft, message, author)? {
        transact(&reader, &prepared.edits)?;
        prepared.moved(guarded);
    }
    Ok(())
}

/// Adds the versions that the ledger does not keep yet to a draft, and appends it: the end of every transition. Says
/// whether it could. `view` is one that the writer has read since the refs moved. A failure is logged: the refs have
/// moved, their intents are in the ledger, and the next rescan records again.
pub fn conclude(
    guarded: &Guarded,
    writer: &Writer<'_>,
    view: &View,
    mut draft: Draft,
    message: &str,
    author: Person,
) -> bool {
    let ids = guarded.unrecorded();
    for id in &ids {
        let Some(object) = view.objects.get(id) else { continue };
        let entry = draft.entry(view, &object.package, &object.workspace);
        entry.created.get_or_insert(object.created);
        if object.lifecycle.is_published() && !object.is_placeholder() && object.findings.is_empty() {
            // Older than the ledger: from now on it stays as it is.
            let standing = view.snapshot.get(&object.ref_name).map(|value| value.target);
            let published = |target| Published { tag: object.ref_name.clone(), target };
            entry.published = entry.published.take().or(standing.map(published));
        }
        entry.versions = Some(Versions {
            resource_version: object.resource_version,
            digest: object.digest(),
            content_version: object.content_version,
            tree: object.tree,
        });
    }
    match append(guarded, writer, view, draft, message, author) {
        Ok(()) => {
            guarded.recorded(&ids);
            true
        }
        Err(error) => {
            tracing::error!(%error, "the ledger cannot be written; a rescan will record the transition");
            false
        }
    }
}
