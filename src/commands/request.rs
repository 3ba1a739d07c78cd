//! What the API door asks of the commands, as values.
//!
//! Never here: carrying it out.

use std::future::Future;
use std::sync::Arc;

use crate::domain::lifecycle::Lifecycle;
use crate::domain::package::{Metadata, PackageRevision};
use crate::domain::policy::Actor;
use crate::domain::policy::break_glass::Reason;
use crate::domain::refusal::Refusal;

/// What a request says the object must still be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The resource version that was read, when the request names one.
    pub resource_version: Option<u64>,
    /// The UID, when the request names one.
    pub uid: Option<String>,
}

/// An update of one package revision, as far as the API may make it: lifecycle and metadata.
#[derive(Debug, Clone)]
pub struct Update {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Who asks.
    pub actor: Actor,
    /// What the object must still be.
    pub precondition: Precondition,
    /// The lifecycle wanted, when it differs from what was read.
    pub lifecycle: Option<Lifecycle>,
    /// The metadata wanted, when it differs from what was read.
    pub metadata: Option<Metadata>,
    /// The reason for going past the policy, when one is given.
    pub break_glass: Option<Reason>,
    /// Whether to check everything and change nothing.
    pub dry_run: bool,
}

/// A removal of one package revision.
#[derive(Debug, Clone)]
pub struct Removal {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Who asks.
    pub actor: Actor,
    /// What the object must still be.
    pub precondition: Precondition,
    /// The reason for going past the policy, when one is given.
    pub break_glass: Option<Reason>,
    /// Whether to check everything and change nothing.
    pub dry_run: bool,
}

/// What a write left.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The object as it is afterwards; one that was removed, as it was last.
    pub object: Arc<PackageRevision>,
    /// What to tell although it was done.
    pub warnings: Vec<String>,
}

impl From<Arc<PackageRevision>> for Written {
    fn from(object: Arc<PackageRevision>) -> Self {
        Self { object, warnings: Vec::new() }
    }
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// The path inside the package.
    pub path: String,
    /// The content, byte for byte.
    pub content: Vec<u8>,
}

/// The writes that the API makes, and the content it reads from Git. The index answers all other reads.
pub trait Packages: Send + Sync + 'static {
    /// Updates an object and returns it as it is afterwards.
    fn update(&self, update: Update) -> impl Future<Output = Result<Written, Refusal>> + Send;

    /// Removes an object and returns it as it was last.
    fn remove(&self, removal: Removal) -> impl Future<Output = Result<Written, Refusal>> + Send;

    /// The files of a package revision, read from Git now, ordered by path.
    fn files(&self, revision: Arc<PackageRevision>) -> impl Future<Output = Result<Vec<PackageFile>, Refusal>> + Send;

    /// How many files it has, without reading them.
    fn file_count(&self, revision: Arc<PackageRevision>) -> impl Future<Output = Result<usize, Refusal>> + Send;
}
