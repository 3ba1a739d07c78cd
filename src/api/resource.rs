//! What the generic handlers (get, list, watch) need to know of a kind of object.
//!
//! Never here: one kind's own fields; those are in `objects`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;

use super::meta::ObjectMeta;
use super::status::ApiError;
use crate::commands::request::Packages;
use crate::index::catalog::{Catalog, Listing};
use crate::index::feed::{EventKind, Expired};

/// Group, version and names of a kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Id {
    /// The API group; empty for the core group.
    pub(crate) group: &'static str,
    /// The version.
    pub(crate) version: &'static str,
    /// The kind.
    pub(crate) kind: &'static str,
    /// The name in paths.
    pub(crate) plural: &'static str,
    /// The name of one, for kubectl.
    pub(crate) singular: &'static str,
}

/// PackageRevision.
pub(crate) const PACKAGE_REVISIONS: Id = Id {
    group: "porch.kpt.dev",
    version: "v1alpha1",
    kind: "PackageRevision",
    plural: "packagerevisions",
    singular: "packagerevision",
};

/// PackageRevisionResources.
pub(crate) const PACKAGE_REVISION_RESOURCES: Id = Id {
    group: "porch.kpt.dev",
    version: "v1alpha1",
    kind: "PackageRevisionResources",
    plural: "packagerevisionresources",
    singular: "packagerevisionresources",
};

/// Repository.
pub(crate) const REPOSITORIES: Id = Id {
    group: "config.porch.kpt.dev",
    version: "v1alpha1",
    kind: "Repository",
    plural: "repositories",
    singular: "repository",
};

/// Namespace.
pub(crate) const NAMESPACES: Id =
    Id { group: "", version: "v1", kind: "Namespace", plural: "namespaces", singular: "namespace" };

/// Event, of the core group.
pub(crate) const EVENTS: Id = Id { group: "", version: "v1", kind: "Event", plural: "events", singular: "event" };

impl Id {
    /// `group/version`, or the version alone in the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `plural.group`, as kubectl's messages name it.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// A column of a Table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// The header.
    pub(crate) name: &'static str,
    /// `string`, `integer`, `boolean` or `date`.
    pub(crate) kind: &'static str,
    /// `name` for the column of names, else empty.
    pub(crate) format: &'static str,
    /// What it shows.
    pub(crate) description: &'static str,
}

/// One kind of object that can be read.
pub(crate) trait Resource: Send + Sync + 'static {
    /// The object as the catalog holds it.
    type Item: Send + Sync + 'static;

    /// The kind's names.
    const ID: Id;

    /// The columns of its Table.
    const COLUMNS: &'static [Column];

    /// The fields a field selector may name, beside `metadata.name` and `metadata.namespace`.
    const FIELDS: &'static [&'static str];

    /// Namespace and name.
    fn key(item: &Self::Item) -> (&str, &str);

    /// The resource version that the object shows.
    fn version(item: &Self::Item) -> u64;

    /// The labels that the object shows.
    fn labels(item: &Self::Item) -> Cow<'_, BTreeMap<String, String>>;

    /// The value of one of `FIELDS`; `None` when the object lacks it.
    fn field<'a>(item: &'a Self::Item, field: &str) -> Option<Cow<'a, str>>;

    /// Why `value` can be no value of `field`, when it cannot.
    fn check_field(_field: &str, _value: &str) -> Result<(), ApiError> {
        Ok(())
    }

    /// The object's metadata.
    fn metadata(item: &Self::Item) -> ObjectMeta;

    /// All objects of a namespace, or of all, ordered by namespace and name.
    fn list(catalog: &Catalog, namespace: Option<&str>) -> Listing<Self::Item>;

    /// One object.
    fn get(catalog: &Catalog, namespace: &str, name: &str) -> Option<Arc<Self::Item>>;

    /// The whole object as JSON. `None`: it has gone meanwhile.
    fn object<P: Packages>(
        packages: &P,
        item: Arc<Self::Item>,
    ) -> impl Future<Output = Result<Option<Value>, ApiError>> + Send;

    /// What [`Self::object`] gives, as JSON text. A kind of which long lists are asked writes it without the steps between.
    fn text<P: Packages>(
        packages: &P,
        item: Arc<Self::Item>,
    ) -> impl Future<Output = Result<Option<String>, ApiError>> + Send {
        async move { Ok(Self::object(packages, item).await?.map(|object| object.to_string())) }
    }

    /// The cells of its row in a Table. `None`: it has gone meanwhile.
    fn cells<P: Packages>(
        packages: &P,
        item: Arc<Self::Item>,
    ) -> impl Future<Output = Result<Option<Vec<Value>>, ApiError>> + Send;
}

/// One change of an object, as a watch sees it.
#[derive(Debug)]
pub(crate) struct Change<T> {
    /// The position in the feed.
    pub(crate) version: u64,
    /// What happened.
    pub(crate) kind: EventKind,
    /// The object afterwards, or as it was last.
    pub(crate) object: Arc<T>,
    /// The object before, if there was one.
    pub(crate) previous: Option<Arc<T>>,
}

/// One kind of object that can be watched.
pub(crate) trait Watched: Resource {
    /// The changes after a position, oldest first, at most `limit`.
    fn changes(catalog: &Catalog, position: u64, limit: usize) -> Result<Vec<Change<Self::Item>>, Expired>;
}
