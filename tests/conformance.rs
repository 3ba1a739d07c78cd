//! Stoop on real package repositories: what it lists of a mirror is what plain git says is there, and the whole life of a
//! package works on them by push and by kubectl.
//!
//! The repositories are Git bundles in the directory that `STOOP_FIXTURES` names; without it nothing runs, and that is said.
//! Never here: how package revisions follow from refs (see `conformance/oracle.rs`, which shares no code with Stoop).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use serde_json::Value;

#[path = "conformance/oracle.rs"]
mod oracle;
#[path = "conformance/rounds.rs"]
mod rounds;
#[path = "support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "this test uses its part of the world")]
mod support;

use oracle::Revision;
use support::{World, git_command, run};

/// A bundle: file, repository, and how many package revisions it holds.
const BUNDLES: [(&str, &str, usize); 2] =
    [("nephio-catalog.bundle", "catalog", 189), ("nephio-example-packages.bundle", "example-packages", 93)];

fn main() -> ExitCode {
    // The arguments of `cargo test`: listing names nothing, and a filter that does not mean this test skips it.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if !filters.is_empty() && !filters.iter().any(|filter| "conformance".contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    let Some(fixtures) = std::env::var_os("STOOP_FIXTURES").filter(|value| !value.is_empty()) else {
        println!("conformance: not run: STOOP_FIXTURES is not set; 0 passed, 0 failed");
        return ExitCode::SUCCESS;
    };
    let fixtures = PathBuf::from(fixtures);
    let missing: Vec<String> = BUNDLES
        .iter()
        .map(|(file, ..)| fixtures.join(file))
        .filter(|path| !path.is_file())
        .map(|path| path.display().to_string())
        .collect();
    if !missing.is_empty() {
        eprintln!("conformance: STOOP_FIXTURES is set, but these bundles are missing: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    let began = Instant::now();
    // A check that fails panics, which ends this program with another code than success.
    check(&fixtures);
    println!("conformance: {} passed, 0 failed, in {:.1} s", BUNDLES.len() * 3, began.elapsed().as_secs_f32());
    ExitCode::SUCCESS
}

fn check(fixtures: &Path) {
    let mut world = World::without_daemon();
    for (file, name, _) in BUNDLES {
        let bundle = std::fs::canonicalize(fixtures.join(file)).expect("the bundle is there");
        let mut clone = git_command(world.path());
        run(clone.args(["clone", "-q", "--mirror"]).arg(&bundle).arg(world.bare(name))).ok();
    }
    let began = Instant::now();
    world.start_daemon();
    println!("conformance: the daemon was ready after {:.1} s", began.elapsed().as_secs_f32());
    for (file, name, count) in BUNDLES {
        let expected = oracle::revisions(&world.bare(name), name, "main");
        assert_eq!(expected.len(), count, "{file}: plain git sees another number of package revisions");
        compare(file, &listed(&world, name), &expected);
        println!("conformance: {file}: {count} package revisions as plain git sees them ... ok");
        let mut packages = oracle::packages(&expected).into_iter();
        let (first, second) = (packages.next().expect("a package"), packages.next().expect("two packages"));
        rounds::by_push(&world, name, &first.0, first.1);
        println!("conformance: {file}: the life of {} by push ... ok", first.0);
        rounds::by_kubectl(&world, name, &second.0, second.1);
        println!("conformance: {file}: the life of {} by kubectl ... ok", second.0);
    }
}

/// What kubectl lists of a repository, with the number of files from the content.
fn listed(world: &World, repository: &str) -> Vec<Revision> {
    let selector = format!("spec.repository={repository}");
    let answer = world.kubectl("rea", &["get", "packagerevisions", "--field-selector", &selector, "-o", "json"]).ok();
    let list: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let contents =
        world.kubectl("rea", &["get", "packagerevisionresources", "--field-selector", &selector, "--no-headers"]);
    let contents = contents.ok().stdout;
    let files = |name: &str| {
        let row = contents.lines().find(|line| line.split_whitespace().next() == Some(name)).expect("a row");
        row.split_whitespace().last().expect("a number").parse().expect("a number")
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut revisions: Vec<Revision> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| Revision {
            name: text(&item["metadata"]["name"]),
            package: text(&item["spec"]["packageName"]),
            workspace: text(&item["spec"]["workspaceName"]),
            revision: item["spec"]["revision"].as_i64().expect("a number"),
            lifecycle: text(&item["spec"]["lifecycle"]),
            latest: item["metadata"]["labels"]["kpt.dev/latest-revision"] == "true",
            reference: text(&item["status"]["selfLock"]["git"]["ref"]),
            commit: text(&item["status"]["selfLock"]["git"]["commit"]),
            files: files(item["metadata"]["name"].as_str().expect("a name")),
        })
        .collect();
    revisions.sort();
    revisions
}

fn compare(file: &str, listed: &[Revision], expected: &[Revision]) {
    let missing: Vec<_> = expected.iter().filter(|revision| !listed.contains(revision)).collect();
    let surplus: Vec<_> = listed.iter().filter(|revision| !expected.contains(revision)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{file}: expected {missing:#?}\nlisted {surplus:#?}");
    assert_eq!(listed.len(), expected.len(), "{file}: something is listed twice");
}
