//! Every path of the API and what serves it.
//!
//! Never here: serving it.

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::get;

use super::ApiState;
use super::objects::event::Events;
use super::objects::namespace::Namespaces;
use super::objects::package_revision::PackageRevisions;
use super::objects::package_revision_resources::PackageRevisionResources;
use super::objects::repository::Repositories;
use super::resource::{EVENTS, Id, PACKAGE_REVISION_RESOURCES, PACKAGE_REVISIONS, REPOSITORIES};
use super::status::ApiError;
use super::update::{self, Door};
use super::{delete, discovery, health, limits, openapi, read, requester};
use crate::commands::request::Packages;

const PORCH: &str = "/apis/porch.kpt.dev/v1alpha1";
const CONFIG: &str = "/apis/config.porch.kpt.dev/v1alpha1";

const PUSH: &str = ": push a branch drafts/<package>/<workspace> to the repository instead";
const FOUND: &str =
    ": Stoop serves the repositories that it finds below its root; change them there or in its configuration";

const SAID: &str = ": Stoop says by itself what happens, and lets go of it after an hour";

/// The API as a router. Authentication goes in front of it and leaves a [`super::Requester`] on each request.
pub fn router<P: Packages>(state: ApiState<P>) -> Router {
    Router::new()
        .merge(service_routes())
        .merge(revision_routes())
        .merge(other_routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(requester::require_reader))
        .layer(middleware::from_fn_with_state(state.clone(), limits::limit::<P>))
        .with_state(state)
}

/// Probes, metrics, discovery.
fn service_routes<P: Packages>() -> Router<ApiState<P>> {
    Router::new()
        .route("/healthz", get(health::health::<P>))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready::<P>))
        .route("/metrics", get(health::metrics::<P>))
        .route("/version", get(discovery::version::<P>))
        .route("/openapi/v2", get(openapi::version_2))
        .route("/openapi/v3", get(openapi::index))
        .route("/openapi/v3/{*path}", get(openapi::version_3))
        .route("/api", get(discovery::core))
        .route("/api/v1", get(discovery::core_resources))
        .route("/apis", get(discovery::groups))
        .route("/apis/porch.kpt.dev", get(discovery::porch))
        .route(PORCH, get(discovery::porch_resources))
        .route("/apis/config.porch.kpt.dev", get(discovery::config))
        .route(CONFIG, get(discovery::config_resources))
}

/// Package revisions, their approval and their content.
fn revision_routes<P: Packages>() -> Router<ApiState<P>> {
    let revisions = || {
        get(read::list_or_watch::<PackageRevisions, P>)
            .post(refuse(&PACKAGE_REVISIONS, "create", PUSH, "GET,HEAD"))
            .delete(refuse(&PACKAGE_REVISIONS, "deletecollection", ": delete one by one", "GET,HEAD"))
    };
    let revision = get(read::get::<PackageRevisions, P>)
        .put(|state, target, request| update::put::<P>(Door::Main, state, target, request))
        .patch(|state, target, request| update::patch::<P>(Door::Main, state, target, request))
        .delete(delete::delete::<P>);
    let approval = get(read::get::<PackageRevisions, P>)
        .put(|state, target, request| update::put::<P>(Door::Approval, state, target, request))
        .patch(|state, target, request| update::patch::<P>(Door::Approval, state, target, request));
    let contents = || {
        get(read::list_only::<PackageRevisionResources, P>)
            .post(refuse(&PACKAGE_REVISION_RESOURCES, "create", PUSH, "GET,HEAD"))
            .delete(refuse(&PACKAGE_REVISION_RESOURCES, "deletecollection", "", "GET,HEAD"))
    };
    let content = get(read::get::<PackageRevisionResources, P>)
        .put(refuse(&PACKAGE_REVISION_RESOURCES, "update", PUSH, "GET,HEAD"))
        .patch(refuse(&PACKAGE_REVISION_RESOURCES, "patch", PUSH, "GET,HEAD"))
        .delete(refuse(&PACKAGE_REVISION_RESOURCES, "delete", ": delete the package revision", "GET,HEAD"));
    Router::new()
        .route(&format!("{PORCH}/packagerevisions"), get(read::list_or_watch::<PackageRevisions, P>))
        .route(&in_namespace(PORCH, "packagerevisions"), revisions())
        .route(&in_namespace(PORCH, "packagerevisions/{name}"), revision)
        .route(&in_namespace(PORCH, "packagerevisions/{name}/approval"), approval)
        .route(&format!("{PORCH}/packagerevisionresources"), get(read::list_only::<PackageRevisionResources, P>))
        .route(&in_namespace(PORCH, "packagerevisionresources"), contents())
        .route(&in_namespace(PORCH, "packagerevisionresources/{name}"), content)
}

/// Repositories, namespaces and events.
fn other_routes<P: Packages>() -> Router<ApiState<P>> {
    let repositories = get(read::list_or_watch::<Repositories, P>)
        .post(refuse(&REPOSITORIES, "create", FOUND, "GET,HEAD"))
        .delete(refuse(&REPOSITORIES, "deletecollection", FOUND, "GET,HEAD"));
    let repository = get(read::get::<Repositories, P>)
        .put(refuse(&REPOSITORIES, "update", FOUND, "GET,HEAD"))
        .patch(refuse(&REPOSITORIES, "patch", FOUND, "GET,HEAD"))
        .delete(refuse(&REPOSITORIES, "delete", FOUND, "GET,HEAD"));
    let events = get(read::list_or_watch::<Events, P>)
        .post(refuse(&EVENTS, "create", SAID, "GET,HEAD"))
        .delete(refuse(&EVENTS, "deletecollection", SAID, "GET,HEAD"));
    let event = get(read::get::<Events, P>)
        .put(refuse(&EVENTS, "update", SAID, "GET,HEAD"))
        .patch(refuse(&EVENTS, "patch", SAID, "GET,HEAD"))
        .delete(refuse(&EVENTS, "delete", SAID, "GET,HEAD"));
    Router::new()
        .route(&format!("{CONFIG}/repositories"), get(read::list_or_watch::<Repositories, P>))
        .route(&in_namespace(CONFIG, "repositories"), repositories)
        .route(&in_namespace(CONFIG, "repositories/{name}"), repository)
        .route("/api/v1/events", get(read::list_or_watch::<Events, P>))
        .route("/api/v1/namespaces/{namespace}/events", events)
        .route("/api/v1/namespaces/{namespace}/events/{name}", event)
        .route("/api/v1/namespaces", get(read::list_only::<Namespaces, P>))
        .route("/api/v1/namespaces/{name}", get(read::get::<Namespaces, P>))
}

fn in_namespace(base: &str, rest: &str) -> String {
    format!("{base}/namespaces/{{namespace}}/{rest}")
}

/// A handler for a verb that is not built: 405 with a sentence.
fn refuse<S: Clone + Send + Sync + 'static>(
    id: &'static Id,
    verb: &'static str,
    hint: &'static str,
    allow: &'static str,
) -> impl Handler<((),), S> {
    move || async move {
        let mut response = ApiError::method_not_supported(id, verb, hint).into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        response
    }
}

async fn no_such_path(request: Request) -> ApiError {
    ApiError::no_such_path(request.uri().path())
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::method_not_allowed(request.method().as_str())
}
