//! Reads the Kubernetes resources of a file, with what each is known by.
//!
//! Never here: what differs between two of them (see `changes`), and I/O.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::yaml;

/// What a resource is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceId {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`; empty where it has none.
    pub name: String,
    /// Which one it is of several that say the same of themselves, counted from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub index: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first(index: &usize) -> bool {
    *index == 0
}

/// As people name it: `Deployment web/frontend`. The text is as it was pushed; whoever prints it makes it fit (`shown`).
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(if self.name.is_empty() { "(no name)" } else { &self.name })?;
        if self.index > 0 {
            write!(f, " #{}", self.index + 1)?;
        }
        Ok(())
    }
}

/// A resource as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// What it is known by; the index is still 0.
    pub id: ResourceId,
    /// All of it.
    pub value: Value,
}

/// Whether a file of that name may hold resources.
pub fn may_hold_resources(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Kptfile" || name.ends_with(".yaml") || name.ends_with(".yml")
}

/// The resources of a file, in their order. `None` when it is not YAML, when that cannot be found out at a bounded cost, or
/// when a document in it is no resource: then only the file as a whole can be spoken of.
pub fn read(bytes: &[u8]) -> Option<Vec<Resource>> {
    let documents = yaml::documents(std::str::from_utf8(bytes).ok()?).ok()?;
    let filled = documents.into_iter().filter(|document| !document.is_null());
    filled.map(|value| Some(Resource { id: id(&value)?, value })).collect()
}

fn id(value: &Value) -> Option<ResourceId> {
    let text = |value: Option<&Value>| value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let metadata = value.get("metadata");
    Some(ResourceId {
        api_version: text(value.get("apiVersion"))?,
        kind: text(value.get("kind"))?,
        namespace: text(metadata.and_then(|metadata| metadata.get("namespace"))),
        name: text(metadata.and_then(|metadata| metadata.get("name"))).unwrap_or_default(),
        index: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_resources_or_the_file_is_none() {
        let text = "---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: web}\n---\n# nothing\n---\n\
                    apiVersion: apps/v1\nkind: Deployment\n";
        let read_ids =
            |text: &str| read(text.as_bytes()).map(|all| all.iter().map(|one| one.id.to_string()).collect::<Vec<_>>());
        assert_eq!(read_ids(text), Some(vec!["Service web/a".to_owned(), "Deployment (no name)".to_owned()]));
        assert_eq!(read_ids("# only a comment\n"), Some(vec![]));
        for none in
            ["a: b\n", "- 1\n", "{{ template }}\n", "kind: 1\napiVersion: v1\n", "apiVersion: v1\nkind: A\n---\nx\n"]
        {
            assert_eq!(read_ids(none), None, "{none}");
        }
        assert_eq!(read(&[0xff]), None);
        assert!(may_hold_resources("a/Kptfile") && may_hold_resources("a.yml") && !may_hold_resources("README.md"));
    }
}
