//! Discovery: what is served, in the plain form and in the aggregated one, and `/version`. Only what works is named.
//!
//! Never here: the schema of the objects (see `openapi`).

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::ApiState;
use super::negotiation::{self, Encoding};
use super::read::answer;
use super::resource::{EVENTS, Id, NAMESPACES, PACKAGE_REVISION_RESOURCES, PACKAGE_REVISIONS, REPOSITORIES};
use super::status::ApiError;

/// One resource, or subresource, of a group.
struct Served {
    id: &'static Id,
    subresource: &'static str,
    namespaced: bool,
    verbs: &'static [&'static str],
    short_names: &'static [&'static str],
}

const READ: &[&str] = &["get", "list"];

const CORE: &[Served] = &[
    Served { id: &EVENTS, subresource: "", namespaced: true, verbs: &["get", "list", "watch"], short_names: &["ev"] },
    Served { id: &NAMESPACES, subresource: "", namespaced: false, verbs: READ, short_names: &["ns"] },
];

const PORCH: &[Served] = &[
    Served { id: &PACKAGE_REVISION_RESOURCES, subresource: "", namespaced: true, verbs: READ, short_names: &[] },
    Served {
        id: &PACKAGE_REVISIONS,
        subresource: "",
        namespaced: true,
        verbs: &["delete", "get", "list", "patch", "update", "watch"],
        short_names: &[],
    },
    Served {
        id: &PACKAGE_REVISIONS,
        subresource: "approval",
        namespaced: true,
        verbs: &["get", "patch", "update"],
        short_names: &[],
    },
];

const CONFIG: &[Served] = &[Served {
    id: &REPOSITORIES,
    subresource: "",
    namespaced: true,
    verbs: &["get", "list", "watch"],
    short_names: &["repo"],
}];

/// The groups beside the core group.
const GROUPS: [(&str, &[Served]); 2] = [("porch.kpt.dev", PORCH), ("config.porch.kpt.dev", CONFIG)];

/// `/api`
pub(crate) async fn core(headers: HeaderMap) -> Result<Response, ApiError> {
    let plain = || json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []});
    aggregated_or(&headers, &[("", CORE)], plain)
}

/// `/apis`
pub(crate) async fn groups(headers: HeaderMap) -> Result<Response, ApiError> {
    let plain = || {
        let groups: Vec<Value> = GROUPS.iter().map(|(name, _)| group_value(name)).collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    };
    aggregated_or(&headers, &GROUPS, plain)
}

/// `/api/v1`
pub(crate) async fn core_resources(headers: HeaderMap) -> Result<Response, ApiError> {
    send(&headers, &resource_list("v1", CORE))
}

/// `/apis/porch.kpt.dev`
pub(crate) async fn porch(headers: HeaderMap) -> Result<Response, ApiError> {
    send(&headers, &with_kind(group_value("porch.kpt.dev")))
}

/// `/apis/porch.kpt.dev/v1alpha1`
pub(crate) async fn porch_resources(headers: HeaderMap) -> Result<Response, ApiError> {
    send(&headers, &resource_list("porch.kpt.dev/v1alpha1", PORCH))
}

/// `/apis/config.porch.kpt.dev`
pub(crate) async fn config(headers: HeaderMap) -> Result<Response, ApiError> {
    send(&headers, &with_kind(group_value("config.porch.kpt.dev")))
}

/// `/apis/config.porch.kpt.dev/v1alpha1`
pub(crate) async fn config_resources(headers: HeaderMap) -> Result<Response, ApiError> {
    send(&headers, &resource_list("config.porch.kpt.dev/v1alpha1", CONFIG))
}

/// `/version`. Clients compare major and minor with their own: the API conventions followed are those of Kubernetes 1.33.
pub(crate) async fn version<P>(State(state): State<ApiState<P>>) -> Response {
    let version = &state.version;
    let body = json!({
        "major": "1",
        "minor": "33",
        "gitVersion": format!("v1.33.0-stoop.{}", version.release),
        "gitCommit": version.commit,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    });
    answer(StatusCode::OK, Encoding::Json, &body)
}

