//! The API's router over a fixed catalog, with commands that change nothing and keep what they were asked to do.
//!
//! Never here: what a request must come to (see the targets).

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stoop::api::{ApiState, Requester, Version, router};
use stoop::commands::request::{PackageFile, Packages, Removal, Update, Written};
use stoop::domain::lifecycle::Lifecycle;
use stoop::domain::names::{Directory, Namespace, PackagePath, RepositoryName, UserName, Workspace, object_name};
use stoop::domain::package::{Health, Metadata, PackageRevision, Publication, Repository, RepositoryKey};
use stoop::domain::policy::{Actor, Role};
use stoop::domain::refs::{RefName, Registration, RevisionNumber};
use stoop::domain::refusal::Refusal;
use stoop::domain::timestamp::Micros;
use stoop::index::catalog::{Catalog, Change};
use stoop::krm::kptfile::{Condition, ConditionStatus, Kptfile};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Where the package revisions are.
pub const REVISIONS: &str = "/apis/porch.kpt.dev/v1alpha1/namespaces/default/packagerevisions";
/// The newest resource version of the catalog: the highest there is, so that no request waits for one to come.
const NEWEST: u64 = u64::MAX;

/// What the commands were asked to do.
#[derive(Debug, Clone)]
pub enum Asked {
    /// To change an object.
    Update(Update),
    /// To remove one.
    Remove(Removal),
}

struct Commands {
    catalog: Arc<Catalog>,
    asked: Mutex<Vec<Asked>>,
}

impl Commands {
    fn note(&self, asked: Asked, namespace: &str, name: &str) -> Arc<PackageRevision> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        self.catalog.revision(namespace, name).expect("only objects that exist reach the commands")
    }
}

impl Packages for Commands {
    async fn update(&self, update: Update) -> Result<Written, Refusal> {
        Ok(self.note(Asked::Update(update.clone()), &update.namespace, &update.name).into())
    }

    async fn remove(&self, removal: Removal) -> Result<Written, Refusal> {
        Ok(self.note(Asked::Remove(removal.clone()), &removal.namespace, &removal.name).into())
    }

    async fn files(&self, _: Arc<PackageRevision>) -> Result<Vec<PackageFile>, Refusal> {
        let file = |path: &str, content: &[u8]| PackageFile { path: path.to_owned(), content: content.to_vec() };
        Ok(vec![file("Kptfile", b"kind: Kptfile\n"), file("logo.png", &[0x89, 0xff, 0x00])])
    }

    async fn file_count(&self, _: Arc<PackageRevision>) -> Result<usize, Refusal> {
        Ok(2)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }
}

/// Sends a request as `user`; the commands forget what was asked before it.
pub fn send(mut request: Request<Body>, user: Option<&Actor>) -> (Answer, Vec<Asked>) {
    request.extensions_mut().insert(Requester(user.cloned()));
    let (commands, router) = WORLD.with(|world| (world.commands.clone(), world.router.clone()));
    let answer = block_on(async {
        let response = router.oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            // The old schema comes as protobuf; all else is text.
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    });
    let asked = std::mem::take(&mut *commands.asked.lock().unwrap_or_else(PoisonError::into_inner));
    (answer, asked)
}

/// A GET by somebody who may do everything.
pub fn get(uri: &str) -> Answer {
    let request = Request::builder().uri(uri).body(Body::empty()).unwrap_or_else(|error| panic!("{uri}: {error}"));
    send(request, Some(&ADMIN)).0
}

/// Runs something to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Somebody who may do everything.
pub static ADMIN: LazyLock<Actor> = LazyLock::new(|| Actor {
    name: UserName::parse("ann").expect("valid"),
    roles: [Role::Author, Role::Approver, Role::Admin].into(),
});

struct World {
    commands: Arc<Commands>,
    router: Router,
}

