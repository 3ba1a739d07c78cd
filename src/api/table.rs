//! The shapes of an answer: whole objects, Tables and metadata only, for one object, in a list and in a watch.
//!
//! Never here: which shape a client wants (see `negotiation`), and sending it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::negotiation::Shape;
use super::query::Query;
use super::resource::Resource;
use super::status::ApiError;
use crate::commands::request::Packages;

/// What the rows of a Table carry beside their cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    None,
    /// The object's metadata.
    Metadata,
    /// The whole object.
    Object,
}

impl Include {
    /// Reads `includeObject`.
    pub(crate) fn parse(query: &Query) -> Result<Self, ApiError> {
        Ok(match query.word("includeObject", &["None", "Metadata", "Object"])? {
            Some("None") => Self::None,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        })
    }
}

/// How objects of an answer are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The shape.
    pub(crate) shape: Shape,
    /// What rows carry.
    pub(crate) include: Include,
}

impl View {
    /// An object as it stands in a list: an item, or a row. `None`: it has gone meanwhile.
    pub(crate) async fn element<R: Resource, P: Packages>(
        self,
        packages: &P,
        item: Arc<R::Item>,
    ) -> Result<Option<Value>, ApiError> {
        match self.shape {
            Shape::Whole => R::object(packages, item).await,
            Shape::Metadata(version) => Ok(Some(partial::<R>(&item, version))),
            Shape::Table(version) => {
                let object = match self.include {
                    Include::None => Value::Null,
                    Include::Metadata => partial::<R>(&item, version),
                    Include::Object => match R::object(packages, item.clone()).await? {
                        Some(object) => object,
                        None => return Ok(None),
                    },
                };
                let cells = R::cells(packages, item).await?;
                Ok(cells.map(|cells| json!({"cells": cells, "object": object})))
            }
        }
    }

    /// What [`Self::element`] gives, as JSON text.
    pub(crate) async fn text<R: Resource, P: Packages>(
        self,
        packages: &P,
        item: Arc<R::Item>,
    ) -> Result<Option<String>, ApiError> {
        match self.shape {
            Shape::Whole => R::text(packages, item).await,
            Shape::Metadata(_) | Shape::Table(_) => {
                Ok(self.element::<R, P>(packages, item).await?.map(|element| element.to_string()))
            }
        }
    }

    /// An object on its own: in answer to a get, or in a watch.
    pub(crate) async fn single<R: Resource, P: Packages>(
        self,
        packages: &P,
        item: Arc<R::Item>,
    ) -> Result<Option<Value>, ApiError> {
        let resource_version = R::version(&item);
        let element = self.element::<R, P>(packages, item).await?;
        Ok(element.map(|element| match self.shape {
            Shape::Table(version) => table::<R>(version, resource_version, json!([element])),
            Shape::Whole | Shape::Metadata(_) => element,
        }))
    }

    /// What a bookmark carries: the kind and a resource version, and whether the initial events have ended.
    pub(crate) fn bookmark<R: Resource>(self, resource_version: u64, initial_events_end: bool) -> Value {
        let mut metadata = json!({"resourceVersion": resource_version.to_string(), "creationTimestamp": null});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (api_version, kind) = match self.shape {
            Shape::Whole => (R::ID.api_version(), R::ID.kind),
            Shape::Metadata(version) => (format!("meta.k8s.io/{version}"), "PartialObjectMetadata"),
            Shape::Table(version) => {
                let row = json!({
                    "cells": R::COLUMNS.iter().map(|_| Value::Null).collect::<Vec<_>>(),
                    "object": {"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata},
                });
                return table::<R>(version, resource_version, json!([row]));
            }
        };
        json!({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    }

    /// Kind, apiVersion, metadata and the rest of a list up to its array, and the name of the array.
    pub(crate) fn list_head<R: Resource>(self, metadata: Value) -> (Value, &'static str) {
        match self.shape {
            Shape::Whole => {
                let kind = format!("{}List", R::ID.kind);
                (json!({"kind": kind, "apiVersion": R::ID.api_version(), "metadata": metadata}), "items")
            }
            Shape::Metadata(version) => {
                let api_version = format!("meta.k8s.io/{version}");
                (json!({"kind": "PartialObjectMetadataList", "apiVersion": api_version, "metadata": metadata}), "items")
            }
            Shape::Table(version) => {
                let api_version = format!("meta.k8s.io/{version}");
                let columns = columns::<R>();
                (
                    json!({"kind": "Table", "apiVersion": api_version, "metadata": metadata, "columnDefinitions": columns}),
                    "rows",
                )
            }
        }
    }
}

fn partial<R: Resource>(item: &R::Item, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": R::metadata(item)})
}

fn table<R: Resource>(version: &str, resource_version: u64, rows: Value) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": {"resourceVersion": resource_version.to_string()},
        "columnDefinitions": columns::<R>(),
        "rows": rows,
    })
}

fn columns<R: Resource>() -> Value {
    let column = |column: &super::resource::Column| {
        json!({
            "name": column.name,
            "type": column.kind,
            "format": column.format,
            "description": column.description,
            "priority": 0,
        })
    };
    R::COLUMNS.iter().map(column).collect()
}
