//! PUT, PATCH and DELETE.

use std::sync::atomic::Ordering;

use axum::body::Body;
use serde_json::{Value, json};

use super::fake::World;
use super::golden;

const BASE: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";
const JSON: (&str, &str) = ("content-type", "application/json");

fn path(name: &str) -> String {
    format!("{BASE}/{name}")
}

const DRAFT: &str = "blueprints.web.draft-1";
const PROPOSED: &str = "blueprints.net.router.v3";
const PUBLISHED: &str = "blueprints.net.router.v1";
const LATEST: &str = "blueprints.net.router.v2";

#[tokio::test]
async fn a_merge_patch_moves_the_lifecycle_on_the_object_and_on_approval() {
    let world = World::new();
    let proposed = world.merge(&path(DRAFT), json!({"spec": {"lifecycle": "Proposed"}})).await;
    assert_eq!((proposed.code, &proposed.json()["spec"]["lifecycle"]), (200, &json!("Proposed")));
    let approved = world.merge(&path(DRAFT), json!({"spec": {"lifecycle": "Published"}})).await;
    assert_eq!((approved.code, &approved.json()["spec"]["lifecycle"]), (200, &json!("Published")));
    let approval = format!("{}/approval", path(PROPOSED));
    let rejected = world.merge(&approval, json!({"spec": {"lifecycle": "Draft"}})).await;
    assert_eq!((rejected.code, &rejected.json()["spec"]["lifecycle"]), (200, &json!("Draft")));
}

#[tokio::test]
async fn refusals_are_statuses() {
    let world = World::new();
    let mut text = String::new();
    let merge = ("content-type", "application/merge-patch+json");
    let reader = ("x-test-user", "reader");
    let approval = |name: &str| format!("{}/approval", path(name));
    let to = |lifecycle: &str| json!({"spec": {"lifecycle": lifecycle}}).to_string();
    for (method, path, headers, body) in [
        ("PATCH", path(DRAFT), vec![merge], to("Published")),
        ("PATCH", path(DRAFT), vec![merge], to("published")),
        ("PATCH", path(PROPOSED), vec![merge, reader], to("Published")),
        ("PATCH", approval(DRAFT), vec![merge], to("Published")),
        ("PATCH", approval(PROPOSED), vec![merge], to("DeletionProposed")),
        ("PATCH", approval(PROPOSED), vec![merge], to("Proposed")),
        ("PATCH", approval(PUBLISHED), vec![merge], to("Draft")),
        ("PATCH", path(PUBLISHED), vec![merge], json!({"spec": {"packageName": "x"}}).to_string()),
        ("PATCH", path(DRAFT), vec![merge], json!({"spec": {"packageName": "x", "readinessGates": null}}).to_string()),
        ("PATCH", path(DRAFT), vec![merge], json!({"status": {"conditions": []}}).to_string()),
        (
            "PATCH",
            path(DRAFT),
            vec![merge],
            json!({"metadata": {"labels": {"kpt.dev/latest-revision": "true"}}}).to_string(),
        ),
        (
            "PATCH",
            path(LATEST),
            vec![merge],
            json!({"metadata": {"labels": {"kpt.dev/latest-revision": "false", "bad key": "x"}}}).to_string(),
        ),
        ("PATCH", path(DRAFT), vec![merge], json!({"metadata": {"resourceVersion": "7"}}).to_string()),
        ("PATCH", path(DRAFT), vec![merge], json!({"metadata": {"name": "other"}}).to_string()),
        ("PATCH", path(DRAFT), vec![merge], "{\"spec\":".to_owned()),
        ("PATCH", path("nope"), vec![merge], to("Proposed")),
        ("PATCH", path(DRAFT), vec![("content-type", "application/apply-patch+yaml")], "spec: {}".to_owned()),
        ("PATCH", path(DRAFT), vec![("content-type", "application/strategic-merge-patch+json")], to("Proposed")),
        ("PATCH", path(DRAFT), vec![], to("Proposed")),
        (
            "PATCH",
            path(DRAFT),
            vec![("content-type", "application/json-patch+json")],
            json!([{"op": "replace", "path": "/nope/x", "value": 1}]).to_string(),
        ),
        ("PATCH", path(DRAFT), vec![("content-type", "application/json-patch+json")], json!({"op": "add"}).to_string()),
        ("DELETE", path(PUBLISHED), vec![], String::new()),
        ("DELETE", path(DRAFT), vec![reader], String::new()),
        ("DELETE", path(DRAFT), vec![JSON], json!({"preconditions": {"uid": "x"}}).to_string()),
        ("DELETE", path(DRAFT), vec![JSON], json!({"propagationPolicy": "Later"}).to_string()),
        ("PUT", path(DRAFT), vec![JSON], "[]".to_owned()),
        ("PUT", path(DRAFT), vec![("content-type", "text/plain")], "x".to_owned()),
    ] {
        let answer = world.send(method, &path, &headers, body.clone()).await;
        let name = path.strip_prefix(BASE).unwrap_or(&path);
        text.push_str(&format!("{method} {name} {body}\n{} {}\n\n", answer.code, answer.message()));
    }
    golden("api_refusals", &text);
}

