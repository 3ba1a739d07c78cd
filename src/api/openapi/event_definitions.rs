//! Event, field by field: what `kubectl explain` shows.
//!
//! Never here: other kinds (see `definitions`, `repository_definitions`).

use super::metadata_definitions::{LIST_META, OBJECT_META};
use super::schema::{Definition, Field, Type};
use crate::api::resource::EVENTS;

const fn field(name: &'static str, kind: Type, description: &'static str) -> Field {
    Field { name, kind, description }
}

const API_VERSION: Field = field("apiVersion", Type::Text, "Version of this object's schema.");
const KIND: Field = field("kind", Type::Text, "What kind of object this is.");
const REFERENCE: &str = "io.k8s.api.core.v1.ObjectReference";
const SOURCE: &str = "io.k8s.api.core.v1.EventSource";

/// The events of the core group.
pub(super) const CORE: &[Definition] = &[
    Definition {
        name: "io.k8s.api.core.v1.Event",
        description: "What happened to a package revision or a repository, kept for an hour.",
        fields: &[
            API_VERSION,
            KIND,
            field("metadata", Type::One(OBJECT_META), "Name and namespace."),
            field("involvedObject", Type::One(REFERENCE), "The object that it happened to."),
            field("reason", Type::Text, "One word for what happened."),
            field("message", Type::Text, "What happened."),
            field("source", Type::One(SOURCE), "Who says so: stoop."),
            field("firstTimestamp", Type::Time, "When it was said first."),
            field("lastTimestamp", Type::Time, "When it was said last."),
            field("count", Type::Integer, "How often it was said."),
            field("type", Type::Text, "Normal or Warning."),
            field("eventTime", Type::Time, "Not used."),
            field("reportingComponent", Type::Text, "Who says so: stoop."),
            field("reportingInstance", Type::Text, "Not used."),
        ],
        required: &[],
        id: Some((&EVENTS, false)),
    },
    Definition {
        name: "io.k8s.api.core.v1.EventList",
        description: "A list of events.",
        fields: &[
            API_VERSION,
            KIND,
            field("metadata", Type::One(LIST_META), "The list's resource version, and where it continues."),
            field("items", Type::Many("io.k8s.api.core.v1.Event"), "The events."),
        ],
        required: &["items"],
        id: Some((&EVENTS, true)),
    },
    Definition {
        name: REFERENCE,
        description: "An object.",
        fields: &[
            field("apiVersion", Type::Text, "Its group and version."),
            field("kind", Type::Text, "Its kind."),
            field("namespace", Type::Text, "Its namespace."),
            field("name", Type::Text, "Its name."),
            field("uid", Type::Text, "Its UID."),
            field("resourceVersion", Type::Text, "Not used."),
            field("fieldPath", Type::Text, "Not used."),
        ],
        required: &[],
        id: None,
    },
    Definition {
        name: SOURCE,
        description: "Who says something.",
        fields: &[field("component", Type::Text, "The program."), field("host", Type::Text, "Not used.")],
        required: &[],
        id: None,
    },
];
