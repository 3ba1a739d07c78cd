//! The ledger's records: what refs cannot say about a package revision, one small JSON file for each package and workspace.
//!
//! The ledger is a commit chain at `refs/stoop/ledger`; the tree at its head is the current metadata, its history the
//! audit log. Entries are keyed by the SHA-256 of `<P>\0<W>`, so that no name meets another as a directory.
//! Never here: reading or writing the chain (see `git::ledger_store`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::announcement::{Announcement, RefMove};
use super::lifecycle::Action;
use super::names::{PackagePath, UserName, Workspace};
use super::oid::ObjectId;
use super::package::Metadata;
use super::push_certificate::Certificate;
use super::refs::RevisionNumber;
use super::timestamp::Micros;

/// The key of an entry: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey(String);

impl EntryKey {
    /// The key of a package's workspace.
    pub fn of(package: &PackagePath, workspace: &Workspace) -> Self {
        let mut hash = Sha256::new();
        hash.update(package.as_str().as_bytes());
        hash.update([0]);
        hash.update(workspace.as_str().as_bytes());
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who did something, when, to which object id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The user.
    pub by: UserName,
    /// The time.
    pub at: Micros,
    /// The commit it was done to.
    pub commit: ObjectId,
    /// Which door it came through.
    pub via: Via,
    /// The push certificate that it stands on, where the push was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

impl Deed {
    /// A deed like most: nothing was signed for it.
    pub fn new(by: UserName, at: Micros, commit: ObjectId, via: Via) -> Self {
        Self { by, at, commit, via, certificate: None }
    }
}

/// The door a change came through, and what an approval by API was bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// A push: bound to the object id pushed.
    Push,
    /// The API, with a resourceVersion or UID that bound it to what was read.
    Api,
    /// The API, naming no version: bound to the head of that moment.
    ApiUnbound,
    /// Nobody at a door: a rescan found it.
    Found,
}

/// A transition that was decided and not yet seen complete. A rescan finishes or drops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What is to happen.
    pub action: Action,
    /// Who decided it, when, on which object id.
    #[serde(flatten)]
    pub deed: Deed,
    /// For an approval: the revision number it gives; for a deletion: the number that was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionNumber>,
    /// For an approval: the merge commit that was prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<ObjectId>,
    /// What Stoop moves itself for it, so that others can be told; what git moves for a push is not named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<RefMove>,
    /// What the Git server said of the user, by the names of its variables, for those that are told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Intent {
    /// What others are told once it is done.
    pub fn announcement(&self) -> Announcement {
        Announcement { by: self.deed.by.clone(), variables: self.variables.clone(), moves: self.moves.clone() }
    }
}

/// The versions that an object had when the ledger was last written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// The object's resource version.
    pub resource_version: u64,
    /// The digest of the object that had it.
    pub digest: String,
    /// The version of its content.
    pub content_version: u64,
    /// The package tree that had it.
    pub tree: ObjectId,
}

/// One entry: everything the ledger knows of a package's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The package, `<P>`.
    pub package: PackagePath,
    /// The workspace, `<W>`.
    pub workspace: Workspace,
    /// What users wrote on the object.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metadata: Metadata,
    /// When the object was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Micros>,
    /// Who saved the draft last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<Deed>,
    /// Who proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Deed>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Deed>,
    /// Who proposed its deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_proposed: Option<Deed>,
    /// Who deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deed>,
    /// The highest number this workspace was ever published under; never forgotten, so that no number is used twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_revision: Option<RevisionNumber>,
    /// A transition that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The versions the object had last; none once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
}

fn is_default(metadata: &Metadata) -> bool {
    *metadata == Metadata::default()
}

impl Entry {
    /// An empty entry.
    pub fn new(package: PackagePath, workspace: Workspace) -> Self {
        Self {
            package,
            workspace,
            metadata: Metadata::default(),
            created: None,
            saved: None,
            proposed: None,
            approved: None,
            deletion_proposed: None,
            deleted: None,
            highest_revision: None,
            intent: None,
            versions: None,
        }
    }

    /// The entry's key.
    pub fn key(&self) -> EntryKey {
        EntryKey::of(&self.package, &self.workspace)
    }

    /// Whether it says nothing that anybody will need: its draft or proposal was dropped and never published. The chain's
    /// history has who dropped it; the tree and the memory do not grow with every draft that ever was.
    pub fn is_spent(&self) -> bool {
        // Most entries were never deleted, and are not copied for this.
        self.deleted.is_some()
            && Self { deleted: None, ..self.clone() } == Self::new(self.package.clone(), self.workspace.clone())
    }

    /// The entry as the ledger stores it: indented JSON with a final line end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads an entry; `Err` says what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Notes that an action was completed: who did it, and what it makes untrue.
    pub fn record(&mut self, action: Action, deed: Deed, revision: Option<RevisionNumber>) {
        if let Some(number) = revision.filter(|number| number.is_published()) {
            self.highest_revision = self.highest_revision.max(Some(number));
        }
        match action {
            Action::Save => {
                if self.deleted.is_some() || self.approved.is_some() {
                    self.forget_life();
                }
                self.saved = Some(deed);
            }
            Action::Propose => {
                if self.deleted.is_some() || self.approved.is_some() {
                    self.forget_life();
                }
                self.proposed = Some(deed);
            }
            Action::Reject => self.proposed = None,
            Action::Approve => self.approved = Some(deed),
            Action::ProposeDeletion => self.deletion_proposed = Some(deed),
            Action::RefuseDeletion => self.deletion_proposed = None,
            Action::DropDraft | Action::DropProposal | Action::Delete => {
                let highest = self.highest_revision;
                let approved = self.approved.take();
                *self = Self::new(self.package.clone(), self.workspace.clone());
                self.highest_revision = highest;
                self.approved = approved;
                self.deleted = Some(deed);
            }
        }
        self.intent = None;
    }

