//! A package revision and a repository as Stoop sees them: what the index keeps and both doors show.
//!
//! Never here: how they are found in Git (see `index`), and how they look in the API (see `api`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::integrity::Finding;
use super::lifecycle::Lifecycle;
use super::names::{Namespace, PackagePath, RepositoryName, Workspace};
use super::oid::ObjectId;
use super::policy::approvals::Tally;
use super::refs::{RefName, Registration, RevisionNumber};
use super::timestamp::Micros;
use crate::krm::kptfile::{Condition, ConditionStatus, Kptfile};

/// A Repository object: one bare repository, registered on a branch and a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: RepositoryName,
    /// Branch and directory.
    pub registration: Registration,
    /// Whether its packages are deployed (`spec.deployment`).
    pub deployment: bool,
    /// What `spec.git.repo` and every self lock show: the repository's path below the root, ending in `.git`.
    pub url: String,
    /// When it was first seen.
    pub created: Micros,
    /// Its resource version.
    pub resource_version: u64,
    /// Whether it can be served, and why not.
    pub health: Health,
    /// How many package revisions it holds, placeholders included.
    pub package_count: usize,
    /// The registered branch's commit, if the branch exists.
    pub head: Option<ObjectId>,
    /// When its refs were last read completely.
    pub scanned: Micros,
}

/// Whether a repository can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Ready,
    /// It cannot; the text says why.
    Failed(String),
}

/// Who published, when: author of the revision's commit (Porch, `publishedBy`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The author's e-mail, which is the user's name for commits that Stoop and Porch make.
    pub by: String,
    /// The author's time, in whole seconds since 1970.
    pub seconds: i64,
}

/// What users may write on a package revision beside its lifecycle; kept in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `metadata.labels`, without the computed latest label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `metadata.finalizers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// `metadata.ownerReferences`, as given.
    #[serde(default, rename = "ownerReferences", skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<serde_json::Value>,
}

/// One package revision.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageRevision {
    /// The repository it is in: name, namespace, registration.
    pub repository: Arc<RepositoryKey>,
    /// The object name, `<repository>.<package with dots>.<workspace>`.
    pub name: String,
    /// The package's full path, `<P>`.
    pub package: PackagePath,
    /// The workspace, `<W>`.
    pub workspace: Workspace,
    /// The revision number.
    pub revision: RevisionNumber,
    /// The lifecycle.
    pub lifecycle: Lifecycle,
    /// Whether it is the package's latest published revision.
    pub latest: bool,
    /// The ref it is read from: draft, proposal, tag, or the registered branch for a placeholder.
    pub ref_name: RefName,
    /// The commit that `status.selfLock` names.
    pub commit: ObjectId,
    /// The package's tree.
    pub tree: ObjectId,
    /// What the Kptfile says; empty when it cannot be read.
    pub kptfile: Arc<Kptfile>,
    /// `spec.tasks`: none or one, as the commits record it.
    pub tasks: Arc<Vec<serde_json::Value>>,
    /// Who published it and when.
    pub publication: Option<Publication>,
    /// What of it is not as the ledger says.
    pub findings: Arc<Vec<Finding>>,
    /// What users wrote on it.
    pub metadata: Arc<Metadata>,
    /// The approvals that a proposal has, where it needs several and has one.
    pub tally: Option<Arc<Tally>>,
    /// When it was made, as far as is known.
    pub created: Micros,
    /// Changes with every change of the object.
    pub resource_version: u64,
    /// Changes with the content only: the resource version of the PackageRevisionResources object.
    pub content_version: u64,
}

/// The parts of a Repository that every one of its package revisions carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryKey {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: RepositoryName,
    /// Branch and directory.
    pub registration: Registration,
    /// Whether its packages are deployed.
    pub deployment: bool,
    /// See [`Repository::url`].
    pub url: String,
}

impl PackageRevision {
    /// `spec.packageName`: the package's path inside the repository's directory.
    pub fn package_name(&self) -> &str {
        self.repository.registration.directory.package_name(&self.package).unwrap_or(self.package.as_str())
    }

    /// Whether this is the placeholder for the registered branch's head.
    pub fn is_placeholder(&self) -> bool {
        self.ref_name == self.repository.registration.branch
    }

    /// The UID, the same as Porch gives: a UUIDv5 over group, version, namespace and name, stable across re-creation.
    pub fn uid(&self) -> String {
        revision_uid(&self.repository.namespace, &self.name)
    }

