//! The requests of Porch's own command line client, byte for byte as far as they matter: Table lists, and lifecycle changes
//! by GET and PUT of the whole object.
//!
//! Never here: verbs that create packages or write their content; those are not built.

use serde_json::{Value, json};

use crate::client::{REVISIONS, client, get, send};
use crate::packages::Shelf;

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json";
const JSON: [(&str, &str); 2] = [("content-type", "application/json"), ("accept", "application/json, */*")];

/// GET, change the lifecycle, PUT to the object or its subresource.
async fn put(client: &kube::Client, name: &str, subresource: &str, lifecycle: &str) -> (u16, Value) {
    let (_, mut object) = get(client, &format!("{REVISIONS}/{name}"), "application/json").await;
    object["spec"]["lifecycle"] = json!(lifecycle);
    let (code, body) =
        send(client, "PUT", &format!("{REVISIONS}/{name}{subresource}"), &JSON, &object.to_string()).await;
    (code, serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lifecycle_commands_of_porch_s_client_work() {
    let shelf = Shelf::new();
    shelf.draft("web", "w1");
    let (ann, bob) = (client(&shelf.world, "ann").await, client(&shelf.world, "bob").await);
    let name = "packages.web.w1";
    let step = async |client: &kube::Client, subresource: &str, lifecycle: &str| {
        let (code, object) = put(client, name, subresource, lifecycle).await;
        assert_eq!((code, &object["spec"]["lifecycle"]), (200, &json!(lifecycle)), "{object}");
        assert_eq!((&object["metadata"]["name"], &object["kind"]), (&json!(name), &json!("PackageRevision")));
        object
    };
    step(&ann, "", "Proposed").await;
    step(&bob, "/approval", "Draft").await;
    step(&ann, "", "Proposed").await;
    let (code, status) = put(&ann, name, "/approval", "Published").await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert!(status["message"].as_str().expect("text").contains("ann may not approve web w1"), "{status}");
    let published = step(&bob, "/approval", "Published").await;
    assert_eq!(published["spec"]["revision"], 1);
    assert_eq!(published["metadata"]["labels"]["kpt.dev/latest-revision"], "true");
    step(&ann, "", "DeletionProposed").await;
    step(&bob, "", "Published").await;
    step(&ann, "", "DeletionProposed").await;
    let (code, _) = send(&bob, "DELETE", &format!("{REVISIONS}/{name}"), &JSON, "").await;
    assert_eq!(code, 200);
    let (code, status) = get(&bob, &format!("{REVISIONS}/{name}"), "application/json").await;
    assert_eq!(
        (code, &status["message"]),
        (404, &json!("packagerevisions.porch.kpt.dev \"packages.web.w1\" not found"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_without_or_with_another_version_and_other_bodies_are_refused() {
    let shelf = Shelf::new();
    shelf.draft("web", "w1");
    let amy = client(&shelf.world, "amy").await;
    let path = format!("{REVISIONS}/packages.web.w1");
    let (_, object) = get(&amy, &path, "application/json").await;
    let change = |pointer: &str, value: Value| {
        let mut changed = object.clone();
        *changed.pointer_mut(pointer).expect("there") = value;
        changed.to_string()
    };
    for (body, code, word) in [
        (change("/metadata/resourceVersion", json!("")), 422, "resourceVersion must be specified for an update"),
        (change("/metadata/resourceVersion", json!("1")), 409, "the object has been modified"),
        (change("/metadata/resourceVersion", json!("x1")), 422, "resourceVersion"),
        (change("/metadata/name", json!("other")), 400, "other"),
        (change("/metadata/namespace", json!("other")), 400, "other"),
        (change("/metadata/uid", json!("77777777-7777-7777-7777-777777777777")), 409, "UID"),
        (change("/kind", json!("Pod")), 400, "Pod"),
        (change("/spec/packageName", json!("db")), 422, "spec.packageName"),
        (change("/spec/revision", json!(7)), 422, "spec.revision"),
        (change("/spec/lifecycle", json!("Done")), 422, "Draft,Proposed,Published,DeletionProposed"),
        (change("/spec/lifecycle", json!(5)), 422, "spec.lifecycle"),
        ("{\"kind\":".to_owned(), 400, "JSON"),
        ("[]".to_owned(), 400, "object"),
        ("x".repeat(4 << 20), 413, "too large"),
    ] {
        let (have, answer) = send(&amy, "PUT", &path, &JSON, &body).await;
        assert_eq!(have, code, "{word}: {answer}");
        let status: Value = serde_json::from_str(&answer).expect("a Status");
        assert!(status["message"].as_str().expect("text").contains(word), "{word:?}: {status}");
    }
    let (code, answer) = send(&amy, "PUT", &path, &[("content-type", "text/plain")], "{}").await;
    assert_eq!(code, 415, "{answer}");
    assert_eq!(get(&amy, &path, "application/json").await.1, object, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_porch_s_columns() {
    let shelf = Shelf::new();
    shelf.publish("net/router", "w1");
    let client = client(&shelf.world, "rea").await;
    let (code, table) = get(&client, &format!("{REVISIONS}?fieldSelector=spec.workspaceName%3Dw1"), TABLE).await;
    assert_eq!((code, &table["kind"], &table["apiVersion"]), (200, &json!("Table"), &json!("meta.k8s.io/v1")));
    let columns = |table: &Value| -> Vec<(String, String)> {
        let columns = table["columnDefinitions"].as_array().expect("columns").iter();
        columns
            .map(|c| (c["name"].as_str().unwrap_or("").to_owned(), c["type"].as_str().unwrap_or("").to_owned()))
            .collect()
    };
    let wanted = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
    };
    let all = [
        ("Name", "string"),
        ("Package", "string"),
        ("WorkspaceName", "string"),
        ("Revision", "integer"),
        ("Latest", "boolean"),
        ("Lifecycle", "string"),
        ("Repository", "string"),
    ];
    assert_eq!(columns(&table), wanted(&all));
    let cells = json!(["packages.net.router.w1", "net/router", "w1", 1, true, "Published", "packages"]);
    assert_eq!(table["rows"][0]["cells"], cells);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let (_, full) = get(&client, &format!("{REVISIONS}/packages.net.router.w1?includeObject=Object"), TABLE).await;
    assert_eq!(full["rows"][0]["object"]["spec"]["lifecycle"], "Published");
    let path = REVISIONS.replace("packagerevisions", "packagerevisionresources");
    let (_, contents) = get(&client, &path, TABLE).await;
    let all = [
        ("Name", "string"),
        ("Package", "string"),
        ("WorkspaceName", "string"),
        ("Revision", "integer"),
        ("Repository", "string"),
        ("Files", "integer"),
    ];
    assert_eq!(columns(&contents), wanted(&all));
}
