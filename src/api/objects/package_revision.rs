//! PackageRevision in its Kubernetes form: JSON, Table row, labels and selectable fields.
//!
//! Never here: what an update may change (see `update`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::meta::ObjectMeta;
use crate::api::resource::{Change, Column, Id, PACKAGE_REVISIONS, Resource, Watched};
use crate::api::status::ApiError;
use crate::commands::request::Packages;
use crate::domain::lifecycle::Lifecycle;
use crate::domain::package::PackageRevision;
use crate::domain::timestamp::Micros;
use crate::index::catalog::{Catalog, Listing};
use crate::index::feed::Expired;
use crate::krm::kptfile::Condition;

/// The computed label of a package's latest published revision.
pub(crate) const LATEST: &str = "kpt.dev/latest-revision";

/// The selectable fields, beside name and namespace.
pub(crate) const FIELDS: &[&str] =
    &["spec.revision", "spec.packageName", "spec.repository", "spec.workspaceName", "spec.lifecycle"];

/// The kind PackageRevision.
pub(crate) struct PackageRevisions;

const fn column(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column { name, kind, format: "", description }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: String,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: Spec<'a>,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    package_name: &'a str,
    repository: &'a str,
    workspace_name: &'a str,
    revision: i64,
    lifecycle: Lifecycle,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    tasks: &'a [Value],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readiness_gates: Vec<ReadinessGate<'a>>,
    package_metadata: PackageMetadata<'a>,
}

#[derive(Serialize)]
struct PackageMetadata<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadinessGate<'a> {
    condition_type: &'a str,
}

/// Where content is from: empty, or a place in Git.
#[derive(Default, Serialize)]
struct Lock<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    repo: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    directory: &'a str,
    #[serde(rename = "ref", skip_serializing_if = "str::is_empty")]
    git_ref: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    commit: Cow<'a, str>,
}

impl<'a> From<Place<'a>> for Lock<'a> {
    fn from(place: Place<'a>) -> Self {
        Self { kind: Some("git"), git: Some(place) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    upstream_lock: Lock<'a>,
    self_lock: Lock<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    published_by: &'a str,
    publish_timestamp: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deployment: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition>,
}

/// The labels shown: the user's, and the computed latest label.
pub(crate) fn labels(item: &PackageRevision) -> Cow<'_, BTreeMap<String, String>> {
    if !item.latest {
        return Cow::Borrowed(&item.metadata.labels);
    }
    let mut labels = item.metadata.labels.clone();
    labels.insert(LATEST.to_owned(), "true".to_owned());
    Cow::Owned(labels)
}

/// The value of a selectable field.
pub(crate) fn field<'a>(item: &'a PackageRevision, field: &str) -> Option<Cow<'a, str>> {
    let text = match field {
        "spec.revision" => return Some(Cow::Owned(item.revision.to_string())),
        "spec.packageName" => item.package_name(),
        "spec.repository" => item.repository.name.as_str(),
        "spec.workspaceName" => item.workspace.as_str(),
        "spec.lifecycle" => item.lifecycle.as_str(),
        _ => {
            let key = package_label(field)?;
            return item.kptfile.labels.get(key).map(|value| Cow::Borrowed(value.as_str()));
        }
    };
    Some(Cow::Borrowed(text))
}

/// The key in `spec.packageMetadata.labels[<key>]`.
pub(crate) fn package_label(field: &str) -> Option<&str> {
    field.strip_prefix("spec.packageMetadata.labels[")?.strip_suffix(']').filter(|key| !key.is_empty())
}

/// Refuses a value that the field can never have.
pub(crate) fn check_field(field: &str, value: &str) -> Result<(), ApiError> {
    let good = match field {
        "spec.lifecycle" => Lifecycle::parse(value).is_some(),
        "spec.revision" => value.parse::<i64>().is_ok(),
        _ => true,
    };
    if good {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("unsupported fieldSelector value {value:?} for field {field:?}")))
}

/// The whole object as JSON.
pub(crate) fn object(item: &PackageRevision) -> Value {
    serde_json::to_value(whole(item)).unwrap_or_default()
}

