//! Namespace, read only: the namespaces that hold repositories, so that `kubectl get namespaces` and `-n` work.
//!
//! Never here: making namespaces; one is there when the configuration puts a repository into it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::age;
use crate::api::meta::ObjectMeta;
use crate::api::resource::{Column, Id, NAMESPACES, Resource};
use crate::api::status::ApiError;
use crate::commands::request::Packages;
use crate::domain::timestamp::Micros;
use crate::index::catalog::{Catalog, Listing};

/// A namespace with at least one repository in it.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    /// When its oldest repository was first seen.
    created: Micros,
    resource_version: u64,
}

/// The kind Namespace.
pub(crate) struct Namespaces;

const fn column(name: &'static str, format: &'static str, description: &'static str) -> Column {
    Column { name, kind: "string", format, description }
}

impl Resource for Namespaces {
    type Item = Namespace;
    const ID: Id = NAMESPACES;
    const FIELDS: &'static [&'static str] = &[];
    const COLUMNS: &'static [Column] = &[
        column("Name", "name", "The namespace's name."),
        column("Status", "", "Always Active."),
        column("Age", "", "The time since its oldest repository was first seen."),
    ];

    fn key(item: &Namespace) -> (&str, &str) {
        ("", &item.name)
    }

    fn version(item: &Namespace) -> u64 {
        item.resource_version
    }

    fn labels(item: &Namespace) -> Cow<'_, BTreeMap<String, String>> {
        Cow::Owned(BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), item.name.clone())]))
    }

    fn field<'a>(_: &'a Namespace, _: &str) -> Option<Cow<'a, str>> {
        None
    }

    fn metadata(item: &Namespace) -> ObjectMeta {
        ObjectMeta {
            name: item.name.clone(),
            uid: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("stoop:namespace:{}", item.name).as_bytes())
                .to_string(),
            resource_version: item.resource_version.to_string(),
            creation_timestamp: item.created.to_string(),
            labels: Self::labels(item).into_owned(),
            ..ObjectMeta::default()
        }
    }

    fn list(catalog: &Catalog, _: Option<&str>) -> Listing<Namespace> {
        let repositories = catalog.repositories(None);
        let mut found: BTreeMap<String, Namespace> = BTreeMap::new();
        for repository in repositories.items {
            let name = repository.namespace.to_string();
            let first = Namespace { name: name.clone(), created: repository.created, resource_version: 0 };
            let namespace = found.entry(name).or_insert(first);
            namespace.created = namespace.created.min(repository.created);
            namespace.resource_version = namespace.resource_version.max(repository.resource_version);
        }
        Listing { items: found.into_values().map(Arc::new).collect(), resource_version: repositories.resource_version }
    }

    fn get(catalog: &Catalog, _: &str, name: &str) -> Option<Arc<Namespace>> {
        Self::list(catalog, None).items.into_iter().find(|namespace| namespace.name == name)
    }

    async fn object<P: Packages>(_: &P, item: Arc<Namespace>) -> Result<Option<Value>, ApiError> {
        Ok(Some(json!({
            "apiVersion": Self::ID.api_version(),
            "kind": Self::ID.kind,
            "metadata": Self::metadata(&item),
            "spec": {},
            "status": {"phase": "Active"},
        })))
    }

    async fn cells<P: Packages>(_: &P, item: Arc<Namespace>) -> Result<Option<Vec<Value>>, ApiError> {
        Ok(Some(vec![json!(item.name), json!("Active"), json!(age::since(item.created))]))
    }
}
