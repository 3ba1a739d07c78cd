//! Kubernetes resource model files, read purely: the Kptfile, the resources of any file, and what differs between two packages.
//!
//! Never here: I/O, git, HTTP, the clock. Editing YAML comes with the package operations.

pub mod changes;
pub mod fields;
pub mod kptfile;
pub mod resources;
pub mod shown;
pub mod yaml;
