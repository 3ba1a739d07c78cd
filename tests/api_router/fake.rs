//! A router over a catalog filled by hand, and commands that only change that catalog.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stoop::api::{ApiState, Requester, Version, router};
use stoop::commands::request::{PackageFile, Packages, Precondition, Removal, Update, Written};
use stoop::domain::lifecycle::{Lifecycle, State, action_between, removal, step};
use stoop::domain::names::{Directory, Namespace, PackagePath, RepositoryName, UserName, Workspace, object_name};
use stoop::domain::package::{Health, Metadata, PackageRevision, Publication, Repository, RepositoryKey};
use stoop::domain::policy::{Actor, Role};
use stoop::domain::refs::{RefName, Registration, RevisionNumber};
use stoop::domain::refusal::{Code, Refusal};
use stoop::domain::timestamp::Micros;
use stoop::index::catalog::{Catalog, Change};
use stoop::krm::kptfile::{Condition, ConditionStatus, GitLock, Kptfile};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Commands over the catalog alone, by the real transition table.
pub(crate) struct FakePackages {
    catalog: Arc<Catalog>,
    clock: AtomicU64,
    /// How many times content was read.
    pub(crate) reads: AtomicUsize,
    /// The content of this object cannot be read, for this reason.
    pub(crate) failing: Mutex<Option<(String, Code)>>,
    /// How many updates are refused as stale before one is taken.
    pub(crate) stale: AtomicUsize,
}

impl FakePackages {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn find(&self, namespace: &str, name: &str, wanted: &Precondition) -> Result<Arc<PackageRevision>, Refusal> {
        let found = self.catalog.revision(namespace, name);
        let found = found.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such package revision"))?;
        let stale = wanted.resource_version.is_some_and(|version| version != found.resource_version)
            || wanted.uid.as_ref().is_some_and(|uid| *uid != found.uid());
        if stale || self.stale.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Refusal::new(Code::Stale, "the object has been modified").next("read it again"));
        }
        Ok(found)
    }
}

fn allow(from: &PackageRevision, action: stoop::domain::lifecycle::Action, actor: &Actor) -> Result<State, Refusal> {
    let step = step(State::Present(from.lifecycle), action)
        .map_err(|code| Refusal::new(code, format!("a {} package revision cannot be changed so", from.lifecycle)))?;
    if !actor.holds(step.right, None) {
        let reason = format!("user {:?} may not {} it", actor.name.as_str(), action.words());
        return Err(Refusal::new(Code::NotAllowed, reason).next(format!("this needs {}", step.right.holder())));
    }
    Ok(step.to)
}

impl Packages for FakePackages {
    async fn update(&self, update: Update) -> Result<Written, Refusal> {
        let found = self.find(&update.namespace, &update.name, &update.precondition)?;
        let mut next = (*found).clone();
        if let Some(wanted) = update.lifecycle {
            let action = action_between(found.lifecycle, wanted)
                .map_err(|code| Refusal::new(code, format!("{} does not lead to {wanted}", found.lifecycle)))?;
            if let Some(action) = action {
                allow(&found, action, &update.actor)?;
                next.lifecycle = wanted;
            }
        }
        if let Some(metadata) = update.metadata {
            next.metadata = Arc::new(metadata);
        }
        if next == *found || update.dry_run {
            return Ok(Arc::new(next).into());
        }
        next.resource_version = self.tick();
        let next = Arc::new(next);
        self.catalog.apply(vec![Change::Put(next.clone())]);
        Ok(next.into())
    }

    async fn remove(&self, removal_of: Removal) -> Result<Written, Refusal> {
        let found = self.find(&removal_of.namespace, &removal_of.name, &removal_of.precondition)?;
        allow(&found, removal(found.lifecycle), &removal_of.actor)?;
        if !removal_of.dry_run {
            self.catalog.apply(vec![Change::Remove {
                namespace: found.repository.namespace.clone(),
                name: found.name.clone(),
                resource_version: self.tick(),
            }]);
        }
        Ok(found.into())
    }

    async fn files(&self, revision: Arc<PackageRevision>) -> Result<Vec<PackageFile>, Refusal> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if let Some((name, code)) = &*self.failing.lock().expect("no panic before")
            && *name == revision.name
        {
            return Err(Refusal::new(*code, "the content cannot be read"));
        }
        let file = |path: &str, content: &[u8]| PackageFile { path: path.to_owned(), content: content.to_vec() };
        Ok(vec![
            file("Kptfile", format!("kind: Kptfile # {}\n", revision.name).as_bytes()),
            file("logo.png", &[0x89, 0xff, 0x00]),
            file("sub/deployment.yaml", b"kind: Deployment\nmetadata: {name: \"a\"}\n"),
        ])
    }

    async fn file_count(&self, _: Arc<PackageRevision>) -> Result<usize, Refusal> {
        Ok(3)
    }
}

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) packages: Arc<FakePackages>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) router: axum::Router,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) const FIRST: u64 = 1_000;

