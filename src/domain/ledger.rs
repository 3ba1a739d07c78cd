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
use super::policy::approvals::Tally;
use super::policy::break_glass::Broken;
use super::push_certificate::Certificate;
use super::refs::{RefName, RevisionNumber};
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
    /// The reason for going past the policy, where that was done.
    #[serde(default, rename = "breakGlass", skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

impl Deed {
    /// A deed like most: nothing was signed or broken for it.
    pub fn new(by: UserName, at: Micros, commit: ObjectId, via: Via) -> Self {
        Self { by, at, commit, via, certificate: None, broken: None }
    }
}

/// An approval that was kept until enough others came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approved, when, which object id.
    #[serde(flatten)]
    pub deed: Deed,
    /// How many approvals the policy wanted then.
    pub needed: u32,
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
    /// `stoop restore`, on the server.
    Restored,
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
    /// For an approval: the commit that publishes, once it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<ObjectId>,
    /// What Stoop moves itself for it, so that others can be told; what git moves for a push is not named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<RefMove>,
    /// What the Git server said of the user, by the names of its variables, for those that are told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// For what a push does by moving the registered branch: the commit that it moves it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<ObjectId>,
}

impl Intent {
    /// What others are told once it is done.
    pub fn announcement(&self) -> Announcement {
        Announcement { by: self.deed.by.clone(), variables: self.variables.clone(), moves: self.moves.clone() }
    }
}

/// The tag that a revision was published under, and what it points at: it never moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The tag.
    pub tag: RefName,
    /// What it points at.
    pub target: ObjectId,
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
    /// Everyone who saved or proposed it since the draft began.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) savers: BTreeSet<UserName>,
    /// Who proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Deed>,
    /// Who made the proposal a draft again, which then is at that commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Deed>,
    /// The approvals of the proposal that did not publish it by themselves, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) approvals: Vec<Approval>,
    /// Who approved it, the last one where several did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Deed>,
    /// Who imported its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Deed>,
    /// Where it stands since it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
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
            savers: BTreeSet::new(),
            proposed: None,
            rejected: None,
            approvals: Vec::new(),
            approved: None,
            imported: None,
            published: None,
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
                self.begin_or_go_on(&deed.by);
                (self.saved, self.rejected, self.proposed) = (Some(deed), None, None);
            }
            Action::Propose => {
                self.begin_or_go_on(&deed.by);
                (self.proposed, self.rejected) = (Some(deed), None);
            }
            Action::Reject => {
                self.approvals.clear();
                (self.proposed, self.rejected) = (None, Some(deed));
            }
            Action::Approve => self.approved = Some(deed),
            Action::Publish => {
                self.forget_life();
                self.approved = Some(deed);
            }
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

    /// Notes that a transition was completed, by its intent.
    pub fn finish(&mut self, intent: &Intent) {
        self.record(intent.action, intent.deed.clone(), intent.revision);
        let publishes = matches!(intent.action, Action::Approve | Action::Publish);
        if let (true, Some(number), Some(target)) = (publishes, intent.revision, intent.merge) {
            self.published = Some(Published { tag: RefName::tag(&self.package, &number.segment()), target });
        }
    }

    /// What is saved or proposed is another one's work too from now on, and no approval of what was before is one of it.
    fn begin_or_go_on(&mut self, by: &UserName) {
        if self.deleted.is_some() || self.approved.is_some() || self.published.is_some() {
            self.forget_life();
        }
        self.savers.insert(by.clone());
        self.approvals.clear();
    }

    /// Keeps an approval that does not publish by itself. The transition that brought it is over.
    pub fn keep_approval(&mut self, deed: Deed, needed: u32) {
        self.approvals.push(Approval { deed, needed });
        self.intent = None;
    }

    /// The approvals that were kept, oldest first; which of them still count, the policy says.
    pub fn approvals_kept(&self) -> &[Approval] {
        &self.approvals
    }

    /// Everyone who is known to have saved or proposed it since the draft began.
    pub fn savers(&self) -> impl Iterator<Item = &UserName> {
        // An entry of an earlier version knows only the last one.
        let last = [&self.saved, &self.proposed].into_iter().flatten().map(|deed| &deed.by);
        self.savers.iter().chain(last.filter(|by| !self.savers.contains(*by)))
    }

    /// The approvals of a commit, as they were counted when the last of them was kept.
    pub fn tally(&self, commit: ObjectId) -> Option<Tally> {
        let of_commit = self.approvals.iter().filter(|approval| approval.deed.commit == commit);
        let needed = of_commit.clone().next_back()?.needed;
        Some(Tally { by: of_commit.map(|approval| approval.deed.by.clone()).collect(), needed })
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

/// The refs of package revisions that are older than the ledger: published, proposed or saved before Stoop came. Written
/// with the ledger's first commit, and never again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before(Vec<(RefName, ObjectId)>);

impl Before {
    /// These refs.
    pub fn new(mut refs: Vec<(RefName, ObjectId)>) -> Self {
        refs.sort();
        Self(refs)
    }

    /// Whether this ref was there with this value.
    pub fn contains(&self, name: &RefName, value: ObjectId) -> bool {
        self.0.binary_search_by(|(other, at)| (other, at).cmp(&(name, &value))).is_ok()
    }

    /// The text that the ledger keeps: a line `<object id> <ref>` for each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().map(|(name, value)| format!("{value} {name}\n")).collect::<String>().into_bytes()
    }

    /// Reads the text; `None` when a line is none of these.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let line = |line: &str| {
            let (value, name) = line.split_once(' ')?;
            Some((RefName::parse(name).ok()?, value.parse().ok()?))
        };
        let refs: Option<Vec<_>> = std::str::from_utf8(bytes).ok()?.lines().map(line).collect();
        Some(Self::new(refs?))
    }
}

