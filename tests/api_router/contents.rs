//! PackageRevisionResources as a stream: little memory, and no silent gaps.

use std::sync::atomic::Ordering;

use axum::body::Body;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use stoop::domain::lifecycle::Lifecycle;
use stoop::domain::refusal::Code;
use tower::ServiceExt;

use super::fake::{World, package_revision};

const CONTENTS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisionresources";

#[tokio::test]
async fn contents_are_read_while_they_are_sent() {
    let world = World::new();
    for n in 0..3_000 {
        world.put(package_revision("default", "blueprints", "many", &format!("w{n}"), Lifecycle::Draft, 0, 0));
    }
    let request = axum::http::Request::builder().uri(CONTENTS).body(Body::empty()).expect("valid");
    let response = world.router.clone().oneshot(request).await.expect("an answer");
    let begun = world.packages.reads.load(Ordering::SeqCst);
    assert!(begun < 500, "{begun} objects were read before the answer began");
    let mut length = 0;
    let mut body = response.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.expect("no error");
        assert!(chunk.len() < 256 * 1024, "a chunk of {} bytes", chunk.len());
        length += chunk.len();
    }
    assert!(length > 1_000_000, "{length}");
    assert_eq!(world.packages.reads.load(Ordering::SeqCst), 3_004);
}

#[tokio::test]
async fn content_that_cannot_be_read_is_never_left_out_in_silence() {
    let world = World::new();
    let fail = |name: &str, code| *world.packages.failing.lock().expect("unlocked") = Some((name.to_owned(), code));
    fail("blueprints.web.draft-1", Code::NotFound);
    assert_eq!(
        world.get(CONTENTS).await.json()["items"].as_array().map(Vec::len),
        Some(3),
        "one that has gone meanwhile is left out"
    );
    assert_eq!(world.get(&format!("{CONTENTS}/blueprints.web.draft-1")).await.code, 404);
    fail("blueprints.web.draft-1", Code::Failed);
    assert_eq!(world.get(CONTENTS).await.code, 500, "the first chunk can still say so");
    for n in 0..3_000 {
        world.put(package_revision("default", "blueprints", "many", &format!("w{n}"), Lifecycle::Draft, 0, 0));
    }
    let request = axum::http::Request::builder().uri(CONTENTS).body(Body::empty()).expect("valid");
    let response = world.router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.into_body().collect().await.is_err(), "later the answer breaks off");
}
