//! The schema documents: whole, and true to what is served.

use axum::body::Body;
use serde_json::Value;

use super::fake::World;

const DEFAULT: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";
const CONTENTS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisionresources";

#[tokio::test]
async fn schemas_are_served_in_every_form_and_keep_their_tags() {
    let world = World::new();
    let index = world.get("/openapi/v3").await.json();
    let paths = index["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 3);
    for entry in paths.values() {
        let url = entry["serverRelativeURL"].as_str().expect("a URL");
        let answer = world.get(url).await;
        let document = answer.json();
        let text = answer.text.clone();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(!document["components"]["schemas"][name].is_null(), "{url}: {name} is missing");
        }
        let tag = answer.headers["etag"].to_str().expect("text").to_owned();
        assert_eq!(world.send("GET", url, &[("if-none-match", &tag)], Body::empty()).await.code, 304);
    }
    let two = world.get("/openapi/v2").await;
    let document = two.json();
    for reference in two.text.split("\"#/definitions/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(!document["definitions"][name].is_null(), "{name} is missing");
    }
    let old = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let proto = world.send("GET", "/openapi/v2", &[("accept", old)], Body::empty()).await;
    assert_eq!(proto.headers["content-type"], "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert_eq!(world.send("GET", "/openapi/v2", &[("accept", "text/html")], Body::empty()).await.code, 406);
}

#[tokio::test]
async fn every_served_field_is_described() {
    let world = World::new();
    let document = world.get("/openapi/v2").await.json();
    for path in [
        format!("{DEFAULT}/blueprints.web.draft-1"),
        format!("{DEFAULT}/blueprints.net.router.v2"),
        "/apis/config.porch.kpt.dev/v1alpha1/namespaces/default/repositories/blueprints".to_owned(),
        format!("{CONTENTS}/blueprints.web.draft-1"),
    ] {
        let object = world.get(&path).await.json();
        let name = match object["kind"].as_str() {
            Some("Repository") => "dev.kpt.porch.config.v1alpha1.Repository".to_owned(),
            Some(kind) => format!("dev.kpt.porch.v1alpha1.{kind}"),
            None => panic!("{object}"),
        };
        described(&document, &document["definitions"][&name], &object, &path);
    }
}

/// Follows an object and its schema side by side.
fn described(document: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => &document["definitions"][reference.trim_start_matches("#/definitions/")],
        None => schema,
    };
    match value {
        Value::Object(members) if schema["properties"].is_object() => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                assert!(schema["properties"][name].is_object(), "{path} has no description");
                described(document, &schema["properties"][name], member, &path);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| described(document, &schema["items"], entry, path)),
        Value::Object(_) => assert_eq!(schema["type"], "object", "{path}"),
        Value::String(_) => assert_eq!(schema["type"], "string", "{path}"),
        Value::Number(_) => assert_eq!(schema["type"], "integer", "{path}"),
        Value::Bool(_) => assert_eq!(schema["type"], "boolean", "{path}"),
        Value::Null => {}
    }
}
