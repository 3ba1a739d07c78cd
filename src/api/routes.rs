//! Every path of the API and what serves it.
//!
//! Never here: serving it.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::ApiState;
use super::objects::namespace::Namespaces;
use super::objects::package_revision::PackageRevisions;
use super::objects::package_revision_resources::PackageRevisionResources;
use super::objects::repository::Repositories;
use super::status::ApiError;
use super::{health, limits, read, requester};
use crate::commands::request::Packages;

const PORCH: &str = "/apis/porch.kpt.dev/v1alpha1";
const CONFIG: &str = "/apis/config.porch.kpt.dev/v1alpha1";

/// The API as a router. Authentication goes in front of it and leaves a [`super::Requester`] on each request.
pub fn router<P: Packages>(state: ApiState<P>) -> Router {
    let revisions = get(read::list_or_watch::<PackageRevisions, P>);
    let revision = get(read::get::<PackageRevisions, P>);
    let approval = get(read::get::<PackageRevisions, P>);
    let resources = get(read::list_only::<PackageRevisionResources, P>);
    let repositories = get(read::list_or_watch::<Repositories, P>);
    let in_namespace = |base: &str, rest: &str| format!("{base}/namespaces/{{namespace}}/{rest}");
    Router::new()
        .route("/healthz", get(health::health::<P>))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready::<P>))
        .route("/metrics", get(health::metrics::<P>))
        .route("/api/v1/namespaces", get(read::list_only::<Namespaces, P>))
        .route("/api/v1/namespaces/{name}", get(read::get::<Namespaces, P>))
        .route(&format!("{PORCH}/packagerevisions"), revisions.clone())
        .route(&in_namespace(PORCH, "packagerevisions"), revisions)
        .route(&in_namespace(PORCH, "packagerevisions/{name}"), revision)
        .route(&in_namespace(PORCH, "packagerevisions/{name}/approval"), approval)
        .route(&format!("{PORCH}/packagerevisionresources"), resources.clone())
        .route(&in_namespace(PORCH, "packagerevisionresources"), resources)
        .route(&in_namespace(PORCH, "packagerevisionresources/{name}"), get(read::get::<PackageRevisionResources, P>))
        .route(&format!("{CONFIG}/repositories"), repositories.clone())
        .route(&in_namespace(CONFIG, "repositories"), repositories)
        .route(&in_namespace(CONFIG, "repositories/{name}"), get(read::get::<Repositories, P>))
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(requester::require_reader))
        .layer(middleware::from_fn_with_state(state.clone(), limits::limit::<P>))
        .with_state(state)
}

async fn no_such_path(request: Request) -> ApiError {
    ApiError::no_such_path(request.uri().path())
}

async fn method_not_allowed(request: Request) -> Response {
    ApiError::method_not_allowed(request.method().as_str()).into_response()
}

/// A 405 that names what is allowed.
pub(crate) fn refused(error: ApiError, allow: &'static str) -> Response {
    let mut response = error.into_response();
    debug_assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}
