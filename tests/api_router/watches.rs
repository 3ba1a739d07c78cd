//! Watches, read line by line.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use serde_json::{Value, json};
use stoop::domain::lifecycle::Lifecycle;
use tower::ServiceExt;

use super::fake::{FIRST, World, package_revision, repository};

const REVISIONS: &str = "/apis/porch.kpt.dev/v1alpha1/packagerevisions";
const EDGE: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/edge/packagerevisions";

struct Lines {
    body: BodyDataStream,
    text: String,
}

impl Lines {
    async fn open(world: &World, path: &str, accept: &str) -> Self {
        let request = axum::http::Request::builder().uri(path).header("accept", accept).body(Body::empty());
        let response = world.router.clone().oneshot(request.expect("valid")).await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200);
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` when the stream ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let event = serde_json::from_str(line).expect("a JSON line");
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk =
                tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.expect("an event in time")?;
            self.text.push_str(std::str::from_utf8(&chunk.expect("no broken body")).expect("text"));
        }
    }

    async fn seen(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

fn seen(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_without_a_version_begins_with_the_present_and_goes_on() {
    let world = World::new();
    for version in ["", "&resourceVersion=0"] {
        let mut lines = Lines::open(&world, &format!("{REVISIONS}?watch=true{version}"), "application/json").await;
        for _ in 0..5 {
            assert_eq!(lines.seen().await.0, "ADDED");
        }
        let version = world.put(package_revision("edge", "sites", "oslo", "w", Lifecycle::Draft, 0, 0));
        let event = lines.next().await.expect("an event");
        assert_eq!(event["object"]["metadata"]["resourceVersion"], json!(version.to_string()));
        let gone = format!("{EDGE}/sites.oslo.w");
        assert_eq!(world.send("DELETE", &gone, &[], Body::empty()).await.code, 200);
        assert_eq!(lines.seen().await, seen("DELETED", "sites.oslo.w"));
    }
}

#[tokio::test]
async fn a_watch_from_a_version_sends_what_came_after_it() {
    let world = World::new();
    let list = world.get(REVISIONS).await.json();
    let version = list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    world.put(package_revision("edge", "sites", "oslo", "w", Lifecycle::Draft, 0, 0));
    world.put(package_revision("default", "blueprints", "oslo", "w", Lifecycle::Draft, 0, 0));
    let mut all = Lines::open(&world, &format!("{REVISIONS}?watch=1&resourceVersion={version}"), "*/*").await;
    assert_eq!(all.seen().await, seen("ADDED", "sites.oslo.w"));
    assert_eq!(all.seen().await, seen("ADDED", "blueprints.oslo.w"));
    let mut edge = Lines::open(&world, &format!("{EDGE}?watch=1&resourceVersion={version}"), "*/*").await;
    assert_eq!(edge.seen().await, seen("ADDED", "sites.oslo.w"));
    world.put(package_revision("edge", "sites", "oslo", "w", Lifecycle::Proposed, 0, 0));
    assert_eq!(edge.seen().await, seen("MODIFIED", "sites.oslo.w"));
}

#[tokio::test]
async fn a_version_that_is_too_old_gets_an_error_event_and_the_end() {
    let world = World::new();
    let path = format!("{REVISIONS}?watch=1&resourceVersion={}", FIRST - 1);
    let mut lines = Lines::open(&world, &path, "application/json").await;
    let event = lines.next().await.expect("an event");
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(event["object"]["reason"], "Expired");
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn filters_turn_changes_into_arrivals_and_departures() {
    let world = World::new();
    let path = format!("{REVISIONS}?watch=1&fieldSelector=spec.lifecycle%3DDraft");
    let mut lines = Lines::open(&world, &path, "application/json").await;
    assert_eq!(lines.seen().await, seen("ADDED", "blueprints.web.draft-1"));
    world.put(package_revision("edge", "sites", "x", "w", Lifecycle::Proposed, 0, 0));
    let left = world.put(package_revision("default", "blueprints", "web", "draft-1", Lifecycle::Proposed, 0, 0));
    world.put(package_revision("default", "blueprints", "web", "draft-1", Lifecycle::Published, 1, 0));
    world.put(package_revision("default", "blueprints", "web", "draft-1", Lifecycle::Draft, 0, 0));
    let event = lines.next().await.expect("an event");
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["spec"]["lifecycle"], "Draft", "as it last matched");
    assert_eq!(event["object"]["metadata"]["resourceVersion"], json!(left.to_string()), "at the version of the change");
    assert_eq!(lines.seen().await, seen("ADDED", "blueprints.web.draft-1"));
}

#[tokio::test]
async fn bookmarks_mark_the_end_of_the_beginning_and_the_time() {
    let world = World::new();
    let path = format!(
        "{REVISIONS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=none"
    );
    let mut lines = Lines::open(&world, &path, "application/json").await;
    let first = lines.next().await.expect("a bookmark");
    assert_eq!((&first["type"], &first["object"]["kind"]), (&json!("BOOKMARK"), &json!("PackageRevision")));
    assert_eq!(first["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let now = world.catalog.resource_version().to_string();
    assert_eq!(first["object"]["metadata"]["resourceVersion"], json!(now));
    let version = json!(world.put(package_revision("edge", "sites", "x", "w", Lifecycle::Draft, 0, 0)).to_string());
    // Bookmarks come every 50 ms here: the change must be in one of them, though it did not match.
    loop {
        let next = lines.next().await.expect("a bookmark");
        assert_eq!((&next["type"], &next["object"]["metadata"]["annotations"]), (&json!("BOOKMARK"), &Value::Null));
        if next["object"]["metadata"]["resourceVersion"] == version {
            break;
        }
    }
}

#[tokio::test]
async fn watches_end_in_time_and_at_shutdown() {
    let world = World::new();
    let mut timed =
        Lines::open(&world, &format!("{REVISIONS}?watch=1&timeoutSeconds=1&labelSelector=none"), "*/*").await;
    assert_eq!(timed.next().await, None);
    let mut open = Lines::open(&world, &format!("{REVISIONS}?watch=1&labelSelector=none"), "*/*").await;
    world.shutdown.cancel();
    assert_eq!(open.next().await, None);
}

#[tokio::test]
async fn watches_speak_tables_and_metadata() {
    let world = World::new();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut lines = Lines::open(&world, &format!("{EDGE}?watch=1"), table).await;
    let event = lines.next().await.expect("an event");
    assert_eq!(event["object"]["kind"], "Table");
    assert_eq!(event["object"]["rows"][0]["cells"][0], "sites.berlin.v1");
    let metadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let mut lines = Lines::open(&world, &format!("{EDGE}?watch=1"), metadata).await;
    let event = lines.next().await.expect("an event");
    assert_eq!((&event["object"]["kind"], &event["object"]["spec"]), (&json!("PartialObjectMetadata"), &Value::Null));
}

#[tokio::test]
async fn repositories_are_watched_too() {
    let world = World::new();
    let path = "/apis/config.porch.kpt.dev/v1alpha1/repositories?watch=1&fieldSelector=metadata.name%3Dsites";
    let mut lines = Lines::open(&world, path, "application/json").await;
    assert_eq!(lines.seen().await, seen("ADDED", "sites"));
    world.catalog.put_repository(repository("edge", "other", 5_000));
    world.catalog.put_repository(repository("edge", "sites", 5_001));
    assert_eq!(lines.seen().await, seen("MODIFIED", "sites"));
    let mut version = 5_002;
    let name = |text: &str| stoop::domain::names::RepositoryName::parse(text).expect("valid");
    let namespace = stoop::domain::names::Namespace::parse("edge").expect("valid");
    world.catalog.remove_repository(&namespace, &name("sites"), || {
        version += 1;
        version
    });
    assert_eq!(lines.seen().await, seen("DELETED", "sites"));
}

#[tokio::test]
async fn a_watcher_that_reads_late_still_gets_every_change() {
    let world = World::new();
    let mut lines =
        Lines::open(&world, &format!("{EDGE}?watch=1&fieldSelector=metadata.name%3Dsites.late.w"), "*/*").await;
    for _ in 0..3_000 {
        world.put(package_revision("edge", "sites", "late", "w", Lifecycle::Draft, 0, 0));
    }
    let mut last = 0;
    for _ in 0..3_000 {
        let event = lines.next().await.expect("an event");
        let version: u64 =
            event["object"]["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).expect("a version");
        assert!(version > last);
        last = version;
    }
}

#[tokio::test]
async fn a_watcher_that_falls_too_far_behind_is_told_to_list_again() {
    let world = World::new();
    let mut lines = Lines::open(&world, &format!("{EDGE}?watch=1"), "*/*").await;
    assert_eq!(lines.seen().await, seen("ADDED", "sites.berlin.v1"));
    for _ in 0..stoop::index::feed::WINDOW + 100 {
        world.put(package_revision("edge", "sites", "fast", "w", Lifecycle::Draft, 0, 0));
    }
    let mut last = Value::Null;
    while let Some(event) = lines.next().await {
        last = event;
    }
    assert_eq!((&last["type"], &last["object"]["reason"]), (&json!("ERROR"), &json!("Expired")));
}

#[tokio::test]
async fn a_watcher_that_reads_nothing_is_dropped_and_the_others_go_on() {
    let world = World::new();
    let mut slow = Lines::open(&world, &format!("{EDGE}?watch=1"), "*/*").await;
    let mut quick =
        Lines::open(&world, &format!("{EDGE}?watch=1&fieldSelector=metadata.name%3Dsites.fast.w"), "*/*").await;
    assert_eq!(slow.seen().await, seen("ADDED", "sites.berlin.v1"));
    let changes = 2_000;
    for _ in 0..changes {
        world.put(package_revision("edge", "sites", "fast", "w", Lifecycle::Draft, 0, 0));
    }
    for _ in 0..changes {
        quick.next().await.expect("an event");
    }
    let watchers = || world.catalog.watchers();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while watchers() > 1 {
        assert!(tokio::time::Instant::now() < deadline, "the slow watcher is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What was on its way comes, and then the end: the client goes on from what it saw last.
    let mut late = 0;
    while slow.next().await.is_some() {
        late += 1;
    }
    assert!(late < changes, "{late} events waited for a client that did not read");
    world.put(package_revision("edge", "sites", "fast", "w", Lifecycle::Proposed, 0, 0));
    quick.next().await.expect("the others go on");
}
