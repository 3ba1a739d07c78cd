//! Patches: JSON merge patch and JSON patch, with limits, applied to the object as it is now.
//!
//! Never here: what the patched object may change (see `desired`).

use axum::http::HeaderMap;
use json_patch::{PatchOperation, jsonptr};
use serde_json::Value;

use super::negotiation;
use super::resource::PACKAGE_REVISIONS;
use super::status::{ApiError, Cause};
use super::target::BODY_LIMIT;

/// At most so many operations in a JSON patch.
const OPERATIONS: usize = 1000;

/// A patch that was read.
#[derive(Debug)]
pub(crate) enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902.
    Json(Vec<PatchOperation>),
}

/// The kinds of patch that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// RFC 7396.
    Merge,
    /// RFC 6902.
    Json,
}

impl PatchKind {
    /// The kind that the request declares; 415 for one that is not built.
    pub(crate) fn declared(headers: &HeaderMap) -> Result<Self, ApiError> {
        const ACCEPTED: &str =
            "accepted media types include: application/merge-patch+json, application/json-patch+json";
        let sentence = match negotiation::body_type(headers).as_deref() {
            Some("application/merge-patch+json") => return Ok(Self::Merge),
            Some("application/json-patch+json") => return Ok(Self::Json),
            Some("application/strategic-merge-patch+json") => {
                "strategic merge patches are not supported for this kind; use a merge patch (kubectl patch --type merge)".to_owned()
            }
            Some("application/apply-patch+yaml" | "application/apply-patch+cbor") => {
                "server-side apply is not supported yet; use kubectl edit or a merge patch (kubectl patch --type merge)".to_owned()
            }
            Some(other) => format!("the body of the request was in an unknown format {other:?}"),
            None => "the request has no Content-Type".to_owned(),
        };
        Err(ApiError::unsupported_media_type(format!("{sentence} - {ACCEPTED}")))
    }
}

impl Patch {
    /// Reads a patch of a kind.
    pub(crate) fn read(kind: PatchKind, body: &[u8]) -> Result<Self, ApiError> {
        match kind {
            PatchKind::Merge => {
                let patch = negotiation::json(body)?;
                if !patch.is_object() {
                    return Err(ApiError::bad_request("the merge patch is no object"));
                }
                Ok(Self::Merge(patch))
            }
            PatchKind::Json => {
                let operations: Vec<PatchOperation> = serde_json::from_slice(body).map_err(|error| {
                    ApiError::bad_request(format!("the body of the request is not a valid JSON patch: {error}"))
                })?;
                if operations.len() > OPERATIONS {
                    return Err(ApiError::too_many_operations(operations.len(), OPERATIONS));
                }
                Ok(Self::Json(operations))
            }
        }
    }

    /// Whether the patch itself names the resource version, so that it holds for that version only.
    pub(crate) fn names_version(&self) -> bool {
        match self {
            Self::Merge(patch) => patch.pointer("/metadata/resourceVersion").is_some_and(|value| !value.is_null()),
            Self::Json(operations) => operations.iter().any(operation_names_version),
        }
    }

    /// Applies the patch to an object of the given name.
    pub(crate) fn apply(&self, object: &mut Value, name: &str) -> Result<(), ApiError> {
        match self {
            Self::Merge(patch) => {
                json_patch::merge(object, patch);
                Ok(())
            }
            Self::Json(operations) => apply_operations(operations, object, name),
        }
    }
}

/// Whether an operation is on the resource version, or on something that it brings with it.
fn operation_names_version(operation: &PatchOperation) -> bool {
    let version = match operation.path().as_str() {
        "/metadata/resourceVersion" => return true,
        "/metadata" => "/resourceVersion",
        "" => "/metadata/resourceVersion",
        _ => return false,
    };
    match operation {
        PatchOperation::Add(add) => add.value.pointer(version).is_some(),
        PatchOperation::Replace(replace) => replace.value.pointer(version).is_some(),
        PatchOperation::Test(test) => test.value.pointer(version).is_some(),
        PatchOperation::Copy(_) | PatchOperation::Move(_) => true,
        PatchOperation::Remove(_) => false,
    }
}

fn apply_operations(operations: &[PatchOperation], object: &mut Value, name: &str) -> Result<(), ApiError> {
    // Copies can double an object with every operation: what they copy counts against the limit of a body.
    let mut copied = 0;
    for (at, operation) in operations.iter().enumerate() {
        if let PatchOperation::Copy(copy) = operation {
            copied += size(object, &copy.from);
            if copied > BODY_LIMIT {
                return Err(ApiError::too_large(BODY_LIMIT));
            }
        }
        json_patch::patch(object, std::slice::from_ref(operation)).map_err(|error| {
            let cause = Cause {
                reason: "FieldValueInvalid",
                message: format!("operation {at} of the JSON patch cannot be applied: {}", error.kind),
                field: "patch".to_owned(),
            };
            ApiError::invalid(&PACKAGE_REVISIONS, name, vec![cause])
        })?;
    }
    Ok(())
}

fn size(object: &Value, pointer: &jsonptr::PointerBuf) -> usize {
    object.pointer(pointer.as_str()).map_or(0, |value| value.to_string().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_for_the_version_it_names_wherever_it_stands() {
        for (patch, names) in [
            (r#"[{"op": "replace", "path": "/metadata/resourceVersion", "value": "5"}]"#, true),
            (r#"[{"op": "replace", "path": "/metadata", "value": {"name": "a", "resourceVersion": "5"}}]"#, true),
            (r#"[{"op": "add", "path": "", "value": {"metadata": {"resourceVersion": "5"}}}]"#, true),
            (r#"[{"op": "test", "path": "/metadata", "value": {"resourceVersion": "5"}}]"#, true),
            (r#"[{"op": "move", "from": "/spec", "path": "/metadata"}]"#, true),
            (r#"[{"op": "replace", "path": "/metadata", "value": {"name": "a"}}]"#, false),
            (r#"[{"op": "add", "path": "/metadata/labels/a", "value": "b"}]"#, false),
        ] {
            let patch = Patch::read(PatchKind::Json, patch.as_bytes()).expect(patch);
            assert_eq!(patch.names_version(), names, "{patch:?}");
        }
    }
}
