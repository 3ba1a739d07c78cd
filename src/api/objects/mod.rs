//! Each kind of object in its Kubernetes form.
//!
//! Never here: HTTP, and reading what clients send.

pub(crate) mod event;
pub(crate) mod namespace;
pub(crate) mod package_revision;
pub(crate) mod package_revision_resources;
pub(crate) mod repository;