fn send(headers: &HeaderMap, value: &Value) -> Result<Response, ApiError> {
    Ok(answer(StatusCode::OK, negotiation::plain(headers)?, value))
}

fn group_value(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1alpha1"), "version": "v1alpha1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn with_kind(group: Value) -> Value {
    let mut value = json!({"kind": "APIGroup", "apiVersion": "v1"});
    if let (Some(into), Value::Object(from)) = (value.as_object_mut(), group) {
        into.extend(from);
    }
    value
}

fn resource_list(group_version: &str, served: &[Served]) -> Value {
    let resource = |served: &Served| {
        let id = served.id;
        let (name, singular) = match served.subresource {
            "" => (id.plural.to_owned(), id.singular),
            sub => (format!("{}/{sub}", id.plural), ""),
        };
        let mut value = json!({
            "name": name,
            "singularName": singular,
            "namespaced": served.namespaced,
            "kind": id.kind,
            "verbs": served.verbs,
        });
        if !served.short_names.is_empty() {
            value["shortNames"] = json!(served.short_names);
        }
        value
    };
    let resources: Vec<Value> = served.iter().map(resource).collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

/// The aggregated form where the Accept header asks for it first, else the plain one.
fn aggregated_or(
    headers: &HeaderMap,
    groups: &[(&str, &[Served])],
    plain: impl FnOnce() -> Value,
) -> Result<Response, ApiError> {
    for (media, parameters) in negotiation::entries(headers) {
        let get = |key: &str| parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let Some(kind) = get("as") else {
            if matches!(media.as_str(), "application/json" | "application/*" | "*/*" | "application/yaml") {
                break;
            }
            continue;
        };
        if media != "application/json" || kind != "APIGroupDiscoveryList" || get("g") != Some("apidiscovery.k8s.io") {
            continue;
        }
        let (version, content_type) = match get("v") {
            Some("v2") => ("v2", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
            Some("v2beta1") => ("v2beta1", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"),
            _ => continue,
        };
        let body = aggregated(version, groups).to_string();
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (header::VARY, HeaderValue::from_static("Accept")),
        ];
        return Ok((headers, body).into_response());
    }
    let mut response = send(headers, &plain())?;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

fn aggregated(version: &str, groups: &[(&str, &[Served])]) -> Value {
    let items: Vec<Value> = groups
        .iter()
        .map(|(name, served)| {
            let mut metadata = json!({"creationTimestamp": null});
            if !name.is_empty() {
                metadata["name"] = json!(name);
            }
            let group_version = served.first().map_or("v1", |first| first.id.version);
            json!({
                "metadata": metadata,
                "versions": [{
                    "version": group_version,
                    "resources": aggregated_resources(served),
                    "freshness": "Current",
                }],
            })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    })
}

fn aggregated_resources(served: &[Served]) -> Vec<Value> {
    let kind = |id: &Id| json!({"group": id.group, "version": id.version, "kind": id.kind});
    let resource = |one: &Served| {
        let mut value = json!({
            "resource": one.id.plural,
            "responseKind": kind(one.id),
            "scope": if one.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": one.id.singular,
            "verbs": one.verbs,
        });
        if !one.short_names.is_empty() {
            value["shortNames"] = json!(one.short_names);
        }
        let below: Vec<Value> = served
            .iter()
            .filter(|other| other.id == one.id && !other.subresource.is_empty())
            .map(|sub| json!({"subresource": sub.subresource, "responseKind": kind(sub.id), "verbs": sub.verbs}))
            .collect();
        if !below.is_empty() {
            value["subresources"] = json!(below);
        }
        value
    };
    served.iter().filter(|one| one.subresource.is_empty()).map(resource).collect()
}
