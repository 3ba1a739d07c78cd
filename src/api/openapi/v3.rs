//! The version 3 documents, one a group and version.
//!
//! Never here: their index and their hashes (see the module above).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::paths::{self, Style};
use super::schema::{self, Definition, Type};

/// The document of a group and version, with every definition that its kinds need.
pub(super) fn document(group: &str) -> Value {
    let mut needed = BTreeMap::new();
    for definition in schema::all() {
        if definition.id.is_some_and(|(id, _)| schema::document_of(id) == group) {
            collect(definition, &mut needed);
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Stoop", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths::of(group, Style::Three),
        "components": {"schemas": needed},
    })
}

fn collect(definition: &Definition, needed: &mut BTreeMap<&'static str, Value>) {
    if needed.contains_key(definition.name) {
        return;
    }
    needed.insert(definition.name, definition.to_json("#/components/schemas/", true));
    for field in definition.fields {
        if let Type::One(name) | Type::Many(name) = field.kind
            && let Some(other) = schema::find(name)
        {
            collect(other, needed);
        }
    }
}
