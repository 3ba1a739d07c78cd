//! Runs every input that the fuzzer found worth keeping, and every one written by hand, through the fuzz targets of
//! `contrib/fuzz`: what was found once stays found, without nightly and without a fuzzer.
//!
//! Never here: looking for new inputs (see `contrib/fuzz/run`).

use std::collections::BTreeSet;
use std::panic;
use std::path::{Path, PathBuf};

#[path = "../contrib/fuzz/src/lib.rs"]
pub mod fuzz;

use fuzz::TARGETS;

fn directory(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/fuzz").join(below)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    found.sort();
    found
}

/// Runs what is kept of one target.
fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    for kept in ["seeds", "corpus"] {
        let found = files(&directory(kept).join(name));
        assert!(!found.is_empty(), "contrib/fuzz/{kept}/{name} is empty");
        for file in found {
            let input = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            if let Err(panic) = panic::catch_unwind(|| target(&input)) {
                eprintln!("the input is {}", file.display());
                panic::resume_unwind(panic);
            }
        }
    }
}

macro_rules! corpus {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

corpus! {
    api_paths
    commits
    git_paths
    hook_wire
    kptfile
    ledger_entry
    list_options
    object_names
    patches
    policy
    push_certificates
    push_options
    pushers
    ref_names
    selectors
}

#[test]
fn every_target_is_fuzzed_and_tested() {
    let tested: BTreeSet<&str> = TESTED.iter().copied().collect();
    assert_eq!(TARGETS.map(|(name, _)| name).into_iter().collect::<BTreeSet<_>>(), tested);
    let stem = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    for place in ["fuzz_targets", "seeds", "corpus"] {
        let there: BTreeSet<String> = files(&directory(place)).iter().map(stem).collect();
        assert_eq!(there, tested.iter().map(|name| (*name).to_owned()).collect(), "contrib/fuzz/{place}");
    }
    let manifest = std::fs::read_to_string(directory("Cargo.toml")).expect("readable");
    for name in tested {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "contrib/fuzz/Cargo.toml has no program {name}");
    }
}
