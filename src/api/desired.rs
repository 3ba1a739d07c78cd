//! Reads what an update wants of a package revision: lifecycle and metadata may differ from what is there, all else may not.
//!
//! Never here: whether the wanted lifecycle may follow (the commands decide), and applying patches (see `patch`).

use serde_json::{Map, Value};

use super::metadata_input;
use super::objects::package_revision;
use super::resource::PACKAGE_REVISIONS;
use super::status::{ApiError, Cause};
use crate::domain::lifecycle::Lifecycle;
use crate::domain::package::{Metadata, PackageRevision};
use crate::domain::policy::break_glass::{self, Reason};

/// Where the wanted object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A client sent it whole; a part of the spec that it leaves out is meant to stay.
    Put,
    /// A patch made it from the present object; a part that is missing was removed.
    Patch,
}

/// What an update wants, as far as it differs from what is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Desired {
    /// The lifecycle.
    pub(crate) lifecycle: Option<Lifecycle>,
    /// The metadata.
    pub(crate) metadata: Option<Metadata>,
    /// The reason for going past the policy: an annotation that comes with the change and is not kept.
    pub(crate) break_glass: Option<Reason>,
    /// `metadata.resourceVersion` of the object that was sent.
    pub(crate) resource_version: Option<u64>,
}

/// The parts of the spec that the Kptfile holds.
const IN_KPTFILE: [&str; 2] = ["packageMetadata", "readinessGates"];

/// Compares a wanted object with the present one. 400 for another object, 409 for another UID, 422 for what may not differ.
pub(crate) fn read(current: &PackageRevision, wanted: &Value, source: Source) -> Result<Desired, ApiError> {
    let name = current.name.as_str();
    let metadata = identity(current, wanted)?;
    let mut causes = Vec::new();
    let resource_version = resource_version(metadata, &mut causes);
    let mut wanted_metadata = metadata_input::read(current, metadata, &mut causes);
    let reason = wanted_metadata.annotations.remove(break_glass::ANNOTATION).map(|reason| Reason::parse(&reason));
    let reason = reason.transpose().unwrap_or_else(|refusal| {
        causes.push(Cause::invalid("metadata.annotations", break_glass::ANNOTATION, &refusal.to_string()));
        None
    });
    let lifecycle = compare_spec(current, wanted, source, &mut causes);
    compare_conditions(current, wanted, source, &mut causes);
    if !causes.is_empty() {
        return Err(ApiError::invalid(&PACKAGE_REVISIONS, name, causes));
    }
    Ok(Desired {
        lifecycle: lifecycle.filter(|wanted| *wanted != current.lifecycle),
        metadata: Some(wanted_metadata).filter(|wanted| *wanted != *current.metadata),
        break_glass: reason,
        resource_version,
    })
}

/// Checks that the object is the one of the path; returns its metadata.
fn identity<'v>(current: &PackageRevision, wanted: &'v Value) -> Result<&'v Map<String, Value>, ApiError> {
    let Some(object) = wanted.as_object() else {
        return Err(ApiError::bad_request("the body of the request is no object: a PackageRevision is expected"));
    };
    let api_version = PACKAGE_REVISIONS.api_version();
    for (field, want) in [("apiVersion", api_version.as_str()), ("kind", PACKAGE_REVISIONS.kind)] {
        match object.get(field).and_then(Value::as_str) {
            Some(have) if have == want => {}
            Some(have) => {
                return Err(ApiError::bad_request(format!("{field} is {have:?}, but the request path needs {want:?}")));
            }
            None => return Err(ApiError::bad_request(format!("{field} is missing, {want:?} is expected"))),
        }
    }
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else {
        return Err(ApiError::bad_request("metadata is missing or no object"));
    };
    let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace) = (text("name"), text("namespace"));
    if name != current.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            current.name
        )));
    }
    let here = current.repository.namespace.as_str();
    if !namespace.is_empty() && namespace != here {
        return Err(ApiError::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({here})"
        )));
    }
    let (uid, have) = (text("uid"), current.uid());
    if !uid.is_empty() && uid != have {
        let reason = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {have}");
        return Err(ApiError::conflict(&PACKAGE_REVISIONS, &current.name, &reason));
    }
    Ok(metadata)
}

