//! PackageRevisionResources in its Kubernetes form: the files of a package revision, read from Git when asked for.
//!
//! Never here: keeping content in memory; each object is read, sent and dropped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::package_revision;
use crate::api::meta::ObjectMeta;
use crate::api::refusal_status::from_refusal;
use crate::api::resource::{Column, Id, PACKAGE_REVISION_RESOURCES, Resource};
use crate::api::status::ApiError;
use crate::commands::request::Packages;
use crate::domain::package::PackageRevision;
use crate::domain::refusal::{Code, Refusal};
use crate::index::catalog::{Catalog, Listing};

/// The annotation that names the files which are not UTF-8 text and are therefore left out.
const LEFT_OUT: &str = "stoop.dev/left-out";

/// The kind PackageRevisionResources.
pub(crate) struct PackageRevisionResources;

const fn column(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column { name, kind, format: "", description }
}

fn gone_or_error<T>(name: &str, refusal: &Refusal) -> Result<Option<T>, ApiError> {
    match refusal.code {
        Code::NotFound => Ok(None),
        _ => Err(from_refusal(&PACKAGE_REVISION_RESOURCES, name, refusal)),
    }
}

impl Resource for PackageRevisionResources {
    type Item = PackageRevision;
    const ID: Id = PACKAGE_REVISION_RESOURCES;
    const FIELDS: &'static [&'static str] = package_revision::FIELDS;
    const COLUMNS: &'static [Column] = &[
        Column { name: "Name", kind: "string", format: "name", description: "The object's name." },
        column("Package", "string", "The package's path inside the repository's directory."),
        column("WorkspaceName", "string", "The workspace that the revision was drafted in."),
        column("Revision", "integer", "The published number; 0 before that."),
        column("Repository", "string", "The repository that holds it."),
        column("Files", "integer", "How many files the package has."),
    ];

    fn key(item: &PackageRevision) -> (&str, &str) {
        (item.repository.namespace.as_str(), &item.name)
    }

    fn version(item: &PackageRevision) -> u64 {
        item.content_version
    }

    fn labels(item: &PackageRevision) -> Cow<'_, BTreeMap<String, String>> {
        package_revision::labels(item)
    }

    fn field<'a>(item: &'a PackageRevision, name: &str) -> Option<Cow<'a, str>> {
        package_revision::field(item, name)
    }

    fn check_field(field: &str, value: &str) -> Result<(), ApiError> {
        package_revision::check_field(field, value)
    }

    fn metadata(item: &PackageRevision) -> ObjectMeta {
        ObjectMeta {
            name: item.name.clone(),
            namespace: item.repository.namespace.to_string(),
            uid: item.resources_uid(),
            resource_version: item.content_version.to_string(),
            creation_timestamp: item.created.to_string(),
            labels: package_revision::labels(item).into_owned(),
            annotations: item.metadata.annotations.clone(),
            owner_references: item.metadata.owner_references.clone(),
            finalizers: Vec::new(),
        }
    }

    fn list(catalog: &Catalog, namespace: Option<&str>) -> Listing<PackageRevision> {
        catalog.revisions(namespace)
    }

    fn get(catalog: &Catalog, namespace: &str, name: &str) -> Option<Arc<PackageRevision>> {
        catalog.revision(namespace, name)
    }

    async fn object<P: Packages>(packages: &P, item: Arc<PackageRevision>) -> Result<Option<Value>, ApiError> {
        let files = match packages.files(item.clone()).await {
            Ok(files) => files,
            Err(refusal) => return gone_or_error(&item.name, &refusal),
        };
        let mut resources = Map::new();
        let mut left_out = Vec::new();
        for file in files {
            match String::from_utf8(file.content) {
                Ok(text) => drop(resources.insert(file.path, Value::String(text))),
                Err(_) => left_out.push(file.path),
            }
        }
        let mut metadata = Self::metadata(&item);
        if !left_out.is_empty() {
            metadata.annotations.insert(LEFT_OUT.to_owned(), left_out.join(","));
        }
        Ok(Some(json!({
            "apiVersion": Self::ID.api_version(),
            "kind": Self::ID.kind,
            "metadata": metadata,
            "spec": {
                "packageName": item.package_name(),
                "workspaceName": item.workspace.as_str(),
                "revision": item.revision.0,
                "repository": item.repository.name.as_str(),
                "resources": resources,
            },
            "status": {"renderStatus": {"result": {"exitCode": 0}, "error": ""}},
        })))
    }

    async fn cells<P: Packages>(packages: &P, item: Arc<PackageRevision>) -> Result<Option<Vec<Value>>, ApiError> {
        let count = match packages.file_count(item.clone()).await {
            Ok(count) => count,
            Err(refusal) => return gone_or_error(&item.name, &refusal),
        };
        Ok(Some(vec![
            json!(item.name),
            json!(item.package_name()),
            json!(item.workspace.as_str()),
            json!(item.revision.0),
            json!(item.repository.name.as_str()),
            json!(count),
        ]))
    }
}
