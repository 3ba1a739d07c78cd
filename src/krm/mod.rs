//! Kubernetes resource model files, read purely: the Kptfile today.
//!
//! Never here: I/O, git, HTTP, the clock. Editing YAML comes with the package operations.

pub mod kptfile;
pub mod yaml;
