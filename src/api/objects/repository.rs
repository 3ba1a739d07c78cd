//! Repository in its Kubernetes form, as Porch's CustomResourceDefinition shapes it.
//!
//! Never here: writing repositories; the daemon registers what it finds below its root.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::age;
use crate::api::meta::ObjectMeta;
use crate::api::resource::{Change, Column, Id, REPOSITORIES, Resource, Watched};
use crate::api::status::ApiError;
use crate::commands::request::Packages;
use crate::domain::package::{Health, Repository, repository_uid};
use crate::index::catalog::{Catalog, Listing};
use crate::index::feed::{EventKind, Expired, RepositoryEvent};

/// The kind Repository.
pub(crate) struct Repositories;

const fn column(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column { name, kind, format: "", description }
}

fn ready(item: &Repository) -> (&'static str, &'static str, &str) {
    match &item.health {
        Health::Ready => ("True", "Ready", "Repository Ready"),
        Health::Failed(why) => ("False", "Error", why),
    }
}

fn directory(item: &Repository) -> String {
    format!("/{}", item.registration.directory.as_str())
}

impl Resource for Repositories {
    type Item = Repository;
    const ID: Id = REPOSITORIES;
    const FIELDS: &'static [&'static str] = &[];
    const COLUMNS: &'static [Column] = &[
        Column { name: "Name", kind: "string", format: "name", description: "The repository's name." },
        column("Type", "string", "The kind of repository; always git."),
        column("Content", "string", "What it holds; always Package."),
        column("Sync Schedule", "string", "Always empty: Stoop sees changes as they happen."),
        column("Deployment", "boolean", "Whether its packages are deployed."),
        column("Ready", "string", "Whether the repository can be served."),
        column("Address", "string", "The repository's path below the root."),
        column("Branch", "string", "The registered branch."),
        column("Age", "string", "The time since the repository was first seen."),
    ];

    fn key(item: &Repository) -> (&str, &str) {
        (item.namespace.as_str(), item.name.as_str())
    }

    fn version(item: &Repository) -> u64 {
        item.resource_version
    }

    fn labels(_: &Repository) -> Cow<'_, BTreeMap<String, String>> {
        Cow::Owned(BTreeMap::new())
    }

    fn field<'a>(_: &'a Repository, _: &str) -> Option<Cow<'a, str>> {
        None
    }

    fn metadata(item: &Repository) -> ObjectMeta {
        ObjectMeta {
            name: item.name.to_string(),
            namespace: item.namespace.to_string(),
            uid: repository_uid(&item.namespace, &item.name),
            resource_version: item.resource_version.to_string(),
            creation_timestamp: item.created.to_string(),
            ..ObjectMeta::default()
        }
    }

    fn list(catalog: &Catalog, namespace: Option<&str>) -> Listing<Repository> {
        catalog.repositories(namespace)
    }

    fn get(catalog: &Catalog, namespace: &str, name: &str) -> Option<Arc<Repository>> {
        catalog.repository(namespace, name)
    }

    async fn object<P: Packages>(_: &P, item: Arc<Repository>) -> Result<Option<Value>, ApiError> {
        let (status, reason, message) = ready(&item);
        let mut shown = json!({
            "conditions": [{
                "type": "Ready",
                "status": status,
                "lastTransitionTime": item.scanned.to_string(),
                "reason": reason,
                "message": message,
            }],
            "lastFullSyncTime": item.scanned.to_string(),
            "packageCount": item.package_count,
        });
        if let Some(head) = &item.head {
            shown["gitCommitHash"] = json!(head.to_string());
        }
        Ok(Some(json!({
            "apiVersion": Self::ID.api_version(),
            "kind": Self::ID.kind,
            "metadata": Self::metadata(&item),
            "spec": {
                "type": "git",
                "content": "Package",
                "deployment": item.deployment,
                "git": {
                    "repo": item.url,
                    "branch": item.registration.branch_name(),
                    "directory": directory(&item),
                },
            },
            "status": shown,
        })))
    }

    async fn cells<P: Packages>(_: &P, item: Arc<Repository>) -> Result<Option<Vec<Value>>, ApiError> {
        Ok(Some(vec![
            json!(item.name.as_str()),
            json!("git"),
            json!("Package"),
            json!(""),
            json!(item.deployment),
            json!(ready(&item).0),
            json!(item.url),
            json!(item.registration.branch_name()),
            json!(age::since(item.created)),
        ]))
    }
}

impl Watched for Repositories {
    fn changes(catalog: &Catalog, position: u64, limit: usize) -> Result<Vec<Change<Repository>>, Expired> {
        let events = catalog.repository_events_after(position, limit)?;
        // What selectors can see of a repository (name and namespace) never changes, so the object stands for the one before.
        let change = |event: RepositoryEvent| Change {
            version: event.resource_version,
            kind: event.kind,
            previous: (event.kind != EventKind::Added).then(|| event.object.clone()),
            object: event.object,
        };
        Ok(events.into_iter().map(change).collect())
    }
}