fn world() -> World {
    let catalog = Arc::new(Catalog::new(1_000));
    for (namespace, name, version) in [("default", "blueprints", 1_001), ("edge", "sites", 1_002)] {
        catalog.put_repository(repository(namespace, name, version));
    }
    let kinds = [
        ("default", "blueprints", "net/router", "v1", Lifecycle::Published, 1, false),
        ("default", "blueprints", "net/router", "v2", Lifecycle::Published, 2, true),
        ("default", "blueprints", "net/router", "v3", Lifecycle::Proposed, 0, false),
        ("default", "blueprints", "web", "draft-1", Lifecycle::Draft, 0, false),
        ("edge", "sites", "berlin", "v1", Lifecycle::DeletionProposed, 1, true),
    ];
    let versions = [1_003, 1_004, 1_005, 1_006, NEWEST];
    let made = kinds.into_iter().zip(versions).map(|(kind, version)| Change::Put(Arc::new(revision(kind, version))));
    catalog.apply(made.collect());
    let commands = Arc::new(Commands { catalog: catalog.clone(), asked: Mutex::default() });
    // Watches end at once.
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let state = ApiState {
        catalog,
        packages: commands.clone(),
        readiness: Arc::new(|| Ok(())),
        metrics: Arc::new(|| "# EOF\n".to_owned()),
        observe: Arc::new(|_| {}),
        watcher_dropped: Arc::new(|| {}),
        shutdown,
        bookmark_every: Duration::from_secs(600),
        watch_stall: stoop::api::WATCH_STALL,
        version: Arc::new(Version { release: "0.1.0".to_owned(), commit: String::new() }),
    };
    World { commands, router: router(state) }
}

thread_local! {
    /// One for each thread, so that no test sees what another asked.
    static WORLD: World = world();
}

fn registration() -> Registration {
    Registration { branch: RefName::branch("main").expect("valid"), directory: Directory::parse("/").expect("valid") }
}

fn repository(namespace: &str, name: &str, resource_version: u64) -> Repository {
    Repository {
        namespace: Namespace::parse(namespace).expect("valid"),
        name: RepositoryName::parse(name).expect("valid"),
        registration: registration(),
        deployment: false,
        url: format!("{name}.git"),
        created: Micros::from_seconds(1_700_000_000),
        resource_version,
        health: Health::Ready,
        package_count: 4,
        head: "a".repeat(40).parse().ok(),
        scanned: Micros::from_seconds(1_700_000_100),
    }
}

type Kind = (&'static str, &'static str, &'static str, &'static str, Lifecycle, i64, bool);

fn revision((namespace, repo, package, workspace, lifecycle, number, latest): Kind, version: u64) -> PackageRevision {
    let registration = registration();
    let package = PackagePath::parse(package).expect("valid");
    let workspace = Workspace::parse(workspace).expect("valid");
    let repository = RepositoryName::parse(repo).expect("valid");
    let name = object_name(&repository, &registration.directory, &package, &workspace).expect("inside");
    let ref_name = match lifecycle {
        Lifecycle::Draft => RefName::draft(&package, &workspace),
        Lifecycle::Proposed => RefName::proposed(&package, &workspace),
        Lifecycle::Published | Lifecycle::DeletionProposed => RefName::tag(&package, &RevisionNumber(number).segment()),
    };
    let kptfile = Kptfile {
        labels: BTreeMap::from([("team".to_owned(), "core".to_owned())]),
        readiness_gates: vec!["Reviewed".to_owned()],
        conditions: vec![Condition {
            kind: "Reviewed".to_owned(),
            status: ConditionStatus::True,
            reason: "Done".to_owned(),
            message: String::new(),
        }],
        ..Kptfile::default()
    };
    let tier = if lifecycle.is_published() { "stable" } else { "moving" };
    PackageRevision {
        repository: Arc::new(RepositoryKey {
            namespace: Namespace::parse(namespace).expect("valid"),
            name: repository,
            registration,
            deployment: false,
            url: format!("{repo}.git"),
        }),
        name,
        package,
        workspace,
        revision: RevisionNumber(number),
        lifecycle,
        latest,
        ref_name,
        commit: "b".repeat(40).parse().expect("an id"),
        tree: "d".repeat(40).parse().expect("an id"),
        kptfile: Arc::new(kptfile),
        tasks: Arc::new(vec![json!({"type": "init", "init": {"description": "a router"}})]),
        publication: lifecycle.is_published().then(|| Publication { by: "bob@x".to_owned(), seconds: 1_700_000_050 }),
        findings: Arc::default(),
        metadata: Arc::new(Metadata {
            labels: BTreeMap::from([("tier".to_owned(), tier.to_owned()), ("empty".to_owned(), String::new())]),
            ..Metadata::default()
        }),
        tally: None,
        created: Micros::from_seconds(1_700_000_000),
        resource_version: version,
        content_version: version,
    }
}
