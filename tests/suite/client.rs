//! Programs' clients of the doors: kube-rs with a user's credentials, and bare HTTP requests that no client library makes.
//!
//! Never here: what the answers should be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

use crate::support::World;

pub(crate) const REVISIONS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";

/// A client's configuration with a user's client certificate; `admin` is the administrator.
pub(crate) async fn config(world: &World, user: &str) -> kube::Config {
    let kubeconfig = Kubeconfig::read_from(world.kubeconfig(user)).expect("a kubeconfig");
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration")
}

/// A configuration that trusts the server and shows nothing of its own.
pub(crate) async fn nobody(world: &World) -> kube::Config {
    let mut config = config(world, "admin").await;
    config.auth_info = kube::config::AuthInfo::default();
    config
}

/// A client with a user's certificate.
pub(crate) async fn client(world: &World, user: &str) -> kube::Client {
    kube::Client::try_from(config(world, user).await).expect("a client")
}

/// The package revisions of the namespace `default`.
pub(crate) fn revisions(client: kube::Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("porch.kpt.dev", "v1alpha1", "PackageRevision");
    Api::default_namespaced_with(client, &ApiResource::from_gvk_with_plural(&kind, "packagerevisions"))
}

/// Sends a request as it is; returns the code and the body.
pub(crate) async fn send(
    client: &kube::Client,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut request = axum::http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.as_bytes().to_vec())).expect("a request");
    let response = client.send(request).await.expect("an answer");
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.expect("a body");
    (code, String::from_utf8_lossy(&bytes).into_owned())
}

/// GET with the JSON that came.
pub(crate) async fn get(client: &kube::Client, path: &str, accept: &str) -> (u16, Value) {
    let (code, body) = send(client, "GET", path, &[("accept", accept)], "").await;
    (code, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// A request over plain HTTP, byte for byte as written; returns the whole answer.
pub(crate) fn bare(url: &str, request: &str) -> String {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = Vec::new();
    // A server may cut off a client that it refuses; what came until then counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
