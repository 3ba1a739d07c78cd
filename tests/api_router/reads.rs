//! Get, list, selectors, negotiation, paging, discovery, statuses.

use std::sync::atomic::Ordering;

use axum::body::Body;
use serde_json::{Value, json};
use stoop::domain::lifecycle::Lifecycle;

use super::fake::{World, package_revision};
use super::golden;

const REVISIONS: &str = "/apis/porch.kpt.dev/v1alpha1/packagerevisions";
const DEFAULT: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";
const CONTENTS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisionresources";
const REPOSITORIES: &str = "/apis/config.porch.kpt.dev/v1alpha1/repositories";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value prints")
}

/// Paints a Table as kubectl does, so that the golden file is easy to read.
fn painted(table: &Value) -> String {
    let line = |cells: Vec<String>| cells.join(" | ");
    let columns = table["columnDefinitions"].as_array().expect("columns");
    let header = columns
        .iter()
        .map(|c| format!("{} ({})", c["name"].as_str().unwrap_or("?"), c["type"].as_str().unwrap_or("?")));
    let mut lines = vec![line(header.collect())];
    for row in table["rows"].as_array().expect("rows") {
        let cells = row["cells"].as_array().expect("cells").iter();
        lines.push(line(cells.map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned)).collect()));
    }
    lines.join("\n")
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("items").iter().map(|i| i["metadata"]["name"].as_str().expect("name")).collect()
}

#[tokio::test]
async fn objects_have_the_shape_that_porch_gives_them() {
    let world = World::new();
    let mut text = String::new();
    for path in [
        format!("{DEFAULT}/blueprints.net.router.v2"),
        format!("{DEFAULT}/blueprints.web.draft-1"),
        format!("{CONTENTS}/blueprints.web.draft-1"),
        "/apis/config.porch.kpt.dev/v1alpha1/namespaces/default/repositories/blueprints".to_owned(),
        "/api/v1/namespaces/edge".to_owned(),
    ] {
        let answer = world.get(&path).await;
        assert_eq!(answer.code, 200, "{}", answer.text);
        text.push_str(&format!("GET {path}\n{}\n\n", pretty(&answer.json())));
    }
    golden("api_objects", &text);
}

#[tokio::test]
async fn tables_have_the_columns_that_porch_gives_them() {
    let world = World::new();
    let mut text = String::new();
    for path in [REVISIONS, CONTENTS, REPOSITORIES, "/api/v1/namespaces"] {
        let answer = world.send("GET", path, &[("accept", TABLE)], Body::empty()).await;
        let mut table = painted(&answer.json());
        // Ages move on with the clock.
        if let Some(at) = table.find("Age") {
            let (head, rows) = table.split_at(at);
            let rows: Vec<&str> =
                rows.lines().map(|row| row.rsplit_once(" | ").map_or(row, |(rest, _)| rest)).collect();
            table = format!("{head}{}", rows.join("\n"));
        }
        text.push_str(&format!("{path}\n{table}\n\n"));
    }
    assert_eq!(world.packages.reads.load(Ordering::SeqCst), 0, "a Table reads no content");
    golden("api_tables", &text);
}