/// Package and workspace: what identifies an entry.
type Id = (PackagePath, Workspace);

/// The whole ledger of a repository, in memory. Copies share what they have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    entries: RedBlackTreeMapSync<Id, Arc<Entry>>,
    /// The highest number ever published of each package.
    highest: RedBlackTreeMapSync<PackagePath, RevisionNumber>,
    /// The entries that have an intent.
    intents: BTreeSet<Id>,
    /// The newest approval: when it was given, and where its tag stands.
    newest: Option<(Micros, ObjectId)>,
    before: Option<Arc<Before>>,
}

impl Ledger {
    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a package's workspace.
    pub fn get(&self, package: &PackagePath, workspace: &Workspace) -> Option<&Entry> {
        self.entries.get(&(package.clone(), workspace.clone())).map(AsRef::as_ref)
    }

    /// A copy of the entry, or a new one.
    pub fn entry(&self, package: &PackagePath, workspace: &Workspace) -> Entry {
        self.get(package, workspace).cloned().unwrap_or_else(|| Entry::new(package.clone(), workspace.clone()))
    }

    /// Every entry, in the order of packages and workspaces.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(AsRef::as_ref)
    }

    /// The entries of one package.
    pub fn of_package(&self, package: &PackagePath) -> impl Iterator<Item = &Entry> {
        let start = (package.clone(), Workspace::lowest());
        let package = package.clone();
        let own = self.entries.range(start..).take_while(move |((other, _), _)| *other == package);
        own.map(|(_, entry)| entry.as_ref())
    }

    /// Puts an entry; one that is spent goes.
    pub fn insert(&mut self, entry: Entry) {
        let id = (entry.package.clone(), entry.workspace.clone());
        match entry.intent {
            Some(_) => self.intents.insert(id.clone()),
            None => self.intents.remove(&id),
        };
        self.raise(&entry.package, entry.highest_revision);
        if let (Some(deed), Some(standing)) = (&entry.approved, &entry.published) {
            self.newest = self.newest.max(Some((deed.at, standing.target)));
        }
        match entry.is_spent() {
            true => self.entries.remove_mut(&id),
            false => {
                self.entries.insert_mut(id, Arc::new(entry));
                true
            }
        };
    }

    /// The entries with a transition under way.
    pub fn with_intent(&self) -> impl Iterator<Item = &Entry> {
        self.intents.iter().filter_map(|id| self.entries.get(id).map(AsRef::as_ref))
    }

    /// The highest number ever published of a package, as far as the ledger knows.
    pub fn highest_revision(&self, package: &PackagePath) -> Option<RevisionNumber> {
        self.highest.get(package).copied()
    }

    /// The highest number ever published of each package.
    pub fn highest_revisions(&self) -> impl Iterator<Item = (&PackagePath, RevisionNumber)> {
        self.highest.iter().map(|(package, number)| (package, *number))
    }

    /// Takes note of a number of a package that was given, from wherever it is known.
    pub fn raise(&mut self, package: &PackagePath, number: Option<RevisionNumber>) {
        if let Some(number) = number.filter(|number| Some(*number) > self.highest_revision(package)) {
            self.highest.insert_mut(package.clone(), number);
        }
    }

    /// Where the tag of the newest approval stands: a commit that the registered branch holds.
    pub fn newest_approval(&self) -> Option<ObjectId> {
        self.newest.map(|(_, target)| target)
    }

    /// The refs that are older than the ledger; `None` where nobody wrote them down.
    pub fn before(&self) -> Option<&Before> {
        self.before.as_deref()
    }

    /// Takes note of the refs that are older than the ledger.
    pub fn set_before(&mut self, before: Before) {
        self.before = Some(Arc::new(before));
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
