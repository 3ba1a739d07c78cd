//! Holds the architecture of `src/README.md`: which module may use which, where each crate lives, and how files are kept.
//!
//! It reads the source as text. A new arrow between modules is added to the table below on purpose, together with the map in
//! `src/README.md`, or not at all. Never here: behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[path = "architecture/source.rs"]
mod source;

use source::{code, paths};

/// Which modules each module may use. `main`, `cli` and `daemon` are the wiring.
const ARROWS: [(&str, &[&str]); 23] = [
    ("api", &["commands", "domain", "index", "krm"]),
    ("audit", &["config", "domain", "git", "index"]),
    ("cli", &["commands", "config", "domain", "git", "hooks", "identity", "krm"]),
    ("commands", &["domain", "git", "index", "krm", "process", "signature", "step", "telemetry"]),
    ("config", &["domain", "identity", "signature"]),
    (
        "daemon",
        &[
            "api",
            "commands",
            "config",
            "domain",
            "git",
            "githttp",
            "hooks",
            "identity",
            "index",
            "listen",
            "process",
            "step",
            "telemetry",
        ],
    ),
    ("demo", &["identity"]),
    ("doctor", &["config", "domain", "git", "hooks", "identity", "index"]),
    ("domain", &["krm"]),
    ("git", &["domain", "process", "step"]),
    ("githttp", &["config", "domain", "identity", "listen"]),
    ("hooks", &[]),
    ("identity", &["config", "domain"]),
    ("index", &["domain", "git", "krm"]),
    ("krm", &[]),
    ("lib", &[]),
    ("listen", &["identity"]),
    ("main", &["audit", "cli", "config", "daemon", "demo", "doctor", "domain", "identity", "telemetry", "verify"]),
    ("process", &[]),
    ("signature", &["domain"]),
    ("step", &[]),
    ("telemetry", &["domain"]),
    ("verify", &["domain", "git", "signature"]),
];

/// Modules that know nothing of the world outside: no runtime, no disk, no network, no clock, no environment.
const PURE: [&str; 2] = ["domain", "krm"];
/// What a pure module may use besides `core` and the harmless parts of `std`.
const PURE_CRATES: [&str; 9] =
    ["jiff", "rpds", "serde", "serde_json", "serde_yaml", "sha2", "thiserror", "uuid", "std"];
/// The parts of `std` that reach the world outside.
const IMPURE_STD: [&str; 9] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Crates that live in one place.
const HOMES: [(&str, &[&str]); 8] = [
    ("gix", &["git"]),
    ("notify", &["git"]),
    ("sled", &["index"]),
    ("axum", &["api", "daemon", "githttp", "listen"]),
    ("clap", &["main", "telemetry"]),
    ("argon2", &["identity"]),
    ("rcgen", &["identity"]),
    ("anyhow", &["cli", "daemon", "demo", "main"]),
];

const LONGEST: usize = 500;
const VAGUE: [&str; 7] = ["util", "utils", "helper", "helpers", "manager", "common", "misc"];

struct SourceFile {
    path: PathBuf,
    /// Path below `src`, by its parts, without `.rs` and `mod`.
    module: Vec<String>,
    text: String,
}

impl SourceFile {
    fn top(&self) -> &str {
        &self.module[0]
    }

    /// A file that is compiled for tests only, by its name.
    fn is_test(&self) -> bool {
        let test = |part: &String| part == "tests" || part.ends_with("_tests") || part == "fixture";
        self.module.iter().any(test)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        let entries = directory.read_dir().unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for path in entries.map(|entry| entry.expect("readable").path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources() -> Vec<SourceFile> {
    let source = |path: PathBuf| {
        let below = path.strip_prefix(root().join("src")).expect("below src").with_extension("");
        let mut module: Vec<String> = below.iter().map(|part| part.to_str().expect("text").to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        SourceFile { text: read(&path), module, path }
    };
    files("src", "rs").into_iter().map(source).collect()
}

/// Every complaint at once, or nothing.
#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into();
    let sources = sources();
    let tops: BTreeSet<&str> = sources.iter().map(SourceFile::top).collect();
    let mut complaints = Vec::new();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for file in sources.iter().filter(|file| !file.is_test()) {
        for path in paths(&code(&file.text), &file.module) {
            let own = path.first().is_some_and(|first| first == "crate" || first == "stoop");
            let Some(target) = path.get(1).filter(|target| own && tops.contains(target.as_str())) else { continue };
            used.insert((file.top().to_owned(), target.clone()));
            if target != file.top() && !allowed.get(file.top()).is_some_and(|list| list.contains(&target.as_str())) {
                complaints.push(format!("{}: {} may not use {target}", short(&file.path), file.top()));
            }
        }
    }
    for top in &tops {
        if !allowed.contains_key(top) {
            complaints.push(format!("src/{top}: a new module; say in tests/architecture.rs what it may use"));
        }
    }
    for (from, to) in ARROWS.iter().flat_map(|(from, list)| list.iter().map(move |to| (*from, *to))) {
        if !used.contains(&(from.to_owned(), to.to_owned())) {
            complaints
                .push(format!("tests/architecture.rs: {from} does not use {to} any more; take it from the table"));
        }
    }
    none(&complaints);
}

#[test]
fn the_doors_do_not_know_one_another() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into();
    for door in ["api", "githttp", "hooks"] {
        for other in ["api", "githttp", "hooks", "daemon", "cli"] {
            assert!(!allowed[door].contains(&other), "{door} may not use {other}");
        }
    }
    for wiring in ["api", "githttp", "hooks", "daemon", "cli", "listen"] {
        assert!(!allowed["commands"].contains(&wiring), "commands may not use {wiring}");
    }
    assert!(!allowed["index"].contains(&"commands"), "the index may not use commands");
    assert!(allowed["domain"].iter().all(|used| PURE.contains(used)) && allowed["krm"].is_empty());
}

#[test]
fn domain_and_krm_are_pure() {
    let mut complaints = Vec::new();
    let sources = sources();
    let manifest = read(&root().join("Cargo.toml"));
    let crates: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.trim().replace('-', "_")))
        .chain(["std".to_owned()])
        .collect();
    for file in sources.iter().filter(|file| PURE.contains(&file.top()) && !file.is_test()) {
        for path in paths(&code(&file.text), &file.module) {
            let joined = path.join("::");
            let known = crates.contains(&path[0]) && path.len() > 1;
            let impure = IMPURE_STD.iter().any(|part| joined == *part || joined.starts_with(&format!("{part}::")));
            if impure || (known && !PURE_CRATES.contains(&path[0].as_str())) {
                complaints.push(format!("{}: {joined} reaches outside", short(&file.path)));
            }
        }
    }
    none(&complaints);
}