#[tokio::test]
async fn a_put_sends_back_what_was_read_and_changes_metadata() {
    let world = World::new();
    let read = world.get(&path(LATEST)).await.json();
    let mut wanted = read.clone();
    wanted["metadata"]["labels"] = json!({"tier": "gold"});
    wanted["metadata"]["annotations"] = json!({"example.com/Note": "a b"});
    wanted["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let answer = world.send("PUT", &path(LATEST), &[JSON], wanted.to_string()).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let now = answer.json();
    assert_eq!(now["metadata"]["labels"], json!({"kpt.dev/latest-revision": "true", "tier": "gold"}));
    assert_eq!(now["metadata"]["finalizers"], json!(["example.com/hold"]));
    assert_ne!(now["metadata"]["resourceVersion"], read["metadata"]["resourceVersion"]);
    let stored = world.catalog.revision("default", LATEST).expect("there");
    assert!(!stored.metadata.labels.contains_key("kpt.dev/latest-revision"), "the computed label is not stored");

    let stale = world.send("PUT", &path(LATEST), &[JSON], wanted.to_string()).await;
    assert_eq!(stale.code, 409);
    wanted["metadata"].as_object_mut().expect("an object").remove("resourceVersion");
    let unbound = world.send("PUT", &path(LATEST), &[JSON], wanted.to_string()).await;
    assert_eq!(unbound.code, 422);
    assert!(unbound.message().contains("resourceVersion must be specified for an update"), "{}", unbound.message());
}

#[tokio::test]
async fn a_put_may_be_yaml_and_leave_parts_of_the_spec_out() {
    let world = World::new();
    let read = world.get(&path(DRAFT)).await.json();
    let version = read["metadata"]["resourceVersion"].as_str().expect("a version");
    let yaml = format!(
        "apiVersion: porch.kpt.dev/v1alpha1\nkind: PackageRevision\nmetadata: {{name: {DRAFT}, resourceVersion: \"{version}\"}}\nspec: {{lifecycle: Proposed}}\n"
    );
    let answer = world.send("PUT", &path(DRAFT), &[("content-type", "application/yaml")], yaml).await;
    assert_eq!((answer.code, &answer.json()["spec"]["lifecycle"]), (200, &json!("Proposed")), "{}", answer.text);
}

#[tokio::test]
async fn a_json_patch_works_and_cannot_grow_without_end() {
    let world = World::new();
    let kind = ("content-type", "application/json-patch+json");
    let patch = json!([
        {"op": "test", "path": "/spec/lifecycle", "value": "Draft"},
        {"op": "replace", "path": "/spec/lifecycle", "value": "Proposed"},
        {"op": "add", "path": "/metadata/labels/new", "value": "x"},
    ]);
    let answer = world.send("PATCH", &path(DRAFT), &[kind], patch.to_string()).await;
    assert_eq!((answer.code, &answer.json()["metadata"]["labels"]["new"]), (200, &json!("x")), "{}", answer.text);
    let doubling: Vec<Value> = (0..64).map(|n| json!({"op": "copy", "from": "", "path": format!("/x{n}")})).collect();
    let answer = world.send("PATCH", &path(DRAFT), &[kind], json!(doubling).to_string()).await;
    assert_eq!(answer.code, 413, "{}", answer.text);
    let many: Vec<Value> = (0..1001).map(|_| json!({"op": "test", "path": "/kind", "value": "x"})).collect();
    assert_eq!(world.send("PATCH", &path(DRAFT), &[kind], json!(many).to_string()).await.code, 413);
}

#[tokio::test]
async fn a_patch_of_metadata_meets_the_newest_object() {
    let world = World::new();
    world.packages.stale.store(2, Ordering::SeqCst);
    let answer = world.merge(&path(DRAFT), json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!((answer.code, &answer.json()["metadata"]["labels"]["a"]), (200, &json!("b")), "{}", answer.text);
    world.packages.stale.store(1, Ordering::SeqCst);
    let version = answer.json()["metadata"]["resourceVersion"].clone();
    let bound =
        world.merge(&path(DRAFT), json!({"metadata": {"resourceVersion": version, "labels": {"a": "c"}}})).await;
    assert_eq!(bound.code, 409, "a patch that names its version is not made again");
}

#[tokio::test]
async fn dry_run_changes_nothing() {
    let world = World::new();
    let before = world.catalog.resource_version();
    let patched = world.merge(&format!("{}?dryRun=All", path(DRAFT)), json!({"spec": {"lifecycle": "Proposed"}})).await;
    assert_eq!((patched.code, &patched.json()["spec"]["lifecycle"]), (200, &json!("Proposed")));
    let deleted = world.send("DELETE", &path(DRAFT), &[JSON], json!({"dryRun": ["All"]}).to_string()).await;
    assert_eq!(deleted.code, 200);
    assert_eq!(world.catalog.resource_version(), before);
    assert_eq!(world.merge(&format!("{}?dryRun=Some", path(DRAFT)), json!({})).await.code, 422);
}

#[tokio::test]
async fn deletion_answers_with_the_object() {
    let world = World::new();
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    let answer = world.send("DELETE", &path(DRAFT), &[JSON], options.to_string()).await;
    assert_eq!((answer.code, &answer.json()["metadata"]["name"]), (200, &json!(DRAFT)));
    assert_eq!(world.get(&path(DRAFT)).await.code, 404);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let world = World::new();
    let large = Body::from(vec![b' '; 3 * 1024 * 1024 + 1]);
    let answer = world.send("PATCH", &path(DRAFT), &[("content-type", "application/merge-patch+json")], large).await;
    assert_eq!((answer.code, answer.json()["reason"].as_str()), (413, Some("RequestEntityTooLarge")));
}

#[tokio::test]
async fn unknown_fields_are_warned_of_or_refused() {
    let world = World::new();
    let patch = json!({"metadata": {"colour": "red", "labels": {"a": "b"}}});
    let warned = world.merge(&path(DRAFT), patch.clone()).await;
    let warning = warned.headers.get("warning").and_then(|value| value.to_str().ok());
    assert_eq!((warned.code, warning), (200, Some("299 - \"unknown field \\\"metadata.colour\\\"\"")));
    let silent = world.merge(&format!("{}?fieldValidation=Ignore", path(DRAFT)), patch.clone()).await;
    assert_eq!((silent.code, silent.headers.get("warning")), (200, None));
    let strict = world.merge(&format!("{}?fieldValidation=Strict", path(DRAFT)), patch).await;
    assert_eq!(strict.code, 400);
    assert!(
        strict.message().ends_with("strict decoding error: unknown field \"metadata.colour\""),
        "{}",
        strict.message()
    );
}
