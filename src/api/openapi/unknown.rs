//! Names the fields of an object that its schema does not know, for `fieldValidation`.
//!
//! Never here: what is done about them.

use serde_json::Value;

use super::schema::{self, Definition, Type};
use crate::api::resource::Id;

/// Unknown fields of an object of a kind, as dotted paths, at most twenty.
pub(crate) fn unknown_fields(id: &Id, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(definition) =
        schema::all().find(|definition| definition.id.is_some_and(|(one, list)| one == id && !list))
    {
        collect(definition, object, "", &mut found);
    }
    found.truncate(20);
    found
}

fn collect(definition: &Definition, value: &Value, path: &str, found: &mut Vec<String>) {
    let Some(members) = value.as_object() else { return };
    for (name, member) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let Some(field) = definition.fields.iter().find(|field| field.name == name) else {
            found.push(path);
            continue;
        };
        match field.kind {
            Type::One(name) => {
                if let Some(inner) = schema::find(name) {
                    collect(inner, member, &path, found);
                }
            }
            Type::Many(name) => {
                let Some(inner) = schema::find(name) else { continue };
                for (at, entry) in member.as_array().into_iter().flatten().enumerate() {
                    collect(inner, entry, &format!("{path}[{at}]"), found);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::resource::PACKAGE_REVISIONS;

    #[test]
    fn unknown_fields_are_named_by_their_paths() {
        let object = json!({
            "kind": "PackageRevision",
            "metadata": {"name": "x", "colour": "red", "ownerReferences": [{"uid": "1", "nope": 1}], "labels": {"any": "x"}},
            "spec": {"lifecycle": "Draft", "lifecycel": "Draft", "tasks": [{"type": "init", "init": {"anything": 1}}]},
        });
        let unknown = super::unknown_fields(&PACKAGE_REVISIONS, &object);
        assert_eq!(unknown, ["metadata.colour", "metadata.ownerReferences[0].nope", "spec.lifecycel"]);
    }
}