    /// The UID of the PackageRevisionResources object. Porch gives it none of its own; here it is derived alike.
    pub fn resources_uid(&self) -> String {
        uid("packagerevisionresources", self.repository.namespace.as_str(), &self.name)
    }

    /// The conditions to show: the Kptfile's, `Rendered=Unknown` for a draft or proposal whose pipeline cannot run yet, and
    /// `Approved=False` for a proposal that some have approved and that needs more, and `Intact=False` where something is not
    /// as the ledger says.
    pub fn conditions(&self) -> Vec<Condition> {
        let mut conditions = self.kptfile.conditions.clone();
        if self.kptfile.has_pipeline && !self.lifecycle.is_published() {
            conditions.retain(|condition| condition.kind != "Rendered");
            conditions.push(functions_not_available());
        }
        if let Some(first) = self.findings.first() {
            conditions.retain(|condition| condition.kind != INTACT);
            let said: Vec<String> = self.findings.iter().map(Finding::to_string).collect();
            conditions.push(Condition {
                kind: INTACT.to_owned(),
                status: ConditionStatus::False,
                reason: first.reason().to_owned(),
                message: said.join("; "),
            });
        }
        if let Some(tally) = &self.tally {
            conditions.retain(|condition| condition.kind != APPROVED);
            conditions.push(Condition {
                kind: APPROVED.to_owned(),
                status: ConditionStatus::False,
                reason: "ApprovalsMissing".to_owned(),
                message: format!("{} of {} approvals: {}", tally.have(), tally.needed, tally.names()),
            });
        }
        conditions
    }

    /// The readiness gates that no condition with status True meets.
    pub fn unmet_gates(&self) -> Vec<&str> {
        let conditions = self.conditions();
        let met = |gate: &str| conditions.iter().any(|c| c.kind == gate && c.status == ConditionStatus::True);
        self.kptfile.readiness_gates.iter().map(String::as_str).filter(|gate| !met(gate)).collect()
    }

    /// A digest of everything that clients see except the versions: equal digests mean an unchanged object.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.name.as_bytes());
        part(self.revision.to_string().as_bytes());
        part(self.lifecycle.as_str().as_bytes());
        part(&[u8::from(self.latest)]);
        part(self.ref_name.as_str().as_bytes());
        part(self.commit.as_bytes());
        part(self.tree.as_bytes());
        part(serde_json::to_string(&*self.metadata).unwrap_or_default().as_bytes());
        part(&[u8::from(self.repository.deployment)]);
        part(self.repository.url.as_bytes());
        // Objects without findings have the digest that they always had.
        self.findings.iter().for_each(|finding| part(finding.to_string().as_bytes()));
        if let Some(tally) = &self.tally {
            part(format!("{} of {}", tally.names(), tally.needed).as_bytes());
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The condition's type that says whether the refs are as the ledger says; shown where they are not.
pub const INTACT: &str = "Intact";
/// The condition of a proposal that needs more approvals.
const APPROVED: &str = "Approved";

/// The condition of a package whose pipeline cannot run because functions are not built in yet.
pub fn functions_not_available() -> Condition {
    Condition {
        kind: "Rendered".to_owned(),
        status: ConditionStatus::Unknown,
        reason: "FunctionsNotAvailable".to_owned(),
        message: "the package has a function pipeline, which this version of Stoop does not run".to_owned(),
    }
}

/// Porch's UID: UUIDv5 over `<kind>:<group/version>/<namespace>/<name>`, all in lower case (spec §1.3).
fn uid(kind: &str, namespace: &str, name: &str) -> String {
    const SPACE: uuid::Uuid = uuid::Uuid::from_u128(0xaac71d91_5c67_456f_8fd2_902ef6da820e);
    let text = format!("{kind}:porch.kpt.dev/v1alpha1/{}/{}", namespace.to_lowercase(), name.to_lowercase());
    uuid::Uuid::new_v5(&SPACE, text.as_bytes()).to_string()
}

/// The UID of the package revision of that name.
pub fn revision_uid(namespace: &Namespace, name: &str) -> String {
    uid("packagerevision", namespace.as_str(), name)
}

/// The UID of a Repository object, derived in the same way.
pub fn repository_uid(namespace: &Namespace, name: &RepositoryName) -> String {
    uid("repository", namespace.as_str(), name.as_str())
}

#[cfg(test)]
mod tests {
    #[test]
    fn uids_are_those_of_porch() {
        // The pair that the specification verified against Porch's own test data.
        assert_eq!(
            super::uid("packagerevision", "rpkg-push", "git.test-package.push"),
            "0e7dd104-514e-5455-b077-6f196b04165c"
        );
    }
}
