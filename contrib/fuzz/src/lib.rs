//! What the fuzzer calls, one file a target: each takes bytes as a stranger would send them and asserts what must hold.
//!
//! `tests/corpus.rs` of the project compiles the same files and runs every kept input through them, without a fuzzer. So
//! here is nothing that needs nightly, and nothing that needs a disk, a network or a clock.
//! Never here: the fuzzer itself (see `fuzz_targets/`).

pub mod api_paths;
pub mod commits;
pub mod git_paths;
pub mod hook_wire;
pub mod input;
pub mod kptfile;
pub mod ledger_entry;
pub mod list_options;
pub mod object_names;
pub mod patches;
pub mod policy;
pub mod push_certificates;
pub mod push_options;
pub mod pushers;
pub mod ref_names;
pub mod selectors;
pub mod world;

/// Takes one input; panics where something that must hold does not.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program in `fuzz_targets/`.
pub const TARGETS: [(&str, Target); 15] = [
    ("api_paths", api_paths::run),
    ("commits", commits::run),
    ("git_paths", git_paths::run),
    ("hook_wire", hook_wire::run),
    ("kptfile", kptfile::run),
    ("ledger_entry", ledger_entry::run),
    ("list_options", list_options::run),
    ("object_names", object_names::run),
    ("patches", patches::run),
    ("policy", policy::run),
    ("push_certificates", push_certificates::run),
    ("push_options", push_options::run),
    ("pushers", pushers::run),
    ("ref_names", ref_names::run),
    ("selectors", selectors::run),
];