impl World {
    /// Two repositories and five package revisions.
    pub(crate) fn new() -> Self {
        let catalog = Arc::new(Catalog::new(FIRST));
        let mut version = FIRST;
        let mut next = || {
            version += 1;
            version
        };
        for (namespace, name) in [("default", "blueprints"), ("edge", "sites")] {
            catalog.put_repository(repository(namespace, name, next()));
        }
        let kinds = [
            ("default", "blueprints", "net/router", "v1", Lifecycle::Published, 1, false),
            ("default", "blueprints", "net/router", "v2", Lifecycle::Published, 2, true),
            ("default", "blueprints", "net/router", "v3", Lifecycle::Proposed, 0, false),
            ("default", "blueprints", "web", "draft-1", Lifecycle::Draft, 0, false),
            ("edge", "sites", "berlin", "v1", Lifecycle::DeletionProposed, 1, true),
        ];
        let made = kinds.map(|(namespace, repo, package, workspace, lifecycle, revision, latest)| {
            Change::Put(Arc::new(PackageRevision {
                latest,
                ..package_revision(namespace, repo, package, workspace, lifecycle, revision, next())
            }))
        });
        catalog.apply(made.into());
        let packages = Arc::new(FakePackages {
            catalog: catalog.clone(),
            clock: AtomicU64::new(version),
            reads: AtomicUsize::new(0),
            failing: Mutex::new(None),
            stale: AtomicUsize::new(0),
        });
        let shutdown = CancellationToken::new();
        let state = ApiState {
            catalog: catalog.clone(),
            packages: packages.clone(),
            readiness: Arc::new(|| Ok(())),
            metrics: Arc::new(|| "# EOF\n".to_owned()),
            observe: Arc::new(|_| {}),
            watcher_dropped: Arc::new(|| {}),
            shutdown: shutdown.clone(),
            bookmark_every: std::time::Duration::from_millis(50),
            watch_stall: std::time::Duration::from_secs(2),
            version: Arc::new(Version { release: "0.1.0".to_owned(), commit: "abc".to_owned() }),
        };
        let router = router(state).layer(axum::middleware::from_fn(authenticate));
        Self { catalog, packages, shutdown, router }
    }

    /// Sends a request; the user is `ann`, who may do everything, unless a header says otherwise.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a valid request");
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }

    pub(crate) async fn merge(&self, path: &str, patch: Value) -> Answer {
        self.send("PATCH", path, &[("content-type", "application/merge-patch+json")], patch.to_string()).await
    }

    /// Lets time pass for the catalog: one more change, of an object of no interest.
    pub(crate) fn put(&self, revision: PackageRevision) -> u64 {
        let resource_version = self.packages.tick();
        self.catalog.apply(vec![Change::Put(Arc::new(PackageRevision { resource_version, ..revision }))]);
        resource_version
    }
}

async fn authenticate(mut request: Request, next: Next) -> axum::response::Response {
    let roles: &[Role] = match request.headers().get("x-test-user").and_then(|user| user.to_str().ok()) {
        None => &[Role::Author, Role::Approver],
        Some("reader") => &[Role::Reader],
        Some("stranger") => &[],
        Some(_) => {
            request.extensions_mut().insert(Requester(None));
            return next.run(request).await;
        }
    };
    let actor = Actor { name: UserName::parse("ann").expect("valid"), roles: roles.iter().copied().collect() };
    request.extensions_mut().insert(Requester(Some(actor)));
    next.run(request).await
}

fn registration() -> Registration {
    Registration { branch: RefName::branch("main").expect("valid"), directory: Directory::parse("/").expect("valid") }
}

pub(crate) fn repository(namespace: &str, name: &str, resource_version: u64) -> Repository {
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

pub(crate) fn package_revision(
    namespace: &str,
    repo: &str,
    package: &str,
    workspace: &str,
    lifecycle: Lifecycle,
    revision: i64,
    resource_version: u64,
) -> PackageRevision {
    let registration = registration();
    let package = PackagePath::parse(package).expect("valid");
    let workspace = Workspace::parse(workspace).expect("valid");
    let repository = RepositoryName::parse(repo).expect("valid");
    let name = object_name(&repository, &registration.directory, &package, &workspace).expect("inside");
    let ref_name = match lifecycle {
        Lifecycle::Draft => RefName::draft(&package, &workspace),
        Lifecycle::Proposed => RefName::proposed(&package, &workspace),
        Lifecycle::Published | Lifecycle::DeletionProposed => {
            RefName::tag(&package, &RevisionNumber(revision).segment())
        }
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
        upstream_lock: (!lifecycle.is_published()).then(|| GitLock {
            repo: "https://example.com/up.git".to_owned(),
            directory: "router".to_owned(),
            git_ref: "router/v1".to_owned(),
            commit: "c".repeat(40),
        }),
        ..Kptfile::default()
    };
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
        revision: RevisionNumber(revision),
        lifecycle,
        latest: false,
        ref_name,
        commit: "b".repeat(40).parse().expect("an object id"),
        tree: "d".repeat(40).parse().expect("an object id"),
        kptfile: Arc::new(kptfile),
        tasks: Arc::new(vec![json!({"type": "init", "init": {"description": "a router"}})]),
        publication: lifecycle
            .is_published()
            .then(|| Publication { by: "bob@example.com".to_owned(), seconds: 1_700_000_050 }),
        findings: Arc::default(),
        metadata: Arc::new(Metadata {
            labels: BTreeMap::from([("tier".to_owned(), workspace_label(lifecycle))]),
            ..Metadata::default()
        }),
        tally: None,
        created: Micros::from_seconds(1_700_000_000),
        resource_version,
        content_version: resource_version,
    }
}

fn workspace_label(lifecycle: Lifecycle) -> String {
    if lifecycle.is_published() { "stable" } else { "moving" }.to_owned()
}