    /// A workspace whose revision was deleted begins a second life: only the number it had is kept.
    fn forget_life(&mut self) {
        let (highest, metadata) = (self.highest_revision, std::mem::take(&mut self.metadata));
        *self = Self::new(self.package.clone(), self.workspace.clone());
        self.highest_revision = highest;
        self.metadata = metadata;
    }

    /// Who made the proposal that stands: of the package revision, or of its deletion.
    pub fn proposer(&self) -> Option<&UserName> {
        self.deletion_proposed.as_ref().or(self.proposed.as_ref()).map(|deed| &deed.by)
    }
}

/// The whole ledger of a repository, in memory. Copies share what they have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    entries: RedBlackTreeMapSync<EntryKey, Arc<Entry>>,
    /// The highest number ever published of each package.
    highest: RedBlackTreeMapSync<PackagePath, RevisionNumber>,
    /// The entries that have an intent.
    intents: BTreeSet<EntryKey>,
}

impl Ledger {
    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a package's workspace.
    pub fn get(&self, package: &PackagePath, workspace: &Workspace) -> Option<&Entry> {
        self.entries.get(&EntryKey::of(package, workspace)).map(AsRef::as_ref)
    }

    /// A copy of the entry, or a new one.
    pub fn entry(&self, package: &PackagePath, workspace: &Workspace) -> Entry {
        self.get(package, workspace).cloned().unwrap_or_else(|| Entry::new(package.clone(), workspace.clone()))
    }

    /// Puts an entry; one that is spent goes.
    pub fn insert(&mut self, entry: Entry) {
        let key = entry.key();
        match entry.intent {
            Some(_) => self.intents.insert(key.clone()),
            None => self.intents.remove(&key),
        };
        if let Some(number) = entry.highest_revision.max(self.highest_revision(&entry.package)) {
            self.highest.insert_mut(entry.package.clone(), number);
        }
        match entry.is_spent() {
            true => self.entries.remove_mut(&key),
            false => {
                self.entries.insert_mut(key, Arc::new(entry));
                true
            }
        };
    }

    /// The entries with a transition under way.
    pub fn with_intent(&self) -> impl Iterator<Item = &Entry> {
        self.intents.iter().filter_map(|key| self.entries.get(key).map(AsRef::as_ref))
    }

    /// The highest number ever published of a package, as far as the ledger knows.
    pub fn highest_revision(&self, package: &PackagePath) -> Option<RevisionNumber> {
        self.highest.get(package).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry::new(PackagePath::parse("a/b").expect("valid"), Workspace::parse("w").expect("valid"))
    }

    fn deed(by: &str) -> Deed {
        let commit = "a".repeat(40).parse().expect("valid");
        Deed::new(UserName::parse(by).expect("valid"), Micros(5), commit, Via::Push)
    }

    fn intent(action: Action, by: &str) -> Intent {
        let variables = BTreeMap::from([("GITEA_PUSHER_ID".to_owned(), "5".to_owned())]);
        Intent { action, deed: deed(by), revision: None, merge: None, moves: Vec::new(), variables }
    }

    #[test]
    fn entries_round_trip_and_unknown_text_is_an_error() {
        let mut entry = entry();
        entry.record(Action::Save, deed("ann"), None);
        entry.record(Action::Propose, deed("ann"), None);
        entry.intent = Some(Intent { revision: Some(RevisionNumber(3)), ..intent(Action::Approve, "bob") });
        assert_eq!(Entry::from_bytes(&entry.to_bytes()).expect("readable"), entry);
        assert!(Entry::from_bytes(b"{}").is_err());
    }

    #[test]
    fn a_dropped_draft_is_forgotten_unless_something_of_it_counts() {
        let mut ledger = Ledger::default();
        let mut draft = entry();
        draft.record(Action::Save, deed("ann"), None);
        ledger.insert(draft.clone());
        assert!(!draft.is_spent() && !entry().is_spent() && !ledger.is_empty());
        draft.record(Action::DropDraft, deed("ann"), None);
        assert!(draft.is_spent());
        let mut published = draft.clone();
        published.highest_revision = Some(RevisionNumber(2));
        let mut begun = draft.clone();
        begun.intent = Some(intent(Action::Save, "ann"));
        assert!(!published.is_spent() && !begun.is_spent());
        ledger.insert(draft);
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_number_survives_deletion_and_a_second_life() {
        let mut entry = entry();
        entry.record(Action::Propose, deed("ann"), None);
        entry.record(Action::Approve, deed("bob"), Some(RevisionNumber(7)));
        entry.record(Action::ProposeDeletion, deed("ann"), None);
        entry.record(Action::Delete, deed("bob"), None);
        assert_eq!((entry.highest_revision, entry.proposed.as_ref()), (Some(RevisionNumber(7)), None));
        entry.record(Action::Save, deed("ann"), None);
        assert_eq!(entry.highest_revision, Some(RevisionNumber(7)));
        assert!(entry.deleted.is_none() && entry.approved.is_none());
        let mut ledger = Ledger::default();
        let package = entry.package.clone();
        ledger.insert(entry);
        assert_eq!(ledger.highest_revision(&package), Some(RevisionNumber(7)));
    }

    #[test]
    fn keys_tell_package_and_workspace_apart() {
        let key = |p: &str, w: &str| {
            EntryKey::of(&PackagePath::parse(p).expect("valid"), &Workspace::parse(w).expect("valid"))
        };
        assert_ne!(key("a", "b"), key("a/b", "c"));
        assert_eq!(key("a", "b").as_str().len(), 64);
    }
}