#[tokio::test]
async fn rows_carry_what_include_object_says() {
    let world = World::new();
    for (include, kind) in
        [("", json!("PartialObjectMetadata")), ("Object", json!("PackageRevision")), ("None", Value::Null)]
    {
        let path = format!("{REVISIONS}?includeObject={include}");
        let table = world.send("GET", &path, &[("accept", TABLE)], Body::empty()).await.json();
        assert_eq!(table["rows"][0]["object"]["kind"], kind, "{include}");
    }
    let path = format!("{DEFAULT}/blueprints.web.draft-1");
    let one = world.send("GET", &path, &[("accept", TABLE)], Body::empty()).await.json();
    assert_eq!(one["rows"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn metadata_alone_is_served_and_reads_no_content() {
    let world = World::new();
    let accept = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let list = world.send("GET", CONTENTS, &[("accept", accept)], Body::empty()).await.json();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0]["spec"], Value::Null);
    assert_eq!(world.packages.reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn selectors_select() {
    let world = World::new();
    for (query, want) in [
        ("", 5),
        ("labelSelector=tier%3Dstable", 3),
        ("labelSelector=tier+in+(stable,x),kpt.dev/latest-revision%3Dtrue", 2),
        ("labelSelector=!kpt.dev/latest-revision", 3),
        ("fieldSelector=spec.lifecycle%3DDraft", 1),
        ("fieldSelector=spec.revision%3D0", 2),
        ("fieldSelector=spec.packageName%3Drouter", 0),
        ("fieldSelector=spec.packageName%3Dnet/router,spec.repository%3Dblueprints", 3),
        ("fieldSelector=metadata.namespace%3Dedge", 1),
        ("fieldSelector=spec.packageMetadata.labels[team]%3Dcore", 5),
        ("fieldSelector=spec.packageMetadata.labels[team]%3Dedge", 0),
        ("fieldSelector=spec.workspaceName%3Dv1&labelSelector=kpt.dev/latest-revision", 1),
    ] {
        for base in [REVISIONS, "/apis/porch.kpt.dev/v1alpha1/packagerevisionresources"] {
            let answer = world.get(&format!("{base}?{query}")).await;
            assert_eq!(answer.code, 200, "{query}: {}", answer.text);
            assert_eq!(names(&answer.json()).len(), want, "{query}");
        }
    }
}

#[tokio::test]
async fn options_that_are_not_understood_are_refused() {
    let world = World::new();
    for (query, code) in [
        ("nonsense=1", 422),
        ("limit=many", 422),
        ("watch=perhaps", 422),
        ("watch=true&watch=true", 422),
        ("timeoutSeconds=-1", 422),
        ("resourceVersion=abc", 422),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422),
        ("resourceVersionMatch=Newest&resourceVersion=1", 422),
        ("sendInitialEvents=true", 422),
        ("watch=true&sendInitialEvents=true", 422),
        ("watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=1", 422),
        ("watch=true&continue=abc", 422),
        ("continue=damaged", 410),
        ("resourceVersionMatch=Exact&resourceVersion=1001", 410),
        ("fieldSelector=spec.nope%3D1", 400),
        ("fieldSelector=spec.lifecycle!%3DDraft", 400),
        ("labelSelector=a%3D%3D%3Db", 400),
    ] {
        let answer = world.get(&format!("{REVISIONS}?{query}")).await;
        assert_eq!((answer.code, answer.json()["kind"].as_str()), (code, Some("Status")), "{query}: {}", answer.text);
        assert_eq!(answer.json()["code"], code);
    }
    let watch = world.get(&format!("{CONTENTS}?watch=true")).await;
    assert_eq!(watch.code, 405);
}

#[tokio::test]
async fn a_version_that_is_not_reached_in_time_is_a_timeout_the_client_knows() {
    let world = World::new();
    let answer = world.get(&format!("{REVISIONS}?resourceVersion=99999&resourceVersionMatch=NotOlderThan")).await;
    assert_eq!(answer.code, 504);
    assert_eq!(answer.json()["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(answer.headers.get("retry-after").map(|v| v.as_bytes()), Some(&b"1"[..]));
}

#[tokio::test]
async fn pages_follow_one_another_and_keep_the_first_pages_version() {
    for base in [REVISIONS, "/apis/porch.kpt.dev/v1alpha1/packagerevisionresources"] {
        let world = World::new();
        let first = world.get(&format!("{base}?limit=2")).await.json();
        assert_eq!(first["metadata"]["remainingItemCount"], 3);
        let version = first["metadata"]["resourceVersion"].clone();
        let mut seen: Vec<String> = names(&first).iter().map(|n| (*n).to_owned()).collect();
        let mut token = first["metadata"]["continue"].as_str().expect("a token").to_owned();
        world.put(package_revision("default", "blueprints", "aaa", "w", Lifecycle::Draft, 0, 0));
        loop {
            let page = world.get(&format!("{base}?limit=2&continue={token}")).await.json();
            assert_eq!(page["metadata"]["resourceVersion"], version);
            seen.extend(names(&page).iter().map(|n| (*n).to_owned()));
            match page["metadata"]["continue"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        seen.retain(|name| !name.contains("aaa"));
        assert_eq!(seen.len(), 5, "{seen:?}");
        let selected = world.get(&format!("{base}?limit=1&labelSelector=tier%3Dstable")).await.json();
        assert_eq!(selected["metadata"]["remainingItemCount"], Value::Null);
    }
}

#[tokio::test]
async fn lists_are_the_same_in_yaml() {
    let world = World::new();
    for path in [CONTENTS, REVISIONS, "/apis/porch.kpt.dev/v1alpha1/namespaces/none/packagerevisions"] {
        let json = world.get(path).await.json();
        let yaml = world.send("GET", path, &[("accept", "application/yaml")], Body::empty()).await;
        assert_eq!(yaml.headers["content-type"], "application/yaml");
        let read: Value = serde_yaml::from_str(&yaml.text).expect("valid YAML");
        assert_eq!(read, json);
    }
    let watch =
        world.send("GET", &format!("{REVISIONS}?watch=1"), &[("accept", "application/yaml")], Body::empty()).await;
    assert_eq!(watch.code, 406);
}

#[tokio::test]
async fn errors_are_statuses_in_the_words_kubectl_users_know() {
    let world = World::new();
    let mut text = String::new();
    let mut ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let answer = world.send(method, path, headers, Body::empty()).await;
        let allow = answer.headers.get("allow").map(|v| format!(" (Allow: {})", v.to_str().unwrap_or("?")));
        text.push_str(&format!("{method} {path}{}\n{}\n\n", allow.unwrap_or_default(), answer.text));
    };
    ask("GET", &format!("{DEFAULT}/nope"), &[]).await;
    ask("GET", "/apis/porch.kpt.dev/v1alpha1/packages", &[]).await;
    ask("GET", REVISIONS, &[("accept", "text/html")]).await;
    ask("GET", REVISIONS, &[("x-test-user", "nobody")]).await;
    ask("GET", REVISIONS, &[("x-test-user", "stranger")]).await;
    ask("POST", DEFAULT, &[]).await;
    ask("DELETE", DEFAULT, &[]).await;
    ask("POST", REVISIONS, &[]).await;
    ask("PUT", &format!("{CONTENTS}/blueprints.web.draft-1"), &[]).await;
    ask("GET", &format!("{REVISIONS}?limit=x"), &[]).await;
    golden("api_statuses", &text);
}

#[tokio::test]
async fn discovery_names_what_works() {
    let world = World::new();
    let mut text = String::new();
    for path in [
        "/api",
        "/api/v1",
        "/apis",
        "/apis/porch.kpt.dev",
        "/apis/porch.kpt.dev/v1alpha1",
        "/apis/config.porch.kpt.dev/v1alpha1",
        "/version",
    ] {
        text.push_str(&format!("{path}\n{}\n\n", world.get(path).await.text));
    }
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    for path in ["/api", "/apis"] {
        let answer = world.send("GET", path, &[("accept", accept)], Body::empty()).await;
        text.push_str(&format!("{path} {:?}\n{}\n\n", answer.headers["content-type"], pretty(&answer.json())));
    }
    let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    golden("api_discovery", &text.replace(&platform, "PLATFORM"));
}

#[tokio::test]
async fn probes_answer_without_identity() {
    let world = World::new();
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        let answer = world.send("GET", path, &[("x-test-user", "nobody")], Body::empty()).await;
        assert_eq!(answer.code, 200, "{path}");
    }
    assert_eq!(world.send("GET", "/metrics", &[("x-test-user", "nobody")], Body::empty()).await.code, 401);
    assert_eq!(world.get("/metrics").await.code, 200);
    assert!(world.get("/readyz?verbose").await.text.contains("[+]repositories ok"));
    world.shutdown.cancel();
    assert_eq!(world.get("/readyz").await.code, 500);
    assert_eq!(world.get("/livez").await.code, 200);
}

#[tokio::test]
async fn odd_requests_get_a_status_too() {
    let world = World::new();
    for (method, path, code) in [
        ("GET", format!("{DEFAULT}/%ff"), 400),
        ("GET", "/openapi/v3/%ff".to_owned(), 400),
        ("GET", format!("{DEFAULT}/%00%0a%22"), 404),
        ("GET", format!("{REVISIONS}?a=%ff"), 422),
        ("GET", format!("{REVISIONS}?labelSelector={}", "a%3Db,".repeat(2000)), 400),
        ("TRACE", REVISIONS.to_owned(), 405),
        ("BREW", format!("{DEFAULT}/x"), 405),
        ("GET", "/".to_owned(), 404),
        ("GET", format!("{DEFAULT}/"), 404),
        ("GET", format!("{DEFAULT}/a/b/c"), 404),
    ] {
        let answer = world.send(method, &path, &[], Body::empty()).await;
        assert_eq!(
            (answer.code, answer.json()["kind"].as_str()),
            (code, Some("Status")),
            "{method} {path}: {}",
            answer.text
        );
    }
}
