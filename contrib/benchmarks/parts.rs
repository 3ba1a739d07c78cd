//! Measures parts of Stoop by themselves, in process, over a repository of 10,000 published package revisions: where the time
//! of the whole goes. Run by `contrib/bench`.
//!
//! Never here: anything that is compared or has an aim (see `main.rs`).

#[allow(dead_code, reason = "the whole needs more of it")]
mod fill;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the benchmarks use a part of the world")]
mod support;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use divan::Bencher;
use http_body_util::BodyExt;
use stoop::api::{ApiState, BOOKMARK_EVERY, Requester, Version, router};
use stoop::commands::api::PackageCommands;
use stoop::commands::repositories::Repositories;
use stoop::domain::evidence::Limits;
use stoop::domain::ledger::Ledger;
use stoop::domain::names::{Directory, Namespace, PackagePath, RepositoryName, UserName};
use stoop::domain::package::RepositoryKey;
use stoop::domain::policy::{Actor, Role};
use stoop::domain::refs::{RefName, Registration, classify};
use stoop::git::Store;
use stoop::index::cache::Cache;
use stoop::index::clock::Clock;
use stoop::index::facts::FactStore;
use stoop::index::guarded::{Guarded, Shared};
use stoop::index::scan::Scanner;
use stoop::krm::kptfile;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const PACKAGES: usize = 2_000;
const REVISIONS_EACH: usize = 5;
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The directory that everything is made in.
static PLACE: OnceLock<PathBuf> = OnceLock::new();

fn main() {
    // Only `cargo bench` says so; a test run that starts every target must not measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("nothing is measured here: run contrib/bench");
        return;
    }
    eprintln!("parts: making 10,000 package revisions");
    let place = tempfile::Builder::new().prefix("stoop-parts-").tempdir().expect("a temporary directory");
    fill::repository(&place.path().join("large.git"), PACKAGES, REVISIONS_EACH);
    PLACE.set(place.path().to_owned()).expect("set once");
    eprintln!("parts: measuring");
    divan::main();
}

fn place() -> &'static Path {
    PLACE.get().expect("set by main")
}

fn large() -> PathBuf {
    place().join("large.git")
}

fn registration() -> Registration {
    Registration { branch: RefName::branch("main").expect("valid"), directory: Directory::parse("/").expect("valid") }
}

fn store() -> Store {
    Store::open(&large()).expect("the repository opens")
}

/// The repository, not yet read, with no cache beneath it.
fn guarded() -> Guarded {
    let key = RepositoryKey {
        namespace: Namespace::parse("default").expect("valid"),
        name: RepositoryName::parse("large").expect("valid"),
        registration: registration(),
        deployment: false,
        url: "large.git".to_owned(),
    };
    let clock = Clock::open(place().join("clock")).expect("a clock");
    let shared = Arc::new(Shared::new(clock, Cache::none()));
    Guarded::open(&large(), Arc::new(key), shared).expect("the repository opens")
}

/// The same, read once for all that do not measure that.
fn indexed() -> &'static Guarded {
    static INDEXED: OnceLock<Guarded> = OnceLock::new();
    INDEXED.get_or_init(|| {
        let guarded = guarded();
        guarded.refresh().expect("a view");
        guarded
    })
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn read_10000_packed_refs(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| store().reader()).bench_refs(|reader| reader.refs().expect("refs").len());
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn read_10000_packed_refs_again(bencher: Bencher<'_, '_>) {
    let reader = store().reader();
    reader.refs().expect("refs");
    bencher.bench_local(|| reader.refs().expect("refs").len());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn index_10000_without_a_cache(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(guarded).bench_refs(|guarded| guarded.refresh().expect("a view"));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn refresh_10000_when_nothing_changed(bencher: Bencher<'_, '_>) {
    let guarded = indexed();
    bencher.bench_local(|| guarded.refresh().expect("a view"));
}

#[divan::bench]
fn scan_one_package_of_5(bencher: Bencher<'_, '_>) {
    let reader = store().reader();
    let (snapshot, registration) = (reader.refs().expect("refs"), registration());
    let (ledger, cache) = (Ledger::default(), Cache::none());
    let package = PackagePath::parse(&fill::package(7)).expect("valid");
    bencher.bench_local(|| {
        let scanner = Scanner {
            reader: &reader,
            snapshot: &snapshot,
            registration: &registration,
            ledger: &ledger,
            cache: &cache,
            line: None,
        };
        scanner.package(&package, &mut FactStore::default()).expect("a package").1.len()
    });
}

#[divan::bench]
fn classify_a_tag() -> bool {
    let name = RefName::parse(divan::black_box("refs/tags/team-7/pkg-7/v12")).expect("valid");
    matches!(classify(&name, &registration()), stoop::domain::refs::RefKind::Tag(..))
}

#[divan::bench]
fn read_a_kptfile() -> bool {
    kptfile::read(divan::black_box(support::kptfile("team-7/pkg-7").as_bytes())).is_ok()
}

#[divan::bench(args = ["Table", "JSON"], sample_count = 10, sample_size = 1)]
fn list_10000_through_the_router(bencher: Bencher<'_, '_>, kind: &str) {
    let accept = if kind == "Table" { TABLE } else { "application/json" };
    let state = ApiState {
        catalog: indexed().shared().catalog.clone(),
        packages: Arc::new(PackageCommands::new(Arc::new(Repositories::default()), Limits::default())),
        readiness: Arc::new(|| Ok(())),
        metrics: Arc::new(String::new),
        observe: Arc::new(|_| {}),
        watcher_dropped: Arc::new(|| {}),
        shutdown: CancellationToken::new(),
        bookmark_every: BOOKMARK_EVERY,
        watch_stall: stoop::api::WATCH_STALL,
        version: Arc::new(Version { release: String::new(), commit: String::new() }),
    };
    let router = router(state);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let reader = Actor { name: UserName::parse("rea").expect("valid"), roles: [Role::Reader].into() };
    bencher.bench_local(|| {
        let uri = "/apis/porch.kpt.dev/v1alpha1/packagerevisions";
        let request = Request::builder().uri(uri).header("accept", accept);
        let request = request.extension(Requester(Some(reader.clone()))).body(Body::empty()).expect("a request");
        runtime.block_on(async {
            let response = router.clone().oneshot(request).await.expect("the router answers");
            assert_eq!(response.status(), 200);
            response.into_body().collect().await.expect("a whole body").to_bytes().len()
        })
    });
}
