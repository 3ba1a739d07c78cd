//! Event of the core group, read only: what happened to package revisions and repositories, as `kubectl get events` and
//! `kubectl describe` show it.
//!
//! Never here: what is worth an event (see `commands`), and keeping them (see `index::notices`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::age;
use crate::api::meta::ObjectMeta;
use crate::api::resource::{Change, Column, EVENTS, Id, Resource, Watched};
use crate::api::status::ApiError;
use crate::commands::request::Packages;
use crate::index::catalog::{Catalog, Listing};
use crate::index::feed::{EventKind, Expired};
use crate::index::notices::{Notice, NoticeChange};

/// What the events are said by.
const COMPONENT: &str = "stoop";

/// The kind Event.
pub(crate) struct Events;

const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, kind: "string", format: "", description }
}

fn severity(item: &Notice) -> &'static str {
    if item.warning { "Warning" } else { "Normal" }
}

impl Resource for Events {
    type Item = Notice;
    const ID: Id = EVENTS;
    const FIELDS: &'static [&'static str] = &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ];
    const COLUMNS: &'static [Column] = &[
        column("Last Seen", "The time since it was last said."),
        column("Type", "Normal or Warning."),
        column("Reason", "One word for what happened."),
        column("Object", "The object that it happened to."),
        column("Message", "What happened."),
    ];

    fn key(item: &Notice) -> (&str, &str) {
        (item.about.namespace.as_str(), &item.name)
    }

    fn version(item: &Notice) -> u64 {
        item.resource_version
    }

    fn labels(_: &Notice) -> Cow<'_, BTreeMap<String, String>> {
        Cow::Owned(BTreeMap::new())
    }

    fn field<'a>(item: &'a Notice, field: &str) -> Option<Cow<'a, str>> {
        let about = &item.about;
        Some(Cow::Borrowed(match field {
            "involvedObject.kind" => about.kind,
            "involvedObject.namespace" => about.namespace.as_str(),
            "involvedObject.name" => about.name.as_str(),
            "involvedObject.uid" => about.uid.as_str(),
            "involvedObject.apiVersion" => about.api_version,
            "involvedObject.resourceVersion" | "involvedObject.fieldPath" => "",
            "reason" => item.reason,
            "reportingComponent" | "source" => COMPONENT,
            "type" => severity(item),
            _ => return None,
        }))
    }

    fn metadata(item: &Notice) -> ObjectMeta {
        let name = format!("stoop:event:{}/{}", item.about.namespace, item.name);
        ObjectMeta {
            name: item.name.clone(),
            namespace: item.about.namespace.to_string(),
            uid: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string(),
            resource_version: item.resource_version.to_string(),
            creation_timestamp: item.first.to_string(),
            ..ObjectMeta::default()
        }
    }

    fn list(catalog: &Catalog, namespace: Option<&str>) -> Listing<Notice> {
        catalog.notices(namespace)
    }

    fn get(catalog: &Catalog, namespace: &str, name: &str) -> Option<Arc<Notice>> {
        catalog.notice(namespace, name)
    }

    async fn object<P: Packages>(_: &P, item: Arc<Notice>) -> Result<Option<Value>, ApiError> {
        let about = &item.about;
        Ok(Some(json!({
            "apiVersion": Self::ID.api_version(),
            "kind": Self::ID.kind,
            "metadata": Self::metadata(&item),
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace.as_str(),
                "name": about.name,
                "uid": about.uid,
            },
            "reason": item.reason,
            "message": item.message,
            "source": {"component": COMPONENT},
            "firstTimestamp": item.first.to_string(),
            "lastTimestamp": item.last.to_string(),
            "count": item.count,
            "type": severity(&item),
            "eventTime": null,
            "reportingComponent": COMPONENT,
            "reportingInstance": "",
        })))
    }

    async fn cells<P: Packages>(_: &P, item: Arc<Notice>) -> Result<Option<Vec<Value>>, ApiError> {
        Ok(Some(vec![
            json!(age::since(item.last)),
            json!(severity(&item)),
            json!(item.reason),
            json!(format!("{}/{}", item.about.kind.to_lowercase(), item.about.name)),
            json!(item.message),
        ]))
    }
}

impl Watched for Events {
    fn changes(catalog: &Catalog, position: u64, limit: usize) -> Result<Vec<Change<Notice>>, Expired> {
        let changes = catalog.notice_changes_after(position, limit)?;
        // What selectors can see of an event never changes, so it stands for the one before.
        let change = |change: NoticeChange| Change {
            version: change.resource_version,
            kind: change.kind,
            previous: (change.kind != EventKind::Added).then(|| change.notice.clone()),
            object: change.notice,
        };
        Ok(changes.into_iter().map(change).collect())
    }
}
