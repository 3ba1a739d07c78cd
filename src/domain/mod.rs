//! The pure core: names, refs, the lifecycle table, rights, the ledger's records, the rules and the texts of commits.
//!
//! Never here: I/O, git, HTTP, Kubernetes types, the clock, the environment. Everything is a value or a function of values.

pub mod annotation;
pub mod announcement;
pub mod by_package;
pub mod change;
pub mod completion;
pub mod dropped;
pub mod evidence;
pub mod integrity;
pub mod ledger;
pub mod ledger_history;
pub mod lifecycle;
pub mod names;
pub mod oid;
pub mod package;
pub mod policy;
pub mod push_certificate;
pub mod readiness;
pub mod ref_plan;
pub mod refs;
pub mod refusal;
pub mod repository_keys;
pub mod timestamp;
pub mod trunk;