fn resource_version(metadata: &Map<String, Value>, causes: &mut Vec<Cause>) -> Option<u64> {
    let field = "metadata.resourceVersion";
    match metadata.get("resourceVersion") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => {
            let number = text.parse().ok();
            if number.is_none() {
                causes.push(Cause::invalid(field, text, "is no resource version of this server"));
            }
            number
        }
        Some(other) => {
            causes.push(Cause::invalid(field, &other.to_string(), "must be a string"));
            None
        }
    }
}

/// The wanted lifecycle; everything else in the spec that differs becomes a cause.
fn compare_spec(
    current: &PackageRevision,
    wanted: &Value,
    source: Source,
    causes: &mut Vec<Cause>,
) -> Option<Lifecycle> {
    let empty = Map::new();
    let spec = match wanted.get("spec") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(spec)) => spec,
        Some(other) => {
            causes.push(Cause::invalid("spec", &other.to_string(), "must be an object"));
            return None;
        }
    };
    let present = package_revision::object(current);
    let present = present.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    let missing: Vec<&String> = present.keys().filter(|key| !spec.contains_key(*key)).collect();
    let removed = missing.into_iter().filter(|key| source == Source::Patch && key.as_str() != "lifecycle");
    let differs = |key: &&String| normal(spec.get(*key)) != normal(present.get(*key));
    let changed = spec.keys().filter(|key| key.as_str() != "lifecycle").filter(differs);
    let mut different: Vec<&String> = removed.chain(changed).collect();
    different.sort();
    if current.lifecycle.is_published() && !different.is_empty() {
        let fields: Vec<&str> = different.iter().map(|field| field.as_str()).collect();
        let message = "spec can only update package with lifecycle value one of Draft,Proposed";
        causes.push(Cause::invalid("spec", &fields.join(","), message));
    } else {
        for field in different {
            let message = if IN_KPTFILE.contains(&field.as_str()) {
                format!(
                    "the package's Kptfile holds this: edit the Kptfile and push it to drafts/{}/{}",
                    current.package, current.workspace
                )
            } else {
                "the field cannot be changed".to_owned()
            };
            causes.push(Cause::forbidden(&format!("spec.{field}"), &message));
        }
    }
    lifecycle(current, spec, causes)
}

fn lifecycle(current: &PackageRevision, spec: &Map<String, Value>, causes: &mut Vec<Cause>) -> Option<Lifecycle> {
    let text = match spec.get("lifecycle") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(other) => {
            causes.push(Cause::invalid("spec.lifecycle", &other.to_string(), "must be a string"));
            return None;
        }
    };
    match Lifecycle::parse(text) {
        Some(lifecycle) => Some(lifecycle),
        // Porch reads a missing lifecycle as Draft. Only where it is one already can nothing go wrong by that.
        None if text.is_empty() && current.lifecycle == Lifecycle::Draft => None,
        None if text.is_empty() => {
            let message = format!("name the lifecycle; now it is {}", current.lifecycle);
            causes.push(Cause::required("spec.lifecycle", &message));
            None
        }
        None => {
            let message = "value can be only updated to Draft,Proposed,Published,DeletionProposed";
            causes.push(Cause::invalid("spec.lifecycle", text, message));
            None
        }
    }
}

/// The conditions of a package that is not published are in its Kptfile. All else in the status is ignored, as in Porch.
fn compare_conditions(current: &PackageRevision, wanted: &Value, source: Source, causes: &mut Vec<Cause>) {
    let status = wanted.get("status");
    let conditions = status.and_then(|status| status.get("conditions"));
    if current.lifecycle.is_published() || (source == Source::Put && conditions.is_none()) {
        return;
    }
    let present = package_revision::object(current);
    if normal(conditions) != normal(present.pointer("/status/conditions")) {
        let message = format!(
            "the package's Kptfile holds the conditions: edit the Kptfile and push it to drafts/{}/{}",
            current.package, current.workspace
        );
        causes.push(Cause::forbidden("status.conditions", &message));
    }
}

/// A value without what means the same as nothing: nulls, empty texts, lists and objects. Map order does not count.
fn normal(value: Option<&Value>) -> Option<Value> {
    match value? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(entries) if entries.is_empty() => None,
        Value::Array(entries) => Some(entries.iter().map(|entry| normal(Some(entry)).unwrap_or_default()).collect()),
        Value::Object(entries) => {
            let mut sorted: Vec<(String, Value)> =
                entries.iter().filter_map(|(key, value)| Some((key.clone(), normal(Some(value))?))).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            (!sorted.is_empty()).then(|| Value::Object(sorted.into_iter().collect()))
        }
        other => Some(other.clone()),
    }
}
