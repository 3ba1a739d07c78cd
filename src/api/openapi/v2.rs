//! The version 2 document (Swagger), all groups in one.
//!
//! Never here: its protobuf form (see `proto`).

use serde_json::{Map, Value, json};

use super::paths::{self, Style};
use super::schema;

/// The document.
pub(super) fn document() -> Value {
    let definition = |one: &schema::Definition| (one.name.to_owned(), one.to_json("#/definitions/", false));
    let definitions: Map<String, Value> = schema::all().map(definition).collect();
    let paths: Map<String, Value> =
        schema::GROUP_VERSIONS.iter().flat_map(|group| paths::of(group, Style::Two)).collect();
    json!({
        "swagger": "2.0",
        "info": {"title": "Stoop", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "definitions": definitions,
    })
}
