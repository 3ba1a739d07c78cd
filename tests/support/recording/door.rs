//! The API as recorders and writers use it: lists, watches and writes over one client, and which run of the daemon answers.
//!
//! Never here: what the answers should be.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Request, Response};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use serde_json::Value;

use super::{Selection, Shown};
use crate::support::World;

/// The package revisions of the namespace `default`.
pub const REVISIONS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";

/// Which run of the daemon is up. Whoever kills it says so before, and says when the next one is ready.
#[derive(Debug, Default)]
pub struct Runs(AtomicU64);

impl Runs {
    /// The run that is up; `None` while there is none.
    pub fn up(&self) -> Option<usize> {
        let state = self.0.load(Ordering::SeqCst);
        state.is_multiple_of(2).then_some(usize::try_from(state / 2).unwrap_or(usize::MAX))
    }

    /// The daemon is about to end, or the next run is ready.
    pub fn turn(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A client of the API.
#[derive(Clone)]
pub struct Door {
    client: kube::Client,
    /// Which run answers.
    pub runs: Arc<Runs>,
}

/// What a request came to: the status and the JSON, or why there was no answer.
pub type Outcome = Result<(u16, Value), String>;

impl Door {
    /// A client with a user's certificate; it never tries again by itself.
    pub async fn of(world: &World, user: &str, runs: Arc<Runs>) -> Self {
        let kubeconfig = Kubeconfig::read_from(world.kubeconfig(user)).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let mut config = config.expect("a configuration");
        config.default_retry = false;
        Self { client: kube::Client::try_from(config).expect("a client"), runs }
    }

    /// Sends a request and waits for its answer.
    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Outcome {
        let response = self.begin(method, path, "application/json", body).await?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.map_err(|error| error.to_string())?;
        let value = serde_json::from_slice(&bytes).map_err(|error| format!("the answer is no JSON: {error}"))?;
        Ok((code, value))
    }

    /// Sends a request and gives the answer while it comes.
    pub async fn begin(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>, String> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder().method(method).uri(path).header("accept", accept).header("content-type", kind);
        let body = Body::from(body.map(Value::to_string).unwrap_or_default().into_bytes());
        self.client.send(request.body(body).expect("a request")).await.map_err(|error| format!("{error:?}"))
    }

    /// A list: its resourceVersion, and the objects.
    pub async fn list(&self, selection: &Selection) -> Result<(u64, Vec<Shown>), String> {
        let (code, list) = self.send("GET", &format!("{REVISIONS}?{}", query(selection)), None).await?;
        if code != 200 {
            return Err(format!("a list was answered {code}: {list}"));
        }
        let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let version = version.and_then(|version| version.parse().ok()).ok_or("a list without resourceVersion")?;
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        Ok((version, items.map(|item| object(&item.to_string())).collect::<Result<_, _>>()?))
    }
}

/// The parameters of a selection, to be followed by others.
pub fn query(selection: &Selection) -> String {
    let field = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}%3D{value}"));
    let fields = [
        field("spec.repository", &selection.repository),
        field("spec.lifecycle", &selection.lifecycle),
        field("metadata.name", &selection.name),
    ];
    let fields = fields.into_iter().flatten().collect::<Vec<_>>().join(",");
    let labels = selection.label.as_ref().map(|(key, value)| format!("{key}%3D{value}")).unwrap_or_default();
    format!("fieldSelector={fields}&labelSelector={labels}")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Metadata {
    fn version(&self) -> Result<u64, String> {
        self.resource_version.parse().map_err(|_| format!("no resourceVersion: {:?}", self.resource_version))
    }
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    repository: String,
    lifecycle: String,
    revision: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    self_lock: Lock,
}

#[derive(Deserialize)]
struct Lock {
    git: Place,
}

#[derive(Deserialize)]
struct Place {
    commit: String,
}

/// A whole object.
pub fn object(text: &str) -> Result<Shown, String> {
    let item: Item = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Ok(Shown {
        version: item.metadata.version()?,
        name: item.metadata.name.into(),
        repository: item.spec.repository.into(),
        lifecycle: item.spec.lifecycle.into(),
        revision: item.spec.revision,
        labels: Arc::new(item.metadata.labels),
        commit: item.status.self_lock.git.commit.into(),
        digest: Some(hasher.finish()),
    })
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
    object: Partial,
}

#[derive(Deserialize)]
struct Partial {
    metadata: Metadata,
}

/// An object shown as a Table with one row.
pub fn row(text: &str) -> Result<Shown, String> {
    let table: Table = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let [row] = <[Row; 1]>::try_from(table.rows).map_err(|rows| format!("{} rows in an event", rows.len()))?;
    let cell = |at: usize| row.cells.get(at).and_then(Value::as_str).unwrap_or_default();
    Ok(Shown {
        version: row.object.metadata.version()?,
        revision: row.cells.get(3).and_then(Value::as_i64).unwrap_or_default(),
        lifecycle: cell(5).into(),
        repository: cell(6).into(),
        name: row.object.metadata.name.into(),
        labels: Arc::new(row.object.metadata.labels),
        commit: "".into(),
        digest: None,
    })
}

/// A bookmark's version, and whether it ends the initial events.
pub fn bookmark(text: &str, table: bool) -> Result<(u64, bool), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let metadata = value.pointer(if table { "/rows/0/object/metadata" } else { "/metadata" });
    let metadata = metadata.ok_or_else(|| format!("a bookmark without metadata: {text}"))?;
    let version = metadata.get("resourceVersion").and_then(Value::as_str).and_then(|version| version.parse().ok());
    let end = metadata.pointer("/annotations/k8s.io~1initial-events-end").is_some();
    Ok((version.ok_or_else(|| format!("a bookmark without resourceVersion: {text}"))?, end))
}
