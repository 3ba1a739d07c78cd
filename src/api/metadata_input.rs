//! Reads the metadata that a client sends, with the rules of Kubernetes on labels, annotations, finalizers and owners.
//!
//! Never here: name, namespace, UID and resource version (see `desired`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::label_selector::{label_key, label_value};
use super::objects::package_revision::LATEST;
use super::status::Cause;
use crate::domain::package::{Metadata, PackageRevision};

/// Annotations of one object may have at most this many bytes together, as in Kubernetes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// What users may write of the metadata; each thing wrong with it becomes a cause.
pub(crate) fn read(current: &PackageRevision, metadata: &Map<String, Value>, causes: &mut Vec<Cause>) -> Metadata {
    let mut labels = string_map(metadata, "labels", causes);
    match (labels.remove(LATEST), current.latest) {
        (None, _) => {}
        (Some(value), true) if value == "true" => {}
        (Some(_), _) => causes.push(Cause::forbidden(
            &format!("metadata.labels[{LATEST}]"),
            "label is managed by Stoop and cannot be modified by users",
        )),
    }
    for (key, value) in &labels {
        for error in [label_key(key), label_value(value)].into_iter().filter_map(Result::err) {
            causes.push(Cause::invalid("metadata.labels", key, &error));
        }
    }
    let annotations = string_map(metadata, "annotations", causes);
    for key in annotations.keys() {
        if let Err(error) = label_key(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", key, &error));
        }
    }
    if annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > ANNOTATIONS_LIMIT {
        let message = format!("Too long: may not be more than {ANNOTATIONS_LIMIT} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", message, field: "metadata.annotations".to_owned() });
    }
    Metadata {
        labels,
        annotations,
        finalizers: finalizers(metadata, causes),
        owner_references: owner_references(metadata, causes),
    }
}

fn string_map(metadata: &Map<String, Value>, field: &str, causes: &mut Vec<Cause>) -> BTreeMap<String, String> {
    let path = format!("metadata.{field}");
    let entries = match metadata.get(field) {
        None | Some(Value::Null) => return BTreeMap::new(),
        Some(Value::Object(entries)) => entries,
        Some(other) => {
            causes.push(Cause::invalid(&path, &other.to_string(), "must be an object of strings"));
            return BTreeMap::new();
        }
    };
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        match value {
            Value::String(text) => drop(map.insert(key.clone(), text.clone())),
            other => causes.push(Cause::invalid(&format!("{path}[{key}]"), &other.to_string(), "must be a string")),
        }
    }
    map
}

fn list<'v>(metadata: &'v Map<String, Value>, field: &str, causes: &mut Vec<Cause>) -> &'v [Value] {
    match metadata.get(field) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(entries)) => entries,
        Some(other) => {
            causes.push(Cause::invalid(&format!("metadata.{field}"), &other.to_string(), "must be a list"));
            &[]
        }
    }
}

fn finalizers(metadata: &Map<String, Value>, causes: &mut Vec<Cause>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, entry) in list(metadata, "finalizers", causes).iter().enumerate() {
        match entry.as_str() {
            Some(text) if text.contains('/') && label_key(text).is_ok() => found.push(text.to_owned()),
            _ => causes.push(Cause::invalid(
                &format!("metadata.finalizers[{at}]"),
                &entry.to_string(),
                "must be a qualified name such as example.com/cleanup",
            )),
        }
    }
    found
}

fn owner_references(metadata: &Map<String, Value>, causes: &mut Vec<Cause>) -> Vec<Value> {
    let entries = list(metadata, "ownerReferences", causes);
    for (at, entry) in entries.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if entry.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                let path = format!("metadata.ownerReferences[{at}].{field}");
                causes.push(Cause::required(&path, "must be a string that is not empty"));
            }
        }
    }
    entries.to_vec()
}
