//! Patches and whole objects sent to package revisions and to their `approval`.

use axum::body::Body;
use axum::http::Request;
use json_patch::PatchOperation;
use serde_json::Value;
use stoop::commands::request::Update;
use stoop::domain::policy::break_glass::ANNOTATION;

use super::input::Input;
use super::world::{ADMIN, Asked, REVISIONS, get, send};

const NAMES: [&str; 4] =
    ["blueprints.net.router.v1", "blueprints.net.router.v2", "blueprints.net.router.v3", "blueprints.web.draft-1"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Merge,
    Json,
    Put,
}

/// The first byte picks object and kind, the rest is the body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let first = input.byte();
    let name = NAMES[usize::from(first) % 4];
    let kind = [Kind::Merge, Kind::Json, Kind::Put, Kind::Merge][usize::from(first >> 2 & 3)];
    let (door, dry) = (first & 0x40 != 0, first & 0x80 != 0);
    let path = format!("{REVISIONS}/{name}");
    let current = get(&path).json();
    let body = input.rest();
    let (method, media) = match kind {
        Kind::Merge => ("PATCH", "application/merge-patch+json"),
        Kind::Json => ("PATCH", "application/json-patch+json"),
        Kind::Put => ("PUT", "application/json"),
    };
    let uri = format!("{path}{}?{}", if door { "/approval" } else { "" }, if dry { "dryRun=All" } else { "" });
    let request = Request::builder().method(method).uri(uri).header("content-type", media);
    let (answer, asked) = send(request.body(Body::from(body.to_vec())).expect("a request"), Some(&ADMIN));
    assert!(answer.text.len() < 1 << 20, "{}", answer.text.len());
    if answer.code != 200 {
        assert!(matches!(answer.code, 400 | 409 | 413 | 415 | 422), "{answer:?}");
        let status = answer.json();
        assert!(status["kind"] == "Status" && status["code"] == answer.code, "{answer:?}");
        assert!(asked.is_empty(), "{asked:?}");
        return;
    }
    let [Asked::Update(update)] = asked.as_slice() else { panic!("one update, not {asked:?}") };
    assert_eq!((update.namespace.as_str(), update.name.as_str(), update.dry_run), ("default", name, dry));
    let wanted = wanted(kind, body, &current).expect("what was taken can be applied");
    unchanged(&current, &wanted, kind);
    asked_for(&current, &wanted, update);
}

/// The object that the body asks for, made here independently.
fn wanted(kind: Kind, body: &[u8], current: &Value) -> Option<Value> {
    match kind {
        Kind::Put => serde_json::from_slice(body).ok(),
        Kind::Merge => {
            let mut object = current.clone();
            json_patch::merge(&mut object, &serde_json::from_slice(body).ok()?);
            Some(object)
        }
        Kind::Json => {
            let mut object = current.clone();
            let operations: Vec<PatchOperation> = serde_json::from_slice(body).ok()?;
            json_patch::patch(&mut object, &operations).ok()?;
            Some(object)
        }
    }
}

/// Everything but lifecycle, metadata and status is as it was.
fn unchanged(current: &Value, wanted: &Value, kind: Kind) {
    for field in ["/apiVersion", "/kind", "/metadata/name"] {
        assert_eq!(wanted.pointer(field), current.pointer(field), "{field}");
    }
    for field in ["/metadata/namespace", "/metadata/uid"] {
        let text = wanted.pointer(field).and_then(Value::as_str).unwrap_or_default();
        assert!(text.is_empty() || Some(text) == current.pointer(field).and_then(Value::as_str), "{field}");
    }
    let (before, after) = (&current["spec"], wanted.get("spec").unwrap_or(&Value::Null));
    let published = matches!(before["lifecycle"].as_str(), Some("Published" | "DeletionProposed"));
    for key in before.as_object().into_iter().chain(after.as_object()).flat_map(|spec| spec.keys()) {
        let missing = after.get(key).is_none();
        if key == "lifecycle" || (missing && kind == Kind::Put) {
            continue;
        }
        assert!(!missing, "spec.{key} cannot be removed");
        assert_eq!(plain(&after[key]), plain(&before[key]), "spec.{key} cannot be changed");
    }
    let conditions = wanted.pointer("/status/conditions");
    let left_out = kind == Kind::Put && conditions.is_none();
    if !published && !left_out {
        assert_eq!(
            conditions.map(plain),
            current.pointer("/status/conditions").map(plain),
            "conditions are the Kptfile's"
        );
    }
}

/// What the commands are asked to do is what the object says.
fn asked_for(current: &Value, wanted: &Value, update: &Update) {
    let lifecycle = |object: &Value| object["spec"]["lifecycle"].as_str().unwrap_or_default().to_owned();
    match update.lifecycle {
        Some(asked) => assert_eq!(asked.as_str(), lifecycle(wanted)),
        None => assert!(lifecycle(wanted).is_empty() || lifecycle(wanted) == lifecycle(current)),
    }
    let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let named = version(wanted);
    if named != version(current) && !named.is_empty() {
        let bound = update.precondition.resource_version.map(|version| version.to_string());
        assert_eq!(bound, named.parse().ok().map(|n: u64| n.to_string()), "a version that is named is met or refused");
    }
    let maps = |object: &Value, field: &str| {
        let mut map = object["metadata"][field].as_object().cloned().unwrap_or_default();
        map.remove("kpt.dev/latest-revision");
        serde_json::from_value::<std::collections::BTreeMap<String, String>>(Value::Object(map)).expect("strings")
    };
    if let Some(metadata) = &update.metadata {
        assert_eq!(metadata.labels, maps(wanted, "labels"));
        let mut annotations = maps(wanted, "annotations");
        annotations.remove(ANNOTATION);
        assert_eq!(metadata.annotations, annotations, "a reason for going past the policy is not kept");
        assert_eq!(metadata.finalizers.len(), wanted["metadata"]["finalizers"].as_array().map_or(0, Vec::len));
        let owners = wanted["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        assert_eq!(metadata.owner_references, owners);
    } else {
        assert_eq!(maps(wanted, "labels"), maps(current, "labels"));
        assert_eq!(maps(wanted, "annotations"), maps(current, "annotations"));
    }
}

/// A value without nulls and without what is empty, and its maps in order.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(entries) => match entries.as_slice() {
            [] => Value::Null,
            entries => Value::Array(entries.iter().map(plain).collect()),
        },
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (key.clone(), plain(value))).collect();
            sorted.retain(|(_, value)| !value.is_null());
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            if sorted.is_empty() { Value::Null } else { Value::Object(sorted.into_iter().collect()) }
        }
        Value::String(text) if text.is_empty() => Value::Null,
        other => other.clone(),
    }
}
