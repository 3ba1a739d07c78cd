//! Holds what Stoop is built from: licences, sources, crates that must not come in, duplicates and their number.
//!
//! It asks `cargo metadata` about what is there already, so it needs no network and no tool beside cargo; known
//! vulnerabilities are not looked up. Why not cargo-deny: `contrib/decisions/0007-dependency-check.md`.
//! Never here: anything about this project's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences that may be linked into an Apache-2.0 program. One of them must be open to choose for every crate.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that must not come in, by whatever way, with the reason.
const BANNED: [(&str, &str); 10] = [
    ("aws-lc-rs", "a second TLS provider beside ring makes rustls panic, and it is built from C"),
    ("aws-lc-sys", "a second TLS provider beside ring makes rustls panic, and it is built from C"),
    ("openssl", "TLS is rustls with ring"),
    ("openssl-sys", "TLS is rustls with ring"),
    ("native-tls", "TLS is rustls with ring"),
    ("serde_yaml", "archived; its fork yaml_serde goes by that name here"),
    ("serde_yml", "unsound: RUSTSEC-2025-0068"),
    ("libyml", "unsound: RUSTSEC-2025-0067"),
    ("uluru", "MPL-2.0; it comes with a feature of gix that is not needed"),
    ("libgit2-sys", "Git is read with gix and written with git"),
];

/// The source of every crate that is not this project's own, as `cargo metadata` writes it, without the host.
const REGISTRY: (&str, &str) = ("registry+https://", "/crates.io-index");
/// How many crates there may be on one platform, this project's own among them. Raise it on purpose only: the first build pays.
const MOST: usize = 350;
/// How many crates may be there in more than one version.
const MOST_DUPLICATES: usize = 16;

fn cargo(args: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO")).current_dir(root).args(args).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The packages that are built on this platform, with all that only tests need.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let text = cargo(&["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host]);
    let mut metadata: Value = serde_json::from_str(&text).expect("JSON");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let ids: BTreeSet<String> = nodes.iter().map(|node| node["id"].to_string()).collect();
    let all = metadata["packages"].as_array_mut().map(std::mem::take).expect("packages");
    all.into_iter().filter(|package| ids.contains(&package["id"].to_string())).collect()
}

fn text<'p>(package: &'p Value, field: &str) -> &'p str {
    package[field].as_str().unwrap_or_default()
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_licence_may_be_linked_and_every_source_is_the_registry() {
    let mut complaints = Vec::new();
    for package in packages() {
        let name = format!("{} {}", text(&package, "name"), text(&package, "version"));
        match licence(text(&package, "license")) {
            Some(true) => {}
            Some(false) => complaints.push(format!("{name}: licence {} is not allowed", package["license"])),
            None => complaints.push(format!("{name}: licence {} cannot be understood", package["license"])),
        }
        let own = package["source"].is_null() && ["stoop", "stoop-hook"].contains(&text(&package, "name"));
        let source = package["source"].as_str().unwrap_or_default();
        let known = source.starts_with(REGISTRY.0) && source.ends_with(REGISTRY.1);
        if !own && !known {
            complaints.push(format!("{name}: comes from {}, not from crates.io", package["source"]));
        }
    }
    none(&complaints);
}

#[test]
fn banned_crates_stay_out() {
    // The lock file, since it knows all platforms.
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).expect("Cargo.lock");
    let names: BTreeSet<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(names.contains("stoop") && names.contains("gix"), "Cargo.lock can be read");
    let found = BANNED.iter().filter(|(name, _)| names.contains(name));
    none(
        &found
            .map(|(name, why)| format!("{name}: {why}; `cargo tree -i {name}` says who asks for it"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn there_are_not_more_crates_than_meant() {
    let packages = packages();
    assert!(packages.len() <= MOST, "{} crates; {MOST} are meant to be the most", packages.len());
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(
        versions.len() <= MOST_DUPLICATES,
        "{} crates come in more than one version; {MOST_DUPLICATES} are meant to be the most: {versions:?}",
        versions.len()
    );
}

#[test]
fn every_dependency_is_used_where_it_is_declared() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    let product = text_below(&root.join("src"));
    let tests = text_below(&root.join("tests")) + &text_below(&root.join("contrib/benchmarks"));
    let mut section = "";
    let mut complaints = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some((name, _)) = line.split_once(" = ") else { continue };
        let used = |text: &str| text.contains(&format!("{}::", name.replace('-', "_")));
        match section {
            "[dependencies]" if !used(&product) => complaints.push(format!("{name}: nothing in src uses it")),
            // Only there to choose the version of Kubernetes that kube is built for.
            "[dev-dependencies]" if name == "k8s-openapi" => {}
            "[dev-dependencies]" if !used(&product) && !used(&tests) => {
                complaints.push(format!("{name}: no test and no benchmark uses it"));
            }
            _ => {}
        }
    }
    none(&complaints);
}

/// All Rust source below a directory.
fn text_below(directory: &Path) -> String {
    let entries = directory.read_dir().expect("readable").map(|entry| entry.expect("readable").path());
    entries
        .map(|path| match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => text_below(&path),
            Some("rs") => std::fs::read_to_string(&path).expect("readable"),
            _ => String::new(),
        })
        .collect()
}

/// Whether a licence expression leaves an allowed choice; `None` when it is no expression.
fn licence(expression: &str) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = any_of(&tokens, &mut at)?;
    (at == tokens.len()).then_some(allowed)
}

fn any_of(tokens: &[&str], at: &mut usize) -> Option<bool> {
    let mut allowed = all_of(tokens, at)?;
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(tokens, at)?;
    }
    Some(allowed)
}

fn all_of(tokens: &[&str], at: &mut usize) -> Option<bool> {
    let mut allowed = one(tokens, at)?;
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(tokens, at)?;
    }
    Some(allowed)
}

fn one(tokens: &[&str], at: &mut usize) -> Option<bool> {
    let token = *tokens.get(*at)?;
    *at += 1;
    if token == "(" {
        let allowed = any_of(tokens, at)?;
        let closed = tokens.get(*at) == Some(&")");
        *at += 1;
        return closed.then_some(allowed);
    }
    if ["OR", "AND", "WITH", ")"].contains(&token) {
        return None;
    }
    if tokens.get(*at) == Some(&"WITH") {
        let exception = tokens.get(*at + 1)?;
        *at += 2;
        return Some(LICENCES.contains(&format!("{token} WITH {exception}").as_str()));
    }
    Some(LICENCES.contains(&token))
}

#[test]
fn licence_expressions_are_understood() {
    for (expression, allowed) in [
        ("MIT", Some(true)),
        ("MIT/Apache-2.0", Some(true)),
        ("GPL-3.0", Some(false)),
        ("GPL-3.0 OR MIT", Some(true)),
        ("GPL-3.0 AND MIT", Some(false)),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", Some(true)),
        ("MIT AND (GPL-3.0 OR LGPL-2.1)", Some(false)),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", Some(true)),
        ("GPL-2.0 WITH Classpath-exception-2.0", Some(false)),
        ("", None),
        ("MIT OR", None),
        ("(MIT", None),
        ("MIT Apache-2.0", None),
    ] {
        assert_eq!(licence(expression), allowed, "{expression:?}");
    }
}
