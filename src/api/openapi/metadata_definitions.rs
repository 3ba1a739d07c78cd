//! The metadata that all kinds share, and the core kinds, for the schema documents.
//!
//! Never here: Stoop's own kinds (see `definitions`).

use super::schema::{Definition, Field, Type};
use crate::api::resource::NAMESPACES;

/// The name of the definition of object metadata.
pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// The name of the definition of list metadata.
pub(super) const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const OWNER_REFERENCE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference";

const fn field(name: &'static str, kind: Type, description: &'static str) -> Field {
    Field { name, kind, description }
}

const fn part(name: &'static str, description: &'static str, fields: &'static [Field]) -> Definition {
    Definition { name, description, fields, required: &[], id: None }
}

/// Metadata and the core kinds.
pub(super) const META: &[Definition] = &[
    part(
        OBJECT_META,
        "Metadata that every object has.",
        &[
            field("name", Type::Text, "The object's name, unique in its namespace."),
            field("generateName", Type::Text, "Not used: names are made of repository, package and workspace."),
            field("namespace", Type::Text, "The namespace the object is in."),
            field("selfLink", Type::Text, "Not used."),
            field("uid", Type::Text, "An id that stays with the object."),
            field(
                "resourceVersion",
                Type::Text,
                "Changes with every change of the object; send it back to change only what was read.",
            ),
            field("generation", Type::Integer, "Not used."),
            field("creationTimestamp", Type::Time, "When the object was made."),
            field("deletionTimestamp", Type::Time, "When the deletion of the object was asked for."),
            field("deletionGracePeriodSeconds", Type::Integer, "Not used."),
            field("labels", Type::TextMap, "Names and values to select objects by."),
            field("annotations", Type::TextMap, "Names and values that are not selected by."),
            field("ownerReferences", Type::Many(OWNER_REFERENCE), "The objects that this one depends on."),
            field("finalizers", Type::TextList, "What must be done before the object goes away."),
            field("managedFields", Type::Many(MANAGED_FIELDS), "Not used."),
        ],
    ),
    part(
        MANAGED_FIELDS,
        "Not used.",
        &[
            field("manager", Type::Text, "Not used."),
            field("operation", Type::Text, "Not used."),
            field("apiVersion", Type::Text, "Not used."),
            field("time", Type::Time, "Not used."),
            field("fieldsType", Type::Text, "Not used."),
            field("fieldsV1", Type::Free, "Not used."),
            field("subresource", Type::Text, "Not used."),
        ],
    ),
    Definition {
        name: OWNER_REFERENCE,
        description: "An object that another one depends on.",
        fields: &[
            field("apiVersion", Type::Text, "Group and version of the owner."),
            field("kind", Type::Text, "Kind of the owner."),
            field("name", Type::Text, "Name of the owner."),
            field("uid", Type::Text, "UID of the owner."),
            field("controller", Type::Flag, "Whether the owner is the one that manages the object."),
            field("blockOwnerDeletion", Type::Flag, "Whether the owner stays until the object is gone."),
        ],
        required: &["apiVersion", "kind", "name", "uid"],
        id: None,
    },
    part(
        LIST_META,
        "Metadata of a list.",
        &[
            field("selfLink", Type::Text, "Not used."),
            field("resourceVersion", Type::Text, "The version to watch from after this list."),
            field("continue", Type::Text, "Where the next page begins; empty on the last."),
            field("remainingItemCount", Type::Integer, "How many objects follow on later pages, if that is known."),
        ],
    ),
    Definition {
        name: "io.k8s.api.core.v1.Namespace",
        description: "A namespace: one is there when a repository is in it.",
        fields: &[
            field("apiVersion", Type::Text, "Version of this object's schema."),
            field("kind", Type::Text, "What kind of object this is."),
            field("metadata", Type::One(OBJECT_META), "Name and labels."),
            field("spec", Type::Free, "Always empty."),
            field("status", Type::Free, "The phase, always Active."),
        ],
        required: &[],
        id: Some((&NAMESPACES, false)),
    },
];

const MANAGED_FIELDS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry";
