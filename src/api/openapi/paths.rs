//! The paths of the schema documents: what clients look up to find a kind, and which options its operations take.
//!
//! Never here: serving paths (see `routes`).

use serde_json::{Map, Value, json};

use super::schema::kind_mark;
use crate::api::resource::{EVENTS, Id, NAMESPACES, PACKAGE_REVISION_RESOURCES, PACKAGE_REVISIONS, REPOSITORIES};

/// The two versions differ in how parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Swagger 2.
    Two,
    /// OpenAPI 3.
    Three,
}

const LIST: &[(&str, &str, &str)] = &[
    ("labelSelector", "string", "Only objects with matching labels."),
    ("fieldSelector", "string", "Only objects with matching fields."),
    ("limit", "integer", "At most so many objects in one answer."),
    ("continue", "string", "Where the next page begins, from the page before."),
    ("resourceVersion", "string", "Which version to read or to watch from."),
    ("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
    ("watch", "boolean", "Send changes as they happen."),
    ("allowWatchBookmarks", "boolean", "Send bookmarks in a watch."),
    ("sendInitialEvents", "boolean", "Begin a watch with the objects that are there."),
    ("timeoutSeconds", "integer", "When a watch ends."),
];

const WRITE: &[(&str, &str, &str)] = &[
    ("dryRun", "string", "All: check everything, change nothing."),
    ("fieldManager", "string", "The name of the program that writes; not kept."),
    ("fieldValidation", "string", "What to do about unknown fields: Ignore, Warn or Strict."),
];

const DELETE: &[(&str, &str, &str)] = &[
    ("dryRun", "string", "All: check everything, change nothing."),
    ("propagationPolicy", "string", "Orphan, Background or Foreground; all do the same here."),
    ("gracePeriodSeconds", "integer", "Accepted and without effect."),
];

type Operation = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const GET: Operation = ("get", "get", &[]);
const PUT: Operation = ("put", "put", WRITE);
const PATCH: Operation = ("patch", "patch", WRITE);

/// The paths of one group and version.
pub(super) fn of(document: &str, style: Style) -> Map<String, Value> {
    let mut paths = Map::new();
    let mut add = |id: &Id, path: String, operations: &[Operation]| {
        paths.insert(path.clone(), item(id, &path, operations, style));
    };
    match document {
        "api/v1" => {
            add(&NAMESPACES, "/api/v1/namespaces".to_owned(), &[("get", "list", LIST)]);
            add(&NAMESPACES, "/api/v1/namespaces/{name}".to_owned(), &[GET]);
            add(&EVENTS, "/api/v1/events".to_owned(), &[("get", "list", LIST)]);
            let events = "/api/v1/namespaces/{namespace}/events";
            add(&EVENTS, events.to_owned(), &[("get", "list", LIST)]);
            add(&EVENTS, format!("{events}/{{name}}"), &[GET]);
        }
        "apis/porch.kpt.dev/v1alpha1" => {
            for id in [&PACKAGE_REVISIONS, &PACKAGE_REVISION_RESOURCES] {
                let plural = id.plural;
                add(id, format!("/{document}/{plural}"), &[("get", "list", LIST)]);
                add(id, format!("/{document}/namespaces/{{namespace}}/{plural}"), &[("get", "list", LIST)]);
            }
            let one = format!("/{document}/namespaces/{{namespace}}/packagerevisions/{{name}}");
            add(&PACKAGE_REVISIONS, one.clone(), &[GET, PUT, PATCH, ("delete", "delete", DELETE)]);
            add(&PACKAGE_REVISIONS, format!("{one}/approval"), &[GET, PUT, PATCH]);
            let content = format!("/{document}/namespaces/{{namespace}}/packagerevisionresources/{{name}}");
            add(&PACKAGE_REVISION_RESOURCES, content, &[GET]);
        }
        _ => {
            let base = format!("/{document}/namespaces/{{namespace}}/repositories");
            add(&REPOSITORIES, format!("/{document}/repositories"), &[("get", "list", LIST)]);
            add(&REPOSITORIES, base.clone(), &[("get", "list", LIST)]);
            add(&REPOSITORIES, format!("{base}/{{name}}"), &[GET]);
        }
    }
    paths
}

fn item(id: &Id, path: &str, operations: &[Operation], style: Style) -> Value {
    let mut item = Map::new();
    for (method, action, options) in operations {
        let options: Vec<Value> = options.iter().map(|(n, t, d)| parameter("query", n, t, d, style)).collect();
        let consumes = match *method {
            "patch" => json!(["application/json-patch+json", "application/merge-patch+json"]),
            _ => json!(["application/json", "application/yaml"]),
        };
        let mut operation = json!({
            "operationId": operation_id(path, action),
            "parameters": options,
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind_mark(id, false),
        });
        if style == Style::Two {
            operation["consumes"] = consumes;
            operation["produces"] = json!(["application/json", "application/yaml"]);
        }
        item.insert((*method).to_owned(), operation);
    }
    let in_path = ["namespace", "name"].into_iter().filter(|name| path.contains(&format!("{{{name}}}")));
    let parameters: Vec<Value> = in_path.map(|name| parameter("path", name, "string", "Which one.", style)).collect();
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), json!(parameters));
    }
    Value::Object(item)
}

fn operation_id(path: &str, action: &str) -> String {
    let words = path.split(['/', '.', '{', '}']).filter(|word| !word.is_empty());
    std::iter::once(action).chain(words).collect::<Vec<_>>().join("_")
}

fn parameter(place: &str, name: &str, kind: &str, description: &str, style: Style) -> Value {
    let mut parameter = json!({"name": name, "in": place, "description": description});
    match style {
        Style::Two => parameter["type"] = json!(kind),
        Style::Three => parameter["schema"] = json!({"type": kind}),
    }
    if place == "path" {
        parameter["required"] = json!(true);
    }
    parameter
}
