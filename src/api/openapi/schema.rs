//! The shape of a schema description: definitions of named fields, each with its type and meaning.
//!
//! Never here: the kinds themselves (see `definitions`), and the documents made of them (see `v2`, `v3`).

use serde_json::{Map, Value, json};

use super::{definitions, event_definitions, metadata_definitions, repository_definitions};
use crate::api::resource::Id;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    /// A text.
    Text,
    /// A text that is a time, RFC 3339.
    Time,
    /// A whole number.
    Integer,
    /// True or false.
    Flag,
    /// Texts by name.
    TextMap,
    /// A list of texts.
    TextList,
    /// An object of no fixed shape.
    Free,
    /// Another definition.
    One(&'static str),
    /// A list of another definition.
    Many(&'static str),
}

/// One field of a definition.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Type,
    /// What it means.
    pub(super) description: &'static str,
}

/// One definition: a kind, or a part of one.
#[derive(Debug)]
pub(super) struct Definition {
    /// Its name in the documents.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) description: &'static str,
    /// Its fields.
    pub(super) fields: &'static [Field],
    /// The fields that must be there.
    pub(super) required: &'static [&'static str],
    /// The kind, if it is one; the flag says that it is the kind's list.
    pub(super) id: Option<(&'static Id, bool)>,
}

/// Every group and version, as the paths of its document name it.
pub(super) const GROUP_VERSIONS: [&str; 3] =
    ["api/v1", "apis/config.porch.kpt.dev/v1alpha1", "apis/porch.kpt.dev/v1alpha1"];

/// Every definition.
pub(super) fn all() -> impl Iterator<Item = &'static Definition> {
    definitions::PORCH
        .iter()
        .chain(repository_definitions::CONFIG)
        .chain(event_definitions::CORE)
        .chain(metadata_definitions::META)
}

/// A definition by its name.
pub(super) fn find(name: &str) -> Option<&'static Definition> {
    all().find(|definition| definition.name == name)
}

/// The document that a group and version's paths belong to.
pub(super) fn document_of(id: &Id) -> String {
    if id.group.is_empty() { format!("api/{}", id.version) } else { format!("apis/{}/{}", id.group, id.version) }
}

/// Group, version and kind, as the documents mark kinds and operations with.
pub(super) fn kind_mark(id: &Id, list: bool) -> Value {
    let kind = if list { format!("{}List", id.kind) } else { id.kind.to_owned() };
    json!({"group": id.group, "kind": kind, "version": id.version})
}

impl Definition {
    /// The definition as a JSON schema; `base` goes before the names of other definitions. Version 3 wraps references, so
    /// that a description may stand beside them.
    pub(super) fn to_json(&self, base: &str, wrap: bool) -> Value {
        let field = |field: &Field| (field.name.to_owned(), field.to_json(base, wrap));
        let properties: Map<String, Value> = self.fields.iter().map(field).collect();
        let mut schema = json!({"description": self.description, "type": "object", "properties": properties});
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        if let Some((id, list)) = self.id {
            schema["x-kubernetes-group-version-kind"] = json!([kind_mark(id, list)]);
        }
        schema
    }
}

impl Field {
    fn to_json(&self, base: &str, wrap: bool) -> Value {
        let reference = |name: &str| json!({"$ref": format!("{base}{name}")});
        let mut schema = match self.kind {
            Type::Text => json!({"type": "string"}),
            Type::Time => json!({"type": "string", "format": "date-time"}),
            Type::Integer => json!({"type": "integer", "format": "int64"}),
            Type::Flag => json!({"type": "boolean"}),
            Type::TextMap => json!({"type": "object", "additionalProperties": {"type": "string"}}),
            Type::TextList => json!({"type": "array", "items": {"type": "string"}}),
            Type::Free => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            Type::One(name) if wrap => json!({"allOf": [reference(name)]}),
            Type::One(name) => reference(name),
            Type::Many(name) => json!({"type": "array", "items": reference(name)}),
        };
        schema["description"] = json!(self.description);
        schema
    }
}