#[test]
fn crates_stay_where_they_live() {
    let homes: BTreeMap<&str, &[&str]> = HOMES.into();
    let mut complaints = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test()) {
        for path in paths(&code(&file.text), &file.module) {
            if let Some(home) = homes.get(path[0].as_str()).filter(|home| path.len() > 1 && !home.contains(&file.top()))
            {
                complaints.push(format!("{}: {} belongs into {}", short(&file.path), path.join("::"), home.join(", ")));
            }
        }
    }
    none(&complaints);
}

#[test]
fn every_file_says_what_it_does_and_what_it_never_does() {
    let mut complaints = Vec::new();
    let tests = files("tests", "rs").into_iter().map(|path| (path, true));
    let stubs = files("hooks/src", "rs").into_iter().map(|path| (path.clone(), path.ends_with("wire_tests.rs")));
    let sources = sources();
    let own = sources.iter().map(|file| (file.path.clone(), file.is_test() || file.module == ["lib"]));
    for (path, test) in own.chain(stubs).chain(tests).chain([(root().join("build.rs"), false)]) {
        let text = read(&path);
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!") || line.is_empty()).collect();
        let opens = text.starts_with("//!") || text.starts_with("#![doc = include_str!(");
        if !opens {
            complaints.push(format!("{}: does not begin with `//!` and what it does", short(&path)));
        } else if !test && !head.join("\n").to_lowercase().contains("never") {
            complaints.push(format!("{}: does not say what it never does (`Never here: …`)", short(&path)));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            complaints.push(format!("{}: has {lines} lines; {LONGEST} are the most", short(&path)));
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if stem.split('_').any(|word| VAGUE.contains(&word)) {
            complaints.push(format!("{}: the name does not say what is in it", short(&path)));
        }
    }
    none(&complaints);
}

#[test]
fn no_test_is_forgotten() {
    let mut complaints = Vec::new();
    for directory in ["tests/suite", "tests/api_router"] {
        let main = code(&read(&root().join(directory).join("main.rs")));
        for path in files(directory, "rs") {
            let below = path.strip_prefix(root().join(directory)).expect("below");
            let first = below.iter().next().and_then(|part| Path::new(part).file_stem()?.to_str()).unwrap_or_default();
            if first != "main" && !main.contains(&format!("mod {first};")) {
                complaints.push(format!("{}: is not a module of {directory}/main.rs, so it never runs", short(&path)));
            }
        }
    }
    let everything: String = ["src", "tests", "hooks/src"]
        .iter()
        .flat_map(|directory| files(directory, "rs"))
        .map(|path| read(&path))
        .collect();
    for path in files("tests/goldens", "snap") {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !everything.contains(&format!("\"{name}\"")) {
            complaints.push(format!("{}: no test compares anything with it", short(&path)));
        }
    }
    for path in files("tests", "new") {
        complaints.push(format!("{}: a golden file that was not reviewed", short(&path)));
    }
    let ignored = ["#[ig", "nore"].concat();
    for path in ["src", "tests", "hooks/src"].iter().flat_map(|directory| files(directory, "rs")) {
        if read(&path).contains(&ignored) {
            complaints.push(format!("{}: holds a test that never runs", short(&path)));
        }
    }
    none(&complaints);
}

#[test]
fn the_map_names_every_module() {
    let map = read(&root().join("src/README.md"));
    let tops: BTreeSet<String> = sources().iter().map(|file| file.top().to_owned()).collect();
    let missing = tops.into_iter().filter(|top| !["lib", "main"].contains(&top.as_str()));
    let missing: Vec<String> = missing
        .filter(|top| !map.contains(&format!("`{top}`")))
        .map(|top| format!("src/README.md: does not speak of `{top}`"))
        .collect();
    none(&missing);
    let files = sources();
    let names: BTreeSet<String> = files.iter().map(|file| file.module.join("/")).collect();
    let mut stale = Vec::new();
    // Files the map names as `module/file.rs` exist.
    for word in map.split(['`', ' ', '(', ')', ',']).filter(|word| word.ends_with(".rs") && word.contains('/')) {
        let plain = word.trim_end_matches(".rs").trim_start_matches("src/").trim_end_matches("/mod");
        if !names.contains(plain) && !root().join(word).exists() {
            stale.push(format!("src/README.md: {word} does not exist"));
        }
    }
    none(&stale);
}
