//! The metadata that every served object carries.
//!
//! Never here: reading metadata that clients send (see `desired`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Object metadata in Kubernetes' form and field order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectMeta {
    /// The name.
    pub(crate) name: String,
    /// The namespace; empty for objects outside of namespaces.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    /// The UID.
    pub(crate) uid: String,
    /// The resource version.
    pub(crate) resource_version: String,
    /// When it was made, RFC 3339.
    pub(crate) creation_timestamp: String,
    /// Labels, computed ones included.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Owner references, as given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) owner_references: Vec<Value>,
    /// Finalizers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) finalizers: Vec<String>,
}
