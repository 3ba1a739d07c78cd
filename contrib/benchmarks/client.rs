//! A client of the Kubernetes API: one connection over TLS that is kept, with a user's certificate.
//!
//! Never here: times.

use futures_util::StreamExt;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::World;

/// The package revisions of the namespace that every repository of a world is in.
pub(crate) const REVISIONS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";
/// The media type of a list as a Table.
pub(crate) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// The media type of plain JSON.
pub(crate) const JSON: &str = "application/json";

/// A client of one daemon.
pub(crate) struct Client {
    runtime: Runtime,
    client: kube::Client,
}

impl Client {
    /// A client for a user of a world whose daemon runs.
    pub(crate) fn new(world: &World, user: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let kubeconfig = Kubeconfig::read_from(world.kubeconfig(user)).expect("a kubeconfig");
        let client = runtime.block_on(async {
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            kube::Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { runtime, client }
    }

    /// GET to the last byte; returns how many there were.
    pub(crate) fn get(&self, path: &str, accept: &str) -> usize {
        self.body("GET", path, accept, Vec::new()).len()
    }

    /// Approves a package revision through the `approval` subresource; the answer must show it published.
    pub(crate) fn approve(&self, name: &str) {
        let path = format!("{REVISIONS}/{name}/approval");
        let patch = br#"{"spec":{"lifecycle":"Published"}}"#;
        let body = self.body("PATCH", &path, JSON, patch.to_vec());
        let object: Value = serde_json::from_slice(&body).expect("the answer is JSON");
        assert_eq!(object["spec"]["lifecycle"], "Published", "{object}");
    }

    /// The resourceVersion of the list as it is now.
    pub(crate) fn resource_version(&self) -> String {
        let body = self.body("GET", &format!("{REVISIONS}?limit=1"), JSON, Vec::new());
        let list: Value = serde_json::from_slice(&body).expect("the answer is JSON");
        list["metadata"]["resourceVersion"].as_str().expect("a list has a version").to_owned()
    }

    /// Opens a watch from a version on; `seen` gets the text of each event the moment it is there.
    pub(crate) fn watch(&self, version: &str, mut seen: impl FnMut(&[u8]) + Send + 'static) {
        let path = format!("{REVISIONS}?watch=true&resourceVersion={version}");
        let request = request("GET", &path, JSON, Vec::new());
        let response = self.runtime.block_on(self.client.send(request)).expect("an answer");
        assert_eq!(response.status(), 200);
        let mut stream = response.into_body().into_data_stream();
        self.runtime.spawn(async move {
            let mut rest: Vec<u8> = Vec::new();
            while let Some(Ok(chunk)) = stream.next().await {
                rest.extend_from_slice(&chunk);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let event: Vec<u8> = rest.drain(..=end).collect();
                    seen(&event);
                }
            }
        });
    }

    fn body(&self, method: &str, path: &str, accept: &str, body: Vec<u8>) -> Vec<u8> {
        let request = request(method, path, accept, body);
        self.runtime.block_on(async {
            let response = self.client.send(request).await.expect("an answer");
            let status = response.status();
            let body = response.into_body().collect_bytes().await.expect("the answer does not break off");
            assert_eq!(status, 200, "{method} {path}: {}", String::from_utf8_lossy(&body));
            body.to_vec()
        })
    }
}

fn request(method: &str, path: &str, accept: &str, body: Vec<u8>) -> axum::http::Request<Body> {
    let request = axum::http::Request::builder().method(method).uri(path).header("accept", accept);
    let request = request.header("content-type", "application/merge-patch+json");
    request.body(Body::from(body)).expect("a request")
}