/// The whole object, ready to be written.
fn whole(item: &PackageRevision) -> Object<'_> {
    let kptfile = &item.kptfile;
    let upstream_lock = kptfile.upstream_lock.as_ref().map(|lock| {
        let commit = Cow::Borrowed(lock.commit.as_str());
        Lock::from(Place { repo: &lock.repo, directory: &lock.directory, git_ref: &lock.git_ref, commit })
    });
    Object {
        api_version: PACKAGE_REVISIONS.api_version(),
        kind: PACKAGE_REVISIONS.kind,
        metadata: PackageRevisions::metadata(item),
        spec: Spec {
            package_name: item.package_name(),
            repository: item.repository.name.as_str(),
            workspace_name: item.workspace.as_str(),
            revision: item.revision.0,
            lifecycle: item.lifecycle,
            tasks: &item.tasks,
            readiness_gates: kptfile
                .readiness_gates
                .iter()
                .map(|gate| ReadinessGate { condition_type: gate })
                .collect(),
            package_metadata: PackageMetadata { labels: &kptfile.labels, annotations: &kptfile.annotations },
        },
        status: Status {
            upstream_lock: upstream_lock.unwrap_or_default(),
            self_lock: Lock::from(Place {
                repo: &item.repository.url,
                directory: item.package.as_str(),
                git_ref: item.ref_name.shortened(),
                commit: Cow::Owned(item.commit.to_string()),
            }),
            published_by: item.publication.as_ref().map_or("", |publication| &publication.by),
            publish_timestamp: item.publication.as_ref().map(|p| Micros::from_seconds(p.seconds).to_string()),
            deployment: item.repository.deployment,
            conditions: item.conditions(),
        },
    }
}

impl Resource for PackageRevisions {
    type Item = PackageRevision;
    const ID: Id = PACKAGE_REVISIONS;
    const FIELDS: &'static [&'static str] = FIELDS;
    const COLUMNS: &'static [Column] = &[
        Column { name: "Name", kind: "string", format: "name", description: "The object's name." },
        column("Package", "string", "The package's path inside the repository's directory."),
        column("WorkspaceName", "string", "The workspace that the revision was drafted in."),
        column("Revision", "integer", "The published number; 0 before that."),
        column("Latest", "boolean", "Whether it is the package's latest published revision."),
        column("Lifecycle", "string", "Draft, Proposed, Published or DeletionProposed."),
        column("Repository", "string", "The repository that holds it."),
    ];

    fn key(item: &PackageRevision) -> (&str, &str) {
        (item.repository.namespace.as_str(), &item.name)
    }

    fn version(item: &PackageRevision) -> u64 {
        item.resource_version
    }

    fn labels(item: &PackageRevision) -> Cow<'_, BTreeMap<String, String>> {
        labels(item)
    }

    fn field<'a>(item: &'a PackageRevision, name: &str) -> Option<Cow<'a, str>> {
        field(item, name)
    }

    fn check_field(field: &str, value: &str) -> Result<(), ApiError> {
        check_field(field, value)
    }

    fn metadata(item: &PackageRevision) -> ObjectMeta {
        ObjectMeta {
            name: item.name.clone(),
            namespace: item.repository.namespace.to_string(),
            uid: item.uid(),
            resource_version: item.resource_version.to_string(),
            creation_timestamp: item.created.to_string(),
            labels: labels(item).into_owned(),
            annotations: item.metadata.annotations.clone(),
            owner_references: item.metadata.owner_references.clone(),
            finalizers: item.metadata.finalizers.clone(),
        }
    }

    fn list(catalog: &Catalog, namespace: Option<&str>) -> Listing<PackageRevision> {
        catalog.revisions(namespace)
    }

    fn get(catalog: &Catalog, namespace: &str, name: &str) -> Option<Arc<PackageRevision>> {
        catalog.revision(namespace, name)
    }

    async fn object<P: Packages>(_: &P, item: Arc<PackageRevision>) -> Result<Option<Value>, ApiError> {
        Ok(Some(object(&item)))
    }

    async fn text<P: Packages>(_: &P, item: Arc<PackageRevision>) -> Result<Option<String>, ApiError> {
        Ok(Some(serde_json::to_string(&whole(&item)).unwrap_or_default()))
    }

    async fn cells<P: Packages>(_: &P, item: Arc<PackageRevision>) -> Result<Option<Vec<Value>>, ApiError> {
        Ok(Some(vec![
            json!(item.name),
            json!(item.package_name()),
            json!(item.workspace.as_str()),
            json!(item.revision.0),
            json!(item.latest),
            json!(item.lifecycle.as_str()),
            json!(item.repository.name.as_str()),
        ]))
    }
}

impl Watched for PackageRevisions {
    fn changes(catalog: &Catalog, position: u64, limit: usize) -> Result<Vec<Change<PackageRevision>>, Expired> {
        let events = catalog.events_after(position, limit)?;
        let change = |event: crate::index::feed::Event| Change {
            version: event.resource_version,
            kind: event.kind,
            object: event.object,
            previous: event.previous,
        };
        Ok(events.into_iter().map(change).collect())
    }
}
